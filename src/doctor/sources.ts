/** Finds the configurations of etcd on this machine, and the disk that each etcd sees. */
import { resolve } from 'node:path'
import { hostElsewhere } from '../client/internal-diagnosis.js'
import { nullAfter } from '../client/internal.js'
import { clientPairs, type FoundAccess, installedConfigs, readApiserver } from './distributions.js'
import type { ConfigInput, EtcdConfigMember, EtcdConfigSide } from '../config/index.js'
import { hostsOf, localEndpointsOf, readConfigMembers } from '../config/internal.js'
import { onDisk, pathOfCaller } from '../config/internal-read.js'
import type { WatchableSource } from '../credentials/index.js'
import { sourceOfPaths } from '../credentials/internal.js'
import { type FileUser, type HostPath, hostPathText, refusalOf } from '../files/internal.js'
import type { Finding, Unchecked } from '../report/index.js'
import { uncheckedIn } from '../report/internal.js'
import type { ExamineOptions } from './cluster-report.js'
import { findProcesses, type FoundConfig } from './processes.js'

/** A configuration of etcd that was given or found, and the disk that its process sees. */
export interface ConfigEvidence extends FoundConfig {
  /** The host of another machine that it is for. Its files were not read then. Null: it is for this machine, or that is not known. */
  readonly otherMachine: string | null
  readonly members: readonly [EtcdConfigMember, ...EtcdConfigMember[]]
}

export interface FoundCredentials {
  readonly source: WatchableSource
  readonly from: string
  /** `member`: the certificate of a member, which the lint checks. */
  readonly of: 'probes' | 'kube-apiserver' | 'member'
  /** The configuration that names it; null if that is not one of etcd. */
  readonly config: ConfigEvidence | null
}

export interface LocalEvidence {
  readonly configs: readonly ConfigEvidence[]
  readonly areProcessesVisible: boolean
  /** What to connect with: that of a process first. */
  readonly credentials: readonly FoundCredentials[]
  /** The access of kube-apiserver to etcd; null if its manifest was not found or cannot be read. */
  readonly apiserver: FoundAccess | null
  /** Why kube-apiserver has no access to etcd. */
  readonly findings: readonly Finding[]
  readonly unchecked: readonly Unchecked[]
}

export interface LocalOptions extends Pick<ExamineOptions, 'configs' | 'root' | 'kubeadm' | 'signal'> {
  /** Where procfs is mounted. @default '/proc' */
  readonly proc?: string | undefined
}

/**
 * The given configurations; else those of the etcd processes of this machine, and the manifest of kubeadm or the enabled unit
 * `etcd.service`, if none of these processes is its etcd. The access of kube-apiserver is added to each of them, unless only
 * configurations are given. With `root`, which is the disk of another machine, no process is read.
 *
 * @returns Null if nothing was found.
 */
export async function findLocalEvidence(options: LocalOptions = {}): Promise<LocalEvidence | null> {
  const { configs: inputs = [], kubeadm, proc = '/proc', signal = null } = options
  const root = options.root === undefined ? null : resolve(options.root)
  const folder = kubeadm === undefined ? onDisk('/etc/kubernetes', root) : pathOfCaller(kubeadm, root)
  const isOnlyGiven = inputs.length > 0 && kubeadm === undefined
  const isOwnMachine = inputs.length === 0 && kubeadm === undefined && root === null
  const processes = isOwnMachine ? await findProcesses(proc) : { found: [], areVisible: false, unchecked: [] }
  const found = [
    ...inputs.map((input, i) => foundIn('given', String(input.file ?? `configs[${String(i)}]`), input, root)),
    ...processes.found,
  ]
  if (inputs.length === 0) {
    const isOnlyKubeadm = kubeadm !== undefined
    const installed = await installedConfigs(folder, root, { isOnlyKubeadm, hasProcess: found.length > 0 })
    found.push(...installed.map(({ kind, file }) => foundIn(kind, file, { file }, root)))
  }
  const configs: ConfigEvidence[] = []
  const unread: Unchecked[] = []
  for (const each of found) {
    const read = await withinLimit(withMembers(each), signal)
    if (read !== null && !isRunning(read, configs)) configs.push(read)
    else if (read === null)
      unread.push(uncheckedIn(each.source, 'limit', `The files of ${each.source} could not be read within 5 s.`))
  }
  const { apiserver, findings } = isOnlyGiven ? { apiserver: null, findings: [] } : await readApiserver(folder, root)
  const elsewhere = configs.flatMap(({ otherMachine, source }) =>
    otherMachine === null ? [] : [notHere(source, source, otherMachine)],
  )
  const unchecked = [...processes.unchecked, ...unread, ...elsewhere]
  if (configs.length + findings.length + unchecked.length === 0 && apiserver === null) return null
  const ofApiserver = { of: 'kube-apiserver', config: null } as const
  const ofProbes = { of: 'probes', config: null } as const
  const credentials: FoundCredentials[] = [
    ...(await findPairsOfMembers(configs, unchecked)),
    ...(apiserver === null ? [] : [{ source: apiserver.credentials, from: apiserver.source, ...ofApiserver }]),
    ...(isOnlyGiven ? [] : await clientPairs(folder, root)).map((each) => ({ ...each, ...ofProbes })),
  ]
  return { configs, areProcessesVisible: processes.areVisible, credentials, apiserver, findings, unchecked }
}

function foundIn(kind: FoundConfig['kind'], source: string, input: ConfigInput, root: string | null): FoundConfig {
  const process = { startedAt: null, network: null, pid: null, user: null, isTrustedUser: true }
  return { kind, source, input, root, directory: null, ...process }
}

/** Whether a manifest or a unit is that of a process: by an address, or by the data directory. Without TLS it says nothing. */
function isRunning({ kind, members }: ConfigEvidence, running: readonly ConfigEvidence[]): boolean {
  if ((kind !== 'kubeadm' && kind !== 'systemd') || running.length === 0) return false
  const factsOf = (member: EtcdConfigMember): string[] => [...localEndpointsOf(member), member.dataDir?.path ?? '']
  const facts = running.flatMap((each) => each.members).flatMap(factsOf)
  return members.some(
    (each) => localEndpointsOf(each).length === 0 || factsOf(each).some((fact) => facts.includes(fact)),
  )
}

/** Reads the configuration; the files that it names only if it is for this machine. */
async function withMembers(found: FoundConfig): Promise<ConfigEvidence> {
  const { input, source, kind, root, directory } = found
  const disk = { root: root ?? undefined, directory: directory ?? undefined }
  if (kind === 'given' && root === null) {
    const members = await readConfigMembers(input, { ...disk, readFiles: false }, source)
    const otherMachine = await hostElsewhere(hostsOf(members))
    if (otherMachine !== null) return { ...found, otherMachine, members }
  }
  return { ...found, otherMachine: null, members: await readConfigMembers(input, disk, source) }
}

/** A file system may not answer. */
const READ_TIMEOUT = 5000

export function withinLimit<T>(work: Promise<T>, signal: AbortSignal | null): Promise<T | null> {
  return nullAfter(READ_TIMEOUT, work, signal)
}

/** What is on another machine is not checked, and not missing. */
export function notHere(what: string, file: string | null, host: string): Unchecked {
  const message = `The files that ${what} names are on ${host} and were not checked. Run \`etcd-mtls doctor\` on ${host}.`
  return uncheckedIn(file, 'other-machine', message)
}

/** The pairs of members, if clients may use them. */
async function findPairsOfMembers(
  configs: readonly ConfigEvidence[],
  unchecked: Unchecked[],
): Promise<FoundCredentials[]> {
  const found: FoundCredentials[] = []
  for (const config of configs.filter(({ otherMachine }) => otherMachine === null)) {
    const { source: from } = config
    for (const { client } of config.members) {
      const [ca = null, cert = null, key = null] = [client.ca, client.cert, client.key].map((each) => each?.hostPath)
      if (!isUsableByClients(client) || ca === null || cert === null || key === null) continue
      const refused = await refusedPair(config, [key, cert, ca])
      if (refused === null)
        found.push({ source: sourceOfPaths({ ca, cert, key }, userOf(config)), from, of: 'member', config })
      else unchecked.push(refused)
    }
  }
  return found
}

/**
 * For whom root reads the pair that a process names. Otherwise any user could make root authenticate with root's key, by a process that is
 * called etcd. If the user is not known, nobody may read it.
 */
function userOf({ pid, user }: ConfigEvidence): FileUser | undefined {
  return pid === null || process.geteuid?.() !== 0 ? undefined : (user ?? { uid: -1, gids: [] })
}

/** Why the pair that a process names is not used; null if it is, or if a file cannot be read, which is reported elsewhere. */
async function refusedPair(config: ConfigEvidence, paths: readonly HostPath[]): Promise<Unchecked | null> {
  const user = userOf(config)
  if (user === undefined) return null
  for (const path of paths) {
    const reason = config.user === null ? 'the user of the process is not known' : await refusalOf(path, user)
    const message = `${hostPathText(path)}, which ${config.source} names, was not used to connect: ${reason ?? ''}. Pass --cacert, --cert and --key.`
    if (reason !== null) return uncheckedIn(config.source, 'permission', message)
  }
  return null
}

function isUsableByClients({ cert, ca, key }: EtcdConfigSide): boolean {
  const usages = cert?.certificates[0]?.extensions.extendedKeyUsage ?? null
  const isForClients = usages === null || usages.includes('clientAuth')
  return isForClients && cert?.problem === null && ca?.problem === null && key?.problem === null
}
