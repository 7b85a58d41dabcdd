/** Servers that limit their streams, refuse some, or end connections: on the wire, and in the order of the queue itself. */
import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import { readFile } from 'node:fs/promises'
import type { TlsOptions } from 'node:tls'
import { describe, expect, it, vi } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../../src/client/index.js'
import { PRIORITY, type Priority, StreamQueue } from '../../../../src/client/transport/stream-queue.js'
import { mintPki } from '../../../support/etcd.js'
import {
  answerHealthCheck,
  type CallHandler,
  emptyAnswer,
  grpcPeer,
  type Peer,
  proxyTo,
  serverTls,
} from '../../../support/peers.js'

const pki = mintPki()
const PUT = '/etcdserverpb.KV/Put'
const KEEP_ALIVE = '/etcdserverpb.Lease/LeaseKeepAlive'

/** HTTP/2 settings of a peer next to its TLS options. */
function limited(maxConcurrentStreams: number): TlsOptions {
  return { ...serverTls(pki.server), ...{ settings: { maxConcurrentStreams } } }
}

function connect({ endpoint }: Peer): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: endpoint, credentials: pki.client })
}

/** Writes to so many keys at once. Resolves to the errors. */
async function putAtOnce(client: SecureEtcd3, count: number): Promise<unknown[]> {
  const puts = Array.from({ length: count }, (_, i) =>
    client
      .put(`key-${String(i)}`)
      .value('a')
      .exec(),
  )
  const outcomes = await Promise.allSettled(puts)
  return outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
}

describe('a server that announces a limit of two streams', () => {
  it('gets a keep-alive before the calls that have waited longer', async () => {
    const seen: string[] = []
    const held: ServerHttp2Stream[] = []
    let answers = 0
    await using peer = await grpcPeer(limited(2), (stream, headers) => {
      seen.push(String(headers[':path']))
      if (answers > 0) emptyAnswer(stream)
      else held.push(stream)
      answers -= 1
    })
    await using client = await connect(peer)
    const puts = putAtOnce(client, 20)
    await expect.poll(() => seen).toEqual([PUT, PUT])
    const stream = await client.leaseClient.leaseKeepAlive()
    stream.on('error', () => undefined)
    stream.write({ ID: '1' })
    answers = Infinity
    held.forEach(emptyAnswer)
    await expect.poll(() => seen.length).toBe(21)
    expect(seen[2]).toBe(KEEP_ALIVE)
    stream.cancel()
    expect(await puts).toEqual([])
  })

  it('loses with its connection only the writes that it got, and gets the others over the next connection', async () => {
    let got = 0
    await using peer = await grpcPeer(limited(2), (stream) => {
      got += 1
      if (got > 2) emptyAnswer(stream)
    })
    await using client = await connect(peer)
    const puts = putAtOnce(client, 10)
    await expect.poll(() => got).toBe(2)
    peer.cut()
    expect(await puts).toMatchObject([1, 2].map(() => ({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })))
    expect(got).toBe(10)
  })
})

/** Bytes that wait in this machine for the other side of a TCP connection to this port to read (proc(5), /proc/net/tcp). */
async function unsentTo(port: number): Promise<number> {
  const to = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((row) => row.trim().split(/\s+/))
  const queues = rows.flatMap(([, , remote = '', , queue = '']) => (remote.endsWith(to) ? parseInt(queue, 16) : []))
  return Math.max(0, ...queues)
}

describe('a connection that takes no more bytes and is lost', () => {
  it('leaves unknown which of the writes before were applied, and a later write goes over the next connection', async () => {
    // Windows that never stop the client: only the network does.
    const wide = { ...serverTls(pki.server), ...{ settings: { initialWindowSize: 2 ** 31 - 1 } } }
    await using peer = await grpcPeer(wide, (stream) => {
      stream.session?.setLocalWindowSize(2 ** 31 - 1)
      emptyAnswer(stream)
    })
    await using proxy = await proxyTo(peer.port)
    await using client = await connect(proxy)
    await client.put('first').value('a')
    proxy.freeze()
    const value = Buffer.alloc(1024 * 1024)
    const held = Promise.allSettled(Array.from({ length: 16 }, () => client.put('long').value(value).exec()))
    // Until the kernel accepts no more: what it has accepted is sent.
    let unsent = -1
    const isFull = async (): Promise<boolean> => {
      const before = unsent
      unsent = await unsentTo(proxy.port)
      return unsent > 0 && unsent === before
    }
    await expect.poll(isFull, { interval: 100 }).toBe(true)
    const later = client.put('later').value('a').exec()
    await new Promise(setImmediate)
    proxy.cut()
    proxy.thaw()
    await later
    const unknown = { status: 'rejected', reason: { cause: { code: 'ERR_OUTCOME_UNKNOWN' } } }
    expect(await held).toMatchObject(Array.from({ length: 16 }, () => unknown))
  })
})

describe('writes at once', () => {
  it('writes at once are each processed once by a server that ends 25 connections by GOAWAY after 20 calls each', async () => {
    const last = new WeakMap<Http2Session, number>()
    const counts = new WeakMap<Http2Session, number>()
    let processed = 0
    await using peer = await grpcPeer(limited(8), (stream) => {
      const { session, id = 0 } = stream
      if (session === undefined || id > (last.get(session) ?? Infinity)) return
      const count = (counts.get(session) ?? 0) + 1
      counts.set(session, count)
      processed += 1
      if (count === 20) {
        last.set(session, id)
        session.goaway(constants.NGHTTP2_NO_ERROR, id)
      }
      emptyAnswer(stream)
    })
    await using client = await connect(peer)
    expect(await putAtOnce(client, 500)).toEqual([])
    expect(processed).toBe(500)
    expect(peer.accepted).toBeGreaterThanOrEqual(25)
  })

  it('writes at once are each processed once by a server that refuses all streams but ten, which it does not announce', async () => {
    let [open, processed, refused] = [0, 0, 0]
    await using peer = await grpcPeer(pki.server, (stream) => {
      if (open >= 10) {
        refused += 1
        stream.close(constants.NGHTTP2_REFUSED_STREAM)
        return
      }
      open += 1
      processed += 1
      stream.once('close', () => (open -= 1))
      setImmediate(emptyAnswer, stream)
    })
    await using client = await connect(peer)
    // So few that a busy machine does not need the ten seconds after which a call fails.
    expect(await putAtOnce(client, 300)).toEqual([])
    expect(processed).toBe(300)
    expect(refused).toBeLessThan(900)
  })
})

describe('a server that refuses every stream', () => {
  const refuse = (stream: ServerHttp2Stream): void => {
    stream.close(constants.NGHTTP2_REFUSED_STREAM)
  }
  const unreachable = {
    code: 'ERR_UNREACHABLE',
    details: { report: { findings: [expect.objectContaining({ code: 'endpoint/not-processed' })] } },
  }

  it('fails a call at its deadline, with the cause', async () => {
    await using peer = await grpcPeer(pki.server, refuse)
    await using client = await connect(peer)
    const deadline = Date.now() + 2000
    const failed = client.get('a').options({ deadline }).exec()
    await expect(failed).rejects.toThrow('Deadline exceeded')
    await expect(failed).rejects.toMatchObject({ cause: unreachable })
  })

  it('fails a call without a deadline after ten seconds of refusals, with the cause', async () => {
    let refusals = 0
    let skipped = 0
    const now = performance.now.bind(performance)
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + skipped)
    try {
      await using peer = await grpcPeer(pki.server, (stream) => {
        refusals += 1
        if (refusals === 3) skipped = 10_000
        refuse(stream)
      })
      await using client = await connect(peer)
      const failed = client.put('a').value('b').exec()
      await expect(failed).rejects.toMatchObject({
        message: expect.stringContaining('Stream refused by server') as string,
      })
      await expect(failed).rejects.toMatchObject({ cause: unreachable })
      expect(refusals).toBe(3)
    } finally {
      clock.mockRestore()
    }
  })
})

describe('a server that lowers its limit to 0 in the middle of a connection', () => {
  const limitReached = (method: string) => ({
    code: 'ERR_UNREACHABLE',
    details: {
      report: {
        findings: [
          expect.objectContaining({
            code: 'endpoint/stream-limit',
            details: expect.objectContaining({ limit: 0, method }) as unknown,
            remedy: expect.stringMatching(
              /--max-concurrent-streams.*http2_max_concurrent_streams.*tune\.h2\.fe\.max-concurrent-streams/,
            ) as string,
          }),
        ],
      },
    },
  })

  /** A client with an open keep-alive stream, whose server accepts no further stream from then on. */
  async function atLimit(work: (client: SecureEtcd3, answered: () => number, raise: () => void) => Promise<void>) {
    let session: Http2Session | undefined
    let echoed = 0
    const answerCall: CallHandler = (stream, headers) => {
      if (headers[':path'] !== KEEP_ALIVE) {
        emptyAnswer(stream)
        return
      }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('data', () => (echoed += 1))
    }
    await using peer = await grpcPeer(pki.server, answerCall, (stream) => {
      session ??= stream.session
      // There is no second connection.
      if (stream.session === session) answerHealthCheck(stream)
      else stream.session?.destroy()
    })
    await using client = await connect(peer)
    const stream = await client.leaseClient.leaseKeepAlive()
    stream.on('error', () => undefined)
    stream.write({ ID: '1' })
    await expect.poll(() => echoed).toBe(1)
    await new Promise<void>((resolve) =>
      session?.settings({ maxConcurrentStreams: 0 }, () => {
        resolve()
      }),
    )
    stream.write({ ID: '1' })
    await expect.poll(() => echoed).toBe(2)
    const raise = (): void => session?.settings({ maxConcurrentStreams: 10 })
    await work(client, () => echoed, raise)
    stream.cancel()
  }

  it('lets open streams go on, and fails a call at its deadline with the limit and the options that set it', () =>
    atLimit(async (client) => {
      const failed = client
        .put('a')
        .value('b')
        .options({ deadline: Date.now() + 300 })
        .exec()
      await expect(failed).rejects.toThrow('Deadline exceeded')
      await expect(failed).rejects.toMatchObject({ cause: limitReached('KV/Put') })
    }))

  it('fails calls without a deadline after ten seconds without a new stream, and sends later ones when it raises its limit', () =>
    atLimit(async (client, _answered, raise) => {
      const failed = [client.put('a').value('b').exec(), client.get('a').exec()]
      const outcomes = Promise.allSettled(failed)
      await new Promise(setImmediate)
      const now = performance.now.bind(performance)
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 10_000)
      try {
        const error = { status: 'rejected', reason: { message: expect.stringContaining('in 10 s') as string } }
        expect(await outcomes).toMatchObject([error, error])
        await expect(failed[0]).rejects.toMatchObject({ cause: limitReached('KV/Put') })
        expect(client.tls.endpoints).toMatchObject([{ state: 'ready', findings: [{ code: 'endpoint/stream-limit' }] }])
      } finally {
        clock.mockRestore()
      }
      const later = client.put('a').value('b').exec()
      raise()
      await later
      await expect.poll(() => client.tls.endpoints).toMatchObject([{ findings: [] }])
    }))

  it('renews another lease over the open stream, and reports a watch that waits by an event until the limit is raised', () =>
    atLimit(async (client, answered, raise) => {
      const events = client.tls.events()
      const stream = await client.leaseClient.leaseKeepAlive()
      stream.on('error', () => undefined)
      stream.write({ ID: '2' })
      await expect.poll(answered).toBe(3)
      client.watch().key('a').watcher()
      expect(await events.next()).toMatchObject({
        value: { type: 'endpoint-changed', status: { findings: [{ code: 'endpoint/stream-limit' }] } },
      })
      raise()
      await expect.poll(() => client.tls.endpoints, { timeout: 3000 }).toMatchObject([{ findings: [] }])
      stream.cancel()
    }))
})

it('resets the stream of a call that has ended before the next one opens its own, which would be one too many', async () => {
  let held = 0
  await using peer = await grpcPeer(limited(1), (stream, headers) => {
    if (headers[':path'] === PUT) emptyAnswer(stream)
    else held += 1
  })
  await using client = await connect(peer)
  for (let i = 1; i <= 3; i += 1) {
    const late = client
      .get('a')
      .options({ deadline: Date.now() + 500 })
      .exec()
    const ended = expect(late).rejects.toThrow('Deadline exceeded')
    await expect.poll(() => held).toBe(i)
    await Promise.all([client.put('a').value('b').exec(), ended])
  }
  expect(peer.accepted).toBe(1)
})

describe('StreamQueue', () => {
  it('leaves a quarter of the streams, and at least one, to calls that end', () => {
    const opened = (limit: number, priority: Priority): number => {
      const queue = new StreamQueue<ReturnType<typeof call>>(limit)
      let count = 0
      while (count < 1000 && queue.openAtOnce(call('any', priority))) count += 1
      return count
    }
    const lasting = [0, 1, 2, 4, 7, 16, 100, Infinity].map((limit) => opened(limit, PRIORITY.watch))
    expect(lasting).toEqual([0, 0, 1, 3, 6, 12, 75, 1000])
    expect([1, 4, 16].map((limit) => opened(limit, PRIORITY.first))).toEqual([1, 4, 16])
  })

  const call = (name: string, priority: Priority = PRIORITY.first): { name: string; priority: Priority } => ({
    name,
    priority,
  })

  it('returns calls by priority, then in their order, without the calls that were removed', () => {
    const queue = new StreamQueue<ReturnType<typeof call>>(Infinity)
    const [a, b, c] = [call('a'), call('b'), call('c')]
    for (const each of [a, b, c, call('repeated', PRIORITY.repeated), call('keep-alive', PRIORITY.keepAlive)])
      queue.add(each)
    queue.remove(b)
    expect(queue.takeAll().map(({ name }) => name)).toEqual(['keep-alive', 'repeated', 'a', 'c'])
    expect(queue.take()).toBeNull()
    // It was empty in between.
    queue.add(b)
    expect(queue.take()).toBe(b)
  })

  it('keeps to the announced limit, and to a lower one that refusals show', () => {
    const queue = new StreamQueue<ReturnType<typeof call>>(3)
    for (const name of 'abcdefgh') queue.add(call(name))
    const open = [queue.take(), queue.take(), queue.take()].flatMap((each) => each ?? [])
    expect(open.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect(queue.take()).toBeNull()
    const [first, second, third] = open
    if (first === undefined || second === undefined || third === undefined) throw new Error('Too few calls')
    queue.remove(third)
    queue.noteRefusal()
    expect(queue.take()).toBeNull()
    queue.remove(second)
    queue.noteAnswer()
    expect(queue.take()?.name).toBe('d')
    expect(queue.take()).toBeNull()
    queue.announce(1)
    queue.remove(first)
    expect(queue.take()).toBeNull()
  })

  it('opens calls while streams that do not end wait, at the announced limit and after it changes', () => {
    const queue = new StreamQueue<ReturnType<typeof call>>(4)
    const watches = Array.from({ length: 5 }, (_, i) => call(`watch ${String(i)}`, PRIORITY.watch))
    expect(watches.map((each) => queue.openAtOnce(each))).toEqual([true, true, true, false, false])
    queue.add(call('waits', PRIORITY.keepAlive))
    expect(queue.take()).toBeNull()
    const first = call('first')
    queue.add(first)
    expect(queue.take()).toBe(first)
    queue.remove(first)
    queue.announce(0)
    queue.add(first)
    expect(queue.take()).toBeNull()
    queue.announce(5)
    expect([queue.take()?.name, queue.take()?.name]).toEqual(['waits', 'first'])
    expect(queue.take()).toBeNull()
  })
})
