/** A source of credentials that an authority in this process issues, and renews before they expire. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { checkSignal } from '../credentials/checks.js'
import type { Credentials, WatchableSource } from '../credentials/credentials.js'
import { fingerprintOf } from '../credentials/fingerprint.js'
import { Consumers, CredentialIterator, type ConsumerState } from '../credentials/follow/credential-iterator.js'
import { copyCredentials, untilAborted } from '../credentials/source.js'
import { backoffPause } from '../report/duration.js'
import { isError } from '../report/errors.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { issueCredentials } from './issue-certificate.js'
import { type IssuingCa, ledgerEntry } from './issuing-ca.js'
import { issueRefused } from './refuse.js'
import { endOf, readFraction } from './renewal-due.js'
import { type IssueRequest, readIssueOptions } from './issue-options.js'
import { Revocations } from './revocation.js'

const DEFAULT_JITTER = 0.1

export function authoritySource(
  issuer: IssuingCa,
  request: IssueRequest,
  options: SourceOptions,
  timing: Timing = systemTiming(issuer.settings.now),
): WatchableSource {
  const { settings, certificate } = issuer
  const wanted = readIssueOptions(request, settings.now())
  const schedule = readSchedule(options)
  const issue = async (held: Held | null) => {
    const now = settings.now()
    if (held !== null) {
      refuseIfNotLater(issuer, held, now)
      const revocations = await Revocations.read(settings.ledger)
      revocations.refuseCertificate(held.credentials.chain[0], [certificate, ...issuer.chain])
    }
    const validity = held === null ? wanted.validity : { ...wanted.validity, isExplicit: false }
    const credentials = await issueCredentials(issuer, { ...wanted, validity }, now)
    await settings.ledger.append([ledgerEntry(issuer, credentials.chain[0], wanted.role)])
    return credentials
  }
  const origin = `${wanted.role} "${wanted.name}" of the authority "${certificate.subject.toString()}"`
  return new RenewingSource(origin, issue, schedule, timing)
}

export interface SourceOptions {
  readonly fraction?: unknown
  readonly jitter?: unknown
  readonly random?: unknown
}

/** Refuses if new credentials would not expire later than the held ones. An expired authority has its own error. */
function refuseIfNotLater({ certificate: { notAfter } }: IssuingCa, { credentials, begin }: Held, now: Date): void {
  const clockWasSetBack = now.getTime() < begin
  if (clockWasSetBack || now >= notAfter || notAfter > credentials.chain[0].notAfter) return
  throw issueRefused(
    `The authority's own certificate expires at ${notAfter.toISOString()}, as the credentials that it ` +
      'issued do already; pass a source of a renewed authority to `rotate`',
  )
}

function readSchedule(options: SourceOptions): Schedule {
  checkOptions('options', options, ['fraction', 'jitter', 'random'])
  const { jitter = DEFAULT_JITTER, random = Math.random } = options
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 0.5))
    throw valueInvalid('jitter', jitter, 'a number from 0 to 0.5')
  if (!isFunction(random)) throw valueInvalid('random', random, 'a function')
  const checkedRandom = (): number => {
    const value = random()
    if (typeof value === 'number' && value >= 0 && value <= 1) return value
    throw optionInvalid('random', 'must return numbers from 0 to 1')
  }
  return { fraction: readFraction(options.fraction, 'fraction'), jitter, random: checkedRandom }
}

/** A type guard, because `typeof` narrows `unknown` to `Function`. */
function isFunction(value: unknown): value is () => unknown {
  return typeof value === 'function'
}

export interface Timing {
  readonly now: () => Date
  readonly elapsed: () => number
  /** Resolves after that many milliseconds, or once the signal is aborted. Does not keep the process alive. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

function systemTiming(now: () => Date): Timing {
  return {
    now,
    elapsed: () => performance.now(),
    wait: async (milliseconds, signal) => {
      // It rejects only if the signal is aborted.
      await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined)
    },
  }
}

interface Schedule {
  readonly fraction: number
  readonly jitter: number
  readonly random: () => number
}

/** Issued credentials. Times are in milliseconds since 1970. */
interface Held {
  readonly credentials: Credentials
  readonly fingerprint: string
  readonly begin: number
  readonly due: number
  /** The first moment after their lifetime. */
  readonly end: number
}

/** Milliseconds. Long, because RSA keys and remote signers can take seconds. */
const ISSUE_TIMEOUT = 60_000
/** Milliseconds that `load()` waits for new credentials while the old ones are valid. */
const MAX_WAIT = 5000
/** Milliseconds between two certificates, even if their lifetime is very short. */
const MIN_PAUSE = 500
const RETRY = { first: 1000, longest: 60_000 }
/** Milliseconds between checks of the clock: timers ignore a clock that is set, and a machine that is suspended. */
const MAX_PAUSE = 60_000

/** Callers share one attempt. After a failure, the next attempt follows a pause. */
class RenewingSource implements WatchableSource {
  readonly origin: string
  readonly #issue: (held: Held | null) => Promise<Credentials>
  readonly #schedule: Schedule
  readonly #timing: Timing
  readonly #consumers = new Consumers()
  #held: Held | null = null
  #issuing: Promise<void> | null = null
  #failure: Error | null = null
  #failures = 0
  #nextAttempt = -Infinity
  /** Aborted at the end of the next attempt. */
  #attempt = new AbortController()

  constructor(origin: string, issue: (held: Held | null) => Promise<Credentials>, schedule: Schedule, timing: Timing) {
    this.origin = origin
    this.#issue = issue
    this.#schedule = schedule
    this.#timing = timing
  }

  async load(signal?: AbortSignal): Promise<Credentials> {
    checkSignal(signal)
    signal?.throwIfAborted()
    const held = await untilAborted(this.#obtain(), signal)
    this.#consumers.recordLoad(held.fingerprint)
    return copyCredentials(held.credentials)
  }

  watch(signal: AbortSignal, held?: Credentials): AsyncIterableIterator<Credentials, undefined, undefined> {
    const known = this.#consumers.begin(signal, held)
    return new CredentialIterator(signal, (stop) => this.#follow(signal, stop, known))
  }

  toJSON(): { origin: string } {
    return { origin: this.origin }
  }

  [inspect.custom](): string {
    return `CredentialSource { ${this.origin} }`
  }

  async *#follow(
    signal: AbortSignal,
    stop: AbortSignal,
    known: ConsumerState | undefined,
  ): AsyncGenerator<Credentials> {
    let consumer = known
    for (;;) {
      stop.throwIfAborted()
      await untilAborted(this.#refresh(), stop)
      const attempt = this.#attempt.signal
      const usable = this.#usable
      // Ignored if renewal is no longer due, for example because the clock was set.
      const failure = this.#isDue ? this.#failure : null
      if (usable !== null) consumer ??= { held: usable.fingerprint, reported: null }
      const isNew = usable !== null && usable.fingerprint !== consumer?.held
      const hasRecovered = usable !== null && failure === null && consumer !== undefined && consumer.reported !== null
      if (isNew || hasRecovered) {
        consumer = { held: usable.fingerprint, reported: failure === null ? null : (consumer?.reported ?? null) }
        yield copyCredentials(usable.credentials)
      } else if (failure !== null && consumer?.reported !== failure.message) {
        this.#consumers.recordFailure(signal, { held: consumer?.held ?? null, reported: failure.message })
        throw failure
      } else {
        const pause = Math.min(MAX_PAUSE, this.#untilNextCheck())
        await this.#timing.wait(pause, AbortSignal.any([attempt, stop]))
      }
    }
  }

  /** Null if the credentials have expired. */
  get #usable(): Held | null {
    return this.#held !== null && this.#timing.now().getTime() < this.#held.end ? this.#held : null
  }

  /** Also true before `begin`, after the clock was set back. */
  get #isDue(): boolean {
    const now = this.#timing.now().getTime()
    return this.#held === null || now >= this.#held.due || now < this.#held.begin
  }

  /**
   * Valid credentials, renewed if that is due.
   *
   * @throws The error of the authority, if no credentials are valid.
   */
  async #obtain(): Promise<Held> {
    const held = this.#usable
    if (held !== null && !this.#isDue) return held
    if (held === null) await this.#renew()
    else {
      const done = new AbortController()
      await Promise.race([this.#refresh(), this.#timing.wait(MAX_WAIT, done.signal)])
      done.abort()
    }
    const renewed = this.#usable ?? held
    if (renewed === null) throw issueRefused('The credentials had expired by the time they were issued')
    return renewed
  }

  /** Renews if that is due and the pause after the last attempt is over. Never rejects: see `#failure`. */
  async #refresh(): Promise<void> {
    if (!this.#isDue || (this.#issuing === null && this.#timing.elapsed() < this.#nextAttempt)) return
    await this.#renew().catch(() => undefined)
  }

  #untilNextCheck(): number {
    const untilAttempt = Math.max(0, this.#nextAttempt - this.#timing.elapsed())
    if (this.#held === null || this.#isDue) return untilAttempt
    return Math.max(untilAttempt, this.#held.due - this.#timing.now().getTime())
  }

  #renew(): Promise<void> {
    this.#issuing ??= this.#issueOnce().finally(() => {
      this.#issuing = null
      const ended = this.#attempt
      this.#attempt = new AbortController()
      ended.abort()
    })
    return this.#issuing
  }

  async #issueOnce(): Promise<void> {
    try {
      const from = this.#timing.now().getTime()
      this.#held = this.#hold(await this.#withTimeout(this.#issue(this.#held)), from)
      this.#failures = 0
      this.#failure = null
      this.#nextAttempt = this.#timing.elapsed() + MIN_PAUSE
    } catch (error) {
      this.#failure = isError(error) ? error : issueRefused('The authority failed', { cause: error })
      this.#failures += 1
      this.#nextAttempt = this.#timing.elapsed() + backoffPause(this.#failures, RETRY)
      throw this.#failure
    }
  }

  async #withTimeout(work: Promise<Credentials>): Promise<Credentials> {
    const done = new AbortController()
    const limit = this.#timing.wait(ISSUE_TIMEOUT, done.signal).then(() => null)
    try {
      const outcome = await Promise.race([work, limit])
      if (outcome !== null) return outcome
    } finally {
      done.abort()
    }
    // A late result is in the ledger, but is not used.
    work.catch(() => undefined)
    throw issueRefused(`The authority gave no answer within ${String(ISSUE_TIMEOUT / 1000)} s`)
  }

  #hold(credentials: Credentials, from: number): Held {
    const { fraction, jitter, random } = this.#schedule
    const [leaf] = credentials.chain
    const end = endOf(leaf)
    const lifetime = end - from
    const due = from + lifetime * fraction + (2 * random() - 1) * jitter * lifetime * (1 - fraction)
    return { credentials, fingerprint: fingerprintOf(credentials), begin: leaf.notBefore.getTime(), due, end }
  }
}
