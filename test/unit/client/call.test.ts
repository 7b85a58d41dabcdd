/** Calls of grpc-js over our channel. The server is HTTP/2 by hand, so that it can also do what a real one never would. */
import { once } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { type Client, Metadata, status, type ServiceError } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frameMessage } from '../../../src/client/transport/framing.js'
import { mintPki } from '../../support/etcd.js'
import { rawClient } from '../../support/raw-client.js'
import { answerWith, type CallHandler, grpcPeer, type Peer } from '../../support/peers.js'

const pki = mintPki()
const OK = { 'grpc-status': '0' }
const HEADERS = { ':status': 200, 'content-type': 'application/grpc+proto' }

function answer(stream: ServerHttp2Stream, messages: readonly Buffer[], trailers: Record<string, string> = OK): void {
  stream.respond(HEADERS, { waitForTrailers: true })
  stream.on('wantTrailers', () => {
    stream.sendTrailers(trailers)
  })
  for (const message of messages) stream.write(frameMessage(message))
  stream.end()
}

function resetting(code: number): CallHandler {
  return (stream) => {
    stream.close(code)
  }
}

/** What '/flood' could get rid of, in bytes. */
let flooded = 0

/** What the server does, by path. */
const handlers: Record<string, CallHandler> = {
  '/echo': (stream) => {
    const pieces: Buffer[] = []
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('end', () => {
      if (!stream.destroyed) answer(stream, [Buffer.concat(pieces).subarray(5)])
    })
  },
  '/headers': (stream, headers) => {
    answer(stream, [Buffer.from(JSON.stringify(headers))])
  },
  '/refuse': (stream) => {
    stream.respond(
      { ...HEADERS, 'grpc-status': '7', 'grpc-message': 'no%20way:%20%C3%A9', x: 'y' },
      { endStream: true },
    )
  },
  '/refuse-in-colour': (stream) => {
    stream.respond({ ...HEADERS, 'grpc-status': '7', 'grpc-message': '%1B[31mno%0A%E2%80%AE' }, { endStream: true })
  },
  '/late-refuse': (stream) => {
    answer(stream, [Buffer.from('a')], { 'grpc-status': '9', 'grpc-message': 'later' })
  },
  '/empty': (stream) => {
    answer(stream, [])
  },
  '/two': (stream) => {
    answer(stream, [Buffer.from('a'), Buffer.from('b')])
  },
  '/many': (stream) => {
    answer(
      stream,
      Array.from({ length: 500 }, (_, i) => Buffer.alloc(1000, i % 256)),
    )
  },
  '/never': () => undefined,
  '/half': (stream) => {
    answerWith(stream, frameMessage(Buffer.alloc(100)).subarray(0, 50))
  },
  '/compressed': (stream) => {
    const bytes = frameMessage(Buffer.alloc(3))
    bytes[0] = 1
    answerWith(stream, bytes)
  },
  '/large': (stream) => {
    answer(stream, [Buffer.alloc(5 * 1024 * 1024)])
  },
  '/bidi': (stream) => {
    stream.respond(HEADERS, { waitForTrailers: true })
    stream.on('wantTrailers', () => {
      stream.sendTrailers(OK)
    })
    stream.on('data', (piece: Buffer) => stream.write(piece))
    stream.on('end', () => stream.end())
  },
  '/flood': (stream) => {
    stream.respond(HEADERS)
    const more = (): void => {
      let goesOn = true
      while (goesOn && !stream.destroyed) {
        flooded += 100_000
        goesOn = stream.write(frameMessage(Buffer.alloc(100_000)))
      }
    }
    stream.on('drain', more)
    more()
  },
  '/404': (stream) => {
    stream.respond({ ':status': 404, 'content-type': 'text/html' })
    stream.end('<html>not here</html>')
  },
  '/503': (stream) => {
    stream.respond({ ':status': 503 }, { endStream: true })
  },
  '/no-status': (stream) => {
    stream.respond(HEADERS)
    stream.end(frameMessage(Buffer.alloc(1)))
  },
  '/rst-cancel': resetting(constants.NGHTTP2_CANCEL),
  '/rst-refused': resetting(constants.NGHTTP2_REFUSED_STREAM),
  '/rst-internal': resetting(constants.NGHTTP2_INTERNAL_ERROR),
  '/rst-calm': resetting(constants.NGHTTP2_ENHANCE_YOUR_CALM),
  '/rst-protocol': resetting(constants.NGHTTP2_PROTOCOL_ERROR),
}

const same = (value: Buffer): Buffer => value

interface Outcome {
  code: status
  details: string
  message: Buffer | null
}

function unary(
  path: string,
  message = Buffer.from('x'),
  options: { deadline?: number; metadata?: Metadata } = {},
): Promise<Outcome> {
  const { metadata = new Metadata(), ...rest } = options
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, message, metadata, rest, (error: ServiceError | null, value?: Buffer) => {
      if (error === null) resolve({ code: status.OK, details: '', message: value ?? null })
      else resolve({ code: error.code, details: error.details, message: null })
    })
  })
}

interface Streamed {
  code: status
  messages: Buffer[]
}

/** Reads everything; with `pause`, takes a break of so many milliseconds after each message. */
function serverStream(path: string, pause = 0): Promise<Streamed> {
  const stream = client.makeServerStreamRequest(path, same, same, Buffer.from('x'))
  const messages: Buffer[] = []
  return new Promise((resolve) => {
    stream.on('error', ({ code }: ServiceError) => {
      resolve({ code, messages })
    })
    stream.on('end', () => {
      resolve({ code: status.OK, messages })
    })
    stream.on('data', (message: Buffer) => {
      messages.push(message)
      if (pause === 0) return
      stream.pause()
      setTimeout(() => stream.resume(), pause)
    })
  })
}

let peer: Peer
let raw: Awaited<ReturnType<typeof rawClient>>
let client: Client

describe('calls', () => {
  beforeAll(async () => {
    peer = await grpcPeer(pki.server, (stream, headers) => {
      const handler = handlers[String(headers[':path'])]
      if (handler === undefined) throw new Error(`no handler for ${String(headers[':path'])}`)
      handler(stream, headers)
    })
    raw = await rawClient({ endpoints: peer.endpoint, credentials: pki.client })
    client = raw.client
  })

  afterAll(async () => {
    await raw[Symbol.asyncDispose]()
    await peer[Symbol.asyncDispose]()
  })

  it('escapes control characters in the message of a server', async () => {
    expect((await unary('/refuse-in-colour')).details).toBe('\\u{1b}[31mno\\u{a}\\u{202e}')
  })

  describe('unary calls', () => {
    it.each<[string, status, string | RegExp]>([
      ['/refuse', status.PERMISSION_DENIED, 'no way: é'],
      ['/late-refuse', status.FAILED_PRECONDITION, 'later'],
      ['/empty', status.UNIMPLEMENTED, 'No message received'],
      ['/large', status.RESOURCE_EXHAUSTED, /larger than max/],
      ['/404', status.UNIMPLEMENTED, /HTTP status code 404/],
      ['/503', status.UNAVAILABLE, /HTTP status code 503/],
      ['/rst-cancel', status.CANCELLED, /cancelled/i],
      ['/rst-internal', status.INTERNAL, /RST_STREAM with code 2/],
      ['/rst-calm', status.RESOURCE_EXHAUSTED, /Bandwidth/],
      ['/rst-protocol', status.INTERNAL, /RST_STREAM with code 1/],
      ['/rst-refused', status.UNAVAILABLE, /refused by server/],
      ['/no-status', status.UNKNOWN, /without a gRPC status/],
      ['/half', status.INTERNAL, /middle of a message/],
      ['/compressed', status.INTERNAL, /compressed/],
    ])('a call of %s ends with the status %s', async (path, code, details) => {
      const outcome = await unary(path)
      expect(outcome.code).toBe(code)
      expect(outcome.details).toMatch(details)
    })

    it('a unary call carries a message of any size there and back', async () => {
      for (const size of [0, 1, 5, 16_384, 3_000_000]) {
        const message = Buffer.alloc(size, 7)
        expect((await unary('/echo', message)).message?.equals(message)).toBe(true)
      }
    })

    it('a unary call carries metadata', async () => {
      const metadata = new Metadata()
      metadata.set('token', 'abc')
      metadata.set('data-bin', Buffer.from([1, 2, 3]))
      const { message } = await unary('/headers', Buffer.from('x'), { metadata })
      expect(JSON.parse(String(message))).toMatchObject({
        ':method': 'POST',
        ':path': '/headers',
        'content-type': 'application/grpc',
        te: 'trailers',
        token: 'abc',
        'data-bin': 'AQID',
      })
    })

    it('a unary call ends by its deadline, and sends it to the server', async () => {
      const before = Date.now()
      const outcome = await unary('/never', Buffer.from('x'), { deadline: before + 100 })
      expect(outcome.code).toBe(status.DEADLINE_EXCEEDED)
      expect(Date.now() - before).toBeGreaterThanOrEqual(99)
      const late = await unary('/echo', Buffer.from('x'), { deadline: before })
      expect(late.code).toBe(status.DEADLINE_EXCEEDED)
      const { message } = await unary('/headers', Buffer.from('x'), { deadline: Date.now() + 5000 })
      expect(String(message)).toMatch(/"grpc-timeout":"\d+m"/)
    })

    it('many unary calls at once get their own answers', async () => {
      const messages = Array.from({ length: 200 }, (_, i) => Buffer.from(String(i).repeat(i)))
      const outcomes = await Promise.all(messages.map((message) => unary('/echo', message)))
      expect(outcomes.map((each) => each.message?.toString())).toEqual(messages.map(String))
    })
  })

  describe('streams', () => {
    it('a stream delivers every message in order, also to a slow reader', async () => {
      const quick = await serverStream('/many')
      expect(quick.code).toBe(status.OK)
      expect(quick.messages.map((each) => each[0])).toEqual(Array.from({ length: 500 }, (_, i) => i % 256))
      const slow = await serverStream('/two', 20)
      expect(slow.messages.map(String)).toEqual(['a', 'b'])
    })

    it('a stream holds the caller back while the server does not read, and loses nothing', async () => {
      const stream = client.makeBidiStreamRequest('/bidi', same, same)
      let received = 0
      stream.on('data', (message: Buffer) => (received += message.length))
      for (let i = 0; i < 200; i += 1) {
        if (!stream.write(Buffer.alloc(50_000, i))) await once(stream, 'drain')
      }
      stream.end()
      await once(stream, 'status')
      expect(received).toBe(200 * 50_000)
    })
  })

  describe('a stream that nobody reads', () => {
    it('holds the server back on a stream that is not read (grpc-js buffers everything), and delays no other call', async () => {
      flooded = 0
      const stream = client.makeServerStreamRequest('/flood', same, same, Buffer.from('x'))
      stream.on('error', () => undefined)
      // An answer that left after what was written before it comes behind that, on the same connection. So each of these
      // gives the server leave to go on, as long as anybody takes in what it sends.
      let stands = 0
      for (let before = -1; stands < 100; before = flooded) {
        stands = flooded > 0 && flooded === before ? stands + 1 : 0
        expect(flooded).toBeLessThan(20_000_000)
        expect((await unary('/echo')).code).toBe(status.OK)
      }
      stream.cancel()
    })
  })

  describe('a call that cannot be sent', () => {
    it('a call that cannot be sent fails alone: its connection stays', async () => {
      const connections = peer.accepted
      const code = await new Promise((resolve) => {
        const options = { host: 'a\nb' }
        const done = (error: ServiceError | null): void => {
          resolve(error?.code)
        }
        client.makeUnaryRequest('/echo', same, same, Buffer.from('x'), new Metadata(), options, done)
      })
      expect(code).toBe(status.INTERNAL)
      expect((await unary('/echo')).code).toBe(status.OK)
      expect(peer.accepted).toBe(connections)
    })
  })
})
