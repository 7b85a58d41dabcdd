/** Switches to new credentials while the client runs, and follows a credential source. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { backoffPause, MAX_DELAY } from '../report/duration.js'
import { asError, isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { type FailedReport, type PassedReport, summarize } from '../report/report.js'
import { hasAnswered } from './diagnosis/explain.js'
import type { EndpointConnection } from './endpoint-connection.js'
import type { EndpointPool } from './endpoint-pool.js'
import type { EventBody } from './base/events.js'
import { failedReport, finding } from './base/finding.js'
import type { DrainPolicy } from './base/options.js'
import { pause } from './base/timing.js'
import { type Connection, DRAIN_LIMIT } from './transport/connection.js'
import { succeed, validFrom, type ValidatedCredentials } from './base/validated-credentials.js'

/** Milliseconds between the starts of two handshakes, and the longest delay: each blocks requests for about one. */
const STAGGER = 5
const LONGEST_STAGGER = 50

export type RotationOutcome =
  | { rotated: true; report: PassedReport }
  /**
   * `retry`: when to try them again, in milliseconds since 1970; `later`: after a back-off, because servers may accept
   * them at any time; null: never.
   */
  | { rotated: false; report: FailedReport; retry: number | 'later' | null }

interface RotationOptions {
  readonly drain: DrainPolicy
  /** The origin of the credentials, for the report. */
  readonly origin: string
  /** Makes them the current credentials. */
  readonly use: (validated: ValidatedCredentials) => void
}

/** Loads, validates and verifies new credentials, and switches the endpoints to them. After the client was closed, the outcome has no meaning. */
export async function rotate(
  pool: EndpointPool,
  load: () => Promise<Credentials>,
  options: RotationOptions,
): Promise<RotationOutcome> {
  let credentials: Credentials | null = null
  let validated: ValidatedCredentials
  try {
    credentials = await load()
    validated = await succeed(pool.validated, credentials)
  } catch (error) {
    const retry = credentials === null ? null : validFrom(credentials)
    return { rotated: false, report: reportOf(error, options.origin), retry }
  }
  return switchEndpoints(pool, validated, options)
}

async function switchEndpoints(
  { endpoints, closing }: EndpointPool,
  validated: ValidatedCredentials,
  { drain, origin, use }: RotationOptions,
): Promise<RotationOutcome> {
  const wereReady = new Set(endpoints.filter((each) => each.isReady))
  let turn = Promise.resolve()
  const attempts = endpoints.map(async (endpoint, index) => {
    // One pause after the other: Node 20 prints a warning if more than ten listen to one signal.
    if (index > 0 && index * STAGGER <= LONGEST_STAGGER) turn = turn.then(() => pause(STAGGER, closing, false))
    await turn
    return { endpoint, outcome: await endpoint.dialWith(validated) }
  })
  const notVerified = (which: readonly EndpointConnection[], used: 'no' | 'unverified' | 'elsewhere', detail = '') =>
    finding('rotation/not-verified', { origin, endpoints: which.map((each) => each.endpoint.url), used, detail })
  const findings: Finding[] = []
  // One verified endpoint is enough.
  if (!(await someVerified(attempts))) {
    const failures = (await Promise.all(attempts)).flatMap(({ outcome }) => (outcome.ok ? [] : outcome.findings))
    // If no endpoint answers and none is connected, the old credentials do not work either.
    const isNoneConnected = !hasAnswered(failures) && !endpoints.some((each) => each.isReady)
    if (closing.aborted || !isNoneConnected) {
      const report = failedReport([notVerified(endpoints, 'no'), ...failures], validated.report.path)
      return { rotated: false, report, retry: 'later' }
    }
    findings.push(notVerified(endpoints, 'unverified'))
  }
  use(validated)
  const old: { connection: Connection; how: DrainPolicy }[] = []
  await Promise.all(
    attempts.map(async (attempt) => {
      const { endpoint, outcome } = await attempt
      // A server that was not verified with the new trust anchors does not keep its streams.
      const how = outcome.ok ? drain : 'now'
      for (const connection of endpoint.switchTo(outcome)) old.push({ connection, how })
      if (!outcome.ok && wereReady.has(endpoint)) {
        findings.push(notVerified([endpoint], 'elsewhere', summarize(outcome.findings)))
      }
    }),
  )
  // After every endpoint has switched, so that streams do not migrate to another old connection.
  for (const { connection, how } of old) {
    void (how === 'now' ? connection.drain(DRAIN_LIMIT) : connection.closeWhenIdle())
  }
  const { report } = validated
  return { rotated: true, report: { ...report, findings: [...report.findings, ...findings] } }
}

/** Resolves when one attempt is verified or all have failed. */
async function someVerified(attempts: readonly Promise<{ outcome: { ok: boolean } }>[]): Promise<boolean> {
  const verified = attempts.map(async (attempt) => {
    if (!(await attempt).outcome.ok) throw new Error('not verified')
  })
  return Promise.any(verified).then(
    () => true,
    () => false,
  )
}

function reportOf(error: unknown, origin: string): FailedReport {
  if (isEtcdMtlsError(error, 'ERR_VALIDATION_FAILED')) return error.details.report
  if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) return failedReport(error.details.findings)
  return failedReport([finding('rotation/source-failed', { origin, detail: asError(error).message })])
}

/** The part of the client that a follower uses. */
interface FollowerClient {
  current(): Credentials
  /** Switches to the credentials; null if the client has another source by now. Rejects when the client is closed. */
  apply(credentials: Credentials, source: CredentialSource): Promise<RotationOutcome | null>
  emit(event: EventBody): void
}

const PAUSES = { first: 1000, longest: 60_000 }

/** Follows one source. Credentials that it yields during a rotation wait; only the newest are used. */
export class Follower {
  readonly #source: CredentialSource
  readonly #client: FollowerClient
  readonly #stopped = new AbortController()
  #lastYielded: Credentials | null = null
  /** The newest credentials that wait for the current rotation. */
  #queued: Credentials | null = null
  /** Whether `source-failed` was emitted, and `source-recovered` not yet. */
  #failed = false
  #wake: () => void = () => undefined

  constructor(source: CredentialSource, client: FollowerClient) {
    this.#source = source
    this.#client = client
    void this.#watch()
    // Rejects when the client is closed.
    this.#applyAll().catch(() => undefined)
  }

  stop(): void {
    this.#stopped.abort()
    this.#wake()
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  /** Never rejects. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopped
    const { origin } = this.#source
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        for await (const credentials of this.#source.watch?.(signal, this.#lastYielded ?? this.#client.current()) ??
          []) {
          if (this.#isStopped()) return
          failures = 0
          this.#queue(credentials)
        }
        // The source has ended: its credentials do not change any more.
        return
      } catch (thrown) {
        if (this.#isStopped()) return
        const retryIn = Math.round(backoffPause(failures + 1, PAUSES))
        this.#failed = true
        this.#client.emit({ type: 'source-failed', origin, error: asError(thrown), retryIn })
        await pause(retryIn, signal, false)
      }
    }
  }

  #queue(credentials: Credentials): void {
    if (this.#failed) {
      this.#failed = false
      // Emitted even if nothing has changed, because consumers saw the failure.
      const changed = !isSame(credentials, this.#client.current())
      this.#client.emit({ type: 'source-recovered', origin: this.#source.origin, changed })
    }
    this.#lastYielded = credentials
    this.#queued = credentials
    this.#wake()
  }

  async #applyAll(): Promise<void> {
    for (let failures = 0; !this.#isStopped();) {
      const next = this.#queued
      this.#queued = null
      const inUse = this.#client.current()
      if (next === null) await this.#waitFor(MAX_DELAY)
      else if (!isSame(next, inUse)) {
        const outcome = await this.#client.apply(next, this.#source)
        if (outcome === null) return
        failures = !outcome.rotated && outcome.retry === 'later' ? failures + 1 : 0
        if (outcome.rotated || outcome.retry === null) continue
        if (outcome.retry === 'later') await this.#waitFor(backoffPause(failures, PAUSES))
        else await this.#waitUntil(outcome.retry)
        // If rotate() has switched meanwhile, these credentials are obsolete.
        if (this.#client.current() === inUse) this.#queued ??= next
      }
    }
  }

  /** Reads the time repeatedly, because timers do not follow clock changes and sleep. */
  async #waitUntil(time: number): Promise<void> {
    for (let left = time - Date.now(); left > 0 && this.#queued === null; left = time - Date.now()) {
      if (this.#isStopped()) return
      await this.#waitFor(Math.min(left, PAUSES.longest))
    }
  }

  /** Resolves earlier if credentials are queued. */
  async #waitFor(milliseconds: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => {
      woken.abort()
    }
    if (this.#queued === null && !this.#isStopped()) await pause(milliseconds, woken.signal, false)
  }
}

/** Whether two sets of credentials are equal. The key is not compared: its certificate identifies it. */
function isSame(one: Credentials, other: Credentials): boolean {
  return (
    one === other ||
    (['chain', 'trustAnchors', 'clientAnchors', 'crls'] as const).every((list) => {
      const [ones, others] = [one[list] ?? [], other[list] ?? []]
      const isEqual = ({ raw }: { raw: Uint8Array }, index: number): boolean =>
        Buffer.compare(raw, others[index]?.raw ?? new Uint8Array()) === 0
      return ones.length === others.length && ones.every(isEqual)
    })
  )
}
