/** Writes credentials as the files that etcd and etcdctl read. */
import { join, resolve } from 'node:path'
import { checkOptions, optionInvalid } from '../report/option-error.js'
import { checkCredentials, checkDirectory, checkFileName } from './checks.js'
import type { Credentials } from './credentials.js'
import { readGroup } from '../files/accounts.js'
import {
  checkGroupEnters,
  type FileSystem,
  findRoot,
  lookAt,
  makeDirectories,
  replaceFiles,
} from '../files/file-system.js'
import { giveToGroup, type Migration } from '../files/foreign-component.js'
import { guardedFileSystem, type TrustedOwnerOption } from '../files/guarded-file-system.js'
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

export interface WriteCredentialsOptions extends TrustedOwnerOption {
  /** Names of the files. @default ca.crt, tls.crt and tls.key, the names in a Kubernetes TLS secret */
  names?:
    | {
        /** @default 'ca.crt' */
        ca?: string | undefined
        /**
         * It is written if the credentials have `clientAnchors`; otherwise a file of that name stays as it is.
         *
         * @default 'client-ca.crt'
         */
        clientCa?: string | undefined
        /** @default 'tls.crt' */
        cert?: string | undefined
        /** @default 'tls.key' */
        key?: string | undefined
      }
    | undefined
  /**
   * A group that reads the key, by name or id: the key gets this group and mode 0640, and a directory that is created
   * 0750. Without root, a group of this process.
   *
   * @default a key that is replaced keeps owner, group and mode; a new one gets 0600
   */
  group?: string | number | undefined
}

const KEY_MODE = 0o600
const GROUP_KEY_MODE = 0o640

/** In the order of writing. The certificate is last, so that its key exists when it appears for the first time. */
const FILES = {
  ca: { name: 'ca.crt', mode: 0o644 },
  clientCa: { name: 'client-ca.crt', mode: 0o644 },
  key: { name: 'tls.key', mode: KEY_MODE },
  cert: { name: 'tls.crt', mode: 0o644 },
} as const
type FileKind = keyof typeof FILES
const FILE_KINDS = ['ca', 'clientCa', 'key', 'cert'] as const satisfies readonly FileKind[]

/**
 * Writes trust anchors, certificate chain and private key into a directory, which is made (mode 0700) if it is not there.
 *
 * A new key gets mode 0600 and is not encrypted, since etcd reads no other; new certificates get 0644. Replaced files keep owner,
 * group and mode, but a key loses the access of other users. Each file is replaced
 * atomically and durably: written under a temporary name, flushed, then renamed, so that a reader finds the old file or the new
 * one. A symbolic link in a file's place is replaced, not followed. All files are complete before the first is renamed; a reader
 * that opens two files between two renames can still get a new key with an old certificate, which etcd and this package read
 * again. A process that is killed between them leaves that pair until the next call; `writeCluster` never does. If the call
 * fails, no temporary file remains; the next call removes those of a killed process. Processes that write to one directory
 * wait for each other (`.etcd-mtls.lock`).
 *
 * Run as root, it writes only where no user but root and `trustedOwner` can rename, see docs/files.md.
 *
 * CRLs are not written: they are renewed at other times and by others.
 *
 * @example
 * ```ts
 * const files = await writeCredentials('/srv/app/tls', credentials)
 * ```
 * @param directory Where the files go.
 * @returns The paths that were written.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a bad name, and for a directory that is a file or a file that is a
 * directory, for a `group` that this machine does not have, and for one on Windows.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if root would write where another user can rename, `group` cannot enter the
 * directory, or the file system refuses; `cause` is its error.
 */
export async function writeCredentials(
  directory: string,
  credentials: Credentials,
  options: WriteCredentialsOptions = {},
): Promise<CredentialFiles> {
  checkDirectory(directory)
  checkCredentials(credentials)
  checkOptions('options', options, ['names', 'group', 'trustedOwner'])
  const names = readNames(options.names)
  const gid = await readGroup(options.group)
  const target = resolve(directory)
  const migration: Migration = (folder, group) => giveToGroup(folder, group, [names.key], false)
  const fs = await guardedFileSystem(target, options, migration)
  const { clientAnchors } = credentials
  const contents: Record<FileKind, string | undefined> = {
    ca: credentials.trustAnchors.map((each) => each.toPem()).join(''),
    clientCa: clientAnchors?.map((each) => each.toPem()).join(''),
    cert: credentials.chain.map((each) => each.toPem()).join(''),
    key: credentials.key.exportPem(),
  }
  const files = FILE_KINDS.flatMap((kind) => {
    const content = contents[kind]
    const attributes = kind === 'key' && gid !== null ? { mode: GROUP_KEY_MODE, gid } : { mode: FILES[kind].mode }
    return content === undefined ? [] : [{ name: names[kind], content, ...attributes }]
  })
  try {
    const place = await prepareDirectory(fs, target, names, gid)
    await withDirectoryLock(fs, place, undefined, (_root, _signal, held) => replaceFiles(held, place, files))
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

function readNames(given: NonNullable<WriteCredentialsOptions['names']> = {}): Record<FileKind, string> {
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
async function prepareDirectory(
  fs: FileSystem,
  directory: string,
  names: Record<FileKind, string>,
  gid: number | null,
): Promise<string> {
  const found = await lookAt(fs, directory)
  if (found !== null && !found.isDirectory() && !found.isSymbolicLink())
    throw optionInvalid('directory', `must be a directory; ${directory} is not a directory`)
  const root = await findRoot(fs, directory)
  if (root === null) await makeDirectories(fs, directory, { gid })
  else if (gid !== null) await checkGroupEnters(fs, root, gid)
  const place = root ?? directory
  for (const kind of FILE_KINDS) {
    const path = join(place, names[kind])
    if ((await lookAt(fs, path))?.isDirectory() === true)
      throw optionInvalid(`names.${kind}`, `must name a file, and ${path} is a directory`)
  }
  return place
}
