/** A source whose credentials an authority issues, and issues again before they end. */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Credentials, WatchableSource } from '../credentials/credentials.js'
import { fingerprintOf } from '../credentials/fingerprint.js'
import { untilAborted } from '../credentials/source.js'
import { isError } from '../report/errors.js'
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import type { Authority } from './authority.js'
import { issueCredentials } from './issue.js'
import { type Issuer, ledgerEntry } from './issuer.js'
import { issueRefused } from './refuse.js'
import { checkAuthority } from './renew.js'
import { endOf, readFraction } from './renewal-due.js'
import { type IssueRequest, readRequest } from './request.js'
import { Revocations } from './revocation.js'

/** When {@link fromAuthority} issues again. */
export interface FromAuthorityOptions {
  /** The share of the lifetime after which it does, above 0 and below 1. Default: 2/3. */
  fraction?: number | undefined
  /**
   * The share of what then remains by which the moment is moved at most, back or forth, so that many who started together
   * do not come together: 0 to 0.5. Default: 0.1.
   */
  jitter?: number | undefined
  /** Gives numbers from 0 to 1, for tests. Default: `Math.random`. */
  random?: (() => number) | undefined
}

const DEFAULT_JITTER = 0.1

/**
 * Credentials that an authority in this process issues at the first `load()`, and again after two thirds of their lifetime,
 * counted from when they were issued: by `load()`, and by `watch()`, which yields each set of them. A client that is given
 * this source goes over to each while calls go on.
 *
 * Any number of loads and watches share one certificate. Where the authority refuses or does not answer, the old
 * credentials serve for as long as they are valid; `watch()` throws the reason once, and it is tried again after one
 * second, then after longer pauses of at most a minute. `load()` rejects only where nothing valid is there. The time of day
 * is looked at every minute: clocks that are set, and machines that slept, are noticed. No timer keeps the process alive.
 *
 * With `request.validity`, the first certificate is refused where the authority ends before that; later ones then end with
 * the authority, and once nothing is gained by a new one that is what `watch()` throws.
 *
 * @param request As for `authority.issue`. Each certificate has a new key, unless the request brings one.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a request that is wrong in itself.
 */
export function fromAuthority(
  authority: Authority,
  request: IssueRequest,
  options: FromAuthorityOptions = {},
): WatchableSource {
  return authoritySource(authority, request, options, systemTiming(checkAuthority(authority).issuer.settings.now))
}

/** {@link fromAuthority} by any clocks. */
export function authoritySource(
  authority: Authority,
  request: IssueRequest,
  options: FromAuthorityOptions,
  timing: Timing,
): WatchableSource {
  const { issuer } = checkAuthority(authority)
  const { settings, certificate } = issuer
  const wanted = readRequest(request, settings.now())
  const schedule = readSchedule(options)
  const issue = async (held: Held | null) => {
    const now = settings.now()
    if (held !== null && endsNoLater(issuer, held, now)) {
      throw issueRefused(
        `The authority's own certificate ends at ${certificate.notAfter.toISOString()}, as the credentials that it issued ` +
          'do already: nothing is gained by others; give a source of a renewed authority to `rotate`',
      )
    }
    if (held !== null) {
      const revocations = await Revocations.read(settings.ledger)
      revocations.refuseCertificate(issuer, held.credentials.chain[0])
    }
    const validity = held === null ? wanted.validity : { ...wanted.validity, asked: false }
    const credentials = await issueCredentials(issuer, { ...wanted, validity }, now)
    await settings.ledger.append([ledgerEntry(issuer, credentials.chain[0], wanted.role)])
    return credentials
  }
  const origin = `${wanted.role} "${wanted.name}" of the authority "${certificate.subject.toString()}"`
  return new RenewingSource(origin, new Renewer(issue, schedule, timing))
}

/** Whether the authority, which is valid still, cannot issue anything that lasts longer. */
function endsNoLater({ certificate: { notAfter } }: Issuer, { credentials, begin }: Held, now: Date): boolean {
  const clockWasSetBack = now.getTime() < begin
  return !clockWasSetBack && now < notAfter && notAfter <= credentials.chain[0].notAfter
}

function readSchedule(options: FromAuthorityOptions): Schedule {
  checkOptions('options', options, ['fraction', 'jitter', 'random'])
  const { jitter = DEFAULT_JITTER, random = Math.random } = options
  const given: unknown = jitter
  if (typeof given !== 'number' || !(given >= 0 && given <= 0.5)) {
    throw optionInvalid('jitter', 'must be a number from 0 to 0.5')
  }
  if (typeof random !== 'function') throw optionInvalid('random', 'must be a function')
  return { fraction: readFraction(options.fraction, 'fraction'), jitter, random: () => readRandom(random()) }
}

function readRandom(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw optionInvalid('random', 'must give numbers from 0 to 1')
}

/** What a consumer knows. */
interface Known {
  /** Fingerprint of the credentials it has; null where it has none. */
  readonly held: string | null
  /** The trouble it was told of since; null for none. */
  readonly told: string | null
}

class RenewingSource implements WatchableSource {
  readonly origin: string
  /** Private, since it holds keys. */
  readonly #renewer: Renewer
  /** What `load()` handed out last; undefined before it was called. */
  #handedOut: Known | undefined
  /** What consumers knew that were told of trouble, to go on from there. */
  readonly #interrupted = new WeakMap<AbortSignal, Known>()

  constructor(origin: string, renewer: Renewer) {
    this.origin = origin
    this.#renewer = renewer
  }

  async load(signal?: AbortSignal): Promise<Credentials> {
    signal?.throwIfAborted()
    const held = await untilAborted(this.#renewer.obtain(), signal)
    this.#handedOut = { held: held.fingerprint, told: null }
    return copyOf(held)
  }

  /** See {@link WatchableSource}. */
  watch(signal: AbortSignal, held?: Credentials): AsyncIterableIterator<Credentials, undefined, undefined> {
    const given: unknown = signal
    if (!(given instanceof AbortSignal)) throw valueInvalid('signal', given, 'an AbortSignal')
    return new Following(this.#renewer, this.#knownBy(signal, held), signal, (known) => {
      this.#interrupted.set(signal, known)
    })
  }

  toJSON(): { origin: string } {
    return { origin: this.origin }
  }

  [inspect.custom](): string {
    return `CredentialSource { ${this.origin} }`
  }

  #knownBy(signal: AbortSignal, held: Credentials | undefined): Known | undefined {
    const interrupted = this.#interrupted.get(signal)
    this.#interrupted.delete(signal)
    if (interrupted !== undefined || held === undefined) return interrupted ?? this.#handedOut
    return { held: fingerprintOf(held), told: null }
  }
}

/** Lists of its own, so that what one caller does to them is not seen by the next; certificates and keys do not change. */
function copyOf({ credentials }: Held): Credentials {
  const { chain, trustAnchors, crls } = credentials
  const [leaf, ...intermediates] = chain
  return { ...credentials, trustAnchors: [...trustAnchors], chain: [leaf, ...intermediates], crls: [...crls] }
}

/** Nothing runs before the first `next()`; the signal and `return()` end it at once, also while something is issued. */
class Following implements AsyncIterableIterator<Credentials, undefined, undefined> {
  readonly #stop = new AbortController()
  readonly #steps: AsyncGenerator<Credentials, undefined, undefined>

  constructor(renewer: Renewer, known: Known | undefined, signal: AbortSignal, interrupt: (known: Known) => void) {
    this.#steps = follow(renewer, { known, signal, stop: this.#stop, interrupt })
  }

  next(): Promise<IteratorResult<Credentials, undefined>> {
    return this.#steps.next()
  }

  async return(): Promise<IteratorResult<Credentials, undefined>> {
    this.#stop.abort()
    return this.#steps.return(undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

interface FollowOptions {
  readonly known: Known | undefined
  /** The consumer's. */
  readonly signal: AbortSignal
  /** Ends this following only. */
  readonly stop: AbortController
  /** Keeps what the consumer knows, before it is told of trouble. */
  readonly interrupt: (known: Known) => void
}

async function* follow(
  renewer: Renewer,
  { known: knownBefore, signal, stop, interrupt }: FollowOptions,
): AsyncGenerator<Credentials, undefined, undefined> {
  let known = knownBefore
  const abort = (): void => {
    stop.abort()
  }
  // Any number of sources may be followed until one signal; Node warns from the eleventh listener on.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    for (;;) {
      stop.signal.throwIfAborted()
      await untilAborted(renewer.refresh(), stop.signal)
      const { version, usable, failure } = renewer
      if (usable !== null) known ??= { held: usable.fingerprint, told: null }
      const isNew = usable !== null && usable.fingerprint !== known?.held
      const isMended = usable !== null && failure === null && known !== undefined && known.told !== null
      if (isNew || isMended) {
        known = { held: usable.fingerprint, told: failure === null ? null : (known?.told ?? null) }
        yield copyOf(usable)
        continue
      }
      if (failure !== null && known?.told !== failure.message) {
        interrupt({ held: known?.held ?? null, told: failure.message })
        throw failure
      }
      await renewer.rest(version, stop.signal)
    }
  } catch (error) {
    if (stop.signal.aborted) return undefined
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

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
function systemTiming(now: () => Date): Timing {
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
interface Schedule {
  readonly fraction: number
  /** Share of what remains after it, by which the moment is moved at most, back or forth. */
  readonly jitter: number
  /** From 0 to 1. */
  readonly random: () => number
}

/** Credentials that were issued. Times are in milliseconds since 1970. */
interface Held {
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

class Renewer {
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
