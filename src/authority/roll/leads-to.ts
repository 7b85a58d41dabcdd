/** Whether a certificate leads to trust anchors: by names and signatures alone, as a roll of the CA asks. */
import type { Certificate } from '../../x509/certificate.js'

/** Longest chain that is followed. */
const MOST = 10

/**
 * Whether a chain, the leaf first, leads to one of the anchors, through the certificates sent behind the leaf where it
 * needs them. Validity and rights are not looked at: that is what the validator is for.
 */
export function leadsTo(chain: readonly Certificate[], anchors: readonly Certificate[]): boolean {
  const [leaf, ...sent] = chain.slice(0, MOST)
  if (leaf === undefined) return false
  const seen = new Set<Certificate>([leaf])
  const climb = (from: Certificate): boolean =>
    anchors.some((anchor) => anchor.equals(from) || isIssuedBy(from, anchor)) ||
    sent.some((next) => {
      // One that led nowhere leads nowhere from below, either.
      if (seen.has(next) || !isIssuedBy(from, next)) return false
      seen.add(next)
      return climb(next)
    })
  return climb(leaf)
}

/** Whether the issuer's name and key are those that made the certificate. */
function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return certificate.issuer.equals(issuer.subject) && certificate.isSignedBy(issuer)
}
