/** The streams whose data waits. What a frame of the server costs does not depend on how many there are. */
import { MAX_WINDOW } from './settings.js'
import type { Stream } from './stream.js'

/**
 * DATA has the rest of its message or at least so many bytes, unless the windows do not allow that for {@link LATE} milliseconds: a
 * server must not make a client send a frame for each byte (RFC 9113 section 10.5).
 */
const LEAST = 1024
const LATE = 100
/** Streams that then send less than that, each time. */
const MOST_LATE = 100

export function leastOf(message: Uint8Array): number {
  return Math.min(message.length, LEAST)
}

/** What the streams need of their connection. */
interface Sender {
  readonly initialWindow: number
  /** The window of the connection in bytes. */
  readonly sendWindow: number
  /** Whether the connection and the socket let the stream send what is next. */
  maySend(stream: Stream): boolean
  /** Sends what is allowed; if that is not all, it adds the stream again. */
  sendData(stream: Stream, isLate: boolean): void
  /** The window of a stream is larger than HTTP/2 allows. */
  refuseWindow(): void
}

export class WaitingStreams {
  readonly #sender: Sender
  /** They wait for the window of the connection or for the socket, in turn. */
  readonly #ready = new Set<Stream>()
  /** They wait for a larger window of their own. */
  readonly #starved = new Set<Stream>()
  /** Those with a larger window than the initial one, also if they do not wait. */
  readonly #wide = new Set<Stream>()
  /** No stream is starved that could send with a smaller initial window than this one. */
  #enough = Infinity
  /** Whether the initial window became larger in this turn. */
  #isRaised = false
  #turn: NodeJS.Immediate | null = null
  #late: NodeJS.Timeout | null = null

  constructor(sender: Sender) {
    this.#sender = sender
  }

  has(stream: Stream): boolean {
    return this.#ready.has(stream) || this.#starved.has(stream)
  }

  delete(stream: Stream): void {
    this.#ready.delete(stream)
    this.#starved.delete(stream)
  }

  forget(stream: Stream): void {
    this.delete(stream)
    this.#wide.delete(stream)
  }

  /** @param least Bytes that the stream sends next, if its own window allows them. */
  add(stream: Stream, least: number): void {
    const isStarved = stream.sendWindow < least
    const [to, from] = isStarved ? [this.#starved, this.#ready] : [this.#ready, this.#starved]
    from.delete(stream)
    to.add(stream)
    if (isStarved) this.#enough = Math.min(this.#enough, least - stream.ownWindow)
    this.#late ??= setTimeout(this.#sendLate, LATE).unref()
  }

  /** A stream got a window of its own. */
  widen(stream: Stream): void {
    if (stream.ownWindow > 0) this.#wide.add(stream)
    if (this.has(stream)) this.#sender.sendData(stream, false)
  }

  /** The initial window became larger, and so did that of each stream (RFC 9113 section 6.9.2). */
  raise(): void {
    this.#isRaised = true
    this.resume()
  }

  /** Lets the streams send at the end of the turn. */
  resume(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null
      if (this.#isRaised) this.#feed()
      this.serve()
    })
  }

  /** Lets the streams send in turn, so that one large request does not hold up the others, until one of them may not. */
  serve(): void {
    for (const stream of this.#ready) {
      if (!this.#sender.maySend(stream)) return
      this.#ready.delete(stream)
      this.#sender.sendData(stream, false)
    }
  }

  end(): void {
    if (this.#turn !== null) clearImmediate(this.#turn)
    if (this.#late !== null) clearTimeout(this.#late)
  }

  #feed(): void {
    this.#isRaised = false
    for (const stream of this.#wide) {
      if (stream.sendWindow <= MAX_WINDOW) continue
      this.#sender.refuseWindow()
      return
    }
    if (this.#sender.initialWindow < this.#enough) return
    this.#enough = Infinity
    for (const stream of this.#starved) this.add(stream, leastOf(stream.next))
  }

  readonly #sendLate = (): void => {
    this.#late = null
    const waiting = [...this.#ready, ...this.#starved]
    for (const stream of waiting.filter(({ sendWindow }) => sendWindow > 0).slice(0, MOST_LATE)) {
      if (this.#sender.sendWindow <= 0) break
      // It waits behind the others again.
      this.delete(stream)
      this.#sender.sendData(stream, true)
    }
    if (this.#ready.size + this.#starved.size > 0) this.#late ??= setTimeout(this.#sendLate, LATE).unref()
  }
}
