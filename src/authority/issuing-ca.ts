/** An issuing CA: its certificate, its key, and the certificates above. */
import { createHash } from 'node:crypto'
import { keyIdentifier } from '../x509/certificate-writer.js'
import type { Certificate } from '../x509/certificate.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import type { IssuedEntry } from './ledger.js'
import type { Settings } from './settings.js'
import type { SigningKey } from './keys.js'

export interface AuthorityParts {
  readonly settings: Settings
  readonly certificate: Certificate
  /** null if a signer holds it. */
  readonly key: PrivateKey | null
  readonly signer: SigningKey
  /** The certificates above, from the one that signed the authority's own to the root; empty for a root. */
  readonly chain: readonly Certificate[]
  /** Certificates by other CAs for this authority's name and key. They are part of each issued chain. */
  readonly crossCertificates: readonly Certificate[]
  /** One object, also for the authorities that `withCrossCertificate` returns. */
  readonly keyState: KeyState
}

export interface KeyState {
  /** False while the key is only in the memory of this process, as far as this package knows. */
  isKept: boolean
  /** Whether the process has warned that it is not kept. */
  isWarned?: boolean
}

export interface IssuingCa extends AuthorityParts {
  /** The certificates that are sent with a leaf: the authority's own and those above it, without the root. */
  readonly intermediates: readonly Certificate[]
  readonly trustAnchors: readonly [Certificate]
  /** The authority key identifier of all certificates that it signs. */
  readonly keyIdentifier: Uint8Array
  /** The CA's id in the ledger: SHA-256 of its public key, as lower-case hexadecimal. Renewal of the CA does not change it. */
  readonly id: string
}

export function issuingCaOf(parts: AuthorityParts): IssuingCa {
  const { certificate, chain, crossCertificates } = parts
  const root = chain.at(-1)
  return {
    ...parts,
    intermediates: [...(root === undefined ? [] : [certificate, ...chain.slice(0, -1)]), ...crossCertificates],
    trustAnchors: [root ?? certificate],
    keyIdentifier: certificate.extensions.subjectKeyIdentifier ?? keyIdentifier(certificate.spki),
    id: keyFingerprint(certificate.spki),
  }
}

/** SHA-256 of a public key (SubjectPublicKeyInfo in DER), as lower-case hexadecimal. */
export function keyFingerprint(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex')
}

export function ledgerEntry({ id, settings }: IssuingCa, certificate: Certificate, role: string): IssuedEntry {
  return {
    kind: 'issued',
    serialNumber: certificate.serialNumber,
    issuer: id,
    subject: certificate.subject.toString(),
    role,
    notAfter: certificate.notAfter,
    fingerprint256: certificate.fingerprint256,
    keyFingerprint256: keyFingerprint(certificate.spki),
    at: settings.now(),
  }
}

export function isIssuedBy(certificate: Certificate, ca: Certificate): boolean {
  return certificate.issuer.equals(ca.subject) && certificate.isSignedBy(ca)
}

/**
 * Finds the issuers of a certificate, up to the first one for which `isEnd` is true; the certificate itself may be the end.
 *
 * @returns `path`: null if none exists. `seen`: the issuers that were found on the way.
 */
export function findIssuers(
  from: Certificate,
  among: readonly Certificate[],
  isEnd: (certificate: Certificate) => boolean,
): { path: Certificate[] | null; seen: Set<Certificate> } {
  const seen = new Set<Certificate>()
  const above = (certificate: Certificate): Certificate[] | null => {
    if (isEnd(certificate)) return []
    for (const next of among) {
      if (seen.has(next) || next.equals(certificate) || !isIssuedBy(certificate, next)) continue
      seen.add(next)
      const rest = above(next)
      if (rest !== null) return [next, ...rest]
    }
    return null
  }
  return { path: above(from), seen }
}
