/**
 * Dials an endpoint: all its addresses are raced as in RFC 8305. One attempt is TCP, TLS verified by Node and by our own rules, HTTP/2
 * with the server's SETTINGS (in TLS 1.3 the first sign that it accepted our certificate), and the answer of etcd to one call.
 */
import { backoffPause } from '../../report/duration.js'
import dns from 'node:dns'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, isIP, type NetConnectOpts, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { FailedAddress } from '../../report/catalogue/endpoint.js'
import { asError, codeOf } from '../../report/errors.js'
import type { Host } from '../../x509/names.js'
import { authorityFor, type Endpoint } from '../endpoints.js'
import { pause } from '../timing.js'
import type { ValidatedCredentials } from '../validated-credentials.js'
import { Connection, type DownListener } from './connection.js'
import { type Answer, HEALTH_CHECK_AGENT, healthCheck, kindOf, readServerStatus } from './health-check.js'
import { openVerifiedTls, type ServerValidation } from './tls-socket.js'

/** An IP address, or the path of a unix socket. */
interface Target {
  readonly address: string
  readonly options: NetConnectOpts
}

const STAGES = ['lookup', 'connect', 'handshake', 'settings', 'health-check'] as const
type DialStage = (typeof STAGES)[number]

/** The evidence of an attempt that failed; of a dial, that of the address that explains most. */
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
  /** The answer to the first call if it is not etcd's; null if no answer arrived. */
  answer: Answer | null
  answered: boolean
  /** Every address, if there are several. */
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
  /** The cluster that the member belongs to; null if it was not reported in time. */
  clusterId: string | null
  failedAddresses: readonly FailedAddress[]
}

type DialOutcome = { ok: true; dialled: Dialled } | { ok: false; failure: DialFailure }

interface DialRequest {
  endpoint: Endpoint
  name: Host
  validated: ValidatedCredentials
  onDown: DownListener
  timeout: number
  keepsProcess: boolean
}

export interface Dialling {
  outcome: Promise<DialOutcome>
  /** Gives up at once: no socket stays. */
  abort(): void
  /** The attempt continues without keeping the process alive. */
  release(): void
}

/** The number of the alert in an error of OpenSSL. The text changes between versions; the number is from RFC 8446. */
export function alertNumber(error: Error | null): number | null {
  const match = /SSL alert number (\d{1,3})/.exec(error?.message ?? '')
  return match === null ? null : Number(match[1])
}

/** The HTTP/2 window of a stream, and what Node buffers for one that nobody reads, in bytes: four times the default. */
const STREAM_WINDOW = 256 * 1024
// Distinguishes a flight with our certificate from one without, in bytes. Without it, the end of a handshake and the start of HTTP/2
// with two requests take 300 to 330, and the authority; with it, at least 270 with one request, the authority, and the chain.
const BARE_FLIGHT = 250
/** How long the status of a member that passed the health check may take, in milliseconds. etcd answers both at once. */
const STATUS_WAIT = 1000

class AddressAttempt {
  readonly target: Target
  readonly #request: DialRequest
  readonly #onSettled: (outcome: DialOutcome) => void
  readonly #raw: Socket
  readonly #host: string
  #settled = false
  #released = false
  #stage: DialStage = 'connect'
  #error: Error | null = null
  #validation: ServerValidation | null = null
  #protocol: string | null = null
  #alpn: string | null = null
  #answer: Answer | null = null
  #helloSize = 0
  #socket: TLSSocket | null = null
  #session: ClientHttp2Session | null = null
  /** Set once etcd has answered the health check, while its status is awaited. */
  #succeed: ((clusterId: string | null) => void) | null = null

  /** @param onSettled Called once, never before the constructor returns. */
  constructor(request: DialRequest, target: Target, onSettled: (outcome: DialOutcome) => void) {
    this.target = target
    this.#request = request
    this.#host = authorityFor(request.endpoint, request.name)
    this.#onSettled = onSettled
    const started = performance.now()
    this.#raw = connectTcp(target.options)
    this.#raw.on('error', this.#remember)
    this.#raw.once('connect', () => {
      this.#stage = 'handshake'
      this.#startTls(performance.now() - started)
    })
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
    const failure: DialFailure = {
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
      failedAddresses: [],
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
      socket.on('error', this.#remember)
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
    session.on('error', this.#remember)
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
          this.#finish({ socket, session, roundTrip }, answer, clusterId)
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
    parts: { socket: TLSSocket; session: ClientHttp2Session; roundTrip: number },
    answer: Answer,
    clusterId: string | null,
  ): void {
    const { validated, onDown, endpoint } = this.#request
    const validation = this.#validation
    if (this.#settled) return
    if (validation?.report.ok !== true) {
      // Unreachable: Node asks for our result at every full handshake, and no session is resumed. If it were, this is the stop.
      this.#remember(new Error('The chain of the server was not validated'))
      return
    }
    this.#settled = true
    const certificateSent = this.#certificateSent()
    parts.socket.removeListener('close', this.#onClose)
    const { authority } = endpoint
    const connection = new Connection({ ...parts, authority, host: this.#host, raw: this.#raw }, onDown)
    const protocol = this.#protocol === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3'
    const results = {
      protocol,
      validated,
      validation,
      certificateSent,
      answer,
      clusterId,
      failedAddresses: [],
    } as const
    this.#onSettled({ ok: true, dialled: { connection, address: this.target.address, ...results } })
  }

  readonly #onClose = (): void => {
    this.fail(false)
  }

  // Keeps the first error, because later ones (EPIPE, ECONNRESET) are its consequence. An alert replaces an earlier error,
  // because HTTP/2 may notice the end of the connection first; hence the wait of one turn. The `close` event of the socket may
  // come late, so the failure does not depend on it.
  readonly #remember = (error: Error): void => {
    if (this.#error === null || (alertNumber(this.#error) === null && alertNumber(error) !== null)) this.#error = error
    setImmediate(this.#onClose)
  }

  // Node does not say whether the server asked for a certificate, nor whether OpenSSL considered ours fit to send. The byte
  // counter does: after the hello, we wrote either a few messages without a certificate, or more bytes than our chain has.
  #certificateSent(): boolean | null {
    const flight = this.#raw.bytesWritten - this.#helloSize
    if (this.#helloSize === 0 || flight === 0) return null
    const chainSize = this.#request.validated.credentials.chain.reduce((sum, each) => sum + each.raw.length, 0)
    return flight >= chainSize + BARE_FLIGHT + this.#host.length
  }
}

// "Connection Attempt Delay" (RFC 8305 section 8), in milliseconds. An address that accepts TCP connections may still be silent: the
// next one starts after it as long as the TLS handshake and the first call of the one before are not finished.
const STAGGER = 250

export function dial(request: DialRequest): Dialling {
  const running = new Set<AddressAttempt>()
  const failures: DialFailure[] = []
  /** Addresses that have not been tried; null until they are known. */
  let targets: Target[] | null = null
  let settled = false
  let released = !request.keepsProcess
  let staggerTimer: NodeJS.Timeout | undefined
  let resolve: (outcome: DialOutcome) => void = () => undefined
  const outcome = new Promise<DialOutcome>((done) => {
    resolve = done
  })

  const settle = (result: DialOutcome): void => {
    settled = true
    clearTimeout(timer)
    clearTimeout(staggerTimer)
    resolve(result)
  }
  const fail = (): void => {
    const [best] = [...failures].sort((one, other) => specificity(other) - specificity(one))
    const failedAddresses = failures.length === 1 ? [] : failures.map(describe)
    if (best !== undefined) settle({ ok: false, failure: { ...best, failedAddresses } })
  }
  const failWithoutTarget = (error: Error | null, timedOut: boolean): void => {
    const stage = needsLookup(request.endpoint) ? 'lookup' : 'connect'
    failures.push({ ...NO_EVIDENCE, stage, error, timedOut })
    fail()
  }
  const onSettled = (attempt: AddressAttempt, result: DialOutcome): void => {
    running.delete(attempt)
    if (!result.ok) failures.push(result.failure)
    if (settled) return
    if (result.ok) {
      const slower = [...running].map(({ target: { address } }) => ({ address, reason: 'slower' }))
      settle({ ok: true, dialled: { ...result.dialled, failedAddresses: [...failures.map(describe), ...slower] } })
      for (const each of [...running]) each.fail(false)
    } else if (targets?.length !== 0) startNext()
    else if (running.size === 0) fail()
  }
  const startNext = (): void => {
    clearTimeout(staggerTimer)
    const target = settled ? undefined : targets?.shift()
    if (target === undefined) return
    const attempt = new AddressAttempt(request, target, (result) => {
      onSettled(attempt, result)
    })
    running.add(attempt)
    if (targets?.length !== 0) staggerTimer = setTimeout(startNext, STAGGER)
    if (released) release()
  }
  const giveUp = (timedOut: boolean): void => {
    if (settled) return
    targets?.splice(0)
    // The last attempt that fails settles the dial.
    if (running.size === 0) failWithoutTarget(null, timedOut)
    else for (const each of [...running]) each.fail(timedOut)
  }
  const release = (): void => {
    released = true
    timer.unref()
    staggerTimer?.unref()
    for (const each of running) each.release()
  }

  const timer = setTimeout(giveUp, request.timeout, true)
  if (released) release()
  resolveTargets(request.endpoint).then(
    (found) => {
      targets = found
      startNext()
    },
    (error: unknown) => {
      if (!settled) failWithoutTarget(asError(error), false)
    },
  )
  return {
    outcome,
    abort: () => {
      giveUp(false)
    },
    release,
  }
}

const NO_EVIDENCE = {
  target: null,
  alert: null,
  protocol: null,
  alpn: null,
  validation: null,
  certificateSent: null,
  answer: null,
  answered: false,
  failedAddresses: [],
} as const

/** How much a failure explains: a refusal more than a broken connection, a later step more than an earlier one. */
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

function needsLookup({ address, socketPath }: Endpoint): boolean {
  return socketPath === null && isIP(address) === 0
}

/**
 * Resolves the name of an endpoint. Node's own choice of an address (`autoSelectFamily`) replaces the handle of the socket under a TLS
 * socket, which ends the process by SIGSEGV. So each target is exactly one address.
 *
 * @throws the error of `dns.lookup`.
 */
async function resolveTargets(endpoint: Endpoint): Promise<Target[]> {
  const { address, port, socketPath } = endpoint
  if (socketPath !== null) return [{ address: socketPath, options: { path: socketPath } }]
  const addresses = needsLookup(endpoint) ? alternateFamilies(await lookup(address)) : [address]
  return addresses.map((host) => ({
    address: host,
    options: { host, port, noDelay: true, autoSelectFamily: false },
  }))
}

function lookup(name: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    // Read from the module at each call, as Node's sockets do: an application may have replaced it.
    dns.lookup(name, { all: true, order: 'verbatim' }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address))
      else reject(error)
    })
  })
}

/** One address of each family in turn, without duplicates. The resolver's order decides which family is first. */
export function alternateFamilies(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses)]
  const firstFamily = isIP(unique[0] ?? '')
  const first = unique.filter((each) => isIP(each) === firstFamily)
  const second = unique.filter((each) => isIP(each) !== firstFamily)
  return unique.flatMap((_, i) => [first[i] ?? [], second[i] ?? []].flat())
}

/** TLS alert 80: etcd sends it at every handshake while its certificate and key do not match, as in the middle of a renewal. */
const INTERNAL_ERROR = 80
const PAUSES = { first: 100, longest: 1000 }

/** {@link dial}, repeated within the time while the server sends alert 80. The alert is reported if it persists. */
export function dialAgain(request: DialRequest): Dialling {
  const deadline = performance.now() + request.timeout
  const aborted = new AbortController()
  let { keepsProcess } = request
  let current = dial(request)

  const run = async (): Promise<DialOutcome> => {
    let last: DialOutcome | null = null
    for (let failures = 1; ; failures += 1) {
      const outcome = await current.outcome
      // The last attempt may have no time left to receive the alert.
      if (last !== null && !outcome.ok && outcome.failure.timedOut) return last
      const length = backoffPause(failures, PAUSES)
      const left = deadline - performance.now() - length
      if (outcome.ok || outcome.failure.alert !== INTERNAL_ERROR || left <= 0) return outcome
      last = outcome
      await pause(length, aborted.signal, keepsProcess)
      if (aborted.signal.aborted) return outcome
      current = dial({ ...request, keepsProcess, timeout: Math.max(1, deadline - performance.now()) })
    }
  }

  return {
    outcome: run(),
    abort: () => {
      aborted.abort()
      current.abort()
    },
    release: () => {
      keepsProcess = false
      current.release()
    },
  }
}
