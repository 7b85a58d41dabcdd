/** The order of severities, in one place for reports and for printers. */
import type { Severity } from './row.js'

/** Every severity, worst first. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

/** A copy sorted worst first; findings of one severity keep their order. */
export function worstFirst<F extends { severity: Severity }>(findings: readonly F[]): F[] {
  return [...findings].sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
}
