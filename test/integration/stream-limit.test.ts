/** An etcd that accepts few streams on a connection, and a client with more watches and leases than that. */
import { describe, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { sharedEtcd } from '../support/shared-etcd.js'

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

describe('etcd with --max-concurrent-streams=16', () => {
  const shared = sharedEtcd({ args: ['--max-concurrent-streams=16'] })

  it('keeps 300 leases of 5 s alive, and answers calls of each kind meanwhile', async () => {
    await using client = await shared.connect()
    let lost = 0
    const renewed = new Set<number>()
    const leases = Array.from({ length: 300 }, (_, i) =>
      client
        .lease(5)
        .on('lost', () => (lost += 1))
        .on('keepaliveSucceeded', () => renewed.add(i)),
    )
    await Promise.all(leases.map((lease) => lease.grant()))
    await expect.poll(() => renewed.size, { timeout: 5000 }).toBe(leases.length)
    renewed.clear()
    await callsOfEachKind(client)
    await expect.poll(() => renewed.size, { timeout: 5000 }).toBe(leases.length)
    expect(lost).toBe(0)
    await Promise.all(leases.map((lease) => lease.revoke()))
    expect(client.tls.endpoints).toMatchObject([{ state: 'ready', findings: [] }])
  })

  it('answers put, get and grant of a client with 40 watches, of which each gets its event', async () => {
    await using client = await shared.connect()
    const seen = new Set<number>()
    const watchers = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        client
          .namespace(`of-${String(i)}/`)
          .watch()
          .key('key')
          .create(),
      ),
    )
    watchers.forEach((watcher, i) => watcher.on('put', () => seen.add(i)))
    await callsOfEachKind(client)
    for (let i = 0; i < watchers.length; i += 1) await client.put(`of-${String(i)}/key`).value('a')
    await expect.poll(() => seen.size).toBe(watchers.length)
  })
})
