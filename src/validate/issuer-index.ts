/** Which certificates at hand may have issued another one, by name. */
import { bytesEqual } from '../x509/der.js'
import type { Certificate } from '../x509/certificate.js'

/** A certificate that may be an issuer, and whether it is trusted. */
export interface Candidate {
  readonly certificate: Certificate
  readonly isAnchor: boolean
}

/**
 * Finds issuers by subject. Names that are the same byte for byte are found through an index; only when those lead
 * nowhere are all others compared by the rules of RFC 5280 section 7.1, which costs reading every name.
 */
export class IssuerIndex {
  private readonly candidates: readonly Candidate[]
  private readonly bySubject = new Map<string, Candidate[]>()

  constructor(anchors: readonly Certificate[], intermediates: readonly Certificate[]) {
    this.candidates = [
      ...anchors.map((certificate) => ({ certificate, isAnchor: true })),
      ...intermediates.map((certificate) => ({ certificate, isAnchor: false })),
    ]
    for (const candidate of this.candidates) {
      const key = binary(candidate.certificate.subject.raw)
      const group = this.bySubject.get(key)
      if (group === undefined) this.bySubject.set(key, [candidate])
      else group.push(candidate)
    }
  }

  /** Candidates of the issuer's name, the likeliest first: the key identifier that is asked for, anchors, the newest. */
  *issuersOf(certificate: Certificate): Generator<Candidate> {
    const wanted = certificate.issuer
    const exact = this.bySubject.get(binary(wanted.raw)) ?? []
    yield* likeliestFirst(exact, certificate)
    const folded = this.candidates.filter(
      (each) => !bytesEqual(each.certificate.subject.raw, wanted.raw) && each.certificate.subject.key === wanted.key,
    )
    yield* likeliestFirst(folded, certificate)
  }
}

function likeliestFirst(candidates: readonly Candidate[], child: Certificate): readonly Candidate[] {
  if (candidates.length < 2) return candidates
  const score = ({ certificate, isAnchor }: Candidate): number =>
    keyIdentifierScore(child, certificate) * 2 + (isAnchor ? 1 : 0)
  return candidates.toSorted((a, b) => {
    const byScore = score(b) - score(a)
    return byScore === 0 ? b.certificate.notBefore.getTime() - a.certificate.notBefore.getTime() : byScore
  })
}

// As in Go (crypto/x509 findPotentialParents): a match before "cannot tell" before a mismatch.
function keyIdentifierScore(child: Certificate, issuer: Certificate): number {
  const wanted = child.extensions.authorityKeyIdentifier?.keyIdentifier ?? null
  const found = issuer.extensions.subjectKeyIdentifier
  if (wanted === null || found === null) return 1
  return bytesEqual(wanted, found) ? 2 : 0
}

function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
