/** The leaders of an election, one after the other. */
import { ask, type Change, type ContenderKey, pauseBefore, type Store } from './store.js'

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
  closing: AbortSignal,
): AsyncGenerator<Leader, undefined> {
  const over = new AbortController()
  const end = (): void => {
    over.abort()
  }
  const ends = signal === null ? [closing] : [signal, closing]
  for (const each of ends) each.addEventListener('abort', end, { once: true })
  if (ends.some((each) => each.aborted)) end()
  const queue = new LeaderQueue()
  /** The revision after which the watch goes on; null: where the candidates are listed. */
  let after: string | null = null
  try {
    for (let attempt = 0; !over.signal.aborted; attempt += 1) {
      if (attempt > 0) await pauseBefore(attempt, over.signal)
      // Each time: a watch that is lost does not report that etcd would refuse another one.
      const { keys, revision } = await ask(store, over.signal, () => store.list(prefix))
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
    for (const each of ends) each.removeEventListener('abort', end)
  }
  return undefined
}

/** The candidates in the order of their creation, and the leaders that were not yielded yet. */
class LeaderQueue {
  readonly #candidates = new Map<string, ContenderKey>()
  readonly #leaders: Leader[] = []
  #last: Leader | null = null
  #wake = (): void => undefined

  reset(keys: readonly ContenderKey[]): void {
    this.#candidates.clear()
    for (const each of keys) this.#candidates.set(each.key, each)
    this.#note()
  }

  apply(changes: readonly Change[]): void {
    for (const [index, change] of changes.entries()) {
      if (change.type === 'delete') this.#candidates.delete(change.key)
      else this.#candidates.set(change.key, change)
      // What happened in one revision happened at once.
      if (changes[index + 1]?.revision !== change.revision) this.#note()
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

  #note(): void {
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
