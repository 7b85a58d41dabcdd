/** What a TLS peer shows and trusts, and where that comes from. */
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl.js'
import type { PrivateKey } from '../x509/keys.js'

/** A certificate with its key, and the CAs to trust. */
export interface Credentials {
  /** The CAs that the other side's certificate must lead to. */
  trustAnchors: Certificate[]
  /** The own certificate, then the intermediates to send with it. */
  chain: [Certificate, ...Certificate[]]
  /** The private key of the first certificate in `chain`. It never prints. */
  key: PrivateKey
  /** Revocation lists to check against; empty for none. */
  crls: Crl[]
  /** Where the credentials came from, for people. */
  origin: string
}

/** A place that credentials are read from, as often as needed. */
export interface CredentialSource {
  /** Where the credentials come from, for people. */
  origin: string
  /**
   * Reads the credentials as they are now.
   *
   * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE`; `details.findings` lists everything that is wrong.
   */
  load(signal?: AbortSignal): Promise<Credentials>
  /** Yields the credentials each time they change, until `signal` is aborted. */
  watch?(signal: AbortSignal): AsyncIterable<Credentials>
}
