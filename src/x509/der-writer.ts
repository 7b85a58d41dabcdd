/** Writes DER (ITU-T X.690), as far as certificates and CRLs need it. */
import { element, Tag } from './der.js'

export function sequence(...contents: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  return element(Tag.sequence, ...contents)
}

export function octetString(contents: Uint8Array): Buffer<ArrayBuffer> {
  return element(Tag.octetString, contents)
}

const NO_UNUSED_BITS = Buffer.from([0])

export function bitString(bytes: Uint8Array): Buffer<ArrayBuffer> {
  return element(Tag.bitString, NO_UNUSED_BITS, bytes)
}

/** A BIT STRING of named bits 0 to 7, without trailing zero bits (X.690 section 11.2.2). */
export function namedBits(bits: readonly number[]): Buffer<ArrayBuffer> {
  const byte = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0)
  const unused = 7 - Math.max(...bits)
  return element(Tag.bitString, Buffer.from([unused, byte]))
}

/** A non-negative INTEGER in the shortest form, from bytes in big-endian order. */
export function unsignedInteger(bytes: Uint8Array): Buffer<ArrayBuffer> {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const rest = bytes.subarray(start)
  const needsSign = (rest[0] ?? 0) >= 0x80 || rest.length === 0
  return needsSign ? element(Tag.integer, NO_UNUSED_BITS, rest) : element(Tag.integer, rest)
}

export const TRUE = element(Tag.boolean, Buffer.from([0xff]))
export const NULL = element(Tag.null)

/** An OBJECT IDENTIFIER from its dotted form, arcs below 2^31. */
export function oid(dotted: string): Buffer<ArrayBuffer> {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(Tag.oid, Buffer.from([first * 40 + second, ...rest].flatMap(base128)))
}

function base128(arc: number): number[] {
  const bytes = [arc & 0x7f]
  for (let more = arc >>> 7; more > 0; more >>>= 7) bytes.unshift((more & 0x7f) | 0x80)
  return bytes
}

/** A Time (RFC 5280 section 4.1.2.5): UTCTime from 1950 to 2049, else GeneralizedTime. Fractions of a second are dropped. */
export function time(date: Date): Buffer<ArrayBuffer> {
  const text = `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
  const year = date.getUTCFullYear()
  const short = year >= 1950 && year < 2050
  return element(short ? Tag.utcTime : Tag.generalizedTime, Buffer.from(short ? text.slice(2) : text, 'latin1'))
}

export function writeSigned(tbs: Uint8Array, algorithm: Uint8Array, signature: Uint8Array): Buffer<ArrayBuffer> {
  return sequence(tbs, algorithm, bitString(signature))
}
