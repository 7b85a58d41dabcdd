/** Takes a file of variables apart as systemd does for `EnvironmentFile=` (basic/env-file.c, parse_env_file_internal). */

/** One line `NAME=value`. */
export interface Assignment {
  readonly name: string
  readonly value: string
  /** Where the name begins in the text. */
  readonly offset: number
  /** Whether `export` stands before it: a shell takes that, and systemd passes over the line. */
  readonly isExported: boolean
  /** A `$` stands in single quotes or behind a backslash, and none outside of them: it is meant as it is. */
  readonly isLiteral: boolean
  /** Where a quote is opened that nothing closes, so that the rest of the text is within it. */
  readonly openQuoteAt?: number
  /** The value before a `#` that follows a space: meant as a comment, and part of the value. */
  readonly beforeComment?: string
}

type State = 'before' | 'name' | 'value start' | 'value' | 'single' | 'double' | 'comment'

/** What a backslash takes its meaning from in double quotes; before all else it stands for itself. */
const NEEDS_ESCAPE = '"\\`$'

/** The assignments of a text, in their order. What is none is passed over. */
export function parseEnvironmentFile(text: string): Assignment[] {
  const found: Assignment[] = []
  let state: State = 'before'
  let start = 0
  let name = ''
  let value = ''
  /** The length of a value that is not space at its end, as far as no quotes are around it. */
  let solid = 0
  let quoteAt = 0
  let beforeComment: string | undefined
  let dollars = { literal: false, bare: false }
  const finish = (): void => {
    // With a dash it is no name to systemd either, and a slip for one.
    const [, exported, word] = /^(export[ \t]+)?([A-Za-z_][\w-]*)[ \t]*$/.exec(name) ?? []
    if (word !== undefined) {
      const offset = start + (exported?.length ?? 0)
      found.push({
        name: word,
        value: value.slice(0, solid),
        offset,
        isExported: exported !== undefined,
        isLiteral: dollars.literal && !dollars.bare,
        ...(state === 'single' || state === 'double' ? { openQuoteAt: quoteAt } : {}),
        ...(beforeComment === undefined ? {} : { beforeComment }),
      })
    }
    state = 'before'
  }
  const add = (sign: string, isBlank = false): void => {
    value += sign
    if (!isBlank) solid = value.length
  }
  for (let at = 0; at < text.length; at++) {
    const sign = text.charAt(at)
    if (sign === '$') dollars[state === 'single' ? 'literal' : 'bare'] = true
    const isEnd = sign === '\n' || sign === '\r'
    const isBlank = sign === ' ' || sign === '\t'
    switch (state) {
      case 'before':
        if (isEnd || isBlank) break
        state = sign === '#' || sign === ';' ? 'comment' : 'name'
        start = at
        name = sign
        break
      case 'comment':
        if (isEnd) state = 'before'
        break
      case 'name':
        if (isEnd) state = 'before'
        else if (sign === '=') {
          state = 'value start'
          value = ''
          solid = 0
          beforeComment = undefined
          dollars = { literal: false, bare: false }
        } else if (name.length < MAX_NAME) name += sign
        break
      case 'value start':
      case 'value':
        if (sign === '#' && /[ \t]/.test(text.charAt(at - 1))) beforeComment ??= value.slice(0, solid)
        if (isEnd) finish()
        else if (sign === '\\') {
          state = 'value'
          // What stands before it is within the value, whatever follows.
          solid = value.length
          at += 1
          const next = text.charAt(at)
          if (next === '$') dollars.literal = true
          if (next === '\r' && text.charAt(at + 1) === '\n') at += 1
          else if (next !== '\n' && next !== '\r') add(next)
        } else if (state === 'value start' && (sign === "'" || sign === '"')) {
          state = sign === "'" ? 'single' : 'double'
          quoteAt = at
        } else if (state === 'value') add(sign, isBlank)
        else if (!isBlank) {
          state = 'value'
          add(sign)
        }
        break
      case 'single':
        if (sign === "'") state = 'value start'
        else add(sign)
        break
      case 'double':
        if (sign === '"') state = 'value start'
        else if (sign === '\\') {
          at += 1
          const next = text.charAt(at)
          if (next === '$') dollars.literal = true
          if (next !== '\n') add(NEEDS_ESCAPE.includes(next) ? next : `\\${next}`)
        } else add(sign)
        break
    }
  }
  if (state !== 'before' && state !== 'name' && state !== 'comment') finish()
  return found
}

/** Longer ones are no names, and are not kept. */
const MAX_NAME = 1000
