/** A network that loses packets and a name server that is slow, next to an etcd that is healthy: nothing waits longer than it may. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { type BlackHole, blackHole } from '../support/black-hole.js'
import { type DnsAnswer, dnsServer } from '../support/dns-server.js'
import { mintPki } from '../support/etcd.js'
import { OwnTime } from '../support/own-time.js'
import { errorCodes, refused } from '../support/refused.js'
import { resolveBy } from '../support/resolver.js'

const pki = mintPki()
const NAME = 'etcd-0.etcd.test'
let etcd: TestEtcd
let hole: BlackHole

beforeAll(async () => {
  ;[etcd, hole] = await Promise.all([startEtcd({ server: pki.server }), blackHole()])
})

afterAll(async () => {
  await Promise.all([etcd.close(), hole[Symbol.asyncDispose]()])
})

type Endpoints = NonNullable<SecureClientOptions['endpoints']>

function connect(endpoints: Endpoints, options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints, credentials: pki.client, ...options })
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
  await using client = await connect([endpoint(), etcd.endpoint], { dialTimeout: '3s' })
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
  const endpoint = { url: `https://${NAME}:${String(etcd.port)}`, serverName: 'localhost' }
  const started = performance.now()
  await using client = await connect([endpoint], { dialTimeout: '5s' })
  expect(performance.now() - started).toBeGreaterThan(600)
  expect(await client.get('a').string()).toBeNull()
})
