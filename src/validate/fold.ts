/**
 * One finding for each cause: what follows from another finding, and goes away with it, is folded under that one. The
 * rules are a table, so that a reader sees at a glance what counts as a consequence.
 */
import type { Finding, FindingCode } from '../report/finding.js'

interface Rule {
  readonly cause: FindingCode
  readonly consequences: readonly FindingCode[]
  readonly follows: (cause: Finding, consequence: Finding, all: readonly Finding[]) => boolean
}

const RULES: readonly Rule[] = [
  {
    // The issuer was given, and could not be read.
    cause: 'certificate/malformed',
    consequences: ['chain/issuer-not-found', 'chain/no-trust-anchors'],
    follows: (cause, consequence) => isMissingFor(cause, consequence),
  },
  {
    // Never valid: whether it is over or has not begun depends only on where the clock stands.
    cause: 'validity/inverted',
    consequences: ['validity/expired', 'validity/not-yet-valid'],
    follows: onSameCertificate,
  },
  {
    // Where every certificate is of the future it is one clock that is wrong, as the warning next to it says.
    cause: 'validity/not-yet-valid',
    consequences: ['validity/not-yet-valid'],
    follows: (cause, _, all) =>
      cause.certificate?.role === 'leaf' && all.some(({ code }) => code === 'validity/clock-suspect'),
  },
  {
    cause: 'validity/expired',
    consequences: ['validity/outlives-issuer'],
    follows: isIssuerOf,
  },
  {
    // Version 1 has no extensions, so nothing that an extension would say is there.
    cause: 'certificate/version-unsupported',
    consequences: [
      'constraints/not-a-ca',
      'san/host-not-covered',
      'san/common-name-not-listed',
      'usage/extension-absent',
      'certificate/key-identifier-unusual',
    ],
    follows: onSameCertificate,
  },
  {
    // The name is the CA's; what it issued, itself included, only repeats it.
    cause: 'certificate/name-malformed',
    consequences: ['certificate/name-malformed'],
    follows: (cause, consequence) =>
      fieldOf(cause) === 'subject' &&
      fieldOf(consequence) === 'issuer' &&
      kindOf(cause) === kindOf(consequence) &&
      isIssuerOrSame(cause, consequence),
  },
  {
    // A key of no supported kind makes signatures of no supported kind.
    cause: 'key/unsupported',
    consequences: ['signature/algorithm-refused'],
    follows: (cause, consequence) => kindOf(consequence) === 'unsupported' && isIssuerOf(cause, consequence),
  },
  {
    cause: 'key/weak',
    consequences: ['signature/algorithm-refused'],
    follows: (cause, consequence) =>
      isDsa(cause) && kindOf(consequence) === 'unsupported' && isIssuerOf(cause, consequence),
  },
  {
    // A leaf used as a CA has a leaf's usages, too.
    cause: 'constraints/not-a-ca',
    consequences: ['usage/key-usage-missing', 'usage/extended-key-usage-missing', 'usage/gateway-client-auth-missing'],
    follows: onSameCertificate,
  },
  ...unreadable('basicConstraints', ['constraints/not-a-ca']),
  ...unreadable('subjectAltName', ['san/host-not-covered', 'san/common-name-not-listed']),
  ...unreadable('keyUsage', ['usage/extension-absent']),
  ...unreadable('subjectKeyIdentifier', ['certificate/key-identifier-unusual']),
  ...unreadable('authorityKeyIdentifier', ['certificate/key-identifier-unusual']),
  {
    // No names at all is one fault, however many hosts were asked for.
    cause: 'san/host-not-covered',
    consequences: ['san/host-not-covered', 'san/common-name-not-listed'],
    follows: (cause, consequence) => hasNoNames(cause) && onSameCertificate(cause, consequence),
  },
]

const CAUSES: ReadonlySet<FindingCode> = new Set(RULES.map(({ cause }) => cause))

function unreadable(extension: string, consequences: readonly FindingCode[]): Rule[] {
  return [
    {
      cause: 'certificate/extension-refused',
      consequences,
      follows: (cause, consequence) =>
        cause.code === 'certificate/extension-refused' &&
        cause.details.kind === 'malformed' &&
        cause.details.extension === extension &&
        [null, extension].includes(absentOf(consequence)) &&
        onSameCertificate(cause, consequence),
    },
  ]
}

/** The extension whose absence a finding reports; null if it reports something else. */
function absentOf({ code, details }: Finding): string | null {
  if (code === 'certificate/key-identifier-unusual') return details.kind === 'missing' ? details.extension : ''
  return code === 'usage/extension-absent' ? details.kind : null
}

/**
 * Folds consequences under their causes. A finding that has no cause in the list stays; nothing is lost. A cause is at
 * least as severe as what is folded under it, so that the result stays the same.
 */
export function foldConsequences(findings: readonly Finding[]): Finding[] {
  const causes = findings.filter(({ code }) => CAUSES.has(code))
  const causeOf = new Map<Finding, Finding>()
  for (const finding of findings) {
    const cause = causes.find((each) => explains(each, finding, findings) && rootOf(each, causeOf) !== finding)
    if (cause !== undefined) causeOf.set(finding, cause)
  }
  return findings.filter((each) => !causeOf.has(each)).map((each) => withConsequences(each, causeOf))
}

/**
 * Folds a warning or info that several certificates share into the first of them: the same advice on each certificate of
 * a path hides the fault next to it. Errors stay, each of them is to be fixed.
 */
export function foldRepeats(findings: readonly Finding[]): Finding[] {
  const groups = new Map<string, Finding[]>()
  const folded = new Set<Finding>()
  for (const each of findings) {
    if (each.severity === 'error' || each.certificate === null || each.consequences.length > 0) continue
    // Findings of a code that give other advice, such as on two extensions, are not the same.
    const key = `${each.code} ${each.remedy}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [each])
    else if (!group.some((other) => onSameCertificate(each, other))) {
      group.push(each)
      folded.add(each)
    }
  }
  const repeatsOf = new Map([...groups.values()].map(([first, ...repeats]) => [first, repeats]))
  return findings
    .filter((each) => !folded.has(each))
    .map((each) => {
      const repeats = repeatsOf.get(each) ?? []
      return repeats.length === 0 ? each : { ...each, repeats }
    })
}

/** The findings as they were before {@link foldRepeats}, one for each certificate. */
export function unfoldRepeats(findings: readonly Finding[]): Finding[] {
  return findings.flatMap(({ repeats = [], ...first }) => [first, ...repeats])
}

function explains(cause: Finding, finding: Finding, all: readonly Finding[]): boolean {
  if (finding.severity === 'error' && cause.severity !== 'error') return false
  return RULES.some(
    (rule) =>
      rule.cause === cause.code && rule.consequences.includes(finding.code) && rule.follows(cause, finding, all),
  )
}

/** The cause of the cause; of two that explain each other, the first in the list is the root. */
function rootOf(finding: Finding, causeOf: ReadonlyMap<Finding, Finding>): Finding {
  let root = finding
  for (let cause = causeOf.get(root); cause !== undefined; cause = causeOf.get(root)) root = cause
  return root
}

function withConsequences(finding: Finding, causeOf: ReadonlyMap<Finding, Finding>): Finding {
  const consequences = [...causeOf.keys()].filter((each) => rootOf(each, causeOf) === finding)
  return consequences.length === 0 ? finding : { ...finding, consequences }
}

function onSameCertificate(a: Finding, b: Finding): boolean {
  return (
    a.certificate !== null &&
    a.certificate.role === b.certificate?.role &&
    a.certificate.fingerprint256 === b.certificate.fingerprint256
  )
}

/** Whether the first is about the certificate that issued the second's, by their places in the path. */
function isIssuerOf(issuer: Finding, child: Finding): boolean {
  return (
    issuer.certificate !== null &&
    child.certificate !== null &&
    issuer.certificate.index === child.certificate.index + 1
  )
}

function isIssuerOrSame(issuer: Finding, finding: Finding): boolean {
  return isIssuerOf(issuer, finding) || onSameCertificate(issuer, finding)
}

function isDsa(finding: Finding): boolean {
  return finding.code === 'key/weak' && finding.details.algorithm === 'DSA'
}

function isMissingFor(cause: Finding, consequence: Finding): boolean {
  if (cause.code !== 'certificate/malformed') return false
  const { subject, origin } = cause.details
  if (consequence.code === 'chain/issuer-not-found') return subject === consequence.details.issuer
  return origin.startsWith('trustAnchors')
}

function fieldOf(finding: Finding): 'subject' | 'issuer' | null {
  return finding.code === 'certificate/name-malformed' ? finding.details.field : null
}

function kindOf({ details }: Finding): string | null {
  return 'kind' in details ? details.kind : null
}

function hasNoNames(finding: Finding): boolean {
  return finding.code === 'san/host-not-covered' && finding.details.found.length === 0
}
