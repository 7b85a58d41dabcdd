/** Finds the configurations of etcd on this machine, and the disk that each etcd sees. */
import { lookup } from 'node:dns/promises'
import { hostname, networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { abortable } from '../client/timing.js'
import { fromKubeApiserver } from '../config/deferred.js'
import { overridesIn } from '../config/kubernetes/read-access.js'
import { acceptedUrl } from '../config/lint/member.js'
import { enabledUnit } from '../config/read/drop-ins.js'
import type { ConfigInput } from '../config/read/input.js'
import { onDisk, pathOfCaller, readConfigFile } from '../config/read/text.js'
import { type EtcdConfigMember, type EtcdConfigSide, readConfigMembers } from '../config/read-etcd-config.js'
import type { WatchableSource } from '../credentials/credentials.js'
import { sourceOf } from '../credentials/from-files.js'
import { below, type HostPath, hostPathText, isHostFile } from '../files/in-root.js'
import { type FileUser, refusalOf } from '../files/readable-by.js'
import { isEtcdMtlsError } from '../report/errors.js'
import { type Finding, type Unchecked, uncheckedIn } from '../report/finding.js'
import { parseIp } from '../x509/ip.js'
import { findProcesses, type FoundConfig } from './processes.js'

/** A configuration of etcd that was given or found, and the disk that its process sees. */
export interface ConfigEvidence extends FoundConfig {
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
  const hasProcess = found.length > 0
  if (inputs.length === 0)
    found.push(...(await findInstalled(folder, root, { isOnlyKubeadm: kubeadm !== undefined, hasProcess })))
  const configs: ConfigEvidence[] = []
  const unread: Unchecked[] = []
  for (const each of found) {
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
  const ofApiserver = { of: 'kube-apiserver', config: null } as const
  const credentials: FoundCredentials[] = [
    ...(await findPairsOfMembers(configs, unchecked)),
    ...(apiserver === null ? [] : [{ source: apiserver.credentials, from: apiserver.source, ...ofApiserver }]),
    ...(isOnlyGiven ? [] : await findPairs(folder, root)),
  ]
  return { configs, areProcessesVisible: processes.areVisible, credentials, apiserver, findings, unchecked }
}

function foundIn(kind: FoundConfig['kind'], source: string, input: ConfigInput, root: string | null): FoundConfig {
  const process = { startedAt: null, network: null, pid: null, user: null, isTrustedUser: true }
  return { kind, source, input, root, directory: null, ...process }
}

/** The data directories of k3s and of RKE2. The etcd in them is configured by a file that they write. */
const K3S = ['/var/lib/rancher/k3s/server', '/var/lib/rancher/rke2/server']

/** The manifest of kubeadm; else the files that k3s and RKE2 write, if no process was found, and the unit. */
async function findInstalled(
  kubeadm: HostPath,
  root: string | null,
  { isOnlyKubeadm, hasProcess }: { readonly isOnlyKubeadm: boolean; readonly hasProcess: boolean },
): Promise<FoundConfig[]> {
  const inFiles = (kind: FoundConfig['kind'], files: readonly HostPath[]): FoundConfig[] =>
    files.map(hostPathText).map((file) => foundIn(kind, file, { file }, root))
  const manifests = await existing([below(kubeadm, 'manifests/etcd.yaml')])
  if (manifests.length > 0 || isOnlyKubeadm) return inFiles('kubeadm', manifests)
  const k3s = hasProcess ? [] : await existing(K3S.map((folder) => onDisk(`${folder}/db/etcd/config`, root)))
  const unit = await enabledUnit('etcd.service', root)
  return [...inFiles('k3s', k3s), ...inFiles('systemd', unit === null ? [] : [unit])]
}

/** The paths that are regular files. */
async function existing(paths: readonly HostPath[]): Promise<HostPath[]> {
  const are = await Promise.all(paths.map(isHostFile))
  return paths.filter((_, i) => are[i] === true)
}

/** Whether a manifest or a unit is that of a process: by an address, or by the data directory. Without TLS it says nothing. */
function isRunning({ kind, members }: ConfigEvidence, running: readonly ConfigEvidence[]): boolean {
  if ((kind !== 'kubeadm' && kind !== 'systemd') || running.length === 0) return false
  const factsOf = (member: EtcdConfigMember): string[] => [...endpointsOf(member), member.dataDir?.path ?? '']
  const facts = running.flatMap((each) => each.members).flatMap(factsOf)
  return members.some((each) => endpointsOf(each).length === 0 || factsOf(each).some((fact) => facts.includes(fact)))
}

/** Reads the configuration; the files that it names only if it is for this machine. */
async function withMembers(found: FoundConfig): Promise<ConfigEvidence> {
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
  const named = read.flatMap(({ host, isLocal, isUnspecified }) => (isLocal || isUnspecified ? [] : [host]))
  const hosts = [...new Set(named)].slice(0, MAX_LOOKUPS)
  const interfaces = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const own = new Set([labelOf(hostname()), ...interfaces.map(({ address }) => bytesOf(address))])
  const found = await Promise.all(hosts.map(async (host) => ({ host, addresses: await addressesOf(host) })))
  const isOwn = found.some(({ host, addresses }) => [labelOf(host), ...addresses].some((each) => own.has(each)))
  return isOwn ? null : (found.find(({ addresses }) => addresses.length > 0)?.host ?? null)
}

/** None for a name without an address, which is not a fault: it may be one of a network of containers. */
async function addressesOf(host: string): Promise<string[]> {
  if (parseIp(host) !== null) return [bytesOf(host)]
  const looked = abortable(AbortSignal.timeout(LOOKUP_TIMEOUT), lookup(host, { all: true }))
  return looked.then((all) => all.map(({ address }) => bytesOf(address))).catch(() => [])
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
  const path = below(folder, 'manifests/kube-apiserver.yaml')
  const source = hostPathText(path)
  if ((await isHostFile(path)) !== true) return NO_APISERVER
  const content = await readConfigFile(path, source)
  if ('code' in content) return { apiserver: null, findings: [content] }
  try {
    const { endpoints, credentials } = await fromKubeApiserver(
      { manifest: content.text },
      root === null ? {} : { root },
    )
    const clusters = [endpoints, ...(await overridesIn(content.text))]
    return { apiserver: { source, credentials, clusters }, findings: [] }
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_CONFIG_INVALID')) throw error
    return { apiserver: null, findings: error.details.findings }
  }
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
        found.push({ source: sourceFrom({ ca, cert, key }, userOf(config)), from, of: 'member', config })
      else unchecked.push(refused)
    }
  }
  return found
}

/** The pairs that k3s, RKE2 and k0s make for clients of their etcd: the folder, the CA, and the name of the pair. */
const PAIRS = [
  ...K3S.map((folder) => [`${folder}/tls/etcd`, 'server-ca.crt', 'client'] as const),
  ['/var/lib/k0s/pki', 'etcd/ca.crt', 'apiserver-etcd-client'],
] as const

/** The pairs that kubeadm makes for probes, and those that k3s, RKE2 and k0s make for kube-apiserver. */
async function findPairs(kubeadm: HostPath, root: string | null): Promise<FoundCredentials[]> {
  const found: FoundCredentials[] = []
  for (const [folder, authority, pair] of [
    [below(kubeadm, 'pki/etcd'), 'ca.crt', 'healthcheck-client'] as const,
    ...PAIRS.map(([path, ...names]) => [onDisk(path, root), ...names] as const),
  ]) {
    const [cert, key] = await existing([below(folder, `${pair}.crt`), below(folder, `${pair}.key`)])
    if (cert === undefined || key === undefined) continue
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

/** @param user Who named the files to root. They are read only if they are safe to use for that user. */
function sourceFrom(paths: Readonly<Record<'ca' | 'cert' | 'key', HostPath>>, user?: FileUser): WatchableSource {
  const file = <R extends 'ca' | 'cert' | 'key'>(role: R) => {
    const text = hostPathText(paths[role])
    return { role, file: text, namedBy: text, path: paths[role], user }
  }
  return sourceOf({ ca: file('ca'), cert: file('cert'), key: file('key') })
}
