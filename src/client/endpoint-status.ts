/** How one endpoint stands, as `client.tls.endpoints` shows it. */
import type { CertificateRef, Finding } from '../report/finding.js'
import type { MemberRole } from './streams/server-status.js'

/**
 * How an endpoint stands. `connecting`: being dialled. `ready`: proved, TLS verified on both sides, and answered by etcd. `leaderless`:
 * the same, but its member has no leader, so that calls go to other endpoints. `failed`: the findings say why; it is dialled again after
 * a while. `closed`: the client was closed.
 */
export type EndpointState = 'connecting' | 'ready' | 'leaderless' | 'failed' | 'closed'

/** One endpoint as it stands now. A snapshot: it does not change under the reader. */
export interface EndpointStatus {
  /** Canonical: `https://host:port`. */
  endpoint: string
  state: EndpointState
  /** When it came into this state. */
  since: Date
  /** TLS version of the connection; null unless connected. */
  protocol: 'TLSv1.2' | 'TLSv1.3' | null
  /** What its member was in the cluster at the last `client.tls.probe()`; null if that is not known, or it has no leader. */
  role: MemberRole | null
  /** The server's path from its certificate to our trust anchor; null unless connected. */
  path: CertificateRef[] | null
  /**
   * What is wrong with it, or worth knowing about it, as of now: errors only while it is not ready, or once the server's certificate
   * came to its end.
   */
  findings: Finding[]
}
