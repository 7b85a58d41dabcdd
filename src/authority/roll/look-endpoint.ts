/**
 * What a member shows of itself in a handshake: its chain, the CAs it accepts, and whether it accepts a certificate. Nothing
 * is sent over the connection, so what the server is need not be verified: that it shows is what is wanted.
 */
import { isError } from '../../report/errors.js'
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Credentials } from '../../credentials/credentials.js'
import type { DistinguishedName } from '../../x509/distinguished-name.js'
import { Certificate } from '../../x509/certificate.js'
import { DerError } from '../../x509/der.js'
import { flightReader, type ServerFlight } from '../../x509/tls-flight.js'

/** Where to look. */
export interface RollEndpoint {
  /** As it was given, for people. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** True for an IP address, which is no server name (RFC 6066 section 3). */
  readonly isAddress: boolean
}

export interface LookOptions {
  /** Milliseconds, for one connection. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/** What was seen. */
export type EndpointView =
  | {
      readonly reached: true
      /** The chain as it was sent; null where it cannot be read. */
      readonly chain: readonly Certificate[] | null
      /** The names of the CAs that are accepted, one for each; null where that cannot be seen. */
      readonly authorities: readonly DistinguishedName[] | null
    }
  | { readonly reached: false; readonly reason: string }

/** Looks at an endpoint. Never rejects, but with the reason of the signal. */
export async function lookAtEndpoint(endpoint: RollEndpoint, options: LookOptions): Promise<EndpointView> {
  const plain = await shakeHands(endpoint, options, null, 'TLSv1.2')
  options.signal?.throwIfAborted()
  if (plain.flight !== null) {
    return { reached: true, chain: parse(plain.flight.chain, endpoint), authorities: plain.flight.authorities }
  }
  if (!plain.answered) return { reached: false, reason: plain.error ?? 'it closed the connection' }
  // A server of TLS 1.3 alone keeps its wishes to itself, and shows its chain only to those who end the handshake.
  const newer = await shakeHands(endpoint, options, null, 'TLSv1.3')
  options.signal?.throwIfAborted()
  if (newer.chain !== null) return { reached: true, chain: parse(newer.chain, endpoint), authorities: null }
  return { reached: false, reason: plain.error ?? newer.error ?? 'it closed the connection' }
}

/**
 * Whether a member accepts a client's certificate; null where it did not come to that. In TLS 1.2 the handshake ends only
 * after the certificate was verified.
 */
export async function acceptsCertificate(
  endpoint: RollEndpoint,
  credentials: Credentials,
  options: LookOptions,
): Promise<boolean | null> {
  const { flight, completed } = await shakeHands(endpoint, options, credentials, 'TLSv1.2')
  options.signal?.throwIfAborted()
  return flight === null ? null : completed
}

interface Handshake {
  /** Whether a single octet came. */
  readonly answered: boolean
  readonly flight: ServerFlight | null
  /** As Node has it, at the end of the handshake; null where it did not come so far. */
  readonly chain: readonly Uint8Array[] | null
  readonly completed: boolean
  readonly error: string | null
}

function shakeHands(
  { host, port, isAddress }: RollEndpoint,
  { timeout, signal }: LookOptions,
  credentials: Credentials | null,
  version: 'TLSv1.2' | 'TLSv1.3',
): Promise<Handshake> {
  return new Promise((resolve) => {
    let flight: ServerFlight | null = null
    const raw = connectTcp({ host, port })
    const wire = throughReader(raw, (found) => (flight = found))
    let socket: TLSSocket | null = null
    const done = (end: { completed: boolean; error: string | null }): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      resolve({
        answered: raw.bytesRead > 0,
        flight,
        chain: end.completed && socket !== null ? chainOf(socket) : null,
        ...end,
      })
      socket?.destroy()
      wire.destroy()
      raw.destroy()
    }
    const fail = (error: string): void => {
      done({ completed: false, error })
    }
    const onAbort = (): void => {
      fail('it was cancelled')
    }
    const timer = setTimeout(() => {
      fail(`it did not answer within ${String(timeout / 1000)} s`)
    }, timeout)
    signal?.addEventListener('abort', onAbort, { once: true })
    raw.on('error', ({ message }) => {
      fail(message)
    })
    raw.once('close', () => {
      fail('it closed the connection')
    })
    try {
      socket = connectTls({
        socket: wire,
        ...(isAddress ? {} : { servername: host }),
        rejectUnauthorized: false,
        minVersion: version,
        maxVersion: version,
        ALPNProtocols: ['h2'],
        ...(credentials === null ? {} : identityOf(credentials)),
      })
    } catch (error) {
      fail(isError(error) ? error.message : 'OpenSSL refused the certificate')
      return
    }
    socket.on('error', ({ message }: Error) => {
      fail(message)
    })
    socket.once('secureConnect', () => {
      done({ completed: true, error: null })
    })
  })
}

function identityOf({ chain, key }: Credentials): { cert: string; key: string } {
  return { cert: chain.map((each) => each.toPem()).join(''), key: key.exportPem() }
}

/** The connection as TLS reads it, while the server's first flight is looked at. */
function throughReader(raw: Socket, tell: (flight: ServerFlight) => void): Duplex {
  const read = flightReader()
  let open = true
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Uint8Array, _encoding, written) => {
      raw.write(chunk, written)
    },
  })
  wire.on('error', () => undefined)
  raw.on('data', (bytes: Buffer) => {
    if (open) {
      const found = read(bytes)
      open = found === undefined
      if (found !== undefined && found !== null) tell(found)
    }
    wire.push(bytes)
  })
  return wire
}

/** Longest chain that is looked at; OpenSSL itself stops at 100. */
const MOST = 100

function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = []
  const seen = new Set<object>()
  let current: object | undefined = socket.getPeerCertificate(true)
  while (current !== undefined && !seen.has(current) && chain.length < MOST) {
    seen.add(current)
    if ('raw' in current && current.raw instanceof Uint8Array) chain.push(current.raw)
    const next: unknown = 'issuerCertificate' in current ? current.issuerCertificate : undefined
    current = typeof next === 'object' && next !== null ? next : undefined
  }
  return chain
}

function parse(chain: readonly Uint8Array[] | null, { url }: RollEndpoint): Certificate[] | null {
  if (chain === null || chain.length === 0) return null
  try {
    return chain.map((der) => Certificate.parse(der, url))
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}
