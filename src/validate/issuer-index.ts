/** Which certificates at hand may have issued another one, by name. */
import type { Certificate } from '../x509/certificate.js'
import { keyIdentifiers, type KeyIdentifierLink } from './link.js'

/** A certificate that may be an issuer, and whether it is trusted. */
export interface Candidate {
  readonly certificate: Certificate
  readonly isAnchor: boolean
  /** Its place in the order in which the certificates were given, the trusted ones first. */
  readonly position: number
}

/** Candidates for the issuer of one certificate, in the order in which they are tried. */
interface Issuers {
  /** Without those whose key identifier is another one than the certificate asks for. */
  readonly possible: readonly Candidate[]
  readonly all: readonly Candidate[]
}

/** Most bytes of different names that are compared by the rules of section 7.1: 160 for each of 200 names. */
const MAX_FOLDED_OCTETS = 32 * 1024

/**
 * Finds issuers by subject. Names that are the same byte for byte are found through an index; only if those lead nowhere are
 * names compared by the rules of RFC 5280 section 7.1, which costs reading every name, once.
 */
export class IssuerIndex {
  readonly #anchors: readonly Certificate[]
  readonly #byOctets = new Map<string, Candidate[]>()
  /** A search that turns back asks for the issuers of one certificate thousands of times. */
  readonly #sorted = new Map<Certificate, Issuers>()
  readonly #sortedFolded = new Map<Certificate, Issuers>()
  /** By the text that is the same for names that are the same by section 7.1; null until it is needed. */
  #byKey: Map<string, Candidate[]> | null = null
  /** Whether there were too many names to compare them all by section 7.1. */
  isCutShort = false

  constructor(anchors: readonly Certificate[], intermediates: readonly Certificate[]) {
    this.#anchors = anchors
    for (const [position, certificate] of [...anchors, ...intermediates].entries())
      addTo(this.#byOctets, certificate.subject.octets, { certificate, isAnchor: position < anchors.length, position })
  }

  /**
   * Candidates of the issuer's name, the likeliest first: the key identifier that is asked for, anchors, the newest.
   * `possible` leaves out those with another key identifier.
   */
  *issuersOf(certificate: Certificate, which: keyof Issuers): Generator<Candidate> {
    const { octets, key } = certificate.issuer
    const sameOctets = this.#byOctets.get(octets) ?? []
    yield* ordered(this.#sorted, sameOctets, certificate)[which]
    const sameName = this.#ofName(key)
    // Most often all are of the same bytes.
    if (sameName.length === sameOctets.length) return
    const folded = sameName.filter((each) => each.certificate.subject.octets !== octets)
    yield* ordered(this.#sortedFolded, folded, certificate)[which]
  }

  /** All candidates of the issuer's name by section 7.1, in the order in which they were given, the trusted ones first. */
  namesakesOf({ issuer }: Certificate): readonly Candidate[] {
    return this.#ofName(issuer.key).toSorted((a, b) => a.position - b.position)
  }

  isAnchor(certificate: Certificate | undefined): boolean {
    return certificate !== undefined && this.#anchors.some((anchor) => anchor.equals(certificate))
  }

  #ofName(key: string): readonly Candidate[] {
    this.#byKey ??= this.#groupByKey()
    return this.#byKey.get(key) ?? []
  }

  #groupByKey(): Map<string, Candidate[]> {
    const groups = new Map<string, Candidate[]>()
    let octets = 0
    for (const [name, candidates] of this.#byOctets) {
      octets += name.length
      this.isCutShort = octets > MAX_FOLDED_OCTETS
      if (this.isCutShort) break
      const key = candidates[0]?.certificate.subject.key ?? ''
      for (const candidate of candidates) addTo(groups, key, candidate)
    }
    return groups
  }
}

function addTo(groups: Map<string, Candidate[]>, key: string, candidate: Candidate): void {
  const group = groups.get(key)
  if (group === undefined) groups.set(key, [candidate])
  else group.push(candidate)
}

/** As in Go (crypto/x509 findPotentialParents): a match before "cannot tell" before a mismatch. */
function ordered(known: Map<Certificate, Issuers>, candidates: readonly Candidate[], child: Certificate): Issuers {
  const before = known.get(child)
  if (before !== undefined) return before
  const groups: Record<KeyIdentifierLink['relation'], Candidate[]> = { same: [], unknown: [], different: [] }
  for (const candidate of candidates.length < 2 ? candidates : candidates.toSorted(anchorsAndNewerFirst))
    groups[keyIdentifiers(child, candidate.certificate).relation].push(candidate)
  const possible = [...groups.same, ...groups.unknown]
  const issuers = { possible, all: [...possible, ...groups.different] }
  known.set(child, issuers)
  return issuers
}

function anchorsAndNewerFirst(a: Candidate, b: Candidate): number {
  if (a.isAnchor !== b.isAnchor) return a.isAnchor ? -1 : 1
  return b.certificate.notBefore.getTime() - a.certificate.notBefore.getTime()
}
