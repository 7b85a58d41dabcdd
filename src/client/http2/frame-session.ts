/**
 * A client's HTTP/2 connection (RFC 9113) over a verified TLS socket. It has what gRPC needs: no server push, no priorities, no
 * upgrade.
 */
import type { Duplex } from 'node:stream'
import { DataSender } from './data-sender.js'
import { expectConnection, expectLength, Glut, unpadded } from './frame-checks.js'
import { type HeaderBlock, HeaderBlocks, MAX_HEADERS } from './header-blocks.js'
import { HeaderEncoder } from './hpack.js'
import { Input, MAX_FRAME, PARTIAL } from './input.js'
import { Output } from './output.js'
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameType,
  type RequestHeaders,
  type SessionListener,
  StreamError,
  type StreamListener,
} from './protocol.js'
import { DEFAULT_WINDOW, encodeSettings, PeerSettings, Setting } from './settings.js'
import { Stream, STREAM_WINDOW } from './stream.js'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const NOTHING = Buffer.alloc(0)
/** The receive window of the connection in bytes. It is given back as data arrives, so that no stream can hold up others. */
const CONNECTION_WINDOW = 8 * 1024 * 1024
/** Bytes that may wait for the end of the turn or for the socket before the connection ends. */
const MOST_AHEAD = 16 * 1024 * 1024
/** Bytes of the debug data of a GOAWAY that are reported. */
const MAX_REASON = 64
/** Milliseconds in which the server must acknowledge our settings. */
const SETTINGS_TIMEOUT = 10_000
/** Stream ids are odd and have 31 bits. */
const LAST_ID = 2 ** 31 - 1
/** From this one on, the session reports a GOAWAY of its own, so that another connection replaces it in time. */
const RETIRE_AT = LAST_ID - 2 ** 20

/** A TLS socket that is connected and verified. */
export type SessionSocket = Duplex & { unref(): unknown }

export class FrameSession {
  listener: SessionListener
  readonly #socket: SessionSocket
  readonly #output: Output
  readonly #input: Input
  readonly #encoder = new HeaderEncoder()
  readonly #blocks = new HeaderBlocks()
  readonly #streams = new Map<number, Stream>()
  readonly #glut = new Glut()
  readonly #sender: DataSender
  /** The stream whose frame is received. */
  #receiving = 0
  #nextId: number
  readonly #retireAt: number
  readonly #peer = new PeerSettings()
  #received = 0
  #hasSettings = false
  #goaway = false
  /** The open streams after a GOAWAY, in order; null: there was none. */
  #remaining: number[] | null = null
  #isClosed = false
  /** Waits for acknowledgements of our SETTINGS, in order. */
  readonly #acks: (() => void)[] = []
  readonly #settingsTimer: NodeJS.Timeout

  constructor(socket: SessionSocket, listener: SessionListener, { firstId = 1 } = {}) {
    this.#socket = socket
    this.listener = listener
    this.#nextId = firstId
    this.#retireAt = Math.max(firstId, RETIRE_AT)
    this.#output = new Output(socket, () => {
      this.#sender.resume()
    })
    this.#sender = new DataSender(this.#output, this.#glut, this.#streams, (error) => {
      this.#fail(error)
    })
    this.#input = new Input((...frame) => {
      this.#receive(...frame)
    })
    this.#settingsTimer = setTimeout(() => {
      this.#fail(new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, 'no acknowledgement of the settings'))
    }, SETTINGS_TIMEOUT).unref()
    socket.on('data', this.#onData)
    socket.once('close', () => {
      this.#end(null)
    })
    socket.on('error', (error: Error) => {
      this.#end(error)
    })
    this.#output.bytes(PREFACE)
    this.#settings(
      [
        [Setting.ENABLE_PUSH, 0],
        [Setting.INITIAL_WINDOW_SIZE, STREAM_WINDOW],
        [Setting.MAX_HEADER_LIST_SIZE, MAX_HEADERS],
      ],
      () => {
        clearTimeout(this.#settingsTimer)
      },
    )
    this.#output.number(FrameType.WINDOW_UPDATE, 0, CONNECTION_WINDOW - DEFAULT_WINDOW)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether it can open streams. */
  get isOpen(): boolean {
    return !this.#isClosed && !this.#goaway && this.#nextId <= LAST_ID
  }

  /** Maximum number of streams that the server accepts at the same time. */
  get streamLimit(): number {
    return this.#peer.maxStreams
  }

  /**
   * Opens a stream.
   *
   * @param body The whole request; null: the caller writes it.
   * @throws if nothing was sent: the session is not open, or the headers are invalid.
   */
  request(headers: RequestHeaders, listener: StreamListener, body: Uint8Array | null): Stream {
    if (!this.isOpen) throw new Error('The HTTP/2 session opens no more streams')
    const block = this.#encoder.encode(headers)
    const id = this.#nextId
    this.#nextId += 2
    if (id === this.#retireAt) {
      process.nextTick(() => {
        this.listener.onGoaway(ErrorCode.NO_ERROR, LAST_ID)
      })
    }
    const stream = new Stream(this, id, this.#output.position, listener)
    this.#streams.set(id, stream)
    this.#sendHeaders(id, block)
    if (body !== null) this.#sender.sendBody(stream, body)
    if (this.#output.pending > MOST_AHEAD) setImmediate(this.#endUnread)
    return stream
  }

  /** Sends empty SETTINGS, which the peer acknowledges at once (RFC 9113 section 6.5.3). */
  ask(answered: () => void): void {
    if (!this.#isClosed) this.#settings([], answered)
  }

  /** From now on an open session does not keep the process alive. */
  unref(): void {
    this.#socket.unref()
  }

  /** Sends GOAWAY and ends the socket. */
  close(): void {
    if (this.#isClosed) return
    this.#goaway = true
    this.#output.goaway(ErrorCode.NO_ERROR)
    this.#output.end()
    this.#socket.end()
  }

  destroy(): void {
    this.#end(null)
    this.#socket.destroy()
  }

  // The part for streams.

  sendData(stream: Stream): void {
    this.#sender.send(stream)
  }

  release(stream: Stream, bytes: number): void {
    this.#output.number(FrameType.WINDOW_UPDATE, stream.id, bytes)
  }

  reset(stream: Stream, code: number, error: Error | null = null): void {
    // A stream that both sides have ended is closed for the server.
    if (!this.#isClosed && !(stream.localEnded && stream.remoteEnded)) {
      this.#output.number(FrameType.RST_STREAM, stream.id, code)
      // What the server provoked allows it no more.
      if (stream.id !== this.#receiving) this.#glut.noteReset()
    }
    stream.finish(code, error)
  }

  forget(stream: Stream): void {
    this.#streams.delete(stream.id)
    this.#sender.forget(stream)
  }

  #sendHeaders(id: number, block: Uint8Array): void {
    this.#glut.noteSent(block.length)
    if (block.length <= MAX_FRAME) {
      this.#output.frame(FrameType.HEADERS, Flag.END_HEADERS, id, block)
      return
    }
    this.#output.frame(FrameType.HEADERS, 0, id, block.subarray(0, MAX_FRAME))
    for (let at = MAX_FRAME; at < block.length; at += MAX_FRAME) {
      const isLast = at + MAX_FRAME >= block.length
      this.#output.frame(FrameType.CONTINUATION, isLast ? Flag.END_HEADERS : 0, id, block.subarray(at, at + MAX_FRAME))
    }
  }

  #settings(values: readonly (readonly [number, number])[], acknowledged: () => void): void {
    this.#acks.push(acknowledged)
    this.#output.frame(FrameType.SETTINGS, 0, 0, encodeSettings(values))
  }

  readonly #onData = (piece: Buffer): void => {
    if (this.#isClosed) return
    try {
      this.#input.push(piece)
    } catch (error) {
      // An exception of a listener is the caller's, as with every Node stream.
      if (!(error instanceof ConnectionError)) {
        if (this.#input.hasFrame) setImmediate(this.#onData, NOTHING)
        throw error
      }
      this.#fail(error)
    }
  }

  #receive(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.#isClosed) return
    if (!this.#hasSettings && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'something other than SETTINGS first')
    }
    this.#blocks.check(type, id)
    this.#receiving = id
    try {
      this.#dispatch(type, flags, id, payload)
    } catch (error) {
      const stream = this.#streams.get(id)
      if (!(error instanceof StreamError)) throw error
      if (stream === undefined) throw new ConnectionError(error.errorCode, error.reason)
      this.reset(stream, error.errorCode, error)
    } finally {
      this.#receiving = 0
    }
  }

  #dispatch(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case FrameType.DATA:
        this.#receiveData(flags, id, payload)
        return
      case FrameType.HEADERS:
        this.#find(id)
        this.#receiveHeaders(this.#blocks.start(flags, id, payload))
        return
      case FrameType.CONTINUATION:
        this.#receiveHeaders(this.#blocks.continue(flags, payload))
        return
      case FrameType.RST_STREAM:
        this.#receiveReset(id, payload)
        return
      case FrameType.SETTINGS:
        this.#receiveSettings(flags, id, payload)
        return
      case FrameType.PING:
        this.#receivePing(flags, id, payload)
        return
      case FrameType.GOAWAY:
        this.#receiveGoaway(id, payload)
        return
      case FrameType.WINDOW_UPDATE:
        this.#receiveWindow(id, payload)
        return
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a push, which was not allowed')
      default:
        // PRIORITY and unknown types are ignored (RFC 9113 sections 4.1 and 5.3.2).
        this.#glut.add()
    }
  }

  /** @returns null for a stream that has ended. */
  #find(id: number): Stream | null {
    const stream = this.#streams.get(id)
    if (stream !== undefined) return stream
    if (id === 0 || id % 2 === 0 || id >= this.#nextId) {
      throw new ConnectionError(
        ErrorCode.PROTOCOL_ERROR,
        `a frame for the stream ${String(id)}, which was never opened`,
      )
    }
    return null
  }

  #receiveData(flags: number, id: number, payload: Buffer): void {
    const { length } = payload
    this.#received += length
    if (this.#received >= CONNECTION_WINDOW / 2) {
      this.#output.number(FrameType.WINDOW_UPDATE, 0, this.#received)
      this.#received = 0
    }
    const data = unpadded(flags, payload)
    const stream = this.#find(id)
    const ends = (flags & Flag.END_STREAM) !== 0
    if ((stream === null || (data.length === 0 && !ends)) && (flags & PARTIAL) === 0) this.#glut.add()
    if (stream === null) return
    if (stream.remoteEnded) throw new StreamError(ErrorCode.STREAM_CLOSED, 'data after its end')
    stream.receiveData(data, length, ends)
  }

  #receiveHeaders(block: HeaderBlock | null): void {
    if (block === null) return
    const { id, ends, headers } = block
    const stream = this.#find(id)
    if (stream === null) {
      this.#glut.add()
      return
    }
    if (stream.remoteEnded) throw new StreamError(ErrorCode.STREAM_CLOSED, 'headers after its end')
    if (headers instanceof StreamError) throw headers
    stream.receiveHeaders(headers, ends)
  }

  #receiveReset(id: number, payload: Buffer): void {
    expectLength(payload, 4)
    const stream = this.#find(id)
    if (stream === null) this.#glut.add()
    else stream.resetByPeer(payload.readUInt32BE(0))
  }

  #receiveSettings(flags: number, id: number, payload: Buffer): void {
    expectConnection(id)
    if ((flags & Flag.ACK) !== 0) {
      expectLength(payload, 0)
      const acknowledged = this.#acks.shift()
      if (acknowledged === undefined)
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'an acknowledgement of no settings')
      acknowledged()
      return
    }
    this.#peer.apply(payload)
    this.#sender.setInitialWindow(this.#peer.initialWindow)
    this.#encoder.limitTable(this.#peer.smallestTable)
    this.#acknowledge(FrameType.SETTINGS, NOTHING)
    if (this.#hasSettings) this.#glut.add()
    this.#hasSettings = true
    this.listener.onSettings()
  }

  #receivePing(flags: number, id: number, payload: Buffer): void {
    expectConnection(id)
    expectLength(payload, 8)
    this.#glut.add()
    if ((flags & Flag.ACK) === 0) this.#acknowledge(FrameType.PING, payload)
  }

  #acknowledge(type: typeof FrameType.SETTINGS | typeof FrameType.PING, payload: Buffer): void {
    this.#output.acknowledge(type, payload)
    if (this.#output.pending > MOST_AHEAD) setImmediate(this.#endUnread)
  }

  #receiveGoaway(id: number, payload: Buffer): void {
    expectConnection(id)
    if (payload.length < 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a GOAWAY that is too short')
    const last = payload.readUInt32BE(0) & 0x7fffffff
    if (this.#goaway) this.#glut.add()
    this.#goaway = true
    this.listener.onGoaway(payload.readUInt32BE(4), last, payload.toString('latin1', 8, 8 + MAX_REASON))
    const remaining = (this.#remaining ??= [...this.#streams.keys()])
    let kept = remaining.length
    while ((remaining[kept - 1] ?? 0) > last) kept -= 1
    for (const each of remaining.splice(kept)) this.#streams.get(each)?.resetByPeer(ErrorCode.REFUSED_STREAM)
  }

  #receiveWindow(id: number, payload: Buffer): void {
    expectLength(payload, 4)
    this.#glut.add()
    const bytes = payload.readUInt32BE(0) & 0x7fffffff
    const stream = id === 0 ? null : this.#find(id)
    if (bytes === 0) {
      const reason = 'a WINDOW_UPDATE of nothing'
      if (id === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, reason)
      throw new StreamError(ErrorCode.PROTOCOL_ERROR, reason)
    }
    if (id === 0) this.#sender.addWindow(bytes)
    else if (stream !== null) this.#sender.addStreamWindow(stream, bytes)
  }

  #fail(error: ConnectionError): void {
    if (this.#isClosed) return
    this.#output.abort(error.errorCode)
    this.#end(error)
    // After the listener, which resets the socket: the kernel would still deliver what it has of requests that fail now.
    setImmediate(() => this.#socket.destroy())
  }

  /** Ends the connection if the server still does not read. */
  readonly #endUnread = (): void => {
    if (this.#isClosed || this.#output.pending <= MOST_AHEAD) return
    this.#end(new Error(`The server reads nothing: ${String(this.#output.pending)} bytes wait to be sent`))
    setImmediate(() => this.#socket.destroy())
  }

  #end(error: Error | null): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#settingsTimer)
    this.#sender.end()
    this.#socket.removeListener('data', this.#onData)
    this.listener.onClose(error)
    for (const stream of [...this.#streams.values()]) {
      stream.isUnprocessed = !this.#output.isWritten(stream.position)
      stream.finish(ErrorCode.INTERNAL_ERROR, error)
    }
  }
}
