/** Takes a file of variables apart as systemd does for `EnvironmentFile=` (basic/env-file.c, parse_env_file_internal). */
import { match } from './tokenizer.js'

/** One line `NAME=value`. */
interface Assignment extends Value {
  readonly name: string
  /** Where the name begins in the text. */
  readonly offset: number
  /** Whether `export` precedes it: a shell accepts that, and systemd ignores the line. */
  readonly isExported: boolean
}

interface Value {
  readonly value: string
  /** Whether each `$` is in single quotes or behind a backslash. */
  readonly isLiteral: boolean
  /** Where a quote begins that is not closed, so that the rest of the text is within it. */
  readonly openQuoteAt?: number
  /** The value before a `#` that follows a space: meant as a comment, and part of the value. */
  readonly beforeComment?: string
}

/** The assignments of a text, in their order. Other lines are ignored. */
export function parseEnvironmentFile(text: string): Assignment[] {
  const found: Assignment[] = []
  for (let at = 0; at < text.length;) {
    at += match(/[ \t\r\n]*/y, text, at)?.[0].length ?? 0
    const [head = '', left = '', equals] = match(/[#;][^\r\n]*|([^=\r\n]*)(=?)/y, text, at) ?? []
    const nameAt = at
    at += head.length
    if (equals !== '=') continue
    const [value, end] = valueAt(text, at)
    at = end
    // With a dash it is not a name to systemd either; it is a slip for one.
    const [, exported = '', name] = /^(export[ \t]+)?([A-Za-z_][\w-]*)[ \t]*$/.exec(left.slice(0, MAX_NAME)) ?? []
    if (name !== undefined)
      found.push({ name, offset: nameAt + exported.length, isExported: exported !== '', ...value })
  }
  return found
}

/** Longer names are not kept. */
const MAX_NAME = 1000

/** The value at an offset, and where it ends: quoted parts first, then the rest of the line, in which quotes are characters. */
function valueAt(text: string, start: number): readonly [value: Value, end: number] {
  let at = start
  let value = ''
  /** The length of the value without unquoted spaces at its end. */
  let solid = 0
  let openQuoteAt: number | undefined
  let beforeComment: string | undefined
  let [hasLiteral, hasBare] = [false, false]
  const add = (part: string, isSolid = true): void => {
    value += part
    if (isSolid) solid = value.length
  }
  for (;;) {
    const quoted = /[ \t]*(?:'([^']*)('?)|"((?:\\(?:[\s\S]|$)|[^"\\])*)("?))/y
    const [whole, single, singleEnd, double, doubleEnd] = match(quoted, text, at) ?? []
    if (whole === undefined) break
    if (single !== undefined) add(single)
    else add((double ?? '').replace(/\\([\s\S]?)/g, (pair, next) => unescaped(pair, String(next))))
    hasLiteral ||= single?.includes('$') === true || double?.includes('\\$') === true
    hasBare ||= /(?<!\\)\$/.test(double ?? '')
    if (singleEnd === '' || doubleEnd === '') openQuoteAt = at + whole.search(/["']/)
    at += whole.length
  }
  at += match(/[ \t]*/y, text, at)?.[0].length ?? 0
  for (;;) {
    const [part, escaped] = match(/\\(\r\n|[\s\S]|$)|[ \t]+|[^\\ \t\r\n]+/y, text, at) ?? []
    if (part === undefined || part === '') break
    if (escaped !== undefined) solid = value.length
    if (part.startsWith('#') && /[ \t]/.test(text.charAt(at - 1))) beforeComment ??= value.slice(0, solid)
    hasLiteral ||= escaped === '$'
    hasBare ||= escaped === undefined && part.includes('$')
    if (escaped === undefined) add(part, !/^[ \t]/.test(part))
    else if (!/^[\r\n]/.test(escaped)) add(escaped)
    at += part.length
  }
  const more = { ...(openQuoteAt === undefined ? {} : { openQuoteAt }) }
  return [
    {
      value: value.slice(0, solid),
      isLiteral: hasLiteral && !hasBare,
      ...more,
      ...(beforeComment === undefined ? {} : { beforeComment }),
    },
    at,
  ]
}

/** In double quotes, a backslash has a meaning only before some characters. */
function unescaped(pair: string, next: string): string {
  if (next === '\n') return ''
  return '"\\`$'.includes(next) ? next : pair
}
