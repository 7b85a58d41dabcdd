/**
 * A scanner for PEM (RFC 7468, with the headers of RFC 1421 in encrypted keys). It accepts the layouts of text editors, YAML and
 * Windows. Each block is decoded or reported as a problem with its line. It reads the input in one pass within fixed limits, and
 * never throws for it.
 */
import type { Layout, PemDamage } from '../../report/catalogue/pem.js'

/** Largest input in bytes. The bundle of all public CAs has about 0.25 MB. */
export const MAX_PEM_BYTES = 4 * 1024 * 1024
/** Maximum number of blocks. The largest bundles of public CAs have a few hundred. */
export const MAX_PEM_BLOCKS = 2000
/** The scan ends after this number of problems. */
const MAX_PROBLEMS = 100
/** Longest label in characters. The longest in use have about 30. */
const MAX_LABEL = 64
/** Maximum number of header lines in a block. Encrypted keys have two. */
const MAX_HEADER_LINES = 32

/** A header inside a block, such as `DEK-Info: AES-256-CBC,…`. */
export interface PemHeader {
  readonly name: string
  readonly value: string
}

export interface PemBlock {
  readonly label: string
  /** Line of the BEGIN boundary, from 1. */
  readonly line: number
  readonly headers: readonly PemHeader[]
  readonly bytes: Buffer
}

export interface PemDamageProblem {
  readonly kind: 'damaged'
  readonly damage: PemDamage
  /** Null if it is not known; empty if the text ends in the BEGIN line. */
  readonly label: string | null
  readonly line: number
  /** The label in END if it differs; else null. */
  readonly endLabel: string | null
}

export type PemProblem =
  | PemDamageProblem
  /** BEGIN and END are on one line, because all line breaks are missing. */
  | { readonly kind: 'one-line'; readonly label: string; readonly line: number }
  /** More bytes than the limit: nothing was read. */
  | { readonly kind: 'too-large'; readonly bytes: number; readonly limit: number }
  /** More blocks than the limit: the rest was not read. */
  | { readonly kind: 'too-many-blocks'; readonly limit: number; readonly line: number }

export interface UnusualLayout {
  readonly layout: Layout
  readonly line: number
}

export interface PemScan {
  readonly blocks: readonly PemBlock[]
  readonly problems: readonly PemProblem[]
  readonly layout: readonly UnusualLayout[]
}

/** Finds and decodes every PEM block. Default limits: {@link MAX_PEM_BYTES} bytes and {@link MAX_PEM_BLOCKS} blocks. */
export function scanPem(input: string | Uint8Array, { bytes = MAX_PEM_BYTES, blocks = MAX_PEM_BLOCKS } = {}): PemScan {
  if (input.length <= bytes) return new Scanner(input, blocks).scan()
  return { blocks: [], problems: [{ kind: 'too-large', bytes: input.length, limit: bytes }], layout: [] }
}

interface Line {
  readonly start: number
  /** Position of the line break, or of the end of the text. */
  readonly end: number
  readonly next: number
}

interface OpenBlock {
  readonly label: string
  readonly line: number
  readonly bodyStart: number
  /** Whether its BEGIN line was reported as damaged. */
  readonly isDamaged: boolean
}

class Scanner {
  readonly #text: string
  readonly #maxBlocks: number
  readonly #blocks: PemBlock[] = []
  readonly #problems: PemProblem[] = []
  readonly #layout = new Map<Layout, number>()
  #open: OpenBlock | null = null
  /** The start of the first line that was not checked yet. */
  #done = 0
  #stopped = false
  /** Line breaks are counted up to `#counted`. */
  #counted = 0
  #lineBreaks = 0

  constructor(input: string | Uint8Array, maxBlocks: number) {
    const whole =
      typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.length).toString('utf8')
    const text = whole.startsWith('\ufeff') ? whole.slice(1) : whole
    // Go misses only a block on the same line as the mark: it finds blocks at the start of later lines (encoding/pem Decode).
    if (text !== whole && /^[^\r\n]*-----BEGIN /.test(text)) this.#layout.set('byte order mark', 1)
    this.#text = text.includes('\r') ? this.#withoutReturns(text) : text
    this.#maxBlocks = maxBlocks
  }

  scan(): PemScan {
    let marked = 0
    for (const line of linesWith(/-----(?:BEGIN|END) /g, this.#text)) {
      // A block has two such lines, and text outside the blocks may have some more.
      if (++marked > 4 * this.#maxBlocks) this.#tooManyBlocks(line)
      else this.#checkLine(line)
      if (this.#stopped || this.#problems.length >= MAX_PROBLEMS) return this.#result()
    }
    const open = this.#open
    if (open === null) this.#checkTail()
    else if (!open.isDamaged) this.#damaged('no END line', open.label, open.line)
    return this.#result()
  }

  #result(): PemScan {
    const layout = Array.from(this.#layout, ([kind, line]) => ({ layout: kind, line }))
    return { blocks: this.#blocks, problems: this.#problems.slice(0, MAX_PROBLEMS), layout }
  }

  /** The line number of an offset. Offsets must ascend from call to call, so that all calls are one pass. */
  #lineAt(offset: number): number {
    for (; this.#counted < offset; this.#counted++) {
      if (this.#text.charCodeAt(this.#counted) === NEWLINE) this.#lineBreaks++
    }
    return this.#lineBreaks + 1
  }

  #damaged(damage: PemDamage, label: string | null, line: number, endLabel: string | null = null): void {
    this.#problems.push({ kind: 'damaged', damage, label, line, endLabel })
  }

  /** The END of a block whose BEGIN was reported is not missing one. */
  #malformed(content: string, line: number, next: number): void {
    this.#damaged('a malformed boundary', null, line)
    this.#open = /BEGIN /i.test(content) ? { label: '', line, bodyStart: next, isDamaged: true } : null
  }

  #tooManyBlocks({ start }: Line): void {
    this.#problems.push({ kind: 'too-many-blocks', limit: this.#maxBlocks, line: this.#lineAt(start) })
    this.#stopped = true
  }

  #unusual(layout: Layout, line: () => number): void {
    if (!this.#layout.has(layout)) this.#layout.set(layout, line())
  }

  #checkLine(line: Line): void {
    const raw = this.#text.slice(line.start, line.end)
    const content = trimSpaces(raw)
    if (this.#open === null) this.#checkOutside(line.start)
    const boundary = readBoundary(content)
    if (boundary === null) this.#checkOddLine(content, line)
    else if (boundary.kind === 'END') this.#end(boundary.label, line)
    else if (this.#blocks.length >= this.#maxBlocks) this.#tooManyBlocks(line)
    else this.#begin(boundary.label, line)
    if (boundary !== null && /^[ \t]/.test(raw)) this.#unusual('indented', () => this.#lineAt(line.start))
  }

  #begin(label: string, { start, next }: Line): void {
    const line = this.#lineAt(start)
    const open = this.#open
    if (open?.isDamaged === false) this.#damaged('a block inside another', open.label, line)
    this.#open = { label, line, bodyStart: next, isDamaged: false }
  }

  #end(label: string, { start, next }: Line): void {
    const open = this.#open
    if (open === null) this.#damaged('no BEGIN line', label, this.#lineAt(start))
    else if (!open.isDamaged && open.label === label) this.#decode(open, start)
    else if (!open.isDamaged) this.#damaged('another label in END', open.label, this.#lineAt(start), label)
    this.#open = null
    this.#done = next
  }

  /** Checks a line that contains the start of a boundary but is not one: ordinary text, or a damaged boundary. */
  #checkOddLine(content: string, { start, end, next }: Line): void {
    const markers = markersIn(content)
    const [first] = markers
    const last = markers.at(-1)
    const isBoundary = content.startsWith('-----BEGIN ') || content.startsWith('-----END ')
    // The text ends inside the boundary, which is reported at the end as a block without END.
    if (end === this.#text.length && isBoundary && first === undefined) return
    const isDamaged = isDamagedBoundary(content) || (isBoundary && first === undefined)
    const isJoined = first !== undefined && (this.#open !== null || content.startsWith('-----'))
    const line = this.#lineAt(start)
    const isOpen = this.#open !== null
    if (!isDamaged && !isJoined && !(first?.kind === 'BEGIN' && last?.kind === 'END')) return
    this.#open = null
    this.#done = next
    if (isDamaged) this.#malformed(content, line, next)
    else if (!isOpen && first?.kind === 'BEGIN' && last?.kind === 'END') {
      this.#problems.push({ kind: 'one-line', label: first.label, line })
    } else {
      this.#damaged('a boundary that shares its line', null, line)
      // Scanning continues, so that one report has the later problems too.
      const isCut = !content.endsWith(DASHES)
      if (last?.kind === 'BEGIN') this.#open = { label: last.label, line, bodyStart: next, isDamaged: isCut }
    }
  }

  #decode({ label, line, bodyStart }: OpenBlock, bodyEnd: number): void {
    const body = this.#text.slice(bodyStart, bodyEnd)
    const { headers, end } = readHeaders(body)
    const base64 = body.slice(end)
    const read = decodeBase64(base64)
    const start = bodyStart + end
    if ('damage' in read) {
      this.#damaged(read.damage, label, read.damage === 'no data' ? line : this.#lineAt(start + read.at))
      return
    }
    // OpenSSL (PEM_get_EVP_CIPHER_INFO) refuses headers that do not begin with Proc-Type.
    if (headers.length > 0 && headers[0]?.name !== 'Proc-Type')
      this.#unusual('header lines', () => this.#lineAt(bodyStart))
    const blank = /(?:^|\n)[ \t]*\n/.exec(base64)
    // Except at the start, the match includes the line break before the blank line.
    const at = blank === null ? null : start + blank.index + (blank.index === 0 ? 0 : 1)
    if (at !== null) this.#unusual('blank line inside', () => this.#lineAt(at))
    this.#blocks.push({ label, line, headers, bytes: read })
  }

  /** Checks the text after the last block, which may be the start of a truncated block. */
  #checkTail(): void {
    const start = this.#text.lastIndexOf('\n') + 1
    const line = trimSpaces(this.#text.slice(start))
    // Dashes alone may be a horizontal rule, but directly after a block they start the next one.
    const followsBlock = this.#blocks.length > 0 && this.#text.slice(this.#done, start).trim() === ''
    const isCut = `${line} `.startsWith('-----BEGIN ') || (line !== '' && followsBlock && '-----BEGIN'.startsWith(line))
    this.#checkOutside(isCut ? start : this.#text.length)
    if (isCut && start >= this.#done) this.#damaged('no END line', '', this.#lineAt(start))
  }

  /** Checks the text outside the blocks, from `#done` to `end`. */
  #checkOutside(end: number): void {
    const [from, between] = [this.#done, this.#text.slice(this.#done, end)]
    const text = between.search(/\S/)
    if (text === -1) return
    const before = this.#problems.length
    for (const { start, end: lineEnd } of linesWith(/[-\u2010-\u2015] ?(?:BEGIN|END) /gi, between)) {
      if (this.#problems.length >= MAX_PROBLEMS) return
      const content = trimSpaces(between.slice(start, lineEnd))
      if (isDamagedBoundary(content)) this.#malformed(content, this.#lineAt(from + start), from + lineEnd)
    }
    // A damaged block is not text that every reader skips.
    if (this.#problems.length === before) this.#unusual('text outside the blocks', () => this.#lineAt(from + text))
    this.#done = Math.max(from, end)
  }

  /** Replaces all line ends by `\n`, in bytes, because millions of replacements in a string are slow. */
  #withoutReturns(text: string): string {
    const bytes = Buffer.from(text)
    let length = 0
    let isAlone = false
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      if (byte !== RETURN) bytes[length++] = byte
      else if (bytes[at + 1] !== NEWLINE) {
        bytes[length++] = NEWLINE
        isAlone = true
      }
    }
    this.#layout.set(isAlone ? 'CR line ends' : 'CRLF line ends', 1)
    return bytes.toString('utf8', 0, length)
  }
}

const DASHES = '-----'
const NEWLINE = 0x0a
const RETURN = 0x0d

function* linesWith(pattern: RegExp, text: string): Generator<Line> {
  const search = new RegExp(pattern)
  for (let hit = search.exec(text); hit !== null; hit = search.exec(text)) {
    const newline = text.indexOf('\n', hit.index)
    const end = newline === -1 ? text.length : newline
    yield { start: text.lastIndexOf('\n', hit.index) + 1, end, next: Math.min(end + 1, text.length) }
    search.lastIndex = end
  }
}

/** Trims spaces and tabs. A regular expression would take quadratic time. */
function trimSpaces(text: string): string {
  const isBlank = (at: number): boolean => text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09
  let start = 0
  let end = text.length
  while (start < end && isBlank(start)) start++
  while (end > start && isBlank(end - 1)) end--
  return text.slice(start, end)
}

interface Boundary {
  readonly kind: 'BEGIN' | 'END'
  readonly label: string
}

/** Reads a trimmed line; null if it is not a boundary. */
function readBoundary(line: string): Boundary | null {
  const kind = line.startsWith('-----BEGIN ') ? 'BEGIN' : line.startsWith('-----END ') ? 'END' : null
  if (kind === null || !line.endsWith(DASHES)) return null
  const label = line.slice(DASHES.length + kind.length + 1, -DASHES.length)
  return isLabel(label) ? { kind, label } : null
}

/** RFC 7468 section 3: printable characters; single hyphens and spaces only between others. */
function isLabel(label: string): boolean {
  return label.length <= MAX_LABEL && /^[!-,.-~]+(?:[- ][!-,.-~]+)*$/.test(label)
}

/** The boundaries inside one line, which may share their dashes. */
function markersIn(line: string): Boundary[] {
  const found = line.matchAll(/-----(BEGIN|END) (.{1,64}?)(?=-----)/g)
  return Array.from(found, ([, kind, label = '']): Boundary => ({
    kind: kind === 'END' ? 'END' : 'BEGIN',
    label,
  })).filter(({ label }) => isLabel(label))
}

/** Whether a trimmed line is a malformed boundary: a wrong number of dashes, typographic dashes, lower case. */
function isDamagedBoundary(line: string): boolean {
  if (readBoundary(line) !== null) return false
  return /^[-\u2010-\u2015]{1,20} ?(?:BEGIN|END) [A-Z0-9 ]{1,40}[-\u2010-\u2015]{1,20}$/i.test(line)
}

/**
 * RFC 1421 section 4.6.1.1: `Name: value` lines, then a blank line. A continuation line is indented deeper than the first header,
 * because the whole block may be indented. `end` is the start of the base64.
 */
function readHeaders(body: string): { headers: PemHeader[]; end: number } {
  const headers: { name: string; value: string }[] = []
  if (!body.includes(':')) return { headers, end: 0 }
  let end = 0
  let indent = 0
  for (let lines = 0; lines < MAX_HEADER_LINES; lines++) {
    const newline = body.indexOf('\n', end)
    if (newline === -1) break
    const line = body.slice(end, newline)
    const content = trimSpaces(line)
    const deep = line.search(/[^ \t]|$/)
    const last = headers.at(-1)
    const colon = content.indexOf(':')
    if (last !== undefined && content !== '' && deep > indent) last.value += content
    else if (colon > 0) headers.push({ name: content.slice(0, colon), value: trimSpaces(content.slice(colon + 1)) })
    else return { headers, end: content === '' && last !== undefined ? newline + 1 : end }
    if (last === undefined) indent = deep
    end = newline + 1
  }
  return { headers, end }
}

type Base64Damage = Extract<PemDamage, 'a character that is not base64' | 'missing characters' | 'no data'>

/** Reads base64 with spaces, tabs and line breaks anywhere (RFC 4648 section 4, padding required). */
function decodeBase64(text: string): Buffer | { damage: Base64Damage; at: number } {
  const joined = text.replaceAll('\n', '')
  const bytes = Buffer.from(joined, 'base64')
  // Node skips invalid characters, so the comparison detects them.
  if (joined !== '' && bytes.toString('base64') === joined) return bytes
  const foreign = text.search(/[^A-Za-z0-9+/= \t\n]/)
  const padding = text.indexOf('=')
  // Data after the padding: the padding is the fault.
  const isInside = padding !== -1 && /[^= \t\n]/.test(text.slice(padding))
  if (foreign !== -1 || isInside) return { damage: 'a character that is not base64', at: isInside ? padding : foreign }
  const characters = joined.replaceAll(/[ \t]+/g, '')
  if (characters === '') return { damage: 'no data', at: 0 }
  const isWhole = characters.length % 4 === 0 && /^[^=]+={0,2}$/.test(characters)
  return isWhole ? bytes : { damage: 'missing characters', at: text.length }
}
