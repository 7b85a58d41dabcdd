/** Folds each finding that another one causes under its cause, so that a report has one finding for each cause. */
import type { Finding, FindingCode } from '../report/finding.js'

/** The consequences of a finding on the same certificate. */
const ON_ONE_CERTIFICATE: Readonly<Partial<Record<FindingCode, readonly FindingCode[]>>> = {
  // Such a certificate is never valid, whatever the time.
  'validity/inverted': ['validity/expired', 'validity/not-yet-valid'],
  // Version 1 has no extensions.
  'certificate/version-unsupported': [
    'constraints/not-a-ca',
    'san/host-not-covered',
    'san/common-name-not-listed',
    'usage/extension-absent',
    'certificate/key-identifier-unusual',
  ],
  // A leaf that is used as a CA has the usages of a leaf.
  'constraints/not-a-ca': [
    'usage/key-usage-missing',
    'usage/extended-key-usage-missing',
    'usage/gateway-client-auth-missing',
  ],
}

/** The consequences of an unreadable extension on the same certificate, besides the finding that it is absent. */
const UNREADABLE: Readonly<Record<string, readonly FindingCode[]>> = {
  basicConstraints: ['constraints/not-a-ca'],
  subjectAltName: ['san/host-not-covered', 'san/common-name-not-listed'],
}

/** Whether `finding` is a consequence of `cause`. */
function follows(cause: Finding, finding: Finding, all: readonly Finding[]): boolean {
  if (finding.severity === 'error' && cause.severity !== 'error') return false
  const { code, details } = finding
  const isUnsupported = code === 'signature/algorithm-refused' && details.kind === 'unsupported'
  switch (cause.code) {
    case 'certificate/malformed':
      // The malformed certificate is the missing issuer.
      if (code === 'chain/issuer-not-found') return cause.details.subject === details.issuer
      return code === 'chain/no-trust-anchors' && cause.details.origin.startsWith('trustAnchors')
    case 'validity/not-yet-valid':
      // If every certificate is of the future, the cause is one wrong clock, which `validity/clock-suspect` reports.
      return (
        code === cause.code &&
        cause.certificate?.role === 'leaf' &&
        all.some((each) => each.code === 'validity/clock-suspect')
      )
    case 'validity/expired':
      return code === 'validity/outlives-issuer' && isIssuerOf(cause, finding)
    case 'certificate/name-malformed':
      // The certificates that a CA issues repeat its malformed name.
      return (
        code === cause.code &&
        cause.details.field === 'subject' &&
        details.field === 'issuer' &&
        cause.details.kind === details.kind &&
        (isIssuerOf(cause, finding) || isOnSame(cause, finding))
      )
    case 'key/unsupported':
      return isUnsupported && isIssuerOf(cause, finding)
    case 'key/weak':
      return isUnsupported && cause.details.algorithm === 'DSA' && isIssuerOf(cause, finding)
    case 'san/host-not-covered':
      // A certificate without any name has one fault, however many hosts are checked.
      return (
        (code === cause.code || code === 'san/common-name-not-listed') &&
        cause.details.found.length === 0 &&
        isOnSame(cause, finding)
      )
    case 'certificate/extension-refused': {
      const { kind, extension } = cause.details
      const isExplained = absentExtension(finding) === extension || UNREADABLE[extension]?.includes(code) === true
      return kind === 'malformed' && isExplained && isOnSame(cause, finding)
    }
    default: {
      const isOfTable = ON_ONE_CERTIFICATE[cause.code]?.includes(code) === true && isOnSame(cause, finding)
      // A CA with unreadable basicConstraints is not a leaf, so its usages are a separate fault.
      return (
        isOfTable && !all.some((each) => each.code === 'certificate/extension-refused' && follows(each, cause, all))
      )
    }
  }
}

/** The extension whose absence a finding reports; null for another finding. */
function absentExtension({ code, details }: Finding): string | null {
  if (code === 'certificate/key-identifier-unusual' && details.kind === 'missing') return details.extension
  return code === 'usage/extension-absent' ? details.kind : null
}

/**
 * Folds consequences under their causes. A cause is at least as severe as its consequences, so the result of the report does not
 * change.
 */
export function foldConsequences(findings: readonly Finding[]): Finding[] {
  const causeOf = new Map<Finding, Finding>()
  /** Follows causes to the first. Of two findings that cause each other, the first in the list is the root. */
  const rootOf = (finding: Finding): Finding => {
    let root = finding
    for (let cause = causeOf.get(root); cause !== undefined; cause = causeOf.get(root)) root = cause
    return root
  }
  for (const finding of findings) {
    const cause = findings.find((each) => follows(each, finding, findings) && rootOf(each) !== finding)
    if (cause !== undefined) causeOf.set(finding, cause)
  }
  return findings
    .filter((each) => !causeOf.has(each))
    .map((each) => {
      const consequences = [...causeOf.keys()].filter((folded) => rootOf(folded) === each)
      return consequences.length === 0 ? each : { ...each, consequences }
    })
}

/**
 * Folds a warning or info about several certificates into the first of them, because repeated advice hides other findings. Errors are
 * not folded: each must be fixed.
 */
export function foldRepeats(findings: readonly Finding[]): Finding[] {
  // Findings of one code with different remedies, for example for two extensions, are not repeats.
  const keyOf = ({ code, remedy }: Finding): string => `${code} ${remedy}`
  const groups = new Map<string, Finding[]>()
  for (const each of findings) {
    if (each.severity === 'error' || each.certificate === null || each.consequences.length > 0) continue
    const group = groups.get(keyOf(each)) ?? []
    if (!group.some((other) => isOnSame(each, other))) groups.set(keyOf(each), [...group, each])
  }
  const folded = new Set([...groups.values()].flatMap((group) => group.slice(1)))
  return findings
    .filter((each) => !folded.has(each))
    .map((each) => {
      const [first, ...repeats] = groups.get(keyOf(each)) ?? []
      return first === each && repeats.length > 0 ? { ...each, repeats } : each
    })
}

/** Reverses {@link foldRepeats}. */
export function unfoldRepeats(findings: readonly Finding[]): Finding[] {
  return findings.flatMap(({ repeats = [], ...first }) => [first, ...repeats])
}

function isOnSame({ certificate: a }: Finding, { certificate: b }: Finding): boolean {
  return a !== null && a.role === b?.role && a.fingerprint256 === b.fingerprint256
}

/** Whether the first certificate is directly above the second in the path. */
function isIssuerOf({ certificate: issuer }: Finding, { certificate: child }: Finding): boolean {
  return issuer !== null && child !== null && issuer.index === child.index + 1
}
