import { checkOptions } from '../report/option-error.js'
import type { Inputs } from './assemble.js'
import type { WatchableSource } from './credentials.js'
import { FileSource } from './file-source.js'
import { fileOfOption, isContentNotName, type NamedFile, readInputs, readPassphraseOption } from './load-inputs.js'
import { type HostPath, hostPathText } from '../files/in-root.js'
import type { FileUser } from '../files/readable-by.js'
import { readWatchOptions, type WatchOptions } from './follow/watched-files.js'

/** Options of {@link fromFiles}. Relative paths start from the working directory at the time of the call. */
export interface FromFilesOptions {
  /** File of the CA certificates that the other side's certificate must lead to: etcdctl's `--cacert`. */
  ca: string | URL
  /** File of the CA certificates that etcd trusts for clients, if they differ from `ca`. @default unknown */
  clientCa?: string | URL | undefined
  /** File of the own certificate, followed by the intermediates to send with it: etcdctl's `--cert`. */
  cert: string | URL
  /** File of the private key, PKCS#8, SEC1 or PKCS#1, plain or encrypted: etcdctl's `--key`. May be the same file as `cert`. */
  key: string | URL
  /** Decrypts the key. @default none */
  passphrase?: string | Uint8Array | undefined
  /** File of CRLs in PEM, or of one in DER. @default none */
  crl?: string | URL | undefined
  /** How `watch()` follows the files. @default when the system reports a change, and every ten seconds */
  watch?: WatchOptions | undefined
}

/**
 * Credentials from files, read again at each `load()`, and followed by `watch()`.
 *
 * `load()` rejects with `ERR_CREDENTIALS_UNREADABLE` and lists every fault with its file and remedy. Only regular files
 * (also behind symbolic links) of at most 4 MiB are read.
 *
 * @example
 * ```ts
 * const credentials = fromFiles({ ca: 'ca.crt', cert: 'client.crt', key: 'client.key' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is missing, unknown or of a wrong type.
 */
export function fromFiles(options: FromFilesOptions): WatchableSource {
  checkOptions('options', options, ['ca', 'clientCa', 'cert', 'key', 'passphrase', 'crl', 'watch'])
  const files = {
    ca: fileOfOption('ca', options.ca),
    clientCa: options.clientCa === undefined ? null : fileOfOption('ca', options.clientCa, 'clientCa'),
    cert: fileOfOption('cert', options.cert),
    key: fileOfOption('key', options.key),
    crl: options.crl === undefined ? null : fileOfOption('crl', options.crl),
  }
  return sourceOf(files, options)
}

type LocatedFile = NamedFile & { readonly path: HostPath }

export function sourceOf(
  files: Readonly<Record<'ca' | 'cert' | 'key', LocatedFile>> & Partial<Record<'clientCa' | 'crl', LocatedFile | null>>,
  options: Pick<FromFilesOptions, 'passphrase' | 'watch'> = {},
): WatchableSource {
  const { clientCa = null, crl = null } = files
  const passphrase = readPassphraseOption(options.passphrase)
  const timing = readWatchOptions(options.watch)
  // The value may be a private key instead of its path.
  const shown = [files.ca, files.cert, files.key].map(({ file, namedBy }) => (isContentNotName(file) ? namedBy : file))
  const paths = [files.ca, clientCa, files.cert, files.key, crl].flatMap((each) => (each === null ? [] : [each.path]))
  const gather = (): Promise<Inputs> => readInputs({ ...files, clientCa, crl }, passphrase)
  return new FileSource(`files ${shown.join(', ')}`, { gather, paths: () => paths, timing })
}

/** @param user Who named the files to root. They are read only if they are safe to use for that user. */
export function sourceOfPaths(
  paths: Readonly<Record<'ca' | 'cert' | 'key', HostPath>>,
  user?: FileUser,
): WatchableSource {
  const file = <R extends 'ca' | 'cert' | 'key'>(role: R) => {
    const text = hostPathText(paths[role])
    return { role, file: text, namedBy: text, path: paths[role], user }
  }
  return sourceOf({ ca: file('ca'), cert: file('cert'), key: file('key') })
}
