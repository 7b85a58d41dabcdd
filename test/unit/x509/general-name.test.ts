/** GeneralName (RFC 5280 section 4.2.1.6): every kind of name, its text and its bytes; names of kinds and forms that are none. */
import { describe, expect, it } from 'vitest'
import { DerReader } from '../../../src/x509/der.js'
import {
  MAX_NAMES,
  readGeneralName,
  readGeneralNames,
  readNames,
  type GeneralName,
  type IpForm,
} from '../../../src/x509/general-name.js'
import { contextPrimitive, nullValue, oid, sequence, utf8String } from '../../support/der-writer.js'
import { refusal, refusalAt } from '../../support/der-refusal.js'
import {
  directoryName,
  dns,
  email,
  encodeName,
  ip,
  ipBytes,
  ipRange,
  otherName,
  rawName,
  registeredId,
  uri,
} from '../../support/mint.js'

/** Reads a name in the middle of other data. */
function read(name: Buffer, form: IpForm = 'address'): GeneralName {
  const reader = new DerReader(Buffer.concat([nullValue(), name, nullValue()]), 2)
  const read = readGeneralName(reader, form)
  expect(reader.offset).toBe(2 + name.length)
  return read
}

const content = (name: Buffer): Buffer => name.subarray(2)

describe('a name', () => {
  it.each<[string, Buffer, string]>([
    ['dns', dns('etcd-0.etcd'), 'etcd-0.etcd'],
    ['dns', dns(''), ''],
    ['dns', dns('\u007f'), '\u007f'],
    ['email', email('a@b.c'), 'a@b.c'],
    ['uri', uri('spiffe://a/b'), 'spiffe://a/b'],
    ['ip', ip('10.0.0.1'), '10.0.0.1'],
    ['ip', ip('::1'), '::1'],
    ['registeredId', registeredId('1.2.3'), '1.2.3'],
    ['otherName', otherName('1.2.3', utf8String('x')), '06022a03a0030c0178'],
    ['x400', rawName(0xa3, Buffer.from('0a', 'hex')), '0a'],
    ['ediParty', rawName(0xa5, Buffer.from('0b', 'hex')), '0b'],
    ['dirName', directoryName([['O', 'x']]), 'O=x'],
  ])('of kind %s has its text and its octets', (kind, encoded, value) => {
    const name = read(encoded)
    expect(name).toMatchObject({ kind, value })
    expect(name.value).toBe(value)
    expect(Buffer.from(name.bytes)).toEqual(content(encoded))
  })

  it('of a directory is a distinguished name', () => {
    const { directoryName: name } = read(directoryName('x'))
    expect(Buffer.from(name?.raw ?? [])).toEqual(encodeName('x'))
    expect(read(dns('x')).directoryName).toBeUndefined()
  })

  it('of a kind that is not read shows 64 octets', () => {
    expect(read(rawName(0xa0, Buffer.alloc(100, 1))).value).toBe('01'.repeat(64))
  })

  it.each<[string, Buffer]>([
    ['a name of a kind that RFC 5280 does not know', rawName(0x89, Buffer.from('a'))],
    ['a name of a kind that RFC 5280 does not know', rawName(0x9e, Buffer.from('a'))],
    ['a name of a kind that RFC 5280 does not know', rawName(0x42, Buffer.from('a'))],
    ['a name of a kind that RFC 5280 does not know', rawName(0xc2, Buffer.from('a'))],
    ['a name of a kind that RFC 5280 does not know', utf8String('a')],
    ['a dns name whose encoding form is wrong', rawName(0xa2, Buffer.from('a'))],
    ['a ip name whose encoding form is wrong', rawName(0xa7, Buffer.alloc(4))],
    ['a otherName name whose encoding form is wrong', rawName(0x80, Buffer.from('a'))],
    ['a x400 name whose encoding form is wrong', rawName(0x83, Buffer.from('a'))],
    ['a dirName name whose encoding form is wrong', rawName(0x84, encodeName('x'))],
    ['a ediParty name whose encoding form is wrong', rawName(0x85, Buffer.from('a'))],
    ['a name with a character outside ASCII (IA5String)', dns('\u0080')],
    ['a name with a character outside ASCII (IA5String)', email('a@ü')],
    ['a name with a character outside ASCII (IA5String)', uri('üa')],
    ['an IP address of 0 octets', ipBytes(Buffer.alloc(0))],
    ['an IP address of 5 octets', ipBytes(Buffer.alloc(5))],
    ['an IP address of 8 octets', ipRange('10.0.0.0/8')],
    ['an IP address of 32 octets', ipRange('::/8')],
    ['a registered id is an empty OBJECT IDENTIFIER', contextPrimitive(8, Buffer.alloc(0))],
  ])('is refused: %s', (reason, name) => {
    expect(refusalAt(() => read(name))).toEqual([reason, 2])
  })

  it('of a directory holds one name', () => {
    expect(refusal(() => read(rawName(0xa4, nullValue())))).toBe('directory name is missing or of another type')
    expect(refusal(() => read(rawName(0xa4, Buffer.concat([encodeName('x'), nullValue()]))))).toBe(
      'a directory name is followed by data that does not belong there',
    )
  })
})

describe('an address in a constraint', () => {
  it.each([
    [ipRange('10.0.0.0/8'), '10.0.0.0/255.0.0.0'],
    [ipRange('fd00::/16'), 'fd00::/ffff::'],
  ])('has its mask behind it', (encoded, value) => {
    expect(read(encoded, 'address-and-mask').value).toBe(value)
  })

  it.each([
    [4, 'an IP address of 4 octets'],
    [9, 'an IP address of 9 octets'],
    [16, 'an IP address of 16 octets'],
  ])('has not %d octets', (octets, reason) => {
    expect(refusal(() => read(ipBytes(Buffer.alloc(octets)), 'address-and-mask'))).toBe(reason)
  })
})

describe('a list', () => {
  const values = (names: readonly GeneralName[]): string[] => names.map(({ value }) => value)

  it('is of one name at least', () => {
    expect(values(readGeneralNames(new DerReader(sequence(dns('a'), dns('b')))))).toEqual(['a', 'b'])
    expect(values(readNames(new DerReader(Buffer.concat([dns('a'), dns('b')]))))).toEqual(['a', 'b'])
    expect(refusal(() => readGeneralNames(new DerReader(sequence())))).toBe(
      'the data ends where another element must follow',
    )
    expect(refusal(() => readGeneralNames(new DerReader(dns('a'))))).toBe(
      'the list of names is missing or of another type',
    )
  })

  it('is of addresses without masks', () => {
    expect(refusal(() => readGeneralNames(new DerReader(sequence(ipRange('10.0.0.0/8')))))).toContain('8 octets')
  })

  it('is of 5,000 names at most', () => {
    const names = Buffer.concat(Array.from({ length: MAX_NAMES }, () => dns('a')))
    expect(readNames(new DerReader(names))).toHaveLength(5000)
    expect(refusalAt(() => readNames(new DerReader(Buffer.concat([names, oid('1.2')]))))).toEqual([
      'a list of more than 5,000 names',
      names.length,
    ])
  })
})
