/**
 * Dials an endpoint: all its addresses are raced as in RFC 8305, and the first that finishes the whole dial wins.
 *
 * An address that accepts TCP connections may still be silent. So the next address starts after the delay even if the previous
 * one is connected, as long as its TLS handshake and first call are not finished.
 */
import dns from 'node:dns'
import { isIP } from 'node:net'
import type { FailedAddress } from '../../report/catalogue/endpoint.js'
import { asError, codeOf } from '../../report/errors.js'
import type { Endpoint } from '../endpoints.js'
import { backoffPause } from '../timing.js'
import {
  AddressAttempt,
  type AddressDialled,
  type AddressFailure,
  type AddressOutcome,
  type AddressRequest,
  specificity,
  type Target,
} from './dial-address.js'

/** The evidence of a dial that failed: that of the address that explains most. */
export interface DialFailure extends AddressFailure {
  /** Every address, if there are several. */
  failedAddresses: readonly FailedAddress[]
}

export interface Dialled extends AddressDialled {
  /** The addresses that were tried before this one answered. */
  failedAddresses: readonly FailedAddress[]
}

type DialOutcome = { ok: true; dialled: Dialled } | { ok: false; failure: DialFailure }

interface DialRequest extends AddressRequest {
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
  return new Race(request)
}

/** "Connection Attempt Delay" (RFC 8305 section 8), in milliseconds. */
const STAGGER = 250

class Race implements Dialling {
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
      this.#giveUp(true)
    }, request.timeout)
    resolveTargets(request.endpoint).then(
      (targets) => {
        this.#targets = targets
        this.#startNext()
      },
      (error: unknown) => {
        this.#failLookup(asError(error), false)
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

  abort(): void {
    this.#giveUp(false)
  }

  #giveUp(timedOut: boolean): void {
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
      validation: null,
      certificateSent: null,
      answer: null,
      answered: false,
    })
    this.#fail()
  }

  #fail(): void {
    const [first, ...others] = this.#failures
    if (first === undefined) throw new Error('A dial failed without a failure')
    const best = others.reduce((one, other) => (specificity(other) > specificity(one) ? other : one), first)
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

function describe({ target, alert, timedOut, error, validation }: AddressFailure): FailedAddress {
  const address = target?.address ?? ''
  if (alert !== null) return { address, reason: `alert ${String(alert)}` }
  if (validation?.report.ok === false) return { address, reason: 'certificate refused' }
  if (timedOut) return { address, reason: 'timeout' }
  return { address, reason: codeOf(error) ?? error?.message ?? 'closed' }
}

/** Whether the addresses of an endpoint have to be looked up. */
function needsLookup({ address, socketPath }: Endpoint): boolean {
  return socketPath === null && isIP(address) === 0
}

/**
 * Resolves the name of an endpoint.
 *
 * Node's own choice of an address (`autoSelectFamily`) replaces the handle of the socket under a TLS socket, which ends the
 * process by SIGSEGV. So each target is exactly one address.
 *
 * @throws the error of `dns.lookup`.
 */
async function resolveTargets(endpoint: Endpoint): Promise<Target[]> {
  const { address, port, socketPath } = endpoint
  if (socketPath !== null) return [{ address: socketPath, options: { path: socketPath } }]
  const addresses = needsLookup(endpoint) ? alternateFamilies(await lookup(address)) : [address]
  return addresses.map((each) => ({
    address: each,
    options: { host: each, port, noDelay: true, autoSelectFamily: false },
  }))
}

function lookup(name: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    // Read from the module at each call, as Node's sockets do: an application may have replaced it.
    dns.lookup(name, { all: true, order: 'verbatim' }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address))
      else reject(error)
    })
  })
}

/** One address of each family in turn, without duplicates. The resolver's order decides which family is first. */
export function alternateFamilies(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses)]
  const firstFamily = isIP(unique[0] ?? '')
  const first = unique.filter((each) => isIP(each) === firstFamily)
  const second = unique.filter((each) => isIP(each) !== firstFamily)
  return Array.from({ length: Math.max(first.length, second.length) }, (_, i) => [first[i], second[i]])
    .flat()
    .filter((each) => each !== undefined)
}

/** TLS alert 80: etcd sends it at every handshake while its certificate and key do not match, as in the middle of a renewal. */
const INTERNAL_ERROR = 80
const PAUSES = { first: 100, longest: 1000 }

/** {@link dial}, repeated within the time while the server sends alert 80. The alert is reported if it persists. */
export function dialAgain(request: DialRequest): Dialling {
  const deadline = performance.now() + request.timeout
  let { keepsProcess } = request
  let current = dial(request)
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | null = null
  let aborted = false

  const pause = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      stop = resolve
      timer = setTimeout(resolve, milliseconds)
      if (!keepsProcess) timer.unref()
    })

  const run = async (): Promise<DialOutcome> => {
    let last: DialOutcome | null = null
    for (let failures = 1; ; failures += 1) {
      const outcome = await current.outcome
      // The last attempt may have no time left to receive the alert.
      if (last !== null && !outcome.ok && outcome.failure.timedOut) return last
      const length = backoffPause(failures, PAUSES)
      const left = deadline - performance.now() - length
      if (outcome.ok || outcome.failure.alert !== INTERNAL_ERROR || aborted || left <= 0) return outcome
      last = outcome
      await pause(length)
      if (isAborted()) return outcome
      current = dial({ ...request, keepsProcess, timeout: Math.max(1, deadline - performance.now()) })
    }
  }
  const isAborted = (): boolean => aborted

  return {
    outcome: run(),
    abort: () => {
      aborted = true
      current.abort()
      clearTimeout(timer)
      stop?.()
    },
    release: () => {
      keepsProcess = false
      timer?.unref()
      current.release()
    },
  }
}
