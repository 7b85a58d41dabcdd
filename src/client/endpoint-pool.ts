/** All endpoints of one client: carries each call over one that is ready, and lets a call wait if one may become ready soon. */
import type { OutgoingHttpHeaders } from 'node:http2'
import { asError, type EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { makeReport, summarize } from '../report/report.js'
import { noConnection, noQuorum } from './diagnosis/failure.js'
import type { EndpointConnection } from './endpoint-connection.js'
import { finding } from './finding.js'
import type { ResolvedOptions } from './options.js'
import { KeepAliveResumer } from './streams/lease-keeper.js'
import { ResumableCall } from './streams/resumable-call.js'
import { ResumePositions, WatchEnds, WatchResumer } from './streams/watch-resumer.js'
import { isNoLeader, isUnary } from './transport/call-policy.js'
import { type CallRoute, type EndedCall, EtcdCall } from './transport/call.js'
import {
  type Call,
  type ChannelBacking,
  connectivityState,
  type Deadline,
  makeStatus,
  type Outcome,
  status,
} from './transport/channel.js'
import { type Connection, DRAIN_LIMIT } from './transport/connection.js'
import { ReceiveBudget } from './transport/framing.js'
import { LeaderCheck, RANGE_PATH, readServerStatus, REQUIRE_LEADER, STATUS_PATH } from './transport/health-check.js'
import { isTokenRefused, type Login, LoginError } from './transport/login.js'
import { UnaryCall } from './transport/unary-call.js'

const CLOSE_GRACE = 1000
/** What a call may wait longer than one attempt to dial takes, in milliseconds. */
const WAIT_MARGIN = 500
/** After a member has come back, its share of the streams migrates to it within this time, in milliseconds. */
const REBALANCE_SPREAD = 3000
/** grpc-js' own limit for an answer, in bytes. */
const MAX_RECEIVE_LENGTH = 4 * 1024 * 1024

const WATCH = '/etcdserverpb.Watch/Watch'
const LEASE_KEEP_ALIVE = '/etcdserverpb.Lease/LeaseKeepAlive'

const NO_HEADERS: OutgoingHttpHeaders = {}

/** Explains why logging in failed, and why a call was refused; null if that is not known. */
interface Explanations {
  readonly login: (error: unknown) => EtcdMtlsError | null
  readonly refusal: (outcome: Outcome, call: EndedCall) => EtcdMtlsError | null
}

export class EndpointPool implements CallRoute, ChannelBacking {
  target: string
  readonly maxReceiveLength: number
  readonly leaderHeaders: OutgoingHttpHeaders | null
  readonly carried = new Set<EtcdCall>()
  readonly watchEnds = new WatchEnds()
  readonly receiveBudget = new ReceiveBudget()
  login: Login | null = null
  readonly #explain: Explanations
  #endpoints: readonly EndpointConnection[]
  readonly #dialTimeout: number
  readonly #waiting = new Set<EtcdCall>()
  readonly #listeners = new Set<() => void>()
  readonly #positions = new ResumePositions()
  readonly #none: ReadonlySet<string> = new Set()
  #ready: Connection[] = []
  /** Endpoints that answered "no leader", with the check that ends that. They are chosen only if there is no other one. */
  readonly #leaderless = new Map<Connection, LeaderCheck>()
  readonly #rebalancing = new Set<NodeJS.Timeout>()
  /** The cluster that the client uses; null as long as no member has reported one. */
  #clusterId: string | null = null
  /** Starts at random: the calls and streams of many clients spread over the members. */
  #next = Math.floor(Math.random() * 1024)
  #waitTimer: NodeJS.Timeout | undefined
  #closed = false

  constructor(endpoints: readonly EndpointConnection[], options: ResolvedOptions, explain: Explanations) {
    const limit: unknown = options.etcd3.grpcOptions?.['grpc.max_receive_message_length']
    this.#endpoints = endpoints
    this.#explain = explain
    this.#dialTimeout = options.dialTimeout
    this.maxReceiveLength = typeof limit === 'number' ? limit : MAX_RECEIVE_LENGTH
    this.leaderHeaders = options.requireLeader ? REQUIRE_LEADER : null
    this.target = targetOf(endpoints)
  }

  get state(): connectivityState {
    if (this.#closed) return connectivityState.SHUTDOWN
    if (this.#ready.length > 0) return connectivityState.READY
    return this.#someConnecting() ? connectivityState.CONNECTING : connectivityState.TRANSIENT_FAILURE
  }

  get hasOpenStreams(): boolean {
    return [...this.carried].some((call) => call.openEnded)
  }

  createCall(path: string, deadline: Deadline, authority: string | null): Call {
    const parts = { route: this, path, deadline, authority, headers: null, avoid: this.#none }
    if (isUnary(path)) return new UnaryCall(parts)
    const streamParts = { ...parts, headers: this.leaderHeaders }
    if (path === LEASE_KEEP_ALIVE) return new ResumableCall(streamParts, (stream) => new KeepAliveResumer(stream))
    if (path !== WATCH) return new EtcdCall(parts)
    return new ResumableCall(streamParts, (stream) => new WatchResumer(stream, this.#positions, this.watchEnds))
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  dial(): void {
    for (const each of this.#endpoints) if (!each.justFailed) void each.attempt(true)
  }

  assign(call: EtcdCall): void {
    if (this.#closed) {
      call.refuse(makeStatus(status.CANCELLED, 'The client was closed'))
      return
    }
    if (this.#serve(call)) return
    this.#waiting.add(call)
    // It keeps the process alive for the calls that wait, and limits their wait.
    this.#waitTimer ??= setTimeout(() => {
      this.#waitTimer = undefined
      this.#refuseWaiting(makeStatus(status.UNAVAILABLE, 'No endpoint became ready within the dial time-out'))
    }, this.#dialTimeout + WAIT_MARGIN)
    if (this.#ready.length > 0) return
    this.dial()
    this.#refuseIfHopeless()
  }

  withdraw(call: EtcdCall): void {
    this.#waiting.delete(call)
    this.#disarmWaitTimer()
  }

  hasOther(avoid: ReadonlySet<string>): boolean {
    return this.#ready.some((each) => each.open && !avoid.has(each.authority))
  }

  whyNotReady(): EtcdMtlsError | null {
    if (this.#ready.length > 0)
      return this.#ready.every((each) => this.#leaderless.has(each)) ? noQuorum(this.#endpoints) : null
    const report = makeReport({ checkedAt: new Date(), path: null, findings: this.#findings })
    return report.ok ? null : noConnection(report)
  }

  conclude(outcome: Outcome, call: EndedCall): Outcome {
    if (isNoLeader(outcome)) this.#markLeaderless(call.carriedBy)
    const reviewed = this.login === null ? withoutLogin(outcome) : this.login.review(outcome, call.headers)
    if (reviewed.code === status.OK) return reviewed
    return because(reviewed, this.#explain.refusal(outcome, call) ?? (isNoLeader(outcome) ? this.whyNotReady() : null))
  }

  replace(endpoints: readonly EndpointConnection[]): void {
    this.#endpoints = endpoints
    this.target = targetOf(endpoints)
    this.endpointChanged()
  }

  /** Whether the endpoints belong to two clusters, and none of them has more endpoints than the others. */
  get isDivided(): boolean {
    const [first, second] = clustersOf(this.#endpoints)
    return first !== undefined && first.members.length === second?.members.length
  }

  /**
   * The finding for a member that was just connected and belongs to another cluster than most endpoints; of two clusters with as many,
   * the one that the client used before counts. Null if it belongs to the client's cluster, or does not report any.
   */
  refuseCluster(connected: EndpointConnection, clusterId: string | null): Finding | null {
    if (clusterId === null) return null
    connected.clusterId = clusterId
    const clusters = clustersOf(new Set([...this.#endpoints, connected]))
    const most = clusters.filter(({ members }) => members.length === clusters[0]?.members.length)
    const chosen = most.find(({ id }) => id === this.#clusterId) ?? most[0]
    if (chosen === undefined) return null
    const refusalOf = ({ endpoint }: EndpointConnection, cluster: string): Finding => {
      const details = { endpoint: endpoint.url, cluster, expected: chosen.id, members: chosen.members }
      return finding('endpoint/other-cluster', details)
    }
    if (chosen.id !== this.#clusterId) {
      this.#clusterId = chosen.id
      for (const each of this.#endpoints) {
        if (each === connected || each.clusterId === null || each.clusterId === chosen.id) continue
        each.refuse(refusalOf(each, each.clusterId), DRAIN_LIMIT)
      }
    }
    return clusterId === chosen.id ? null : refusalOf(connected, clusterId)
  }

  endpointChanged(): void {
    const before = this.#ready
    this.#ready = this.#endpoints.flatMap(({ connection }) => connection ?? [])
    for (const [connection, check] of this.#leaderless) {
      if (this.#ready.includes(connection)) continue
      check.stop()
      this.#leaderless.delete(connection)
    }
    for (const { connection, connectedWithLeader } of this.#endpoints) {
      if (connection === null || before.includes(connection)) continue
      if (!connectedWithLeader) this.#markLeaderless(connection.authority)
    }
    this.#serveWaiting()
    if (this.#ready.length === 0) this.#refuseIfHopeless()
    if (this.#ready.length > 1 && this.#ready.some((each) => !before.includes(each))) this.#rebalance()
    for (const listener of [...this.#listeners]) listener()
  }

  /** Asks a member that is connected for its role. `limit`: for the answer, in milliseconds. */
  async askRole(endpoint: EndpointConnection, limit: number): Promise<void> {
    const { connection } = endpoint
    if (connection === null || limit <= 0) return
    const token = this.login?.headersFor(STATUS_PATH)?.['token']
    const reported = await readServerStatus(connection, typeof token === 'string' ? token : null, { timeout: limit })
    if (reported === null || this.#closed) return
    endpoint.setRole(connection, reported.role)
    if (!reported.hasLeader && endpoint.connection === connection) this.#markLeaderless(connection.authority)
  }

  /** Gives what was sent a second to end, and ends the rest at once. Resolves when every socket is gone. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#rebalancing) clearTimeout(timer)
    for (const check of this.#leaderless.values()) check.stop()
    this.#refuseWaiting(makeStatus(status.CANCELLED, 'The client was closed'))
    for (const call of [...this.carried]) if (call.openEnded) cancelForClose(call)
    const timer = setTimeout(() => {
      for (const call of [...this.carried]) cancelForClose(call)
    }, CLOSE_GRACE).unref()
    await Promise.all(this.#endpoints.map((each) => each.end()))
    clearTimeout(timer)
  }

  #serve(call: EtcdCall): boolean {
    const { path } = call
    const connection = path === WATCH || path === LEASE_KEEP_ALIVE ? this.#pickForStream(call) : this.#pick(call.avoid)
    if (connection === null) return false
    const headers = this.login === null ? NO_HEADERS : this.login.headersFor(path)
    if (headers === null) {
      this.#logIn(this.login)
      return false
    }
    call.carry(connection, headers)
    return true
  }

  /** Round robin over the endpoints that have a leader and are not to be avoided; then over whatever is ready. */
  #pick(avoid: ReadonlySet<string>): Connection | null {
    let second: Connection | null = null
    for (let tries = this.#ready.length; tries > 0; tries -= 1) {
      this.#next = (this.#next + 1) % this.#ready.length
      const connection = this.#ready[this.#next]
      // A connection that is about to end is seen as closed before its endpoint is notified.
      if (connection?.open !== true) continue
      if (!this.#leaderless.has(connection) && !avoid.has(connection.authority)) return connection
      if (second === null || this.#leaderless.has(second)) second = connection
    }
    return second
  }

  /** The endpoint with the fewest streams of this client; among several of them, round robin. */
  #pickForStream({ avoid }: EtcdCall): Connection | null {
    const streams = new Map<string | null, number>()
    for (const { openEnded, carriedBy } of this.carried) {
      if (openEnded) streams.set(carriedBy, (streams.get(carriedBy) ?? 0) + 1)
    }
    const usable = this.#ready.filter((each) => each.open && !avoid.has(each.authority) && !this.#leaderless.has(each))
    const counts = usable.map(({ authority }) => streams.get(authority) ?? 0)
    const least = Math.min(...counts)
    const crowded = usable.filter((_, index) => (counts[index] ?? 0) > least)
    return this.#pick(new Set([...avoid, ...crowded.map(({ authority }) => authority)]))
  }

  // A member has come back: each stream migrates with the probability that gives every member its share, at a random time, so
  // that the streams of many clients do not arrive at once.
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

  /** Chooses an endpoint only if there is no other one, until it has a leader again. */
  #markLeaderless(authority: string | null): void {
    const endpoint = this.#endpoints.find(({ connection }) => connection?.authority === authority)
    const connection = endpoint?.connection ?? null
    if (endpoint === undefined || connection === null || this.#leaderless.has(connection)) return
    const check = new LeaderCheck(connection, this.login?.headersFor(RANGE_PATH) ?? NO_HEADERS, () => {
      this.#leaderless.delete(connection)
      if (endpoint.connection === connection) endpoint.setLeader(true)
      this.#serveWaiting()
    })
    this.#leaderless.set(connection, check)
    endpoint.setLeader(false)
  }

  #logIn(login: Login | null): void {
    login?.run().then(
      () => {
        this.#serveWaiting()
      },
      (error: unknown) => {
        const refused = error instanceof LoginError && error.refused
        const details = `Logging in failed: ${asError(error).message}`
        const outcome = makeStatus(refused ? status.UNAUTHENTICATED : status.UNAVAILABLE, details)
        this.#refuseWaiting(because(outcome, this.#explain.login(error)))
      },
    )
  }

  #serveWaiting(): void {
    for (const call of [...this.#waiting]) {
      // Taken out first: carrying a call may end it, or put it back.
      this.#waiting.delete(call)
      if (!this.#serve(call)) this.#waiting.add(call)
    }
    this.#disarmWaitTimer()
  }

  get #findings(): Finding[] {
    return this.#endpoints.flatMap((each) => each.findings)
  }

  #someConnecting(): boolean {
    return this.#endpoints.some((each) => each.state === 'connecting')
  }

  /** No endpoint is ready or being dialled: waiting is useless. */
  #refuseIfHopeless(): void {
    if (this.#waiting.size === 0 || this.#someConnecting()) return
    const outcome = makeStatus(status.UNAVAILABLE, `No endpoint is ready. ${summarize(this.#findings)}`)
    this.#refuseWaiting(because(outcome, this.whyNotReady()))
  }

  #refuseWaiting(outcome: Outcome): void {
    const calls = [...this.#waiting]
    this.#waiting.clear()
    this.#disarmWaitTimer()
    for (const call of calls) call.refuse(outcome)
  }

  #disarmWaitTimer(): void {
    if (this.#waiting.size > 0) return
    clearTimeout(this.#waitTimer)
    this.#waitTimer = undefined
  }
}

/** The clusters that endpoints belonged to when they were connected last, those with most endpoints first. */
function clustersOf(endpoints: Iterable<EndpointConnection>): { id: string; members: string[] }[] {
  const byId = new Map<string, string[]>()
  for (const { clusterId, endpoint } of endpoints) {
    if (clusterId !== null) byId.set(clusterId, [...(byId.get(clusterId) ?? []), endpoint.url])
  }
  return [...byId].map(([id, members]) => ({ id, members })).sort((a, b) => b.members.length - a.members.length)
}

function targetOf(endpoints: readonly EndpointConnection[]): string {
  return endpoints.map((each) => each.endpoint.url).join(',')
}

// etcd3 repeats a call without a pause as long as etcd does not accept its token (etcd3/lib/connection-pool.js, exec), and
// recognizes that by the message. Without a password there is no other token.
function withoutLogin(outcome: Outcome): Outcome {
  if (outcome.code !== status.UNAUTHENTICATED || !isTokenRefused(outcome)) return outcome
  const details = 'etcd does not accept the token of this call, and the client has no password for another one'
  return { ...outcome, details }
}

function because(outcome: Outcome, cause: EtcdMtlsError | null): Outcome {
  return cause === null ? outcome : { ...outcome, cause }
}

function cancelForClose(call: EtcdCall): void {
  call.cancelWithStatus(status.CANCELLED, 'The client was closed')
}
