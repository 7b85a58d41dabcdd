/** The strict reader of DER (X.690): what it reads, what it refuses, at which byte and why. */
import { describe, expect, it } from 'vitest'
import { bytesEqual, contextTag, DerError, DerReader, hasBit, hex, oidText, Tag } from '../../../src/x509/der.js'
import { refusalAt } from '../../support/der-refusal.js'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const reader = (text: string): DerReader => new DerReader(bytes(text))

describe('an element', () => {
  it('an element is read at its place, and no further than the outer one', () => {
    const all = reader('05 00 04 81 80' + '00'.repeat(128))
    expect(all.element()).toEqual({ tag: 5, start: 0, contentStart: 2, end: 2 })
    expect(all.offset).toBe(2)
    expect(all.element()).toEqual({ tag: 4, start: 2, contentStart: 5, end: 133 })
    expect([all.atEnd, all.peek()]).toEqual([true, -1])
    const inner = reader('30 03 02 01 05 05 00').enter(Tag.sequence, 'outer')
    expect(inner.smallInteger('number')).toBe(5)
    expect(() => inner.element()).toThrow(DerError)
  })

  it('an element has a length in its shortest form', () => {
    for (const [header, length] of [
      ['04 7f', 0x7f],
      ['04 81 80', 0x80],
      ['04 81 ff', 0xff],
      ['04 82 01 00', 0x100],
      ['04 83 01 00 00', 0x10000],
    ] as const) {
      const input = Buffer.concat([bytes(header), Buffer.alloc(length)])
      expect(new DerReader(input).octetString('octets')).toHaveLength(length)
    }
  })

  it.each([
    ['the data ends inside an element header', ['30']],
    ['a multi-byte tag, which X.509 does not use', ['1f 01 00', '3f 81 01 00']],
    ['an indefinite length, which DER forbids', ['30 80 00 00']],
    ['a length of more than four bytes', ['30 85 00 00 00 00 00', '30 ff']],
    ['the data ends inside a length', ['30 81', '30 82 01']],
    [
      'a length that is longer than it needs to be',
      ['30 81 03 02 01 05', '30 81 7f', '30 82 00 ff', '30 83 00 ff ff', '30 84 00 ff ff ff'],
    ],
    ['a length that reaches past the data', ['30 01', '30 03 02 01', '30 81 80', '30 84 ff ff ff ff']],
  ])('a malformed element is refused: %s', (reason, inputs) => {
    for (const text of inputs) {
      const input = bytes(`05 00 ${text} ${'00'.repeat(300)}`)
      const middle = new DerReader(input, 2, input.length - 300)
      expect(refusalAt(() => middle.element())).toEqual([reason, 2])
    }
    expect(refusalAt(() => reader('').element())).toEqual(['the data ends where another element must follow', 0])
  })

  it('an element is entered or skipped by its tag, and reported if it has another', () => {
    const all = reader('a0 02 05 00 04 00')
    expect(all.optional(Tag.octetString)).toBeNull()
    expect(all.enterOptional(0xa1)).toBeNull()
    expect(all.enterOptional(0xa0)?.peek()).toBe(Tag.null)
    expect(refusalAt(() => all.expect(Tag.integer, 'n'))).toEqual(['n is missing or of another type', 4])
    expect(refusalAt(() => all.enter(Tag.set, 'list'))).toEqual(['list is missing or of another type', 4])
    expect(() => {
      all.finish('the data')
    }).toThrow('the data is followed by data that does not belong there (byte 4)')
    expect(all.optional(Tag.octetString)).toMatchObject({ start: 4 })
    all.finish('the data')
  })

  it('an element is returned as a view, with or without its header', () => {
    const input = bytes('30 04 04 02 0a 0b')
    const element = new DerReader(input).enter(Tag.sequence, 'outer').element()
    const whole = new DerReader(input)
    expect([whole.content(element), whole.whole(element)]).toEqual([bytes('0a 0b'), bytes('04 02 0a 0b')])
    expect(whole.content(element).buffer).toBe(input.buffer)
  })

  it('an element has a context tag that is constructed or primitive', () => {
    expect([contextTag(3, 'constructed'), contextTag(3, 'primitive')]).toEqual([0xa3, 0x83])
  })
})

describe('INTEGER', () => {
  it.each(['00', '7f', '80', 'ff', '00 80', 'ff 7f', '01 00'])('reads the bytes %s', (octets) => {
    const content = bytes(octets)
    expect(new DerReader(Buffer.from([2, content.length, ...content])).integer('n')).toEqual(Buffer.from(content))
  })

  it.each([
    ['02 00', 'n is an INTEGER without bytes'],
    ['02 02 00 7f', 'n is an INTEGER that is longer than it needs to be'],
    ['02 02 ff 80', 'n is an INTEGER that is longer than it needs to be'],
    ['04 01 05', 'n is missing or of another type'],
  ])('refuses %s: %s', (text, reason) => {
    expect(refusalAt(() => reader(text).integer('n'))).toEqual([reason, 0])
  })

  it('a small INTEGER has at most 31 bits and no sign', () => {
    const small = (text: string): number => reader(text).smallInteger('n')
    expect(['02 01 00', '02 02 01 02', '02 04 7f ff ff ff'].map(small)).toEqual([0, 258, 0x7fffffff])
    expect(reader('82 01 05').smallInteger('n', 0x82)).toBe(5)
    for (const text of ['02 05 00 80 00 00 00', '02 09 01' + '00'.repeat(8)]) {
      expect(refusalAt(() => small(text))).toEqual(['n is too large', 0])
    }
    for (const text of ['02 01 80', '02 04 80 00 00 00']) {
      expect(refusalAt(() => small(text))).toEqual(['n is negative', 0])
    }
  })
})

it('reads a BOOLEAN of 00 or FF', () => {
  expect(['01 01 ff', '01 01 00'].map((text) => reader(text).boolean('flag'))).toEqual([true, false])
  for (const text of ['01 01 01', '01 01 fe', '01 00', '01 02 ff ff']) {
    expect(refusalAt(() => reader(text).boolean('flag'))).toEqual(['flag is a BOOLEAN that is neither 00 nor FF', 0])
  }
})

describe('BIT STRING', () => {
  it.each([
    ['03 01 00', '', 0],
    ['03 02 00 ff', 'ff', 0],
    ['03 02 07 80', '80', 7],
    ['03 03 04 01 f0', '01 f0', 4],
  ])('reads %s', (text, octets, unusedBits) => {
    expect(reader(text).bitString('bits')).toEqual({ bytes: bytes(octets), unusedBits })
  })

  it.each([
    ['a wrong count of unused bits', ['03 00', '03 02 08 00', '03 01 01']],
    ['padding bits are set', ['03 02 01 01', '03 02 07 c0', '03 02 04 08']],
  ])('a BIT STRING is refused: %s', (reason, inputs) => {
    for (const text of inputs) expect(refusalAt(() => reader(text).bitString('bits'))[0]).toContain(reason)
  })

  it('numbers its bits from the first', () => {
    expect([0, 1, 8, 16].map((bit) => hasBit(bytes('80 80'), bit))).toEqual([true, false, true, false])
    expect(reader('81 02 00 ff').bitString('bits', 0x81).bytes).toEqual(bytes('ff'))
  })
})

it('reads a NULL without contents', () => {
  reader('05 00').null('nothing')
  const read = (): void => {
    reader('05 01 00').null('nothing')
  }
  expect(refusalAt(read)).toEqual(['nothing is a NULL with contents', 0])
})

describe('OBJECT IDENTIFIER', () => {
  it.each([
    ['55 1d 11', '2.5.29.17'],
    ['55 1d 7f', '2.5.29.127'],
    ['55 1d 81 00', '2.5.29.128'],
    ['55 1d 11 05', '2.5.29.17.5'],
    ['55 04 03', '2.5.4.3'],
    ['2a 1d 11', '1.2.29.17'],
    ['00', '0.0'],
    ['27', '0.39'],
    ['28', '1.0'],
    ['4f', '1.39'],
    ['50', '2.0'],
    ['88 37', '2.999'],
    ['2a ff ff ff ff ff ff 7f', `1.2.${String(2n ** 49n - 1n)}`],
    ['2a ff ff ff ff ff ff ff 7f', `1.2.${String(2n ** 56n - 1n)}`],
    ['ff ff ff ff ff ff ff 7f', `2.${String(2n ** 56n - 81n)}`],
    ['55' + '01'.repeat(63), `2.5${'.1'.repeat(63)}`],
  ])('%s is %s', (octets, dotted) => {
    const content = bytes(octets)
    expect(oidText(content, 'oid', 0)).toBe(dotted)
    expect(new DerReader(Buffer.from([6, content.length, ...content])).oid('oid')).toBe(dotted)
  })

  it.each([
    ['', 'oid is an empty OBJECT IDENTIFIER'],
    ['80 01', 'oid is an OBJECT IDENTIFIER with a padded arc'],
    ['55 1d 80', 'oid is an OBJECT IDENTIFIER with a padded arc'],
    ['55 9d', 'oid is an OBJECT IDENTIFIER that ends inside an arc'],
    ['55' + '01'.repeat(64), 'oid is an OBJECT IDENTIFIER of more than 64 bytes'],
  ])('refuses %s: %s', (octets, reason) => {
    const content = bytes(octets)
    const second = new DerReader(Buffer.from([5, 0, 6, content.length, ...content]), 2)
    expect(refusalAt(() => second.oid('oid'))).toEqual([reason, 2])
  })
})

it('shows and compares bytes', () => {
  expect(hex(bytes('00 0a ff 01').subarray(1, 3))).toBe('0AFF')
  const equal = (a: string, b: string): boolean => bytesEqual(bytes(a), bytes(b))
  expect([equal('0a 0b', '0a 0b'), equal('', '')]).toEqual([true, true])
  expect([equal('0a 0b 0c', '0a 00 0c'), equal('0a 0b', '0a 0c'), equal('0a 0b', '0a')]).toEqual([false, false, false])
})
