/** A root CA that is kept in a directory. */
import { join, resolve } from 'node:path'
import { replaceFiles } from '../../files/replace-files.js'
import { checkDirectory } from '../../credentials/write.js'
import { writeFailed } from '../../files/write-file.js'
import { isEtcdMtlsError } from '../../report/errors.js'
import type { Authority } from '../authority.js'
import { createAuthority } from '../create.js'
import { loadAuthority } from '../load.js'
import type { CreateAuthorityOptions } from '../make-ca.js'
import { type FileSystem, lookAt, readPlainFile } from '../../files/file-system.js'
import { makeFolders } from '../../files/folders.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { lockPathOf, withLock } from '../../files/lock.js'

/**
 * Loads the root CA in `ca.crt` and `ca.key` of a directory, or creates it there if neither file exists. The key gets mode
 * 0600 and is not encrypted, the certificate 0644, and a directory that is created 0700. Two processes that open one
 * directory at the same time get the same CA.
 *
 * @param directory The directory of the CA alone. Whoever can read it can issue certificates.
 * @param options Those of `createAuthority`. For a CA that exists, `name` and the other properties of the certificate are not
 *   compared with it.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE` or `ERR_ISSUE_REFUSED` if the files are not a CA with its key.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if one of the two files is missing, or the file system refuses.
 */
export async function openAuthority(
  directory: string,
  options: Omit<CreateAuthorityOptions, 'signer'>,
): Promise<Authority> {
  checkDirectory(directory)
  const place = resolve(directory)
  try {
    const fs = guardedFileSystem()
    await makeFolders(fs, place, [])
    return await withLock(lockPathOf(place), () => loadOrCreate(fs, place, options), { fileSystem: fs })
  } catch (error) {
    throw isEtcdMtlsError(error) ? error : writeFailed(place, error)
  }
}

async function loadOrCreate(fs: FileSystem, place: string, options: CreateAuthorityOptions): Promise<Authority> {
  const paths = { cert: join(place, 'ca.crt'), key: join(place, 'ca.key') }
  const [cert, key] = await Promise.all([readIfThere(fs, paths.cert), readIfThere(fs, paths.key)])
  if (cert !== null && key !== null) {
    const { crypto, ledger, clock, serialNumbers } = options
    return loadAuthority({ cert, key, crypto, ledger, clock, serialNumbers })
  }
  if (cert !== null) throw writeFailed(paths.key, 'it is missing, and ca.crt exists: restore the key from a backup')
  if (key !== null) throw writeFailed(paths.cert, 'it is missing, and ca.key exists: restore it, or remove the key')
  const authority = await createAuthority(options)
  const material = authority.export()
  await replaceFiles(fs, place, [
    { name: 'ca.key', content: material.key, mode: 0o600 },
    { name: 'ca.crt', content: material.cert, mode: 0o644 },
  ])
  return authority
}

/** Bytes of a PEM file of the CA; a certificate and a key have some thousand. */
const MAX_BYTES = 1024 * 1024

/** Null if nothing is there. The files may be links, as in a volume of Kubernetes. */
async function readIfThere(fs: FileSystem, path: string): Promise<Buffer | null> {
  if ((await lookAt(fs, path)) === null) return null
  return (await readPlainFile(fs, await fs.realpath(path), MAX_BYTES))?.bytes ?? null
}
