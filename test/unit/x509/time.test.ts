/** Times of certificates (RFC 5280 section 4.1.2.5), to the second and no other way; durations of options. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DerError, DerReader, Tag } from '../../../src/x509/der.js'
import { isTime, parseDuration, readTime } from '../../../src/x509/time.js'
import { nullValue } from '../../support/der-writer.js'
import { rawTime } from '../../support/mint.js'

const utc = (text: string): Buffer => rawTime(Tag.utcTime, text)
const generalized = (text: string): Buffer => rawTime(Tag.generalizedTime, text)
const read = (element: Buffer): string => readTime(new DerReader(element), 'notAfter').toISOString()
const quick = (element: Buffer): boolean => isTime(element, element[0] ?? 0, 2, element.length)

function reason(element: Buffer): string | null {
  try {
    read(element)
    return null
  } catch (error) {
    if (error instanceof DerError) return error.reason
    throw error
  }
}

describe('UTCTime', () => {
  it.each([
    ['000101000000Z', '2000-01-01T00:00:00.000Z'],
    ['491231235959Z', '2049-12-31T23:59:59.000Z'],
    ['500101000000Z', '1950-01-01T00:00:00.000Z'],
    ['991231235959Z', '1999-12-31T23:59:59.000Z'],
    ['240229123456Z', '2024-02-29T12:34:56.000Z'],
  ])('%s is %s', (text, iso) => {
    expect(read(utc(text))).toBe(iso)
  })
})

describe('GeneralizedTime', () => {
  it.each([
    ['20500101000000Z', '2050-01-01T00:00:00.000Z'],
    ['19491231235959Z', '1949-12-31T23:59:59.000Z'],
    ['99991231235959Z', '9999-12-31T23:59:59.000Z'],
    ['00000101000000Z', '0000-01-01T00:00:00.000Z'],
    ['00000229000000Z', '0000-02-29T00:00:00.000Z'],
    ['00991231235959Z', '0099-12-31T23:59:59.000Z'],
    ['01000101000000Z', '0100-01-01T00:00:00.000Z'],
    ['20000229000000Z', '2000-02-29T00:00:00.000Z'],
  ])('%s is %s', (text, iso) => {
    expect(read(generalized(text))).toBe(iso)
  })
})

describe('the calendar', () => {
  const days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  const two = (value: number): string => String(value).padStart(2, '0')

  it.each(days.map((last, i) => [i + 1, last]))('month %d of 2023 has %d days', (month, last) => {
    const day = (value: number): Buffer => utc(`23${two(month)}${two(value)}000000Z`)
    for (const value of [1, last]) {
      expect(reason(day(value))).toBeNull()
      expect(quick(day(value))).toBe(true)
    }
    for (const value of [0, last + 1, 99]) {
      expect(reason(day(value))).toBe('notAfter is a date or time that does not exist')
      expect(quick(day(value))).toBe(false)
    }
  })

  it.each(['19000229000000Z', '21000229000000Z', '20230229000000Z', '00990229000000Z'])('has no %s', (text) => {
    expect(reason(generalized(text))).toBe('notAfter is a date or time that does not exist')
  })

  it.each(['230001000000Z', '231301000000Z', '230101240000Z', '230101006000Z', '230101000060Z'])(
    'has no %s',
    (text) => {
      expect(reason(utc(text))).toBe('notAfter is a date or time that does not exist')
      expect(quick(utc(text))).toBe(false)
    },
  )

  it('has hours to 23, minutes and seconds to 59', () => {
    expect(read(utc('230101235959Z'))).toBe('2023-01-01T23:59:59.000Z')
    expect(quick(utc('230101235959Z'))).toBe(true)
  })
})

describe('other spellings', () => {
  it.each([
    ['without seconds', '2301010000Z'],
    ['of another length', '2301010000000Z'],
    ['with an offset', '230101000000+0000'],
    ['without Z', '2301010000001'],
    ['with a small z', '230101000000z'],
    ['with a fraction', '230101000000.0Z'],
    ['with four digits for the year', '20230101000000Z'],
    ['empty', ''],
  ])('%s are no UTCTime', (_, text) => {
    expect(reason(utc(text))).toBe('notAfter is not written as YYMMDDhhmmssZ')
    expect(quick(utc(text))).toBe(false)
  })

  it.each(['230101000000Z', '20230101000000', '20230101000000.0Z'])('%s is no GeneralizedTime', (text) => {
    expect(reason(generalized(text))).toBe('notAfter is not written as YYYYMMDDhhmmssZ')
    expect(quick(generalized(text))).toBe(false)
  })

  it('with another character than a digit, at any place, are none', () => {
    for (const text of ['230101000000Z', '20230101000000Z']) {
      const make = text.length === 13 ? utc : generalized
      for (let at = 0; at < text.length - 1; at++) {
        for (const character of ['/', ':', ' ', '-']) {
          const changed = make(text.slice(0, at) + character + text.slice(at + 1))
          expect(reason(changed)).toBe('notAfter has a character that is not a digit')
          expect(quick(changed)).toBe(false)
        }
      }
    }
  })

  it('of another type are none', () => {
    expect(reason(rawTime(Tag.printableString, '230101000000Z'))).toBe(
      'notAfter is neither UTCTime nor GeneralizedTime',
    )
    expect(quick(rawTime(Tag.printableString, '230101000000Z'))).toBe(false)
    expect(quick(rawTime(Tag.printableString, '0101000000Z'))).toBe(false)
  })

  it('are told with their place', () => {
    const at = (bytes: Buffer): unknown => {
      try {
        return readTime(new DerReader(bytes, 2), 'notAfter')
      } catch (error) {
        return error instanceof DerError ? error.offset : error
      }
    }
    for (const text of ['2301010000Z', '23010100000xZ', '231301000000Z']) {
      expect(at(Buffer.concat([nullValue(), utc(text)]))).toBe(2)
    }
    expect(at(Buffer.concat([nullValue(), nullValue()]))).toBe(2)
  })
})

it('the quick look says yes to no time that cannot be read, and no to none but a 29th of February', () => {
  const digits = fc.array(fc.nat({ max: 9 }), { minLength: 14, maxLength: 14 }).map((all) => all.join(''))
  const dates = fc
    .date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
    .map((date) => date.toISOString().replace(/[-:T]|\.\d+Z/g, ''))
  fc.assert(
    fc.property(fc.oneof(digits, dates), fc.boolean(), (text, short) => {
      const element = short ? utc(`${text.slice(2)}Z`) : generalized(`${text}Z`)
      const isLeapDay = text.slice(4, 8) === '0229'
      return quick(element) === (reason(element) === null && !isLeapDay)
    }),
  )
})

describe('durations', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['5s', 5000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['90d', 7_776_000_000],
    ['999999999999ms', 999_999_999_999],
  ])('%s is %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text, 'clockSkew')).toBe(milliseconds)
  })

  it.each([
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s ',
    '5sx',
    'x5s',
    '-5s',
    '1.5s',
    '5S',
    '5w',
    '1h30m',
    '9999999999999s',
    ['5s'],
    5,
    null,
  ])('%j is none', (text) => {
    expect(() => parseDuration(text, 'clockSkew')).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option: 'clockSkew' }) as unknown,
      }) as Error,
    )
  })
})
