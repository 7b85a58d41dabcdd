/** Go as a witness: the program in `go/`, built once for each state of its source and each version of Go. */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Question, Verdict } from './witnesses.js'

const SOURCE = fileURLToPath(new URL('go/', import.meta.url))
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))

/** Offline: the standard library only, by the Go that is installed. */
const GO_ENVIRONMENT = { GOTOOLCHAIN: 'local', GOPROXY: 'off', GO111MODULE: 'on', GOFLAGS: '', GOWORK: 'off' }

export class GoWitness {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  /** Answers come in the order of the questions. */
  readonly #waiting: { resolve: (verdict: Verdict) => void; reject: (error: Error) => void }[] = []
  #stderr = ''

  private constructor(program: string) {
    this.#child = spawn(program, { stdio: ['pipe', 'pipe', 'pipe'] })
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
    const witness = new GoWitness(build())
    await once(witness.#child, 'spawn')
    return witness
  }

  async ask({ usage, host, leaf, sent, trust }: Question): Promise<Verdict> {
    const base64 = ({ der }: { der: Buffer }): string => der.toString('base64')
    return this.#send({ ask: usage, host, chain: [leaf, ...sent].map(base64), roots: trust.map(base64) })
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

/** The path of the program, which is built where it is not there yet. */
function build(): string {
  const version = execFileSync('go', ['version'], { encoding: 'utf8', env: { ...process.env, ...GO_ENVIRONMENT } })
  const hash = createHash('sha256').update(version)
  for (const name of ['go.mod', 'main.go']) hash.update(readFileSync(join(SOURCE, name)))
  const program = join(CACHE, `go-witness-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-go-'))
  try {
    const env = { ...process.env, ...GO_ENVIRONMENT, GOCACHE: join(folder, 'cache'), GOPATH: join(folder, 'path') }
    execFileSync('go', ['build', '-trimpath', '-o', `${program}.${String(process.pid)}`, '.'], {
      cwd: SOURCE,
      env,
      stdio: 'pipe',
    })
    renameSync(`${program}.${String(process.pid)}`, program) // whole or not at all, also when two runs build it at once
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return program
}
