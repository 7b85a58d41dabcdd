/**
 * Path building with back-tracking: from the leaf upwards, one issuer at a time, along an explicit stack (no recursion
 * on what an attacker chooses), within a budget.
 */
import type { Certificate } from '../x509/certificate.js'
import { type Budget, keyIdentifiers, type KeyIdentifierLink } from './link.js'

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

/** Most bytes of different names that are compared as OpenSSL does: 160 for each of 200 names. */
const MAX_FOLDED_BYTES = 32 * 1024

/**
 * Finds issuers by subject. Names that are the same byte for byte are found through an index; only if those lead nowhere are
 * names compared as OpenSSL does, which costs reading every name, once.
 */
export class IssuerIndex {
  readonly #anchors: readonly Certificate[]
  readonly #byRawKey = new Map<string, Candidate[]>()
  /** A search that turns back asks for the issuers of one certificate thousands of times. */
  readonly #sorted = new Map<Certificate, Issuers>()
  readonly #sortedFolded = new Map<Certificate, Issuers>()
  /** By the key that is the same for names that OpenSSL takes for the same; null until it is needed. */
  #byKey: Map<string, Candidate[]> | null = null
  /** Whether there were too many names to compare them all as OpenSSL does. */
  isCutShort = false

  constructor(anchors: readonly Certificate[], intermediates: readonly Certificate[]) {
    this.#anchors = anchors
    for (const [position, certificate] of [...anchors, ...intermediates].entries())
      addTo(this.#byRawKey, certificate.subject.rawKey, { certificate, isAnchor: position < anchors.length, position })
  }

  /**
   * Candidates of the issuer's name, the likeliest first: the key identifier that is asked for, anchors, the newest.
   * `possible` leaves out those with another key identifier.
   */
  *issuersOf(certificate: Certificate, which: keyof Issuers): Generator<Candidate> {
    const { rawKey, key } = certificate.issuer
    const sameBytes = this.#byRawKey.get(rawKey) ?? []
    yield* ordered(this.#sorted, sameBytes, certificate)[which]
    const sameName = this.#ofName(key)
    // Most often all are of the same bytes.
    if (sameName.length === sameBytes.length) return
    const folded = sameName.filter((each) => each.certificate.subject.rawKey !== rawKey)
    yield* ordered(this.#sortedFolded, folded, certificate)[which]
  }

  /** All candidates of the issuer's name, in the order in which they were given, the trusted ones first. */
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
    let bytes = 0
    for (const [name, candidates] of this.#byRawKey) {
      bytes += name.length
      this.isCutShort = bytes > MAX_FOLDED_BYTES
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
  for (const candidate of candidates.toSorted(anchorsAndNewerFirst))
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

/**
 * A way upwards from the leaf, the leaf first. `anchored`: its last certificate is trusted. `isCut`: it was not followed
 * further, because it has as many certificates as are allowed.
 */
export interface FoundPath {
  readonly certificates: readonly Certificate[]
  readonly anchored: boolean
  readonly isCut?: boolean
}

/** Whether a link is followed; `index` is the place that the issuer would take in the path. */
export type LinkRule = (child: Certificate, issuer: Candidate, index: number) => boolean

interface Frame {
  readonly certificate: Certificate
  readonly issuers: Iterator<Candidate>
  /** Whether any issuer was followed from here; a frame without is a dead end. */
  followed: boolean
}

/**
 * Walks all paths, the likeliest first. Anchored paths are yielded as they are found; so are dead ends (no issuer
 * could be followed) when `deadEnds` is set, and then issuers of another key identifier are tried as well. Ends when the
 * budget does.
 */
export function* walkPaths(
  leaf: Certificate,
  index: IssuerIndex,
  options: { rule: LinkRule; budget: Budget; maxLength: number; deadEnds: boolean },
): Generator<FoundPath> {
  const { rule, budget, maxLength, deadEnds } = options
  const issuers = deadEnds ? 'all' : 'possible'
  // RFC 5280 section 6.1.1 (d) leaves open what an anchor is: like Go, one that is the leaf itself is enough.
  if (index.isAnchor(leaf)) yield { certificates: [leaf], anchored: true }
  // A certificate of the same subject and key would close a loop (RFC 4158 section 2.4.2).
  const taken = new Set([leaf.entity])
  const stack: Frame[] = [{ certificate: leaf, issuers: index.issuersOf(leaf, issuers), followed: false }]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.issuers.next()
    if (next.done === true) {
      if (deadEnds && !top.followed)
        yield { certificates: stack.map(({ certificate }) => certificate), anchored: false }
      stack.pop()
      taken.delete(top.certificate.entity)
      continue
    }
    if (!budget.takeSteps()) return
    const { certificate, isAnchor } = next.value
    if (taken.has(certificate.entity)) continue
    const isFollowed = rule(top.certificate, next.value, stack.length)
    // Nobody looked at what the budget did not suffice for: that is no reason to skip it.
    if (budget.isExhausted) return
    if (!isFollowed) continue
    top.followed = true
    const certificates = [...stack.map((frame) => frame.certificate), certificate]
    if (isAnchor) yield { certificates, anchored: true }
    else if (stack.length < maxLength) {
      stack.push({ certificate, issuers: index.issuersOf(certificate, issuers), followed: false })
      taken.add(certificate.entity)
    } else if (deadEnds) yield { certificates, anchored: false, isCut: true }
  }
}
