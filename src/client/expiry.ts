/** Schedules the events about the expiry of the client's credentials and of the certificates that servers present. */
import type { CertificateRef } from '../report/finding.js'
import type { Certificate } from '../x509/certificate.js'
import type { EndpointConnection } from './endpoint-connection.js'
import type { EventBody } from './base/events.js'
import type { ServerValidation } from './transport/tls-socket.js'
import type { ValidatedCredentials } from './base/validated-credentials.js'

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
function* scheduleOf({ notBefore, notAfter }: Certificate, now: number): Generator<ScheduledEvent, never> {
  // RFC 5280 section 4.1.2.5: the second of notAfter belongs to the lifetime.
  const end = notAfter.getTime() + 1000
  const length = end - notBefore.getTime()
  yield { at: end - length / 3, fraction: '2/3' }
  let rest = length / 10
  do {
    yield { at: end - rest, fraction: '9/10' }
    rest /= 2
  } while (rest >= SHORTEST_INTERVAL)
  // Not one by one: the clock may be wrong by thousands of years.
  const passed = Math.max(0, Math.floor((now - end) / INTERVAL_AFTER_END))
  for (let at = end + passed * INTERVAL_AFTER_END; ; at += INTERVAL_AFTER_END) yield { at, fraction: 'expired' }
}

/** The certificate of a path that expires first. */
export interface Lifetime {
  readonly certificate: CertificateRef
  readonly dates: Certificate
}

/** An event that is due. */
export interface Due extends Lifetime {
  readonly fraction: ScheduledEvent['fraction']
}

/** Reports before and after the certificates of a path expire. */
export class Expiry {
  readonly #onDue: (due: Due) => void
  #lifetime: Lifetime | null = null
  #reported = -Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(onDue: (due: Due) => void) {
    this.#onDue = onDue
  }

  /** The last event that was due; null if none was. */
  get reached(): Due | null {
    if (this.#lifetime === null) return null
    const { due } = scheduleAt(this.#lifetime, Date.now())
    return due === null ? null : { ...this.#lifetime, fraction: due.fraction }
  }

  follow(lifetime: Lifetime | null): void {
    this.stop()
    this.#lifetime = lifetime
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
    this.#timer = setTimeout(this.#check, Math.min(next.at - now, LONGEST_WAIT)).unref()
    // If several are due at once, for example after sleep, only the last one is emitted.
    if (due === null || due.at <= this.#reported) return
    this.#reported = due.at
    this.#onDue({ ...this.#lifetime, fraction: due.fraction })
  }
}

/** The last event that was due, if any, and the next one. */
function scheduleAt({ dates }: Lifetime, now: number): { due: ScheduledEvent | null; next: ScheduledEvent } {
  const schedule = scheduleOf(dates, now)
  let due: ScheduledEvent | null = null
  let next = schedule.next().value
  while (next.at <= now) {
    due = next
    next = schedule.next().value
  }
  return { due, next }
}

export function credentialsEvent({ certificate, dates, fraction }: Due): EventBody {
  const parts = { certificate, notAfter: new Date(dates.notAfter) }
  return fraction === 'expired'
    ? { type: 'credentials-expired', ...parts }
    : { type: 'credentials-expiring', fraction, ...parts }
}

export function serverEvent(endpoint: string, { certificate, dates, fraction }: Due): EventBody {
  const parts = { endpoint, certificate, notAfter: new Date(dates.notAfter) }
  return fraction === 'expired'
    ? { type: 'server-certificate-expired', ...parts }
    : { type: 'server-certificate-expiring', fraction, ...parts }
}

/** @param known The certificates of the path, among others. */
export function firstToExpire(path: readonly CertificateRef[], known: readonly Certificate[]): Lifetime | null {
  const lifetimes = path.flatMap((certificate) => {
    const dates = known.find((each) => each.fingerprint256 === certificate.fingerprint256)
    return dates === undefined ? [] : [{ certificate, dates }]
  })
  return lifetimes.sort((a, b) => Number(a.dates.notAfter) - Number(b.dates.notAfter))[0] ?? null
}

/** Trust anchors outside the path may expire without effect. */
export function lifetimeOf({ credentials, report }: ValidatedCredentials): Lifetime | null {
  const { trustAnchors, clientAnchors = [], chain } = credentials
  return firstToExpire(report.path, [...trustAnchors, ...clientAnchors, ...chain])
}

/** Reports that the certificate of a server, or a CA above it, expires. */
export class ServerExpiry {
  readonly #endpoint: EndpointConnection
  readonly #emit: (event: EventBody) => void
  readonly #expiry = new Expiry((due) => void this.#report(due))
  /** The validation of the chain that is followed. */
  #followed: ServerValidation | null = null
  /** When it dialled last, by `performance.now()`. */
  #dialledAt = -Infinity

  constructor(endpoint: EndpointConnection, emit: (event: EventBody) => void) {
    this.#endpoint = endpoint
    this.#emit = emit
  }

  /** Follows the chain of the current connection. A lost connection changes nothing: the server has the same certificate. */
  update(): void {
    const { validation, status } = this.#endpoint
    if (status.state === 'closed') this.#expiry.stop()
    else if (validation !== null && validation !== this.#followed) {
      this.#followed = validation
      this.#expiry.follow(firstToExpire(validation.report.path ?? [], validation.chain))
    }
  }

  async #report(due: Due): Promise<void> {
    // A proxy may present another certificate that is about to expire at each handshake.
    const isEarly = performance.now() - this.#dialledAt < SHORTEST_INTERVAL
    if (!isEarly) this.#dialledAt = performance.now()
    const isRenewed = !isEarly && (await this.#endpoint.reconnectIfRenewed(this.#followed?.chain[0]?.fingerprint256))
    if (!isRenewed && this.#endpoint.status.state !== 'closed')
      this.#emit(serverEvent(this.#endpoint.endpoint.url, due))
  }
}
