/**
 * Networks that lose packets, are slow, or fall silent, and name servers that do, next to an etcd that is healthy: nothing waits longer
 * than it may, what is slow is not given up, and what is silent is noticed.
 */
import { afterAll, beforeAll, expect, it as every } from 'vitest'
import type { SecureClientOptions, SecureEtcd3 } from '../../src/client/index.js'
import { type BlackHole, blackHole } from '../support/black-hole.js'
import { type DnsAnswer, dnsServer } from '../support/dns-server.js'
import { oneIn } from '../support/long.js'
import { OwnTime } from '../support/own-time.js'
import { slowProxyTo } from '../support/peers.js'
import { errorCodes, refused } from '../support/refused.js'
import { resolveBy } from '../support/resolver.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const it = oneIn(3, every)

const shared = sharedEtcd()
const NAME = 'etcd-0.etcd.test'
let hole: BlackHole

beforeAll(async () => {
  hole = await blackHole()
})
afterAll(() => hole[Symbol.asyncDispose]())

type Endpoints = NonNullable<SecureClientOptions['endpoints']>

function connect(endpoints: Endpoints, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  return shared.connect({ endpoints, ...options })
}

/** How long it takes, in milliseconds, without the time in which the machine did other things. */
async function timed(work: Promise<unknown>): Promise<number> {
  using clock = new OwnTime()
  await work
  return clock.elapsed
}

/** A name server that answers so, and hosts are looked up there. */
async function nameServer(answer: DnsAnswer): Promise<AsyncDisposable> {
  const server = await dnsServer({ [NAME]: answer })
  const resolver = resolveBy(server.address)
  return {
    [Symbol.asyncDispose]: async () => {
      resolver[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

it.each<[string, () => string]>([
  ['an address that drops packets', () => hole.endpoint],
  ['a name server that never answers', () => `https://${NAME}:2379`],
])('%s holds up neither the start nor a call over another endpoint, and is reported', async (_what, endpoint) => {
  await using _server = await nameServer('silent')
  await using client = await connect([endpoint(), shared.etcd.endpoint], { dialTimeout: '3s' })
  expect(client.tls.endpoints.map(({ state }) => state)).toEqual(['connecting', 'ready'])
  for (let i = 0; i < 3; i += 1) expect(await timed(client.put('around').value(String(i)).exec())).toBeLessThan(1500)
  expect(errorCodes((await client.tls.probe()).findings)).toEqual(['endpoint/unreachable'])
  expect(client.tls.endpoints.map(({ state }) => state)).toEqual(['failed', 'ready'])
})

it('the dial of an address that drops packets ends in its time, and with the signal at once', async () => {
  const attempt = refused(connect(hole.endpoint, { dialTimeout: '1s' }), 'ERR_UNREACHABLE')
  expect(await timed(attempt)).toBeLessThan(1500)
  const give = new AbortController()
  const given = connect(hole.endpoint, { dialTimeout: '60s', signal: give.signal })
  give.abort(new Error('enough'))
  expect(await timed(given.catch((error: unknown) => error))).toBeLessThan(1000)
  await expect(given).rejects.toThrow('enough')
})

it('a name server that is slow is waited for, within the dial time-out', async () => {
  await using _server = await nameServer({ address: '127.0.0.1', after: 700 })
  const endpoint = { url: `https://${NAME}:${String(shared.etcd.port)}`, serverName: 'localhost' }
  const started = performance.now()
  await using client = await connect([endpoint], { dialTimeout: '5s' })
  expect(performance.now() - started).toBeGreaterThan(600)
  expect(await client.get('a').string()).toBeNull()
})

/** How often the connection was lost. */
function countLosses(client: SecureEtcd3): () => number {
  let losses = 0
  void (async () => {
    for await (const event of client.tls.events()) {
      if (event.type === 'endpoint-changed' && event.status.state !== 'ready') losses += 1
    }
  })()
  return () => losses
}

it('a round trip of 1.6 s carries calls, watches and leases', async () => {
  await using relay = await slowProxyTo(shared.etcd.port, { delay: 800 })
  await using client = await connect(relay.endpoint, { dialTimeout: '20s' })
  const losses = countLosses(client)
  const lease = client.lease(20)
  const seen: string[] = []
  const watching = client.watch().key('far').create()
  const [watcher] = await Promise.all([watching, lease.put('leased').value('x')])
  watcher.on('put', ({ value }) => seen.push(value.toString()))
  await Promise.all(['1', '2'].map((value) => client.put('far').value(value).exec()))
  await expect.poll(() => [...seen].sort(), { timeout: 20_000 }).toEqual(['1', '2'])
  expect(await client.get('leased').string()).toBe('x')
  expect(losses()).toBe(0)
  lease.release()
})

it('a line of 40 kB a second carries a long put, and calls that wait behind it', async () => {
  await using relay = await slowProxyTo(shared.etcd.port, { rate: 40_000 })
  await using client = await connect(relay.endpoint, { dialTimeout: '20s' })
  const losses = countLosses(client)
  const began = performance.now()
  // More than the three seconds after which silence is noticed.
  const put = client.put('large').value(Buffer.alloc(200_000, 'x')).exec()
  await Promise.all([put, client.get('small').string()])
  expect(performance.now() - began).toBeGreaterThan(4000)
  expect(losses()).toBe(0)
})

it('a network that carries nothing any more is noticed within 3 s, by clients with a watch, a lease and a call', async () => {
  const starts: ((client: SecureEtcd3) => Promise<unknown>)[] = [
    (client) => client.watch().key('quiet').create(),
    (client) => client.lease(60).grant(),
    (client) => {
      void Promise.allSettled([client.put('late').value('x')])
      return Promise.resolve()
    },
  ]
  const notice = async (start: (client: SecureEtcd3) => Promise<unknown>): Promise<void> => {
    await using relay = await slowProxyTo(shared.etcd.port, { delay: 100 })
    await using client = await connect(relay.endpoint, { dialTimeout: '20s' })
    await start(client)
    relay.freeze()
    using clock = new OwnTime()
    await expect.poll(() => client.tls.endpoints[0]?.state, { timeout: 30_000, interval: 20 }).not.toBe('ready')
    // The limit, and a check of the keepalive.
    expect(clock.elapsed).toBeLessThan(3300)
  }
  await Promise.all(starts.map(notice))
})
