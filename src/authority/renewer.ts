/** Holds credentials that are issued again and again: when, by how many at once, and what where that fails. */
import { isError } from '../report/errors.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Credentials } from '../credentials/credentials.js'
import { fingerprintOf } from '../credentials/fingerprint.js'
import { issueRefused } from './refuse.js'
import { endOf } from './renewal-due.js'

/** The clocks in use; tests bring their own. */
export interface Timing {
  /** The time of day, which people and time servers set. */
  readonly now: () => Date
  /** Milliseconds of a clock that never goes back. */
  readonly elapsed: () => number
  /** Resolves after so many milliseconds, or at once when the signal is aborted. Keeps no process alive. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** The clocks of the machine, with the time of day as the authority has it. */
export function systemTiming(now: () => Date): Timing {
  return {
    now,
    elapsed: () => performance.now(),
    wait: async (milliseconds, signal) => {
      try {
        await sleep(milliseconds, undefined, { signal, ref: false })
      } catch (error) {
        // Aborted: that is no fault.
        if (!signal.aborted) throw error
      }
    },
  }
}

/** When to renew. */
export interface Schedule {
  readonly fraction: number
  /** Share of what remains after it, by which the moment is moved at most, back or forth. */
  readonly jitter: number
  /** From 0 to 1. */
  readonly random: () => number
}

/** Credentials that were issued. Times are in milliseconds since 1970. */
export interface Held {
  readonly credentials: Credentials
  readonly fingerprint: string
  /** The first moment of their lifetime. */
  readonly begin: number
  /** When to issue the next ones. */
  readonly due: number
  /** The first moment at which they are over. */
  readonly end: number
}

/** How long an authority may take, in milliseconds: for an RSA key, and a signer across a network. */
const LONGEST_ISSUE = 60_000
/** How long to wait for new credentials while the old ones serve, in milliseconds. */
const LONGEST_WAIT = 5000
/** Between two certificates, in milliseconds, however short they last and whatever the clock does. */
const SHORTEST_PAUSE = 500
/** After the first failure, and at most, in milliseconds. */
const FIRST_RETRY = 1000
const LONGEST_RETRY = 60_000
/**
 * Longest rest in milliseconds. Clocks are set and machines sleep, which no timer follows, and none takes more than 2^31;
 * so the time of day is looked at again at least this often.
 */
const LONGEST_REST = 60_000

export class Renewer {
  readonly #issue: (held: Held | null) => Promise<Credentials>
  readonly #schedule: Schedule
  readonly #timing: Timing
  #held: Held | null = null
  #issuing: Promise<void> | null = null
  #failure: Error | null = null
  #failures = 0
  /** Not before this, by the clock that never goes back. */
  #nextTry = -Infinity
  #version = 0
  readonly #wakers = new Set<() => void>()

  constructor(issue: (held: Held | null) => Promise<Credentials>, schedule: Schedule, timing: Timing) {
    this.#issue = issue
    this.#schedule = schedule
    this.#timing = timing
  }

  /** Changes with everything that happens here. */
  get version(): number {
    return this.#version
  }

  /** Why the last try failed; null where it did not, or is no longer needed. */
  get failure(): Error | null {
    return this.#held !== null && !this.#isDue(this.#held) ? null : this.#failure
  }

  /** What can be used now; null for nothing. */
  get usable(): Held | null {
    return this.#held !== null && this.#timing.now().getTime() < this.#held.end ? this.#held : null
  }

  /**
   * What can be used, for somebody who asks: renewed if that is due. Never waits long for that while the old serves.
   *
   * @throws What the authority threw, where there is nothing that can be used.
   */
  async obtain(): Promise<Held> {
    const held = this.usable
    if (held !== null && !this.#isDue(held)) return held
    if (held === null) await this.#renew()
    else {
      const done = new AbortController()
      await Promise.race([this.refresh(), this.#timing.wait(LONGEST_WAIT, done.signal)])
      done.abort()
    }
    const renewed = this.usable ?? held
    if (renewed === null) throw issueRefused('The credentials were over by the time they were issued')
    return renewed
  }

  /** Renews if that is due, and a failure not too short a time ago. Never rejects: see `failure`. */
  async refresh(): Promise<void> {
    if (this.#held !== null && !this.#isDue(this.#held)) return
    if (this.#issuing === null && this.#timing.elapsed() < this.#nextTry) return
    await this.#renew().catch(() => undefined)
  }

  /** Rests until there may be something to do, until something has happened since that version, or until aborted. */
  async rest(since: number, signal: AbortSignal): Promise<void> {
    if (this.#version !== since || signal.aborted) return
    const woken = new AbortController()
    const wake = (): void => {
      woken.abort()
    }
    signal.addEventListener('abort', wake)
    this.#wakers.add(wake)
    try {
      await this.#timing.wait(Math.min(LONGEST_REST, this.#untilNextLook()), woken.signal)
    } finally {
      signal.removeEventListener('abort', wake)
      this.#wakers.delete(wake)
    }
  }

  /** Over, to be renewed, or of a time that the clock says is still to come: it was set back. */
  #isDue({ begin, due }: Held): boolean {
    const now = this.#timing.now().getTime()
    return now >= due || now < begin
  }

  #untilNextLook(): number {
    const untilTry = Math.max(0, this.#nextTry - this.#timing.elapsed())
    if (this.#held === null || this.#isDue(this.#held)) return untilTry
    return Math.max(untilTry, this.#held.due - this.#timing.now().getTime())
  }

  /** Any number of callers share one certificate. */
  #renew(): Promise<void> {
    this.#issuing ??= this.#issueOnce().finally(() => {
      this.#issuing = null
      this.#version += 1
      for (const wake of [...this.#wakers]) wake()
    })
    return this.#issuing
  }

  async #issueOnce(): Promise<void> {
    try {
      const from = this.#timing.now().getTime()
      const credentials = await this.#withinLimit(this.#issue(this.#held))
      this.#held = this.#hold(credentials, from)
      this.#failures = 0
      this.#failure = null
      this.#nextTry = this.#timing.elapsed() + SHORTEST_PAUSE
    } catch (error) {
      this.#failure = isError(error) ? error : issueRefused('The authority failed', { cause: error })
      this.#nextTry = this.#timing.elapsed() + pauseAfter(this.#failures)
      this.#failures += 1
      throw this.#failure
    }
  }

  async #withinLimit(work: Promise<Credentials>): Promise<Credentials> {
    const done = new AbortController()
    const limit = this.#timing.wait(LONGEST_ISSUE, done.signal).then(() => null)
    try {
      const outcome = await Promise.race([work, limit])
      if (outcome !== null) return outcome
    } finally {
      done.abort()
    }
    // What it may give later is noted in the ledger, and used by nobody.
    work.catch(() => undefined)
    throw issueRefused(`The authority gave no answer within ${String(LONGEST_ISSUE / 1000)} s`)
  }

  #hold(credentials: Credentials, from: number): Held {
    const { fraction, jitter, random } = this.#schedule
    const [leaf] = credentials.chain
    const end = endOf(leaf)
    const lifetime = end - from
    const remaining = lifetime * (1 - fraction)
    const due = from + lifetime * fraction + (2 * random() - 1) * jitter * remaining
    return { credentials, fingerprint: fingerprintOf(credentials), begin: leaf.notBefore.getTime(), due, end }
  }
}

/** Spread by half, so that many that fail together do not come again together. */
function pauseAfter(failures: number): number {
  const longest = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** failures)
  return longest / 2 + (Math.random() * longest) / 2
}
