/** What plain etcd3 says where our client explains: the first call, and the one after it. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js'
import { Etcd3 } from 'etcd3'
import type { Credentials } from '../../src/credentials/index.js'
import type { PlainCredentials } from './tls-cause.js'

/** How long a call may stay without an answer until that is what is said about it, in milliseconds. */
const PATIENCE = 2500

/** The three buffers that etcd3 takes. */
export function plainCredentials(credentials: Credentials): PlainCredentials {
  return {
    rootCertificate: Buffer.from(credentials.trustAnchors.map((each) => each.toPem()).join('')),
    certChain: Buffer.from(credentials.chain.map((each) => each.toPem()).join('')),
    privateKey: Buffer.from(credentials.key.exportPem()),
  }
}

export interface PlainSayings {
  readonly first: string
  readonly second: string
}

/** @param serverName The name to expect in the server's certificate, by grpc-js' option for tests of that. */
export async function askPlainEtcd3(
  endpoint: string,
  credentials: PlainCredentials,
  serverName?: string,
): Promise<PlainSayings> {
  // It would print what it says to a proxy.
  setLogVerbosity(logVerbosity.NONE)
  const grpcOptions = serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName }
  let client: Etcd3
  try {
    client = new Etcd3({ hosts: endpoint, credentials, grpcOptions })
  } catch (error) {
    return { first: `throws when it is made: ${said(error)}`, second: '' }
  }
  try {
    const first = await call(client)
    return { first, second: first === STILL_WAITING || first === SERVED ? '' : await call(client) }
  } finally {
    client.close()
  }
}

export const STILL_WAITING = 'nothing: the call hangs'
export const SERVED = 'nothing: it connects'

async function call(client: Etcd3): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, PATIENCE, STILL_WAITING)
  })
  const answer = client
    .get('a')
    .string()
    .then(() => SERVED, said)
  const first = await Promise.race([answer, patience])
  clearTimeout(timer)
  return first
}

/** An error as one text that is the same in each run, on each port, with each version of OpenSSL. */
function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
  const text = error.message
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[0-9A-F]{8,}:error:[0-9A-F]+:SSL routines:[^:]*:([^:]*):[^:]*:\d+:(SSL alert number \d+)?/g, '$1 $2')
    .replaceAll(/\b(sslv3|ssl\/tls|tlsv1|tlsv13) alert\b/g, 'alert')
    .replaceAll(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, '')
    .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replace(/\s*Resolution note:\s*$/, '')
    .replaceAll(/ +(?=[ .]|$)/g, '')
    .replace('Last error: Error: ', 'Last error: ')
    .replace(/^(\d+ [A-Z]+: )?No connection established\. /, '$1')
  return `${error.constructor.name}${code}: ${text}`
}
