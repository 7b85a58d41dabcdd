/**
 * Switching to new credentials while the client runs: they are validated like the first, verified against an endpoint, and used by
 * every call that starts from then on; the connections made with the old ones end within a bounded time. A {@link Follower} does so
 * with each new set of a source.
 */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { asError, isEtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { type FailedReport, type PassedReport, summarize } from '../report/report.js'
import { hasAnswered } from './diagnosis/explain.js'
import type { DialAttempt, EndpointConnection } from './endpoint-connection.js'
import { clientClosed, failedReport, finding } from './finding.js'
import { abortable, backoffPause, pause } from './timing.js'
import type { ResolvedTls } from './tls-options.js'
import type { DrainPolicy, TlsEvent } from './tls-session.js'
import { type Connection, DRAIN_LIMIT } from './transport/connection.js'
import { healsAt, prepareInTurns, type ValidatedCredentials } from './validated-credentials.js'

/**
 * Between the starts of two handshakes, and at most, in milliseconds. Each takes the process for about a millisecond; requests
 * would wait for all of them if they came at once.
 */
const STAGGER = 5
const LONGEST_STAGGER = 50

interface RotationParts {
  /** The endpoints as they are now. */
  endpoints(): readonly EndpointConnection[]
  readonly tls: ResolvedTls
  /** Aborted when the client closes. */
  readonly life: AbortSignal
  /** From here on, these are the credentials in use. */
  use(validated: ValidatedCredentials): void
  /** From here on, credentials come from this source. */
  follow(source: CredentialSource): void
}

export type RotationOutcome =
  | { rotated: true; report: PassedReport }
  /**
   * `retry`: the credentials themselves are valid, so that servers may accept them later. `healsAt`: they become valid at this time,
   * in milliseconds since 1970.
   */
  | { rotated: false; report: FailedReport; retry: boolean; healsAt: number | null }

interface SwitchOptions {
  readonly drain: DrainPolicy
  /** Whether it keeps the process alive: a caller waits for it. */
  readonly keepsProcess: boolean
}

type Decision = 'verified' | 'unverified' | 'refused'

/** Carries out rotations, one after the other. */
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
      const outcome = await this.#rotate(() => abortable(life, source.load(life)), source.origin, {
        drain,
        keepsProcess: true,
      })
      if (outcome.rotated && source !== this.#source) {
        this.#source = source
        this.#parts.follow(source)
      }
      return outcome
    })
  }

  /**
   * Switches to credentials that a source yielded, unless another source has taken its place by then.
   *
   * @returns Null: another has.
   */
  take(credentials: Credentials, source: CredentialSource, drain: DrainPolicy): Promise<RotationOutcome | null> {
    return this.inTurn(async () =>
      source === this.#source
        ? this.#rotate(() => Promise.resolve(credentials), source.origin, { drain, keepsProcess: false })
        : null,
    )
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
      const report = reportOf(error, origin)
      const time = credentials === null ? null : healsAt(credentials, report)
      return { rotated: false, report, retry: false, healsAt: time }
    }
    return this.#switchCredentials(validated, options)
  }

  async #switchCredentials(
    validated: ValidatedCredentials,
    { drain, keepsProcess }: SwitchOptions,
  ): Promise<RotationOutcome> {
    const { life } = this.#parts
    const endpoints = this.#parts.endpoints()
    const wereReady = new Set(endpoints.filter((each) => each.state === 'ready'))
    const dialWith = async (endpoint: EndpointConnection, index: number): Promise<DialAttempt> => {
      if (index > 0) await pause(Math.min(index * STAGGER, LONGEST_STAGGER), life, keepsProcess)
      return endpoint.dialWith(validated, keepsProcess)
    }
    const attempts = endpoints.map((endpoint, index) => ({ endpoint, attempt: dialWith(endpoint, index) }))
    const decision = this.#decide(
      validated,
      attempts.map(({ attempt }) => attempt),
    )
    const findings: Finding[] = []
    const old: { connection: Connection; drain: DrainPolicy }[] = []
    await Promise.all(
      attempts.map(async ({ endpoint, attempt }) => {
        const outcome = await attempt
        if ((await decision) === 'refused') {
          if (!outcome.ok) findings.push(...outcome.findings)
          return
        }
        const connections = endpoint.switchTo(outcome)
        // A server that was not verified with the new trust does not get the time that streams would take.
        old.push(...connections.map((connection) => ({ connection, drain: outcome.ok ? drain : 'now' })))
        if (!outcome.ok && wereReady.has(endpoint)) findings.push(notUpdated(validated, endpoint, outcome.findings))
      }),
    )
    // Not before every endpoint has switched, or streams would migrate to a connection that is the next to be drained.
    for (const each of old) end(each.connection, each.drain)
    this.#assertOpen()
    return this.#conclude(validated, await decision, findings)
  }

  /** One endpoint that is verified is enough. Resolves with the first, or when all have failed. */
  async #decide(validated: ValidatedCredentials, attempts: readonly Promise<DialAttempt>[]): Promise<Decision> {
    const { life } = this.#parts
    const verified = attempts.map(async (attempt) => {
      if (!(await attempt).ok) throw new Error('not verified')
    })
    let decision: Decision = 'verified'
    try {
      await Promise.any(verified)
    } catch {
      const findings = (await Promise.all(attempts)).flatMap((attempt) => (attempt.ok ? [] : attempt.findings))
      // If nothing answers and nothing is connected either, the old credentials are no better.
      const nothingToLose = !hasAnswered(findings) && !this.#parts.endpoints().some((each) => each.state === 'ready')
      if (life.aborted || !nothingToLose) return 'refused'
      decision = 'unverified'
    }
    this.#parts.use(validated)
    return decision
  }

  #conclude(
    { report, credentials }: ValidatedCredentials,
    decision: Decision,
    findings: readonly Finding[],
  ): RotationOutcome {
    const endpoints = this.#parts.endpoints().map(({ endpoint }) => endpoint.url)
    const { origin } = credentials
    if (decision === 'refused') {
      const first = finding('rotation/not-verified', { origin, endpoints, used: 'no', detail: '' })
      return { rotated: false, report: failedReport([first, ...findings], report.path), retry: true, healsAt: null }
    }
    const unverified =
      decision === 'unverified'
        ? [finding('rotation/not-verified', { origin, endpoints, used: 'unverified', detail: '' })]
        : []
    return { rotated: true, report: { ...report, findings: [...report.findings, ...unverified, ...findings] } }
  }

  #assertOpen(): void {
    if (this.#parts.life.aborted) throw clientClosed()
  }
}

function end(connection: Connection, drain: DrainPolicy): void {
  void (drain === 'now' ? connection.drain(DRAIN_LIMIT) : connection.close())
}

function notUpdated(
  { credentials: { origin } }: ValidatedCredentials,
  { endpoint }: EndpointConnection,
  findings: readonly Finding[],
): Finding {
  const details = { origin, endpoints: [endpoint.url], used: 'elsewhere' as const, detail: summarize(findings) }
  return finding('rotation/not-verified', details)
}

/** The report for an error of a source, or of the validation of what it returned. */
function reportOf(error: unknown, origin: string): FailedReport {
  if (isEtcdMtlsError(error, 'ERR_VALIDATION_FAILED')) return error.details.report
  if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) return failedReport(error.details.findings)
  return failedReport([finding('rotation/source-failed', { origin, detail: asError(error).message })])
}

interface FollowerParts {
  /** The credentials in use now. */
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
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.#watchOnce(() => {
          failures = 0
        })
        // The source has ended: it never changes again.
        return
      } catch (error) {
        if (this.#isStopped()) return
        const retryIn = Math.round(backoffPause(failures + 1, PAUSES))
        this.#failed = true
        this.#parts.emit({
          type: 'source-failed',
          at: new Date(),
          origin: this.#source.origin,
          error: asError(error),
          retryIn,
        })
        await pause(retryIn, signal, false)
      }
    }
  }

  async #watchOnce(onGood: () => void): Promise<void> {
    const { signal } = this.#stopped
    const held = this.#yielded ?? this.#parts.current()
    for await (const credentials of this.#source.watch?.(signal, held) ?? []) {
      if (this.#isStopped()) return
      onGood()
      this.#emitRecovery(credentials)
      this.#yielded = credentials
      this.#offered = credentials
      this.#wake()
      if (!this.#taking) void this.#takeAll()
    }
  }

  /** Also if nothing has changed: the consumers that saw the failure wait for it. */
  #emitRecovery(credentials: Credentials): void {
    if (!this.#failed) return
    this.#failed = false
    const changed = !isSame(credentials, this.#parts.current())
    this.#parts.emit({ type: 'source-recovered', at: new Date(), origin: this.#source.origin, changed })
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
        if (!outcome.rotated && outcome.healsAt !== null) {
          await this.#pauseUntil(outcome.healsAt)
        } else if (!outcome.rotated && outcome.retry) {
          // The servers may accept them later, as when their own trust is renewed.
          await this.#pauseUnlessOffered(Math.round(backoffPause(failures + 1, PAUSES)))
          failures += 1
        } else {
          failures = 0
          continue
        }
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
    const offered = this.#stopped.signal.aborted ? null : this.#offered
    this.#offered = null
    return offered
  }

  /** Clocks are set and machines sleep, which no timer follows: so the time is read again and again. */
  async #pauseUntil(time: number): Promise<void> {
    for (let left = time - Date.now(); left > 0; left = time - Date.now()) {
      if (this.#offered !== null || this.#isStopped()) return
      await this.#pauseUnlessOffered(Math.min(left, PAUSES.longest))
    }
  }

  async #pauseUnlessOffered(milliseconds: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => {
      woken.abort()
    }
    if (this.#offered === null && !this.#stopped.signal.aborted) await pause(milliseconds, woken.signal, false)
  }
}

/** Whether switching from one to the other would change nothing. A key is identified by its certificate. */
function isSame(one: Credentials, other: Credentials): boolean {
  return (
    one === other ||
    (sameBytes(one.chain, other.chain) &&
      sameBytes(one.trustAnchors, other.trustAnchors) &&
      sameBytes(one.clientAnchors ?? [], other.clientAnchors ?? []) &&
      sameBytes(one.crls, other.crls))
  )
}

function sameBytes(ones: readonly { raw: Uint8Array }[], others: readonly { raw: Uint8Array }[]): boolean {
  return (
    ones.length === others.length &&
    ones.every(({ raw }, index) => {
      const other = others[index]?.raw
      return other !== undefined && Buffer.compare(raw, other) === 0
    })
  )
}
