/** The part of protobuf's wire format that is needed to check a message, to read it, and to change a field of it. */

/** A message that is not well formed, or not one that etcd sends. */
export class MalformedMessage extends Error {}

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** Reads the fields of a message one after the other: `while (fields.next()) …`. Methods throw {@link MalformedMessage}. */
export class Fields {
  number = 0
  /** Where it begins, with its tag. */
  start = 0
  /** Where its value begins; for bytes, the first of them. */
  value = 0
  end = 0
  #wireType = 0
  readonly #bytes: Uint8Array
  readonly #limit: number

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.#bytes = bytes
    this.end = from
    this.#limit = to
  }

  next(): boolean {
    if (this.end >= this.#limit) return false
    this.start = this.end
    const tag = this.#length()
    this.number = tag >>> 3
    if (this.number === 0) throw new MalformedMessage('A field has the number 0')
    this.#wireType = tag & 7
    this.value = this.end
    switch (this.#wireType) {
      case VARINT:
        while ((this.#byte() & 0x80) !== 0);
        break
      case FIXED64:
        this.end += 8
        break
      case FIXED32:
        this.end += 4
        break
      case LENGTH_DELIMITED: {
        const length = this.#length()
        this.value = this.end
        this.end += length
        break
      }
      default:
        throw new MalformedMessage(`Wire type ${String(this.#wireType)}`)
    }
    if (this.end > this.#limit) throw new MalformedMessage('A field goes beyond its message')
    return true
  }

  int64(): bigint {
    this.assertVarint()
    return readInt64(this.#bytes, this.value, this.end)
  }

  bool(): boolean {
    return this.int64() !== 0n
  }

  bytes(): Uint8Array {
    this.assertBytes()
    return this.#bytes.subarray(this.value, this.end)
  }

  /** The value as a string; what is not UTF-8 is replaced. */
  text(): string {
    return Buffer.from(this.bytes()).toString()
  }

  message(): Fields {
    this.assertBytes()
    return new Fields(this.#bytes, this.value, this.end)
  }

  assertVarint(): void {
    if (this.#wireType !== VARINT) throw new MalformedMessage('Not a varint')
    if (this.end - this.value > 10) throw new MalformedMessage('A varint of more than ten bytes')
  }

  assertBytes(): void {
    if (this.#wireType !== LENGTH_DELIMITED) throw new MalformedMessage('Not length-delimited')
  }

  #length(): number {
    const first = this.#at(this.end)
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
    const byte = this.#at(this.end)
    this.end += 1
    return byte
  }

  #at(index: number): number {
    return this.#bytes[index] ?? 0
  }
}

function readInt64(bytes: Uint8Array, start: number, end: number): bigint {
  // Up to seven bytes, which is 49 bits, a number holds it exactly, and is cheaper.
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
 * The fields that a message may have: by their number, the kind of their value, or the shape of the message in it. An array: the
 * field may occur more than once.
 */
export interface Shape {
  readonly [number: number]: FieldShape | readonly [FieldShape]
}
type FieldShape = 'varint' | 'bytes' | Shape

/**
 * The message with the fields of a shape alone, so that another decoder sees only what was checked here. Fields that the shape does
 * not have are left out: a later version of etcd may send them. The same bytes if there is nothing to leave out.
 *
 * @throws {MalformedMessage} for a value of another kind, and for a field that occurs twice and may not.
 */
export function sift(message: Buffer, shape: Shape): Buffer {
  return siftRange(message, new Fields(message), shape) ?? message
}

function siftRange(message: Buffer, fields: Fields, shape: Shape): Buffer | null {
  let kept: Uint8Array[] | null = null
  let seen = 0
  let copiedTo = fields.end
  while (fields.next()) {
    const { number, start, end } = fields
    const rule = shape[number]
    let replacement: Uint8Array | null = null
    if (rule !== undefined) {
      const repeated = isRepeated(rule)
      if (!repeated && (seen & (1 << number)) !== 0) {
        throw new MalformedMessage(`Field ${String(number)} occurs twice`)
      }
      seen |= 1 << number
      const inner = siftField(message, fields, repeated ? rule[0] : rule)
      if (inner === null) continue
      replacement = bytesField(number, inner)
    }
    kept ??= []
    kept.push(message.subarray(copiedTo, start))
    if (replacement !== null) kept.push(replacement)
    copiedTo = end
  }
  return kept === null ? null : Buffer.concat([...kept, message.subarray(copiedTo, fields.end)])
}

function siftField(message: Buffer, fields: Fields, shape: FieldShape): Buffer | null {
  if (shape === 'varint') fields.assertVarint()
  else if (shape === 'bytes') fields.assertBytes()
  else return siftRange(message, fields.message(), shape)
  return null
}

function isRepeated(rule: FieldShape | readonly [FieldShape]): rule is readonly [FieldShape] {
  return Array.isArray(rule)
}

export function without(message: Uint8Array, numbers: readonly number[]): Buffer {
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
