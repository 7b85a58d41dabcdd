/** The messages of gRPC in an HTTP/2 stream, each with its length before it. */
import { HeldData } from '../http2/held-data.js'
import type { Stream } from '../http2/stream.js'

const PREFIX = 5

export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, PREFIX)
  return framed
}

/** Messages up to this size in bytes are copied, to be one frame with their prefix. */
export const COPIED_MESSAGE = 4096

/** Larger messages are not copied until they are sent: many may wait for a window. */
export function writeMessage(stream: Stream, message: Uint8Array, written?: () => void): void {
  if (message.length <= COPIED_MESSAGE) {
    stream.write(frameMessage(message), written)
    return
  }
  const prefix = Buffer.alloc(PREFIX)
  prefix.writeUInt32BE(message.length, 1)
  stream.write(prefix)
  stream.write(message, written)
}

/** A peer sent something other than a gRPC message, or a message that is larger than the limit (`tooLarge`). */
export class FramingError extends Error {
  readonly tooLarge: boolean
  /** The beginning of a message that was too large; null if it was not read. */
  readonly head: Buffer | null
  /** Messages that were complete before it. */
  completed: readonly Buffer[] = []

  constructor(message: string, tooLarge: boolean, head: Buffer | null = null) {
    super(message)
    this.tooLarge = tooLarge
    this.head = head
  }
}

export function tooLarge(length: number, limit: number, head: Buffer | null = null): FramingError {
  // As grpc-js.
  return new FramingError(`Received message larger than max (${String(length)} vs ${String(limit)})`, true, head)
}

/** Splits a message that is longer than the limit into shorter ones. */
export interface MessageSplitter {
  /** Bytes of memory that it takes. */
  readonly held: number
  /**
   * Accepts the next bytes of the message and adds the messages that they complete. With the last bytes it adds the
   * rest.
   *
   * @throws {FramingError} if a part that cannot be split is longer than the limit.
   */
  push(bytes: Buffer, messages: Buffer[]): void
}

/** Both lengths are in bytes. */
export type MakeSplitter = (length: number, limit: number) => MessageSplitter

const NOTHING = Buffer.alloc(0)

/** Assembles messages from received pieces, which are copied once, when the message is complete. */
export class MessageReader {
  readonly #limit: number
  /** The prefix of an unfinished message, as far as it has arrived. */
  #prefix: Buffer = NOTHING
  /** What has arrived of its body; null: nothing. */
  #body: HeldData | null = null
  #bodyFilled = 0
  #length = 0
  readonly #makeSplitter: MakeSplitter | null
  #splitter: MessageSplitter | null = null

  /**
   * @param limit The longest message accepted, in bytes; -1 for no limit.
   * @param makeSplitter For messages above the limit. Default: they are refused.
   */
  constructor(limit: number, makeSplitter: MakeSplitter | null = null) {
    this.#limit = limit < 0 ? Infinity : limit
    this.#makeSplitter = makeSplitter
  }

  get partial(): boolean {
    return this.#prefix.length > 0
  }

  /** Bytes of memory that the unfinished message takes; 0 if no message is unfinished. */
  get held(): number {
    return this.#splitter?.held ?? this.#body?.memory ?? 0
  }

  /**
   * Accepts the next piece and returns the messages that it completes.
   *
   * @throws {FramingError}
   */
  push(piece: Buffer): Buffer[] {
    // Nearly every answer: one message in one piece.
    if (this.#isWhole(piece)) return [piece.subarray(PREFIX)]
    const messages: Buffer[] = []
    try {
      this.#push(piece, messages)
    } catch (error) {
      if (error instanceof FramingError) error.completed = messages
      throw error
    }
    return messages
  }

  /** Whether the piece is exactly one message, which is not too large. */
  #isWhole(piece: Buffer): boolean {
    if (this.#prefix.length > 0 || piece.length < PREFIX || piece[0] !== 0) return false
    const length = piece.readUInt32BE(1)
    return length === piece.length - PREFIX && length <= this.#limit
  }

  #push(piece: Buffer, messages: Buffer[]): void {
    let at = 0
    while (at < piece.length) {
      if (this.#prefix.length < PREFIX) {
        const bytes = piece.subarray(at, at + PREFIX - this.#prefix.length)
        at += bytes.length
        this.#prefix = this.#prefix.length === 0 ? bytes : Buffer.concat([this.#prefix, bytes])
        if (this.#prefix.length < PREFIX) break
        this.#length = this.#readLength()
        this.#bodyFilled = 0
      }
      const missing = this.#length - this.#bodyFilled
      const bytes = piece.subarray(at, at + missing)
      at += bytes.length
      if (this.#splitter !== null) {
        this.#bodyFilled += bytes.length
        this.#splitter.push(bytes, messages)
        if (bytes.length < missing) break
        this.#splitter = null
        this.#prefix = NOTHING
        continue
      }
      if (bytes.length < missing) {
        this.#append(bytes)
        break
      }
      // A message in one piece is not copied.
      if (this.#body !== null) this.#append(bytes)
      messages.push(this.#body?.takeAll() ?? bytes)
      this.#body = null
      this.#prefix = NOTHING
    }
  }

  #append(bytes: Buffer): void {
    this.#body ??= new HeldData(this.#length)
    this.#body.add(bytes)
    this.#bodyFilled += bytes.length
  }

  #readLength(): number {
    // The client offers no compression, so no message may be compressed.
    if (this.#prefix[0] !== 0) throw new FramingError('Received a compressed message, which was not offered', false)
    const length = this.#prefix.readUInt32BE(1)
    if (length > this.#limit) {
      if (this.#makeSplitter === null) throw tooLarge(length, this.#limit)
      this.#splitter = this.#makeSplitter(length, this.#limit)
    }
    return length
  }
}
