/** Writes a revocation list as etcd reads it. */
import { basename, dirname, resolve } from 'node:path'
import { checkFileName } from '../../credentials/write.js'
import { findRoot } from '../../files/folders.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { replaceFilesLocked } from '../../files/replace-files.js'
import { writeFailed } from '../../files/write-file.js'
import { isEtcdMtlsError } from '../../report/errors.js'
import { checkOptions, textInvalid, valueInvalid } from '../../report/option-error.js'
import { Crl } from '../../x509/crl.js'

/** How `writeCrl` writes. */
export interface WriteCrlOptions {
  /**
   * `der` is read by every etcd. `pem` is read by etcd up to 3.5 only: from 3.6 on it makes etcd close the connection of
   * every client, whoever they are. Default: `'der'`.
   */
  form?: 'der' | 'pem' | undefined
}

/**
 * Writes a revocation list for `--client-crl-file` or `--peer-crl-file`: one list, readable by all (mode 0644), replaced
 * atomically and durably. etcd reads the file anew for every connection, so it counts at once; connections that are open
 * stay open.
 *
 * Source: etcd client/pkg/transport/listener_tls.go, checkCRL; it parses by `x509.ParseRevocationList` since 3.6.
 *
 * @param path The file. Its directory has to be there.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` where the file system refuses.
 */
export async function writeCrl(path: string, crl: Crl, options: WriteCrlOptions = {}): Promise<void> {
  checkOptions('options', options, ['form'])
  const form: unknown = options.form ?? 'der'
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw valueInvalid('path', path, 'the path of a file')
  if (!(crl instanceof Crl)) throw valueInvalid('crl', crl, 'a Crl, such as authority.issueCrl returns')
  if (form !== 'der' && form !== 'pem') throw textInvalid('form', form, '"der" or "pem"')
  const name = checkFileName(basename(path), 'path')
  const fs = guardedFileSystem()
  try {
    const directory = await findRoot(fs, dirname(resolve(path)))
    if (directory === null) throw writeFailed(path, 'its directory is not there: create it')
    const content = form === 'der' ? crl.raw : crl.toPem()
    await replaceFilesLocked(fs, directory, [{ name, content, mode: 0o644 }])
  } catch (error) {
    throw isEtcdMtlsError(error) ? error : writeFailed(path, error)
  }
}
