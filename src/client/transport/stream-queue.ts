/**
 * The queue of one connection: calls wait in it while the server accepts no further stream (RFC 9113 section 5.1.2), and
 * in this order: keep-alives, watches, calls that the server did not process before, all others. Keep-alives and watches
 * do not end, so they leave a part of the announced limit free for calls.
 */

export const PRIORITY = { keepAlive: 0, watch: 1, repeated: 2, first: 3 } as const
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
  readonly #lanes = [new Lane<T>(), new Lane<T>(), new Lane<T>(), new Lane<T>()] as const
  #open = 0
  /** Those of the open streams that do not end. */
  #openEndless = 0
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
  openAtOnce(call: T): boolean {
    if (this.#waiting > 0 || !this.#hasRoom() || (isEndless(call.priority) && !this.#hasEndlessRoom())) return false
    this.#count(call, 1)
    return true
  }

  /** Takes the call whose stream is to be opened now; null if none may be. */
  take(): T | null {
    if (this.#waiting === 0 || !this.#hasRoom()) return null
    const call = this.#shift(this.#hasEndlessRoom() ? PRIORITY.keepAlive : PRIORITY.repeated)
    if (call !== null) this.#count(call, 1)
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
    else this.#count(call, -1)
  }

  /** The server refused a stream, which was removed. */
  noteRefusal(): void {
    this.#learned = Math.max(1, Math.min(this.#learned, this.#open))
  }

  /** The server answered a call: one more stream is tried after as many answers as there are streams. */
  noteAnswer(): void {
    this.#learned += 1 / this.#learned
  }

  #count({ priority }: T, change: 1 | -1): void {
    this.#open += change
    if (isEndless(priority)) this.#openEndless += change
  }

  #hasEndlessRoom(): boolean {
    return this.#openEndless + 1 <= this.#announced - Math.max(1, this.#announced >>> 2)
  }

  #hasRoom(): boolean {
    return this.#open + 1 <= this.#announced && this.#open + 1 <= this.#learned
  }

  #shift(from: Priority = PRIORITY.keepAlive): T | null {
    for (const lane of this.#lanes.slice(from)) {
      const call = lane.take()
      if (call === null) continue
      this.#waiting -= 1
      return call
    }
    return null
  }
}

function isEndless(priority: Priority): boolean {
  return priority <= PRIORITY.watch
}
