/** Switching to new credentials while the client runs, and following a source of credentials. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { backoffPause, MAX_DELAY } from '../report/duration.js'
import { asError, isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { type FailedReport, type PassedReport, summarize } from '../report/report.js'
import { hasAnswered } from './diagnosis/explain.js'
import type { EndpointConnection } from './endpoint-connection.js'
import type { EndpointPool } from './endpoint-pool.js'
import type { EventBody } from './events.js'
import { failedReport, finding } from './finding.js'
import type { DrainPolicy } from './options.js'
import { pause } from './timing.js'
import { type Connection, DRAIN_LIMIT } from './transport/connection.js'
import { validFrom, prepareInTurns, type ValidatedCredentials } from './validated-credentials.js'

/** Between the starts of two handshakes, and at most, in milliseconds: each takes about one, and requests would wait for all of them. */
const STAGGER = 5
const LONGEST_STAGGER = 50

export type RotationOutcome =
  | { rotated: true; report: PassedReport }
  /** `retry`: when they may be accepted, in milliseconds since 1970; `later`: servers may accept them at any time; null: never. */
  | { rotated: false; report: FailedReport; retry: number | 'later' | null }

interface RotationOptions {
  readonly drain: DrainPolicy
  /** What the credentials come from, for the report. */
  readonly origin: string
  /** Called when they come into use. */
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
    validated = await prepareInTurns(credentials, pool.options.tls)
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
  const attempts = endpoints.map(async (endpoint, index) => {
    if (index > 0) await pause(Math.min(index * STAGGER, LONGEST_STAGGER), closing, false)
    return { endpoint, outcome: await endpoint.dialWith(validated) }
  })
  const notVerified = (which: readonly EndpointConnection[], used: 'no' | 'unverified' | 'elsewhere', detail = '') =>
    finding('rotation/not-verified', { origin, endpoints: which.map((each) => each.endpoint.url), used, detail })
  const findings: Finding[] = []
  // One that is verified is enough.
  if (!(await someVerified(attempts))) {
    const failures = (await Promise.all(attempts)).flatMap(({ outcome }) => (outcome.ok ? [] : outcome.findings))
    // If nothing answers and nothing is connected either, the old credentials are no better.
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
      // A server that was not verified with the new trust does not get the time that streams would take.
      const how = outcome.ok ? drain : 'now'
      for (const connection of endpoint.switchTo(outcome)) old.push({ connection, how })
      if (!outcome.ok && wereReady.has(endpoint)) {
        findings.push(notVerified([endpoint], 'elsewhere', summarize(outcome.findings)))
      }
    }),
  )
  // Not before every endpoint has switched, or streams would migrate to a connection that is the next to be drained.
  for (const { connection, how } of old) {
    void (how === 'now' ? connection.drain(DRAIN_LIMIT) : connection.closeWhenIdle())
  }
  const { report } = validated
  return { rotated: true, report: { ...report, findings: [...report.findings, ...findings] } }
}

/** Resolves with the first that is verified, or when all have failed. */
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

/** What a follower needs of the client. */
interface FollowerClient {
  current(): Credentials
  /** Switches to these; null if the source is no longer the client's. Rejects when the client is closed. */
  apply(credentials: Credentials, source: CredentialSource): Promise<RotationOutcome | null>
  emit(event: EventBody): void
}

const PAUSES = { first: 1000, longest: 60_000 }

/** Follows one source. What it yields during a rotation waits, and only the newest set counts. */
export class Follower {
  readonly #source: CredentialSource
  readonly #client: FollowerClient
  readonly #stopped = new AbortController()
  #lastYielded: Credentials | null = null
  /** What was yielded and waits for its turn. */
  #queued: Credentials | null = null
  /** Whether its failure was the last event about the source. */
  #failed = false
  #wake: () => void = () => undefined

  constructor(source: CredentialSource, client: FollowerClient) {
    this.#source = source
    this.#client = client
    void this.#watch()
    // It ends by an error when the client is closed.
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
        // The source has ended: it never changes again.
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
      // Also if nothing has changed: the consumers that saw the failure wait for it.
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
        // Unless rotate() was called meanwhile.
        if (this.#client.current() === inUse) this.#queued ??= next
      }
    }
  }

  /** Clocks are set and machines sleep, which no timer follows: so the time is read again and again. */
  async #waitUntil(time: number): Promise<void> {
    for (let left = time - Date.now(); left > 0 && this.#queued === null; left = time - Date.now()) {
      if (this.#isStopped()) return
      await this.#waitFor(Math.min(left, PAUSES.longest))
    }
  }

  /** Ends sooner if something is offered. */
  async #waitFor(milliseconds: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => {
      woken.abort()
    }
    if (this.#queued === null && !this.#isStopped()) await pause(milliseconds, woken.signal, false)
  }
}

/** Whether switching from one to the other would change nothing. A key is identified by its certificate. */
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
