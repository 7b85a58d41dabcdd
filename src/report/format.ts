/** The options of the text of a report. */
import { type AnyEtcdMtlsError, isError, isEtcdMtlsError, textOf } from './errors.js'
import { checkOptions, checkReturned, optionInvalid, valueInvalid } from './option-error.js'
import { printable } from './printable.js'
import { type AnyReport, DEFAULT_WIDTH, type PrintOptions, printReports } from './print-report.js'

/** How {@link formatReport} prints. */
export interface FormatOptions {
  /**
   * Colours by ANSI escape sequences (SGR only). `'auto'`: if `stream` is a terminal; the environment variables
   * `FORCE_COLOR` and `NO_COLOR` have precedence, in this order, as in Node.
   *
   * @default false
   */
  color?: boolean | 'auto' | undefined
  /**
   * Columns to wrap at, at least 40. `'auto'`: those of `stream` if it is a terminal, otherwise 80. `Infinity` does not
   * wrap. A word that is longer than a line is not broken.
   *
   * @default 80
   */
  width?: number | 'auto' | undefined
  /** The stream that the text is for, which `'auto'` asks. @default process.stdout */
  stream?: { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined } | undefined
  /**
   * One line without a line break, for a log: the result, the counts, every error and warning with its certificate and
   * remedy, and the date. `width` does not apply.
   *
   * @default false
   */
  oneLine?: boolean | undefined
}

type OutputStream = NonNullable<FormatOptions['stream']>

/**
 * Returns a report, or the report of an error, as text: every error with its remedy, the path of the certificate at fault
 * as a tree, every warning and info, what was not checked, and the result with the date. A report without an error starts
 * with the result. Several reports follow each other, those with errors first, each under the name of its member. There is
 * no newline at the end.
 *
 * An error without a report is its message, and an error of etcd3 has the report in its `cause`.
 *
 * The text may change in any release; programs read `report.findings`.
 *
 * @example
 * ```ts
 * console.log(formatReport(report, { color: 'auto', width: 'auto' }))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is not a report or an error, an unknown option, or a wrong value of one.
 */
export function formatReport(report: AnyReport | readonly AnyReport[] | Error, options: FormatOptions = {}): string {
  const print = resolvePrint(options)
  if (isError(report)) return printError(report, print)
  const reports: readonly unknown[] = Array.isArray(report) ? report : [report]
  if (reports.length === 0) throw optionInvalid('report', 'must have at least one report')
  for (const each of reports)
    checkReturned('report', each, 'findings', 'a report, such as validateCredentials returns, or an error')
  return printReports(reports as readonly AnyReport[], print)
}

/** The options of {@link formatReport}, checked. */
export function resolvePrint(options: FormatOptions): PrintOptions {
  checkOptions('options', options, ['color', 'width', 'stream', 'oneLine'])
  const { oneLine = false, stream = process.stdout } = options
  return { color: readColor(options.color, stream), width: readWidth(options.width, stream), oneLine }
}

function printError(error: Error, print: PrintOptions): string {
  const own = ownError(error)
  return (own === null ? null : textOf(own, print)) ?? printable((own ?? error).message)
}

/** The error of this package: the error itself, or one of its causes. */
function ownError(error: Error): AnyEtcdMtlsError | null {
  const seen = new Set<unknown>()
  for (let each: unknown = error; isError(each) && !seen.has(each); each = each.cause) {
    if (isEtcdMtlsError(each)) return each
    seen.add(each)
  }
  return null
}

function readColor(color: unknown, { isTTY }: OutputStream): boolean {
  if (color === undefined || typeof color === 'boolean') return color ?? false
  if (color !== 'auto') throw valueInvalid('color', color, 'a boolean or "auto"')
  const { FORCE_COLOR: forced, NO_COLOR: none = '' } = process.env
  // The values of Node (tty.WriteStream.getColorDepth).
  if (forced !== undefined) return ['', '1', 'true', '2', '3'].includes(forced)
  return none === '' && isTTY === true && process.env['TERM'] !== 'dumb'
}

function readWidth(width: unknown, { isTTY, columns }: OutputStream): number {
  if (width === undefined) return DEFAULT_WIDTH
  if (width === 'auto') return isTTY === true && columns !== undefined && columns > 0 ? columns : DEFAULT_WIDTH
  if (typeof width !== 'number' || Number.isNaN(width)) throw optionInvalid('width', 'must be a number or "auto"')
  return width
}
