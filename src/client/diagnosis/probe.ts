/**
 * A second look at an endpoint that failed, and only then: one connection that finds out what the first could not show, such as the
 * chain that OpenSSL refused, or that the server speaks plaintext or HTTP/1.1 alone. It sends no request but one for etcd's version,
 * which is public, to a server that was verified, or whose chain has no other fault than its dates.
 */
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Host } from '../../x509/names.js'
import { flightReader } from '../../x509/tls-flight.js'
import { authorityFor, type Endpoint } from '../endpoints.js'
import type { DialFailure } from '../transport/dial.js'
import { exchange, type RequestCarrier } from '../transport/health-check.js'
import { requestVersionOverHttp1, openTls, openVerifiedTls, validatePeer } from '../transport/tls-socket.js'
import type { ValidatedCredentials } from '../validated-credentials.js'
import {
  type ClockReading,
  type Diagnosis,
  hasOnlyDateErrors,
  isVerificationError,
  looksLikePlaintext,
  EMPTY_DIAGNOSIS,
  isClosedAfterHandshake,
} from './explain.js'

interface DiagnosisRequest {
  endpoint: Endpoint
  name: Host
  validated: ValidatedCredentials
  failure: DialFailure
  /** Milliseconds. Without time left nothing is looked at. */
  timeout: number
  signal: AbortSignal
}

/** Looks again if that can show more. Never rejects: what cannot be found out stays unknown. */
export async function diagnose(request: DiagnosisRequest): Promise<Diagnosis> {
  const { failure, timeout, signal } = request
  const probe = probeFor(failure)
  if (probe === null || failure.target === null || timeout <= 0 || signal.aborted) return EMPTY_DIAGNOSIS
  const raw = connectTcp(failure.target.options).unref()
  return new Promise((resolve) => {
    const found: Partial<Diagnosis> = {}
    let upper: Duplex | null = null
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve({ ...EMPTY_DIAGNOSIS, ...found })
      upper?.destroy()
      raw.destroy()
    }
    const timer = setTimeout(done, timeout).unref()
    signal.addEventListener('abort', done, { once: true })
    raw.on('error', done).once('close', done)
    raw.once('connect', () => {
      try {
        upper = probe(request, raw, found, done)
        upper.on('error', done)
      } catch {
        // OpenSSL refuses some certificates only in tls.connect; the first attempt has reported that already.
        done()
      }
    })
  })
}

/** Finds something on a connected socket, and calls `done`. @returns What is to be destroyed in the end. */
type Probe = (request: DiagnosisRequest, raw: Socket, found: Partial<Diagnosis>, done: () => void) => Duplex

function probeFor(failure: DialFailure): Probe | null {
  if (failure.validation?.report.ok === false) return null
  if (failure.alert !== null) return failure.alert === UNKNOWN_CA ? readAuthorities : null
  if (isVerificationError(failure.error)) return captureChain
  if (isClosedAfterHandshake(failure)) return probeHttp1
  return looksLikePlaintext(failure) ? probePlaintext : null
}

/**
 * Takes the chain that the server presents. Verification is off for this one connection, because a chain that is refused cannot be
 * seen otherwise; it shows what the refused connection has shown already, and ends at once.
 */
const captureChain: Probe = ({ endpoint, name, validated }, raw, found, done) => {
  const socket = openTls({ raw, name }, { secureContext: validated.secureContext, rejectUnauthorized: false })
  socket.once('secureConnect', () => {
    const expected = { name, validated, endpoint: endpoint.url }
    found.validation = validatePeer(() => socket, socket.getPeerCertificate(true), expected)
    if (!hasOnlyDateErrors(found.validation)) {
      done()
      return
    }
    void readClock(socket, endpoint.url, authorityFor(endpoint, name)).then((clock) => {
      found.clock = clock
      done()
    })
  })
  return socket
}

const UNKNOWN_CA = 48
/** Most names of CAs that are kept. */
const MAX_NAMES = 50

/**
 * The names of the CAs that the server accepts, read off the wire, because Node does not expose them. In TLS 1.2 the
 * CertificateRequest is not encrypted (RFC 5246 section 7.4.4); a server that speaks TLS 1.3 alone does not show it. The handshake,
 * without a certificate of ours, ends as soon as the names came.
 */
const readAuthorities: Probe = ({ name, validated }, raw, found, done) => {
  const read = flightReader()
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Uint8Array, _encoding, written) => {
      raw.write(chunk, written)
    },
  })
  raw.on('data', (bytes: Buffer) => {
    const flight = read(bytes)
    if (flight === undefined) {
      wire.push(bytes)
      return
    }
    found.authorities = flight?.authorities?.slice(0, MAX_NAMES) ?? null
    done()
  })
  const ca = validated.credentials.trustAnchors.map((each) => each.toPem())
  const socket = openTls({ raw: wire, name }, { ca, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  return socket.once('close', () => wire.destroy())
}

/** HTTP/2's client preface (RFC 9113 section 3.4) with an empty SETTINGS frame: HTTP/1.1 servers answer it, too. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])
const SETTINGS_FRAME = 4
const TLS_ALERT = 0x15

const probePlaintext: Probe = (_request, raw, found, done) => {
  raw.write(PREFACE)
  return raw.once('data', (answer: Buffer) => {
    // A TLS server answers with an alert, or not at all.
    if (answer.toString('latin1', 0, 5) === 'HTTP/') found.plaintext = 'http/1.1'
    else if (answer.length >= 9 && answer[3] === SETTINGS_FRAME) found.plaintext = 'h2c'
    else if (answer[0] !== TLS_ALERT) found.firstBytes = answer.toString('hex', 0, 16)
    done()
  })
}

/**
 * Whether a server that closes HTTP/2 connections answers over HTTP/1.1, as etcd's peer port: then it has nothing against our
 * certificate. One that refuses the certificate closes this connection, too.
 */
const probeHttp1: Probe = ({ endpoint, name, validated, timeout }, raw, found, done) => {
  const verified = { raw, name, validated, endpoint: endpoint.url }
  const socket = openVerifiedTls(verified, { ALPNProtocols: ['http/1.1'] }, () => undefined)
  return socket.once('secureConnect', () => {
    void requestVersionOverHttp1(socket, authorityFor(endpoint, name), timeout).then((answer) => {
      const [status = ''] = answer?.slice(0, 100).split('\r\n') ?? []
      if (status.startsWith('HTTP/1.')) found.http1 = status
      done()
    })
  })
}

/** How long to wait for the time of a server, in milliseconds: without it, there is one finding less. */
const CLOCK_TIMEOUT = 1000

/** Reads the clock of a server over a connection that is used for nothing else. */
async function readClock(socket: TLSSocket, endpoint: string, host: string): Promise<ClockReading | null> {
  if (socket.alpnProtocol !== 'h2') {
    const head = await requestVersionOverHttp1(socket, host, CLOCK_TIMEOUT)
    return readingOf(endpoint, /\r\ndate: ?([^\r]+)\r\n/i.exec(head ?? '')?.[1])
  }
  const session = connectHttp2(`https://${host}`, { createConnection: () => socket })
  session.on('error', () => undefined)
  return readClockOver({ host, request: (headers) => session.request(headers) }, endpoint)
}

/** Reads the clock of a server over a connection that is in use. etcd's gRPC answers have no date, and those of its gateway do. */
export async function readClockOver(carrier: RequestCarrier, endpoint: string): Promise<ClockReading | null> {
  const headers = {
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': carrier.host,
    ':path': '/version',
    'user-agent': 'etcd-mtls',
  }
  try {
    const parts = { timeout: CLOCK_TIMEOUT, read: () => true }
    const { head } = await exchange(carrier.request(headers), parts)
    return readingOf(endpoint, head.date)
  } catch {
    // The connection accepts no more requests, or there was no answer.
    return null
  }
}

/** The `Date` of an answer of HTTP (RFC 9110 section 6.6.1). */
function readingOf(endpoint: string, date = ''): ClockReading | null {
  const peer = Date.parse(date)
  return Number.isNaN(peer) ? null : { endpoint, peer, own: Date.now() }
}
