/** The public types of `client.tls`, and the error after the client was closed. */
import type { Credentials, CredentialSource } from '../../credentials/credentials.js'
import { EtcdMtlsError } from '../../report/errors.js'
import type { CertificateRef, FailedReport, Finding, FindingCode, PassedReport, Report } from '../../report/finding.js'
import type { Meter, RepeatReason } from './meter.js'
import type { OnAbort } from './timing.js'

/** How a client switches to new credentials. */
export interface RotationOptions {
  /**
   * How connections with old credentials end. They get no new calls. `'now'`: watches and lease keep-alives migrate at
   * once, and other calls have 10 s to finish. `'streams-finish'`: the connection ends with its last call; do not use
   * this after a revocation.
   *
   * @default 'now'; in rotate(), the option of the client
   */
  drain?: 'now' | 'streams-finish' | undefined
}

/** A snapshot of one endpoint: it does not change later. */
export interface EndpointStatus {
  /** Canonical: `https://host:port` or `unixs:///path`. */
  endpoint: string
  /**
   * `ready`: both sides are verified, and etcd answered. `leaderless`: the same, but the member has no leader, so calls
   * go to other endpoints. `failed`: the findings name the cause, and the client dials it again. `closed`: the client
   * was closed.
   */
  state: 'connecting' | 'ready' | 'leaderless' | 'failed' | 'closed'
  /** Since when it is in this state. */
  since: Date
  /** TLS version of the connection; null unless connected. */
  protocol: 'TLSv1.2' | 'TLSv1.3' | null
  /** The group of the key exchange, such as `X25519`; null unless connected, and if Node does not report it. */
  keyExchange: string | null
  /** The connections: two if the first has no room for the streams of watches and leases. */
  connections: number
  /** The role of its member at the last `client.tls.probe()`; null if that is not known, or it has no leader. */
  role: 'leader' | 'follower' | 'learner' | null
  /** The server's path from its certificate to our trust anchor; null unless connected. */
  path: CertificateRef[] | null
  /**
   * The current findings. It has errors only if the endpoint is not ready, or if the server's certificate has expired.
   */
  findings: Finding[]
}

/** What `client.tls.events()` yields. A union over `type`; `at` is the time of the event. */
export type TlsEvent = { at: Date } & (
  | {
      /** New calls use new credentials. */
      type: 'rotated'
      /** The result of their validation, with warnings at most. */
      report: PassedReport
    }
  | {
      /** The client refused new credentials and continues with the current ones. */
      type: 'rotation-refused'
      /** Everything that is wrong with them. */
      report: FailedReport
    }
  | {
      /** The `watch` of the source ended with an error. The client calls it again after `retryIn` milliseconds. */
      type: 'source-failed'
      origin: string
      error: Error
      retryIn: number
    }
  | {
      /** A source that had failed returns credentials again. */
      type: 'source-recovered'
      origin: string
      /** Whether they differ from the current ones. Then `rotated` or `rotation-refused` follows. */
      changed: boolean
    }
  | {
      /**
       * Two thirds, or nine tenths, of the lifetime of the current credentials are over. Then it comes after each half
       * of the rest, at most once a minute.
       */
      type: 'credentials-expiring'
      /** The share of the lifetime that is over, at least. */
      fraction: '2/3' | '9/10'
      /** The certificate of the path that expires first. */
      certificate: CertificateRef
      notAfter: Date
    }
  | {
      /**
       * The current credentials have expired. Open connections stay, and servers refuse new ones. Repeated every ten
       * minutes.
       */
      type: 'credentials-expired'
      certificate: CertificateRef
      notAfter: Date
    }
  | {
      /**
       * Two thirds, or nine tenths, of the lifetime of the certificate that a server presents, or of a CA above it, are over. The client
       * has dialled again before: a renewed certificate makes no event. Then it comes as `credentials-expiring`.
       */
      type: 'server-certificate-expiring'
      /** The URL of the endpoint. */
      endpoint: string
      /** The share of the lifetime that is over, at least. */
      fraction: '2/3' | '9/10'
      /** The certificate of the server's path that expires first. */
      certificate: CertificateRef
      notAfter: Date
    }
  | {
      /**
       * The certificate that a server presents, or a CA above it, has expired: open connections stay, and the client refuses new ones.
       * Repeated every ten minutes.
       */
      type: 'server-certificate-expired'
      endpoint: string
      certificate: CertificateRef
      notAfter: Date
    }
  | {
      /** The state of an endpoint changed. */
      type: 'endpoint-changed'
      status: EndpointStatus
    }
  | {
      /**
       * Looking up the endpoints (options `refreshEndpoints`, or `endpoints: { srv }` with `waitFor`) failed. They stay; the next
       * look-up is in `retryIn` milliseconds.
       */
      type: 'refresh-failed'
      /** From DNS an `EtcdMtlsError` with a report; from the cluster the error of the call. */
      error: Error
      retryIn: number
    }
  | {
      /** Logging in with the password failed. */
      type: 'login-failed'
      username: string
      /** Whether etcd refused the name or the password. If not, the next call logs in again. */
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
      /** This consumer was too slow, and lost the `count` oldest events. */
      type: 'events-missed'
      count: number
    }
)

/** A certificate that the client uses or a server presents. */
export interface CertificateMetric {
  /** Of the client's path or of a server's: `client` and `server` are end-entity certificates, the others CAs above them. */
  role: 'client' | 'client-ca' | 'server' | 'server-ca'
  /** Distinguished name in RFC 4514 form, escaped for display, at most 200 characters. */
  subject: string
  /** The URL of the server's endpoint; null for the client's path. */
  endpoint: string | null
  fingerprint256: string
  notAfter: Date
  /** Until `notAfter`, negative after it. */
  seconds: number
}

/** What a client has counted since it was created, and what it has now. Numbers that count only grow. */
export interface ClientMetrics {
  /** The certificates in use. */
  certificates: CertificateMetric[]
  /** Switches to new credentials. */
  rotations: number
  /** Credentials that were refused, by the code of the first finding. */
  rotationsRefused: Partial<Record<FindingCode, number>>
  /** Attempts to connect to an endpoint: `ok`, or the code of the first finding. */
  handshakes: Partial<Record<FindingCode | 'ok', number>>
  /** Calls that have ended, by method (`KV/Put`) and gRPC status (`OK`). Shared keep-alive streams are no calls. */
  calls: { method: string; status: string; count: number }[]
  /** Attempts of calls with one answer: one for each call, and one for each repeat and each hedged read. */
  attempts: number
  /**
   * Attempts that followed one that failed: the member did not process it (`unprocessed`), its token was refused, or it failed
   * otherwise.
   */
  repeats: Record<RepeatReason, number>
  /** Writes that may have been applied (`ERR_OUTCOME_UNKNOWN`). */
  outcomeUnknown: number
  /** Reads that were also sent to a second endpoint, because the first did not answer within a second. */
  hedgedReads: number
  /** Watches that continued over another stream. */
  watchesResumed: number
  /** Leases that were reported as lost, those of locks and elections included. */
  leasesLost: number
  /** Each endpoint. */
  endpoints: {
    endpoint: string
    state: EndpointStatus['state']
    connections: number
    /** Streams that do not end on their own, which it carries: those of watches and of keep-alives. */
    streams: number
    /** The server's limit of such streams; the others of its limit are left to calls. Null: no limit, or not connected. */
    streamLimit: number | null
  }[]
}

/** One check. Its name does not change in a major version. */
export interface HealthCheck {
  name: 'endpoints' | 'leader' | 'credentials' | 'server-certificates'
  status: 'pass' | 'warn' | 'fail'
  /** What was seen. It may change in any release. */
  message: string
}

/** The state of a client, from what it knows: nothing is dialled for it. */
export interface Health {
  /** The worst of the checks. `fail`: calls cannot succeed now. */
  status: HealthCheck['status']
  checks: HealthCheck[]
}

/** The TLS state of a client. */
export interface TlsSession {
  /** The validation of the current credentials. It passes until a certificate or a CRL expires. */
  readonly report: Report & { path: CertificateRef[] }
  /** Every endpoint, in the order in which they were given. */
  readonly endpoints: EndpointStatus[]
  /** What the client has counted and has now, in a new object. It costs nothing before it is called. */
  metrics(): ClientMetrics
  /** The state for probes of Kubernetes and the like, from what the client knows: it dials nothing. */
  health(): Health
  /**
   * Checks every endpoint now, within `dialTimeout`: pings the ready ones and reads their role, and dials the others
   * again.
   *
   * @returns All findings. `ok` is true only if every endpoint is ready and the cluster has a leader, which
   *   `endpoint/leader` names. `path` is the path of the client's certificate.
   * @throws {EtcdMtlsError} `ERR_CLOSED` after the client was closed.
   */
  probe(): Promise<Report>
  /**
   * Switches to new credentials. The client validates them and dials every endpoint with them, next to the current
   * connections. When one endpoint is verified, new calls use the new connections, and the old ones drain (`drain`). No
   * request fails, and no watch event or lease is lost. If the credentials are not valid, or no endpoint accepts them,
   * the client continues with the current ones. Rotations run one after the other, so the newest wins.
   *
   * @param next A source, which the client follows from then on, or credentials. Default: load the current source
   *   again.
   * @returns `ok`: the client uses them for all new calls. Otherwise every fault.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_CLOSED` if the client is or gets closed.
   */
  rotate(next?: CredentialSource | Credentials, options?: RotationOptions): Promise<Report>
  /**
   * Replaces the endpoints. The client dials new ones first, within `dialTimeout`. Then it drains the removed ones:
   * streams migrate at once, and other calls have 10 s to finish. If no new endpoint is ready, but an old one is,
   * nothing changes.
   *
   * @param endpoints URLs, as in the option `endpoints` of `createSecureClient`.
   * @returns All findings about the endpoints. `ok` is true only if every endpoint in the list is ready.
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call; `ERR_CLOSED` if the client is or gets closed.
   */
  setEndpoints(
    endpoints: string | readonly (string | { url: string; serverName?: string | undefined })[],
  ): Promise<Report>
  /**
   * Yields the events of the client's credentials and endpoints from this call on. If the credentials are already
   * expiring or expired, that is the first event. Each iteration gets every event, and keeps at most 256 unread ones.
   * It ends when the client closes or the loop ends. It does not keep the process alive.
   */
  events(): AsyncIterableIterator<TlsEvent, undefined>
}

/** The property of a client that holds what other modules of this package use. */
export const CLIENT = Symbol.for('etcd-mtls.client')

/** The value of {@link CLIENT}, so that other modules do not import etcd3. */
export interface ClientInternals {
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal
  /** For all listeners of `closing` and of callers' signals. */
  readonly onAbort: OnAbort
  /** Calls the listener when the client switches to another cluster. Returns a function that removes it. */
  onClusterChange(listener: (error: EtcdMtlsError) => void): () => void
  /** Why streams that do not end wait; null if none does. */
  shortage(): EtcdMtlsError | null
  readonly meter: Meter
  /** Whether an error says that etcd does not have the lease. */
  isLeaseGone(error: unknown): boolean
  /**
   * What a caller gets after a call of this package failed; null if the same call may succeed later. `until`: the time by
   * `performance.now()` after which a failure is final. With a finite time, it is final also if each endpoint refuses the client.
   */
  finalError(error: unknown, until: number): unknown
  /** The error of a watch that was canceled with this reason. */
  watchError(reason: string): Error
}

export function clientClosed(): EtcdMtlsError<'ERR_CLOSED'> {
  return new EtcdMtlsError('ERR_CLOSED', 'The client is closed.', { what: 'client' })
}
