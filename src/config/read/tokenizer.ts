/** Splits a command line as a POSIX shell or systemd does (systemd.syntax(7), systemd.service(5)). */

export interface Token {
  readonly text: string
  /** Its offset in the text. */
  readonly offset: number
  /** Whether it ends a command: an unescaped line break, `;`, `&`, `|`; for systemd, `;` as a separate argument. */
  readonly isEnd: boolean
}

type TokenStyle = 'shell' | 'systemd'

/** A mistake that does not prevent reading the text as it was meant. */
export interface SyntaxFault {
  readonly kind: 'quote' | 'carriage return' | 'space' | 'backslash' | 'one argument' | 'after script' | 'no program'
  readonly offset: number
}

export interface Split {
  readonly tokens: readonly Token[]
  readonly faults: readonly SyntaxFault[]
}

/** Stands for a quoted dollar sign, which is not expanded. */
export const LITERAL_DOLLAR = '\u001b'

/** Stands for a quoted backquote. */
const LITERAL_BACKQUOTE = '\u001c'

export function plainDollars(text: string): string {
  return text.replaceAll(LITERAL_DOLLAR, '$').replaceAll(LITERAL_BACKQUOTE, '`')
}

/** A quote that is not closed ends at `end`. */
export function splitText(text: string, style: TokenStyle, start = 0, end = text.length): Split {
  return new Splitter(style === 'shell' ? withoutHereDocuments(text) : text, style, end).split(start)
}

/** Blanks here-documents, whose lines are no commands of the script. */
function withoutHereDocuments(text: string): string {
  if (!text.includes('<<')) return text
  const lines = text.split('\n')
  const lastLine = new Map(lines.map((line, i) => [line.trim(), i]))
  let end: string | null = null
  const blanked = lines.map((line, i) => {
    if (end === null) {
      const [, word = ''] = /^[^#]*(?<!<)<<-?[ \t]*["'\\]?(\w+)\b(?!>)/.exec(line) ?? []
      end = (lastLine.get(word) ?? 0) > i ? word : null
      return line
    }
    if (line.trim() === end) end = null
    return ' '.repeat(line.length)
  })
  return blanked.join('\n')
}

export function splitTokens(text: string, style: TokenStyle, start = 0, end = text.length): readonly Token[] {
  return splitText(text, style, start, end).tokens
}

export function processTokens(text: string): Token[] {
  const tokens = Array.from(text.matchAll(/([^\0]*)\0?/g), ({ 1: token = '', index }) => tokenAt(token, index))
  return tokens.slice(0, tokens.findLastIndex((token) => token.text !== '') + 1)
}

export function tokenAt(text: string, offset: number, isEnd = false): Token {
  return { text, offset, isEnd }
}

/** Characters after a backslash in a unit, and the characters that they stand for. */
const ESCAPES = 'abfnrstv\\"\''
const ESCAPED = '\u0007\b\f\n\r \t\v\\"\''

/** Comments that may follow a continued line in a unit. */
export const COMMENTS = /(?:[ \t]*[#;][^\n]*\n)*/y

export function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

class Splitter {
  readonly #text: string
  readonly #isShell: boolean
  readonly #end: number
  readonly #tokens: Token[] = []
  #token: { parts: string[]; offset: number } | null = null
  readonly #faults = new Map<SyntaxFault['kind'], SyntaxFault>()
  #isContinued = false
  #isRedirected = false
  #isUnbalanced = false

  constructor(text: string, style: TokenStyle, end: number) {
    this.#text = text
    this.#isShell = style === 'shell'
    this.#end = end
  }

  split(start: number): Split {
    for (let at = start; at < this.#end;) at = this.#step(at)
    this.#finish()
    // Without any continuation, the line breaks come from folded YAML and are correct.
    if (!this.#isContinued) this.#faults.delete('backslash')
    return { tokens: this.#tokens, faults: [...this.#faults.values()] }
  }

  #step(at: number): number {
    const character = this.#text[at] ?? ''
    if (character === '\\') return this.#escape(at)
    if (character === '"' || character === "'") return this.#quoted(at, character)
    if (/[ \t\r]/.test(character)) return this.#finish(at + 1)
    if (character === '\n') return this.#lineBreak(at)
    if (this.#isShell && this.#token === null) {
      if (character === '#') return this.#match(/[^\n]*/y, at)?.end ?? this.#end
      // `>`, `2>&1`, `&>>`, `>(…)`; but `<name>` is a placeholder in documentation.
      const operator = /(?:\d*|&)(?:>>|>\||>&|<&|<<<|<>|>|<)(?![\w-]+>)(\([^)\n]{0,200}\))?/y
      const redirection = this.#match(operator, at)
      if (redirection !== null) {
        this.#isRedirected = redirection.groups[1] === undefined
        return redirection.end
      }
    }
    if (this.#isShell ? /[;&|]/.test(character) : character === ';' && this.#isAlone(at)) return this.#commandEnd(at)
    // Faster than single characters.
    const run = this.#match(/(?:[^\\"'\s;&|#$`]|\$(?!\())+/y, at)?.end ?? at + 1
    const end = this.#substitutionEnd(at) ?? Math.min(run, this.#end)
    return this.#add(this.#text.slice(at, end), at, end)
  }

  #match(pattern: RegExp, at: number): { groups: RegExpExecArray; end: number } | null {
    const groups = match(pattern, this.#text, at)
    return groups === null ? null : { groups, end: at + groups[0].length }
  }

  #isAlone(at: number): boolean {
    return this.#token === null && (at + 1 >= this.#end || /\s/.test(this.#text[at + 1] ?? ''))
  }

  #commandEnd(at: number): number {
    this.#finish()
    this.#isRedirected = false
    this.#tokens.push(tokenAt(this.#text[at] ?? '', at, true))
    return at + 1
  }

  #lineBreak(at: number): number {
    this.#finish()
    if (!this.#isShell) return at + 1
    // No command begins with a dash, except for a pattern of `case`, so the backslash is missing.
    if (this.#tokens.at(-1)?.isEnd === false && this.#isBeforeFlag(at + 1)) this.#fault('backslash', at)
    else this.#tokens.push(tokenAt('\n', at, true))
    return at + 1
  }

  /** The end of `$(…)` or of text in backticks; null if neither begins here. */
  #substitutionEnd(at: number): number | null {
    // systemd splits `$(…)`. Keep a short one in one token, so that the finding quotes it completely.
    if (!this.#isShell) return this.#match(/\$\([^()"'\\\n]{0,100}\)/y, at)?.end ?? null
    const isTick = this.#text[at] === '`'
    if (this.#isUnbalanced || (!isTick && !this.#text.startsWith('$(', at))) return null
    const close = isTick ? this.#text.indexOf('`', at + 1) : -1
    if (close !== -1 && close < this.#end) return close + 1
    const paren = /[()]/g
    let depth = 0
    for (let found = isTick ? null : match(paren, this.#text, at); found !== null; found = paren.exec(this.#text)) {
      depth += found[0] === '(' ? 1 : -1
      if (depth === 0) return found.index + 1
    }
    // Avoids quadratic work: a later one is not closed either.
    this.#isUnbalanced = true
    return null
  }

  #isBeforeFlag(at: number): boolean {
    return match(/[ \t]*-(?![\w|-]*\))/y, this.#text, at) !== null
  }

  #fault(kind: SyntaxFault['kind'], offset: number): void {
    if (!this.#faults.has(kind)) this.#faults.set(kind, { kind, offset })
  }

  #escape(at: number): number {
    const [continued, spaces = '', carriageReturn] = match(/\\([ \t]*)(\r?)\n/y, this.#text, at) ?? []
    if (continued !== undefined && (spaces === '' || this.#isBeforeFlag(at + continued.length))) {
      this.#isContinued = true
      if (spaces !== '') this.#fault('space', at)
      else if (carriageReturn !== '' && this.#isShell) this.#fault('carriage return', at)
      // A shell joins the lines; systemd inserts a space, and skips comment lines.
      if (this.#isShell) return at + continued.length
      const comments = this.#match(COMMENTS, at + continued.length)
      return this.#finish(comments?.end)
    }
    const next = this.#text[at + 1] ?? ''
    if (!this.#isShell && !(next === ';' && this.#isAlone(at + 1))) return this.#unitEscape(at, at)
    return this.#add(literal(next), at, at + 2)
  }

  /** C escapes and `\s` for a space. systemd keeps other escapes unchanged (basic/escape.c, cunescape_one). */
  #unitEscape(at: number, start: number): number {
    const code = /\\(?:(?:x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|U([\dA-Fa-f]{8}))|([0-3][0-7]{2}))/y
    const [whole, short, long, longest, octal] = match(code, this.#text, at) ?? []
    const next = this.#text[at + 1] ?? ''
    if (whole === undefined) {
      const escape = next === '' ? -1 : ESCAPES.indexOf(next)
      return this.#add(ESCAPED[escape] ?? `\\${next}`, start, at + 2)
    }
    const point = octal === undefined ? parseInt(short ?? long ?? longest ?? '', 16) : parseInt(octal, 8)
    const isCharacter = point > 0 && point <= 0x10ffff
    return this.#add(isCharacter ? String.fromCodePoint(point) : whole, start, at + whole.length)
  }

  #quoted(start: number, quote: string): number {
    this.#add('', start, start)
    let at = start + 1
    while (at < this.#end && this.#text[at] !== quote) {
      const character = this.#text[at] ?? ''
      const substitution = quote === '"' ? this.#substitutionEnd(at) : null
      if (substitution !== null) at = this.#add(this.#text.slice(at, substitution), start, substitution)
      else if (character === '\\' && !this.#isShell) at = this.#unitEscape(at, start)
      else if (character === '\\' && quote === '"') {
        const next = this.#text[at + 1] ?? ''
        const kept = '"\\$`'.includes(next) ? literal(next) : `\\${next}`
        at = this.#add(next === '\n' ? '' : kept, start, at + 2)
      } else at = this.#add(quote === "'" && this.#isShell ? literal(character) : character, start, at + 1)
    }
    if (at >= this.#end) this.#fault('quote', start)
    return at + 1
  }

  #add(text: string, offset: number, next: number): number {
    this.#token ??= { parts: [], offset }
    this.#token.parts.push(text)
    return next
  }

  #finish(next = 0): number {
    if (this.#token === null) return next
    if (!this.#isRedirected) this.#tokens.push(tokenAt(this.#token.parts.join(''), this.#token.offset))
    this.#isRedirected = false
    this.#token = null
    return next
  }
}

function literal(character: string): string {
  return character === '$' ? LITERAL_DOLLAR : character === '`' ? LITERAL_BACKQUOTE : character
}
