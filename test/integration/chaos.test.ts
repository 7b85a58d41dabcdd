/** Three members on a network of containers, and one misfortune after another, while reads and writes go on. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSecureClient, type EndpointStatus, type SecureEtcd3 } from '../../src/client/index.js'
import { startEtcdCluster, type TestEtcd, type TestEtcdCluster } from '../../src/testing/index.js'
import { leaderOf, startWork, Victim, type Work } from '../support/chaos.js'
import { mintPki, threeMembers } from '../support/etcd.js'
import { drawn } from '../support/long.js'
import { dns } from '../support/mint.js'

const pki = mintPki()
/** How long a call may take if one member is silent, in milliseconds: a write waits until that is noticed, after 3 s at most. */
const ANSWER_TIME = 5000
/** What an election or the start of a container may take where the machine is busy, in milliseconds. */
const PATIENCE = { timeout: 40_000, interval: 20 }
/** Answers that show that the work goes on. */
const SOME = 40

describe('on three members, while reads and writes go on', () => {
  let cluster: TestEtcdCluster
  let client: SecureEtcd3

  beforeAll(async () => {
    cluster = await startEtcdCluster({ members: threeMembers(pki), via: 'container' })
    client = await createSecureClient({ endpoints: cluster.endpoints, credentials: pki.client, preflight: 'all' })
  })

  afterAll(async () => {
    await client[Symbol.asyncDispose]()
    await cluster.close()
  })

  /** The leader, and one that follows it. */
  function roles(): Promise<{ leader: TestEtcd; follower: TestEtcd }> {
    return vi.waitFor(async () => {
      const leader = await leaderOf(cluster.members, pki.client)
      const follower = cluster.members.find((each) => each !== leader)
      if (leader === null || follower === undefined) throw new Error('There is no leader')
      return { leader, follower }
    }, PATIENCE)
  }

  function statusOf(etcd: TestEtcd): EndpointStatus | undefined {
    return client.tls.endpoints.find((each) => each.endpoint === etcd.endpoint)
  }

  /** What the endpoints say that are not ready: the code of each finding, by the member's name. */
  function complaints(): Record<string, string[]> {
    const down = cluster.members.filter((each) => statusOf(each)?.state !== 'ready')
    return Object.fromEntries(down.map((each) => [each.name, statusOf(each)?.findings.map(({ code }) => code) ?? []]))
  }

  async function goesOn(work: Work): Promise<void> {
    const before = work.answered
    await expect.poll(() => work.answered - before, PATIENCE).toBeGreaterThan(SOME)
  }

  /** The member is called down for this reason, and it alone; the others serve. */
  async function isDown(etcd: TestEtcd, codes: RegExp, work: Work): Promise<void> {
    await expect
      .poll(complaints, PATIENCE)
      .toEqual({ [etcd.name]: expect.arrayContaining([expect.stringMatching(codes)]) as unknown })
    await goesOn(work)
  }

  /** All serve again; what was acknowledged is there. */
  async function isHealed(work: Work): Promise<{ failed: readonly string[] }> {
    await expect.poll(complaints, PATIENCE).toEqual({})
    await goesOn(work)
    const { acknowledged, prefix, failed, reads } = await work.end()
    expect(reads).toBeGreaterThan(0)
    expect(await client.getAll().prefix(prefix).strings()).toMatchObject(acknowledged)
    return { failed }
  }

  /** In `npm test`, three of them. */
  const misfortunes: readonly (readonly [string, () => Promise<void>])[] = [
    [
      'the leader is killed',
      async () => {
        const { leader } = await roles()
        const victim = await Victim.of(leader)
        const work = startWork(client)
        await goesOn(work)
        await victim.kill()
        await isDown(leader, /^endpoint\/(lost|unreachable|closed)$/, work)
        await leader.start()
        await isHealed(work)
      },
    ],

    [
      'a follower is paused: every call ends within the time that a silent member takes to be noticed',
      async () => {
        const { follower } = await roles()
        const work = startWork(client)
        await goesOn(work)
        await follower.pause()
        await isDown(follower, /^endpoint\/(lost|silent)$/, work)
        expect(work.slowest).toBeLessThan(ANSWER_TIME)
        await follower.resume()
        const { failed } = await isHealed(work)
        expect(failed).toEqual([])
      },
    ],

    [
      'the leader is paused',
      async () => {
        const { leader } = await roles()
        const work = startWork(client)
        await goesOn(work)
        await leader.pause()
        await isDown(leader, /^endpoint\/(lost|silent)$/, work)
        await leader.resume()
        await isHealed(work)
      },
    ],

    [
      'a follower loses its network',
      async () => {
        const { follower } = await roles()
        const victim = await Victim.of(follower)
        const work = startWork(client)
        await goesOn(work)
        await victim.disconnect()
        await isDown(follower, /^endpoint\/(lost|unreachable|closed|silent)$/, work)
        await victim.reconnect()
        await isHealed(work)
      },
    ],

    [
      'a member comes back with a certificate for another host: it is refused and named until it has a better one',
      async () => {
        const { follower } = await roles()
        const work = startWork(client)
        await goesOn(work)
        await follower.stop()
        await follower.replaceServer(pki.issueServer({ names: [dns('etcd-9.example')] }))
        await follower.start()
        await isDown(follower, /^san\/host-not-covered$/, work)
        expect(statusOf(follower)).toMatchObject({
          state: 'failed',
          findings: [
            { code: 'san/host-not-covered', certificate: { role: 'leaf', origin: follower.endpoint } },
            { code: 'handshake/server-certificate-refused' },
            { code: 'handshake/server-name' },
          ],
        })
        // etcd reads its certificate again at each handshake.
        await follower.replaceServer(pki.issueServer())
        await isHealed(work)
      },
    ],

    [
      'every member in turn comes back with a renewed certificate',
      async () => {
        const work = startWork(client)
        for (const each of cluster.members) {
          const renewed = pki.issueServer()
          await each.replaceServer(renewed)
          await each.stop()
          await each.start()
          const serialNumber = renewed.chain[0].serialNumber
          await expect.poll(() => statusOf(each)?.path?.[0], PATIENCE).toMatchObject({ role: 'leaf', serialNumber })
        }
        await isHealed(work)
      },
    ],
  ]
  it.each(drawn(misfortunes, 3))('%s', (_what, happens) => happens())
})
