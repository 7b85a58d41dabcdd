/**
 * Strings from certificates, files and peers are shown on terminals and in logs. Control characters, line breaks and
 * bidirectional overrides could forge the output, so they are escaped.
 */
import type { CertificateRef } from './row.js'

// Controls, format characters (bidi marks, zero-width, soft hyphen, BOM, tags), line and paragraph separators, lone
// surrogates, and invisible characters (fillers, variation selectors), which could hide a difference between two names.
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu

/** Printable ASCII, the usual case, needs no lookup of character categories. */
const PLAIN = /^[ -~]*$/

/** Longest string in the details of a finding; a longer one is cut, and its length is given. */
const MAX_TEXT = 1000
/** Longest list in the details of a finding. */
const MAX_LIST = 50

/**
 * Writes each unprintable character as `\u{…}`, and removes strings that look like a private key: a key that was passed in
 * the wrong option must not reach a log.
 */
export function printable(text: string): string {
  const shown = text.length < SHORTEST_KEY ? text : withoutKeys(text)
  if (PLAIN.test(shown)) return shown
  return shown.replace(UNPRINTABLE, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`)
}

/** The value as JSON, in which such characters are escaped, which changes no value. */
export function printableJson(value: unknown): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value, null, 2).replace(UNPRINTABLE, (found) =>
    found === '\n' ? found : found.split('').map(escaped).join(''),
  )
}

/** Shorter than a PEM line (64 characters), because a line may have been cut. */
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

/**
 * Two fifths of random base64 are capitals. Paths and words have fewer, and hexadecimal digits have no small letters next to
 * capitals. The first line of a key has a fixed beginning, with few small letters.
 */
function looksRandom(run: string): boolean {
  const share = (pattern: RegExp): number => run.replace(pattern, '').length / run.length
  return share(/[^A-Z]/g) > 0.2 && share(/[^a-z]/g) > 0.1 && share(/[^0-9]/g) > 0.01
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}… (${String(text.length)} characters)` : text
}

const bounded = (text: string): string => printable(cut(text, MAX_TEXT))

/** Longest path of Linux in bytes (PATH_MAX). */
const MAX_PATH = 4096
/** The details that are paths: a program opens them, so they are not escaped. What prints them escapes them. */
const PATHS: ReadonlySet<string> = new Set(['file', 'path', 'onHost'])

/** A path as it is. Only what looks like a private key is removed. */
export function exactPath(path: string): string {
  const exact = cut(path, MAX_PATH)
  return exact.length < SHORTEST_KEY ? exact : withoutKeys(exact)
}

/** Escapes and bounds the details of a finding, except paths. */
export function printableDetails<T extends object>(details: T): T {
  const entries = Object.entries(details).map(([key, value]: [string, unknown]) => [
    key,
    PATHS.has(key) && typeof value === 'string' ? exactPath(value) : printableDeep(value),
  ])
  return Object.fromEntries(entries) as T // the same shape: only the contents of strings and lists change
}

/** Escapes and bounds every string and list in plain data. Dates and numbers are not changed. */
export function printableDeep<T>(value: T): T {
  return walk(value, bounded, boundedList) as T // the same shape: only the contents of strings and lists change
}

/** {@link printableDeep} for a reference to a certificate, in a third of the time: a report has one for each certificate. */
export function printableRef(ref: CertificateRef): CertificateRef {
  const { subject, serialNumber, origin } = ref
  return { ...ref, subject: bounded(subject), serialNumber: bounded(serialNumber), origin: bounded(origin) }
}

/** The same for a message: strings are cut to `maxText` characters. `listed` shortens the lists. */
export function shortenDeep<T>(value: T, maxText: number): T {
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

/** A list that is cut ends with an entry that gives its length. */
function boundedList(list: readonly string[]): readonly string[] {
  return list.length > MAX_LIST ? [...list.slice(0, MAX_LIST), `… (${String(list.length)} entries)`] : list
}
