/** Checks every name below a CA against the CA's name constraints (RFC 5280 sections 4.2.1.10 and 6.1.3). */
import type { Certificate } from '../../x509/certificate.js'
import type { DistinguishedName } from '../../x509/distinguished-name.js'
import { ExtensionId } from '../../x509/extensions.js'
import type { GeneralName, NameConstraints } from '../../x509/general-name.js'
import { FindingCollector, MAX_SHOWN, type PathCertificate } from '../context.js'
import { MAX_WORK, type WorkBudget } from '../work.js'
import { GO_KINDS } from './check-form.js'
import {
  type Comparable,
  comparable,
  COMPARED_KINDS,
  constraintProblem,
  isPlainDnsName,
  isReadByGo,
  type Subtree,
  subtreeOf,
} from './name-constraint-match.js'

/** The work of preparing a constraint, in the bytes of {@link WorkBudget}. A comparison counts as one byte. */
const WORK_PER_CONSTRAINT = 40
/** The work of preparing a name for the constraints of one CA. */
const WORK_PER_NAME = 10
/** The work of parsing and case folding a directory name, for each byte. */
const WORK_PER_BYTE = 2
/** Ends the check of one certificate: it can have 5,000 names. */
const MAX_FINDINGS = 20

/** The constraints that were prepared for an earlier path, for all paths of one validation. */
export type PreparedConstraints = Map<Certificate, Constraints>

/** The constraints of one CA: its subtrees by kind, or its first malformed constraint. */
type Constraints =
  | { readonly malformed: GeneralName; readonly reason: string }
  | { readonly constrainedBy: string; readonly kinds: ReadonlyMap<string, Sides> }
type ReadConstraints = Extract<Constraints, { kinds: unknown }>
type Sides = Record<keyof NameConstraints, Subtree[]>

/** @param budget If it is used up, the check ends with an error. */
export function checkNameConstraints(
  path: readonly PathCertificate[],
  { known, budget }: { readonly known: PreparedConstraints; readonly budget: WorkBudget },
  findings: FindingCollector,
): void {
  const names = new Map<PathCertificate, readonly GeneralName[]>()
  for (const authority of path.slice(1)) {
    if (authority.certificate.extensions.nameConstraints === null) continue
    const constraints = known.get(authority.certificate) ?? readConstraints(authority.certificate, budget)
    known.set(authority.certificate, constraints)
    if ('malformed' in constraints) {
      const { value: constraint, kind: nameKind } = constraints.malformed
      const details = { constraint, nameKind, reason: constraints.reason }
      findings.add(authority, 'name-constraints/malformed', { kind: 'malformed', ...details })
      continue
    }
    for (const subject of path.slice(0, authority.index)) {
      const constrained = names.get(subject) ?? constrainedNames(subject)
      names.set(subject, constrained)
      if (!takeComparisons(subject, constrained, constraints, budget)) {
        findings.add(authority, 'chain/limit-exceeded', { kind: 'comparisons of names', limit: MAX_WORK })
        return
      }
      // RFC 5280 section 6.1.3 (b): constraints do not apply to self-issued certificates, except for the leaf.
      if (subject.index > 0 && subject.certificate.isSelfIssued) checkSelfIssued(subject, constraints, findings)
      else checkSubject(subject, constrained, constraints, findings)
      if (subject.index === 0) checkCommonNames(subject, constraints, findings)
    }
  }
}

function readConstraints({ extensions, subject }: Certificate, budget: WorkBudget): Constraints {
  const kinds = new Map<string, Sides>()
  for (const side of ['permitted', 'excluded'] as const) {
    for (const constraint of extensions.nameConstraints?.[side] ?? []) {
      const { kind } = constraint
      const sides = kinds.get(kind) ?? { permitted: [], excluded: [] }
      if (budget.take(WORK_PER_CONSTRAINT + readingOf(constraint))) {
        const reason = constraintProblem(constraint)
        if (reason !== null) return { malformed: constraint, reason }
        sides[side].push(subtreeOf(constraint))
      }
      kinds.set(kind, sides)
    }
  }
  return { constrainedBy: subject.toString(), kinds }
}

/** Counts all comparisons before the first one; false if they exceed the budget. */
function takeComparisons(
  { index, certificate: { subject } }: PathCertificate,
  names: readonly GeneralName[],
  { kinds }: ReadConstraints,
  budget: WorkBudget,
): boolean {
  const subtreesOf = (kind: string): number => {
    const { permitted = [], excluded = [] } = kinds.get(kind) ?? {}
    return permitted.length + excluded.length
  }
  // `checkCommonNames` compares those of a leaf.
  let work = index === 0 ? valuesOf(subject, COMMON_NAME).length * subtreesOf('dns') : 0
  for (const name of names) work += WORK_PER_NAME + subtreesOf(name.kind) + (kinds.has(name.kind) ? readingOf(name) : 0)
  return budget.take(work)
}

function readingOf({ kind, bytes }: GeneralName): number {
  return kind === 'dirName' ? bytes.length * WORK_PER_BYTE : 0
}

function checkSubject(
  subject: PathCertificate,
  names: readonly GeneralName[],
  constraints: ReadConstraints,
  findings: FindingCollector,
): void {
  const hasNames = subject.certificate.subjectAltNames.length > 0
  const before = findings.drafts.length
  for (const name of names) {
    const count = findings.drafts.length
    checkName(subject, name, constraints, findings)
    if (findings.drafts.length === count && hasNames) checkNameForGo(subject, name, constraints, findings)
    if (findings.drafts.length - before > MAX_FINDINGS) return
  }
}

function checkName(
  subject: PathCertificate,
  name: GeneralName,
  { kinds, constrainedBy }: ReadConstraints,
  findings: FindingCollector,
): void {
  const sides = kinds.get(name.kind)
  if (sides === undefined) return
  const details = { name: name.value, nameKind: name.kind, constrainedBy }
  const isCompared = COMPARED_KINDS.has(name.kind)
  const prepared = isCompared ? comparable(name) : null
  if (prepared === null) {
    const kind = isCompared ? 'malformed' : 'not compared'
    findings.add(subject, 'name-constraints/name-unreadable', { kind, ...details })
    return
  }
  const { permitted, excluded } = sides
  const overlapping = excluded.find((each) => each.overlaps(prepared))
  if (overlapping !== undefined) {
    const subtree = overlapping.value || '(all)'
    findings.add(subject, 'name-constraints/name-refused', { kind: 'excluded', ...details, excluded: subtree })
  }
  if (!isPermitted(prepared, sides)) {
    const shown = permitted.slice(0, MAX_SHOWN).map(({ value }) => value)
    findings.add(subject, 'name-constraints/name-refused', { kind: 'not permitted', ...details, permitted: shown })
  }
}

/** Without permitted subtrees, every name is permitted. */
function isPermitted(name: Comparable, { permitted }: Sides): boolean {
  return permitted.length === 0 || permitted.some((each) => each.contains(name))
}

/** Reports names that only Go refuses. If a CA constrains names of any kind, Go parses names of all kinds. */
function checkNameForGo(
  subject: PathCertificate,
  name: GeneralName,
  { kinds, constrainedBy }: ReadConstraints,
  findings: FindingCollector,
): void {
  const details = { name: name.value, nameKind: name.kind, constrainedBy, usage: findings.rules.usage }
  if (!isReadByGo(name)) {
    findings.add(subject, 'name-constraints/name-unreadable', { kind: 'malformed for Go', ...details })
    return
  }
  const sides = kinds.get(name.kind)
  const prepared = sides === undefined ? null : comparable(name)
  const excluded = prepared === null ? undefined : sides?.excluded.find((each) => each.containsInGo(prepared))
  if (excluded === undefined) return
  findings.add(subject, 'name-constraints/name-refused', {
    kind: 'excluded by Go',
    ...details,
    excluded: excluded.value,
  })
}

/** Go applies constraints to self-issued CA certificates, too. */
function checkSelfIssued(subject: PathCertificate, constraints: ReadConstraints, findings: FindingCollector): void {
  const names = subject.certificate.subjectAltNames.filter(({ kind }) => GO_KINDS.has(kind))
  const refused = names.filter((name) => {
    const found = new FindingCollector(findings.rules)
    checkSubject(subject, [name], constraints, found)
    return found.drafts.length > 0
  })
  if (refused.length === 0) return
  const shown = refused.slice(0, MAX_SHOWN).map(({ value }) => value)
  const details = { names: shown, constrainedBy: constraints.constrainedBy, usage: findings.rules.usage }
  findings.add(subject, 'name-constraints/name-refused', { kind: 'self-issued', ...details })
}

/**
 * OpenSSL, and so Node, applies constraints to a common name that looks like a DNS name, if the leaf has no other DNS name
 * (crypto/x509 NAME_CONSTRAINTS_check_CN). Go does not.
 */
function checkCommonNames(
  leaf: PathCertificate,
  { kinds, constrainedBy }: ReadConstraints,
  findings: FindingCollector,
): void {
  const sides = kinds.get('dns')
  const { subject, subjectAltNames } = leaf.certificate
  if (sides === undefined || subjectAltNames.some(({ kind }) => kind === 'dns')) return
  for (const name of valuesOf(subject, COMMON_NAME)) {
    if (name === null || !name.includes('.') || !isPlainDnsName(name)) continue
    const prepared = { host: name.toLowerCase() }
    const details = { name, constrainedBy, isPermitted: isPermitted(prepared, sides), usage: findings.rules.usage }
    if (details.isPermitted && !sides.excluded.some((each) => each.overlaps(prepared))) continue
    findings.add(leaf, 'name-constraints/common-name-refused', details)
  }
}

const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'
const COMMON_NAME = '2.5.4.3'

/** The values of one attribute; null for one that cannot be read. */
function valuesOf({ relativeNames }: DistinguishedName, type: string): (string | null)[] {
  return relativeNames
    .flat()
    .filter((each) => each.type === type)
    .map(({ text }) => text)
}

/** The subject as a directory name, the SANs, and the mailbox in the subject. */
function constrainedNames({ certificate: { subject, extensions, subjectAltNames } }: PathCertificate): GeneralName[] {
  const names: GeneralName[] = [...subjectAltNames]
  if (!subject.isEmpty)
    names.push({ kind: 'dirName', value: subject.toString(), bytes: subject.raw, directoryName: subject })
  // RFC 5280 section 4.2.1.10: without SANs, mail constraints apply to the subject's mailbox.
  if (extensions.all.some(({ oid }) => oid === ExtensionId.subjectAltName)) return names
  for (const text of valuesOf(subject, EMAIL_ADDRESS))
    names.push({ kind: 'email', value: text ?? '', bytes: new Uint8Array() })
  return names
}
