/** HPACK (RFC 7541): a decoder with a bounded dynamic table, and an encoder that uses the static table alone. */
import type { OutgoingHttpHeaders } from 'node:http2'
import { decodeHuffman } from './huffman.js'
import { ConnectionError, ErrorCode, type RequestHeaders } from './protocol.js'

/** RFC 7541 appendix A; entry 1 is at index 0. */
const STATIC: readonly (readonly [string, string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
]

export type HeaderField = readonly [name: string, value: string]

/** The bytes that an entry counts in addition to its name and value (RFC 7541 section 4.1). */
const ENTRY_OVERHEAD = 32
/** The size of the dynamic table of both sides in bytes, unless SETTINGS_HEADER_TABLE_SIZE changes it. Ours stays. */
export const DEFAULT_TABLE = 4096
/** The largest number that is read: no length, index or size that is allowed here is longer. */
const MAX_INTEGER = 2 ** 24

const sizeOf = ([name, value]: HeaderField): number => name.length + value.length + ENTRY_OVERHEAD

function compressionError(reason: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, reason)
}

/** Decodes header blocks of one connection, in the order in which they arrive. */
export class HpackDecoder {
  /** The dynamic table, the oldest entry first. */
  #entries: HeaderField[] = []
  #size = 0
  /** What the peer uses of the size that it may use. */
  #maxSize: number
  readonly #allowed: number
  #block: Buffer = Buffer.alloc(0)
  #at = 0

  /** @param allowed The largest table in bytes, as in our SETTINGS. */
  constructor(allowed = DEFAULT_TABLE) {
    this.#allowed = allowed
    this.#maxSize = allowed
  }

  /**
   * Decodes a whole block.
   *
   * @param limit The largest header list in bytes (RFC 9113 section 6.5.2). Fields beyond it are decoded, because the table
   * must stay the peer's, and dropped.
   * @returns null if the list is larger.
   * @throws {ConnectionError} if the block is invalid: the connection cannot be used any more.
   */
  decode(block: Buffer, limit: number): HeaderField[] | null {
    this.#block = block
    this.#at = 0
    const fields: HeaderField[] = []
    let size = 0
    while (this.#at < block.length) {
      const field = this.#readField(fields.length === 0 && size === 0)
      if (field === null) continue
      size += sizeOf(field)
      if (size <= limit) fields.push(field)
    }
    return size <= limit ? fields : null
  }

  /** @returns null for a change of the table's size, which is allowed at the start of a block only. */
  #readField(isStart: boolean): HeaderField | null {
    const first = this.#block[this.#at] ?? 0
    if ((first & 0x80) !== 0) return this.#entry(this.#readInteger(7))
    if ((first & 0x40) !== 0) {
      const field = this.#readLiteral(6)
      this.#insert(field)
      return field
    }
    if ((first & 0x20) === 0) return this.#readLiteral(4)
    if (!isStart) throw compressionError('a table size in the middle of a header block')
    this.#resize(this.#readInteger(5))
    return null
  }

  #readLiteral(prefix: number): HeaderField {
    const index = this.#readInteger(prefix)
    const name = index === 0 ? this.#readString() : this.#entry(index)[0]
    return [name, this.#readString()]
  }

  #entry(index: number): HeaderField {
    const field = index <= STATIC.length ? STATIC[index - 1] : this.#entries.at(STATIC.length - index)
    if (field === undefined) throw compressionError(`the table has no entry ${String(index)}`)
    return field
  }

  #insert(field: HeaderField): void {
    this.#entries.push(field)
    this.#size += sizeOf(field)
    this.#evict()
  }

  #resize(size: number): void {
    if (size > this.#allowed) throw compressionError(`a table of ${String(size)} bytes, which is larger than allowed`)
    this.#maxSize = size
    this.#evict()
  }

  #evict(): void {
    let evicted = 0
    while (this.#size > this.#maxSize) {
      const oldest = this.#entries[evicted]
      if (oldest === undefined) break
      this.#size -= sizeOf(oldest)
      evicted += 1
    }
    if (evicted > 0) this.#entries.splice(0, evicted)
  }

  /** RFC 7541 section 5.1. */
  #readInteger(prefix: number): number {
    const most = 2 ** prefix - 1
    let value = this.#readByte() & most
    if (value < most) return value
    for (let shift = 0; ; shift += 7) {
      const byte = this.#readByte()
      value += (byte & 0x7f) * 2 ** shift
      if (value > MAX_INTEGER || shift > 21) throw compressionError('an integer that is too large')
      if ((byte & 0x80) === 0) return value
    }
  }

  #readString(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0
    const length = this.#readInteger(7)
    const end = this.#at + length
    if (end > this.#block.length) throw compressionError('a string beyond the end of the header block')
    const start = this.#at
    this.#at = end
    if (!isHuffman) return this.#block.toString('latin1', start, end)
    const text = decodeHuffman(this.#block.subarray(start, end))
    if (text === null) throw compressionError('an invalid Huffman code')
    return text
  }

  #readByte(): number {
    const byte = this.#block[this.#at]
    if (byte === undefined) throw compressionError('a header block that ends in the middle of a field')
    this.#at += 1
    return byte
  }
}

const STATIC_FIELDS: ReadonlyMap<string, number> = new Map(
  STATIC.map(([name, value], i) => [`${name}\n${value}`, i + 1]),
)
/** The first entry of each name. */
const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC.map(([name], i) => [name, i + 1] as const).toReversed(),
)

const LITERAL = 0x00
/** Such a field is never put into a table, here or by a proxy (RFC 7541 section 7.1.3). */
const NEVER_INDEXED = 0x10
const SECRETS: ReadonlySet<string> = new Set(['token', 'authorization', 'cookie'])
/** RFC 9113 section 8.2.2. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** Whether a field is about a connection of HTTP/1.1, so that HTTP/2 does not allow it. */
export function isConnectionSpecific(name: string, value: string): boolean {
  return CONNECTION_SPECIFIC.has(name) || (name === 'te' && value !== 'trailers')
}

/** RFC 9113 section 8.2.1. */
const VALID_NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/
const VALID_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** RFC 7541 section 6.3: a dynamic table of zero bytes. */
const NO_TABLE = Buffer.from([0x20])

/**
 * Encodes headers without the dynamic table, so that an encoded field does not depend on the connection, and those that
 * requests have in common are encoded once. Secrets are never indexed.
 */
export class HeaderEncoder {
  readonly #common = new WeakMap<OutgoingHttpHeaders, Buffer>()
  /** Whether the next block reports that there is no table, and whether one has. */
  #reportsTable = false
  #hasReported = false

  /** @param bytes The smallest table that the peer has allowed: the next block must report one that is not larger (RFC 7541 section 4.2). */
  limitTable(bytes: number): void {
    this.#reportsTable = bytes < DEFAULT_TABLE && !this.#hasReported
  }

  /** @throws {TypeError} for a name or a value that HTTP/2 does not allow. */
  encode(headers: RequestHeaders): Buffer {
    const block = this.#encode(headers)
    if (!this.#reportsTable) return block
    this.#reportsTable = false
    this.#hasReported = true
    return Buffer.concat([NO_TABLE, block])
  }

  #encode({ common, own }: RequestHeaders): Buffer {
    let block = this.#common.get(common)
    if (block === undefined) {
      block = encodeHeaders(common)
      this.#common.set(common, block)
    }
    if (own === undefined) return block
    const rest = encodeHeaders(own)
    return rest.length === 0 ? block : Buffer.concat([block, rest])
  }
}

/** Pseudo-headers come first (RFC 9113 section 8.3). */
export function encodeHeaders(headers: OutgoingHttpHeaders): Buffer {
  const pseudo: Buffer[] = []
  const regular: Buffer[] = []
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined) continue
    const fields = name.startsWith(':') ? pseudo : regular
    for (const each of Array.isArray(value) ? value : [String(value)]) fields.push(encodeField(name, each))
  }
  return Buffer.concat([...pseudo, ...regular])
}

/** @throws {TypeError} */
function encodeField(name: string, value: string): Buffer {
  if (!VALID_NAME.test(name) || !VALID_VALUE.test(value) || isConnectionSpecific(name, value)) {
    throw new TypeError(`The header ${JSON.stringify(name)} has a name or a value that HTTP/2 does not allow`)
  }
  const index = STATIC_FIELDS.get(`${name}\n${value}`)
  if (index !== undefined) return encodeInteger(index, 7, 0x80)
  const form = SECRETS.has(name) ? NEVER_INDEXED : LITERAL
  const nameIndex = STATIC_NAMES.get(name) ?? 0
  const start = encodeInteger(nameIndex, 4, form)
  return nameIndex === 0
    ? Buffer.concat([start, encodeString(name), encodeString(value)])
    : Buffer.concat([start, encodeString(value)])
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([encodeInteger(bytes.length, 7, 0), bytes])
}

function encodeInteger(value: number, prefix: number, flags: number): Buffer {
  const most = 2 ** prefix - 1
  if (value < most) return Buffer.from([flags | value])
  const bytes = [flags | most]
  let rest = value - most
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Buffer.from([...bytes, rest])
}
