/** etcd as a plain process, for tests of what it does with a configuration. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MemberConfig } from '../../src/config/model.js'
import { renderEtcdConfig } from '../../src/config/render/render.js'
import type { ConfigForm } from '../../src/config/tables/options.js'
import { startChild } from './child.js'
import { INSTALLED, IS_3_4, LOGGED_AS_LATER } from './etcd-version.js'

/** An etcd that runs, or has ended. It ends with the block that holds it. */
export interface EtcdProcess extends AsyncDisposable {
  readonly pid: number | undefined
  /** What it has written until now; quotes as they are meant, not as its JSON has them. */
  log(): string
  /** Resolves with its exit code; null if a signal ended it. */
  readonly code: Promise<number | null>
  /** Resolves when what it has written is as it should be; rejects with its log if it ends before. */
  says(isSaid: (log: string) => boolean): Promise<void>
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

/** Starts what a real `sh` starts by a script. */
export function startScript(file: string, cwd: string): EtcdProcess {
  return run(['sh', file], { cwd })
}

/** Without the variables of this process that etcd would take for options. */
function run(command: readonly string[], { cwd, env = {}, uid }: ProcessOptions): EtcdProcess {
  const as = uid === undefined ? {} : { uid, gid: uid }
  const all = Object.entries({ PATH: process.env['PATH'], ...LOGGED_AS_LATER, ...env }).filter(
    ([, value]) => value !== '',
  )
  const child = startChild(command, { cwd, env: Object.fromEntries(all), ...as })
  return {
    pid: child.process.pid,
    log: () => asMeant(child.written.all),
    code: child.ended.then(({ code }) => code),
    says: (isSaid) => child.says((written) => isSaid(asMeant(written))),
    stop: () => child.stop(),
    kill: (signal) => void child.process.kill(signal),
    [Symbol.asyncDispose]: () => child.stop(),
  }
}

const asMeant = (written: string): string => written.replaceAll('\\"', '"')

/** Waits until etcd serves clients; throws with its log if it ends instead. */
export function serving(etcd: EtcdProcess): Promise<void> {
  return etcd.says((log) => /serving (?:client|insecure)/.test(log))
}

/** Waits until etcd serves metrics on URLs of their own, which it begins with after it serves clients. */
export function servingMetrics(etcd: EtcdProcess): Promise<void> {
  return etcd.says((log) => log.includes('serving metrics'))
}
