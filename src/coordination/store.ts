/** What locks and elections need of etcd, on etcd3, and how they ask for it. */
import { backoffPause } from '../report/duration.js'
import type { SecureEtcd3 } from '../client/deferred.js'
import { CLIENT } from '../client/tls-session.js'
import type { KeepAliveStream } from '../client/streams/lease-keeper.js'
import { abortable, pause } from '../client/timing.js'
import { isError } from '../report/errors.js'

/** A key of a contender. */
export interface ContenderKey {
  readonly key: string
  readonly value: string
  readonly createRevision: string
}

/** One change of a contender's key. */
export interface Change extends ContenderKey {
  readonly type: 'put' | 'delete'
  /** The revision of the change. */
  readonly revision: string
}

/** The queue as one contender sees it. */
interface QueueView {
  /** Whether the contender's own key is still there. */
  readonly owned: boolean
  /** The key right before it; null: it is the first. */
  readonly ahead: string | null
  readonly revision: string
}

/** Why a watch ended: it may go on where it was, or etcd does not let it, as when it has compacted what the watch needs. */
export type WatchEnd = 'lost' | 'refused'

/**
 * How long one call may take, in milliseconds. A member that is cut off from its leader gives up after seven seconds only
 * (etcd server/config, `ReqTimeout`), and another one may answer at once.
 */
const CALL_TIMEOUT = 3000

/** The rest of a contender's key is the id of its lease (client/v3/concurrency/key.go). Other keys are of longer names. */
const LEASE_ID = /^[0-9a-f]+$/

export type Store = ReturnType<typeof etcdStore>

export function etcdStore(client: SecureEtcd3) {
  const { leaseClient } = client
  return {
    /** Grants a lease of that id; one that exists already counts as granted. */
    grant: async (lease: string, seconds: number): Promise<void> => {
      try {
        await leaseClient.leaseGrant({ ID: lease, TTL: seconds }, within(CALL_TIMEOUT))
      } catch (error) {
        // The id is random and was sent by nobody else: an earlier attempt was applied, and its answer was lost.
        if (!(isError(error) && error.message.includes('lease already exists'))) throw error
      }
    },
    openKeepAlive: (): Promise<KeepAliveStream> => leaseClient.leaseKeepAlive(),
    /** @param timeout Milliseconds. */
    revoke: async (lease: string, timeout: number): Promise<void> => {
      await leaseClient.leaseRevoke({ ID: lease }, within(timeout))
    },
    /** Creates the key under the lease unless it is there already. Returns its create revision. */
    createKey: async (key: string, value: string, lease: string): Promise<string> => {
      const { succeeded, header, responses } = await client
        .if(key, 'Create', '==', 0)
        .then(client.put(key).value(value).lease(lease))
        .else(client.get(key))
        .options(within(CALL_TIMEOUT))
        .commit()
      // The key has the lease's own id in its name, so that one that is there comes from an earlier attempt.
      const revision = succeeded ? header.revision : responses[0]?.response_range.kvs[0]?.create_revision
      if (revision === undefined) throw new Error(`etcd did not return the key "${key}" that it has`)
      return revision
    },
    /** One linearizable look at the queue. */
    look: async (prefix: string, key: string, createRevision: string): Promise<QueueView> => {
      for (let below = createRevision; ;) {
        const { succeeded, header, responses } = await client
          .if(key, 'Create', '==', createRevision)
          .then(client.getAll().prefix(prefix).maxCreateRevision(previous(below)).sort('Create', 'Descend').limit(1))
          .options(within(CALL_TIMEOUT))
          .commit()
        const found = responses[0]?.response_range.kvs[0]
        const ahead = found?.key.toString() ?? null
        if (!succeeded || found === undefined || ahead === null || isContender(prefix, ahead)) {
          return { owned: succeeded, ahead, revision: header.revision }
        }
        below = found.create_revision
      }
    },
    list: async (prefix: string): Promise<{ keys: readonly ContenderKey[]; revision: string }> => {
      const { header, kvs } = await client.getAll().prefix(prefix).options(within(CALL_TIMEOUT)).exec()
      return { keys: kvs.map(contenderKey).filter(({ key }) => isContender(prefix, key)), revision: header.revision }
    },
    /** Reports changes after that revision. Resolves when the signal aborts, or when the watch ended for any other reason. */
    watch: (
      target: { readonly key: string } | { readonly prefix: string },
      after: string,
      signal: AbortSignal,
      onChanges: (changes: readonly Change[]) => void,
    ): Promise<WatchEnd> =>
      new Promise((resolve) => {
        if (signal.aborted) {
          resolve('lost')
          return
        }
        const prefix = 'prefix' in target ? target.prefix : null
        const builder = client.watch().startRevision(String(BigInt(after) + 1n))
        // Not create(): events may come before its promise has resolved.
        const watcher = ('key' in target ? builder.key(target.key) : builder.prefix(target.prefix)).watcher()
        const end = (why: WatchEnd): void => {
          signal.removeEventListener('abort', cancel)
          resolve(why)
        }
        const cancel = (): void => {
          end('lost')
          // It fails only for a stream that has ended, and its watches with it.
          watcher.cancel().catch(() => undefined)
        }
        signal.addEventListener('abort', cancel, { once: true })
        watcher
          .on('data', ({ events }) => {
            if (signal.aborted) return
            const changes = events.map(({ type, kv }): Change => ({
              ...contenderKey(kv),
              type: type === 'Delete' ? 'delete' : 'put',
              revision: kv.mod_revision,
            }))
            onChanges(changes.filter(({ key }) => prefix === null || isContender(prefix, key)))
          })
          .on('error', () => {
            end('refused')
          })
          .on('disconnected', cancel)
      }),
    /** Whether the error says that etcd does not have the lease. */
    isLeaseGone: (error: unknown): boolean => client[CLIENT].isLeaseGone(error),
    /** Whether the same call may succeed later. */
    isTransient: (error: unknown): boolean => client[CLIENT].isTransient(error),
  }
}

function within(timeout: number): { deadline: number } {
  return { deadline: Date.now() + timeout }
}

function previous(revision: string): string {
  return String(BigInt(revision) - 1n)
}

function isContender(prefix: string, key: string): boolean {
  return LEASE_ID.test(key.slice(prefix.length))
}

function contenderKey(kv: { key: Buffer; value: Buffer; create_revision: string }): ContenderKey {
  return { key: kv.key.toString(), value: kv.value.toString(), createRevision: kv.create_revision }
}

/** Pauses between attempts, in milliseconds. */
const PAUSES = { first: 50, longest: 400 }

/**
 * Calls until there is an answer, or an error that another attempt would meet again. What is called must be idempotent: a call
 * that failed may have been applied.
 *
 * @param until Time by `performance.now()` after which a failure is final.
 * @throws The signal's reason when it aborts.
 */
export async function ask<T>(store: Store, signal: AbortSignal, call: () => Promise<T>, until = Infinity): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted()
    try {
      return await abortable(signal, call())
    } catch (error) {
      signal.throwIfAborted()
      if (!store.isTransient(error) || performance.now() >= until) throw error
    }
    await pauseBefore(attempt, signal)
  }
}

/** Resolves after a pause, or at once when the signal aborts. */
export function pauseBefore(attempt: number, signal: AbortSignal): Promise<void> {
  return pause(backoffPause(attempt + 1, PAUSES), signal, true)
}
