import { describe, expect, it } from 'vitest'
import { DerError, DerReader, oidText, Tag } from '../../../src/x509/der.js'

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const reader = (hex: string): DerReader => new DerReader(bytes(hex))

describe('elements', () => {
  it('reads nested elements without leaving the outer one', () => {
    const inner = reader('30 03 02 01 05').enter(Tag.sequence, 'outer')
    expect(inner.smallInteger('number')).toBe(5)
    expect(inner.atEnd).toBe(true)
    expect(() => inner.element()).toThrow(DerError)
  })

  it.each([
    ['an indefinite length', '30 80 00 00'],
    ['a length in more octets than needed', '30 81 03 02 01 05'],
    ['a length in more octets than needed, two', '30 82 00 03 02 01 05'],
    ['a length past the end', '30 04 02 01 05'],
    ['a length of five octets', '30 85 00 00 00 00 00'],
    ['a length that is cut', '30 82 01'],
    ['a header that is cut', '30'],
    ['a tag of several octets', '3f 81 01 00'],
    ['nothing', ''],
  ])('refuses %s', (_, hex) => {
    expect(() => reader(hex).element()).toThrow(DerError)
  })

  it('tells what follows an element that should be the last', () => {
    const two = reader('05 00 05 00')
    two.null('nothing')
    expect(() => {
      two.finish('the data')
    }).toThrow('byte 2')
  })
})

describe('values', () => {
  it.each([
    ['an empty INTEGER', '02 00'],
    ['a padded positive INTEGER', '02 02 00 7f'],
    ['a padded negative INTEGER', '02 02 ff 80'],
    ['another type', '04 01 05'],
  ])('refuses %s as INTEGER', (_, hex) => {
    expect(() => reader(hex).integer('number')).toThrow(DerError)
  })

  it('reads small integers up to 31 bits and no further', () => {
    expect(reader('02 04 7f ff ff ff').smallInteger('n')).toBe(0x7fffffff)
    expect(() => reader('02 05 00 80 00 00 00').smallInteger('n')).toThrow('too large')
    expect(() => reader('02 01 ff').smallInteger('n')).toThrow('negative')
  })

  it('takes 00 and FF for a BOOLEAN, nothing else', () => {
    expect(reader('01 01 ff').boolean('flag')).toBe(true)
    expect(reader('01 01 00').boolean('flag')).toBe(false)
    expect(() => reader('01 01 01').boolean('flag')).toThrow(DerError)
    expect(() => reader('01 02 ff ff').boolean('flag')).toThrow(DerError)
  })

  it.each([
    ['without octets', '03 00'],
    ['with eight unused bits', '03 02 08 00'],
    ['with unused bits and no octet', '03 01 01'],
    ['with padding bits set', '03 02 01 01'],
  ])('refuses a BIT STRING %s', (_, hex) => {
    expect(() => reader(hex).bitString('bits')).toThrow(DerError)
  })

  it('refuses a NULL with contents', () => {
    expect(() => {
      reader('05 01 00').null('nothing')
    }).toThrow(DerError)
  })
})

describe('object identifiers', () => {
  const text = (hex: string): string => oidText(bytes(hex), 'oid', 0)

  it.each([
    ['55 1d 11', '2.5.29.17'],
    ['2a 86 48 86 f7 0d 01 01 0b', '1.2.840.113549.1.1.11'],
    ['00', '0.0'],
    ['27', '0.39'],
    ['78', '2.40'],
    [
      '69 83 a4 f4 b1 8d c2 e5 a8 d9 ef 9e 9b 8b 8f 80 8c 85 01',
      '2.25.' + String(decodeArc('83 a4 f4 b1 8d c2 e5 a8 d9 ef 9e 9b 8b 8f 80 8c 85 01')),
    ],
  ])('reads %s', (hex, dotted) => {
    expect(text(hex)).toBe(dotted)
  })

  it.each([
    ['an empty one', ''],
    ['a padded arc', '55 80 01'],
    ['one that ends inside an arc', '55 9d'],
    ['one of 65 octets', '55' + '01'.repeat(64)],
  ])('refuses %s', (_, hex) => {
    expect(() => text(hex)).toThrow(DerError)
  })
})

/** The arc by BigInt alone, as a second opinion on the mixed arithmetic of the reader. */
function decodeArc(hex: string): bigint {
  return Array.from(bytes(hex)).reduce((value, octet) => value * 128n + BigInt(octet & 0x7f), 0n)
}
