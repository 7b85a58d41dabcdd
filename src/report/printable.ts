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

/** The same text with everything that a terminal would act on shown as `\u{…}`. */
export function printable(text: string): string {
  if (PLAIN.test(text)) return text
  return text.replace(UNPRINTABLE, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`)
}

function bounded(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${String(text.length)} characters)` : text
  return printable(cut)
}

/** `printable` and a bound on every string and list inside plain data; dates and numbers pass through. */
export function printableDeep<T>(value: T): T {
  return walk(value) as T // the same shape: only the contents of strings and the lengths of lists change
}

function walk(value: unknown): unknown {
  if (typeof value === 'string') return bounded(value)
  if (Array.isArray(value)) return boundedList(value)
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member)]))
}

/** A list of texts that was cut says so in its last entry, as a text that was cut does at its end. */
function boundedList(list: readonly unknown[]): unknown[] {
  const kept = list.slice(0, MAX_LIST).map(walk)
  const cut = list.length > MAX_LIST && list.every((each) => typeof each === 'string')
  return cut ? [...kept, `… (${String(list.length)} entries)`] : kept
}
