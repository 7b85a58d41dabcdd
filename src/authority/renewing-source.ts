/** A source of credentials that are issued again before they expire. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { checkSignal } from '../credentials/checks.js'
import type { Credentials, WatchableSource } from '../credentials/credentials.js'
import { fingerprintOf } from '../credentials/fingerprint.js'
import { Consumers, CredentialIterator, type ConsumerState } from '../credentials/follow/credential-iterator.js'
import { copyCredentials, untilAborted } from '../credentials/source.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import { endOf, readFraction } from './renewal-due.js'

const DEFAULT_JITTER = 0.1

export interface SourceOptions {
  readonly fraction?: unknown
  readonly jitter?: unknown
  readonly random?: unknown
}

export function readSchedule(options: SourceOptions): Schedule {
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

export function systemTiming(now: () => Date): Timing {
  return {
    now,
    elapsed: () => performance.now(),
    wait: async (milliseconds, signal) => {
      // It rejects only if the signal is aborted.
      await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined)
    },
  }
}

export interface Schedule {
  readonly fraction: number
  readonly jitter: number
  readonly random: () => number
}

/** Issued credentials. Times are in milliseconds since 1970. */
export interface Held {
  readonly credentials: Credentials
  readonly fingerprint: string
  readonly begin: number
  readonly due: number
  /** The first moment after their lifetime. */
  readonly end: number
}

/** Who issues credentials, and what its failures are to the source. */
export interface Renewal {
  /** Aborts the signal when the time is over. */
  issue(held: Held | null, signal: AbortSignal): Promise<Credentials>
  /** Milliseconds. */
  readonly timeout: number
  /** The error for the caller. Null: there was no answer within that time. */
  failed(error: unknown): Error
  /** Milliseconds to the next attempt. `left`: until the held credentials expire; null if they have, or there are none. */
  pause(failures: number, left: number | null): number
}

/** Milliseconds that `load()` waits for new credentials while the old ones are valid. */
const MAX_WAIT = 5000
/** Milliseconds between two certificates, even if their lifetime is very short. */
const MIN_PAUSE = 500
export const RETRY = { first: 1000, longest: 60_000 }
/** Milliseconds between checks of the clock: timers ignore a clock that is set, and a machine that is suspended. */
const MAX_PAUSE = 60_000

/** Callers share one attempt. After a failure, the next attempt follows a pause. */
export class RenewingSource implements WatchableSource {
  readonly origin: string
  readonly #renewal: Renewal
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

  constructor(origin: string, renewal: Renewal, schedule: Schedule, timing: Timing) {
    this.origin = origin
    this.#renewal = renewal
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
   * @throws The error of the renewal, if no credentials are valid.
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
    if (renewed === null)
      throw this.#renewal.failed(new Error('The credentials had expired by the time they were issued'))
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
      const credentials = await this.#issue()
      this.#held = this.#hold(credentials, from)
      this.#failures = 0
      this.#failure = null
      this.#nextAttempt = this.#timing.elapsed() + MIN_PAUSE
    } catch (error) {
      this.#failure = this.#renewal.failed(error)
      this.#failures += 1
      const usable = this.#usable
      const left = usable === null ? null : usable.end - this.#timing.now().getTime()
      this.#nextAttempt = this.#timing.elapsed() + Math.max(MIN_PAUSE, this.#renewal.pause(this.#failures, left))
      throw this.#failure
    }
  }

  async #issue(): Promise<Credentials> {
    const over = new AbortController()
    const done = new AbortController()
    const limit = this.#timing.wait(this.#renewal.timeout, done.signal).then(() => null)
    const work = this.#renewal.issue(this.#held, over.signal)
    try {
      const outcome = await Promise.race([work, limit])
      if (outcome !== null) return outcome
    } finally {
      done.abort()
    }
    // A late result is in the ledger, but is not used.
    work.catch(() => undefined)
    over.abort()
    throw this.#renewal.failed(null)
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
