/** Delivers the events of a client to every consumer, and schedules those about the expiry of its credentials. */
import type { CertificateRef } from '../report/finding.js'
import type { Certificate } from '../x509/certificate.js'
import type { TlsEvent } from './tls-session.js'
import type { ValidatedCredentials } from './validated-credentials.js'

/** Most unread events that are kept for one consumer. */
export const EVENTS_KEPT = 256

/** An event without `at`, which is set when it is emitted. */
export type EventBody = TlsEvent extends infer E ? (E extends TlsEvent ? Omit<E, 'at'> : never) : never

export class EventHub {
  readonly #consumers = new Set<Consumer>()
  readonly #onEvent: ((event: TlsEvent) => void) | null
  #ended = false

  /** @param onEvent Called with every event. */
  constructor(onEvent: ((event: TlsEvent) => void) | null = null) {
    this.#onEvent = onEvent
  }

  readonly emit = (event: EventBody): void => {
    for (const consumer of this.#consumers) consumer.push(timed(event))
    // In a later turn, so that an error of the caller's function is not thrown here.
    if (this.#onEvent !== null) process.nextTick(this.#onEvent, timed(event))
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

/** An event about a lifetime; `at` is in milliseconds since 1970. */
interface ScheduledEvent {
  readonly at: number
  readonly fraction: '2/3' | '9/10' | 'expired'
}

/** Longest timer in milliseconds: timers do not follow clock changes and sleep, so the time is read again. */
const LONGEST_WAIT = 3_600_000
/** Milliseconds between two events: the minimum before the expiry, and the interval after it. */
const SHORTEST_INTERVAL = 60_000
const INTERVAL_AFTER_END = 600_000

/** At 2/3 and 9/10 of the lifetime, then after each half of the rest, and at equal intervals after the expiry. */
function* scheduleOf({ notBefore, notAfter }: Certificate): Generator<ScheduledEvent, never> {
  // RFC 5280 section 4.1.2.5: the second of notAfter belongs to the lifetime.
  const end = notAfter.getTime() + 1000
  const length = end - notBefore.getTime()
  yield { at: end - length / 3, fraction: '2/3' }
  let rest = length / 10
  do {
    yield { at: end - rest, fraction: '9/10' }
    rest /= 2
  } while (rest >= SHORTEST_INTERVAL)
  for (let at = end; ; at += INTERVAL_AFTER_END) yield { at, fraction: 'expired' }
}

/** The certificate that expires first. */
interface Lifetime {
  readonly certificate: CertificateRef
  readonly dates: Certificate
}

/** Emits events before and after the current credentials expire. */
export class Expiry {
  readonly #emit: (event: EventBody) => void
  #lifetime: Lifetime | null = null
  #reported = -Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(emit: (event: EventBody) => void) {
    this.#emit = emit
  }

  /** The last event that was due; null if none was. */
  get reached(): EventBody | null {
    if (this.#lifetime === null) return null
    const { due } = scheduleAt(this.#lifetime, Date.now())
    return due === null ? null : eventOf(this.#lifetime, due)
  }

  follow(validated: ValidatedCredentials): void {
    this.stop()
    this.#lifetime = firstToExpire(validated)
    this.#reported = -Infinity
    this.#check()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  readonly #check = (): void => {
    if (this.#lifetime === null) return
    const now = Date.now()
    const { due, next } = scheduleAt(this.#lifetime, now)
    // If several are due at once, for example after sleep, only the last one is emitted.
    if (due !== null && due.at > this.#reported) {
      this.#reported = due.at
      this.#emit(eventOf(this.#lifetime, due))
    }
    this.#timer = setTimeout(this.#check, Math.min(next.at - now, LONGEST_WAIT)).unref()
  }
}

/** The last event that was due, if any, and the next one. */
function scheduleAt({ dates }: Lifetime, now: number): { due: ScheduledEvent | null; next: ScheduledEvent } {
  const schedule = scheduleOf(dates)
  let due: ScheduledEvent | null = null
  let next = schedule.next().value
  while (next.at <= now) {
    due = next
    next = schedule.next().value
  }
  return { due, next }
}

function eventOf({ certificate, dates }: Lifetime, { fraction }: ScheduledEvent): EventBody {
  const parts = { certificate, notAfter: new Date(dates.notAfter) }
  return fraction === 'expired'
    ? { type: 'credentials-expired', ...parts }
    : { type: 'credentials-expiring', fraction, ...parts }
}

function firstToExpire({ credentials, report }: ValidatedCredentials): Lifetime | null {
  const known = [...credentials.trustAnchors, ...(credentials.clientAnchors ?? []), ...credentials.chain]
  // Trust anchors outside the path may expire without effect.
  const lifetimes = report.path.flatMap((certificate) => {
    const dates = known.find((each) => each.fingerprint256 === certificate.fingerprint256)
    return dates === undefined ? [] : [{ certificate, dates }]
  })
  return lifetimes.sort((a, b) => Number(a.dates.notAfter) - Number(b.dates.notAfter))[0] ?? null
}
