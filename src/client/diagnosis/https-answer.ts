/** Reads the clock and the start time of an etcd over HTTPS, on a connection of its own. */
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import { connect, type ConnectionOptions, createSecureContext } from 'node:tls'
import type { Credentials } from '../../credentials/credentials.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Endpoint } from '../base/endpoints.js'
import type { ClockReading } from './evidence.js'
import { readingOf } from './probe.js'

interface HttpsCall {
  readonly credentials: Credentials
  /** Milliseconds. */
  readonly dialTimeout: number
  readonly signal: AbortSignal
}

/** Null if it does not answer, as some proxies. Without an answer, findings say less. */
async function askHttps<T>(
  { url, serverName }: Endpoint,
  { credentials: { chain, key, trustAnchors }, dialTimeout, signal }: HttpsCall,
  more: RequestOptions,
  read: (answer: IncomingMessage) => T | Promise<T>,
): Promise<T | null> {
  if (!url.startsWith('https:')) return null
  let call: ClientRequest | null = null
  try {
    const secureContext = createSecureContext({
      ca: trustAnchors.map((each) => each.toPem()),
      ...(key.isHeld ? { cert: chain.map((each) => each.toPem()).join(''), key: key.exportForOpenssl() } : {}),
      allowPartialTrustChain: true,
    })
    const name = serverName === null ? {} : { servername: serverName.value }
    const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)])
    // The default of `rejectUnauthorized` depends on the environment of Node.
    const options = { secureContext, rejectUnauthorized: true, signal: limit, ...name, ...more }
    call = request(url, options).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    return await read(answer)
  } catch {
    return null
  } finally {
    call?.on('error', () => undefined).destroy()
  }
}

/** /metrics of an etcd has about 200 kB. */
const MAX_METRICS = 4 * 1024 * 1024
/** Longer than the line that is looked for. */
const LONGEST_LINE = 200

/** The start time that etcd exports on its client port, and its clock. */
export async function readMetrics(
  endpoint: Endpoint,
  call: HttpsCall,
): Promise<{ readonly startedAt: Date | null; readonly clock: ClockReading | null }> {
  const read = await askHttps(endpoint, call, { path: '/metrics', agent: false }, async (answer) => {
    const clock = clockIn(answer, endpoint.url)
    let [text, size] = ['', 0]
    for await (const piece of answer.setEncoding('latin1') as AsyncIterable<string>) {
      text = `${text.slice(-LONGEST_LINE)}${piece}`
      const [, seconds] = /^process_start_time_seconds ([\d.e+]{1,40})\n/m.exec(text) ?? []
      const date = new Date(Number(seconds) * 1000)
      if (seconds !== undefined) return { clock, startedAt: Number.isNaN(date.getTime()) ? null : date }
      if ((size += piece.length) > MAX_METRICS) break
    }
    return { clock, startedAt: null }
  })
  return read ?? { clock: null, startedAt: null }
}

/** A difference that no clock has. */
const MAX_DIFFERENCE = 100 * 365 * 86_400_000

function clockIn({ headers: { date } }: IncomingMessage, url: string): ClockReading | null {
  const reading = readingOf(url, date)
  return reading !== null && Math.abs(reading.peer - reading.own) < MAX_DIFFERENCE ? reading : null
}

/**
 * The clock of a server if only dates are wrong, which may be the fault of this machine's clock. OpenSSL checks dates, so its verification
 * is off. The request is only sent to the server whose certificate was validated but for its dates.
 */
export function readClockOf(
  endpoint: Endpoint,
  leaf: Certificate | undefined,
  call: HttpsCall,
): Promise<ClockReading | null> {
  const { kind, value } = endpoint.serverName ?? endpoint.host
  const createConnection: RequestOptions['createConnection'] = (options, done) => {
    const socket = connect({ ...(options as ConnectionOptions), ALPNProtocols: ['http/1.1'] })
    options.signal?.addEventListener('abort', () => socket.destroy(), { once: true })
    socket.on('error', (error: Error) => {
      done(error, socket)
    })
    socket.once('secureConnect', () => {
      if (leaf !== undefined && socket.getPeerX509Certificate()?.raw.equals(leaf.raw) === true) done(null, socket)
      else socket.destroy(new Error('Another server answers.'))
    })
    return undefined
  }
  const name = kind === 'dns' ? { servername: value } : {}
  const more = { path: '/version', rejectUnauthorized: false, createConnection, ...name }
  return askHttps(endpoint, call, more, (answer) => clockIn(answer, endpoint.url))
}
