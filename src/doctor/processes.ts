/** Finds the etcd processes of this machine in procfs (proc_pid_cmdline(5), proc_pid_environ(5), proc_pid_stat(5)). */
import { open, readdir, readlink, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { ConfigInput } from '../config/read/input.js'
import { isVariableOfEtcd } from '../config/read/env.js'
import { localUser } from '../files/accounts.js'
import { isHostFile } from '../files/in-root.js'
import type { FileUser } from '../files/readable-by.js'
import { systemCode } from '../files/write-failed.js'
import type { Unchecked } from '../report/finding.js'
import { uncheckedIn } from '../report/finding.js'

/** An etcd that runs. */
export interface FoundProcess {
  /** For display, such as `process 812 (user etcd)`. */
  readonly source: string
  readonly pid: number
  /** Null if it is not known. */
  readonly user: FileUser | null
  /** Whether it belongs to root, or to the user of a unit or of a container. */
  readonly isTrustedUser: boolean
  readonly input: ConfigInput
  readonly root: string
  readonly directory: string | null
  readonly startedAt: Date | null
  /** Its network namespace; null if it is the one of this process. */
  readonly network: string | null
}

/** A machine seldom runs 10,000. */
const MAX_PROCESSES = 65_536
/** A machine of a test runs a few clusters. */
const MAX_ETCDS = 32
/** Descriptors of one process, and of all, in which the data directory of an embedded etcd is looked for. */
const MAX_DESCRIPTORS = 4096
const MAX_ALL_DESCRIPTORS = 262_144
/** The limit of Linux for one argument or variable. The rest of a longer command line is not read. */
const MAX_BYTES = 128 * 1024
/** The program and its first argument. */
const MAX_START = 4096
/** Processes that are looked at together. */
const AT_ONCE = 32

/** A process that may be an etcd. */
interface Candidate {
  readonly pid: string
  readonly folder: string
  readonly isEtcd: boolean
  /** `several`: its IDs differ, as those of a set-uid program. Null if they are not known. */
  readonly user: FileUser | 'several' | null
}

/** @param proc Where procfs is mounted. Nothing is found if it is not. */
export async function findProcesses(
  proc: string,
): Promise<{ found: FoundProcess[]; areVisible: boolean; unchecked: Unchecked[] }> {
  const names = (await readdir(proc).catch(noSuchProcess)) ?? []
  const pids = names.filter((name) => /^\d+$/.test(name)).slice(0, MAX_PROCESSES)
  const all = (await inBatches(pids, (pid) => candidateOf(proc, pid))).flatMap((each) => each ?? [])
  const unchecked: Unchecked[] = []
  const etcds = all.filter(({ isEtcd }) => isEtcd).map((each) => ({ ...each, data: null }))
  const ranked = await inBatches([...etcds, ...(await findEmbedded(all, proc, unchecked))], async (each) => {
    const isTrustedUser = await isOfService(each)
    return { ...each, isTrustedUser, rank: isTrustedUser ? 0 : each.user === 'several' ? 2 : 1 }
  })
  // Otherwise a user could hide the other processes behind many of their own.
  const sorted = ranked.toSorted((a, b) => (a.rank === b.rank ? Number(a.pid) - Number(b.pid) : a.rank - b.rank))
  const read = await inBatches(sorted.slice(0, MAX_ETCDS), (each) => readProcess(proc, each, unchecked))
  const most = `Only the first ${String(MAX_ETCDS)} of ${String(sorted.length)} etcd processes were examined.`
  if (sorted.length > MAX_ETCDS) unchecked.push(uncheckedIn(proc, 'limit', most))
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
    return (await readBytes(`${proc}/${pid}/comm`, MAX_START).catch(nullIfRefused))?.toString() ?? ''
  }
  if (!pids.includes('1')) return false
  if ((await commOf('2')) === 'kthreadd\n' || INIT.test(await commOf('1'))) return true
  const isContainer = ['KUBERNETES_SERVICE_HOST', 'container'].some((name) => process.env[name] !== undefined)
  const marks = await Promise.all(['/.dockerenv', '/run/.containerenv'].map((path) => stat(path).catch(noSuchProcess)))
  return !isContainer && process.ppid !== 1 && marks.every((mark) => mark === null)
}

async function inBatches<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (let at = 0; at < all.length; at += AT_ONCE)
    done.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(work))))
  return done
}

function isUser(user: Candidate['user']): user is FileUser {
  return user !== null && user !== 'several'
}

/** Null if procfs hides the process (hidepid), or for a proxy, which is also a command of the program `etcd`. */
async function candidateOf(proc: string, pid: string): Promise<Candidate | null> {
  const folder = `${proc}/${pid}`
  const start = await readBytes(`${folder}/cmdline`, MAX_START).catch(nullIfRefused)
  const [program = '', command = ''] = start?.toString().split('\0') ?? []
  const isEtcd = basename(program) === 'etcd'
  // A thread of the kernel has no arguments.
  if (program === '' || (isEtcd && ['gateway', 'grpc-proxy'].includes(command))) return null
  return { pid, folder, isEtcd, user: await userOf(folder) }
}

/** The user whose access all four user IDs have, and all four group IDs (proc_pid_status(5)). */
async function userOf(folder: string): Promise<Candidate['user']> {
  const status = (await readBytes(`${folder}/status`, MAX_BYTES).catch(nullIfRefused))?.toString() ?? ''
  const numbers = (name: string): number[] =>
    (new RegExp(`^${name}:.*`, 'm').exec(status)?.[0].match(/\d+/g) ?? []).map(Number)
  const [[uid, ...uids], [gid, ...gids]] = [numbers('Uid'), numbers('Gid')]
  if (uid === undefined || gid === undefined || uids.length !== 3 || gids.length !== 3) return null
  if (uids.some((each) => each !== uid) || gids.some((each) => each !== gid)) return 'several'
  // Some set-uid programs, such as sudo, take all IDs of root, and have arguments and variables of the user who started them.
  if (uid === 0 && (await isSetUid(`${folder}/exe`))) return 'several'
  return { uid, gids: [gid, ...numbers('Groups')] }
}

const SET_IDS = 0o6000

async function isSetUid(program: string): Promise<boolean> {
  const { mode } = (await stat(program).catch(nullIfRefused)) ?? { mode: 0 }
  return (mode & SET_IDS) !== 0
}

/** Control groups of containerd, CRI-O, Docker, Podman, LXC and the kubelet: the names of containers have 64 hexadecimal digits. */
const CONTAINER = /(?:^|[/-])[0-9a-f]{64}(?:\.scope)?(?:\/|$)|\/(?:kubepods|docker|lxc)[./]|\/machine\.slice\//m
const SERVICE = /\/system\.slice\/(?:[^/\n]+\.slice\/)?[^/\n]+\.service(?:\/|$)/m
/** Accounts of the system, and those of DynamicUser= (https://systemd.io/UIDS-GIDS). */
const isSystemUser = (uid: number): boolean => uid < 1000 || (uid >= 61_184 && uid <= 65_519)

/**
 * Whether a process belongs to root, or to the user of a unit or of a container, by its control groups (cgroups(7)): outside of
 * `user.slice`, only root chooses them. Services such as cron also run programs of users, so a unit must belong to an account of the system.
 */
async function isOfService({ folder, user }: Candidate): Promise<boolean> {
  if (!isUser(user) || user.uid === 0) return isUser(user)
  const groups = (await readBytes(`${folder}/cgroup`, MAX_START).catch(nullIfRefused))?.toString() ?? ''
  if (groups.includes('/user.slice/')) return false
  return CONTAINER.test(groups) || (SERVICE.test(groups) && isSystemUser(user.uid))
}

/** Processes of other programs, such as k3s, that have the data directory of an etcd open for writing, those of root first. */
async function findEmbedded(
  all: readonly Candidate[],
  proc: string,
  unchecked: Unchecked[],
): Promise<(Candidate & { readonly data: string })[]> {
  const isRoots = ({ user }: Candidate): boolean => isUser(user) && user.uid === 0
  const others = all.filter(({ isEtcd, user }) => !isEtcd && user !== 'several')
  let left = MAX_ALL_DESCRIPTORS
  const found = await inBatches(
    [...others.filter(isRoots), ...others.filter((each) => !isRoots(each))],
    async (each) => {
      const names = (await readdir(`${each.folder}/fd`).catch(nullIfRefused)) ?? []
      const some = names.slice(0, Math.min(left, MAX_DESCRIPTORS))
      left -= some.length
      for (const name of some) {
        const target = await readlink(`${each.folder}/fd/${name}`).catch(nullIfRefused)
        const [, data] = /^(\/.*)\/member\/(?:snap\/db|wal\/[^/]+\.wal)$/.exec(target ?? '') ?? []
        if (data !== undefined && (await isForWriting(`${each.folder}/fdinfo/${name}`))) return [{ ...each, data }]
      }
      return []
    },
  )
  const most = `Not all processes were searched for an etcd in another program: they have more than ${String(MAX_ALL_DESCRIPTORS)} open files.`
  if (left <= 0) unchecked.push(uncheckedIn(proc, 'limit', most))
  return found.flat()
}

/** A backup also has the files open, but only for reading (open(2)). */
async function isForWriting(fdinfo: string): Promise<boolean> {
  const text = (await readBytes(fdinfo, MAX_START).catch(nullIfRefused))?.toString() ?? ''
  return /^flags:\s*\d*[1-2]$/m.test(text)
}

type Ranked = Candidate & { readonly data: string | null; readonly isTrustedUser: boolean }

/** Null if the process ended meanwhile, or was added to `unchecked`. */
async function readProcess(
  proc: string,
  { pid, folder, user, data, isTrustedUser }: Ranked,
  unchecked: Unchecked[],
): Promise<FoundProcess | null> {
  const name = isUser(user) ? ` (user ${(await localUser(user.uid))?.name ?? String(user.uid)})` : ''
  const source = `process ${pid}${name}`
  const leave = (kind: 'limit' | 'permission' | 'script', message: string): null => {
    unchecked.push(uncheckedIn(source, kind, message))
    return null
  }
  const several = `An etcd runs as ${source} with several user IDs, as a set-uid program does, so it was not examined: another user may have chosen its options.`
  if (user === 'several') return leave('permission', several)
  const root = `${folder}/root`
  try {
    const [command, environ] = [
      await readBytes(`${folder}/cmdline`, MAX_BYTES),
      await readBytes(`${folder}/environ`, MAX_BYTES),
    ]
    // A process that has changed its user meanwhile may have been started by another one.
    const isSame = isDeepStrictEqual(await userOf(folder), user)
    if (command === null || environ === null || !isSame) return null
    // The limit of this user is here: only the owner of a process, and root, may read this link.
    await linkOf(root)
    const long = `The arguments or variables of ${source} have more than ${String(MAX_BYTES)} bytes, so it was not examined.`
    if (Math.max(command.length, environ.length) > MAX_BYTES) return leave('limit', long)
    const own = { args: entriesOf(command), env: optionsIn(entriesOf(environ)) }
    const input = data === null ? own : await embeddedInput(own, root, (await insideOf(folder, data)) ?? data)
    const unknown = `An etcd runs in ${source} with the data directory ${data ?? ''}, and its options are not known. Pass --endpoints, --cacert, --cert and --key.`
    if (input === null) return leave('script', unknown)
    const [directory, startedAt] = [await directoryOf(folder), await startOf(proc, folder)]
    const [at, here] = [await linkOf(`${folder}/ns/net`), await linkOf(`${proc}/self/ns/net`)]
    const network = at === here || here === null ? null : at
    return { source, pid: Number(pid), network, user, isTrustedUser, input, root, directory, startedAt }
  } catch (error) {
    if (!isRefused(error)) return noSuchProcess(error)
    const refused = `An etcd runs as ${source}, and this user may not read its variables and its disk. Run this command as root.`
    return leave('permission', refused)
  }
}

/** The configuration that k3s writes into the data directory; else options of etcd on its own command line. Null if there are none. */
async function embeddedInput(
  { args, env }: { args: string[]; env: Record<string, string> },
  root: string,
  data: string,
): Promise<ConfigInput | null> {
  const config = `${data}/config`
  if ((await isHostFile({ root, path: config })) === true) return { args: ['etcd', `--config-file=${config}`] }
  const isOwn = args.some((each) => /^--?(?:data-dir|config-file)\b/.test(each)) || 'ETCD_DATA_DIR' in env
  return isOwn ? { args: ['etcd', ...args.slice(1)], env } : null
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

async function directoryOf(folder: string): Promise<string | null> {
  return insideOf(folder, await linkOf(`${folder}/cwd`))
}

/** A path as the process sees it: in a changed root, the kernel shows it from the root of this machine. */
async function insideOf(folder: string, directory: string | null): Promise<string | null> {
  const root = (await linkOf(`${folder}/root`)) ?? '/'
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

function nullIfRefused(error: unknown): null {
  return isRefused(error) ? null : noSuchProcess(error)
}

/** Null for the errors of a process that ended. */
function noSuchProcess(error: unknown): null {
  if (['ENOENT', 'ESRCH', 'ENOTDIR'].includes(systemCode(error) ?? '')) return null
  throw error
}
