/**
 * Dials an endpoint, racing its addresses as in RFC 8305. An attempt succeeds after TCP, TLS (verified by Node and by
 * our rules), the HTTP/2 SETTINGS of the server (in TLS 1.3 the first evidence that it accepted our certificate) and
 * one answer of etcd.
 */
import { backoffPause } from '../../report/duration.js'
import { connect as connectTcp } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { FailedAddress } from '../../report/catalogue/endpoint.js'
import { asError, codeOf } from '../../report/errors.js'
import type { Finding } from '../../report/finding.js'
import { certificateRef } from '../../x509/certificate.js'
import type { Host } from '../../x509/names.js'
import { authorityFor, type Endpoint } from '../endpoints.js'
import { finding } from '../finding.js'
import type { Http2Implementation } from '../http2/implementations.js'
import { openSession } from '../http2/open-session.js'
import type { Http2Session } from '../http2/protocol.js'
import { abortable, pause } from '../timing.js'
import type { ValidatedCredentials } from '../validated-credentials.js'
import { Connection, type DownListener } from './connection.js'
import {
  type Answer,
  HEALTH_CHECK_AGENT,
  healthCheck,
  kindOf,
  readServerStatus,
  type RequestCarrier,
} from './health-check.js'
import { needsLookup, resolveTargets, type Target } from './resolve.js'
import { openVerifiedTls, type ServerValidation } from './tls-socket.js'

const STAGES = ['lookup', 'connect', 'handshake', 'settings', 'health-check'] as const
type DialStage = (typeof STAGES)[number]

/** The evidence of a failed attempt; for a dial with several addresses, of the one that explains most. */
export interface DialFailure {
  /** The address of the attempt; null if the lookup gave none. */
  target: Target | null
  stage: DialStage
  /** The first error; null for a timeout, or if the server closed the connection without an error. */
  error: Error | null
  alert: number | null
  timedOut: boolean
  /** `TLSv1.3` or `TLSv1.2`, after the handshake. */
  protocol: string | null
  /** The application protocol that the server chose; null for none. */
  alpn: string | null
  /** The result of our own rules for the server's chain; null if OpenSSL refused it first, or the chain never arrived. */
  validation: ServerValidation | null
  /** Whether OpenSSL sent our certificate; null if the handshake did not get that far. */
  certificateSent: boolean | null
  /** The answer to the health check if it is not from etcd; null if none arrived. */
  answer: Answer | null
  answered: boolean
  /** All addresses, if there are several. */
  failedAddresses: readonly FailedAddress[]
}

export interface Dialled {
  connection: Connection
  address: string
  protocol: 'TLSv1.2' | 'TLSv1.3'
  validated: ValidatedCredentials
  validation: ServerValidation
  /** Null if that is unknown. */
  certificateSent: boolean | null
  answer: Answer
  /** The cluster that the member belongs to; null if it was not reported in a second, or in the rest of the time-out. */
  cluster: Promise<string | null>
  failedAddresses: readonly FailedAddress[]
}

type DialOutcome = { ok: true; dialled: Dialled } | { ok: false; failure: DialFailure }

interface DialRequest {
  endpoint: Endpoint
  http2: Http2Implementation
  name: Host
  validated: ValidatedCredentials
  onDown: DownListener
  timeout: number
}

export interface Dialling {
  outcome: Promise<DialOutcome>
  /** Stops the dial and destroys its sockets. */
  abort(): void
}

/** The number of the alert in an error of OpenSSL. The text changes between versions; the number is from RFC 8446. */
export function alertNumber(error: Error | null): number | null {
  const match = /SSL alert number (\d{1,3})/.exec(error?.message ?? '')
  return match === null ? null : Number(match[1])
}

// Bytes that distinguish a flight with our certificate from one without. Without it, the end of the handshake and two
// HTTP/2 requests take 300 to 330 bytes and the authority. With it, one request takes at least 270 bytes, the authority
// and the chain.
const MAX_FLIGHT_WITHOUT_CERTIFICATE = 250

/** Milliseconds to wait for the status of a member. etcd answers it and the health check at once. */
const STATUS_WAIT = 1000

function noEvidence(stage: DialStage, target: Target | null): DialFailure {
  return {
    target,
    stage,
    error: null,
    alert: null,
    timedOut: false,
    protocol: null,
    alpn: null,
    validation: null,
    certificateSent: null,
    answer: null,
    answered: false,
    failedAddresses: [],
  }
}

interface AddressAttempt {
  readonly target: Target
  readonly outcome: Promise<DialOutcome>
  /** Ends the attempt and destroys its sockets. */
  abort(timedOut: boolean): void
}

function tryAddress(request: DialRequest, target: Target): AddressAttempt {
  const { endpoint, name, validated, onDown } = request
  const host = authorityFor(endpoint, name)
  const evidence = noEvidence('connect', target)
  const started = performance.now()
  const raw = connectTcp(target.options).unref()
  let helloSize = 0
  let socket: TLSSocket | null = null
  let session: Http2Session | null = null
  let settle: ((outcome: DialOutcome) => void) | null = null
  const outcome = new Promise<DialOutcome>((resolve) => {
    settle = resolve
  })
  const end = (result: DialOutcome): void => {
    settle?.(result)
    settle = null
  }

  // Node does not report whether the server requested a certificate and OpenSSL sent ours. The bytes written after the
  // hello show it: a few messages without a certificate, or more bytes than our chain has.
  const certificateSent = (): boolean | null => {
    const flight = raw.bytesWritten - helloSize
    if (helloSize === 0 || flight === 0) return null
    const chainSize = validated.credentials.chain.reduce((sum, each) => sum + each.raw.length, 0)
    return flight >= chainSize + MAX_FLIGHT_WITHOUT_CERTIFICATE + host.length
  }
  const fail = (timedOut: boolean): void => {
    if (settle === null) return
    const alert = alertNumber(evidence.error)
    const answered = raw.bytesRead > 0
    end({ ok: false, failure: { ...evidence, alert, timedOut, certificateSent: certificateSent(), answered } })
    // One turn later: this one may be inside a callback of nghttp2, and destroying its sockets there corrupts the heap of Node 20.
    setImmediate(() => {
      for (const each of [session, socket, raw]) each?.destroy()
    })
  }
  const onClose = (): void => {
    fail(false)
  }
  // Keeps the first error: later ones (EPIPE, ECONNRESET) are its consequence. An alert replaces an earlier error,
  // because HTTP/2 may notice the closed connection first, so the failure is reported one turn later. It does not wait
  // for `close`, which may come late.
  const remember = (error: Error): void => {
    const known = evidence.error
    if (known === null || (alertNumber(known) === null && alertNumber(error) !== null)) evidence.error = error
    setImmediate(onClose)
  }

  const startTls = (connectTime: number): void => {
    evidence.stage = 'handshake'
    try {
      const tls = openVerifiedTls({ raw, name, validated, endpoint: endpoint.url }, {}, (validation) => {
        evidence.validation = validation
      })
      socket = tls
      // One turn later the hello is written, and no answer can have been read.
      setImmediate(() => {
        helloSize = raw.bytesWritten
      })
      tls.once('secureConnect', () => {
        startHttp2(tls, connectTime)
      })
      tls.on('error', remember).once('close', onClose)
    } catch (error) {
      // OpenSSL refuses some certificates only here, for example SHA-1 signed ones.
      remember(asError(error))
    }
  }
  const startHttp2 = (tls: TLSSocket, connectTime: number): void => {
    const sent = performance.now()
    const alpn = typeof tls.alpnProtocol === 'string' ? tls.alpnProtocol : null
    Object.assign(evidence, { stage: 'settings', protocol: tls.getProtocol(), alpn })
    // node:http2 does not require it. RFC 9113 section 3.2 does, and nothing may be sent before it is known.
    if (request.http2 === 'frames' && alpn !== 'h2') {
      remember(new Error(`it chose ${alpn ?? 'no protocol'} in the TLS handshake (ALPN), not h2`))
      return
    }
    const http2 = openSession(request.http2, tls, raw, {
      onSettings: () => {
        evidence.stage = 'health-check'
      },
      // The health check shows whether the server answers all the same.
      onGoaway: () => undefined,
      onClose: (error) => {
        if (error !== null) remember(error)
      },
    })
    http2.unref()
    session = http2
    const carrier: RequestCarrier = { host, request: (...args) => http2.request(...args) }
    const health = healthCheck(carrier)
    const timeout = Math.max(1, Math.min(STATUS_WAIT, request.timeout - (sent - started)))
    const status = readServerStatus(carrier, null, { agent: HEALTH_CHECK_AGENT, timeout })
    health.then(
      (answer) => {
        if (kindOf(answer) !== 'etcd') {
          evidence.answer = answer
          fail(false)
          return
        }
        // The slower of the two is the round trip, because a local proxy may answer the TCP handshake.
        const roundTrip = Math.max(connectTime, performance.now() - sent)
        const cluster = status.then((reported) => reported?.clusterId ?? null)
        finish({ socket: tls, session: http2, roundTrip }, answer, cluster)
      },
      (error: unknown) => {
        // The session reports its own error when it ends.
        if (http2.isOpen) remember(asError(error))
      },
    )
  }
  const finish = (
    parts: { socket: TLSSocket; session: Http2Session; roundTrip: number },
    answer: Answer,
    cluster: Promise<string | null>,
  ): void => {
    const { validation, protocol } = evidence
    if (settle === null) return
    if (validation?.report.ok !== true) {
      // Unreachable, because Node calls our check at every full handshake and no session is resumed. A guard in case
      // one is.
      remember(new Error('The chain of the server was not validated'))
      return
    }
    parts.socket.removeListener('close', onClose)
    const connection = new Connection({ ...parts, url: endpoint.url, host, raw }, onDown)
    const dialled: Dialled = {
      connection,
      address: target.address,
      protocol: protocol === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3',
      validated,
      validation,
      certificateSent: certificateSent(),
      answer,
      cluster,
      failedAddresses: [],
    }
    end({ ok: true, dialled })
  }

  raw.on('error', remember).once('connect', () => {
    startTls(performance.now() - started)
  })
  return { target, outcome, abort: fail }
}

// "Connection Attempt Delay" (RFC 8305 section 8), in milliseconds. An address that accepts TCP may still be silent, so
// the next attempt starts unless the previous one has completed the TLS handshake and the first call.
const STAGGER = 250
/**
 * Milliseconds after which an address that refused the connection is tried again, if others have not failed yet: the server
 * there may have started.
 */
const RETRY = 250

/**
 * Tries the addresses of the endpoint until one answers as etcd.
 *
 * @param signal Aborts all attempts; the reason is `true` for a time-out.
 */
async function race(request: DialRequest, signal: AbortSignal): Promise<DialOutcome> {
  const { endpoint } = request
  const stage = needsLookup(endpoint) ? 'lookup' : 'connect'
  const notAttempted = (error: Error | null): DialFailure => {
    return { ...noEvidence(stage, null), error, timedOut: signal.reason === true }
  }
  let targets: Target[]
  try {
    targets = await abortable(signal, resolveTargets(endpoint))
  } catch (error) {
    return { ok: false, failure: notAttempted(signal.aborted ? null : asError(error)) }
  }
  const addresses = new AddressQueue(targets)
  const running = new Set<AddressAttempt>()
  const stop = (): void => {
    for (const each of running) each.abort(signal.reason === true)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    while (running.size > 0 || (addresses.hasUntried && !signal.aborted)) {
      const target = signal.aborted ? null : addresses.take()
      if (target !== null) running.add(tryAddress(request, target))
      const ended = await firstEnd(running, addresses.pause)
      if (ended === null) continue
      running.delete(ended.attempt)
      if (ended.outcome.ok) return won(ended.outcome.dialled, addresses, running)
      addresses.fail(ended.attempt.target, ended.outcome.failure)
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  const { failures } = addresses
  const [first = notAttempted(null), ...others] = failures
  const best = others.reduce((one, other) => (specificity(other) > specificity(one) ? other : one), first)
  return { ok: false, failure: { ...best, failedAddresses: failures.length === 1 ? [] : failures.map(describe) } }
}

/** The addresses of a race: those that were not tried yet, and those that refused and are tried again. */
class AddressQueue {
  readonly #untried: Target[]
  readonly #refused: { readonly target: Target; readonly retryAt: number }[] = []
  /** The last failure of each address. */
  readonly #failures = new Map<string, DialFailure>()

  constructor(targets: readonly Target[]) {
    this.#untried = [...targets]
  }

  get hasUntried(): boolean {
    return this.#untried.length > 0
  }

  get failures(): DialFailure[] {
    return [...this.#failures.values()]
  }

  /** Milliseconds until the next address is to be tried. */
  get pause(): number {
    const [next] = this.#refused
    return this.hasUntried || next === undefined ? STAGGER : Math.max(0, next.retryAt - performance.now())
  }

  take(): Target | null {
    const untried = this.#untried.shift()
    if (untried !== undefined) return untried
    const [next] = this.#refused
    return next === undefined || next.retryAt > performance.now() ? null : (this.#refused.shift()?.target ?? null)
  }

  fail(target: Target, failure: DialFailure): void {
    const { timedOut, answered } = failure
    // A later attempt may have had no time to fail in the same way.
    if (!timedOut || !this.#failures.has(target.address)) this.#failures.set(target.address, failure)
    if (!timedOut && !answered) this.#refused.push({ target, retryAt: performance.now() + RETRY })
  }

  failuresWithout(address: string): DialFailure[] {
    return [...this.#failures].flatMap(([each, failure]) => (each === address ? [] : [failure]))
  }
}

/** The first attempt that ends; null if none ends within that time. */
async function firstEnd(
  running: ReadonlySet<AddressAttempt>,
  milliseconds: number,
): Promise<{ attempt: AddressAttempt; outcome: DialOutcome } | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, milliseconds, null).unref()
  })
  const ends = [...running].map(async (attempt) => ({ attempt, outcome: await attempt.outcome }))
  const first = await Promise.race([...ends, late])
  clearTimeout(timer)
  return first
}

function won(dialled: Dialled, addresses: AddressQueue, running: ReadonlySet<AddressAttempt>): DialOutcome {
  const failed = addresses.failuresWithout(dialled.address).map(describe)
  for (const each of running) {
    const { address } = each.target
    each.abort(false)
    if (failed.every((other) => other.address !== address)) failed.push({ address, reason: 'slower' })
  }
  return { ok: true, dialled: { ...dialled, failedAddresses: failed } }
}

/**
 * Ranks a failure by how much it explains: a refusal more than a broken connection, a later step more than an earlier
 * one.
 */
function specificity({ alert, validation, stage, timedOut }: DialFailure): number {
  const refusal = alert !== null || validation?.report.ok === false ? 2 * STAGES.length : 0
  return refusal + 2 * STAGES.indexOf(stage) + (timedOut ? 0 : 1)
}

function describe({ target, alert, timedOut, error, validation }: DialFailure): FailedAddress {
  const address = target?.address ?? ''
  if (alert !== null) return { address, reason: `alert ${String(alert)}` }
  if (validation?.report.ok === false) return { address, reason: 'certificate refused' }
  if (timedOut) return { address, reason: 'timeout' }
  return { address, reason: codeOf(error) ?? error?.message ?? 'closed' }
}

/**
 * TLS alert 80: etcd sends it at every handshake while its certificate and key do not match, for example during a
 * renewal.
 */
const INTERNAL_ERROR = 80
const PAUSES = { first: 100, longest: 1000 }

/**
 * Dials, and retries within the time-out while the server sends alert 80. The alert is reported if it persists. Its
 * timers do not keep the process alive; the caller does.
 */
export function dial(request: DialRequest): Dialling {
  const deadline = performance.now() + request.timeout
  const over = new AbortController()
  const timer = setTimeout(() => {
    over.abort(true)
  }, request.timeout).unref()
  const run = async (): Promise<DialOutcome> => {
    let last: DialOutcome | null = null
    for (let failures = 1; ; failures += 1) {
      const outcome = await race(request, over.signal)
      // Returns the earlier failure: the last attempt may have had no time to receive the alert.
      if (last !== null && !outcome.ok && outcome.failure.timedOut) return last
      const length = backoffPause(failures, PAUSES)
      const left = deadline - performance.now() - length
      if (outcome.ok || outcome.failure.alert !== INTERNAL_ERROR || left <= 0) return outcome
      last = outcome
      await pause(length, over.signal, false)
      if (over.signal.aborted) return outcome
    }
  }
  return {
    outcome: run().finally(() => {
      clearTimeout(timer)
    }),
    abort: () => {
      over.abort(false)
    },
  }
}

/** The server did not request the certificate of the client. */
export function notAskedFinding(endpoint: string, { validation, answer: { server } }: Dialled): Finding {
  const [leaf] = validation.chain
  const details = { endpoint, subject: String(leaf?.subject ?? ''), issuer: String(leaf?.issuer ?? ''), server }
  const ref = leaf === undefined ? null : certificateRef(leaf, 'leaf', 0)
  return finding('handshake/client-certificate-not-asked', details, ref)
}
