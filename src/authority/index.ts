/**
 * Issues the certificates that an etcd cluster and its clients need. The code loads at the first use, so
 * importing this costs little.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClientDefaults, Credentials, CredentialSource, WatchableSource } from '../credentials/credentials.js'
export type { CredentialFiles } from '../credentials/write.js'
export type { TrustedOwnerOption } from '../files/guarded-file-system.js'
export { Certificate } from '../x509/certificate.js'
export type { CertificateRequest } from '../x509/certificate-request.js'
export { Crl } from '../x509/crl/crl.js'
export { PrivateKey } from '../x509/keys/keys.js'
export type { KeyAlgorithm } from './algorithms.js'
export type { Authority } from './authority.js'
export type { CreateAuthorityOptions, CreateIntermediateOptions } from './create-ca.js'
export { withTrustAnchors } from './cluster/cluster-credentials.js'
export type { Cluster, ClusterFiles } from './cluster/cluster-credentials.js'
export type { Layout } from './cluster/layouts.js'
export type { ClusterPlan } from './cluster/issue-cluster.js'
export type { DirectoryRenewal, RenewDirectoryOptions } from './cluster/renew-directory.js'
export type { WriteClusterOptions } from './cluster/write-cluster.js'
export type { CreateRequestOptions } from './create-csr.js'
export {
  createAuthority,
  createRequest,
  fileLedger,
  fromAuthority,
  issueCluster,
  loadAuthority,
  openAuthority,
  renewCredentials,
  renewDirectory,
  writeCluster,
  writeCrl,
  writeTrust,
} from './deferred.js'
export { inspectRequest } from './inspect-csr.js'
export { cfssl, type CfsslOptions } from './issuer/cfssl.js'
export { command, type CommandOptions } from './issuer/command.js'
export { fromIssuer, type FromIssuerOptions, type Issuer, type IssuerRequest } from './issuer/issuer.js'
export type { Signer } from './keys.js'
export type { Ledger, LedgerEntry, RevokeReason } from './ledger.js'
export type { LoadAuthorityOptions } from './load.js'
export type { SubjectAttributes } from './options.js'
export { renewalDue } from './renewal-due.js'
export type { IssueRequest, RequestOptions, Role } from './issue-options.js'
export type { AuthoritySettings } from './settings.js'
export type { CsrPolicy, SignedRequest, SignRequest } from './sign-csr.js'
