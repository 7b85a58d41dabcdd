/** A report as text for people: at 80 columns, without colour, by a screen reader and in a log. */
import { checkOptions, checkReturned, optionInvalid } from '../misuse.js'
import { placed } from './catalogue/config-place.js'
import type { CertificateRef, Finding } from './finding.js'
import { printable } from './printable.js'
import type { AnyReport } from './report-types.js'
import type { Severity } from './row.js'
import { SEVERITIES, worstFirst } from './severity.js'
import { wrapText } from './wrap.js'

/** How {@link formatReport} prints. */
export interface FormatOptions {
  /** Colours by ANSI escape sequences (SGR only). Default: false. */
  color?: boolean | undefined
  /**
   * Columns to wrap at. Default: 80. Less than 40 counts as 40, so that the width of any terminal may be handed over;
   * `Infinity` does not wrap. A word longer than a line is never broken.
   */
  width?: number | undefined
  /**
   * One line without a line break, for a log: the verdict, the counts, and every error and warning with its certificate
   * and remedy. `width` does not apply. Default: false.
   */
  oneLine?: boolean | undefined
}

const DEFAULT_WIDTH = 80
const MIN_WIDTH = 40

type Style = 'strong' | 'faint' | Severity
const SGR: Record<Style, string> = { strong: '1', faint: '2', error: '1;31', warning: '1;33', info: '1;36' }

/** How other texts with findings in them are printed, too. */
export interface Printer {
  width: number
  paint: (style: Style, text: string) => string
}

/**
 * Prints any report of this package for people: the verdict, the path from the trust anchor down to the leaf as a tree, every finding
 * (the worst first) with the certificate it speaks of and what to do, and a last line that counts. There is no newline
 * at the end.
 *
 * The text may change in any release; programs read `report.findings`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is not a report, an unknown option, or a `width` that is not a number.
 */
export function formatReport(report: AnyReport, options: FormatOptions = {}): string {
  checkReturned('report', report, 'findings', 'a report, such as validateCredentials returns')
  const printer = makePrinter(options)
  const findings = worstFirst(report.findings)
  if (options.oneLine === true) return logLine(report, findings, printer)
  const blocks = [
    [verdict(report, printer)],
    pathTree(report, printer),
    ...findings.map((each) => findingBlock(each, printer)),
    suppressedBlock(report, printer),
    [printer.paint('strong', count(findings) || 'no findings')],
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function makePrinter(options: FormatOptions): Printer {
  checkOptions('format', options, ['color', 'width', 'oneLine'])
  const { color = false, width = DEFAULT_WIDTH } = options
  if (typeof width !== 'number' || Number.isNaN(width)) throw optionInvalid('format.width', 'must be a number')
  return {
    width: Math.max(MIN_WIDTH, Math.floor(width)),
    paint: (style, text) => (color ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text),
  }
}

function verdict({ ok, checkedAt }: AnyReport, { paint }: Printer): string {
  const word = ok ? 'Passed' : paint('error', 'Failed')
  return checkedAt === undefined ? word : `${word} as of ${dateText(new Date(checkedAt))}`
}

function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) return 'an invalid date'
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** The path, the anchor first and each certificate below its issuer; nothing where there is no path. */
function pathTree(report: AnyReport, printer: Printer): string[] {
  const fromTop = [...(report.path ?? [])].reverse()
  if (fromTop.length === 0) return []
  const whole = fromTop[0]?.role === 'anchor'
  const title = whole ? 'Path, from the trust anchor down:' : 'Path, as far as it could be built:'
  const lines = fromTop.flatMap((ref, depth) => {
    const indent = '  '.repeat(Math.min(depth + 1, MIN_WIDTH / 4))
    const found = count(report.findings.filter((each) => isAbout(each, ref)))
    const text = `${nameOf(ref)} (${ref.role}, from ${printable(ref.origin)})${found === '' ? '' : `: ${found}`}`
    return wrapText(text, { width: printer.width, first: indent, rest: `${indent}    ` })
  })
  return [printer.paint('strong', title), ...lines]
}

function isAbout(each: Finding, ref: CertificateRef): boolean {
  return each.certificate?.fingerprint256 === ref.fingerprint256 && each.certificate.role === ref.role
}

function nameOf(ref: CertificateRef): string {
  return ref.subject === '' ? `serial ${printable(ref.serialNumber)}` : printable(ref.subject)
}

/** The lines of one finding. */
export function findingBlock(each: Finding, { width, paint }: Printer): string[] {
  const indented = { width, first: '  ', rest: '  ' }
  const about =
    each.certificate === null
      ? []
      : wrapText(describeCertificate(each.certificate), { ...indented, rest: '    ' }).map((line) =>
          paint('faint', line),
        )
  const [fix = '', ...more] = wrapText(printable(each.remedy), { width, first: '  Fix: ', rest: '       ' })
  return [
    `${paint(each.severity, each.severity)}: ${paint('strong', printable(each.code))}`,
    ...about,
    ...wrapText(printable(each.message), indented),
    ...placeOf(each).flatMap((at) => wrapText(`At ${at}`, { ...indented, rest: '    ' })),
    `  ${paint('strong', 'Fix:')}${fix.slice('  Fix:'.length)}`,
    ...more,
    ...each.consequences.flatMap((follows) =>
      wrapText(`Leads to: ${follows.code}, ${printable(follows.message)}`, { ...indented, rest: '    ' }),
    ),
    ...seenAs(each, width).map((line) => paint('faint', line)),
  ]
}

/** Where a configuration says it, unless that was told already. */
function placeOf({ place, message, certificate }: Finding): string[] {
  if (place === undefined || place.line === null) return []
  const at = printable(placed({ ...place, option: place.option ?? 'the configuration' }))
  return message.includes(at) || certificate?.origin.includes(at) === true ? [] : [at]
}

/** The words by which others refuse it, so that a reader who has one of their logs open recognises it. */
function seenAs({ refusals }: Finding, width: number): string[] {
  if (refusals.length === 0) return []
  const lines = refusals.map(({ by, words }) =>
    wrapText(`${by}: \`${words}\``, { width, first: '    ', rest: '      ' }),
  )
  return ['  Seen as', ...lines.flat()]
}

/** What was suppressed, one paragraph each, so that nobody takes the report for one without it. */
function suppressedBlock({ suppressed = [] }: AnyReport, { width, paint }: Printer): string[] {
  if (suppressed.length === 0) return []
  const lines = suppressed.flatMap(({ finding, reason }) => {
    const at = placeOf({ ...finding, message: '' }).map((each) => ` at ${each}`)
    const text = `${finding.severity} ${printable(finding.code)}${at.join('')}: ${printable(reason)}`
    return wrapText(text, { width, first: '  ', rest: '    ' })
  })
  return [paint('strong', 'Suppressed:'), ...lines]
}

/** Infos are left out: what is worth knowing is not worth a place in every log line. */
function logLine(report: AnyReport, findings: readonly Finding[], printer: Printer): string {
  const told = findings
    .filter(({ severity }) => severity !== 'info')
    .map((each) => {
      const about = each.certificate === null ? '' : ` [${describeCertificate(each.certificate)}]`
      const code = printer.paint(each.severity, `${each.severity} ${printable(each.code)}`)
      const at = placeOf(each).map((words) => ` (at ${words})`)
      return `${code}${about}: ${printable(each.message)}${at.join('')} Fix: ${printable(each.remedy)}`
    })
  const { suppressed = [] } = report
  const more = suppressed.length === 0 ? '' : `, ${String(suppressed.length)} suppressed`
  return [`${verdict(report, printer)}: ${count(findings) || 'no findings'}${more}`, ...told].join(' | ')
}

function describeCertificate(ref: CertificateRef): string {
  const serial = ref.subject === '' ? '' : `, serial ${printable(ref.serialNumber)}`
  return `${ref.role} ${nameOf(ref)}${serial}, from ${printable(ref.origin)}`
}

/** `2 errors, 1 warning`; empty for no findings. */
export function count(findings: readonly Finding[]): string {
  return SEVERITIES.flatMap((severity) => {
    const number = findings.filter((each) => each.severity === severity).length
    return number === 0 ? [] : [`${String(number)} ${severity}${number === 1 ? '' : 's'}`]
  }).join(', ')
}
