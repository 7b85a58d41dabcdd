/** The part of protobuf's wire format that is needed to check, read and change a message. */
import { randomBytes } from 'node:crypto'

/** A message that is not well formed, or not one that etcd sends. */
export class MalformedMessage extends Error {}

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** The fields that a message may have, by their numbers below 32; all but the repeated ones may occur once. */
export class Shape {
  // Sets of bits.
  readonly varints: number
  readonly lengthDelimited: number
  readonly repeated: number
  readonly messages: Readonly<Record<number, Shape>>

  constructor(fields: {
    varints?: readonly number[]
    bytes?: readonly number[]
    messages?: Readonly<Record<number, Shape>>
    repeated?: readonly number[]
  }) {
    const { varints = [], bytes = [], messages = {}, repeated = [] } = fields
    this.varints = bitsOf(varints)
    this.lengthDelimited = bitsOf([...bytes, ...repeated, ...Object.keys(messages).map(Number)])
    this.repeated = bitsOf(repeated)
    this.messages = messages
  }
}

function bitsOf(numbers: readonly number[]): number {
  return numbers.reduce((bits, number) => bits | (1 << number), 0)
}

/**
 * Reads the fields of a message in order: `while (fields.next()) …`. Methods throw {@link MalformedMessage}. With a
 * shape, they also throw for a field of the wrong type and for a second occurrence of a field that is not repeated, and
 * skip unknown fields.
 */
export class Fields {
  number = 0
  /** The offset of the tag. */
  start = 0
  /** The offset of the value; for bytes, after the length. */
  value = 0
  end = 0
  /** Whether the message, or a nested one that was read, has a field that its shape does not list. */
  hasUnknown = false
  #wireType = 0
  #seen = 0
  readonly #bytes: Uint8Array
  readonly #limit: number
  readonly #shape: Shape | null
  readonly #outer: Fields | null

  constructor(bytes: Uint8Array, shape: Shape | null = null, outer: Fields | null = null) {
    this.#bytes = bytes
    this.#shape = shape
    this.#outer = outer
    this.end = outer === null ? 0 : outer.value
    this.#limit = outer === null ? bytes.length : outer.end
  }

  next(): boolean {
    while (this.end < this.#limit) {
      this.start = this.end
      const tag = this.#length()
      this.number = tag >>> 3
      if (this.number === 0) throw new MalformedMessage('A field has the number 0')
      this.value = this.end
      this.#wireType = tag & 7
      if (this.#wireType === LENGTH_DELIMITED) {
        const length = this.#length()
        this.value = this.end
        this.end += length
      } else if (this.#wireType === VARINT) while ((this.#byte() & 0x80) !== 0);
      else if (this.#wireType === FIXED64) this.end += 8
      else if (this.#wireType === FIXED32) this.end += 4
      else throw new MalformedMessage(`Wire type ${String(this.#wireType)}`)
      if (this.end > this.#limit) throw new MalformedMessage('A field goes beyond its message')
      const shape = this.#shape
      if (shape === null) return true
      const bit = this.number < 32 ? 1 << this.number : 0
      // Written out for speed: it runs for each field of each event.
      if ((shape.varints & bit) !== 0) {
        if (this.#wireType !== VARINT || this.end - this.value > 10) this.#assertVarint()
      } else if ((shape.lengthDelimited & bit) !== 0) {
        if (this.#wireType !== LENGTH_DELIMITED) this.#assertBytes()
      } else {
        this.#markUnknownField()
        continue
      }
      if ((this.#seen & bit) !== 0) throw new MalformedMessage(`Field ${String(this.number)} occurs twice`)
      this.#seen |= bit & ~shape.repeated
      return true
    }
    return false
  }

  #markUnknownField(): void {
    this.hasUnknown = true
    if (this.#outer !== null) this.#outer.#markUnknownField()
  }

  int64(): bigint {
    this.#assertVarint()
    return readInt64(this.#bytes, this.value, this.end)
  }

  bool(): boolean {
    return this.int64() !== 0n
  }

  bytes(): Uint8Array {
    this.#assertBytes()
    return this.#bytes.subarray(this.value, this.end)
  }

  /** The value as a string; invalid UTF-8 is replaced. */
  text(): string {
    return Buffer.from(this.bytes()).toString()
  }

  message(shape: Shape | null = null): Fields {
    this.#assertBytes()
    return new Fields(this.#bytes, shape, this)
  }

  #assertVarint(): void {
    if (this.#wireType !== VARINT) throw new MalformedMessage('Not a varint')
    if (this.end - this.value > 10) throw new MalformedMessage('A varint of more than ten bytes')
  }

  #assertBytes(): void {
    if (this.#wireType !== LENGTH_DELIMITED) throw new MalformedMessage('Not length-delimited')
  }

  #length(): number {
    const first = this.#bytes[this.end] ?? 0
    if (first < 0x80 && this.end < this.#limit) {
      this.end += 1
      return first
    }
    let value = 0
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80 && value <= 0xffff_ffff) return value
    }
    throw new MalformedMessage('A tag or a length of more than 32 bits')
  }

  #byte(): number {
    if (this.end >= this.#limit) throw new MalformedMessage('The message ends in a field')
    const byte = this.#bytes[this.end] ?? 0
    this.end += 1
    return byte
  }
}

export function readInt64(bytes: Uint8Array, start: number, end: number): bigint {
  // A number holds up to seven bytes (49 bits) exactly and is faster.
  if (end - start <= 7) {
    let value = 0
    for (let at = end - 1; at >= start; at -= 1) value = value * 128 + ((bytes[at] ?? 0) & 0x7f)
    return BigInt(value)
  }
  let value = 0n
  for (let at = end - 1; at >= start; at -= 1) value = (value << 7n) | BigInt((bytes[at] ?? 0) & 0x7f)
  return BigInt.asIntN(64, value)
}

/** The field of type int64 or bool with this number; 0 if the message has none, the last one if it has several. */
export function int64At(message: Uint8Array | Fields, number: number): bigint {
  const fields = message instanceof Fields ? message : new Fields(message)
  let value = 0n
  while (fields.next()) if (fields.number === number) value = fields.int64()
  return value
}

/**
 * Removes all fields that the shape does not list, so that another decoder reads only what was checked. A later version
 * of etcd may send such fields. Returns the same buffer if there is nothing to remove.
 *
 * @throws {MalformedMessage}
 */
export function keepKnownFields(message: Buffer, shape: Shape): Buffer {
  const fields = new Fields(message, shape)
  const kept = copyKnownFields(message, fields, shape)
  return fields.hasUnknown ? kept : message
}

function copyKnownFields(message: Buffer, fields: Fields, shape: Shape): Buffer {
  const kept: Uint8Array[] = []
  while (fields.next()) {
    const { number, start, end } = fields
    const inner = shape.messages[number]
    if (inner === undefined) kept.push(message.subarray(start, end))
    else kept.push(bytesField(number, copyKnownFields(message, fields.message(inner), inner)))
  }
  return Buffer.concat(kept)
}

/**
 * The bytes of the first field, from its tag to its end, which may be beyond the end of `bytes`; null if `bytes` end before
 * its length.
 *
 * @throws {MalformedMessage}
 */
export function fieldLength(bytes: Uint8Array): number | null {
  const tagEnd = varintEnd(bytes, 0)
  const valueEnd = tagEnd === null ? null : varintEnd(bytes, tagEnd)
  if (tagEnd === null) return null
  switch ((bytes[0] ?? 0) & 7) {
    case VARINT:
      return valueEnd
    case FIXED64:
      return tagEnd + 8
    case FIXED32:
      return tagEnd + 4
    case LENGTH_DELIMITED:
      return valueEnd === null ? null : valueEnd + Number(BigInt.asUintN(64, readInt64(bytes, tagEnd, valueEnd)))
    default:
      throw new MalformedMessage(`Wire type ${String((bytes[0] ?? 0) & 7)}`)
  }
}

function varintEnd(bytes: Uint8Array, start: number): number | null {
  for (let at = start; at < bytes.length; at += 1) {
    if ((bytes[at] ?? 0) < 0x80) return at + 1
    if (at - start >= 9) throw new MalformedMessage('A varint of more than ten bytes')
  }
  return null
}

export function withoutFields(message: Uint8Array, numbers: readonly number[]): Buffer {
  const kept: Uint8Array[] = []
  const fields = new Fields(message)
  while (fields.next()) {
    if (!numbers.includes(fields.number)) kept.push(message.subarray(fields.start, fields.end))
  }
  return Buffer.concat(kept)
}

/** A field of type int64, or nothing for 0, which is the same in proto3. */
export function int64Field(number: number, value: bigint): Buffer {
  if (value === 0n) return Buffer.alloc(0)
  return Buffer.from([...varint(BigInt(number * 8 + VARINT)), ...varint(BigInt.asUintN(64, value))])
}

export function trueField(number: number): Buffer {
  return int64Field(number, 1n)
}

export function bytesField(number: number, value: Uint8Array): Buffer {
  const head = [...varint(BigInt(number * 8 + LENGTH_DELIMITED)), ...varint(BigInt(value.length))]
  return Buffer.concat([Buffer.from(head), value])
}

function varint(value: bigint): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return bytes
}

/** A random int64 from 1 to 2^63 - 1, as the id of a lease. Among a billion, two are equal with a probability of 0.1. */
export function randomInt64(): bigint {
  // The lowest bit is set, because with 0 etcd chooses the id.
  return BigInt.asUintN(63, randomBytes(8).readBigUInt64BE()) | 1n
}

/** The field `header` of etcd's answers, and its field `raft_term` (etcdserverpb, rpc.proto). */
const HEADER = 1
const HEADER_TERM = 4

/** The term of raft in the header of an answer: it grows with each election. 0 without a header. */
export function termOf(answer: Uint8Array): bigint {
  try {
    const fields = new Fields(answer)
    while (fields.next()) if (fields.number === HEADER) return int64At(fields.message(), HEADER_TERM)
  } catch (error) {
    // The decoder of the answer reports that.
    if (!(error instanceof MalformedMessage)) throw error
  }
  return 0n
}
