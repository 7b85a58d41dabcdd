/**
 * A second look at an endpoint that failed, and only then: one connection that finds out what the first could not show, such as the
 * chain that OpenSSL refused, or that the server speaks plaintext or HTTP/1.1 alone. It sends no request but one for etcd's version,
 * which is public, to a server that was verified.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { DistinguishedName } from '../../x509/distinguished-name.js'
import type { Host } from '../../x509/names.js'
import { flightReader } from '../../x509/tls-flight.js'
import { authorityFor, type Endpoint } from '../endpoints.js'
import type { DialFailure } from '../transport/dial.js'
import { askHttp1, openTls, openVerifiedTls, validatePeer } from '../transport/tls-socket.js'
import type { ValidatedCredentials } from '../validated-credentials.js'
import { readClock } from './clock.js'
import {
  type Diagnosis,
  isOnlyOutOfTime,
  isVerificationError,
  looksLikePlaintext,
  NOTHING_FOUND,
  wasClosedInSilence,
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
  if (timeout <= 0 || signal.aborted || failure.validation?.report.ok === false) return NOTHING_FOUND
  if (failure.alert === UNKNOWN_CA) return { ...NOTHING_FOUND, authorities: await askAuthorities(request) }
  if (failure.alert !== null) return NOTHING_FOUND
  if (isVerificationError(failure.error)) return { ...NOTHING_FOUND, ...(await captureChain(request)) }
  if (wasClosedInSilence(failure)) return { ...NOTHING_FOUND, http1: await askInHttp1(request) }
  return looksLikePlaintext(failure) ? { ...NOTHING_FOUND, ...(await askInPlaintext(request)) } : NOTHING_FOUND
}

type Captured = Pick<Diagnosis, 'validation' | 'clock'>

/**
 * Takes the chain that the server presents. Verification is off for this one connection, because a chain that is refused cannot be
 * seen otherwise; it shows what the refused connection has shown already, and ends at once. Nothing is sent over it, unless the chain
 * has no other fault than its dates: then it asks for etcd's version, whose answer has the server's time.
 */
function captureChain(request: DiagnosisRequest): Promise<Captured | null> {
  const { endpoint, name, validated } = request
  return lookOnce<Captured>(request, (raw, done, keep) => {
    const socket = openTls({ raw, name }, { secureContext: validated.secureContext, rejectUnauthorized: false })
    socket.on('error', () => {
      done(null)
    })
    socket.once('secureConnect', () => {
      const validation = validatePeer(() => socket, socket.getPeerCertificate(true), {
        name,
        validated,
        endpoint: endpoint.url,
      })
      if (!isOnlyOutOfTime(validation)) {
        done({ validation, clock: null })
        return
      }
      keep({ validation, clock: null })
      void readClock(socket, endpoint.url, authorityFor(endpoint, name)).then((clock) => {
        done({ validation, clock })
      })
    })
    return () => socket.destroy()
  })
}

const UNKNOWN_CA = 48
/** Most names of CAs that are kept. */
const MAX_NAMES = 50

/**
 * The names of the CAs that the server accepts, read off the wire, because Node does not expose them. In TLS 1.2 the
 * CertificateRequest is not encrypted (RFC 5246 section 7.4.4); a server that speaks TLS 1.3 alone does not show it. The handshake,
 * without a certificate of ours, ends as soon as the names came.
 */
function askAuthorities(request: DiagnosisRequest): Promise<DistinguishedName[] | null> {
  const { name, validated } = request
  return lookOnce(request, (raw, done) => {
    const read = flightReader()
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Uint8Array, _encoding, written) => {
        raw.write(chunk, written)
      },
    })
    raw.on('data', (bytes: Buffer) => {
      const flight = read(bytes)
      if (flight === undefined) wire.push(bytes)
      else done(flight?.authorities?.slice(0, MAX_NAMES) ?? null)
    })
    const ca = validated.credentials.trustAnchors.map((each) => each.toPem())
    const socket = openTls({ raw: wire, name }, { ca, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
    socket.on('error', () => {
      done(null)
    })
    return () => {
      socket.destroy()
      wire.destroy()
    }
  })
}

/** HTTP/2's client preface (RFC 9113 section 3.4) with an empty SETTINGS frame: HTTP/1.1 servers answer it, too. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])
const SETTINGS_FRAME = 4
const TLS_ALERT = 0x15

async function askInPlaintext(request: DiagnosisRequest): Promise<Pick<Diagnosis, 'plaintext' | 'firstBytes'>> {
  const answer = await lookOnce<Buffer>(request, (raw, done) => {
    raw.write(PREFACE)
    raw.once('data', (bytes: Buffer) => {
      done(bytes)
    })
    return () => undefined
  })
  // A TLS server answers plaintext with an alert, or not at all.
  if (answer === null || answer[0] === TLS_ALERT) return { plaintext: null, firstBytes: '' }
  if (answer.subarray(0, 5).toString('latin1') === 'HTTP/') return { plaintext: 'http/1.1', firstBytes: '' }
  if (answer.length >= 9 && answer[3] === SETTINGS_FRAME) return { plaintext: 'h2c', firstBytes: '' }
  return { plaintext: null, firstBytes: answer.subarray(0, 16).toString('hex') }
}

/**
 * Whether a server that closes HTTP/2 connections answers over HTTP/1.1, as etcd's peer port: then it has nothing against our
 * certificate. One that refuses the certificate closes this connection, too.
 */
function askInHttp1(diagnosed: DiagnosisRequest): Promise<string | null> {
  const { endpoint, name, validated, timeout } = diagnosed
  return lookOnce(diagnosed, (raw, done) => {
    const request = { raw, name, validated, endpoint: endpoint.url }
    const socket = openVerifiedTls(request, { ALPNProtocols: ['http/1.1'] }, () => undefined)
    socket.on('error', () => {
      done(null)
    })
    socket.once('secureConnect', () => {
      void askHttp1(socket, authorityFor(endpoint, name), timeout).then((answer) => {
        const [status] = answer?.slice(0, 100).split('\r\n') ?? []
        done(status?.startsWith('HTTP/1.') === true ? status : null)
      })
    })
    return () => socket.destroy()
  })
}

/**
 * Opens one TCP connection, lets `look` find something on it within the time, and ends it whatever happens.
 *
 * @param look Called with a connected socket. What it keeps is found, should nothing more be.
 */
function lookOnce<T>(
  request: DiagnosisRequest,
  look: (raw: Socket, done: (found: T | null) => void, keep: (found: T) => void) => () => void,
): Promise<T | null> {
  const {
    failure: { target },
    timeout,
    signal,
  } = request
  if (target === null) return Promise.resolve(null)
  return new Promise((resolve) => {
    const raw = connectTcp(target.options)
    let end: () => void = () => undefined
    let kept: T | null = null
    const done = (found: T | null): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
      resolve(found ?? kept)
      end()
      raw.destroy()
    }
    const giveUp = (): void => {
      done(null)
    }
    const timer = setTimeout(giveUp, timeout)
    signal.addEventListener('abort', giveUp, { once: true })
    raw.on('error', giveUp)
    raw.once('close', giveUp)
    raw.once('connect', () => {
      try {
        end = look(raw, done, (found) => {
          kept = found
        })
      } catch {
        // OpenSSL refuses some certificates only in tls.connect; the first attempt has reported that already.
        giveUp()
      }
    })
  })
}
