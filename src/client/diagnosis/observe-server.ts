/**
 * Observes how a server sets up TLS, without a credential: one handshake, and nothing is sent after it. The wire is read next to OpenSSL,
 * because Node exposes neither the CAs that a server accepts nor the chain of a failed handshake.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, DEFAULT_CIPHERS, type TLSSocket } from 'node:tls'
import { asError, reasonOf } from '../../report/errors.js'
import { checkOptions, textInvalid } from '../../report/option-error.js'
import type { DistinguishedName } from '../../x509/distinguished-name.js'
import type { Host } from '../../x509/names.js'
import { FlightReader } from '../../x509/tls-flight.js'
import { isConnectionEnd } from './evidence.js'
import { type Endpoint, parseEndpoints, readServerName } from '../base/endpoints.js'
import { alertNumber } from '../transport/address-attempt.js'
import { resolveTargets, type Target } from '../transport/resolve.js'
import { keyExchangeOf, openTls } from '../transport/tls-socket.js'
import { abortable } from '../base/timing.js'

/** How a server ended a handshake, or why there was none. */
export interface ServerRefusal {
  /**
   * `alert`: the server sent a TLS alert. `closed`: it closed the connection without one. `failed`: OpenSSL ended the handshake here.
   * `unreachable`: no TCP connection could be made. `silent`: the server did not answer in time. `aborted`: the signal ended the
   * observation.
   */
  kind: 'alert' | 'closed' | 'failed' | 'unreachable' | 'silent' | 'aborted'
  /** The number of the alert (RFC 8446 section 6); null if there was none. */
  alert: number | null
  /** The error; empty without one. */
  detail: string
}

/** The TLS setup of a server, as one handshake without a client certificate shows it. */
export interface ServerObservation {
  /** The version that the server chose; null if it did not get that far. */
  protocol: 'TLSv1.2' | 'TLSv1.3' | null
  /** The group of the key exchange, such as `X25519`; null if the handshake did not end, and if Node does not report it. */
  keyExchange: string | null
  /** The chain as the server sent it, in DER, the leaf first. Empty if none arrived. It is not verified. */
  chain: readonly Uint8Array[]
  /**
   * `required`: the server requested a certificate, got none and ended the handshake. `requested`: it requested one and finished the
   * handshake without; it may still refuse each request, as nginx does. `not-requested`: it did not ask. Null: that is not known,
   * because the handshake ended before.
   */
  clientCertificate: 'required' | 'requested' | 'not-requested' | null
  /**
   * The names of the CAs whose client certificates the server accepts. Empty: it requested a certificate without naming a CA, as etcd does
   * without `--trusted-ca-file`, when it trusts the CAs of its system. Null: it did not request a certificate, or that is not known.
   */
  acceptedAuthorities: readonly DistinguishedName[] | null
  /** Null if the server finished the handshake. */
  refusal: ServerRefusal | null
}

/** Options of {@link observeServer}. */
export interface ObserveServerOptions {
  /** The server name to send (SNI). @default the host of the URL, unless that is an IP address */
  name?: string | undefined
  /** Ends the observation; the result has what was seen until then. @default none */
  signal?: AbortSignal | undefined
}

/** Milliseconds that an observation may take. */
const TIMEOUT = 10_000
/** Milliseconds to wait for the end of a server that got no certificate. Servers answer at once. */
const END_WAIT = 1000

/**
 * Observes how a server sets up TLS: the protocol, the certificates that it serves, and whose client certificates it accepts. It makes one
 * handshake without a client certificate and sends no request. It verifies nothing, so treat the result as what the server claims. It works
 * for the client port and the peer port of etcd, and for TLS 1.2 and TLS 1.3. A port that requires a certificate logs the attempt.
 *
 * @example
 * ```ts
 * const { chain, acceptedAuthorities } = await observeServer('https://10.0.0.1:2379')
 * ```
 * @param url As in the option `endpoints` of the client: `https://host:port` or `unixs://path`.
 * @returns Never rejects because of the server: `refusal` says how it ended the handshake. It takes 10 seconds at most.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong URL or option.
 */
export async function observeServer(url: string, options: ObserveServerOptions = {}): Promise<ServerObservation> {
  checkOptions('options', options, ['name', 'signal'])
  const { name, signal } = options
  if (typeof url !== 'string') throw textInvalid('url', url, 'a URL, such as "https://10.0.0.1:2379"')
  const [endpoint] = parseEndpoints([url])
  const host = name === undefined ? endpoint.host : readServerName(name, 'name')
  const over = new AbortController()
  const abort = (): void => {
    over.abort(null)
  }
  // It keeps the process alive; the sockets do not.
  const timer = setTimeout(abort, TIMEOUT)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  try {
    const seen = await observeAddresses(endpoint, host, over.signal)
    return seen.refusal?.kind === 'aborted' && signal?.aborted !== true
      ? { ...seen, refusal: { ...seen.refusal, kind: 'silent' } }
      : seen
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** Observes the first address that accepts a TCP connection. */
async function observeAddresses(endpoint: Endpoint, name: Host, signal: AbortSignal): Promise<ServerObservation> {
  const deadline = performance.now() + TIMEOUT
  let targets: Target[]
  try {
    targets = await abortable(signal, resolveTargets(endpoint))
  } catch (error) {
    return signal.aborted ? nothingSeen('aborted') : nothingSeen('unreachable', reasonOf(asError(error)))
  }
  let seen = nothingSeen('unreachable')
  for (const [i, target] of targets.entries()) {
    const timeout = (deadline - performance.now()) / (targets.length - i)
    seen = await observeTarget(target, { name, timeout, signal })
    const isLast = i === targets.length - 1
    if (isLast || (seen.refusal?.kind !== 'unreachable' && seen.refusal?.kind !== 'silent')) break
  }
  return seen
}

function nothingSeen(kind: ServerRefusal['kind'], detail = ''): ServerObservation {
  const refusal = { kind, alert: null, detail }
  return { protocol: null, keyExchange: null, chain: [], clientCertificate: null, acceptedAuthorities: null, refusal }
}

interface ObservationLimits {
  readonly name: Host
  /** In milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal
  /** Reads the flight of the server. @default a new one */
  readonly reader?: FlightReader
}

/** {@link observeServer} for one address. Its timers do not keep the process alive; the caller does. */
export function observeTarget(target: Target, limits: ObservationLimits): Promise<ServerObservation> {
  return limits.signal.aborted
    ? Promise.resolve(nothingSeen('aborted'))
    : new Observation(connectTcp(target.options).unref(), limits).result
}

class Observation {
  readonly result: Promise<ServerObservation>
  readonly #raw: Socket
  readonly #signal: AbortSignal
  readonly #reader: FlightReader
  readonly #timers: NodeJS.Timeout[] = []
  #tls: TLSSocket | null = null
  /** Whether the client has finished the handshake and waits for the end of the server. */
  #isFinished = false
  #resolve: (seen: ServerObservation) => void = () => undefined

  constructor(raw: Socket, { name, timeout, signal, reader = new FlightReader() }: ObservationLimits) {
    this.#raw = raw
    this.#reader = reader
    this.#signal = signal
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#after(timeout, () => {
      if (this.#tls === null) this.#end('unreachable', new Error('timeout'))
      else this.#end('silent')
    })
    signal.addEventListener('abort', this.#abort, { once: true })
    raw.on('error', (error) => {
      if (this.#tls === null) this.#end('unreachable', error)
      else this.#closed(error)
    })
    raw.once('connect', () => {
      this.#startTls(name)
    })
  }

  #startTls(name: Host): void {
    try {
      const tls = openTls({ raw: tapSocket(this.#raw, this.#reader), name }, WITHOUT_CREDENTIAL)
      this.#tls = tls
      shareSecret(tls, this.#reader)
      tls.once('secureConnect', this.#finished).once('session', this.#accepted).once('data', this.#accepted)
      tls.on('error', (error: Error) => {
        if (isConnectionEnd(error)) this.#closed(error)
        else this.#end(alertNumber(error) === null ? 'failed' : 'alert', error)
      })
      tls.once('close', () => {
        this.#closed(null)
      })
    } catch (error) {
      this.#end('failed', asError(error))
    }
  }

  // In TLS 1.3 the server decides about the missing certificate after the client has finished the handshake. It answers
  // the end of the connection with an alert, or ends it as well.
  readonly #finished = (): void => {
    this.#isFinished = true
    if (this.#reader.authorities === null || this.#reader.protocol !== 'TLSv1.3') {
      this.#accepted()
      return
    }
    this.#tls?.end()
    this.#after(END_WAIT, this.#accepted)
  }

  readonly #accepted = (): void => {
    this.#settle(null)
  }

  /** One turn later, because an alert may have come right before the end. */
  #closed(error: Error | null): void {
    setImmediate(() => {
      if (this.#isFinished) this.#accepted()
      else this.#end('closed', error)
    })
  }

  readonly #abort = (): void => {
    this.#end('aborted')
  }

  #end(kind: ServerRefusal['kind'], error: Error | null = null): void {
    this.#settle({ kind, alert: alertNumber(error), detail: error === null ? '' : reasonOf(error) })
  }

  #settle(refusal: ServerRefusal | null): void {
    const { protocol, chain, authorities, isComplete } = this.#reader
    for (const each of this.#timers) clearTimeout(each)
    this.#signal.removeEventListener('abort', this.#abort)
    this.#resolve({
      protocol,
      keyExchange: this.#isFinished && this.#tls !== null ? keyExchangeOf(this.#tls) : null,
      chain: chain ?? [],
      clientCertificate: authorities === null ? (isComplete ? 'not-requested' : null) : certificateDemandOf(refusal),
      acceptedAuthorities: authorities,
      refusal,
    })
    // One turn later: this one may be inside a callback of OpenSSL.
    setImmediate(() => {
      this.#tls?.destroy()
      this.#raw.destroy()
    })
  }

  #after(milliseconds: number, work: () => void): void {
    this.#timers.push(setTimeout(work, milliseconds).unref())
  }
}

/** How strict the request for a certificate is, by the end of a handshake without one. */
function certificateDemandOf(refusal: ServerRefusal | null): ServerObservation['clientCertificate'] {
  if (refusal === null) return 'requested'
  return refusal.kind === 'alert' || refusal.kind === 'closed' ? 'required' : null
}

/** The weakest certificates are observed as well. Nothing is verified, so no CA is loaded. */
const WITHOUT_CREDENTIAL: ConnectionOptions = {
  ca: [],
  ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0`,
  minVersion: 'TLSv1.2',
  rejectUnauthorized: false,
  ALPNProtocols: ['h2', 'http/1.1'],
}

/** Maximum bytes that a tapped connection reads. */
const MAX_BYTES = 1024 * 1024

/** Returns a stream to use in place of the socket. The reader also gets each byte that the server sends. */
export function tapSocket(raw: Socket, reader: FlightReader): Duplex {
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Uint8Array, _encoding, written) => {
      raw.write(chunk, written)
    },
    final: (ended) => {
      raw.end(ended)
    },
  })
  raw.on('data', (bytes: Buffer) => {
    reader.push(bytes)
    if (raw.bytesRead > MAX_BYTES) raw.destroy(new Error('The server sent more than a handshake'))
    else wire.push(bytes)
  })
  raw.once('end', () => wire.push(null)).once('close', () => wire.destroy())
  return wire
}

/** Lets the reader decrypt the flight of a connection of TLS 1.3. */
export function shareSecret(socket: TLSSocket, reader: FlightReader): void {
  socket.on('keylog', (line: Buffer) => {
    reader.useKeyLog(line)
  })
}
