/** Times in certificates, and durations in options. */
import { optionInvalid } from '../misuse.js'
import { DerError, type DerReader, Tag } from './der.js'

/**
 * Reads a `Time` (RFC 5280 section 4.1.2.5): UTCTime with two-digit years 1950–2049 or GeneralizedTime, both with
 * seconds, in Z, and without fractions.
 */
export function readTime(reader: DerReader, what: string): Date {
  const element = reader.element()
  const yearDigits = element.tag === Tag.utcTime ? 2 : element.tag === Tag.generalizedTime ? 4 : 0
  if (yearDigits === 0) throw new DerError(`${what} is neither UTCTime nor GeneralizedTime`, element.start)
  const content = reader.content(element)
  if (content.length !== yearDigits + 11 || content[yearDigits + 10] !== 0x5a) {
    throw new DerError(
      `${what} is not written as ${yearDigits === 2 ? 'YYMMDDhhmmssZ' : 'YYYYMMDDhhmmssZ'}`,
      element.start,
    )
  }
  const number = (from: number, digits: number): number => {
    let value = 0
    for (let i = from; i < from + digits; i++) {
      const digit = (content[i] ?? 0) - 0x30
      if (digit < 0 || digit > 9) throw new DerError(`${what} has a character that is not a digit`, element.start)
      value = value * 10 + digit
    }
    return value
  }
  let year = number(0, yearDigits)
  if (yearDigits === 2) year += year < 50 ? 2000 : 1900
  const month = number(yearDigits, 2)
  const day = number(yearDigits + 2, 2)
  const hour = number(yearDigits + 4, 2)
  const minute = number(yearDigits + 6, 2)
  const second = number(yearDigits + 8, 2)
  const time = new Date(0)
  // setUTCFullYear, because Date.UTC reads the years 0–99 as 1900–1999.
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hour, minute, second)
  const real = time.getUTCMonth() === month - 1 && time.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  if (!real) throw new DerError(`${what} is a date or time that does not exist`, element.start)
  return time
}

/** Days that every month of this number has, from 1. */
const MOST_DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/**
 * Whether {@link readTime} reads an element, told without making anything, for lists of 100,000 times. It may say no to
 * a time that exists (the 29th of February, which not every year has); never yes to one that does not.
 */
export function isTime(bytes: Uint8Array, tag: number, contentStart: number, end: number): boolean {
  const yearDigits = tag === Tag.utcTime ? 2 : tag === Tag.generalizedTime ? 4 : 0
  if (yearDigits === 0 || end - contentStart !== yearDigits + 11 || bytes[end - 1] !== 0x5a) return false
  for (let i = contentStart; i < end - 1; i++) {
    const octet = bytes[i] ?? 0
    if (octet < 0x30 || octet > 0x39) return false
  }
  const day = twoDigits(bytes, end - 9)
  if (day < 1 || day > (MOST_DAYS[twoDigits(bytes, end - 11)] ?? 0)) return false
  return twoDigits(bytes, end - 7) < 24 && twoDigits(bytes, end - 5) < 60 && twoDigits(bytes, end - 3) < 60
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 10 + (bytes[at + 1] ?? 0) - 0x30 * 11
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function isUnit(text: string): text is keyof typeof UNIT_MS {
  return Object.hasOwn(UNIT_MS, text)
}

/**
 * Reads a duration such as `'90d'`, `'12h'`, `'30m'`, `'5s'` or `'250ms'` and returns milliseconds.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything else; `option` names the option in the error.
 */
export function parseDuration(text: unknown, option: string): number {
  const match = typeof text === 'string' ? /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) : null
  const amount = match?.[1]
  const unit = match?.[2]
  if (amount === undefined || unit === undefined || !isUnit(unit)) {
    throw optionInvalid(option, "must be a duration such as '90d', '12h', '30m', '5s' or '250ms'")
  }
  return Number(amount) * UNIT_MS[unit]
}
