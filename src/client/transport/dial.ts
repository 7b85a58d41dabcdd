/** Dials an endpoint: races its addresses as in RFC 8305, and repeats while etcd's certificate and key do not match. */
import type { FailedAddress } from '../../report/catalogue/endpoint.js'
import { backoffPause } from '../../report/duration.js'
import { asError, reasonOf } from '../../report/errors.js'
import type { Finding } from '../../report/finding.js'
import { certificateRef } from '../../x509/certificate.js'
import { finding } from '../base/finding.js'
import { abortable, pause } from '../base/timing.js'
import {
  AddressAttempt,
  type DialFailure,
  type Dialled,
  type DialOutcome,
  type DialRequest,
  noEvidence,
  STAGES,
} from './address-attempt.js'
import { needsLookup, resolveTargets, type Target } from './resolve.js'

export interface Dialling {
  outcome: Promise<DialOutcome>
  /** Stops the dial and destroys its sockets. */
  abort(): void
}

// "Connection Attempt Delay" (RFC 8305 section 8), in milliseconds. An address that accepts TCP may still be silent, so
// the next attempt starts unless the previous one has completed the TLS handshake and the first call.
const STAGGER = 250
/**
 * Milliseconds after which an address that refused the connection is tried again, if others have not failed yet: the server
 * there may have started.
 */
const RETRY = 250

/**
 * Tries the addresses of the endpoint until one answers as etcd.
 *
 * @param signal Aborts all attempts; the reason is `true` for a time-out.
 */
async function race(request: DialRequest, signal: AbortSignal): Promise<DialOutcome> {
  const { endpoint } = request
  const stage = needsLookup(endpoint) ? 'lookup' : 'connect'
  const notAttempted = (error: Error | null): DialFailure => {
    return { ...noEvidence(stage, null), error, timedOut: signal.reason === true }
  }
  let targets: Target[]
  try {
    targets = await abortable(signal, resolveTargets(endpoint))
  } catch (error) {
    return { ok: false, failure: notAttempted(signal.aborted ? null : asError(error)) }
  }
  const addresses = new AddressQueue(targets)
  const running = new Set<AddressAttempt>()
  const stop = (): void => {
    for (const each of running) each.abort(signal.reason === true)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    while (running.size > 0 || (addresses.hasUntried && !signal.aborted)) {
      const target = signal.aborted ? null : addresses.take()
      if (target !== null) running.add(new AddressAttempt(request, target))
      const ended = await firstEnd(running, addresses.pause)
      if (ended === null) continue
      running.delete(ended.attempt)
      if (ended.outcome.ok) return won(ended.outcome.dialled, addresses, running)
      addresses.fail(ended.attempt.target, ended.outcome.failure)
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  const { failures } = addresses
  const [first = notAttempted(null), ...others] = failures
  const best = others.reduce((one, other) => (specificity(other) > specificity(one) ? other : one), first)
  return { ok: false, failure: { ...best, failedAddresses: failures.length === 1 ? [] : failures.map(describe) } }
}

/** The addresses of a race: those that were not tried yet, and those that refused and are tried again. */
class AddressQueue {
  readonly #untried: Target[]
  readonly #refused: { readonly target: Target; readonly retryAt: number }[] = []
  /** The last failure of each address. */
  readonly #failures = new Map<string, DialFailure>()

  constructor(targets: readonly Target[]) {
    this.#untried = [...targets]
  }

  get hasUntried(): boolean {
    return this.#untried.length > 0
  }

  get failures(): DialFailure[] {
    return [...this.#failures.values()]
  }

  /** Milliseconds until the next address is to be tried. */
  get pause(): number {
    const [next] = this.#refused
    return this.hasUntried || next === undefined ? STAGGER : Math.max(0, next.retryAt - performance.now())
  }

  take(): Target | null {
    const untried = this.#untried.shift()
    if (untried !== undefined) return untried
    const [next] = this.#refused
    return next === undefined || next.retryAt > performance.now() ? null : (this.#refused.shift()?.target ?? null)
  }

  fail(target: Target, failure: DialFailure): void {
    const { timedOut, answered } = failure
    // A later attempt may have had no time to fail in the same way.
    if (!timedOut || !this.#failures.has(target.address)) this.#failures.set(target.address, failure)
    if (!timedOut && !answered) this.#refused.push({ target, retryAt: performance.now() + RETRY })
  }

  failuresWithout(address: string): DialFailure[] {
    return [...this.#failures].flatMap(([each, failure]) => (each === address ? [] : [failure]))
  }
}

/** The first attempt that ends; null if none ends within that time. */
async function firstEnd(
  running: ReadonlySet<AddressAttempt>,
  milliseconds: number,
): Promise<{ attempt: AddressAttempt; outcome: DialOutcome } | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, milliseconds, null).unref()
  })
  const ends = [...running].map(async (attempt) => ({ attempt, outcome: await attempt.outcome }))
  const first = await Promise.race([...ends, late])
  clearTimeout(timer)
  return first
}

function won(dialled: Dialled, addresses: AddressQueue, running: ReadonlySet<AddressAttempt>): DialOutcome {
  const failed = addresses.failuresWithout(dialled.address).map(describe)
  for (const each of running) {
    const { address } = each.target
    each.abort(false)
    if (failed.every((other) => other.address !== address)) failed.push({ address, reason: 'slower' })
  }
  return { ok: true, dialled: { ...dialled, failedAddresses: failed } }
}

/**
 * Ranks a failure by how much it explains: a refusal more than a broken connection, a later step more than an earlier
 * one.
 */
function specificity({ alert, validation, stage, timedOut }: DialFailure): number {
  const refusal = alert !== null || validation?.report.ok === false ? 2 * STAGES.length : 0
  return refusal + 2 * STAGES.indexOf(stage) + (timedOut ? 0 : 1)
}

function describe({ target, alert, timedOut, error, validation }: DialFailure): FailedAddress {
  const address = target?.address ?? ''
  if (alert !== null) return { address, reason: `alert ${String(alert)}` }
  if (validation?.report.ok === false) return { address, reason: 'certificate refused' }
  if (timedOut) return { address, reason: 'timeout' }
  return { address, reason: error === null ? 'closed' : reasonOf(error) }
}

/**
 * TLS alert 80: etcd sends it at every handshake while its certificate and key do not match, for example during a
 * renewal.
 */
const INTERNAL_ERROR = 80
const PAUSES = { first: 100, longest: 1000 }

/**
 * Dials, and retries within the time-out while the server sends alert 80. The alert is reported if it persists. Its
 * timers do not keep the process alive; the caller does.
 */
export function dial(request: DialRequest): Dialling {
  const deadline = performance.now() + request.timeout
  const over = new AbortController()
  const timer = setTimeout(() => {
    over.abort(true)
  }, request.timeout).unref()
  const run = async (): Promise<DialOutcome> => {
    let last: DialOutcome | null = null
    for (let failures = 1; ; failures += 1) {
      const outcome = await race(request, over.signal)
      // Returns the earlier failure: the last attempt may have had no time to receive the alert.
      if (last !== null && !outcome.ok && outcome.failure.timedOut) return last
      const length = backoffPause(failures, PAUSES)
      const left = deadline - performance.now() - length
      if (outcome.ok || outcome.failure.alert !== INTERNAL_ERROR || left <= 0) return outcome
      last = outcome
      await pause(length, over.signal, false)
      if (over.signal.aborted) return outcome
    }
  }
  return {
    outcome: run().finally(() => {
      clearTimeout(timer)
    }),
    abort: () => {
      over.abort(false)
    },
  }
}

/** The server did not request the certificate of the client. */
export function notAskedFinding(endpoint: string, { validation, answer: { server } }: Dialled): Finding {
  const [leaf] = validation.chain
  const details = { endpoint, subject: String(leaf?.subject ?? ''), issuer: String(leaf?.issuer ?? ''), server }
  const ref = leaf === undefined ? null : certificateRef(leaf, 'leaf', 0)
  return finding('handshake/client-certificate-not-asked', details, ref)
}
