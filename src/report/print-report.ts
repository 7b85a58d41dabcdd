/** Prints reports as plain text for terminals, screen readers and logs. */
import { placed } from './catalogue/place.js'
import type {
  CertificateRef,
  Finding,
  FindingPlace,
  Refusal,
  SuppressedFinding,
  SuppressedUnchecked,
  Unchecked,
} from './finding.js'
import { printable } from './printable.js'
import { SEVERITIES, type Severity, worstFirst } from './row.js'

/** The properties of a report that are printed. */
export interface AnyReport {
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
  /** How many endpoints were asked, and how many of them failed. */
  readonly endpoints?: { readonly total: number; readonly failed: number } | undefined
}

export interface PrintOptions {
  readonly color: boolean
  readonly width: number
  readonly oneLine: boolean
}

export const DEFAULT_WIDTH = 80
const MIN_WIDTH = 40

type Style = 'strong' | 'faint' | Severity
const SGR: Record<Style, string> = { strong: '1', faint: '2', error: '1;31', warning: '1;33', info: '1;36' }

/** Maximum number of certificates and consequences under one finding; the rest is counted. */
const MOST_LISTED = 5

interface Printer {
  width: number
  paint: (style: Style, text: string) => string
  /** False if it was called with this string before: a repeated part is printed once. */
  isFirst: (text: string) => boolean
}

/** Several reports follow each other, each under the name of its member. There is no newline at the end. */
export function printReports(reports: readonly AnyReport[], options: PrintOptions): string {
  return reports
    .toSorted((a, b) => rankOf(a) - rankOf(b))
    .map((each) => printOne(each, options, reports.length > 1))
    .join(options.oneLine ? ' | ' : '\n\n')
}

/** Errors first, then what was not checked. */
function rankOf({ ok, complete = true }: AnyReport): number {
  return !ok ? 0 : complete ? 2 : 1
}

/**
 * A failed report starts with its first error, so that the first lines answer what is wrong, where, and what to do. The
 * result and the date are last. A report without an error starts with its result.
 */
function printOne(report: AnyReport, options: PrintOptions, isOneOfSeveral: boolean): string {
  const { oneLine } = options
  const printer = printerFor(options)
  const findings = worstFirst(report.findings)
  const name = isOneOfSeveral ? `${printable(report.member ?? 'a member without a name')}: ` : ''
  if (oneLine) return logLine(name, report, findings, printer)
  const errors = findings.filter(({ severity }) => severity === 'error')
  // Next to errors, warnings and infos omit their certificate: the path shows its file.
  const isBrief = errors.length > 0 && (report.path ?? []).length > 0
  const [first = [], ...others] = grouped(errors).map((each) => findingBlock(each, printer, false))
  const result = resultLine(name, report, findings, printer)
  const startsWithError = name === '' && first.length > 0
  const blocks = [
    ...(startsWithError ? [] : [result]),
    [...endpointsLine(report), ...first],
    ...others,
    pathTree(report, errors, printer),
    ...grouped(findings.slice(errors.length)).map((each) => findingBlock(each, printer, isBrief)),
    uncheckedBlock(report, printer),
    suppressedBlock(report, printer),
    ...(startsWithError ? [result] : []),
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

function printerFor({ color, width }: PrintOptions): Printer {
  const printed = new Set<string>()
  return {
    width: Math.max(MIN_WIDTH, Math.floor(width)),
    paint: (style, text) => (color ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text),
    isFirst: (text) => printed.size < printed.add(text).size,
  }
}

/** Parts of the text of one report, for a caller that prints something between them. A part is empty if there is nothing to print. */
export function printParts(
  report: AnyReport,
  options: PrintOptions,
): { result: string; findings: string; unchecked: string } {
  const printer = printerFor(options)
  const findings = worstFirst(report.findings)
  return {
    result: resultLine('', report, findings, printer).join('\n'),
    findings: grouped(findings)
      .map((each) => findingBlock(each, printer, false).join('\n'))
      .join('\n\n'),
    unchecked: uncheckedBlock(report, printer).join('\n'),
  }
}

/** `2 of 3 endpoints failed.`, if the report is about several. */
function endpointsLine({ endpoints }: AnyReport): string[] {
  if (endpoints === undefined || endpoints.total < 2 || endpoints.failed === 0) return []
  return [`${String(endpoints.failed)} of ${String(endpoints.total)} endpoints failed.`]
}

/** `Failed: 1 error, 2 warnings, as of 2026-03-01 12:00:00 UTC`, in one line or wrapped. */
function resultLine(
  name: string,
  { ok, checkedAt, suppressed = [], complete = true, unchecked = [] }: AnyReport,
  findings: readonly Finding[],
  { width, paint }: Pick<Printer, 'width' | 'paint'>,
): string[] {
  const result = !ok ? 'Failed' : complete ? 'Passed' : 'Not completely checked'
  const parts = [
    count(findings) || 'no findings',
    ...(unchecked.length === 0 ? [] : [`${String(unchecked.length)} not checked`]),
    ...(suppressed.length === 0 ? [] : [`${String(suppressed.length)} suppressed`]),
    ...(checkedAt === undefined ? [] : [`as of ${dateText(new Date(checkedAt))}`]),
  ]
  const lines = wrapText(`${name}${result}: ${parts.join(', ')}`, { width, first: '', rest: '  ' })
  return ok ? lines : lines.map((line) => line.replace(result, () => paint('error', result)))
}

function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) return 'an invalid date'
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/**
 * The path with the anchor first and each certificate below its issuer. It is empty if there is no path, or if the errors
 * are about something else: a path without a fault explains nothing.
 */
function pathTree(report: AnyReport, errors: readonly Finding[], printer: Printer): string[] {
  const fromTop = [...(report.path ?? [])].reverse()
  const isAtFault = fromTop.some((ref) => errors.some((each) => isAbout(each, ref)))
  if (fromTop.length === 0 || (errors.length > 0 && !isAtFault)) return []
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

type Group = readonly [Finding, ...Finding[]]

/** Findings of one severity with one code and one remedy, such as those about several endpoints. */
function grouped(findings: readonly Finding[]): Group[] {
  const groups = new Map<string, [Finding, ...Finding[]]>()
  for (const each of findings) {
    const key = `${each.severity} ${each.code} ${remedyForAny(each)}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [each])
    else group.push(each)
  }
  return [...groups.values()]
}

/** The remedy without the name of the endpoint. */
function remedyForAny({ remedy, details }: Finding): string {
  const endpoint = 'endpoint' in details ? details.endpoint : null
  return typeof endpoint === 'string' && endpoint !== '' ? remedy.replaceAll(endpoint, 'the endpoint') : remedy
}

/** The remedy of all findings of a group. A command has the name of the first endpoint, so that it can be copied. */
function remedyOf([first, ...others]: Group): string {
  if (others.every(({ remedy }) => remedy === first.remedy)) return first.remedy
  const common = remedyForAny(first)
  const isInCommand = common.split('"').some((part, index) => index % 2 === 1 && part.includes('the endpoint'))
  return isInCommand ? first.remedy : common
}

/**
 * The first message of a group, the remedy, the other messages, and then what is for look-up: the code, the certificates,
 * and the messages of other programs. `isBrief` omits the last two.
 */
function findingBlock(group: Group, printer: Printer, isBrief: boolean): string[] {
  const { width, paint } = printer
  const [each, ...others] = group
  const { code, severity } = each
  const listed = { width, first: '  ', rest: '    ' }
  const certificates = isBrief ? [] : shortened(group.flatMap((one) => certificateText(one, printer)))
  const about = [`${severity} ${printable(code)}`, ...certificates].join('; ')
  const [fix = '', ...restOfFix] = wrapText(printable(remedyOf(group)), { width, first: 'Fix: ', rest: '     ' })
  const { head, rest } = splitMessage(each, width)
  const also = [...rest, ...others.map((one) => `Also: ${locatedMessage(one)}`), ...group.flatMap(relatedFindings)]
  const forLookUp = [...wrapText(about, listed), ...(isBrief ? [] : refusalLine(group, printer))]
  return [
    ...headLines(head, printer, severity),
    `${paint('strong', 'Fix:')}${fix.slice('Fix:'.length)}`,
    ...restOfFix,
    ...also.flatMap((text) => wrapText(text, listed)),
    ...forLookUp.map((line) => paint('faint', line)),
  ]
}

/** Maximum number of lines before the remedy, which a reader looks for in the first three. */
const MOST_BEFORE_FIX = 2

/** A message of several sentences that is long is printed in two parts, with the remedy between them. */
function splitMessage(each: Finding, width: number): { head: string; rest: string[] } {
  const label = each.severity === 'error' ? '' : `${each.severity}: `
  const text = `${label}${locatedMessage(each)}`
  const end = sentenceEnd(text)
  const isShort = wrapText(text, { width, first: '', rest: '' }).length <= MOST_BEFORE_FIX
  return isShort || end === -1 ? { head: text, rest: [] } : { head: text.slice(0, end), rest: [text.slice(end + 1)] }
}

/** Where the first of several sentences ends; -1 if there is only one. The next one does not begin with a lower-case letter, or with etcd. */
function sentenceEnd(text: string): number {
  for (let at = text.indexOf('. ', 2); at !== -1; at = text.indexOf('. ', at + 1)) {
    const next = text.slice(at + 2, at + 7)
    if (text[at - 1] !== '.' && (/^\P{Ll}/u.test(next) || next === 'etcd ')) return at + 1
  }
  return -1
}

function headLines(head: string, { width, paint }: Printer, severity: Severity): string[] {
  const [first = '', ...rest] = wrapText(head, { width, first: '', rest: '' })
  if (severity === 'error') return [first, ...rest].map((line) => paint('error', line))
  return [first.replace(`${severity}:`, (label) => paint(severity, label)), ...rest]
}

/** The message after the place in a configuration, as compilers print it. */
function locatedMessage(each: Finding): string {
  const message = printable(each.message)
  return [...placeOf(each).filter((at) => !message.includes(at)), message].join(': ')
}

/** The certificate once, without what the message has already. */
function certificateText({ certificate, message }: Finding, { isFirst }: Printer): string[] {
  if (certificate === null) return []
  const about = describeCertificate(certificate)
  if (!isFirst(about)) return []
  const { subject, origin, serialNumber } = certificate
  const isNamed = subject !== '' && message.includes(subject) && message.includes(origin)
  return [isNamed ? `serial ${printable(serialNumber)}` : about]
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

/** The programs in the order of their use for a reader: a program with this package is in Node. */
const PROGRAMS: readonly Refusal['by'][] = ['Node', 'etcd', 'Go', 'OpenSSL']

/** The messages of other programs for the fault, as many as fit in one line: a reader matches them with a log. */
function refusalLine(group: Group, { width, isFirst }: Printer): string[] {
  const all = PROGRAMS.flatMap((program) =>
    group.flatMap(({ refusals }) => refusals.filter(({ by }) => by === program)),
  )
  const texts = [...new Set(all.map(({ by, words }) => `${by}: \`${printable(words)}\``))]
  if (texts.length === 0 || !isFirst(texts.join(' '))) return []
  const room = width - columns('  Seen as , …')
  let line = ''
  for (const text of texts) {
    const longer = line === '' ? text : `${line}, ${text}`
    if (columns(longer) <= room) line = longer
  }
  const isCut = line !== texts.join(', ')
  return line === '' ? [] : [`  Seen as ${line}${isCut ? ', …' : ''}`]
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

/** Omits infos, which would fill every log line. The date is last: a log has its own. */
function logLine(name: string, report: AnyReport, findings: readonly Finding[], printer: Printer): string {
  const shown = findings
    .filter(({ severity }) => severity !== 'info')
    .map((each) => {
      const certificate = certificateText(each, { ...printer, isFirst: () => true })
      const about = certificate.map((text) => ` [${text}]`).join('')
      const code = printer.paint(each.severity, `${each.severity} ${printable(each.code)}`)
      const also = each.repeats === undefined ? '' : ` Also: ${String(each.repeats.length)} more certificates.`
      return `${code}${about}: ${locatedMessage(each)}${also} Fix: ${printable(each.remedy)}`
    })
  const { checkedAt, ...undated } = report
  const [result = ''] = resultLine(name, undated, findings, { ...printer, width: Infinity })
  const date = checkedAt === undefined ? [] : [`as of ${dateText(new Date(checkedAt))}`]
  return [result, ...shown, ...date].join(' | ')
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
