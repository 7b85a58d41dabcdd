/**
 * All endpoints of one client: carries each call over one that is ready, round robin, and lets a call wait if one may become ready
 * soon. A silent or broken endpoint is never chosen, so no call hangs on it.
 */
import type { OutgoingHttpHeaders } from 'node:http2'
import { asError, type EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { makeReport, summarize } from '../report/report.js'
import { noConnection, noQuorum } from './diagnosis/failure.js'
import type { EndpointConnection } from './endpoint-connection.js'
import { finding } from './finding.js'
import { KeepAliveResumer } from './streams/lease-keeper.js'
import { ResumableCall } from './streams/resumable-call.js'
import { ResumePositions, WatchEnds, WatchResumer } from './streams/watch-resumer.js'
import { isNoLeader, isUnary } from './transport/call-policy.js'
import type { CallRoute, CarriedCall, EndedCall, WaitingCall } from './transport/call-route.js'
import { makeStatus, type Outcome } from './transport/call-status.js'
import { EtcdCall } from './transport/call.js'
import { type Call, type ChannelBacking, connectivityState, type Deadline, status } from './transport/channel.js'
import { type Connection, DRAIN_LIMIT } from './transport/connection.js'
import { LeaderCheck, RANGE_PATH, readServerStatus, STATUS_PATH } from './transport/health-check.js'
import { isTokenRefused, type Login, LoginError } from './transport/login.js'
import { ReceiveBudget } from './transport/framing.js'
import { UnaryCall } from './transport/unary-call.js'

/** How long requests that were sent may take to end once the client is closed, in milliseconds. */
const CLOSE_GRACE = 1000
/** What a call may wait longer than one attempt to dial takes, in milliseconds. */
const WAIT_MARGIN = 500

const WATCH = '/etcdserverpb.Watch/Watch'
const LEASE_KEEP_ALIVE = '/etcdserverpb.Lease/LeaseKeepAlive'

const NO_HEADERS: OutgoingHttpHeaders = {}
/** etcd api/v3rpc/rpctypes/metadatafields.go: MetadataRequireLeaderKey, MetadataHasLeader. */
const REQUIRE_LEADER: OutgoingHttpHeaders = { hasleader: 'true' }
/** After a member has come back, its share of the streams migrates to it within this time, in milliseconds. */
const REBALANCE_SPREAD = 3000

interface PoolOptions {
  /** For one attempt, in milliseconds. */
  readonly dialTimeout: number
  /** Longest answer accepted, in bytes; -1: no limit. */
  readonly maxReceiveLength: number
  /** Whether a member without a leader shall refuse calls, so that they go to another one. */
  readonly requireLeader: boolean
}

export class EndpointPool implements CallRoute, ChannelBacking {
  target: string
  readonly maxReceiveLength: number
  readonly leaderHeaders: OutgoingHttpHeaders | null
  readonly carried = new Set<CarriedCall>()
  /** Null: no password. */
  login: Login | null = null
  /** Explains why logging in failed, for the calls that waited for it. */
  explainLogin: (error: unknown) => EtcdMtlsError | null = () => null
  /** Explains why a call was refused; null if that is not known. */
  explainRefusal: (outcome: Outcome, call: EndedCall) => EtcdMtlsError | null = () => null
  readonly watchEnds = new WatchEnds()
  readonly receiveBudget = new ReceiveBudget()
  #endpoints: readonly EndpointConnection[]
  readonly #dialTimeout: number
  readonly #waiting = new Map<WaitingCall, string>()
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

  constructor(endpoints: readonly EndpointConnection[], { dialTimeout, maxReceiveLength, requireLeader }: PoolOptions) {
    this.#endpoints = endpoints
    this.#dialTimeout = dialTimeout
    this.maxReceiveLength = maxReceiveLength
    this.leaderHeaders = requireLeader ? REQUIRE_LEADER : null
    this.target = targetOf(endpoints)
  }

  get state(): connectivityState {
    if (this.#closed) return connectivityState.SHUTDOWN
    if (this.#ready.length > 0) return connectivityState.READY
    return this.#someConnecting() ? connectivityState.CONNECTING : connectivityState.TRANSIENT_FAILURE
  }

  get hasOpenStreams(): boolean {
    for (const call of this.carried) if (call.openEnded) return true
    return false
  }

  createCall(path: string, deadline: Deadline, authority: string | null): Call {
    const parts = { route: this, path, deadline, authority, headers: null, avoid: this.#none }
    if (isUnary(path)) return new UnaryCall(parts)
    switch (path) {
      case WATCH:
        return new ResumableCall({ ...parts, headers: this.leaderHeaders }, (stream) => {
          return new WatchResumer(stream, this.#positions, this.watchEnds)
        })
      case LEASE_KEEP_ALIVE:
        return new ResumableCall({ ...parts, headers: this.leaderHeaders }, (stream) => new KeepAliveResumer(stream))
      default:
        return new EtcdCall(parts)
    }
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  dial(): void {
    for (const each of this.#endpoints) if (!each.justFailed) void each.attempt(true)
  }

  assign(call: WaitingCall, path: string): void {
    if (this.#closed) {
      call.refuse(makeStatus(status.CANCELLED, 'The client was closed'))
      return
    }
    if (this.#serve(call, path)) return
    this.#waiting.set(call, path)
    this.#armWaitTimer()
    if (this.#ready.length > 0) return
    this.dial()
    this.#refuseIfHopeless()
  }

  withdraw(call: WaitingCall): void {
    this.#waiting.delete(call)
    this.#disarmWaitTimer()
  }

  hasOther(avoid: ReadonlySet<string>): boolean {
    return this.#ready.some((each) => each.open && !avoid.has(each.authority))
  }

  whyNotReady(): EtcdMtlsError | null {
    if (this.#ready.length > 0) return this.#isLeaderless() ? noQuorum(this.#endpoints) : null
    const report = makeReport({ checkedAt: new Date(), path: null, findings: this.#findings })
    return report.ok ? null : noConnection(report)
  }

  conclude(outcome: Outcome, call: EndedCall): Outcome {
    if (isNoLeader(outcome)) this.#markLeaderless(call.carriedBy)
    const reviewed = this.login === null ? withoutLogin(outcome) : this.login.review(outcome, call.headers)
    if (reviewed.code === status.OK) return reviewed
    return because(reviewed, this.explainRefusal(outcome, call) ?? (isNoLeader(outcome) ? this.whyNotReady() : null))
  }

  /** From here on, calls go to these. */
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
    const refusalOf = ({ endpoint }: EndpointConnection, cluster: string): Finding =>
      finding('endpoint/other-cluster', {
        endpoint: endpoint.url,
        cluster,
        expected: chosen.id,
        members: chosen.members,
      })
    if (chosen.id !== this.#clusterId) {
      this.#clusterId = chosen.id
      for (const each of this.#endpoints) {
        if (each === connected || each.clusterId === null || each.clusterId === chosen.id) continue
        each.refuse(refusalOf(each, each.clusterId), DRAIN_LIMIT)
      }
    }
    return clusterId === chosen.id ? null : refusalOf(connected, clusterId)
  }

  /** To be called after each change of an endpoint. */
  endpointChanged(): void {
    const before = this.#ready
    this.#ready = this.#endpoints.flatMap(({ connection }) => (connection === null ? [] : [connection]))
    for (const [connection, check] of this.#leaderless) {
      if (this.#ready.includes(connection)) continue
      check.stop()
      this.#leaderless.delete(connection)
    }
    for (const each of this.#endpoints) {
      const { connection } = each
      const isNew = connection !== null && !before.includes(connection)
      if (isNew && !each.connectedWithLeader) this.#markLeaderless(connection.authority)
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
    const status = await readServerStatus(connection, typeof token === 'string' ? token : null, { timeout: limit })
    if (status === null || this.#closed) return
    endpoint.setRole(connection, status.role)
    if (!status.hasLeader && endpoint.connection === connection) this.#markLeaderless(connection.authority)
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
    }, CLOSE_GRACE)
    timer.unref()
    await Promise.all(this.#endpoints.map((each) => each.close()))
    clearTimeout(timer)
  }

  /** Carries the call now, if it can be. */
  #serve(call: WaitingCall, path: string): boolean {
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
      // A connection that is about to end is seen as closed before its member is notified.
      if (connection?.open !== true) continue
      if (!this.#leaderless.has(connection) && !avoid.has(connection.authority)) return connection
      if (second === null || this.#leaderless.has(second)) second = connection
    }
    return second
  }

  /** The endpoint with the fewest streams of this client; among several of them, round robin. */
  #pickForStream({ avoid }: WaitingCall): Connection | null {
    const streams = new Map<string | null, number>()
    for (const { openEnded, carriedBy } of this.carried) {
      if (openEnded) streams.set(carriedBy, (streams.get(carriedBy) ?? 0) + 1)
    }
    const crowded = new Set(avoid)
    const usable = this.#ready.filter((each) => each.open && !avoid.has(each.authority) && !this.#leaderless.has(each))
    const least = Math.min(...usable.map(({ authority }) => streams.get(authority) ?? 0))
    for (const { authority } of usable) if ((streams.get(authority) ?? 0) > least) crowded.add(authority)
    return this.#pick(crowded)
  }

  /**
   * A member has come back: each stream migrates with the probability that gives every member its share, at a random time, so
   * that the streams of many clients do not arrive at once.
   */
  #rebalance(): void {
    for (const call of this.carried) {
      if (!call.openEnded || Math.random() >= 1 / this.#ready.length) continue
      const timer = setTimeout(() => {
        this.#rebalancing.delete(timer)
        if (this.carried.has(call) && this.#ready.length > 1) call.migrate()
      }, Math.random() * REBALANCE_SPREAD)
      timer.unref()
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
        this.#refuseWaiting(because(outcome, this.explainLogin(error)))
      },
    )
  }

  #serveWaiting(): void {
    for (const [call, path] of [...this.#waiting]) {
      // Taken out first: carrying a call may end it, or put it back.
      this.#waiting.delete(call)
      if (!this.#serve(call, path)) this.#waiting.set(call, path)
    }
    this.#disarmWaitTimer()
  }

  get #findings(): Finding[] {
    return this.#endpoints.flatMap((each) => each.findings)
  }

  /** Whether every endpoint that is ready lacks a leader. */
  #isLeaderless(): boolean {
    return this.#ready.length > 0 && this.#ready.every((each) => this.#leaderless.has(each))
  }

  #someConnecting(): boolean {
    return this.#endpoints.some((each) => each.state === 'connecting')
  }

  /** No endpoint is ready or being dialled: waiting is useless. */
  #refuseIfHopeless(): void {
    if (this.#waiting.size === 0 || this.#someConnecting()) return
    const findings = this.#findings
    const report = makeReport({ checkedAt: new Date(), path: null, findings })
    const outcome = makeStatus(status.UNAVAILABLE, `No endpoint is ready. ${summarize(findings)}`)
    this.#refuseWaiting(because(outcome, report.ok ? null : noConnection(report)))
  }

  #refuseWaiting(outcome: Outcome): void {
    const calls = [...this.#waiting.keys()]
    this.#waiting.clear()
    this.#disarmWaitTimer()
    for (const call of calls) call.refuse(outcome)
  }

  /** Keeps the process alive for the calls that wait, and limits their wait. */
  #armWaitTimer(): void {
    this.#waitTimer ??= setTimeout(() => {
      this.#waitTimer = undefined
      this.#refuseWaiting(makeStatus(status.UNAVAILABLE, 'No endpoint became ready within the dial time-out'))
    }, this.#dialTimeout + WAIT_MARGIN)
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

/**
 * etcd3 repeats a call without a pause as long as etcd does not accept its token (etcd3/lib/connection-pool.js, exec), and
 * recognizes that by the message. Without a password there is no other token.
 */
function withoutLogin(outcome: Outcome): Outcome {
  if (outcome.code !== status.UNAUTHENTICATED || !isTokenRefused(outcome)) return outcome
  return {
    ...outcome,
    details: 'etcd does not accept the token of this call, and the client has no password for another one',
  }
}

function because(outcome: Outcome, cause: EtcdMtlsError | null): Outcome {
  return cause === null ? outcome : { ...outcome, cause }
}

function cancelForClose(call: CarriedCall): void {
  call.cancelWithStatus(status.CANCELLED, 'The client was closed')
}
