/** Tells when the credentials in use come to the end of their lifetime: at two thirds, at nine tenths, and when they are over. */
import type { Certificate } from '../x509/certificate.js'
import type { Accepted } from './accept.js'
import type { CredentialsExpiredEvent, CredentialsExpiringEvent } from './tls-events.js'

type ExpiryEvent = CredentialsExpiringEvent | CredentialsExpiredEvent

interface Mark {
  /** In milliseconds since 1970. */
  readonly due: number
  event(): ExpiryEvent
}

/** Clocks are set and machines sleep, which no timer follows: so the time is looked at again at least this often, in milliseconds. */
const LONGEST_WAIT = 3_600_000

export class Expiry {
  readonly #emit: (event: ExpiryEvent) => void
  #coming: Mark[] = []
  #reached: Mark | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(emit: (event: ExpiryEvent) => void) {
    this.#emit = emit
  }

  /** What was told last about the credentials in use, or null. */
  get reached(): ExpiryEvent | null {
    return this.#reached?.event() ?? null
  }

  /** Follows these credentials from now on, instead of those before. */
  follow(accepted: Accepted): void {
    this.stop()
    this.#coming = marksOf(accepted)
    this.#reached = null
    this.#look()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const now = Date.now()
    let passed: Mark | null = null
    // Where several were passed at once, as in a machine that slept, only the last one counts.
    while (this.#coming[0] !== undefined && this.#coming[0].due <= now) passed = this.#coming.shift() ?? null
    if (passed !== null) {
      this.#reached = passed
      this.#emit(passed.event())
    }
    const [next] = this.#coming
    if (next === undefined) return
    this.#timer = setTimeout(
      () => {
        this.#look()
      },
      Math.min(next.due - now, LONGEST_WAIT),
    )
    // An idle client must not keep the process alive.
    this.#timer.unref()
  }
}

function marksOf({ credentials, report }: Accepted): Mark[] {
  // Only the path counts: an anchor that is not on it may be over without harm.
  const byFingerprint = new Map(
    [...credentials.trustAnchors, ...credentials.chain].map((each): [string, Certificate] => [
      each.fingerprint256,
      each,
    ]),
  )
  const ends = report.path.flatMap((certificate) => {
    const dates = byFingerprint.get(certificate.fingerprint256)
    return dates === undefined ? [] : [{ certificate, notBefore: dates.notBefore, notAfter: dates.notAfter }]
  })
  const first = ends.reduce<(typeof ends)[number] | null>(
    (found, each) => (found === null || each.notAfter < found.notAfter ? each : found),
    null,
  )
  if (first === null) return []
  const { certificate, notAfter } = first
  const begin = first.notBefore.getTime()
  // RFC 5280 section 4.1.2.5: the second of notAfter belongs to the lifetime.
  const end = notAfter.getTime() + 1000
  const expiring = (fraction: '2/3' | '9/10', share: number): Mark => ({
    due: begin + (end - begin) * share,
    event: () => ({
      type: 'credentials-expiring',
      at: new Date(),
      fraction,
      certificate,
      notAfter: new Date(notAfter),
    }),
  })
  return [
    expiring('2/3', 2 / 3),
    expiring('9/10', 0.9),
    {
      due: end,
      event: () => ({ type: 'credentials-expired', at: new Date(), certificate, notAfter: new Date(notAfter) }),
    },
  ]
}
