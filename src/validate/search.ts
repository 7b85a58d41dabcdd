/** Finds the path: first one that is valid, and if there is none, the one that came furthest, and why it goes no further. */
import { publicKeyText } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { hex } from '../x509/der.js'
import { checkUnused } from './checks/check-unused.js'
import { FindingCollector, MAX_SHOWN, type PathCertificate, type Rules } from './context.js'
import { IssuerResults, checkAboveLeaf, checkLeaf, placesOf } from './check-path.js'
import { Budget, type BudgetOptions, keyIdentifiers, linkOf, namesOtherAuthority } from './link.js'
import { checkCrls, checkOpenssl } from './openssl-path.js'
import { IssuerIndex, type LinkRule, walkPaths } from './path-walker.js'

/** What is validated, next to the anchors and CRLs of the rules. */
export interface ChainMaterial {
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
  readonly budget?: BudgetOptions | undefined
  /** Whether etcd reads the anchors, so that it must be able to. */
  readonly areAnchorsOfEtcd: boolean
}

export interface SearchResult {
  readonly places: readonly PathCertificate[]
  readonly findings: FindingCollector
}

/** Explaining a failure follows faulty issuers too; it costs less than searching, and most signatures are known by then. */
const EXPLANATION_STEPS = 1500
const EXPLANATION_SIGNATURES = 25
/** Self-issued certificates do not count as intermediates, but a path must end somewhere. */
const SELF_ISSUED_ALLOWANCE = 4
/** Failing paths that are checked in full to find the one that came furthest. */
const MAX_FAILURES_CHECKED = 32
/** Issuers that are checked on the way to a valid path: those that share a key cost no signature of their own. */
const MAX_ISSUERS_CHECKED = 100
/** Steps that checking a path costs for each certificate in it, and for each finding that came of it. */
const STEPS_PER_PLACE = 16
const STEPS_PER_FINDING = 8

/** Builds and checks paths until one is valid; explains the best of the others if none is. Each call has fresh budgets. */
export function search(material: ChainMaterial, rules: Rules): SearchResult {
  const { leaf, intermediates, areAnchorsOfEtcd } = material
  const { anchors } = rules
  const budget = new Budget(material.budget)
  const { signatures, steps } = budget.limits
  const index = new IssuerIndex(anchors, intermediates)
  const issuers = new IssuerResults(rules)
  const leafPlace: PathCertificate = { certificate: leaf, role: 'leaf', index: 0 }
  const leafFindings = new FindingCollector(rules)
  checkLeaf(leafPlace, leafFindings)
  const tried = { material, rules, index, issuers }
  const explanationBudget = new Budget({
    signatures: Math.min(signatures, EXPLANATION_SIGNATURES),
    steps: Math.min(steps, EXPLANATION_STEPS),
  })
  const found = tryPaths(tried, budget, false)
  // If trusted CAs are reached by sound links, the best of those paths is the explanation; else faulty ones are followed.
  const { places, findings } = found ??
    tryPaths(tried, explanationBudget, true) ?? { places: [leafPlace], findings: null }
  const valid = found?.errors === 0
  if (valid)
    checkOpenssl(places, { intermediates, index, issuers, budget: new Budget(material.budget) }, found.findings)
  else if (findings !== null && places.at(-1)?.role === 'anchor') checkCrls(places, findings)
  if (findings !== null) leafFindings.addAll(findings)
  // A search that was cut short must never look like a pass, and nobody can say which certificates are unused then.
  const isCutShort = !valid && (findings === null || budget.isExhausted || index.isCutShort)
  if (isCutShort || (!valid && leafFindings.errors.length === 0))
    leafFindings.add(null, 'chain/limit-exceeded', { kind: 'search', ...budget.limits })
  if (!isCutShort) checkUnused({ anchors: areAnchorsOfEtcd ? anchors : [], intermediates }, places, leafFindings)
  return { places, findings: leafFindings }
}

interface CheckedPath extends SearchResult {
  readonly anchored: boolean
  /** Above the leaf: the faults of the leaf are the same on every path. */
  readonly errors: number
}

interface Search {
  readonly material: ChainMaterial
  readonly rules: Rules
  readonly index: IssuerIndex
  readonly issuers: IssuerResults
}

/**
 * The first path without an error above the leaf, else the one that came furthest; null if there is none.
 *
 * @param explains Whether faulty issuers are followed as well, up to dead ends.
 */
function tryPaths({ material, rules, index, issuers }: Search, budget: Budget, explains: boolean): CheckedPath | null {
  const rule: LinkRule = (child, { certificate, isAnchor }, at) => {
    if (explains) return linkOf(child, certificate, budget) !== 'other-key'
    if (namesOtherAuthority(child, certificate)) return false
    // The signature first: the budget bounds it, and so how many issuers are checked.
    if (linkOf(child, certificate, budget) !== 'signed') return false
    if (!issuers.has(certificate) && issuers.count >= MAX_ISSUERS_CHECKED) budget.end()
    if (budget.isExhausted) return false
    const place: PathCertificate = { certificate, role: isAnchor ? 'anchor' : 'intermediate', index: at }
    return issuers.of(place).errors.length === 0
  }
  const maxLength = 1 + rules.maxIntermediates + SELF_ISSUED_ALLOWANCE
  let best: CheckedPath | null = null
  let tried = 0
  for (const found of walkPaths(material.leaf, index, { rule, budget, maxLength, deadEnds: explains })) {
    const places = placesOf(found)
    const findings = new FindingCollector(rules)
    // A path that was cut at the limit is too long, which checkPathLength reports; its upper part is unknown.
    if (!found.anchored && found.isCut !== true) explainDeadEnd(places, material.intermediates, index, findings)
    checkAboveLeaf(places, issuers, findings)
    const checked = { places, findings, anchored: found.anchored, errors: findings.errors.length }
    if (!explains && checked.errors === 0) return checked
    tried++
    if (best === null || isFurther(checked, best)) best = checked
    const steps = places.length * STEPS_PER_PLACE + findings.drafts.length * STEPS_PER_FINDING
    if ((explains && tried >= MAX_FAILURES_CHECKED) || !budget.takeSteps(steps)) break
  }
  if (best !== null && tried > 1) best.findings.add(null, 'chain/others-tried', { paths: tried - 1 })
  return best
}

/** An anchored path came further than a dead end; of two anchored ones the one with fewer errors, of two dead ends the longer. */
function isFurther(a: CheckedPath, b: CheckedPath): boolean {
  if (a.anchored !== b.anchored) return a.anchored
  return a.anchored ? a.errors < b.errors : a.places.length > b.places.length
}

/** Explains why no issuer could be followed from the last certificate of a path. */
function explainDeadEnd(
  path: readonly PathCertificate[],
  given: readonly Certificate[],
  index: IssuerIndex,
  findings: FindingCollector,
): void {
  const last = path.at(-1)
  if (last === undefined) return
  const { certificate } = last
  const { anchors: trusted } = findings.rules
  if (trusted.length === 0) findings.add(null, 'chain/no-trust-anchors', {})
  // An unknown algorithm is the fault; nobody can say more about its issuer.
  if (trusted.length === 0 || 'unknown' in certificate.signatureAlgorithm) return
  const namesakes = [...index.issuersOf(certificate, 'all')]
    .map((candidate) => candidate.certificate)
    .filter((candidate) => !candidate.equals(certificate))
  // CAs that certify each other lead round and round; the key of the issuer made the signature all the same.
  const isCircle = path.some((place) => place !== last && namesakes.includes(place.certificate))
  const [issuer, anchors] = [certificate.issuer.toString(), subjectsOf(trusted)]
  if (isCircle) findings.add(last, 'chain/issuer-not-found', { kind: 'circle', issuer, anchors })
  else if (namesakes.length > 0) explainNamesakes(last, namesakes, findings)
  else if (certificate.isSelfIssued)
    findings.add(last, 'chain/root-not-trusted', { kind: last.index === 0 ? 'leaf' : 'root', anchors })
  else {
    const details = { issuer, anchors, intermediates: subjectsOf(given) }
    findings.add(last, 'chain/issuer-not-found', { kind: 'not given', ...details })
  }
}

/** Certificates of the issuer's name are there, but none of their keys made the signature. */
function explainNamesakes(last: PathCertificate, namesakes: readonly Certificate[], findings: FindingCollector): void {
  const { certificate } = last
  const { signatureAlgorithm } = certificate
  const issuer = certificate.issuer.toString()
  const pointedTo = namesakes.find((each) => keyIdentifiers(certificate, each).relation === 'same')
  if (pointedTo === undefined || 'unknown' in signatureAlgorithm) {
    const wanted = certificate.extensions.authorityKeyIdentifier?.keyIdentifier ?? null
    const found = namesakes.slice(0, MAX_SHOWN).map((each) => `SHA-256 ${each.fingerprint256}`)
    const wantedKeyIdentifier = wanted === null ? null : hex(wanted)
    findings.add(last, 'chain/issuer-key-differs', { issuer, found, wantedKeyIdentifier })
  } else if (pointedTo.publicKeyInfo.algorithm !== signatureAlgorithm.scheme.key) {
    const details = { algorithm: signatureAlgorithm.scheme.name, issuerKey: publicKeyText(pointedTo.publicKeyInfo) }
    findings.add(last, 'signature/key-mismatch', { kind: 'issued', ...details, issuer })
  } else {
    findings.add(last, 'signature/invalid', { issuer, issuerFingerprint256: pointedTo.fingerprint256 })
  }
}

export function subjectsOf(certificates: readonly Certificate[]): string[] {
  return certificates.slice(0, MAX_SHOWN).map(({ subject }) => subject.toString())
}
