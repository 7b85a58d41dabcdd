/** What a client says about its own TLS: the types behind `client.tls`. */
import type { CertificateRef, Finding } from '../report/finding.js'
import type { PassedReport, Report } from '../report/report-types.js'

/**
 * How an endpoint stands. `connecting`: being dialled. `ready`: proved, TLS verified on both sides. `failed`: the findings say
 * why; it is dialled again after a while. `closed`: the client was closed.
 */
export type EndpointState = 'connecting' | 'ready' | 'failed' | 'closed'

/** One endpoint as it stands now. A snapshot: it does not change under the reader. */
export interface EndpointStatus {
  /** Canonical: `https://host:port`. */
  endpoint: string
  state: EndpointState
  /** When it came into this state. */
  since: Date
  /** TLS version of the connection; null unless ready. */
  protocol: 'TLSv1.2' | 'TLSv1.3' | null
  /** The server's path from its certificate to our trust anchor; null unless ready. */
  path: CertificateRef[] | null
  /** What is wrong with it, or worth knowing about it: errors only while it is not ready. */
  findings: Finding[]
}

/** The TLS side of a client. */
export interface TlsSession {
  /** The verdict on the credentials in use: passed, perhaps with warnings. */
  readonly report: PassedReport
  /** Every endpoint, in the order in which they were given. */
  readonly endpoints: EndpointStatus[]
  /**
   * Asks every endpoint now: the ready ones by an HTTP/2 ping, the others by dialling them again. Takes at most the dial
   * time-out and opens no connection beside those that the client itself uses.
   *
   * @returns All findings; `ok` only when every endpoint is ready. `path` is the path of the client's own certificate.
   * @throws {EtcdMtlsError} `ERR_CLOSED` after the client was closed.
   */
  probe(): Promise<Report>
}
