import { EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'

/** The error of an authority that may not or cannot issue. `reason` is a whole sentence without its full stop. */
export function issueRefused(
  reason: string,
  more: { findings?: readonly Finding[]; cause?: unknown } = {},
): EtcdMtlsError<'ERR_ISSUE_REFUSED'> {
  const findings = [...(more.findings ?? [])]
  return new EtcdMtlsError(
    'ERR_ISSUE_REFUSED',
    reason,
    { reason, findings },
    'cause' in more ? { cause: more.cause } : {},
  )
}

/** Findings in one string: code and message of each. */
export function describeFindings(findings: readonly Finding[]): string {
  return findings.map(({ code, message }) => `[${code}] ${message}`).join(' ')
}
