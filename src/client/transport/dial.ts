/**
 * One attempt to reach an endpoint: TCP, TLS verified by Node and by our own rules, HTTP/2 with the server's SETTINGS, and an
 * answer of etcd to one call.
 * It ends in a connection or in the evidence of what went wrong; telling what the evidence means is handshake-error.ts.
 */
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Host } from '../../x509/names.js'
import type { Accepted } from '../accept.js'
import { Connection, type DownListener } from './connection.js'
import { type Endpoint, socketOptions } from '../endpoints.js'
import { type Answer, greet, kindOf } from '../greeting.js'
import type { TlsVersion } from '../options.js'
import { serverIdentityCheck, type ServerVerdict } from '../server-identity.js'

/** How far an attempt came. */
export type DialStage = 'lookup' | 'connect' | 'handshake' | 'settings' | 'greeting'

/** What an attempt that failed left behind. */
export interface DialFailure {
  stage: DialStage
  /** The first error; null where there was none, as for a time-out or a close without a word. */
  error: Error | null
  /** The number of the TLS alert that the server sent. */
  alert: number | null
  timedOut: boolean
  /** `TLSv1.3` or `TLSv1.2`, once the handshake had come so far. */
  protocol: string | null
  /** The application protocol that the server chose; null for none. */
  alpn: string | null
  /** What our own rules said about the server's chain; null where OpenSSL refused it first, or the chain never came. */
  verdict: ServerVerdict | null
  /** Whether OpenSSL sent our certificate; null where it never came to that. */
  certificateSent: boolean | null
  /** What something else than etcd answered to the first call; null where no answer came. */
  answer: Answer | null
}

/** A connection with what its handshake showed. */
export interface Dialled {
  connection: Connection
  protocol: TlsVersion
  verdict: ServerVerdict
  /** Null where that cannot be told. */
  certificateSent: boolean | null
}

export type DialOutcome = { ok: true; dialled: Dialled } | { ok: false; failure: DialFailure }

export interface DialRequest {
  endpoint: Endpoint
  /** The name that the server's certificate has to cover. */
  name: Host
  accepted: Accepted
  /** For the whole attempt, in milliseconds. */
  timeout: number
  /** Whether the attempt keeps the process alive. */
  keepsProcess: boolean
  onDown: DownListener
}

/** An attempt under way. */
export interface Dialling {
  outcome: Promise<DialOutcome>
  /** Gives up at once: no socket stays, and the outcome is a failure. */
  abort(): void
  /** Goes on without keeping the process alive. */
  release(): void
}

export function dial(request: DialRequest): Dialling {
  const attempt = new Attempt(request)
  return {
    outcome: attempt.outcome,
    abort: () => {
      attempt.giveUp(false)
    },
    release: () => {
      attempt.release()
    },
  }
}

/** The alert's number in an error of OpenSSL. Its text changes between versions; the number is RFC 8446's. */
export function alertNumber(error: Error | null): number | null {
  const match = error === null ? null : /SSL alert number (\d{1,3})/.exec(error.message)
  return match?.[1] === undefined ? null : Number(match[1])
}

/** Octets of HTTP/2 window for a stream: range reads of some MB should not stop for window updates. */
const STREAM_WINDOW = 1024 * 1024
/**
 * What we send at the end of a handshake and for HTTP/2's start without any certificate, beside the name of the authority, at
 * least; measured 190 to 270 octets.
 */
const BARE_FLIGHT = 100

class Attempt {
  readonly outcome: Promise<DialOutcome>
  readonly #request: DialRequest
  #settle: (outcome: DialOutcome) => void = () => undefined
  #settled = false
  #released = false
  #stage: DialStage
  #error: Error | null = null
  #verdict: ServerVerdict | null = null
  #protocol: string | null = null
  #alpn: string | null = null
  #answer: Answer | null = null
  /** Octets of our ClientHello. */
  #helloSize = 0
  #raw: Socket | null = null
  #socket: TLSSocket | null = null
  #session: ClientHttp2Session | null = null
  #timer: NodeJS.Timeout | undefined
  readonly #onClose = (): void => {
    this.#fail(false)
  }

  constructor(request: DialRequest) {
    this.#request = request
    this.#stage = request.endpoint.host.kind === 'ip' || request.endpoint.socketPath !== null ? 'connect' : 'lookup'
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#timer = setTimeout(() => {
      this.giveUp(true)
    }, request.timeout)
    this.#connect()
    if (!request.keepsProcess) this.release()
  }

  giveUp(timedOut: boolean): void {
    this.#fail(timedOut)
  }

  release(): void {
    this.#released = true
    this.#timer?.unref()
    this.#raw?.unref()
    this.#session?.unref()
  }

  #connect(): void {
    const { endpoint, name, accepted } = this.#request
    const raw = connectTcp(socketOptions(endpoint))
    this.#raw = raw
    raw.once('lookup', () => {
      this.#stage = 'connect'
    })
    raw.once('connect', () => {
      this.#stage = 'handshake'
      // The hello is on its way by then, and the answer cannot have been read.
      setImmediate(() => {
        this.#helloSize = raw.bytesWritten
      })
    })
    raw.on('error', (error) => {
      this.#remember(error)
    })
    try {
      const socket = connectTls({
        socket: raw,
        host: name.value,
        // RFC 6066 section 3: an IP address is no server name. Without one, Node sends no SNI and still checks `host`.
        ...(name.kind === 'dns' ? { servername: name.value } : {}),
        secureContext: accepted.secureContext,
        ALPNProtocols: ['h2'],
        rejectUnauthorized: true,
        checkServerIdentity: serverIdentityCheck(name, accepted, endpoint.url, (verdict) => {
          this.#verdict = verdict
        }),
      })
      this.#socket = socket
      socket.once('secureConnect', () => {
        this.#startHttp2(raw, socket)
      })
      socket.on('error', (error: Error) => {
        this.#remember(error)
      })
      socket.once('close', this.#onClose)
    } catch (error) {
      // OpenSSL refuses some certificates only here, as SHA-1 signed ones.
      this.#remember(error instanceof Error ? error : new Error(String(error)))
      this.#fail(false)
    }
  }

  #startHttp2(raw: Socket, socket: TLSSocket): void {
    const { endpoint } = this.#request
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
      this.#stage = 'greeting'
    })
    const answered = (answer: Answer): void => {
      if (kindOf(answer) !== 'proved') this.#answer = answer
      if (this.#answer === null) this.#succeed(raw, socket, session)
      else this.#fail(false)
    }
    greet(session, endpoint.authority, answered, (error) => {
      this.#remember(error)
    })
  }

  #succeed(raw: Socket, socket: TLSSocket, session: ClientHttp2Session): void {
    const { endpoint, onDown } = this.#request
    const verdict = this.#verdict
    if (this.#settled) return
    if (verdict?.report.ok !== true) {
      // Never so: Node asks for our verdict at every full handshake, and no session is resumed. If it were, this is the stop.
      this.#remember(new Error('The chain of the server was not judged'))
      return
    }
    this.#settled = true
    clearTimeout(this.#timer)
    const certificateSent = this.#certificateSent()
    socket.removeListener('close', this.#onClose)
    const connection = new Connection({ authority: endpoint.authority, session, socket, raw }, onDown)
    this.#settle({
      ok: true,
      dialled: { connection, protocol: this.#protocol === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3', verdict, certificateSent },
    })
  }

  /**
   * Keeps the first error: later ones (EPIPE, ECONNRESET) are its echo. An alert counts more than what came before it,
   * because HTTP/2 may notice the end of the connection first; hence the turn of patience. The socket's own end may be
   * long in coming, so nothing waits for it.
   */
  #remember(error: Error): void {
    if (this.#error === null || (alertNumber(this.#error) === null && alertNumber(error) !== null)) this.#error = error
    setImmediate(() => {
      this.#fail(false)
    })
  }

  #fail(timedOut: boolean): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    const failure: DialFailure = {
      stage: this.#stage,
      error: this.#error,
      alert: alertNumber(this.#error),
      timedOut,
      protocol: this.#protocol,
      alpn: this.#alpn,
      verdict: this.#verdict,
      certificateSent: this.#certificateSent(),
      answer: this.#answer,
    }
    this.#session?.destroy()
    this.#socket?.destroy()
    this.#raw?.destroy()
    this.#settle({ ok: false, failure })
  }

  /**
   * Node does not tell whether the server asked for a certificate, nor whether OpenSSL found ours fit to send. The wire
   * does: after the hello, what we wrote is either a few messages without a certificate, or longer than our whole chain.
   */
  #certificateSent(): boolean | null {
    const flight = (this.#raw?.bytesWritten ?? 0) - this.#helloSize
    if (this.#helloSize === 0 || flight === 0) return null
    const chainSize = this.#request.accepted.credentials.chain.reduce((sum, each) => sum + each.raw.length, 0)
    return flight >= chainSize + BARE_FLIGHT + this.#request.endpoint.authority.length
  }
}
