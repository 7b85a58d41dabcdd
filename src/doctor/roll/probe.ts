/** Asks one port whether it accepts a certificate of a CA: a request for `/version`, which a peer port answers before there is a leader. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { alertNumber } from '../../client/internal-diagnosis.js'
import type { Credentials } from '../../credentials/index.js'
import { asError, codeOf, isError, printable, reasonOf } from '../../report/internal.js'
import type { Certificate } from '../../x509/internal.js'

export interface PortAnswer {
  /** Null if that is not known. */
  readonly accepts: boolean | null
  /** Why it is not known, for display; null if it is. */
  readonly problem: string | null
  /** How many milliseconds the clock of the server is ahead; null without an answer. */
  readonly clock: number | null
}

export interface Probe {
  readonly url: string
  readonly pair: Credentials
  /** What verifies the server: the certificate of the probe is sent to no other one. */
  readonly trustAnchors: readonly Certificate[]
  /** Milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal
}

/** RFC 8446 section 6.2. Go sends 48 for a CA that it does not trust, also if one of the same name is trusted (crypto/tls). */
const UNKNOWN_CA = 48
const MEANINGS: Readonly<Record<number, string>> = {
  42: 'it refuses the names or the usage of the certificate',
  45: 'the certificate is outside its validity by the clock of the member',
}
/** A server that refuses may reset the connection before its alert is read. */
const ATTEMPTS = 3

export async function probePort(probe: Probe): Promise<PortAnswer> {
  let answer: PortAnswer = unknown('it did not answer')
  for (let i = 0; i < ATTEMPTS; i++) {
    const error = await ask(probe)
    if (!isError(error)) return error
    answer = refusalOf(error)
    if (answer.accepts !== null || !['ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '')) break
  }
  return answer
}

async function ask({ url, pair, trustAnchors, timeout, signal }: Probe): Promise<PortAnswer | Error> {
  const call = request(new URL('/version', url), {
    agent: false,
    ca: trustAnchors.map((each) => each.toPem()),
    cert: pair.chain.map((each) => each.toPem()).join(''),
    key: pair.key.exportForOpenssl(),
    allowPartialTrustChain: true,
    // The default depends on the environment of Node.
    rejectUnauthorized: true,
    // The chain says which CA the server is of. Its names are examined elsewhere.
    checkServerIdentity: () => undefined,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
  }).end()
  try {
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    const date = Date.parse(answer.headers.date ?? '')
    // Also a refusal of the request: its connection was accepted.
    return { accepts: true, problem: null, clock: Number.isNaN(date) ? null : date - Date.now() }
  } catch (error) {
    return asError(error)
  } finally {
    call.on('error', () => undefined).destroy()
  }
}

function refusalOf(error: Error): PortAnswer {
  const alert = alertNumber(error)
  if (alert === UNKNOWN_CA) return { accepts: false, problem: null, clock: null }
  if (alert !== null) return unknown(MEANINGS[alert] ?? `it sent the TLS alert ${String(alert)}`)
  return unknown(printable(reasonOf(error)))
}

function unknown(problem: string): PortAnswer {
  return { accepts: null, problem, clock: null }
}
