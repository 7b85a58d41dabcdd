/**
 * Text out of certificates, files and peers is shown on terminals and in logs. Control characters, line breaks and
 * bidirectional overrides would let its author rewrite what the reader sees, so they are shown as escapes.
 */
// Controls, format characters (bidi marks, zero-width, soft hyphen, BOM, tags), line and paragraph separators, lone
// surrogates, and what a font draws as nothing (fillers, variation selectors), which could hide a difference of two names.
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu

/** Nearly all text is this, and needs no look at the categories of its characters. */
const PLAIN = /^[ -~]*$/

/** Longest text a finding carries over from outside; the rest is cut and counted. */
const MAX_TEXT = 1000
/** Longest list a finding carries over from outside. */
const MAX_LIST = 50

/**
 * The same text with everything that a terminal would act on shown as `\u{…}`, and without what looks like a private key:
 * a key that was passed in the wrong option must not reach a log.
 */
export function printable(text: string): string {
  const shown = text.length < SHORTEST_KEY ? text : withoutKeys(text)
  if (PLAIN.test(shown)) return shown
  return shown.replace(UNPRINTABLE, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`)
}

/** Characters of base64 in one line of PEM, less some for a line that was cut. */
const SHORTEST_KEY = 56
const PEM_KEY = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?/g
const BASE64 = /[A-Za-z0-9+/]{56,}/g

function withoutKeys(text: string): string {
  return text
    .replace(PEM_KEY, '[private key removed]')
    .replace(BASE64, (run) =>
      looksRandom(run) ? `[${String(run.length)} characters removed: they may be a key]` : run,
    )
}

/** Random bytes in base64 are two fifths capitals. A path, a word or hexadecimal digits are not. */
function looksRandom(run: string): boolean {
  const share = (pattern: RegExp): number => run.replace(pattern, '').length / run.length
  return share(/[^A-Z]/g) > 0.2 && share(/[^a-z]/g) > 0.2 && share(/[^0-9]/g) > 0.03
}

function bounded(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${String(text.length)} characters)` : text
  return printable(cut)
}

/** `printable` and a bound on every string and list inside plain data; dates and numbers pass through. */
export function printableDeep<T>(value: T): T {
  return walk(value, bounded, boundedList) as T // the same shape: only the contents of strings and lists change
}

/** The same for a sentence: strings are cut to `maxText` characters, and `listed` cuts lists of them. */
export function briefDeep<T>(value: T, maxText: number): T {
  const brief = (text: string): string => printable(text.length > maxText ? `${text.slice(0, maxText)}…` : text)
  return walk(value, brief, (list) => list) as T
}

function walk(
  value: unknown,
  ofText: (text: string) => string,
  ofList: (texts: readonly string[]) => readonly string[],
): unknown {
  if (typeof value === 'string') return ofText(value)
  if (Array.isArray(value)) {
    const texts = value.every((each) => typeof each === 'string')
    return (texts ? ofList(value) : value.slice(0, MAX_LIST)).map((each: unknown) => walk(each, ofText, ofList))
  }
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member, ofText, ofList)]))
}

/** A list of texts that was cut says so in its last entry, as a text that was cut does at its end. */
function boundedList(list: readonly string[]): readonly string[] {
  return list.length > MAX_LIST ? [...list.slice(0, MAX_LIST), `… (${String(list.length)} entries)`] : list
}
