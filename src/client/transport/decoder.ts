/**
 * Decodes messages to the same objects as @grpc/proto-loader with the options of etcd3 (etcd3/lib/connection-pool.js), which
 * takes as long as all else of a call: it decodes to a class first, and 64-bit numbers through objects. What is unusual, and
 * malformed messages, are left to proto-loader.
 */
import { type FieldType, type MessageType, TypeRegistry, ValueType } from './descriptors.js'
import { MalformedMessage } from './protobuf.js'

export type Decode = (bytes: Buffer) => unknown
type Message = Record<string, unknown>
type Registries = WeakMap<readonly Uint8Array[], TypeRegistry>

/** The part of grpc-js's method definition that is needed. */
interface Definition {
  readonly responseDeserialize: Decode
  /** Of proto-loader. */
  readonly responseType?: unknown
}

/** Deepest nesting that is decoded here. */
const MAX_DEPTH = 16
const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** A method gets a decoder of its own after so many bytes of answers: making one costs more than it saves in a few calls. */
const COMPILE_AFTER = 16 * 1024
/** What a message counts in addition to its bytes. */
const OVERHEAD = 256

/** The decoders of one client. */
export class Decoders {
  readonly #byMethod = new WeakMap<Definition, Decode>()
  readonly #registries: Registries = new WeakMap()

  of(definition: Definition): Decode {
    const known = this.#byMethod.get(definition) ?? afterSomeCalls(definition, this.#registries)
    this.#byMethod.set(definition, known)
    return known
  }
}

function afterSomeCalls(definition: Definition, registries: Registries): Decode {
  let decode = definition.responseDeserialize
  let left = COMPILE_AFTER
  return (bytes) => {
    if (left > 0) {
      left -= bytes.length + OVERHEAD
      if (left <= 0) decode = decoderOf(definition, registries)
    }
    return decode(bytes)
  }
}

/**
 * A decoder that is equal to `responseDeserialize` of the method; that one itself if the message has fields of other types.
 *
 * @param registries Those of earlier methods: all methods of etcd3 have the same files.
 */
export function decoderOf(
  { responseDeserialize, responseType }: Definition,
  registries: Registries = new WeakMap(),
): Decode {
  const type = typeOf(responseType, registries)
  const layout = type === null ? null : layoutOf(type, new Map())
  if (layout === null) return responseDeserialize
  return (bytes) => new Reader(bytes).message(layout, bytes.length, 0) ?? responseDeserialize(bytes)
}

function typeOf(responseType: unknown, registries: Registries): MessageType | null {
  if (typeof responseType !== 'object' || responseType === null) return null
  const { type, fileDescriptorProtos } = responseType as {
    type?: { name?: unknown }
    fileDescriptorProtos?: readonly Uint8Array[]
  }
  if (typeof type?.name !== 'string' || fileDescriptorProtos === undefined) return null
  try {
    const registry = registries.get(fileDescriptorProtos) ?? new TypeRegistry(fileDescriptorProtos)
    registries.set(fileDescriptorProtos, registry)
    return registry.find(type.name)
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return null
  }
}

interface Layout {
  /** By number. */
  readonly fields: readonly (FieldLayout | undefined)[]
  /** All fields that an empty message has, in the order of proto-loader. */
  readonly empty: Message
  /** The fields with a value of their own in each message, which is null in `empty`. */
  readonly arrays: readonly string[]
  readonly buffers: readonly string[]
}

interface FieldLayout extends Pick<FieldType, 'name' | 'isRepeated' | 'type' | 'oneof' | 'values'> {
  readonly layout: Layout | null
  /** The last value of 64 bits and its digits: members and clusters have the same ids in each answer. */
  low: number
  high: number
  digits: string
}

const DEFAULTS: ReadonlyMap<number, unknown> = new Map<number, unknown>([
  [ValueType.INT64, '0'],
  [ValueType.UINT64, '0'],
  [ValueType.INT32, 0],
  [ValueType.UINT32, 0],
  [ValueType.BOOL, false],
  [ValueType.STRING, ''],
  [ValueType.BYTES, null],
  [ValueType.MESSAGE, null],
])
const MAX_FIELD = 63

/** @returns null if a field has a type that is not supported. */
function layoutOf({ fields }: MessageType, known: Map<readonly FieldType[], Layout>): Layout | null {
  const existing = known.get(fields)
  if (existing !== undefined) return existing
  const empty: Message = {}
  const layouts: (FieldLayout | undefined)[] = []
  const plain = fields.filter(({ isRepeated, oneof }) => !isRepeated && oneof === null)
  const arrays = fields.filter(({ isRepeated }) => isRepeated).map(({ name }) => name)
  const buffers = plain.filter(({ type }) => type === ValueType.BYTES).map(({ name }) => name)
  const layout = { fields: layouts, empty, arrays, buffers }
  known.set(fields, layout)
  for (const name of arrays) empty[name] = null
  for (const { name, type, values } of plain)
    empty[name] = type === ValueType.ENUM ? values?.get(0) : DEFAULTS.get(type)
  for (const { name, number, isRepeated, type, oneof, message, values } of fields) {
    const nested = message === null ? null : layoutOf(message, known)
    const isPacked = isRepeated && ![ValueType.STRING, ValueType.BYTES, ValueType.MESSAGE].includes(type)
    const isKnown = type === ValueType.ENUM ? values?.has(0) === true : DEFAULTS.has(type)
    if (isPacked || !isKnown || number > MAX_FIELD || (type === ValueType.MESSAGE && nested === null)) return null
    layouts[number] = { name, isRepeated, type, oneof, values, layout: nested, low: 0, high: 0, digits: '0' }
  }
  return layout
}

class Reader {
  readonly #bytes: Buffer
  #at = 0
  /** The high half of the last varint; {@link #varint} returns the low one. */
  #high = 0
  #isUnusual = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** @returns null for a message that is malformed or unusual. */
  message(layout: Layout, end: number, depth: number): Message | null {
    if (depth > MAX_DEPTH) return null
    const message: Message = { ...layout.empty }
    while (this.#at < end) {
      const tag = this.#varint()
      const field = layout.fields[tag >>> 3]
      if (field === undefined) this.#skip(tag)
      else {
        const value = this.#value(field, tag & 7, end, depth)
        if (this.#isUnusual) return null
        put(message, field, value)
        if (field.oneof !== null && !setOneof(message, field.oneof, field.name)) return null
      }
      if (this.#isUnusual || this.#at > end) return null
    }
    for (const name of layout.arrays) message[name] ??= []
    for (const name of layout.buffers) message[name] ??= Buffer.alloc(0)
    return message
  }

  #value(field: FieldLayout, wireType: number, end: number, depth: number): unknown {
    const { type } = field
    if (type === ValueType.BYTES || type === ValueType.STRING || type === ValueType.MESSAGE) {
      return this.#delimited(field, wireType, end, depth)
    }
    const low = this.#varint()
    const high = this.#high
    if (wireType !== VARINT) this.#isUnusual = true
    if (type === ValueType.INT64 || type === ValueType.UINT64) return digitsOf(field, low, high)
    if (type === ValueType.UINT32 && high === 0) return low
    if (type === ValueType.INT32 && high === 0 && low < 2 ** 31) return low
    if (type === ValueType.BOOL && high === 0 && low <= 1) return low === 1
    const name = high === 0 ? field.values?.get(low) : undefined
    if (name === undefined) this.#isUnusual = true
    return name
  }

  #delimited({ type, layout }: FieldLayout, wireType: number, end: number, depth: number): unknown {
    const length = this.#varint()
    const start = this.#at
    const stop = start + length
    if (wireType !== LENGTH_DELIMITED || this.#high !== 0 || stop > end) {
      this.#isUnusual = true
      return null
    }
    if (layout !== null) {
      const nested = this.message(layout, stop, depth + 1)
      if (nested === null) this.#isUnusual = true
      return nested
    }
    this.#at = stop
    return type === ValueType.BYTES ? this.#bytes.subarray(start, stop) : this.#bytes.toString('utf8', start, stop)
  }

  #skip(tag: number): void {
    const wireType = tag & 7
    if (tag < 8 || this.#high !== 0) this.#isUnusual = true
    else if (wireType === VARINT) this.#varint()
    else if (wireType === FIXED64) this.#at += 8
    else if (wireType === FIXED32) this.#at += 4
    else if (wireType === LENGTH_DELIMITED) {
      const length = this.#varint()
      this.#at += length
    } else this.#isUnusual = true
  }

  /** Reads a varint of up to 64 bits. Returns its low half, without a sign. */
  #varint(): number {
    const bytes = this.#bytes
    this.#high = 0
    let byte = bytes[this.#at++]
    if (byte !== undefined && byte < 0x80) return byte
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (byte === undefined) break
      const part = byte & 0x7f
      if (shift < 28) low |= part << shift
      else if (shift === 28) {
        low |= part << 28
        high |= part >>> 4
      } else high |= part << (shift - 32)
      if (byte < 0x80) {
        this.#high = high >>> 0
        return low >>> 0
      }
      byte = bytes[this.#at++]
    }
    this.#isUnusual = true
    return 0
  }
}

function put(message: Message, { name, isRepeated }: FieldLayout, value: unknown): void {
  const present = message[name]
  if (!isRepeated) message[name] = value
  else if (Array.isArray(present)) present.push(value)
  else message[name] = [value]
}

/** @returns false if another field of the oneof was set before. */
function setOneof(message: Message, oneof: string, name: string): boolean {
  if (message[oneof] !== undefined && message[oneof] !== name) return false
  message[oneof] = name
  return true
}

function digitsOf(field: FieldLayout, low: number, high: number): string {
  // Up to 53 bits.
  if (high < 2 ** 21) return String(high * 2 ** 32 + low)
  if (field.low !== low || field.high !== high) {
    const value = (BigInt(high) << 32n) | BigInt(low)
    field.digits = String(field.type === ValueType.INT64 ? BigInt.asIntN(64, value) : value)
    field.low = low
    field.high = high
  }
  return field.digits
}
