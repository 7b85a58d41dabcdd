/** Reads processes in procfs (proc_pid_cmdline(5), proc_pid_environ(5), proc_pid_stat(5)). A folder is that of one process. */
import { codeOf } from '../report/errors.js'
import { open, readdir, readFile, readlink, stat } from 'node:fs/promises'
import type { FileUser } from './readable-by.js'

const MAX_START = 4096
/** A user may be in many groups. */
const MAX_STATUS = 128 * 1024
/** A machine may have many processors. */
const MAX_MACHINE = 4 * 1024 * 1024

/** At most one byte more than `limit`; null if the process ended. */
export async function readProcessFile(path: string, limit: number): Promise<Buffer | null> {
  const handle = await open(path).catch(nullIfEnded)
  if (handle === null) return null
  try {
    const buffer = Buffer.alloc(limit + 1)
    let size = 0
    for (let read = 1; read > 0 && size < buffer.length; size += read)
      ({ bytesRead: read } = await handle.read(buffer, size, buffer.length - size, null))
    return buffer.subarray(0, size)
  } catch (error) {
    return nullIfEnded(error)
  } finally {
    await handle.close()
  }
}

/** The start of a file; empty if the process ended, or procfs hides it (hidepid). */
export async function processText(path: string, limit = MAX_START): Promise<string> {
  return (await readProcessFile(path, limit).catch(nullIfRefused))?.toString() ?? ''
}

/** The arguments of a process, or its variables: each entry ends with NUL. */
export function entriesOf(text: string): string[] {
  return text.replace(/\0$/, '').split('\0')
}

export async function processIds(proc: string): Promise<string[]> {
  const names = (await readdir(proc).catch(nullIfEnded)) ?? []
  return names.filter((name) => /^\d+$/.test(name))
}

/** `several`: the IDs differ, as those of a set-uid program. Null if they are not known. */
export type ProcessUser = FileUser | 'several' | null

/** The user whose access all four user IDs have, and all four group IDs (proc_pid_status(5)). */
export async function processUser(folder: string): Promise<ProcessUser> {
  const status = await processText(`${folder}/status`, MAX_STATUS)
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
export async function isOfService(folder: string, user: ProcessUser): Promise<boolean> {
  if (user === null || user === 'several') return false
  if (user.uid === 0) return true
  const groups = await processText(`${folder}/cgroup`)
  if (groups.includes('/user.slice/')) return false
  return CONTAINER.test(groups) || (SERVICE.test(groups) && isSystemUser(user.uid))
}

/** The first process of a machine, and of a container that runs as one. */
const INIT = /^(?:systemd|init|openrc-init|runit|s6-svscan)\n$/

/**
 * Whether all processes of the machine are visible. In a container they are only if it shares the PIDs of its machine, as with `hostPID`:
 * then there is a thread of the kernel, or the first process is an init.
 */
export async function areProcessesVisible(proc: string): Promise<boolean> {
  const init = await processText(`${proc}/1/comm`)
  if (init === '') return false
  if (INIT.test(init) || (await processText(`${proc}/2/comm`)) === 'kthreadd\n') return true
  const isContainer = ['KUBERNETES_SERVICE_HOST', 'container'].some((name) => process.env[name] !== undefined)
  const marks = await Promise.all(['/.dockerenv', '/run/.containerenv'].map((path) => stat(path).catch(nullIfEnded)))
  return !isContainer && process.ppid !== 1 && marks.every((mark) => mark === null)
}

/** The open files of a process, with their descriptors; those whose names may be read. */
export async function openFiles(folder: string, limit: number): Promise<{ descriptor: string; target: string }[]> {
  const names = (await readdir(`${folder}/fd`).catch(nullIfRefused)) ?? []
  const files: { descriptor: string; target: string }[] = []
  for (const descriptor of names.slice(0, limit)) {
    const target = await readlink(`${folder}/fd/${descriptor}`).catch(nullIfRefused)
    files.push({ descriptor, target: target ?? '' })
  }
  return files
}

/** Whether a descriptor is open for writing (open(2)). */
export async function isForWriting(folder: string, descriptor: string): Promise<boolean> {
  return /^flags:\s*\d*[1-2]$/m.test(await processText(`${folder}/fdinfo/${descriptor}`))
}

/** A path as the process sees it: in a changed root, the kernel shows it from the root of this machine. */
export async function insideOf(folder: string, path: string | null): Promise<string | null> {
  const root = (await linkOf(`${folder}/root`)) ?? '/'
  if (path?.startsWith('/') !== true) return null
  return root !== '/' && `${path}/`.startsWith(`${root}/`) ? path.slice(root.length) || '/' : path
}

/** Null if the process ended, or has none. */
export async function linkOf(path: string): Promise<string | null> {
  return readlink(path).catch((error: unknown) => (codeOf(error) === 'EINVAL' ? null : nullIfEnded(error)))
}

/** Ticks of a second in procfs (USER_HZ), on each architecture that Node supports. */
const TICKS = 100

/** The 22nd field counts ticks since the start of the machine. The name of the process, in parentheses, may contain anything. */
export async function startOf(proc: string, folder: string): Promise<Date | null> {
  const [own, all] = [await processText(`${folder}/stat`), await processText(`${proc}/stat`, MAX_MACHINE)]
  const ticks = own.replace(/^.*\) /s, '').split(' ')[19]
  const [, boot] = /^btime (\d+)$/m.exec(all) ?? []
  if (ticks === undefined || !/^\d+$/.test(ticks) || boot === undefined) return null
  return new Date(Number(boot) * 1000 + (Number(ticks) / TICKS) * 1000)
}

/** proc_pid_mountinfo(5): a file whose name was removed is shown with this ending. */
const REMOVED = '//deleted'
/** A machine with many containers has thousands of mounts; one container has tens. */
const MAX_MOUNTS = 1024 * 1024

/** Files that are mounted into a container one by one, and whose originals were replaced since. */
export async function replacedMounts(folder: string): Promise<Set<string>> {
  try {
    const lines = (await readFile(`${folder}/mountinfo`, 'utf8')).slice(0, MAX_MOUNTS).split('\n')
    const fields = lines.map((line) => line.split(' '))
    return new Set(fields.flatMap(([, , , source = '', target = '']) => (source.endsWith(REMOVED) ? [target] : [])))
  } catch (error) {
    if (codeOf(error) === null) throw error
    return new Set() // The process has ended, or may not be seen.
  }
}

export function isRefused(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(codeOf(error) ?? '')
}

function nullIfRefused(error: unknown): null {
  return isRefused(error) ? null : nullIfEnded(error)
}

/** Null for the errors of a process that ended. */
export function nullIfEnded(error: unknown): null {
  if (['ENOENT', 'ESRCH', 'ENOTDIR'].includes(codeOf(error) ?? '')) return null
  throw error
}
