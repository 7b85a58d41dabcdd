/** An HTTP/2 server by hand (RFC 9113), which can send what node:http2 does not. */
import type { TlsOptions, TLSSocket } from 'node:tls'
import { type Peer, tlsPeer } from './peers.js'

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export const FLAG = { endStream: 1, acknowledge: 1, endHeaders: 4 } as const
const PREFACE = 24
const HEAD = 9

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(HEAD)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, payload])
}

/** A header in HPACK, a literal without indexing (RFC 7541 section 6.2.2). */
export function literal(name: string, value: string): Buffer {
  return Buffer.from(`\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`)
}

/** The HPACK of a status; 8 is the index of its name in the static table (RFC 7541 appendix A). */
export function statusHeader(status: number): Buffer {
  return Buffer.from(`\x08\x03${String(status)}`)
}

/** The HPACK of `:status: 200` and `content-type: application/grpc`. */
export const GRPC_HEADERS = Buffer.concat([Buffer.from([0x88]), literal('content-type', 'application/grpc')])

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
    send(frame(FRAME.settings, 0, 0))
    readFrames(socket, (type, flags, stream, payload) => {
      if (type === FRAME.headers) onRequest(stream, send, socket)
      else if ((type === FRAME.settings || type === FRAME.ping) && (flags & FLAG.acknowledge) === 0)
        send(frame(type, FLAG.acknowledge, 0, type === FRAME.ping ? payload : Buffer.alloc(0)))
    })
  })
}

function readFrames(
  socket: TLSSocket,
  onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void,
): void {
  let received = Buffer.alloc(0)
  let hasPreface = false
  socket.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes])
    if (!hasPreface) {
      if (received.length < PREFACE) return
      received = received.subarray(PREFACE)
      hasPreface = true
    }
    while (received.length >= HEAD) {
      const end = HEAD + received.readUIntBE(0, 3)
      if (received.length < end) return
      const [type = 0, flags = 0] = received.subarray(3, 5)
      onFrame(type, flags, received.readUInt32BE(5), received.subarray(HEAD, end))
      received = received.subarray(end)
    }
  })
}

/** The frames of an answer to a unary call of gRPC: an empty message and the status OK. */
export function emptyAnswerFrames(stream: number): Buffer {
  return Buffer.concat([
    frame(FRAME.headers, FLAG.endHeaders, stream, GRPC_HEADERS),
    frame(FRAME.data, 0, stream, Buffer.alloc(5)),
    frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, stream, literal('grpc-status', '0')),
  ])
}
