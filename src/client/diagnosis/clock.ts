/**
 * The time elsewhere: the `Date` of an answer of HTTP (RFC 9110 section 6.6.1). It is asked for if a certificate is out of its
 * validity, and only of servers that are verified, or whose chain has no other fault than its dates. etcd's gRPC answers have no
 * date, and those of its gateway do.
 */
import { connect as connectHttp2 } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { exchange, type RequestCarrier } from '../transport/health-check.js'
import { askHttp1 } from '../transport/tls-socket.js'

/** Two clocks, read at the same time, in milliseconds since 1970. */
export interface ClockReading {
  /** Whose clock it is. */
  readonly endpoint: string
  readonly peer: number
  readonly own: number
}

/** How long to wait for an answer, in milliseconds: without it, there is one finding less. */
const TIMEOUT = 1000
/** How far two clocks may differ and still agree, in milliseconds: `Date` has whole seconds, and the answer takes its time. */
const TOLERANCE = 5000

/** Reads the clock of a server over a connection that is used for nothing else. */
export async function readClock(socket: TLSSocket, endpoint: string, host: string): Promise<ClockReading | null> {
  if (socket.alpnProtocol !== 'h2') {
    const head = await askHttp1(socket, host, TIMEOUT)
    return readingOf(endpoint, /\r\ndate: ?([^\r]+)\r\n/i.exec(head ?? '')?.[1])
  }
  const session = connectHttp2(`https://${host}`, { createConnection: () => socket })
  session.on('error', () => undefined)
  return readClockOver({ host, request: (headers) => session.request(headers) }, endpoint)
}

/** Reads the clock of a server over a connection that is in use. */
export async function readClockOver(carrier: RequestCarrier, endpoint: string): Promise<ClockReading | null> {
  const headers = {
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': carrier.host,
    ':path': '/version',
    'user-agent': 'etcd-mtls',
  }
  try {
    const parts = { timeout: TIMEOUT, keepsProcess: true, read: () => true }
    const { head } = await exchange(carrier.request(headers), parts)
    return readingOf(endpoint, head.date)
  } catch {
    // The connection accepts no more requests, or there was no answer.
    return null
  }
}

/** What two clocks say of a certificate that one side considers invalid. `explains`: by the other clock it would be accepted. */
export function clockFinding({ endpoint, peer, own }: ClockReading, explains: (time: number) => boolean): Finding {
  const offset = peer - own
  return finding('handshake/clock-compared', {
    endpoint,
    peerTime: new Date(peer),
    ownTime: new Date(own),
    offset,
    differs: Math.abs(offset) > TOLERANCE,
    explains: explains(peer),
  })
}

function readingOf(endpoint: string, date: string | undefined): ClockReading | null {
  const peer = date === undefined ? NaN : Date.parse(date)
  return Number.isNaN(peer) ? null : { endpoint, peer, own: Date.now() }
}
