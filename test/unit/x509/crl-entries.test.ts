/** The entries of a list: the index finds what reading one entry after the other finds, and refuses the same. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RevokedEntries } from '../../../src/x509/crl/crl-entries.js'
import { DerError, DerReader } from '../../../src/x509/der.js'
import { DistinguishedName } from '../../../src/x509/distinguished-name.js'
import { readGeneralNames } from '../../../src/x509/general-name.js'
import { isTime, readTime } from '../../../src/x509/time.js'
import { integer, sequence } from '../../support/der-writer.js'
import {
  certificateIssuer,
  encodeExtension,
  encodeName,
  type Extension,
  invalidityDate,
  rawTime,
  reasonCode,
  TAG,
  unknownExtension,
} from '../../support/mint.js'
import { scaled } from '../../support/long.js'

const NAMES = ['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded']
const ISSUER = DistinguishedName.read(new DerReader(encodeName('CA')), 'issuer')
const TIME = rawTime(TAG.utcTime, '250102030405Z')

function entry(serial: Uint8Array | number, time: Uint8Array = TIME, ...extensions: Uint8Array[]): Buffer {
  return sequence(integer(serial), time, ...extensions)
}

function read(bytes: Uint8Array, hasExtensions = true): RevokedEntries {
  return RevokedEntries.read(bytes, { start: 0, end: bytes.length, hasExtensions }, ISSUER)
}

describe('the index of entries', () => {
  it('finds what a search from the first to the last finds', () => {
    const serial = fc.bigInt({ min: 0n, max: 2n ** 40n })
    const listed = fc.record({ serial, reason: fc.option(fc.nat(4)), second: fc.boolean() })
    fc.assert(
      fc.property(fc.array(listed, { maxLength: 60 }), fc.array(serial, { maxLength: 10 }), (entries, unlisted) => {
        const bytes = Buffer.concat(
          entries.map((each) => {
            const extensions = each.reason === null ? [] : [sequence(encodeExtension(reasonCode(each.reason)))]
            return sequence(integer(each.serial), TIME, ...extensions)
          }),
        )
        const index = read(bytes)
        expect(index.size).toBe(entries.length)
        for (const wanted of [...entries.map((each) => each.serial), ...unlisted]) {
          const inOrder = entries.filter((each) => each.serial === wanted).map(({ reason }) => nameOf(reason))
          const found = index.entriesOf(integer(wanted).subarray(2)).map(({ reason }) => reason)
          expect(found).toEqual(inOrder)
        }
      }),
    )
  })

  it('tells serial numbers apart whose hashes are the same', () => {
    const [one, two] = collidingSerials()
    const both = read(Buffer.concat([entry(one, TIME, list([reasonCode(1)])), entry(two)]))
    expect(both.entriesOf(one).map(({ reason }) => reason)).toEqual(['keyCompromise'])
    expect(both.entriesOf(two).map(({ reason }) => reason)).toEqual([null])
    expect(read(entry(one)).entriesOf(two)).toEqual([])
  })

  it('holds serial numbers of any length, negative ones and zero', () => {
    const serials = [
      Buffer.from([0]),
      Buffer.from([0x80]),
      Buffer.from([0, 0x80]),
      Buffer.alloc(200, 1),
      Buffer.alloc(70_000, 2),
    ]
    const index = read(Buffer.concat(serials.map((serial) => entry(serial))))
    for (const serial of serials) expect(index.entriesOf(serial)).toHaveLength(1)
    expect(index.entriesOf(Buffer.from([1]))).toEqual([])
  })

  it('of no entries finds none', () => {
    expect(read(Buffer.alloc(0)).entriesOf(Buffer.from([1]))).toEqual([])
  })

  it('reads a reason and an invalidity date in either order', () => {
    const date = new Date('2024-01-01T00:00:00Z')
    const both = [reasonCode(1), invalidityDate(date)]
    for (const extensions of [both, both.toReversed()]) {
      const [found] = read(entry(5, TIME, list(extensions))).entriesOf(Buffer.from([5]))
      expect(found).toEqual({
        revokedAt: new Date('2025-01-02T03:04:05Z'),
        reason: 'keyCompromise',
        invalidSince: date,
        isOfOtherIssuer: false,
      })
    }
    const [found] = read(entry(5, TIME, list([invalidityDate(date)]))).entriesOf(Buffer.from([5]))
    expect(found).toMatchObject({ reason: null, invalidSince: date })
  })

  it('reads critical ones of these, too', () => {
    const extensions = [reasonCode(1, true), invalidityDate(new Date('2024-01-01T00:00:00Z'), true)]
    const index = read(entry(5, TIME, list(extensions)))
    expect(index.unknownCritical).toEqual([])
    expect(index.entriesOf(Buffer.from([5]))[0]?.reason).toBe('keyCompromise')
  })

  it('collects what stands in the way of the whole list', () => {
    const bytes = Buffer.concat([
      entry(1, TIME, list([unknownExtension(true, '1.2.3.4')])),
      entry(2, TIME, list([unknownExtension(true, '1.2.3.4'), unknownExtension(false, '1.2.3.5')])),
    ])
    expect(read(bytes).unknownCritical).toEqual(['1.2.3.4'])
    expect(read(bytes).hasOtherIssuer).toBe(false)
    expect(read(entry(1, TIME, list([certificateIssuer('x', false)]))).hasOtherIssuer).toBe(true)
    expect(read(entry(1, TIME, list([certificateIssuer('x')]))).unknownCritical).toEqual([])
  })

  it('tells entries of other issuers from those of the list’s own, which an entry may name, too', () => {
    const bytes = Buffer.concat([
      entry(1),
      entry(2, TIME, list([certificateIssuer('x')])),
      entry(3),
      entry(4, TIME, list([certificateIssuer('CA')])),
      entry(5),
      entry(1, TIME, list([certificateIssuer('x')])),
    ])
    const found = (serial: number): boolean[] =>
      read(bytes)
        .entriesOf(Buffer.from([serial]))
        .map(({ isOfOtherIssuer }) => isOfOtherIssuer)
    expect([1, 2, 3, 4, 5].map(found)).toEqual([[false, true], [true], [true], [false], [false]])
    expect(read(entry(1, TIME, list([certificateIssuer('CA')]))).hasOtherIssuer).toBe(false)
  })

  it.each<[string, Buffer]>([
    ['no SEQUENCE', integer(1)],
    ['no serial number', sequence(TIME)],
    ['an empty serial number', entry(Buffer.alloc(0))],
    ['a padded serial number', entry(Buffer.from([0, 1]))],
    ['a padded negative serial number', entry(Buffer.from([0xff, 0x80]))],
    ['no time', sequence(integer(1))],
    ['a time that is none', entry(1, integer(5))],
    ['a time that does not exist', entry(1, rawTime(TAG.utcTime, '250230000000Z'))],
    ['a time of the wrong length', entry(1, rawTime(TAG.generalizedTime, '250102030405Z'))],
    ['something behind the time', entry(1, TIME, integer(5))],
    ['no extensions in the list of them', entry(1, TIME, sequence())],
    ['something behind the extensions', entry(1, TIME, list([reasonCode(1)]), integer(5))],
    [
      'something behind the reason',
      entry(1, TIME, list([{ ...reasonCode(1), value: Buffer.from('0a010100', 'hex') }])),
    ],
    ['a padded reason', entry(1, TIME, list([{ ...reasonCode(1), value: Buffer.from('0a020001', 'hex') }]))],
    ['a negative reason', entry(1, TIME, list([{ ...reasonCode(1), value: Buffer.from('0a0180', 'hex') }]))],
    [
      'an issuer that is no name',
      entry(1, TIME, list([{ ...certificateIssuer('x'), value: Buffer.from('0500', 'hex') }])),
    ],
    ['two reasons', entry(1, TIME, list([reasonCode(1), reasonCode(1)]))],
    ['two dates', entry(1, TIME, list([invalidityDate(new Date(0)), invalidityDate(new Date(0))]))],
    [
      'an invalidity date that does not exist',
      entry(
        1,
        TIME,
        list([{ ...invalidityDate(new Date(0)), value: rawTime(TAG.generalizedTime, '20250230000000Z') }]),
      ),
    ],
    ['a critical flag that is none', entry(1, TIME, Buffer.from('300d300b0603551d150101010403', 'hex'))],
    ['a length that reaches past the list', Buffer.from('30200201050203', 'hex')],
  ])('refuses an entry with %s, first or last', (_, bad) => {
    const good = entry(9, TIME, list([reasonCode(1)]))
    expect(() => read(good)).not.toThrow()
    for (const bytes of [bad, Buffer.concat([bad, good]), Buffer.concat([good, bad])]) {
      expect(() => read(bytes)).toThrow(DerError)
    }
  })

  it('refuses extensions in a list of version 1, and nothing else of it', () => {
    expect(read(entry(5), false).size).toBe(1)
    expect(() => read(entry(5, TIME, list([reasonCode(1)])), false)).toThrow('version 1')
    expect(() => read(entry(5, TIME, list([unknownExtension(false)])), false)).toThrow('version 1')
  })

  it('refuses an entry that is cut anywhere', () => {
    const whole = entry(Buffer.from('112233445566', 'hex'), TIME, list([reasonCode(1), invalidityDate(new Date(0))]))
    for (let length = 1; length < whole.length; length++) {
      expect(() => read(whole.subarray(0, length)), String(length)).toThrow(DerError)
    }
  })

  it('judges every changed octet as an entry by itself is judged', () => {
    const whole = entry(Buffer.from('1122', 'hex'), TIME, list([reasonCode(1), invalidityDate(new Date(0))]))
    for (let at = 0; at < whole.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Buffer.from(whole)
        changed[at] = value
        expect(isRead(changed), `${String(at)}: ${String(value)}`).toBe(isReadSlowly(changed))
      }
    }
  })
})

describe('the quick look at a time', () => {
  it('agrees with the thorough one, but for the 29th of February', () => {
    const digits = (from: number, to: number): fc.Arbitrary<string> =>
      fc.integer({ min: from, max: to }).map((n) => String(n).padStart(2, '0'))
    const text = fc
      .tuple(digits(0, 99), digits(0, 14), digits(0, 33), digits(0, 25), digits(0, 61), digits(0, 61))
      .map((parts) => parts.join(''))
    const century = fc.constantFrom('', '00', '19', '20', '99')
    const end = fc.constantFrom('Z', 'z', '', 'ZZ', '+0000')
    fc.assert(
      fc.property(century, text, end, (first, rest, last) => {
        const tag = first === '' ? TAG.utcTime : TAG.generalizedTime
        const bytes = rawTime(tag, `${first}${rest}${last}`)
        const slow = isTimeSlowly(bytes)
        const quick = isTime(bytes, tag, 2, bytes.length)
        return rest.slice(2, 6) === '0229' ? !quick || slow : quick === slow
      }),
      { numRuns: scaled({ short: 500, long: 3000 }) },
    )
    expect(isTime(rawTime(TAG.utcTime, '24010203040/Z'), TAG.utcTime, 2, 15)).toBe(false)
    expect(isTime(rawTime(TAG.utcTime, '24010203040:Z'), TAG.utcTime, 2, 15)).toBe(false)
    expect(isTime(rawTime(TAG.utf8String, '240102030405Z'), TAG.utf8String, 2, 15)).toBe(false)
  })

  it('leaves the 29th of February to the thorough one', () => {
    expect(read(entry(5, rawTime(TAG.utcTime, '240229000000Z'))).size).toBe(1)
    expect(() => read(entry(5, rawTime(TAG.utcTime, '250229000000Z')))).toThrow(DerError)
  })
})

function list(extensions: readonly Extension[]): Buffer {
  return sequence(...extensions.map(encodeExtension))
}

function nameOf(reason: number | null): string | null {
  return reason === null ? null : (NAMES[reason] ?? null)
}

/** Two serial numbers of one 30-bit FNV-1a hash. */
function collidingSerials(): [Buffer, Buffer] {
  const seen = new Map<number, Buffer>()
  for (let i = 0; i < 2 ** 20; i++) {
    const serial = Buffer.alloc(8, 0x40)
    serial.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, 4)
    const hash = serial.reduce((sum, octet) => Math.imul(sum ^ octet, 0x01000193), 0x811c9dc5) >>> 6
    const twin = seen.get(hash)
    if (twin !== undefined) return [twin, serial]
    seen.set(hash, serial)
  }
  throw new Error('there should have been two')
}

function isRead(bytes: Buffer): boolean {
  try {
    read(bytes)
    return true
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}

/** The same result by the reader of DER alone, an element at a time. */
function isReadSlowly(bytes: Buffer): boolean {
  try {
    const reader = new DerReader(bytes)
    const fields = reader.enter(TAG.sequence, 'entry')
    reader.finish('entry')
    fields.integer('serial')
    readTime(fields, 'time')
    if (fields.atEnd) return true
    const extensions = fields.enter(TAG.sequence, 'extensions')
    fields.finish('entry')
    const ids = new Set<string>()
    do {
      const extension = extensions.enter(TAG.sequence, 'extension')
      const id = Buffer.from(extension.content(extension.expect(TAG.oid, 'id'))).toString('hex')
      if (ids.has(id)) return false
      ids.add(id)
      const critical = extension.peek() === TAG.boolean ? extension.boolean('critical') : false
      const value = new DerReader(extension.octetString('value'))
      extension.finish('extension')
      if (id === '551d15') value.smallInteger('reason', TAG.enumerated)
      else if (id === '551d18') {
        if (value.peek() !== TAG.generalizedTime) return false
        readTime(value, 'date')
      } else if (id === '551d1d') {
        readGeneralNames(value)
      } else if (critical) {
        new DerReader(Buffer.from(`06${(id.length / 2).toString(16).padStart(2, '0')}${id}`, 'hex')).oid('id')
        continue
      } else continue
      value.finish('value')
    } while (!extensions.atEnd)
    return true
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}

function isTimeSlowly(bytes: Buffer): boolean {
  try {
    readTime(new DerReader(bytes), 'time')
    return true
  } catch (error) {
    if (error instanceof DerError) return false
    throw error
  }
}
