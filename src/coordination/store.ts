/** What locks and elections need of etcd, and how they ask for it. */
import { abortable, backoffPause, pause } from '../client/timing.js'
import type { KeepAliveStream } from '../client/streams/lease-keeper.js'

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

export interface Store {
  /** Grants a lease of that id; one that exists already counts as granted. */
  grant(lease: string, seconds: number): Promise<void>
  openKeepAlive(): Promise<KeepAliveStream>
  /** @param within Milliseconds. */
  revoke(lease: string, within: number): Promise<void>
  /** Creates the key under the lease unless it is there already. Returns its create revision. */
  createKey(key: string, value: string, lease: string): Promise<string>
  /** One linearizable look at the queue. */
  look(prefix: string, key: string, createRevision: string): Promise<QueueView>
  list(prefix: string): Promise<{ readonly keys: readonly ContenderKey[]; readonly revision: string }>
  /** Reports changes after that revision. Resolves when the signal aborts, or when the watch ended for any other reason. */
  watch(
    target: { readonly key: string } | { readonly prefix: string },
    after: string,
    signal: AbortSignal,
    onChanges: (changes: readonly Change[]) => void,
  ): Promise<WatchEnd>
  /** Whether the error says that etcd does not have the lease. */
  isLeaseGone(error: unknown): boolean
  /** Whether the same call may succeed later. */
  isTransient(error: unknown): boolean
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
