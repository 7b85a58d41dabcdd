/** Delivers the events of a client to every consumer. */
import { publishEvent } from './channels.js'
import { type ClientLogger, logEvent } from './log.js'
import type { TlsEvent } from './tls-session.js'

/** Maximum number of unread events that are kept for one consumer. */
export const EVENTS_KEPT = 256

/** An event without `at`, which is set when it is emitted. */
export type EventBody = TlsEvent extends infer E ? (E extends TlsEvent ? Omit<E, 'at'> : never) : never

export class EventHub {
  readonly #consumers = new Set<Consumer>()
  readonly #onEvent: ((event: TlsEvent) => void) | null
  readonly #logger: ClientLogger | null
  #ended = false

  /**
   * @param onEvent Called with every event.
   * @param logger Gets a line for every event.
   */
  constructor(onEvent: ((event: TlsEvent) => void) | null = null, logger: ClientLogger | null = null) {
    this.#onEvent = onEvent
    this.#logger = logger
  }

  readonly emit = (event: EventBody): void => {
    for (const consumer of this.#consumers) consumer.push(timed(event))
    // In a later turn, so that an error of the caller's function is not thrown here.
    if (this.#onEvent !== null) process.nextTick(this.#onEvent, timed(event))
    if (this.#logger !== null) process.nextTick(logEvent, this.#logger, timed(event))
    publishEvent(timed(event))
  }

  consume(first: EventBody | null): AsyncIterableIterator<TlsEvent, undefined> {
    const consumer = new Consumer(() => this.#consumers.delete(consumer))
    if (first !== null) consumer.push(timed(first))
    if (this.#ended) consumer.end()
    else this.#consumers.add(consumer)
    return consumer
  }

  end(): void {
    this.#ended = true
    for (const consumer of this.#consumers) consumer.end()
    this.#consumers.clear()
  }
}

function timed(event: EventBody): TlsEvent {
  return { at: new Date(), ...event }
}

type Result = IteratorResult<TlsEvent, undefined>
const DONE: Result = { done: true, value: undefined }

class Consumer implements AsyncIterableIterator<TlsEvent, undefined> {
  readonly #onReturn: () => void
  #kept: TlsEvent[] = []
  #missed = 0
  #waiting: ((result: Result) => void)[] = []
  #ended = false

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  push(value: TlsEvent): void {
    const resolve = this.#waiting.shift()
    if (resolve !== undefined) resolve({ done: false, value })
    else if (this.#kept.push(value) > EVENTS_KEPT) {
      this.#kept.shift()
      this.#missed += 1
    }
  }

  end(): void {
    this.#ended = true
    for (const resolve of this.#waiting.splice(0)) resolve(DONE)
  }

  next(): Promise<Result> {
    if (this.#missed > 0) this.#kept.unshift(timed({ type: 'events-missed', count: this.#missed }))
    this.#missed = 0
    const value = this.#kept.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#ended) return Promise.resolve(DONE)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  return(): Promise<Result> {
    this.#onReturn()
    this.#kept = []
    this.#missed = 0
    this.end()
    return Promise.resolve(DONE)
  }
}
