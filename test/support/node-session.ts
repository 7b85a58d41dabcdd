/** What own frames are compared with: a client's connection by node:http2, which reports the same events. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import type { SessionSocket } from '../../src/client/http2/frame-session.js'
import type { RequestHeaders, SessionListener, StreamListener } from '../../src/client/http2/protocol.js'
import { STREAM_WINDOW } from '../../src/client/http2/stream.js'

export class NodeSession {
  readonly #session: ClientHttp2Session
  #error: Error | null = null

  constructor(socket: SessionSocket, listener: SessionListener) {
    this.#session = connect('https://etcd-mtls.invalid', {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
      // These limits protect servers from unknown clients.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER,
    })
      .on('remoteSettings', () => {
        listener.onSettings()
      })
      .on('goaway', (code: number, lastStream: number) => {
        listener.onGoaway(code, lastStream)
      })
      .on('error', (error: Error) => {
        this.#error ??= error
      })
      .once('close', () => {
        listener.onClose(this.#error)
      })
  }

  get isClosed(): boolean {
    return this.#session.destroyed
  }

  request({ common, own }: RequestHeaders, listener: StreamListener, body: Uint8Array | null): ClientHttp2Stream {
    const stream = this.#session.request({ ...common, ...own })
    reportTo(listener, stream)
    if (body !== null) stream.end(body)
    return stream
  }

  destroy(): void {
    this.#session.destroy()
  }
}

function reportTo(listener: StreamListener, stream: ClientHttp2Stream): void {
  let hasEnded = false
  let failure: Error | null = null
  const reportEnd = (): void => {
    if (hasEnded) return
    hasEnded = true
    listener.onEnd()
  }
  stream.on('headers', () => {
    listener.onInformational()
  })
  stream.on('response', (headers, flags) => {
    listener.onHead(headers)
    if (endsStream(flags)) listener.onTrailers(headers)
  })
  stream.on('trailers', (headers: IncomingHttpHeaders, flags: number) => {
    if (endsStream(flags)) listener.onTrailers(headers)
    else stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
  })
  stream.on('data', (piece: Buffer) => {
    listener.onData(piece)
  })
  stream.on('end', () => {
    // One turn later, because a reset stream also emits `end` before it closes.
    setImmediate(() => {
      if (!stream.closed && !stream.destroyed) reportEnd()
    })
  })
  stream.on('error', (error: Error) => {
    failure = error
  })
  stream.on('close', () => {
    if (stream.rstCode === constants.NGHTTP2_NO_ERROR) reportEnd()
    listener.onClose(stream.rstCode, failure)
  })
}

function endsStream(flags: number): boolean {
  return (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
}
