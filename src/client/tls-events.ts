/** What a client tells about its own TLS while it lives: the types behind `client.tls.events()`. */
import type { CertificateRef } from '../report/finding.js'
import type { FailedReport, PassedReport } from '../report/report-types.js'
import type { EndpointStatus } from './endpoint-status.js'

interface Told {
  /** When it happened. */
  at: Date
}

/** New credentials are in use: calls that start from here on go over connections made with them. */
export interface RotatedEvent extends Told {
  type: 'rotated'
  /** The verdict on them, with warnings at most. */
  report: PassedReport
}

/** New credentials are not used; the client goes on with those that it has. */
export interface RotationRefusedEvent extends Told {
  type: 'rotation-refused'
  /** Everything that speaks against them. */
  report: FailedReport
}

/** The source's watch ended with an error; it is watched again after a while. */
export interface SourceFailedEvent extends Told {
  type: 'source-failed'
  /** Where the credentials come from. */
  origin: string
  /** What the source threw. */
  error: Error
  /** How long the client waits until it watches again, in milliseconds. */
  retryIn: number
}

/** A source whose watch had failed gives credentials again. */
export interface SourceRecoveredEvent extends Told {
  type: 'source-recovered'
  /** Where the credentials come from. */
  origin: string
  /** Whether they are others than those in use. Then `rotated` or `rotation-refused` follows. */
  changed: boolean
}

/**
 * The credentials in use have come to two thirds, or to nine tenths, of their lifetime. After nine tenths the event comes again each
 * time that half of the rest is over, at most once a minute.
 */
export interface CredentialsExpiringEvent extends Told {
  type: 'credentials-expiring'
  /** How much of the lifetime is over, at least. */
  fraction: '2/3' | '9/10'
  /** The certificate that ends first: the client's own, or an intermediate or anchor above it. */
  certificate: CertificateRef
  notAfter: Date
}

/**
 * The credentials in use are over. Connections that are open stay; new ones are refused by the servers. The event comes again every
 * ten minutes.
 */
export interface CredentialsExpiredEvent extends Told {
  type: 'credentials-expired'
  /** The certificate that ended. */
  certificate: CertificateRef
  notAfter: Date
}

/** An endpoint came into another state. */
export interface EndpointChangedEvent extends Told {
  type: 'endpoint-changed'
  /** How it stands now. */
  status: EndpointStatus
}

/** Looking up the endpoints (option `refreshEndpoints`) failed. The client keeps its endpoints and looks them up again. */
export interface RefreshFailedEvent extends Told {
  type: 'refresh-failed'
  /** From DNS an `EtcdMtlsError` with a report; from the cluster the error of the call. */
  error: Error
  /** How long the client waits until the next look-up, in milliseconds. */
  retryIn: number
}

/** Logging in with the password failed. */
export interface LoginFailedEvent extends Told {
  type: 'login-failed'
  username: string
  /** Whether etcd refused the name or the password; else the log-in is tried again with the next call. */
  refused: boolean
  error: Error
}

/** A watch has ended, and its watcher has no listener for `error`. */
export interface WatchFailedEvent extends Told {
  type: 'watch-failed'
  /** What the watcher emitted; its `cause` says more, if more is known. */
  error: Error
}

/** This consumer was too slow, and what it had not yet taken was more than is kept for it. */
export interface EventsMissedEvent extends Told {
  type: 'events-missed'
  /** How many events were dropped, the oldest ones. They came before those that follow this one. */
  count: number
}

/** What `client.tls.events()` yields. A union over `type`. */
export type TlsEvent =
  | RotatedEvent
  | RotationRefusedEvent
  | SourceFailedEvent
  | SourceRecoveredEvent
  | CredentialsExpiringEvent
  | CredentialsExpiredEvent
  | EndpointChangedEvent
  | RefreshFailedEvent
  | LoginFailedEvent
  | WatchFailedEvent
  | EventsMissedEvent
