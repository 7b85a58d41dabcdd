/** One link of a path: whether a certificate's signature was made by the key of the certificate above it. */
import type { PublicKeyInfo } from '../x509/algorithms.js'
import { bytesEqual } from '../x509/der.js'
import type { Certificate } from '../x509/certificate.js'
import { type Budget, signatureCost } from './budget.js'

/**
 * `signed`: the issuer's key made the signature. `other-key`: it did not. `unverifiable`: nobody can tell, because the
 * algorithm or the issuer's key is of no supported kind (which is an error of its own).
 */
export type Link = 'signed' | 'other-key' | 'unverifiable'

/** Checks a link; null if the budget is used up. What was verified before costs nothing. */
export function linkOf(child: Certificate, issuer: Certificate, budget: Budget): Link | null {
  if (!child.knowsVerdictOn(issuer)) {
    if ('unknown' in child.signatureAlgorithm || !isVerifiable(issuer.publicKeyInfo)) return 'unverifiable'
    if (!budget.takeSignature(signatureCost(issuer.publicKeyInfo, child.raw.length))) return null
  }
  if (child.isSignedBy(issuer)) return 'signed'
  // A key that verified something is kept: it is not read again for this question.
  return issuer.hasReadableKey ? 'other-key' : 'unverifiable'
}

const VERIFIABLE_KEYS: ReadonlySet<string> = new Set(['RSA', 'ECDSA', 'Ed25519'])
/** As in Go (crypto/tls checkKeySize). With a larger modulus, or a longer exponent, one signature can take as long as a hundred. */
const MAX_MODULUS_BITS = 8192

function isVerifiable({ algorithm, modulusBits, exponent }: PublicKeyInfo): boolean {
  if (!VERIFIABLE_KEYS.has(algorithm)) return false
  return modulusBits === null || (modulusBits <= MAX_MODULUS_BITS && exponent !== null)
}

/**
 * Whether the child's authority key identifier names another certificate than the issuer's as its authority: by the
 * serial number, or by the name of the issuer's own issuer. OpenSSL, and so Node, looks at both (X509_check_akid).
 */
export function namesOtherAuthority(child: Certificate, issuer: Certificate): boolean {
  const authority = child.keyIdentifiers.authorityKeyIdentifier
  if (authority === null) return false
  if (authority.serial !== null && !bytesEqual(authority.serial, issuer.serial)) return true
  const named = authority.issuer?.find(({ kind }) => kind === 'dirName')?.directoryName
  return named !== undefined && !named.equals(issuer.issuer)
}

/** A key identifier that a certificate asks for, and the one of its issuer; unknown if one of them lacks. */
export type KeyIdentifierLink =
  | { readonly relation: 'same' | 'different'; readonly wanted: Uint8Array; readonly found: Uint8Array }
  | { readonly relation: 'unknown'; readonly wanted: Uint8Array | null; readonly found: Uint8Array | null }

/** How the child's authority key identifier relates to the issuer's subject key identifier. */
export function keyIdentifiers(child: Certificate, issuer: Certificate): KeyIdentifierLink {
  const wanted = child.keyIdentifiers.authorityKeyIdentifier?.keyIdentifier ?? null
  const found = issuer.keyIdentifiers.subjectKeyIdentifier
  if (wanted === null || found === null) return { relation: 'unknown', wanted, found }
  return { relation: bytesEqual(wanted, found) ? 'same' : 'different', wanted, found }
}
