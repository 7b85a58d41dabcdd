/** Times in certificates (RFC 5280 section 4.1.2.5). */
import { DerError, type DerReader, Tag } from './der.js'

/**
 * Reads a `Time` (RFC 5280 section 4.1.2.5): UTCTime with two-digit years 1950–2049 or GeneralizedTime, both with
 * seconds, in Z, and without fractions.
 */
export function readTime(reader: DerReader, what: string): Date {
  const { tag, start, contentStart, end } = reader.element()
  const { bytes } = reader
  const yearDigits = yearDigitsOf(tag)
  if (yearDigits === 0) throw new DerError(`${what} is neither UTCTime nor GeneralizedTime`, start)
  if (end - contentStart !== yearDigits + 11 || bytes[end - 1] !== 0x5a) {
    throw new DerError(`${what} is not written as ${yearDigits === 2 ? 'YYMMDDhhmmssZ' : 'YYYYMMDDhhmmssZ'}`, start)
  }
  if (!areDigits(bytes, contentStart, end - 1)) throw new DerError(`${what} has a character that is not a digit`, start)
  const ofCentury = twoDigits(bytes, end - 13)
  const century = yearDigits === 4 ? twoDigits(bytes, end - 15) : ofCentury < 50 ? 20 : 19
  const year = century * 100 + ofCentury
  const month = twoDigits(bytes, end - 11)
  const day = twoDigits(bytes, end - 9)
  const [hour, minute, second] = [twoDigits(bytes, end - 7), twoDigits(bytes, end - 5), twoDigits(bytes, end - 3)]
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date.UTC reads the years 0–99 as 1900–1999.
  if (year < 100) time.setUTCFullYear(year, month - 1, day)
  // Date.UTC moves a day that does not exist to the next month.
  const dateIsReal = hasDay(month, day) || time.getUTCMonth() === month - 1
  if (!dateIsReal || hour > 23 || minute > 59 || second > 59)
    throw new DerError(`${what} is a date or time that does not exist`, start)
  return time
}

/** A fast check for CRLs: true only if {@link readTime} accepts the element. False for 29 February, even in a leap year. */
export function isTime(bytes: Uint8Array, tag: number, contentStart: number, end: number): boolean {
  const yearDigits = yearDigitsOf(tag)
  if (yearDigits === 0 || end - contentStart !== yearDigits + 11 || bytes[end - 1] !== 0x5a) return false
  if (!areDigits(bytes, contentStart, end - 1) || !hasDay(twoDigits(bytes, end - 11), twoDigits(bytes, end - 9)))
    return false
  return twoDigits(bytes, end - 7) < 24 && twoDigits(bytes, end - 5) < 60 && twoDigits(bytes, end - 3) < 60
}

function yearDigitsOf(tag: number): 0 | 2 | 4 {
  return tag === Tag.utcTime ? 2 : tag === Tag.generalizedTime ? 4 : 0
}

function areDigits(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const byte = bytes[i] ?? 0
    if (byte < 0x30 || byte > 0x39) return false
  }
  return true
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 10 + (bytes[at + 1] ?? 0) - 0x30 * 11
}

/** The last day of each month in every year, from month 1. */
const MOST_DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

function hasDay(month: number, day: number): boolean {
  return day > 0 && day <= (MOST_DAYS[month] ?? 0)
}
