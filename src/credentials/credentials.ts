/** The types of credentials and of their sources. */
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import type { PrivateKey } from '../x509/keys/keys.js'

/** A certificate with its key, and the CAs to trust. */
export interface Credentials {
  /** The CAs that the other side's certificate must lead to. */
  trustAnchors: Certificate[]
  /**
   * The CAs that etcd trusts for clients (`--trusted-ca-file`), if they differ from `trustAnchors`. The client's own
   * chain is validated against them.
   *
   * @default unknown; then a chain that does not lead to trustAnchors is an info
   */
  clientAnchors?: Certificate[] | undefined
  /** The own certificate, then the intermediates to send with it. */
  chain: [Certificate, ...Certificate[]]
  /** The private key of the first certificate in `chain`. It never prints. */
  key: PrivateKey
  /** CRLs to check against; empty for none. */
  crls: Crl[]
  /** Where the credentials came from, for display. */
  origin: string
}

/** A place that credentials are read from, as often as needed. */
export interface CredentialSource {
  /** Where the credentials come from, for display. */
  origin: string
  /**
   * Reads the current credentials.
   *
   * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE`; `details.findings` lists every fault.
   */
  load(signal?: AbortSignal): Promise<Credentials>
  /**
   * Yields the credentials each time they change, until `signal` is aborted or the iteration is left.
   *
   * It yields only complete credentials. If the files stay unusable, the iteration throws. Keep the current credentials
   * and call `watch` again with the same signal, which identifies the consumer. The same failure is not thrown again.
   * When the files are good again, the credentials are yielded, even if they are the old ones.
   *
   * @param held The current credentials of the consumer. If the source has others, they are yielded first, so that no
   *   change between `load` and `watch` is lost. Default: the last result of `load`. Sources may ignore it.
   * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE` out of the iteration; `details.findings` lists every fault.
   */
  watch?(signal: AbortSignal, held?: Credentials): AsyncIterable<Credentials>
  /** Settings of the client that come with the credentials. Options of the client take precedence. Default: none. */
  clientDefaults?(): ClientDefaults
}

/** Settings of a client that come from a source, as from etcdctl's variables with `fromEnv`. */
export interface ClientDefaults {
  /** As the option `endpoints`: one string with commas, or the domain of SRV records. */
  readonly endpoints?: string | { readonly srv: string; readonly name?: string | undefined } | undefined
  /** The names in errors of `endpoints`, `endpoints.srv` and `endpoints.name`. @default these */
  readonly names?: Readonly<Record<string, string>> | undefined
  /** As the option `auth`. */
  readonly auth?: { readonly username: string; readonly password: string } | undefined
  /** As the option `dialTimeout`. */
  readonly dialTimeout?: string | undefined
  /** Limit of each unary call without its own deadline. Watches and keep-alives have no such limit. */
  readonly callTimeout?: string | undefined
  /** Throws `ERR_OPTION_INVALID` for a setting that the client refuses. It is called before the others are read. */
  check?(): void
}

/** A source that notices changes. */
export interface WatchableSource extends CredentialSource {
  watch(signal: AbortSignal, held?: Credentials): AsyncIterableIterator<Credentials, undefined, undefined>
}
