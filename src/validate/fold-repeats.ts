/** Folds findings about several certificates. */
import type { Finding } from '../report/finding.js'

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
