/** The TLS side of a client as callers see it: the types behind `client.tls`, and the error after the client was closed. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { EtcdMtlsError } from '../report/errors.js'
import type { CertificateRef, FailedReport, Finding, PassedReport, Report } from '../report/finding.js'

/** How a client switches to new credentials. */
export interface RotationOptions {
  /**
   * How connections made with old credentials end; they accept no new calls. `'now'`: watches and the keep-alive of leases migrate at
   * once, other calls have 10 s. `'streams-finish'`: with the last call on them; right for a renewal, wrong for a revocation.
   * Default: `'now'`; of one `rotate()`: as the client.
   */
  drain?: 'now' | 'streams-finish' | undefined
}

/** A snapshot of one endpoint: it does not change later. */
export interface EndpointStatus {
  /** Canonical: `https://host:port`. */
  endpoint: string
  /**
   * `ready`: TLS is verified on both sides, and etcd answered. `leaderless`: the same, but its member has no leader, so that calls go
   * to other endpoints. `failed`: the findings name the cause; it is dialled again after a while. `closed`: the client was closed.
   */
  state: 'connecting' | 'ready' | 'leaderless' | 'failed' | 'closed'
  /** When it came into this state. */
  since: Date
  /** TLS version of the connection; null unless connected. */
  protocol: 'TLSv1.2' | 'TLSv1.3' | null
  /** The role of its member at the last `client.tls.probe()`; null if that is not known, or it has no leader. */
  role: 'leader' | 'follower' | 'learner' | null
  /** The server's path from its certificate to our trust anchor; null unless connected. */
  path: CertificateRef[] | null
  /** As of now. Errors only while it is not ready, or once the server's certificate has expired. */
  findings: Finding[]
}

/** What `client.tls.events()` yields. A union over `type`; `at` is the time of the event. */
export type TlsEvent = { at: Date } & (
  | {
      /** New credentials are in use by calls that start from here on. */
      type: 'rotated'
      /** The result of their validation, with warnings at most. */
      report: PassedReport
    }
  | {
      /** New credentials are not used; the client continues with those that it has. */
      type: 'rotation-refused'
      /** Everything that is wrong with them. */
      report: FailedReport
    }
  | {
      /** The source's watch ended with an error; it is watched again after `retryIn` milliseconds. */
      type: 'source-failed'
      origin: string
      error: Error
      retryIn: number
    }
  | {
      /** A source whose watch had failed returns credentials again. */
      type: 'source-recovered'
      origin: string
      /** Whether they are others than those in use. Then `rotated` or `rotation-refused` follows. */
      changed: boolean
    }
  | {
      /**
       * Two thirds, or nine tenths, of the lifetime of the credentials in use are over; then each time that half of the rest is over,
       * at most once a minute.
       */
      type: 'credentials-expiring'
      /** How much of the lifetime is over, at least. */
      fraction: '2/3' | '9/10'
      /** The certificate of the path that expires first. */
      certificate: CertificateRef
      notAfter: Date
    }
  | {
      /** The credentials in use have expired: connections stay, servers refuse new ones. Repeated every ten minutes. */
      type: 'credentials-expired'
      certificate: CertificateRef
      notAfter: Date
    }
  | {
      /** The state of an endpoint changed. */
      type: 'endpoint-changed'
      status: EndpointStatus
    }
  | {
      /** Looking up the endpoints (option `refreshEndpoints`) failed. They stay; the next look-up is in `retryIn` milliseconds. */
      type: 'refresh-failed'
      /** From DNS an `EtcdMtlsError` with a report; from the cluster the error of the call. */
      error: Error
      retryIn: number
    }
  | {
      /** Logging in with the password failed. */
      type: 'login-failed'
      username: string
      /** Whether etcd refused the name or the password; else the login is tried again with the next call. */
      refused: boolean
      error: Error
    }
  | {
      /** A watch has ended, and its watcher has no listener for `error`. */
      type: 'watch-failed'
      /** What the watcher emitted; its `cause` has more, if more is known. */
      error: Error
    }
  | {
      /** This consumer was too slow: the `count` oldest events, before those that follow, were dropped. */
      type: 'events-missed'
      count: number
    }
)

/** The TLS side of a client. */
export interface TlsSession {
  /** The validation of the credentials in use, as of now: passed, until a certificate or a CRL among them expires. */
  readonly report: Report & { path: CertificateRef[] }
  /** Every endpoint, in the order in which they were given. */
  readonly endpoints: EndpointStatus[]
  /**
   * Checks every endpoint now, within the dial time-out: the ready ones by a ping and by asking for their role, the others by dialling
   * them again.
   *
   * @returns All findings; `ok` only if every endpoint is ready and one that answers has a leader, which `endpoint/leader` names.
   * `path` is the path of the client's own certificate.
   * @throws {EtcdMtlsError} `ERR_CLOSED` after the client was closed.
   */
  probe(): Promise<Report>
  /**
   * Switches to new credentials: they are validated as the first ones were, and every endpoint is dialled with them, next to the
   * connections in use. Once an endpoint is verified, new calls use connections made with them, and the others are drained (`drain`).
   * No request fails because of that, and no watch event or lease is lost. If they are not valid, or no endpoint accepts them, the
   * client continues with those that it has. Rotations run one after the other, so the newest wins.
   *
   * @param next Where to load them from, and whose `watch` is followed, from here on. Default: the source in use, loaded again.
   * @returns `ok`: they are in use, and no new call goes over an old connection. Otherwise everything that is wrong with them.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_CLOSED` when the client is closed, also meanwhile.
   */
  rotate(next?: CredentialSource | Credentials, options?: RotationOptions): Promise<Report>
  /**
   * Replaces the endpoints. New ones are dialled first, within `dialTimeout`. Then those that are missing from the list are drained:
   * streams migrate at once, other calls have 10 s. Endpoints that stay keep their connection. If no endpoint of the list is ready
   * while another one is, nothing changes.
   *
   * @param endpoints As the option `endpoints` of `createSecureClient`.
   * @returns All findings about the endpoints; `ok` only if every endpoint of the list is ready.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_CLOSED` when the client is closed, also meanwhile.
   */
  setEndpoints(
    endpoints: string | readonly (string | { url: string; serverName?: string | undefined })[],
  ): Promise<Report>
  /**
   * Everything that happens to the client's credentials and endpoints, from this call on; first of all, that the credentials are
   * expiring or expired already. Each consumer receives every event, also between two `next()`; 256 are kept for it. It ends when the
   * client closes, or with `return()`, as by a `break`; it keeps no process alive.
   */
  events(): AsyncIterableIterator<TlsEvent, undefined>
}

/** The property of every client of this package that has what the package itself needs of it. */
export const CLIENT = Symbol.for('etcd-mtls.client')

/** What {@link CLIENT} has. The rooms above need nothing of etcd3 but this. */
export interface ClientParts {
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal
  /** Whether an error says that etcd does not have the lease. */
  isLeaseGone(error: unknown): boolean
  /** Whether the call that failed may succeed later. */
  isTransient(error: unknown): boolean
}

export function clientClosed(): EtcdMtlsError<'ERR_CLOSED'> {
  return new EtcdMtlsError('ERR_CLOSED', 'The client is closed.', { what: 'client' })
}
