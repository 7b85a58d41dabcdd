/** Etcd as a plain process, for tests of what it does with a configuration. */
import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type ConnectionOptions } from 'node:tls'
import { LOGGED_AS_LATER } from './etcd-version.js'

/** An etcd that runs, or has ended. It ends with the block that holds it. */
export interface EtcdProcess extends AsyncDisposable {
  /** What it has written until now; quotes as they are meant, not as its JSON has them. */
  log(): string
  /** Resolves with its exit code; null if a signal ended it. */
  readonly code: Promise<number | null>
  stop(): Promise<void>
  kill(signal: NodeJS.Signals): void
}

export interface ProcessOptions {
  /** Its working directory. */
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The number of another user to run as. Default: whoever runs the tests. */
  readonly uid?: number | undefined
  /** The network namespace to run in. Default: that of this process. */
  readonly space?: string | undefined
}

export function startEtcdProcess(args: readonly string[], { cwd, env = {}, uid, space }: ProcessOptions): EtcdProcess {
  const as = uid === undefined ? {} : { uid, gid: uid }
  const [program, ...all] = space === undefined ? ['etcd', ...args] : ['ip', 'netns', 'exec', space, 'etcd', ...args]
  const logged = args.some((arg) => arg.startsWith('--logger')) ? {} : LOGGED_AS_LATER
  const child = spawn(program, all, { cwd, env: { PATH: process.env['PATH'], ...logged, ...env }, ...as })
  let log = ''
  const collect = (chunk: Buffer): void => {
    log += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const code = new Promise<number | null>((resolve) => child.on('close', resolve))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await code
  }
  const kill = (signal: NodeJS.Signals): void => {
    child.kill(signal)
  }
  return { log: () => log.replaceAll('\\"', '"'), code, stop, kill, [Symbol.asyncDispose]: stop }
}

/** Waits until etcd serves clients; throws with its log where it ends instead. */
export async function serving(etcd: EtcdProcess): Promise<void> {
  await saying(etcd, (log) => /serving (?:client|insecure)|ready to serve client requests/.test(log))
}

/** Waits until what etcd has said is as it should be; throws with its log where it ends before. */
export async function saying(etcd: EtcdProcess, isSaid: (log: string) => boolean): Promise<void> {
  const ended = etcd.code.then(() => true)
  while (!isSaid(etcd.log())) {
    const isOver = await Promise.race([ended, delay(25, false)])
    if (isOver && !isSaid(etcd.log())) throw new Error(`etcd ended: ${etcd.log()}`)
  }
}

/** Whether a client is served at a port that speaks TLS: etcd tells it its settings for HTTP/2. */
export function isServed(port: number, options: ConnectionOptions = {}): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...options })
    const answer = (is: boolean) => () => {
      socket.destroy()
      resolve(is)
    }
    socket.on('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'))
    socket.on('data', answer(true))
    socket.on('error', answer(false))
    socket.on('close', answer(false))
  })
}
