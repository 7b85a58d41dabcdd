/** Other versions of Node as an oracle: what their TLS clients make of a server's chain, in a process of each version. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { isIP } from 'node:net'
import { delimiter } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { SHOW_ANYTHING } from './oracle-node.js'
import type { OracleResult, Question } from './oracles.js'

/** The programs, which `npm run check -- differential` fetches: by default none. */
export const OTHER_NODES = (process.env['ETCD_MTLS_TEST_NODES'] ?? '').split(delimiter).filter((path) => path !== '')

/** Answers each line of JSON with one: a server and a client in this process, so that no port is shared. */
const PROGRAM = `
const tls = require('node:tls')
const lines = require('node:readline').createInterface({ input: process.stdin })
const shake = ({ shown, judging }) => new Promise((resolve, reject) => {
  const secureContext = tls.createSecureContext(judging)
  const server = tls.createServer(shown, (socket) => socket.on('error', () => {}).resume())
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1', () => {
    const socket = tls.connect({ ...judging, secureContext, host: '127.0.0.1', port: server.address().port })
    const end = (settle, value) => { socket.destroy(); server.close(); settle(value) }
    socket.once('secureConnect', () => end(resolve)).once('close', () => end(reject, new Error('the connection was closed')))
    socket.on('error', (error) => end(reject, error))
  })
})
let last = Promise.resolve()
lines.on('line', (line) => {
  const answer = async () => {
    try { await shake(JSON.parse(line)); return { accepts: true, words: '' } }
    catch (error) { return { accepts: error.code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' ? null : false, words: error.code + ': ' + error.message } }
  }
  last = last.then(answer).then((said) => process.stdout.write(JSON.stringify(said) + '\\n'))
})
`

interface Answer {
  /** Null if the certificate cannot be shown. */
  readonly accepts: boolean | null
  readonly words: string
}

export class OtherNode {
  /** Such as `v24.1.0`. */
  readonly version: string
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  /** Answers come in the order of the questions. */
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = []

  private constructor(version: string, child: ChildProcessByStdio<Writable, Readable, null>) {
    this.version = version
    this.#child = child
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#waiting.shift()?.resolve(JSON.parse(line) as Answer)
    })
    child.once('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`Node ${version} ended`))
    })
    child.stdin.on('error', () => undefined)
  }

  static async start(program: string): Promise<OtherNode> {
    const asked = spawn(program, ['--version'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [version] = (await once(asked.stdout.setEncoding('utf8'), 'data')) as [string]
    return new OtherNode(version.trim(), spawn(program, ['-e', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] }))
  }

  async ask({ host, leaf, sent, trust, crls }: Omit<Question, 'usage'>): Promise<OracleResult> {
    const pems = (all: readonly { readonly pem: string }[]): string[] => all.map(({ pem }) => pem)
    const shown = { cert: pems([leaf, ...sent]).join(''), key: leaf.keyPem, ciphers: SHOW_ANYTHING }
    const judging = {
      ca: pems(trust),
      ...(crls.length === 0 ? {} : { crl: pems(crls) }),
      ...(isIP(host) === 0 ? { servername: host } : {}),
    }
    const { accepts, words } = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ shown, judging })}\n`)
    })
    return accepts === null ? null : { accepts, words }
  }

  async close(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.stdin.end()
    await closed
  }
}
