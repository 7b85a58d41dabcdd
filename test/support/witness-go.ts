/** Go as a witness: `go/chains.go`, which answers while the tests go on. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { goWitness } from './go-program.js'
import type { Minted } from './mint.js'
import type { Question, Verdict } from './witnesses.js'

export class GoWitness {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  /** Answers come in the order of the questions. */
  readonly #waiting: { resolve: (verdict: Verdict) => void; reject: (error: Error) => void }[] = []
  #stderr = ''

  private constructor(program: string, args: string[]) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { words } = JSON.parse(line) as { words: string }
      this.#waiting.shift()?.resolve({ accepts: words === '', words })
    })
    this.#child.once('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`The program in Go ended: ${this.#stderr}`))
    })
    this.#child.stdin.on('error', () => undefined)
  }

  static async start(): Promise<GoWitness> {
    const witness = new GoWitness(...goWitness('chains'))
    await once(witness.#child, 'spawn')
    return witness
  }

  /** @param at When Go validates. Default: now. */
  async ask({ usage, host, leaf, sent, trust }: Question, at?: Date): Promise<Verdict> {
    const base64 = ({ der }: { der: Buffer }): string => der.toString('base64')
    const chain = [leaf, ...sent].map(base64)
    return this.#send({ ask: usage, host, chain, roots: trust.map(base64), at: at?.toISOString() ?? '' })
  }

  /** What a client of Go says that shows this certificate and key (none where they are empty) to a server. */
  async dial(question: {
    address: string
    host: string
    trust: readonly Minted[]
    certificate: string
    key: string
  }): Promise<Verdict> {
    const { trust, ...rest } = question
    return this.#send({ ask: 'dial', roots: trust.map(({ der }) => der.toString('base64')), ...rest })
  }

  /** What etcd 3.6 says to a revocation list: it calls Go's ParseRevocationList. */
  async list(der: Buffer): Promise<Verdict> {
    return this.#send({ ask: 'list', list: der.toString('base64') })
  }

  async keyPair(certificate: string, key: string): Promise<Verdict> {
    return this.#send({ ask: 'key-pair', certificate, key })
  }

  async #send(question: object): Promise<Verdict> {
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
