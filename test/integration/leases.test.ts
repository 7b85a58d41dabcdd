/** Leases of etcd3 on a real cluster: when they are lost, and that they are not lost for one member. */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

describe('a lease of 3 s', () => {
  it('survives a frozen member: its keep-alive moves to another endpoint', async () => {
    await using client = await connect()
    const leases = Array.from({ length: 6 }, () => client.namespace('moved/').lease(6))
    const lost: unknown[] = []
    for (const lease of leases) {
      lease.on('lost', (error: unknown) => lost.push(error))
      await lease.put('key').value('held')
    }
    const frozen = await followerOf(cluster)
    await frozen.pause()
    try {
      // Two intervals: the renewals that follow come from keep-alives that were sent to the others.
      for (let turn = 0; turn < 4; turn += 1) {
        await Promise.all(leases.map((each) => once(each, 'keepaliveSucceeded')))
      }
    } finally {
      await frozen.resume()
    }
    expect(lost).toEqual([])
    // The connection of the member that was frozen may be reset under a request; the lease then expires.
    await Promise.allSettled(leases.map((each) => each.revoke()))
  })

  it('is lost within its TTL after the last keep-alive that was answered was sent, when the whole cluster is frozen', async () => {
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
})

describe('a lease that ended', () => {
  it('is lost at the next keep-alive when somebody else revoked it', async () => {
    await using client = await connect()
    const lease = client.lease(3)
    await once(lease, 'keepaliveSucceeded')
    await client.leaseClient.leaseRevoke({ ID: await lease.grant() })
    await once(lease, 'lost')
  })

  it('is not lost when its owner revoked or released it, and leaves no keep-alive behind', async () => {
    await using client = await connect()
    const events: string[] = []
    for (const end of ['revoke', 'release'] as const) {
      const lease = client.lease(3)
      await once(lease, 'keepaliveSucceeded')
      lease.on('lost', () => events.push('lost'))
      lease.on('keepaliveFired', () => events.push('fired'))
      await lease[end]()
    }
    await client.get('any').string()
    expect(events).toEqual([])
  })
})

/** A member that does not lead. */
async function followerOf({ members }: TestEtcdCluster): Promise<TestEtcdCluster['members'][number]> {
  const leader = await leaderOf(members, pki.client)
  const follower = members.find((each) => each !== leader)
  if (follower === undefined) throw new Error('Every member leads')
  return follower
}
