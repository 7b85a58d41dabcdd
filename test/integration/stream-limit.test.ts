/** Servers that accept few streams on a connection, and clients with more watches, leases and locks than that. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { lock } from '../../src/coordination/index.js'
import { drawn, scaled } from '../support/long.js'
import { startHaproxy, startNginx } from '../support/proxies.js'
import { sharedCluster, sharedEtcd } from '../support/shared-etcd.js'

/** One call of each kind that ends. */
function callsOfEachKind(client: SecureEtcd3): Promise<unknown> {
  return Promise.all([
    client.put('calls/key').value('a').exec(),
    client.get('calls/key').exec(),
    client.getAll().prefix('calls/').exec(),
    client.delete().key('calls/none').exec(),
    client.if('calls/key', 'Create', '>', 0).then(client.get('calls/key')).commit(),
    client.leaseClient.leaseGrant({ TTL: 60 }),
    client.maintenance.status(),
  ])
}

/** Leases that count those that were lost, and the renewed ones. */
async function grantLeases(client: SecureEtcd3, count: number, ttl: number) {
  const seen = { lost: 0, renewed: new Set<number>() }
  const leases = Array.from({ length: count }, (_, i) =>
    client
      .lease(ttl)
      .on('lost', () => (seen.lost += 1))
      .on('keepaliveSucceeded', () => seen.renewed.add(i)),
  )
  await Promise.all(leases.map((lease) => lease.grant()))
  return { leases, seen }
}

const atLimit = (error: unknown): unknown => (error as Error).cause
const shortage = { code: 'ERR_UNREACHABLE', details: { report: { findings: [{ code: 'endpoint/stream-limit' }] } } }

const limited = (limit: number) => {
  const arg = `--max-concurrent-streams=${String(limit)}`
  return { name: `etcd with ${arg}`, args: [arg], start: null }
}
const PROXIES = [
  { name: 'etcd behind haproxy, which accepts 100 streams,', args: [], start: startHaproxy },
  { name: 'etcd behind nginx, which accepts 128 streams,', args: [], start: startNginx },
]
const WAYS = scaled({ short: drawn([limited(4), ...PROXIES], 1), long: [...[4, 16, 100].map(limited), ...PROXIES] })

describe.each(WAYS)('$name', ({ args, start }) => {
  const shared = sharedEtcd({ args })
  // nginx opens a TLS connection to etcd for each call: with so many, a busy machine needs longer than a short TTL.
  const [COUNT, LOCKS, TTL] = scaled({ short: [150, 20, 10] as const, long: [1000, 100, 30] as const })

  it('answers calls of each kind of a client with leases, watches in 50 namespaces and locks, and loses none', async () => {
    await using proxy = start === null ? null : await start(shared.etcd.port, shared.pki)
    await using client = await shared.connect(proxy === null ? {} : { endpoints: Object.values(proxy.endpoints) })
    const { leases, seen } = await grantLeases(client, COUNT, TTL)
    const watched = new Set<number>()
    const keyOf = (i: number): [string, string] => [`of-${String(i % 50)}/`, String(i)]
    const watchers = await Promise.all(
      Array.from({ length: COUNT }, (_, i) => {
        const [prefix, key] = keyOf(i)
        return client.namespace(prefix).watch().key(key).create()
      }),
    )
    watchers.forEach((watcher, i) => watcher.on('put', () => watched.add(i)))
    const locks = await Promise.all(
      Array.from({ length: LOCKS }, (_, i) => lock(client, `lock-${String(i)}`, { ttl: `${String(TTL)}s` })),
    )
    await callsOfEachKind(client)
    await Promise.all(Array.from({ length: COUNT }, (_, i) => client.put(keyOf(i).join('')).value('a').exec()))
    await expect.poll(() => watched.size).toBe(COUNT)
    seen.renewed.clear()
    await expect.poll(() => seen.renewed.size, { timeout: 1000 * TTL }).toBe(COUNT)
    await callsOfEachKind(client)
    expect(seen.lost).toBe(0)
    expect(locks.filter(({ signal }) => signal.aborted)).toEqual([])
    expect(client.tls.endpoints).toMatchObject([{ state: 'ready', findings: [] }])
    await Promise.all([...locks.map((held) => held.release()), ...leases.map((lease) => lease.revoke())])
  })
})

describe('etcd with --max-concurrent-streams=2', () => {
  const shared = sharedEtcd({ args: ['--max-concurrent-streams=2'] })

  it('keeps leases and events through rotations, which replace both connections of a client', async () => {
    await using client = await shared.connect()
    const { seen } = await grantLeases(client, 10, 5)
    const events: string[] = []
    const watcher = await client.namespace('a/').watch().prefix('').create()
    watcher.on('put', ({ value }) => events.push(value.toString()))
    expect(client.tls.endpoints).toMatchObject([{ state: 'ready', connections: 2 }])
    const values = Array.from({ length: 4 }, (_, i) => String(i))
    for (const value of values) {
      await client.tls.rotate()
      await client.put('a/key').value(value).exec()
    }
    await expect.poll(() => events).toEqual(values)
    seen.renewed.clear()
    await expect.poll(() => seen.renewed.size, { timeout: 5000 }).toBe(10)
    expect(seen.lost).toBe(0)
  })
})

describe('etcd with --max-concurrent-streams=1', () => {
  const shared = sharedEtcd({ args: ['--max-concurrent-streams=1'] })

  it('answers calls; its second connection carries either leases or watches, and the others fail after 10 s with the limit', async () => {
    await using withLeases = await shared.connect()
    await using withWatch = await shared.connect()
    const { seen } = await grantLeases(withLeases, 20, 5)
    await withWatch.watch().key('a').create()
    const failed = [withLeases.watch().key('a').create().catch(atLimit), withWatch.lease(60).grant().catch(atLimit)]
    const held = await lock(withWatch, 'a', { ttl: '5s' })
    for (let i = 0; i < 10; i += 1) await Promise.all([callsOfEachKind(withLeases), callsOfEachKind(withWatch)])
    expect(await Promise.all(failed)).toMatchObject([shortage, shortage])
    expect(held.signal.reason).toMatchObject({ code: 'ERR_LEASE_LOST', cause: shortage })
    await callsOfEachKind(withLeases)
    expect(seen.lost).toBe(0)
    // The watch that failed still waits, and the lease was revoked.
    const status = { state: 'ready', connections: 2 }
    expect(withLeases.tls.endpoints).toMatchObject([{ ...status, findings: [{ code: 'endpoint/stream-limit' }] }])
    expect(withWatch.tls.endpoints).toMatchObject([status])
  })
})

describe('a follower of a leader that is paused for parts of a second', () => {
  const shared = sharedCluster(['--max-concurrent-streams=16'])
  const LEASES = scaled({ short: 100, long: 300 })

  it(`keeps ${String(LEASES)} leases of 5 s`, async () => {
    const leader = await shared.leader()
    if (leader === null) throw new Error('No member leads')
    const follower = shared.cluster.members.find((each) => each !== leader)
    await using client = await shared.connect({ endpoints: follower?.endpoint ?? '' })
    const { seen } = await grantLeases(client, LEASES, 5)
    for (const end = performance.now() + scaled({ short: 5000, long: 60_000 }); performance.now() < end;) {
      await leader.pause()
      await sleep(400)
      await leader.resume()
      await sleep(600)
    }
    seen.renewed.clear()
    await expect.poll(() => seen.renewed.size, { timeout: 5000 }).toBe(LEASES)
    expect(seen.lost).toBe(0)
  })
})
