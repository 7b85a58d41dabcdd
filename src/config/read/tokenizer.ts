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

/**
 * What is wrong with a text, though it is plain what was meant, and read so: a quote that nothing closes, a line that
 * does not go on since CR or a space follows its backslash, and one without a backslash before a line of flags.
 */
export interface SyntaxFault {
  readonly kind: 'quote' | 'carriage return' | 'space' | 'backslash' | 'one argument' | 'after script' | 'no program'
  readonly offset: number
}

export interface Split {
  readonly words: readonly Word[]
  /** The first of each kind. */
  readonly faults: readonly SyntaxFault[]
}

/** Stands in a word for a dollar sign that the quotes made a plain one. */
export const LITERAL_DOLLAR = '\u001b'

/** Words between two offsets, and what is wrong there. Quotes that are not closed reach to the end. */
export function splitText(text: string, style: WordStyle, start = 0, end = text.length): Split {
  return new Splitter(text, style, end).split(start)
}

/** Words between two offsets. */
export function splitWords(text: string, style: WordStyle, start = 0, end = text.length): readonly Word[] {
  return splitText(text, style, start, end).words
}

/** The words of `/proc/PID/cmdline`, each of which ends with NUL. */
export function processWords(text: string): Word[] {
  let end = text.length
  while (text[end - 1] === '\0') end--
  let offset = 0
  return text
    .slice(0, end)
    .split('\0')
    .map((word) => {
      const at = offset
      offset += word.length + 1
      return { text: word, offset: at, isEnd: false }
    })
}

class Splitter {
  readonly #text: string
  readonly #style: WordStyle
  readonly #end: number
  readonly #words: Word[] = []
  #word: { parts: string[]; offset: number } | null = null
  readonly #faults = new Map<SyntaxFault['kind'], SyntaxFault>()
  /** Whether any line goes on after a backslash. */
  #isContinued = false
  /** Whether the next word is the file of a redirection. */
  #isRedirected = false
  #isUnbalanced = false

  constructor(text: string, style: WordStyle, end: number) {
    this.#text = text
    this.#style = style
    this.#end = end
  }

  split(start: number): Split {
    let at = start
    while (at < this.#end) at = this.#step(at)
    this.#finish()
    // Lines that nobody continues are a text that was folded, as a Compose file does it.
    if (!this.#isContinued) this.#faults.delete('backslash')
    return { words: this.#words, faults: [...this.#faults.values()] }
  }

  /** Reads one piece and says where the next one begins. */
  #step(at: number): number {
    const sign = this.#text[at] ?? ''
    if (sign === '\\') return this.#escape(at)
    if (sign === '"' || sign === "'") return this.#quoted(at, sign)
    if (sign === ' ' || sign === '\t' || sign === '\r') {
      this.#finish()
      return at + 1
    }
    if (sign === '\n') return this.#lineBreak(at)
    if (this.#style === 'systemd' && sign === ';' && this.#isAlone(at)) return this.#commandEnd(at)
    if (this.#style === 'shell' && this.#word === null) {
      if (sign === '#') return this.#lineEnd(at)
      const redirected = this.#redirection(at)
      if (redirected !== null) return redirected
    }
    if (this.#style === 'shell' && /[;&|]/.test(sign)) return this.#commandEnd(at)
    const substituted = this.#substitution(at)
    if (substituted !== null) {
      this.#add(this.#text.slice(at, substituted), at)
      return substituted
    }
    // Whole runs at once: most of a text is neither quote nor space.
    const run = /(?:[^\\"'\s;&|#$`]|\$(?!\())+/y
    run.lastIndex = at
    const found = run.exec(this.#text)?.[0].slice(0, this.#end - at) ?? sign
    this.#add(found, at)
    return at + found.length
  }

  /** Whether a sign is a word by itself, or with the backslash before it. */
  #isAlone(at: number): boolean {
    return this.#word === null && (at + 1 >= this.#end || /\s/.test(this.#text[at + 1] ?? ''))
  }

  #commandEnd(at: number): number {
    this.#finish()
    this.#isRedirected = false
    this.#words.push({ text: this.#text[at] ?? '', offset: at, isEnd: true })
    return at + 1
  }

  #lineBreak(at: number): number {
    this.#finish()
    if (this.#style !== 'shell') return at + 1
    // No command begins with a dash.
    if (this.#words.at(-1)?.isEnd === false && this.#isBeforeFlag(at + 1)) this.#fault('backslash', at)
    else this.#words.push({ text: '\n', offset: at, isEnd: true })
    return at + 1
  }

  /** Where `$(…)` or `…` between backticks ends, which a shell runs; null for anything else. */
  #substitution(at: number): number | null {
    const opener = this.#text[at]
    if (this.#style !== 'shell' || this.#isUnbalanced || (opener !== '`' && !this.#text.startsWith('$(', at)))
      return null
    if (opener === '`') {
      const close = this.#text.indexOf('`', at + 1)
      if (close !== -1 && close < this.#end) return close + 1
    }
    const paren = /[()]/g
    paren.lastIndex = at
    let depth = 0
    for (let found = paren.exec(this.#text); found !== null && opener !== '`'; found = paren.exec(this.#text)) {
      depth += found[0] === '(' ? 1 : -1
      if (depth === 0) return found.index + 1
    }
    // It is looked for once: the next one would end nowhere either.
    this.#isUnbalanced = true
    return null
  }

  #isBeforeFlag(at: number): boolean {
    const flag = /[ \t]*-/y
    flag.lastIndex = at
    return flag.test(this.#text)
  }

  #fault(kind: SyntaxFault['kind'], offset: number): void {
    if (!this.#faults.has(kind)) this.#faults.set(kind, { kind, offset })
  }

  /** Passes over `>`, `2>&1`, `&>>`, `>(…)`, where a word would begin; `<name>` is a place to fill in. */
  #redirection(at: number): number | null {
    const operator = /(?:\d*|&)(?:>>|>\||>&|<&|<<<|<>|>|<)(?![\w-]+>)(\([^)\n]{0,200}\))?/y
    operator.lastIndex = at
    const [whole, process] = operator.exec(this.#text) ?? []
    if (whole === undefined) return null
    this.#isRedirected = process === undefined
    return at + whole.length
  }

  #lineEnd(at: number): number {
    const found = this.#text.indexOf('\n', at)
    return found === -1 ? this.#end : found
  }

  #escape(at: number): number {
    const lineBreak = /\\([ \t]*)(\r?)\n/y
    lineBreak.lastIndex = at
    const [continued, blanks = '', carriageReturn] = lineBreak.exec(this.#text) ?? []
    if (continued !== undefined && (blanks === '' || this.#isBeforeFlag(at + continued.length))) {
      this.#isContinued = true
      if (blanks !== '') this.#fault('space', at)
      else if (carriageReturn !== '' && this.#style === 'shell') this.#fault('carriage return', at)
      // A shell joins the lines; systemd puts a space between them, and skips comments there.
      if (this.#style === 'systemd') this.#finish()
      return this.#style === 'systemd' ? this.#skipComments(at + continued.length) : at + continued.length
    }
    const next = this.#text[at + 1] ?? ''
    if (this.#style === 'systemd' && !(next === ';' && this.#isAlone(at + 1))) return this.#unitEscape(at, at)
    this.#add(literal(next), at)
    return at + 2
  }

  /** The escapes of C, and systemd's own for a space; what is none stays as it is (basic/escape.c, cunescape_one). */
  #unitEscape(at: number, start: number): number {
    const code = /\\(?:x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|U([\dA-Fa-f]{8})|([0-3][0-7]{2}))/y
    code.lastIndex = at
    const [whole, short, long, longest, octal] = code.exec(this.#text) ?? []
    if (whole !== undefined) {
      const point = octal === undefined ? parseInt(short ?? long ?? longest ?? '', 16) : parseInt(octal, 8)
      const isCharacter = point > 0 && point <= 0x10ffff
      this.#add(isCharacter ? String.fromCodePoint(point) : whole, start)
      return at + whole.length
    }
    const next = this.#text[at + 1] ?? ''
    this.#add(ESCAPES[next] ?? `\\${next}`, start)
    return at + 2
  }

  #skipComments(start: number): number {
    let at = start
    for (;;) {
      const comment = /[ \t]*[#;][^\n]*\n/y
      comment.lastIndex = at
      const found = comment.exec(this.#text)?.[0]
      if (found === undefined || at + found.length > this.#end) return at
      at += found.length
    }
  }

  #quoted(start: number, quote: string): number {
    this.#add('', start)
    let at = start + 1
    while (at < this.#end && this.#text[at] !== quote) {
      const sign = this.#text[at] ?? ''
      const escapes = sign === '\\' && (quote === '"' || this.#style === 'systemd')
      const substituted = quote === '"' ? this.#substitution(at) : null
      if (substituted !== null) {
        this.#add(this.#text.slice(at, substituted), start)
        at = substituted
        continue
      }
      if (!escapes) {
        this.#add(quote === "'" && this.#style === 'shell' ? literal(sign) : sign, start)
        at++
        continue
      }
      if (this.#style === 'systemd') {
        at = this.#unitEscape(at, start)
        continue
      }
      const next = this.#text[at + 1] ?? ''
      if (next !== '\n') this.#add('"\\$`'.includes(next) ? literal(next) : `\\${next}`, start)
      at += 2
    }
    if (at >= this.#end) this.#fault('quote', start)
    return at + 1
  }

  #add(text: string, offset: number): void {
    this.#word ??= { parts: [], offset }
    this.#word.parts.push(text)
  }

  #finish(): void {
    if (this.#word === null) return
    if (!this.#isRedirected)
      this.#words.push({ text: this.#word.parts.join(''), offset: this.#word.offset, isEnd: false })
    this.#isRedirected = false
    this.#word = null
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
