/** What needs several members, on a real cluster of three: leases, locks and elections, and two clusters in one list of endpoints. */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { election, type Held, lock, tryLock } from '../../src/coordination/index.js'
import { startEtcd } from '../../src/testing/index.js'
import { packageModules } from '../support/child-modules.js'
import { pemsOf } from '../support/etcd.js'
import { FencedStore } from '../support/fenced-store.js'
import { errorCodes, refused } from '../support/refused.js'
import { sharedCluster } from '../support/shared-etcd.js'

const shared = sharedCluster()
const { pki, connect } = shared
let client: SecureEtcd3
let other: SecureEtcd3

beforeAll(async () => {
  client = await connect()
  other = await connect()
})
afterAll(() => Promise.all([client, other].map((each) => each[Symbol.asyncDispose]())))

/** How many contenders a name has now. */
const contenders = (name: string): Promise<number> => client.getAll().prefix(`${name}/`).count()

describe('a lock', () => {
  it('a lock is held by one of twenty contenders at a time, each with a higher token', async () => {
    const store = new FencedStore()
    let inside = 0
    let most = 0
    const work = async (by: SecureEtcd3): Promise<string> => {
      await using held = await lock(by, 'twenty', { ttl: '10s' })
      inside += 1
      most = Math.max(most, inside)
      expect(store.write(held.fencingToken)).toBe(true)
      await client.put('work').value(held.fencingToken)
      inside -= 1
      return held.fencingToken
    }
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => work(index % 2 === 0 ? client : other)))
    expect(most).toBe(1)
    expect(new Set(tokens).size).toBe(20)
    expect(store.refused).toBe(0)
    expect(await contenders('twenty')).toBe(0)
  })

  it('excludes etcdctl, and etcdctl excludes it', async () => {
    const [member] = shared.cluster.members
    const held = await lock(client, 'shared', { ttl: '10s' })
    const byEtcdctl = member?.etcdctl(['lock', 'shared', 'sleep', '0.1'], pki.client)
    await expect.poll(() => contenders('shared')).toBe(2)
    const after = lock(client, 'shared', { ttl: '10s' })
    await expect.poll(() => contenders('shared')).toBe(3)
    await held[Symbol.asyncDispose]()
    expect((await byEtcdctl)?.exitCode).toBe(0)
    await (await after)[Symbol.asyncDispose]()
  })

  it('tryLock returns the value of the holder, of etcdctl too, and holds a lock as soon as it is free', async () => {
    const take = (by: SecureEtcd3, value: string) => tryLock(by, 'tried', { ttl: '10s', value })
    await using _longer = await lock(client, 'tried/beef', { ttl: '10s' })
    const tries = await Promise.all(
      Array.from({ length: 20 }, (_, index) => take(index % 2 === 0 ? client : other, 'node')),
    )
    const holders = tries.flatMap(({ held }) => held ?? [])
    expect(holders).toHaveLength(1)
    expect(tries.filter((each) => each.held === null && each.holder === 'node')).toHaveLength(19)
    // Its own key and that of the longer name.
    expect(await contenders('tried')).toBe(2)
    await holders[0]?.release()
    // As `etcdctl lock` writes it.
    const lease = client.lease(10)
    const key = `tried/${BigInt(await lease.grant()).toString(16)}`
    await lease.put(key).value('')
    expect(await take(client, 'node')).toEqual({ held: null, holder: '' })
    await lease.revoke()
    const { held } = await take(other, 'node')
    expect(held?.signal.aborted).toBe(false)
    await held?.release()
  })

  it('does not wait for a lock whose name begins with its name', async () => {
    await using _longer = await lock(client, 'nested/beef', { ttl: '10s' })
    await using held = await lock(client, 'nested', { ttl: '10s' })
    expect(held.signal.aborted).toBe(false)
  })

  it('reports a process that was frozen for longer than the TTL before it works on, and the store refuses its token', async () => {
    const startModule = await packageModules()
    const child = startModule(`
      const { createSecureClient } = await load('client')
      const { fromPem } = await load('credentials')
      const { lock } = await load('coordination')
      const credentials = fromPem(${JSON.stringify(pemsOf(pki.client))})
      const client = await createSecureClient({ endpoints: ${JSON.stringify(shared.cluster.endpoints)}, credentials })
      const { signal, fencingToken } = await lock(client, 'frozen', { ttl: '3s' })
      console.log('token ' + fencingToken + '.')
      signal.addEventListener('abort', () => console.log('aborted'))
      setInterval(() => {
        if (!signal.aborted) return console.log('working')
        console.log('late write')
        process.exit()
      }, 10)
    `)
    await child.says('working')
    const token = /token (\d+)\./.exec(child.output())?.[1] ?? ''
    const store = new FencedStore()
    expect(store.write(token)).toBe(true)
    child.process.kill('SIGSTOP')
    await using held = await lock(client, 'frozen', { ttl: '10s' })
    expect(BigInt(held.fencingToken)).toBeGreaterThan(BigInt(token))
    expect(store.write(held.fencingToken)).toBe(true)
    const before = child.output().length
    child.process.kill('SIGCONT')
    expect((await child.ended).slice(before)).toBe('aborted\nlate write\n')
    expect(store.write(token)).toBe(false)
  })
})

describe('an election', () => {
  it('lists its leaders in order and ends when the signal aborts', async () => {
    const ending = new AbortController()
    const race = election(client, 'listed', { ttl: '10s' })
    const seen: string[] = []
    const tokens: string[] = []
    const observed = (async () => {
      for await (const { value, fencingToken } of election(other, 'listed', { ttl: '10s' }).observe(ending)) {
        seen.push(value)
        tokens.push(fencingToken)
      }
    })()
    const won: string[] = []
    let leader: Held = await race.campaign('a')
    for (const value of ['b', 'c', 'd']) {
      won.push(leader.fencingToken)
      const next = race.campaign(value)
      await expect.poll(() => contenders('listed')).toBe(2)
      await leader[Symbol.asyncDispose]()
      leader = await next
    }
    won.push(leader.fencingToken)
    await expect.poll(() => seen).toEqual(['a', 'b', 'c', 'd'])
    expect(tokens).toEqual(won)
    ending.abort()
    await observed
    await leader[Symbol.asyncDispose]()
  })

  it('goes on while a member is frozen: the campaign wins when the leader resigns', async () => {
    const race = election(client, 'member-frozen', { ttl: '10s' })
    const first = await race.campaign('first')
    const campaigns = [client, other].map((each) => election(each, 'member-frozen', { ttl: '10s' }).campaign('next'))
    await expect.poll(() => contenders('member-frozen')).toBe(3)
    // The leader of etcd itself, whose loss is the worst.
    const leader = await shared.leader()
    await leader?.pause()
    try {
      await first[Symbol.asyncDispose]()
      const second = await Promise.race(campaigns)
      expect(second.signal.aborted).toBe(false)
      expect(BigInt(second.fencingToken)).toBeGreaterThan(BigInt(first.fencingToken))
      await second[Symbol.asyncDispose]()
    } finally {
      await leader?.resume()
    }
    for (const held of await Promise.all(campaigns)) await held[Symbol.asyncDispose]()
  })
})

it('a lease survives a frozen member: its keep-alive moves to another endpoint', async () => {
  await using client = await connect()
  const leases = Array.from({ length: 6 }, () => client.namespace('moved/').lease(6))
  const lost: unknown[] = []
  for (const lease of leases) {
    lease.on('lost', (error: unknown) => lost.push(error))
    await lease.put('key').value('held')
  }
  const leader = await shared.leader()
  const frozen = shared.cluster.members.find((each) => each !== leader)
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

it('a lease that another client revoked is lost at the next keep-alive; one that its owner ended is not', async () => {
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

// These stop members.
it('a client of two clusters is refused, and one of a cluster never writes to another that joins its endpoints', async () => {
  await using stray = await startEtcd({ server: pki.server })
  const [one = ''] = shared.cluster.endpoints
  const endpoints: [string, string] = [one, stray.endpoint]
  const attempt = createSecureClient({ endpoints, credentials: pki.client })
  const { details } = await refused(attempt, 'ERR_HANDSHAKE_FAILED')
  expect(errorCodes(details.report.findings)).toEqual(['endpoint/other-cluster'])
  await using client = await createSecureClient({ endpoints: one, credentials: pki.client })
  const report = await client.tls.setEndpoints(endpoints)
  expect(errorCodes(report.findings)).toEqual(['endpoint/other-cluster'])
  for (let i = 0; i < 20; i += 1) await client.put(`written/${String(i)}`).value('here')
  await shared.cluster.members[0]?.stop()
  const late = client
    .put('written/late')
    .value('nowhere')
    .options({ deadline: Date.now() + 500 })
  await expect(late.exec()).rejects.toThrow()
  await shared.cluster.members[0]?.start()
  await using other = await createSecureClient({ endpoints: stray.endpoint, credentials: pki.client })
  expect(await other.getAll().prefix('written/').count()).toBe(0)
})

it('a member that etcd refuses to remove was certainly not removed', async () => {
  const [first = '', second] = shared.cluster.endpoints
  await using client = await createSecureClient({ endpoints: first, credentials: pki.client })
  const { members } = await client.cluster.memberList({})
  const alive = members.find(({ clientURLs }) => clientURLs.includes(second ?? ''))
  await shared.cluster.members[2]?.stop()
  // With one of three down, etcd removes none of the others (strict reconfiguration check).
  const removal = client.cluster.memberRemove({ ID: alive?.ID ?? '0' })
  const error: unknown = await removal.catch((reason: unknown) => reason)
  expect(error).toMatchObject({ message: expect.stringContaining('unhealthy cluster') as string })
  expect((error as Error).cause).toBeUndefined()
})

it('a client with waitFor waits for a leader', async () => {
  const [survivor, second, third] = shared.cluster.members
  await Promise.all([second?.stop(), third?.stop()])
  const status = ['endpoint', 'status', '--write-out=json']
  // A member without a leader reports none.
  const leaderOf = async (): Promise<string> => (await survivor?.etcdctl(status, pki.client))?.stdout ?? ''
  await expect.poll(leaderOf).not.toMatch(/"leader":[1-9]/)
  const states: string[] = []
  const connecting = createSecureClient({
    endpoints: survivor?.endpoint ?? '',
    credentials: pki.client,
    waitFor: '600s',
    onEvent: (event) => {
      if (event.type === 'endpoint-changed') states.push(event.status.state)
    },
  })
  await expect.poll(() => states).toEqual(['leaderless'])
  await second?.start()
  await using client = await connecting
  expect(await client.get('a').string()).toBeNull()
})
