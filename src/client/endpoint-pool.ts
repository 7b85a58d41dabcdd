/** All endpoints of one client and its current credentials. A call goes to a ready one, or waits if one may become ready soon. */
import type { OutgoingHttpHeaders } from 'node:http2'
import { asError, type EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { makeReport, errorMessage } from '../report/report.js'
import { explainAccess } from './diagnosis/access.js'
import type { ClockReading } from './diagnosis/evidence.js'
import {
  connectionError,
  countFailed,
  explainCall,
  loginFailed,
  quorumError,
  startingFinding,
} from './diagnosis/failure.js'
import { readClockOver } from './diagnosis/probe.js'
import { ClusterVote, withoutRepeats } from './base/cluster-vote.js'
import { EndpointConnection, type EndpointOwner } from './endpoint-connection.js'
import type { Endpoint } from './base/endpoints.js'
import type { EventBody } from './base/events.js'
import { ServerExpiry } from './expiry.js'
import { Meter } from './base/meter.js'
import type { SessionOptions } from './base/options.js'
import { KeepAliveStreams } from './streams/keep-alive-streams.js'
import { Grants } from './streams/lease-keeper.js'
import { ResumableCall } from './streams/resumable-call.js'
import { ResponseSplitter } from './streams/response-splitter.js'
import { CurrentPositions, WatchEnds } from './streams/watch-records.js'
import { WatchResumer } from './streams/watch-resumer.js'
import { lastingStreams, othersForStream } from './stream-connection.js'
import { pause, SharedTimer } from './base/timing.js'
import { alarmOf, isNoLeader, isUnary, LEASE_KEEP_ALIVE, REFUSED_BY_ALARM, WATCH } from './transport/call-policy.js'
import type { CallParts, CallRoute, EndedCall, EtcdCall } from './transport/call.js'
import {
  type Call,
  connectivityState,
  type Deadline,
  makeStatus,
  type Outcome,
  status,
  withCause,
} from './transport/channel.js'
import { DRAIN_LIMIT } from './transport/connection.js'
import { ReceiveBudget } from './transport/receive-budget.js'
import { REQUIRE_LEADER } from './transport/health-check.js'
import { isTokenRefused, type Login, LoginError } from './transport/login.js'
import { isLasting } from './transport/stream-queue.js'
import { HEDGE_AFTER, UnaryCall } from './transport/unary-call.js'
import type { ValidatedCredentials } from './base/validated-credentials.js'
import { WaitingCalls } from './waiting-calls.js'

const CLOSE_GRACE = 1000
/** Milliseconds that a stream waits in addition to `dialTimeout`. */
const WAIT_MARGIN = 500
/** Milliseconds within which streams migrate to a member that is ready again. */
const REBALANCE_SPREAD = 3000
/** The default of grpc-js, in bytes. */
const MAX_RECEIVE_LENGTH = 4 * 1024 * 1024

const NO_HEADERS: OutgoingHttpHeaders = {}

export class EndpointPool implements CallRoute, EndpointOwner {
  readonly options: SessionOptions
  validated: ValidatedCredentials
  readonly maxReceiveLength: number
  readonly leaderHeaders: OutgoingHttpHeaders | null
  readonly meter = new Meter()
  readonly carried = new Set<EtcdCall>()
  readonly watchEnds = new WatchEnds()
  readonly watchPositions = new CurrentPositions()
  readonly grants = new Grants()
  readonly vote = new ClusterVote()
  readonly receiveBudget = new ReceiveBudget()
  readonly sharedHedgeTimer = new SharedTimer(HEDGE_AFTER)
  login: Login | null = null
  /** Why the last login failed. */
  #loginError: LoginError | null = null
  readonly #emit: (event: EventBody) => void
  #endpoints: readonly EndpointConnection[]
  /** Removed endpoints that are still draining. */
  readonly #ending = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()
  readonly keepAlives = new KeepAliveStreams(this)
  readonly #waiting: WaitingCalls<EtcdCall>
  /** How many {@link until} are in progress. */
  #waits = 0
  readonly #listeners = new Set<() => void>()
  readonly #none: ReadonlySet<string> = new Set()
  /** Endpoints with a connection, leaderless ones included. */
  #ready: readonly EndpointConnection[] = []
  /** The state and the finding codes in the last event about each endpoint. */
  readonly #emitted = new WeakMap<EndpointConnection, string>()
  readonly #expiries = new WeakMap<EndpointConnection, ServerExpiry>()
  readonly #rebalancing = new Set<NodeJS.Timeout>()
  /** Whether each of the first endpoints has had its first attempt. */
  #hasDecided = false
  /** Random, so that many clients spread their calls over the members. */
  #next = Math.floor(Math.random() * 1024)

  constructor(options: SessionOptions, validated: ValidatedCredentials, emit: (event: EventBody) => void) {
    const limit: unknown = options.etcd3.grpcOptions?.['grpc.max_receive_message_length']
    this.options = options
    this.validated = validated
    this.#emit = emit
    this.maxReceiveLength = typeof limit === 'number' ? limit : MAX_RECEIVE_LENGTH
    this.leaderHeaders = options.requireLeader ? REQUIRE_LEADER : null
    this.#waiting = new WaitingCalls((call) => {
      this.#refuseExpired(call)
    }, options.dialTimeout + WAIT_MARGIN)
    this.#endpoints = options.endpoints.map((each) => this.makeEndpoint(each))
  }

  get endpoints(): readonly EndpointConnection[] {
    return this.#endpoints
  }

  get findings(): Finding[] {
    const starting = startingFinding(this.#endpoints)
    if (starting !== null) return [starting]
    return withoutRepeats(this.#endpoints.flatMap((each) => each.findings))
  }

  /** Aborts when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  // In brackets: OpenTelemetry takes a host and a port at the end for the server of every call (instrumentation-grpc, utils.ts).
  get target(): string {
    const [first = '', ...others] = this.#endpoints.map((each) => each.endpoint.url)
    return others.length === 0 ? first : `[${[first, ...others].join(', ')}]`
  }

  get state(): connectivityState {
    if (this.closing.aborted) return connectivityState.SHUTDOWN
    if (this.#ready.length > 0) return connectivityState.READY
    return this.#someConnecting() ? connectivityState.CONNECTING : connectivityState.TRANSIENT_FAILURE
  }

  /** Whether each endpoint refused this client, so that waiting does not help. */
  get isRefused(): boolean {
    return this.#endpoints.every((each) => each.isRefused)
  }

  get hasOpenStreams(): boolean {
    return [...this.carried].some((call) => call.openEnded)
  }

  get keepAliveStreams(): number {
    return Math.max(1, Math.floor(lastingStreams(this.#ready) / 2))
  }

  get watchStreams(): number {
    return Math.max(1, Math.ceil(lastingStreams(this.#ready) / 2))
  }

  get hasStreamRoom(): boolean {
    return this.#ready.length === 0 || this.#ready.some((each) => each.hasStreamRoom)
  }

  /** Whether something waits for an endpoint. Then the pauses between two attempts are short. */
  get isAwaited(): boolean {
    return this.#waits > 0 || this.#waiting.size > 0
  }

  /** Resolves when the condition is true, at the deadline (by `performance.now()`), or when the client closes. */
  async until(condition: () => boolean, deadline: number): Promise<void> {
    if (condition()) return
    const met = new AbortController()
    const stop = this.onStateChange(() => {
      if (condition()) met.abort()
    })
    this.#waits += 1
    await pause(Math.max(0, deadline - performance.now()), AbortSignal.any([met.signal, this.closing]), true)
    this.#waits -= 1
    stop()
  }

  makeEndpoint(endpoint: Endpoint): EndpointConnection {
    const made = new EndpointConnection(endpoint, this)
    this.#expiries.set(made, new ServerExpiry(made, this.#emit))
    return made
  }

  /** Drains the endpoints that are not in the new list. */
  replace(endpoints: readonly EndpointConnection[]): void {
    const removed = this.#endpoints.filter((each) => !endpoints.includes(each))
    this.#endpoints = endpoints
    this.#update()
    for (const each of removed) {
      const ended: Promise<unknown> = each.end(DRAIN_LIMIT).then(() => this.#ending.delete(ended))
      this.#ending.add(ended)
    }
  }

  createCall(path: string, deadline: Deadline, authority: string | null): Call {
    if (isUnary(path)) return this.createUnaryCall(path, deadline, authority)
    const parts = this.#partsOf(path, deadline, authority)
    const streamParts = { ...parts, headers: this.leaderHeaders }
    if (path === LEASE_KEEP_ALIVE) return this.keepAlives.createCall(streamParts)
    if (path !== WATCH) return new ResumableCall(parts)
    return new ResumableCall(
      { ...streamParts, makeSplitter: (length, limit) => new ResponseSplitter(length, limit) },
      (stream) => new WatchResumer(stream, this.watchPositions.get(), this.watchEnds),
    )
  }

  createUnaryCall(path: string, deadline: Deadline, authority: string | null): UnaryCall {
    return new UnaryCall(this.#partsOf(path, deadline, authority))
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  dial(): void {
    for (const each of this.#endpoints) each.dialSoon()
  }

  assign(call: EtcdCall): void {
    if (this.closing.aborted) {
      call.refuse(makeStatus(status.CANCELLED, 'The client was closed'))
      return
    }
    if (this.#serve(call)) return
    this.#waiting.add(call)
    if (this.#ready.length > 0) return
    this.dial()
    this.#refuseHopeless()
  }

  withdraw(call: EtcdCall): void {
    this.#waiting.remove(call)
  }

  leaseGranted(id: bigint, sentAt: number): void {
    this.grants.add(id, sentAt)
  }

  grantedIn(term: bigint): void {
    this.grants.grantedIn(term)
  }

  hasOther(avoid: ReadonlySet<string>): boolean {
    return this.#ready.some((each) => each.connection?.open === true && !avoid.has(each.endpoint.url))
  }

  notReadyError(): EtcdMtlsError | null {
    if (this.#ready.length > 0)
      return this.#ready.every((each) => each.isLeaderless) ? quorumError(this.#endpoints) : null
    const endpoints = countFailed(this.#endpoints)
    const report = makeReport({ checkedAt: new Date(), path: null, findings: this.findings, endpoints })
    return report.ok ? null : connectionError(report)
  }

  /** The outcome of a call that no endpoint served. */
  notReady(reason: string): Outcome {
    const outcome = makeStatus(status.UNAVAILABLE, `${reason} ${errorMessage(this.findings)}`.trim())
    return withCause(outcome, this.notReadyError())
  }

  conclude(outcome: Outcome, call: EndedCall): Outcome {
    if (isNoLeader(outcome)) this.#carrierOf(call)?.markLeaderless()
    const alarm = alarmOf(outcome)
    if (alarm !== null) this.#carrierOf(call)?.noteAlarms([alarm])
    else if (outcome.code === status.OK && REFUSED_BY_ALARM.has(call.path)) this.#carrierOf(call)?.noteAlarms([])
    const reviewed = this.login === null ? withoutLogin(outcome) : this.login.review(outcome, call)
    if (reviewed.code === status.OK) return reviewed
    return withCause(
      reviewed,
      this.#explainRefusal(outcome, call) ?? (isNoLeader(outcome) ? this.notReadyError() : null),
    )
  }

  loginHeaders(path: string): OutgoingHttpHeaders {
    return this.login?.headersFor(path) ?? NO_HEADERS
  }

  async readClock(): Promise<ClockReading | null> {
    for (const { connection, endpoint } of this.#endpoints) {
      if (connection !== null) return readClockOver(connection, endpoint.url)
    }
    return null
  }

  /** Whether the client cannot choose a cluster. */
  get isDivided(): boolean {
    return this.vote.isDivided(this.#endpoints)
  }

  hasOthers(endpoint: EndpointConnection): boolean {
    return this.#endpoints.some((each) => each !== endpoint)
  }

  acceptsCluster(connected: EndpointConnection): boolean {
    const { clusterId } = connected
    if (clusterId === null) return true
    if (this.vote.count(new Set([...this.#endpoints, connected]), this.isUndecided)) {
      for (const each of this.#endpoints) {
        if (each !== connected && each.clusterId !== null) each.applyVote(each.clusterId === this.vote.chosen)
      }
    }
    return clusterId === this.vote.chosen
  }

  clusterFindings(endpoint: EndpointConnection): Finding[] {
    return this.isUndecided ? [] : this.vote.findingsFor(endpoint, [...new Set([...this.#endpoints, endpoint])])
  }

  /**
   * Whether the first attempt at one of the first endpoints is in progress: until then another member may be the stray one than the
   * first reports make it seem.
   */
  get isUndecided(): boolean {
    this.#hasDecided ||= this.#endpoints.every((each) => each.hasConcluded)
    return !this.#hasDecided
  }

  /** Resolves when the endpoints of the chosen cluster that were refused before it was chosen are connected again, or failed. */
  async reconsidered(): Promise<void> {
    const { chosen } = this.vote
    const refused = this.#endpoints.filter(({ clusterId }) => clusterId !== null && clusterId === chosen)
    await Promise.all(refused.map((each) => each.attempt()))
  }

  endpointChanged(endpoint: EndpointConnection): void {
    this.#update()
    this.#expiries.get(endpoint)?.update()
    this.#report(endpoint)
  }

  /**
   * Gives requests in progress one second to finish and ends everything else at once. Resolves when every socket is
   * closed.
   */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const timer of this.#rebalancing) clearTimeout(timer)
    this.#waiting.refuse(() => makeStatus(status.CANCELLED, 'The client was closed'))
    for (const call of [...this.carried]) if (call.openEnded) cancelForClose(call)
    const timer = setTimeout(() => {
      for (const call of [...this.carried]) cancelForClose(call)
    }, CLOSE_GRACE).unref()
    await Promise.all([...this.#endpoints.map((each) => each.end()), ...this.#ending])
    clearTimeout(timer)
  }

  #partsOf(path: string, deadline: Deadline, authority: string | null): CallParts {
    const common = { route: this, path, deadline, authority, headers: null, avoid: this.#none }
    return { ...common, longestWait: null, makeSplitter: null }
  }

  #update(): void {
    const before = this.#ready
    this.#ready = this.#endpoints.filter(({ connection }) => connection !== null)
    this.#serveWaiting()
    if (this.#ready.length === 0) this.#refuseHopeless()
    if (this.#ready.length > 1 && this.#ready.some((each) => !before.includes(each))) this.#rebalance()
    for (const listener of [...this.#listeners]) listener()
  }

  /** An endpoint that fails repeatedly in the same way is reported once. */
  #report(endpoint: EndpointConnection): void {
    const { status: reported } = endpoint
    const { state, findings } = reported
    if (state === 'connecting' || state === 'closed') return
    const key = [state, ...findings.map((each) => each.code)].join()
    if (this.#emitted.get(endpoint) === key) return
    this.#emitted.set(endpoint, key)
    this.#emit({ type: 'endpoint-changed', status: reported })
  }

  #serve(call: EtcdCall): boolean {
    const { path } = call
    const connection = isLasting(call)
      ? this.#pickForStream(call)?.streamConnection
      : this.#pick(call.avoid)?.connection
    if (connection === undefined || connection === null) return false
    const headers = this.login === null ? NO_HEADERS : this.login.headersFor(path)
    if (headers === null) {
      this.#logIn(this.login)
      return false
    }
    call.carry(connection, headers)
    return true
  }

  /** Round robin over the endpoints that have a leader and are not in `avoid`, or else over all ready endpoints. */
  #pick(avoid: ReadonlySet<string>): EndpointConnection | null {
    let second: EndpointConnection | null = null
    for (let tries = this.#ready.length; tries > 0; tries -= 1) {
      this.#next = (this.#next + 1) % this.#ready.length
      const endpoint = this.#ready[this.#next]
      // A connection may stop being `open` before its endpoint is notified.
      if (endpoint?.connection?.open !== true) continue
      if (!endpoint.isLeaderless && !avoid.has(endpoint.endpoint.url)) return endpoint
      if (second === null || second.isLeaderless) second = endpoint
    }
    return second
  }

  #pickForStream({ avoid }: EtcdCall): EndpointConnection | null {
    return this.#pick(othersForStream(this.#ready, this.carried, avoid))
  }

  // A member is ready again: each stream migrates with the probability that gives every member an equal share. The
  // times are random, so that the streams of many clients do not arrive at once.
  #rebalance(): void {
    for (const call of this.carried) {
      if (!call.openEnded || Math.random() >= 1 / this.#ready.length) continue
      const timer = setTimeout(() => {
        this.#rebalancing.delete(timer)
        if (this.carried.has(call) && this.#ready.length > 1) call.migrate()
      }, Math.random() * REBALANCE_SPREAD).unref()
      this.#rebalancing.add(timer)
    }
  }

  #carrierOf({ carriedBy }: EndedCall): EndpointConnection | undefined {
    return this.#endpoints.find(({ endpoint }) => endpoint.url === carriedBy)
  }

  #explainRefusal(outcome: Outcome, call: EndedCall): EtcdMtlsError | null {
    const { report, credentials } = this.validated
    const caller = {
      path: report.path,
      commonName: credentials.chain[0].subject.commonName,
      isHidden: this.#carrierOf(call)?.hidesCertificate ?? false,
      username: this.options.auth?.username ?? null,
    }
    return explainAccess(outcome, call, caller) ?? explainCall(outcome, call, this.#endpoints)
  }

  #logIn(login: Login | null): void {
    login?.run().then(
      () => {
        this.#loginError = null
        this.#serveWaiting()
      },
      (error: unknown) => {
        const refused = error instanceof LoginError && error.refused
        const cause = this.#explainLogin(error)
        // Without an endpoint the calls continue to wait, and log in again when one is ready.
        if (!refused && this.#ready.length === 0) return
        const details = `Logging in failed: ${asError(error).message}`
        const outcome = makeStatus(refused ? status.UNAUTHENTICATED : status.UNAVAILABLE, details)
        this.#waiting.refuse(() => withCause(outcome, cause))
      },
    )
  }

  #explainLogin(error: unknown): EtcdMtlsError | null {
    const { auth } = this.options
    if (auth === null || !(error instanceof LoginError)) return null
    const { username } = auth
    // Calls share a login, and a refusal lasts until somebody changes the password in etcd.
    const isReported = error === this.#loginError || (error.refused && this.#loginError?.refused === true)
    this.#loginError = error
    if (!isReported) this.#emit({ type: 'login-failed', username, refused: error.refused, error })
    return loginFailed(error, username, this.validated.report.path)
  }

  #serveWaiting(): void {
    if (this.#ready.length > 0) this.#waiting.serve((call) => this.#serve(call))
  }

  #someConnecting(): boolean {
    return this.#endpoints.some((each) => each.isConnecting)
  }

  /** Refuses waiting calls if no endpoint is ready or connecting: streams, and all calls if each endpoint was refused. */
  #refuseHopeless(): void {
    if (this.#waiting.size === 0 || this.#someConnecting()) return
    const { isRefused } = this
    this.#waiting.refuse(
      () => this.notReady('No endpoint is ready.'),
      ({ longestWait }) => isRefused || longestWait === null,
    )
  }

  #refuseExpired(call: EtcdCall): void {
    const isLogin = this.login !== null && this.#ready.length > 0
    call.refuse(this.notReady(`${isLogin ? 'Logging in did not end' : 'No endpoint became ready'} in time.`))
  }
}

// etcd3 repeats a call without a pause while etcd refuses its token, which it recognizes by the message
// (etcd3/lib/connection-pool.js, exec). Without a password there is no other token, so the message is replaced.
function withoutLogin(outcome: Outcome): Outcome {
  if (outcome.code !== status.UNAUTHENTICATED || !isTokenRefused(outcome)) return outcome
  const details = 'etcd does not accept the token of this call, and the client has no password for another one'
  return { ...outcome, details }
}

function cancelForClose(call: EtcdCall): void {
  call.cancelWithStatus(status.CANCELLED, 'The client was closed')
}
