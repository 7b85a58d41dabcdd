/**
 * Dials an endpoint: all its addresses are raced as in RFC 8305, and the first that finishes the whole dial wins.
 *
 * An address that accepts TCP connections may still be silent. So the next address starts after the delay even if the previous
 * one is connected, as long as its TLS handshake and first call are not finished.
 */
import { isError } from '../../report/errors.js'
import type { FailedAddress } from '../../report/catalogue/endpoint.js'
import {
  AddressAttempt,
  type AddressDialled,
  type AddressFailure,
  type AddressOutcome,
  type AddressRequest,
  tellingness,
} from './dial-address.js'
import { needsLookup, resolveTargets, type Target } from './addresses.js'

/** The evidence of a dial that failed: that of the address that explains most. */
export interface DialFailure extends AddressFailure {
  /** Every address, if there are several. */
  failedAddresses: readonly FailedAddress[]
}

export interface Dialled extends AddressDialled {
  /** The addresses that were tried before this one answered. */
  failedAddresses: readonly FailedAddress[]
}

export type DialOutcome = { ok: true; dialled: Dialled } | { ok: false; failure: DialFailure }

export interface DialRequest extends AddressRequest {
  /** For the whole attempt, in milliseconds. */
  timeout: number
  /** Whether the attempt keeps the process alive. */
  keepsProcess: boolean
}

/** A dial in progress. */
export interface Dialling {
  outcome: Promise<DialOutcome>
  /** Gives up at once: no socket stays, and the outcome is a failure. */
  abort(): void
  /** The attempt continues without keeping the process alive. */
  release(): void
}

export function dial(request: DialRequest): Dialling {
  const race = new Race(request)
  return {
    outcome: race.outcome,
    abort: () => {
      race.giveUp(false)
    },
    release: () => {
      race.release()
    },
  }
}

/** "Connection Attempt Delay" (RFC 8305 section 8), in milliseconds. */
const STAGGER = 250

class Race {
  readonly outcome: Promise<DialOutcome>
  readonly #request: DialRequest
  readonly #running = new Set<AddressAttempt>()
  readonly #failures: AddressFailure[] = []
  /** Addresses that have not been tried; null until they are known. */
  #targets: Target[] | null = null
  #resolve: (outcome: DialOutcome) => void = () => undefined
  #settled = false
  #released = false
  readonly #timer: NodeJS.Timeout
  #staggerTimer: NodeJS.Timeout | undefined

  constructor(request: DialRequest) {
    this.#request = request
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#timer = setTimeout(() => {
      this.giveUp(true)
    }, request.timeout)
    resolveTargets(request.endpoint).then(
      (targets) => {
        this.#targets = targets
        this.#startNext()
      },
      (error: unknown) => {
        this.#failLookup(isError(error) ? error : new Error(String(error)), false)
      },
    )
    if (!request.keepsProcess) this.release()
  }

  release(): void {
    this.#released = true
    this.#timer.unref()
    this.#staggerTimer?.unref()
    for (const attempt of this.#running) attempt.release()
  }

  giveUp(timedOut: boolean): void {
    if (this.#settled) return
    this.#targets?.splice(0)
    // The last attempt that fails settles the race.
    if (this.#running.size === 0) this.#failLookup(null, timedOut)
    else for (const attempt of [...this.#running]) attempt.fail(timedOut)
  }

  #startNext(): void {
    clearTimeout(this.#staggerTimer)
    const target = this.#settled ? undefined : this.#targets?.shift()
    if (target === undefined) return
    const attempt = new AddressAttempt(this.#request, target, (outcome) => {
      this.#running.delete(attempt)
      this.#onAttemptSettled(outcome)
    })
    this.#running.add(attempt)
    if (this.#targets?.length !== 0) {
      this.#staggerTimer = setTimeout(() => {
        this.#startNext()
      }, STAGGER)
    }
    if (this.#released) this.release()
  }

  #onAttemptSettled(outcome: AddressOutcome): void {
    if (outcome.ok) {
      const slower = [...this.#running].map(({ target: { address } }) => ({ address, reason: 'slower' }))
      const failedAddresses = [...this.#failures.map(describe), ...slower]
      this.#settle({ ok: true, dialled: { ...outcome.dialled, failedAddresses } })
      for (const attempt of [...this.#running]) attempt.fail(false)
      return
    }
    this.#failures.push(outcome.failure)
    if (this.#settled) return
    if (this.#targets?.length !== 0) this.#startNext()
    else if (this.#running.size === 0) this.#fail()
  }

  #failLookup(error: Error | null, timedOut: boolean): void {
    this.#failures.push({
      target: null,
      stage: needsLookup(this.#request.endpoint) ? 'lookup' : 'connect',
      error,
      alert: null,
      timedOut,
      protocol: null,
      alpn: null,
      verdict: null,
      certificateSent: null,
      answer: null,
      answered: false,
    })
    this.#fail()
  }

  #fail(): void {
    const [first, ...others] = this.#failures
    if (first === undefined) throw new Error('A dial failed without a failure')
    const best = others.reduce((one, other) => (tellingness(other) > tellingness(one) ? other : one), first)
    const failedAddresses = others.length === 0 ? [] : this.#failures.map(describe)
    this.#settle({ ok: false, failure: { ...best, failedAddresses } })
  }

  #settle(outcome: DialOutcome): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    clearTimeout(this.#staggerTimer)
    this.#resolve(outcome)
  }
}

function describe({ target, alert, timedOut, error, verdict }: AddressFailure): FailedAddress {
  const address = target?.address ?? ''
  if (alert !== null) return { address, reason: `alert ${String(alert)}` }
  if (verdict?.report.ok === false) return { address, reason: 'certificate refused' }
  if (timedOut) return { address, reason: 'timeout' }
  const code: unknown = error !== null && 'code' in error ? error.code : undefined
  return { address, reason: typeof code === 'string' ? code : (error?.message ?? 'closed') }
}
