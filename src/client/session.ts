/** The TLS side of one client: its credentials, its endpoints, and the findings about them. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { asError, type EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { makeReport, type Report } from '../report/report.js'
import type { ClientSession } from './connect.js'
import { explainAccess } from './diagnosis/access.js'
import { type ClockReading, readClockOver } from './diagnosis/clock.js'
import { noConnection, noLogin, noQuorum, notEtcd, quorumFinding } from './diagnosis/failure.js'
import { EndpointConnection } from './endpoint-connection.js'
import { EndpointPool } from './endpoint-pool.js'
import { type Endpoint, isSameEndpoint, parseEndpoints } from './endpoints.js'
import { EventHub, Expiry } from './events.js'
import { failedReport, finding } from './finding.js'
import { resolveDrain, type ResolvedOptions, resolveSource, type SecureClientOptions } from './options.js'
import { Follower, Rotation, type RotationOutcome } from './rotation.js'
import { pause } from './timing.js'
import {
  clientClosed,
  type EndpointStatus,
  type RotationOptions,
  type TlsEvent,
  type TlsSession,
} from './tls-session.js'
import type { EndedCall } from './transport/call.js'
import type { StatusObject } from './transport/channel.js'
import { DRAIN_LIMIT } from './transport/connection.js'
import { LoginError } from './transport/login.js'
import { reportNow, type ValidatedCredentials } from './validated-credentials.js'

// How long the other endpoints may take once one is verified, in milliseconds: long enough for a refusal to be reported at once, short
// enough that a dead member does not delay the start.
const SETTLE_GRACE = 250

/** What the environment sets about TLS and proxies (grpc-js' http_proxy.ts). It is reported, and has no effect on this client. */
function environmentFindings(env: NodeJS.ProcessEnv): Finding[] {
  const set = (...names: string[]): string[] => names.filter((name) => (env[name] ?? '') !== '')
  const off = env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0' ? ['NODE_TLS_REJECT_UNAUTHORIZED'] : []
  const found = [
    { variables: off, kind: 'verification-off', file: null },
    { variables: set('NODE_EXTRA_CA_CERTS'), kind: 'extra-cas', file: env['NODE_EXTRA_CA_CERTS'] ?? null },
    // The values may hold a password.
    { variables: set('grpc_proxy', 'https_proxy', 'http_proxy'), kind: 'proxy', file: null },
  ] as const
  return found.flatMap((each) => (each.variables.length > 0 ? [finding('environment/ignored', each)] : []))
}

/** Errors of connect(2) for limits of this machine. */
const LOCAL_LIMITS: ReadonlySet<string | null> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])

/** Whether the endpoint sent nothing, as if it could be reached through a proxy alone. */
function isWithoutAnswer({ code, details }: Finding): boolean {
  switch (code) {
    case 'endpoint/unreachable':
      return !LOCAL_LIMITS.has(details.errorCode)
    case 'endpoint/silent':
      return details.after === 'connect'
    case 'endpoint/closed':
      return details.handshake === null
    default:
      return false
  }
}

/** Whether a note about the environment may explain one of the findings. */
function mayExplain({ code, details }: Finding, findings: readonly Finding[]): boolean {
  if (code !== 'environment/ignored') return false
  if (details.kind === 'proxy') return findings.some(isWithoutAnswer)
  const isServerRefused = findings.some((each) => each.code === 'handshake/server-certificate-refused')
  return isServerRefused && (details.kind !== 'extra-cas' || findings.some((each) => each.code.startsWith('chain/')))
}

export class Session implements ClientSession {
  readonly pool: EndpointPool
  #endpoints: readonly EndpointConnection[]
  readonly #options: ResolvedOptions
  #validated: ValidatedCredentials
  #loginFindings: readonly Finding[] = []
  readonly #notes: readonly Finding[]
  readonly #rotation: Rotation
  #follower: Follower | null = null
  readonly #events = new EventHub()
  readonly #expiry = new Expiry((event) => {
    this.#events.emit(event)
  })
  /** What the last event about each endpoint reported. */
  readonly #emitted = new Map<EndpointConnection, string>()
  readonly #life = new AbortController()

  constructor(options: ResolvedOptions, validated: ValidatedCredentials, located: readonly Finding[] = []) {
    this.#options = options
    this.#validated = validated
    this.#notes = [...environmentFindings(process.env), ...located]
    this.#endpoints = options.endpoints.map((endpoint) => this.#makeEndpoint(endpoint))
    this.pool = new EndpointPool(this.#endpoints, options, {
      login: (error) => this.#explainLogin(error),
      refusal: (outcome, call) => this.#explainRefusal(outcome, call),
    })
    this.#expiry.follow(validated)
    this.#rotation = new Rotation(options.source, {
      endpoints: () => this.#endpoints,
      tls: options.tls,
      life: this.#life.signal,
      use: (next) => {
        this.#validated = next
        this.#expiry.follow(next)
      },
      follow: (source) => {
        this.follow(source)
      },
    })
  }

  get report(): TlsSession['report'] {
    const { checkedAt, path, findings } = reportNow(this.#validated)
    const all = [...findings, ...this.#notes, ...this.#loginFindings]
    return { ...makeReport({ checkedAt, path, findings: all }), path }
  }

  get endpoints(): EndpointStatus[] {
    return this.#endpoints.map((each) => each.status)
  }

  causeOf(reason: string): EtcdMtlsError | null {
    return this.pool.watchEnds.causeOf(reason)
  }

  unheard(error: Error): void {
    this.#events.emit({ type: 'watch-failed', at: new Date(), error })
  }

  async probe(): Promise<Report> {
    this.#assertOpen()
    const deadline = performance.now() + this.#options.dialTimeout
    await Promise.all(
      this.#endpoints.map(async (each) => {
        await each.check()
        await this.pool.askRole(each, deadline - performance.now())
      }),
    )
    return this.#reportOnEndpoints(leadership(this.#endpoints))
  }

  async setEndpoints(endpoints: SecureClientOptions['endpoints']): Promise<Report> {
    const wanted = parseEndpoints(endpoints)
    return this.#rotation.inTurn(() => this.#switchEndpoints(wanted))
  }

  async rotate(next?: CredentialSource | Credentials, options: RotationOptions = {}): Promise<Report> {
    const drain = resolveDrain('rotate', options) ?? this.#options.rotation.drain
    const source = next === undefined ? null : resolveSource(next, 'next')
    return this.#emitRotation(await this.#rotation.load(source, drain)).report
  }

  events(): AsyncIterableIterator<TlsEvent, undefined> {
    const { reached } = this.#expiry
    return this.#events.consume(reached === null ? [] : [reached])
  }

  /** Switches to new credentials whenever the source yields some, unless the option `rotation` is off. */
  follow(source: CredentialSource): void {
    this.#follower?.stop()
    this.#follower = null
    const { follow, drain } = this.#options.rotation
    if (!follow || source.watch === undefined || this.#life.signal.aborted) return
    this.#follower = new Follower(source, {
      current: () => this.#validated.credentials,
      take: async (credentials, from) => {
        const outcome = await this.#rotation.take(credentials, from, drain)
        return outcome === null ? null : this.#emitRotation(outcome)
      },
      emit: (event) => {
        this.#events.emit(event)
      },
    })
  }

  /** Looks the endpoints up at that interval, and switches to those that are found. Resolves when the client closes; never rejects. */
  async refresh(interval: number, lookUp: () => Promise<readonly Endpoint[]>): Promise<void> {
    const life = this.#life.signal
    for (;;) {
      await pause(interval, life, false)
      if (life.aborted) return
      try {
        const known = new Map(this.#endpoints.map(({ endpoint }) => [endpoint.url, endpoint]))
        // An endpoint that is known keeps the server name that it was given.
        const found = (await lookUp()).map((each) => known.get(each.url) ?? each)
        const isSame = found.length === known.size && found.every((each) => known.has(each.url))
        if (found.length > 0 && !isSame) await this.#rotation.inTurn(() => this.#switchEndpoints(found))
      } catch (error) {
        if (this.#isClosed()) return
        this.#events.emit({ type: 'refresh-failed', at: new Date(), error: asError(error), retryIn: interval })
      }
    }
  }

  noteLogin(findings: readonly Finding[]): void {
    this.#loginFindings = findings
  }

  /**
   * Dials every endpoint at the same time, until as many are verified as the caller asked for. `timeout`: in milliseconds.
   *
   * @throws {EtcdMtlsError} `ERR_HANDSHAKE_FAILED` if any endpoint answered and was refused or refused us, or if the endpoints belong to
   * two clusters; `ERR_UNREACHABLE` if none answered, or none has a leader.
   */
  async preflight(timeout = this.#options.dialTimeout): Promise<void> {
    const { preflight, requireLeader, dialTimeout } = this.#options
    const started = performance.now()
    const attempts = this.#endpoints.map((each) => each.attempt(preflight !== 'none', Math.max(1, Math.round(timeout))))
    if (preflight === 'none') return
    const settled = Promise.all(attempts)
    if (preflight === 'any') await this.#firstReady(attempts, settled)
    else await settled
    const ready = this.#endpoints.filter((each) => each.state === 'ready').length
    if (ready < (preflight === 'all' ? this.#endpoints.length : 1) || this.pool.isDivided) {
      const { path, findings } = this.#reportOnEndpoints()
      throw noConnection(failedReport(findings, path))
    }
    if (requireLeader) await this.#waitForLeader(started + dialTimeout)
    for (const each of this.#endpoints) each.release()
  }

  async close(): Promise<void> {
    this.#life.abort()
    this.#follower?.stop()
    this.#expiry.stop()
    await this.pool.close()
    this.#events.end()
  }

  #makeEndpoint(endpoint: Endpoint): EndpointConnection {
    const connection = new EndpointConnection({
      endpoint,
      name: endpoint.serverName ?? this.#options.serverName ?? endpoint.host,
      validated: () => this.#validated,
      dialTimeout: this.#options.dialTimeout,
      onChange: () => {
        this.pool.endpointChanged()
        this.#emitEndpoint(connection)
      },
      refuseCluster: (connected, clusterId) => this.pool.refuseCluster(connected, clusterId),
      otherClock: () => this.#readClock(),
    })
    return connection
  }

  /** Dials the new endpoints, and drains the others once one of those that are wanted is ready, or none was before. */
  async #switchEndpoints(wanted: readonly Endpoint[]): Promise<Report> {
    const before = this.#endpoints
    const endpoints = wanted.map(
      (endpoint) => before.find((each) => isSameEndpoint(each.endpoint, endpoint)) ?? this.#makeEndpoint(endpoint),
    )
    const added = endpoints.filter((each) => !before.includes(each))
    await Promise.all(added.map((each) => each.attempt(true)))
    const isReady = ({ state }: EndpointConnection): boolean => state === 'ready'
    if (!endpoints.some(isReady)) {
      const known = endpoints.filter((each) => !added.includes(each))
      await Promise.all(known.map((each) => each.attempt(true)))
    }
    if (this.#isClosed()) await Promise.all(added.map((each) => each.end()))
    this.#assertOpen()
    if (!endpoints.some(isReady) && before.some(isReady)) {
      const findings = endpoints.flatMap((each) => each.findings)
      await Promise.all(added.map((each) => each.end()))
      return makeReport({ checkedAt: new Date(), path: this.#validated.report.path, findings })
    }
    this.#endpoints = endpoints
    this.pool.replace(endpoints)
    for (const each of before) {
      if (endpoints.includes(each)) continue
      this.#emitted.delete(each)
      void each.end(DRAIN_LIMIT)
    }
    return this.#reportOnEndpoints()
  }

  /** Waits for the first verified endpoint, and for the others a little longer; or until all have failed. */
  async #firstReady(attempts: readonly Promise<void>[], settled: Promise<unknown>): Promise<void> {
    const ready = attempts.map(async (attempt, index) => {
      await attempt
      if (this.#endpoints[index]?.state !== 'ready') throw new Error('not ready')
    })
    const some = await Promise.any(ready).then(
      () => true,
      () => false,
    )
    if (!some) return
    const over = new AbortController()
    await Promise.race([settled, pause(SETTLE_GRACE, over.signal, true)])
    over.abort()
  }

  async #waitForLeader(deadline: number): Promise<void> {
    const hasLeader = (): boolean => this.#endpoints.some((each) => each.hasLeader)
    if (hasLeader()) return
    const led = new AbortController()
    const stop = this.pool.onStateChange(() => {
      if (hasLeader()) led.abort()
    })
    await pause(deadline - performance.now(), AbortSignal.any([led.signal, this.#life.signal]), true)
    stop()
    if (!hasLeader()) throw noQuorum(this.#endpoints)
  }

  async #readClock(): Promise<ClockReading | null> {
    for (const { connection, endpoint } of this.#endpoints) {
      if (connection !== null) return readClockOver(connection, endpoint.url)
    }
    return null
  }

  #isClosed(): boolean {
    return this.#life.signal.aborted
  }

  #assertOpen(): void {
    if (this.#isClosed()) throw clientClosed()
  }

  #emitRotation(outcome: RotationOutcome): RotationOutcome {
    const at = new Date()
    if (outcome.rotated) this.#events.emit({ type: 'rotated', at, report: outcome.report })
    else this.#events.emit({ type: 'rotation-refused', at, report: outcome.report })
    return outcome
  }

  /** One event for each change: a dead endpoint that is dialled again and again, and fails in the same way, is reported once. */
  #emitEndpoint(endpoint: EndpointConnection): void {
    const { state, findings } = endpoint
    if (state === 'connecting' || state === 'closed') return
    const key = [state, ...findings.map((each) => each.code)].join()
    if (this.#emitted.get(endpoint) === key) return
    this.#emitted.set(endpoint, key)
    this.#events.emit({ type: 'endpoint-changed', at: new Date(), status: endpoint.status })
  }

  #explainLogin(error: unknown): EtcdMtlsError | null {
    const { auth } = this.#options
    if (auth === null || !(error instanceof LoginError)) return null
    const { username } = auth
    this.#events.emit({ type: 'login-failed', at: new Date(), username, refused: error.refused, error })
    return noLogin(error, username, this.#validated.report.path)
  }

  #explainRefusal(outcome: StatusObject, call: EndedCall): EtcdMtlsError | null {
    const { report, credentials } = this.#validated
    const carrier = this.#endpoints.find(({ endpoint }) => endpoint.authority === call.carriedBy)
    const caller = {
      path: report.path,
      commonName: credentials.chain[0].subject.commonName,
      isHidden: carrier?.hidesCertificate ?? false,
      username: this.#options.auth?.username ?? null,
    }
    return explainAccess(outcome, call, caller) ?? notEtcd(call)
  }

  #reportOnEndpoints(more: readonly Finding[] = []): Report {
    const findings = [...more, ...this.#endpoints.flatMap((each) => each.findings)]
    const notes = this.#notes.filter((each) => mayExplain(each, findings))
    return makeReport({ checkedAt: new Date(), path: this.#validated.report.path, findings: [...findings, ...notes] })
  }
}

function leadership(endpoints: readonly EndpointConnection[]): Finding[] {
  const connected = endpoints.filter(({ connection }) => connection !== null)
  if (connected.length > 0 && connected.every((each) => !each.hasLeader)) return [quorumFinding(endpoints)]
  const members = endpoints.flatMap(({ endpoint: { url }, role }) => (role === null ? [] : [{ endpoint: url, role }]))
  if (members.every(({ role }) => role === 'learner')) return []
  const leader = members.find(({ role }) => role === 'leader')?.endpoint ?? null
  return [finding('endpoint/leader', { leader, members })]
}
