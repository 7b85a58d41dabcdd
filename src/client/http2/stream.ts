/** One stream of a {@link Session}: its state, its windows, and what waits in both directions. */
import { type AnswerHead, ErrorCode, type Http2Stream, StreamError, type StreamListener } from './protocol.js'

/** What a stream needs of its connection. */
interface StreamHost {
  /** Sends queued data as far as windows and the socket allow. */
  sendData(stream: Stream): void
  /** Gives the peer so many bytes of the stream's window back. */
  release(stream: Stream, bytes: number): void
  reset(stream: Stream, code: number): void
  forget(stream: Stream): void
}

interface Chunk {
  bytes: Uint8Array
  written: (() => void) | undefined
}

const MAX_WINDOW = 2 ** 31 - 1
/** The receive window of a stream in bytes: what is held of a stream whose caller does not read. */
export const STREAM_WINDOW = 256 * 1024

export class Stream implements Http2Stream {
  readonly id: number
  /** The position of its HEADERS in the output. */
  readonly position: number
  readonly listener: StreamListener
  /** Bytes that may be sent; negative after the peer has made its initial window smaller. */
  sendWindow: number
  /** Set once the stream is over. */
  isClosed = false
  isUnprocessed = false
  localEnded = false
  remoteEnded = false
  /** What waits to be sent; null: nothing. */
  outgoing: Chunk[] | null = null
  /** Whether END_STREAM follows the queued data. */
  ending = false
  readonly #host: StreamHost
  #receiveWindow = STREAM_WINDOW
  /** Bytes passed on since the last WINDOW_UPDATE. */
  #consumed = 0
  /** Received while it is paused; null: nothing. */
  #held: Buffer[] | null = null
  #paused = false
  #hasHead = false
  #endReported = false

  constructor(host: StreamHost, id: number, position: number, window: number, listener: StreamListener) {
    this.#host = host
    this.id = id
    this.position = position
    this.sendWindow = window
    this.listener = listener
  }

  write(bytes: Uint8Array, written?: () => void): void {
    if (this.isClosed || this.localEnded || this.ending) {
      if (written !== undefined) process.nextTick(written)
      return
    }
    ;(this.outgoing ??= []).push({ bytes, written })
    this.#host.sendData(this)
  }

  end(): void {
    if (this.isClosed || this.ending) return
    this.ending = true
    this.#host.sendData(this)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    const held = this.#held
    if (held !== null) {
      let passed = 0
      while (passed < held.length && this.#passesData()) {
        const piece = held[passed]
        passed += 1
        if (piece !== undefined) this.#pass(piece)
      }
      if (this.isClosed) return
      held.splice(0, passed)
      if (held.length > 0) return
      this.#held = null
    }
    this.#reportEnd()
  }

  close(code: number): void {
    if (!this.isClosed) this.#host.reset(this, code)
  }

  /** @throws {StreamError} */
  addSendWindow(bytes: number): void {
    this.sendWindow += bytes
    if (this.sendWindow > MAX_WINDOW) throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large')
  }

  /** @param length With padding. */
  receiveData(piece: Buffer, length: number): void {
    if (!this.#hasHead) throw new StreamError(ErrorCode.PROTOCOL_ERROR, 'data before the headers')
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, 'more data than its window allows')
    if (length > piece.length) this.#release(length - piece.length)
    if (piece.length === 0) return
    if (this.#paused || this.#held !== null) (this.#held ??= []).push(piece)
    else this.#pass(piece)
  }

  /** @throws {StreamError} */
  receiveHeaders(headers: AnswerHead, ends: boolean): void {
    const status = headers[':status']
    if (this.#hasHead) {
      if (!ends) throw new StreamError(ErrorCode.PROTOCOL_ERROR, 'trailers that do not end the stream')
      if (status !== undefined) throw new StreamError(ErrorCode.PROTOCOL_ERROR, 'trailers with a status')
      this.listener.onTrailers(headers)
      return
    }
    if (status === undefined) throw new StreamError(ErrorCode.PROTOCOL_ERROR, 'headers without a status')
    if (status < 200) {
      if (ends) throw new StreamError(ErrorCode.PROTOCOL_ERROR, 'an informational response that ends the stream')
      this.listener.onInformational()
      return
    }
    this.#hasHead = true
    this.listener.onHead(headers)
    if (ends && !this.isClosed) this.listener.onTrailers(headers)
  }

  receiveEnd(): void {
    if (this.isClosed) return
    this.remoteEnded = true
    this.#reportEnd()
  }

  /** Ends the stream for its caller. Its queued data is discarded. */
  finish(code: number, error: Error | null): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#held = null
    const { outgoing } = this
    this.outgoing = null
    if (outgoing !== null) for (const { written } of outgoing) if (written !== undefined) process.nextTick(written)
    this.#host.forget(this)
    this.listener.onClose(code, error)
  }

  finishIfDone(): void {
    if (this.localEnded && this.#endReported) this.finish(ErrorCode.NO_ERROR, null)
  }

  #passesData(): boolean {
    return !this.#paused && !this.isClosed
  }

  #pass(piece: Buffer): void {
    this.#release(piece.length)
    this.listener.onData(piece)
  }

  #release(bytes: number): void {
    this.#consumed += bytes
    if (this.#consumed < STREAM_WINDOW / 2 || this.remoteEnded || this.isClosed) return
    this.#receiveWindow += this.#consumed
    this.#host.release(this, this.#consumed)
    this.#consumed = 0
  }

  #reportEnd(): void {
    if (!this.remoteEnded || this.#endReported || this.#held !== null || this.isClosed) return
    this.#endReported = true
    this.listener.onEnd()
    this.finishIfDone()
  }
}
