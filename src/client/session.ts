/** Implements `client.tls` over the pool of endpoints. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { asError, type EtcdMtlsError } from '../report/errors.js'
import type { CertificateRef, Finding } from '../report/finding.js'
import { makeReport, type Report } from '../report/report.js'
import {
  countFailed,
  environmentFindings,
  mayExplain,
  quorumFinding,
  shortageError,
  withoutMembersOf,
} from './diagnosis/failure.js'
import type { EndpointConnection } from './endpoint-connection.js'
import { EndpointPool } from './endpoint-pool.js'
import { type Endpoint, isSameEndpoint, parseEndpoints } from './base/endpoints.js'
import { EventHub } from './base/events.js'
import { credentialsEvent, Expiry, lifetimeOf } from './expiry.js'
import { failedReport, finding } from './base/finding.js'
import { countOne } from './base/meter.js'
import { healthOf, metricsOf } from './state.js'
import { preflight } from './preflight.js'
import { resolveDrain, type SessionOptions, resolveSource } from './base/options.js'
import { Follower, rotate, type RotationOutcome } from './rotation.js'
import type { ResumePositions } from './streams/watch-records.js'
import { abortable, holdingProcess, pause } from './base/timing.js'
import {
  type ClientMetrics,
  clientClosed,
  type EndpointStatus,
  type Health,
  type RotationOptions,
  type TlsEvent,
  type TlsSession,
} from './base/tls-session.js'
import { revalidate, type ValidatedCredentials } from './base/validated-credentials.js'

export class Session implements TlsSession {
  readonly #pool: EndpointPool
  readonly #options: SessionOptions
  #source: CredentialSource
  #follower: Follower | null = null
  /** Settles when the last change of credentials or endpoints has finished: changes run one after the other. */
  #lastTurn: Promise<unknown> = Promise.resolve()
  #loginFindings: readonly Finding[] = []
  readonly #notes: readonly Finding[]
  readonly #events: EventHub
  readonly #expiry: Expiry

  constructor(options: SessionOptions, validated: ValidatedCredentials, located: readonly Finding[] = []) {
    this.#options = options
    this.#source = options.source
    this.#events = new EventHub(options.onEvent, options.logger)
    this.#expiry = new Expiry((due) => {
      this.#events.emit(credentialsEvent(due))
    })
    this.#notes = [...environmentFindings(process.env), ...located]
    this.#pool = new EndpointPool(options, validated, this.#events.emit)
    this.#expiry.follow(lifetimeOf(validated))
  }

  /** A getter, so that printing `client.tls` does not print the tokens of calls. */
  get pool(): EndpointPool {
    return this.#pool
  }

  get report(): TlsSession['report'] {
    const { checkedAt, path, findings } = revalidate(this.pool.validated)
    const all = [...findings, ...this.#notes, ...this.#loginFindings]
    return { ...makeReport({ checkedAt, path, findings: all }), path }
  }

  get endpoints(): EndpointStatus[] {
    return this.pool.endpoints.map((each) => each.status)
  }

  /** The error behind the reason with which a watch was canceled; null if it is not known. */
  causeOf(reason: string): EtcdMtlsError | null {
    return this.pool.watchEnds.causeOf(reason)
  }

  /** Calls the listener when the client switches to another cluster. Returns a function that removes it. */
  onClusterChange(listener: (error: EtcdMtlsError) => void): () => void {
    return this.pool.vote.onChange(listener)
  }

  /** Why streams that do not end wait; null if none does. */
  get shortage(): EtcdMtlsError | null {
    return shortageError(this.pool.endpoints)
  }

  get watchStreams(): number {
    return this.pool.watchStreams
  }

  /** Opens a stream of watches that continues at these positions. */
  openWatchStream<T>(positions: ResumePositions, open: () => Promise<T>): Promise<T> {
    return this.pool.watchPositions.use(positions, open)
  }

  /** Emits `watch-failed` for a watcher without a listener for `error`. */
  emitWatchFailed(error: Error): void {
    this.#events.emit({ type: 'watch-failed', error })
  }

  metrics(): ClientMetrics {
    return metricsOf(this.pool)
  }

  health(): Health {
    return healthOf(this.pool, this.#expiry.reached)
  }

  async probe(): Promise<Report> {
    this.#assertOpen()
    await holdingProcess(Promise.all(this.pool.endpoints.map((each) => each.check())))
    return this.#report([...leadership(this.pool.endpoints), ...this.#loginFindings, ...this.pool.findings])
  }

  async setEndpoints(endpoints: Parameters<TlsSession['setEndpoints']>[0]): Promise<Report> {
    const wanted = parseEndpoints(endpoints)
    return holdingProcess(this.#inTurn(() => this.#switchEndpoints(wanted)))
  }

  async rotate(next?: CredentialSource | Credentials, options: RotationOptions = {}): Promise<Report> {
    const drain = resolveDrain('options', options) ?? this.#options.rotation.drain
    const given = next === undefined ? null : resolveSource(next, 'next')
    const turn = this.#inTurn(async () => {
      const source = given ?? this.#source
      const { closing } = this.pool
      const load = (): Promise<Credentials> => abortable(closing, source.load(closing))
      const outcome = await rotate(this.pool, load, { drain, origin: source.origin, use: this.#use })
      if (outcome.rotated && source !== this.#source) this.follow(source)
      return this.#emitRotation(outcome)
    })
    return (await holdingProcess(turn)).report
  }

  events(): AsyncIterableIterator<TlsEvent, undefined> {
    const { reached } = this.#expiry
    return this.#events.consume(reached === null ? null : credentialsEvent(reached))
  }

  /** Switches to the credentials that the source yields, unless the option `rotation` is off. */
  follow(source: CredentialSource): void {
    this.#source = source
    this.#follower?.stop()
    this.#follower = null
    const { follow, drain } = this.#options.rotation
    if (!follow || source.watch === undefined || this.pool.closing.aborted) return
    const { origin } = source
    this.#follower = new Follower(source, {
      current: () => this.pool.validated.credentials,
      apply: (credentials) =>
        this.#inTurn(async () => {
          if (source !== this.#source) return null
          const load = (): Promise<Credentials> => Promise.resolve(credentials)
          return this.#emitRotation(await rotate(this.pool, load, { drain, origin, use: this.#use }))
        }),
      emit: this.#events.emit,
    })
  }

  /**
   * Looks up the endpoints at each interval and switches to the result. Resolves when the client closes; never rejects.
   */
  async refresh(interval: number, lookUp: () => Promise<readonly Endpoint[]>): Promise<void> {
    const { closing } = this.pool
    for (;;) {
      await pause(interval, closing, false)
      if (closing.aborted) return
      try {
        const known = new Map(this.pool.endpoints.map(({ endpoint }) => [endpoint.url, endpoint]))
        // A known endpoint keeps its configured server name.
        const found = (await lookUp()).map((each) => known.get(each.url) ?? each)
        const isSame = found.length === known.size && found.every((each) => known.has(each.url))
        if (found.length > 0 && !isSame) await this.#inTurn(() => this.#switchEndpoints(found))
      } catch (error) {
        if (this.#isClosed()) return
        this.#events.emit({ type: 'refresh-failed', error: asError(error), retryIn: interval })
      }
    }
  }

  noteLogin(findings: readonly Finding[]): void {
    this.#loginFindings = findings
  }

  /** As {@link preflight}; `timeout` is in milliseconds. */
  preflight(timeout: number): Promise<void> {
    return preflight(this.pool, timeout, (found) => {
      const { path, findings, endpoints } = this.#report(found)
      return failedReport(findings, path, endpoints)
    })
  }

  /** When a lease that was just granted was requested, by `performance.now()`; undefined if that is not known. */
  grantSentAt(id: string): number | undefined {
    return this.pool.grants.take(id)
  }

  async close(): Promise<void> {
    this.#follower?.stop()
    this.#expiry.stop()
    await this.pool.close()
    this.#events.end()
  }

  readonly #use = (validated: ValidatedCredentials): void => {
    this.pool.validated = validated
    this.#expiry.follow(lifetimeOf(validated))
  }

  /**
   * Runs `work` after all earlier changes have finished.
   *
   * @throws {EtcdMtlsError} `ERR_CLOSED` if the client is or gets closed.
   */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(() => {
      this.#assertOpen()
      return work()
    })
    // The caller of this change receives its error. The next change only waits until it has finished.
    this.#lastTurn = turn.catch(() => undefined)
    return turn
  }

  /** Dials the new endpoints. Drains the removed ones if a wanted endpoint is ready, or if none was ready before. */
  async #switchEndpoints(wanted: readonly Endpoint[]): Promise<Report> {
    const before = this.pool.endpoints
    const kept = before.filter((each) => wanted.some((endpoint) => isSameEndpoint(each.endpoint, endpoint)))
    const endpoints = wanted.map(
      (endpoint) => kept.find((each) => isSameEndpoint(each.endpoint, endpoint)) ?? this.pool.makeEndpoint(endpoint),
    )
    const added = endpoints.filter((each) => !before.includes(each))
    await Promise.all(added.map((each) => each.attempt()))
    if (!endpoints.some((each) => each.isReady)) await Promise.all(kept.map((each) => each.attempt()))
    const isRefused = !endpoints.some((each) => each.isReady) && before.some((each) => each.isReady)
    const findings = endpoints.flatMap((each) => each.findings)
    if (isRefused || this.#isClosed()) {
      await Promise.all(added.map((each) => each.end()))
      this.#assertOpen()
      return this.#report(findings, endpoints)
    }
    this.pool.replace(endpoints)
    return this.#report(findings, endpoints)
  }

  #isClosed(): boolean {
    return this.pool.closing.aborted
  }

  #assertOpen(): void {
    if (this.#isClosed()) throw clientClosed()
  }

  #emitRotation(outcome: RotationOutcome): RotationOutcome {
    this.#assertOpen()
    const { meter } = this.pool
    if (outcome.rotated) {
      meter.rotations += 1
      this.#events.emit({ type: 'rotated', report: outcome.report })
    } else {
      for (const { code } of outcome.report.findings.slice(0, 1)) countOne(meter.rotationsRefused, code)
      this.#events.emit({ type: 'rotation-refused', report: outcome.report })
    }
    return outcome
  }

  #report(findings: readonly Finding[], endpoints: readonly EndpointConnection[] = this.pool.endpoints): Report {
    const notes = this.#notes.filter((each) => mayExplain(each, findings))
    const own = this.pool.validated.report.path
    const path = pathAtFault(
      [own, ...endpoints.flatMap(({ refusedPath }) => (refusedPath === null ? [] : [refusedPath]))],
      findings,
    )
    const all = withoutMembersOf([...findings, ...notes])
    return makeReport({ checkedAt: new Date(), path: path ?? own, findings: all, endpoints: countFailed(endpoints) })
  }
}

/** The path that has the certificate of the first error. */
function pathAtFault(paths: readonly CertificateRef[][], findings: readonly Finding[]): CertificateRef[] | undefined {
  const certificate = findings.find(({ severity }) => severity === 'error')?.certificate
  return paths.find((path) => path.some(({ fingerprint256 }) => fingerprint256 === certificate?.fingerprint256))
}

function leadership(endpoints: readonly EndpointConnection[]): Finding[] {
  const connected = endpoints.filter(({ connection }) => connection !== null)
  if (connected.length > 0 && connected.every((each) => each.isLeaderless)) return [quorumFinding(endpoints)]
  const members = endpoints.flatMap(({ endpoint: { url }, role }) => (role === null ? [] : [{ endpoint: url, role }]))
  if (members.every(({ role }) => role === 'learner')) return []
  const leader = members.find(({ role }) => role === 'leader')?.endpoint ?? null
  return [finding('endpoint/leader', { leader, members })]
}
