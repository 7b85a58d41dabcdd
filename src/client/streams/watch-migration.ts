/**
 * Moves the watches of a stream to another attempt while the old one still delivers, so that a compaction in between
 * ends none: the old attempt is left when the server behind the new one can no longer end a watch because of a
 * compaction, and no event is between the two.
 */
import type { Watch, WatchAttempt } from './watch-attempt.js'

/** Milliseconds in which the old attempt reports its progress: one round trip. */
const PREPARATION = 300
/** How often a watch is created again that a compaction has ended on the new attempt. */
const MAX_COMPACTIONS = 3

interface MigrationParts {
  readonly old: WatchAttempt
  readonly next: WatchAttempt
  /** All watches of the stream, by their ids. */
  readonly watches: ReadonlyMap<bigint, Watch>
  /** Called when the old attempt is not needed anymore. */
  readonly done: () => void
}

export class WatchMigration {
  readonly #parts: MigrationParts
  #begun = false
  #timer: NodeJS.Timeout | undefined
  readonly #compactions = new Map<Watch, number>()

  constructor(parts: MigrationParts) {
    this.#parts = parts
    parts.old.mayRepeat = true
    parts.next.mayRepeat = true
  }

  /** Calls `done` at once if there is nothing to move. */
  start(): void {
    const { old } = this.#parts
    if (old.size === 0) {
      this.#begin(null)
      return
    }
    this.#timer = setTimeout(() => {
      this.#begin(null)
    }, PREPARATION).unref()
    old.inquire()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** An attempt has made this progress; null: its server reports none. */
  progressed(attempt: WatchAttempt, revision: bigint | null): void {
    if (this.#begun) this.update()
    else if (attempt === this.#parts.old) this.#begin(revision)
  }

  /**
   * A compaction has ended a watch on the new attempt: creates it again.
   *
   * @returns False if that was tried too often.
   */
  createAgain(watch: Watch): boolean {
    const { old, next } = this.#parts
    const compactions = (this.#compactions.get(watch) ?? 0) + 1
    if (compactions > MAX_COMPACTIONS || old.find(watch) === undefined) return false
    this.#compactions.set(watch, compactions)
    // etcd has just read the past events and would do so again after 100 ms. From now on there are none to be compacted,
    // and the old attempt delivers those before.
    next.create(watch, old.answersProgress !== false)
    return true
  }

  /** Checks whether the old attempt can be left, and requests what is missing. */
  update(): void {
    const { old, next, done } = this.#parts
    if (!this.#begun || next.hasPending) return
    let [isGapless, isSynced] = [true, true]
    for (const { watch } of old.created) {
      if (watch.canceling) continue
      const moved = next.find(watch)
      isGapless &&= moved !== undefined && moved.from <= watch.next
      isSynced &&= moved?.isSynced === true
    }
    if (isGapless && (isSynced || next.answersProgress === false)) done()
    else {
      if (!isGapless && old.answersProgress !== false) old.inquire()
      if (!isSynced && next.answersProgress !== false) next.inquire()
    }
  }

  /** @param reached The progress of the old attempt; null if it reported none. */
  #begin(reached: bigint | null): void {
    const { old, next, watches } = this.#parts
    this.#begun = true
    this.stop()
    const pending = next.pending
    for (const watch of watches.values()) {
      if (watch.canceling || pending.has(watch) || next.find(watch) !== undefined) continue
      const isUpToDate = reached !== null && watch.next === reached + 1n && old.find(watch) !== undefined
      next.create(watch, isUpToDate)
    }
    this.update()
  }
}
