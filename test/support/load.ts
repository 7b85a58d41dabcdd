/** Work on an etcd while something is done to the client or to members, and an account of what became of all of it. */
import { once } from 'node:events'
import type { Etcd3, Lease, Watcher } from 'etcd3'
import { isEtcdMtlsError } from '../../src/report/errors.js'
import { OwnTime } from './own-time.js'

interface LoadOptions {
  /** Requests a second. */
  rate: number
  watchers: number
  leases?: number
  locks?: number
  /** Keys of this load begin with it. */
  prefix?: string
}

/** A write that failed with `ERR_OUTCOME_UNKNOWN`. */
export interface UnknownWrite {
  /** Null if it is not known. */
  readonly endpoint: string | null
  /** Milliseconds since 1970. */
  readonly sentAt: number
  readonly failedAt: number
  readonly error: string
}

/** What became of the work: empty lists are hoped for. */
interface Account {
  /** Those that were answered. */
  requests: number
  /** The longest that any request took, in milliseconds of this process's own time. */
  slowest: number
  failed: string[]
  /** Writes that may have been applied: their member went away before it answered. */
  unknown: UnknownWrite[]
  /** Writes that were acknowledged, and that etcd does not have; events that a watcher has not seen: as `watcher/id`. */
  lost: string[]
  /** Events that came twice, or out of order. */
  doubled: string[]
  /** Leases that reported a loss, or a keep-alive that failed. */
  lapsed: string[]
  /** Locks whose key is not what it was. */
  unlocked: string[]
  /** What watchers reported of the connection below. */
  disconnected: string[]
}

export const FLAWLESS = { failed: [], unknown: [], lost: [], doubled: [], lapsed: [], unlocked: [], disconnected: [] }

export interface Load {
  /** So far. */
  readonly account: Readonly<Account>
  /** Stops the requests, waits for what is under way, checks everything, and releases it. */
  end(): Promise<Account>
}

/** Seconds of leases and locks: more than a busy machine keeps a process waiting. */
const TTL = 20

const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))

/** Begins to put and get, with watchers on what is put, leases and locks; all are there when it resolves. */
export async function startLoad(client: Etcd3, options: LoadOptions): Promise<Load> {
  const { rate, watchers: watcherCount, leases: leaseCount = 0, locks: lockCount = 0, prefix = 'load/' } = options
  const account: Account = { requests: 0, slowest: 0, ...structuredClone(FLAWLESS) }
  const put = many(watcherCount, (): string[] => [])
  const seen = many(watcherCount, (): string[] => [])
  const keyOf = (watcher: number, id: string): string => `${prefix}${String(watcher)}/${id}`
  const watchers: Watcher[] = await Promise.all(
    seen.map(async (ids, index) => {
      const watcher = await client.watch().prefix(keyOf(index, '')).create()
      let revision = 0n
      watcher.on('put', ({ value, mod_revision }: { value: Buffer; mod_revision: string }) => {
        const id = value.toString()
        if (BigInt(mod_revision) <= revision) account.doubled.push(`${String(index)}/${id}`)
        revision = BigInt(mod_revision)
        ids.push(id)
      })
      watcher.on('disconnected', (error: Error) => account.disconnected.push(`${String(index)}: ${error.message}`))
      return watcher
    }),
  )
  const leases: Lease[] = await Promise.all(
    many(leaseCount, async (index) => {
      const lease = client.lease(TTL)
      lease.on('lost', (error: Error) => account.lapsed.push(`${String(index)}: ${error.message}`))
      lease.on('keepaliveFailed', () => account.lapsed.push(`${String(index)}: a keep-alive failed`))
      const alive = nextKeepAlive(lease)
      await lease.put(`${prefix}lease/${String(index)}`).value('held')
      await alive
      return lease
    }),
  )
  const lockOf = (index: number) => client.lock(`${prefix}lock/${String(index)}`).ttl(TTL)
  const locks = await Promise.all(many(lockCount, (index) => lockOf(index).acquire()))
  const lockKeys = async (): Promise<string> => {
    const { kvs } = await client.getAll().prefix(`${prefix}lock/`).exec()
    return kvs.map((each) => `${each.key.toString()}@${each.create_revision}`).join()
  }
  const lockedAs = await lockKeys()

  const running = new Set<Promise<void>>()
  const clock = new OwnTime()
  let number = 0
  const request = async (): Promise<void> => {
    const id = String(number)
    const target = number % watcherCount
    const isWrite = number % 2 === 0
    number += 1
    const begun = clock.elapsed
    const sentAt = Date.now()
    try {
      if (isWrite) await client.put(keyOf(target, id)).value(id)
      else await client.get(keyOf(target, '0')).string()
      if (isWrite) put[target]?.push(id)
      account.requests += 1
    } catch (error) {
      if (error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN')) {
        const { endpoint } = error.cause.details
        account.unknown.push({ endpoint, sentAt, failedAt: Date.now(), error: String(error) })
      } else account.failed.push(String(error))
    }
    account.slowest = Math.max(account.slowest, clock.elapsed - begun)
  }
  const begun = performance.now()
  const timer = setInterval(() => {
    // As many as are due, for timers are late on a busy machine; yet no more at once than keeps it a load and not a flood.
    const due = Math.min(((performance.now() - begun) / 1000) * rate - number, 20)
    for (let count = 0; count < due; count += 1) {
      const sent = request()
      running.add(sent)
      void sent.finally(() => running.delete(sent))
    }
  }, 5)

  return {
    account,
    async end() {
      clearInterval(timer)
      while (running.size > 0) await Promise.all(running)
      clock[Symbol.dispose]()
      // The last event of each watcher: what comes before it in the same stream has come by then.
      for (const [index, ids] of put.entries()) {
        await client.put(keyOf(index, 'end')).value('end')
        ids.push('end')
      }
      await arrived(seen)
      const stored = await client.getAll().prefix(prefix).strings()
      for (const [index, ids] of put.entries()) {
        const got = new Set(seen[index])
        const lost = ids.filter((id) => !got.has(id) || stored[keyOf(index, id)] !== id)
        account.lost.push(...lost.map((id) => `${String(index)}/${id}`))
      }
      if ((await lockKeys()) !== lockedAs) account.unlocked.push(`${lockedAs} became ${await lockKeys()}`)
      // A lease whose keep-alives have stopped would lapse only after its TTL.
      if (account.lapsed.length === 0) await Promise.all(leases.map(nextKeepAlive))
      const held = Object.keys(stored).filter((key) => key.startsWith(`${prefix}lease/`)).length
      if (held !== leaseCount) account.lapsed.push(`${String(leaseCount - held)} keys are gone`)
      await Promise.all([
        ...watchers.map((each) => each.cancel()),
        ...leases.map((each) => each.revoke()),
        ...locks.map((each) => each.release()),
      ])
      // Tests measure the heap while they still hold the load.
      put.length = seen.length = 0
      return account
    },
  }
}

/** Resolves when etcd answers the next keep-alive of the lease, or when the lease is lost. */
function nextKeepAlive(lease: Lease): Promise<unknown> {
  return Promise.race([once(lease, 'keepaliveSucceeded'), once(lease, 'lost')])
}

/** Waits until each watcher has seen its last event, or for five seconds: what is missing then is lost. */
async function arrived(seen: readonly (readonly string[])[]): Promise<void> {
  const started = performance.now()
  while (seen.some((ids) => ids.at(-1) !== 'end') && performance.now() - started < 5000) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
