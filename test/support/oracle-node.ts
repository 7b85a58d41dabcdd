/** Node as an oracle: real handshakes between a TLS server and a TLS client of this process. */
import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect, type ConnectionOptions, type TlsOptions, type TLSSocket } from 'node:tls'
import { mintLeaf } from './mint.js'
import { tlsPeer } from './peers.js'
import type { Question, OracleResult } from './oracles.js'

/** Lets the side that sends the chain send any chain. The side that validates it has Node's defaults. */
export const SHOW_ANYTHING = 'DEFAULT:@SECLEVEL=0'

export async function askNode(question: Question): Promise<OracleResult> {
  try {
    return await (question.usage === 'server' ? askClient(question) : askServer(question))
  } catch (error) {
    // A certificate of which the minter has no private key cannot be shown by a TLS stack.
    if (codeOf(error) === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') return null
    return { accepts: false, words: wordsOf(error) }
  }
}

/** The result of a Node client for the chain of the server. */
async function askClient({ host, ...question }: Question): Promise<OracleResult> {
  await using server = await tlsPeer(shown(question))
  const socket = connect({
    ...judging(question),
    port: server.port,
    // A host to verify against is not a host to dial: the name need not resolve.
    host: '127.0.0.1',
    ...(isIP(host) === 0 ? { servername: host } : {}),
  })
  // The first error is the one that counts, and `once` takes it.
  socket.on('error', () => undefined)
  try {
    await Promise.race([once(socket, 'secureConnect'), closed(socket)])
    return { accepts: true, words: '' }
  } finally {
    socket.destroy()
  }
}

/** The result of a Node server for the chain of the client. */
async function askServer(question: Question): Promise<OracleResult> {
  const tls = { ...ownIdentity(), ...judging(question), requestCert: true, rejectUnauthorized: false }
  let connected = (_socket: TLSSocket): void => undefined
  const connection = new Promise<TLSSocket>((resolve) => (connected = resolve))
  await using server = await tlsPeer(tls, (socket) => {
    connected(socket)
  })
  const socket = connect({ ...shown(question), port: server.port, host: '127.0.0.1', rejectUnauthorized: false })
  socket.on('error', () => undefined)
  try {
    const failed = once(socket, 'error').then(([error]: unknown[]) => Promise.reject(error as Error))
    const seen = await Promise.race([connection, failed, closed(socket)])
    if (seen.authorized) return { accepts: true, words: '' }
    const sent = seen.getPeerX509Certificate() !== undefined
    return { accepts: false, words: sent ? String(seen.authorizationError) : 'the client sent no certificate' }
  } finally {
    socket.destroy()
  }
}

/** Rejects if the connection ends without an error. */
async function closed(socket: TLSSocket): Promise<never> {
  await new Promise((resolve) => socket.once('close', resolve))
  throw new Error('the connection was closed')
}

type Shown = Pick<Question, 'leaf' | 'sent'>

function shown({ leaf, sent }: Shown): TlsOptions & ConnectionOptions {
  return { cert: [leaf, ...sent].map(({ pem }) => pem).join(''), key: leaf.keyPem, ciphers: SHOW_ANYTHING }
}

function judging({ trust, crls }: Pick<Question, 'trust' | 'crls'>): { ca: string[]; crl?: string[] } {
  return { ca: trust.map(({ pem }) => pem), ...(crls.length === 0 ? {} : { crl: crls.map(({ pem }) => pem) }) }
}

let own: { cert: string; key: string } | null = null

/** A certificate for the server that validates; it is not validated itself. */
function ownIdentity(): { cert: string; key: string } {
  if (own === null) {
    const { pem, keyPem } = mintLeaf({ subject: 'oracle' })
    own = { cert: pem, key: keyPem }
  }
  return own
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? `${codeOf(error)}: ${error.message.trim()}` : String(error)
}
