/**
 * Going over to new credentials under a client that lives: judged like the first, proved at an endpoint, then used by every
 * call that starts from there on; the connections made with the old ones end within a bounded time.
 */
import type { Credentials, CredentialSource } from '../credentials/credentials.js'
import { EtcdMtlsError, isEtcdMtlsError, isError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { type FailedReport, makeReport, type PassedReport, summarize } from '../report/report.js'
import { abortable, pause } from './abortable.js'
import { type Accepted, acceptInTurns, healsAt } from './accept.js'
import type { Connection } from './transport/connection.js'
import { finding } from './finding.js'
import { hasAnswered } from './handshake-error.js'
import type { Member, Trial } from './member.js'
import type { ResolvedTls } from './options.js'
import type { DrainPolicy } from './tls-session.js'

/**
 * How long what runs on an old connection may take to end, in milliseconds: longer than etcd itself lets a request take,
 * which is 5 s and twice the election time-out of 1 s (etcd server/config/config.go, ReqTimeout).
 */
export const DRAIN_LIMIT = 10_000

/**
 * Between the starts of two handshakes, and at most, in milliseconds. Each takes the process for about a millisecond; requests
 * would wait for all of them if they came at once.
 */
const STAGGER = 5
const LONGEST_STAGGER = 50

export interface RotationParts {
  /** The endpoints as they are now. */
  members(): readonly Member[]
  readonly tls: ResolvedTls
  /** Aborted when the client closes. */
  readonly life: AbortSignal
  /** From here on, these are the credentials in use. */
  use(accepted: Accepted): void
  /** From here on, credentials come from this source. */
  follow(source: CredentialSource): void
}

export type RotationOutcome =
  | { rotated: true; report: PassedReport }
  /**
   * `unproved`: there is nothing wrong with the credentials in themselves, so that they may be taken later. `healsAt`: only time
   * has to pass until they are good, to this one in milliseconds since 1970.
   */
  | { rotated: false; report: FailedReport; unproved: boolean; healsAt: number | null }

interface Manner {
  readonly drain: DrainPolicy
  /** Whether it keeps the process alive: somebody waits for it. */
  readonly keepsProcess: boolean
}

type Decision = 'proved' | 'unproved' | 'refused'

/** Carries out rotations, one after the other. */
export class Rotation {
  readonly #parts: RotationParts
  #source: CredentialSource
  #last: Promise<unknown> = Promise.resolve()

  constructor(source: CredentialSource, parts: RotationParts) {
    this.#source = source
    this.#parts = parts
  }

  /**
   * Goes over to what a source has now, after the rotations that were asked for before.
   *
   * @param next Becomes the source, if its credentials come into use. Null: the source as it is when the turn comes.
   * @throws {EtcdMtlsError} `ERR_CLOSED` when the client is closed, also meanwhile.
   */
  load(next: CredentialSource | null, drain: DrainPolicy): Promise<RotationOutcome> {
    return this.inTurn(async () => {
      const source = next ?? this.#source
      const { life } = this.#parts
      const outcome = await this.#rotate(() => abortable(life, source.load(life)), source.origin, {
        drain,
        keepsProcess: true,
      })
      if (outcome.rotated && source !== this.#source) {
        this.#source = source
        this.#parts.follow(source)
      }
      return outcome
    })
  }

  /**
   * Goes over to credentials that a source yielded by itself, unless another source has taken its place by then.
   *
   * @returns Null: another has.
   */
  take(credentials: Credentials, source: CredentialSource, drain: DrainPolicy): Promise<RotationOutcome | null> {
    return this.inTurn(async () =>
      source === this.#source
        ? this.#rotate(() => Promise.resolve(credentials), source.origin, { drain, keepsProcess: false })
        : null,
    )
  }

  /**
   * Runs work after the rotations that were asked for before, and before those that are asked for later.
   *
   * @throws {EtcdMtlsError} `ERR_CLOSED` when the client is closed.
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      this.#assertOpen()
      return work()
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #rotate(load: () => Promise<Credentials>, origin: string, manner: Manner): Promise<RotationOutcome> {
    let credentials: Credentials | null = null
    let accepted: Accepted
    try {
      credentials = await load()
      accepted = await acceptInTurns(credentials, this.#parts.tls)
    } catch (error) {
      this.#assertOpen()
      const report = reportOf(error, origin)
      const time = credentials === null ? null : healsAt(credentials, report)
      return { rotated: false, report, unproved: false, healsAt: time }
    }
    return this.#goOver(accepted, manner)
  }

  async #goOver(accepted: Accepted, { drain, keepsProcess }: Manner): Promise<RotationOutcome> {
    const { life } = this.#parts
    const members = this.#parts.members()
    const wereReady = new Set(members.filter((each) => each.state === 'ready'))
    const tryOut = async (member: Member, index: number): Promise<Trial> => {
      if (index > 0) await pause(Math.min(index * STAGGER, LONGEST_STAGGER), life, keepsProcess)
      return member.tryOut(accepted, keepsProcess)
    }
    const trials = members.map((member, index) => ({ member, trial: tryOut(member, index) }))
    const decision = this.#decide(
      accepted,
      trials.map(({ trial }) => trial),
    )
    const findings: Finding[] = []
    const old: { connection: Connection; drain: DrainPolicy }[] = []
    await Promise.all(
      trials.map(async ({ member, trial }) => {
        const outcome = await trial
        if ((await decision) === 'refused') {
          if (!outcome.ok) findings.push(...outcome.findings)
          return
        }
        const connections = member.adopt(outcome)
        // A server that was not proved with the new trust has no claim to the time that streams would take.
        old.push(...connections.map((connection) => ({ connection, drain: outcome.ok ? drain : 'now' })))
        if (!outcome.ok && wereReady.has(member)) findings.push(leftBehind(member, outcome.findings))
      }),
    )
    // Not before every endpoint has gone over, or streams would move to a connection that is the next to leave.
    for (const each of old) leave(each.connection, each.drain)
    this.#assertOpen()
    return this.#conclude(accepted, await decision, findings)
  }

  /** One endpoint that is proved is enough. Resolves with the first, or when all have failed. */
  async #decide(accepted: Accepted, trials: readonly Promise<Trial>[]): Promise<Decision> {
    const { life } = this.#parts
    const proofs = trials.map(async (trial) => {
      if (!(await trial).ok) throw new Error('not proved')
    })
    let decision: Decision = 'proved'
    try {
      await Promise.any(proofs)
    } catch {
      const findings = (await Promise.all(trials)).flatMap((trial) => (trial.ok ? [] : trial.findings))
      // Where nothing answers and nothing is connected either, the old credentials are no better.
      const nothingToLose = !hasAnswered(findings) && !this.#parts.members().some((each) => each.state === 'ready')
      if (life.aborted || !nothingToLose) return 'refused'
      decision = 'unproved'
    }
    this.#parts.use(accepted)
    return decision
  }

  #conclude({ report, credentials }: Accepted, decision: Decision, findings: readonly Finding[]): RotationOutcome {
    const endpoints = this.#parts.members().map(({ endpoint }) => endpoint.url)
    const { origin } = credentials
    if (decision === 'refused') {
      const first = finding('rotation/not-proved', { origin, endpoints })
      return { rotated: false, report: failed([first, ...findings], report.path), unproved: true, healsAt: null }
    }
    const unproved = decision === 'unproved' ? [finding('rotation/unproved', { origin, endpoints })] : []
    return { rotated: true, report: { ...report, findings: [...report.findings, ...unproved, ...findings] } }
  }

  #assertOpen(): void {
    if (this.#parts.life.aborted) throw new EtcdMtlsError('ERR_CLOSED', 'The client is closed.', { what: 'client' })
  }
}

function leave(connection: Connection, drain: DrainPolicy): void {
  void (drain === 'now' ? connection.vacate(DRAIN_LIMIT) : connection.close())
}

function leftBehind({ endpoint }: Member, findings: readonly Finding[]): Finding {
  return finding('rotation/endpoint-left-behind', { endpoint: endpoint.url, detail: summarize(findings) })
}

/** What the error of a source, or of the verdict on what it gave, has to tell. */
function reportOf(error: unknown, origin: string): FailedReport {
  if (isEtcdMtlsError(error, 'ERR_VALIDATION_FAILED')) return error.details.report
  if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) return failed(error.details.findings, null)
  const detail = isError(error) ? error.message : String(error)
  return failed([finding('rotation/source-failed', { origin, detail })], null)
}

function failed(findings: readonly [Finding, ...Finding[]], path: FailedReport['path']): FailedReport {
  const report = makeReport({ checkedAt: new Date(), path, findings })
  // Sound: each caller has an error among its findings.
  if (report.ok) throw new Error('A refusal without an error')
  return report
}
