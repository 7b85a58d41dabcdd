/** What a client says about its own TLS: the types behind `client.tls`. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import type { CertificateRef } from '../report/finding.js'
import type { Report } from '../report/report-types.js'
import type { EndpointStatus } from './endpoint-status.js'
import type { EndpointOptions } from './endpoints.js'
import type { TlsEvent } from './tls-events.js'

/**
 * How connections made with old credentials end. `'now'`: they take no new calls, watches and the keep-alive of leases move
 * to the new connections at once, other calls have 10 s to end. `'streams-finish'`: they take no new calls, and end when
 * the last watch, lease or other call on them has ended by itself; right for a renewal, wrong for a revocation.
 */
export type DrainPolicy = 'now' | 'streams-finish'

/** How to go over to new credentials. */
export interface RotateOptions {
  /** How the connections made with the old ones end. Default: as the option `rotation` of the client says, else `'now'`. */
  drain?: DrainPolicy | undefined
}

/** The TLS side of a client. */
export interface TlsSession {
  /**
   * The verdict on the credentials in use, as of now: passed, perhaps with warnings, until a certificate or a CRL among them comes
   * to its end.
   */
  readonly report: Report & { path: CertificateRef[] }
  /** Every endpoint, in the order in which they were given. */
  readonly endpoints: EndpointStatus[]
  /**
   * Asks every endpoint now: the ready ones by an HTTP/2 ping and for their role, the others by dialling them again. Takes at most
   * the dial time-out and opens no connection in addition to those of the client.
   *
   * @returns All findings; `ok` only if every endpoint is ready and one that answers has a leader. The finding `endpoint/leader`
   * names the endpoint that leads; `endpoints` has the role of each from then on. `path` is the path of the client's own certificate.
   * @throws {EtcdMtlsError} `ERR_CLOSED` after the client was closed.
   */
  probe(): Promise<Report>

  /**
   * Goes over to new credentials: they are loaded, judged as the first ones were, and every endpoint is dialled with them,
   * beside the connections in use. Once an endpoint is proved, calls that start afterwards go over connections made with the
   * new credentials, and the others leave as `drain` says. An endpoint that is not proved with the new credentials keeps
   * no old connection either. No request fails by that, and no watch event or lease is lost.
   *
   * Where they are not good, or no endpoint accepts them, the client goes on with those that it has. Rotations run one after
   * the other, so the newest wins.
   *
   * @param next Where to take them from, from here on: its `watch` is followed instead of the former source's, if it has one.
   * Default: the source in use, asked again.
   * @returns `ok`: they are in use, and no new call goes over an old connection. Otherwise everything that speaks against them.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_CLOSED` when the client is closed, also meanwhile.
   */
  rotate(next?: CredentialSource | Credentials, options?: RotateOptions): Promise<Report>
  /**
   * Replaces the endpoints. New ones are dialled first, which takes at most `dialTimeout`. Then those that are missing from the list
   * leave: they take no new calls, watches and the keep-alive of leases move at once, other calls have 10 s to end. Endpoints that
   * stay keep their connection. If no endpoint of the list is ready while another one is, nothing changes.
   *
   * @param endpoints As the option `endpoints` of `createSecureClient`.
   * @returns All findings about the endpoints; `ok` only if every endpoint of the list is ready.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_CLOSED` when the client is closed, also meanwhile.
   */
  setEndpoints(endpoints: string | readonly (string | EndpointOptions)[]): Promise<Report>
  /**
   * Everything that happens to the client's credentials and endpoints, from this call on. Consumers stand side by side, each
   * is told everything, and nothing is lost between two `next()`. For each consumer 256 events are kept; when more come that
   * it does not take, the oldest are dropped, and an event `events-missed` says how many. It ends when the client closes, or
   * with `return()`, as by a `break`; it keeps no process alive.
   *
   * Where the credentials have come to a mark of their lifetime already, that is the first event.
   */
  events(): AsyncIterableIterator<TlsEvent, undefined>
}
