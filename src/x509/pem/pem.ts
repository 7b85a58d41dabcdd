/**
 * A scanner for PEM (RFC 7468, with the headers of RFC 1421 that encrypted keys carry). It reads what text editors,
 * YAML and Windows do to the layout, and is exact about everything else: a block is either decoded whole or told as a
 * problem with its line. One pass, linear in the input, bounded by limits; it never throws on bad input.
 */

import {
  ALMOST_MARKER,
  countBreaks,
  decodeBase64,
  isDamagedBoundary,
  LineCounter,
  markerIn,
  type PemHeader,
  plainText,
  readBoundary,
  readHeaders,
  trimBlanks,
} from './pem-text.js'

export type { PemHeader } from './pem-text.js'

/** Most bytes read. The bundle of all public CAs has about 0.25 MB. */
export const MAX_PEM_OCTETS = 4 * 1024 * 1024
/** Most blocks read. The largest bundles of public CAs have a few hundred. */
export const MAX_PEM_BLOCKS = 2000
/** Most problems told. The scan ends there: what follows is seldom news, and work stays bounded. */
const MAX_PROBLEMS = 100

/** One block that was decoded. */
export interface PemBlock {
  readonly label: string
  /** Line of the BEGIN boundary, from 1. */
  readonly line: number
  readonly headers: readonly PemHeader[]
  readonly bytes: Buffer
}

/** What can be wrong with a text that means to be PEM. */
export type PemProblem =
  /** More bytes than {@link MAX_PEM_OCTETS}: nothing was read. */
  | { readonly kind: 'too-large'; readonly octets: number; readonly limit: number }
  /** More blocks than {@link MAX_PEM_BLOCKS}: the rest was not read. */
  | { readonly kind: 'too-many-blocks'; readonly limit: number; readonly line: number }
  /** No END boundary follows. `line` is that of BEGIN; `label` is empty where the text ends inside BEGIN itself. */
  | { readonly kind: 'unterminated'; readonly label: string; readonly line: number }
  /** A BEGIN boundary inside a block. `line` is that of the outer BEGIN. */
  | { readonly kind: 'nested-begin'; readonly label: string; readonly line: number; readonly innerLine: number }
  /** The END boundary names another label. `line` is that of END. */
  | { readonly kind: 'end-mismatch'; readonly label: string; readonly endLabel: string; readonly line: number }
  /** An END boundary without a BEGIN. */
  | { readonly kind: 'stray-end'; readonly label: string; readonly line: number }
  /** A boundary that shares its line with other text: a line break was lost, as when `cat` joins two files. */
  | { readonly kind: 'boundary-not-alone'; readonly line: number }
  /** BEGIN and END stand on one line: all line breaks were lost. */
  | { readonly kind: 'one-line'; readonly label: string; readonly line: number }
  /** A line that is almost a boundary: wrong count of dashes, wrong case. */
  | { readonly kind: 'malformed-boundary'; readonly line: number }
  /** Not base64: a foreign character, or characters missing. `line` is that of the character, or of the block's END. */
  | { readonly kind: 'bad-base64'; readonly label: string; readonly line: number; readonly reason: Base64Fault }
  /** Nothing between BEGIN and END. */
  | { readonly kind: 'empty-block'; readonly label: string; readonly line: number }

/** `character`: one that base64 does not know. `length`: characters are missing, as after an interrupted copy. */
export type Base64Fault = 'character' | 'length'

/** How the text is laid out, where that is not plain. */
export interface PemLayout {
  /** Starts with the UTF-8 byte order mark, and a block on the same line: Go does not see that block. */
  readonly byteOrderMark: boolean
  /** Line ends: `crlf` of Windows, `cr` alone as old Macs wrote; `lf` also for a text of one line. */
  readonly lineEnds: 'lf' | 'crlf' | 'cr'
  /** First boundary that does not start its line, or null. */
  readonly indentedLine: number | null
  /** First blank line inside the base64 of a block, or null. */
  readonly blankLine: number | null
  /** First line of text outside the blocks, or null. */
  readonly textLine: number | null
}

/** All that a text holds. */
export interface PemScan {
  readonly blocks: readonly PemBlock[]
  readonly problems: readonly PemProblem[]
  readonly layout: PemLayout
}

export interface PemLimits {
  /** Default: {@link MAX_PEM_OCTETS}. */
  octets?: number | undefined
  /** Default: {@link MAX_PEM_BLOCKS}. */
  blocks?: number | undefined
}

/** Finds and decodes every PEM block. */
export function scanPem(input: string | Uint8Array, limits: PemLimits = {}): PemScan {
  const maxOctets = limits.octets ?? MAX_PEM_OCTETS
  if (input.length > maxOctets) {
    const problem = { kind: 'too-large', octets: input.length, limit: maxOctets } as const
    return { blocks: [], problems: [problem], layout: PLAIN }
  }
  return new Scanner(input, limits.blocks ?? MAX_PEM_BLOCKS).scan()
}

const PLAIN: PemLayout = { byteOrderMark: false, lineEnds: 'lf', indentedLine: null, blankLine: null, textLine: null }

/** A block whose BEGIN was seen and whose END was not. */
interface OpenBlock {
  label: string
  line: number
  bodyStart: number
  /** Its BEGIN was already told as a problem: what becomes of it is no news. */
  damaged: boolean
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** What can start or end a block. Everything between two hits is taken in one step. */
const MARKER = /-----(?:BEGIN|END) /g

class Scanner {
  readonly #text: string
  readonly #maxBlocks: number
  readonly #blocks: PemBlock[] = []
  readonly #problems: PemProblem[] = []
  readonly #layout: Writable<PemLayout>
  readonly #lines: LineCounter
  /** A second counter, for the text between blocks, which is checked behind the first one. */
  readonly #outsideLines: LineCounter
  #open: OpenBlock | null = null
  /** Everything before this is checked. Always the start of a line. */
  #done = 0
  #stopped = false

  constructor(input: string | Uint8Array, maxBlocks: number) {
    const { text, byteOrderMark, lineEnds } = plainText(input)
    this.#text = text
    this.#maxBlocks = maxBlocks
    this.#layout = { ...PLAIN, byteOrderMark, lineEnds }
    this.#lines = new LineCounter(text)
    this.#outsideLines = new LineCounter(text)
  }

  scan(): PemScan {
    let marked = 0
    for (const line of linesWith(MARKER, this.#text)) {
      // Two lines a block are due; prose that speaks of boundaries may hold some more.
      if (++marked > 4 * this.#maxBlocks) this.#tooManyBlocks(line)
      else this.#judgeLine(line)
      if (this.#stopped || this.#problems.length >= MAX_PROBLEMS) return this.#result()
    }
    const open = this.#open
    if (open === null) this.#judgeTail()
    else if (!open.damaged) this.#problems.push({ kind: 'unterminated', label: open.label, line: open.line })
    return this.#result()
  }

  #result(): PemScan {
    return { blocks: this.#blocks, problems: this.#problems.slice(0, MAX_PROBLEMS), layout: this.#layout }
  }

  #tooManyBlocks(place: LinePlace): void {
    this.#problems.push({ kind: 'too-many-blocks', limit: this.#maxBlocks, line: this.#lines.at(place.start) })
    this.#stopped = true
  }

  /** Checks one line that holds a marker. */
  #judgeLine(place: LinePlace): void {
    const raw = this.#text.slice(place.start, place.end)
    const content = trimBlanks(raw)
    const boundary = readBoundary(content)
    if (boundary === null) {
      this.#judgeOddLine(content, place)
      return
    }
    const { label } = boundary
    // Lines are counted only if they are reported; the lines of a block are counted as it is decoded.
    if (boundary.kind === 'END') this.#end(label, place)
    else if (this.#blocks.length >= this.#maxBlocks) this.#tooManyBlocks(place)
    else this.#begin(label, place)
    if (raw.startsWith(' ') || raw.startsWith('\t')) this.#layout.indentedLine ??= this.#lines.at(place.start)
  }

  #begin(label: string, place: LinePlace): void {
    const open = this.#open
    const line = this.#lines.at(place.start)
    if (open === null) this.#judgeOutside(place.start)
    else if (!open.damaged) {
      this.#problems.push({ kind: 'nested-begin', label: open.label, line: open.line, innerLine: line })
    }
    this.#open = { label, line, bodyStart: place.next, damaged: false }
  }

  #end(label: string, place: LinePlace): void {
    const open = this.#open
    if (open === null) {
      this.#judgeOutside(place.start)
      this.#problems.push({ kind: 'stray-end', label, line: this.#lines.at(place.start) })
    } else if (open.damaged) {
      // Told already, where the block begins.
    } else if (open.label !== label) {
      const line = this.#lines.at(place.start)
      this.#problems.push({ kind: 'end-mismatch', label: open.label, endLabel: label, line })
    } else {
      this.#decode(open, place.start)
    }
    this.#open = null
    this.#done = place.next
  }

  /** A line with a marker that is no boundary: prose, or a damaged boundary. */
  #judgeOddLine(content: string, place: LinePlace): void {
    const first = markerIn(content, 'first')
    const last = markerIn(content, 'last')
    const line = this.#lines.at(place.start)
    const startsAsBoundary = content.startsWith('-----BEGIN ') || content.startsWith('-----END ')
    // The text ends inside the boundary: told at the end, as a block without END.
    if (place.end === this.#text.length && startsAsBoundary && first === null) return
    if (isDamagedBoundary(content)) {
      this.#drop({ kind: 'malformed-boundary', line }, place)
    } else if (this.#open === null && first?.kind === 'BEGIN' && last?.kind === 'END') {
      this.#drop({ kind: 'one-line', label: first.label, line }, place)
    } else if (first !== null && (this.#open !== null || content.startsWith('-----'))) {
      this.#drop({ kind: 'boundary-not-alone', line }, place)
      // Reading goes on behind the damage, so that later problems are reported in the same report.
      const damaged = !content.endsWith('-----')
      if (last?.kind === 'BEGIN') this.#open = { label: last.label, line, bodyStart: place.next, damaged }
    } else if (startsAsBoundary) {
      this.#drop({ kind: 'malformed-boundary', line }, place)
    }
  }

  #drop(problem: PemProblem, place: LinePlace): void {
    if (this.#open === null) this.#judgeOutside(place.start)
    this.#problems.push(problem)
    this.#open = null
    this.#done = place.next
  }

  #decode({ label, line, bodyStart }: OpenBlock, bodyEnd: number): void {
    const body = this.#text.slice(bodyStart, bodyEnd)
    const { headers, end } = readHeaders(body)
    const firstLine = line + 1 + countBreaks(body, 0, end)
    const decoded = decodeBase64(body.slice(end))
    if (decoded.kind !== 'foreign') this.#lines.skip(bodyEnd, firstLine - line + decoded.breaks)
    if (decoded.kind === 'empty') {
      this.#problems.push({ kind: 'empty-block', label, line })
    } else if (decoded.kind === 'foreign') {
      this.#problems.push({ kind: 'bad-base64', label, line: firstLine + decoded.breaks, reason: 'character' })
    } else if (decoded.kind === 'incomplete') {
      this.#problems.push({ kind: 'bad-base64', label, line: firstLine + decoded.breaks, reason: 'length' })
    } else {
      if (decoded.blankLine !== null) this.#layout.blankLine ??= firstLine + decoded.blankLine
      this.#blocks.push({ label, line, headers, bytes: decoded.bytes })
    }
  }

  /** Checks what follows the last block: text, or the beginning of a next block at which the text was cut. */
  #judgeTail(): void {
    const start = this.#text.lastIndexOf('\n') + 1
    const line = trimBlanks(this.#text.slice(start))
    // Dashes alone may be a rule under some text; right behind a block they are the beginning of the next.
    const behindBlock = this.#blocks.length > 0 && this.#text.slice(this.#done, start).trim() === ''
    const isCut = `${line} `.startsWith('-----BEGIN ') || (line !== '' && behindBlock && '-----BEGIN'.startsWith(line))
    if (!isCut || start < this.#done) {
      this.#judgeOutside(this.#text.length)
      return
    }
    this.#judgeOutside(start)
    this.#problems.push({ kind: 'unterminated', label: '', line: this.#lines.at(start) })
  }

  /** Checks the text between the blocks, from what is done up to `end`. */
  #judgeOutside(end: number): void {
    const between = this.#text.slice(this.#done, end)
    const text = between.search(/\S/)
    if (text === -1) return
    this.#layout.textLine ??= 1 + countBreaks(this.#text, 0, this.#done + text)
    for (const place of linesWith(ALMOST_MARKER, between)) {
      if (this.#problems.length >= MAX_PROBLEMS) return
      if (!isDamagedBoundary(between.slice(place.start, place.end))) continue
      this.#problems.push({ kind: 'malformed-boundary', line: this.#outsideLines.at(this.#done + place.start) })
    }
  }
}

/** Where one line stands in a text. */
interface LinePlace {
  readonly start: number
  /** The line break, or the end of the text. */
  readonly end: number
  /** Start of the next line. */
  readonly next: number
}

/** The lines in which a pattern is found, each once, in order. One pass. */
function* linesWith(pattern: RegExp, text: string): Generator<LinePlace> {
  const search = new RegExp(pattern)
  for (let hit = search.exec(text); hit !== null; hit = search.exec(text)) {
    const newline = text.indexOf('\n', hit.index)
    const end = newline === -1 ? text.length : newline
    yield { start: text.lastIndexOf('\n', hit.index) + 1, end, next: Math.min(end + 1, text.length) }
    search.lastIndex = end
  }
}
