/**
 * What time it is elsewhere: the `Date` of an answer of HTTP (RFC 9110 section 6.6.1). It is asked for where a certificate is
 * out of its validity, and only of servers that are proved, or that nothing but the time speaks against. etcd's gRPC answers
 * have no date, and those of its gateway do.
 */
import { connect as connectHttp2, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Finding } from '../report/finding.js'
import { finding } from './finding.js'

/** Two clocks, read at the same time, in milliseconds since 1970. */
export interface ClockReading {
  /** Whose clock it is. */
  readonly endpoint: string
  readonly peer: number
  readonly own: number
}

/** How long to wait for an answer, in milliseconds: without it, there is one finding less. */
const PATIENCE = 1000
/** How far two clocks may differ and still agree, in milliseconds: `Date` has whole seconds, and the answer takes its time. */
const TOLERANCE = 5000

/** Reads the clock of a server over a connection that nothing else is done with. */
export function readClock(socket: TLSSocket, endpoint: string, authority: string): Promise<ClockReading | null> {
  if (socket.alpnProtocol !== 'h2') {
    return within(endpoint, (told) => {
      readOverHttp1(socket, authority, told)
    })
  }
  const session = connectHttp2(`https://${authority}`, { createConnection: () => socket })
  session.on('error', () => undefined)
  return within(endpoint, (told) => {
    readOverStream(session.request(request(authority)), told)
  })
}

/** Reads the clock of a server over a connection that is in use. */
export function readClockOver(
  connection: { readonly host: string; request(headers: OutgoingHttpHeaders): ClientHttp2Stream },
  endpoint: string,
): Promise<ClockReading | null> {
  return within(endpoint, (told) => {
    readOverStream(connection.request(request(connection.host)), told)
  })
}

/** What two clocks say of a certificate that one side takes for invalid. `explains`: by the other clock it would be as it should. */
export function clockFinding({ endpoint, peer, own }: ClockReading, explains: (time: number) => boolean): Finding {
  const offset = peer - own
  if (Math.abs(offset) <= TOLERANCE) return finding('handshake/clock-agrees', { endpoint, offset })
  const times = { peerTime: new Date(peer), ownTime: new Date(own) }
  return finding('handshake/clock-differs', { endpoint, offset, ...times, explains: explains(peer) })
}

function request(authority: string): OutgoingHttpHeaders {
  return {
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': authority,
    ':path': '/version',
    'user-agent': 'etcd-mtls',
  }
}

function readOverStream(stream: ClientHttp2Stream, told: Told): void {
  stream.once('response', ({ date }: { date?: string | undefined }) => {
    told(date)
  })
  stream.on('error', () => {
    told(undefined)
  })
  stream.resume()
  stream.end()
}

function readOverHttp1(socket: TLSSocket, authority: string, told: Told): void {
  socket.once('data', (bytes: Buffer) => {
    told(/\r\ndate: ?([^\r]+)\r\n/i.exec(bytes.toString('latin1'))?.[1])
  })
  socket.once('close', () => {
    told(undefined)
  })
  socket.write(`GET /version HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`)
}

type Told = (date: string | undefined) => void

function within(endpoint: string, read: (told: Told) => void): Promise<ClockReading | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PATIENCE, null)
    try {
      read((date) => {
        clearTimeout(timer)
        const peer = date === undefined ? NaN : Date.parse(date)
        resolve(Number.isNaN(peer) ? null : { endpoint, peer, own: Date.now() })
      })
    } catch {
      // A connection that takes no more requests.
      clearTimeout(timer)
      resolve(null)
    }
  })
}
