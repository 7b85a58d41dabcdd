/** etcd as a local process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { LogBuffer, notStarted } from './log-buffer.js'
import type { EtcdFiles, EtcdPlace, ExecResult, Host, Machine, Ports } from './machine.js'

/** After this time, in milliseconds, etcd is killed. */
const STOP_TIMEOUT = 10_000

/** Runs `binary`, a path or a name on PATH. */
export function binaryHost(binary: string): Host {
  return {
    machine: (_name, ports, peerTls) => new BinaryMachine(binary, ports, peerTls),
    close: async () => Promise.resolve(),
  }
}

class BinaryMachine implements Machine {
  readonly place: EtcdPlace
  readonly logs = new LogBuffer()
  readonly #folder: string
  readonly #binary: string
  #child: ChildProcess | null = null
  #isRemoved = false
  /** For a test process that exits without closing its etcd. */
  readonly #onExit = (): void => {
    this.#child?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  constructor(binary: string, ports: Ports, peerTls: boolean) {
    this.#binary = binary
    // mkdtemp creates it with mode 0700.
    this.#folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-'))
    const client = `https://127.0.0.1:${String(ports.client)}`
    const peer = `${peerTls ? 'https' : 'http'}://127.0.0.1:${String(ports.peer)}`
    this.place = {
      directory: join(this.#folder, 'tls'),
      dataDirectory: join(this.#folder, 'data'),
      clientListenUrl: client,
      clientUrl: client,
      localUrl: client,
      peerListenUrl: peer,
      peerUrl: peer,
    }
    // Avoids Node's warning about leaked listeners when a test starts many etcds.
    process.setMaxListeners(process.getMaxListeners() + 1)
    process.once('exit', this.#onExit)
  }

  async writeFiles(files: EtcdFiles): Promise<void> {
    await mkdir(this.place.directory, { recursive: true, mode: 0o700 })
    for (const [name, content] of Object.entries(files)) {
      const target = join(this.place.directory, name)
      // Renamed into place, because etcd reads its files at every handshake.
      await writeFile(`${target}.new`, content, { mode: 0o600 })
      await rename(`${target}.new`, target)
    }
  }

  async start(flags: readonly string[], signal: AbortSignal): Promise<{ ended: Promise<string> }> {
    signal.throwIfAborted()
    if (this.#isRunning) throw notStarted('etcd runs already.', [])
    const child = spawn(this.#binary, flags, {
      cwd: this.#folder,
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.logs.write(text)
      })
    }
    const ended = new Promise<string>((resolve) => {
      child.once('close', (code, by) => {
        this.logs.end()
        resolve(by === null ? `It ended with exit code ${String(code)}.` : `It was ended by ${by}.`)
      })
    })
    try {
      await once(child, 'spawn')
    } catch (cause) {
      const remedy = "Install etcd, name it in the option binary, or choose via: 'container'."
      throw notStarted(`The program "${this.#binary}" cannot be started. ${remedy}`, [], cause)
    }
    return { ended }
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_TIMEOUT)
    await this.#end('SIGTERM')
    clearTimeout(timer)
  }

  async pause(): Promise<void> {
    if (this.#child?.pid === undefined) return
    this.#child.kill('SIGSTOP')
    await allThreadsStopped(this.#child.pid)
  }

  async resume(): Promise<void> {
    await Promise.resolve(this.#child?.kill('SIGCONT'))
  }

  async etcdctl(args: readonly string[]): Promise<ExecResult> {
    const sibling = join(dirname(this.#binary), 'etcdctl')
    const program = existsSync(sibling) ? sibling : 'etcdctl'
    const child = spawn(program, args, { env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const [code] = (await once(child, 'close')) as [number | null]
    return { exitCode: code ?? -1, stdout, stderr }
  }

  async remove(): Promise<void> {
    await this.#end('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
    if (this.#isRemoved) return
    this.#isRemoved = true
    process.setMaxListeners(process.getMaxListeners() - 1)
    process.off('exit', this.#onExit)
  }

  get #isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === null || !this.#isRunning) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }
}

/**
 * A running thread continues, and may still answer, until the kernel interrupts it for SIGSTOP. Only Linux exposes the state of each
 * thread.
 */
async function allThreadsStopped(pid: number): Promise<void> {
  const tasks = `/proc/${String(pid)}/task`
  while (existsSync(tasks) && !readdirSync(tasks).every((thread) => isStopped(join(tasks, thread, 'stat'))))
    await delay(1)
}

/** True if the thread is stopped (T) or gone. The state follows the name, which may contain any characters. */
function isStopped(stat: string): boolean {
  try {
    return /\) [TtXZ] [^)]*$/.test(readFileSync(stat, 'utf8'))
  } catch {
    return true
  }
}

/** The environment without the variables that etcd and etcdctl read as flags. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^ETCD(CTL)?_/.test(name)))
}
