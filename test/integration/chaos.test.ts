/** Three members, and one misfortune after another, while reads and writes go on: each is reported by its cause, and heals. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EndpointStatus, SecureEtcd3 } from '../../src/client/index.js'
import type { TestEtcd } from '../../src/testing/index.js'
import { type Load, startLoad } from '../support/load.js'
import { drawn } from '../support/long.js'
import { dns } from '../support/mint.js'
import { sharedCluster } from '../support/shared-etcd.js'

const shared = sharedCluster()
const { pki } = shared
/** How long a call may take if one member is silent, in milliseconds: a write waits until that is noticed, after 3 s at most. */
const ANSWER_TIME = 5000
/** What an election may take on a busy machine, in milliseconds. */
const PATIENCE = { timeout: 40_000, interval: 20 }
/** Answers that show that the work goes on. */
const SOME = 40

let client: SecureEtcd3
beforeAll(async () => {
  client = await shared.connect()
})
afterAll(() => client[Symbol.asyncDispose]())

/** The leader, and one that follows it. */
function roles(): Promise<{ leader: TestEtcd; follower: TestEtcd }> {
  return vi.waitFor(async () => {
    const leader = await shared.leader()
    const follower = shared.cluster.members.find((each) => each !== leader)
    if (leader === null || follower === undefined) throw new Error('There is no leader')
    return { leader, follower }
  }, PATIENCE)
}

function statusOf(etcd: TestEtcd): EndpointStatus | undefined {
  return client.tls.endpoints.find((each) => each.endpoint === etcd.endpoint)
}

/** The codes of the findings about the endpoints that are not ready, by the member's name. */
function complaints(): Record<string, string[]> {
  const down = shared.cluster.members.filter((each) => statusOf(each)?.state !== 'ready')
  return Object.fromEntries(down.map((each) => [each.name, statusOf(each)?.findings.map(({ code }) => code) ?? []]))
}

async function goesOn(work: Load): Promise<void> {
  const before = work.account.requests
  await expect.poll(() => work.account.requests - before, PATIENCE).toBeGreaterThan(SOME)
}

/** The member is reported as down for this reason, and it alone; the others serve. */
async function isDown(etcd: TestEtcd, codes: RegExp, work: Load): Promise<void> {
  const expected = expect.arrayContaining([expect.stringMatching(codes)]) as unknown
  await expect.poll(complaints, PATIENCE).toEqual({ [etcd.name]: expected })
  await goesOn(work)
}

const misfortunes: readonly (readonly [string, (work: Load) => Promise<void>])[] = [
  [
    'the leader is stopped',
    async (work) => {
      const { leader } = await roles()
      await leader.stop()
      await isDown(leader, /^endpoint\/(lost|unreachable|closed)$/, work)
      await leader.start()
    },
  ],
  [
    'a follower is paused: every call ends within the time that a silent member takes to be noticed, and none fails',
    async (work) => {
      const { follower } = await roles()
      await follower.pause()
      await isDown(follower, /^endpoint\/(lost|silent)$/, work)
      expect(work.account.slowest).toBeLessThan(ANSWER_TIME)
      expect(work.account.failed).toEqual([])
      await follower.resume()
    },
  ],
  [
    'a member comes back with a certificate for another host: it is refused and named until it has a better one',
    async (work) => {
      const { follower } = await roles()
      await follower.stop()
      await follower.replaceServer(pki.issueServer({ names: [dns('etcd-9.example')] }))
      await follower.start()
      await isDown(follower, /^san\/host-not-covered$/, work)
      expect(statusOf(follower)).toMatchObject({
        state: 'failed',
        findings: [
          { code: 'san/host-not-covered', certificate: { role: 'leaf', origin: follower.endpoint } },
          { code: 'handshake/server-name' },
        ],
      })
      // etcd reads its certificate again at each handshake.
      await follower.replaceServer(pki.server)
    },
  ],
]

describe('while reads and writes go on', () => {
  it.each(drawn(misfortunes, 1))(
    'loses no event, and reports the cause until it heals, if %s',
    async (_what, happens) => {
      const work = await startLoad(client, { rate: 50, watchers: 2, prefix: `${crypto.randomUUID()}/` })
      await goesOn(work)
      await happens(work)
      await expect.poll(complaints, PATIENCE).toEqual({})
      await goesOn(work)
      expect((await work.end()).lost).toEqual([])
    },
  )
})
