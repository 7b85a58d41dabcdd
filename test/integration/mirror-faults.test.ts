/** A mirror while members die, credentials rotate and revisions are compacted: it is never another state than that of its revision. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Mirror, mirror, type SecureEtcd3 } from '../../src/client/index.js'
import { isLong, scaled } from '../support/long.js'
import { sharedCluster } from '../support/shared-etcd.js'

const ROUNDS = scaled({ short: 24, long: 1000 })
/** A member is stopped in each of so many rounds. */
const KILL_EVERY = scaled({ short: 6, long: 20 })
const KEYS = 40

const shared = sharedCluster()
const credentials = [shared.pki.issueClient(), shared.pki.issueClient()] as const
let admin: SecureEtcd3
beforeAll(async () => {
  admin = await shared.connect()
})
afterAll(() => admin[Symbol.asyncDispose]())

type State = Record<string, string>

function stateOf(copy: Mirror): { state: State; revision: string } {
  const entries = [...copy.entries()].map(([key, { value, modRevision }]) => [
    key,
    `${modRevision} ${value.toString()}`,
  ])
  return { state: Object.fromEntries(entries) as State, revision: copy.revision ?? '' }
}

/** Null if the revision is compacted. */
async function readAt(revision: string): Promise<State | null> {
  try {
    const { kvs } = await admin.getAll().prefix('mirror/').revision(revision).exec()
    return Object.fromEntries(
      kvs.map(({ key, value, mod_revision: at }) => [key.toString(), `${at} ${value.toString()}`]),
    )
  } catch (error) {
    if (error instanceof Error && error.message.includes('has been compacted')) return null
    throw error
  }
}

/** Repeats what a fault may have ended: each of these writes may be applied twice. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call()
    } catch (error) {
      if (attempt === 20 || (error instanceof Error && error.message.includes('compacted'))) throw error
    }
  }
}

/** Writes, deletes and transactions of two keys, until it is stopped. */
function writeAlways(): { stop(): Promise<number> } {
  let isStopped = false
  const run = async (): Promise<number> => {
    for (let count = 0; ; count += 1) {
      if (isStopped) return count
      const [one, two] = [`mirror/${String(count % KEYS)}`, `mirror/${String((count * 7) % KEYS)}/pair`]
      const value = String(count)
      await insist<unknown>(() =>
        count % 5 === 4
          ? admin.delete().key(one).exec()
          : admin
              .if('never', 'Version', '==', 0)
              .then(admin.put(one).value(value), admin.put(two).value(value))
              .commit(),
      )
    }
  }
  const running = run()
  return {
    stop: () => {
      isStopped = true
      return running
    },
  }
}

it(
  'a mirror equals a read at the same revision after compactions, stops of members and rotations',
  async () => {
    await using client = await shared.connect()
    await using copy = mirror(client, { prefix: 'mirror/' })
    await copy.ready
    const followed = new Map(Object.entries(stateOf(copy).state))
    const changes = copy.changes()
    const following = (async () => {
      for await (const { type, key, value, modRevision } of changes)
        if (type === 'put') followed.set(key.toString(), `${modRevision} ${value.toString()}`)
        else followed.delete(key.toString())
    })()
    const writer = writeAlways()
    let compared = 0
    for (let round = 1; round <= ROUNDS; round += 1) {
      const member = round % KILL_EVERY === 0 ? shared.cluster.members[round % 3] : undefined
      await member?.stop()
      if (round % 3 === 0) await client.tls.rotate(credentials[round % 2 === 0 ? 0 : 1])
      const { state, revision } = stateOf(copy)
      const read = await insist(() => readAt(revision))
      if (read !== null) {
        compared += 1
        expect(state).toEqual(read)
      }
      const { header } = await insist(() => admin.get('mirror/0').exec())
      // Another attempt may have compacted it.
      await insist(() => admin.kv.compact({ revision: header.revision })).catch(() => undefined)
      await member?.start()
    }
    await writer.stop()
    const { header } = await insist(() => admin.put('mirror/end').value('end').exec())
    await expect.poll(() => copy.get('mirror/end')?.modRevision, { timeout: 30_000 }).toBe(header.revision)
    const final = await insist(() => readAt(header.revision))
    expect(stateOf(copy).state).toEqual(final)
    await expect.poll(() => Object.fromEntries(followed), { timeout: 10_000 }).toEqual(final)
    expect(compared).toBeGreaterThan(ROUNDS / 3)
    // Only the mirror uses this client.
    const lists = client.tls
      .metrics()
      .calls.find(({ method, status }) => method === 'KV/Range' && status === 'OK')?.count
    if (isLong) expect(lists).toBeGreaterThan(5)
    copy.close()
    await following
  },
  isLong ? 3_600_000 : 120_000,
)
