/**
 * Sends the data of streams within the windows of the server (RFC 9113 section 5.2). A frame of the server costs the same however many
 * streams wait: those are visited once in a turn of the event loop, and only if the window suffices for one of them.
 */
import type { Glut } from './frame-checks.js'
import { MAX_FRAME } from './input.js'
import type { Output } from './output.js'
import { ConnectionError, ErrorCode, Flag, FrameType, StreamError } from './protocol.js'
import { DEFAULT_WINDOW, MAX_WINDOW } from './settings.js'
import type { Stream } from './stream.js'

/** Data of this size in bytes is sent at once, if the windows allow it. */
const SMALL = 4096
/** Bytes that may wait for the end of the turn or for the socket before large and small DATA waits. */
const SEND_AHEAD = 256 * 1024
const SMALL_AHEAD = 1024 * 1024
/**
 * A window that is smaller than this, in bytes, and than the rest of a message waits to grow for at most so many milliseconds: a server
 * would otherwise get a frame for each byte of window (RFC 9113 section 10.5). What ends a message is sent at once.
 */
const SMALLEST_PART = 1024
const LONGEST_HOLD = 1000

/** Streams that wait, and a window below which none of them can go on. */
class Waiting {
  readonly streams = new Set<Stream>()
  #least = Infinity

  add(stream: Stream, needed: number): void {
    this.streams.add(stream)
    this.#least = Math.min(this.#least, needed)
  }

  /** Lets the streams go on in turn, so that one large request does not hold up the others. Those that wait again are added again. */
  resume(window: () => number, send: (stream: Stream) => void): void {
    const least = this.#least
    if (window() < least) return
    this.#least = Infinity
    let left = this.streams.size
    for (const stream of this.streams) {
      if (left === 0) return
      if (window() < least) break
      left -= 1
      this.streams.delete(stream)
      send(stream)
    }
    if (left > 0) this.#least = Math.min(this.#least, least)
  }
}

export class DataSender {
  readonly #output: Output
  readonly #glut: Glut
  readonly #streams: ReadonlyMap<number, Stream>
  readonly #fail: (error: ConnectionError) => void
  #window = DEFAULT_WINDOW
  #initialWindow = DEFAULT_WINDOW
  /** No stream has been given more in addition to the initial window. */
  #mostGiven = 0
  /** Streams that wait for a larger window of their own; and for that of the connection, or for the socket. */
  readonly #starved = new Waiting()
  readonly #ready = new Waiting()
  /** Whether {@link resume} runs in this turn. */
  #resumes = false
  #holdTimer: NodeJS.Timeout | undefined
  /** Whether parts of messages are sent however small they are. */
  #sendsAll = false

  constructor(
    output: Output,
    glut: Glut,
    streams: ReadonlyMap<number, Stream>,
    fail: (error: ConnectionError) => void,
  ) {
    this.#output = output
    this.#glut = glut
    this.#streams = streams
    this.#fail = fail
  }

  /** Sends a body at once if it may be sent, as nearly every request of etcd. */
  sendBody(stream: Stream, body: Uint8Array): void {
    const { length } = body
    const isAllowed = length <= Math.min(SMALL, this.#initialWindow, this.#window)
    if (length > 0 && isAllowed && !this.#mustWait(body)) {
      this.#sendFrame(stream, body, true, true)
      return
    }
    stream.write(body)
    stream.end()
  }

  /** Sends queued data as far as windows and the socket allow. */
  send(stream: Stream): void {
    const { outgoing } = stream
    while (outgoing !== null && outgoing.length > 0) {
      const [chunk] = outgoing
      if (chunk === undefined || !this.#sendChunk(stream, chunk, stream.ending && outgoing.length === 1)) return
      outgoing.shift()
      if (chunk.written !== undefined) process.nextTick(chunk.written)
    }
    this.forget(stream)
    if (!stream.ending) return
    if (!stream.localEnded) this.#output.frame(FrameType.DATA, Flag.END_STREAM, stream.id)
    stream.localEnded = true
    stream.finishIfDone()
  }

  /** Lets those go on that wait: at the end of a turn, and when the socket accepts more. */
  readonly resume = (): void => {
    this.#resumes = false
    if (this.#initialWindow + this.#mostGiven > MAX_WINDOW) this.#checkWindows()
    const send = (stream: Stream): void => {
      this.send(stream)
    }
    this.#starved.resume(() => this.#initialWindow, send)
    this.#ready.resume(() => this.#window, send)
    if (this.#ready.streams.size + this.#starved.streams.size > 0) this.#armHold()
  }

  forget(stream: Stream): void {
    stream.neededWindow = 0
    this.#ready.streams.delete(stream)
    this.#starved.streams.delete(stream)
  }

  /** @throws {ConnectionError} */
  addWindow(bytes: number): void {
    this.#window += bytes
    if (this.#window > MAX_WINDOW) throw overflow()
    this.#resumeLater()
  }

  /** @throws {StreamError} */
  addStreamWindow(stream: Stream, bytes: number): void {
    stream.givenWindow += bytes
    this.#mostGiven = Math.max(this.#mostGiven, stream.givenWindow)
    if (this.#initialWindow + stream.givenWindow > MAX_WINDOW)
      throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large')
    // A window that is too small costs no more than this: the rest of a stream is rarely in the cache of the processor.
    if (this.#initialWindow + stream.givenWindow < stream.neededWindow) this.#armHold()
    else if (this.#starved.streams.has(stream)) this.send(stream)
  }

  /** The window of all streams, open ones included (RFC 9113 section 6.9.2). */
  setInitialWindow(bytes: number): void {
    this.#initialWindow = bytes
    this.#resumeLater()
  }

  end(): void {
    clearTimeout(this.#holdTimer)
  }

  /** @returns whether the whole chunk was sent; otherwise the stream waits. */
  #sendChunk(stream: Stream, chunk: { bytes: Uint8Array }, isLast: boolean): boolean {
    while (chunk.bytes.length > 0) {
      const window = this.#initialWindow + stream.givenWindow
      const room = Math.min(window, this.#window, MAX_FRAME)
      const needed = Math.min(chunk.bytes.length, SMALLEST_PART)
      if (room < (this.#sendsAll ? 1 : needed) || this.#mustWait(chunk.bytes)) {
        stream.neededWindow = needed
        if (window < needed) this.#starved.add(stream, needed - stream.givenWindow)
        else this.#ready.add(stream, needed)
        this.#noteWaiting(room > 0 && room < needed)
        return false
      }
      const part = chunk.bytes.subarray(0, room)
      chunk.bytes = chunk.bytes.subarray(part.length)
      const isWhole = chunk.bytes.length === 0
      this.#sendFrame(stream, part, isWhole, isLast && isWhole)
    }
    return true
  }

  /** @param isWhole Whether it is a message, or the rest of one. */
  #sendFrame(stream: Stream, part: Uint8Array, isWhole: boolean, ends: boolean): void {
    this.#output.frame(FrameType.DATA, ends ? Flag.END_STREAM : 0, stream.id, part)
    if (isWhole || part.length >= SMALLEST_PART) this.#glut.noteSent(part.length)
    stream.givenWindow -= part.length
    this.#window -= part.length
    if (!ends) return
    stream.ending = true
    stream.localEnded = true
  }

  /** Whether the socket or this turn has enough to send. A small request of a call does not queue behind large ones. */
  #mustWait({ length }: Uint8Array): boolean {
    const { isBlocked, pending } = this.#output
    return length > SMALL ? isBlocked || pending > SEND_AHEAD : pending > SMALL_AHEAD
  }

  #noteWaiting(isHeld: boolean): void {
    if (isHeld) this.#armHold()
    if (!this.#output.isBlocked && this.#output.pending > SEND_AHEAD) this.#resumeLater()
  }

  #resumeLater(): void {
    if (this.#resumes) return
    this.#resumes = true
    setImmediate(this.resume)
  }

  #checkWindows(): void {
    this.#mostGiven = 0
    for (const { givenWindow } of this.#streams.values()) this.#mostGiven = Math.max(this.#mostGiven, givenWindow)
    if (this.#initialWindow + this.#mostGiven > MAX_WINDOW) this.#fail(overflow())
  }

  #armHold(): void {
    this.#holdTimer ??= setTimeout(() => {
      this.#holdTimer = undefined
      this.#sendsAll = true
      for (const { streams } of [this.#ready, this.#starved]) {
        for (const stream of [...streams]) {
          if (this.#window <= 0) break
          this.send(stream)
        }
      }
      this.#sendsAll = false
    }, LONGEST_HOLD).unref()
  }
}

function overflow(): ConnectionError {
  return new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large')
}
