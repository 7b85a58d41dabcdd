/**
 * Issues the certificates that an etcd cluster and its clients need. The crypto engine loads at the first use, so
 * importing this costs little.
 *
 * @module
 */
export * from '../report/index.js'
export type { ClientDefaults, Credentials, CredentialSource, WatchableSource } from '../credentials/credentials.js'
export type { CredentialFiles } from '../credentials/write.js'
export { Certificate } from '../x509/certificate.js'
export { CertificateRequest } from '../x509/request/certificate-request.js'
export { Crl } from '../x509/crl/crl.js'
export { PrivateKey } from '../x509/keys/keys.js'
export type { ExportPemOptions, PrivateKeyForm } from '../x509/keys/keys.js'
export type { RequestAttribute } from '../x509/request/request-attributes.js'
export type {
  CryptoKeyHandle,
  KeyAlgorithmParameters,
  SignatureParameters,
  WebCrypto,
  WebSubtleCrypto,
} from '../x509/web-crypto.js'
export type { KeyDerivation } from '../x509/keys/write-key.js'
export type { KeyAlgorithm } from './algorithms.js'
export { createAuthority } from './authority.js'
export type { Authority, AuthorityMaterial } from './authority.js'
export type { CreateAuthorityOptions, CreateIntermediateOptions, CrossSignOptions } from './ca.js'
export type { CaMaterial, ClusterCredentials, ClusterFiles, KubeadmClients } from './cluster/cluster-credentials.js'
export type { Layout } from './cluster/layouts.js'
export { issueCluster } from './cluster/plan.js'
export type {
  ClientPlan,
  Cluster,
  ClusterAuthorities,
  ClusterPlan,
  ClusterStep,
  IssueClusterOptions,
  MemberPlan,
} from './cluster/plan.js'
export { removeFromCluster } from './cluster/remove-from-cluster.js'
export type { ClusterParts, RemoveFromClusterOptions } from './cluster/remove-from-cluster.js'
export { renewDirectory } from './cluster/renew-directory.js'
export type {
  DirectoryRenewal,
  KeptCredentials,
  KeptReason,
  RenewDirectoryOptions,
  RenewedCredentials,
} from './cluster/renew-directory.js'
export { withTrustAnchors, writeTrust } from './cluster/trust.js'
export type { CaTraffic, WithTrustAnchorsOptions, WriteTrustOptions } from './cluster/trust.js'
export { writeCluster } from './cluster/write-cluster.js'
export type { WriteClusterOptions } from './cluster/write-cluster.js'
export { createRequest } from './create-request.js'
export type { CreatedRequest, CreateRequestOptions } from './create-request.js'
export type { CsrPolicy } from './csr-policy.js'
export { fileLedger } from './file-ledger.js'
export { fromAuthority } from './from-authority.js'
export type { FromAuthorityOptions } from './from-authority.js'
export { inspectRequest } from './inspect-request.js'
export type { InspectRequestOptions, RequestInput } from './inspect-request.js'
export type { Signer } from './keys.js'
export { memoryLedger } from './ledger.js'
export type { CrlNumberEntry, IssuedEntry, Ledger, LedgerEntry, RevokedEntry, RevokeReason } from './ledger.js'
export { loadAuthority, openAuthority } from './load.js'
export type { LoadAuthorityOptions } from './load.js'
export type { ExtraExtension, SubjectAttributes } from './options.js'
export { renew } from './renew.js'
export type { RenewalKey, RenewOptions } from './renew.js'
export { renewalDue } from './renewal-due.js'
export type { RenewalDue, RenewalDueOptions } from './renewal-due.js'
export type { ClientRequest, IssueRequest, ProfileOptions, RequestOptions, ServerRequest } from './request.js'
export { writeCrl } from './revocation.js'
export type { IssueCrlOptions, RevokeOptions, WriteCrlOptions } from './revocation.js'
export type { Role } from './roles.js'
export type { AuthoritySettings } from './settings.js'
export type { SignedRequest, SignRequest } from './sign-request.js'
