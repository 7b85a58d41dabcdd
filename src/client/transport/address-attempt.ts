/**
 * One attempt to reach etcd at one address. It succeeds after TCP, TLS (verified by Node and by our rules), the HTTP/2
 * SETTINGS of the server (in TLS 1.3 the first evidence that it accepted our certificate) and one answer of etcd.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { FailedAddress } from '../../report/catalogue/endpoint.js'
import { asError } from '../../report/errors.js'
import type { Host } from '../../x509/names.js'
import { authorityFor, type Endpoint } from '../base/endpoints.js'
import { FrameSession } from '../http2/frame-session.js'
import { goawayError } from '../http2/protocol.js'
import type { ValidatedCredentials } from '../base/validated-credentials.js'
import { Connection, type DownListener } from './connection.js'
import {
  type Answer,
  HEALTH_CHECK_AGENT,
  healthCheck,
  kindOf,
  readServerStatus,
  type RequestCarrier,
} from './health-check.js'
import type { Target } from './resolve.js'
import { keyExchangeOf, openVerifiedTls, type ServerValidation } from './tls-socket.js'

export const STAGES = ['lookup', 'connect', 'handshake', 'settings', 'health-check'] as const
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
  /** Null if Node does not report it. */
  keyExchange: string | null
  validated: ValidatedCredentials
  validation: ServerValidation
  /** Null if that is unknown. */
  certificateSent: boolean | null
  answer: Answer
  /** The cluster that the member belongs to; null if it was not reported in a second, or in the rest of the time-out. */
  cluster: Promise<string | null>
  failedAddresses: readonly FailedAddress[]
}

export type DialOutcome = { ok: true; dialled: Dialled } | { ok: false; failure: DialFailure }

export interface DialRequest {
  endpoint: Endpoint
  name: Host
  validated: ValidatedCredentials
  onDown: DownListener
  timeout: number
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
// The same in TLS 1.2 before the requests: a refused certificate takes at least 190 bytes and the chain.
const MAX_END_WITHOUT_CERTIFICATE = 100

/** Milliseconds to wait for the status of a member, which the first calls do not wait for. etcd answers it and the health check at once. */
const STATUS_WAIT = 10_000

export function noEvidence(stage: DialStage, target: Target | null): DialFailure {
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

export class AddressAttempt {
  readonly target: Target
  readonly outcome: Promise<DialOutcome>
  readonly #request: DialRequest
  /** The HTTP/2 authority. */
  readonly #host: string
  readonly #evidence: DialFailure
  readonly #started = performance.now()
  readonly #raw: Socket
  #tls: TLSSocket | null = null
  #session: FrameSession | null = null
  /** Milliseconds that the TCP handshake took. */
  #connectTime = 0
  /** Bytes of the ClientHello; 0 until it was written. */
  #helloSize = 0
  /** Null once the attempt has ended. */
  #settle: ((outcome: DialOutcome) => void) | null = null

  constructor(request: DialRequest, target: Target) {
    this.target = target
    this.#request = request
    this.#host = authorityFor(request.endpoint, request.name)
    this.#evidence = noEvidence('connect', target)
    this.outcome = new Promise<DialOutcome>((resolve) => {
      this.#settle = resolve
    })
    this.#raw = connectTcp(target.options).unref()
    this.#raw.on('error', this.#remember).once('connect', this.#startTls)
  }

  /** Ends the attempt and destroys its sockets. */
  abort(timedOut: boolean): void {
    if (this.#settle === null) return
    const alert = alertNumber(this.#evidence.error)
    const answered = this.#raw.bytesRead > 0
    const certificateSent = this.#certificateSent()
    this.#end({ ok: false, failure: { ...this.#evidence, alert, timedOut, certificateSent, answered } })
    for (const each of [this.#session, this.#tls, this.#raw]) each?.destroy()
  }

  readonly #startTls = (): void => {
    this.#connectTime = performance.now() - this.#started
    this.#evidence.stage = 'handshake'
    const { name, validated, endpoint } = this.#request
    const expected = { raw: this.#raw, name, validated, endpoint: endpoint.url }
    try {
      const tls = openVerifiedTls(expected, {}, (validation) => {
        this.#evidence.validation = validation
      })
      this.#tls = tls
      // One turn later the hello is written, and no answer can have been read.
      setImmediate(() => {
        this.#helloSize = this.#raw.bytesWritten
      })
      tls.once('secureConnect', () => {
        this.#startHttp2(tls)
      })
      tls.on('error', this.#remember).once('close', this.#fail)
    } catch (error) {
      // OpenSSL refuses some certificates only here, for example SHA-1 signed ones.
      this.#remember(asError(error))
    }
  }

  #startHttp2(tls: TLSSocket): void {
    const alpn = typeof tls.alpnProtocol === 'string' ? tls.alpnProtocol : null
    Object.assign(this.#evidence, { stage: 'settings', protocol: tls.getProtocol(), alpn })
    // Nothing may be sent before it is known (RFC 9113 section 3.2).
    if (alpn !== 'h2') {
      this.#remember(new Error(`it chose ${alpn ?? 'no protocol'} in the TLS handshake (ALPN), not h2`))
      return
    }
    const session = new FrameSession(tls, {
      onSettings: () => {
        this.#evidence.stage = 'health-check'
      },
      // Without an error, the health check shows whether the server answers all the same.
      onGoaway: (code, _last, reason) => {
        const error = goawayError(code, reason)
        if (error !== null) this.#remember(error)
      },
      onClose: (error) => {
        if (error !== null) this.#remember(error)
      },
    })
    session.unref()
    this.#session = session
    this.#checkHealth(tls, session)
  }

  #checkHealth(tls: TLSSocket, session: FrameSession): void {
    const sent = performance.now()
    const carrier: RequestCarrier = { host: this.#host, request: (...args) => session.request(...args) }
    const health = healthCheck(carrier)
    const status = readServerStatus(carrier, null, { agent: HEALTH_CHECK_AGENT, timeout: STATUS_WAIT })
    health.then(
      (answer) => {
        if (kindOf(answer) !== 'etcd') {
          this.#evidence.answer = answer
          this.abort(false)
          return
        }
        // The slower of the two is the round trip, because a local proxy may answer the TCP handshake.
        const roundTrip = Math.max(this.#connectTime, performance.now() - sent)
        const cluster = status.then((reported) => reported?.clusterId ?? null)
        this.#succeed({ socket: tls, session, roundTrip }, answer, cluster)
      },
      (error: unknown) => {
        // The session reports its own error when it ends.
        if (session.isOpen) this.#remember(asError(error))
      },
    )
  }

  #succeed(
    parts: { socket: TLSSocket; session: FrameSession; roundTrip: number },
    answer: Answer,
    cluster: Promise<string | null>,
  ): void {
    if (this.#settle === null) return
    const { validation, protocol } = this.#evidence
    if (validation?.report.ok !== true) {
      // Unreachable, because Node calls our check at every full handshake and no session is resumed. A guard in case
      // one is.
      this.#remember(new Error('The chain of the server was not validated'))
      return
    }
    parts.socket.removeListener('close', this.#fail)
    const { endpoint, validated, onDown } = this.#request
    const where = { url: endpoint.url, host: this.#host, raw: this.#raw }
    const dialled: Dialled = {
      connection: new Connection({ ...parts, ...where }, onDown),
      address: this.target.address,
      protocol: protocol === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3',
      keyExchange: keyExchangeOf(parts.socket),
      validated,
      validation,
      certificateSent: this.#certificateSent(),
      answer,
      cluster,
      failedAddresses: [],
    }
    this.#end({ ok: true, dialled })
  }

  // Keeps the first error: later ones (EPIPE, ECONNRESET) are its consequence. An alert replaces an earlier error,
  // because HTTP/2 may notice the closed connection first, so the failure is reported one turn later. It does not wait
  // for `close`, which may come late.
  readonly #remember = (error: Error): void => {
    const known = this.#evidence.error
    if (known === null || (alertNumber(known) === null && alertNumber(error) !== null)) this.#evidence.error = error
    setImmediate(this.#fail)
  }

  readonly #fail = (): void => {
    this.abort(false)
  }

  #end(outcome: DialOutcome): void {
    this.#settle?.(outcome)
    this.#settle = null
  }

  // Node does not report whether the server requested a certificate and OpenSSL sent ours. The bytes written after the
  // hello show it: a few messages without a certificate, or more bytes than our chain has.
  #certificateSent(): boolean | null {
    const flight = this.#raw.bytesWritten - this.#helloSize
    if (this.#helloSize === 0 || flight === 0) return null
    const { chain } = this.#request.validated.credentials
    const chainSize = chain.reduce((sum, each) => sum + each.raw.length, 0)
    return this.#evidence.stage === 'handshake'
      ? flight >= chainSize + MAX_END_WITHOUT_CERTIFICATE
      : flight >= chainSize + MAX_FLIGHT_WITHOUT_CERTIFICATE + this.#host.length
  }
}
