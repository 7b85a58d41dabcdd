/** Delivers every event to every consumer. A slow consumer costs memory up to a bound, and never delays the others. */
import type { TlsEvent } from './tls-session.js'

/** How many events are kept for a consumer that does not take them. */
export const EVENTS_KEPT = 256

export class EventHub {
  readonly #consumers = new Set<Consumer>()
  #ended = false

  emit(event: TlsEvent): void {
    for (const consumer of [...this.#consumers]) consumer.give(event)
  }

  /**
   * A consumer of every event from this call on, whether or not it is in `next()` at that time.
   *
   * @param first Events that it receives before all others.
   */
  consume(first: readonly TlsEvent[]): AsyncIterableIterator<TlsEvent, undefined> {
    const consumer = new Consumer(() => this.#consumers.delete(consumer))
    for (const event of first) consumer.give(event)
    if (this.#ended) consumer.end()
    else this.#consumers.add(consumer)
    return consumer
  }

  /** No more events follow: each consumer takes what is kept for it, and is done. */
  end(): void {
    this.#ended = true
    for (const consumer of [...this.#consumers]) consumer.end()
    this.#consumers.clear()
  }
}

type Result = IteratorResult<TlsEvent, undefined>
const DONE: Result = { done: true, value: undefined }

class Consumer implements AsyncIterableIterator<TlsEvent, undefined> {
  readonly #leave: () => void
  #kept: TlsEvent[] = []
  #missed = 0
  #waiting: ((result: Result) => void)[] = []
  #ended = false

  constructor(leave: () => void) {
    this.#leave = leave
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  give(event: TlsEvent): void {
    const take = this.#waiting.shift()
    if (take !== undefined) {
      take({ done: false, value: event })
      return
    }
    this.#kept.push(event)
    if (this.#kept.length <= EVENTS_KEPT) return
    this.#kept.shift()
    this.#missed += 1
  }

  end(): void {
    this.#ended = true
    for (const take of this.#waiting.splice(0)) take(DONE)
  }

  next(): Promise<Result> {
    if (this.#missed > 0) {
      const value: TlsEvent = { type: 'events-missed', at: new Date(), count: this.#missed }
      this.#missed = 0
      return Promise.resolve({ done: false, value })
    }
    const value = this.#kept.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#ended) return Promise.resolve(DONE)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Called after a `break`. */
  return(): Promise<Result> {
    this.#leave()
    this.#kept = []
    this.#missed = 0
    this.end()
    return Promise.resolve(DONE)
  }
}
