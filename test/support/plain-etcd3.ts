/** The errors of plain etcd3, which our client explains: those of the first call, and of the one after it. */
import { setTimeout as delay } from 'node:timers/promises'
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js'
import { Etcd3 } from 'etcd3'
import type { Pems } from './etcd.js'

/** How long a call may stay without an answer, in milliseconds. */
const TIMEOUT = 2500

/** @param serverName The name to expect in the server's certificate, by grpc-js' option for tests of that. */
export async function askPlainEtcd3(
  endpoint: string,
  { ca, cert, key }: Partial<Pems>,
  serverName?: string,
): Promise<{ first: string; second: string }> {
  // It would print what it says to a proxy.
  setLogVerbosity(logVerbosity.NONE)
  const grpcOptions = serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName }
  const credentials = {
    rootCertificate: Buffer.from(ca ?? ''),
    ...(cert === undefined ? {} : { certChain: Buffer.from(cert) }),
    ...(key === undefined ? {} : { privateKey: Buffer.from(key) }),
  }
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

function call(client: Etcd3): Promise<string> {
  const answer = client
    .get('a')
    .string()
    .then(() => SERVED, said)
  return Promise.race([answer, delay(TIMEOUT, STILL_WAITING, { ref: false })])
}

/** An error as one text that is the same in each run, on each port, with each version of OpenSSL and Node. */
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
    .replace('; if the root CA is installed locally, try running Node.js with --use-system-ca', '')
    .replace(/^(\d+ [A-Z]+: )?No connection established\. /, '$1')
  return `${error.constructor.name}${code}: ${text}`
}
