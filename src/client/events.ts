/** The events of a client: delivered to every consumer; and those about the expiry of its credentials. */
import type { CertificateRef } from '../report/finding.js'
import type { Certificate } from '../x509/certificate.js'
import type { TlsEvent } from './tls-session.js'
import type { ValidatedCredentials } from './validated-credentials.js'

/** How many events are kept for a consumer that does not take them. */
export const EVENTS_KEPT = 256

/** An event without its time, which it gets when it is emitted. */
export type EventBody = TlsEvent extends infer E ? (E extends TlsEvent ? Omit<E, 'at'> : never) : never

export class EventHub {
  readonly #consumers = new Set<Consumer>()
  #ended = false

  readonly emit = (event: EventBody): void => {
    for (const consumer of this.#consumers) consumer.push(timed(event))
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

/** When an event about a lifetime is due, in milliseconds since 1970. */
interface ScheduledEvent {
  readonly at: number
  readonly fraction: '2/3' | '9/10' | 'expired'
}

/** Clocks are set and machines sleep, which no timer follows: so the time is read again at least this often, in milliseconds. */
const LONGEST_WAIT = 3_600_000
/** Between two events, in milliseconds: before the end at least, and after it. */
const SHORTEST_INTERVAL = 60_000
const INTERVAL_AFTER_END = 600_000

/** Two thirds, nine tenths, then each time that half of the rest is over; after the end at equal intervals. */
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

/** Emits events when the credentials in use are about to expire, the more often the nearer the end is, and after it. */
export class Expiry {
  readonly #emit: (event: EventBody) => void
  #lifetime: Lifetime | null = null
  #reported = -Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(emit: (event: EventBody) => void) {
    this.#emit = emit
  }

  /** The event about the last mark that was passed; null if none was. */
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
    // If several were passed at once, as in a machine that slept, only the last one counts.
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
  // Only the path counts: an anchor that is not on it may expire without harm.
  const lifetimes = report.path.flatMap((certificate) => {
    const dates = known.find((each) => each.fingerprint256 === certificate.fingerprint256)
    return dates === undefined ? [] : [{ certificate, dates }]
  })
  return lifetimes.sort((a, b) => Number(a.dates.notAfter) - Number(b.dates.notAfter))[0] ?? null
}
