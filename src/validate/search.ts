/** Finds a valid path. If no path is valid, it reports the best failing path. */
import { publicKeyText } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { hex } from '../x509/der.js'
import { type DistinguishedName, relativeNameKey } from '../x509/distinguished-name.js'
import { checkUnused, givenPlaces } from './checks/check-unused.js'
import type { Refusal } from '../report/finding.js'
import { FindingCollector, isRefusedBy, MAX_SHOWN, type PathCertificate, type Rules, type Usage } from './context.js'
import { IssuerResults, checkAboveLeaf, checkLeaf, placesOf } from './check-path.js'
import { Budget, keyIdentifiers, linkOf, namesOtherAuthority } from './link.js'
import { checkCrls, checkOpenssl } from './openssl-path.js'
import { IssuerIndex, type LinkRule, walkPaths } from './path-walker.js'
import { checkSerials } from './revocation/check-revocation.js'
import { takeExtensions, WorkBudget } from './work.js'

export interface ChainMaterial {
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
  readonly budget?: ConstructorParameters<typeof Budget>[0]
  /** Whether etcd reads the anchors, so that Go must be able to parse them. */
  readonly areAnchorsOfEtcd: boolean
}

export interface SearchResult {
  readonly places: readonly PathCertificate[]
  readonly findings: FindingCollector
}

/** Limits of the second search, for a failing path: most of its signatures were verified by the first one. */
const EXPLANATION_STEPS = 1500
const EXPLANATION_SIGNATURES = 25
/** Self-issued certificates do not count as intermediates, so this bounds the length of a path. */
const SELF_ISSUED_ALLOWANCE = 4
/** Failing paths that are checked in full to find the best. */
const MAX_FAILURES_CHECKED = 32
/** Bounds the checks of issuers: the signature budget does not bound them if issuers share a key. */
const MAX_ISSUERS_CHECKED = 100
/** CAs of another name that are compared, and those whose key is tried. */
const MAX_COMPARED = 50
const MAX_RENAMED = 5
/** The steps that the check of a complete path costs. */
const STEPS_PER_PLACE = 16
const STEPS_PER_FINDING = 8

/** Each call has its own budget. */
export function search(material: ChainMaterial, rules: Rules): SearchResult {
  const { leaf, intermediates, areAnchorsOfEtcd } = material
  const { anchors } = rules
  const budget = new Budget(material.budget)
  const { signatures, steps } = budget.limits
  const leafPlace: PathCertificate = { certificate: leaf, role: 'leaf', index: 0 }
  const leafFindings = new FindingCollector(rules)
  const work = new WorkBudget()
  const given = [leafPlace, ...givenPlaces({ intermediates, anchors })]
  if (!takeExtensions(given, work, leafFindings)) return { places: [leafPlace], findings: leafFindings }
  const index = new IssuerIndex(anchors, intermediates)
  const issuers = new IssuerResults(rules, work)
  checkLeaf(leafPlace, leafFindings)
  const state = { material, rules, index, issuers }
  const explanationBudget = new Budget({
    signatures: Math.min(signatures, EXPLANATION_SIGNATURES),
    steps: Math.min(steps, EXPLANATION_STEPS),
  })
  const found = tryPaths(state, budget, false)
  const valid = found?.errors === 0
  // The second search follows faulty links, too: if no path of valid links reaches a trusted CA, and to find a path that the
  // program accepts for which the report is made. The report is then about that path.
  const explained = found?.isAccepted === true ? null : tryPaths(state, explanationBudget, true)
  const best = found !== null && explained?.isAccepted !== true ? found : explained
  const { places, findings } = best ?? { places: [leafPlace], findings: null }
  if (valid)
    checkOpenssl(places, { intermediates, index, issuers, budget: new Budget(material.budget) }, found.findings)
  else if (findings !== null && places.at(-1)?.role === 'anchor') checkCrls(places, findings)
  if (findings !== null) leafFindings.addAll(findings)
  checkSerials(places, intermediates, leafFindings)
  // An incomplete search must never pass, and does not know which certificates are unused.
  const isCutShort = !valid && (findings === null || budget.isExhausted || index.isCutShort)
  if (isCutShort || (!valid && leafFindings.errors.length === 0))
    leafFindings.add(null, 'chain/limit-exceeded', { kind: 'search', ...budget.limits })
  if (!isCutShort) checkUnused({ anchors: areAnchorsOfEtcd ? anchors : [], intermediates }, places, leafFindings)
  return { places, findings: leafFindings }
}

interface CheckedPath extends SearchResult {
  readonly anchored: boolean
  /** Without those of the leaf, which are the same on every path. */
  readonly errors: number
  /** Whether the program that validates this side accepts the path: it is anchored, and each error is one of other programs. */
  readonly isAccepted: boolean
}

/** Node validates servers; Go, of which etcd is made, validates clients and members. etcd checks CRLs whatever the path is. */
const VALIDATORS: Readonly<Record<Usage, readonly Refusal['by'][]>> = {
  client: ['Go'],
  peer: ['Go'],
  server: ['Node', 'OpenSSL'],
  any: ['Go', 'Node', 'OpenSSL'],
}

interface SearchState {
  readonly material: ChainMaterial
  readonly rules: Rules
  readonly index: IssuerIndex
  readonly issuers: IssuerResults
}

/**
 * The first path without an error above the leaf, otherwise the best failing path; null if there is no path.
 *
 * @param followsFaulty Whether faulty issuers are followed, too, and paths without an anchor count.
 */
function tryPaths(
  { material, rules, index, issuers }: SearchState,
  budget: Budget,
  followsFaulty: boolean,
): CheckedPath | null {
  const rule: LinkRule = (child, { certificate, isAnchor }, at) => {
    if (followsFaulty) return linkOf(child, certificate, budget) !== 'other-key'
    if (namesOtherAuthority(child, certificate)) return false
    // The signature is checked first, because its budget also bounds how many issuers are checked.
    if (linkOf(child, certificate, budget) !== 'signed') return false
    if (!issuers.has(certificate) && issuers.count >= MAX_ISSUERS_CHECKED) budget.end()
    if (budget.isExhausted) return false
    const place: PathCertificate = { certificate, role: isAnchor ? 'anchor' : 'intermediate', index: at }
    return issuers.of(place).errors.length === 0
  }
  const maxLength = 1 + rules.maxIntermediates + SELF_ISSUED_ALLOWANCE
  let best: CheckedPath | null = null
  let tried = 0
  for (const found of walkPaths(material.leaf, index, { rule, budget, maxLength, deadEnds: followsFaulty })) {
    const places = placesOf(found)
    const findings = new FindingCollector(rules)
    // checkPathLength reports a path that was cut at the limit.
    if (!found.anchored && found.isCut !== true) explainDeadEnd(places, material.intermediates, index, findings)
    checkAboveLeaf(places, issuers, findings)
    const { errors } = findings
    const isAccepted = found.anchored && errors.every((each) => isRefusedBy(each, VALIDATORS[rules.usage]) !== true)
    const checked = { places, findings, anchored: found.anchored, errors: errors.length, isAccepted }
    if (!followsFaulty && checked.errors === 0) return checked
    tried++
    if (best === null || isBetter(checked, best)) best = checked
    const steps = places.length * STEPS_PER_PLACE + findings.drafts.length * STEPS_PER_FINDING
    if ((followsFaulty && tried >= MAX_FAILURES_CHECKED) || !budget.takeSteps(steps)) break
  }
  if (best !== null && tried > 1) best.findings.add(null, 'chain/others-tried', { paths: tried - 1 })
  return best
}

/** Accepted and anchored paths are better. Then fewer errors are better, and of two dead ends the longer one. */
function isBetter(a: CheckedPath, b: CheckedPath): boolean {
  if (a.isAccepted !== b.isAccepted) return a.isAccepted
  if (a.anchored !== b.anchored) return a.anchored
  return a.anchored ? a.errors < b.errors : a.places.length > b.places.length
}

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
  // Another finding reports the unknown algorithm; its signature cannot be verified with any issuer.
  if (trusted.length === 0 || 'unknown' in certificate.signatureAlgorithm) return
  const sameName = [...index.issuersOf(certificate, 'all')]
    .map((candidate) => candidate.certificate)
    .filter((candidate) => !candidate.equals(certificate))
  // CAs that certify each other form a circle; the issuer's key made the signature nevertheless.
  const isCircle = path.some((place) => place !== last && sameName.includes(place.certificate))
  const [issuer, anchors] = [certificate.issuer.toString(), subjectsOf(trusted)]
  if (isCircle) findings.add(last, 'chain/issuer-not-found', { kind: 'circle', issuer, anchors })
  else if (sameName.length > 0) explainOtherKey(last, sameName, findings)
  else if (certificate.isSelfIssued)
    findings.add(last, 'chain/root-not-trusted', { kind: last.index === 0 ? 'leaf' : 'root', anchors })
  else {
    const ca = renamedIssuer(certificate, [...trusted, ...given])
    if (ca !== null) {
      findings.add(last, 'chain/issuer-not-found', { kind: 'renamed', issuer, anchors, ca: ca.subject.toString() })
      return
    }
    const noCa = trusted.length > 0 && trusted.every(({ extensions }) => extensions.basicConstraints?.ca === false)
    const details = { issuer, anchors, intermediates: subjectsOf(given), ...(noCa ? { noCa } : {}) }
    findings.add(last, 'chain/issuer-not-found', { kind: 'not given', ...details })
  }
}

/** A CA of another name whose key signed the certificate, as the key identifiers or the attributes of the names suggest. */
function renamedIssuer(certificate: Certificate, given: readonly Certificate[]): Certificate | null {
  const attributesOf = ({ relativeNames }: DistinguishedName): string => relativeNameKey(relativeNames.flat())
  const wanted = attributesOf(certificate.issuer)
  const isLikely = (ca: Certificate): boolean =>
    keyIdentifiers(certificate, ca).relation === 'same' || attributesOf(ca.subject) === wanted
  const likely = given
    .slice(0, MAX_COMPARED)
    .filter((ca) => !ca.equals(certificate) && isLikely(ca))
    .slice(0, MAX_RENAMED)
  return likely.find((ca) => linkOf(certificate, ca, new Budget()) === 'signed') ?? null
}

/** @param sameName Certificates with the issuer's name, of which no key made the signature. */
function explainOtherKey(last: PathCertificate, sameName: readonly Certificate[], findings: FindingCollector): void {
  const { certificate } = last
  const { signatureAlgorithm } = certificate
  const issuer = certificate.issuer.toString()
  const identified = sameName.find((each) => keyIdentifiers(certificate, each).relation === 'same')
  if (identified === undefined || 'unknown' in signatureAlgorithm) {
    const wanted = certificate.extensions.authorityKeyIdentifier?.keyIdentifier ?? null
    const found = sameName.slice(0, MAX_SHOWN).map((each) => `SHA-256 ${each.fingerprint256}`)
    const wantedKeyIdentifier = wanted === null ? null : hex(wanted)
    findings.add(last, 'chain/issuer-key-differs', { issuer, found, wantedKeyIdentifier })
  } else if (identified.publicKeyInfo.algorithm !== signatureAlgorithm.scheme.key) {
    const details = { algorithm: signatureAlgorithm.scheme.name, issuerKey: publicKeyText(identified.publicKeyInfo) }
    findings.add(last, 'signature/key-mismatch', { kind: 'issued', ...details, issuer })
  } else {
    findings.add(last, 'signature/invalid', { issuer, issuerFingerprint256: identified.fingerprint256 })
  }
}

export function subjectsOf(certificates: readonly Certificate[]): string[] {
  return certificates.slice(0, MAX_SHOWN).map(({ subject }) => subject.toString())
}
