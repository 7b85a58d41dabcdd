/**
 * Where watches have to go on that etcd3 creates again after their stream failed.
 *
 * etcd3 asks for the revision after the one in the header of the last response. While a watch catches up with the past, that
 * header carries the newest revision of the store, and what lies between would be lost. So a stream that fails notes what
 * etcd3 is going to ask for and what it should, and the request is corrected when it comes.
 */
export interface FailedWatch {
  /** The create request without start revision and id. */
  body: Buffer
  /** The start revision that etcd3 will ask for. */
  from: bigint
  /** The first revision that was not delivered. */
  next: bigint
}

/** Watches that are canceled while their stream is down never come back; what was noted of them must not grow without end. */
const MAX_KEPT = 10_000

export class ResumePositions {
  /** By request: the right start revisions, in the order in which etcd3 will ask. */
  readonly #left = new Map<string, bigint[]>()

  note(watches: readonly FailedWatch[]): void {
    const noted = new Map<string, FailedWatch[]>()
    for (const watch of watches) {
      const key = keyOf(watch.body, watch.from)
      const alike = noted.get(key)
      if (alike === undefined) noted.set(key, [watch])
      else alike.push(watch)
    }
    for (const [key, alike] of noted) {
      // Of watches that ask for the same, each has to find its own; where all of them ask rightly, there is nothing to correct.
      if (alike.every(({ from, next }) => from === next)) continue
      const kept = this.#left.get(key) ?? []
      kept.push(...alike.map(({ next }) => next))
      this.#left.set(key, kept)
    }
    for (const key of this.#left.keys()) {
      if (this.#left.size <= MAX_KEPT) break
      this.#left.delete(key)
    }
  }

  /** The right start revision for this request, once; null where the one it asks for is right. */
  take(body: Buffer, from: bigint): bigint | null {
    if (this.#left.size === 0) return null
    const key = keyOf(body, from)
    const kept = this.#left.get(key)
    const next = kept?.shift() ?? null
    if (kept?.length === 0) this.#left.delete(key)
    return next
  }
}

function keyOf(body: Buffer, from: bigint): string {
  return `${String(from)} ${body.toString('latin1')}`
}
