/** What outlives a stream of watches: the positions of its watches, and the causes of those that have ended. */
import type { EtcdMtlsError } from '../../report/errors.js'
import type { SeenHistory } from './watch-history.js'

/** A watch that etcd3 creates again after its stream failed. */
interface FailedWatch {
  body: Buffer
  /** The start revision that etcd3 will request: the one after the header of the last response. */
  from: bigint
  next: bigint
  seen: SeenHistory
}

/** Where a watch continues. */
type Position = Pick<FailedWatch, 'next' | 'seen'>

/** Limits the stored positions: watches that are canceled while their stream is down are not created again. */
const MAX_POSITIONS = 10_000

/**
 * The positions of the watches that etcd3 creates again: a failed stream stores them, and they correct its requests.
 */
export class ResumePositions {
  /** By request, in the order in which etcd3 creates the watches. */
  readonly #left = new Map<string, Position[]>()

  note(watches: readonly FailedWatch[]): void {
    const noted = new Map<string, FailedWatch[]>()
    for (const watch of watches) {
      const key = keyOf(watch.body, watch.from)
      const alike = noted.get(key)
      if (alike === undefined) noted.set(key, [watch])
      else alike.push(watch)
    }
    for (const [key, alike] of noted) {
      // Several watches may send the same request: each must get its own position. If all start at the correct one, and no server
      // has answered them, nothing is stored.
      if (alike.every(({ from, next, seen }) => from === next && !seen.isKnown)) continue
      this.#left.set(key, [...(this.#left.get(key) ?? []), ...alike])
    }
    dropOldest(this.#left, MAX_POSITIONS)
  }

  /** Removes and returns the position of a request; null if the requested one is correct. */
  take(body: Buffer, from: bigint): Position | null {
    if (this.#left.size === 0) return null
    const key = keyOf(body, from)
    const kept = this.#left.get(key)
    const position = kept?.shift() ?? null
    if (kept?.length === 0) this.#left.delete(key)
    return position
  }
}

/** The positions for the next stream. etcd3 has several streams, and a call does not show which one it continues. */
export class CurrentPositions {
  readonly #default = new ResumePositions()
  #current: ResumePositions | null = null
  #last: Promise<unknown> = Promise.resolve()

  get(): ResumePositions {
    return this.#current ?? this.#default
  }

  /** Calls `open` when earlier calls have finished. Streams that it opens have these positions. */
  async use<T>(positions: ResumePositions, open: () => Promise<T>): Promise<T> {
    const opened = this.#last.then(async () => {
      this.#current = positions
      try {
        return await open()
      } finally {
        this.#current = null
      }
    })
    this.#last = opened.catch(() => undefined)
    return opened
  }
}

function keyOf(body: Buffer, from: bigint): string {
  return `${String(from)} ${body.toString('latin1')}`
}

function dropOldest(map: Map<string, unknown>, limit: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= limit) return
    map.delete(oldest)
  }
}

/** Limits the stored causes: a caller that closes its stream does not read the end of a watch. */
const MAX_CAUSES = 1000

/** The causes of ended watches, by reason: etcd3 makes its error from the reason alone. */
export class WatchEnds {
  readonly #causes = new Map<string, EtcdMtlsError>()

  /**
   * @param reason The message that etcd3 gets. It has the keys, so watches with the same reason have the same cause.
   */
  note(reason: string, cause: EtcdMtlsError): void {
    this.#causes.set(reason, cause)
    dropOldest(this.#causes, MAX_CAUSES)
  }

  causeOf(reason: string): EtcdMtlsError | null {
    return this.#causes.get(reason) ?? null
  }
}
