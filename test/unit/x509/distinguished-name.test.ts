/** Distinguished names: read (RFC 5280 section 4.1.2.4), compared (section 7.1) and shown (RFC 4514). */
import { describe, expect, it } from 'vitest'
import { DerReader, Tag } from '../../../src/x509/der.js'
import { decodeString, DistinguishedName, relativeNameKey } from '../../../src/x509/distinguished-name.js'
import { integer, nullValue, oid, sequence, setOf, textString, tlv } from '../../support/der-writer.js'
import { refusal, refusalAt } from '../../support/der-refusal.js'
import { encodeAttribute, encodeName, TAG, type Attribute, type Name } from '../../support/mint.js'

const parse = (bytes: Buffer, at = 0): DistinguishedName => DistinguishedName.read(new DerReader(bytes, at), 'subject')
const read = (name: Name): DistinguishedName => parse(encodeName(name))
const FOLLOWED = 'an attribute of the subject is followed by data that does not belong there'
const CN = '2.5.4.3'
const [O, OU, NAMED] = [encodeAttribute(['O', 'x']), encodeAttribute(['OU', 'y']), encodeAttribute(['CN', 'z'])]
const multiple = parse(sequence(setOf(O, OU), setOf(NAMED)))
const valued = (value: Buffer): DistinguishedName => parse(sequence(setOf(sequence(oid(CN), value))))

describe('a name', () => {
  it('a name has relative names of attributes, or none', () => {
    expect([read('').isEmpty, read('').relativeNames, multiple.isEmpty]).toEqual([true, [], false])
    expect(multiple.relativeNames.map((set) => set.map(({ type, text }) => `${type} ${text ?? ''}`))).toEqual([
      ['2.5.4.10 x', '2.5.4.11 y'],
      ['2.5.4.3 z'],
    ])
    expect(Buffer.from(multiple.relativeNames[1]?.[0]?.raw ?? [])).toEqual(textString(TAG.utf8String, 'z'))
  })

  it('a name is read without the bytes that follow it', () => {
    const bytes = encodeName('x')
    const name = parse(Buffer.concat([nullValue(), bytes, nullValue()]), 2)
    expect([Buffer.from(name.raw), Buffer.from(name.mapKey, 'latin1')]).toEqual([bytes, bytes])
  })

  it.each([
    ['subject is missing or of another type', setOf()],
    ['a relative name of the subject is missing or of another type', sequence(nullValue())],
    ['a relative name of the subject is missing or of another type', sequence(setOf(NAMED), nullValue())],
    ['an attribute of the subject is missing or of another type', sequence(setOf())],
    ['an attribute of the subject is missing or of another type', sequence(tlv(TAG.set, NAMED, nullValue()))],
    ['an attribute type of the subject is missing or of another type', sequence(setOf(sequence(integer(1))))],
    ['the data ends where another element must follow', sequence(setOf(sequence(oid(CN))))],
    [FOLLOWED, sequence(setOf(sequence(oid(CN), nullValue(), nullValue())))],
    ['more than 25 attributes in the subject', sequence(...Array.from({ length: 26 }, () => setOf(NAMED)))],
  ])('a malformed name is refused: %s', (reason, bytes) => {
    expect(refusal(() => parse(bytes))).toBe(reason)
  })

  it('a name has at most 4,096 bytes', () => {
    // Three headers of four bytes each, an identifier of five, and the string's own header of four.
    const bytes = (octets: number): Buffer =>
      Buffer.concat([Buffer.alloc(5000), encodeName([['CN', 'x'.repeat(octets - 21)]])])
    expect(parse(bytes(4096), 5000).isEmpty).toBe(false)
    expect(refusalAt(() => parse(bytes(4097), 5000))).toEqual(['a name of more than 4,096 bytes (subject)', 5000])
  })

  it('a name has the last common name, as Go takes it for the user', () => {
    const cn = (value: string): Attribute => ['CN', value]
    const names: Name[] = [[cn('first'), cn('second'), ['O', 'x']], [['O', 'x']], [['CN', 'a_b', TAG.printableString]]]
    expect(names.map((name) => read(name).commonName)).toEqual(['second', null, null])
  })
})

describe('two names', () => {
  const same = (a: Name, b: Name): boolean => {
    const [one, other] = [read(a), read(b)]
    expect([other.equals(one), one.key === other.key]).toEqual([one.equals(other), one.equals(other)])
    return one.equals(other)
  }

  it.each<[string, Name, Name]>([
    ['case', 'ETCD', 'etcd'],
    ['the kind of string', 'etcd', [['CN', 'etcd', TAG.printableString]]],
    ['the kind of string and case', 'Bücher', [['CN', 'bücher', TAG.bmpString]]],
    ['outer white space', '  etcd ca ', 'etcd ca'],
    ['the length of inner white space', 'etcd \t ca', 'etcd ca'],
  ])('two names are the same without regard to %s', (_, a, b) => {
    expect(same(a, b)).toBe(true)
  })

  it.each<[string, Name, Name]>([
    ['in text', 'etcd', 'etcd-0'],
    ['in white space', 'etcd ca', 'etcdca'],
    // As in OpenSSL and Go, other than in RFC 4518.
    ['in case beyond ASCII', 'É', 'é'],
    ['in compatibility forms', 'ﬁle ①', 'file 1'],
    ['in a space that does not break', 'etcd\u00a0ca', 'etcd ca'],
    ['in composed accents', 'u\u0308', 'ü'],
    ['in NumericString', '1', [['CN', '1', 18]]],
    ['in an attribute', 'x', [['O', 'x']]],
    ['in order', sequence(setOf(O), setOf(NAMED)), sequence(setOf(NAMED), setOf(O))],
    ['in the count of attributes', sequence(setOf(O)), sequence(setOf(O), setOf(O))],
    ['in the count of relative names', sequence(setOf(O, NAMED)), sequence(setOf(O), setOf(NAMED))],
    [
      'although one attribute looks like two',
      [['O', 'a"/2.5.4.3="b']],
      [
        ['O', 'a'],
        ['CN', 'b'],
      ],
    ],
    ['although a backslash looks like an escape', [['O', 'a\\']], [['O', 'a"']]],
    ['in the case of values that are not strings', valued(tlv(19, Buffer.from('a_'))).raw, [['CN', 'A_', 19]]],
    ['although one shows the bytes of the other', [['CN', '_', TAG.printableString]], '13015f'],
  ])('two names differ %s', (_, a, b) => {
    expect(same(a, b)).toBe(false)
  })

  it('two names are the same with the attributes of one relative name in any order', () => {
    expect(parse(sequence(tlv(TAG.set, O, NAMED))).equals(parse(sequence(tlv(TAG.set, NAMED, O))))).toBe(true)
    expect(relativeNameKey(multiple.relativeNames[0] ?? [])).toBe('2.5.4.10="x"+2.5.4.11="y"')
  })

  it('two names are the same with combining marks in any order, up to 30 in a row', () => {
    const marks = (count: number): [string, string] => {
      const above = '\u0307'.repeat(count - 1)
      return [`a${above}\u0323`, `a\u0323${above}`]
    }
    const sameByRfc = (a: string, b: string): boolean => {
      const [one, other] = [a, b].map((text) => relativeNameKey(read(text).relativeNames[0] ?? [], 'RFC 4518'))
      return one === other
    }
    expect(sameByRfc(...marks(30))).toBe(true)
    expect(sameByRfc(...marks(31))).toBe(false)
    expect(sameByRfc(`${marks(31)[0]}X`, `${marks(31)[0]}x`)).toBe(true)
  })
})

describe('a name is shown', () => {
  it('a name is shown with the last relative name first, and the known attributes by their short names', () => {
    expect([String(multiple), JSON.stringify(multiple)]).toEqual(['CN=z,O=x+OU=y', '"CN=z,O=x+OU=y"'])
    expect(String(read(''))).toBe('')
    const types = '3 4 5 6 7 8 9 10 11 12 42'.split(' ').map((arc) => `2.5.4.${arc}`)
    types.push('0.9.2342.19200300.100.1.1', '0.9.2342.19200300.100.1.25', '1.2.840.113549.1.9.1', '1.2.3')
    expect(types.map((type) => read([[type, 'x']]).toString()).join()).toBe(
      'CN=x,SN=x,serialNumber=x,C=x,L=x,ST=x,street=x,O=x,OU=x,title=x,GN=x,UID=x,DC=x,emailAddress=x,1.2.3=x',
    )
  })

  it.each([
    ['a,b+c;d<e>f"g\\h', 'a\\,b\\+c\\;d\\<e\\>f\\"g\\\\h'],
    [' a', '\\ a'],
    ['#a', '\\#a'],
    ['a ', 'a\\ '],
    ['  ', '\\ \\ '],
    ['a # b=c', 'a # b=c'],
    ['a\nb\u0000', 'a\\0Ab\\00'],
    ['a\u202eb', 'a\\E2\\80\\AEb'],
  ])('a name is shown with special characters escaped: %j', (text, shown) => {
    expect(read(text).toString()).toBe(`CN=${shown}`)
  })

  it('a name is shown in hexadecimal if a value is not a string, or a type not an identifier', () => {
    expect(read([['CN', '_', TAG.printableString]]).toString()).toBe('CN=#13015f')
    const type = tlv(TAG.oid, Buffer.from('80', 'hex'))
    expect(parse(sequence(setOf(sequence(type, textString(TAG.utf8String, 'x'))))).toString()).toBe('0x80=x')
  })
})

describe('a string', () => {
  const PRINTABLE = "AZaz09 '()+,-./:=?*&"

  it.each<[string, number, Buffer | string, string | null]>([
    ['UTF8String', TAG.utf8String, Buffer.from('ü€😀'), 'ü€😀'],
    ['UTF8String with a byte order mark', TAG.utf8String, Buffer.from('\ufeffx'), '\ufeffx'],
    ['malformed UTF8String', TAG.utf8String, Buffer.from('c328', 'hex'), null],
    ['PrintableString', TAG.printableString, PRINTABLE, PRINTABLE],
    ['PrintableString with an underscore', TAG.printableString, 'a_b', null],
    ['PrintableString with @ first', TAG.printableString, '@a', null],
    ['PrintableString with @ last', TAG.printableString, 'a@', null],
    ['NumericString', Tag.numericString, '0 19', '0 19'],
    ['NumericString with a letter first', Tag.numericString, 'a1', null],
    ['NumericString with a letter last', Tag.numericString, '1a', null],
    ['IA5String', TAG.ia5String, 'a\u007f@', 'a\u007f@'],
    ['IA5String beyond ASCII', TAG.ia5String, 'a\u0080', null],
    ['TeletexString, as Latin-1', TAG.teletexString, 'ü', 'ü'],
    ['BMPString', TAG.bmpString, Buffer.from('00fc20ac', 'hex'), 'ü€'],
    ['BMPString of half a character', TAG.bmpString, Buffer.from('00fc20', 'hex'), null],
    ['UniversalString', TAG.universalString, Buffer.from('000000fc0010ffff', 'hex'), 'ü\u{10ffff}'],
    ['UniversalString beyond Unicode', TAG.universalString, Buffer.from('00110000', 'hex'), null],
    ['UniversalString of half a character', TAG.universalString, Buffer.from('000000fc00', 'hex'), null],
    ['OCTET STRING', TAG.octetString, 'a', null],
  ])('a string is read: %s', (_, tag, content, expected) => {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
    // As a view into other bytes.
    const view = Buffer.concat([Buffer.from('x'), bytes, Buffer.from('x')]).subarray(1, 1 + bytes.length)
    expect(decodeString(tag, view)).toBe(expected)
  })

  it('a string of an attribute is malformed if its bytes do not fit, or Go does not read its kind', () => {
    const malformed = (value: Buffer): boolean | undefined => valued(value).relativeNames[0]?.[0]?.malformed
    const kinds = [TAG.utf8String, Tag.numericString, TAG.printableString, TAG.teletexString, TAG.ia5String]
    expect(kinds.map((tag) => malformed(tlv(tag, Buffer.from('1'))))).toEqual(kinds.map(() => false))
    expect(malformed(tlv(TAG.bmpString, Buffer.from('0031', 'hex')))).toBe(false)
    const bad = [
      tlv(TAG.universalString, Buffer.from('00000031', 'hex')),
      tlv(TAG.printableString, Buffer.from('_')),
      integer(1),
    ]
    expect(bad.map(malformed)).toEqual([true, true, true])
  })
})
