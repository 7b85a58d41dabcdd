/** Reads the types of messages from the descriptors in the methods of grpc-js's clients (protobuf, descriptor.proto). */
import { Fields } from './protobuf.js'

export interface MessageType {
  /** In the order of their numbers. */
  readonly fields: readonly FieldType[]
}

export interface FieldType {
  readonly name: string
  readonly number: number
  readonly isRepeated: boolean
  /** As in FieldDescriptorProto.Type. */
  readonly type: number
  /** The name of the oneof that it is a part of; null: none. */
  readonly oneof: string | null
  /** Of a field of this type; null: it has another type. */
  readonly message: MessageType | null
  /** Of an enum: the names by value; null: it has another type. */
  readonly values: ReadonlyMap<number, string> | null
}

export const ValueType = {
  INT64: 3,
  UINT64: 4,
  INT32: 5,
  BOOL: 8,
  STRING: 9,
  MESSAGE: 11,
  BYTES: 12,
  UINT32: 13,
  ENUM: 14,
}

const FILE = { package: 2, message: 4, enum: 5 }
const MESSAGE = { name: 1, field: 2, nested: 3, enum: 4, oneof: 8 }
const FIELD = { name: 1, number: 3, label: 4, type: 5, typeName: 6, oneofIndex: 9 }
const ENUM = { name: 1, value: 2 }
const ENUM_VALUE = { name: 1, number: 2 }
const REPEATED = 3

/** The types of a set of files. */
export class TypeRegistry {
  /** Descriptors by full name. */
  readonly #messages = new Map<string, Uint8Array>()
  readonly #enums = new Map<string, Uint8Array>()
  readonly #types = new Map<string, MessageType>()

  /**
   * @param files The encoded FileDescriptorProto of each file.
   * @throws {MalformedMessage}
   */
  constructor(files: readonly Uint8Array[]) {
    for (const file of files) this.#declare(file, FILE, text(file, FILE.package))
  }

  /** @returns null if there is no such type, or there are several. */
  find(name: string): MessageType | null {
    const [found, ...others] = [...this.#messages.keys()].filter((each) => each.endsWith(`.${name}`))
    return found === undefined || others.length > 0 ? null : this.#type(found)
  }

  #declare(bytes: Uint8Array, numbers: { message?: number; nested?: number; enum: number }, scope: string): void {
    for (const fields = new Fields(bytes); fields.next();) {
      if (fields.number === (numbers.message ?? numbers.nested)) {
        const message = fields.bytes()
        const name = `${scope}.${text(message, MESSAGE.name)}`
        this.#messages.set(name, message)
        this.#declare(message, { nested: MESSAGE.nested, enum: MESSAGE.enum }, name)
      } else if (fields.number === numbers.enum) {
        this.#enums.set(`${scope}.${text(fields.bytes(), ENUM.name)}`, fields.bytes())
      }
    }
  }

  #type(name: string): MessageType {
    const known = this.#types.get(name)
    if (known !== undefined) return known
    const bytes = this.#messages.get(name) ?? new Uint8Array()
    const oneofs = all(bytes, MESSAGE.oneof).map((each) => text(each, 1))
    const fields: FieldType[] = []
    const type = { fields }
    // Before its fields, because a message can contain itself.
    this.#types.set(name, type)
    for (const each of all(bytes, MESSAGE.field)) fields.push(this.#field(each, name, oneofs))
    fields.sort((a, b) => a.number - b.number)
    return type
  }

  #field(bytes: Uint8Array, scope: string, oneofs: readonly string[]): FieldType {
    const typeName = text(bytes, FIELD.typeName)
    const type = number(bytes, FIELD.type) ?? 0
    const message = type === ValueType.MESSAGE ? resolve(typeName, scope, this.#messages) : null
    const values = type === ValueType.ENUM ? resolve(typeName, scope, this.#enums) : null
    const oneof = number(bytes, FIELD.oneofIndex)
    return {
      name: text(bytes, FIELD.name),
      number: number(bytes, FIELD.number) ?? 0,
      isRepeated: number(bytes, FIELD.label) === REPEATED,
      type,
      oneof: oneof === null ? null : (oneofs[oneof] ?? null),
      message: message === null ? null : this.#type(message),
      values: values === null ? null : valuesOf(this.#enums.get(values) ?? new Uint8Array()),
    }
  }
}

/** The full name of a type, which is looked up in each scope from the inside out; null for an unknown type. */
function resolve(name: string, scope: string, types: ReadonlyMap<string, unknown>): string | null {
  if (name.startsWith('.')) return types.has(name.slice(1)) ? name.slice(1) : null
  for (let outer = scope; outer !== ''; outer = outer.slice(0, Math.max(0, outer.lastIndexOf('.')))) {
    if (types.has(`${outer}.${name}`)) return `${outer}.${name}`
  }
  return types.has(name) ? name : null
}

function valuesOf(bytes: Uint8Array): Map<number, string> {
  return new Map(
    all(bytes, ENUM.value).map((each) => [number(each, ENUM_VALUE.number) ?? 0, text(each, ENUM_VALUE.name)]),
  )
}

function all(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = []
  for (const fields = new Fields(bytes); fields.next();) if (fields.number === wanted) found.push(fields.bytes())
  return found
}

function text(bytes: Uint8Array, wanted: number): string {
  return Buffer.from(all(bytes, wanted).at(-1) ?? []).toString()
}

function number(bytes: Uint8Array, wanted: number): number | null {
  let found: number | null = null
  for (const fields = new Fields(bytes); fields.next();) {
    if (fields.number === wanted) found = Number(fields.int64())
  }
  return found
}
