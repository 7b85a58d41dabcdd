/** Finds the configurations of etcd on this machine, and the disk that each etcd sees. */
import { lookup } from 'node:dns/promises'
import { hostname, networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { fromKubeApiserver } from '../config/deferred.js'
import { acceptedUrl } from '../config/lint/member.js'
import { overridesIn } from '../config/kubernetes/read-access.js'
import { UNIT_FOLDERS } from '../config/read/drop-ins.js'
import type { ConfigInput } from '../config/read/input.js'
import { onDisk, pathOfCaller, readConfigFile } from '../config/read/text.js'
import { type EtcdConfigMember, type EtcdConfigSide, readConfigMembers } from '../config/read-etcd-config.js'
import { abortable } from '../client/timing.js'
import type { WatchableSource } from '../credentials/credentials.js'
import { sourceOf } from '../credentials/from-files.js'
import { useFile } from '../files/file-system.js'
import { hostFolder, type HostPath, hostPathText, isHostFile, useHostFile } from '../files/in-root.js'
import { type FileUser, refusalFor } from '../files/readable-by.js'
import { systemCode } from '../files/write-failed.js'
import { isEtcdMtlsError } from '../report/errors.js'
import type { Finding, Unchecked } from '../report/finding.js'
import { uncheckedIn } from '../report/finding.js'
import { parseIp } from '../x509/ip.js'
import { findProcesses } from './processes.js'

/** A configuration of etcd that was given or found, and the disk that its process sees. */
export interface ConfigEvidence {
  /** For display, such as `process 812 (user etcd)` or `/etc/kubernetes/manifests/etcd.yaml`. */
  readonly source: string
  readonly kind: 'given' | 'process' | 'kubeadm' | 'k3s' | 'systemd'
  /** Null: it is not that of a process. */
  readonly pid: number | null
  /** The user of the process; null if it is not known. */
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
  /** The host of another machine that it is for. Its files were not read then. Null: it is for this machine, or that is not known. */
  readonly otherMachine: string | null
  readonly members: readonly [EtcdConfigMember, ...EtcdConfigMember[]]
}

/** A pair that etcd may accept. */
export interface FoundCredentials {
  readonly source: WatchableSource
  /** Where it was found, for display. */
  readonly from: string
  /** `member`: the certificate of a member, which the lint checks. */
  readonly of: 'probes' | 'kube-apiserver' | 'member'
  /** The configuration that names it; null if that is not one of etcd. */
  readonly config: ConfigEvidence | null
}

/** The access of kube-apiserver to an etcd. */
export interface FoundAccess {
  readonly source: string
  readonly credentials: WatchableSource
  /** The URLs of `--etcd-servers`, then those of each etcd of `--etcd-servers-overrides`. */
  readonly clusters: readonly (readonly string[])[]
}

/** What was found on this machine. */
export interface LocalEvidence {
  readonly configs: readonly ConfigEvidence[]
  /** Whether a process of etcd would be seen here. */
  readonly areProcessesVisible: boolean
  /** What to connect with: that of a process first. */
  readonly credentials: readonly FoundCredentials[]
  /** The access of kube-apiserver to etcd; null if its manifest was not found or cannot be read. */
  readonly apiserver: FoundAccess | null
  /** Why kube-apiserver has no access to etcd. */
  readonly findings: readonly Finding[]
  readonly unchecked: readonly Unchecked[]
}

export interface LocalOptions {
  readonly configs?: readonly ConfigInput[] | undefined
  readonly root?: string | undefined
  readonly kubeadm?: string | undefined
  /** Where procfs is mounted. @default '/proc' */
  readonly proc?: string | undefined
  /** Ends the reading of files. */
  readonly signal?: AbortSignal | undefined
}

type Found = Omit<ConfigEvidence, 'members' | 'otherMachine'>

/**
 * The given configurations; else those of the etcd processes of this machine, and the manifest of kubeadm or the enabled unit
 * `etcd.service`, if none of these processes is its etcd. The access of kube-apiserver is added to each of them, unless only configurations are given. With `root`, which is the
 * disk of another machine, no process is read.
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
  let found: readonly Found[] = [
    ...inputs.map((input, i) => foundIn('given', String(input.file ?? `configs[${String(i)}]`), input, root)),
    ...processes.found.map((each) => ({ ...each, kind: 'process' as const })),
  ]
  const manifest = below(folder, 'manifests/etcd.yaml')
  const isManifest = inputs.length === 0 && (await isHostFile(manifest)) === true
  const installed = isManifest ? [fileFound('kubeadm', manifest, root)] : []
  if (found.length + installed.length === 0 && kubeadm === undefined) found = await findK3s(root)
  const unit = inputs.length > 0 || isManifest || kubeadm !== undefined ? null : await findUnit(root)
  if (unit !== null) installed.push(fileFound('systemd', unit, root))
  const configs: ConfigEvidence[] = []
  const unread: Unchecked[] = []
  for (const each of [...found, ...installed]) {
    const read = await withinLimit(withMembers(each), signal)
    if (read !== null && !isRunning(read, configs)) configs.push(read)
    else if (read === null)
      unread.push(uncheckedIn(each.source, 'limit', `The files of ${each.source} could not be read within 5 s.`))
  }
  const { apiserver, findings } = isOnlyGiven ? NO_APISERVER : await readApiserver(folder, root)
  const elsewhere = configs.flatMap(({ otherMachine, source }) =>
    otherMachine === null ? [] : [notHere(source, source, otherMachine)],
  )
  const unchecked = [...processes.unchecked, ...unread, ...elsewhere]
  if (configs.length + findings.length + unchecked.length === 0 && apiserver === null) return null
  const credentials = await findCredentials(configs, isOnlyGiven ? null : { folder, root }, apiserver, unchecked)
  return {
    configs,
    areProcessesVisible: processes.areVisible,
    credentials,
    apiserver,
    findings,
    unchecked,
  }
}

function foundIn(kind: Found['kind'], source: string, input: ConfigInput, root: string | null): Found {
  const process = { startedAt: null, network: null, pid: null, user: null, isTrustedUser: true }
  return { kind, source, input, root, directory: null, ...process }
}

function fileFound(kind: Found['kind'], path: HostPath, root: string | null): Found {
  const file = hostPathText(path)
  return foundIn(kind, file, { file }, root)
}

function below(folder: HostPath, path: string): HostPath {
  return typeof folder === 'string' ? `${folder}/${path}` : { ...folder, path: `${folder.path}/${path}` }
}

/** Whether a manifest or a unit is that of a process: by an address, or by the data directory. Without TLS it says nothing. */
function isRunning({ kind, members }: ConfigEvidence, running: readonly ConfigEvidence[]): boolean {
  if ((kind !== 'kubeadm' && kind !== 'systemd') || running.length === 0) return false
  const factsOf = (member: EtcdConfigMember): string[] => [...endpointsOf(member), member.dataDir?.path ?? '']
  const facts = running.flatMap((each) => each.members).flatMap(factsOf)
  return members.some((each) => endpointsOf(each).length === 0 || factsOf(each).some((fact) => facts.includes(fact)))
}

/** The data directories of k3s and of RKE2. The etcd in them is configured by a file that they write. */
const K3S = ['/var/lib/rancher/k3s/server', '/var/lib/rancher/rke2/server']

async function findK3s(root: string | null): Promise<Found[]> {
  const files = K3S.map((folder) => onDisk(`${folder}/db/etcd/config`, root))
  const are = await Promise.all(files.map(isHostFile))
  return files.filter((_, i) => are[i] === true).map((file) => fileFound('k3s', file, root))
}

/** A unit that is not enabled starts no etcd. */
async function findUnit(root: string | null): Promise<HostPath | null> {
  if (!(await isEnabled(root))) return null
  for (const folder of UNIT_FOLDERS) {
    const path = onDisk(`${folder}/etcd.service`, root)
    if ((await isHostFile(path)) === true) return path
  }
  return null
}

/** `systemctl enable` links the unit in `multi-user.target.wants` (systemd.unit(5), [Install]). */
async function isEnabled(root: string | null): Promise<boolean> {
  const folder = onDisk('/etc/systemd/system', root)
  const wanting = ((await hostFolder(folder)) ?? []).filter((name) => /\.(?:wants|requires)$/.test(name))
  const names = await Promise.all(wanting.map((name) => hostFolder(below(folder, name))))
  return names.some((each) => each?.includes('etcd.service') === true)
}

/** Reads the configuration; the files that it names only if it is for this machine. */
async function withMembers(found: Found): Promise<ConfigEvidence> {
  const { input, source, kind, root, directory } = found
  const disk = { root: root ?? undefined, directory: directory ?? undefined }
  if (kind === 'given' && root === null) {
    const members = await readConfigMembers(input, { ...disk, readFiles: false }, source)
    const otherMachine = await foreignHost(members)
    if (otherMachine !== null) return { ...found, otherMachine, members }
  }
  return { ...found, otherMachine: null, members: await readConfigMembers(input, disk, source) }
}

/** A file system may not answer. */
const READ_TIMEOUT = 5000

/** Null if the time is over. The work goes on, because Node cannot end a read. */
export async function withinLimit<T>(work: Promise<T>, signal: AbortSignal | null): Promise<T | null> {
  const limit = AbortSignal.any([AbortSignal.timeout(READ_TIMEOUT), ...(signal === null ? [] : [signal])])
  return abortable(limit, work).catch((error: unknown) => (limit.aborted ? null : Promise.reject(error as Error)))
}

/** What is on another machine is not checked, and not missing. */
export function notHere(what: string, file: string | null, host: string): Unchecked {
  const message = `The files that ${what} names are on ${host} and were not checked. Run \`etcd-mtls doctor\` on ${host}.`
  return uncheckedIn(file, 'other-machine', message)
}

/** Longest wait for the name server. A name without an address says nothing. */
const LOOKUP_TIMEOUT = 2000
/** More hosts of one configuration are not looked up. */
const MAX_LOOKUPS = 16

/** A host of the members, if its address is known and no host of theirs is this machine; otherwise null. */
async function foreignHost(members: readonly EtcdConfigMember[]): Promise<string | null> {
  const sides = members.flatMap(({ client, peer }) => [client, peer])
  const urls = sides.flatMap(({ advertiseUrls, listenUrls }) => [...advertiseUrls, ...listenUrls])
  const read = urls.flatMap((url) => acceptedUrl(url) ?? [])
  const named = read.filter(({ isLocal, isUnspecified }) => !isLocal && !isUnspecified).map(({ host }) => host)
  const hosts = [...new Set(named)].slice(0, MAX_LOOKUPS)
  const interfaces = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const own = new Set(interfaces.map(({ address }) => bytesOf(address)))
  const found = await Promise.all(hosts.map(async (host) => ({ host, addresses: await addressesOf(host) })))
  const isOwn = found.some(
    ({ host, addresses }) => labelOf(host) === labelOf(hostname()) || addresses.some((each) => own.has(bytesOf(each))),
  )
  return isOwn ? null : (found.find(({ addresses }) => addresses.length > 0)?.host ?? null)
}

/** None for a name without an address, which is not a fault: it may be one of a network of containers. */
async function addressesOf(host: string): Promise<string[]> {
  if (parseIp(host) !== null) return [host]
  const looked = abortable(AbortSignal.timeout(LOOKUP_TIMEOUT), lookup(host, { all: true }))
  return looked.then((all) => all.map(({ address }) => address)).catch(() => [])
}

function labelOf(name: string): string {
  return parseIp(name) === null ? name.replace(/\..*/s, '') : name
}

/** The same text for all spellings of an address. */
function bytesOf(address: string): string {
  return Buffer.from(parseIp(address.split('%', 1)[0] ?? '') ?? []).toString('hex')
}

/** The URLs at which clients of this machine reach it: those that it advertises first, because its certificate covers them. */
export function endpointsOf({ client }: EtcdConfigMember): string[] {
  const urls = [...client.advertiseUrls, ...client.listenUrls].flatMap((each) => acceptedUrl(each) ?? [])
  const tls = urls.filter(({ isTls, port }) => isTls && port !== '')
  const usable = tls.filter(({ isUnspecified }) => !isUnspecified).map(({ text }) => text)
  return usable.length > 0 ? usable : tls.map(({ port }) => `https://127.0.0.1:${port}`)
}

const NO_APISERVER = { apiserver: null, findings: [] }

async function readApiserver(
  folder: HostPath,
  root: string | null,
): Promise<Pick<LocalEvidence, 'apiserver' | 'findings'>> {
  const kops = below(folder, 'manifests/kube-apiserver.manifest')
  const path = (await isHostFile(kops)) === true ? kops : below(folder, 'manifests/kube-apiserver.yaml')
  const source = hostPathText(path)
  if ((await isHostFile(path)) !== true) return NO_APISERVER
  const content = await readConfigFile(path, source)
  if ('code' in content) return { apiserver: null, findings: [content] }
  try {
    const access = await fromKubeApiserver({ manifest: content.text }, root === null ? {} : { root })
    const clusters = [access.endpoints, ...(await overridesIn(content.text))]
    return { apiserver: { source, credentials: access.credentials, clusters }, findings: [] }
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_CONFIG_INVALID')) throw error
    return { apiserver: null, findings: error.details.findings }
  }
}

/** The pairs that kubeadm, k3s, RKE2 and k0s make for clients of their etcd: the folder, the CA, and the name of the pair. */
const PAIRS = [
  ...K3S.map((folder) => [`${folder}/tls/etcd`, 'server-ca.crt', 'client'] as const),
  ['/var/lib/k0s/pki', 'etcd/ca.crt', 'apiserver-etcd-client'],
] as const

/** The pairs of members, if clients may use them; then those of kube-apiserver, and those that kubeadm makes for probes of etcd. */
async function findCredentials(
  configs: readonly ConfigEvidence[],
  machine: { readonly folder: HostPath; readonly root: string | null } | null,
  apiserver: FoundAccess | null,
  unchecked: Unchecked[],
): Promise<FoundCredentials[]> {
  const found: FoundCredentials[] = []
  for (const config of configs) {
    for (const { client } of config.members) {
      const [ca = null, cert = null, key = null] = [client.ca, client.cert, client.key].map((each) => each?.hostPath)
      const isUsable = config.otherMachine === null && isUsableByClients(client)
      if (!isUsable || ca === null || cert === null || key === null) continue
      const refused = await refusedPair(config, [key, cert, ca])
      if (refused !== null) unchecked.push(refused)
      else
        found.push({ source: sourceFrom({ ca, cert, key }, userOf(config)), from: config.source, of: 'member', config })
    }
  }
  if (apiserver !== null) {
    const { credentials, source: from } = apiserver
    found.push({ source: credentials, from, of: 'kube-apiserver', config: null })
  }
  return [...found, ...(machine === null ? [] : await findPairs(machine.folder, machine.root))]
}

/** The pairs that kubeadm makes for probes, and those that k3s, RKE2 and k0s make for kube-apiserver. */
async function findPairs(kubeadm: HostPath, root: string | null): Promise<FoundCredentials[]> {
  const found: FoundCredentials[] = []
  for (const [folder, authority, pair] of [
    [below(kubeadm, 'pki/etcd'), 'ca.crt', 'healthcheck-client'] as const,
    ...PAIRS.map(([path, ...names]) => [onDisk(path, root), ...names] as const),
  ]) {
    const [cert, key] = [below(folder, `${pair}.crt`), below(folder, `${pair}.key`)]
    const areFiles = await Promise.all([cert, key].map(isHostFile))
    if (areFiles.includes(false) || areFiles.includes(null)) continue
    const source = sourceFrom({ ca: below(folder, authority), cert, key })
    found.push({ source, from: hostPathText(cert), of: 'probes', config: null })
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
  for (const path of user === undefined ? [] : paths) {
    const reason = await useHostFile(path, async ({ stats, trail, open }) => {
      if (user === undefined || !stats.isFile()) return null
      const opened = await useFile(open(), (file) => file.stat())
      return config.user === null ? 'the user of the process is not known' : refusalFor(user, opened, trail)
    }).catch((error: unknown) => (systemCode(error) === null ? Promise.reject(error as Error) : null))
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

/** @param user Who named the files to root. They are read only if they are safe to use for that user. */
function sourceFrom(paths: Readonly<Record<'ca' | 'cert' | 'key', HostPath>>, user?: FileUser): WatchableSource {
  const file = <R extends 'ca' | 'cert' | 'key'>(role: R) => {
    const text = hostPathText(paths[role])
    return { role, file: text, namedBy: text, path: paths[role], user }
  }
  return sourceOf({ ca: file('ca'), cert: file('cert'), key: file('key') })
}
