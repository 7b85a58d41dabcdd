import { EtcdMtlsError } from './errors.js'
import { checkReturned } from './option-error.js'
import type { CertificateRef, FailedReport, Finding, FindingCode, PassedReport, Report } from './finding.js'
import { worstFirst } from './row.js'

export type { FailedReport, PassedReport, Report } from './finding.js'

export interface ReportParts {
  checkedAt: Date
  path: CertificateRef[] | null
  findings: readonly Finding[]
  /** Codes of warnings and infos to omit. Errors are never omitted. */
  ignore?: readonly FindingCode[] | undefined
}

/** Makes a report: the worst finding first, findings of one severity in the given order. */
export function makeReport(parts: ReportParts): Report {
  const ignored = new Set(parts.ignore)
  const findings = worstFirst(withoutIgnored(parts.findings, ignored))
  const [first, ...rest] = findings
  if (first?.severity === 'error') {
    return { ok: false, checkedAt: parts.checkedAt, path: parts.path, findings: [first, ...rest] }
  }
  return { ok: true, checkedAt: parts.checkedAt, path: parts.path ?? [], findings }
}

function withoutIgnored(findings: readonly Finding[], ignored: ReadonlySet<FindingCode>): Finding[] {
  if (ignored.size === 0) return [...findings]
  return findings
    .filter((each) => each.severity === 'error' || !ignored.has(each.code))
    .map((each) =>
      each.consequences.length === 0 ? each : { ...each, consequences: withoutIgnored(each.consequences, ignored) },
    )
}

/**
 * Narrows a report to a passed one.
 *
 * @example
 * ```ts
 * assertValid(validateCredentials(credentials, { usage: 'client' }))
 * ```
 * @throws {EtcdMtlsError}
 * - `ERR_VALIDATION_FAILED` with the report in `details` if the report is not ok.
 * - `ERR_OPTION_INVALID` if the argument is missing or not a report.
 */
export function assertValid(report: Report): asserts report is PassedReport {
  checkReturned('report', report, 'findings', 'a report, such as validateCredentials returns')
  if (!report.ok) throw validationFailed('The credentials are refused', report)
}

/** The error for a failed report. Its message lists every error finding, so that one log line explains the failure. */
export function validationFailed(what: string, report: FailedReport): EtcdMtlsError<'ERR_VALIDATION_FAILED'> {
  return new EtcdMtlsError('ERR_VALIDATION_FAILED', `${what}: ${summarize(report.findings)}`, { report })
}

/** Code, message and remedy of every error finding, in one string. */
export function summarize(findings: readonly Finding[]): string {
  return findings
    .filter((each) => each.severity === 'error')
    .map((each) => `[${each.code}] ${each.message} ${each.remedy}`)
    .join(' ')
}
