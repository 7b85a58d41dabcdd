/** The types that the public classes of certificates and CRLs refer to. */
export type { Digest, PublicKeyInfo, SignatureAlgorithm, SignatureScheme } from './algorithms.js'
export type { CrlForm } from './crl/crl.js'
export type { CrlEntry, RevokedEntries } from './crl/crl-entries.js'
export type { CrlExtensions, CrlScope } from './crl/crl-extensions.js'
export type { DistributionPoint, DistributionPointName, RevocationReason } from './crl/distribution-point.js'
export type { DistinguishedName, NameAttribute } from './distinguished-name.js'
export type {
  AuthorityKeyIdentifier,
  BasicConstraints,
  ExtensionProblem,
  Extensions,
  KeyIdentifiers,
  NetscapeCertType,
  RawExtension,
} from './extensions.js'
export type { GeneralName, GeneralNameKind, NameConstraints } from './general-name.js'
export type { RequestAttribute } from './request/request-attributes.js'
