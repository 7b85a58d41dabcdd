/** Sessions of own frames with servers in memory, and what their streams report. */
import type { IncomingHttpHeaders } from 'node:http2'
import { vi } from 'vitest'
import { FrameSession } from '../../src/client/http2/frame-session.js'
import type { StreamListener } from '../../src/client/http2/protocol.js'
import type { Stream } from '../../src/client/http2/stream.js'
import { Http2Peer } from './http2-frames.js'

export const REQUEST = { common: { ':method': 'POST' } }

/** The events of a stream. */
export class Recorder implements StreamListener {
  readonly events: string[] = []
  readonly pieces: Buffer[] = []
  error: Error | null = null
  readonly closed: Promise<number>
  #close: (code: number) => void = () => undefined

  constructor() {
    this.closed = new Promise((resolve) => (this.#close = resolve))
  }

  get bytes(): number {
    return this.pieces.reduce((sum, { length }) => sum + length, 0)
  }

  onInformational(): void {
    this.events.push('informational')
  }

  onHead(headers: IncomingHttpHeaders): void {
    this.events.push(`head ${String(headers[':status'])}`)
  }

  onTrailers(headers: IncomingHttpHeaders): void {
    this.events.push(`trailers ${String(headers['grpc-status'])}`)
  }

  onData(piece: Buffer): void {
    this.pieces.push(piece)
    this.events.push(`data ${String(piece.length)}`)
  }

  onEnd(): void {
    this.events.push('end')
  }

  onClose(code: number, error: Error | null): void {
    this.events.push(`close ${String(code)}`)
    this.error = error
    this.#close(code)
  }
}

const sessions: FrameSession[] = []

export function destroySessions(): void {
  for (const each of sessions.splice(0)) each.destroy()
}

/** A session, and the server that has accepted it. {@link destroySessions} ends it. */
export function connectFrames({ settings = [] as readonly (readonly [number, number])[], firstId = 1 } = {}) {
  const peer = new Http2Peer()
  const goaways: number[] = []
  let close: (error: Error | null) => void = () => undefined
  const closed = new Promise<Error | null>((resolve) => (close = resolve))
  const listener = {
    onSettings: vi.fn(),
    onGoaway: (_code: number, last: number) => {
      goaways.push(last)
    },
    onClose: (error: Error | null) => {
      close(error)
    },
  }
  const session = new FrameSession(peer.socket, listener, { firstId })
  sessions.push(session)
  peer.accept(settings)
  const open = (body: Uint8Array | null = new Uint8Array(5)): { stream: Stream; seen: Recorder } => {
    const seen = new Recorder()
    return { stream: session.request(REQUEST, seen, body), seen }
  }
  return { peer, session, closed, goaways, listener, open }
}
