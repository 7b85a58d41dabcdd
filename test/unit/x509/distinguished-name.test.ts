/** Distinguished names: read (RFC 5280 section 4.1.2.4), compared (section 7.1) and shown (RFC 4514). */
import { describe, expect, it } from 'vitest'
import { type DerError, DerReader, Tag } from '../../../src/x509/der.js'
import { decodeString, DistinguishedName, relativeNameKey } from '../../../src/x509/distinguished-name.js'
import { integer, nullValue, oid, sequence, setOf, textString, tlv } from '../../support/der-writer.js'
import { refusal, refusalAt } from '../../support/der-refusal.js'
import { encodeAttribute, encodeName, TAG, type Attribute, type Name } from '../../support/mint.js'

const read = (name: Name): DistinguishedName => DistinguishedName.read(new DerReader(encodeName(name)), 'subject')
const CN = '2.5.4.3'
/** A name of one relative name with these attributes. */
const multi = (...attributes: Attribute[]): DistinguishedName =>
  read(sequence(setOf(...attributes.map(encodeAttribute))))
const valued = (value: Buffer): DistinguishedName => read(sequence(setOf(sequence(oid(CN), value))))

describe('a name', () => {
  it('is empty, or has relative names of attributes', () => {
    expect(read('').isEmpty).toBe(true)
    expect(read('').relativeNames).toEqual([])
    const name = read(
      sequence(setOf(encodeAttribute(['O', 'x']), encodeAttribute(['OU', 'y'])), setOf(encodeAttribute(['CN', 'z']))),
    )
    expect(name.isEmpty).toBe(false)
    expect(name.relativeNames.map((set) => set.map(({ type, text, malformed }) => [type, text, malformed]))).toEqual([
      [
        ['2.5.4.10', 'x', false],
        ['2.5.4.11', 'y', false],
      ],
      [[CN, 'z', false]],
    ])
    expect(Buffer.from(name.relativeNames[1]?.[0]?.raw ?? [])).toEqual(textString(TAG.utf8String, 'z'))
  })

  it('stands for itself alone in what it was read from', () => {
    const bytes = encodeName('x')
    const reader = new DerReader(Buffer.concat([nullValue(), bytes, nullValue()]), 2)
    const name = DistinguishedName.read(reader, 'subject')
    expect(Buffer.from(name.raw)).toEqual(bytes)
    expect(Buffer.from(name.octets, 'latin1')).toEqual(bytes)
    expect(reader.peek()).toBe(Tag.null)
  })

  it.each([
    ['subject is missing or of another type', setOf()],
    ['a relative name of the subject is missing or of another type', sequence(nullValue())],
    ['an attribute of the subject is missing or of another type', sequence(setOf())],
    ['an attribute of the subject is missing or of another type', sequence(setOf(nullValue()))],
    ['an attribute type of the subject is missing or of another type', sequence(setOf(sequence(integer(1))))],
    ['the data ends where another element must follow', sequence(setOf(sequence(oid(CN))))],
    [
      'an attribute of the subject is followed by data that does not belong there',
      sequence(setOf(sequence(oid(CN), nullValue(), nullValue()))),
    ],
  ])('is refused at once where %s', (reason, bytes) => {
    expect(() => DistinguishedName.read(new DerReader(bytes), 'subject')).toThrow(
      expect.objectContaining({ name: 'DerError', reason }) as DerError,
    )
  })

  it('is refused at once for whatever stands behind what is sound', () => {
    const [name, attribute] = [setOf(encodeAttribute(['CN', 'x'])), encodeAttribute(['CN', 'x'])]
    const refused = (bytes: Buffer): string => refusal(() => DistinguishedName.read(new DerReader(bytes), 'subject'))
    expect(refused(sequence(name, nullValue()))).toContain('a relative name of the subject')
    expect(refused(sequence(tlv(TAG.set, attribute, nullValue())))).toContain('an attribute of the subject')
    expect(refused(sequence(name, tlv(TAG.set, attribute, sequence())))).toContain('an attribute type of the subject')
  })

  it('has 4,096 octets at most, wherever it stands', () => {
    const read = (octets: number): DistinguishedName => {
      // Three headers of four bytes each, an identifier of five, and the string's own header of four.
      const bytes = encodeName([['CN', 'x'.repeat(octets - 21)]])
      expect(bytes).toHaveLength(octets)
      return DistinguishedName.read(new DerReader(Buffer.concat([Buffer.alloc(5000), bytes]), 5000), 'subject')
    }
    expect(read(4096).isEmpty).toBe(false)
    expect(refusalAt(() => read(4097))).toEqual(['a name of more than 4,096 octets (subject)', 5000])
  })

  it('has the last common name, as Go takes it for the user', () => {
    expect(
      read([
        ['CN', 'first'],
        ['CN', 'second'],
        ['O', 'x'],
      ]).commonName,
    ).toBe('second')
    expect(read([['O', 'x']]).commonName).toBeNull()
    expect(read([['CN', 'a_b', TAG.printableString]]).commonName).toBeNull()
  })
})

describe('two names are the same', () => {
  const same = (a: Name, b: Name): boolean => {
    const [one, other] = [read(a), read(b)]
    expect(one.equals(other)).toBe(other.equals(one))
    expect(one.equals(other)).toBe(one.key === other.key)
    return one.equals(other)
  }

  it.each<[string, Name, Name]>([
    ['in the same bytes', 'etcd', 'etcd'],
    ['without regard to case', 'ETCD', 'etcd'],
    ['in another kind of string', 'etcd', [['CN', 'etcd', TAG.printableString]]],
    ['in BMPString', 'Bücher', [['CN', 'bücher', TAG.bmpString]]],
    ['without outer white space', '  etcd ca ', 'etcd ca'],
    ['with inner white space of any length', 'etcd \t ca', 'etcd ca'],
    ['in compatibility forms', 'ﬁle ①', 'file 1'],
    ['with an accent of its own', 'u\u0308', 'ü'],
    ['empty', '', ''],
  ])('%s', (_, a, b) => {
    expect(same(a, b)).toBe(true)
  })

  it.each<[string, Name, Name]>([
    ['other text', 'etcd', 'etcd-0'],
    ['white space where there is none', 'etcd ca', 'etcdca'],
    ['another attribute', 'x', [['O', 'x']]],
    [
      'another order',
      [
        ['O', 'x'],
        ['CN', 'y'],
      ],
      [
        ['CN', 'y'],
        ['O', 'x'],
      ],
    ],
    [
      'more of them',
      [['O', 'x']],
      [
        ['O', 'x'],
        ['O', 'x'],
      ],
    ],
    [
      'one attribute that looks like two',
      [['O', 'a"/2.5.4.3="b']],
      [
        ['O', 'a'],
        ['CN', 'b'],
      ],
    ],
    ['a backslash that seems to escape', [['O', 'a\\']], [['O', 'a"']]],
    ['values that are no strings', [['CN', 'a_', TAG.printableString]], [['CN', 'A_', TAG.printableString]]],
    ['a value that is no string, and its hexadecimal', [['CN', '_', TAG.printableString]], '13015f'],
  ])('not with %s', (_, a, b) => {
    expect(same(a, b)).toBe(false)
  })

  it('with attributes of one relative name in any order', () => {
    const [x, y] = [encodeAttribute(['O', 'x']), encodeAttribute(['CN', 'y'])]
    const [one, other] = [read(sequence(tlv(TAG.set, x, y))), read(sequence(tlv(TAG.set, y, x)))]
    expect(one.equals(other)).toBe(true)
    expect(
      multi(['O', 'x'], ['CN', 'y']).equals(
        read([
          ['O', 'x'],
          ['CN', 'y'],
        ]),
      ),
    ).toBe(false)
  })

  it('with combining marks in any order, of which 30 in a row are sorted', () => {
    const marks = (count: number): [string, string] => {
      const above = '\u0307'.repeat(count - 1)
      return [`a${above}\u0323`, `a\u0323${above}`]
    }
    expect(same(...marks(30))).toBe(true)
    expect(same(...marks(31))).toBe(false)
    expect(same(`${marks(31)[0]}X`, `${marks(31)[0]}x`)).toBe(true)
  })

  it('as texts that are keys', () => {
    expect(
      read([
        ['O', 'A "B" \\C'],
        ['CN', 'x'],
      ]).key,
    ).toBe('2.5.4.10="a \\"b\\" \\\\c"/2.5.4.3="x"')
    const [set = []] = multi(['O', 'x'], ['CN', 'y']).relativeNames
    expect(relativeNameKey(set)).toBe('2.5.4.10="x"+2.5.4.3="y"')
    expect(read([['CN', '_', TAG.printableString]]).key).toBe('2.5.4.3=13015f')
  })
})

describe('a name is shown', () => {
  it.each([
    ['2.5.4.3', 'CN'],
    ['2.5.4.4', 'SN'],
    ['2.5.4.5', 'serialNumber'],
    ['2.5.4.6', 'C'],
    ['2.5.4.7', 'L'],
    ['2.5.4.8', 'ST'],
    ['2.5.4.9', 'street'],
    ['2.5.4.10', 'O'],
    ['2.5.4.11', 'OU'],
    ['2.5.4.12', 'title'],
    ['2.5.4.42', 'GN'],
    ['0.9.2342.19200300.100.1.1', 'UID'],
    ['0.9.2342.19200300.100.1.25', 'DC'],
    ['1.2.840.113549.1.9.1', 'emailAddress'],
    ['1.2.3', '1.2.3'],
  ])('with %s as %s', (type, short) => {
    expect(read([[type, 'x']]).toString()).toBe(`${short}=x`)
  })

  it('the last relative name first, joined by commas, attributes of one by plus', () => {
    const name = read(
      sequence(setOf(encodeAttribute(['O', 'x']), encodeAttribute(['OU', 'y'])), setOf(encodeAttribute(['CN', 'z']))),
    )
    expect(name.toString()).toBe('CN=z,O=x+OU=y')
    expect(JSON.stringify(name)).toBe('"CN=z,O=x+OU=y"')
    expect(read('').toString()).toBe('')
  })

  it.each([
    ['a,b+c;d<e>f"g\\h', 'a\\,b\\+c\\;d\\<e\\>f\\"g\\\\h'],
    [' a', '\\ a'],
    ['#a', '\\#a'],
    ['a ', 'a\\ '],
    ['a # b', 'a # b'],
    ['  ', '\\ \\ '],
    ['a=b', 'a=b'],
    ['a\nb\u0000', 'a\\0Ab\\00'],
    ['a\u202eb', 'a\\E2\\80\\AEb'],
  ])('with special characters escaped: %j', (text, shown) => {
    expect(read(text).toString()).toBe(`CN=${shown}`)
  })

  it('in hexadecimal where a value is no string, or a type no identifier', () => {
    expect(read([['CN', '_', TAG.printableString]]).toString()).toBe('CN=#13015f')
    const strange = read(
      sequence(setOf(sequence(tlv(TAG.oid, Buffer.from('80', 'hex')), textString(TAG.utf8String, 'x')))),
    )
    expect(strange.toString()).toBe('0x80=x')
    expect(strange.equals(read('x'))).toBe(false)
  })
})

describe('a string', () => {
  const text = (tag: number, content: Buffer | string): string | null =>
    decodeString(tag, typeof content === 'string' ? Buffer.from(content, 'latin1') : content)
  const PRINTABLE = "AZaz09 '()+,-./:=?"

  it.each<[string, number, Buffer | string, string | null]>([
    ['UTF8String', TAG.utf8String, Buffer.from('ü€😀'), 'ü€😀'],
    ['UTF8String that begins with a mark of byte order', TAG.utf8String, Buffer.from('\ufeffx'), '\ufeffx'],
    ['UTF8String that is none', TAG.utf8String, Buffer.from('c328', 'hex'), null],
    ['PrintableString', TAG.printableString, PRINTABLE, PRINTABLE],
    ['PrintableString with * and &, as Go takes it', TAG.printableString, '*.a&b', '*.a&b'],
    ['PrintableString with an underscore', TAG.printableString, 'a_b', null],
    ['PrintableString with @ in front', TAG.printableString, '@a', null],
    ['PrintableString with @ behind', TAG.printableString, 'a@', null],
    ['NumericString', Tag.numericString, '0 19', '0 19'],
    ['NumericString with a letter in front', Tag.numericString, 'a1', null],
    ['NumericString with a letter behind', Tag.numericString, '1a', null],
    ['IA5String', TAG.ia5String, 'a\u007f@', 'a\u007f@'],
    ['IA5String beyond ASCII', TAG.ia5String, 'a\u0080', null],
    ['TeletexString, as Latin-1', TAG.teletexString, 'ü', 'ü'],
    ['BMPString', TAG.bmpString, Buffer.from('00fc20ac', 'hex'), 'ü€'],
    ['BMPString of half a character', TAG.bmpString, Buffer.from('00fc20', 'hex'), null],
    ['UniversalString', TAG.universalString, Buffer.from('000000fc0001f600', 'hex'), 'ü😀'],
    ['UniversalString to the last character', TAG.universalString, Buffer.from('0010ffff', 'hex'), '\u{10ffff}'],
    ['UniversalString beyond it', TAG.universalString, Buffer.from('00110000', 'hex'), null],
    ['UniversalString of half a character', TAG.universalString, Buffer.from('000000fc00', 'hex'), null],
    ['empty', TAG.printableString, '', ''],
    ['OCTET STRING', TAG.octetString, 'a', null],
    ['INTEGER', TAG.integer, 'a', null],
  ])('%s', (_, tag, content, expected) => {
    expect(text(tag, content)).toBe(expected)
  })

  it('of a view is that view alone', () => {
    const bytes = Buffer.from('xyz')
    expect(decodeString(TAG.ia5String, bytes.subarray(1, 2))).toBe('y')
    expect(decodeString(TAG.bmpString, Buffer.from('7800790000', 'hex').subarray(1, 3))).toBe('y')
  })

  it('of an attribute is malformed where its bytes do not fit, or Go does not read its kind', () => {
    const malformed = (value: Buffer): boolean | undefined => valued(value).relativeNames[0]?.[0]?.malformed
    for (const tag of [TAG.utf8String, Tag.numericString, TAG.printableString, TAG.teletexString, TAG.ia5String]) {
      expect(malformed(tlv(tag, Buffer.from('1')))).toBe(false)
    }
    expect(malformed(tlv(TAG.bmpString, Buffer.from('0031', 'hex')))).toBe(false)
    expect(malformed(tlv(TAG.universalString, Buffer.from('00000031', 'hex')))).toBe(true)
    expect(malformed(tlv(TAG.printableString, Buffer.from('_')))).toBe(true)
    expect(malformed(integer(1))).toBe(true)
  })
})
