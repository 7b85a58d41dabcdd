/**
 * Reads credentials from PEM text, files, the environment or a Kubernetes secret, and writes them to files.
 *
 * @module
 */
export * from '../report/index.js'
export type { TrustedOwnerOption } from '../files/guarded-file-system.js'
export { Certificate } from '../x509/certificate.js'
export { Crl } from '../x509/crl/crl.js'
export type * from '../x509/types.js'
export { PrivateKey } from '../x509/keys/keys.js'
export type { ClientDefaults, Credentials, CredentialSource, WatchableSource } from './credentials.js'
export { fromEnv } from './from-env.js'
export type { EnvironmentSource, FromEnvOptions } from './from-env.js'
export { fromFiles } from './from-files.js'
export type { FromFilesOptions } from './from-files.js'
export { fromKubernetesSecret } from './from-kubernetes-secret.js'
export type { FromKubernetesSecretOptions } from './from-kubernetes-secret.js'
export { fromPem } from './from-pem.js'
export type { FromPemOptions } from './from-pem.js'
export type { WatchOptions } from './follow/watched-files.js'
export { writeCredentials } from './write.js'
export type { CredentialFiles, WriteCredentialsOptions } from './write.js'
