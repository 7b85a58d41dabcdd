/** Finds the etcd processes of this machine. */
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { mapLimited } from '../client/internal.js'
import type { ConfigInput } from '../config/index.js'
import { knownVariables } from '../config/internal.js'
import { type FileUser, isHostFile, localUser } from '../files/internal.js'
import * as procfs from '../files/internal-procfs.js'
import type { Unchecked } from '../report/index.js'
import { uncheckedIn } from '../report/internal.js'

export interface FoundConfig {
  readonly kind: 'given' | 'process' | 'kubeadm' | 'k3s' | 'systemd'
  /** For display, such as `process 812 (user etcd)` or `/etc/kubernetes/manifests/etcd.yaml`. */
  readonly source: string
  /** Null: it is not that of a process. */
  readonly pid: number | null
  readonly user: FileUser | null
  /** Whether it belongs to root, or to the user of a unit or of a container: an ordinary user may run what only looks like an etcd. */
  readonly isTrustedUser: boolean
  readonly input: ConfigInput
  /** The directory where the disk of etcd is mounted, such as `/proc/812/root`. Null: the disk of this machine. */
  readonly root: string | null
  /** The working directory of etcd, on its disk; null if it is not known. */
  readonly directory: string | null
  /** When the process started, within two seconds; null if that is not known. */
  readonly startedAt: Date | null
  /** Its network namespace, in which loopback addresses are others; null if it is the one of this process. */
  readonly network: string | null
}

/** A machine seldom runs 10,000. */
const MAX_PROCESSES = 65_536
/** A machine of a test runs a few clusters. */
const MAX_ETCDS = 32
/** Descriptors of one process, and of all, in which the data directory of an embedded etcd is looked for. */
const MAX_DESCRIPTORS = 4096
const MAX_ALL_DESCRIPTORS = 262_144
/** The limit of Linux for one argument or variable. A process with more is not examined. */
const MAX_BYTES = 128 * 1024
const CONCURRENT = 32

interface Candidate {
  readonly pid: string
  readonly folder: string
  readonly isEtcd: boolean
  readonly user: procfs.ProcessUser
  /** The data directory that another program has open; else null. */
  readonly data: string | null
}

/** @param proc Where procfs is mounted. Nothing is found if it is not. */
export async function findProcesses(
  proc: string,
): Promise<{ found: FoundConfig[]; areVisible: boolean; unchecked: Unchecked[] }> {
  const pids = (await procfs.processIds(proc)).slice(0, MAX_PROCESSES)
  const all = (await mapLimited(CONCURRENT, pids, (pid) => candidateOf(proc, pid))).flatMap((each) => each ?? [])
  const unchecked: Unchecked[] = []
  const etcds = [...all.filter(({ isEtcd }) => isEtcd), ...(await findEmbedded(all, proc, unchecked))]
  const ranked = await mapLimited(CONCURRENT, etcds, async (each) => {
    const isTrustedUser = await procfs.isOfService(each.folder, each.user)
    return { ...each, isTrustedUser, rank: isTrustedUser ? 0 : each.user === 'several' ? 2 : 1 }
  })
  // Otherwise a user could hide the other processes behind many of their own.
  const sorted = ranked.toSorted((a, b) => (a.rank === b.rank ? Number(a.pid) - Number(b.pid) : a.rank - b.rank))
  const read = await mapLimited(CONCURRENT, sorted.slice(0, MAX_ETCDS), (each) => readEtcd(proc, each))
  const found = read.flatMap((each) => (each !== null && 'input' in each ? [each] : []))
  unchecked.push(...read.flatMap((each) => (each === null || 'input' in each ? [] : [each])))
  const most = `Only the first ${String(MAX_ETCDS)} of ${String(sorted.length)} etcd processes were examined.`
  if (sorted.length > MAX_ETCDS) unchecked.push(uncheckedIn(proc, 'limit', most))
  return { found, areVisible: await procfs.areProcessesVisible(proc), unchecked }
}

/** Null if procfs hides the process (hidepid), or for a proxy, which is also a command of the program `etcd`. */
async function candidateOf(proc: string, pid: string): Promise<Candidate | null> {
  const folder = `${proc}/${pid}`
  const [program = '', command = ''] = procfs.entriesOf(await procfs.processText(`${folder}/cmdline`))
  const isEtcd = basename(program) === 'etcd'
  // A thread of the kernel has no arguments.
  if (program === '' || (isEtcd && ['gateway', 'grpc-proxy'].includes(command))) return null
  return { pid, folder, isEtcd, user: await procfs.processUser(folder), data: null }
}

/** Processes of other programs, such as k3s, that have the data directory of an etcd open, those of root first. */
async function findEmbedded(
  all: readonly Candidate[],
  proc: string,
  unchecked: Unchecked[],
): Promise<readonly Candidate[]> {
  const isOfOther = ({ user }: Candidate): number => Number(user === null || user === 'several' || user.uid !== 0)
  const others = all.filter(({ isEtcd, user }) => !isEtcd && user !== 'several')
  let left = MAX_ALL_DESCRIPTORS
  const sorted = others.toSorted((a, b) => isOfOther(a) - isOfOther(b))
  const found = await mapLimited(CONCURRENT, sorted, async (each) => {
    const open = await procfs.openFiles(each.folder, Math.min(left, MAX_DESCRIPTORS))
    left -= open.length
    for (const { descriptor, target } of open) {
      const [, data] = /^(\/.*)\/member\/(?:snap\/db|wal\/[^/]+\.wal)$/.exec(target) ?? []
      // A backup has the files open as well, but only for reading.
      if (data !== undefined && (await procfs.isForWriting(each.folder, descriptor))) return [{ ...each, data }]
    }
    return []
  })
  const most = `Not all processes were searched for an etcd in another program: they have more than ${String(MAX_ALL_DESCRIPTORS)} open files.`
  if (left <= 0) unchecked.push(uncheckedIn(proc, 'limit', most))
  return found.flat()
}

/** Null if the process ended meanwhile. */
async function readEtcd(
  proc: string,
  { pid, folder, user, data, isTrustedUser }: Candidate & Pick<FoundConfig, 'isTrustedUser'>,
): Promise<FoundConfig | Unchecked | null> {
  const uid = user === null || user === 'several' ? null : user.uid
  const name = uid === null ? '' : ` (user ${(await localUser(uid))?.name ?? String(uid)})`
  const source = `process ${pid}${name}`
  const several = `An etcd runs as ${source} with several user IDs, as a set-uid program does, so it was not examined: another user may have chosen its options.`
  if (user === 'several') return uncheckedIn(source, 'permission', several)
  const root = `${folder}/root`
  try {
    const [command, environ] = [
      await procfs.readProcessFile(`${folder}/cmdline`, MAX_BYTES),
      await procfs.readProcessFile(`${folder}/environ`, MAX_BYTES),
    ]
    // A process that has changed its user meanwhile may have been started by another one.
    const isSame = isDeepStrictEqual(await procfs.processUser(folder), user)
    if (command === null || environ === null || !isSame) return null
    // The limit of this user is here: only the owner of a process, and root, may read this link.
    await procfs.linkOf(root)
    const long = `The arguments or variables of ${source} have more than ${String(MAX_BYTES)} bytes, so it was not examined.`
    if (Math.max(command.length, environ.length) > MAX_BYTES) return uncheckedIn(source, 'limit', long)
    const own = {
      args: procfs.entriesOf(command.toString()),
      env: knownVariables(procfs.entriesOf(environ.toString())),
    }
    const input = data === null ? own : await embeddedInput(own, root, (await procfs.insideOf(folder, data)) ?? data)
    const unknown = `An etcd runs in ${source} with the data directory ${data ?? ''}, and its options are not known. Pass --endpoints, --cacert, --cert and --key.`
    if (input === null) return uncheckedIn(source, 'script', unknown)
    const directory = await procfs.insideOf(folder, await procfs.linkOf(`${folder}/cwd`))
    const startedAt = await procfs.startOf(proc, folder)
    const [at, here] = [await procfs.linkOf(`${folder}/ns/net`), await procfs.linkOf(`${proc}/self/ns/net`)]
    const network = at === here || here === null ? null : at
    const known = { source, pid: Number(pid), network, user, isTrustedUser, input, root, directory, startedAt }
    return { kind: 'process', ...known }
  } catch (error) {
    const hidden = `An etcd runs as ${source}, and this user may not read its variables and its disk. Run this command as root.`
    if (procfs.isRefused(error)) return uncheckedIn(source, 'permission', hidden)
    return procfs.nullIfEnded(error)
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
