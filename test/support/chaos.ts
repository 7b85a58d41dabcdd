/** Work on a cluster while something happens to its members, with an account of every write that was acknowledged. */
import type { Etcd3 } from 'etcd3'
import type { Credentials } from '../../src/credentials/index.js'
import { isEtcdMtlsError } from '../../src/report/errors.js'
import type { TestEtcd } from '../../src/testing/index.js'
import { OwnTime } from './own-time.js'

/** The member that leads now, as it reports; null while there is none. */
export async function leaderOf(members: readonly TestEtcd[], as: Credentials): Promise<TestEtcd | null> {
  for (const member of members) {
    const { stdout } = await member.etcdctl(['endpoint', 'status', '--write-out=json'], as)
    const [status] = JSON.parse(stdout) as { Status: { header: { member_id: number }; leader: number } }[]
    if (status !== undefined && status.Status.leader === status.Status.header.member_id) return member
  }
  return null
}

export interface Work {
  /** Calls that were answered so far. */
  readonly answered: number
  /** The longest that any call took so far, in milliseconds of this process's own time. */
  readonly slowest: number
  /** The errors of calls that failed, without writes that may have been applied: their member went away before it answered. */
  readonly failed: readonly string[]
  /** Waits for the calls under way. Returns the value by key of every put that was answered; each key begins with the prefix. */
  end(): Promise<{ readonly acknowledged: Readonly<Record<string, string>>; readonly prefix: string }>
}

/** How many write and read side by side, one call at a time each. */
const LOOPS = 4
/** Between two calls of one loop, in milliseconds. */
const PAUSE = 50

/** Reads and writes until `end`. */
export function startWork(client: Etcd3): Work {
  const prefix = `${crypto.randomUUID()}/`
  const acknowledged = new Map<string, string>()
  const failed: string[] = []
  let reads = 0
  let slowest = 0
  let ending = false
  const clock = new OwnTime()
  const timed = async (call: () => Promise<unknown>, done: () => void): Promise<void> => {
    const began = clock.elapsed
    try {
      await call()
      done()
    } catch (error) {
      const unknown = error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN')
      if (!unknown) failed.push(String(error))
    }
    slowest = Math.max(slowest, clock.elapsed - began)
  }
  const loop = async (name: number): Promise<void> => {
    for (let turn = 0; !ending; turn += 1) {
      const [key, value] = [`${prefix}${String(name)}/${String(turn)}`, String(turn)]
      await timed(
        () => client.put(key).value(value).exec(),
        () => acknowledged.set(key, value),
      )
      await timed(
        () => client.get(key).string(),
        () => (reads += 1),
      )
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
  }
  const all = Array.from({ length: LOOPS }, (_, index) => loop(index))
  return {
    get answered() {
      return acknowledged.size + reads
    },
    get slowest() {
      return slowest
    },
    failed,
    async end() {
      ending = true
      await Promise.all(all)
      clock[Symbol.dispose]()
      return { acknowledged: Object.fromEntries(acknowledged), prefix }
    },
  }
}
