/**
 * One endpoint of the client: dials it, dials again when the connection is lost, and reports its state with the
 * findings that explain it.
 */
import type { OutgoingHttpHeaders } from 'node:http2'
import type { CertificateRef, Finding } from '../report/finding.js'
import { refusalIn } from './diagnosis/explain.js'
import { CALL_BACKOFF, DialBackoff, UNANSWERED_BACKOFF } from './base/dial-backoff.js'
import { clusterOf, type DialAttempt, type DiallerOwner, EndpointDialler } from './endpoint-dialler.js'
import type { Endpoint } from './base/endpoints.js'
import { finding } from './base/finding.js'
import { StreamConnection } from './stream-connection.js'
import { abortWithoutError, nullAfter } from './base/timing.js'
import type { EndpointStatus } from './base/tls-session.js'
import { type Alarm, NO_LEADER } from './transport/call-policy.js'
import { type Connection, DRAIN_LIMIT, type DownListener, type DownReason } from './transport/connection.js'
import type { Dialled } from './transport/address-attempt.js'
import { notAskedFinding } from './transport/dial.js'
import { LeaderCheck, type MemberRole, RANGE_PATH, readServerStatus, STATUS_PATH } from './transport/health-check.js'
import { revalidateServer, type ServerValidation } from './transport/tls-socket.js'
import type { ValidatedCredentials } from './base/validated-credentials.js'

/** The part of the client that an endpoint uses. */
export interface EndpointOwner extends DiallerOwner {
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
}

/** `leaderless` is added in {@link EndpointConnection.status}: the connection itself is good. */
type State = Exclude<EndpointStatus['state'], 'leaderless'>

/** Milliseconds that a dial waits for the status of the member. */
const STATUS_WAIT = 1000
/** Consecutive possible refusals that count as a certain one: a server that stops also closes connections without a reason. */
const CERTAIN = 2

export class EndpointConnection {
  readonly endpoint: Endpoint
  /** The last known cluster of the member; null if none was reported. */
  clusterId: string | null = null
  readonly #owner: EndpointOwner
  readonly #dialler: EndpointDialler
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
  readonly #closing = new AbortController()
  /** Aborts when the client switches to new credentials: results with older ones are discarded. */
  #current = new AbortController()

  constructor(endpoint: Endpoint, owner: EndpointOwner) {
    this.endpoint = endpoint
    this.#owner = owner
    this.#dialler = new EndpointDialler(endpoint, owner, this.#onDown)
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  /** Whether calls may wait for it. */
  get isConnecting(): boolean {
    return this.#state === 'connecting' || this.#dialsAtOnce
  }

  /** As in {@link EndpointDialler}. */
  get refusedPath(): CertificateRef[] | null {
    return this.#dialler.refusedPath
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
    const { protocol = null, keyExchange = null } = this.#dialled ?? {}
    return {
      endpoint: this.endpoint.url,
      state: this.isLeaderless ? 'leaderless' : this.#state,
      since: new Date(this.#leaderless?.since ?? this.#since),
      protocol,
      keyExchange,
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
      this.#dialler.diagnoses.forget()
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
    this.#dialler.abort()
    this.#attempt = null
    this.#conclude(attempt)
    return old
  }

  /**
   * Replaces the connection if the server presents another certificate than the known one: etcd does so from the next handshake on.
   *
   * @param known The fingerprint of the certificate.
   */
  async reconnectIfRenewed(known: string | undefined): Promise<boolean> {
    const { validated } = this.#owner
    const attempt = await this.dialWith(validated)
    if (!attempt.ok) return false
    const { connection, validation } = attempt.dialled
    const isRenewed = validation.chain[0]?.fingerprint256 !== known && validated === this.#owner.validated
    if (isRenewed) for (const each of this.switchTo(attempt)) void each.drain(DRAIN_LIMIT)
    else connection.destroy()
    return isRenewed
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
    this.#dialler.abort()
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

  #reach(validated: ValidatedCredentials, parts: { timeout: number; signal: AbortSignal }): Promise<DialAttempt> {
    const verify = (dialled: Dialled): Promise<boolean> => this.#verifyCluster(dialled, parts.signal)
    return this.#dialler.reach(validated, { ...parts, wasReady: this.#wasReady, verify })
  }

  /** Dials in addition to the current connection. A balancer may choose another member, but not one of another cluster. */
  async #dialForStreams(): Promise<Dialled | null> {
    const { signal } = this.#current
    const verify = async (dialled: Dialled): Promise<boolean> => {
      const clusterId = await clusterOf(dialled, signal)
      return (clusterId ?? this.clusterId) === (this.clusterId ?? clusterId)
    }
    return this.#dialler.reachAgain(this.#owner.validated, { signal, verify })
  }

  /** Whether the member is of the client's cluster. The first one of the only endpoint is noted when it is reported. */
  async #verifyCluster(dialled: Dialled, signal: AbortSignal): Promise<boolean> {
    const { connection, cluster } = dialled
    const isAccepted = (clusterId: string | null): boolean => {
      if (signal.aborted) return true
      this.clusterId = clusterId ?? this.clusterId
      return clusterId === null || this.#owner.acceptsCluster(this)
    }
    const isAlone = !this.#owner.hasOthers(this) && this.clusterId === null
    const clusterId = isAlone ? null : await nullAfter(STATUS_WAIT, clusterOf(dialled, signal))
    if (clusterId !== null) return isAccepted(clusterId)
    // A member whose status is late is used until then: it may be of another cluster all the same.
    void cluster.then((late) => {
      if (!isAccepted(late) && this.connection === connection) this.applyVote(false)
    })
    return true
  }

  /** The result of the dial holds for its second: every time in certificates and CRLs has whole seconds. */
  #revalidate({ validation, validated }: Dialled): readonly Finding[] {
    const { checkedAt, findings } = validation.report
    if (secondOf(checkedAt) === secondOf(new Date())) return findings
    const expected = { name: this.#dialler.name, validated, endpoint: this.endpoint.url }
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
    this.#dialler.refusedPath = null
    this.#refusals = 0
    this.#dialler.diagnoses.forget()
    const notAsked = dialled.certificateSent === false ? [notAskedFinding(this.endpoint.url, dialled)] : []
    this.#change('ready', [...notAsked, ...this.#dialler.otherAddresses(dialled.address, dialled.failedAddresses)])
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
    this.#dialler.diagnoses.forget()
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

function secondOf(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}
