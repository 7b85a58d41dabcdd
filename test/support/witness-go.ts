/** Go as a witness: the program in `go/`, built once for each state of its source and each version of Go. */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Minted } from './mint.js'
import { GO_ENVIRONMENT } from './run-go.js'
import type { Question, Verdict } from './witnesses.js'

const SOURCE = fileURLToPath(new URL('go/', import.meta.url))
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))

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
    const witness = new GoWitness(await build())
    await once(witness.#child, 'spawn')
    return witness
  }

  async ask({ usage, host, leaf, sent, trust }: Question): Promise<Verdict> {
    const base64 = ({ der }: { der: Buffer }): string => der.toString('base64')
    return this.#send({ ask: usage, host, chain: [leaf, ...sent].map(base64), roots: trust.map(base64) })
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

/** The path of the program, which is built where it is not there yet; by one test file, while the others wait. */
async function build(): Promise<string> {
  const env = { ...process.env, ...GO_ENVIRONMENT }
  const version = execFileSync('go', ['version'], { encoding: 'utf8', env })
  const hash = createHash('sha256').update(version)
  for (const name of ['go.mod', 'main.go']) hash.update(readFileSync(join(SOURCE, name)))
  const program = join(CACHE, `go-witness-${hash.digest('hex').slice(0, 16)}`)
  mkdirSync(CACHE, { recursive: true })
  while (!existsSync(program)) {
    if (takeLock(`${program}.lock`)) compile(program, env)
    else await setTimeout(100)
  }
  return program
}

/** Whether this process may build; a lock whose owner is gone is taken away. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    if (!isRunning(Number(existsSync(lock) ? readFileSync(lock, 'utf8') : '0'))) rmSync(lock, { force: true })
    return false // somebody else builds, or the lock is free at the next try
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid === 0 || process.kill(pid, 0)
  } catch {
    return false
  }
}

function compile(program: string, env: NodeJS.ProcessEnv): void {
  const folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-go-'))
  const made = join(folder, 'witness')
  try {
    const places = { GOCACHE: join(folder, 'cache'), GOPATH: join(folder, 'path') }
    execFileSync('go', ['build', '-trimpath', '-o', made, '.'], {
      cwd: SOURCE,
      env: { ...env, ...places },
      stdio: 'pipe',
    })
    copyFileSync(made, `${program}.new`)
    renameSync(`${program}.new`, program) // whole or not at all
  } finally {
    rmSync(folder, { recursive: true, force: true })
    rmSync(`${program}.lock`, { force: true })
  }
}
