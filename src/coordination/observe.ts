/** Observing an election: its current leader, then each later one. */
import type { ClientInternals } from '../client/internal.js'
import { type Change, type ContenderKey, pauseBefore, type Store, withRetries } from './store.js'

/** Who leads. */
export interface Leader {
  /** What the leader passed to `campaign`. */
  readonly value: string
  /** As {@link Held.fencingToken} of that leader. */
  readonly fencingToken: string
}

export async function* observeLeaders(
  store: Store,
  prefix: string,
  signal: AbortSignal | null,
  { closing, onAbort }: Pick<ClientInternals, 'closing' | 'onAbort'>,
): AsyncGenerator<Leader, undefined> {
  const over = new AbortController()
  const end = (): void => {
    over.abort()
  }
  const signals = signal === null ? [closing] : [signal, closing]
  const ignore = signals.map((each) => onAbort(each, end))
  if (signals.some((each) => each.aborted)) end()
  const queue = new LeaderQueue()
  /** The revision after which the watch resumes; null: the candidates must be listed first. */
  let after: string | null = null
  try {
    for (let attempt = 0; !over.signal.aborted; attempt += 1) {
      if (attempt > 0) await pauseBefore(attempt, over.signal)
      // Listed before every watch: an error of etcd fails this call, while a watch would only end as lost.
      const { keys, revision } = await withRetries(store, over.signal, () => store.list(prefix))
      if (after === null) queue.reset(keys)
      after ??= revision
      const watching = store.watch({ prefix }, after, over.signal, (changes) => {
        queue.apply(changes)
        after = changes.at(-1)?.revision ?? after
      })
      yield* queue.until(watching, over.signal)
      if ((await watching) === 'refused') after = null
    }
  } catch (error) {
    if (!over.signal.aborted) throw error
  } finally {
    end()
    for (const each of ignore) each()
  }
  return undefined
}

/** Derives the leaders from the candidates' keys, and queues those not yielded yet. */
class LeaderQueue {
  readonly #candidates = new Map<string, ContenderKey>()
  readonly #leaders: Leader[] = []
  #last: Leader | null = null
  #wake = (): void => undefined

  reset(keys: readonly ContenderKey[]): void {
    this.#candidates.clear()
    for (const each of keys) this.#candidates.set(each.key, each)
    this.#queueLeader()
  }

  apply(changes: readonly Change[]): void {
    for (const [index, change] of changes.entries()) {
      if (change.type === 'delete') this.#candidates.delete(change.key)
      else this.#candidates.set(change.key, change)
      // All changes of one revision are one transaction.
      if (changes[index + 1]?.revision !== change.revision) this.#queueLeader()
    }
    this.#wake()
  }

  /** Yields leaders until the watch has ended. */
  async *until(watching: Promise<unknown>, signal: AbortSignal): AsyncGenerator<Leader, undefined> {
    const watch = { ended: false }
    void watching.then(() => {
      watch.ended = true
      this.#wake()
    })
    for (;;) {
      const leader = signal.aborted ? undefined : this.#leaders.shift()
      if (leader !== undefined) yield leader
      else if (watch.ended || signal.aborted) return undefined
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }

  #queueLeader(): void {
    let first: ContenderKey | null = null
    for (const each of this.#candidates.values()) {
      if (first === null || BigInt(each.createRevision) < BigInt(first.createRevision)) first = each
    }
    if (first === null) return
    const leader: Leader = { value: first.value, fencingToken: first.createRevision }
    if (this.#last?.fencingToken === leader.fencingToken && this.#last.value === leader.value) return
    this.#last = leader
    this.#leaders.push(leader)
  }
}
