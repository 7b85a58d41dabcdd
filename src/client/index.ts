/**
 * An `Etcd3` over mutual TLS that proves itself before it is handed back, and explains itself when it cannot.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClientDefaults, Credentials, CredentialSource } from '../credentials/credentials.js'
export { createSecureClient } from './create-secure-client.js'
export { SecureEtcd3 } from './connect.js'
export type { EndpointOptions } from './endpoints.js'
export type { Etcd3Options, GrpcOptions } from './connect.js'
export type { DiscoveryOptions } from './discovery-options.js'
export type {
  DiscoveredClientOptions,
  EnvironmentClientOptions,
  PasswordAuth,
  RotationOptions,
  SecureClientOptions,
  TlsOptions,
  TlsVersion,
} from './options.js'
export type { EndpointState, EndpointStatus } from './endpoint-status.js'
export type { MemberRole } from './streams/server-status.js'
export type { DrainPolicy, RotateOptions, TlsSession } from './tls-session.js'
export type * from './tls-events.js'
