/** etcd as a plain process, for tests of what it does with a configuration. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { MemberConfig } from '../../src/config/model.js'
import { renderEtcdConfig } from '../../src/config/render/render.js'
import type { ConfigForm } from '../../src/config/tables/options.js'
import { INSTALLED, IS_3_4, LOGGED_AS_LATER } from './etcd-version.js'

/** An etcd that runs, or has ended. It ends with the block that holds it. */
export interface EtcdProcess extends AsyncDisposable {
  readonly pid: number | undefined
  /** What it has written until now; quotes as they are meant, not as its JSON has them. */
  log(): string
  /** Resolves with its exit code; null if a signal ended it. */
  readonly code: Promise<number | null>
  stop(): Promise<void>
  kill(signal: NodeJS.Signals): void
}

interface ProcessOptions {
  /** Its working directory. */
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The number of another user to run as. Default: whoever runs the tests. */
  readonly uid?: number | undefined
  /** The network namespace to run in. Default: that of this process. */
  readonly space?: string | undefined
}

export function startEtcdProcess(args: readonly string[], { space, ...options }: ProcessOptions): EtcdProcess {
  const logged = args.some((arg) => arg.startsWith('--logger')) ? { ETCD_LOGGER: '' } : {}
  const command = space === undefined ? ['etcd', ...args] : ['ip', 'netns', 'exec', space, 'etcd', ...args]
  return run(command, { ...options, env: { ...logged, ...options.env } })
}

/**
 * Starts etcd by what is rendered for it: with a file for `--config-file`, with flags that a real `sh` takes apart, or with
 * variables that a real `sh` reads from a file. Nothing is waited for.
 *
 * @param folder For the file; it is made.
 */
export function startRendered(config: MemberConfig, form: ConfigForm, folder: string): EtcdProcess {
  const { extra } = config
  const logged = IS_3_4 && form === 'yaml' ? { ...config, extra: { logger: 'zap', ...extra } } : config
  return startText(renderEtcdConfig(logged, form, { version: INSTALLED }), form, folder)
}

/** The same by what was rendered before. */
export function startText(text: string, form: ConfigForm, folder: string): EtcdProcess {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `etcd.${form}`)
  writeFileSync(file, text)
  const scripts: Readonly<Record<ConfigForm, string>> = {
    yaml: 'exec etcd --config-file "$0"',
    flags: `exec etcd ${text}`,
    env: 'set -a && . "$0" && exec etcd',
  }
  return run(['sh', '-c', scripts[form], file], { cwd: folder })
}

/** Without the variables of this process that etcd would take for options. */
function run([program = '', ...args]: readonly string[], { cwd, env = {}, uid }: ProcessOptions): EtcdProcess {
  const as = uid === undefined ? {} : { uid, gid: uid }
  const all = Object.entries({ PATH: process.env['PATH'], ...LOGGED_AS_LATER, ...env }).filter(
    ([, value]) => value !== '',
  )
  const child = spawn(program, args, { cwd, env: Object.fromEntries(all), stdio: ['ignore', 'pipe', 'pipe'], ...as })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const code = new Promise<number | null>((resolve) => child.on('close', resolve))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await code
  }
  const kill = (signal: NodeJS.Signals): void => {
    child.kill(signal)
  }
  return { pid: child.pid, log: () => log.replaceAll('\\"', '"'), code, stop, kill, [Symbol.asyncDispose]: stop }
}

/** Waits until etcd serves clients; throws with its log if it ends instead. */
export function serving(etcd: EtcdProcess): Promise<void> {
  return saying(etcd, (log) => /serving (?:client|insecure)|ready to serve client requests/.test(log))
}

/** Waits until etcd serves metrics on URLs of their own, which it begins with after it serves clients. */
export function servingMetrics(etcd: EtcdProcess): Promise<void> {
  return saying(etcd, (log) => log.includes('serving metrics'))
}

/** Waits until what etcd has written is as it should be; throws with its log if it ends before. */
export async function saying(etcd: EtcdProcess, isSaid: (log: string) => boolean): Promise<void> {
  const ended = etcd.code.then(() => true)
  while (!isSaid(etcd.log())) {
    const isOver = await Promise.race([ended, delay(20, false)])
    if (isOver && !isSaid(etcd.log())) throw new Error(`etcd ended: ${etcd.log()}`)
  }
}
