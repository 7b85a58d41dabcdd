import { checkOptions } from '../report/option-error.js'
import type { CredentialSource } from './credentials.js'
import { readPassphraseOption, textInput } from './load-inputs.js'
import { MaterialSource } from './source.js'

/** Options of {@link fromPem}. */
export interface FromPemOptions {
  /** The CA certificates that the other side's certificate must lead to. */
  ca: string | Uint8Array
  /** The CA certificates that etcd trusts for clients, if they differ from `ca`. @default unknown */
  clientCa?: string | Uint8Array | undefined
  /** The own certificate, then the intermediates to send with it. */
  cert: string | Uint8Array
  /** The private key: PKCS#8, SEC1 or PKCS#1, plain or encrypted. */
  key: string | Uint8Array
  /** Decrypts the key. @default none */
  passphrase?: string | Uint8Array | undefined
  /** CRLs in PEM, or one in DER. @default none */
  crl?: string | Uint8Array | undefined
}

/**
 * Credentials from PEM text, for example from a secret store.
 *
 * Nothing is checked before `load()`, which rejects with `ERR_CREDENTIALS_UNREADABLE` and lists every fault. Buffers
 * are copied. Neither the source nor any error shows the key or the passphrase.
 *
 * @example
 * ```ts
 * const credentials = fromPem({ ca: env.ETCD_CA, cert: env.ETCD_CERT, key: env.ETCD_KEY })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for an option that is missing, unknown or of a wrong type.
 */
export function fromPem(options: FromPemOptions): CredentialSource {
  checkOptions('options', options, ['ca', 'clientCa', 'cert', 'key', 'passphrase', 'crl'])
  const inputs = {
    ca: textInput('ca', options.ca),
    clientCa: options.clientCa === undefined ? null : textInput('ca', options.clientCa, 'clientCa'),
    cert: textInput('cert', options.cert),
    key: textInput('key', options.key),
    crl: options.crl === undefined ? null : textInput('crl', options.crl),
    passphrase: readPassphraseOption(options.passphrase),
  }
  return new MaterialSource('PEM text', () => Promise.resolve(inputs))
}
