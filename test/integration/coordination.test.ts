/** Locks and elections on a real cluster of three members, with processes and members that are frozen. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { election, type Held, lock } from '../../src/coordination/index.js'
import { startEtcdCluster, type TestEtcdCluster } from '../../src/testing/index.js'
import { leaderOf } from '../support/chaos.js'
import { childModules } from '../support/child-modules.js'
import { mintPki, pemsOf, threeMembers } from '../support/etcd.js'
import { FencedStore } from '../support/fenced-store.js'

const pki = mintPki()
let cluster: TestEtcdCluster
let client: SecureEtcd3
let other: SecureEtcd3

const connect = () => createSecureClient({ endpoints: cluster.endpoints, credentials: pki.client, preflight: 'all' })

beforeAll(async () => {
  cluster = await startEtcdCluster({ members: threeMembers(pki) })
  client = await connect()
  other = await connect()
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
  await cluster.close()
})

/** How many contenders a name has now. */
const contenders = (name: string): Promise<number> => client.getAll().prefix(`${name}/`).count()

describe('a lock', () => {
  it('is held by one of twenty contenders at a time, each with a higher token', async () => {
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
    const [member] = cluster.members
    const held = await lock(client, 'shared', { ttl: '10s' })
    const byEtcdctl = member?.etcdctl(['lock', 'shared', 'sleep', '0.1'], pki.client)
    await expect.poll(() => contenders('shared')).toBe(2)
    const after = lock(client, 'shared', { ttl: '10s' })
    await expect.poll(() => contenders('shared')).toBe(3)
    await held[Symbol.asyncDispose]()
    expect((await byEtcdctl)?.exitCode).toBe(0)
    await (await after)[Symbol.asyncDispose]()
  })

  it('does not wait for a lock whose name begins with its name', async () => {
    await using _longer = await lock(client, 'nested/beef', { ttl: '10s' })
    await using held = await lock(client, 'nested', { ttl: '10s' })
    expect(held.signal.aborted).toBe(false)
  })

  it('reports a process that was frozen for longer than the TTL before it works on, and the store refuses its token', async () => {
    using modules = await childModules([
      'src/client/create-secure-client.ts',
      'src/coordination/lock-and-election.ts',
      'src/credentials/from-pem.ts',
    ])
    const child = modules.start(`
      const { createSecureClient } = await load('create-secure-client')
      const { fromPem } = await load('from-pem')
      const { lock } = await load('lock-and-election')
      const credentials = fromPem(${JSON.stringify(pemsOf(pki.client))})
      const client = await createSecureClient({ endpoints: ${JSON.stringify(cluster.endpoints)}, credentials })
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
    const leader = await leaderOf(cluster.members, pki.client)
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
