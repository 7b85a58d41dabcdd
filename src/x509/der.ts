/**
 * A strict reader of DER (ITU-T X.690). It refuses encodings that DER forbids (indefinite and over-long lengths, padded integers,
 * set padding bits). It does not copy, does not recurse, and does not read outside its element.
 */

export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
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

/** The identifier byte of context-specific tag `n`. */
export function contextTag(n: number, form: 'constructed' | 'primitive'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | n
}

/** Thrown for malformed DER, and for an unexpected element. */
export class DerError extends Error {
  override readonly name = 'DerError'
  /** The end of a sentence. */
  readonly reason: string
  /** Position in the input in bytes. */
  readonly offset: number
  /** Set if the input may be well-formed, and has more items than this package reads. */
  readonly limit: number | undefined

  constructor(reason: string, offset: number, limit?: number) {
    super(`${reason} (byte ${String(offset)})`)
    this.reason = reason
    this.offset = offset
    this.limit = limit
  }
}

export interface DerElement {
  readonly tag: number
  readonly start: number
  readonly contentStart: number
  readonly end: number
}

export class DerReader {
  readonly bytes: Uint8Array
  #position: number
  readonly #end: number

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.#position = start
    this.#end = end
  }

  get offset(): number {
    return this.#position
  }

  get atEnd(): boolean {
    return this.#position >= this.#end
  }

  peek(): number {
    return this.#position < this.#end ? this.#byte(this.#position) : -1
  }

  element(): DerElement {
    const start = this.#position
    if (start >= this.#end) throw new DerError('the data ends where another element must follow', start)
    const tag = this.#byte(start)
    if ((tag & 0x1f) === 0x1f) throw new DerError('a multi-byte tag, which X.509 does not use', start)
    if (start + 1 >= this.#end) throw new DerError('the data ends inside an element header', start)
    let length = this.#byte(start + 1)
    let contentStart = start + 2
    if (length >= 0x80) {
      const lengthBytes = length & 0x7f
      if (lengthBytes === 0) throw new DerError('an indefinite length, which DER forbids', start)
      if (lengthBytes > 4) throw new DerError('a length of more than four bytes', start)
      if (contentStart + lengthBytes > this.#end) throw new DerError('the data ends inside a length', start)
      length = 0
      for (let i = 0; i < lengthBytes; i++) length = length * 256 + this.#byte(contentStart + i)
      contentStart += lengthBytes
      const minimal = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4
      if (lengthBytes !== minimal) throw new DerError('a length that is longer than it needs to be', start)
    }
    const end = contentStart + length
    if (end > this.#end) throw new DerError('a length that reaches past the data', start)
    this.#position = end
    return { tag, start, contentStart, end }
  }

  /** Reads the next element and requires its tag; `what` names it in the error. */
  expect(tag: number, what: string): DerElement {
    if (this.peek() !== tag) throw new DerError(`${what} is missing or of another type`, this.#position)
    return this.element()
  }

  optional(tag: number): DerElement | null {
    return this.peek() === tag ? this.element() : null
  }

  enter(tag: number, what: string): DerReader {
    return this.inside(this.expect(tag, what))
  }

  /** A reader of the contents of the next element if it has this tag; else null. */
  enterOptional(tag: number): DerReader | null {
    return this.peek() === tag ? this.inside(this.element()) : null
  }

  inside(element: DerElement): DerReader {
    return new DerReader(this.bytes, element.contentStart, element.end)
  }

  content(element: DerElement): Uint8Array {
    return this.bytes.subarray(element.contentStart, element.end)
  }

  whole(element: DerElement): Uint8Array {
    return this.bytes.subarray(element.start, element.end)
  }

  finish(what: string): void {
    if (!this.atEnd) throw new DerError(`${what} is followed by data that does not belong there`, this.#position)
  }

  boolean(what: string): boolean {
    const { start, contentStart, end } = this.expect(Tag.boolean, what)
    const value = this.#byte(contentStart)
    if (end - contentStart !== 1 || (value !== 0 && value !== 0xff)) {
      throw new DerError(`${what} is a BOOLEAN that is neither 00 nor FF`, start)
    }
    return value === 0xff
  }

  /** The two's-complement bytes of an INTEGER in the shortest form; `tag` for an implicit one. */
  integer(what: string, tag: number = Tag.integer): Uint8Array {
    const element = this.expect(tag, what)
    const content = this.content(element)
    const [first, second] = content
    if (first === undefined) throw new DerError(`${what} is an INTEGER without bytes`, element.start)
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DerError(`${what} is an INTEGER that is longer than it needs to be`, element.start)
    }
    return content
  }

  /** A non-negative INTEGER that fits in 31 bits. */
  smallInteger(what: string, tag: number = Tag.integer): number {
    const start = this.#position
    const content = this.integer(what, tag)
    if ((content[0] ?? 0) >= 0x80) throw new DerError(`${what} is negative`, start)
    let value = 0
    for (const byte of content) value = value * 256 + byte
    if (value > 0x7fffffff) throw new DerError(`${what} is too large`, start)
    return value
  }

  /** A BIT STRING: its bytes, and the number of unused bits of the last. Unused bits must be zero. */
  bitString(what: string, tag: number = Tag.bitString): { bytes: Uint8Array; unusedBits: number } {
    const { start, contentStart, end } = this.expect(tag, what)
    const unusedBits = contentStart < end ? this.#byte(contentStart) : 8
    if (unusedBits > 7 || (unusedBits > 0 && end - contentStart === 1)) {
      throw new DerError(`${what} is a BIT STRING with a wrong count of unused bits`, start)
    }
    if ((this.#byte(end - 1) & ((1 << unusedBits) - 1)) !== 0) {
      throw new DerError(`${what} is a BIT STRING whose padding bits are set`, start)
    }
    return { bytes: this.bytes.subarray(contentStart + 1, end), unusedBits }
  }

  octetString(what: string): Uint8Array {
    return this.content(this.expect(Tag.octetString, what))
  }

  /** An OBJECT IDENTIFIER in dotted form. */
  oid(what: string): string {
    const element = this.expect(Tag.oid, what)
    const { contentStart, end } = element
    if (end - contentStart === 3 && this.#byte(contentStart) === 0x55 && this.#byte(contentStart + 1) === 0x1d) {
      const known = EXTENSION_IDS[this.#byte(contentStart + 2)]
      if (known !== undefined) return known
    }
    return oidText(this.content(element), what, element.start)
  }

  null(what: string): void {
    const element = this.expect(Tag.null, what)
    if (element.end !== element.contentStart) throw new DerError(`${what} is a NULL with contents`, element.start)
  }

  #byte(index: number): number {
    // The callers check the range; the fallback is for the type checker.
    return this.bytes[index] ?? 0
  }
}

/** The ids 2.5.29.x (id-ce), made once, because most ids in certificates are among them. */
const EXTENSION_IDS: readonly string[] = Array.from({ length: 0x80 }, (_, arc) => `2.5.29.${String(arc)}`)

/** Longest OBJECT IDENTIFIER in bytes. A UUID below 2.25 needs 19. */
const MAX_OID_BYTES = 64

export function oidText(content: Uint8Array, what: string, offset: number): string {
  if (content.length === 0) throw new DerError(`${what} is an empty OBJECT IDENTIFIER`, offset)
  if (content.length > MAX_OID_BYTES)
    throw new DerError(`${what} is an OBJECT IDENTIFIER of more than ${String(MAX_OID_BYTES)} bytes`, offset)
  let text = ''
  let arc = 0
  let arcStart = 0
  for (let i = 0; i < content.length; i++) {
    const byte = content[i] ?? 0
    if (i === arcStart && byte === 0x80) throw new DerError(`${what} is an OBJECT IDENTIFIER with a padded arc`, offset)
    arc = arc * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    const value = i - arcStart < MAX_EXACT_BYTES ? arc : bigArc(content.subarray(arcStart, i + 1))
    text += arcStart === 0 ? firstArcs(value) : `.${String(value)}`
    arc = 0
    arcStart = i + 1
  }
  if (arcStart < content.length) throw new DerError(`${what} is an OBJECT IDENTIFIER that ends inside an arc`, offset)
  return text
}

/** Maximum bytes of an arc, with seven bits each, that a number holds exactly. */
const MAX_EXACT_BYTES = 7

function bigArc(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => value * 128n + BigInt(byte & 0x7f), 0n)
}

/** The first two arcs are encoded as one (X.690 section 8.19.4). */
function firstArcs(value: number | bigint): string {
  if (typeof value === 'bigint') return `2.${String(value - 80n)}`
  const first = Math.min(Math.floor(value / 40), 2)
  return `${String(first)}.${String(value - first * 40)}`
}

/** Reads 1 to `max` items; `what` names them in the error. */
export function readItems<T>(list: DerReader, max: number, what: string, read: (list: DerReader) => T): T[] {
  const items: T[] = []
  while (!list.atEnd) {
    if (items.length >= max) throw new DerError(`more than ${max.toLocaleString('en-US')} ${what}`, list.offset, max)
    items.push(read(list))
  }
  if (items.length === 0) throw new DerError(`an empty list of ${what}`, list.offset)
  return items
}

/** Whether a bit is set in the bytes of a BIT STRING; bit 0 is the first. */
export function hasBit(bytes: Uint8Array, bit: number): boolean {
  return ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex').toUpperCase()
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  // Most unequal arrays differ in the first or last byte, and Buffer.compare costs more than these comparisons.
  return a.length === b.length && a[0] === b[0] && a.at(-1) === b.at(-1) && Buffer.compare(a, b) === 0
}

/** An element with its length in the shortest form. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  let length = 0
  for (const each of contents) length += each.length
  const lengthBytes = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3
  const header = 2 + lengthBytes
  const out = Buffer.allocUnsafe(header + length)
  out[0] = tag
  if (lengthBytes === 0) {
    out[1] = length
  } else {
    out[1] = 0x80 | lengthBytes
    out.writeUIntBE(length, 2, lengthBytes)
  }
  let at = header
  for (const each of contents) {
    out.set(each, at)
    at += each.length
  }
  return out
}
