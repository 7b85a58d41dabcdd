/** Work on an etcd while something is done to the client, and an account of what became of all of it. */
import { once } from 'node:events'
import type { Etcd3, Lease, Lock, Watcher } from 'etcd3'
import { isEtcdMtlsError } from '../../src/report/errors.js'

export interface LoadOptions {
  /** Requests a second. */
  rate: number
  watchers: number
  leases: number
  locks: number
  /** Keys of this load begin with it. */
  prefix?: string
}

/** What became of the work: empty lists are hoped for. */
export interface Account {
  requests: number
  failed: string[]
  /** Writes that may have been applied: their member went away before it answered. */
  unknown: string[]
  /** Events that a watcher should have seen and has not, as `watcher/id`. */
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

export interface Load {
  /** Requests answered so far. */
  readonly requests: number
  /** Stops the requests, waits for what is under way, checks everything, and releases it. */
  end(): Promise<Account>
}

/** Seconds of leases and locks: more than a busy machine keeps a process waiting. */
const TTL = 20

/** Begins to put and get, with watchers on what is put, leases and locks; all are there when it resolves. */
export async function startLoad(client: Etcd3, options: LoadOptions): Promise<Load> {
  const { rate, watchers: watcherCount, leases: leaseCount, locks: lockCount, prefix = 'load/' } = options
  const noted = { failed: [], unknown: [], lost: [], doubled: [], lapsed: [], unlocked: [], disconnected: [] }
  const account: Account = { requests: 0, ...noted }
  const put: string[][] = Array.from({ length: watcherCount }, () => [])
  const seen: string[][] = Array.from({ length: watcherCount }, () => [])
  const keyOf = (watcher: number): string => `${prefix}${String(watcher)}/`
  const watchers: Watcher[] = await Promise.all(
    seen.map(async (ids, index) => {
      const watcher = await client.watch().prefix(keyOf(index)).create()
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
    Array.from({ length: leaseCount }, async (_, index) => {
      const lease = client.lease(TTL)
      lease.on('lost', (error: Error) => account.lapsed.push(`${String(index)}: ${error.message}`))
      lease.on('keepaliveFailed', () => account.lapsed.push(`${String(index)}: a keep-alive failed`))
      const alive = nextKeepAlive(lease)
      await lease.put(`${prefix}lease/${String(index)}`).value('held')
      await alive
      return lease
    }),
  )
  const locks: Lock[] = await Promise.all(
    Array.from({ length: lockCount }, (_, index) =>
      client
        .lock(`${prefix}lock/${String(index)}`)
        .ttl(TTL)
        .acquire(),
    ),
  )
  const lockKeys = async (): Promise<string> => {
    const { kvs } = await client.getAll().prefix(`${prefix}lock/`).exec()
    return kvs.map((each) => `${each.key.toString()}@${each.create_revision}`).join()
  }
  const lockedAs = await lockKeys()

  const running = new Set<Promise<void>>()
  let number = 0
  const request = async (): Promise<void> => {
    const id = number
    number += 1
    const target = id % watcherCount
    try {
      if (id % 2 === 0) {
        await client.put(`${keyOf(target)}${String(id % 100)}`).value(String(id))
        put[target]?.push(String(id))
      } else await client.get(`${keyOf(target)}0`).string()
    } catch (error) {
      const unknown = error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN')
      account[unknown ? 'unknown' : 'failed'].push(String(error))
    }
    account.requests += 1
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
    get requests() {
      return account.requests
    },
    async end() {
      clearInterval(timer)
      while (running.size > 0) await Promise.all(running)
      // The last event of each watcher: what comes before it in the same stream has come by then.
      for (const [index, ids] of put.entries()) {
        await client.put(`${keyOf(index)}end`).value('end')
        ids.push('end')
      }
      await arrived(seen)
      for (const [index, ids] of put.entries()) {
        const got = new Set(seen[index])
        account.lost.push(...ids.filter((id) => !got.has(id)).map((id) => `${String(index)}/${id}`))
      }
      if ((await lockKeys()) !== lockedAs) account.unlocked.push(`${lockedAs} became ${await lockKeys()}`)
      // A lease whose keep-alives have stopped would lapse only after its TTL.
      if (account.lapsed.length === 0) await Promise.all(leases.map(nextKeepAlive))
      const held = await client.getAll().prefix(`${prefix}lease/`).count()
      if (held !== leaseCount) account.lapsed.push(`${String(leaseCount - held)} keys are gone`)
      await Promise.all([
        ...watchers.map((each) => each.cancel()),
        ...leases.map((each) => each.revoke()),
        ...locks.map((each) => each.release()),
      ])
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
