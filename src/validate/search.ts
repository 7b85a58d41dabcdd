/** Finds the path: first one that is valid, and if there is none, the one that came furthest. */
import type { CertificateRef } from '../report/finding.js'
import { printableDeep } from '../report/printable.js'
import type { Certificate } from '../x509/certificate.js'
import type { Budget } from './budget.js'
import { checkCrls, checkOpenssl } from './checks/check-openssl.js'
import type { Context } from './context.js'
import { explainDeadEnd } from './explain.js'
import { IssuerIndex } from './issuer-index.js'
import { IssuerVerdicts, judgeAboveLeaf, judgeLeaf, type PathRules, placesOf } from './judge.js'
import { linkOf, namesOtherAuthority } from './link.js'
import { type FoundPath, type LinkRule, walkPaths } from './path.js'
import { FindingCollector, type PathCertificate, refOf } from './path-certificate.js'

/** The certificates a path is built from, and the rules for it. */
export interface SearchInput {
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  readonly context: Context
  readonly rules: PathRules
  /** Limits of the search for a valid path. */
  readonly budget: Budget
  /** Limits of the search for an explanation, should there be no valid path. */
  readonly explanationBudget: Budget
  /** Limits of following OpenSSL. */
  readonly opensslBudget: Budget
}

/** What the search says: the path, and everything that was found about it. */
export interface SearchResult {
  readonly path: CertificateRef[]
  readonly places: readonly PathCertificate[]
  readonly notes: FindingCollector
  /** Whether a limit ended the search before it found a valid path. */
  readonly isCutShort: boolean
}

/** Self-issued certificates do not count as intermediates, but a path must end somewhere. */
const SELF_ISSUED_ALLOWANCE = 4
/** Failing paths that are checked in full to find the one that came furthest. */
const MAX_FAILURES_JUDGED = 32
/** Issuers that are checked on the way to a valid path: those that share a key cost no signature of their own. */
const MAX_ISSUERS_JUDGED = 100
/** Steps that checking a path costs for each certificate in it, and for each finding that came of it. */
const STEPS_PER_PLACE = 16
const STEPS_PER_FINDING = 8

/** Builds and checks paths until one is valid; explains the best of the others where none is. */
export function searchPath(input: SearchInput): SearchResult {
  const leafPlace: PathCertificate = { certificate: input.leaf, role: 'leaf', index: 0 }
  const leafNotes = new FindingCollector()
  const isTrusted = input.anchors.some((anchor) => anchor.equals(input.leaf))
  judgeLeaf(leafPlace, isTrusted, input.context, leafNotes)
  const index = new IssuerIndex(input.anchors, input.intermediates)
  const issuers = new IssuerVerdicts(input.context)
  const found = findBest(input, index, issuers)
  // Where trusted CAs are reached by sound links, the best of those paths is the explanation; else faulty ones are followed.
  const { places, notes } = found ?? explainFailure(input, index, issuers) ?? { places: [leafPlace], notes: null }
  const valid = found !== null && !found.notes.hasErrors
  if (valid) {
    const { intermediates, anchors, rules, opensslBudget: budget } = input
    checkOpenssl(places, { intermediates, anchors, index, issuers, rules, budget }, found.notes)
  } else if (notes !== null && places.at(-1)?.role === 'anchor')
    checkCrls(places, { issuers, rules: input.rules }, notes)
  if (notes !== null) leafNotes.addAll(notes)
  // A search that was cut short must never look like a pass.
  const isCutShort = !valid && (notes === null || input.budget.isExhausted || index.isCutShort)
  if (isCutShort || (!valid && !leafNotes.hasErrors)) {
    leafNotes.add(null, 'chain/limit-exceeded', { kind: 'search', ...input.budget.limits })
  }
  return { path: places.map((place) => printableDeep(refOf(place))), places, notes: leafNotes, isCutShort }
}

interface Judged {
  readonly places: readonly PathCertificate[]
  readonly notes: FindingCollector
}

/**
 * The first path without an error above the leaf (the leaf's own faults are the same on every path), else the one with
 * the fewest of those whose every link is sound; null if there is none.
 */
function findBest(input: SearchInput, index: IssuerIndex, issuers: IssuerVerdicts): Judged | null {
  const rule: LinkRule = (child, { certificate, isAnchor }, index) => {
    if (namesOtherAuthority(child, certificate)) return 'skip'
    // The signature first: the budget bounds it, and so how many issuers are checked.
    if (linkOf(child, certificate, input.budget) !== 'signed') return 'skip'
    if (!issuers.has(certificate) && issuers.count >= MAX_ISSUERS_JUDGED) input.budget.end()
    if (input.budget.isExhausted) return 'skip'
    const place: PathCertificate = { certificate, role: isAnchor ? 'anchor' : 'intermediate', index }
    return issuers.isSound(place) ? 'follow' : 'skip'
  }
  let best: (Judged & { errors: number }) | null = null
  let failures = 0
  for (const found of walk(input, index, rule, input.budget, false)) {
    const places = placesOf(found)
    const notes = new FindingCollector()
    judgeAboveLeaf(places, issuers, input.rules, notes)
    const errors = notes.errorCount
    if (errors === 0) return { places, notes }
    failures++
    if (best === null || errors < best.errors) best = { places, notes, errors }
    if (!input.budget.takeSteps(judgingSteps(places, notes))) break
  }
  if (best !== null && failures > 1) best.notes.add(null, 'chain/others-tried', { paths: failures - 1 })
  return best
}

function judgingSteps(places: readonly PathCertificate[], notes: FindingCollector): number {
  return places.length * STEPS_PER_PLACE + notes.notes.length * STEPS_PER_FINDING
}

function walk(
  input: SearchInput,
  index: IssuerIndex,
  rule: LinkRule,
  budget: Budget,
  deadEnds: boolean,
): Generator<FoundPath> {
  const maxLength = 1 + input.rules.maxIntermediates + SELF_ISSUED_ALLOWANCE
  return walkPaths(input.leaf, input.anchors, index, { rule, budget, maxLength, deadEnds })
}

/** The failing path that came furthest; null if the budget did not suffice for a single one, and nothing is known. */
function explainFailure(input: SearchInput, index: IssuerIndex, issuers: IssuerVerdicts): Judged | null {
  const rule: LinkRule = (child, { certificate }) => {
    const link = linkOf(child, certificate, input.explanationBudget)
    return link === 'signed' || link === 'unverifiable' ? 'follow' : 'skip'
  }
  let best: (Judged & { rank: Rank }) | null = null
  let tried = 0
  for (const found of walk(input, index, rule, input.explanationBudget, true)) {
    tried++
    const judged = judgeFailure(found, input, index, issuers)
    if (best === null || isFurther(judged.rank, best.rank)) best = judged
    if (tried >= MAX_FAILURES_JUDGED) break
    if (!input.explanationBudget.takeSteps(judgingSteps(judged.places, judged.notes))) break
  }
  if (best !== null && tried > 1) best.notes.add(null, 'chain/others-tried', { paths: tried - 1 })
  return best
}

interface Rank {
  readonly anchored: boolean
  readonly errors: number
  readonly length: number
}

function judgeFailure(
  found: FoundPath,
  input: SearchInput,
  index: IssuerIndex,
  issuers: IssuerVerdicts,
): Judged & { rank: Rank } {
  const places = placesOf(found)
  const notes = new FindingCollector()
  const last = places.at(-1)
  // A path that was cut at the limit is too long, which checkPathLength reports; its upper part is unknown.
  if (!found.anchored && found.isCut !== true && last !== undefined)
    explainDeadEnd(places, input.anchors, input.intermediates, index, notes)
  judgeAboveLeaf(places, issuers, input.rules, notes)
  return { places, notes, rank: { anchored: found.anchored, errors: notes.errorCount, length: places.length } }
}

/** An anchored path came further than a dead end; of two anchored ones the one with fewer errors, of two dead ends the longer. */
function isFurther(a: Rank, b: Rank): boolean {
  if (a.anchored !== b.anchored) return a.anchored
  return a.anchored ? a.errors < b.errors : a.length > b.length
}
