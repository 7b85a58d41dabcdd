/** GeneralName (RFC 5280 section 4.2.1.6): every kind of name, its text and its bytes; names that are refused. */
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

it.each<[string, Buffer, string, IpForm?]>([
  ['dns', dns('etcd-0.etcd'), 'etcd-0.etcd'],
  ['dns', dns('\u007f'), '\u007f'],
  ['email', email('a@b.c'), 'a@b.c'],
  ['uri', uri('spiffe://a/b'), 'spiffe://a/b'],
  ['ip', ip('10.0.0.1'), '10.0.0.1'],
  ['ip', ip('::1'), '::1'],
  ['ip', ipRange('10.0.0.0/8'), '10.0.0.0/255.0.0.0', 'address-and-mask'],
  ['ip', ipRange('fd00::/16'), 'fd00::/ffff::', 'address-and-mask'],
  ['registeredId', registeredId('1.2.3'), '1.2.3'],
  ['otherName', otherName('1.2.3', utf8String('x')), '06022a03a0030c0178'],
  ['otherName', otherName('1.2.3', utf8String('x'.repeat(90))), `06022a03a05c0c5a${'78'.repeat(56)}`],
  ['x400', rawName(0xa3, Buffer.from('0a', 'hex')), '0a'],
  ['ediParty', rawName(0xa5, Buffer.from('0b', 'hex')), '0b'],
  ['dirName', directoryName([['O', 'x']]), 'O=x'],
])('reads a name of the kind %s: %#', (kind, encoded, value, form) => {
  const name = read(encoded, form)
  expect([name.kind, name.value]).toEqual([kind, value])
  expect(Buffer.from(name.bytes)).toEqual(encoded.subarray(2))
  expect(name.directoryName?.toString()).toBe(kind === 'dirName' ? value : undefined)
})

const KIND = 'a name of a kind that RFC 5280 does not know'
const ASCII = 'a name with a character outside ASCII (IA5String)'

it.each<[string, Buffer, IpForm?]>([
  [KIND, rawName(0x89, Buffer.from('a'))],
  [KIND, rawName(0x9e, Buffer.from('a'))],
  [KIND, rawName(0x42, Buffer.from('a'))],
  [KIND, rawName(0xc2, Buffer.from('a'))],
  [KIND, utf8String('a')],
  ['a dns name whose encoding form is wrong', rawName(0xa2, Buffer.from('a'))],
  ['a otherName name whose encoding form is wrong', rawName(0x80, Buffer.from('a'))],
  ['a x400 name whose encoding form is wrong', rawName(0x83, Buffer.from('a'))],
  ['a dirName name whose encoding form is wrong', rawName(0x84, encodeName('x'))],
  ['a ediParty name whose encoding form is wrong', rawName(0x85, Buffer.from('a'))],
  [ASCII, dns('\u0080')],
  [ASCII, email('a@ü')],
  [ASCII, uri('üa')],
  ['an IP address of 0 bytes', ipBytes(Buffer.alloc(0))],
  ['an IP address of 5 bytes', ipBytes(Buffer.alloc(5))],
  ['an IP address of 8 bytes', ipRange('10.0.0.0/8')],
  ['an IP address of 4 bytes', ip('10.0.0.1'), 'address-and-mask'],
  ['an IP address of 9 bytes', ipBytes(Buffer.alloc(9)), 'address-and-mask'],
  ['a registered id is an empty OBJECT IDENTIFIER', contextPrimitive(8, Buffer.alloc(0))],
])('refuses %s: %#', (reason, name, form) => {
  expect(refusalAt(() => read(name, form))).toEqual([reason, 2])
})

it('refuses a directory name that is not one name', () => {
  expect(refusal(() => read(rawName(0xa4, nullValue())))).toBe('directory name is missing or of another type')
  expect(refusal(() => read(rawName(0xa4, Buffer.concat([encodeName('x'), nullValue()]))))).toBe(
    'a directory name is followed by data that does not belong there',
  )
})

it('refuses an otherName that OpenSSL does not read', () => {
  const refused = [rawName(0xa0, Buffer.from('a003020105', 'hex')), otherName('1.2.3', Buffer.from('0501', 'hex'))]
  expect(refused.map((name) => refusal(() => read(name)))).toEqual([
    'the type of an otherName is missing or of another type',
    'a length that reaches past the data',
  ])
})

describe('a list of names', () => {
  it('a list of names has at least one name, and addresses without masks', () => {
    const list = (...names: Buffer[]): string[] =>
      readGeneralNames(new DerReader(sequence(...names))).map(({ value }) => value)
    expect(list(dns('a'), dns('b'))).toEqual(['a', 'b'])
    expect(refusal(() => list())).toBe('an empty list of names')
    expect(refusal(() => list(ipRange('10.0.0.0/8')))).toContain('8 bytes')
  })

  it('a list of names has at most 5,000 names', () => {
    const names = Buffer.concat(Array.from({ length: MAX_NAMES }, () => dns('a')))
    expect(readNames(new DerReader(names))).toHaveLength(5000)
    const reason = 'more than 5,000 names'
    expect(refusalAt(() => readNames(new DerReader(Buffer.concat([names, oid('1.2')]))))).toEqual([
      reason,
      names.length,
    ])
  })
})
