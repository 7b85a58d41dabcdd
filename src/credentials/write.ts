/** Writes credentials as the files that etcd, etcdctl and everything else read. */
import { join, resolve } from 'node:path'
import { checkOptions, optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Credentials } from './credentials.js'
import { type FileSystem, lookAt } from '../files/file-system.js'
import { findRoot, makeFolders } from '../files/folders.js'
import { guardedFileSystem } from '../files/guarded-file-system.js'
import { replaceFilesLocked } from '../files/replace-files.js'
import { failureOf } from '../files/write-failed.js'

/** The files that hold credentials, as etcd's and etcdctl's options want them. */
export interface CredentialFiles {
  /** Trust anchors: `--trusted-ca-file`, etcdctl's `--cacert`. */
  ca: string
  /** `clientAnchors`, if the credentials have them. */
  clientCa?: string
  /** The certificate and its intermediates: `--cert-file`, etcdctl's `--cert`. */
  cert: string
  /** The private key: `--key-file`, etcdctl's `--key`. */
  key: string
}

/** Names of the files inside the directory. */
export interface CredentialFileNames {
  /** Default: `'ca.crt'`. */
  ca?: string | undefined
  /** Default: `'client-ca.crt'`. It is written if the credentials have `clientAnchors`; otherwise a file of that name stays as it is. */
  clientCa?: string | undefined
  /** Default: `'tls.crt'`. */
  cert?: string | undefined
  /** Default: `'tls.key'`. */
  key?: string | undefined
}

export interface WriteCredentialsOptions {
  /** Names of the files. Default: `ca.crt`, `tls.crt` and `tls.key`, the names in a Kubernetes TLS secret. */
  names?: CredentialFileNames | undefined
}

/** The files in the order of writing. The certificate is last: if it is visible for the first time, so is its key. */
const FILES = {
  ca: { name: 'ca.crt', mode: 0o644 },
  clientCa: { name: 'client-ca.crt', mode: 0o644 },
  key: { name: 'tls.key', mode: 0o600 },
  cert: { name: 'tls.crt', mode: 0o644 },
} as const
type FileKind = keyof typeof FILES
const FILE_KINDS = ['ca', 'clientCa', 'key', 'cert'] as const satisfies readonly FileKind[]

/**
 * Writes trust anchors, certificate chain and private key into a directory, which is made (mode 0700) if it is not there.
 *
 * The key gets mode 0600 and is not encrypted, since etcd reads no other; the certificates get 0644. Each file is replaced
 * atomically and durably: written under a temporary name, flushed, then renamed, so that a reader finds the old file or the new
 * one. A symbolic link in a file's place is replaced, not followed. All files are complete before the first is renamed; a reader
 * that opens two files between two renames can still get a new key with an old certificate, which etcd and this package read
 * again. If something fails, no temporary file stays; the next call removes those of a killed process. Processes that write to
 * one directory wait for each other (`.etcd-mtls.lock`).
 *
 * Run as root, files in a directory of another user are written by a process of that user, see docs/running-as.md.
 *
 * CRLs are not written: they are renewed at other times and by others.
 *
 * @param directory Where the files go.
 * @returns The paths that were written.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a bad name, and for a directory that is a file or a file that is a
 * directory.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` where the file system refuses (`cause` is its error).
 */
export async function writeCredentials(
  directory: string,
  credentials: Credentials,
  options: WriteCredentialsOptions = {},
): Promise<CredentialFiles> {
  return writeCredentialsOn(guardedFileSystem(), directory, credentials, options)
}

/** {@link writeCredentials} on any file system. */
export async function writeCredentialsOn(
  fs: FileSystem,
  directory: string,
  credentials: Credentials,
  options: WriteCredentialsOptions,
): Promise<CredentialFiles> {
  checkDirectory(directory)
  checkCredentials(credentials)
  checkOptions('options', options, ['names'])
  const names = readNames(options.names)
  const { clientAnchors } = credentials
  const contents: Record<FileKind, string | undefined> = {
    ca: credentials.trustAnchors.map((each) => each.toPem()).join(''),
    clientCa: clientAnchors?.map((each) => each.toPem()).join(''),
    cert: credentials.chain.map((each) => each.toPem()).join(''),
    key: credentials.key.exportPem(),
  }
  const files = FILE_KINDS.flatMap((kind) => {
    const content = contents[kind]
    return content === undefined ? [] : [{ name: names[kind], content, mode: FILES[kind].mode }]
  })
  try {
    await replaceFilesLocked(fs, await prepareDirectory(fs, resolve(directory), names), files)
  } catch (cause) {
    throw failureOf(directory, cause)
  }
  return {
    ca: join(directory, names.ca),
    ...(clientAnchors === undefined ? {} : { clientCa: join(directory, names.clientCa) }),
    cert: join(directory, names.cert),
    key: join(directory, names.key),
  }
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what can be no path. */
export function checkDirectory(path: unknown, option = 'directory', accepted = 'the path of a directory'): void {
  // Node refuses a NUL byte with another error.
  const isPath = typeof path === 'string' && path !== '' && !path.includes('\0')
  if (!isPath) throw valueInvalid(option, path, accepted)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what cannot be written as credentials. */
export function checkCredentials(credentials: Credentials, option = 'credentials'): void {
  const given: unknown = credentials
  const complete =
    typeof given === 'object' && given !== null && 'trustAnchors' in given && 'chain' in given && 'key' in given
  if (!complete) throw valueInvalid(option, given, 'credentials, such as authority.issue or a source returns')
  // Every program would report an empty CA file differently.
  if (credentials.trustAnchors.length === 0) throw optionInvalid(`${option}.trustAnchors`, 'must not be empty')
  if (credentials.clientAnchors?.length === 0) throw optionInvalid(`${option}.clientAnchors`, 'must not be empty')
}

function readNames(given: CredentialFileNames = {}): Record<FileKind, string> {
  checkOptions('names', given, FILE_KINDS)
  const read = (kind: FileKind): string => checkFileName(given[kind] ?? FILES[kind].name, `names.${kind}`)
  const names = { ca: read('ca'), clientCa: read('clientCa'), cert: read('cert'), key: read('key') }
  if (new Set(Object.values(names)).size < FILE_KINDS.length) throw optionInvalid('names', 'must name different files')
  return names
}

/** Longest name of a file on the file systems in use (limits.h, NAME_MAX), less what a temporary name adds. */
const MAX_FILE_NAME = 200

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything but the plain name of a file or a directory. */
export function checkFileName(name: unknown, option: string): string {
  const plain = typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\p{Cc}]/u.test(name)
  if (!plain) throw textInvalid(option, name, 'the plain name of a file, without a directory')
  if (Buffer.byteLength(name) > MAX_FILE_NAME) {
    throw optionInvalid(option, `must be at most ${String(MAX_FILE_NAME)} octets long`)
  }
  return name
}

/**
 * Creates the directory if it is not there, and checks what is in the places of the files, before anything is written.
 *
 * @returns The real path of the directory.
 */
async function prepareDirectory(fs: FileSystem, directory: string, names: Record<FileKind, string>): Promise<string> {
  const found = await lookAt(fs, directory)
  if (found !== null && !found.isDirectory() && !found.isSymbolicLink())
    throw optionInvalid('directory', `must be a directory; ${directory} is not a directory`)
  const root = await findRoot(fs, directory)
  if (root === null) await makeFolders(fs, directory)
  const place = root ?? directory
  for (const kind of FILE_KINDS) {
    const path = join(place, names[kind])
    if ((await lookAt(fs, path))?.isDirectory() === true)
      throw optionInvalid(`names.${kind}`, `must name a file, and ${path} is a directory`)
  }
  return place
}
