/** The events of a client: delivered to every consumer; and those about the expiry of its credentials. */
import type { CertificateRef } from '../report/finding.js'
import type { TlsEvent } from './tls-session.js'
import type { ValidatedCredentials } from './validated-credentials.js'

/** How many events are kept for a consumer that does not take them. */
export const EVENTS_KEPT = 256

export class EventHub {
  readonly #consumers = new Set<Consumer>()
  #ended = false

  emit(event: TlsEvent): void {
    for (const consumer of this.#consumers) consumer.give(event)
  }

  consume(first: readonly TlsEvent[]): AsyncIterableIterator<TlsEvent, undefined> {
    const consumer = new Consumer(() => this.#consumers.delete(consumer))
    for (const event of first) consumer.give(event)
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

  give(value: TlsEvent): void {
    const take = this.#waiting.shift()
    if (take !== undefined) take({ done: false, value })
    else if (this.#kept.push(value) > EVENTS_KEPT) {
      this.#kept.shift()
      this.#missed += 1
    }
  }

  end(): void {
    this.#ended = true
    for (const take of this.#waiting.splice(0)) take(DONE)
  }

  next(): Promise<Result> {
    const value = this.#missed > 0 ? this.#takeMissed() : this.#kept.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#ended) return Promise.resolve(DONE)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  return(): Promise<Result> {
    this.#leave()
    this.#kept = []
    this.#missed = 0
    this.end()
    return Promise.resolve(DONE)
  }

  #takeMissed(): TlsEvent {
    const count = this.#missed
    this.#missed = 0
    return { type: 'events-missed', at: new Date(), count }
  }
}

/** The lifetime of the certificate that expires first, in milliseconds since 1970. */
interface Lifetime {
  readonly certificate: CertificateRef
  readonly begin: number
  readonly notAfter: number
}

/** The part of a lifetime that a time belongs to: when it was reached (null: before the first), and when the next one is. */
interface Stage {
  readonly reached: number | null
  readonly next: number
  readonly fraction: '2/3' | '9/10' | 'over'
}

/** Clocks are set and machines sleep, which no timer follows: so the time is read again at least this often, in milliseconds. */
const LONGEST_WAIT = 3_600_000
/** Between two events, in milliseconds: before the end at least, and after it. */
const SHORTEST_INTERVAL = 60_000
const INTERVAL_AFTER_END = 600_000

/** Emits events when the credentials in use are about to expire, the more often the nearer the end is, and after it. */
export class Expiry {
  readonly #emit: (event: TlsEvent) => void
  #lifetime: Lifetime | null = null
  #reported = -Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(emit: (event: TlsEvent) => void) {
    this.#emit = emit
  }

  get reached(): TlsEvent | null {
    if (this.#lifetime === null) return null
    const stage = stageAt(this.#lifetime, Date.now())
    return stage.reached === null ? null : eventOf(this.#lifetime, stage)
  }

  follow(validated: ValidatedCredentials): void {
    this.stop()
    this.#lifetime = lifetimeOf(validated)
    this.#reported = -Infinity
    this.#check()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  readonly #check = (): void => {
    if (this.#lifetime === null) return
    const now = Date.now()
    const stage = stageAt(this.#lifetime, now)
    // If several were passed at once, as in a machine that slept, only the last one counts.
    if (stage.reached !== null && stage.reached > this.#reported) {
      this.#reported = stage.reached
      this.#emit(eventOf(this.#lifetime, stage))
    }
    this.#timer = setTimeout(this.#check, Math.min(stage.next - now, LONGEST_WAIT)).unref()
  }
}

/** Two thirds, nine tenths, then each time that half of the rest is over; after the end at equal intervals. */
function stageAt({ begin, notAfter }: Lifetime, now: number): Stage {
  // RFC 5280 section 4.1.2.5: the second of notAfter belongs to the lifetime.
  const end = notAfter + 1000
  const length = end - begin
  const left = end - now
  const twoThirds = begin + (length * 2) / 3
  const tenth = length / 10
  if (now < twoThirds) return { reached: null, next: twoThirds, fraction: '2/3' }
  if (left > tenth) return { reached: twoThirds, next: end - tenth, fraction: '2/3' }
  if (left > 0) {
    let rest = tenth
    while (left <= rest / 2 && rest / 2 >= SHORTEST_INTERVAL) rest /= 2
    return { reached: end - rest, next: rest / 2 < SHORTEST_INTERVAL ? end : end - rest / 2, fraction: '9/10' }
  }
  const reached = end + Math.floor(-left / INTERVAL_AFTER_END) * INTERVAL_AFTER_END
  return { reached, next: reached + INTERVAL_AFTER_END, fraction: 'over' }
}

function eventOf({ certificate, notAfter }: Lifetime, { fraction }: Stage): TlsEvent {
  const parts = { at: new Date(), certificate, notAfter: new Date(notAfter) }
  return fraction === 'over'
    ? { type: 'credentials-expired', ...parts }
    : { type: 'credentials-expiring', fraction, ...parts }
}

function lifetimeOf({ credentials, report }: ValidatedCredentials): Lifetime | null {
  const known = [...credentials.trustAnchors, ...(credentials.clientAnchors ?? []), ...credentials.chain]
  // Only the path counts: an anchor that is not on it may expire without harm.
  const lifetimes = report.path.flatMap((certificate) => {
    const dates = known.find((each) => each.fingerprint256 === certificate.fingerprint256)
    return dates === undefined
      ? []
      : [{ certificate, begin: Number(dates.notBefore), notAfter: Number(dates.notAfter) }]
  })
  return lifetimes.sort((a, b) => a.notAfter - b.notAfter)[0] ?? null
}
