/**
 * The queue of one connection: calls wait in it while the server accepts no further stream (RFC 9113 section 5.1.2), and
 * in this order: keep-alives, calls that the server did not process before, all others.
 */

export const PRIORITY = { keepAlive: 0, repeated: 1, first: 2 } as const
export type Priority = (typeof PRIORITY)[keyof typeof PRIORITY]

export interface QueuedCall {
  readonly priority: Priority
}

/** First in, first out. Any entry can be removed. */
class Lane<T> {
  readonly #entries = new Set<T>()
  // Kept between calls: a new one would pass over every place that was emptied since the set was last rebuilt.
  #next = this.#entries.values()

  add(entry: T): void {
    this.#entries.add(entry)
  }

  delete(entry: T): boolean {
    return this.#entries.delete(entry)
  }

  take(): T | null {
    if (this.#entries.size === 0) return null
    let next = this.#next.next()
    if (next.done === true) {
      this.#next = this.#entries.values()
      next = this.#next.next()
    }
    if (next.done === true) return null
    this.#entries.delete(next.value)
    return next.value
  }
}

export class StreamQueue<T extends QueuedCall> {
  readonly #lanes = [new Lane<T>(), new Lane<T>(), new Lane<T>()] as const
  #open = 0
  /** The calls in all lanes. */
  #waiting = 0
  #announced: number
  /** The streams that the server accepted at the same time, if it refuses more than that without an announcement. */
  #learned = Infinity

  /** @param limit As the server announced it. */
  constructor(limit: number) {
    this.#announced = limit
  }

  announce(limit: number): void {
    this.#announced = limit
  }

  add(call: T): void {
    this.#lanes[call.priority].add(call)
    this.#waiting += 1
  }

  /** Counts a call that opens its stream at once, without a place in the queue. Returns whether it may. */
  openAtOnce(): boolean {
    if (this.#waiting > 0 || !this.#hasRoom()) return false
    this.#open += 1
    return true
  }

  /** Takes the call whose stream is to be opened now; null if none may be. */
  take(): T | null {
    if (this.#waiting === 0 || !this.#hasRoom()) return null
    const call = this.#shift()
    if (call !== null) this.#open += 1
    return call
  }

  /** Takes all calls that wait. */
  takeAll(): T[] {
    const calls: T[] = []
    for (let call = this.#shift(); call !== null; call = this.#shift()) calls.push(call)
    return calls
  }

  /** The call has ended, or no longer waits. */
  remove(call: T): void {
    if (this.#waiting > 0 && this.#lanes[call.priority].delete(call)) this.#waiting -= 1
    else this.#open -= 1
  }

  /** The server refused a stream, which was removed. */
  noteRefusal(): void {
    this.#learned = Math.max(1, Math.min(this.#learned, this.#open))
  }

  /** The server answered a call: one more stream is tried after as many answers as there are streams. */
  noteAnswer(): void {
    this.#learned += 1 / this.#learned
  }

  #hasRoom(): boolean {
    return this.#open + 1 <= this.#announced && this.#open + 1 <= this.#learned
  }

  #shift(): T | null {
    for (const lane of this.#lanes) {
      const call = lane.take()
      if (call === null) continue
      this.#waiting -= 1
      return call
    }
    return null
  }
}
