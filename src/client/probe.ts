/**
 * A second look at an endpoint that failed, and only then: one connection that finds out what the first could not show, the
 * chain that OpenSSL refused, that the server speaks plaintext, or that it speaks HTTP/1.1 alone. It is never used for
 * anything else, and sends no request but one for etcd's version, which is public, to a server that was verified.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import type { Host } from '../x509/names.js'
import type { Accepted } from './accept.js'
import { authoritiesReader } from './certificate-request.js'
import type { DialFailure } from './dial.js'
import { type Endpoint, socketOptions } from './endpoints.js'
import { type Diagnosis, isVerificationError, looksLikePlaintext, wasClosedInSilence } from './handshake-error.js'
import { judgeServer, peerChain, serverIdentityCheck, type ServerVerdict } from './server-identity.js'

export interface DiagnosisRequest {
  endpoint: Endpoint
  name: Host
  accepted: Accepted
  failure: DialFailure
  /** Milliseconds. Without time left nothing is looked at. */
  timeout: number
  signal: AbortSignal
}

/** Looks again where that can tell more. Never rejects: what cannot be found out stays unknown. */
export async function diagnose(request: DiagnosisRequest): Promise<Diagnosis> {
  const nothing: Diagnosis = { verdict: null, plaintext: null, http1: null, firstBytes: '', authorities: null }
  const { failure, timeout, signal } = request
  if (timeout <= 0 || signal.aborted || failure.verdict?.report.ok === false) return nothing
  if (failure.alert === UNKNOWN_CA) return { ...nothing, authorities: await askAuthorities(request) }
  if (failure.alert !== null) return nothing
  if (isVerificationError(failure.error)) return { ...nothing, verdict: await captureChain(request) }
  if (wasClosedInSilence(failure)) return { ...nothing, http1: await askInHttp1(request) }
  return looksLikePlaintext(failure) ? { ...nothing, ...(await askInPlaintext(request)) } : nothing
}

/**
 * Takes the chain that the server presents. Verification is off for this one connection, because a chain that is refused
 * cannot be seen otherwise; it shows what the refused connection has shown already, sends nothing, and ends at once.
 */
function captureChain(request: DiagnosisRequest): Promise<ServerVerdict | null> {
  const { endpoint, name, accepted } = request
  return lookOnce(request, (raw, done) => {
    const socket = connectTls({
      socket: raw,
      host: name.value,
      ...(name.kind === 'dns' ? { servername: name.value } : {}),
      secureContext: accepted.secureContext,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
    })
    socket.on('error', () => {
      done(null)
    })
    socket.once('secureConnect', () => {
      done(judgeServer(peerChain(socket.getPeerCertificate(true)), name, accepted, endpoint.url))
    })
    return () => socket.destroy()
  })
}

const UNKNOWN_CA = 48

/**
 * The names of the CAs that the server accepts. A handshake of TLS 1.2, without a certificate of ours, shows them; it is left
 * as soon as they came. A server that speaks TLS 1.3 alone keeps them to itself.
 */
function askAuthorities(request: DiagnosisRequest): Promise<DistinguishedName[] | null> {
  const { name, accepted } = request
  return lookOnce(request, (raw, done) => {
    const read = authoritiesReader()
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Uint8Array, _encoding, written) => {
        raw.write(chunk, written)
      },
    })
    raw.on('data', (bytes: Buffer) => {
      const found = read(bytes)
      if (found === undefined) wire.push(bytes)
      else done(found)
    })
    const socket = connectTls({
      socket: wire,
      host: name.value,
      ...(name.kind === 'dns' ? { servername: name.value } : {}),
      ca: accepted.credentials.trustAnchors.map((each) => each.toPem()),
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    })
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
    raw.once('connect', () => raw.write(PREFACE))
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
function askInHttp1(request: DiagnosisRequest): Promise<string | null> {
  const { endpoint, name, accepted } = request
  return lookOnce(request, (raw, done) => {
    const socket = connectTls({
      socket: raw,
      host: name.value,
      ...(name.kind === 'dns' ? { servername: name.value } : {}),
      secureContext: accepted.secureContext,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      checkServerIdentity: serverIdentityCheck(name, accepted, endpoint.url, () => undefined),
    })
    socket.on('error', () => {
      done(null)
    })
    socket.once('secureConnect', () => {
      socket.write(`GET /version HTTP/1.1\r\nHost: ${endpoint.authority}\r\nConnection: close\r\n\r\n`)
    })
    socket.once('data', (bytes: Buffer) => {
      const [status] = bytes.subarray(0, 100).toString('latin1').split('\r\n')
      done(status?.startsWith('HTTP/1.') === true ? status : null)
    })
    return () => socket.destroy()
  })
}

/** Opens one TCP connection, lets `look` find something on it within the time, and ends it whatever happens. */
function lookOnce<T>(
  request: DiagnosisRequest,
  look: (raw: Socket, done: (found: T | null) => void) => () => void,
): Promise<T | null> {
  const { endpoint, timeout, signal } = request
  return new Promise((resolve) => {
    const raw = connectTcp(socketOptions(endpoint))
    let end: () => void = () => undefined
    const done = (found: T | null): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
      resolve(found)
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
    try {
      end = look(raw, done)
    } catch {
      // OpenSSL refuses some certificates as late as in tls.connect; the first attempt has said so already.
      giveUp()
    }
  })
}
