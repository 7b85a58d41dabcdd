/**
 * One finding for each cause: what follows from another finding, and goes away with it, is folded under that one. The
 * rules are tables, so that a reader sees at a glance what counts as a consequence.
 */
import type { Finding, FindingCode } from '../report/finding.js'

/** Causes and what follows from them on the same certificate. */
const ON_ONE_CERTIFICATE: Readonly<Partial<Record<FindingCode, readonly FindingCode[]>>> = {
  // Never valid: whether it is over or has not begun depends only on the clock.
  'validity/inverted': ['validity/expired', 'validity/not-yet-valid'],
  // Version 1 has no extensions, so nothing that an extension would say is there.
  'certificate/version-unsupported': [
    'constraints/not-a-ca',
    'san/host-not-covered',
    'san/common-name-not-listed',
    'usage/extension-absent',
    'certificate/key-identifier-unusual',
  ],
  // A leaf used as a CA has the usages of a leaf as well.
  'constraints/not-a-ca': [
    'usage/key-usage-missing',
    'usage/extended-key-usage-missing',
    'usage/gateway-client-auth-missing',
  ],
}

/** Extensions that cannot be read, and what follows on the same certificate, next to a finding that they are absent. */
const UNREADABLE: Readonly<Record<string, readonly FindingCode[]>> = {
  basicConstraints: ['constraints/not-a-ca'],
  subjectAltName: ['san/host-not-covered', 'san/common-name-not-listed'],
}

/** Whether the second finding is a consequence of the first. */
function follows(cause: Finding, finding: Finding, all: readonly Finding[]): boolean {
  if (finding.severity === 'error' && cause.severity !== 'error') return false
  const { code, details } = finding
  const isUnsupported = code === 'signature/algorithm-refused' && details.kind === 'unsupported'
  switch (cause.code) {
    case 'certificate/malformed':
      // The issuer was given, and could not be read.
      if (code === 'chain/issuer-not-found') return cause.details.subject === details.issuer
      return code === 'chain/no-trust-anchors' && cause.details.origin.startsWith('trustAnchors')
    case 'validity/not-yet-valid':
      // If every certificate is of the future it is one clock that is wrong, as the warning next to it says.
      return (
        code === cause.code &&
        cause.certificate?.role === 'leaf' &&
        all.some((each) => each.code === 'validity/clock-suspect')
      )
    case 'validity/expired':
      return code === 'validity/outlives-issuer' && isIssuerOf(cause, finding)
    case 'certificate/name-malformed':
      // The name is the CA's; what it issued, itself included, only repeats it.
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
      // No names at all is one fault, however many hosts were asked for.
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
      // A CA whose basicConstraints cannot be read is no leaf: its usages are another fault.
      return isOfTable && !all.some((each) => each.code === 'certificate/extension-refused' && follows(each, cause, all))
    }
  }
}

/** The extension whose absence a finding reports; null for another finding. */
function absentExtension({ code, details }: Finding): string | null {
  if (code === 'certificate/key-identifier-unusual' && details.kind === 'missing') return details.extension
  return code === 'usage/extension-absent' ? details.kind : null
}

/**
 * Folds consequences under their causes. A finding that has no cause in the list stays; nothing is lost. A cause is at
 * least as severe as what is folded under it, so that the result stays the same.
 */
export function foldConsequences(findings: readonly Finding[]): Finding[] {
  const causeOf = new Map<Finding, Finding>()
  /** The cause of the cause; of two that explain each other, the first in the list is the root. */
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
 * Folds a warning or info that several certificates share into the first of them: the same advice on each certificate of
 * a path hides the fault next to it. Errors stay, each of them is to be fixed.
 */
export function foldRepeats(findings: readonly Finding[]): Finding[] {
  // Findings of a code that give other advice, such as on two extensions, are not the same.
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

/** The findings as they were before {@link foldRepeats}, one for each certificate. */
export function unfoldRepeats(findings: readonly Finding[]): Finding[] {
  return findings.flatMap(({ repeats = [], ...first }) => [first, ...repeats])
}

function isOnSame({ certificate: a }: Finding, { certificate: b }: Finding): boolean {
  return a !== null && a.role === b?.role && a.fingerprint256 === b.fingerprint256
}

/** Whether the first is about the certificate that issued the second's, by their places in the path. */
function isIssuerOf({ certificate: issuer }: Finding, { certificate: child }: Finding): boolean {
  return issuer !== null && child !== null && issuer.index === child.index + 1
}
