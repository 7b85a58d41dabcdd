/**
 * An `Etcd3` over mutual TLS that is verified before it is returned, and whose errors name the cause. `observeServer` shows how a server
 * sets up TLS.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClientDefaults, Credentials, CredentialSource } from '../credentials/credentials.js'
export type { ObserveServerOptions, ServerObservation, ServerRefusal } from './diagnosis/observe-server.js'
export { createSecureClient, observeServer, SecureEtcd3 } from './deferred.js'
export type { DistinguishedName } from '../x509/distinguished-name.js'
export type { Etcd3Options } from './etcd3/options.js'
export type { SecureClientOptions, TlsOptions } from './base/options.js'
export { isRetryable } from './base/retryable.js'
export type { CallMessage, DialMessage, FindingMessage, RotationMessage } from './base/channels.js'
export type { ClientLogger } from './base/log.js'
export type {
  CertificateMetric,
  ClientMetrics,
  EndpointStatus,
  Health,
  HealthCheck,
  RotationOptions,
  TlsEvent,
  TlsSession,
} from './base/tls-session.js'
export { type Mirror, mirror, type MirrorOptions } from './ranges/mirror.js'
export { type Page, pages, type PagesOptions } from './ranges/pages.js'
export { type KeyValue, watch, type WatchEvent, type WatchOptions } from './ranges/watch.js'
