/**
 * One endpoint of the client: dials it, dials again when the connection is lost, and reports its state with the
 * findings that explain it.
 */
import type { OutgoingHttpHeaders } from 'node:http2'
import type { FailedAddress } from '../report/catalogue/endpoint.js'
import type { CertificateRef, Finding } from '../report/finding.js'
import type { Host } from '../x509/names.js'
import { type ClockReading, isVerificationError } from './diagnosis/evidence.js'
import { explainFailure, refusalIn } from './diagnosis/explain.js'
import { LastDiagnosis } from './diagnosis/probe.js'
import { CALL_BACKOFF, DialBackoff, UNANSWERED_BACKOFF } from './dial-backoff.js'
import type { Endpoint } from './endpoints.js'
import { finding } from './finding.js'
import type { SessionOptions } from './options.js'
import { StreamConnection } from './stream-connection.js'
import { abortWithoutError } from './timing.js'
import type { EndpointStatus } from './tls-session.js'
import { type Alarm, NO_LEADER } from './transport/call-policy.js'
import { type Connection, DRAIN_LIMIT, type DownListener, type DownReason } from './transport/connection.js'
import type { Dialled, DialFailure, DialOutcome } from './transport/address-attempt.js'
import { dial, type Dialling, notAskedFinding } from './transport/dial.js'
import { LeaderCheck, type MemberRole, RANGE_PATH, readServerStatus, STATUS_PATH } from './transport/health-check.js'
import { revalidateServer, type ServerValidation } from './transport/tls-socket.js'
import { withSingleAnchor, type ValidatedCredentials } from './validated-credentials.js'

/** The part of the client that an endpoint uses. */
export interface EndpointOwner {
  readonly options: Pick<SessionOptions, 'serverName' | 'dialTimeout' | 'http2'>
  /** The current credentials. */
  readonly validated: ValidatedCredentials
  /** Whether something waits for an endpoint. */
  readonly isAwaited: boolean
  /** Whether the client has other endpoints, which may belong to another cluster. */
  hasOthers(endpoint: EndpointConnection): boolean
  loginHeaders(path: string): OutgoingHttpHeaders
  endpointChanged(endpoint: EndpointConnection): void
  /** Whether the cluster of the member is the client's, or is not known. Other endpoints may change with this one's report. */
  acceptsCluster(connected: EndpointConnection): boolean
  /** The findings about a member of another cluster; none before each endpoint has answered or failed. */
  clusterFindings(endpoint: EndpointConnection): Finding[]
  readonly isUndecided: boolean
  /** Reads the clock of a connected endpoint; null if none is connected or it does not answer. */
  readClock(): Promise<ClockReading | null>
}

/** `leaderless` is added in {@link EndpointConnection.status}: the connection itself is good. */
type State = Exclude<EndpointStatus['state'], 'leaderless'>

/** `otherCluster`: whether the member was refused because it belongs to another cluster. */
export type DialAttempt = { ok: true; dialled: Dialled } | { ok: false; findings: Finding[]; otherCluster?: true }

/** Consecutive possible refusals that count as a certain one: a server that stops also closes connections without a reason. */
const CERTAIN = 2
export class EndpointConnection {
  readonly endpoint: Endpoint
  /** The last known cluster of the member; null if none was reported. */
  clusterId: string | null = null
  /** The path of the server's certificate that the last attempt refused; null if it refused none. */
  refusedPath: CertificateRef[] | null = null
  readonly #owner: EndpointOwner
  /** The name that the server's certificate must cover. */
  readonly #name: Host
  #state: State = 'failed'
  #since = new Date()
  #changedAt = performance.now()
  /** Set while the member is connected and has no leader, until the check finds one. */
  #leaderless: { readonly since: Date; readonly check: LeaderCheck } | null = null
  #role: MemberRole | null = null
  /** The alarms that the member has reported, until a call that they refuse succeeds. */
  #alarms: ReadonlySet<Alarm> = new Set()
  #findings: readonly Finding[] = []
  /** Whether the member was refused because it belongs to another cluster. */
  #isOfOtherCluster = false
  #hasConcluded = false
  #wasReady = false
  #dialled: Dialled | null = null
  readonly #streams = new StreamConnection(
    () => this.#dialForStreams(),
    () => {
      this.#owner.endpointChanged(this)
    },
  )
  #attempt: Promise<void> | null = null
  /** Set while the loss of the connection is reported before it is dialled again. */
  #dialsAtOnce = false
  /** Connections that accept no new calls but still carry some, for example after a GOAWAY or a rotation. */
  readonly #draining = new Set<Connection>()
  readonly #backoff = new DialBackoff(() => void this.attempt())
  /** Consecutive attempts in which one side seemed to refuse the other. */
  #refusals = 0
  /**
   * The credentials with one trust anchor that verified the server (`use`), and the credentials that they come from.
   */
  #singleAnchor: { validated: ValidatedCredentials; use: ValidatedCredentials } | null = null
  readonly #diagnoses = new LastDiagnosis()
  /** Dials in progress: one with the current credentials, and one with those of a rotation. */
  readonly #diallings = new Set<Dialling>()
  readonly #closing = new AbortController()
  /** Aborts when the client switches to new credentials: results with older ones are discarded. */
  #current = new AbortController()

  constructor(endpoint: Endpoint, owner: EndpointOwner) {
    this.endpoint = endpoint
    this.#owner = owner
    this.#name = endpoint.serverName ?? owner.options.serverName ?? endpoint.host
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  /** Whether calls may wait for it. */
  get isConnecting(): boolean {
    return this.#state === 'connecting' || this.#dialsAtOnce
  }

  get connection(): Connection | null {
    return this.#dialled?.connection ?? null
  }

  /** The connection for a stream that does not end: the second one if the first has no room. */
  get streamConnection(): Connection | null {
    const [{ connection }, { connection: second }] = [this, this.#streams]
    return connection?.hasLastingRoom === false && second?.hasLastingRoom === true ? second : connection
  }

  get hasStreamRoom(): boolean {
    return this.connection?.hasLastingRoom === true || (this.connection !== null && this.#streams.hasRoom)
  }

  /** The validation of the server of the current connection; null without one. */
  get validation(): ServerValidation | null {
    return this.#dialled?.validation ?? null
  }

  /** Whether it is connected to a member without a leader. */
  get isLeaderless(): boolean {
    return this.#leaderless !== null
  }

  /** The last known role of the member; null if it is not known. */
  get role(): MemberRole | null {
    const isLearner = this.#findings.some((each) => each.code === 'endpoint/unavailable' && each.details.learner)
    return isLearner ? 'learner' : this.#role
  }

  /**
   * Whether etcd does not see the client certificate: the server did not request it, or a proxy sent a `server` header.
   */
  get hidesCertificate(): boolean {
    return this.#dialled !== null && (this.#dialled.certificateSent === false || this.#dialled.answer.server !== null)
  }

  get findings(): Finding[] {
    const { url } = this.endpoint
    const ofServer = this.#dialled === null ? [] : this.#revalidate(this.#dialled)
    const ofMember = this.isLeaderless
      ? [finding('endpoint/no-leader', { endpoint: url, members: [], starting: [] })]
      : []
    const ofAlarms = [...this.#alarms].map((alarm) => finding('endpoint/alarm', { endpoint: url, alarm }))
    const ofCluster = this.#isOfOtherCluster || this.connection !== null ? this.#owner.clusterFindings(this) : []
    const { isShort = false, streamLimit: limit = 0 } = this.connection ?? {}
    const ofStreams = isShort ? [finding('endpoint/stream-limit', { endpoint: url, limit, method: null })] : []
    return [...ofServer, ...this.#findings, ...ofCluster, ...ofAlarms, ...ofMember, ...ofStreams]
  }

  get status(): EndpointStatus {
    const { protocol = null } = this.#dialled ?? {}
    return {
      endpoint: this.endpoint.url,
      state: this.isLeaderless ? 'leaderless' : this.#state,
      since: new Date(this.#leaderless?.since ?? this.#since),
      protocol,
      connections: [this.connection, this.#streams.connection].filter((each) => each !== null).length,
      role: this.role,
      path: this.validation?.report.path ?? null,
      findings: this.findings,
    }
  }

  /** Whether one side refused the other in the last attempt, so that another one is not likely to succeed. */
  get isRefused(): boolean {
    return this.#refusals >= CERTAIN && !(this.#isOfOtherCluster && this.#owner.isUndecided)
  }

  /** Whether it has had a first attempt. */
  get hasConcluded(): boolean {
    return this.#hasConcluded
  }

  /** Dials now, or when a call may do so: earlier than the back-off ends. */
  dialSoon(): void {
    if (this.#isClosed() || this.connection !== null) return
    this.#backoff.dialForCall()
  }

  /**
   * Dials unless the endpoint is connected, or joins an attempt in progress. Resolves after the attempt and its
   * diagnosis, whatever the result.
   */
  attempt(timeout = this.#owner.options.dialTimeout): Promise<void> {
    if (this.#isClosed() || this.connection !== null) return Promise.resolve()
    if (this.#attempt !== null) return this.#attempt
    const attempt = this.#dial(timeout).finally(() => {
      if (this.#attempt === attempt) this.#attempt = null
    })
    this.#attempt = attempt
    return attempt
  }

  /** Pings the member, or dials it if it is not connected, and reads its role. */
  async check(): Promise<void> {
    const { dialTimeout } = this.#owner.options
    const deadline = performance.now() + dialTimeout
    const { connection } = this
    if (connection === null) {
      this.#diagnoses.forget()
      await this.attempt()
    } else if (!(await connection.isAnswering(dialTimeout)) && this.connection === connection) {
      connection.destroy()
      this.#loseConnection('silent', null)
    }
    await this.#askRole(deadline - performance.now())
  }

  /** Marks the member as leaderless until a check finds a leader: calls prefer other members. */
  markLeaderless(): void {
    if (this.connection === null || this.isLeaderless) return
    this.#leaderless = this.#checkForLeader(this.connection)
    this.#owner.endpointChanged(this)
  }

  /** Notes the alarms of the cluster, for the state of this endpoint. */
  noteAlarms(alarms: readonly Alarm[]): void {
    if (alarms.length === this.#alarms.size && alarms.every((each) => this.#alarms.has(each))) return
    this.#alarms = new Set(alarms)
    this.#owner.endpointChanged(this)
  }

  /**
   * Dials with new credentials, in addition to the current connection, within `dialTimeout`. The caller passes the
   * result to {@link switchTo}, or destroys its connection.
   */
  async dialWith(validated: ValidatedCredentials): Promise<DialAttempt> {
    if (this.#isClosed()) return { ok: false, findings: [] }
    const { dialTimeout: timeout } = this.#owner.options
    return this.#reach(validated, { timeout, signal: this.#closing.signal })
  }

  /**
   * Replaces the connection by the result of {@link dialWith}, after the client has switched to the new credentials.
   *
   * @returns All connections with old credentials, including those that were already draining. They get no new calls;
   * the caller closes them.
   */
  switchTo(attempt: DialAttempt): Connection[] {
    if (this.#isClosed()) {
      if (attempt.ok) attempt.dialled.connection.destroy()
      return []
    }
    this.#release()
    const old = [...this.#draining]
    abortWithoutError(this.#current)
    this.#current = new AbortController()
    this.#backoff.stop()
    for (const each of this.#diallings) each.abort()
    this.#attempt = null
    this.#conclude(attempt)
    return old
  }

  /** Drains the connection to a member of another cluster than the chosen one; dials a member of the chosen one again. */
  applyVote(isChosen: boolean): void {
    if (!isChosen) {
      if (this.connection === null) return
      this.#release()
      for (const each of this.#draining) void each.drain(DRAIN_LIMIT)
      this.#fail([], true)
    } else if (this.#isOfOtherCluster) {
      this.#refusals = 0
      this.#backoff.reset()
      void this.attempt()
    }
  }

  /** Closes the endpoint; calls have up to `limit` milliseconds to finish. Resolves when every socket is closed. */
  async end(limit = Infinity): Promise<void> {
    this.#release()
    this.#backoff.stop()
    abortWithoutError(this.#closing)
    abortWithoutError(this.#current)
    for (const each of this.#diallings) each.abort()
    this.#change('closed', [])
    await Promise.all(
      [...this.#draining].map((each) => (limit === Infinity ? each.closeWhenIdle() : each.drain(limit))),
    )
  }

  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Takes the connections out of use; the caller closes them. */
  #release(): void {
    for (const dialled of [this.#dialled, this.#streams.release()]) {
      if (dialled !== null) this.#keepUntilClosed(dialled.connection)
    }
    this.#dialled = null
  }

  #keepUntilClosed(connection: Connection): void {
    this.#draining.add(connection)
    void connection.closed.then(() => this.#draining.delete(connection))
  }

  async #dial(timeout: number): Promise<void> {
    const { signal } = this.#current
    this.#backoff.stop()
    this.#change('connecting', this.#findings)
    const reached = await this.#reach(this.#owner.validated, { timeout, signal })
    if (!signal.aborted) this.#conclude(reached)
    else if (reached.ok) reached.dialled.connection.destroy()
  }

  /**
   * Dials. If OpenSSL missed a valid path, dials again with only the trust anchor of that path. Fails when the signal
   * aborts.
   */
  async #reach(
    validated: ValidatedCredentials,
    { timeout, signal }: { timeout: number; signal: AbortSignal },
  ): Promise<DialAttempt> {
    const deadline = performance.now() + timeout
    const tried = new Set<string>()
    let use = this.#singleAnchor?.validated === validated ? this.#singleAnchor.use : validated
    for (;;) {
      const outcome = await this.#dialOnce(use, Math.max(1, deadline - performance.now()))
      if (outcome.ok) {
        const { connection } = outcome.dialled
        const isAccepted = await this.#verifyCluster(outcome.dialled, signal)
        if (!signal.aborted && isAccepted) {
          this.#singleAnchor = use === validated ? null : { validated, use }
          return outcome
        }
        connection.destroy()
        return { ok: false, findings: [], ...(isAccepted ? {} : { otherCluster: true }) }
      }
      const { findings, anchor } = await this.#explain(outcome.failure, validated, deadline - performance.now(), signal)
      const next = anchor === null || tried.has(anchor) ? null : withSingleAnchor(validated, anchor)
      if (anchor === null || next === null || signal.aborted || performance.now() >= deadline)
        return { ok: false, findings }
      tried.add(anchor)
      use = next
    }
  }

  async #dialOnce(validated: ValidatedCredentials, timeout: number): Promise<DialOutcome> {
    const { http2 } = this.#owner.options
    const { endpoint } = this
    const dialling = dial({ endpoint, http2, name: this.#name, onDown: this.#onDown, validated, timeout })
    this.#diallings.add(dialling)
    const outcome = await dialling.outcome
    this.#diallings.delete(dialling)
    return outcome
  }

  /** Dials in addition to the current connection. A balancer may choose another member, but not one of another cluster. */
  async #dialForStreams(): Promise<Dialled | null> {
    const { signal } = this.#current
    const { validated, options } = this.#owner
    const use = this.#singleAnchor?.validated === validated ? this.#singleAnchor.use : validated
    const outcome = await this.#dialOnce(use, options.dialTimeout)
    if (!outcome.ok) return null
    const clusterId = await clusterOf(outcome.dialled, signal)
    if (!signal.aborted && (clusterId ?? this.clusterId) === (this.clusterId ?? clusterId)) return outcome.dialled
    outcome.dialled.connection.destroy()
    return null
  }

  /** Whether the member is of the client's cluster. The first one of the only endpoint is noted when it is reported. */
  async #verifyCluster(dialled: Dialled, signal: AbortSignal): Promise<boolean> {
    const { connection, cluster } = dialled
    const isAccepted = (clusterId: string | null): boolean => {
      if (signal.aborted) return true
      this.clusterId = clusterId ?? this.clusterId
      return clusterId === null || this.#owner.acceptsCluster(this)
    }
    if (!this.#owner.hasOthers(this) && this.clusterId === null) {
      void cluster.then((clusterId) => {
        if (!isAccepted(clusterId) && this.connection === connection) this.applyVote(false)
      })
      return true
    }
    return isAccepted(await clusterOf(dialled, signal))
  }

  /** The findings about a failure, and the trust anchor of the path if OpenSSL refused a valid chain. */
  async #explain(
    failure: DialFailure,
    validated: ValidatedCredentials,
    timeout: number,
    signal: AbortSignal,
  ): Promise<{ findings: Finding[]; anchor: string | null }> {
    const { http2, dialTimeout } = this.#owner.options
    const attempt = { endpoint: this.endpoint, http2, name: this.#name, validated, failure }
    const diagnosis = await this.#diagnoses.of({ ...attempt, timeout, signal }, () => this.#owner.readClock())
    const found = explainFailure({ ...attempt, diagnosis, timeout: dialTimeout, wasReady: this.#wasReady })
    const { report } = diagnosis.validation ?? {}
    this.refusedPath = (failure.validation?.report ?? report)?.path ?? null
    return {
      findings: [...found, ...this.#otherAddresses(null, failure.failedAddresses)],
      anchor:
        isVerificationError(failure.error) && report?.ok === true ? (report.path.at(-1)?.fingerprint256 ?? null) : null,
    }
  }

  #otherAddresses(answered: string | null, failed: readonly FailedAddress[]): Finding[] {
    const details = { endpoint: this.endpoint.url, answered, failed: [...failed] }
    return failed.length === 0 ? [] : [finding('endpoint/address-failed', details)]
  }

  /** The result of the dial holds for its second: every time in certificates and CRLs has whole seconds. */
  #revalidate({ validation, validated }: Dialled): readonly Finding[] {
    const { checkedAt, findings } = validation.report
    if (secondOf(checkedAt) === secondOf(new Date())) return findings
    const expected = { name: this.#name, validated, endpoint: this.endpoint.url }
    return revalidateServer(validation.chain, expected).report.findings
  }

  #conclude(attempt: DialAttempt): void {
    this.#hasConcluded = true
    if (attempt.ok) this.#becomeReady(attempt.dialled)
    else this.#fail(attempt.findings, attempt.otherCluster)
  }

  #becomeReady(dialled: Dialled): void {
    this.#dialled = dialled
    dialled.connection.onShortage = () => {
      this.#owner.endpointChanged(this)
    }
    this.#streams.follow(dialled.connection)
    this.#wasReady = true
    this.#isOfOtherCluster = false
    this.refusedPath = null
    this.#refusals = 0
    this.#diagnoses.forget()
    const notAsked = dialled.certificateSent === false ? [notAskedFinding(this.endpoint.url, dialled)] : []
    this.#change('ready', [...notAsked, ...this.#otherAddresses(dialled.address, dialled.failedAddresses)])
    // The connection may have broken after the health check.
    if (!dialled.connection.open) this.#loseConnection('closed', null)
  }

  #fail(findings: readonly Finding[], isOfOtherCluster = false): void {
    this.#isOfOtherCluster = isOfOtherCluster
    const refusal = isOfOtherCluster ? 'certain' : refusalIn(findings)
    this.#refusals = refusal === 'certain' ? CERTAIN : refusal === 'possible' ? this.#refusals + 1 : 0
    const isUnanswered = findings.some(({ code }) => code === 'endpoint/unreachable' || code === 'endpoint/silent')
    this.#backOff(isUnanswered ? UNANSWERED_BACKOFF : CALL_BACKOFF)
    this.#change('failed', findings)
  }

  readonly #onDown: DownListener = (connection, reason, error) => {
    this.#keepUntilClosed(connection)
    if (connection === this.connection) this.#loseConnection(reason, error)
    else this.#streams.lost(connection)
  }

  #loseConnection(reason: DownReason, error: Error | null): void {
    const { connection } = this
    if (connection === null) return
    if ((reason === 'goaway' || reason === 'closed') && this.#streams.connection?.open === true) {
      const second = this.#streams.release()
      if (second !== null) this.#becomeReady(second)
      return
    }
    // Measured from the last change of state: a rotation replaces the connection without one.
    const lived = performance.now() - this.#changedAt
    this.#dialled = null
    const found = finding('endpoint/lost', { endpoint: this.endpoint.url, reason, detail: error?.message ?? '' })
    this.#diagnoses.forget()
    this.#dialsAtOnce = this.#backoff.lost(lived, connection.endsAsPlanned)
    this.#change('failed', [found])
    if (this.#dialsAtOnce) {
      this.#dialsAtOnce = false
      void this.attempt()
      return
    }
    const pause = this.#backOff(CALL_BACKOFF)
    // Calls wait for the next attempt if it is soon.
    if (pause < CALL_BACKOFF) this.#change('connecting', [found])
  }

  #backOff(longestForCalls: number): number {
    return this.#backoff.failed(longestForCalls, this.#owner.isAwaited && !this.isRefused)
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
    this.noteAlarms(reported.alarms)
    if (!reported.hasLeader) this.markLeaderless()
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

async function clusterOf({ connection, cluster }: Dialled, signal: AbortSignal): Promise<string | null> {
  // Without a connection there is no status.
  signal.addEventListener('abort', connection.destroy, { once: true })
  const clusterId = await cluster
  signal.removeEventListener('abort', connection.destroy)
  return clusterId
}

function secondOf(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}
