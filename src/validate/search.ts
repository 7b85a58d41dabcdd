/** Finds the path: first one that is valid, and if there is none, the one that came furthest. */
import type { CertificateRef } from '../report/finding.js'
import { printableDeep } from '../report/printable.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import { Budget, type BudgetOptions } from './budget.js'
import { MAX_COMPARISONS } from './checks/check-name-constraints.js'
import { checkCrls, checkOpenssl } from './checks/check-openssl.js'
import { checkUnused } from './checks/check-unused.js'
import type { Context } from './context.js'
import { explainDeadEnd } from './explain.js'
import { IssuerIndex } from './issuer-index.js'
import { IssuerVerdicts, judgeAboveLeaf, judgeLeaf, type PathRules, placesOf } from './judge.js'
import { linkOf, namesOtherAuthority } from './link.js'
import { type LinkRule, walkPaths } from './path.js'
import { FindingCollector, type PathCertificate, refOf } from './path-certificate.js'

/** Certificates and CRLs that were read. */
export interface ChainMaterial {
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
  readonly trustAnchors: readonly Certificate[]
  readonly crls: readonly Crl[]
}

export interface SearchLimits {
  readonly maxIntermediates?: number
  readonly budget?: BudgetOptions | undefined
  readonly areAnchorsOfEtcd?: boolean
  readonly isConnected?: boolean
}

/** What both searches for a path need. */
interface Search {
  readonly material: ChainMaterial
  readonly rules: PathRules
  readonly index: IssuerIndex
  readonly issuers: IssuerVerdicts
}

export const DEFAULT_MAX_INTERMEDIATES = 10
/** Explaining a failure follows faulty issuers too; it costs less than searching, and most signatures are known by then. */
const EXPLANATION_STEPS = 1500
const EXPLANATION_SIGNATURES = 25

/** What the search says: the path, and everything that was found about it. */
export interface SearchResult {
  readonly path: CertificateRef[]
  readonly places: readonly PathCertificate[]
  readonly notes: FindingCollector
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

/** Builds and checks paths until one is valid; explains the best of the others if none is. Each call has fresh budgets. */
export function search(material: ChainMaterial, context: Context, limits: SearchLimits = {}): SearchResult {
  const { leaf, intermediates, trustAnchors: anchors, crls } = material
  const { maxIntermediates = DEFAULT_MAX_INTERMEDIATES, areAnchorsOfEtcd = true, isConnected = false } = limits
  const budget = new Budget(limits.budget)
  const { signatures, steps } = budget.limits
  const rules = { crls, anchors, isConnected, maxIntermediates, comparisons: { left: MAX_COMPARISONS } }
  const index = new IssuerIndex(anchors, intermediates)
  const issuers = new IssuerVerdicts(context)
  const leafPlace: PathCertificate = { certificate: leaf, role: 'leaf', index: 0 }
  const leafNotes = new FindingCollector()
  const isTrusted = anchors.some((anchor) => anchor.equals(leaf))
  judgeLeaf(leafPlace, isTrusted, context, leafNotes)
  const parts = { material, rules, index, issuers }
  const explanationBudget = new Budget({
    signatures: Math.min(signatures, EXPLANATION_SIGNATURES),
    steps: Math.min(steps, EXPLANATION_STEPS),
  })
  const found = tryPaths(parts, budget, false)
  // If trusted CAs are reached by sound links, the best of those paths is the explanation; else faulty ones are followed.
  const { places, notes } = found ?? tryPaths(parts, explanationBudget, true) ?? { places: [leafPlace], notes: null }
  const valid = found?.errors === 0
  if (valid) {
    const forOpenssl = { intermediates, anchors, index, issuers, rules, budget: new Budget(limits.budget) }
    checkOpenssl(places, forOpenssl, found.notes)
  } else if (notes !== null && places.at(-1)?.role === 'anchor') checkCrls(places, { issuers, rules }, notes)
  if (notes !== null) leafNotes.addAll(notes)
  // A search that was cut short must never look like a pass, and nobody can say which certificates are unused then.
  const isCutShort = !valid && (notes === null || budget.isExhausted || index.isCutShort)
  if (isCutShort || (!valid && !leafNotes.hasErrors))
    leafNotes.add(null, 'chain/limit-exceeded', { kind: 'search', ...budget.limits })
  if (!isCutShort)
    checkUnused({ anchors: areAnchorsOfEtcd ? anchors : [], intermediates }, places, context.usage, leafNotes)
  return { path: places.map((place) => printableDeep(refOf(place))), places, notes: leafNotes }
}

interface JudgedPath {
  readonly places: readonly PathCertificate[]
  readonly notes: FindingCollector
  readonly anchored: boolean
  /** Above the leaf: the faults of the leaf are the same on every path. */
  readonly errors: number
}

/**
 * The first path without an error above the leaf, else the one that came furthest; null if there is none.
 *
 * @param explains Whether faulty issuers are followed as well, up to dead ends.
 */
function tryPaths({ material, rules, index, issuers }: Search, budget: Budget, explains: boolean): JudgedPath | null {
  const { leaf, intermediates, trustAnchors } = material
  const follows: LinkRule = (child, { certificate, isAnchor }, index) => {
    if (explains) return linkOf(child, certificate, budget) === 'other-key' ? 'skip' : 'follow'
    if (namesOtherAuthority(child, certificate)) return 'skip'
    // The signature first: the budget bounds it, and so how many issuers are checked.
    if (linkOf(child, certificate, budget) !== 'signed') return 'skip'
    if (!issuers.has(certificate) && issuers.count >= MAX_ISSUERS_JUDGED) budget.end()
    if (budget.isExhausted) return 'skip'
    return issuers.isSound({ certificate, role: isAnchor ? 'anchor' : 'intermediate', index }) ? 'follow' : 'skip'
  }
  const maxLength = 1 + rules.maxIntermediates + SELF_ISSUED_ALLOWANCE
  const options = { rule: follows, budget, maxLength, deadEnds: explains }
  let best: JudgedPath | null = null
  let tried = 0
  for (const found of walkPaths(leaf, trustAnchors, index, options)) {
    const places = placesOf(found)
    const notes = new FindingCollector()
    // A path that was cut at the limit is too long, which checkPathLength reports; its upper part is unknown.
    if (!found.anchored && found.isCut !== true) explainDeadEnd(places, trustAnchors, intermediates, index, notes)
    judgeAboveLeaf(places, issuers, rules, notes)
    const judged = { places, notes, anchored: found.anchored, errors: notes.errorCount }
    if (!explains && judged.errors === 0) return judged
    tried++
    if (best === null || isFurther(judged, best)) best = judged
    const steps = places.length * STEPS_PER_PLACE + notes.notes.length * STEPS_PER_FINDING
    if ((explains && tried >= MAX_FAILURES_JUDGED) || !budget.takeSteps(steps)) break
  }
  if (best !== null && tried > 1) best.notes.add(null, 'chain/others-tried', { paths: tried - 1 })
  return best
}

/** An anchored path came further than a dead end; of two anchored ones the one with fewer errors, of two dead ends the longer. */
function isFurther(a: JudgedPath, b: JudgedPath): boolean {
  if (a.anchored !== b.anchored) return a.anchored
  return a.anchored ? a.errors < b.errors : a.places.length > b.places.length
}
