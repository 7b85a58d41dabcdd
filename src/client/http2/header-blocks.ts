/** Assembles header blocks from HEADERS and CONTINUATION, and decodes them (RFC 9113 section 4.3). */
import { unpadded } from './frame-checks.js'
import { type HeaderField, HpackDecoder, isConnectionSpecific } from './hpack.js'
import { type AnswerHead, ConnectionError, ErrorCode, Flag, FrameType, StreamError } from './protocol.js'

/** The largest list of headers in bytes, and the largest block that encodes one. */
export const MAX_HEADERS = 64 * 1024
/** Maximum number of frames of one block. */
const MAX_FRAMES = 64
const PRIORITY_LENGTH = 5

export interface HeaderBlock {
  readonly id: number
  readonly ends: boolean
  /** The error of the stream if the list is too large or malformed. */
  readonly headers: AnswerHead | StreamError
}

export class HeaderBlocks {
  readonly #decoder = new HpackDecoder()
  readonly #objects = new HeaderObjects()
  #open: { id: number; flags: number; parts: Buffer[]; size: number } | null = null

  /** @throws {ConnectionError} for a frame in the middle of a block that does not continue it. */
  check(type: number, id: number): void {
    if (this.#open === null || (type === FrameType.CONTINUATION && id === this.#open.id)) return
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame in the middle of a header block')
  }

  /** @returns null for a block that is not complete. */
  start(flags: number, id: number, payload: Buffer): HeaderBlock | null {
    let block = unpadded(flags, payload)
    if ((flags & Flag.PRIORITY) !== 0) {
      if (block.length < PRIORITY_LENGTH) {
        throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS without their priority')
      }
      block = block.subarray(PRIORITY_LENGTH)
    }
    if ((flags & Flag.END_HEADERS) !== 0) return this.#decode(id, flags, block)
    this.#open = { id, flags, parts: [block], size: block.length }
    return null
  }

  /** @returns null for a block that is not complete. */
  continue(flags: number, payload: Buffer): HeaderBlock | null {
    const open = this.#open
    if (open === null) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without HEADERS')
    open.parts.push(payload)
    open.size += payload.length
    if (open.size > MAX_HEADERS || open.parts.length > MAX_FRAMES) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a header block that is too large')
    }
    if ((flags & Flag.END_HEADERS) === 0) return null
    this.#open = null
    return this.#decode(open.id, open.flags, Buffer.concat(open.parts))
  }

  /** Decodes the block of an ended stream as well, because the table is the connection's. */
  #decode(id: number, flags: number, block: Buffer): HeaderBlock {
    const ends = (flags & Flag.END_STREAM) !== 0
    const fields = this.#decoder.decode(block, MAX_HEADERS)
    return { id, ends, headers: fields === null ? tooLarge() : this.#objects.get(fields) }
  }
}

function tooLarge(): StreamError {
  return new StreamError(ErrorCode.ENHANCE_YOUR_CALM, 'a list of headers that is too large')
}

/**
 * Makes header objects. Those of the last answers are kept: fields from the tables are the same objects, and etcd's answers are
 * alike.
 */
class HeaderObjects {
  readonly #known: { fields: readonly HeaderField[]; headers: AnswerHead | StreamError }[] = []

  /** The result is shared: nobody may change it. */
  get(fields: readonly HeaderField[]): AnswerHead | StreamError {
    const known = this.#known.find((each) => isSame(each.fields, fields))
    if (known !== undefined) return known.headers
    const headers = headersOf(fields)
    this.#known.unshift({ fields, headers })
    this.#known.length = Math.min(this.#known.length, MAX_KNOWN)
    return headers
  }
}

/** Of a client of etcd: the head, the trailers, and those of a refusal. */
const MAX_KNOWN = 4

function isSame(one: readonly HeaderField[], other: readonly HeaderField[]): boolean {
  return one.length === other.length && one.every((field, i) => field === other[i])
}

/** What RFC 9113 section 8.2.1 requires to refuse. Spaces around a value are not, because grpc-go sends them in messages. */
const INVALID_NAME = /[^!-@[-~]|:|^$/
const INVALID_VALUE = /[\0\r\n]/

function headersOf(fields: readonly HeaderField[]): AnswerHead | StreamError {
  const headers = Object.create(null) as Record<string, string | number>
  let isRegular = false
  for (const [name, value] of fields) {
    if (name.startsWith(':')) {
      if (isRegular || name !== ':status' || headers[name] !== undefined || !/^[1-9]\d\d$/.test(value)) {
        return new StreamError(ErrorCode.PROTOCOL_ERROR, 'malformed pseudo-headers')
      }
      headers[name] = Number(value)
      continue
    }
    if (INVALID_NAME.test(name) || INVALID_VALUE.test(value) || isConnectionSpecific(name, value)) {
      return new StreamError(ErrorCode.PROTOCOL_ERROR, 'a header that HTTP/2 does not allow')
    }
    isRegular = true
    const known = headers[name]
    headers[name] = known === undefined ? value : `${String(known)}, ${value}`
  }
  return headers as AnswerHead
}
