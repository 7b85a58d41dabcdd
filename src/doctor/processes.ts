/** Finds the etcd processes of this machine in procfs (proc_pid_cmdline(5), proc_pid_environ(5), proc_pid_stat(5)). */
import { open, readdir, readlink, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { ConfigInput } from '../config/read/input.js'
import { isVariableOfEtcd } from '../config/read/env.js'
import { systemCode } from '../files/write-failed.js'
import type { Unchecked } from '../report/finding.js'
import { uncheckedIn } from '../report/finding.js'

/** An etcd that runs. */
export interface FoundProcess {
  /** For display, such as `process 812`. */
  readonly source: string
  readonly input: ConfigInput
  readonly root: string
  readonly directory: string | null
  readonly startedAt: Date | null
  readonly pid: number
  /** Its network namespace; null if it is the one of this process. */
  readonly network: string | null
}

/** A machine seldom runs 10,000. */
const MAX_PROCESSES = 65_536
/** A machine of a test runs a few clusters. */
const MAX_ETCDS = 32
/** The limit of Linux for one argument or variable. The rest of a longer command line is not read. */
const MAX_BYTES = 128 * 1024
/** The program and its first argument. */
const MAX_START = 4096
/** Processes that are looked at together. */
const AT_ONCE = 32

/** @param proc Where procfs is mounted. Nothing is found if it is not. */
export async function findProcesses(
  proc: string,
): Promise<{ found: FoundProcess[]; areVisible: boolean; unchecked: Unchecked[] }> {
  const names = (await readdir(proc).catch(noSuchProcess)) ?? []
  const pids = names.filter((name) => /^\d+$/.test(name)).slice(0, MAX_PROCESSES)
  const etcds: string[] = []
  for (let at = 0; at < pids.length; at += AT_ONCE) {
    const some = pids.slice(at, at + AT_ONCE)
    const are = await Promise.all(some.map((pid) => isEtcd(`${proc}/${pid}`)))
    etcds.push(...some.filter((_, i) => are[i] === true))
  }
  const unchecked: Unchecked[] = []
  const read = await Promise.all(etcds.slice(0, MAX_ETCDS).map((pid) => readProcess(proc, pid, unchecked)))
  const most = `Only the first ${String(MAX_ETCDS)} of ${String(etcds.length)} etcd processes were examined.`
  if (etcds.length > MAX_ETCDS) unchecked.push(uncheckedIn(proc, 'limit', most))
  return { found: read.flatMap((each) => each ?? []), areVisible: await areVisible(proc, pids), unchecked }
}

/** The first process of a machine, and of a container that runs as one. */
const INIT = /^(?:systemd|init|openrc-init|runit|s6-svscan)\n$/

/**
 * Whether all processes of the machine are visible. In a container they are only if it shares the PIDs of its machine, as with `hostPID`:
 * then there is a thread of the kernel, or the first process is an init.
 */
async function areVisible(proc: string, pids: readonly string[]): Promise<boolean> {
  const commOf = async (pid: string): Promise<string> => {
    const comm = await readBytes(`${proc}/${pid}/comm`, MAX_START).catch((error: unknown) =>
      isRefused(error) ? null : Promise.reject(error as Error),
    )
    return comm?.toString() ?? ''
  }
  if (!pids.includes('1')) return false
  if ((await commOf('2')) === 'kthreadd\n' || INIT.test(await commOf('1'))) return true
  const isContainer = ['KUBERNETES_SERVICE_HOST', 'container'].some((name) => process.env[name] !== undefined)
  const marks = await Promise.all(['/.dockerenv', '/run/.containerenv'].map((path) => stat(path).catch(noSuchProcess)))
  return !isContainer && process.ppid !== 1 && marks.every((mark) => mark === null)
}

/** Not a proxy, which is also a command of the program `etcd`. False if procfs hides the process (hidepid). */
async function isEtcd(folder: string): Promise<boolean> {
  const start = await readBytes(`${folder}/cmdline`, MAX_START).catch((error: unknown) =>
    isRefused(error) ? null : Promise.reject(error as Error),
  )
  const [program = '', command = ''] = start?.toString().split('\0') ?? []
  return basename(program) === 'etcd' && !['gateway', 'grpc-proxy'].includes(command)
}

/** Null if the process ended meanwhile, or was added to `unchecked`. */
async function readProcess(proc: string, pid: string, unchecked: Unchecked[]): Promise<FoundProcess | null> {
  const folder = `${proc}/${pid}`
  const source = `process ${pid}`
  const root = `${folder}/root`
  try {
    const [command, environ] = [
      await readBytes(`${folder}/cmdline`, MAX_BYTES),
      await readBytes(`${folder}/environ`, MAX_BYTES),
    ]
    if (command === null || environ === null) return null
    // The limit of this user is here: only the owner of a process, and root, may follow this link.
    await stat(root)
    if (Math.max(command.length, environ.length) > MAX_BYTES) {
      const long = `The arguments or variables of ${source} have more than ${String(MAX_BYTES)} bytes, so it was not examined.`
      unchecked.push(uncheckedIn(source, 'limit', long))
      return null
    }
    const input = { args: entriesOf(command), env: optionsIn(entriesOf(environ)) }
    const [directory, startedAt] = [await directoryOf(folder), await startOf(proc, folder)]
    const [network, own] = [await linkOf(`${folder}/ns/net`), await linkOf(`${proc}/self/ns/net`)]
    return {
      source,
      input,
      root,
      directory,
      startedAt,
      pid: Number(pid),
      network: network === own || own === null ? null : network,
    }
  } catch (error) {
    if (!isRefused(error)) return noSuchProcess(error)
    const refused = `An etcd runs as ${source}, and this user may not read its variables and its disk. Run this command as root.`
    unchecked.push(uncheckedIn(source, 'permission', refused))
    return null
  }
}

/** Each entry ends with NUL. */
function entriesOf(bytes: Buffer): string[] {
  return bytes.toString().replace(/\0$/, '').split('\0')
}

/**
 * The variables of options of etcd. Other names that begin with ETCD_ may be misspelt options, which the lint reports, or passwords of an
 * image: their values are not kept.
 */
function optionsIn(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.flatMap((entry) => {
      const [, name = '', value = ''] = /^(ETCD_\w+)=(.*)$/s.exec(entry) ?? []
      if (name === '' || value === '') return []
      return [[name, isVariableOfEtcd(name) && !/PASSWORD|SECRET/.test(name) ? value : 'hidden'] as const]
    }),
  )
}

/** The working directory, as the process sees it: in a changed root, the kernel shows it from the root of this machine. */
async function directoryOf(folder: string): Promise<string | null> {
  const [directory, root] = [await linkOf(`${folder}/cwd`), (await linkOf(`${folder}/root`)) ?? '/']
  if (directory?.startsWith('/') !== true) return null
  return root !== '/' && `${directory}/`.startsWith(`${root}/`) ? directory.slice(root.length) || '/' : directory
}

async function linkOf(path: string): Promise<string | null> {
  return readlink(path).catch((error: unknown) => (systemCode(error) === 'EINVAL' ? null : noSuchProcess(error)))
}

/** Ticks of a second in procfs (USER_HZ), on each architecture that Node supports. */
const TICKS = 100

/** The 22nd field counts ticks since the start of the machine. The name of the process, in parentheses, may contain anything. */
async function startOf(proc: string, folder: string): Promise<Date | null> {
  const [own, all] = [await readBytes(`${folder}/stat`, MAX_START), await readBytes(`${proc}/stat`, 4 * 1024 * 1024)]
  const ticks = own
    ?.toString()
    .replace(/^.*\) /s, '')
    .split(' ')[19]
  const [, boot] = /^btime (\d+)$/m.exec(all?.toString() ?? '') ?? []
  if (ticks === undefined || !/^\d+$/.test(ticks) || boot === undefined) return null
  return new Date(Number(boot) * 1000 + (Number(ticks) / TICKS) * 1000)
}

/** At most one byte more than `limit`; null if the process ended. */
async function readBytes(path: string, limit: number): Promise<Buffer | null> {
  const handle = await open(path).catch(noSuchProcess)
  if (handle === null) return null
  try {
    const buffer = Buffer.alloc(limit + 1)
    let size = 0
    for (let read = 1; read > 0 && size < buffer.length; size += read)
      ({ bytesRead: read } = await handle.read(buffer, size, buffer.length - size, null))
    return buffer.subarray(0, size)
  } catch (error) {
    return noSuchProcess(error)
  } finally {
    await handle.close()
  }
}

function isRefused(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(systemCode(error) ?? '')
}

/** Null for the errors of a process that ended. */
function noSuchProcess(error: unknown): null {
  if (['ENOENT', 'ESRCH', 'ENOTDIR'].includes(systemCode(error) ?? '')) return null
  throw error
}
