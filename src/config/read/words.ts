/** Takes a command line apart: as a POSIX shell does, or as systemd does (systemd.syntax(7), systemd.service(5)). */

/** One word, with its quotes taken off. */
export interface Word {
  readonly text: string
  /** Where it begins in the text that was taken apart. */
  readonly offset: number
  /** Ends a command: a line break that is not escaped, `;`, `&`, `|`; for systemd, `;` as a word of its own. */
  readonly isEnd: boolean
}

export type WordStyle = 'shell' | 'systemd'

/** Stands in a word for a dollar sign that the quotes made a plain one. */
export const LITERAL_DOLLAR = '\u001b'

/** Words between two offsets. Quotes that are not closed reach to the end. */
export function splitWords(text: string, style: WordStyle, start = 0, end = text.length): Word[] {
  return new Splitter(text, style, end).split(start)
}

class Splitter {
  private readonly text: string
  private readonly style: WordStyle
  private readonly end: number
  private readonly words: Word[] = []
  private word: { parts: string[]; offset: number } | null = null

  constructor(text: string, style: WordStyle, end: number) {
    this.text = text
    this.style = style
    this.end = end
  }

  split(start: number): Word[] {
    let at = start
    while (at < this.end) at = this.step(at)
    this.finish()
    return this.words
  }

  /** Reads one piece and says where the next one begins. */
  private step(at: number): number {
    const sign = this.text[at] ?? ''
    if (sign === '\\') return this.escape(at)
    if (sign === '"' || sign === "'") return this.quoted(at, sign)
    if (sign === ' ' || sign === '\t' || sign === '\r') {
      this.finish()
      return at + 1
    }
    if (sign === '\n') return this.lineBreak(at)
    if (this.style === 'systemd' && sign === ';' && this.isAlone(at)) return this.commandEnd(at)
    if (this.style === 'shell' && this.word === null && sign === '#') return this.lineEnd(at)
    if (this.style === 'shell' && /[;&|]/.test(sign)) return this.commandEnd(at)
    // Whole runs at once: most of a text is neither quote nor blank.
    const run = /[^\\"'\s;&|#]+/y
    run.lastIndex = at
    const found = run.exec(this.text)?.[0].slice(0, this.end - at) ?? sign
    this.add(found, at)
    return at + found.length
  }

  /** Whether a sign is a word by itself, or with the backslash before it. */
  private isAlone(at: number): boolean {
    return this.word === null && (at + 1 >= this.end || /\s/.test(this.text[at + 1] ?? ''))
  }

  private commandEnd(at: number): number {
    this.finish()
    this.words.push({ text: this.text[at] ?? '', offset: at, isEnd: true })
    return at + 1
  }

  private lineBreak(at: number): number {
    this.finish()
    if (this.style === 'shell') this.words.push({ text: '\n', offset: at, isEnd: true })
    return at + 1
  }

  private lineEnd(at: number): number {
    const found = this.text.indexOf('\n', at)
    return found === -1 ? this.end : found
  }

  private escape(at: number): number {
    const lineBreak = /\\\r?\n/y
    lineBreak.lastIndex = at
    const continued = lineBreak.exec(this.text)?.[0]
    if (continued !== undefined) {
      // A shell joins the lines; systemd puts a blank between them, and skips comments there.
      if (this.style === 'systemd') this.finish()
      return this.style === 'systemd' ? this.skipComments(at + continued.length) : at + continued.length
    }
    const next = this.text[at + 1] ?? ''
    if (this.style === 'systemd' && !(next === ';' && this.isAlone(at + 1))) return this.unitEscape(at, at)
    this.add(literal(next), at)
    return at + 2
  }

  /** The escapes of C, and systemd's own for a blank; what is none stays as it is (basic/escape.c, cunescape_one). */
  private unitEscape(at: number, start: number): number {
    const code = /\\(?:x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|U([\dA-Fa-f]{8})|([0-3][0-7]{2}))/y
    code.lastIndex = at
    const [whole, short, long, longest, octal] = code.exec(this.text) ?? []
    if (whole !== undefined) {
      const point = octal === undefined ? parseInt(short ?? long ?? longest ?? '', 16) : parseInt(octal, 8)
      const isCharacter = point > 0 && point <= 0x10ffff
      this.add(isCharacter ? String.fromCodePoint(point) : whole, start)
      return at + whole.length
    }
    const next = this.text[at + 1] ?? ''
    this.add(ESCAPES[next] ?? `\\${next}`, start)
    return at + 2
  }

  private skipComments(start: number): number {
    let at = start
    for (;;) {
      const comment = /[ \t]*[#;][^\n]*\n/y
      comment.lastIndex = at
      const found = comment.exec(this.text)?.[0]
      if (found === undefined || at + found.length > this.end) return at
      at += found.length
    }
  }

  private quoted(start: number, quote: string): number {
    this.add('', start)
    let at = start + 1
    while (at < this.end && this.text[at] !== quote) {
      const sign = this.text[at] ?? ''
      const escapes = sign === '\\' && (quote === '"' || this.style === 'systemd')
      if (!escapes) {
        this.add(quote === "'" && this.style === 'shell' ? literal(sign) : sign, start)
        at++
        continue
      }
      if (this.style === 'systemd') {
        at = this.unitEscape(at, start)
        continue
      }
      const next = this.text[at + 1] ?? ''
      if (next !== '\n') this.add('"\\$`'.includes(next) ? literal(next) : `\\${next}`, start)
      at += 2
    }
    return at + 1
  }

  private add(text: string, offset: number): void {
    this.word ??= { parts: [], offset }
    this.word.parts.push(text)
  }

  private finish(): void {
    if (this.word !== null) this.words.push({ text: this.word.parts.join(''), offset: this.word.offset, isEnd: false })
    this.word = null
  }
}

function literal(sign: string): string {
  return sign === '$' ? LITERAL_DOLLAR : sign
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  s: ' ',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
}
