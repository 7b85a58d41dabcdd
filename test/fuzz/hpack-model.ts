/** A second HPACK encoder (RFC 7541) with a dynamic table of its own, so that the fuzzer knows what a block must decode to. */
import type { Random } from './random.js'

export type Field = readonly [name: string, value: string]

/** RFC 7541 section 4.1. */
const OVERHEAD = 32
/** The default of SETTINGS_HEADER_TABLE_SIZE, which the client does not change. */
export const MOST = 4096
const STATIC_ENTRIES = 61
const STATIC_NAMES: Readonly<Record<string, number>> = { ':status': 8, 'content-type': 31, date: 33 }
/** A literal that is put into the table, one that is not, and one that never is; each with the bits of its prefix. */
const FORMS = [
  [0x40, 6],
  [0x40, 6],
  [0x00, 4],
  [0x10, 4],
] as const

function integer(value: number, prefix: number, flags: number): Buffer {
  const most = 2 ** prefix - 1
  if (value < most) return Buffer.of(flags | value)
  const bytes = [flags | most]
  let rest = value - most
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}

function text(value: string): Buffer {
  return Buffer.concat([integer(value.length, 7, 0), Buffer.from(value, 'latin1')])
}

export class ModelEncoder {
  /** The newest first. */
  #entries: Field[] = []
  #max = MOST

  /** Changes the size of the table. */
  resize(size: number): Buffer {
    this.#max = size
    this.#evict()
    return integer(size, 5, 0x20)
  }

  field(random: Random, field: Field): Buffer {
    const [name, value] = field
    const at = this.#entries.findIndex((each) => each[0] === name && each[1] === value)
    if (at >= 0 && !random.once(6)) return this.#indexed(at)
    const named = this.#entries.findIndex((each) => each[0] === name)
    const index = named >= 0 && random.once(2) ? 1 + STATIC_ENTRIES + named : (STATIC_NAMES[name] ?? 0)
    const [flags, prefix] = random.pick(FORMS)
    if (flags === 0x40) this.#insert(field)
    return Buffer.concat([integer(index, prefix, flags), ...(index === 0 ? [text(name)] : []), text(value)])
  }

  /** The oldest entry of the table; null: it is empty. */
  oldest(): { block: Buffer; field: Field } | null {
    const field = this.#entries.at(-1)
    return field === undefined ? null : { block: this.#indexed(this.#entries.length - 1), field }
  }

  /** An index that the table does not have. */
  beyond(): Buffer {
    return this.#indexed(this.#entries.length)
  }

  #indexed(at: number): Buffer {
    return integer(1 + STATIC_ENTRIES + at, 7, 0x80)
  }

  #insert(field: Field): void {
    this.#entries.unshift(field)
    this.#evict()
  }

  #evict(): void {
    let size = 0
    const kept = this.#entries.findIndex(([name, value]) => (size += name.length + value.length + OVERHEAD) > this.#max)
    if (kept >= 0) this.#entries.length = kept
  }
}
