/** Leases of etcd3 on a real cluster: when they are lost, and that they are not lost for one member. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSecureClient } from '../../src/client/index.js'
import { startEtcdCluster, type TestEtcdCluster } from '../../src/testing/index.js'
import { leaderOf } from '../support/chaos.js'
import { mintPki, threeMembers } from '../support/etcd.js'
import { OwnTime } from '../support/own-time.js'

const pki = mintPki()
let cluster: TestEtcdCluster

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: threeMembers(pki) })
})

afterAll(async () => {
  await cluster.close()
})

const connect = () => createSecureClient({ endpoints: cluster.endpoints, credentials: pki.client, preflight: 'all' })

it('a lease survives a frozen member: its keep-alive moves to another endpoint', async () => {
  await using client = await connect()
  const leases = Array.from({ length: 6 }, () => client.namespace('moved/').lease(6))
  const lost: unknown[] = []
  for (const lease of leases) {
    lease.on('lost', (error: unknown) => lost.push(error))
    await lease.put('key').value('held')
  }
  const leader = await leaderOf(cluster.members, pki.client)
  const frozen = cluster.members.find((each) => each !== leader)
  await frozen?.pause()
  try {
    // The last renewals come from keep-alives that were sent to the others.
    for (let turn = 0; turn < 3; turn += 1) {
      await Promise.all(leases.map((each) => once(each, 'keepaliveSucceeded')))
    }
  } finally {
    await frozen?.resume()
  }
  expect(lost).toEqual([])
  // The connection of the member that was frozen may be reset under a request; the lease then expires.
  await Promise.allSettled(leases.map((each) => each.revoke()))
})

it('a lease is lost within its TTL after its last keep-alive that was answered, if the whole cluster is frozen', async () => {
  await using client = await connect()
  const lease = client.lease(3)
  using clock = new OwnTime()
  const now = () => ({ wall: performance.now(), own: clock.elapsed })
  let sentAt = now()
  let renewedFrom = sentAt
  lease.on('keepaliveFired', () => {
    sentAt = now()
  })
  lease.on('keepaliveSucceeded', () => {
    renewedFrom = sentAt
  })
  await once(lease, 'keepaliveSucceeded')
  const lost = once(lease, 'lost')
  await Promise.all(cluster.members.map((each) => each.pause()))
  try {
    await lost
    expect(performance.now() - renewedFrom.wall).toBeGreaterThan(2000)
    expect(clock.elapsed - renewedFrom.own).toBeLessThanOrEqual(3000)
    expect(lease.revoked()).toBe(true)
  } finally {
    await Promise.all(cluster.members.map((each) => each.resume()))
  }
})

it('a lease that somebody else revoked is lost at the next keep-alive; one that its owner ended is not', async () => {
  await using client = await connect()
  const events: string[] = []
  const owned = [client.lease(3), client.lease(3)] as const
  const other = client.lease(3)
  await Promise.all([...owned, other].map((each) => once(each, 'keepaliveSucceeded')))
  const lost = once(other, 'lost')
  await client.leaseClient.leaseRevoke({ ID: await other.grant() })
  for (const lease of owned) {
    lease.on('lost', () => events.push('lost'))
    lease.on('keepaliveFired', () => events.push('fired'))
  }
  await owned[0].revoke()
  owned[1].release()
  await lost
  expect(events).toEqual([])
})
