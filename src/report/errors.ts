/** The error class of the package, its codes, and the details of each code. */
import { inspect, type InspectOptions, types } from 'node:util'
import type { FailedReport, Finding } from './finding.js'
import { exactPath, printable, printableDeep } from './printable.js'
import { type AnyReport, DEFAULT_WIDTH, type PrintOptions, printReports } from './print-report.js'

/** A wrong call: an option that is missing, unknown or out of range. */
export interface OptionInvalidDetails {
  /** The path of the option from the call's options on, such as `endpoints`, `tls.minVersion` or `members[0].name`. */
  option: string
  /** Starts with a verb, such as `must be a string`. */
  reason: string
}

/** Credentials could not be read. */
export interface CredentialsUnreadableDetails {
  origin: string
  /** Every fault. */
  findings: [Finding, ...Finding[]]
}

/** Something failed for the reasons in a report. */
export interface FailedReportDetails {
  report: FailedReport
}

/** The call was not sent, because `limit` other calls already wait for an endpoint. */
export interface TooManyCallsDetails {
  limit: number
}

/** A write was sent, and no answer came: it may have been applied, or may be applied later. */
export interface OutcomeUnknownDetails {
  /** Such as `KV/Put`. */
  call: string
  /** The URL to which it was sent; null if there were several. */
  endpoint: string | null
}

/** A server sent an answer that etcd never sends, or too much. The client dropped it. */
export interface AnswerInvalidDetails {
  /** Such as `Watch/Watch`. */
  method: string
  endpoint: string | null
  reason: string
}

/** An answer is longer than `grpc.max_receive_message_length`. */
export interface AnswerTooLargeDetails {
  /** Such as `KV/Range`. */
  call: string
  endpoint: string | null
  /** In bytes. */
  limit: number
}

/** A request is longer than a proxy in front of etcd accepts (HTTP status 413). The connection stays open. */
export interface RequestTooLargeDetails {
  /** Such as `KV/Put`. */
  call: string
  report: FailedReport
}

/** A watch missed events: etcd has compacted the revision that it needs next. */
export interface WatchCompactedDetails {
  key: string
  rangeEnd: string | null
  revision: string
  compactRevision: string
}

/** Keys were not read to the end: etcd has compacted the revision of the pages. */
export interface PagesCompactedDetails {
  prefix: string
  revision: string
  /** The last key of the last page. */
  lastKey: string | null
}

/**
 * A watch or a lease is of another cluster than the one that answers now, or of data that was replaced by older data: revisions are
 * others, and changes may be missed.
 */
export interface ClusterChangedDetails {
  /** The cluster ID that answers now, in hexadecimal as in the log of etcd. */
  cluster: string
  /** The cluster ID of the watch or the lease. The same: its data was replaced by older data. */
  before: string
}

/** An authority may not or cannot issue the certificate. Nothing was issued. */
export interface IssueRefusedDetails {
  reason: string
  findings: Finding[]
}

/** An issuer elsewhere gave no certificate that can be used. */
export interface IssuerFailedDetails {
  /** The issuer. */
  origin: string
  /** What is wrong with it or with its certificate. It may change in any release. */
  reason: string
  /** When the first of the failures in a row was. */
  since: Date
}

/** A file could not be written, read back or locked. `cause` is the error of the file system. */
export interface WriteFailedDetails {
  path: string
  /** With the remedy. */
  reason: string
}

/** A configuration cannot be rendered or read. */
export interface ConfigInvalidDetails {
  reason: string
  findings: Finding[]
}

/** A temporary etcd of `etcd-mtls/testing` did not start. */
export interface EtcdNotStartedDetails {
  reason: string
  /** The lines of its log. */
  logs: string[]
}

/** A lock or a leadership ended, or the wait for it. */
export interface LeaseLostDetails {
  what: string
  /** `unanswered`: etcd answered no keep-alive of the lease in time. `gone`: etcd no longer has the lease or its key. */
  reason: 'unanswered' | 'gone'
}

/** Code that loads at the first call could not be loaded. `cause` is Node's error. */
export interface LoadFailedDetails {
  /** Such as `EMFILE`; null if Node gave none. */
  errorCode: string | null
}

/** The object was used after it was closed. */
export interface ClosedDetails {
  what: string
}

/** The type of `details` for each error code. */
export interface ErrorDetails {
  ERR_OPTION_INVALID: OptionInvalidDetails
  ERR_CREDENTIALS_UNREADABLE: CredentialsUnreadableDetails
  /** Credentials were read, and the validation failed. */
  ERR_VALIDATION_FAILED: FailedReportDetails
  /** An endpoint answered, and one side refused the TLS handshake or the first request. */
  ERR_HANDSHAKE_FAILED: FailedReportDetails
  /** etcd accepted the connection, and its users and roles refused the call. */
  ERR_ACCESS_DENIED: FailedReportDetails
  /** No endpoint answered in time. */
  ERR_UNREACHABLE: FailedReportDetails
  ERR_TOO_MANY_CALLS: TooManyCallsDetails
  ERR_OUTCOME_UNKNOWN: OutcomeUnknownDetails
  ERR_ANSWER_INVALID: AnswerInvalidDetails
  ERR_ANSWER_TOO_LARGE: AnswerTooLargeDetails
  ERR_REQUEST_TOO_LARGE: RequestTooLargeDetails
  /** etcd refused the call because of an alarm of the cluster, such as NOSPACE. */
  ERR_CLUSTER_ALARM: FailedReportDetails
  ERR_WATCH_COMPACTED: WatchCompactedDetails
  ERR_PAGES_COMPACTED: PagesCompactedDetails
  ERR_CLUSTER_CHANGED: ClusterChangedDetails
  ERR_ISSUE_REFUSED: IssueRefusedDetails
  ERR_ISSUER_FAILED: IssuerFailedDetails
  ERR_WRITE_FAILED: WriteFailedDetails
  ERR_CONFIG_INVALID: ConfigInvalidDetails
  ERR_ETCD_NOT_STARTED: EtcdNotStartedDetails
  ERR_LEASE_LOST: LeaseLostDetails
  ERR_LOAD_FAILED: LoadFailedDetails
  ERR_CLOSED: ClosedDetails
}

/** Every code an {@link EtcdMtlsError} can carry. */
export type ErrorCode = keyof ErrorDetails

// Registered, so that an error made by a second copy of this package in the same process is recognised too.
const BRAND = Symbol.for('etcd-mtls.error')

/** `details`, `report`, and the properties of a report. */
const PRINTED_DEPTH = 2

/** Every error that this package throws. Test for `code`: it is stable. `message` may change. */
export class EtcdMtlsError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C
  /** Not enumerable: Node prints an uncaught error with all its properties in full depth, and a report has pages. */
  declare readonly details: ErrorDetails[C]

  constructor(code: C, message: string, details: ErrorDetails[C], options?: { cause?: unknown }) {
    super(printable(message), options)
    this.code = code
    Object.defineProperty(this, 'details', { value: printableTexts(details) })
    Object.defineProperty(this, BRAND, { value: true })
  }

  // A getter, not a field: the constructor of Error composes the stack before fields are set.
  override get name(): string {
    return 'EtcdMtlsError'
  }

  /** The value that `JSON.stringify` writes. */
  toJSON(): { name: string; message: string; code: C; details: ErrorDetails[C] } {
    const { name, message, code, details } = this
    return { name, message, code, details }
  }

  /** Printed by `console.error`: the report in place of the message, the stack, and the cause. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { name, code, details, cause, stack = String(this) } = this
    const text = textOf(this, { color: options.colors === true, width: DEFAULT_WIDTH, oneLine: false })
    const depth = Math.min(options.depth ?? Infinity, PRINTED_DEPTH)
    const own = text === null ? { code, details: printableDeep(details) } : {}
    const fields = cause === undefined ? own : { ...own, cause }
    const rest = Object.keys(fields).length === 0 ? '' : ` ${inspect(fields, { ...options, depth })}`
    return text === null ? `${stack}${rest}` : `${name} [${code}]: ${text}\n${framesOf(stack)}${rest}`
  }
}

/** The report or the findings of an error as text; null if it has none. */
export function textOf({ details }: EtcdMtlsError, options: PrintOptions): string | null {
  const report = reportIn(details)
  if (report === null) return null
  const text = printReports([report], options)
  // The reason names what the findings do not: the member or the certificate.
  return 'reason' in details ? [printable(details.reason), text].join(options.oneLine ? ' | ' : '\n\n') : text
}

function reportIn(details: object): AnyReport | null {
  if ('report' in details) return details.report as FailedReport
  const findings = 'findings' in details ? (details.findings as Finding[]) : []
  return findings.length === 0 ? null : { ok: false, findings }
}

/** The lines of a stack without the message. */
function framesOf(stack: string): string {
  const at = stack.search(/^ {4}at /m)
  return at === -1 ? '' : stack.slice(at)
}

/**
 * Escapes every string of the details: a name may come from a peer, a file or a request. A path is exact, because programs
 * open it. Findings and reports were escaped when they were made.
 */
function printableTexts<D extends ErrorDetails[ErrorCode]>(details: D): D {
  const one = (value: unknown): unknown => (typeof value === 'string' ? printable(value) : value)
  const entries = Object.entries(details).map(([key, value]: [string, unknown]) => [
    key,
    key === 'path' && typeof value === 'string' ? exactPath(value) : Array.isArray(value) ? value.map(one) : one(value),
  ])
  return Object.fromEntries(entries) as D // the same shape: only the contents of strings change
}

/** An {@link EtcdMtlsError} as a union over the codes: a `switch` on `code` narrows `details`. */
export type AnyEtcdMtlsError = { [C in ErrorCode]: EtcdMtlsError<C> }[ErrorCode]

/**
 * True for an error of this package, whichever copy of it made the error; with `code`, for that one only.
 *
 * @example
 * ```ts
 * if (isEtcdMtlsError(error, 'ERR_UNREACHABLE')) console.error(formatReport(error.details.report))
 * ```
 */
export function isEtcdMtlsError(error: unknown): error is AnyEtcdMtlsError
export function isEtcdMtlsError<C extends ErrorCode>(error: unknown, code: C): error is EtcdMtlsError<C>
export function isEtcdMtlsError(error: unknown, code?: ErrorCode): boolean {
  if (!isError(error) || !(BRAND in error)) return false
  return code === undefined || ('code' in error && error.code === code)
}

/** True for an error of any realm. In Jest, the errors that Node throws are not instances of the global `Error`. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value)
}

/** Returns a thrown value as an error. */
export function asError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(String(thrown))
}

/** The `code` of an error of Node or OpenSSL, such as `ECONNREFUSED`; null if it has none. */
export function codeOf(error: unknown): string | null {
  return isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : null
}

/** The code of an error, or its message if Node has no code for it: OpenSSL's reason is only in the message then. */
export function reasonOf(error: Error): string {
  const code = codeOf(error)
  return code === null || code === 'UNSPECIFIED' ? error.message.trim() : code
}
