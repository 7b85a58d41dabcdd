/** `etcd-mtls explain`: the page of a finding, and the causes of lines of logs. */
import { type LineDirection, LineMatcher, type LogLine } from '../log-lines/index.js'
import { LOG_LINES_URL, printable, type PrintOptions, wrapText } from '../report/internal.js'
import { type Answer, type Call, UsageError } from './command.js'
import type { ExplainedCode, ExplainedLine, ExplainDocument } from './documents.js'
import { openInput } from './input.js'
import { type LineGroup, type LogSummary, type Sighting, summarize } from './log-summary.js'
import { readPackageFile } from './package-file.js'

/** Printed of a kind of line; the document has all. */
const MOST_CAUSES = 5
const MOST_ADDRESSES = 5
const MOST_SHOWN = 300
const MEGABYTE = 1_000_000
/** Half of what two equal names have. */
const MIN_LIKENESS = 0.25

export async function run(call: Call): Promise<Answer> {
  return explain(
    call,
    readPackageFile('dist/findings.json') as ExplainedCode[],
    readPackageFile('dist/log-lines.json') as LogLine[],
  )
}

export async function explain(
  call: Call,
  codes: readonly ExplainedCode[],
  logLines: readonly LogLine[],
): Promise<Answer> {
  const { operands, input, progress } = call
  const asked = operands.length === 0 || operands.join() === '-' ? null : operands.join(' ')
  if (operands.length === 0 && input.isTTY)
    throw new UsageError('Pass a code, a line in quotation marks, or a log on stdin.')
  if (asked !== null && CODE.test(asked)) return explainCode(asked, codes)
  const log = asked === null ? (openInput(call).setEncoding('utf8') as AsyncIterable<string>) : [asked]
  const summary = await summarize(log, new LineMatcher(logLines), (characters) => {
    progress(`Reading the log: ${String(Math.floor(characters / MEGABYTE))} MB`)
  })
  return answerOf(summary, codes, asked)
}

const CODE = /^[a-z]+(?:-[a-z]+)*\/[a-z0-9-]+$/

function explainCode(asked: string, codes: readonly ExplainedCode[]): Answer {
  const page = codes.find(({ code }) => code === asked)
  if (page !== undefined) {
    const document: ExplainDocument = { page, total: 0, recognized: 0, lines: [] }
    return { document, text: (print) => pageText(page, print), findings: [] }
  }
  const names = similar(asked, codes)
  const hint = names.length === 0 ? '' : ` Did you mean ${names.join(', ')}?`
  throw new UsageError(`There is no code ${asked}.${hint}`)
}

/** `asked` is null for a log. An unknown line is an error for the exit code; a known one is an answer and not a finding. */
function answerOf(summary: LogSummary, codes: readonly ExplainedCode[], asked: string | null): Answer {
  const byCode = new Map(codes.map((each) => [each.code, each]))
  const lines = summary.groups().map((group) => explained(group, byCode))
  const { total, recognized } = summary
  const document: ExplainDocument = { page: null, total, recognized, lines }
  return {
    document,
    text: (print) => (lines.length === 0 ? unknownText(asked, total, print) : summaryText(document, print)),
    findings: lines.length === 0 ? [{ severity: 'error' }] : [],
  }
}

function explained(group: LineGroup, byCode: ReadonlyMap<string, ExplainedCode>): ExplainedLine {
  const { row, line, count, first, last, addresses, otherAddresses } = group
  const { id, program, direction, meaning, decide } = row
  const sorted = [...addresses].sort(([, a], [, b]) => b.count - a.count)
  const causes = row.codes.flatMap((code) => byCode.get(code) ?? [])
  return {
    ...{ id, program, direction, meaning, count, first, last, line: printable(line), otherAddresses },
    addresses: sorted.map(([address, seen]) => ({ address, ...seen })),
    causes: causes.map(({ code, title, fix = null, url }) => ({ code, title, fix, url })),
    decide: filled(decide, sorted[0]?.[0] ?? '', direction),
  }
}

/** The command with the address of the server, if the line is of a client, which names it. */
function filled(decide: string, address: string, direction: LineDirection): string {
  if (!direction.startsWith('client-') || !/:\d+$/.test(address)) return decide
  return decide.replaceAll('{host}', address).replaceAll('{name}', address.replace(/:\d+$/, ''))
}

function paragraph(text: string, { width }: PrintOptions, first = '', rest = first): string {
  return wrapText(text, { width, first, rest }).join('\n')
}

function strong(text: string, { color }: PrintOptions): string {
  return color ? `\u001b[1m${text}\u001b[0m` : text
}

function pageText({ code, severities, explanation, fix, source, url }: ExplainedCode, print: PrintOptions): string {
  return [
    strong(`${code} (${severities.join(' or ')})`, print),
    ...explanation.split('\n\n').map((each) => paragraph(each, print)),
    ...(fix === undefined ? [] : [paragraph(`Fix: ${fix}`, print, '', '     ')]),
    `${paragraph(`Source: ${source}`, print, '', '  ')}\nPage: ${url}`,
  ].join('\n\n')
}

function unknownText(asked: string | null, total: number, print: PrintOptions): string {
  const line = asked === null ? `none of ${String(total)} lines` : printable(asked.slice(0, MOST_SHOWN))
  const file = asked === null ? '' : '\nFor a file: etcd-mtls explain < FILE'
  return `${paragraph(`Not known: ${line}`, print)}\nKnown lines: ${LOG_LINES_URL}${file}`
}

function summaryText({ total, recognized, lines }: ExplainDocument, print: PrintOptions): string {
  const result = `${String(recognized)} of ${String(total)} lines are about failed connections or their set-up.`
  const commands = lines.map(({ decide }) => decide).join(' ')
  const names = PLACEHOLDERS.filter(([name]) => commands.includes(name)).map((each) => each.join(' is '))
  return [
    ...(total > 1 ? [paragraph(result, print)] : []),
    ...lines.map((each) => lineText(each, print)),
    ...(names.length === 0 ? [] : [paragraph(`In the commands, ${names.join(', ')}.`, print)]),
  ].join('\n\n')
}

const PLACEHOLDERS = [
  ['{host}', 'the host and port that were dialled'],
  ['{name}', 'that host alone'],
  ['{ca}', 'the CA file of the client'],
  ['{cert}', 'the certificate of the client'],
  ['{key}', 'the key of the client'],
  ['{file}', 'the file that the line names or that etcd is configured with'],
] as const

function lineText(each: ExplainedLine, print: PrintOptions): string {
  const { id, count, line, meaning, causes, decide, addresses, otherAddresses, direction } = each
  const shown = addresses.slice(0, MOST_ADDRESSES)
  const hidden = addresses.slice(MOST_ADDRESSES).reduce((sum, { count }) => sum + count, otherAddresses)
  const others = causes.slice(MOST_CAUSES).map(({ code }) => code)
  return [
    strong(count > 1 ? `${id}: ${seenText(each)}` : id, print),
    paragraph(line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN)}…` : line, print, '  '),
    paragraph(meaning, print),
    ...shown.map((seen) =>
      paragraph(`${WHO[direction].replace('X', () => seen.address)} ${seenText(seen)}`, print, '  ', '    '),
    ),
    ...(hidden === 0 ? [] : [`  other addresses: ${String(hidden)} ×`]),
    'Causes, the likeliest first:',
    ...causes
      .slice(0, MOST_CAUSES)
      .flatMap(({ code, title, fix }, index) => [
        paragraph(`${String(index + 1)}. ${code}: ${title}`, print, '  ', '     '),
        ...(fix === null ? [] : [paragraph(`Fix: ${fix}`, print, '     ', '          ')]),
      ]),
    ...(others.length === 0 ? [] : [paragraph(`Also possible: ${others.join(', ')}`, print, '  ', '     ')]),
    `Decide: ${decide}`,
  ].join('\n')
}

const WHO: Readonly<Record<LineDirection, string>> = {
  'server-refuses-client': 'The server refused X',
  'server-refused-by-client': 'X refused the server',
  'client-refuses-server': 'The client refused X',
  'client-refused-by-server': 'X refused the client',
  'no-refusal': 'X:',
  unclear: 'X:',
}

/** `412 × since 2026-12-01 03:12:04Z, last at 05:40:11Z` */
function seenText({ count, first, last }: Sighting): string {
  if (first === null || last === null) return `${String(count)} ×`
  if (count === 1) return `once at ${first}`
  const [day = ''] = first.split(' ')
  return `${String(count)} × since ${first}${last === first ? '' : `, last at ${last.replace(`${day} `, '')}`}`
}

/** At most three codes that share the most groups of three letters with the name. */
function similar(name: string, codes: readonly ExplainedCode[]): string[] {
  const grams = (text: string): Set<string> => new Set(Array.from(text, (_, at) => text.slice(at, at + 3)))
  const own = grams(name)
  const likeness = ({ code }: ExplainedCode): number => {
    const others = grams(code)
    return [...own].filter((each) => others.has(each)).length / (own.size + others.size)
  }
  const near = codes.filter((each) => likeness(each) > MIN_LIKENESS).sort((a, b) => likeness(b) - likeness(a))
  return near.slice(0, 3).map(({ code }) => code)
}
