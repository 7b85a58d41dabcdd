/**
 * Splits a WatchResponse that is longer than the limit into fragments, as etcd does on request (server/etcdserver/api/v3rpc/watch.go,
 * sendFragments). etcd does not split the events that precede the announcement of their watch (sendLoop, `pending`), and its
 * grpc-proxy splits none.
 */
import { FramingError, type MessageSplitter, tooLarge } from '../transport/framing.js'
import { fieldLength, MalformedMessage, trueField, withoutFields } from '../transport/protobuf.js'
import { RESPONSE } from './watch-messages.js'

/** Bytes of events in a fragment, unless one event is longer. */
const FRAGMENT = 512 * 1024
/** The tag of an event: its field number, and the wire type of a nested message. */
const EVENT_TAG = RESPONSE.events * 8 + 2

/** The first buffer in bytes. It grows as bytes arrive, because a peer can announce any length. */
const FIRST_BUFFER = 16 * 1024

/** A buffer of twice the needed bytes, with the first `filled` bytes of the old one. */
function grow(old: Buffer, filled: number, needed: number): Buffer {
  const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BUFFER, 2 * needed))
  old.copy(grown, 0, 0, filled)
  return grown
}

export class ResponseSplitter implements MessageSplitter {
  readonly #limit: number
  readonly #length: number
  /** The fields before the first event; null until that has begun. */
  #head: Buffer | null = null
  #buffer: Buffer = Buffer.alloc(0)
  #filled = 0
  /** Bytes of whole fields at the beginning of the buffer. */
  #whole = 0
  /** Bytes of the message that have left the buffer. */
  #passed = 0

  constructor(length: number, limit: number) {
    this.#length = length
    this.#limit = limit
  }

  get held(): number {
    return this.#buffer.length
  }

  push(bytes: Buffer, messages: Buffer[]): void {
    const needed = this.#filled + bytes.length
    if (needed > this.#buffer.length) this.#buffer = grow(this.#buffer, this.#filled, needed)
    bytes.copy(this.#buffer, this.#filled)
    this.#filled = needed
    try {
      while (this.#acceptField(messages));
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      throw new FramingError(`Received a watch response that cannot be read: ${error.message}`, false)
    }
    if (this.#passed + this.#filled < this.#length) return
    // It may end in the middle of a field, which its reader reports.
    messages.push(Buffer.concat([this.#head ?? EMPTY, this.#buffer.subarray(0, this.#filled)]))
  }

  /** False if the next field is not complete. */
  #acceptField(messages: Buffer[]): boolean {
    const length = fieldLength(this.#buffer.subarray(this.#whole, this.#filled))
    if (length === null) return false
    if (this.#buffer[this.#whole] === EVENT_TAG) this.#head ??= this.#take()
    else if (this.#head !== null) throw new MalformedMessage('A field follows its events')
    const whole = this.#whole + length
    if (length > this.#limit || (this.#head === null && whole > this.#limit)) {
      this.#pass(messages)
      throw tooLarge(length, this.#limit, this.#head)
    }
    if (whole > this.#filled) return false
    // A fragment ends before an event, so that the last one is not empty.
    if (whole > Math.min(FRAGMENT, this.#limit)) this.#pass(messages)
    this.#whole += length
    return true
  }

  #pass(messages: Buffer[]): void {
    if (this.#head === null || this.#whole === 0) return
    const head = withoutFields(this.#head, [RESPONSE.fragment])
    messages.push(Buffer.concat([head, trueField(RESPONSE.fragment), this.#take()]))
  }

  /** Removes the whole fields from the buffer and returns a copy of them. */
  #take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#whole))
    this.#buffer.copyWithin(0, this.#whole, this.#filled)
    this.#filled -= this.#whole
    this.#passed += this.#whole
    this.#whole = 0
    return taken
  }
}

const EMPTY = Buffer.alloc(0)
