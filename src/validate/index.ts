/**
 * Validates certificates before they are used: chains, names, usages, keys, dates, revocation.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClientDefaults, Credentials, CredentialSource } from '../credentials/credentials.js'
export { Certificate } from '../x509/certificate.js'
export { Crl } from '../x509/crl/crl.js'
export type * from '../x509/types.js'
export type { Usage, ValidateOptions } from './context.js'
export type { CertificateInput, CrlInput } from './input.js'
export { inspectCredentials, validateChain, validateCredentials } from './validate.js'
export type { ChainInput, ValidateChainOptions } from './validate.js'
