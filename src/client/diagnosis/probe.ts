/**
 * Diagnoses a failed endpoint with a second connection, for example to get the chain that OpenSSL refused, or to find
 * that the server accepts only plaintext or HTTP/1.1. The only request is for etcd's public version, sent to a verified
 * server or one whose chain has only date errors.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { codeOf } from '../../report/errors.js'
import { areOfDates } from '../../validate/valid-until.js'
import type { Host } from '../../x509/names.js'
import { FlightReader } from '../../x509/tls-flight.js'
import { authorityFor, type Endpoint } from '../base/endpoints.js'
import { FrameSession } from '../http2/frame-session.js'
import type { DialFailure } from '../transport/address-attempt.js'
import { exchange, type RequestCarrier } from '../transport/health-check.js'
import { requestVersionOverHttp1, openTls, openVerifiedTls, validateRefused } from '../transport/tls-socket.js'
import type { ValidatedCredentials } from '../base/validated-credentials.js'
import {
  type ClockReading,
  type Diagnosis,
  EMPTY_DIAGNOSIS,
  isBeforeCertificate,
  isClosedAfterHandshake,
  isVerificationError,
  libraryOf,
  looksLikePlaintext,
  mayConcernCertificate,
} from './evidence.js'
import { observeTarget, shareSecret, tapSocket } from './observe-server.js'
import { type PlaintextAnswer, POSTGRES_SSL_REQUEST, PREFACE, readAnswer, readPostgresAnswer } from './plaintext.js'

interface DiagnosisRequest {
  endpoint: Endpoint
  name: Host
  validated: ValidatedCredentials
  failure: DialFailure
  /** Milliseconds; without time left there is no diagnosis. */
  timeout: number
  signal: AbortSignal
}

/**
 * TLS alerts for an expired or not yet valid certificate (RFC 8446 section 6.2). OpenSSL sends 42 for one that is not
 * yet valid.
 */
const OUT_OF_VALIDITY: ReadonlySet<number | null> = new Set([45, 42])
/** The diagnosis of the last failure: each one opens another connection to a server that refuses the client. */
export class LastDiagnosis {
  #last: { key: string; validated: ValidatedCredentials; diagnosis: Diagnosis } | null = null

  forget(): void {
    this.#last = null
  }

  /**
   * The same failure is diagnosed once.
   *
   * @param readClock Reads the clock of another server, to compare if the server considers our certificate expired or not yet valid.
   */
  async of(request: DiagnosisRequest, readClock: () => Promise<ClockReading | null>): Promise<Diagnosis> {
    const { failure, validated } = request
    const { stage, alert, timedOut, error, certificateSent, answer } = failure
    const key = [stage, alert, timedOut, error?.name, codeOf(error), certificateSent, answer?.httpStatus].join()
    if (key === this.#last?.key && validated === this.#last.validated) return this.#last.diagnosis
    const found = await diagnose(request)
    const isOutOfValidity = OUT_OF_VALIDITY.has(alert) && !isBeforeCertificate(failure)
    const clock = isOutOfValidity ? await readClock() : found.clock
    const diagnosis = { ...found, clock }
    // Without a clock, the next failure is diagnosed again: another endpoint may be connected by then.
    this.#last = isOutOfValidity && clock === null ? null : { key, validated, diagnosis }
    return diagnosis
  }
}

/** Opens other connections if they can show more. Never rejects; unknown values keep their defaults. */
async function diagnose(request: DiagnosisRequest): Promise<Diagnosis> {
  const { failure, name, timeout, signal } = request
  if (mayConcernCertificate(failure) && failure.target !== null && timeout > 0) {
    const reader = new FlightReader()
    const { acceptedAuthorities } = await observeTarget(failure.target, { name, timeout, signal, reader })
    return { ...EMPTY_DIAGNOSIS, authorities: acceptedAuthorities, library: libraryOf(reader.schemes) }
  }
  const end = performance.now() + timeout
  for (const probe of probesFor(failure)) {
    const found = await runProbe(probe, { ...request, timeout: end - performance.now() })
    if (Object.values(found).some((each) => each !== null)) return { ...EMPTY_DIAGNOSIS, ...found }
  }
  return EMPTY_DIAGNOSIS
}

/** What a probe finds on one connection. */
async function runProbe(probe: Probe, request: DiagnosisRequest): Promise<Partial<Diagnosis>> {
  const { failure, timeout, signal } = request
  if (failure.target === null || timeout <= 0 || signal.aborted) return {}
  const raw = connectTcp(failure.target.options).unref()
  return new Promise((resolve) => {
    const found: Partial<Diagnosis> = {}
    let upper: Duplex | null = null
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve(found)
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

/** Writes its results to `found` and calls `done`. @returns The stream to destroy at the end. */
type Probe = (request: DiagnosisRequest, raw: Socket, found: Partial<Diagnosis>, done: () => void) => Duplex

/** The probes in turn, until one of them finds something. */
function probesFor(failure: DialFailure): Probe[] {
  if (failure.validation?.report.ok === false) return []
  if (failure.alert !== null) return []
  if (isVerificationError(failure.error)) return [captureChain]
  if (isClosedAfterHandshake(failure)) return [probeHttp1]
  if (!looksLikePlaintext(failure)) return []
  const probes = [probePlaintext(PREFACE, readAnswer)]
  return failure.answered ? probes : [...probes, probePlaintext(POSTGRES_SSL_REQUEST, readPostgresAnswer)]
}

/**
 * Captures the chain that the server presents. Verification is off for this one connection, because Node does not
 * expose a refused chain. The connection ends at once.
 */
const captureChain: Probe = (request, raw, found, done) => {
  const { endpoint, name, validated } = request
  const socket = openTls({ raw, name }, { secureContext: validated.secureContext, rejectUnauthorized: false })
  socket.once('secureConnect', () => {
    const expected = { name, validated, endpoint: endpoint.url }
    found.validation = validateRefused(socket, expected)
    found.alpn = socket.alpnProtocol ?? false
    if (!areOfDates(found.validation.report.findings)) {
      done()
      return
    }
    void readClock(request, socket).then((clock) => {
      found.clock = clock
      done()
    })
  })
  return socket
}

/** Sends a first message in plaintext, and reads the answer. */
const probePlaintext =
  (message: Buffer, read: (bytes: Buffer) => PlaintextAnswer | null): Probe =>
  (_request, raw, found, done) => {
    raw.write(message)
    return raw.once('data', (bytes: Buffer) => {
      found.plaintext = read(bytes)
      done()
    })
  }

/**
 * Checks whether a server that closes HTTP/2 connections answers over HTTP/1.1, as etcd's peer port does: then it
 * accepted our certificate. A server that refuses the certificate closes this connection as well.
 */
const probeHttp1: Probe = ({ endpoint, name, validated, timeout }, raw, found, done) => {
  const reader = new FlightReader()
  const verified = { raw: tapSocket(raw, reader), name, validated, endpoint: endpoint.url }
  // Without ALPN, because a server without HTTP/1.1 would refuse that name before it sends its list of CAs.
  const socket = openVerifiedTls(verified, { ALPNProtocols: [] }, () => undefined)
  shareSecret(socket, reader)
  return socket.once('secureConnect', () => {
    found.authorities = reader.authorities
    found.library = libraryOf(reader.schemes)
    void requestVersionOverHttp1(socket, authorityFor(endpoint, name), timeout).then((answer) => {
      const [status = ''] = answer?.slice(0, 100).split('\r\n') ?? []
      // etcd's client port answers 400 without ALPN.
      if (/^HTTP\/1\.\d (?!400)/.test(status)) found.http1 = status
      done()
    })
  })
}

/** Milliseconds to wait for a server's clock. Without the clock there is one finding less. */
const CLOCK_TIMEOUT = 1000

/** Reads the clock of a server over a connection that is used for nothing else. */
async function readClock({ endpoint, name }: DiagnosisRequest, socket: TLSSocket): Promise<ClockReading | null> {
  const host = authorityFor(endpoint, name)
  if (socket.alpnProtocol !== 'h2') {
    const head = await requestVersionOverHttp1(socket, host, CLOCK_TIMEOUT)
    return readingOf(endpoint.url, /\r\ndate: ?([^\r]+)\r\n/i.exec(head ?? '')?.[1])
  }
  const ignore = (): void => undefined
  const session = new FrameSession(socket, { onSettings: ignore, onGoaway: ignore, onClose: ignore })
  return readClockOver({ host, request: (...args) => session.request(...args) }, endpoint.url)
}

/** Reads the server's clock over an existing connection, from etcd's gateway: gRPC answers have no date. */
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
    const { head } = await exchange(carrier, headers, parts)
    return readingOf(endpoint, head.date)
  } catch {
    // The connection accepts no more requests, or there was no answer.
    return null
  }
}

/** The `Date` of an answer of HTTP (RFC 9110 section 6.6.1). */
export function readingOf(endpoint: string, date = ''): ClockReading | null {
  const peer = Date.parse(date)
  return Number.isNaN(peer) ? null : { endpoint, peer, own: Date.now() }
}
