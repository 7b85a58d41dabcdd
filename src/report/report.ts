import { EtcdMtlsError } from './errors.js'
import { checkReturned } from './option-error.js'
import type { CertificateRef, FailedReport, Finding, FindingCode, PassedReport, Report } from './finding.js'
import { worstFirst } from './row.js'

export type { FailedReport, PassedReport, Report } from './finding.js'

export interface ReportParts {
  checkedAt: Date
  path: CertificateRef[] | null
  findings: readonly Finding[]
  endpoints?: Report['endpoints'] | undefined
  /** Codes of warnings and infos to omit. Errors are never omitted. */
  ignore?: readonly FindingCode[] | undefined
}

/** Makes a report: the worst finding first, findings of one severity in the given order. */
export function makeReport(parts: ReportParts): Report {
  const ignored = new Set(parts.ignore)
  const findings = worstFirst(withoutIgnored(parts.findings, ignored))
  const [first, ...rest] = findings
  const { checkedAt, path, endpoints } = parts
  const more = endpoints === undefined ? {} : { endpoints }
  if (first?.severity === 'error') return { ok: false, checkedAt, path, findings: [first, ...rest], ...more }
  return { ok: true, checkedAt, path: path ?? [], findings, ...more }
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
  if (!report.ok) throw validationFailed(report)
}

/** The error for a failed report. */
export function validationFailed(report: FailedReport): EtcdMtlsError<'ERR_VALIDATION_FAILED'> {
  return new EtcdMtlsError('ERR_VALIDATION_FAILED', errorMessage(report.findings), { report })
}

/** Longest text of a finding in one line of a log: what a peer sent can be longer. */
const MAX_SUMMARY = 600
/** Longest remedy in a message. */
const MAX_FIX = 300

/**
 * The message of an error, for a logger that prints only messages: code, endpoint and message of the first error, and its
 * remedy, or the command that prints a long one. Empty without an error.
 */
export function errorMessage(findings: readonly Finding[], before = ''): string {
  return withRemedy(summarize(findings, before), findings)
}

/** A text about findings, cut to one line of a log, with the remedy of their first error. */
export function withRemedy(reason: string, findings: readonly Finding[]): string {
  const text = shortMessage(reason)
  const first = findings.find(isError)
  if (first === undefined) return text
  const { remedy, code } = first
  return `${text}${/[.!?…]$/.test(text) ? '' : '.'} Fix: ${remedy.length > MAX_FIX ? `npx etcd-mtls explain ${code}` : remedy}`
}

/** Code, endpoint and message of the first error, in one line; empty without an error. */
export function summarize(findings: readonly Finding[], before = ''): string {
  const first = findings.find(isError)
  if (first === undefined) return ''
  const { code, message, details } = first
  const text = shortMessage(`${before}[${code}] ${message}`)
  const endpoint = 'endpoint' in details ? details.endpoint : null
  const isNamed = endpoint === null || text.includes(endpoint)
  return isNamed ? text : shortMessage(`${before}[${code}] ${endpoint}: ${message}`)
}

function isError({ severity }: Finding): boolean {
  return severity === 'error'
}

/** Cuts a message with findings to one line of a log, between two words unless one is endless. */
function shortMessage(text: string): string {
  if (text.length <= MAX_SUMMARY) return text
  return `${text.slice(0, MAX_SUMMARY - 2).replace(/\s\S{0,99}$/, '')} …`
}
