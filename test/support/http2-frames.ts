/** HTTP/2 servers by hand (RFC 9113): they send what node:http2 does not, over TLS or in memory. */
import { Duplex } from 'node:stream'
import type { TlsOptions, TLSSocket } from 'node:tls'
import { encodeHeaders } from '../../src/client/http2/hpack.js'
import { Flag, FrameType } from '../../src/client/http2/protocol.js'
import { encodeSettings } from '../../src/client/http2/settings.js'
import { type Peer, tlsPeer } from './peers.js'

interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

const PREFACE = 24
const HEADER = 9
const NOTHING = Buffer.alloc(0)

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = NOTHING): Buffer {
  const head = Buffer.alloc(HEADER)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, payload])
}

/** The payload of a frame that is one number of 32 bits. */
export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A header in HPACK, a literal without indexing (RFC 7541 section 6.2.2). It may be one that HTTP/2 does not allow. */
export function literal(name: string, value: string): Buffer {
  return Buffer.from(`\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`)
}

/** Encodes a header block. */
export function encodeFields(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => encodeHeaders({ [name]: value })))
}

/** The HPACK of a status; 8 is the index of its name in the static table (RFC 7541 appendix A). */
export function statusHeader(status: number): Buffer {
  return Buffer.from(`\x08\x03${String(status)}`)
}

/** The HPACK of `:status: 200` and `content-type: application/grpc`. */
export const GRPC_HEADERS = Buffer.concat([Buffer.from([0x88]), literal('content-type', 'application/grpc')])
export const OK_TRAILERS = literal('grpc-status', '0')

/** The frames of an answer to a unary call of gRPC: one empty message, or other data, and the status OK. */
export function emptyAnswerFrames(stream: number, data: Uint8Array = Buffer.alloc(5)): Buffer {
  return Buffer.concat([
    frame(FrameType.HEADERS, Flag.END_HEADERS, stream, GRPC_HEADERS),
    frame(FrameType.DATA, 0, stream, data),
    frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream, OK_TRAILERS),
  ])
}

/** The frame of etcd's answer to the health check. */
export function healthAnswerFrame(stream: number): Buffer {
  const trailers = [literal('grpc-status', '3'), literal('grpc-message', 'etcdserver: key is not provided')]
  return frame(
    FrameType.HEADERS,
    Flag.END_HEADERS | Flag.END_STREAM,
    stream,
    Buffer.concat([GRPC_HEADERS, ...trailers]),
  )
}

type Send = (bytes: Buffer) => void

/** Answers settings and pings. `onRequest`: what it sends when the headers of a request arrive. */
export function framePeer(
  tls: TlsOptions,
  onRequest: (stream: number, send: Send, socket: TLSSocket) => void,
): Promise<Peer> {
  return tlsPeer(tls, (socket) => {
    const send: Send = (bytes) => {
      if (!socket.destroyed) socket.write(bytes)
    }
    send(frame(FrameType.SETTINGS, 0, 0))
    readFrames(socket, ({ type, flags, stream, payload }) => {
      if (type === FrameType.HEADERS) onRequest(stream, send, socket)
      else if ((type === FrameType.SETTINGS || type === FrameType.PING) && (flags & Flag.ACK) === 0)
        send(frame(type, Flag.ACK, 0, type === FrameType.PING ? payload : NOTHING))
    })
  })
}

function readFrames(socket: Duplex, onFrame: (frame: Frame) => void): void {
  let received = Buffer.alloc(0)
  let hasPreface = false
  socket.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes])
    if (!hasPreface) {
      if (received.length < PREFACE) return
      received = received.subarray(PREFACE)
      hasPreface = true
    }
    while (received.length >= HEADER) {
      const end = HEADER + received.readUIntBE(0, 3)
      if (received.length < end) return
      const [type = 0, flags = 0] = received.subarray(3, 5)
      onFrame({ type, flags, stream: received.readUInt32BE(5), payload: received.subarray(HEADER, end) })
      received = received.subarray(end)
    }
  })
}

/** One end of a connection in memory; the other end is `peer`. */
class End extends Duplex {
  peer: End | null = null
  #pending: (() => void) | null = null

  unref(): this {
    return this
  }

  override _read(): void {
    const pending = this.#pending
    this.#pending = null
    pending?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const { peer } = this
    if (peer === null || peer.destroyed || peer.push(chunk)) done()
    else peer.#pending = done
  }

  override _final(done: () => void): void {
    this.peer?.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.peer?.destroyed === false) setImmediate(() => this.peer?.destroy())
    done(error)
  }
}

/** A server in memory that sends any frame, and records those of the client. */
export class Http2Peer {
  /** The client's end. */
  readonly socket = new End()
  readonly frames: Frame[] = []
  readonly end = new End()
  #wake: () => void = () => undefined

  constructor() {
    this.socket.peer = this.end
    this.end.peer = this.socket
    readFrames(this.end, (each) => {
      this.frames.push(each)
      this.#wake()
    })
  }

  send(
    type: number,
    {
      flags = 0,
      stream = 0,
      payload = NOTHING,
    }: Partial<Omit<Frame, 'type' | 'payload'>> & { payload?: Uint8Array } = {},
  ): void {
    this.sendBytes(frame(type, flags, stream, payload))
  }

  sendBytes(bytes: Uint8Array): void {
    this.end.write(bytes)
  }

  /** Waits for a frame that has not been returned before. */
  async next(type: number, isWanted: (frame: Frame) => boolean = () => true): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex((each) => each.type === type && isWanted(each))
      const [found] = at < 0 ? [] : this.frames.splice(at, 1)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** SETTINGS of the server, and the acknowledgement of the client's. */
  accept(settings: readonly (readonly [number, number])[] = []): void {
    this.send(FrameType.SETTINGS, { payload: encodeSettings(settings) })
    this.send(FrameType.SETTINGS, { flags: Flag.ACK })
  }
}
