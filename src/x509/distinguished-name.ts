/** Reads distinguished names (RFC 5280 section 4.1.2.4), compares them as OpenSSL does, and formats them by RFC 4514. */
import { isUtf8 } from 'node:buffer'
import { UNPRINTABLE } from '../report/printable.js'
import { bytesEqual, DerError, DerReader, oidText, Tag } from './der.js'

const COMMON_NAME = '2.5.4.3'

// RFC 4514 section 3, and other common types.
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.42': 'GN',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
}

export interface NameAttribute {
  readonly type: string
  /** Null if the value is not a readable string. */
  readonly text: string | null
  /** Whether Go refuses the certificate because the value is malformed or of another type. */
  readonly malformed: boolean
  readonly raw: Uint8Array
}

/** Longest name in bytes. RFC 5280 appendix A limits most attributes to 64 characters. */
export const MAX_NAME_BYTES = 4096

/** Maximum number of attributes of a name. Real ones have about five. */
const MAX_ATTRIBUTES = 25

export class DistinguishedName {
  readonly raw: Uint8Array
  #parsed: NameAttribute[][] | null = null
  #canonical: string | null = null
  #binary: string | null = null
  #text: string | null = null

  private constructor(raw: Uint8Array) {
    this.raw = raw
  }

  static read(reader: DerReader, what: string): DistinguishedName {
    const name = reader.expect(Tag.sequence, what)
    if (name.end - name.start > MAX_NAME_BYTES) {
      throw new DerError(`a name of more than ${MAX_NAME_BYTES.toLocaleString('en-US')} bytes (${what})`, name.start)
    }
    const sets = reader.inside(name)
    let attributes = 0
    while (!sets.atEnd) {
      const set = sets.enter(Tag.set, `a relative name of the ${what}`)
      do {
        const attribute = set.enter(Tag.sequence, `an attribute of the ${what}`)
        attribute.expect(Tag.oid, `an attribute type of the ${what}`)
        attribute.element()
        attribute.finish(`an attribute of the ${what}`)
        if (++attributes > MAX_ATTRIBUTES)
          throw new DerError(`more than ${String(MAX_ATTRIBUTES)} attributes in the ${what}`, name.start)
      } while (!set.atEnd)
    }
    return new DistinguishedName(reader.whole(name))
  }

  get isEmpty(): boolean {
    return this.raw.length === 2
  }

  get relativeNames(): readonly (readonly NameAttribute[])[] {
    this.#parsed ??= readRelativeNames(this.raw)
    return this.#parsed
  }

  /** The last common name, which is the user name in etcd; null if absent. */
  get commonName(): string | null {
    const found = this.relativeNames.flat().findLast((attribute) => attribute.type === COMMON_NAME)
    return found?.text ?? null
  }

  /** Whether both are the same name, as OpenSSL compares them. */
  equals(other: DistinguishedName): boolean {
    return this === other || bytesEqual(this.raw, other.raw) || this.key === other.key
  }

  get mapKey(): string {
    this.#binary ??= Buffer.from(this.raw.buffer, this.raw.byteOffset, this.raw.byteLength).toString('latin1')
    return this.#binary
  }

  /** A key that is equal for names that OpenSSL treats as equal. */
  get key(): string {
    this.#canonical ??= this.relativeNames.map((set) => relativeNameKey(set)).join('/')
    return this.#canonical
  }

  /**
   * RFC 4514: the last relative name first. Special and unprintable characters are escaped. Empty for an empty name.
   */
  toString(): string {
    this.#text ??= this.relativeNames
      .toReversed()
      .map((set) => set.map(attributeText).join('+'))
      .join(',')
    return this.#text
  }

  toJSON(): string {
    return this.toString()
  }
}

/**
 * `OpenSSL` (crypto/x509/x_name.c, asn1_string_canon) ignores the case of ASCII letters, the string type and the length of white
 * space. `RFC 4518`, which RFC 5280 section 7.1 cites, also folds other scripts and compatibility forms; no peer implements it.
 */
export type NameComparison = 'OpenSSL' | 'RFC 4518'

/** The key of one relative name. Its attributes are a set, so they are sorted. */
export function relativeNameKey(attributes: readonly NameAttribute[], by: NameComparison = 'OpenSSL'): string {
  return attributes
    .map(({ type, text, raw }) => {
      const isText = text !== null && (by === 'RFC 4518' || raw[0] !== Tag.numericString)
      return `${type}=${isText ? `"${fold(text, by)}"` : Buffer.from(raw).toString('hex')}`
    })
    .sort()
    .join('+')
}

/** More consecutive combining characters than real text has (UAX #15 section 13). Normalizing them takes quadratic time. */
const LONG_COMBINING_RUN = /[\p{M}\uff9e\uff9f]{31}/u

function fold(text: string, by: NameComparison): string {
  const isWide = by === 'RFC 4518' && !LONG_COMBINING_RUN.test(text)
  const lower = isWide
    ? text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ')
    : text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  return lower
    .replace(/[\t-\r ]+/g, ' ')
    .replace(/^ | $/g, '')
    .replaceAll(/["\\]/g, '\\$&')
}

function readRelativeNames(raw: Uint8Array): NameAttribute[][] {
  const sets = new DerReader(raw).enter(Tag.sequence, 'name')
  const result: NameAttribute[][] = []
  while (!sets.atEnd) result.push(readAttributes(sets.enter(Tag.set, 'relative name')))
  return result
}

export function readAttributes(set: DerReader): NameAttribute[] {
  const attributes: NameAttribute[] = []
  do {
    const attribute = set.enter(Tag.sequence, 'an attribute of a name')
    const type = attribute.expect(Tag.oid, 'an attribute type')
    const value = attribute.element()
    attribute.finish('an attribute of a name')
    const text = decodeString(value.tag, attribute.content(value))
    const malformed = text === null || !STRING_TAGS.has(value.tag)
    attributes.push({ type: attributeType(attribute.content(type)), text, malformed, raw: attribute.whole(value) })
  } while (!set.atEnd)
  return attributes
}

// A malformed OBJECT IDENTIFIER is shown and compared by its bytes.
function attributeType(content: Uint8Array): string {
  try {
    return oidText(content, 'attribute type', 0)
  } catch (error) {
    if (error instanceof DerError) return `0x${Buffer.from(content).toString('hex')}`
    throw error
  }
}

/** The string types that Go reads in a name (crypto/x509 parser.go parseASN1String). */
const STRING_TAGS: ReadonlySet<number> = new Set([
  Tag.utf8String,
  Tag.numericString,
  Tag.printableString,
  Tag.teletexString,
  Tag.ia5String,
  Tag.bmpString,
])
const NUMERIC_STRING = /^[0-9 ]*$/
// X.680 section 41.4, and the asterisk and ampersand, which CAs use and Go accepts (encoding/asn1 isPrintable).
const PRINTABLE_STRING = /^[A-Za-z0-9 '()+,\-./:=?*&]*$/

/** The text of an ASN.1 string; null if the bytes are not valid for its type. */
export function decodeString(tag: number, content: Uint8Array): string | null {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  switch (tag) {
    case Tag.utf8String:
      return isUtf8(content) ? bytes.toString('utf8') : null
    case Tag.printableString:
      return matching(PRINTABLE_STRING, bytes)
    case Tag.numericString:
      return matching(NUMERIC_STRING, bytes)
    case Tag.ia5String:
      return content.every((byte) => byte < 0x80) ? bytes.toString('latin1') : null
    case Tag.teletexString:
      return bytes.toString('latin1')
    case Tag.bmpString:
      return content.length % 2 === 0 ? Buffer.from(bytes).swap16().toString('utf16le') : null
    case Tag.universalString:
      return universalText(bytes)
    default:
      return null
  }
}

function matching(pattern: RegExp, bytes: Buffer): string | null {
  const text = bytes.toString('latin1')
  return pattern.test(text) ? text : null
}

function universalText(bytes: Buffer): string | null {
  if (bytes.length % 4 !== 0) return null
  let text = ''
  for (let i = 0; i < bytes.length; i += 4) {
    const point = bytes.readUInt32BE(i)
    if (point > 0x10ffff) return null
    text += String.fromCodePoint(point)
  }
  return text
}

function attributeText({ type, text, raw }: NameAttribute): string {
  const name = SHORT_NAMES[type] ?? type
  if (text === null) return `${name}=#${Buffer.from(raw).toString('hex')}`
  const escaped = text
    .replaceAll(/[\\"+,;<>]/g, '\\$&')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
    .replace(UNPRINTABLE, hexPairs)
  return `${name}=${escaped}`
}

// RFC 4514 section 2.4: any character may be written as its UTF-8 bytes.
function hexPairs(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `\\${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('')
}
