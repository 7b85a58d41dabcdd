/** Name constraints of every CA in the path against every name below it (RFC 5280 sections 4.2.1.10 and 6.1.3). */
import type { Certificate } from '../../x509/certificate.js'
import { ExtensionId } from '../../x509/extensions.js'
import type { GeneralName, NameConstraints } from '../../x509/general-name.js'
import { GO_KINDS } from './check-go.js'
import type { Usage } from '../context.js'
import {
  comparable,
  COMPARED_KINDS,
  constraintProblem,
  isPlainDnsName,
  isReadByGo,
  Subtrees,
} from './name-constraint-match.js'
import { FindingCollector, type PathCertificate } from '../path-certificate.js'

/** Most comparisons of one validation, as in Go (crypto/x509 MaxConstraintComparisions). */
export const MAX_COMPARISONS = 250_000
/** Comparisons that preparing one constraint counts as. */
const COMPARISONS_PER_CONSTRAINT = 100
/** Comparisons that reading a directory name counts as, for each byte of it: its letters must be folded. */
const COMPARISONS_PER_OCTET = 2

/** What is left of the comparisons of one validation, and what was prepared for them, over all of its paths. */
export interface ComparisonBudget {
  left: number
  known?: WeakMap<Certificate, ConstraintsOf> | undefined
}

/** The constraints of one CA, or the one that is malformed. */
type ConstraintsOf = { readonly bad: GeneralName; readonly reason: string } | { readonly kinds: Map<string, Sides> }

/** The subtrees of one kind. */
interface Sides {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
}

/** @param budget Is counted down; where it ends, so does the check, in an error. */
export function checkNameConstraints(
  path: readonly PathCertificate[],
  usage: Usage,
  budget: ComparisonBudget,
  notes: FindingCollector,
): void {
  const names = new Map<PathCertificate, readonly GeneralName[]>()
  for (const [i, authority] of path.entries()) {
    const constraints = authority.certificate.extensions.nameConstraints
    if (i === 0 || constraints === null) continue
    const own = constraintsOf(authority.certificate, constraints, budget)
    if ('bad' in own) {
      const { value: constraint, kind: nameKind } = own.bad
      const { reason } = own
      notes.add(authority, 'name-constraints/malformed', { kind: 'malformed', constraint, nameKind, reason })
      continue
    }
    for (const subject of path.slice(0, i)) {
      const constrained = names.get(subject) ?? constrainedNames(subject)
      names.set(subject, constrained)
      if (!takeComparisons(constrained, own.kinds, budget)) {
        notes.add(authority, 'chain/limit-exceeded', { kind: 'comparisons of names', comparisons: MAX_COMPARISONS })
        return
      }
      const rules = { kinds: own.kinds, usage }
      // A renewed CA certificate is no name of its own; the leaf always is (RFC 5280 section 6.1.3 (b)).
      if (subject.index > 0 && subject.certificate.isSelfIssued) checkSelfIssued(subject, authority, rules, notes)
      else checkSubject(subject, constrained, authority, rules, notes)
      if (subject.index === 0) checkCommonNames(subject, authority, rules, notes)
    }
  }
}

/** The constraints by kind. Prepared once for all paths. */
function constraintsOf(authority: Certificate, constraints: NameConstraints, budget: ComparisonBudget): ConstraintsOf {
  budget.known ??= new WeakMap()
  const known = budget.known.get(authority)
  if (known !== undefined) return known
  const made = prepare(constraints, budget)
  budget.known.set(authority, made)
  return made
}

function prepare(constraints: NameConstraints, budget: ComparisonBudget): ConstraintsOf {
  const kinds = new Map<string, Sides>()
  for (const side of ['permitted', 'excluded'] as const) {
    for (const constraint of constraints[side]) {
      const { kind } = constraint
      const reason = constraintProblem(constraint)
      if (reason !== null) return { bad: constraint, reason }
      budget.left -= COMPARISONS_PER_CONSTRAINT
      const sides = kinds.get(kind) ?? { permitted: new Subtrees(kind), excluded: new Subtrees(kind) }
      if (takeReading(constraint, budget)) sides[side].add(constraint)
      kinds.set(kind, sides)
    }
  }
  return { kinds }
}

/** Counts all comparisons before any is made, so that what exceeds the budget costs nothing; false if it does. */
function takeComparisons(
  names: readonly GeneralName[],
  kinds: ReadonlyMap<string, Sides>,
  budget: ComparisonBudget,
): boolean {
  for (const name of names) {
    const sides = kinds.get(name.kind)
    if (sides === undefined) continue
    budget.left -= sides.permitted.all.length + sides.excluded.all.length
    takeReading(name, budget)
  }
  return budget.left >= 0
}

/** Counts what reading a directory name costs; false if it must not be read any more. */
function takeReading({ kind, bytes }: GeneralName, budget: ComparisonBudget): boolean {
  if (kind !== 'dirName') return true
  budget.left -= bytes.length * COMPARISONS_PER_OCTET
  return budget.left >= 0
}

/** The constraints of one CA, and what the leaf is used for. */
interface Rules {
  readonly kinds: ReadonlyMap<string, Sides>
  readonly usage: Usage
}

function checkSubject(
  subject: PathCertificate,
  names: readonly GeneralName[],
  authority: PathCertificate,
  { kinds, usage }: Rules,
  notes: FindingCollector,
): void {
  const constrainedBy = authority.certificate.subject.toString()
  const hasNames = subject.certificate.subjectAltNames.length > 0
  let told = 0
  for (const name of names) {
    const sides = kinds.get(name.kind)
    const errors = sides === undefined ? 0 : checkName(subject, name, sides, constrainedBy, notes)
    told += errors
    if (errors === 0 && hasNames) told += checkNameForGo(subject, name, sides, { constrainedBy, usage }, notes)
    // Enough to see what is wrong, and errors all: 50,000 forbidden names are not listed name by name.
    if (told > MAX_FINDINGS) return
  }
}

const MAX_FINDINGS = 20

/** What Go alone refuses; gives the number of findings. */
function checkNameForGo(
  subject: PathCertificate,
  name: GeneralName,
  sides: Sides | undefined,
  by: { constrainedBy: string; usage: Usage },
  notes: FindingCollector,
): number {
  const details = { name: name.value, nameKind: name.kind, ...by }
  // Where a CA constrains names of any kind, Go reads all of them.
  if (!isReadByGo(name)) {
    notes.add(subject, 'name-constraints/name-unreadable', { kind: 'malformed for Go', ...details })
    return 1
  }
  const prepared = sides === undefined ? null : comparable(name)
  const excluded = prepared === null ? null : sides?.excluded.holdingInGo(prepared)
  if (excluded === null || excluded === undefined) return 0
  const refused = { kind: 'excluded by Go', ...details, excluded: excluded.value } as const
  notes.add(subject, 'name-constraints/name-refused', refused)
  return 1
}

/** To Go, a self-issued CA certificate is like any other. */
function checkSelfIssued(
  subject: PathCertificate,
  authority: PathCertificate,
  rules: Rules,
  notes: FindingCollector,
): void {
  const names = subject.certificate.subjectAltNames.filter(({ kind }) => GO_KINDS.has(kind))
  const refused = names.filter((name) => {
    const own = new FindingCollector()
    checkSubject(subject, [name], authority, rules, own)
    return own.notes.length > 0
  })
  if (refused.length === 0) return
  const constrainedBy = authority.certificate.subject.toString()
  const shown = refused.slice(0, MAX_SHOWN).map(({ value }) => value)
  const details = { kind: 'self-issued', names: shown, constrainedBy, usage: rules.usage } as const
  notes.add(subject, 'name-constraints/name-refused', details)
}

/** Most names or constraints that one finding lists. */
const MAX_SHOWN = 20

/**
 * A common name that looks like a DNS name is one to OpenSSL, where the leaf has no other DNS name (crypto/x509
 * NAME_CONSTRAINTS_check_CN). Node refuses such servers; clients are checked by Go, which does not look.
 */
function checkCommonNames(
  leaf: PathCertificate,
  authority: PathCertificate,
  { kinds, usage }: Rules,
  notes: FindingCollector,
): void {
  const sides = kinds.get('dns')
  const { subject, subjectAltNames } = leaf.certificate
  if (sides === undefined || subjectAltNames.some(({ kind }) => kind === 'dns')) return
  for (const { type, text } of subject.relativeNames.flat()) {
    if (type !== COMMON_NAME || text === null || !text.includes('.') || !isPlainDnsName(text)) continue
    const prepared = comparable({ kind: 'dns', value: text, bytes: new Uint8Array() })
    if (prepared === null) continue
    const { permitted, excluded } = sides
    const isPermitted = permitted.all.length === 0 || permitted.holding(prepared) !== null
    if (isPermitted && excluded.touching(prepared) === null) continue
    const constrainedBy = authority.certificate.subject.toString()
    notes.add(leaf, 'name-constraints/common-name-refused', { name: text, constrainedBy, isPermitted, usage })
  }
}

/** Checks one name against the subtrees of its kind, and gives the number of errors that were reported. */
function checkName(
  subject: PathCertificate,
  name: GeneralName,
  { permitted, excluded }: Sides,
  constrainedBy: string,
  notes: FindingCollector,
): number {
  const { kind } = name
  const prepared = COMPARED_KINDS.has(kind) ? comparable(name) : null
  if (prepared === null) {
    const details = { name: name.value, nameKind: kind, constrainedBy }
    const problem = COMPARED_KINDS.has(kind) ? 'malformed' : 'not compared'
    notes.add(subject, 'name-constraints/name-unreadable', { kind: problem, ...details })
    return 1
  }
  const touching = excluded.touching(prepared)
  const isPermitted = permitted.all.length === 0 || permitted.holding(prepared) !== null
  if (touching === null && isPermitted) return 0
  const details = { name: name.value, nameKind: kind, constrainedBy }
  if (touching !== null) {
    const excluded = touching.value || '(all)'
    notes.add(subject, 'name-constraints/name-refused', { kind: 'excluded', ...details, excluded })
  }
  if (!isPermitted) {
    const shown = permitted.all.slice(0, MAX_SHOWN).map(({ value }) => value)
    notes.add(subject, 'name-constraints/name-refused', { kind: 'not permitted', ...details, permitted: shown })
  }
  return touching !== null && !isPermitted ? 2 : 1
}

const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'
const COMMON_NAME = '2.5.4.3'

/** Every name that constraints apply to: the subject as directory name, the SANs, and a mailbox in the subject. */
function constrainedNames(place: PathCertificate): GeneralName[] {
  const { subject, extensions, subjectAltNames } = place.certificate
  const names: GeneralName[] = [...subjectAltNames]
  if (!subject.isEmpty) {
    names.push({ kind: 'dirName', value: subject.toString(), bytes: subject.raw, directoryName: subject })
  }
  // RFC 5280 section 4.2.1.10: mail constraints reach the subject's mailbox if there are no SANs.
  if (!extensions.all.some(({ oid }) => oid === ExtensionId.subjectAltName)) {
    for (const { type, text } of subject.relativeNames.flat()) {
      if (type === EMAIL_ADDRESS) names.push({ kind: 'email', value: text ?? '', bytes: new Uint8Array() })
    }
  }
  return names
}
