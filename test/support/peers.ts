/**
 * Small servers on 127.0.0.1 that stand where etcd should: they are silent, speak something else, refuse, or let
 * connections through and count them. Each ends with `await using`.
 */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { frameMessage } from '../../src/client/transport/framing.js'
import { HEALTH_CHECK_AGENT, STATUS_PATH } from '../../src/client/transport/health-check.js'
import { bytesField, int64Field } from '../../src/client/transport/protobuf.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { mintedCredentials, pemsOf } from './etcd.js'
import { dns, mintLeaf } from './mint.js'

export interface Peer extends AsyncDisposable {
  readonly port: number
  /** `https://127.0.0.1:PORT`, whatever the peer speaks. */
  readonly endpoint: string
  /** TCP connections accepted so far. */
  readonly accepted: number
  /** TCP connections open now. */
  readonly open: number
  /** The codes of the errors of its connections so far. */
  readonly errors: readonly string[]
  /** Destroys the connections that are open. */
  cut(): void
}

async function listen(server: Server | Http2SecureServer, listenOn = 0, host = '127.0.0.1'): Promise<Peer> {
  const sockets = new Set<Socket>()
  const errors: string[] = []
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted += 1
    sockets.add(socket)
    socket.on('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => errors.push(code))
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(listenOn, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    endpoint: `https://127.0.0.1:${String(port)}`,
    get accepted() {
      return accepted
    },
    get open() {
      return sockets.size
    },
    errors,
    cut,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      cut()
      await closed
    },
  }
}

/** Accepts connections and sends nothing. `host`: its address, `listenOn`: its port; any by default. */
export function silentPeer(listenOn = 0, host?: string): Promise<Peer> {
  // It reads, or it would not notice the other side's end.
  return listen(
    createServer((socket) => socket.resume()),
    listenOn,
    host,
  )
}

/** A port at which nothing listens any more. */
export async function gonePeer(): Promise<Peer> {
  const peer = await silentPeer()
  await peer[Symbol.asyncDispose]()
  return peer
}

/** Answers the first bytes with these, whatever came, and closes. Without bytes it only closes. */
export function answeringPeer(bytes?: Uint8Array): Promise<Peer> {
  return listen(
    createServer((socket) => {
      socket.once('data', () => {
        if (bytes === undefined) socket.end()
        else socket.end(bytes)
      })
    }),
  )
}

/** Like PostgreSQL: closes each connection without an answer that does not begin with its own request for TLS (SSLRequest). */
export function postgresPeer(answer: 'N' | 'S'): Promise<Peer> {
  return listen(
    createServer((socket) => {
      socket.once('data', (bytes) => {
        if (bytes.equals(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]))) socket.end(answer)
        else socket.end()
      })
    }),
  )
}

/** An ingress controller without a route for the name: it presents the certificate that it created itself. */
export function defaultCertificatePeer(subject: string): Promise<Peer> {
  const leaf = mintLeaf({ subject, names: [dns('ingress.local')] })
  return grpcPeer(serverTls(mintedCredentials({ leaf, trust: [leaf] }), { rejectUnauthorized: false }))
}

/** Answers the ClientHello with a fatal TLS alert (RFC 8446 section 6). */
export function alertingPeer(alert: number): Promise<Peer> {
  return answeringPeer(Buffer.from([0x15, 3, 3, 0, 2, 2, alert]))
}

/** A TLS 1.2 server that answers the flight of the client, with its certificate, with a fatal alert; null: it closes. */
export async function refusingPeer(server: TlsOptions | Credentials, alert: number | null): Promise<Peer> {
  const tls = 'chain' in server ? serverTls(server) : server
  const behind = await tlsPeer({ ...tls, maxVersion: 'TLSv1.2' })
  const peer = await listen(
    createServer((client) => {
      const upstream = connect(behind.port, '127.0.0.1')
      client.on('error', () => undefined).on('close', () => upstream.destroy())
      upstream.on('error', () => undefined).on('data', (bytes) => client.write(bytes))
      client.once('data', (hello) => {
        upstream.write(hello)
        client.once('data', () => client.end(alert === null ? '' : Buffer.from([0x15, 3, 3, 0, 2, 2, alert])))
      })
    }),
  )
  const close = peer[Symbol.asyncDispose]
  return Object.defineProperty(peer, Symbol.asyncDispose, {
    value: async () => {
      await close()
      await behind[Symbol.asyncDispose]()
    },
  })
}

/** An HTTP/1.1 server without TLS. */
export function plaintextHttp1Peer(): Promise<Peer> {
  return listen(
    createHttpServer((_request, response) => {
      response.end('hello')
    }),
  )
}

/** What a TLS server shows and asks for, from credentials. */
export function serverTls(credentials: Credentials, options: TlsOptions = {}): TlsOptions {
  return {
    ...pemsOf(credentials),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
    ...options,
  }
}

/** A TLS server that does with a connection, once its handshake is over, what the test says; by default nothing at all. */
export function tlsPeer(tls: TlsOptions, onConnection: (socket: TLSSocket) => void = () => undefined): Promise<Peer> {
  const server = createTlsServer(tls, (socket) => {
    socket.on('error', () => undefined)
    socket.resume()
    onConnection(socket)
  })
  return listen(server)
}

/** How a gRPC peer treats one call. */
export type CallHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

/** As etcd answers the first call on each connection, which asks for no key. */
export function answerHealthCheck(stream: ServerHttp2Stream): void {
  refuseCall(stream, 3, 'etcdserver: key is not provided')
}

/**
 * A gRPC server by hand: HTTP/2 over TLS with a function for each call.
 *
 * @param tls What it shows, and whose CA clients must be of; or more options of TLS.
 * @param onCall Default: an empty message.
 * @param onHealthCheck For the first call on each connection. Default: etcd's answer.
 * @param onStatus For the request of the member's status next to it. Default: such a member does not report it.
 */
export function grpcPeer(
  tls: TlsOptions | Credentials,
  onCall: CallHandler = emptyAnswer,
  onHealthCheck: CallHandler = answerHealthCheck,
  onStatus: CallHandler = (stream) => {
    refuseCall(stream, 12, 'unknown method')
  },
): Promise<Peer> {
  const server = createSecureServer('chain' in tls ? serverTls(tls) : tls)
  server.on('sessionError', () => undefined)
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    if (headers['user-agent'] !== HEALTH_CHECK_AGENT) onCall(stream, headers)
    else if (headers[':path'] === STATUS_PATH) onStatus(stream, headers)
    else onHealthCheck(stream, headers)
  })
  return listen(server)
}

/** A web server, or a proxy, that answers every call with this HTTP status and a page. */
export function strangePeer(tls: TlsOptions, status: number): Promise<Peer> {
  const answer: CallHandler = (stream) => {
    stream.respond({ ':status': status, 'content-type': 'text/html' })
    stream.end('<html>a page</html>')
  }
  return grpcPeer(tls, answer, answer)
}

export interface Proxy extends Peer {
  /** Lets nothing through any more, and keeps the connections: a network that drops packets. */
  freeze(): void
  thaw(): void
}

/** Passes what one socket reads to the other one. */
type Carry = (from: Socket, to: Socket, isFrozen: () => boolean) => void

const carryAtOnce: Carry = (from, to) => {
  from.on('data', (bytes) => to.write(bytes))
}

/** Forwards bytes to a port of this machine, which may change between connections. `listenOn`: its own port, else any. */
export async function proxyTo(
  port: number | (() => number),
  listenOn = 0,
  host?: string,
  carry = carryAtOnce,
): Promise<Proxy> {
  let frozen = false
  const pairs = new Set<[Socket, Socket]>()
  const peer = await listen(
    createServer((client) => {
      const upstream = connect(typeof port === 'number' ? port : port(), '127.0.0.1')
      const pair: [Socket, Socket] = [client, upstream]
      pairs.add(pair)
      for (const socket of pair) socket.setNoDelay()
      upstream.on('error', () => client.destroy())
      client.on('close', () => {
        upstream.destroy()
        pairs.delete(pair)
      })
      upstream.on('close', () => client.destroy())
      carry(client, upstream, () => frozen)
      carry(upstream, client, () => frozen)
      if (frozen) for (const socket of pair) socket.pause()
    }),
    listenOn,
    host,
  )
  const apply = (isFrozen: boolean) => () => {
    frozen = isFrozen
    for (const socket of [...pairs].flat()) {
      if (frozen) socket.pause()
      else socket.resume()
    }
  }
  return Object.defineProperties(peer, { freeze: { value: apply(true) }, thaw: { value: apply(false) } }) as Proxy
}

/** How often bytes pass if their rate is limited, in milliseconds. */
const TICK = 20

/** The same, as slow as a bad network: each byte is so many milliseconds late, or so many pass in a second, in each direction. */
export function slowProxyTo(port: number, { delay = 0, rate = Infinity }): Promise<Proxy> {
  return proxyTo(port, 0, undefined, (from, to, isFrozen) => {
    let next = performance.now()
    const later = (piece: Buffer): void => {
      const pass = (): void => {
        if (!isFrozen()) to.write(piece)
      }
      setTimeout(pass, next + delay - performance.now())
    }
    from.on('data', (piece) => {
      next = Math.max(next, performance.now())
      if (rate === Infinity) {
        later(piece)
        return
      }
      // In packets: a slow line carries a little all the time.
      const packet = Math.ceil((rate * TICK) / 1000)
      for (let at = 0; at < piece.length; at += packet) {
        next += TICK
        later(piece.subarray(at, at + packet))
      }
      // The rest waits in the kernel, as in the queue of a router.
      from.pause()
      setTimeout(() => from.resume(), next - performance.now())
    })
  })
}

/** Answers each call with an empty message: to etcd's protocol that is a good answer with every field at its default. */
export function emptyAnswer(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': '0' })
  })
  stream.on('data', () => undefined)
  stream.on('end', () => {
    if (!stream.destroyed) stream.end(Buffer.alloc(5))
  })
}

/** Answers a call with bytes, which are framed already, and a status. Default: OK. */
export function answerWith(stream: ServerHttp2Stream, bytes: Uint8Array, trailers = { 'grpc-status': '0' }): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => {
    stream.sendTrailers(trailers)
  })
  stream.end(bytes)
}

/** A StatusResponse, framed: its header (1) with the ids of the cluster (1) and of the member (2), and the leader (4). */
export function statusOf(cluster: bigint, member = 7n): Buffer {
  const header = Buffer.concat([int64Field(1, cluster), int64Field(2, member)])
  return frameMessage(Buffer.concat([bytesField(1, header), int64Field(4, 7n)]))
}

/** Answers a login with a token, the field 2 of AuthenticateResponse. */
export function answerToken(stream: ServerHttp2Stream, token: string): void {
  answerWith(stream, frameMessage(bytesField(2, Buffer.from(token))))
}

/** Begins the answer of a call that has no end, such as a watch. */
export function leaveOpen(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
}

/** Refuses a call with a gRPC status. */
export function refuseCall(stream: ServerHttp2Stream, code: number | string, message: string): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(code), 'grpc-message': message },
    { endStream: true },
  )
}
