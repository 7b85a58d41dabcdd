/** A report as text for people: at 80 columns, without colour, by a screen reader and in a log. */
import { checkOptions, checkReturned, optionInvalid } from './option-error.js'
import { placed } from './catalogue/place.js'
import type { AnyReport, CertificateRef, Finding } from './finding.js'
import { printable } from './printable.js'
import { SEVERITIES, type Severity, worstFirst } from './row.js'

/** How {@link formatReport} prints. */
export interface FormatOptions {
  /** Colours by ANSI escape sequences (SGR only). Default: false. */
  color?: boolean | undefined
  /**
   * Columns to wrap at, at least 40. `Infinity` does not wrap. A word that is longer than a line is not broken.
   * Default: 80.
   */
  width?: number | undefined
  /**
   * One line without a line break, for a log: the result, the counts, and every error and warning with its certificate
   * and remedy. `width` does not apply. Default: false.
   */
  oneLine?: boolean | undefined
}

const DEFAULT_WIDTH = 80
const MIN_WIDTH = 40

type Style = 'strong' | 'faint' | Severity
const SGR: Record<Style, string> = { strong: '1', faint: '2', error: '1;31', warning: '1;33', info: '1;36' }

/** Certificates and consequences that are listed under one finding; more are counted. */
const MOST_LISTED = 5

interface Printer {
  width: number
  paint: (style: Style, text: string) => string
  /** Whether the text has not been asked about before, so that a report says each thing once. */
  isNew: (text: string) => boolean
}

/**
 * Returns a report as text: the result and the number of findings, every error with its remedy, the path from the trust
 * anchor to the leaf as a tree, and every warning and info. There is no newline at the end.
 *
 * The text may change in any release; programs read `report.findings`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is not a report, an unknown option, or a `width` that is not a number.
 */
export function formatReport(report: AnyReport, options: FormatOptions = {}): string {
  checkReturned('report', report, 'findings', 'a report, such as validateCredentials returns')
  checkOptions('format', options, ['color', 'width', 'oneLine'])
  const { color = false, width = DEFAULT_WIDTH } = options
  if (typeof width !== 'number' || Number.isNaN(width)) throw optionInvalid('format.width', 'must be a number')
  const printed = new Set<string>()
  const printer: Printer = {
    width: Math.max(MIN_WIDTH, Math.floor(width)),
    paint: (style, text) => (color ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text),
    isNew: (text) => printed.size < printed.add(text).size,
  }
  const findings = worstFirst(report.findings)
  if (options.oneLine === true) return logLine(report, findings, printer)
  const errors = findings.filter(({ severity }) => severity === 'error')
  // Advice is kept short next to a fault; which file a certificate is from stands in the path.
  const isBrief = errors.length > 0 && (report.path ?? []).length > 0
  const blocks = [
    [headLine(report, findings, printer)],
    ...errors.map((each) => findingBlock(each, printer, false)),
    pathTree(report, printer),
    ...findings.slice(errors.length).map((each) => findingBlock(each, printer, isBrief)),
    suppressedBlock(report, printer),
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** `Failed as of 2026-03-01 12:00:00 UTC: 1 error, 2 warnings`, in one line or wrapped. */
function headLine(
  { ok, checkedAt, suppressed = [] }: AnyReport,
  findings: readonly Finding[],
  { width, paint }: Pick<Printer, 'width' | 'paint'>,
): string {
  const result = ok ? 'Passed' : 'Failed'
  const date = checkedAt === undefined ? '' : ` as of ${dateText(new Date(checkedAt))}`
  const more = suppressed.length === 0 ? '' : `, ${String(suppressed.length)} suppressed`
  const text = `${result}${date}: ${count(findings) || 'no findings'}${more}`
  const lines = wrapText(text, { width, first: '', rest: '  ' }).join('\n')
  return ok ? lines : `${paint('error', result)}${lines.slice(result.length)}`
}

function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) return 'an invalid date'
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** The path, the anchor first and each certificate below its issuer; nothing if there is no path. */
function pathTree(report: AnyReport, printer: Printer): string[] {
  const fromTop = [...(report.path ?? [])].reverse()
  if (fromTop.length === 0) return []
  const whole = fromTop[0]?.role === 'anchor'
  const all = report.findings.flatMap((each) => [each, ...(each.repeats ?? [])])
  const title = whole ? 'Path, from the trust anchor down:' : 'Path, as far as it could be built:'
  const lines = fromTop.flatMap((ref, depth) => {
    const indent = '  '.repeat(Math.min(depth + 1, MIN_WIDTH / 4))
    const found = count(all.filter((each) => isAbout(each, ref)))
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

/**
 * The lines of one finding. What the printer has printed before (the certificate, the remedy, the words of others) is not
 * printed again; `isBrief` leaves out certificate and words.
 */
function findingBlock(each: Finding, printer: Printer, isBrief: boolean): string[] {
  const { width, paint, isNew } = printer
  const indented = { width, first: '  ', rest: '  ' }
  const listed = { ...indented, rest: '    ' }
  const about = each.certificate === null ? '' : describeCertificate(each.certificate)
  const aboutLines = about !== '' && isNew(about) ? wrapText(about, listed) : []
  const remedy = printable(each.remedy)
  const fix = isNew(`${each.code} ${remedy}`) ? remedy : 'as above.'
  const [firstOfFix = '', ...restOfFix] = wrapText(fix, { width, first: '  Fix: ', rest: '       ' })
  return [
    `${paint(each.severity, each.severity)}: ${paint('strong', printable(each.code))}`,
    ...wrapText(printable(each.message), indented),
    ...placeOf(each).flatMap((at) => wrapText(`At ${at}`, listed)),
    `  ${paint('strong', 'Fix:')}${firstOfFix.slice('  Fix:'.length)}`,
    ...restOfFix,
    ...followers(each).flatMap((text) => wrapText(text, listed)),
    ...(isBrief ? [] : [...aboutLines, ...seenAs(each, printer)]).map((line) => paint('faint', line)),
  ]
}

/** The other certificates of the same finding, and what follows from it. */
function followers({ repeats = [], consequences }: Finding): string[] {
  const names = repeats.flatMap(({ certificate }) => (certificate === null ? [] : [`"${nameOf(certificate)}"`]))
  const leadsTo = consequences.map(({ code, message }) => `Leads to: ${code}, ${printable(message)}`)
  return [...(names.length === 0 ? [] : [`Also: ${upToMost(names).join(', ')}`]), ...upToMost(leadsTo)]
}

function upToMost(texts: readonly string[]): string[] {
  const more = texts.length - MOST_LISTED
  return more > 0 ? [...texts.slice(0, MOST_LISTED), `and ${String(more)} more`] : [...texts]
}

/** Where a configuration says it, unless that was reported already. */
function placeOf({ place, message, certificate }: Finding): string[] {
  if (place === undefined || place.line === null) return []
  const at = printable(placed({ ...place, option: place.option ?? 'the configuration' }))
  return message.includes(at) || certificate?.origin.includes(at) === true ? [] : [at]
}

/** The words by which others refuse it, so that a reader who has one of their logs open recognises it. */
function seenAs({ refusals }: Finding, { width, isNew }: Printer): string[] {
  const texts = refusals.map(({ by, words }) => `${by}: \`${words}\``)
  if (texts.length === 0 || !isNew(texts.join(' '))) return []
  return ['  Seen as', ...texts.flatMap((text) => wrapText(text, { width, first: '    ', rest: '      ' }))]
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
  const shown = findings
    .filter(({ severity }) => severity !== 'info')
    .map((each) => {
      const about = each.certificate === null ? '' : ` [${describeCertificate(each.certificate)}]`
      const code = printer.paint(each.severity, `${each.severity} ${printable(each.code)}`)
      const at = placeOf(each).map((words) => ` (at ${words})`)
      const also = each.repeats === undefined ? '' : ` Also: ${String(each.repeats.length)} more certificates.`
      return `${code}${about}: ${printable(each.message)}${at.join('')}${also} Fix: ${printable(each.remedy)}`
    })
  return [headLine(report, findings, { ...printer, width: Infinity }), ...shown].join(' | ')
}

function describeCertificate(ref: CertificateRef): string {
  const serial = ref.subject === '' ? '' : `, serial ${printable(ref.serialNumber)}`
  return `${ref.role} ${nameOf(ref)}${serial}, from ${printable(ref.origin)}`
}

/** `2 errors, 1 warning`; empty for no findings. */
function count(findings: readonly Finding[]): string {
  return SEVERITIES.flatMap((severity) => {
    const number = findings.filter((each) => each.severity === severity).length
    return number === 0 ? [] : [`${String(number)} ${severity}${number === 1 ? '' : 's'}`]
  }).join(', ')
}

interface WrapOptions {
  /** Columns of a line, its prefix included. */
  width: number
  /** Put before the first line. */
  first: string
  /** Put before every further line; as wide as `first` for a hanging indent. */
  rest: string
}

/**
 * Breaks one paragraph into lines. A word is never broken: a fingerprint or an address that is longer than a line
 * stands alone and runs over. A command in backticks stays on one line if a line can hold it, so that it can be copied.
 */
export function wrapText(text: string, { width, first, rest }: WrapOptions): string[] {
  const room = width - columns(rest)
  const pieces = splitOutsideBackticks(text).flatMap((piece) => (columns(piece) <= room ? [piece] : piece.split(' ')))
  const lines: string[] = []
  let line = first + (pieces.shift() ?? '')
  for (const piece of pieces) {
    if (columns(line) + 1 + columns(piece) <= width) line += ` ${piece}`
    else {
      lines.push(line)
      line = rest + piece
    }
  }
  return [...lines, line.trimEnd()]
}

/** Splits at the spaces that an even number of backticks follows: those that are not in a command. */
function splitOutsideBackticks(text: string): string[] {
  const parts = text.split('`')
  const pieces: string[] = []
  let piece = ''
  for (const [index, part] of parts.entries()) {
    if (index > 0) piece += '`'
    const isOutside = (parts.length - 1 - index) % 2 === 0
    const [first = '', ...others] = isOutside ? part.split(' ') : [part]
    piece += first
    for (const each of others) {
      pieces.push(piece)
      piece = each
    }
  }
  return [...pieces, piece]
}

/** Width in code points. East-Asian double width and combining marks are not counted. */
function columns(text: string): number {
  return Array.from(text).length
}
