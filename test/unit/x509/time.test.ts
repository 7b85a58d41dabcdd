/** Times of certificates (RFC 5280 section 4.1.2.5), to the second and in one spelling only. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DerError, DerReader, Tag } from '../../../src/x509/der.js'
import { isTime, readTime } from '../../../src/x509/time.js'
import { nullValue } from '../../support/der-writer.js'
import { refusalAt } from '../../support/der-refusal.js'
import { rawTime } from '../../support/mint.js'
import { scaled } from '../../support/long.js'

/** UTCTime for two digits of the year, GeneralizedTime for four. */
const timeOf = (text: string, tag: number = /^\d{14}Z$/.test(text) ? Tag.generalizedTime : Tag.utcTime): Buffer =>
  rawTime(tag, text)
const quick = (element: Buffer): boolean => isTime(element, element[0] ?? 0, 2, element.length)
const NONE = 'notAfter is a date or time that does not exist'

function reason(element: Buffer): string | null {
  try {
    readTime(new DerReader(element), 'notAfter')
    return null
  } catch (error) {
    if (error instanceof DerError) return error.reason
    throw error
  }
}

it.each([
  ['491231235959Z', '2049-12-31T23:59:59.000Z'],
  ['500101000000Z', '1950-01-01T00:00:00.000Z'],
  ['240229123456Z', '2024-02-29T12:34:56.000Z'],
  ['20500101000000Z', '2050-01-01T00:00:00.000Z'],
  ['99991231235959Z', '9999-12-31T23:59:59.000Z'],
  ['00000229000000Z', '0000-02-29T00:00:00.000Z'],
  ['00991231235959Z', '0099-12-31T23:59:59.000Z'],
  ['01000101000000Z', '0100-01-01T00:00:00.000Z'],
  ['20000229000000Z', '2000-02-29T00:00:00.000Z'],
])('reads %s as %s', (text, iso) => {
  expect(readTime(new DerReader(timeOf(text)), 'notAfter').toISOString()).toBe(iso)
})

it('refuses a day that its month does not have', () => {
  const days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  const two = (value: number): string => String(value).padStart(2, '0')
  for (const [i, last] of days.entries()) {
    const day = (value: number): Buffer => timeOf(`23${two(i + 1)}${two(value)}000000Z`)
    for (const value of [1, last]) expect([reason(day(value)), quick(day(value))]).toEqual([null, true])
    for (const value of [0, last + 1, 99]) expect([reason(day(value)), quick(day(value))]).toEqual([NONE, false])
  }
  const leap = ['19000229000000Z', '21000229000000Z', '00990229000000Z'].map((text) => timeOf(text))
  expect(leap.map(reason)).toEqual(leap.map(() => NONE))
})

it('refuses a month, hour, minute or second that does not exist', () => {
  for (const text of ['230001000000Z', '231301000000Z', '230101240000Z', '230101006000Z', '230101000060Z']) {
    expect([reason(timeOf(text)), quick(timeOf(text))]).toEqual([NONE, false])
  }
})

describe('another spelling is refused', () => {
  it.each([
    ['without seconds', '2301010000Z'],
    ['of another length', '2301010000000Z'],
    ['with an offset', '230101000000+0000'],
    ['without Z', '2301010000001'],
    ['with a small z', '230101000000z'],
    ['with a fraction', '230101000000.0Z'],
    ['empty', ''],
  ])('another spelling is refused: a time %s', (_, text) => {
    expect(reason(timeOf(text))).toBe('notAfter is not written as YYMMDDhhmmssZ')
    const long = timeOf(text === '' ? '' : `20${text}`, Tag.generalizedTime)
    expect(reason(long)).toBe('notAfter is not written as YYYYMMDDhhmmssZ')
    expect([timeOf(text), long].map(quick)).toEqual([false, false])
  })

  it('another spelling is refused with a character that is not a digit, at any place', () => {
    for (const text of ['230101000000Z', '20230101000000Z']) {
      for (let at = 0; at < text.length - 1; at++) {
        for (const character of ['/', ':']) {
          const tag = text.length === 13 ? Tag.utcTime : Tag.generalizedTime
          const changed = timeOf(text.slice(0, at) + character + text.slice(at + 1), tag)
          expect([reason(changed), quick(changed)]).toEqual(['notAfter has a character that is not a digit', false])
        }
      }
    }
  })

  it('another spelling is refused in another type, with its place in the data', () => {
    const string = timeOf('230101000000Z', Tag.printableString)
    expect(refusalAt(() => readTime(new DerReader(Buffer.concat([nullValue(), string]), 2), 'notAfter'))).toEqual([
      'notAfter is neither UTCTime nor GeneralizedTime',
      2,
    ])
    expect(quick(string)).toBe(false)
    expect(quick(timeOf('0101000000Z', Tag.printableString))).toBe(false)
  })
})

it('the quick check agrees with the reader, except that it leaves the 29th of February to it', () => {
  const digits = fc.array(fc.nat({ max: 9 }), { minLength: 14, maxLength: 14 }).map((all) => all.join(''))
  const dates = fc
    .date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
    .map((date) => date.toISOString().replace(/[-:T]|\.\d+Z/g, ''))
  fc.assert(
    fc.property(fc.oneof(digits, dates), fc.boolean(), (text, short) => {
      const element = timeOf(`${short ? text.slice(2) : text}Z`)
      return quick(element) === (reason(element) === null && text.slice(4, 8) !== '0229')
    }),
    { numRuns: scaled({ short: 200, long: 3000 }) },
  )
})
