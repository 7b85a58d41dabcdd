/** Networks that are slow and not silent: nothing on them is given up. What is silent is noticed, whatever kind of client it carries. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { mintPki } from '../support/etcd.js'
import { OwnTime } from '../support/own-time.js'
import { type Peer, slowProxyTo } from '../support/peers.js'

const pki = mintPki()
let etcd: TestEtcd

beforeAll(async () => {
  etcd = await startEtcd({ server: pki.server })
})

afterAll(async () => {
  await etcd.close()
})

function connect({ endpoint }: Peer): Promise<SecureEtcd3> {
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

it('a round trip of 1.6 s carries calls, watches and leases', async () => {
  await using relay = await slowProxyTo(etcd.port, { delay: 800 })
  await using client = await connect(relay)
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
  await using relay = await slowProxyTo(etcd.port, { rate: 40_000 })
  await using client = await connect(relay)
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
    await using relay = await slowProxyTo(etcd.port, { delay: 100 })
    await using client = await connect(relay)
    await start(client)
    relay.freeze()
    using clock = new OwnTime()
    await expect.poll(() => client.tls.endpoints[0]?.state, { timeout: 30_000, interval: 20 }).not.toBe('ready')
    // The limit, and a check of the keepalive.
    expect(clock.elapsed).toBeLessThan(3300)
  }
  await Promise.all(starts.map(notice))
})
