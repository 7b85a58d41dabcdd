/**
 * Path building with back-tracking: from the leaf upwards, one issuer at a time, along an explicit stack (no recursion
 * on what an attacker chooses), within a budget.
 */
import type { Certificate } from '../x509/certificate.js'
import type { Budget } from './budget.js'
import type { Candidate, IssuerIndex } from './issuer-index.js'

/**
 * A way upwards from the leaf, the leaf first. `anchored`: its last certificate is trusted. `isCut`: it was not followed
 * further, because it has as many certificates as are allowed.
 */
export interface FoundPath {
  readonly certificates: readonly Certificate[]
  readonly anchored: boolean
  readonly isCut?: boolean
}

/**
 * How a link of the path is checked before it is taken: `follow`, or `skip`. The first search skips whatever could not
 * be part of a valid path; the second, which explains a failure, follows faulty issuers too. `index` is the place that
 * the issuer would take in the path.
 */
export type LinkRule = (child: Certificate, issuer: Candidate, index: number) => 'follow' | 'skip'

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
  anchors: readonly Certificate[],
  index: IssuerIndex,
  options: { rule: LinkRule; budget: Budget; maxLength: number; deadEnds: boolean },
): Generator<FoundPath> {
  const { rule, budget, maxLength, deadEnds } = options
  const issuers = deadEnds ? 'all' : 'possible'
  // RFC 5280 section 6.1.1 (d) leaves open what an anchor is: like Go, one that is the leaf itself is enough.
  if (anchors.some((anchor) => anchor.equals(leaf))) yield { certificates: [leaf], anchored: true }
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
    const verdict = rule(top.certificate, next.value, stack.length)
    // Nobody looked at what the budget did not suffice for: that is no reason to skip it.
    if (budget.isExhausted) return
    if (verdict === 'skip') continue
    top.followed = true
    if (isAnchor) {
      yield { certificates: [...stack.map((frame) => frame.certificate), certificate], anchored: true }
    } else if (stack.length < maxLength) {
      stack.push({ certificate, issuers: index.issuersOf(certificate, issuers), followed: false })
      taken.add(certificate.entity)
    } else if (deadEnds) {
      yield { certificates: [...stack.map((frame) => frame.certificate), certificate], anchored: false, isCut: true }
    }
  }
}
