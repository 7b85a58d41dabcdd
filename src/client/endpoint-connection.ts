/** One endpoint over time: dialled, verified, lost, dialled again; at any time it has a state and the findings that explain it. */
import type { OutgoingHttpHeaders } from 'node:http2'
import type { FailedAddress } from '../report/catalogue/endpoint.js'
import { backoffPause } from '../report/duration.js'
import { codeOf } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { certificateRef } from '../x509/certificate.js'
import type { Host } from '../x509/names.js'
import { type ClockReading, type Diagnosis, explainFailure, isVerificationError } from './diagnosis/explain.js'
import { diagnose } from './diagnosis/probe.js'
import type { Endpoint } from './endpoints.js'
import { finding } from './finding.js'
import type { EndpointStatus } from './tls-session.js'
import { NO_LEADER } from './transport/call-policy.js'
import type { Connection, DownListener, DownReason } from './transport/connection.js'
import { dial, type Dialled, type DialFailure, type Dialling } from './transport/dial.js'
import { LeaderCheck, type MemberRole, RANGE_PATH, readServerStatus, STATUS_PATH } from './transport/health-check.js'
import { revalidateServer } from './transport/tls-socket.js'
import { withSingleAnchor, type ValidatedCredentials } from './validated-credentials.js'

/** What an endpoint needs of the client that it belongs to. */
export interface EndpointOwner {
  readonly options: { readonly serverName: Host | null; readonly dialTimeout: number }
  /** Those in use. */
  readonly validated: ValidatedCredentials
  loginHeaders(path: string): OutgoingHttpHeaders
  endpointChanged(endpoint: EndpointConnection): void
  /** The finding for a member of a cluster that is not the client's; null if it is, or is not known. */
  refuseCluster(connected: EndpointConnection, clusterId: string | null): Finding | null
  /** Reads the clock of another endpoint, over a connection that it has; null without a connection or an answer. */
  readClock(): Promise<ClockReading | null>
}

/** `leaderless` is added in {@link EndpointConnection.status}: the connection itself is good. */
type State = Exclude<EndpointStatus['state'], 'leaderless'>

export type DialAttempt = { ok: true; dialled: Dialled } | { ok: false; findings: Finding[] }

interface DialPlan {
  readonly timeout: number
  readonly signal: AbortSignal
}

/** The alerts for a certificate that is out of its validity (RFC 8446 section 6.2); OpenSSL sends 42 for one that has not begun. */
const OUT_OF_VALIDITY: ReadonlySet<number | null> = new Set([45, 42])
const PAUSES = { first: 100, longest: 5000 }
/** An endpoint that was ready this long ends the back-off, in milliseconds; a connection lost sooner counts as a failure. */
const STABLE_AFTER = 10_000
/** A call that finds no connection dials at once, unless an attempt to dial failed within this time, in milliseconds. */
const CALL_BACKOFF = 1000

export class EndpointConnection {
  readonly endpoint: Endpoint
  /** The cluster that the member belonged to when it was connected last; null if that is not known. */
  clusterId: string | null = null
  readonly #owner: EndpointOwner
  /** The name that the server's certificate has to cover. */
  readonly #name: Host
  #state: State = 'failed'
  #since = new Date()
  #changedAt = performance.now()
  /** Set while the member is connected and has no leader; the check ends that. */
  #leaderless: { readonly since: Date; readonly check: LeaderCheck } | null = null
  #role: MemberRole | null = null
  #findings: readonly Finding[] = []
  #dialled: Dialled | null = null
  #attempt: Promise<void> | null = null
  /** Connections that accept no new calls and still carry some, as after a GOAWAY or a rotation. */
  readonly #draining = new Set<Connection>()
  /** Attempts that failed and connections that closed early, in a row. */
  #failures = 0
  /** When a call may end the back-off after the last of them, by `performance.now()`. */
  #callsMayDialAt = -Infinity
  /** Credentials with one trust anchor alone, with which the server was verified, and those that they are made of. */
  #singleAnchor: { validated: ValidatedCredentials; use: ValidatedCredentials } | null = null
  #diagnosed: { key: string; validated: ValidatedCredentials; diagnosis: Diagnosis } | null = null
  /** The dials in progress: one with the credentials in use, and one with those that a rotation may switch to. */
  readonly #diallings = new Set<Dialling>()
  #retryTimer: NodeJS.Timeout | undefined
  readonly #closing = new AbortController()
  /** Aborts at the switch to new credentials: the result of an attempt with older ones comes too late. */
  #current = new AbortController()

  constructor(endpoint: Endpoint, owner: EndpointOwner) {
    this.endpoint = endpoint
    this.#owner = owner
    this.#name = endpoint.serverName ?? owner.options.serverName ?? endpoint.host
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  get isConnecting(): boolean {
    return this.#state === 'connecting'
  }

  get connection(): Connection | null {
    return this.#dialled?.connection ?? null
  }

  /** Whether it is connected, and its member has no leader; a new connection counts as one that has. */
  get isLeaderless(): boolean {
    return this.#leaderless !== null
  }

  /** The role of the member in the cluster when it was asked last; null if that is not known. */
  get role(): MemberRole | null {
    const isLearner = this.#findings.some((each) => each.code === 'endpoint/unavailable' && each.details.learner)
    return isLearner ? 'learner' : this.#role
  }

  /** Whether etcd sees no certificate of this client: the server did not ask for one, or its name is that of a proxy. */
  get hidesCertificate(): boolean {
    return this.#dialled !== null && (this.#dialled.certificateSent === false || this.#dialled.answer.server !== null)
  }

  get findings(): Finding[] {
    const { url } = this.endpoint
    const ofServer = this.#dialled === null ? [] : this.#revalidate(this.#dialled)
    const ofMember = this.isLeaderless ? [finding('endpoint/no-leader', { endpoint: url, members: [] })] : []
    return [...ofServer, ...this.#findings, ...ofMember]
  }

  get status(): EndpointStatus {
    const { protocol = null, validation = null } = this.#dialled ?? {}
    return {
      endpoint: this.endpoint.url,
      state: this.isLeaderless ? 'leaderless' : this.#state,
      since: new Date(this.#leaderless?.since ?? this.#since),
      protocol,
      role: this.role,
      path: validation?.report.path ?? null,
      findings: this.findings,
    }
  }

  /** Whether a call has to wait for the back-off: for all of it after a connection that closed early, else for a part of it. */
  get isBackingOff(): boolean {
    return performance.now() < this.#callsMayDialAt
  }

  /** Dials, unless it is ready or being dialled. Resolves when the attempt and its diagnosis are over, whatever the result. */
  attempt(timeout = this.#owner.options.dialTimeout): Promise<void> {
    if (this.#isClosed() || this.connection !== null) return Promise.resolve()
    if (this.#attempt !== null) return this.#attempt
    const attempt = this.#dial(timeout).finally(() => {
      if (this.#attempt === attempt) this.#attempt = null
    })
    this.#attempt = attempt
    return attempt
  }

  /** Pings the member, or dials it if there is no connection, and asks it for its role. */
  async check(): Promise<void> {
    const { dialTimeout } = this.#owner.options
    const deadline = performance.now() + dialTimeout
    const { connection } = this
    if (connection === null) {
      this.#diagnosed = null
      await this.attempt()
    } else if (!(await connection.isAnswering(dialTimeout)) && this.connection === connection) {
      connection.destroy()
      this.#down('silent', null)
    }
    await this.#askRole(deadline - performance.now())
  }

  /** The member answered that it has no leader: it is chosen only if there is no other one, until a check finds a leader. */
  loseLeader(): void {
    if (this.connection === null || this.isLeaderless) return
    this.#leaderless = this.#checkForLeader(this.connection)
    this.#owner.endpointChanged(this)
  }

  /**
   * Dials with credentials that are not in use yet, next to the connection that is, within the dial time-out. The result has to be
   * passed to {@link switchTo}, or its connection destroyed.
   */
  async dialWith(validated: ValidatedCredentials): Promise<DialAttempt> {
    if (this.#isClosed()) return { ok: false, findings: [] }
    const { dialTimeout: timeout } = this.#owner.options
    return this.#reach(validated, { timeout, signal: this.#closing.signal })
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
    this.#release()
    const old = [...this.#draining]
    this.#current.abort()
    this.#current = new AbortController()
    clearTimeout(this.#retryTimer)
    for (const each of this.#diallings) each.abort()
    this.#attempt = null
    this.#conclude(attempt)
    return old
  }

  refuse(found: Finding, limit: number): void {
    const connection = this.#release()
    if (connection === null) return
    void connection.drain(limit)
    this.#fail([found])
  }

  /** Ends everything; calls have up to `limit` milliseconds. Resolves when every socket is gone. */
  async end(limit = Infinity): Promise<void> {
    this.#release()
    clearTimeout(this.#retryTimer)
    this.#closing.abort()
    this.#current.abort()
    for (const each of this.#diallings) each.abort()
    this.#change('closed', [])
    await Promise.all(
      [...this.#draining].map((each) => (limit === Infinity ? each.closeWhenIdle() : each.drain(limit))),
    )
  }

  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Gives the connection no new calls; the caller ends it. */
  #release(): Connection | null {
    const { connection } = this
    this.#dialled = null
    if (connection !== null) this.#keepUntilClosed(connection)
    return connection
  }

  #keepUntilClosed(connection: Connection): void {
    this.#draining.add(connection)
    void connection.closed.then(() => this.#draining.delete(connection))
  }

  async #dial(timeout: number): Promise<void> {
    const { signal } = this.#current
    clearTimeout(this.#retryTimer)
    this.#change('connecting', this.#findings)
    const reached = await this.#reach(this.#owner.validated, { timeout, signal })
    if (!signal.aborted) this.#conclude(reached)
    else if (reached.ok) reached.dialled.connection.destroy()
  }

  /** If OpenSSL missed a path that is valid, it dials again with the trust anchor of that path alone. A failure once the signal aborts. */
  async #reach(validated: ValidatedCredentials, { timeout, signal }: DialPlan): Promise<DialAttempt> {
    const { endpoint } = this
    const name = this.#name
    const deadline = performance.now() + timeout
    const tried = new Set<string>()
    let use = this.#singleAnchor?.validated === validated ? this.#singleAnchor.use : validated
    for (;;) {
      const left = Math.max(1, deadline - performance.now())
      const dialling = dial({ endpoint, name, validated: use, timeout: left, onDown: this.#onDown })
      this.#diallings.add(dialling)
      const outcome = await dialling.outcome
      this.#diallings.delete(dialling)
      if (outcome.ok) {
        const { connection, clusterId } = outcome.dialled
        const refusal = signal.aborted ? null : this.#owner.refuseCluster(this, clusterId)
        if (!signal.aborted && refusal === null) {
          this.#singleAnchor = use === validated ? null : { validated, use }
          return outcome
        }
        connection.destroy()
        return { ok: false, findings: refusal === null ? [] : [refusal] }
      }
      const { findings, anchor } = await this.#explain(outcome.failure, validated, deadline - performance.now(), signal)
      const next = anchor === null || tried.has(anchor) ? null : withSingleAnchor(validated, anchor)
      if (anchor === null || next === null || signal.aborted || performance.now() >= deadline)
        return { ok: false, findings }
      tried.add(anchor)
      use = next
    }
  }

  /** The findings about a failure, and the trust anchor of a valid path, if it was OpenSSL that refused the chain. */
  async #explain(
    failure: DialFailure,
    validated: ValidatedCredentials,
    timeout: number,
    signal: AbortSignal,
  ): Promise<{ findings: Finding[]; anchor: string | null }> {
    const { stage, alert, timedOut, error, failedAddresses } = failure
    const attempt = { endpoint: this.endpoint, name: this.#name, validated, failure }
    const key = [stage, alert, timedOut, error?.name, codeOf(error)].join()
    // The same failure again needs no second look: it would double the connections that a refusing server sees.
    let diagnosed = this.#diagnosed
    if (key !== diagnosed?.key || validated !== diagnosed.validated) {
      const diagnosis = await diagnose({ ...attempt, timeout, signal })
      // The server considers our certificate out of its validity: compare the clock of another server.
      const clock = OUT_OF_VALIDITY.has(alert) ? await this.#owner.readClock() : diagnosis.clock
      diagnosed = { key, validated, diagnosis: { ...diagnosis, clock } }
      // The others may be connected soon, and asking them costs no connection.
      this.#diagnosed = OUT_OF_VALIDITY.has(alert) && clock === null ? null : diagnosed
    }
    const { diagnosis } = diagnosed
    const found = explainFailure({ ...attempt, diagnosis, timeout: this.#owner.options.dialTimeout })
    const { report } = diagnosis.validation ?? {}
    return {
      findings: [...found, ...this.#otherAddresses(null, failedAddresses)],
      anchor: isVerificationError(error) && report?.ok === true ? (report.path.at(-1)?.fingerprint256 ?? null) : null,
    }
  }

  #otherAddresses(answered: string | null, failed: readonly FailedAddress[]): Finding[] {
    const details = { endpoint: this.endpoint.url, answered, failed: [...failed] }
    return failed.length === 0 ? [] : [finding('endpoint/address-failed', details)]
  }

  #revalidate({ validation, validated }: Dialled): readonly Finding[] {
    const expected = { name: this.#name, validated, endpoint: this.endpoint.url }
    return revalidateServer(validation.chain, expected).report.findings
  }

  #conclude(attempt: DialAttempt): void {
    if (attempt.ok) this.#up(attempt.dialled)
    else this.#fail(attempt.findings)
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
    this.#callsMayDialAt = performance.now() + Math.min(this.#backOff(), CALL_BACKOFF)
    this.#change('failed', findings)
  }

  readonly #onDown: DownListener = (connection, reason, error) => {
    this.#keepUntilClosed(connection)
    if (connection === this.connection) this.#down(reason, error)
  }

  #down(reason: DownReason, error: Error | null): void {
    if (this.connection === null) return
    // Rotations replace the connection and leave the state.
    const lived = performance.now() - this.#changedAt
    const livedLong = lived >= STABLE_AFTER
    // A member that served for a second and restarts again, as when all are restarted in turn, does not make calls wait for long.
    if (lived >= CALL_BACKOFF) this.#failures = Math.min(this.#failures, 1)
    this.#dialled = null
    const found = finding('endpoint/lost', { endpoint: this.endpoint.url, reason, detail: error?.message ?? '' })
    this.#diagnosed = null
    this.#change('failed', [found])
    // Most connections are lost because a member restarts or a proxy closes them: the first attempt comes at once.
    if (livedLong || this.#failures === 0) {
      this.#failures = livedLong ? 0 : 1
      void this.attempt()
      return
    }
    const pause = this.#backOff()
    this.#callsMayDialAt = performance.now() + pause
    // Calls wait for the next attempt, unless it is far away.
    if (pause < CALL_BACKOFF) this.#change('connecting', [found])
  }

  #backOff(): number {
    this.#failures += 1
    const pause = backoffPause(this.#failures, PAUSES)
    clearTimeout(this.#retryTimer)
    // An idle client must not keep the process alive.
    this.#retryTimer = setTimeout(() => void this.attempt(), pause).unref()
    return pause
  }

  #checkForLeader(connection: Connection): { since: Date; check: LeaderCheck } {
    const check = new LeaderCheck(connection, this.#owner.loginHeaders(RANGE_PATH), () => {
      this.#leaderless = null
      this.#since = new Date()
      this.#owner.endpointChanged(this)
    })
    return { since: new Date(), check }
  }

  async #askRole(timeout: number): Promise<void> {
    const { connection } = this
    if (connection === null || timeout <= 0) return
    const { token } = this.#owner.loginHeaders(STATUS_PATH)
    const reported = await readServerStatus(connection, typeof token === 'string' ? token : null, { timeout })
    if (reported === null || this.connection !== connection) return
    this.#role = reported.role
    if (!reported.hasLeader) this.loseLeader()
  }

  #change(state: State, findings: readonly Finding[]): void {
    if (this.#isClosed()) return
    this.#leaderless?.check.stop()
    const isLeaderless = state === 'ready' && this.#dialled?.answer.grpcMessage === NO_LEADER
    this.#leaderless = isLeaderless && this.connection !== null ? this.#checkForLeader(this.connection) : null
    this.#role = null
    if (this.#state !== state) {
      this.#since = new Date()
      this.#changedAt = performance.now()
    }
    this.#state = state
    this.#findings = findings
    this.#owner.endpointChanged(this)
  }
}

function notAskedFinding(endpoint: string, { validation, answer: { server } }: Dialled): Finding {
  const [leaf] = validation.chain
  const details = { endpoint, subject: String(leaf?.subject ?? ''), issuer: String(leaf?.issuer ?? ''), server }
  const ref = leaf === undefined ? null : certificateRef(leaf, 'leaf', 0)
  return finding('handshake/client-certificate-not-asked', details, ref)
}
