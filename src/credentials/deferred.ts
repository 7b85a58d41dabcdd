/** Loads the code of `writeCredentials` at its first call, because clients only read credentials. */
import { loadDeferred } from '../report/load-deferred.js'
import type { Credentials } from './credentials.js'
import type { CredentialFiles, WriteCredentialsOptions } from './write.js'

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
  const room = await loadDeferred(() => import('./write.js'))
  return room.writeCredentials(directory, credentials, options)
}
