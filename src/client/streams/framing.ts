/** gRPC's bytes inside an HTTP/2 stream: length-prefixed messages, and the time-out header (gRPC over HTTP/2). */

const PREFIX = 5

/** One message with its prefix: a flag byte 0 (not compressed) and the length. */
export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, PREFIX)
  return framed
}

/** What a peer sent is no gRPC message, or more than we take. */
export class FramingError extends Error {
  /** True where the message is well formed and only larger than the limit. */
  readonly tooLarge: boolean

  constructor(message: string, tooLarge: boolean) {
    super(message)
    this.tooLarge = tooLarge
  }
}

/** Puts messages together from the pieces that arrive. */
export class MessageReader {
  readonly #limit: number
  #parts: Buffer[] = []
  #size = 0
  #wanted = 0

  /** @param limit Longest message taken, in octets; -1 for no limit. */
  constructor(limit: number) {
    this.#limit = limit < 0 ? Infinity : limit
  }

  /** Whether a message has begun and not ended. */
  get partial(): boolean {
    return this.#size > 0
  }

  /**
   * Takes the next piece and returns the messages that it completes.
   *
   * @throws {FramingError}
   */
  push(piece: Buffer): Buffer[] {
    let bytes = piece
    if (this.#size > 0) {
      this.#parts.push(piece)
      this.#size += piece.length
      if (this.#size < this.#wanted) return []
      bytes = Buffer.concat(this.#parts, this.#size)
      this.#parts = []
      this.#size = 0
    }
    const messages: Buffer[] = []
    let at = 0
    let wanted = PREFIX
    while (bytes.length - at >= PREFIX) {
      wanted = PREFIX + this.#lengthAt(bytes, at)
      if (bytes.length - at < wanted) break
      messages.push(bytes.subarray(at + PREFIX, at + wanted))
      at += wanted
      wanted = PREFIX
    }
    if (at < bytes.length) {
      this.#parts = [bytes.subarray(at)]
      this.#size = bytes.length - at
      this.#wanted = wanted
    }
    return messages
  }

  #lengthAt(bytes: Buffer, at: number): number {
    // We offer no compression, so nothing may come compressed.
    if (bytes[at] !== 0) throw new FramingError('Received a compressed message, which was not offered', false)
    const length = bytes.readUInt32BE(at + 1)
    if (length > this.#limit) {
      throw new FramingError(`Received message larger than max (${String(length)} vs ${String(this.#limit)})`, true)
    }
    return length
  }
}

const UNITS: readonly (readonly [string, number])[] = [
  ['m', 1],
  ['S', 1000],
  ['M', 60_000],
  ['H', 3_600_000],
]

/** The value of `grpc-timeout`: at most eight digits and a unit. Rounded up, so that the peer never gives up before us. */
export function timeoutHeader(milliseconds: number): string {
  for (const [unit, factor] of UNITS) {
    const amount = Math.ceil(milliseconds / factor)
    if (amount < 1e8) return `${String(Math.max(amount, 1))}${unit}`
  }
  return '99999999H'
}
