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
export { CertificateRequest } from '../x509/certificate-request.js'
export { Crl } from '../x509/crl.js'
export { PrivateKey } from '../x509/keys.js'
export type { ExportPemOptions, PrivateKeyForm } from '../x509/keys.js'
export type { RequestAttribute } from '../x509/request-attributes.js'
export type { KeyDerivation } from '../x509/write-key.js'
export type { Authority, AuthorityMaterial } from './authority.js'
export type { KeyAlgorithm } from './algorithms.js'
export { createAuthority } from './create.js'
export { issueCluster, issueClusterSteps } from './cluster.js'
export type { Cluster, ClusterAuthorities, ClusterPlan, ClusterStep, ClientPlan, MemberPlan } from './cluster.js'
export { createRequest } from './create-request.js'
export type { CreatedRequest, CreateRequestOptions } from './create-request.js'
export type { CreateAuthorityOptions, CreateIntermediateOptions } from './make-ca.js'
export type { CrossSignOptions } from './cross-sign.js'
export type { ExtraExtension } from './extra-extensions.js'
export type { CaMaterial, ClusterCredentials, ClusterFiles, KubeadmClients } from './files/cluster-shape.js'
export { fileLedger } from './files/file-ledger.js'
export { openAuthority } from './files/open-authority.js'
export type { Layout } from './files/layouts.js'
export { removeFromCluster } from './files/remove-from-cluster.js'
export { renewDirectory } from './files/renew-directory.js'
export type { DirectoryRenewal, RenewDirectoryOptions } from './files/renew-directory.js'
export type { KeptCredentials, KeptReason, RenewedCredentials } from './files/renew-folder.js'
export type { ClusterParts, RemoveFromClusterOptions } from './files/remove-from-cluster.js'
export { writeCluster } from './files/write-cluster.js'
export type { WriteClusterOptions } from './files/write-cluster.js'
export { writeCrl } from './files/write-crl.js'
export type { WriteCrlOptions } from './files/write-crl.js'
export { memoryLedger } from './ledger.js'
export type { CrlNumberEntry, IssuedEntry, Ledger, LedgerEntry, RevokedEntry, RevokeReason } from './ledger.js'
export { fromAuthority } from './from-authority.js'
export type { FromAuthorityOptions } from './from-authority.js'
export { loadAuthority } from './load.js'
export type { LoadAuthorityOptions } from './load.js'
export type { ClientRequest, IssueRequest, ProfileOptions, RequestOptions, ServerRequest } from './request.js'
export { renew } from './renew.js'
export type { RenewalKey, RenewOptions } from './renew.js'
export { renewalDue } from './renewal-due.js'
export type { RenewalDue, RenewalDueOptions } from './renewal-due.js'
export type { IssueCrlOptions, RevokeOptions } from './revocation.js'
export type { Role } from './roles.js'
export type { AuthoritySettings } from './settings.js'
export type { Signer } from './signer.js'
export { inspectRequest } from './inspect-request.js'
export type {
  FailedRequest,
  InspectRequestOptions,
  PassedRequest,
  RequestedContents,
  RequestInput,
  RequestReport,
} from './inspect-request.js'
export type { SignedRequest, SignRequest } from './sign-request.js'
export type { SubjectAttributes } from './subject.js'
export type { TakeOptions } from './take.js'
export { createWebCryptoSigner } from './web-crypto-signer.js'
export type { WebCryptoSignerOptions } from './web-crypto-signer.js'
export type {
  CryptoKeyHandle,
  KeyAlgorithmParameters,
  SignatureParameters,
  WebCrypto,
  WebSubtleCrypto,
} from '../x509/web-crypto.js'
export { checkCaRoll } from './roll/check.js'
export type { CaRollEndpoint, CaRollProgress, CaRollReport, CheckCaRollOptions } from './roll/check.js'
export { formatPlan } from './roll/format-plan.js'
export type { FormatPlanOptions } from './roll/format-plan.js'
export { planCaRoll } from './roll/plan.js'
export type { CaRollOptions } from './roll/plan.js'
export type {
  CaRollAction,
  CaRollFiles,
  CaRollPlan,
  CaRollStep,
  CaRollStepId,
  CaTraffic,
  PlannedCa,
} from './roll/plan-types.js'
export { withTrustAnchors } from './roll/with-trust-anchors.js'
export type { WithTrustAnchorsOptions } from './roll/with-trust-anchors.js'
export { writeTrust } from './roll/write-trust.js'
export type { WriteTrustOptions } from './roll/write-trust.js'
export { describeDirectory } from './files/describe/describe-directory.js'
export type { DescribeDirectoryOptions } from './files/describe/describe-directory.js'
export { formatDirectory } from './files/describe/format-directory.js'
export type { FormatDirectoryOptions } from './files/describe/format-directory.js'
export type {
  DescribedCertificate,
  DescribedCrl,
  DescribedKey,
  DescribedRequest,
  DirectoryLayout,
  DirectoryReport,
} from './files/describe/report.js'
