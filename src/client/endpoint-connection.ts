/** One endpoint over time: dialled, verified, lost, dialled again; at any time it has a state and the findings that explain it. */
import { backoffPause } from '../report/duration.js'
import type { FailedAddress } from '../report/catalogue/endpoint.js'
import { codeOf } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { certificateRef } from '../x509/certificate.js'
import type { Host } from '../x509/names.js'
import type { ClockReading } from './diagnosis/clock.js'
import { type Diagnosis, explainFailure, isVerificationError } from './diagnosis/explain.js'
import { diagnose } from './diagnosis/probe.js'
import type { Endpoint } from './endpoints.js'
import { finding } from './finding.js'
import type { EndpointStatus } from './tls-session.js'
import { NO_LEADER } from './transport/call-policy.js'
import type { Connection, DownListener, DownReason } from './transport/connection.js'
import { dialAgain, type Dialled, type DialFailure, type Dialling } from './transport/dial.js'
import type { MemberRole } from './transport/health-check.js'
import { revalidateServer } from './transport/tls-socket.js'
import { narrowed, type ValidatedCredentials } from './validated-credentials.js'

interface EndpointParts {
  readonly endpoint: Endpoint
  /** The name that the server's certificate has to cover. */
  readonly name: Host
  readonly validated: () => ValidatedCredentials
  /** For one attempt with its diagnosis, in milliseconds. */
  readonly dialTimeout: number
  readonly onChange: () => void
  /** The finding for a cluster that is not the client's; null if it is, or is not known. */
  readonly refuseCluster: (connection: EndpointConnection, clusterId: string | null) => Finding | null
  /** Reads the clock of another endpoint, over a connection that it has; null without a connection or an answer. */
  readonly otherClock: () => Promise<ClockReading | null>
}

/** `leaderless` is added in {@link EndpointConnection.status}: the connection itself is good. */
type State = Exclude<EndpointStatus['state'], 'leaderless'>

export type DialAttempt = { ok: true; dialled: Dialled } | { ok: false; findings: Finding[] }

interface DialPlan {
  readonly validated: ValidatedCredentials
  /** Whether the attempt keeps the process alive: a caller waits for it. */
  readonly keepsProcess: boolean
  readonly timeout: number
  readonly isTooLate: () => boolean
}

/** The alerts for a certificate that is out of its validity (RFC 8446 section 6.2); OpenSSL sends 42 for one that has not begun. */
const OUT_OF_VALIDITY: ReadonlySet<number | null> = new Set([45, 42])
const PAUSES = { first: 100, longest: 5000 }
/** An endpoint that was ready this long ends the back-off, in milliseconds; a connection lost sooner counts as a failure. */
const LONG_LIVED = 10_000
/** A call that finds no connection dials at once, unless an attempt to dial failed within this time, in milliseconds. */
const RECENT = 1000

export class EndpointConnection {
  readonly endpoint: Endpoint
  /** The cluster that the member belonged to when it was connected last; null if that is not known. */
  clusterId: string | null = null
  readonly #parts: EndpointParts
  #state: State = 'failed'
  #since = new Date()
  #leaderlessSince: Date | null = null
  #role: MemberRole | null = null
  #changedAt = performance.now()
  #findings: readonly Finding[] = []
  #dialled: Dialled | null = null
  #attempt: Promise<void> | null = null
  /** Connections that accept no new calls and still carry some, as after a GOAWAY or a rotation. */
  readonly #draining = new Set<Connection>()
  /** Attempts that failed and connections that closed early, in a row. */
  #failures = 0
  /** When the back-off after the last of them ends, by `performance.now()`, and when a call may end it. */
  #retryAt = -Infinity
  #callsDialAt = -Infinity
  /** Credentials with one trust anchor alone, with which the server was verified, and those that they are made of. */
  #narrowed: { validated: ValidatedCredentials; use: ValidatedCredentials } | null = null
  #diagnosed: { key: string; validated: ValidatedCredentials; diagnosis: Diagnosis } | null = null
  /** Counts the switches to new credentials: the result of an attempt with older ones comes too late. */
  #epoch = 0
  /** The dials in progress: one with the credentials in use, and one with those that a rotation may switch to. */
  readonly #diallings = new Set<Dialling>()
  #retryTimer: NodeJS.Timeout | undefined
  readonly #life = new AbortController()

  constructor(parts: EndpointParts) {
    this.endpoint = parts.endpoint
    this.#parts = parts
  }

  get state(): State {
    return this.#state
  }

  get findings(): readonly Finding[] {
    const { url } = this.endpoint
    const findings = [...this.#serverFindings(), ...this.#findings]
    if (this.#leaderlessSince !== null) findings.push(finding('endpoint/no-leader', { endpoint: url, members: [] }))
    return findings
  }

  /** The role of the member in the cluster when it was asked last; null if that is not known. */
  get role(): MemberRole | null {
    const isLearner = this.#findings.some((each) => each.code === 'endpoint/unavailable' && each.details.learner)
    return isLearner ? 'learner' : this.#role
  }

  get connectedWithLeader(): boolean {
    return this.#dialled !== null && this.#dialled.answer.grpcMessage !== NO_LEADER
  }

  /** Whether etcd sees no certificate of this client: the server did not ask for one, or its name is that of a proxy. */
  get hidesCertificate(): boolean {
    return this.#dialled !== null && (this.#dialled.certificateSent === false || this.#dialled.answer.server !== null)
  }

  /** Whether it is connected and not known to lack a leader. */
  get hasLeader(): boolean {
    return this.#dialled !== null && this.#leaderlessSince === null
  }

  get connection(): Connection | null {
    return this.#dialled?.connection ?? null
  }

  get status(): EndpointStatus {
    const { protocol = null, validation = null } = this.#dialled ?? {}
    return {
      endpoint: this.endpoint.url,
      state: this.#leaderlessSince === null ? this.#state : 'leaderless',
      since: new Date(this.#leaderlessSince ?? this.#since),
      protocol,
      role: this.role,
      path: validation?.report.path ?? null,
      findings: [...this.findings],
    }
  }

  /** Whether a call has to wait for the back-off: for all of it after a connection that closed early, else for a part of it. */
  get justFailed(): boolean {
    return performance.now() < Math.min(this.#retryAt, this.#callsDialAt)
  }

  /** Whether the member at the other end of the connection has a leader; a new connection counts as one that has. */
  setLeader(hasLeader: boolean): void {
    if (hasLeader === (this.#leaderlessSince === null)) return
    this.#leaderlessSince = hasLeader ? null : new Date()
    if (hasLeader) this.#since = new Date()
    this.#parts.onChange()
  }

  setRole(connection: Connection, role: MemberRole | null): void {
    if (connection === this.connection) this.#role = role
  }

  /**
   * Dials, unless it is ready or being dialled. Resolves when the attempt and its diagnosis are over, whatever the result.
   *
   * @param keepsProcess Whether the attempt keeps the process alive: a caller waits for it.
   */
  attempt(keepsProcess: boolean, timeout = this.#parts.dialTimeout): Promise<void> {
    if (this.#isClosed() || this.connection !== null) return Promise.resolve()
    if (this.#attempt !== null) return this.#attempt
    const attempt = this.#dial(keepsProcess, timeout).finally(() => {
      if (this.#attempt === attempt) this.#attempt = null
    })
    this.#attempt = attempt
    return attempt
  }

  async check(): Promise<void> {
    const { connection } = this
    if (connection === null) {
      this.#diagnosed = null
      await this.attempt(true)
    } else if (!(await connection.isAnswering(this.#parts.dialTimeout)) && this.connection === connection) {
      connection.destroy()
      this.#down('silent', null)
    }
  }

  /**
   * Dials with credentials that are not in use yet, next to the connection that is, within the dial time-out. The result has to be
   * passed to {@link switchTo}, or its connection destroyed.
   */
  async dialWith(validated: ValidatedCredentials, keepsProcess: boolean): Promise<DialAttempt> {
    const { dialTimeout: timeout } = this.#parts
    const isTooLate = (): boolean => this.#isClosed()
    const reached = isTooLate() ? null : await this.#dialAndDiagnose({ validated, keepsProcess, timeout, isTooLate })
    return reached ?? { ok: false, findings: [] }
  }

  /**
   * Switches to new credentials, which are the ones in use by now, with the result of {@link dialWith}.
   *
   * @returns The connections with old ones, also those that have been draining since earlier: they get no new calls, and the caller
   * chooses how they end.
   */
  switchTo(attempt: DialAttempt): Connection[] {
    if (this.#isClosed()) {
      if (attempt.ok) attempt.dialled.connection.destroy()
      return []
    }
    if (this.connection !== null) this.#keepUntilClosed(this.connection)
    const old = [...this.#draining]
    this.#epoch += 1
    clearTimeout(this.#retryTimer)
    for (const each of this.#diallings) each.abort()
    this.#attempt = null
    if (attempt.ok) this.#up(attempt.dialled)
    else {
      this.#dialled = null
      this.#fail(attempt.findings)
    }
    return old
  }

  refuse(found: Finding, limit: number): void {
    const { connection } = this
    if (connection === null) return
    this.#keepUntilClosed(connection)
    this.#dialled = null
    void connection.drain(limit)
    this.#fail([found])
  }

  /** No caller waits for the attempt any more: it continues without keeping the process alive. */
  release(): void {
    for (const each of this.#diallings) each.release()
  }

  /** Ends everything; calls have up to `limit` milliseconds. Resolves when every socket is gone. */
  async end(limit = Infinity): Promise<void> {
    const connections = [...this.#draining]
    if (this.connection !== null) connections.push(this.connection)
    clearTimeout(this.#retryTimer)
    this.#life.abort()
    for (const each of this.#diallings) each.abort()
    this.#dialled = null
    this.#change('closed', [])
    await Promise.all(connections.map((each) => (limit === Infinity ? each.closeWhenIdle() : each.drain(limit))))
  }

  async #dial(keepsProcess: boolean, timeout: number): Promise<void> {
    clearTimeout(this.#retryTimer)
    const validated = this.#parts.validated()
    this.#change('connecting', this.#findings)
    const epoch = this.#epoch
    const isTooLate = (): boolean => this.#isClosed() || this.#epoch !== epoch
    const reached = await this.#dialAndDiagnose({ validated, keepsProcess, timeout, isTooLate })
    if (reached === null) return
    if (reached.ok) this.#up(reached.dialled)
    else this.#fail(reached.findings)
  }

  /** If OpenSSL missed a path that is valid, it dials again with the trust anchor of that path alone. Null if the result comes too late. */
  async #dialAndDiagnose({ validated, keepsProcess, timeout, isTooLate }: DialPlan): Promise<DialAttempt | null> {
    const { endpoint, name } = this.#parts
    const deadline = performance.now() + timeout
    const tried = new Set<string>()
    let use = this.#narrowed?.validated === validated ? this.#narrowed.use : validated
    for (;;) {
      const left = Math.max(1, deadline - performance.now())
      const dialling = dialAgain({ endpoint, name, validated: use, timeout: left, keepsProcess, onDown: this.#onDown })
      this.#diallings.add(dialling)
      const outcome = await dialling.outcome
      this.#diallings.delete(dialling)
      if (isTooLate()) {
        if (outcome.ok) outcome.dialled.connection.destroy()
        return null
      }
      if (outcome.ok) {
        this.#narrowed = use === validated ? null : { validated, use }
        const { connection, clusterId } = outcome.dialled
        const refusal = this.#parts.refuseCluster(this, clusterId)
        if (refusal === null) return outcome
        connection.destroy()
        return { ok: false, findings: [refusal] }
      }
      const { findings, anchor } = await this.#explain(outcome.failure, validated, deadline - performance.now())
      if (isTooLate()) return null
      const next = anchor === null || tried.has(anchor) ? null : narrowed(validated, anchor)
      if (anchor === null || next === null || performance.now() >= deadline) return { ok: false, findings }
      tried.add(anchor)
      use = next
    }
  }

  readonly #onDown: DownListener = (connection, reason, error) => {
    this.#keepUntilClosed(connection)
    if (connection === this.connection) this.#down(reason, error)
  }

  #keepUntilClosed(connection: Connection): void {
    this.#draining.add(connection)
    void connection.closed.then(() => this.#draining.delete(connection))
  }

  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** The findings about a failure, and the trust anchor of a valid path, if it was OpenSSL that refused the chain. */
  async #explain(
    failure: DialFailure,
    validated: ValidatedCredentials,
    timeout: number,
  ): Promise<{ findings: Finding[]; anchor: string | null }> {
    const { endpoint, name, dialTimeout } = this.#parts
    const { stage, alert, timedOut, error, failedAddresses } = failure
    const key = [stage, alert, timedOut, error?.name, codeOf(error)].join()
    // The same failure again needs no second look: it would double the connections that a refusing server sees.
    let diagnosed = this.#diagnosed
    if (key !== diagnosed?.key || validated !== diagnosed.validated) {
      const { signal } = this.#life
      const diagnosis = await diagnose({ endpoint, name, validated, failure, timeout, signal })
      // The server considers our certificate out of its validity: compare the clock of another server.
      const clock = OUT_OF_VALIDITY.has(alert) ? await this.#parts.otherClock() : diagnosis.clock
      diagnosed = { key, validated, diagnosis: { ...diagnosis, clock } }
      // The others may be connected soon, and asking them costs no connection.
      this.#diagnosed = OUT_OF_VALIDITY.has(alert) && clock === null ? null : diagnosed
    }
    const { diagnosis } = diagnosed
    const findings = explainFailure({ endpoint, name, validated, failure, diagnosis, timeout: dialTimeout })
    const { report } = diagnosis.validation ?? {}
    return {
      findings: [...findings, ...this.#otherAddresses(null, failedAddresses)],
      anchor: isVerificationError(error) && report?.ok === true ? (report.path.at(-1)?.fingerprint256 ?? null) : null,
    }
  }

  #otherAddresses(answered: string | null, failed: readonly FailedAddress[]): Finding[] {
    const { url } = this.endpoint
    return failed.length === 0
      ? []
      : [finding('endpoint/address-failed', { endpoint: url, answered, failed: [...failed] })]
  }

  #serverFindings(): readonly Finding[] {
    if (this.#dialled === null) return []
    const { validation, validated } = this.#dialled
    return revalidateServer(validation.chain, { name: this.#parts.name, validated, endpoint: this.endpoint.url }).report
      .findings
  }

  #up(dialled: Dialled): void {
    this.#dialled = dialled
    this.#diagnosed = null
    const notAsked = dialled.certificateSent === false ? [notAskedFinding(this.endpoint.url, dialled)] : []
    this.#change('ready', [...notAsked, ...this.#otherAddresses(dialled.address, dialled.failedAddresses)])
    // It may have broken since its first call was answered.
    if (!dialled.connection.open) this.#down('closed', null)
  }

  #fail(findings: readonly Finding[]): void {
    this.#backOff()
    this.#callsDialAt = performance.now() + RECENT
    this.#change('failed', findings)
  }

  #down(reason: DownReason, error: Error | null): void {
    if (this.#state !== 'ready') return
    // Rotations replace the connection and leave the state.
    const lived = performance.now() - this.#changedAt
    const livedLong = lived >= LONG_LIVED
    // A member that served for a second and restarts again, as when all are restarted in turn, does not make calls wait for long.
    if (lived >= RECENT) this.#failures = Math.min(this.#failures, 1)
    this.#dialled = null
    const found = finding('endpoint/lost', { endpoint: this.endpoint.url, reason, detail: error?.message ?? '' })
    this.#diagnosed = null
    this.#change('failed', [found])
    // Most connections are lost because a member restarts or a proxy closes them: the first attempt comes at once.
    if (livedLong || this.#failures === 0) {
      this.#failures = livedLong ? 0 : 1
      void this.attempt(false)
      return
    }
    const pause = this.#backOff()
    this.#callsDialAt = this.#retryAt
    // Calls wait for the next attempt, unless it is far away.
    if (pause < RECENT) this.#change('connecting', [found])
  }

  #backOff(): number {
    this.#failures += 1
    const pause = backoffPause(this.#failures, PAUSES)
    this.#retryAt = performance.now() + pause
    clearTimeout(this.#retryTimer)
    // An idle client must not keep the process alive.
    this.#retryTimer = setTimeout(() => void this.attempt(false), pause).unref()
    return pause
  }

  #change(state: State, findings: readonly Finding[]): void {
    if (this.#isClosed()) return
    this.#leaderlessSince = null
    this.#role = null
    if (this.#state !== state) {
      this.#since = new Date()
      this.#changedAt = performance.now()
    }
    this.#state = state
    this.#findings = findings
    this.#parts.onChange()
  }
}

function notAskedFinding(endpoint: string, { validation, answer: { server } }: Dialled): Finding {
  const [leaf] = validation.chain
  const details = { endpoint, subject: String(leaf?.subject ?? ''), issuer: String(leaf?.issuer ?? ''), server }
  const ref = leaf === undefined ? null : certificateRef(leaf, 'leaf', 0)
  return finding('handshake/client-certificate-not-asked', details, ref)
}
