/**
 * Builds paths from the leaf upwards with backtracking, within a budget. It uses an explicit stack, because an attacker chooses the
 * depth.
 */
import type { Certificate } from '../x509/certificate.js'
import { type Budget, keyIdentifiers, type KeyIdentifierLink } from './link.js'

export interface Candidate {
  readonly certificate: Certificate
  readonly isAnchor: boolean
  /** Its index in the input, anchors first. */
  readonly position: number
}

interface Issuers {
  /** Without those with a different key identifier. */
  readonly possible: readonly Candidate[]
  readonly all: readonly Candidate[]
}

/** Bytes of names compared as OpenSSL compares them: 160 for each of 200 names. */
const MAX_FOLDED_BYTES = 32 * 1024

/**
 * Finds issuers by subject: first by the bytes of the name, then, only if no path results, by OpenSSL's comparison, which parses
 * every name once.
 */
export class IssuerIndex {
  readonly #anchors: readonly Certificate[]
  readonly #bySubjectBytes = new Map<string, Candidate[]>()
  /** A search with backtracking needs the issuers of one certificate up to thousands of times. */
  readonly #sorted = new Map<Certificate, Issuers>()
  readonly #sortedFolded = new Map<Certificate, Issuers>()
  /** By OpenSSL's comparison; null until it is needed. */
  #byKey: Map<string, Candidate[]> | null = null
  /** Whether the names exceeded {@link MAX_FOLDED_BYTES}. */
  isCutShort = false

  constructor(anchors: readonly Certificate[], intermediates: readonly Certificate[]) {
    this.#anchors = anchors
    for (const [position, certificate] of [...anchors, ...intermediates].entries())
      addTo(this.#bySubjectBytes, certificate.subject.mapKey, {
        certificate,
        isAnchor: position < anchors.length,
        position,
      })
  }

  /**
   * Candidates with the issuer's name, the most likely first: those with the key identifier, then anchors, then the newest.
   */
  *issuersOf(certificate: Certificate, which: keyof Issuers): Generator<Candidate> {
    const { mapKey, key } = certificate.issuer
    const sameBytes = this.#bySubjectBytes.get(mapKey) ?? []
    yield* sortIssuers(this.#sorted, sameBytes, certificate)[which]
    const sameName = this.#candidatesOf(key)
    if (sameName.length === sameBytes.length) return
    const folded = sameName.filter((each) => each.certificate.subject.mapKey !== mapKey)
    yield* sortIssuers(this.#sortedFolded, folded, certificate)[which]
  }

  /** All candidates with the issuer's name, in the order of the input, anchors first. */
  candidatesInOrder({ issuer }: Certificate): readonly Candidate[] {
    return this.#candidatesOf(issuer.key).toSorted((a, b) => a.position - b.position)
  }

  isAnchor(certificate: Certificate | undefined): boolean {
    return certificate !== undefined && this.#anchors.some((anchor) => anchor.equals(certificate))
  }

  #candidatesOf(key: string): readonly Candidate[] {
    this.#byKey ??= this.#groupByKey()
    return this.#byKey.get(key) ?? []
  }

  #groupByKey(): Map<string, Candidate[]> {
    const groups = new Map<string, Candidate[]>()
    let bytes = 0
    for (const [name, candidates] of this.#bySubjectBytes) {
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

/** As in Go (crypto/x509 findPotentialParents): first the same key identifier, then none, then a different one. */
function sortIssuers(known: Map<Certificate, Issuers>, candidates: readonly Candidate[], child: Certificate): Issuers {
  const cached = known.get(child)
  if (cached !== undefined) return cached
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
 * A path, the leaf first. `anchored`: its last certificate is trusted. `isCut`: it ends there because it reached the maximum length.
 */
export interface FoundPath {
  readonly certificates: readonly Certificate[]
  readonly anchored: boolean
  readonly isCut?: boolean
}

/** Whether to follow a link; `index` is the position of the issuer in the path. */
export type LinkRule = (child: Certificate, issuer: Candidate, index: number) => boolean

interface Frame {
  readonly certificate: Certificate
  readonly issuers: Iterator<Candidate>
  /** Whether an issuer was followed; otherwise the path is a dead end. */
  followed: boolean
}

/**
 * Yields all anchored paths, the most likely first, until the budget is used up. With `deadEnds` it also tries issuers with a
 * different key identifier, and yields paths on which no issuer could be followed.
 */
export function* walkPaths(
  leaf: Certificate,
  index: IssuerIndex,
  options: { rule: LinkRule; budget: Budget; maxLength: number; deadEnds: boolean },
): Generator<FoundPath> {
  const { rule, budget, maxLength, deadEnds } = options
  const issuers = deadEnds ? 'all' : 'possible'
  // As in Go, a leaf can be its own anchor (RFC 5280 section 6.1.1 (d) leaves that open).
  if (index.isAnchor(leaf)) yield { certificates: [leaf], anchored: true }
  // A certificate of the same subject and key would close a loop (RFC 4158 section 2.4.2).
  const onPath = new Set([leaf.entity])
  const stack: Frame[] = [{ certificate: leaf, issuers: index.issuersOf(leaf, issuers), followed: false }]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.issuers.next()
    if (next.done === true) {
      if (deadEnds && !top.followed)
        yield { certificates: stack.map(({ certificate }) => certificate), anchored: false }
      stack.pop()
      onPath.delete(top.certificate.entity)
      continue
    }
    if (!budget.takeSteps()) return
    const { certificate, isAnchor } = next.value
    if (onPath.has(certificate.entity)) continue
    const isFollowed = rule(top.certificate, next.value, stack.length)
    // With an exhausted budget, false does not mean that the link is wrong.
    if (budget.isExhausted) return
    if (!isFollowed) continue
    top.followed = true
    const certificates = [...stack.map((frame) => frame.certificate), certificate]
    if (isAnchor) yield { certificates, anchored: true }
    else if (stack.length < maxLength) {
      stack.push({ certificate, issuers: index.issuersOf(certificate, issuers), followed: false })
      onPath.add(certificate.entity)
    } else if (deadEnds) yield { certificates, anchored: false, isCut: true }
  }
}
