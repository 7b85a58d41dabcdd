/** Writes credentials as the files that etcd and etcdctl read. */
import { join, resolve } from 'node:path'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { checkCredentials, checkDirectory, checkFileName } from './checks.js'
import type { Credentials } from './credentials.js'
import { type FileSystem, findRoot, lookAt, makeDirectories, replaceFiles } from '../files/file-system.js'
import { guardedFileSystem } from '../files/guarded-file-system.js'
import { withDirectoryLock } from '../files/lock.js'
import { failureOf } from '../files/write-failed.js'

/** Paths of the files, for options of etcd and etcdctl. */
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

/** In the order of writing. The certificate is last, so that its key exists when it appears for the first time. */
const FILES = {
  ca: { name: 'ca.crt', mode: 0o644 },
  clientCa: { name: 'client-ca.crt', mode: 0o644 },
  key: { name: 'tls.key', mode: 0o600 },
  cert: { name: 'tls.crt', mode: 0o644 },
} as const
type FileKind = keyof typeof FILES
const FILE_KINDS = ['ca', 'clientCa', 'key', 'cert'] as const satisfies readonly FileKind[]

export async function writeCredentials(
  directory: string,
  credentials: Credentials,
  options: WriteCredentialsOptions = {},
  fs: FileSystem = guardedFileSystem(),
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
    const place = await prepareDirectory(fs, resolve(directory), names)
    await withDirectoryLock(fs, place, undefined, () => replaceFiles(fs, place, files))
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

function readNames(given: CredentialFileNames = {}): Record<FileKind, string> {
  checkOptions('names', given, FILE_KINDS)
  const read = (kind: FileKind): string => {
    const { [kind]: name = FILES[kind].name } = given
    return checkFileName(name, `names.${kind}`)
  }
  const names = { ca: read('ca'), clientCa: read('clientCa'), cert: read('cert'), key: read('key') }
  if (new Set(Object.values(names)).size < FILE_KINDS.length) throw optionInvalid('names', 'must name different files')
  return names
}

/**
 * Creates the directory if it does not exist, and checks that the files can replace what exists, before any is written.
 *
 * @returns The real path of the directory.
 */
async function prepareDirectory(fs: FileSystem, directory: string, names: Record<FileKind, string>): Promise<string> {
  const found = await lookAt(fs, directory)
  if (found !== null && !found.isDirectory() && !found.isSymbolicLink())
    throw optionInvalid('directory', `must be a directory; ${directory} is not a directory`)
  const root = await findRoot(fs, directory)
  if (root === null) await makeDirectories(fs, directory)
  const place = root ?? directory
  for (const kind of FILE_KINDS) {
    const path = join(place, names[kind])
    if ((await lookAt(fs, path))?.isDirectory() === true)
      throw optionInvalid(`names.${kind}`, `must name a file, and ${path} is a directory`)
  }
  return place
}
