/** Go as an oracle: the process of `go/chains.go`. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Certificate } from '../../src/x509/certificate.js'
import { goOracle } from './go-program.js'
import type { Minted } from './mint.js'
import type { Question, OracleResult } from './oracles.js'

/** The fields that Go read in an issued certificate or CRL. */
interface GoIssued {
  readonly serial: string
  readonly subject: string
  readonly notBefore: string
  readonly notAfter: string
  readonly ca: boolean
  /** -1 for none. */
  readonly pathLength: number
  /** x509.KeyUsage: digitalSignature is 1, keyEncipherment 4, keyCertSign 32, cRLSign 64. */
  readonly keyUsage: number
  /** x509.ExtKeyUsage: serverAuth is 1, clientAuth 2. */
  readonly purposes: readonly number[] | null
  readonly names: readonly string[]
  readonly permitted: readonly string[]
  /** Critical extensions that Go does not know. */
  readonly unhandled: number
  readonly number: string
  /** Serial number in hexadecimal, and reason. */
  readonly revoked: readonly string[]
}

interface Answer {
  readonly words: string
  readonly issued?: GoIssued
}

const base64 = (der: Uint8Array): string => Buffer.from(der).toString('base64')
const ders = (all: readonly { readonly der: Uint8Array }[]): string[] => all.map(({ der }) => base64(der))

export class GoOracle {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  /** Answers come in the order of the questions. */
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = []
  #stderr = ''

  private constructor(program: string, args: string[]) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#waiting.shift()?.resolve(JSON.parse(line) as Answer)
    })
    this.#child.once('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`The program in Go ended: ${this.#stderr}`))
    })
    this.#child.stdin.on('error', () => undefined)
  }

  static async start(): Promise<GoOracle> {
    const oracle = new GoOracle(...goOracle('chains'))
    await once(oracle.#child, 'spawn')
    return oracle
  }

  /** @param at When Go validates. Default: now. */
  async ask({ usage, host, leaf, sent, trust }: Question, at?: Date): Promise<OracleResult> {
    const question = { ask: usage, host, chain: ders([leaf, ...sent]), roots: ders(trust), at: at?.toISOString() ?? '' }
    return this.#ask(question)
  }

  /** What Go says to a chain that we issued; empty if it accepts. `trusted`: the anchors, by default its own. */
  async verify(
    { chain, trustAnchors }: Pick<Credentials, 'chain' | 'trustAnchors'>,
    usage: 'server' | 'client',
    { host = '', trusted = trustAnchors }: { host?: string; trusted?: readonly Certificate[] } = {},
  ): Promise<string> {
    const der = (all: readonly Certificate[]): string[] => all.map(({ raw }) => base64(raw))
    const name = host === '' && usage === 'server' ? (chain[0].subjectAltNames[0]?.value ?? '') : host
    return (await this.#send({ ask: usage, host: name, chain: der(chain), roots: der(trusted), at: '' })).words
  }

  async read(certificate: Certificate): Promise<GoIssued> {
    return this.#read({ ask: 'certificate', der: base64(certificate.raw) })
  }

  /** Rejects if the CA did not sign it. */
  async readCrl(crl: { readonly raw: Uint8Array }, issuer: Certificate): Promise<GoIssued> {
    return this.#read({ ask: 'crl', der: base64(crl.raw), issuer: base64(issuer.raw) })
  }

  /** What a client of Go says that shows this certificate and key (none where they are empty) to a server. */
  async dial(question: {
    address: string
    host: string
    trust: readonly Minted[]
    certificate: string
    key: string
  }): Promise<OracleResult> {
    const { trust, ...rest } = question
    return this.#ask({ ask: 'dial', roots: ders(trust), ...rest })
  }

  /** What etcd 3.6 says to a revocation list: it calls Go's ParseRevocationList. */
  async list(der: Buffer): Promise<OracleResult> {
    return this.#ask({ ask: 'list', list: der.toString('base64') })
  }

  async keyPair(certificate: string, key: string): Promise<OracleResult> {
    return this.#ask({ ask: 'key-pair', certificate, key })
  }

  async #ask(question: object): Promise<OracleResult> {
    const { words } = await this.#send(question)
    return { accepts: words === '', words }
  }

  async #read(question: object): Promise<GoIssued> {
    const { words, issued } = await this.#send(question)
    if (words !== '' || issued === undefined) throw new Error(`Go refuses it: ${words}`)
    return issued
  }

  async #send(question: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.stdin.write(`${JSON.stringify(question)}\n`)
    })
  }

  async close(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.stdin.end()
    await closed
  }
}
