/**
 * One attempt to reach one address of an endpoint: TCP, TLS verified by Node and by our own rules, HTTP/2 with the server's
 * SETTINGS, and the answer of etcd to one call. It ends in a connection, or in the evidence of what failed.
 * diagnosis/explain.ts explains that evidence.
 */
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { asError } from '../../report/errors.js'
import type { Host } from '../../x509/names.js'
import { authorityFor, type Endpoint } from '../endpoints.js'
import type { ValidatedCredentials } from '../validated-credentials.js'
import { Connection, type DownListener } from './connection.js'
import { type Answer, HEALTH_CHECK_AGENT, healthCheck, kindOf, readServerStatus } from './health-check.js'
import { openVerifiedTls, type ServerValidation } from './tls-socket.js'

/** One address that a TCP or unix socket can be connected to. */
export interface Target {
  /** An IP address, or the path of a unix socket. */
  readonly address: string
  readonly options: NetConnectOpts
}

/** The steps of an attempt, in order. */
const STAGES = ['lookup', 'connect', 'handshake', 'settings', 'health-check'] as const

/** The step in which an attempt ended. */
type DialStage = (typeof STAGES)[number]

/** The evidence of an attempt that failed. */
export interface AddressFailure {
  /** The address of the attempt; null if the lookup gave none. */
  target: Target | null
  stage: DialStage
  /** The first error; null for a timeout, or if the server closed the connection without an error. */
  error: Error | null
  /** The number of the TLS alert that the server sent. */
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
  /** The answer to the first call if it is not etcd's; null if no answer arrived. */
  answer: Answer | null
  /** Whether the server sent anything. */
  answered: boolean
}

/** A connection and the results of its handshake. */
export interface AddressDialled {
  connection: Connection
  address: string
  protocol: 'TLSv1.2' | 'TLSv1.3'
  /** What it was made with. */
  validated: ValidatedCredentials
  validation: ServerValidation
  /** Null if that is unknown. */
  certificateSent: boolean | null
  /** The answer to the first call. */
  answer: Answer
  /** The cluster that the member belongs to; null if it was not reported in time. */
  clusterId: string | null
}

export type AddressOutcome = { ok: true; dialled: AddressDialled } | { ok: false; failure: AddressFailure }

export interface AddressRequest {
  endpoint: Endpoint
  /** The name that the server's certificate has to cover. */
  name: Host
  validated: ValidatedCredentials
  onDown: DownListener
}

/** How much a failure explains: a refusal more than a broken connection, a later step more than an earlier one. */
export function specificity({ alert, validation, stage, timedOut }: AddressFailure): number {
  const refusal = alert !== null || validation?.report.ok === false ? 2 * STAGES.length : 0
  return refusal + 2 * STAGES.indexOf(stage) + (timedOut ? 0 : 1)
}

/** The number of the alert in an error of OpenSSL. The text changes between versions; the number is from RFC 8446. */
export function alertNumber(error: Error | null): number | null {
  const match = error === null ? null : /SSL alert number (\d{1,3})/.exec(error.message)
  return match?.[1] === undefined ? null : Number(match[1])
}

/**
 * The HTTP/2 window of a stream, in bytes: four times the default, so that range reads of several MB rarely wait for window updates.
 * It is also what Node buffers for a stream that nobody reads, so it is not larger.
 */
const STREAM_WINDOW = 256 * 1024
/**
 * Tells a flight with our certificate from one without, in bytes. Without it, the end of a handshake and the start of HTTP/2 with two
 * requests take 300 to 330, and the authority; with it, at least 270 with one request, the authority, and the chain.
 */
const BARE_FLIGHT = 250
/** How long the status of a member that passed the health check may take, in milliseconds. etcd answers both at once. */
const STATUS_WAIT = 1000

export class AddressAttempt {
  readonly target: Target
  readonly #request: AddressRequest
  readonly #onSettled: (outcome: AddressOutcome) => void
  readonly #raw: Socket
  #settled = false
  #released = false
  #stage: DialStage = 'connect'
  #error: Error | null = null
  #validation: ServerValidation | null = null
  #protocol: string | null = null
  #alpn: string | null = null
  #answer: Answer | null = null
  /** The size of our ClientHello, in bytes. */
  #helloSize = 0
  #socket: TLSSocket | null = null
  #session: ClientHttp2Session | null = null
  /** Set once etcd has answered the health check, while its status is awaited. */
  #succeed: ((clusterId: string | null) => void) | null = null
  readonly #onClose = (): void => {
    this.fail(false)
  }

  /** @param onSettled Called once, never before the constructor returns. */
  constructor(request: AddressRequest, target: Target, onSettled: (outcome: AddressOutcome) => void) {
    this.target = target
    this.#request = request
    this.#onSettled = onSettled
    const started = performance.now()
    this.#raw = connectTcp(target.options)
    this.#raw.on('error', (error) => {
      this.#remember(error)
    })
    this.#raw.once('connect', () => {
      this.#stage = 'handshake'
      this.#startTls(performance.now() - started)
    })
  }

  get #host(): string {
    return authorityFor(this.#request.endpoint, this.#request.name)
  }

  get stage(): DialStage {
    return this.#stage
  }

  release(): void {
    this.#released = true
    this.#raw.unref()
    this.#session?.unref()
  }

  /** Ends the attempt as a failure. No socket stays. */
  fail(timedOut: boolean): void {
    if (this.#settled) return
    if (timedOut && this.#succeed !== null) {
      this.#succeed(null)
      return
    }
    this.#settled = true
    const failure: AddressFailure = {
      target: this.target,
      stage: this.#stage,
      error: this.#error,
      alert: alertNumber(this.#error),
      timedOut,
      protocol: this.#protocol,
      alpn: this.#alpn,
      validation: this.#validation,
      certificateSent: this.#certificateSent(),
      answer: this.#answer,
      answered: this.#raw.bytesRead > 0,
    }
    this.#session?.destroy()
    this.#socket?.destroy()
    this.#raw.destroy()
    this.#onSettled({ ok: false, failure })
  }

  #startTls(connectTime: number): void {
    const { endpoint, name, validated } = this.#request
    try {
      const request = { raw: this.#raw, name, validated, endpoint: endpoint.url }
      const socket = openVerifiedTls(request, {}, (validation) => {
        this.#validation = validation
      })
      this.#socket = socket
      // After this turn the hello is written, and the answer cannot have been read.
      setImmediate(() => {
        this.#helloSize = this.#raw.bytesWritten
      })
      socket.once('secureConnect', () => {
        this.#startHttp2(socket, connectTime)
      })
      socket.on('error', (error: Error) => {
        this.#remember(error)
      })
      socket.once('close', this.#onClose)
    } catch (error) {
      // OpenSSL refuses some certificates only here, for example SHA-1 signed ones.
      this.#remember(asError(error))
    }
  }

  #startHttp2(socket: TLSSocket, connectTime: number): void {
    const { endpoint } = this.#request
    const started = performance.now()
    this.#stage = 'settings'
    this.#protocol = socket.getProtocol()
    this.#alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : null
    const session = connectHttp2(`https://${endpoint.authority}`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
      // Both are limits for servers with foreign clients; ours are the caller's own requests.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER,
    })
    this.#session = session
    if (this.#released) session.unref()
    session.on('error', (error: Error) => {
      this.#remember(error)
    })
    session.once('remoteSettings', () => {
      this.#stage = 'health-check'
    })
    const health = healthCheck(session, this.#host)
    const carrier = { host: this.#host, request: session.request.bind(session) }
    const status = readServerStatus(carrier, null, { agent: HEALTH_CHECK_AGENT })
    health.then(
      (answer) => {
        if (kindOf(answer) !== 'etcd') {
          this.#answer = answer
          this.fail(false)
          return
        }
        // A proxy near this machine may answer the TCP handshake: the slower of the two is the round trip to the server.
        const roundTrip = Math.max(connectTime, performance.now() - started)
        this.#succeed = (clusterId) => {
          clearTimeout(timer)
          this.#finish(socket, session, { answer, clusterId, roundTrip })
        }
        const timer = setTimeout(this.#succeed, STATUS_WAIT, null)
        void status.then((reported) => this.#succeed?.(reported?.clusterId ?? null))
      },
      (error: unknown) => {
        // The end of the session has an error of its own.
        if (!session.destroyed && !session.closed) this.#remember(asError(error))
      },
    )
  }

  #finish(
    socket: TLSSocket,
    session: ClientHttp2Session,
    { answer, clusterId, roundTrip }: { answer: Answer; clusterId: string | null; roundTrip: number },
  ): void {
    const { endpoint, validated, onDown } = this.#request
    const validation = this.#validation
    if (this.#settled) return
    if (validation?.report.ok !== true) {
      // Unreachable: Node asks for our result at every full handshake, and no session is resumed. If it were, this is the stop.
      this.#remember(new Error('The chain of the server was not validated'))
      return
    }
    this.#settled = true
    const certificateSent = this.#certificateSent()
    const raw = this.#raw
    socket.removeListener('close', this.#onClose)
    const connection = new Connection(
      { authority: endpoint.authority, host: this.#host, session, socket, raw, roundTrip },
      onDown,
    )
    const protocol = this.#protocol === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3'
    const { address } = this.target
    this.#onSettled({
      ok: true,
      dialled: { connection, address, protocol, validated, validation, certificateSent, answer, clusterId },
    })
  }

  /**
   * Keeps the first error, because later ones (EPIPE, ECONNRESET) are its consequence. An alert replaces an earlier error,
   * because HTTP/2 may notice the end of the connection first; hence the wait of one turn. The `close` event of the socket may
   * come late, so the failure does not depend on it.
   */
  #remember(error: Error): void {
    if (this.#error === null || (alertNumber(this.#error) === null && alertNumber(error) !== null)) this.#error = error
    setImmediate(() => {
      this.fail(false)
    })
  }

  /**
   * Node does not say whether the server asked for a certificate, nor whether OpenSSL considered ours fit to send. The byte
   * counter does: after the hello, we wrote either a few messages without a certificate, or more bytes than our chain has.
   */
  #certificateSent(): boolean | null {
    const flight = this.#raw.bytesWritten - this.#helloSize
    if (this.#helloSize === 0 || flight === 0) return null
    const chainSize = this.#request.validated.credentials.chain.reduce((sum, each) => sum + each.raw.length, 0)
    return flight >= chainSize + BARE_FLIGHT + this.#host.length
  }
}
