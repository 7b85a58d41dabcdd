/** Dials one endpoint, and explains the attempts that fail. */
import type { FailedAddress } from '../report/catalogue/endpoint.js'
import type { CertificateRef, Finding } from '../report/finding.js'
import type { Host } from '../x509/names.js'
import { type ClockReading, isVerificationError } from './diagnosis/evidence.js'
import { explainFailure } from './diagnosis/explain.js'
import { LastDiagnosis } from './diagnosis/probe.js'
import { publishDial } from './base/channels.js'
import type { Endpoint } from './base/endpoints.js'
import { finding } from './base/finding.js'
import { countOne, type Meter } from './base/meter.js'
import type { SessionOptions } from './base/options.js'
import type { Dialled, DialFailure, DialOutcome } from './transport/address-attempt.js'
import type { DownListener } from './transport/connection.js'
import { dial, type Dialling } from './transport/dial.js'
import { withSingleAnchor, type ValidatedCredentials } from './base/validated-credentials.js'

/** The part of the client that a dialler uses. */
export interface DiallerOwner {
  readonly options: Pick<SessionOptions, 'serverName' | 'dialTimeout'>
  readonly meter: Meter
  /** Reads the clock of a connected endpoint; null if none is connected or it does not answer. */
  readClock(): Promise<ClockReading | null>
}

/** `otherCluster`: whether the member was refused because it belongs to another cluster. */
export type DialAttempt = { ok: true; dialled: Dialled } | { ok: false; findings: Finding[]; otherCluster?: true }

interface ReachOptions {
  readonly timeout: number
  readonly signal: AbortSignal
  /** Whether the endpoint was connected before. */
  readonly wasReady: boolean
  /** Whether the member may be used. */
  readonly verify: (dialled: Dialled) => Promise<boolean>
}

export class EndpointDialler {
  /** The name that the server's certificate must cover. */
  readonly name: Host
  /** The path of the server's certificate that the last attempt refused; null if it refused none. */
  refusedPath: CertificateRef[] | null = null
  readonly diagnoses = new LastDiagnosis()
  readonly #endpoint: Endpoint
  readonly #owner: DiallerOwner
  readonly #onDown: DownListener
  /**
   * The credentials with one trust anchor that verified the server (`use`), and the credentials that they come from.
   */
  #singleAnchor: { validated: ValidatedCredentials; use: ValidatedCredentials } | null = null
  /** Dials in progress: with the current credentials, and with those of a rotation. */
  readonly #diallings = new Set<Dialling>()

  constructor(endpoint: Endpoint, owner: DiallerOwner, onDown: DownListener) {
    this.name = endpoint.serverName ?? owner.options.serverName ?? endpoint.host
    this.#endpoint = endpoint
    this.#owner = owner
    this.#onDown = onDown
  }

  abort(): void {
    for (const each of this.#diallings) each.abort()
  }

  /** Dials, and counts and publishes the attempt. */
  async reach(validated: ValidatedCredentials, options: ReachOptions): Promise<DialAttempt> {
    const started = performance.now()
    const attempt = await this.#reach(validated, options)
    const codes = attempt.ok ? [] : attempt.findings.map(({ code }) => code)
    // An attempt that was aborted has no result.
    if (attempt.ok || codes.length > 0) countOne(this.#owner.meter.handshakes, codes[0] ?? 'ok')
    publishDial(() => {
      return { endpoint: this.#endpoint.url, ok: attempt.ok, codes, duration: performance.now() - started }
    })
    return attempt
  }

  /**
   * Dials. If OpenSSL missed a valid path, dials again with only the trust anchor of that path. Fails when the signal
   * aborts.
   */
  async #reach(
    validated: ValidatedCredentials,
    { timeout, signal, wasReady, verify }: ReachOptions,
  ): Promise<DialAttempt> {
    const deadline = performance.now() + timeout
    const tried = new Set<string>()
    let use = this.#known(validated)
    for (;;) {
      const outcome = await this.#dial(use, Math.max(1, deadline - performance.now()))
      if (outcome.ok) {
        const isAccepted = await verify(outcome.dialled)
        if (!signal.aborted && isAccepted) {
          this.#singleAnchor = use === validated ? null : { validated, use }
          return outcome
        }
        outcome.dialled.connection.destroy()
        return { ok: false, findings: [], ...(isAccepted ? {} : { otherCluster: true }) }
      }
      const parts = { timeout: deadline - performance.now(), signal, wasReady }
      const { findings, anchor } = await this.#explain(outcome.failure, validated, parts)
      const next = anchor === null || tried.has(anchor) ? null : withSingleAnchor(validated, anchor)
      if (anchor === null || next === null || signal.aborted || performance.now() >= deadline)
        return { ok: false, findings }
      tried.add(anchor)
      use = next
    }
  }

  /** Dials in addition to a connection with the same credentials. Null if that fails, which is not explained. */
  async reachAgain(
    validated: ValidatedCredentials,
    { signal, verify }: Pick<ReachOptions, 'signal' | 'verify'>,
  ): Promise<Dialled | null> {
    const outcome = await this.#dial(this.#known(validated), this.#owner.options.dialTimeout)
    if (!outcome.ok) return null
    if ((await verify(outcome.dialled)) && !signal.aborted) return outcome.dialled
    outcome.dialled.connection.destroy()
    return null
  }

  otherAddresses(answered: string | null, failed: readonly FailedAddress[]): Finding[] {
    const details = { endpoint: this.#endpoint.url, answered, failed: [...failed] }
    return failed.length === 0 ? [] : [finding('endpoint/address-failed', details)]
  }

  #known(validated: ValidatedCredentials): ValidatedCredentials {
    return this.#singleAnchor?.validated === validated ? this.#singleAnchor.use : validated
  }

  async #dial(validated: ValidatedCredentials, timeout: number): Promise<DialOutcome> {
    const common = { endpoint: this.#endpoint, name: this.name, onDown: this.#onDown }
    const dialling = dial({ ...common, validated, timeout })
    this.#diallings.add(dialling)
    const outcome = await dialling.outcome
    this.#diallings.delete(dialling)
    return outcome
  }

  /** The findings about a failure, and the trust anchor of the path if OpenSSL refused a valid chain. */
  async #explain(
    failure: DialFailure,
    validated: ValidatedCredentials,
    { timeout, signal, wasReady }: Omit<ReachOptions, 'verify'>,
  ): Promise<{ findings: Finding[]; anchor: string | null }> {
    const { dialTimeout } = this.#owner.options
    const attempt = { endpoint: this.#endpoint, name: this.name, validated, failure }
    const diagnosis = await this.diagnoses.of({ ...attempt, timeout, signal }, () => this.#owner.readClock())
    const found = explainFailure({ ...attempt, diagnosis, timeout: dialTimeout, wasReady })
    const { report } = diagnosis.validation ?? {}
    this.refusedPath = (failure.validation?.report ?? report)?.path ?? null
    return {
      findings: [...found, ...this.otherAddresses(null, failure.failedAddresses)],
      anchor:
        isVerificationError(failure.error) && report?.ok === true ? (report.path.at(-1)?.fingerprint256 ?? null) : null,
    }
  }
}

/** The cluster that the member reports; null if it does not, or the signal aborts, which ends the connection. */
export async function clusterOf({ connection, cluster }: Dialled, signal: AbortSignal): Promise<string | null> {
  // Without a connection there is no status.
  signal.addEventListener('abort', connection.destroy, { once: true })
  const clusterId = await cluster
  signal.removeEventListener('abort', connection.destroy)
  return clusterId
}
