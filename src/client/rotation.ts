/** Switching to new credentials while the client runs, and following a source of credentials. */
import { backoffPause } from '../report/duration.js'
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { asError, isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { type FailedReport, type PassedReport, summarize } from '../report/report.js'
import { hasAnswered } from './diagnosis/explain.js'
import type { DialAttempt, EndpointConnection } from './endpoint-connection.js'
import { failedReport, finding } from './finding.js'
import type { DrainPolicy, ResolvedTls } from './options.js'
import { abortable, pause } from './timing.js'
import { clientClosed, type TlsEvent } from './tls-session.js'
import { type Connection, DRAIN_LIMIT } from './transport/connection.js'
import { healsAt, prepareInTurns, type ValidatedCredentials } from './validated-credentials.js'

/** Between the starts of two handshakes, and at most, in milliseconds: each takes about one, and requests would wait for all of them. */
const STAGGER = 5
const LONGEST_STAGGER = 50

interface RotationParts {
  readonly endpoints: () => readonly EndpointConnection[]
  readonly tls: ResolvedTls
  readonly life: AbortSignal
  readonly use: (validated: ValidatedCredentials) => void
  follow(source: CredentialSource): void
}

export type RotationOutcome =
  | { rotated: true; report: PassedReport }
  /** `retry`: when they may be accepted, in milliseconds since 1970; `later`: servers may accept them at any time; null: never. */
  | { rotated: false; report: FailedReport; retry: number | 'later' | null }

interface SwitchOptions {
  readonly drain: DrainPolicy
  readonly keepsProcess: boolean
}

export class Rotation {
  readonly #parts: RotationParts
  #source: CredentialSource
  #last: Promise<unknown> = Promise.resolve()

  constructor(source: CredentialSource, parts: RotationParts) {
    this.#source = source
    this.#parts = parts
  }

  /**
   * Switches to what a source has now, after the rotations that were asked for before.
   *
   * @param next Becomes the source, if its credentials come into use. Null: the source as it is when the turn comes.
   * @throws {EtcdMtlsError} `ERR_CLOSED` when the client is closed, also meanwhile.
   */
  load(next: CredentialSource | null, drain: DrainPolicy): Promise<RotationOutcome> {
    return this.inTurn(async () => {
      const source = next ?? this.#source
      const { life } = this.#parts
      const load = (): Promise<Credentials> => abortable(life, source.load(life))
      const outcome = await this.#rotate(load, source.origin, { drain, keepsProcess: true })
      if (outcome.rotated && source !== this.#source) {
        this.#source = source
        this.#parts.follow(source)
      }
      return outcome
    })
  }

  /** Switches to credentials that a source yielded. Null: another source has taken its place. */
  take(credentials: Credentials, source: CredentialSource, drain: DrainPolicy): Promise<RotationOutcome | null> {
    return this.inTurn(async () => {
      if (source !== this.#source) return null
      return this.#rotate(() => Promise.resolve(credentials), source.origin, { drain, keepsProcess: false })
    })
  }

  /**
   * Runs work after the rotations that were asked for before, and before those that are asked for later.
   *
   * @throws {EtcdMtlsError} `ERR_CLOSED` when the client is closed.
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      this.#assertOpen()
      return work()
    })
    // The caller of this turn receives its error; the next turn only waits for the end.
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #rotate(load: () => Promise<Credentials>, origin: string, options: SwitchOptions): Promise<RotationOutcome> {
    let credentials: Credentials | null = null
    let validated: ValidatedCredentials
    try {
      credentials = await load()
      validated = await prepareInTurns(credentials, this.#parts.tls)
    } catch (error) {
      this.#assertOpen()
      const retry = credentials === null ? null : healsAt(credentials)
      return { rotated: false, report: reportOf(error, origin), retry }
    }
    return this.#switch(validated, options)
  }

  async #switch(validated: ValidatedCredentials, { drain, keepsProcess }: SwitchOptions): Promise<RotationOutcome> {
    const { life, endpoints } = this.#parts
    const wereReady = new Set(endpoints().filter((each) => each.state === 'ready'))
    const attempts = endpoints().map(async (endpoint, index) => {
      if (index > 0) await pause(Math.min(index * STAGGER, LONGEST_STAGGER), life, keepsProcess)
      return { endpoint, outcome: await endpoint.dialWith(validated, keepsProcess) }
    })
    const decision = this.#decide(validated, attempts)
    const findings: Finding[] = []
    const old: { connection: Connection; drain: DrainPolicy }[] = []
    await Promise.all(
      attempts.map(async (attempt) => {
        const { endpoint, outcome } = await attempt
        if ((await decision) === 'no') {
          if (!outcome.ok) findings.push(...outcome.findings)
          return
        }
        const connections = endpoint.switchTo(outcome)
        // A server that was not verified with the new trust does not get the time that streams would take.
        old.push(...connections.map((connection) => ({ connection, drain: outcome.ok ? drain : 'now' })))
        if (outcome.ok || !wereReady.has(endpoint)) return
        findings.push(notVerified(validated, [endpoint], 'elsewhere', summarize(outcome.findings)))
      }),
    )
    // Not before every endpoint has switched, or streams would migrate to a connection that is the next to be drained.
    for (const { connection, drain: how } of old) {
      void (how === 'now' ? connection.drain(DRAIN_LIMIT) : connection.closeWhenIdle())
    }
    this.#assertOpen()
    const used = await decision
    const { report } = validated
    if (used !== 'yes') findings.unshift(notVerified(validated, endpoints(), used))
    return used === 'no'
      ? { rotated: false, report: failedReport(findings, report.path), retry: 'later' }
      : { rotated: true, report: { ...report, findings: [...report.findings, ...findings] } }
  }

  /** Whether the credentials are used: one endpoint that is verified is enough. Resolves with the first, or when all have failed. */
  async #decide(
    validated: ValidatedCredentials,
    attempts: readonly Promise<{ outcome: DialAttempt }>[],
  ): Promise<'yes' | 'unverified' | 'no'> {
    const { life, endpoints, use } = this.#parts
    const verified = attempts.map(async (attempt) => {
      if (!(await attempt).outcome.ok) throw new Error('not verified')
    })
    try {
      await Promise.any(verified)
    } catch {
      const findings = (await Promise.all(attempts)).flatMap(({ outcome }) => (outcome.ok ? [] : outcome.findings))
      // If nothing answers and nothing is connected either, the old credentials are no better.
      const nothingToLose = !hasAnswered(findings) && !endpoints().some((each) => each.state === 'ready')
      if (life.aborted || !nothingToLose) return 'no'
      use(validated)
      return 'unverified'
    }
    use(validated)
    return 'yes'
  }

  #assertOpen(): void {
    if (this.#parts.life.aborted) throw clientClosed()
  }
}

function notVerified(
  { credentials: { origin } }: ValidatedCredentials,
  endpoints: readonly EndpointConnection[],
  used: 'no' | 'unverified' | 'elsewhere',
  detail = '',
): Finding {
  return finding('rotation/not-verified', {
    origin,
    endpoints: endpoints.map((each) => each.endpoint.url),
    used,
    detail,
  })
}

function reportOf(error: unknown, origin: string): FailedReport {
  if (isEtcdMtlsError(error, 'ERR_VALIDATION_FAILED')) return error.details.report
  if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) return failedReport(error.details.findings)
  return failedReport([finding('rotation/source-failed', { origin, detail: asError(error).message })])
}

interface FollowerParts {
  current(): Credentials
  /** Switches to these; null if the source is no longer the client's. Rejects when the client is closed. */
  take(credentials: Credentials, source: CredentialSource): Promise<RotationOutcome | null>
  emit(event: TlsEvent): void
}

const PAUSES = { first: 1000, longest: 60_000 }

/** Follows one source. What it yields during a rotation waits, and only the newest set counts. */
export class Follower {
  readonly #source: CredentialSource
  readonly #parts: FollowerParts
  readonly #stopped = new AbortController()
  #yielded: Credentials | null = null
  /** What was yielded and waits for its turn. */
  #offered: Credentials | null = null
  #taking = false
  /** Whether its failure was the last event about the source. */
  #failed = false
  #wake: () => void = () => undefined

  constructor(source: CredentialSource, parts: FollowerParts) {
    this.#source = source
    this.#parts = parts
    void this.#watch()
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
        for await (const credentials of this.#source.watch?.(signal, this.#yielded ?? this.#parts.current()) ?? []) {
          if (this.#isStopped()) return
          failures = 0
          this.#offer(credentials)
        }
        // The source has ended: it never changes again.
        return
      } catch (thrown) {
        if (this.#isStopped()) return
        const retryIn = Math.round(backoffPause(failures + 1, PAUSES))
        this.#failed = true
        this.#parts.emit({ type: 'source-failed', at: new Date(), origin, error: asError(thrown), retryIn })
        await pause(retryIn, signal, false)
      }
    }
  }

  #offer(credentials: Credentials): void {
    if (this.#failed) {
      this.#failed = false
      // Also if nothing has changed: the consumers that saw the failure wait for it.
      const changed = !isSame(credentials, this.#parts.current())
      this.#parts.emit({ type: 'source-recovered', at: new Date(), origin: this.#source.origin, changed })
    }
    this.#yielded = credentials
    this.#offered = credentials
    this.#wake()
    if (!this.#taking) void this.#takeAll()
  }

  /** Never rejects. */
  async #takeAll(): Promise<void> {
    this.#taking = true
    try {
      let failures = 0
      for (let next = this.#nextOffer(); next !== null; next = this.#nextOffer()) {
        const inUse = this.#parts.current()
        if (isSame(next, inUse)) continue
        const outcome = await this.#parts.take(next, this.#source)
        if (outcome === null) return
        if (outcome.rotated || outcome.retry === null) {
          failures = 0
          continue
        }
        if (outcome.retry === 'later') {
          failures += 1
          await this.#pause(Math.round(backoffPause(failures, PAUSES)))
        } else await this.#pauseUntil(outcome.retry)
        // Unless rotate() was called meanwhile.
        if (this.#parts.current() === inUse) this.#offered ??= next
      }
    } catch {
      // The client was closed.
    } finally {
      this.#taking = false
    }
  }

  #nextOffer(): Credentials | null {
    const offered = this.#isStopped() ? null : this.#offered
    this.#offered = null
    return offered
  }

  /** Clocks are set and machines sleep, which no timer follows: so the time is read again and again. */
  async #pauseUntil(time: number): Promise<void> {
    for (let left = time - Date.now(); left > 0; left = time - Date.now()) {
      if (this.#offered !== null || this.#isStopped()) return
      await this.#pause(Math.min(left, PAUSES.longest))
    }
  }

  /** Ends sooner if something is offered. */
  async #pause(milliseconds: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => {
      woken.abort()
    }
    if (this.#offered === null && !this.#isStopped()) await pause(milliseconds, woken.signal, false)
  }
}

/** Whether switching from one to the other would change nothing. A key is identified by its certificate. */
function isSame(one: Credentials, other: Credentials): boolean {
  return (
    one === other ||
    (['chain', 'trustAnchors', 'clientAnchors', 'crls'] as const).every((list) => {
      const [ones, others] = [one[list] ?? [], other[list] ?? []]
      return (
        ones.length === others.length &&
        ones.every(({ raw }, index) => Buffer.compare(raw, others[index]?.raw ?? NONE) === 0)
      )
    })
  )
}

const NONE = new Uint8Array()
