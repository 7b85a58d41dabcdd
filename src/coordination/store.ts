/** The etcd calls of locks and elections, on etcd3, with retries. */
import { backoffPause, isError } from '../report/internal.js'
import type { SecureEtcd3 } from '../client/index.js'
import { abortable, CLIENT, type KeepAliveStream, pause } from '../client/internal.js'

/** The key of one contender. */
export interface ContenderKey {
  readonly key: string
  readonly value: string
  readonly createRevision: string
}

export interface Change extends ContenderKey {
  readonly type: 'put' | 'delete'
  readonly revision: string
}

/** The position of one contender's key in the queue. */
export interface QueuePosition {
  /** Whether the contender's own key still exists. */
  readonly owned: boolean
  /** The key directly ahead; null if the contender is first. */
  readonly ahead: string | null
  readonly revision: string
}

/** `lost`: the watch can be resumed at the same revision. `refused`: etcd rejects that, for example because it compacted it. */
export type WatchEnd = 'lost' | 'refused'

/**
 * Timeout of one call, in milliseconds. A member without a leader fails only after seven seconds (etcd server/config, `ReqTimeout`),
 * while another member may answer immediately.
 */
const CALL_TIMEOUT = 3000

/** A contender's key ends with its lease id (client/v3/concurrency/key.go). Other keys of the prefix belong to longer names. */
const LEASE_ID = /^[0-9a-f]+$/

export type Store = Pick<EtcdStore, keyof EtcdStore>

export class EtcdStore {
  readonly #client: SecureEtcd3

  constructor(client: SecureEtcd3) {
    this.#client = client
  }

  /** Returns whether an earlier attempt created the lease, and its response was lost: the id is random. */
  async grant(lease: string, seconds: number): Promise<boolean> {
    try {
      await this.#client.leaseClient.leaseGrant({ ID: lease, TTL: seconds }, within(CALL_TIMEOUT))
      return false
    } catch (error) {
      if (isError(error) && error.message.includes('lease already exists')) return true
      throw error
    }
  }

  openKeepAlive(): Promise<KeepAliveStream> {
    return this.#client.leaseClient.leaseKeepAlive()
  }

  /** @param timeout Milliseconds. */
  async revoke(lease: string, timeout: number): Promise<void> {
    await this.#client.leaseClient.leaseRevoke({ ID: lease }, within(timeout))
  }

  /** Creates the key if absent. Returns its create revision. */
  async createKey(key: string, value: string, lease: string): Promise<string> {
    const { succeeded, header, responses } = await this.#client
      .if(key, 'Create', '==', 0)
      .then(this.#client.put(key).value(value).lease(lease))
      .else(this.#client.get(key))
      .options(within(CALL_TIMEOUT))
      .commit()
    // The key contains the lease id, so an existing key comes from an earlier attempt.
    const revision = succeeded ? header.revision : responses[0]?.response_range.kvs[0]?.create_revision
    if (revision === undefined) throw new Error(`etcd did not return the key "${key}" that it has`)
    return revision
  }

  /** A linearizable read. */
  async readQueue(prefix: string, key: string, createRevision: string): Promise<QueuePosition> {
    for (let below = createRevision; ;) {
      const nearest = this.#client.getAll().prefix(prefix).maxCreateRevision(previous(below))
      const { succeeded, header, responses } = await this.#client
        .if(key, 'Create', '==', createRevision)
        .then(nearest.sort('Create', 'Descend').limit(1))
        .options(within(CALL_TIMEOUT))
        .commit()
      const found = responses[0]?.response_range.kvs[0]
      const ahead = found?.key.toString() ?? null
      if (!succeeded || found === undefined || ahead === null || isContender(prefix, ahead)) {
        return { owned: succeeded, ahead, revision: header.revision }
      }
      below = found.create_revision
    }
  }

  /** The contender whose key is the oldest; null without contenders. A linearizable read. */
  async readHolder(prefix: string): Promise<ContenderKey | null> {
    for (let from = '0'; ;) {
      const oldest = this.#client.getAll().prefix(prefix).minCreateRevision(from).sort('Create', 'Ascend').limit(1)
      const { kvs } = await oldest.options(within(CALL_TIMEOUT)).exec()
      const found = kvs[0] === undefined ? null : contenderKey(kvs[0])
      if (found === null || isContender(prefix, found.key)) return found
      from = String(BigInt(found.createRevision) + 1n)
    }
  }

  async list(prefix: string): Promise<{ keys: readonly ContenderKey[]; revision: string }> {
    const { header, kvs } = await this.#client.getAll().prefix(prefix).options(within(CALL_TIMEOUT)).exec()
    return { keys: kvs.map(contenderKey).filter(({ key }) => isContender(prefix, key)), revision: header.revision }
  }

  /** Reports changes after that revision, until the signal aborts or the watch ends. */
  async watch(
    target: { readonly key: string } | { readonly prefix: string },
    after: string,
    signal: AbortSignal,
    onChanges: (changes: readonly Change[]) => void,
  ): Promise<WatchEnd> {
    if (signal.aborted) return 'lost'
    const prefix = 'prefix' in target ? target.prefix : null
    return new Promise((resolve) => {
      const builder = this.#client.watch().startRevision(String(BigInt(after) + 1n))
      // Not create(): events may arrive before its promise resolves.
      const watcher = ('key' in target ? builder.key(target.key) : builder.prefix(target.prefix)).watcher()
      const end = (why: WatchEnd): void => {
        ignoreChange()
        signal.removeEventListener('abort', cancel)
        resolve(why)
      }
      const cancel = (): void => {
        end('lost')
        // It fails only if the stream has ended, which ended the watch too.
        watcher.cancel().catch(() => undefined)
      }
      signal.addEventListener('abort', cancel, { once: true })
      // The revision is one of another cluster, which this watch may not have reached yet.
      const ignoreChange = this.#client[CLIENT].onClusterChange(() => {
        end('refused')
        watcher.cancel().catch(() => undefined)
      })
      watcher
        .on('data', ({ events }) => {
          if (signal.aborted) return
          onChanges(events.map(changeOf).filter(({ key }) => prefix === null || isContender(prefix, key)))
        })
        .on('error', () => {
          end('refused')
        })
        .on('disconnected', cancel)
    })
  }

  countLostLease(): void {
    this.#client[CLIENT].meter.leasesLost += 1
  }

  shortage(): Error | null {
    return this.#client[CLIENT].shortage()
  }

  /** Calls the listener when the client switches to another cluster. Returns a function that removes it. */
  onClusterChange(listener: (error: Error) => void): () => void {
    return this.#client[CLIENT].onClusterChange(listener)
  }

  /** Whether the error reports that etcd does not have the lease. */
  isLeaseGone(error: unknown): boolean {
    return this.#client[CLIENT].isLeaseGone(error)
  }

  /** As in `ClientInternals`. */
  finalError(error: unknown, until: number): unknown {
    return this.#client[CLIENT].finalError(error, until)
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

function changeOf({
  type,
  kv,
}: {
  type: string
  kv: Parameters<typeof contenderKey>[0] & { mod_revision: string }
}): Change {
  return { ...contenderKey(kv), type: type === 'Delete' ? 'delete' : 'put', revision: kv.mod_revision }
}

/** Pauses between attempts, in milliseconds. */
const PAUSES = { first: 50, longest: 400 }

/**
 * Repeats a call until it succeeds or fails with an error that is not transient. The call must be idempotent: etcd may have applied a
 * call that failed.
 *
 * @param until Time by `performance.now()` after which a failure is final.
 * @throws The signal's reason when it aborts.
 */
export async function withRetries<T>(
  store: Store,
  signal: AbortSignal,
  call: () => Promise<T>,
  until = Infinity,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted()
    try {
      return await abortable(signal, call())
    } catch (error) {
      signal.throwIfAborted()
      const final = store.finalError(error, until)
      if (final !== null) throw final as Error
    }
    await pauseBefore(attempt, signal)
  }
}

/** Resolves after the pause, or when the signal aborts. */
export function pauseBefore(attempt: number, signal: AbortSignal): Promise<void> {
  return pause(backoffPause(attempt + 1, PAUSES), signal, true)
}
