/** The TLS side of one client: its credentials, its endpoints, and what is said about them. */
import { EtcdMtlsError } from '../errors.js'
import type { Finding } from '../report/finding.js'
import { makeReport, summarize, type FailedReport, type PassedReport, type Report } from '../report/report.js'
import type { Accepted } from './accept.js'
import { hasAnswered } from './handshake-error.js'
import { Member } from './member.js'
import { Members } from './members.js'
import type { ResolvedOptions } from './options.js'
import type { EndpointStatus, TlsSession } from './tls-session.js'

/** grpc-js' own limit for an answer, in octets. */
const MAX_RECEIVE_LENGTH = 4 * 1024 * 1024

/**
 * How long the other endpoints may take to settle once one is proved, in milliseconds: long enough for a refusal to be
 * reported at once, short enough that a dead member does not hold up the start.
 */
const SETTLE_GRACE = 250

export class Session implements TlsSession {
  readonly members: Members
  readonly #members: readonly Member[]
  readonly #options: ResolvedOptions
  #accepted: Accepted
  #loginFindings: readonly Finding[] = []
  #closed = false

  constructor(options: ResolvedOptions, accepted: Accepted) {
    const { endpoints, serverName, dialTimeout, etcd3 } = options
    this.#options = options
    this.#accepted = accepted
    this.#members = endpoints.map(
      (endpoint) =>
        new Member({
          endpoint,
          name: serverName ?? endpoint.host,
          accepted: () => this.#accepted,
          dialTimeout,
          onChange: () => {
            this.members.memberChanged()
          },
        }),
    )
    const limit: unknown = etcd3.grpcOptions?.['grpc.max_receive_message_length']
    this.members = new Members(this.#members, dialTimeout, typeof limit === 'number' ? limit : MAX_RECEIVE_LENGTH)
  }

  get report(): PassedReport {
    const { report } = this.#accepted
    return { ...report, findings: [...report.findings, ...this.#loginFindings] }
  }

  get endpoints(): EndpointStatus[] {
    return this.#members.map((each) => each.status)
  }

  async probe(): Promise<Report> {
    if (this.#closed) throw new EtcdMtlsError('ERR_CLOSED', 'The client is closed.', { what: 'client' })
    await Promise.all(this.#members.map((each) => each.check()))
    return this.#reportOnEndpoints()
  }

  /** What logging in brought to light, beside the verdict on the credentials. */
  noteLogin(findings: readonly Finding[]): void {
    this.#loginFindings = findings
  }

  /**
   * Dials every endpoint, side by side, until as many are proved as the caller asked for.
   *
   * @throws {EtcdMtlsError} `ERR_HANDSHAKE_FAILED` if any endpoint answered and was refused or refused us, `ERR_UNREACHABLE` if none answered.
   */
  async preflight(): Promise<void> {
    const { preflight } = this.#options
    const attempts = this.#members.map((each) => each.attempt(preflight !== 'none'))
    if (preflight === 'none') return
    const settled = Promise.all(attempts)
    if (preflight === 'any') await this.#firstReady(attempts, settled)
    else await settled
    const ready = this.#members.filter((each) => each.state === 'ready').length
    if (ready < (preflight === 'all' ? this.#members.length : 1)) throw this.#failure()
    for (const member of this.#members) member.release()
  }

  /** Ends every call and connection; resolves when every socket is gone. */
  async close(): Promise<void> {
    this.#closed = true
    await this.members.close()
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

  #failure(): EtcdMtlsError {
    const report = this.#reportOnEndpoints()
    // Sound: an endpoint that is not ready always has an error among its findings.
    if (report.ok) throw new Error('An endpoint failed without a finding')
    return preflightFailed(report)
  }

  #reportOnEndpoints(): Report {
    const findings = this.#members.flatMap((each) => each.findings)
    return makeReport({ checkedAt: new Date(), path: this.#accepted.report.path, findings })
  }
}

/** The error for endpoints that could not be proved. */
export function preflightFailed(report: FailedReport): EtcdMtlsError {
  const summary = summarize(report.findings)
  return hasAnswered(report.findings)
    ? new EtcdMtlsError('ERR_HANDSHAKE_FAILED', `No secure connection: ${summary}`, { report })
    : new EtcdMtlsError('ERR_UNREACHABLE', `No endpoint answered: ${summary}`, { report })
}
