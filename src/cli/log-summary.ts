/** What a log says about connections: its known lines by kind, with counts, times and remote addresses, in bounded memory. */
import type { LineMatcher, LogLine } from '../log-lines/index.js'

/** Characters of a line that are read: a line can be of any length. */
const MOST_CHARACTERS = 16_384
/** Remote addresses of one kind of line; others are counted. */
const MOST_ADDRESSES = 1000
const SHOWN_CHARACTERS = 1000

/** How often, and between which times of the log, as it has them; null if its lines have no time. */
export interface Sighting {
  count: number
  first: string | null
  last: string | null
}

/** The lines of one kind. */
export interface LineGroup extends Sighting {
  readonly row: LogLine
  /** The first of them. */
  readonly line: string
  readonly addresses: Map<string, Sighting>
  /** How many lines have an address that is not among `addresses`. */
  otherAddresses: number
}

export class LogSummary {
  total = 0
  recognized = 0
  readonly #matcher: LineMatcher
  readonly #groups = new Map<string, LineGroup>()

  constructor(matcher: LineMatcher) {
    this.#matcher = matcher
  }

  add(raw: string): void {
    const line = raw.trim()
    if (line === '') return
    this.total += 1
    const text = textOf(line)
    const row = this.#matcher.find(text)
    if (row === undefined) return
    const time = timeOf(text) ?? (text === line ? null : timeOf(line))
    this.recognized += 1
    const group = this.#groups.get(row.id) ?? newGroup(row, text)
    this.#groups.set(row.id, group)
    note(group, time)
    const address = remoteOf(text, row)
    if (address === null) return
    const known = group.addresses.get(address)
    if (known === undefined && group.addresses.size >= MOST_ADDRESSES) group.otherAddresses += 1
    else group.addresses.set(address, note(known ?? { count: 0, first: null, last: null }, time))
  }

  /** The most frequent kind first. */
  groups(): LineGroup[] {
    return [...this.#groups.values()].sort((a, b) => b.count - a.count)
  }
}

function newGroup(row: LogLine, text: string): LineGroup {
  const line = copied(text.slice(0, SHOWN_CHARACTERS))
  return { row, line, count: 0, first: null, last: null, addresses: new Map(), otherAddresses: 0 }
}

/** A part of a string keeps the whole string in memory. */
function copied(text: string): string {
  return Buffer.from(text).toString()
}

/** A log can be in any order, as that of `journalctl --reverse`. The times of one log have one form, which sorts as text. */
function note<T extends Sighting>(seen: T, time: string | null): T {
  seen.count += 1
  if (time === null) return seen
  if (seen.first === null || time < seen.first) seen.first = time
  if (seen.last === null || time > seen.last) seen.last = time
  return seen
}

/** Reads the lines of a log in pieces of any size. The rest of a line that is too long is not kept. */
export async function summarize(
  pieces: AsyncIterable<string> | Iterable<string>,
  matcher: LineMatcher,
  progress: (characters: number) => void,
): Promise<LogSummary> {
  const summary = new LogSummary(matcher)
  let characters = 0
  let rest = ''
  for await (const piece of pieces) {
    const lines = piece.split('\n')
    lines[0] = rest + (lines[0] ?? '')
    rest = (lines.pop() ?? '').slice(0, MOST_CHARACTERS)
    for (const line of lines) summary.add(line.slice(0, MOST_CHARACTERS))
    characters += piece.length
    progress(characters)
  }
  summary.add(rest)
  return summary
}

/** The line as its program wrote it, without what Docker's json-file driver or `journalctl -o json` has around it. */
function textOf(line: string): string {
  if (!line.startsWith('{') || !WRAPPED.test(line)) return line
  const outer = parseObject(line)
  const inner = outer?.['log'] ?? outer?.['MESSAGE']
  return typeof inner === 'string' ? inner.trim() : line
}

const WRAPPED = /"(?:log|MESSAGE)" ?:/

function parseObject(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    // A line that begins with a brace and is not JSON is a line like any other.
    return null
  }
}

const IN_JSON = /"(?:ts|time|timestamp|@timestamp|__REALTIME_TIMESTAMP)" ?: ?"?([^",}]{1,40})/
const DATE = /^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d{1,9})? ?(Z|[+-]\d\d:?\d\d)?/
const KLOG = /^[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d)/
const SYSLOG = /^(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d) (?:\S{1,255} [^\s:]{1,255}: )?/
/** `kubectl logs --prefix` and `docker compose logs`. */
const PREFIX = /^(?:\[[^\]\s]{1,512}\]|[^\s|]{1,255} +\|) /
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'

/** As `2026-12-01 03:12:04Z`, without a year or a zone if the log has none. */
function timeOf(text: string): string | null {
  const [, value] = IN_JSON.exec(text) ?? []
  if (value !== undefined) return dateIn(value)
  const line = text.replace(PREFIX, '')
  const [prefix = '', month = '', day = '', clock = ''] = SYSLOG.exec(line) ?? []
  const own = dateIn(line.slice(prefix.length))
  if (own !== null || prefix === '') return own
  const number = String(MONTHS.indexOf(month) / 3 + 1).padStart(2, '0')
  return `${number}-${day.replace(' ', '0')} ${clock}`
}

function dateIn(text: string): string | null {
  const [, year, month, day, clock = '', zone = ''] = DATE.exec(text) ?? []
  if (year !== undefined) return `${year}-${String(month)}-${String(day)} ${clock}${zone}`
  const [, klogMonth, klogDay = '', klogClock = ''] = KLOG.exec(text) ?? []
  if (klogMonth !== undefined) return `${klogMonth}-${klogDay} ${klogClock}`
  // Seconds, milliseconds or microseconds since 1970.
  const [, seconds] = /^(\d{10})(?:\.\d+|\d{3}|\d{6})?$/.exec(text) ?? []
  return seconds === undefined
    ? null
    : `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

/** The client that a server names: its port is of no use. */
const CLIENTS = [
  /"remote-addr" ?: ?"([^"\s]{1,255})"/,
  /rejected connection from \\?"([^"\\\s]{1,255})/,
  /TLS handshake error from (\S{1,255}): /,
  /, client: ([^\s,]{1,255})/,
  // haproxy begins its lines about clients with the address and a date.
  /(?:^|\s)([\w.:[\]-]{1,255}) \[\d\d\/[A-Z][a-z]{2}\/\d{4}:[\d:.]{1,20}\] \S{1,255}\/\w{1,255}: /,
]
/** The server that nginx dialled for a client, whose address is in the same line. */
const UPSTREAM = [/, upstream: "(?:[a-z]{1,10}:\/\/)?([^"/\s]{1,255})/]
/** The server that a client dialled. */
const SERVERS = [
  /\b(?:dial|read|write) tcp ([^\s,]{1,511}): /,
  /\b[Aa]ddr\\?"? ?: ?\\?"([^"\\\s]{1,255})/,
  /"(?:target|endpoint)" ?: ?"[^"\s]{0,255}\/([^"\s/]{1,255})"/,
  /\bconnect E[A-Z]+ ([\w.:-]{1,255})/,
  // gRPC core, old gRPC in Go, Python, curl and Java.
  /\bipv[46]:([\d.]{7,15}:\d{1,5}|\[[\da-f:.]{2,45}\]:\d{1,5})/,
  /\bfailed to connect to \{([\w.:[\]-]{1,255}) /,
  /\bhost='([\w.-]{1,255})', port=(\d{1,5})/,
  /\bconnect to ([\w.-]{1,255}) port (\d{1,5})/,
  /\b(?:refused|timed out|unreachable|route to host): [\w.-]{0,255}\/([\w.:[\]-]{3,60})/,
  /\bhttps?:\/\/([\w.:[\]-]{1,255})/,
  /"remote-peer-id" ?: ?"([0-9a-f]{1,16})"/,
  /\bpeer ([0-9a-f]{13,16})\b/,
]
/** It is printed inside commands. */
const SAFE = /^[\w:[][\w.:%[\]-]*$/

function remoteOf(text: string, { direction }: LogLine): string | null {
  const upstream = capturedBy(UPSTREAM, text)
  const client = capturedBy(CLIENTS, text)
    ?.replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
  // A line of a server about a client can also have the server's own address. Go writes `OWN->REMOTE`.
  const server = direction.startsWith('server-') ? undefined : capturedBy(SERVERS, text)?.replace(/^.*->/, '')
  const remote = upstream ?? client ?? server
  return remote !== undefined && SAFE.test(remote) ? copied(remote) : null
}

function capturedBy(patterns: readonly RegExp[], text: string): string | undefined {
  for (const pattern of patterns) {
    const [, ...parts] = pattern.exec(text) ?? []
    if (parts.length > 0) return parts.join(':')
  }
  return undefined
}
