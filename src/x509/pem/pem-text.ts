/** The lines of a PEM text: boundaries, headers, line numbers. Used by the scanner in pem.ts only. */

const DASHES = '-----'
const NEWLINE = 0x0a
const RETURN = 0x0d
/** Longest label of a boundary; the longest in use have about 30 characters. */
const MAX_LABEL = 64
/** Most lines of headers read in one block; encrypted keys have two. */
const MAX_HEADER_LINES = 32

export interface Boundary {
  readonly kind: 'BEGIN' | 'END'
  readonly label: string
}

/** A header inside a block, as `DEK-Info: AES-256-CBC,…`. */
export interface PemHeader {
  readonly name: string
  readonly value: string
}

/** Counts lines of one text, forward only, so that all calls together cost one pass. */
export class LineCounter {
  readonly #text: string
  #offset = 0
  #line = 1

  constructor(text: string) {
    this.#text = text
  }

  /** The number, from 1, of the line that holds `offset`. Calls must come in ascending order. */
  at(offset: number): number {
    this.#line += countBreaks(this.#text, this.#offset, offset)
    this.#offset = Math.max(this.#offset, offset)
    return this.#line
  }

  /** Goes on to `offset`, before which the caller counted so many line breaks since the last call. */
  skip(offset: number, breaks: number): void {
    this.#line += breaks
    this.#offset = offset
  }
}

/** Line breaks from `start` on and before `end`. Character by character: searching from each to the next costs more where they are dense. */
export function countBreaks(text: string, start: number, end: number): number {
  let count = 0
  for (let at = start; at < end; at++) if (text.charCodeAt(at) === NEWLINE) count++
  return count
}

/** The input as text, without byte order mark and with `\n` for every line end. */
export function plainText(input: string | Uint8Array): {
  text: string
  byteOrderMark: boolean
  lineEnds: 'lf' | 'crlf' | 'cr'
} {
  const whole =
    typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.length).toString('utf8')
  const text = whole.startsWith('\ufeff') ? whole.slice(1) : whole
  // Go finds a block at the start of any later line (encoding/pem Decode), so text before it saves the block.
  const byteOrderMark = whole.startsWith('\ufeff') && /^[^\r\n]*-----BEGIN /.test(text)
  if (!text.includes('\r')) return { text, byteOrderMark, lineEnds: 'lf' }
  return { byteOrderMark, ...withoutReturns(text) }
}

/** Byte by byte: millions of replacements in a string would take a tenth of a second and more. */
function withoutReturns(text: string): { text: string; lineEnds: 'crlf' | 'cr' } {
  const octets = Buffer.from(text)
  let length = 0
  let lineEnds: 'crlf' | 'cr' = 'crlf'
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] ?? 0
    if (octet !== RETURN) octets[length++] = octet
    else if (octets[at + 1] !== NEWLINE) {
      octets[length++] = NEWLINE
      lineEnds = 'cr'
    }
  }
  return { text: octets.toString('utf8', 0, length), lineEnds }
}

/** The text without spaces and tabs at both ends. A loop, since a regular expression would try again at every space. */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** A whole line, trimmed, as a boundary. */
export function readBoundary(line: string): Boundary | null {
  const kind = line.startsWith('-----BEGIN ') ? 'BEGIN' : line.startsWith('-----END ') ? 'END' : null
  if (kind === null || !line.endsWith(DASHES)) return null
  const label = line.slice(DASHES.length + kind.length + 1, -DASHES.length)
  return isLabel(label) ? { kind, label } : null
}

/** RFC 7468 section 3: printable characters; hyphens and spaces only between others, and one at a time. */
function isLabel(label: string): boolean {
  return label.length <= MAX_LABEL && /^[!-,.-~]+(?:[- ][!-,.-~]+)*$/.test(label)
}

/** The first or the last marker inside one line, if a well-formed label follows it. */
export function markerIn(line: string, which: 'first' | 'last'): Boundary | null {
  const places = (['BEGIN', 'END'] as const).flatMap((kind) => {
    const marker = `${DASHES}${kind} `
    const at = which === 'first' ? line.indexOf(marker) : line.lastIndexOf(marker)
    return at === -1 ? [] : [{ kind, at, labelStart: at + marker.length }]
  })
  const [a, b] = places
  if (a === undefined) return null
  const chosen = b === undefined || a.at < b.at === (which === 'first') ? a : b
  const rest = line.slice(chosen.labelStart, chosen.labelStart + MAX_LABEL + DASHES.length)
  const end = rest.indexOf(DASHES)
  const label = rest.slice(0, end)
  return end !== -1 && isLabel(label) ? { kind: chosen.kind, label } : null
}

/** Where a line may stand that means to be a boundary: `BEGIN` or `END` behind dashes of any kind, in any case. */
export const ALMOST_MARKER = /[-\u2010-\u2015] ?(?:BEGIN|END) /gi

/** Whether a line means to be a boundary and is none: too few dashes or too many, typographic ones, lower case. */
export function isDamagedBoundary(line: string): boolean {
  const whole = trimBlanks(line)
  if (readBoundary(whole) !== null) return false
  return /^[-\u2010-\u2015]{1,20} ?(?:BEGIN|END) [A-Z0-9 ]{1,40}[-\u2010-\u2015]{1,20}$/i.test(whole)
}

/**
 * RFC 1421 section 4.6.1.1: `Name: value` lines, continued by lines that are indented (deeper than the first, since the
 * whole block may be), then a blank line.
 */
export function readHeaders(body: string): { headers: PemHeader[]; end: number } {
  const headers: { name: string; value: string }[] = []
  if (!body.includes(':')) return { headers, end: 0 }
  let position = 0
  let indent = 0
  for (let lines = 0; lines < MAX_HEADER_LINES; lines++) {
    const newline = body.indexOf('\n', position)
    if (newline === -1) break
    const line = body.slice(position, newline)
    const content = trimBlanks(line)
    const last = headers.at(-1)
    if (last === undefined) indent = indentOf(line)
    const colon = content.indexOf(':')
    if (last !== undefined && content !== '' && indentOf(line) > indent) last.value += content
    else if (colon > 0) headers.push({ name: content.slice(0, colon), value: trimBlanks(content.slice(colon + 1)) })
    else return { headers, end: content === '' && last !== undefined ? newline + 1 : position }
    position = newline + 1
  }
  return { headers, end: position }
}

function indentOf(line: string): number {
  let indent = 0
  while (isBlank(line.charCodeAt(indent))) indent++
  return indent
}

interface Base64Lines {
  /** Line breaks in the text, or before the first character that is wrong. */
  readonly breaks: number
  /** Line breaks before the first blank line; null if there is none. What follows the last line break is no line. */
  readonly blankLine: number | null
}

/** Outcome of reading base64: the bytes, or what is wrong. */
export type Base64 =
  | (Base64Lines & { readonly kind: 'octets'; readonly bytes: Buffer })
  | (Base64Lines & { readonly kind: 'empty' })
  | (Base64Lines & { readonly kind: 'incomplete' })
  | (Base64Lines & { readonly kind: 'foreign' })

/** What a character is to base64. */
const FOREIGN = 0
const DATA = 1
const PADDING = 2
const SPACE = 3
const CLASSES = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  if (/[A-Za-z0-9+/]/.test(character)) return DATA
  return character === '=' ? PADDING : /[ \t]/.test(character) ? SPACE : FOREIGN
})

/** Reads base64 with spaces, tabs and line breaks anywhere (RFC 4648 section 4, padding required). */
export function decodeBase64(text: string): Base64 {
  return decodeEqualLines(text) ?? decodeAnyLines(text)
}

/**
 * Reads base64 in lines of one length, as RFC 7468 writes it; null for anything else. A CRL has millions of characters:
 * Node decodes them in a tenth of the time that a loop over them takes. Node skips what is not base64, so the number of
 * decoded bytes shows if there was any.
 */
function decodeEqualLines(text: string): Base64 | null {
  const width = text.indexOf('\n')
  // Node reads base64url as well.
  if (width < 1 || text.includes('-') || text.includes('_')) return null
  let breaks = 0
  for (let at = width; at < text.length; at += width + 1) if (text.charCodeAt(at) === NEWLINE) breaks++
  const lastBreak = text.endsWith('\n') ? 1 : 0
  if (text.length % (width + 1) !== 0) breaks += lastBreak
  const end = text.length - lastBreak
  const padding = text.indexOf('=')
  const pads = padding === -1 ? 0 : end - padding
  if (pads > 2 || !'=='.startsWith(text.slice(end - pads, end))) return null
  const bytes = Buffer.from(text, 'base64')
  const characters = text.length - breaks
  const isWhole = characters % 4 === 0 && bytes.length === (characters / 4) * 3 - pads
  return isWhole ? { kind: 'octets', bytes, breaks, blankLine: null } : null
}

/** One pass over the characters, whatever the lines are. */
function decodeAnyLines(text: string): Base64 {
  let data = 0
  let pads = 0
  let breaks = 0
  let breaksAtPad = 0
  let blankLine: number | null = null
  let lineIsBlank = true
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const kind = code < 128 ? CLASSES[code] : FOREIGN
    if (code === NEWLINE) {
      if (lineIsBlank) blankLine ??= breaks
      breaks++
      lineIsBlank = true
    } else if (kind === DATA) {
      // Where data follows the padding, it is the padding that stands wrong.
      if (pads > 0) return { kind: 'foreign', breaks: breaksAtPad, blankLine }
      data++
      lineIsBlank = false
    } else if (kind === PADDING) {
      if (pads++ === 0) breaksAtPad = breaks
      lineIsBlank = false
    } else if (kind === FOREIGN) return { kind: 'foreign', breaks, blankLine }
  }
  if (data + pads === 0) return { kind: 'empty', breaks, blankLine }
  const complete = data > 0 && pads <= 2 && (data + pads) % 4 === 0
  return complete
    ? { kind: 'octets', bytes: Buffer.from(text, 'base64'), breaks, blankLine }
    : { kind: 'incomplete', breaks, blankLine }
}
