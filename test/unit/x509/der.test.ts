/** The strict reader of DER (X.690): what it reads, what it refuses, at which byte and why. */
import { describe, expect, it } from 'vitest'
import { bytesEqual, contextTag, DerError, DerReader, hex, oidText, Tag } from '../../../src/x509/der.js'
import { refusalAt } from '../../support/der-refusal.js'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const reader = (text: string): DerReader => new DerReader(bytes(text))

describe('elements', () => {
  it('are read without leaving the outer one', () => {
    const inner = reader('30 03 02 01 05').enter(Tag.sequence, 'outer')
    expect(inner.smallInteger('number')).toBe(5)
    expect(inner.atEnd).toBe(true)
    expect(() => inner.element()).toThrow(DerError)
  })

  it('say where they stand', () => {
    const all = reader('05 00 04 81 80' + '00'.repeat(128))
    expect(all.element()).toEqual({ tag: 5, start: 0, contentStart: 2, end: 2 })
    expect(all.offset).toBe(2)
    expect(all.element()).toEqual({ tag: 4, start: 2, contentStart: 5, end: 133 })
    expect(all.atEnd).toBe(true)
  })

  it('of every length that fits are read in its shortest form', () => {
    for (const [header, length] of [
      ['04 7f', 0x7f],
      ['04 81 80', 0x80],
      ['04 81 ff', 0xff],
      ['04 82 01 00', 0x100],
      ['04 82 ff ff', 0xffff],
      ['04 83 01 00 00', 0x10000],
    ] as const) {
      const input = Buffer.concat([bytes(header), Buffer.alloc(length)])
      expect(new DerReader(input).octetString('octets')).toHaveLength(length)
    }
  })

  it.each([
    ['', 'the data ends where another element must follow'],
    ['1f 01 00', 'a multi-byte tag, which X.509 does not use'],
    ['3f 81 01 00', 'a multi-byte tag, which X.509 does not use'],
    ['30', 'the data ends inside an element header'],
    ['30 80 00 00', 'an indefinite length, which DER forbids'],
    ['30 85 00 00 00 00 00', 'a length of more than four octets'],
    ['30 ff', 'a length of more than four octets'],
    ['30 81', 'the data ends inside a length'],
    ['30 82 01', 'the data ends inside a length'],
    ['30 81 03 02 01 05', 'a length that is longer than it needs to be'],
    ['30 81 7f', 'a length that is longer than it needs to be'],
    ['30 82 00 03 02 01 05', 'a length that is longer than it needs to be'],
    ['30 82 00 ff', 'a length that is longer than it needs to be'],
    ['30 83 00 ff ff', 'a length that is longer than it needs to be'],
    ['30 84 00 ff ff ff', 'a length that is longer than it needs to be'],
    ['30 81 80', 'a length that reaches past the data'],
    ['30 82 01 00', 'a length that reaches past the data'],
    ['30 83 01 00 00', 'a length that reaches past the data'],
    ['30 84 01 00 00 00', 'a length that reaches past the data'],
    ['30 84 ff ff ff ff', 'a length that reaches past the data'],
    ['30 04 02 01 05', 'a length that reaches past the data'],
  ])('%s: %s', (text, reason) => {
    expect(refusalAt(() => reader(text).element())).toEqual([reason, 0])
    // The same in the middle of other data, which is not looked at.
    const input = bytes(`05 00 ${text} ${'00'.repeat(300)}`)
    const middle = new DerReader(input, 2, input.length - 300)
    expect(refusalAt(() => middle.element())).toEqual([reason, 2])
  })

  it('are entered or passed over by their tag', () => {
    const all = reader('a0 02 05 00 04 00')
    expect(all.peek()).toBe(0xa0)
    expect(all.optional(Tag.octetString)).toBeNull()
    expect(all.enterOptional(0xa1)).toBeNull()
    expect(all.offset).toBe(0)
    expect(all.enterOptional(0xa0)?.peek()).toBe(Tag.null)
    expect(all.optional(Tag.octetString)).toMatchObject({ start: 4 })
    expect(all.peek()).toBe(-1)
    expect(all.optional(Tag.octetString)).toBeNull()
    expect(all.enterOptional(0xa0)).toBeNull()
  })

  it('of another type than expected are told with their place', () => {
    const two = reader('05 00 05 00')
    two.null('nothing')
    expect(refusalAt(() => two.expect(Tag.integer, 'the number'))).toEqual([
      'the number is missing or of another type',
      2,
    ])
    expect(refusalAt(() => two.enter(Tag.sequence, 'the list'))).toEqual(['the list is missing or of another type', 2])
    expect(() => {
      two.finish('the data')
    }).toThrow('the data is followed by data that does not belong there (byte 2)')
    two.null('nothing')
    two.finish('the data')
  })

  it('are handed out as views, with or without their header', () => {
    const input = bytes('30 04 04 02 0a 0b')
    const element = new DerReader(input).enter(Tag.sequence, 'outer').element()
    const whole = new DerReader(input)
    expect(whole.content(element)).toEqual(bytes('0a 0b'))
    expect(whole.whole(element)).toEqual(bytes('04 02 0a 0b'))
    expect(whole.content(element).buffer).toBe(input.buffer)
  })

  it('are the same where all octets are', () => {
    const all = reader('04 01 0a 04 01 0a 02 01 0a 04 02 0a 0a 04 01 0b')
    const [a, same, integer, longer, other] = [1, 2, 3, 4, 5].map(() => all.element())
    if (!a || !same || !other || !longer || !integer) throw new Error('five elements')
    expect(all.areEqual(a, same)).toBe(true)
    expect(all.areEqual(same, a)).toBe(true)
    expect(all.areEqual(a, other)).toBe(false)
    expect(all.areEqual(a, longer)).toBe(false)
    expect(all.areEqual(a, integer)).toBe(false)
  })
})

describe('tags', () => {
  it('of the context are constructed or primitive', () => {
    expect([contextTag(0, 'constructed'), contextTag(3, 'constructed')]).toEqual([0xa0, 0xa3])
    expect([contextTag(0, 'primitive'), contextTag(3, 'primitive')]).toEqual([0x80, 0x83])
  })
})

describe('INTEGER', () => {
  it.each(['00', '7f', '80', 'ff', '00 80', 'ff 7f', '01 00'])('%s is read as it stands', (octets) => {
    const content = bytes(octets)
    expect(new DerReader(Buffer.from([2, content.length, ...content])).integer('n')).toEqual(Buffer.from(content))
  })

  it('may stand under an implicit tag', () => {
    expect(reader('82 01 05').integer('n', 0x82)).toEqual(bytes('05'))
    expect(reader('82 01 05').smallInteger('n', 0x82)).toBe(5)
    expect(() => reader('02 01 05').integer('n', 0x82)).toThrow(DerError)
  })

  it.each([
    ['02 00', 'n is an INTEGER without octets'],
    ['02 02 00 7f', 'n is an INTEGER that is longer than it needs to be'],
    ['02 02 00 00', 'n is an INTEGER that is longer than it needs to be'],
    ['02 02 ff 80', 'n is an INTEGER that is longer than it needs to be'],
    ['02 02 ff ff', 'n is an INTEGER that is longer than it needs to be'],
    ['04 01 05', 'n is missing or of another type'],
  ])('%s: %s', (text, reason) => {
    expect(refusalAt(() => reader(text).integer('n'))).toEqual([reason, 0])
  })

  it('that is small has 31 bits at most, and no sign', () => {
    expect(reader('02 01 00').smallInteger('n')).toBe(0)
    expect(reader('02 01 7f').smallInteger('n')).toBe(127)
    expect(reader('02 02 01 02').smallInteger('n')).toBe(258)
    expect(reader('02 04 7f ff ff ff').smallInteger('n')).toBe(0x7fffffff)
    for (const text of ['02 05 00 80 00 00 00', '02 05 01 00 00 00 00', '02 09 01' + '00'.repeat(8)]) {
      expect(refusalAt(() => reader(text).smallInteger('n'))).toEqual(['n is too large', 0])
    }
    for (const text of ['02 01 ff', '02 01 80', '02 04 80 00 00 00']) {
      expect(refusalAt(() => reader(text).smallInteger('n'))).toEqual(['n is negative', 0])
    }
  })
})

describe('BOOLEAN', () => {
  it('is 00 or FF', () => {
    expect(reader('01 01 ff').boolean('flag')).toBe(true)
    expect(reader('01 01 00').boolean('flag')).toBe(false)
    for (const text of ['01 01 01', '01 01 fe']) {
      expect(refusalAt(() => reader(text).boolean('flag'))).toEqual(['flag is a BOOLEAN that is neither 00 nor FF', 0])
    }
    for (const text of ['01 00', '01 02 ff ff']) {
      expect(refusalAt(() => reader(text).boolean('flag'))).toEqual(['flag is a BOOLEAN of a wrong length', 0])
    }
  })
})

describe('BIT STRING', () => {
  it.each([
    ['03 01 00', '', 0],
    ['03 02 00 ff', 'ff', 0],
    ['03 02 01 fe', 'fe', 1],
    ['03 02 07 80', '80', 7],
    ['03 03 04 01 f0', '01 f0', 4],
  ])('%s is read', (text, octets, unusedBits) => {
    expect(reader(text).bitString('bits')).toEqual({ octets: bytes(octets), unusedBits })
  })

  it.each([
    ['03 00', 'bits is a BIT STRING with a wrong count of unused bits'],
    ['03 02 08 00', 'bits is a BIT STRING with a wrong count of unused bits'],
    ['03 01 01', 'bits is a BIT STRING with a wrong count of unused bits'],
    ['03 02 01 01', 'bits is a BIT STRING whose padding bits are set'],
    ['03 02 07 c0', 'bits is a BIT STRING whose padding bits are set'],
    ['03 02 04 08', 'bits is a BIT STRING whose padding bits are set'],
  ])('%s: %s', (text, reason) => {
    expect(refusalAt(() => reader(text).bitString('bits'))).toEqual([reason, 0])
  })

  it('may stand under an implicit tag', () => {
    expect(reader('81 02 00 ff').bitString('bits', 0x81).octets).toEqual(bytes('ff'))
  })
})

describe('NULL', () => {
  it('is empty', () => {
    reader('05 00').null('nothing')
    const read = (): void => {
      reader('05 01 00').null('nothing')
    }
    expect(refusalAt(read)).toEqual(['nothing is a NULL with contents', 0])
  })
})

describe('OBJECT IDENTIFIER', () => {
  const OIDS = [
    ['55 1d 11', '2.5.29.17'],
    ['55 1d 00', '2.5.29.0'],
    ['55 1d 7f', '2.5.29.127'],
    ['55 1d 81 00', '2.5.29.128'],
    ['55 1d 11 05', '2.5.29.17.5'],
    ['55 04 03', '2.5.4.3'],
    ['2a 1d 11', '1.2.29.17'],
    ['55 1d', '2.5.29'],
    ['2a 86 48 86 f7 0d 01 01 0b', '1.2.840.113549.1.1.11'],
    ['00', '0.0'],
    ['27', '0.39'],
    ['28', '1.0'],
    ['4f', '1.39'],
    ['50', '2.0'],
    ['78', '2.40'],
    ['88 37', '2.999'],
    ['2a 81 80 01', '1.2.16385'],
    ['2a ff ff ff ff ff ff 7f', `1.2.${String(2n ** 49n - 1n)}`],
    ['2a ff ff ff ff ff ff ff 7f', `1.2.${String(2n ** 56n - 1n)}`],
    ['ff ff ff ff ff ff ff 7f', `2.${String(2n ** 56n - 81n)}`],
    [
      '69 83 a4 f4 b1 8d c2 e5 a8 d9 ef 9e 9b 8b 8f 80 8c 85 01 05',
      `2.25.${String(decodeArc('83 a4 f4 b1 8d c2 e5 a8 d9 ef 9e 9b 8b 8f 80 8c 85 01'))}.5`,
    ],
    ['55' + '01'.repeat(63), `2.5${'.1'.repeat(63)}`],
  ] as const

  it.each(OIDS)('%s is %s', (octets, dotted) => {
    const content = bytes(octets)
    expect(oidText(content, 'oid', 0)).toBe(dotted)
    expect(new DerReader(Buffer.from([6, content.length, ...content])).oid('oid')).toBe(dotted)
  })

  it.each([
    ['', 'oid is an empty OBJECT IDENTIFIER'],
    ['80 01', 'oid is an OBJECT IDENTIFIER with a padded arc'],
    ['55 80 01', 'oid is an OBJECT IDENTIFIER with a padded arc'],
    ['55 1d 80', 'oid is an OBJECT IDENTIFIER with a padded arc'],
    ['55 9d', 'oid is an OBJECT IDENTIFIER that ends inside an arc'],
    ['55' + '01'.repeat(64), 'oid is an OBJECT IDENTIFIER of more than 64 octets'],
  ])('%s: %s', (octets, reason) => {
    const content = bytes(octets)
    expect(refusalAt(() => oidText(content, 'oid', 7))).toEqual([reason, 7])
    const second = new DerReader(Buffer.from([5, 0, 6, content.length, ...content]), 2)
    expect(refusalAt(() => second.oid('oid'))).toEqual([reason, 2])
  })
})

describe('octets', () => {
  it('are shown in upper-case hexadecimal, those of a view alone', () => {
    expect(hex(bytes('00 0a ff 01').subarray(1, 3))).toBe('0AFF')
  })

  it('are equal in length and in each octet', () => {
    expect(bytesEqual(bytes('0a 0b'), bytes('0a 0b'))).toBe(true)
    expect(bytesEqual(bytes('0a 0b'), bytes('0a 0c'))).toBe(false)
    expect(bytesEqual(bytes('0a 0b'), bytes('0a'))).toBe(false)
    expect(bytesEqual(bytes(''), bytes(''))).toBe(true)
  })
})

it('an error says the byte', () => {
  const error = new DerError('a length that is wrong', 7)
  expect(error).toMatchObject({ name: 'DerError', message: 'a length that is wrong (byte 7)', offset: 7 })
})

/** The arc by BigInt alone, as a second opinion on the mixed arithmetic of the reader. */
function decodeArc(text: string): bigint {
  return Array.from(bytes(text)).reduce((value, octet) => value * 128n + BigInt(octet & 0x7f), 0n)
}
