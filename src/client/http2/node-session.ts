/** {@link Http2Session} by node:http2: the fallback for own frames, and what they are tested against. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { codeOf } from '../../report/errors.js'
import type { Http2Session, Http2Stream, RequestHeaders, SessionListener, StreamListener } from './protocol.js'
import { STREAM_WINDOW } from './stream.js'

export class NodeSession implements Http2Session {
  listener: SessionListener
  readonly #session: ClientHttp2Session
  readonly #raw: Socket
  /** The last stream that the server may have processed, by its GOAWAY. */
  #lastProcessed = Infinity
  #error: Error | null = null
  /** Whether its stream ids are used up. */
  #isRetired = false
  #hasEnded = false

  /** @param raw The TCP socket, whose counters show the bytes on the wire. */
  constructor(socket: TLSSocket, raw: Socket, listener: SessionListener) {
    this.listener = listener
    this.#raw = raw
    const session = connect('https://etcd-mtls.invalid', {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
      // These limits protect servers from unknown clients. Here all requests come from the caller.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER,
    })
    this.#session = session
    session.on('remoteSettings', () => {
      this.listener.onSettings()
    })
    session.on('goaway', (code: number, lastStream: number) => {
      this.#lastProcessed = Math.min(this.#lastProcessed, lastStream)
      this.listener.onGoaway(code, lastStream)
    })
    session.on('error', (error: Error) => {
      this.#error ??= error
      this.#end()
    })
    session.once('close', this.#end)
    socket.once('close', this.#end)
  }

  get isOpen(): boolean {
    return !this.#isRetired && !this.#session.closed && !this.#session.destroyed
  }

  get isClosed(): boolean {
    return this.#session.destroyed
  }

  get streamLimit(): number {
    return this.#session.remoteSettings.maxConcurrentStreams ?? Infinity
  }

  request(headers: RequestHeaders, listener: StreamListener, body: Uint8Array | null): Http2Stream {
    const written = this.#raw.bytesWritten
    const stream = this.#open(headers)
    const isUnprocessed = (): boolean =>
      stream.rstCode === constants.NGHTTP2_REFUSED_STREAM ||
      (stream.id !== undefined && stream.id > this.#lastProcessed) ||
      (this.#raw.destroyed && this.#raw.bytesWritten === written)
    const opened = new NodeStream(stream, listener, isUnprocessed)
    if (body !== null) stream.end(body)
    return opened
  }

  #open({ common, own }: RequestHeaders): ClientHttp2Stream {
    try {
      return this.#session.request({ ...common, ...own })
    } catch (error) {
      if (codeOf(error) === 'ERR_HTTP2_OUT_OF_STREAMS') this.#retire()
      throw error
    }
  }

  #retire(): void {
    if (this.#isRetired) return
    this.#isRetired = true
    process.nextTick(() => {
      this.listener.onGoaway(constants.NGHTTP2_NO_ERROR, Infinity)
    })
  }

  ask(answered: () => void): void {
    if (!this.#session.destroyed) this.#session.settings({}, answered)
  }

  unref(): void {
    this.#session.unref()
  }

  close(): void {
    // A session that Node ended after the peer's GOAWAY has sent its own.
    if (!this.#session.destroyed) this.#session.close()
  }

  destroy(): void {
    this.#session.destroy()
  }

  readonly #end = (): void => {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.listener.onClose(this.#error)
  }
}

class NodeStream implements Http2Stream {
  readonly #stream: ClientHttp2Stream
  readonly #listener: StreamListener
  readonly #isUnprocessed: () => boolean
  #hasEnded = false
  #isClosed = false
  #error: Error | null = null

  constructor(stream: ClientHttp2Stream, listener: StreamListener, isUnprocessed: () => boolean) {
    this.#stream = stream
    this.#listener = listener
    this.#isUnprocessed = isUnprocessed
    stream.on('headers', () => {
      this.#listener.onInformational()
    })
    stream.on('response', (headers, flags) => {
      this.#listener.onHead(headers)
      if (endsStream(flags)) this.#listener.onTrailers(headers)
    })
    stream.on('trailers', (headers: IncomingHttpHeaders, flags: number) => {
      if (endsStream(flags)) this.#listener.onTrailers(headers)
      else this.#fail(new Error('The server sent trailers that do not end the stream'))
    })
    stream.on('data', (piece: Buffer) => {
      this.#listener.onData(piece)
    })
    stream.on('end', () => {
      // One turn later, because a reset stream also emits `end` before it closes.
      setImmediate(() => {
        if (!stream.closed && !stream.destroyed) this.#reportEnd()
      })
    })
    stream.on('error', (error: Error) => {
      this.#error = error
    })
    stream.on('close', () => {
      this.#isClosed = true
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) this.#reportEnd()
      this.#listener.onClose(stream.rstCode, this.#error)
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get isUnprocessed(): boolean {
    return this.#isUnprocessed()
  }

  write(bytes: Uint8Array, written?: () => void): void {
    this.#stream.write(bytes, () => {
      if (written !== undefined) process.nextTick(written)
    })
  }

  end(): void {
    if (!this.#stream.writableEnded) this.#stream.end()
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  close(code: number): void {
    if (this.#stream.destroyed) return
    this.#stream.close(code)
    // Discards unread data, or the stream would never close.
    this.#stream.resume()
  }

  #fail(error: Error): void {
    this.#error = error
    this.close(constants.NGHTTP2_PROTOCOL_ERROR)
  }

  #reportEnd(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#listener.onEnd()
  }
}

function endsStream(flags: number): boolean {
  return (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
}
