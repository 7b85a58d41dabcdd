/** Requests and connections to etcd over TLS, as a program without any client has them. */
import { request as requestPlain } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import type { Socket } from 'node:net'
import { connect, type ConnectionOptions, TLSSocket } from 'node:tls'
import type { Credentials } from '../../src/credentials/credentials.js'
import { pemOf, pemsOf } from './etcd.js'

/** What a server answered, or how it refused. */
export interface Answer {
  status: number | null
  body: string
  /** `TLSv1.3` and the suite by IANA's name; empty without TLS. */
  protocol: string
  suite: string
  /** Of the certificate that was shown, if there was one. */
  server: { organization: string; years: number; serial: string } | null
  /** The code and the message of the error; null if there was none. */
  refused: string | null
  error: Error | null
}

/**
 * One request over HTTP/1.1; with `json`, a POST of it, as etcd's gateway takes it. `trust`: whose CAs verify the server; null
 * stands for a certificate that nobody can verify.
 */
export async function ask(
  url: string,
  as: Credentials | null,
  options: RequestOptions & { trust?: Credentials | null; json?: unknown } = {},
): Promise<Answer> {
  const { trust = as, json, ...tls } = options
  const all: RequestOptions = {
    ...(as === null ? {} : pemsOf(as)),
    ...(trust === null ? { rejectUnauthorized: false } : { ca: pemOf(trust.trustAnchors) }),
    method: json === undefined ? 'GET' : 'POST',
    agent: false,
    timeout: 60_000,
    ...tls,
  }
  const answer: Answer = {
    ...{ status: null, body: '', protocol: '', suite: '' },
    ...{ server: null, refused: null, error: null },
  }
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      resolve({ ...answer, status: null, refused: `${error.code ?? ''}: ${error.message}`, error })
    }
    const sent = (url.startsWith('https:') ? request : requestPlain)(url, all, (response) => {
      answer.status = response.statusCode ?? null
      response.setEncoding('utf8').on('data', (more: string) => (answer.body += more))
      response.once('error', fail).once('end', () => {
        resolve(answer)
      })
    })
    sent.on('socket', (socket: Socket) => {
      if (socket instanceof TLSSocket) socket.once('secureConnect', () => Object.assign(answer, shownBy(socket)))
    })
    sent.on('error', fail)
    sent.on('timeout', () => sent.destroy(new Error(`no answer to ${url} in time`)))
    sent.end(json === undefined ? undefined : JSON.stringify(json))
  })
}

function shownBy(socket: TLSSocket): Pick<Answer, 'protocol' | 'suite' | 'server'> {
  const { subject, valid_from, valid_to, serialNumber: serial } = socket.getPeerCertificate()
  const days = (Date.parse(valid_to) - Date.parse(valid_from)) / 86_400_000
  const server = { organization: String(subject.O), years: Math.round(days / 365), serial }
  return { protocol: socket.getProtocol() ?? '', suite: socket.getCipher().standardName, server }
}

/** The same by a path of etcd; rejects if there is no answer. */
export async function gateway(
  endpoint: string,
  path: string,
  as: Credentials,
  json?: unknown,
  trust: Credentials = as,
): Promise<{ status: number; body: string }> {
  const { status, body, error } = await ask(new URL(path, endpoint).href, as, { json, trust })
  if (error !== null) throw error
  return { status: status ?? 0, body }
}

/** The start of HTTP/2 (RFC 9113 section 3.4): etcd answers it once it has accepted the client. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
])

/** Null if etcd answers over the connection; else the error, or that there is none. */
export function refusalOn(socket: TLSSocket): Promise<{ error: Error | null } | null> {
  return new Promise((resolve) => {
    socket.once('secureConnect', () => socket.write(PREFACE))
    socket.once('data', () => {
      resolve(null)
    })
    socket.on('error', (error: Error) => {
      resolve({ error })
    })
    socket.once('close', () => {
      resolve({ error: null })
    })
  })
}

/** Whether a client is served at a port that speaks TLS. */
export async function isServed(port: number, options: ConnectionOptions = {}): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...options })
  const refusal = await refusalOn(socket)
  socket.destroy()
  return refusal === null
}
