/** Reports as plain text for terminals, screen readers and logs. */
import { checkOptions, checkReturned, optionInvalid } from './option-error.js'
import { placed } from './catalogue/place.js'
import type {
  CertificateRef,
  Finding,
  FindingPlace,
  SuppressedFinding,
  SuppressedUnchecked,
  Unchecked,
} from './finding.js'
import { printable } from './printable.js'
import { SEVERITIES, type Severity, worstFirst } from './row.js'

/** How {@link formatReport} prints. */
export interface FormatOptions {
  /** Colours by ANSI escape sequences (SGR only). @default false */
  color?: boolean | undefined
  /**
   * Columns to wrap at, at least 40. `Infinity` does not wrap. A word that is longer than a line is not broken.
   *
   * @default 80
   */
  width?: number | undefined
  /**
   * One line without a line break, for a log: the result, the counts, and every error and warning with its certificate
   * and remedy. `width` does not apply.
   *
   * @default false
   */
  oneLine?: boolean | undefined
}

type OneOrMore<T> = T | readonly T[]
type AnyReport = Exclude<Parameters<typeof formatReport>[0], readonly unknown[]>

const DEFAULT_WIDTH = 80
const MIN_WIDTH = 40

type Style = 'strong' | 'faint' | Severity
const SGR: Record<Style, string> = { strong: '1', faint: '2', error: '1;31', warning: '1;33', info: '1;36' }

/** Most certificates and consequences under one finding; the rest is counted. */
const MOST_LISTED = 5

interface Printer {
  width: number
  paint: (style: Style, text: string) => string
  /** False if it was called with this string before: a repeated part is printed once. */
  isFirst: (text: string) => boolean
}

/**
 * Returns a report as text: the result and the number of findings, every error with its remedy, the path from the trust
 * anchor to the leaf as a tree, every warning and info, and what was not checked. Several reports follow each other, each
 * under the name of its member. There is no newline at the end.
 *
 * The text may change in any release; programs read `report.findings`.
 *
 * @example
 * ```ts
 * console.log(formatReport(report, { color: process.stdout.isTTY, width: process.stdout.columns }))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is not a report, an unknown option, or a `width` that is not a number.
 */
export function formatReport(
  report: OneOrMore<{
    readonly ok: boolean
    /** A date, or its ISO 8601 string. */
    readonly checkedAt?: Date | string | undefined
    readonly path?: readonly CertificateRef[] | null | undefined
    readonly findings: readonly Finding[]
    readonly suppressed?: readonly (SuppressedFinding | SuppressedUnchecked)[] | undefined
    /** The member of the cluster that it is about; null if it has no name. */
    readonly member?: string | null | undefined
    /** Whether everything was checked. @default true */
    readonly complete?: boolean | undefined
    readonly unchecked?: readonly Unchecked[] | undefined
  }>,
  options: FormatOptions = {},
): string {
  const reports: readonly unknown[] = Array.isArray(report) ? report : [report]
  if (reports.length === 0) throw optionInvalid('report', 'must have at least one report')
  for (const each of reports) checkReturned('report', each, 'findings', 'a report, such as validateCredentials returns')
  checkOptions('options', options, ['color', 'width', 'oneLine'])
  const { width = DEFAULT_WIDTH } = options
  if (typeof width !== 'number' || Number.isNaN(width)) throw optionInvalid('width', 'must be a number')
  return (reports as readonly AnyReport[])
    .map((each) => formatOne(each, { ...options, width }, reports.length > 1))
    .join(options.oneLine === true ? ' | ' : '\n\n')
}

function formatOne(
  report: AnyReport,
  { color = false, width, oneLine }: FormatOptions & { readonly width: number },
  isOneOfSeveral: boolean,
): string {
  const printed = new Set<string>()
  const printer: Printer = {
    width: Math.max(MIN_WIDTH, Math.floor(width)),
    paint: (style, text) => (color ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text),
    isFirst: (text) => printed.size < printed.add(text).size,
  }
  const findings = worstFirst(report.findings)
  const name = isOneOfSeveral ? `${printable(report.member ?? 'a member without a name')}: ` : ''
  if (oneLine === true) return logLine(name, report, findings, printer)
  const errors = findings.filter(({ severity }) => severity === 'error')
  // Next to errors, warnings and infos omit their certificate: the path shows its file.
  const isBrief = errors.length > 0 && (report.path ?? []).length > 0
  const blocks = [
    [headLine(name, report, findings, printer)],
    ...errors.map((each) => findingBlock(each, printer, false)),
    pathTree(report, printer),
    ...findings.slice(errors.length).map((each) => findingBlock(each, printer, isBrief)),
    uncheckedBlock(report, printer),
    suppressedBlock(report, printer),
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** `Failed as of 2026-03-01 12:00:00 UTC: 1 error, 2 warnings`, in one line or wrapped. */
function headLine(
  name: string,
  { ok, checkedAt, suppressed = [], complete = true, unchecked = [] }: AnyReport,
  findings: readonly Finding[],
  { width, paint }: Pick<Printer, 'width' | 'paint'>,
): string {
  const result = !ok ? 'Failed' : complete ? 'Passed' : 'Not completely checked'
  const date = checkedAt === undefined ? '' : ` as of ${dateText(new Date(checkedAt))}`
  const more = [
    ...(unchecked.length === 0 ? [] : [`, ${String(unchecked.length)} not checked`]),
    ...(suppressed.length === 0 ? [] : [`, ${String(suppressed.length)} suppressed`]),
  ].join('')
  const text = `${name}${result}${date}: ${count(findings) || 'no findings'}${more}`
  const lines = wrapText(text, { width, first: '', rest: '  ' }).join('\n')
  return ok ? lines : lines.replace(result, () => paint('error', result))
}

function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) return 'an invalid date'
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** The path with the anchor first and each certificate below its issuer; empty if there is no path. */
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
 * The lines of one finding. A certificate, remedy or list of refusals that was printed before is not repeated; `isBrief`
 * omits the certificate and the refusals.
 */
function findingBlock(each: Finding, printer: Printer, isBrief: boolean): string[] {
  const { width, paint, isFirst } = printer
  const indented = { width, first: '  ', rest: '  ' }
  const listed = { ...indented, rest: '    ' }
  const about = each.certificate === null ? '' : describeCertificate(each.certificate)
  const certificateLines = about !== '' && isFirst(about) ? wrapText(about, listed) : []
  const remedy = printable(each.remedy)
  const fix = isFirst(`${each.code} ${remedy}`) ? remedy : 'as above.'
  const [firstOfFix = '', ...restOfFix] = wrapText(fix, { width, first: '  Fix: ', rest: '       ' })
  return [
    `${paint(each.severity, each.severity)}: ${paint('strong', printable(each.code))}`,
    ...wrapText(printable(each.message), indented),
    ...placeOf(each).flatMap((at) => wrapText(`At ${at}`, listed)),
    `  ${paint('strong', 'Fix:')}${firstOfFix.slice('  Fix:'.length)}`,
    ...restOfFix,
    ...relatedFindings(each).flatMap((text) => wrapText(text, listed)),
    ...(isBrief ? [] : [...certificateLines, ...refusalLines(each, printer)]).map((line) => paint('faint', line)),
  ]
}

function relatedFindings({ repeats = [], consequences }: Finding): string[] {
  const names = repeats.flatMap(({ certificate }) => (certificate === null ? [] : [`"${nameOf(certificate)}"`]))
  const leadsTo = consequences.map(({ code, message }) => `Leads to: ${code}, ${printable(message)}`)
  return [...(names.length === 0 ? [] : [`Also: ${shortened(names).join(', ')}`]), ...shortened(leadsTo)]
}

function shortened(texts: readonly string[]): string[] {
  const more = texts.length - MOST_LISTED
  return more > 0 ? [...texts.slice(0, MOST_LISTED), `and ${String(more)} more`] : [...texts]
}

interface Placeable extends Pick<Finding, 'message' | 'certificate'> {
  readonly place?: FindingPlace | undefined
}

/** The place in the configuration; empty if the message or the certificate names it already. */
function placeOf({ place, message, certificate }: Placeable): string[] {
  if (place === undefined || place.line === null) return []
  const at = placed({ ...place, option: place.option ?? 'the configuration' })
  if (certificate?.origin.includes(at) === true) return []
  // A message names the option.
  const isNamed = place.option !== null && message.includes(place.option)
  const { file, line, column } = place
  const location = [file ?? 'line', line, column].filter((each) => each !== null).join(':')
  return [printable(isNamed ? location.replace(/^line:/, 'line ') : at)]
}

/** The messages of other programs for the fault, so that a reader can match them with a log. */
function refusalLines({ refusals }: Finding, { width, isFirst }: Printer): string[] {
  const texts = refusals.map(({ by, words }) => `${by}: \`${words}\``)
  if (texts.length === 0 || !isFirst(texts.join(' '))) return []
  return ['  Seen as', ...texts.flatMap((text) => wrapText(text, { width, first: '    ', rest: '      ' }))]
}

/** The suppressed findings, one paragraph each. They are printed because `ok` ignores them. */
function suppressedBlock({ suppressed = [] }: AnyReport, { width, paint }: Printer): string[] {
  if (suppressed.length === 0) return []
  const lines = suppressed.flatMap((each) => {
    const text =
      'finding' in each
        ? `${each.finding.severity} ${printable(each.finding.code)}${atPlace(each.finding.place)}`
        : `not checked, ${each.unchecked.kind}${atPlace(each.unchecked.place)}`
    return wrapText(`${text}: ${printable(each.reason)}`, { width, first: '  ', rest: '    ' })
  })
  return [paint('strong', 'Suppressed:'), ...lines]
}

function atPlace(place: FindingPlace | undefined): string {
  return placeOf({ place, message: '', certificate: null })
    .map((each) => ` at ${each}`)
    .join('')
}

/** What was not checked, one paragraph each. */
function uncheckedBlock({ unchecked = [] }: AnyReport, { width, paint }: Printer): string[] {
  if (unchecked.length === 0) return []
  const lines = unchecked.flatMap(({ kind, place, message }) =>
    wrapText(`${kind}${atPlace(place)}: ${printable(message)}`, { width, first: '  ', rest: '    ' }),
  )
  return [paint('strong', 'Not checked:'), ...lines]
}

/** Omits infos, which would fill every log line. */
function logLine(name: string, report: AnyReport, findings: readonly Finding[], printer: Printer): string {
  const shown = findings
    .filter(({ severity }) => severity !== 'info')
    .map((each) => {
      const about = each.certificate === null ? '' : ` [${describeCertificate(each.certificate)}]`
      const code = printer.paint(each.severity, `${each.severity} ${printable(each.code)}`)
      const at = placeOf(each).map((words) => ` (at ${words})`)
      const also = each.repeats === undefined ? '' : ` Also: ${String(each.repeats.length)} more certificates.`
      return `${code}${about}: ${printable(each.message)}${at.join('')}${also} Fix: ${printable(each.remedy)}`
    })
  return [headLine(name, report, findings, { ...printer, width: Infinity }), ...shown].join(' | ')
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
  /** Prefix of the first line. */
  first: string
  /** Prefix of the other lines; as wide as `first` for a hanging indent. */
  rest: string
}

/**
 * Wraps one paragraph. A word is never broken: a fingerprint or an address that is longer than a line gets its own line.
 * A command in backticks stays on one line if it fits, so that it can be copied.
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

/** Splits at the spaces outside commands: those that an even number of backticks follows. */
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
