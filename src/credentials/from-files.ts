import { resolve } from 'node:path'
import { checkOptions } from '../report/option-error.js'
import type { Inputs } from './assemble.js'
import type { WatchableSource } from './credentials.js'
import { FileSource } from './file-source.js'
import { fileInput, type NamedFile, readPassphraseOption, readPathOption } from './inputs.js'
import { isContentNotName } from './recognize.js'
import { readWatchOptions, type WatchOptions } from './follow/watch-options.js'

/** What {@link fromFiles} takes. Paths that are relative start from the working directory at the time of the call. */
export interface FromFilesOptions {
  /** File of the CA certificates that the other side's certificate must lead to: etcdctl's `--cacert`. */
  ca: string | URL
  /** File of the CA certificates that etcd trusts for clients, if they are others than `ca`. Default: not known. */
  clientCa?: string | URL | undefined
  /** File of the own certificate, followed by the intermediates to send with it: etcdctl's `--cert`. */
  cert: string | URL
  /** File of the private key, PKCS#8, SEC1 or PKCS#1, plain or encrypted: etcdctl's `--key`. May be the same file as `cert`. */
  key: string | URL
  /** Decrypts the key. Default: none. */
  passphrase?: string | Uint8Array | undefined
  /** File of revocation lists in PEM, or of one in DER. Default: none. */
  crl?: string | URL | undefined
  /** How `watch()` follows the files. Default: looked at when the system reports a change, and every ten seconds. */
  watch?: WatchOptions | undefined
}

/**
 * Credentials from files, read again at each `load()`, and followed by `watch()`.
 *
 * `load()` rejects with `ERR_CREDENTIALS_UNREADABLE` and lists everything that is wrong, each finding with its file and what to
 * do. Only regular files (also behind symbolic links) of at most 4 MiB are read.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is missing, unknown or of a wrong type.
 */
export function fromFiles(options: FromFilesOptions): WatchableSource {
  checkOptions('options', options, ['ca', 'clientCa', 'cert', 'key', 'passphrase', 'crl', 'watch'])
  const ca = namedFile('ca', options.ca)
  const cert = namedFile('cert', options.cert)
  const key = namedFile('key', options.key)
  const clientCa = options.clientCa === undefined ? null : namedFile('ca', options.clientCa, 'clientCa')
  const crl = options.crl === undefined ? null : namedFile('crl', options.crl)
  const passphrase = readPassphraseOption(options.passphrase)
  const timing = readWatchOptions(options.watch)
  const origin = `files ${[ca, cert, key].map((each) => shown(each)).join(', ')}`
  const gather = async (): Promise<Inputs> => {
    const [caInput, clientCaInput, certInput, keyInput, crlInput] = await Promise.all([
      fileInput(ca),
      clientCa === null ? null : fileInput(clientCa),
      fileInput(cert),
      fileInput(key),
      crl === null ? null : fileInput(crl),
    ])
    return { ca: caInput, clientCa: clientCaInput, cert: certInput, key: keyInput, crl: crlInput, passphrase }
  }
  const paths = [ca, clientCa, cert, key, crl].flatMap((each) => (each === null ? [] : [each.path]))
  return new FileSource(origin, { gather, paths: () => paths, timing })
}

function namedFile(role: NamedFile['role'], value: unknown, option: string = role): NamedFile & { path: string } {
  const file = readPathOption(`options.${option}`, value)
  return { role, file, namedBy: `option "${option}"`, path: resolve(file) }
}

/** The name, unless it is no name but perhaps a key. */
function shown({ file, namedBy }: NamedFile): string {
  return isContentNotName(file) ? namedBy : file
}
