/** Which findings are consequences of others: how they are folded, and the table for certificates. */
import type { Finding, FindingCode } from './finding.js'
import { SEVERITIES } from './row.js'

/** A code, or all codes of an area: `chain/`. */
export type Selector = FindingCode | `${string}/`

export interface Rule {
  readonly cause: FindingCode
  readonly selects: (code: FindingCode) => boolean
  readonly holds: (cause: Finding, consequence: Finding, all: readonly Finding[]) => boolean
}

/** A rule about one cause. Without a condition, each of the consequences follows. */
export function from<C extends FindingCode>(
  cause: C,
  consequences: readonly Selector[],
  condition: (cause: Finding<C>, consequence: Finding, all: readonly Finding[]) => boolean = () => true,
): Rule {
  return {
    cause,
    selects: (code) => consequences.some((each) => (each.endsWith('/') ? code.startsWith(each) : code === each)),
    holds: (one, other, all) => condition(one as unknown as Finding<C>, other, all),
  }
}

/** The consequences of an unreadable extension on the same certificate, besides the finding that it is absent. */
const UNREADABLE: Readonly<Record<string, readonly FindingCode[]>> = {
  basicConstraints: ['constraints/not-a-ca'],
  subjectAltName: ['san/host-not-covered', 'san/common-name-not-listed'],
}

export const OF_CERTIFICATES: readonly Rule[] = [
  // The malformed certificate is the missing issuer.
  from('certificate/malformed', ['chain/issuer-not-found', 'chain/no-trust-anchors'], (cause, { code, details }) =>
    code === 'chain/issuer-not-found'
      ? cause.details.subject === details.issuer
      : cause.details.origin.startsWith('trustAnchors'),
  ),
  // Such a certificate is never valid, whatever the time.
  from('validity/inverted', ['validity/expired', 'validity/not-yet-valid'], isOnSame),
  // If every certificate is of the future, the cause is one wrong clock, which `validity/clock-suspect` reports.
  from(
    'validity/not-yet-valid',
    ['validity/not-yet-valid'],
    (cause, _, all) => cause.certificate?.role === 'leaf' && all.some(({ code }) => code === 'validity/clock-suspect'),
  ),
  from('validity/expired', ['validity/outlives-issuer'], isIssuerOf),
  // The certificates that a CA issues repeat its malformed name.
  from(
    'certificate/name-malformed',
    ['certificate/name-malformed'],
    (cause, consequence) =>
      consequence.code === 'certificate/name-malformed' &&
      cause.details.field === 'subject' &&
      consequence.details.field === 'issuer' &&
      cause.details.kind === consequence.details.kind &&
      (isIssuerOf(cause, consequence) || isOnSame(cause, consequence)),
  ),
  from('key/unsupported', ['signature/algorithm-refused'], isUnsupportedBelow),
  from(
    'key/weak',
    ['signature/algorithm-refused'],
    (cause, consequence) => cause.details.algorithm === 'DSA' && isUnsupportedBelow(cause, consequence),
  ),
  // A certificate without any name has one fault, however many hosts are checked.
  from(
    'san/host-not-covered',
    ['san/host-not-covered', 'san/common-name-not-listed'],
    (cause, consequence) => cause.details.found.length === 0 && isOnSame(cause, consequence),
  ),
  from(
    'certificate/extension-refused',
    ['certificate/', 'usage/', 'constraints/', 'san/'],
    (cause, consequence) => isUnreadable(cause, consequence) && isOnSame(cause, consequence),
  ),
  from('input/too-much', ['certificate/', 'usage/', 'constraints/', 'san/'], (cause, consequence) => {
    const { extension = '' } = cause.details
    return isUnreadable({ details: { kind: 'malformed', extension } }, consequence) && isOnSame(cause, consequence)
  }),
  // Version 1 has no extensions.
  from(
    'certificate/version-unsupported',
    [
      'constraints/not-a-ca',
      'san/host-not-covered',
      'san/common-name-not-listed',
      'usage/extension-absent',
      'certificate/key-identifier-unusual',
    ],
    isOnSame,
  ),
  // A leaf that is used as a CA has the usages of a leaf. A CA with unreadable basicConstraints is not a leaf, so its usages are a
  // separate fault.
  from(
    'constraints/not-a-ca',
    ['usage/key-usage-missing', 'usage/extended-key-usage-missing', 'usage/gateway-client-auth-missing'],
    (cause, consequence, all) =>
      isOnSame(cause, consequence) &&
      !all.some(
        (each) => each.code === 'certificate/extension-refused' && isUnreadable(each, cause) && isOnSame(each, cause),
      ),
  ),
]

/** Folds consequences under their causes. A cause is at least as severe as its consequences, so the result does not change. */
export function foldConsequences(findings: readonly Finding[], rules: readonly Rule[] = OF_CERTIFICATES): Finding[] {
  // There may be thousands of findings, few of which are causes, and few rules are about any two codes.
  const codes = new Set(rules.map(({ cause }) => cause))
  const causes = findings.filter(({ code }) => codes.has(code))
  if (causes.length === 0) return [...findings]
  const rulesFor = new Map<FindingCode, readonly (readonly [cause: Finding, rule: Rule])[]>()
  for (const { code } of findings) {
    if (rulesFor.has(code)) continue
    const selected = rules.filter(({ selects }) => selects(code))
    const pairs = causes.flatMap((cause) =>
      selected.flatMap((rule) => (rule.cause === cause.code ? [[cause, rule] as const] : [])),
    )
    rulesFor.set(code, pairs)
  }
  const causeOf = new Map<Finding, Finding>()
  /** Follows causes to the first. Of two findings that cause each other, the first in the list is the root. */
  const rootOf = (finding: Finding): Finding => {
    let root = finding
    for (let cause = causeOf.get(root); cause !== undefined; cause = causeOf.get(root)) root = cause
    return root
  }
  // An error below a warning would leave the report without errors.
  const isLess = (cause: Finding, finding: Finding): boolean =>
    SEVERITIES.indexOf(cause.severity) > SEVERITIES.indexOf(finding.severity)
  for (const finding of findings) {
    const [cause] =
      rulesFor
        .get(finding.code)
        ?.find(
          ([one, { holds }]) =>
            one !== finding && !isLess(one, finding) && holds(one, finding, findings) && rootOf(one) !== finding,
        ) ?? []
    if (cause !== undefined) causeOf.set(finding, cause)
  }
  const consequencesOf = new Map<Finding, Finding[]>()
  for (const folded of causeOf.keys()) {
    const root = rootOf(folded)
    const own = consequencesOf.get(root)
    if (own === undefined) consequencesOf.set(root, [folded])
    else own.push(folded)
  }
  return findings
    .filter((each) => !causeOf.has(each))
    .map((each) => {
      const own = consequencesOf.get(each)
      return own === undefined ? each : { ...each, consequences: [...each.consequences, ...own] }
    })
}

export function isKind({ details }: Finding, ...kinds: readonly string[]): boolean {
  return 'kind' in details && typeof details.kind === 'string' && kinds.includes(details.kind)
}

function isOnSame(
  { certificate: a }: Pick<Finding, 'certificate'>,
  { certificate: b }: Pick<Finding, 'certificate'>,
): boolean {
  return a !== null && a.role === b?.role && a.fingerprint256 === b.fingerprint256
}

/** Whether the first certificate is directly above the second in the path. */
function isIssuerOf({ certificate: issuer }: Pick<Finding, 'certificate'>, { certificate: child }: Finding): boolean {
  return issuer !== null && child !== null && issuer.index === child.index + 1
}

function isUnsupportedBelow(cause: Pick<Finding, 'certificate'>, consequence: Finding): boolean {
  return isKind(consequence, 'unsupported') && isIssuerOf(cause, consequence)
}

function isUnreadable(
  { details: { kind, extension } }: { readonly details: { readonly kind: string; readonly extension: string } },
  { code, details }: Finding | Finding<'constraints/not-a-ca'>,
): boolean {
  if (kind !== 'malformed') return false
  const absent =
    code === 'certificate/key-identifier-unusual' && details.kind === 'missing'
      ? details.extension
      : code === 'usage/extension-absent'
        ? details.kind
        : null
  return absent === extension || UNREADABLE[extension]?.includes(code) === true
}
