/**
 * The queue of one connection: calls wait in it while the server accepts no further stream (RFC 9113 section 5.1.2), and
 * in this order: keep-alives, watches, calls that the server did not process before, all others. Streams of the first two
 * do not end on their own, so they leave some of the streams to the others.
 */

export const PRIORITY = { keepAlive: 0, watch: 1, repeated: 2, first: 3 } as const
export type Priority = (typeof PRIORITY)[keyof typeof PRIORITY]

export interface QueuedCall {
  readonly priority: Priority
}

/** Whether the stream of such a call does not end on its own. */
export function isLasting({ priority }: QueuedCall): boolean {
  return priority <= PRIORITY.watch
}

/** The part of the streams that is left to calls; it is at least one stream. */
const SHARE_OF_CALLS = 1 / 4

/** First in, first out. Any entry can be removed. */
class Lane<T> {
  /** Each with the time when it was added, by `performance.now()`. */
  readonly #entries = new Map<T, number>()
  // Kept between calls: a new one would pass over every place that was emptied since the map was last rebuilt.
  #next = this.#entries.keys()

  get size(): number {
    return this.#entries.size
  }

  add(entry: T): void {
    this.#entries.set(entry, performance.now())
  }

  delete(entry: T): boolean {
    return this.#entries.delete(entry)
  }

  take(): T | null {
    if (this.#entries.size === 0) return null
    let next = this.#next.next()
    if (next.done === true) {
      this.#next = this.#entries.keys()
      next = this.#next.next()
    }
    if (next.done === true) return null
    this.#entries.delete(next.value)
    return next.value
  }

  addedBefore(time: number): T[] {
    return [...this.#entries].flatMap(([entry, addedAt]) => (addedAt <= time ? [entry] : []))
  }
}

export class StreamQueue<T extends QueuedCall> {
  /** By priority. */
  readonly #lanes = [new Lane<T>(), new Lane<T>(), new Lane<T>(), new Lane<T>()] as const
  readonly #lasting = this.#lanes.slice(0, PRIORITY.repeated)
  readonly #ending = this.#lanes.slice(PRIORITY.repeated)
  #open = 0
  /** How many of them do not end on their own. */
  #openLasting = 0
  #announced: number
  /** The part of the streams that is left to calls. */
  #shareOfCalls = SHARE_OF_CALLS
  /** The streams that the server accepted at the same time, if it refuses more than that without an announcement. */
  #learned = Infinity
  /** When the last stream was opened for a call that had waited, and for one that does not end, by `performance.now()`. */
  #openedAt = -Infinity
  #openedLastingAt = -Infinity

  /** @param limit As the server announced it. */
  constructor(limit: number) {
    this.#announced = limit
  }

  /** The streams that the server accepts at the same time, as far as it is known. */
  get limit(): number {
    return Math.min(this.#announced, Math.floor(this.#learned))
  }

  /** How many of the streams may be such that do not end on their own. */
  get lastingLimit(): number {
    const { limit } = this
    return this.#shareOfCalls === 0 ? limit : Math.min(limit - 1, Math.ceil(limit * (1 - this.#shareOfCalls)))
  }

  /** How many of them are open beyond that. */
  get excess(): number {
    return Math.max(0, this.#openLasting - this.lastingLimit)
  }

  get hasLastingWaiting(): boolean {
    return hasCalls(this.#lasting)
  }

  get hasLastingRoom(): boolean {
    return this.#openLasting + 1 <= this.lastingLimit && this.#hasRoom
  }

  get isEmpty(): boolean {
    return !hasCalls(this.#lanes)
  }

  reserveForCalls(reserves: boolean): void {
    this.#shareOfCalls = reserves ? SHARE_OF_CALLS : 0
  }

  announce(limit: number): void {
    this.#announced = limit
  }

  add(call: T): void {
    this.#lanes[call.priority].add(call)
  }

  /** Counts a call that opens its stream at once, without a place in the queue. Returns whether it may. */
  openAtOnce(call: T): boolean {
    if (!this.#hasRoom) return false
    if (isLasting(call)) {
      if (!this.hasLastingRoom || hasCalls(this.#lasting)) return false
      this.#openLasting += 1
    } else if (hasCalls(this.#ending)) return false
    this.#open += 1
    return true
  }

  /** Takes the call whose stream is to be opened now; null if none may be. */
  take(): T | null {
    const call =
      (this.hasLastingRoom ? takeFrom(this.#lasting) : null) ?? (this.#hasRoom ? takeFrom(this.#ending) : null)
    if (call === null) return null
    this.#open += 1
    this.#openedAt = performance.now()
    if (isLasting(call)) {
      this.#openLasting += 1
      this.#openedLastingAt = this.#openedAt
    }
    return call
  }

  /** Takes the next stream that does not end, to be opened elsewhere. */
  takeLasting(): T | null {
    return takeFrom(this.#lasting)
  }

  /** Takes all calls that wait. */
  takeAll(): T[] {
    const calls: T[] = []
    for (let call = takeFrom(this.#lanes); call !== null; call = takeFrom(this.#lanes)) calls.push(call)
    return calls
  }

  /** The call has ended, or no longer waits. */
  remove(call: T): void {
    if (this.#lanes[call.priority].delete(call)) return
    this.#open -= 1
    if (isLasting(call)) this.#openLasting -= 1
  }

  /** The server refused a stream, which was removed. */
  noteRefusal(): void {
    this.#learned = Math.max(1, Math.min(this.#learned, this.#open))
  }

  /** The server answered a call: one more stream is tried after as many answers as there are streams. */
  noteAnswer(): void {
    this.#learned += 1 / this.#learned
  }

  /** The calls that end, and have waited for so many milliseconds in which no stream was opened. */
  endingSince(milliseconds: number): T[] {
    return waitingSince(this.#ending, this.#openedAt, milliseconds)
  }

  /** The same for streams that do not end. */
  lastingSince(milliseconds: number): T[] {
    return waitingSince(this.#lasting, this.#openedLastingAt, milliseconds)
  }

  get #hasRoom(): boolean {
    return this.#open + 1 <= this.#announced && this.#open + 1 <= this.#learned
  }
}

function hasCalls(lanes: readonly Lane<unknown>[]): boolean {
  for (const { size } of lanes) if (size > 0) return true
  return false
}

function takeFrom<T>(lanes: readonly Lane<T>[]): T | null {
  for (const lane of lanes) {
    const call = lane.take()
    if (call !== null) return call
  }
  return null
}

function waitingSince<T>(lanes: readonly Lane<T>[], openedAt: number, milliseconds: number): T[] {
  const since = performance.now() - milliseconds
  return openedAt > since ? [] : lanes.flatMap((lane) => lane.addedBefore(since))
}
