/**
 * TLS for etcd: certificates issued, checked and used. `etcd-mtls/coordination` has locks and elections,
 * `etcd-mtls/metrics` the numbers of a client for Prometheus, `etcd-mtls/testing` a temporary etcd.
 *
 * @module
 */
export * from './authority/index.js'
export { createSecureClient, isRetryable, mirror, observeServer, pages, watch } from './client/index.js'
export type {
  CallMessage,
  CertificateMetric,
  ClientLogger,
  ClientMetrics,
  DialMessage,
  EndpointStatus,
  Etcd3Options,
  FindingMessage,
  Health,
  HealthCheck,
  KeyValue,
  Mirror,
  MirrorOptions,
  ObserveServerOptions,
  Page,
  PagesOptions,
  RotationMessage,
  RotationOptions,
  SecureClientOptions,
  SecureEtcd3,
  ServerObservation,
  ServerRefusal,
  TlsEvent,
  TlsOptions,
  TlsSession,
  WatchEvent,
  WatchOptions,
} from './client/index.js'
export * from './config/index.js'
export * from './credentials/index.js'
export * from './report/index.js'
export * from './validate/index.js'
