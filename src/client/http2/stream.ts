/** One stream of a {@link Session}: its state, its windows, and what waits in both directions. */
import { HeldData } from './held-data.js'
import { type AnswerHead, ErrorCode, StreamError, type StreamListener } from './protocol.js'

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

/** The receive window of a stream in bytes: what is held of a stream whose caller does not read. */
export const STREAM_WINDOW = 256 * 1024

export class Stream {
  readonly id: number
  /** The position of its HEADERS in the output. */
  readonly position: number
  readonly listener: StreamListener
  /** Bytes that may be sent in addition to the peer's INITIAL_WINDOW_SIZE; negative if more were sent than it gave. */
  givenWindow = 0
  /** The window in bytes that it waits for. */
  neededWindow = 0
  /** Set once the stream is over. */
  isClosed = false
  /**
   * Whether the server certainly did not process it (RFC 9113 section 8.7): it refused it, its GOAWAY leaves it out, or the
   * connection ended before a byte of it was written.
   */
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
  #held: HeldData | null = null
  #paused = false
  /** Whether {@link #passHeld} runs: a reader may pause and resume in the middle of it. */
  #isPassing = false
  #hasHead = false
  #endReported = false

  constructor(host: StreamHost, id: number, position: number, listener: StreamListener) {
    this.#host = host
    this.id = id
    this.position = position
    this.listener = listener
  }

  /** @param written Called when the bytes were passed on or discarded. */
  write(bytes: Uint8Array, written?: () => void): void {
    if (this.isClosed || this.localEnded || this.ending) {
      if (written !== undefined) process.nextTick(written)
      return
    }
    ;(this.outgoing ??= []).push({ bytes, written })
    this.#host.sendData(this)
  }

  /** Ends this side, after what was written. */
  end(): void {
    if (this.isClosed || this.ending) return
    this.ending = true
    this.#host.sendData(this)
    this.#abandonRequest()
  }

  /** Stops `onData`, so that flow control stops the server. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    if (this.#isPassing) return
    if (this.#held !== null) this.#passHeld(this.#held)
    if (this.#held === null) this.#reportEnd()
  }

  /** Resets it; without an effect on a closed one. */
  close(code: number): void {
    if (!this.isClosed) this.#host.reset(this, code)
  }

  /**
   * @param length With padding.
   * @throws {StreamError}
   */
  receiveData(piece: Buffer, length: number, ends: boolean): void {
    if (!this.#hasHead) throw new StreamError(ErrorCode.PROTOCOL_ERROR, 'data before the headers')
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, 'more data than its window allows')
    if (length > piece.length) this.#release(length - piece.length)
    // The end is not lost if the listener throws.
    try {
      if (piece.length === 0) return
      if (this.#paused || this.#held !== null) (this.#held ??= new HeldData()).add(piece)
      else this.#pass(piece)
    } finally {
      if (ends) this.#receiveEnd()
    }
  }

  /** @throws {StreamError} */
  receiveHeaders(headers: AnswerHead, ends: boolean): void {
    const status = headers[':status'] ?? null
    const fault = this.#hasHead ? faultOfTrailers(status, ends) : faultOfHead(status, ends)
    if (fault !== null) throw new StreamError(ErrorCode.PROTOCOL_ERROR, fault)
    try {
      this.#passHeaders(headers, status, ends)
    } finally {
      if (ends) this.#receiveEnd()
    }
  }

  /** RST_STREAM of the server, or a GOAWAY that leaves the stream out. */
  resetByPeer(code: number): void {
    if (code === ErrorCode.NO_ERROR && this.remoteEnded) {
      // The answer is complete, and the server does not need the rest of the request (RFC 9113 section 8.1).
      this.ending = true
      this.localEnded = true
      this.#discardRequest()
      this.finishIfDone()
      return
    }
    this.isUnprocessed = code === ErrorCode.REFUSED_STREAM && !this.#hasHead
    this.finish(code, null)
  }

  /** Ends the stream for its caller. Its queued data is discarded. */
  finish(code: number, error: Error | null): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#held = null
    this.#discardRequest()
    this.#host.forget(this)
    this.listener.onClose(code, error)
  }

  finishIfDone(): void {
    if (this.localEnded && this.#endReported) this.finish(ErrorCode.NO_ERROR, null)
  }

  #discardRequest(): void {
    const { outgoing } = this
    this.outgoing = null
    if (outgoing !== null) for (const { written } of outgoing) if (written !== undefined) process.nextTick(written)
  }

  /** Resets a request that waits for a window although its answer is complete: the server may never give it. */
  #abandonRequest(): void {
    if (this.ending && !this.localEnded && this.#endReported && !this.isClosed) {
      this.#host.reset(this, ErrorCode.NO_ERROR)
    }
  }

  #receiveEnd(): void {
    if (this.isClosed) return
    this.remoteEnded = true
    this.#reportEnd()
  }

  #passHeaders(headers: AnswerHead, status: number | null, ends: boolean): void {
    if (this.#hasHead) {
      this.listener.onTrailers(headers)
      return
    }
    if (status !== null && status < 200) {
      this.listener.onInformational()
      return
    }
    this.#hasHead = true
    this.listener.onHead(headers)
    if (ends && !this.isClosed) this.listener.onTrailers(headers)
  }

  #passHeld(held: HeldData): void {
    this.#isPassing = true
    try {
      while (!this.#paused && !this.isClosed) {
        const piece = held.take()
        if (piece === null) {
          this.#held = null
          return
        }
        this.#pass(piece)
      }
    } catch (error) {
      // The rest is not lost if the listener throws.
      setImmediate(() => {
        if (!this.#paused) this.resume()
      })
      throw error
    } finally {
      this.#isPassing = false
    }
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
    this.#abandonRequest()
  }
}

function faultOfHead(status: number | null, ends: boolean): string | null {
  if (status === null) return 'headers without a status'
  // RFC 9113 section 8.6.
  if (status === 101) return 'the status 101, which HTTP/2 does not have'
  return status < 200 && ends ? 'an informational response that ends the stream' : null
}

function faultOfTrailers(status: number | null, ends: boolean): string | null {
  if (!ends) return 'trailers that do not end the stream'
  return status === null ? null : 'trailers with a status'
}
