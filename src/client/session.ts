/** The TLS side of one client: its credentials, its endpoints, and what is said about them. */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { EtcdMtlsError } from '../report/errors.js'
import type { Finding, FindingCode } from '../report/finding.js'
import { makeReport, type Report } from '../report/report.js'
import { type Accepted, reportNow } from './accept.js'
import { type Caller, explainAccess } from './access.js'
import { pause } from './abortable.js'
import { environmentFindings } from './environment.js'
import { refreshEndpoints } from './endpoint-refresh.js'
import type { EndpointStatus } from './endpoint-status.js'
import { type Endpoint, isSameEndpoint, parseEndpoints } from './endpoints.js'
import { EventHub } from './event-hub.js'
import { Expiry } from './expiry.js'
import { noConnection, noLogin, noQuorum, notEtcd, quorumFinding } from './failure.js'
import { finding } from './finding.js'
import { Follower } from './follower.js'
import { LoginError } from './login.js'
import { Member } from './member.js'
import { Members } from './members.js'
import { resolveDrain, type ResolvedOptions, resolveSource, type SecureClientOptions } from './options.js'
import { type ClockReading, readClockOver } from './peer-clock.js'
import { DRAIN_LIMIT, Rotation, type RotationOutcome } from './rotation.js'
import type { TlsEvent } from './tls-events.js'
import type { RotateOptions, TlsSession } from './tls-session.js'

/** grpc-js' own limit for an answer, in octets. */
const MAX_RECEIVE_LENGTH = 4 * 1024 * 1024

/**
 * How long the other endpoints may take to settle once one is proved, in milliseconds: long enough for a refusal to be
 * reported at once, short enough that a dead member does not hold up the start.
 */
const SETTLE_GRACE = 250

/** What is known of the environment, by the codes of failures, all of them, that it may explain. */
const EXPLAINS: Readonly<Partial<Record<FindingCode, readonly RegExp[]>>> = {
  'environment/proxy': [/^endpoint\/(?:refused|name-not-found|lookup-timeout|connect-|silent|reset)/],
  'environment/extra-cas': [/^chain\//, /^handshake\/server-certificate-refused$/],
  'environment/verification-off': [/^handshake\/server-certificate-refused$/],
}

export class Session implements TlsSession {
  readonly members: Members
  #members: readonly Member[]
  readonly #options: ResolvedOptions
  #accepted: Accepted
  #loginFindings: readonly Finding[] = []
  /** What is worth knowing about the environment and the way to the endpoints. */
  readonly #notes: readonly Finding[]
  /** When the first attempts have to end, by `performance.now()`; null once they have. */
  #firstDeadline: number | null
  readonly #rotation: Rotation
  #follower: Follower | null = null
  readonly #events = new EventHub()
  readonly #expiry: Expiry
  /** What was told last of each endpoint. */
  readonly #told = new Map<Member, string>()
  readonly #life = new AbortController()

  /** @param location What the search for the endpoints brought to light, and the time that it took, in milliseconds. */
  constructor(
    options: ResolvedOptions,
    accepted: Accepted,
    location: { findings: readonly Finding[]; spent: number } = { findings: [], spent: 0 },
  ) {
    const { endpoints, dialTimeout, etcd3 } = options
    this.#options = options
    this.#accepted = accepted
    this.#notes = [...environmentFindings(process.env), ...location.findings]
    this.#firstDeadline = location.spent === 0 ? null : performance.now() + dialTimeout - location.spent
    this.#members = endpoints.map((endpoint) => this.#makeMember(endpoint))
    const limit: unknown = etcd3.grpcOptions?.['grpc.max_receive_message_length']
    const maxReceiveLength = typeof limit === 'number' ? limit : MAX_RECEIVE_LENGTH
    this.members = new Members(this.#members, { dialTimeout, maxReceiveLength, requireLeader: options.requireLeader })
    this.members.explainLogin = (error) => this.#explainLogin(error)
    this.members.explainRefusal = (outcome, call) =>
      explainAccess(outcome, call, this.#callerAt(call.carriedBy)) ?? notEtcd(call)
    this.#expiry = new Expiry((event) => {
      this.#events.emit(event)
    })
    this.#expiry.follow(accepted)
    this.#rotation = new Rotation(options.source, {
      members: () => this.#members,
      tls: options.tls,
      life: this.#life.signal,
      use: (next) => {
        this.#accepted = next
        this.#expiry.follow(next)
      },
      follow: (source) => {
        this.follow(source)
      },
    })
  }

  get report(): TlsSession['report'] {
    const { checkedAt, path, findings } = reportNow(this.#accepted)
    const all = [...findings, ...this.#notes, ...this.#loginFindings]
    return { ...makeReport({ checkedAt, path, findings: all }), path }
  }

  get endpoints(): EndpointStatus[] {
    return this.#members.map((each) => each.status)
  }

  /** A watch failed, and its watcher has no listener for that. */
  noteWatchFailure(error: Error): void {
    this.#events.emit({ type: 'watch-failed', at: new Date(), error })
  }

  async probe(): Promise<Report> {
    this.#assertOpen()
    const deadline = performance.now() + this.#options.dialTimeout
    await Promise.all(
      this.#members.map(async (each) => {
        await each.check()
        await this.members.askRole(each, deadline - performance.now())
      }),
    )
    return this.#reportOnEndpoints(leadership(this.#members))
  }

  async setEndpoints(endpoints: SecureClientOptions['endpoints']): Promise<Report> {
    const wanted = parseEndpoints(endpoints)
    return this.#rotation.inTurn(() => this.#goOverTo(wanted))
  }

  async rotate(next?: CredentialSource | Credentials, options: RotateOptions = {}): Promise<Report> {
    const drain = resolveDrain('rotate', options) ?? this.#options.rotation.drain
    const source = next === undefined ? null : resolveSource(next, 'next')
    return this.#tellRotation(await this.#rotation.load(source, drain)).report
  }

  events(): AsyncIterableIterator<TlsEvent, undefined> {
    const { reached } = this.#expiry
    return this.#events.consume(reached === null ? [] : [reached])
  }

  /** Goes over to new credentials whenever the source tells of them, if it can, and if the client shall. */
  follow(source: CredentialSource): void {
    this.#follower?.stop()
    this.#follower = null
    const { follow, drain } = this.#options.rotation
    if (!follow || source.watch === undefined || this.#life.signal.aborted) return
    this.#follower = new Follower(source, {
      current: () => this.#accepted.credentials,
      take: async (credentials, from) => {
        const outcome = await this.#rotation.take(credentials, from, drain)
        return outcome === null ? null : this.#tellRotation(outcome)
      },
      emit: (event) => {
        this.#events.emit(event)
      },
    })
  }

  /** Looks the endpoints up again and again, and goes over to those that are found. */
  refresh(interval: number, lookUp: () => Promise<readonly Endpoint[]>): void {
    void refreshEndpoints({
      interval,
      life: this.#life.signal,
      current: () => this.#members.map(({ endpoint }) => endpoint),
      lookUp,
      goOverTo: (endpoints) => this.#rotation.inTurn(() => this.#goOverTo(endpoints)),
      failed: (error) => {
        this.#events.emit({ type: 'refresh-failed', at: new Date(), error, retryIn: interval })
      },
    })
  }

  /** What logging in brought to light, beside the verdict on the credentials. */
  noteLogin(findings: readonly Finding[]): void {
    this.#loginFindings = findings
  }

  /**
   * Dials every endpoint, side by side, until as many are proved as the caller asked for.
   *
   * @throws {EtcdMtlsError} `ERR_HANDSHAKE_FAILED` if any endpoint answered and was refused or refused us, `ERR_UNREACHABLE` if none answered,
   * or none has a leader.
   */
  async preflight(): Promise<void> {
    const { preflight } = this.#options
    const started = performance.now()
    const attempts = this.#members.map((each) => each.attempt(preflight !== 'none'))
    // Each attempt has read its time by now; later ones have all of it.
    this.#firstDeadline = null
    if (preflight === 'none') return
    const settled = Promise.all(attempts)
    if (preflight === 'any') await this.#firstReady(attempts, settled)
    else await settled
    const ready = this.#members.filter((each) => each.state === 'ready').length
    if (ready < (preflight === 'all' ? this.#members.length : 1)) throw this.#failure()
    if (this.#options.requireLeader) await this.#untilLed(started + this.#options.dialTimeout)
    for (const member of this.#members) member.release()
  }

  /** Ends every call and connection; resolves when every socket is gone. */
  async close(): Promise<void> {
    this.#life.abort()
    this.#follower?.stop()
    this.#expiry.stop()
    await this.members.close()
    this.#events.end()
  }

  #makeMember(endpoint: Endpoint): Member {
    const timeLeft = (): number => this.#timeLeft()
    const member = new Member({
      endpoint,
      name: endpoint.serverName ?? this.#options.serverName ?? endpoint.host,
      accepted: () => this.#accepted,
      get dialTimeout() {
        return timeLeft()
      },
      onChange: () => {
        this.members.memberChanged()
        this.#tellEndpoint(member)
      },
      otherClock: () => this.#readClock(),
    })
    return member
  }

  /** Dials the new endpoints, and leaves the others once one of those that are wanted is ready, or none was before. */
  async #goOverTo(wanted: readonly Endpoint[]): Promise<Report> {
    const before = this.#members
    const added: Member[] = []
    const members = wanted.map((endpoint) => {
      const known = before.find((each) => isSameEndpoint(each.endpoint, endpoint))
      if (known !== undefined) return known
      const member = this.#makeMember(endpoint)
      added.push(member)
      return member
    })
    await Promise.all(added.map((each) => each.attempt(true)))
    if (this.#life.signal.aborted) await Promise.all(added.map((each) => each.close()))
    this.#assertOpen()
    const isReady = ({ state }: Member): boolean => state === 'ready'
    if (!members.some(isReady) && before.some(isReady)) {
      const findings = added.flatMap((each) => each.findings)
      await Promise.all(added.map((each) => each.close()))
      return makeReport({ checkedAt: new Date(), path: this.#accepted.report.path, findings })
    }
    this.#members = members
    this.members.replace(members)
    for (const member of before) {
      if (members.includes(member)) continue
      this.#told.delete(member)
      void member.retire(DRAIN_LIMIT)
    }
    return this.#reportOnEndpoints()
  }

  /** Waits for the first proof, and for the others a little longer; or until all have failed. */
  async #firstReady(attempts: readonly Promise<void>[], settled: Promise<unknown>): Promise<void> {
    const proved = attempts.map(async (attempt, index) => {
      await attempt
      if (this.#members[index]?.state !== 'ready') throw new Error('not ready')
    })
    try {
      await Promise.any(proved)
    } catch {
      // None is ready: preflight() says why.
      return
    }
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, SETTLE_GRACE)
    })
    await Promise.race([settled, grace])
    clearTimeout(timer)
  }

  /** Waits until a member that is connected has a leader, as after an election. */
  async #untilLed(deadline: number): Promise<void> {
    const isLed = (): boolean => this.#members.some((each) => each.hasLeader)
    if (isLed()) return
    const led = new AbortController()
    const stop = this.members.onStateChange(() => {
      if (isLed() || this.#life.signal.aborted) led.abort()
    })
    await pause(deadline - performance.now(), AbortSignal.any([led.signal, this.#life.signal]), true)
    stop()
    if (!isLed()) throw noQuorum(this.#members)
  }

  /** The time of one attempt to dial: the first has what looking the endpoints up has left of it. */
  #timeLeft(): number {
    const { dialTimeout } = this.#options
    return this.#firstDeadline === null ? dialTimeout : Math.max(1, Math.round(this.#firstDeadline - performance.now()))
  }

  /** The clock of an endpoint that is ready. */
  async #readClock(): Promise<ClockReading | null> {
    for (const { connection, endpoint } of this.#members) {
      if (connection !== null) return readClockOver(connection, endpoint.url)
    }
    return null
  }

  #assertOpen(): void {
    if (this.#life.signal.aborted) throw new EtcdMtlsError('ERR_CLOSED', 'The client is closed.', { what: 'client' })
  }

  #failure(): EtcdMtlsError {
    const report = this.#reportOnEndpoints()
    // Sound: an endpoint that is not ready always has an error among its findings.
    if (report.ok) throw new Error('An endpoint failed without a finding')
    return noConnection(report)
  }

  #tellRotation(outcome: RotationOutcome): RotationOutcome {
    const at = new Date()
    if (outcome.rotated) this.#events.emit({ type: 'rotated', at, report: outcome.report })
    else this.#events.emit({ type: 'rotation-refused', at, report: outcome.report })
    return outcome
  }

  /** Told is what makes a difference: a dead endpoint that is dialled again and again, and fails alike, is told once. */
  #tellEndpoint(member: Member): void {
    const { state, findings } = member
    if (state === 'connecting' || state === 'closed') return
    const key = [state, ...findings.map((each) => each.code)].join()
    if (this.#told.get(member) === key) return
    this.#told.set(member, key)
    this.#events.emit({ type: 'endpoint-changed', at: new Date(), status: member.status })
  }

  #explainLogin(error: unknown): EtcdMtlsError | null {
    const { auth } = this.#options
    if (auth === null || !(error instanceof LoginError)) return null
    const { username } = auth
    this.#events.emit({ type: 'login-failed', at: new Date(), username, refused: error.refused, error })
    return noLogin(error, username, this.#accepted.report.path)
  }

  /** Who etcd takes this client for at an endpoint, with the credentials in use now. */
  #callerAt(authority: string | null): Caller {
    const { report, credentials } = this.#accepted
    const [leaf] = credentials.chain
    const member = this.#members.find(({ endpoint }) => endpoint.authority === authority)
    return {
      path: report.path,
      commonName: leaf.subject.commonName,
      isHidden: member?.hidesCertificate ?? false,
      username: this.#options.auth?.username ?? null,
    }
  }

  #reportOnEndpoints(more: readonly Finding[] = []): Report {
    const findings = [...more, ...this.#members.flatMap((each) => each.findings)]
    const notes = this.#notes.filter(
      (each) => EXPLAINS[each.code]?.every((codes) => findings.some(({ code }) => codes.test(code))) === true,
    )
    return makeReport({ checkedAt: new Date(), path: this.#accepted.report.path, findings: [...findings, ...notes] })
  }
}

/** Who leads, of the endpoints that report it. */
function leadership(members: readonly Member[]): Finding[] {
  const connected = members.filter(({ connection }) => connection !== null)
  if (connected.length > 0 && connected.every((each) => !each.hasLeader)) return [quorumFinding(members)]
  const roles = members.flatMap(({ endpoint: { url }, role }) => (role === null ? [] : [{ endpoint: url, role }]))
  if (roles.every(({ role }) => role === 'learner')) return []
  const leader = roles.find(({ role }) => role === 'leader')?.endpoint ?? null
  return [finding('endpoint/leader', { leader, members: roles })]
}
