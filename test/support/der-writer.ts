/**
 * A small DER writer for tests. It writes what it is given, right or wrong: nothing is checked, so that broken
 * structures can be made as easily as sound ones. It shares no code with src/, so that it can be its oracle.
 */

/** Identifier bytes of the universal types used in certificates. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** Length bytes in the shortest form. */
export function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Buffer.from([0x80 | octets.length, ...octets])
}

/** One element with any identifier byte: `tlv(0xa0, …)` is a constructed context tag 0. */
export function tlv(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([tag]), lengthBytes(body.length), body])
}

export function sequence(...content: readonly Uint8Array[]): Buffer {
  return tlv(TAG.sequence, ...content)
}

/** A SET OF with its members sorted, as DER asks. */
export function setOf(...content: readonly Uint8Array[]): Buffer {
  return tlv(TAG.set, ...[...content].sort((a, b) => Buffer.compare(a, b)))
}

/** `[n]` EXPLICIT, or `[n]` IMPLICIT over a constructed type. */
export function context(n: number, ...content: readonly Uint8Array[]): Buffer {
  return tlv(0xa0 | n, ...content)
}

/** `[n]` IMPLICIT over a primitive type. */
export function contextPrimitive(n: number, content: Uint8Array): Buffer {
  return tlv(0x80 | n, content)
}

/** A number as a minimal two's complement INTEGER; bytes are taken as the content bytes, as they are. */
export function integer(value: bigint | number | Uint8Array): Buffer {
  if (value instanceof Uint8Array) return tlv(TAG.integer, value)
  return tlv(TAG.integer, twosComplement(BigInt(value)))
}

export function enumerated(value: number): Buffer {
  return tlv(TAG.enumerated, twosComplement(BigInt(value)))
}

function twosComplement(value: bigint): Buffer {
  let octets = 1n
  while (value < -(1n << (octets * 8n - 1n)) || value >= 1n << (octets * 8n - 1n)) octets += 1n
  const hex = BigInt.asUintN(Number(octets) * 8, value).toString(16)
  return Buffer.from(hex.padStart(Number(octets) * 2, '0'), 'hex')
}

export function boolean(value: boolean): Buffer {
  return tlv(TAG.boolean, Buffer.from([value ? 0xff : 0x00]))
}

export function nullValue(): Buffer {
  return tlv(TAG.null)
}

export function octetString(content: Uint8Array): Buffer {
  return tlv(TAG.octetString, content)
}

export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return tlv(TAG.bitString, Buffer.from([unusedBits]), content)
}

/** A BIT STRING with named bits, trailing zero bits removed as DER asks: `namedBits([0, 5])`. */
export function namedBits(bits: readonly number[]): Buffer {
  if (bits.length === 0) return bitString(Buffer.alloc(0))
  const last = Math.max(...bits)
  const octets = Buffer.alloc(Math.floor(last / 8) + 1)
  for (const bit of bits) {
    const at = Math.floor(bit / 8)
    octets[at] = (octets[at] ?? 0) | (0x80 >> (bit % 8))
  }
  return bitString(octets, 7 - (last % 8))
}

export function oid(dotted: string): Buffer {
  return tlv(TAG.oid, oidContent(dotted))
}

/** The content bytes of an OBJECT IDENTIFIER. */
export function oidContent(dotted: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  const octets: number[] = []
  for (const arc of [first * 40n + second, ...rest]) {
    const base128 = [Number(arc & 0x7fn)]
    for (let more = arc >> 7n; more > 0n; more >>= 7n) base128.unshift(Number(more & 0x7fn) | 0x80)
    octets.push(...base128)
  }
  return Buffer.from(octets)
}

export function utf8String(text: string): Buffer {
  return tlv(TAG.utf8String, Buffer.from(text, 'utf8'))
}

export function ia5String(text: string): Buffer {
  return tlv(TAG.ia5String, Buffer.from(text, 'latin1'))
}

/** Text under any string tag: BMPString and UniversalString get their own encodings, UTF8String UTF-8, the rest Latin-1. */
export function textString(tag: number, text: string): Buffer {
  if (tag === TAG.bmpString) return tlv(tag, Buffer.from(text, 'utf16le').swap16())
  if (tag === TAG.universalString) {
    const points = Array.from(text, (character) => character.codePointAt(0) ?? 0)
    const octets = Buffer.alloc(points.length * 4)
    points.forEach((point, index) => octets.writeUInt32BE(point, index * 4))
    return tlv(tag, octets)
  }
  return tlv(tag, Buffer.from(text, tag === TAG.utf8String ? 'utf8' : 'latin1'))
}

export function utcTime(text: string): Buffer {
  return tlv(TAG.utcTime, Buffer.from(text, 'latin1'))
}

export function generalizedTime(text: string): Buffer {
  return tlv(TAG.generalizedTime, Buffer.from(text, 'latin1'))
}

/** A date as RFC 5280 section 4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime before 1950 and from 2050 on. */
export function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050 ? utcTime(text.slice(2)) : generalizedTime(text)
}

/** The content of the element that the bytes start with. */
export function contentOf(der: Buffer): Buffer {
  const first = der.readUInt8(1)
  if (first < 0x80) return der.subarray(2, 2 + first)
  const start = 2 + (first & 0x7f)
  return der.subarray(start, start + der.readUIntBE(2, first & 0x7f))
}

/** The elements inside a constructed element, each whole. */
export function elementsOf(der: Buffer): Buffer[] {
  const elements: Buffer[] = []
  for (let rest = contentOf(der); rest.length > 0; rest = rest.subarray(elements.at(-1)?.length)) {
    const inner = contentOf(rest)
    elements.push(rest.subarray(0, inner.byteOffset - rest.byteOffset + inner.length))
  }
  return elements
}
