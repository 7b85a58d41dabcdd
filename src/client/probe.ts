/**
 * A second look at an endpoint that failed, and only then: one connection that finds out what the first could not show, the
 * chain that OpenSSL refused, that the server speaks plaintext, or that it speaks HTTP/1.1 alone. It is never used for
 * anything else, and sends no request but one for etcd's version, which is public, to a server that was verified.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import type { Host } from '../x509/names.js'
import type { Accepted } from './accept.js'
import { authoritiesReader } from './certificate-request.js'
import type { DialFailure } from './transport/dial.js'
import { authorityFor, type Endpoint } from './endpoints.js'
import {
  type Diagnosis,
  isOnlyOutOfTime,
  isVerificationError,
  looksLikePlaintext,
  NOTHING_FOUND,
  wasClosedInSilence,
} from './handshake-error.js'
import { readClock } from './peer-clock.js'
import { judgePeer, serverIdentityCheck } from './server-identity.js'

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
  const { failure, timeout, signal } = request
  if (timeout <= 0 || signal.aborted || failure.verdict?.report.ok === false) return NOTHING_FOUND
  if (failure.alert === UNKNOWN_CA) return { ...NOTHING_FOUND, authorities: await askAuthorities(request) }
  if (failure.alert !== null) return NOTHING_FOUND
  if (isVerificationError(failure.error)) return { ...NOTHING_FOUND, ...(await captureChain(request)) }
  if (wasClosedInSilence(failure)) return { ...NOTHING_FOUND, http1: await askInHttp1(request) }
  return looksLikePlaintext(failure) ? { ...NOTHING_FOUND, ...(await askInPlaintext(request)) } : NOTHING_FOUND
}

type Captured = Pick<Diagnosis, 'verdict' | 'clock'>

/**
 * Takes the chain that the server presents. Verification is off for this one connection, because a chain that is refused
 * cannot be seen otherwise; it shows what the refused connection has shown already, and ends at once. Nothing is sent over it,
 * unless the time is all that speaks against the chain: then it asks for etcd's version, whose answer tells the server's time.
 */
function captureChain(request: DiagnosisRequest): Promise<Captured | null> {
  const { endpoint, name, accepted } = request
  return lookOnce<Captured>(request, (raw, done, keep) => {
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
      const verdict = judgePeer(() => socket, socket.getPeerCertificate(true), name, accepted, endpoint.url)
      if (!isOnlyOutOfTime(verdict)) {
        done({ verdict, clock: null })
        return
      }
      keep({ verdict, clock: null })
      void readClock(socket, endpoint.url, authorityFor(endpoint, name)).then((clock) => {
        done({ verdict, clock })
      })
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
function askInHttp1(request: DiagnosisRequest): Promise<string | null> {
  const { endpoint, name, accepted } = request
  return lookOnce(request, (raw, done) => {
    const socket: TLSSocket = connectTls({
      socket: raw,
      host: name.value,
      ...(name.kind === 'dns' ? { servername: name.value } : {}),
      secureContext: accepted.secureContext,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      checkServerIdentity: serverIdentityCheck(
        name,
        accepted,
        endpoint.url,
        () => socket,
        () => undefined,
      ),
    })
    socket.on('error', () => {
      done(null)
    })
    socket.once('secureConnect', () => {
      socket.write(`GET /version HTTP/1.1\r\nHost: ${authorityFor(endpoint, name)}\r\nConnection: close\r\n\r\n`)
    })
    socket.once('data', (bytes: Buffer) => {
      const [status] = bytes.subarray(0, 100).toString('latin1').split('\r\n')
      done(status?.startsWith('HTTP/1.') === true ? status : null)
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
