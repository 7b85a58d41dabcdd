/** Types in the signatures of the public classes. */
export type { PublicKeyInfo, SignatureAlgorithm } from './algorithms.js'
export type { CrlEntry, RevokedEntries } from './crl/crl-entries.js'
export type { CrlExtensions, UnsupportedCrlScope, IssuingDistributionPoint } from './crl/crl-extensions.js'
export type { DistributionPoint, DistributionPointName, RevocationReason } from './crl/distribution-point.js'
export type { DistinguishedName } from './distinguished-name.js'
export type { Extensions } from './extensions.js'
export type { GeneralName, NameConstraints } from './general-name.js'
