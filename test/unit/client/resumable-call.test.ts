/** Streams that go on over another connection, at the level of gRPC: every end that an attempt can have, and what the caller sees. */
import type { ServerHttp2Stream } from 'node:http2'
import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { frameMessage, MessageReader } from '../../../src/client/transport/framing.js'
import { bytesField, int64Field } from '../../../src/client/transport/protobuf.js'
import { readWatchRequest, readWatchResponse } from '../../../src/client/streams/watch-messages.js'
import { mintPki } from '../../support/etcd.js'
import { grpcPeer, leaveOpen, type Peer, type Proxy, proxyTo, refuseCall } from '../../support/peers.js'
import { rawClient } from '../../support/raw-client.js'
import { createFor, eventRevisions, watchResponse } from '../../support/watch-wire.js'

const KEEP_ALIVE = '/etcdserverpb.Lease/LeaseKeepAlive'
const WATCH = '/etcdserverpb.Watch/Watch'

const pki = mintPki()

/** One stream as the server sees it. */
interface Attempt {
  stream: ServerHttp2Stream
  /** The endpoint over which it came, without the scheme. */
  authority: string | undefined
  messages: Buffer[]
  /** Whether the client sends no more. */
  ended: boolean
  send(message: Buffer): void
  finish(code: number): void
}

let attempts: Attempt[]
/** What the server does with a new attempt, and with a message on it. */
let onAttempt: (attempt: Attempt) => void
let onMessage: (attempt: Attempt, message: Buffer) => void
let peer: Peer
let proxy: Proxy
let raw: Awaited<ReturnType<typeof rawClient>>

beforeEach(async () => {
  attempts = []
  onAttempt = () => undefined
  onMessage = () => undefined
  peer = await grpcPeer(pki.server, (stream, headers) => {
    if (headers[':path'] === '/etcdserverpb.Maintenance/Status') {
      refuseCall(stream, status.PERMISSION_DENIED, 'not for this user')
      return
    }
    const reader = new MessageReader(-1)
    const attempt: Attempt = {
      stream,
      authority: headers[':authority'],
      messages: [],
      ended: false,
      send: (message) => {
        if (!stream.headersSent)
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.write(frameMessage(message))
      },
      finish: (code) => {
        if (!stream.headersSent) refuseCall(stream, code, 'as configured')
        else {
          stream.on('wantTrailers', () => {
            stream.sendTrailers({ 'grpc-status': String(code), 'grpc-message': 'as configured' })
          })
          stream.end()
        }
      },
    }
    attempts.push(attempt)
    stream.on('data', (piece: Buffer) => {
      for (const message of reader.push(piece)) {
        attempt.messages.push(message)
        onMessage(attempt, message)
      }
    })
    stream.on('end', () => {
      attempt.ended = true
    })
    onAttempt(attempt)
  })
  proxy = await proxyTo(peer.port)
  raw = await rawClient({ endpoints: proxy.endpoint, credentials: pki.client, dialTimeout: '2s' })
})

afterEach(async () => {
  await raw[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await peer[Symbol.asyncDispose]()
})

interface Seen {
  stream: ClientDuplexStream<Buffer, Buffer>
  messages: Buffer[]
  metadata: number
  /** `OK`, or the code of the error; null while it runs. */
  end: string | null
  cause: unknown
}

function open(path: string, options: { deadline?: number } = {}): Seen {
  const same = (bytes: Buffer): Buffer => bytes
  const stream = raw.client.makeBidiStreamRequest<Buffer, Buffer>(path, same, same, options)
  const seen: Seen = { stream, messages: [], metadata: 0, end: null, cause: null }
  stream.on('metadata', () => (seen.metadata += 1))
  stream.on('data', (message: Buffer) => seen.messages.push(message))
  stream.on('error', (error: ServiceError) => {
    seen.end = status[error.code]
    seen.cause = error.cause
  })
  stream.on('end', () => (seen.end ??= 'OK'))
  return seen
}

/** Replaces the client by one with these endpoints, which are all connected. */
async function connect(proxies: readonly Proxy[]): Promise<void> {
  await raw[Symbol.asyncDispose]()
  const endpoints = proxies.map(({ endpoint }) => endpoint)
  raw = await rawClient({ endpoints, credentials: pki.client, dialTimeout: '2s', preflight: 'all' })
}

/** A keep-alive of a lease. */
const ask = (id: number): Buffer => int64Field(1, BigInt(id))
/** The answer to it, with a time to live. */
const answer = (id: number): Buffer => Buffer.concat([int64Field(2, BigInt(id)), int64Field(3, 60n)])

describe('keep-alives', () => {
  it('repeats an unanswered keep-alive once after the connection broke, and no answered one', async () => {
    onMessage = (attempt, message) => {
      if (attempts.length > 1 || message.equals(ask(1))) attempt.send(answer(Number(message[1])))
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => seen.messages).toEqual([answer(1)])
    seen.stream.write(ask(2))
    seen.stream.write(ask(3))
    await expect.poll(() => attempts[0]?.messages.length).toBe(3)
    proxy.cut()
    // That which got no answer first may hold up the others, so it goes last.
    await expect.poll(() => seen.messages).toEqual([answer(1), answer(3), answer(2)])
    expect(attempts[1]?.messages).toEqual([ask(3), ask(2)])
    seen.stream.write(ask(4))
    await expect.poll(() => seen.messages.length).toBe(4)
    expect(seen).toMatchObject({ end: null, metadata: 1 })
  })

  it('a keep-alive goes to an endpoint that owes no answer, also if that carries more streams', async () => {
    await using other = await proxyTo(peer.port)
    await connect([proxy, other])
    const idle = Array.from({ length: 6 }, () => open(WATCH))
    await expect.poll(() => attempts.length).toBe(6)
    const [{ authority: silent } = { authority: '' }] = attempts
    for (const each of attempts.splice(0)) if (each.authority === silent) each.finish(0)
    await expect.poll(() => idle.filter(({ end }) => end === 'OK').length).toBe(3)
    for (let count = 1; count <= 3; count += 1) {
      open(KEEP_ALIVE).stream.write(ask(1))
      await expect.poll(() => attempts.at(count - 1)?.messages).toEqual([ask(1)])
    }
    expect(attempts.map(({ authority }) => authority === silent)).toEqual([true, false, true])
  })

  it('lets the caller end a keep-alive stream after its connection broke', async () => {
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    seen.stream.end()
    await expect.poll(() => attempts[0]?.messages.length).toBe(1)
    onMessage = (attempt) => {
      attempt.send(answer(1))
    }
    proxy.cut()
    await expect.poll(() => seen.end).toBe('OK')
    expect(seen.messages).toEqual([answer(1)])
    expect(attempts[1]?.messages).toEqual([ask(1)])
  })

  it('leaves the attempt on the old connection at once on a rotation', async () => {
    onMessage = (attempt, message) => {
      attempt.send(answer(Number(message[1])))
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => seen.messages.length).toBe(1)
    expect((await raw.session.rotate()).ok).toBe(true)
    await expect.poll(() => attempts.length).toBe(2)
    seen.stream.write(ask(2))
    await expect.poll(() => seen.messages).toEqual([answer(1), answer(2)])
    expect(attempts.map((each) => each.messages)).toEqual([[ask(1)], [ask(2)]])
    await expect.poll(() => attempts[0]?.stream.closed).toBe(true)
    expect(seen.end).toBeNull()
  })
})

describe('the answer that a lease does not exist', () => {
  const header = (term: number): Buffer => bytesField(1, int64Field(4, BigInt(term)))
  const denial = (id: number, term: number): Buffer => Buffer.concat([header(term), int64Field(2, BigInt(id))])

  /** Grants a lease in that term. The attempts of the test begin after it. */
  async function grant(term: number, id = 0): Promise<void> {
    onMessage = (attempt) => {
      attempt.send(Buffer.concat([header(term), int64Field(2, 1n), int64Field(3, 60n)]))
      attempt.finish(0)
    }
    const seen = open('/etcdserverpb.Lease/LeaseGrant')
    seen.stream.end(Buffer.concat([int64Field(1, 60n), int64Field(2, BigInt(id))]))
    await expect.poll(() => seen.end).toBe('OK')
    attempts = []
  }

  async function keepAlive(term: number): Promise<Seen> {
    onMessage = (attempt) => {
      attempt.send(attempts.length < 3 ? denial(1, term) : answer(1))
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => seen.messages).not.toEqual([])
    return seen
  }

  it.each([
    ['the client', 0],
    ['the caller', 1],
  ])(
    'a denial in a term before that of the grant with an id of %s is ignored, and the keep-alive is sent again',
    async (_whose, id) => {
      await grant(3, id)
      expect(await keepAlive(2)).toMatchObject({ messages: [answer(1)], end: null })
      expect(attempts.map((each) => each.messages)).toEqual([[ask(1)], [ask(1)], [ask(1)]])
    },
  )

  it('a keep-alive is sent to another endpoint after a denial that is ignored', async () => {
    await using other = await proxyTo(peer.port)
    await connect([proxy, other])
    await grant(3)
    // With a stream of its own this endpoint has more of them, and a new stream goes to the other one.
    open(WATCH)
    await expect.poll(() => attempts.length).toBe(1)
    const [crowded] = attempts.splice(0)
    await keepAlive(2)
    const isCrowded = attempts.map(({ authority }) => authority === crowded?.authority)
    expect(isCrowded).toEqual([false, true, false])
  })

  it.each([
    ['the term of the grant', 3],
    ['a later term', 4],
    ['no term', 0],
  ])('a denial reaches the caller if it has %s', async (_which, term) => {
    await grant(3)
    expect((await keepAlive(term)).messages).toEqual([denial(1, term)])
  })

  it('a denial reaches the caller after a restored cluster has granted a lease in a lower term', async () => {
    await grant(3)
    await grant(2)
    expect((await keepAlive(2)).messages).toEqual([denial(1, 2)])
  })
})

describe('a stream of watches that leaves its connection', () => {
  /** Answers the create on an attempt. */
  const create = (attempt: Attempt | undefined): void => {
    attempt?.send(watchResponse({ revision: 10, watchId: 1, created: true }))
  }
  const event = (revision: number): Buffer => watchResponse({ revision, watchId: 1, events: [revision] })

  /** A stream with one watch that has begun to move: the next attempt has requested the watch. */
  async function moving(): Promise<Seen> {
    onMessage = (attempt) => {
      if (attempts.length === 1) create(attempt)
    }
    const seen = open(WATCH)
    seen.stream.write(createFor('k'))
    await expect.poll(() => seen.messages.length).toBe(1)
    expect((await raw.session.rotate()).ok).toBe(true)
    await expect.poll(() => attempts[1]?.messages.length).toBe(1)
    return seen
  }

  const revisions = ({ messages }: Seen): number[] => messages.slice(1).flatMap(eventRevisions)

  it('delivers events of the old attempt until the next one has the watch, and then leaves the old one', async () => {
    const seen = await moving()
    attempts[0]?.send(event(11))
    await expect.poll(() => revisions(seen)).toEqual([11])
    create(attempts[1])
    await expect.poll(() => attempts[0]?.stream.closed).toBe(true)
    attempts[1]?.send(event(11))
    attempts[1]?.send(event(12))
    await expect.poll(() => revisions(seen)).toEqual([11, 12])
    expect(attempts).toHaveLength(2)
  })

  it('makes another attempt if the next one ends', async () => {
    const seen = await moving()
    attempts[1]?.finish(status.UNAVAILABLE)
    await expect.poll(() => attempts[2]?.messages.length).toBe(1)
    attempts[0]?.send(event(11))
    await expect.poll(() => revisions(seen)).toEqual([11])
    create(attempts[2])
    await expect.poll(() => attempts[0]?.stream.closed).toBe(true)
    expect(seen.end).toBeNull()
  })

  it('continues with the next attempt if the old one ends first', async () => {
    const seen = await moving()
    attempts[0]?.finish(status.UNAVAILABLE)
    await expect.poll(() => attempts[0]?.stream.closed).toBe(true)
    create(attempts[1])
    attempts[1]?.send(event(11))
    await expect.poll(() => revisions(seen)).toEqual([11])
    expect([attempts.length, seen.end]).toEqual([2, null])
  })

  it('moves once more if the next connection is to be left as well', async () => {
    const seen = await moving()
    expect((await raw.session.rotate()).ok).toBe(true)
    expect(attempts).toHaveLength(2)
    create(attempts[1])
    await expect.poll(() => attempts[2]?.messages.length).toBe(1)
    create(attempts[2])
    await expect.poll(() => attempts.map(({ stream }) => stream.closed)).toEqual([true, true, false])
    attempts[2]?.send(event(11))
    await expect.poll(() => revisions(seen)).toEqual([11])
  })

  it('ends both attempts if the caller cancels', async () => {
    const seen = await moving()
    seen.stream.cancel()
    await expect.poll(() => attempts.map(({ stream }) => stream.closed)).toEqual([true, true])
    expect(seen.end).toBe('CANCELLED')
  })

  it('ends both attempts if the next server sends a message that etcd never sends', async () => {
    const seen = await moving()
    attempts[1]?.send(Buffer.from('0b0c', 'hex'))
    await expect.poll(() => attempts.map(({ stream }) => stream.closed)).toEqual([true, true])
    expect(seen).toMatchObject({ end: 'INTERNAL', cause: { code: 'ERR_ANSWER_INVALID' } })
  })
})

describe('an attempt that the server ends', () => {
  it('tries five more attempts with growing pauses after UNAVAILABLE, then passes the status on', async () => {
    const times: number[] = []
    onAttempt = (attempt) => {
      times.push(performance.now())
      attempt.finish(status.UNAVAILABLE)
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => seen.end).toBe('UNAVAILABLE')
    expect(attempts).toHaveLength(6)
    const pauses = times.slice(1).map((each, index) => each - (times[index] ?? 0))
    for (const [index, least] of [37, 75, 150, 300, 600].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(least - 5)
    }
  })

  it('tries again with growing pauses if the server ends each attempt after its first message', async () => {
    const times: number[] = []
    onAttempt = () => times.push(performance.now())
    onMessage = (attempt, message) => {
      if (attempt.messages.length > 1) return
      attempt.send(answer(Number(message[1])))
      attempt.finish(status.UNAVAILABLE)
    }
    const seen = open(KEEP_ALIVE)
    for (let id = 1; id <= 7; id += 1) seen.stream.write(ask(id))
    await expect.poll(() => seen.messages.length).toBe(7)
    const pauses = times.slice(1).map((each, index) => each - (times[index] ?? 0))
    for (const [index, least] of [37, 75, 150, 300, 600].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(least - 5)
    }
    expect(seen.end).toBeNull()
  })

  it('lets the caller send and end the stream between two attempts', async () => {
    onAttempt = (attempt) => {
      if (attempts.length < 4) attempt.finish(status.UNAVAILABLE)
    }
    onMessage = (attempt, message) => {
      if (attempts.length === 4) attempt.send(answer(Number(message[1])))
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => attempts.length).toBe(3)
    seen.stream.write(ask(2))
    seen.stream.end()
    await expect.poll(() => seen.end).toBe('OK')
    expect(attempts[3]?.messages).toEqual(expect.arrayContaining([ask(1), ask(2)]))
  })

  it('makes no attempt after the caller cancels between two attempts', async () => {
    onAttempt = (attempt) => {
      attempt.finish(status.UNAVAILABLE)
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => attempts.length).toBe(4)
    seen.stream.cancel()
    await expect.poll(() => seen.end).toBe('CANCELLED')
    onAttempt = () => undefined
    open(KEEP_ALIVE).stream.write(ask(9))
    await expect.poll(() => attempts.at(-1)?.messages).toEqual([ask(9)])
    expect(attempts).toHaveLength(5)
  })

  it.each([
    ['OK', status.OK],
    ['PERMISSION_DENIED', status.PERMISSION_DENIED],
    ['UNAUTHENTICATED', status.UNAUTHENTICATED],
  ])('passes %s on to the caller', async (name, code) => {
    onMessage = (attempt) => {
      attempt.send(answer(1))
      attempt.finish(code)
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => seen.end).toBe(name)
    expect(seen.messages).toEqual([answer(1)])
    expect(attempts).toHaveLength(1)
  })
})

describe('the caller', () => {
  it('cancels the stream at the server if the caller cancels, and makes no further attempt', async () => {
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => attempts[0]?.messages.length).toBe(1)
    seen.stream.cancel()
    await expect.poll(() => [seen.end, attempts[0]?.stream.closed]).toEqual(['CANCELLED', true])
    proxy.cut()
    await expect.poll(() => raw.session.endpoints[0]?.state).toBe('ready')
    expect(attempts).toHaveLength(1)
  })

  it('applies the deadline of the caller to all attempts together', async () => {
    const seen = open(KEEP_ALIVE, { deadline: Date.now() + 2000 })
    seen.stream.write(ask(1))
    await expect.poll(() => attempts.length).toBe(1)
    proxy.cut()
    await expect.poll(() => attempts.length).toBe(2)
    await expect.poll(() => seen.end).toBe('DEADLINE_EXCEEDED')
  })

  it('reports to the caller that there is no other connection', async () => {
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => attempts.length).toBe(1)
    await proxy[Symbol.asyncDispose]()
    await expect.poll(() => seen.end).toBe('UNAVAILABLE')
    proxy = await proxyTo(peer.port)
  })

  it('ends the stream when the client closes while an attempt waits for a connection', async () => {
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => attempts.length).toBe(1)
    proxy.freeze()
    proxy.cut()
    await expect.poll(() => raw.session.endpoints[0]?.state).toBe('connecting')
    await raw.session.close()
    await expect.poll(() => seen.end).toBe('CANCELLED')
  })

  it('requests undelivered events again, and delivers each once, if the caller does not read', async () => {
    const LAST = 2000
    onMessage = (attempt, message) => {
      const request = readWatchRequest(message)
      if (request.kind !== 'create') return
      attempt.send(watchResponse({ revision: LAST, watchId: 1, created: true }))
      for (let revision = Number(request.create.startRevision); revision <= LAST; revision += 1) {
        attempt.send(watchResponse({ revision: LAST, watchId: 1, events: [revision] }))
      }
    }
    const seen = open(WATCH)
    seen.stream.write(createFor('k', 1))
    await expect.poll(() => seen.messages.length).toBeGreaterThan(1)
    for (let i = 0; i < 3; i += 1) {
      seen.stream.pause()
      proxy.cut()
      await expect.poll(() => attempts.length).toBe(i + 2)
      seen.stream.resume()
    }
    await expect.poll(() => seen.messages.length).toBe(LAST + 1)
    const revisions = seen.messages.slice(1).map((each) => Number(readWatchResponse(each).lastRevision))
    expect(revisions).toEqual(Array.from({ length: LAST }, (_, index) => index + 1))
  })

  it('holds the server back while the caller does not read, on the next attempt as well', async () => {
    const LIMIT = 3_000_000
    let [sent, before] = [0, 0]
    const events = frameMessage(
      watchResponse({ revision: 10, watchId: 1, events: Array.from({ length: 1000 }, () => 10) }),
    )
    onMessage = (attempt) => {
      const { stream } = attempt
      attempt.send(watchResponse({ revision: 9, watchId: 1, created: true }))
      for (let i = 0; i < 50; i += 1) attempt.send(watchResponse({ revision: 10, watchId: 1, events: [10] }))
      if (attempts.length === 1) return
      const more = (): void => {
        while (!stream.destroyed && sent < LIMIT && stream.write(events)) sent += events.length
      }
      stream.on('drain', more)
      more()
    }
    const seen = open(WATCH)
    seen.stream.pause()
    seen.stream.write(createFor('k'))
    await expect.poll(() => attempts[0]?.messages.length).toBe(1)
    proxy.cut()
    const stands = (): boolean => {
      const last = before
      before = sent
      return sent > 0 && sent === last
    }
    await expect.poll(stands, { interval: 300 }).toBe(true)
    expect(sent).toBeLessThan(LIMIT)
    seen.stream.cancel()
  })
})

describe('a message that cannot be read', () => {
  it.each([
    ['from the server, on a keep-alive', KEEP_ALIVE, ask(1)],
    ['from the server, on a watch', WATCH, createFor('k')],
  ])(
    'ends the stream with a cause, and does not deliver the message, if it is malformed: %s',
    async (_what, path, request) => {
      onMessage = (attempt) => {
        attempt.send(Buffer.from('0bff', 'hex'))
      }
      const seen = open(path)
      seen.stream.write(request)
      await expect.poll(() => seen.end).toBe('INTERNAL')
      expect(seen.messages).toEqual([])
      expect(seen.cause).toMatchObject({
        code: 'ERR_ANSWER_INVALID',
        details: { method: path.slice('/etcdserverpb.'.length), endpoint: proxy.endpoint },
      })
      await expect.poll(() => attempts[0]?.stream.closed).toBe(true)
      expect(attempts).toHaveLength(1)
    },
  )

  it('ends the stream if the caller sends a malformed message', async () => {
    const seen = open(WATCH)
    seen.stream.write(Buffer.from('0aff', 'hex'))
    await expect.poll(() => seen.end).toBe('INTERNAL')
  })
})

describe('deliveries', () => {
  it('delivers each message in its own turn of the event loop, except events, of which a few share one', async () => {
    const revisions = Array.from({ length: 200 }, (_, i) => 11 + i)
    onMessage = (attempt) => {
      attempt.send(Buffer.concat([watchResponse({ revision: 10, watchId: 1, created: true })]))
      const responses = [
        ...revisions.map((each) => watchResponse({ revision: each, watchId: 1, events: [each] })),
        watchResponse({ revision: 210, watchId: 1, canceled: true }),
      ]
      attempt.stream.write(Buffer.concat(responses.map((each) => frameMessage(each))))
    }
    const seen = open(WATCH)
    const turns: number[] = []
    let turn = 0
    seen.stream.on('data', () => {
      const own = turn
      turns.push(own)
      setImmediate(() => (turn = own + 1))
    })
    seen.stream.write(createFor('k'))
    await expect.poll(() => turns.length).toBe(202)
    const responses = seen.messages.map((each) => readWatchResponse(each))
    expect(responses.slice(1, -1).map(({ lastRevision }) => Number(lastRevision))).toEqual(revisions)
    const sharing = (message: number): number => turns.filter((each) => each === turns[message]).length
    expect([sharing(0), sharing(201)]).toEqual([1, 1])
    expect(Math.max(...turns.map((_, message) => sharing(message)))).toBe(64)
  })

  it('delivers an answer of its own after the call that asked for it has returned', async () => {
    const seen = open(WATCH)
    seen.stream.write(createFor('k'))
    seen.stream.write(createFor('l'))
    seen.stream.write(bytesField(2, int64Field(1, 2n)))
    expect(seen.messages).toEqual([])
    await expect.poll(() => seen.messages.map((each) => readWatchResponse(each).canceled)).toEqual([true])
  })

  it('delivers nothing after the caller cancels', async () => {
    onMessage = (attempt) => {
      attempt.send(watchResponse({ revision: 10, watchId: 1, created: true }))
      for (let revision = 11; revision < 100; revision += 1) {
        attempt.send(watchResponse({ revision, watchId: 1, events: [revision] }))
      }
    }
    const seen = open(WATCH)
    seen.stream.once('data', () => {
      seen.stream.cancel()
    })
    seen.stream.write(createFor('k'))
    await expect.poll(() => seen.end).toBe('CANCELLED')
    expect(seen.messages).toHaveLength(1)
  })
})

describe('a server that ends a stream in an unusual way', () => {
  it.each([
    ['without trailers', true],
    ['without an answer, as an etcd that is stopped', false],
  ])('resumes a stream that the server ends in an unusual way: %s', async (_how, hasHeaders) => {
    onMessage = (attempt, message) => {
      if (attempts.length > 1) attempt.send(answer(Number(message[1])))
      else if (!hasHeaders) attempt.stream.close()
      else {
        leaveOpen(attempt.stream)
        attempt.stream.end()
      }
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => seen.messages).toEqual([answer(1)])
    expect([attempts.length, seen.end]).toEqual([2, null])
  })

  it.each(['99', '-1', 'x'])('ends with UNKNOWN if the server sends the status %s', async (code) => {
    onMessage = (attempt) => {
      attempt.stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': code },
        { endStream: true },
      )
    }
    const seen = open(KEEP_ALIVE)
    seen.stream.write(ask(1))
    await expect.poll(() => seen.end).toBe('UNKNOWN')
  })
})
