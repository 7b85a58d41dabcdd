/** Name constraints of every CA in the path against every name below it (RFC 5280 sections 4.2.1.10 and 6.1.3). */
import { ExtensionId } from '../x509/extensions.js'
import type { GeneralName } from '../x509/general-name.js'
import type { NameConstraints } from '../x509/name-constraints.js'
import { COMPARED_KINDS, constraintProblem, isComparable, isTouched, isWithin } from './name-constraint-match.js'
import type { Notebook, Place } from './place.js'

/** Most comparisons of one validation, as in Go (crypto/x509 MaxConstraintComparisions). */
export const MAX_COMPARISONS = 250_000

/** @param budget Comparisons that are left. */
export function checkNameConstraints(path: readonly Place[], budget: { left: number }, notes: Notebook): void {
  for (const [i, authority] of path.entries()) {
    const constraints = authority.certificate.extensions.nameConstraints
    if (i === 0 || constraints === null) continue
    if (!checkConstraintsThemselves(authority, constraints, notes)) continue
    for (const subject of path.slice(0, i)) {
      // A renewed CA certificate is no name of its own; the leaf always is (RFC 5280 section 6.1.3 (b)).
      if (subject.index > 0 && subject.certificate.isSelfIssued) continue
      if (!checkSubject(subject, authority, constraints, budget, notes)) {
        notes.add(authority, 'name-constraints/too-many', { comparisons: MAX_COMPARISONS })
        return
      }
    }
  }
}

/** False where a constraint is malformed, so that nothing can be compared with it. */
function checkConstraintsThemselves(
  authority: Place,
  { permitted, excluded }: NameConstraints,
  notes: Notebook,
): boolean {
  for (const constraint of [...permitted, ...excluded]) {
    const reason = constraintProblem(constraint)
    if (reason === null) continue
    const { value, kind } = constraint
    notes.add(authority, 'name-constraints/malformed', { constraint: value, kind, reason })
    return false
  }
  return true
}

/** False where the budget ran out. */
function checkSubject(
  subject: Place,
  authority: Place,
  constraints: NameConstraints,
  budget: { left: number },
  notes: Notebook,
): boolean {
  const constrainedBy = authority.certificate.subject.toString()
  const permittedKinds = groupByKind(constraints.permitted)
  const excludedKinds = groupByKind(constraints.excluded)
  const names = constrainedNames(subject)
  const subtrees = (kind: string): number =>
    (permittedKinds.get(kind)?.length ?? 0) + (excludedKinds.get(kind)?.length ?? 0)
  // Counted before anything is compared, so that what exceeds the budget costs nothing.
  budget.left -= names.reduce((sum, { kind }) => sum + subtrees(kind), 0)
  if (budget.left < 0) return false
  for (const name of names) {
    const { kind } = name
    const permitted = permittedKinds.get(kind)
    const excluded = excludedKinds.get(kind) ?? []
    if (permitted === undefined && excluded.length === 0) continue
    const details = { name: name.value, kind, constrainedBy }
    if (!COMPARED_KINDS.has(kind)) {
      notes.add(subject, 'name-constraints/unprocessed', details)
      continue
    }
    if (!isComparable(name)) {
      notes.add(subject, 'name-constraints/name-unreadable', details)
      continue
    }
    const touching = excluded.find((each) => isTouched(name, each))
    if (touching !== undefined)
      notes.add(subject, 'name-constraints/excluded', { ...details, excluded: touching.value || '(all)' })
    if (permitted !== undefined && !permitted.some((each) => isWithin(name, each))) {
      const shown = permitted.slice(0, 50).map(({ value }) => value)
      notes.add(subject, 'name-constraints/not-permitted', { ...details, permitted: shown })
    }
    if (notes.findings.length > MAX_FINDINGS) return true
  }
  return true
}

/** Enough to see what is wrong; a certificate of 50,000 forbidden names is not listed name by name. */
const MAX_FINDINGS = 100

function groupByKind(names: readonly GeneralName[]): Map<string, GeneralName[]> {
  const groups = new Map<string, GeneralName[]>()
  for (const name of names) {
    const group = groups.get(name.kind)
    if (group === undefined) groups.set(name.kind, [name])
    else group.push(name)
  }
  return groups
}

const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'

/** Every name that constraints apply to: the subject as directory name, the SANs, and a mailbox in the subject. */
function constrainedNames(place: Place): GeneralName[] {
  const { subject, extensions, subjectAltNames } = place.certificate
  const names: GeneralName[] = [...subjectAltNames]
  if (!subject.isEmpty) {
    names.push({ kind: 'dirName', value: subject.toString(), bytes: subject.raw, directoryName: subject })
  }
  // RFC 5280 section 4.2.1.10: mail constraints reach the subject's mailbox where there are no SANs.
  if (!extensions.all.some(({ oid }) => oid === ExtensionId.subjectAltName)) {
    for (const { type, text } of subject.relativeNames.flat()) {
      if (type === EMAIL_ADDRESS) names.push({ kind: 'email', value: text ?? '', bytes: new Uint8Array() })
    }
  }
  return names
}
