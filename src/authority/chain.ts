/** The way from an authority's own certificate up to its root. */
import { optionInvalid } from '../report/option-error.js'
import type { Certificate } from '../x509/certificate.js'
import { issueRefused } from './refuse.js'

/** Far more than any hierarchy has; it bounds the signatures that are verified. */
const MOST_ABOVE = 100

/**
 * The certificates above, from the one that signed to the root; empty for a root. What leads nowhere is left out.
 *
 * A root is needed: etcd would take an intermediate as trust anchor, but OpenSSL and so Node would not.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where no way leads to a root.
 */
export function chainToRoot(certificate: Certificate, above: readonly Certificate[]): Certificate[] {
  if (above.length > MOST_ABOVE) throw optionInvalid('chain', `must hold at most ${String(MOST_ABOVE)} certificates`)
  const seen = new Set<Certificate>()
  const climb = (from: Certificate): Certificate[] | null => {
    if (isRoot(from)) return []
    for (const next of above) {
      // Each is looked at once: a certificate that led nowhere leads nowhere from below, either.
      if (seen.has(next) || next.equals(from) || !next.subject.equals(from.issuer) || !from.isSignedBy(next)) continue
      seen.add(next)
      const rest = climb(next)
      if (rest !== null) return [next, ...rest]
    }
    return null
  }
  const chain = climb(certificate)
  if (chain !== null) return chain
  const last = [...seen].at(-1) ?? certificate
  throw issueRefused(
    `No chain leads from "${certificate.subject.toString()}" to a root: the certificate "${last.issuer.toString()}" is ` +
      'missing; give every certificate up to the self-signed one as "chain"',
  )
}

function isRoot(certificate: Certificate): boolean {
  return certificate.isSelfIssued && certificate.isSignedBy(certificate)
}
