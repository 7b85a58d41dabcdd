/** Dialling: several addresses, servers that answer with alert 80, server names of single endpoints, and unix sockets. */
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import type { ServerHttp2Stream } from 'node:http2'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../../src/client/index.js'
import { alternateFamilies } from '../../../src/client/transport/resolve.js'
import { blackHole } from '../../support/black-hole.js'
import { mintPki } from '../../support/etcd.js'
import { dns, ip } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { OwnTime } from '../../support/own-time.js'
import {
  alertingPeer,
  answerHealthCheck,
  emptyAnswer,
  gonePeer,
  grpcPeer,
  type Peer,
  proxyTo,
  silentPeer,
} from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'
import { resolveTo } from '../../support/resolver.js'

const pki = mintPki()
const [FIRST, SECOND] = ['127.0.0.2', '127.0.0.1']

function connect(port: number, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  const endpoint = { url: `https://etcd.test:${String(port)}`, serverName: 'localhost' }
  return createSecureClient({ endpoints: [endpoint], credentials: pki.client, ...options })
}

function failedAddresses(client: SecureEtcd3): unknown {
  return findingOf(client.tls.endpoints[0]?.findings ?? [], 'endpoint/address-failed').details
}

/** The outcome, after how many milliseconds it came, and how many of those this process had. */
async function timed<T>(work: Promise<T>): Promise<[T, { late: number; own: number }]> {
  using clock = new OwnTime()
  const started = performance.now()
  const result = await work
  return [result, { late: performance.now() - started, own: clock.elapsed }]
}

describe('a host name with two addresses', () => {
  it('a host name is connected at its second address if the first refuses, and reports both', async () => {
    await using peer = await grpcPeer(pki.server)
    using _names = resolveTo([FIRST, SECOND])
    await using client = await connect(peer.port)
    await client.put('a').value('b')
    expect(failedAddresses(client)).toEqual({
      endpoint: `https://etcd.test:${String(peer.port)}`,
      answered: SECOND,
      failed: [{ address: FIRST, reason: 'ECONNREFUSED' }],
    })
    expect(peer.accepted).toBe(1)
  })

  it('a host name is connected at its second address after a quarter of a second if the first drops packets', async () => {
    await using peer = await grpcPeer(pki.server)
    await using hole = await blackHole()
    const port = Number(new URL(hole.endpoint).port)
    await using way = await proxyTo(peer.port, port, FIRST)
    using _names = resolveTo([SECOND, FIRST])
    const [client, { late, own }] = await timed(connect(port, { dialTimeout: '20s' }))
    await using _client = client
    expect(late).toBeGreaterThanOrEqual(245)
    expect(own).toBeLessThan(3000)
    expect(failedAddresses(client)).toMatchObject({ answered: FIRST, failed: [{ address: SECOND, reason: 'slower' }] })
    expect(way.accepted).toBe(1)
  })

  it('a host name is connected at its second address if the first accepts connections and is silent, on each dial', async () => {
    await using peer = await grpcPeer(pki.server)
    await using silent = await silentPeer(peer.port, FIRST)
    using _names = resolveTo([FIRST, SECOND])
    const [client, { own }] = await timed(connect(peer.port, { dialTimeout: '20s' }))
    await using _client = client
    expect(own).toBeLessThan(3000)
    // The connection that lost is gone.
    await expect.poll(() => silent.open).toBe(0)
    peer.cut()
    await expect.poll(() => peer.accepted).toBe(2)
    await client.put('a').value('b')
    expect(silent.accepted).toBe(2)
    await expect.poll(() => silent.open).toBe(0)
  })

  it('names an address once that refused and was tried again when the other one answered', async () => {
    const started: Peer[] = []
    const startFirst = async (stream: ServerHttp2Stream): Promise<void> => {
      const silent = await silentPeer(peer.port, FIRST)
      started.push(silent)
      await expect.poll(() => silent.accepted).toBe(1)
      answerHealthCheck(stream)
    }
    await using peer = await grpcPeer(pki.server, emptyAnswer, (stream) => void startFirst(stream))
    using _names = resolveTo([FIRST, SECOND])
    await using client = await connect(peer.port, { dialTimeout: '20s' })
    expect(failedAddresses(client)).toMatchObject({ failed: [{ address: FIRST, reason: 'ECONNREFUSED' }] })
    for (const each of started) await each[Symbol.asyncDispose]()
  })

  it('a host name is connected once if its first address works', async () => {
    await using peer = await grpcPeer(pki.server)
    await using other = await silentPeer(peer.port, FIRST)
    using _names = resolveTo([SECOND, FIRST])
    // On a busy machine, a dial takes longer than the delay after which the next address is tried: it does not pass here.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await using client = await connect(peer.port)
      await client.put('a').value('b')
      expect(client.tls.endpoints[0]?.findings).toEqual([])
      expect([peer.accepted, other.accepted]).toEqual([1, 0])
      client.close()
    } finally {
      vi.useRealTimers()
    }
  })

  it.each<[string, (port: number) => Promise<AsyncDisposable | null>]>([
    ['is silent', (port) => silentPeer(port, FIRST)],
    ['refuses', () => Promise.resolve(null)],
  ])('serves a call within half a second after one address is back if the other one %s', async (_how, start) => {
    await using peer = await grpcPeer(pki.server)
    const front = await proxyTo(peer.port)
    await using _dead = await start(front.port)
    let lookups = 0
    using _names = resolveTo([SECOND, FIRST], () => (lookups += 1))
    await using client = await connect(front.port, { dialTimeout: '20s' })
    await front[Symbol.asyncDispose]()
    await expect.poll(() => client.tls.endpoints[0]?.state).not.toBe('ready')
    const call = client.put('a').value('b').exec()
    // Meanwhile the pauses between attempts grow, unless one attempt continues.
    const since = performance.now()
    await expect.poll(() => lookups >= 8 || performance.now() - since > 1500, { timeout: 10_000 }).toBe(true)
    using clock = new OwnTime()
    await using _front = await proxyTo(peer.port, front.port)
    await call
    expect(clock.elapsed).toBeLessThan(500)
  })

  it('a host name is reported with the reason of each address if all fail, the most telling one as the error', async () => {
    await using silent = await silentPeer(0, SECOND)
    using _names = resolveTo([FIRST, SECOND])
    const { details } = await refused(connect(silent.port, { dialTimeout: '700ms' }), 'ERR_UNREACHABLE')
    const { findings } = details.report
    expect(errorCodes(findings)).toEqual(['endpoint/silent'])
    expect(findingOf(findings, 'endpoint/address-failed').details).toMatchObject({
      answered: null,
      failed: [
        { address: FIRST, reason: 'ECONNREFUSED' },
        { address: SECOND, reason: 'timeout' },
      ],
    })
  })

  it('leaves no socket when the dial is aborted', async () => {
    await using silent = await silentPeer(0, SECOND)
    await using other = await silentPeer(silent.port, FIRST)
    using _names = resolveTo([FIRST, SECOND])
    const give = new AbortController()
    const attempt = connect(silent.port, { dialTimeout: '60s', signal: give.signal })
    await expect.poll(() => silent.open + other.open).toBe(2)
    give.abort(new Error('enough'))
    await expect(attempt).rejects.toThrow('enough')
    await expect.poll(() => silent.open + other.open).toBe(0)
  })
})

describe('a connection that closes right after it became ready', () => {
  it('a connection that closes at once is dialled again with growing pauses, although calls wait for it', async () => {
    await using peer = await grpcPeer(pki.server)
    await using proxy = await proxyTo(peer.port)
    const began = performance.now()
    await using client = await connect(proxy.port, { endpoints: proxy.endpoint })
    const cut = setInterval(() => {
      if (client.tls.endpoints[0]?.state === 'ready') peer.cut()
      client
        .get('a')
        .exec()
        .catch(() => undefined)
    }, 5)
    try {
      await expect.poll(() => proxy.accepted, { timeout: 60_000 }).toBe(6)
      // At once, and then after at least half of 200, 400, 800 and 1600 ms.
      expect(performance.now() - began).toBeGreaterThanOrEqual(1450)
    } finally {
      clearInterval(cut)
    }
  })
})

describe('a connection on which nothing is answered', () => {
  it('a silent connection is reset and not closed, so that the kernel drops its queue', async () => {
    await using peer = await grpcPeer(pki.server)
    await using proxy = await proxyTo(peer.port)
    await using client = await connect(proxy.port, { endpoints: proxy.endpoint, dialTimeout: '1s' })
    proxy.freeze()
    await expect(client.put('a').value('b').exec()).rejects.toThrow('UNAVAILABLE')
    proxy.thaw()
    await expect.poll(() => proxy.errors).toContain('ECONNRESET')
  })

  it('loses only the call whose deadline passed while the peer answers', async () => {
    const streams: ServerHttp2Stream[] = []
    await using peer = await grpcPeer(pki.server, (stream) => streams.push(stream))
    await using client = await connect(peer.port, { endpoints: peer.endpoint })
    const kept = client.get('kept').string()
    await expect.poll(() => streams.length).toBe(1)
    const late = client.get('late').options({ deadline: Date.now() + 300 })
    await expect(late.string()).rejects.toThrow(/deadline/i)
    const [first] = streams
    if (first !== undefined) emptyAnswer(first)
    expect(await kept).toBeNull()
    expect([peer.open, peer.accepted, peer.errors]).toEqual([1, 1, []])
  })
})

it('alternates the address families, starting with the one that the resolver prefers, without duplicates', () => {
  expect(alternateFamilies(['::1', '::2', '::3', '10.0.0.1'])).toEqual(['::1', '10.0.0.1', '::2', '::3'])
  expect(alternateFamilies(['10.0.0.1', '10.0.0.2', '10.0.0.1', '::1'])).toEqual(['10.0.0.1', '::1', '10.0.0.2'])
  expect(alternateFamilies([])).toEqual([])
})

const folder = temporaryFolder()

describe('warnings of Node about listeners', () => {
  const warnings: Error[] = []
  const warned = (warning: Error): unknown => warnings.push(warning)
  beforeEach(() => {
    process.on('warning', warned)
  })
  afterEach(() => {
    process.off('warning', warned)
    expect(warnings).toEqual([])
  })

  it('a dial of a name with twelve addresses causes no warning about listeners', async () => {
    const { port } = await gonePeer()
    using _names = resolveTo(Array.from({ length: 12 }, (_, i) => `127.0.0.${String(i + 2)}`))
    await refused(connect(port), 'ERR_UNREACHABLE')
  })

  it('twelve clients that are created with one signal cause no warning about listeners', async () => {
    const { port } = await gonePeer()
    const { signal } = new AbortController()
    await Promise.all(Array.from({ length: 12 }, () => refused(connect(port, { signal }), 'ERR_UNREACHABLE')))
  })

  it('a dial that meets alert 80 twelve times causes no warning about listeners', async () => {
    await using renewing = await alertingPeer(80)
    const end = new AbortController()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const connecting = connect(0, { endpoints: renewing.endpoint, dialTimeout: '20d', signal: end.signal })
      connecting.catch(() => undefined)
      while (renewing.accepted < 12) {
        vi.advanceTimersByTime(1000)
        await delay(1)
      }
      end.abort(new Error('enough'))
      await expect(connecting).rejects.toThrow('enough')
    } finally {
      vi.useRealTimers()
    }
  })
})

it('A client that meets only silent endpoints fails within dialTimeout, and reports the time-out', async () => {
  await using silent = await silentPeer()
  const silence = async (dialTimeout: string) =>
    refused(connect(0, { endpoints: silent.endpoint, dialTimeout }), 'ERR_UNREACHABLE')
  // The first call loads the code.
  await silence('1ms')
  const [{ details }, { own }] = await timed(silence('300ms'))
  expect(own).toBeLessThan(3000)
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/silent'])
})

describe('a server name for one endpoint', () => {
  it('verifies the server name of an endpoint instead of the common one', async () => {
    const named = (name: string): ReturnType<typeof grpcPeer> => grpcPeer(pki.issueServer({ names: [dns(name)] }))
    await using first = await named('etcd-0.example')
    await using second = await named('etcd.example')
    await using client = await createSecureClient({
      endpoints: [{ url: first.endpoint, serverName: 'etcd-0.example' }, second.endpoint],
      serverName: 'etcd.example',
      credentials: pki.client,
      preflight: 'all',
    })
    expect(client.tls.endpoints.map((each) => each.state)).toEqual(['ready', 'ready'])
  })
})

describe('an IPv6 address', () => {
  it('an IPv6 address is connected by its address, and the certificate must cover it', async () => {
    await using peer = await grpcPeer(pki.issueServer({ names: [ip('::1')] }))
    await using way = await proxyTo(peer.port, 0, '::1')
    await using client = await connect(0, { endpoints: `https://[::1]:${String(way.port)}` })
    await client.put('a').value('b')
    await using other = await grpcPeer(pki.issueServer({ names: [ip('::2')] }))
    await using wayToOther = await proxyTo(other.port, 0, '::1')
    const refusal = connect(0, { endpoints: `https://[::1]:${String(wayToOther.port)}` })
    const { details } = await refused(refusal, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toContain('san/host-not-covered')
  })
})

describe('a unix socket', () => {
  it('dials a unix socket and verifies its name', async () => {
    await using peer = await grpcPeer(pki.issueServer({ names: [dns('etcd.sock')] }))
    await using _good = await socketTo(folder.file('etcd.sock'), peer.port)
    await using _bad = await socketTo(folder.file('other.sock'), peer.port)
    await using client = await createSecureClient({
      endpoints: `unixs://${folder.file('etcd.sock')}`,
      credentials: pki.client,
    })
    expect(client.tls.endpoints[0]?.state).toBe('ready')
    await client.get('a').string()
    const other = createSecureClient({ endpoints: `unixs://${folder.file('other.sock')}`, credentials: pki.client })
    const { details } = await refused(other, 'ERR_HANDSHAKE_FAILED')
    expect(errorCodes(details.report.findings)).toEqual(['san/host-not-covered'])
  })

  it('a unix socket is another endpoint than a socket of the same file name in another folder', async () => {
    await using peer = await grpcPeer(pki.issueServer({ names: [dns('etcd.sock')] }))
    const paths = ['one', 'two'].map((name) => join(mkdtempSync(folder.file(name)), 'etcd.sock'))
    const [path = '', gone = ''] = paths
    await using _socket = await socketTo(path, peer.port)
    const endpoints = paths.map((each) => `unixs://${each}`)
    await using client = await createSecureClient({ endpoints, credentials: pki.client })
    expect(client.tls.endpoints.map(({ endpoint }) => endpoint)).toEqual(endpoints)
    await expect.poll(() => client.tls.endpoints.map(({ state }) => state)).toEqual(['ready', 'failed'])
    await client.tls.setEndpoints(`unixs://${path}`)
    expect(client.tls.endpoints.map(({ endpoint }) => endpoint)).toEqual([`unixs://${path}`])
    await client.get('a').string()
    const { details } = await refused(
      createSecureClient({ endpoints: `unixs://${gone}`, credentials: pki.client }),
      'ERR_UNREACHABLE',
    )
    expect(JSON.stringify(details.report.findings)).toContain(gone)
  })
})

/** A unix socket that leads to a port of this machine. */
async function socketTo(path: string, port: number): Promise<AsyncDisposable> {
  const server = createServer((socket) => {
    const upstream = createConnection(port, '127.0.0.1')
    socket.pipe(upstream).pipe(socket)
    for (const each of [socket, upstream]) each.on('error', () => undefined)
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    [Symbol.asyncDispose]: async () => {
      server.close()
      await Promise.resolve()
    },
  }
}
