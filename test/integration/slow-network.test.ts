/** Networks that are slow and not silent: nothing on them is given up. What is silent is noticed, whatever kind of client it carries. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { mintPki } from '../support/etcd.js'
import { OwnTime } from '../support/own-time.js'
import { type SlowRelay, slowRelay } from '../support/slow-relay.js'

const pki = mintPki()
let etcd: TestEtcd

beforeAll(async () => {
  etcd = await startEtcd({ server: pki.server })
})

afterAll(async () => {
  await etcd.close()
})

function connect({ endpoint }: SlowRelay): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: endpoint, credentials: pki.client, dialTimeout: '20s' })
}

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

describe('a network with a round trip of 1.6 s', () => {
  it('carries calls, watches and leases', async () => {
    await using relay = await slowRelay(etcd.port, { delay: 800 })
    await using client = await connect(relay)
    const losses = countLosses(client)
    const watcher = await client.watch().key('far').create()
    const seen: string[] = []
    watcher.on('put', ({ value }) => seen.push(value.toString()))
    const lease = client.lease(20)
    await lease.put('leased').value('x')
    for (const value of ['1', '2', '3']) await client.put('far').value(value)
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(['1', '2', '3'])
    expect(await client.get('leased').string()).toBe('x')
    expect(losses()).toBe(0)
    lease.release()
  })
})

describe('a network that carries 40 kB in a second', () => {
  it('carries a put of 400 kB, and calls that wait behind it', async () => {
    await using relay = await slowRelay(etcd.port, { rate: 40_000 })
    await using client = await connect(relay)
    const losses = countLosses(client)
    const began = performance.now()
    const put = client.put('large').value(Buffer.alloc(400_000, 'x')).exec()
    const get = client.get('small').string()
    await put
    await get
    expect(performance.now() - began).toBeGreaterThan(8000)
    expect(losses()).toBe(0)
    expect((await client.get('large').buffer())?.length).toBe(400_000)
    expect(losses()).toBe(0)
  })
})

describe('a network that carries nothing any more', () => {
  const kinds: [string, (client: SecureEtcd3) => Promise<unknown>][] = [
    ['a watch alone', (client) => client.watch().key('quiet').create()],
    ['the keep-alive of a lease', (client) => client.lease(60).grant()],
    [
      'a call that waits',
      (client) => {
        client
          .put('late')
          .value('x')
          .exec()
          .catch(() => undefined)
        return Promise.resolve()
      },
    ],
  ]

  it.each(kinds)('is noticed within 3 s by a client with %s', async (_what, start) => {
    await using relay = await slowRelay(etcd.port, { delay: 100 })
    await using client = await connect(relay)
    await start(client)
    relay.freeze()
    using clock = new OwnTime()
    await expect.poll(() => client.tls.endpoints[0]?.state, { timeout: 30_000, interval: 20 }).not.toBe('ready')
    // The limit, and a check of the keepalive.
    expect(clock.elapsed).toBeLessThan(3300)
  })
})
