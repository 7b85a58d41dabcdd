/** What surrounds etcd: volumes, the sandbox of a unit, the replicas of a workload, and probes. */
import { posix } from 'node:path'
import type { ProbeDetails } from '../../report/catalogue/config/tls.js'
import { substitute } from '../read/command.js'
import { isOfficialImage } from '../read/container-run.js'
import type { ReadMember } from '../read/input.js'
import { isUnresolved, mountOf, type Probe } from '../read/read-option.js'
import type { Setting } from '../read/settings.js'
import type { SideField } from '../tables/options.js'
import { availableIn, type Since } from '../tables/version.js'
import type { EtcdUrl } from '../url.js'
import { acceptedUrl, clusterEntries, type LintMember, type Rule, urlsOf } from './member.js'

/** A rule about a member in its surroundings. */
export type RuntimeRule = Rule<[read: ReadMember, readsFiles: boolean]>

const FILE_FIELDS: readonly SideField[] = [
  'certFile',
  'keyFile',
  'trustedCaFile',
  'crlFile',
  'clientCertFile',
  'clientKeyFile',
]

type NamedFile = Pick<Setting, 'text' | 'place'>

/** The files that etcd reads, and the file of its configuration. */
function filesOf({ sides }: LintMember, { configFile }: ReadMember): NamedFile[] {
  const files = sides
    .filter(({ isAutoTls }) => !isAutoTls)
    .flatMap((side) => FILE_FIELDS.map((field) => side.get(field)))
    .filter((setting) => setting.isSet && !setting.isUnresolved)
  return configFile === null || isUnresolved(configFile.text) ? files : [configFile, ...files]
}

function namesOf(files: readonly NamedFile[]): string[] {
  return [...new Set(files.map(({ text }) => text))]
}

/** Files of one volume that a finding lists. */
const MAX_NAMES = 10

/** Files that a container names: no volume brings them, its volume does not have them, or they are not of this machine. */
const filesAreInContainer: RuntimeRule = (report, member, read, readsFiles) => {
  const { mounts, directory, version, image = '', engine = '' } = read.context
  if (mounts === null) return
  const located = filesOf(member, read).map((file) => ({ file, at: mountOf(file.text, directory, mounts) }))
  const absent = located.filter(({ at }) => at?.mount.modes?.has(at.rest) === false)
  // A file whose text is in the configuration itself is there.
  const away = located.filter(
    (each) =>
      !absent.includes(each) &&
      each.at?.mount.files?.has(each.at.rest) !== true &&
      read.hostPath(each.file.text) === null,
  )
  const missing = away.flatMap(({ file, at }) => (at === null ? file : []))
  const mounted = away.flatMap(({ file, at }) => (at !== null && file !== read.configFile ? file : []))
  if (missing[0] !== undefined) {
    // Only the tag of an image of etcd has a version.
    const isOfficial = version !== null || isOfficialImage(image)
    const kind = isOfficial ? ('not mounted in the official image' as const) : ('not mounted' as const)
    const folders = [...new Set(mounts.map(({ inside }) => inside))].sort()
    const details = { kind, names: namesOf(missing), mounts: folders, by: engine }
    report('config/volume-invalid', { ...missing[0].place, ...details })
  }
  const [first] = absent
  if (first !== undefined) {
    const has = [...(first.at?.mount.modes?.keys() ?? [])].slice(0, MAX_NAMES)
    const details = { names: namesOf(absent.map(({ file }) => file)), mounts: has, by: 'Kubernetes' }
    report('config/volume-invalid', { ...first.file.place, kind: 'not in the volume', ...details })
  }
  if (mounted[0] !== undefined && readsFiles) {
    report('config/not-checked', { ...mounted[0].place, kind: 'files', what: namesOf(mounted), why: '' })
  }
}

/** Kubernetes gives the files of a Secret or a ConfigMap to root, with a mode (core/v1 SecretVolumeSource). */
const filesAreReadable: RuntimeRule = (report, member, read) => {
  const { mounts, directory, user, volumeGroups } = read.context
  // With a group of its own, the volume lets that group read.
  const isKnown = mounts !== null && user !== null && /^[1-9]\d*$/.test(user) && Array.isArray(volumeGroups)
  if (!isKnown) return
  const needed = volumeGroups.includes('0') ? 0o044 : 0o004
  for (const { text: path, place } of filesOf(member, read)) {
    const at = mountOf(path, directory, mounts)
    const mode = at?.mount.modes?.get(at.rest) ?? at?.mount.mode
    if (mode === undefined || (mode & needed) !== 0) continue
    const details = { kind: 'volume' as const, path, user, mode: `0${mode.toString(8)}`, onHost: '', directory: '' }
    report('config/key-not-readable', { ...place, ...details, isDynamic: false })
    return
  }
}

const filesAreVisible: RuntimeRule = (report, member, read) => {
  const { sandbox, directory } = read.context
  const hidden = new Map<string, NamedFile[]>()
  for (const file of sandbox === undefined ? [] : filesOf(member, read)) {
    const by = sandbox?.hides(posix.resolve(directory ?? '/', file.text)) ?? null
    if (by !== null) hidden.set(by, [...(hidden.get(by) ?? []), file])
  }
  for (const [by, files] of hidden) {
    const place = files[0]?.place
    const details = { kind: 'hidden' as const, names: namesOf(files), mounts: [], by }
    if (place !== undefined) report('config/volume-invalid', { ...place, ...details })
  }
}

/** The data directory, as etcd sees it; null if it is not known. */
export function dataDirectory({ settings }: LintMember, { context }: ReadMember): string | null {
  const [setting, name] = [settings.server('dataDir'), settings.server('name')]
  if (setting.isSet ? setting.isUnresolved : name.isUnresolved) return null
  return posix.resolve(context.directory ?? '/', setting.isSet ? setting.text : `${name.text}.etcd`)
}

const dataIsKept: RuntimeRule = (report, member, read) => {
  const { mounts, directory, image = '', isRootReadOnly = false, sandbox } = read.context
  const setting = member.settings.server('dataDir')
  const path = dataDirectory(member, read)
  if (path === null || !member.isWhole) return
  const tell = (kind: 'no volume' | 'emptyDir' | 'tmpfs' | 'read-only', by = ''): void => {
    report('config/data-not-kept', { ...setting.place, kind, path, by })
  }
  if (sandbox !== undefined) {
    const by = setting.isSet ? sandbox.locks(path) : null
    if (by !== null) tell('read-only', by)
    return
  }
  // Without volumes, it is an example.
  if (mounts === null || mounts.length === 0) return
  const mount = mountOf(path, directory, mounts)?.mount
  if (mount?.isReadOnly === true) tell('read-only', `the volume at ${mount.inside}`)
  else if (mount?.isLostWith !== undefined) tell(mount.isLostWith)
  // A volume below it may be enough.
  if (mount !== undefined || mounts.some(({ inside }) => inside.startsWith(`${path}/`))) return
  if (isRootReadOnly) tell('read-only', 'the root file system of the container')
  else if (setting.isSet && setting.option?.isGuess !== true && isOfficialImage(image)) tell('no volume')
}

/** More pods than any cluster has members. */
const MAX_PODS = 100

/** Pods of one template have one configuration, but for the variables that hold their names. */
const replicasAreMembers: RuntimeRule = (report, member, read) => {
  const { replicas } = read.context
  const { settings, peer } = member
  if (replicas === undefined || !member.isWhole) return
  const { kind, name: workload, count, first, variables, place } = replicas
  const allPods = `the ${String(count)} pods of ${kind} "${workload}"`
  const data = dataDirectory(member, read)
  const mount = data === null ? null : mountOf(data, read.context.directory, read.context.mounts ?? [])
  if (count > 1 && data !== null && mount?.mount.shared !== undefined && !isUnresolved(data)) {
    const details = { kind: 'shared' as const, path: data, by: allPods }
    report('config/data-not-kept', { ...settings.server('dataDir').place, ...details })
  }
  const [name, setting] = [settings.server('name'), settings.server('initialCluster')]
  if (count > 1 && !isUnresolved(name.text)) {
    const details = { name: name.text, members: [allPods.replace('t', 'T')] }
    report('config/members-name-repeated', details, name.place)
    return
  }
  const pods = Array.from({ length: Math.min(count, MAX_PODS) }, (_, i) => `${workload}-${String(first + i)}`)
  const ofPod = (text: string, pod: string): string =>
    substitute(text, { get: (key) => (variables.includes(key) ? pod : undefined) })
  const names = pods.map((pod) => ofPod(name.text, pod))
  const entries = clusterEntries(setting)
  const isJoining = settings.server('initialClusterState').text === 'existing'
  if (kind !== 'StatefulSet' || !setting.isSet || isJoining) return
  if ([...names, ...entries.map((each) => each.name)].some(isUnresolved)) return
  const missing = names.filter((each) => !entries.some((entry) => entry.name === each))
  const surplus = entries.map((each) => each.name).filter((each) => isOfSet(each, names) && !names.includes(each))
  if (missing.length > 0) {
    report('config/member-not-listed', { ...setting.place, kind: 'itself', members: missing, by: '' })
  }
  if (surplus.length > 0) {
    const details = { kind: 'not started' as const, members: [...new Set(surplus)], by: `${kind} "${workload}"` }
    report('config/member-not-listed', { ...setting.place, ...details }, place)
  }
  const advertise = peer.get('advertiseUrls')
  for (const [i, pod] of advertise.isSet ? pods.entries() : []) {
    const own = names[i] ?? ''
    const advertised = advertise.values.map((url) => ofPod(url, pod))
    const listed = entries.flatMap((each) => (each.name === own ? [each.url] : []))
    const isOpen = [...advertised, ...listed].some(isUnresolved)
    if (listed.length === 0 || isOpen || advertised.every((url) => listed.some((each) => isSameEndpoint(each, url))))
      continue
    report('config/cluster-urls-differ', { ...setting.place, name: own, advertised, listed })
    return
  }
}

/** The pods of a StatefulSet have names below its service (Kubernetes, "Stable Network ID"). */
const podsAreNamed: RuntimeRule = (report, { settings, client, peer }, { context: { replicas } }) => {
  if (replicas?.kind !== 'StatefulSet' || replicas.service === null || isUnresolved(replicas.service)) return
  const { name: set, service, namespace, variables } = replicas
  const isWrong = (url: string): boolean => {
    const read = acceptedUrl(substitute(url, { get: (key) => (variables.includes(key) ? `${set}-0` : undefined) }))
    if (read === null || isUnresolved(read.host)) return false
    const [own = '', below, space] = read.host.split('.')
    if (below === undefined || !own.startsWith(`${set}-`) || !/^\d{1,4}$/.test(own.slice(set.length + 1))) return false
    return below !== service || (namespace !== null && space !== undefined && space !== namespace)
  }
  const cluster = settings.server('initialCluster')
  for (const setting of [client.get('advertiseUrls'), peer.get('advertiseUrls'), cluster]) {
    const urls = setting === cluster ? clusterEntries(cluster).map(({ url }) => url) : setting.values
    const url = setting.isSet ? urls.find(isWrong) : undefined
    if (url === undefined) continue
    const listen = `${service}${namespace === null ? '' : `.${namespace}`}`
    report('config/advertise-unreachable', { ...setting.place, kind: 'service', url, listen })
    return
  }
}

/** Whether a name is that of another pod of the same set. */
function isOfSet(name: string, [known = '']: readonly string[]): boolean {
  const end = name.lastIndexOf('-') + 1
  return end > 0 && known.startsWith(name.slice(0, end)) && /^\d{1,4}$/.test(name.slice(end))
}

/** Whether two URLs may be one: a name may be written with or without its domain. */
function isSameEndpoint(a: string, b: string): boolean {
  const [one, other] = [acceptedUrl(a), acceptedUrl(b)]
  if (one === null || other === null) return a === b
  const label = ({ host, isIp }: EtcdUrl): string => (isIp ? host : (host.toLowerCase().split('.', 1)[0] ?? ''))
  return one.isTls === other.isTls && one.port === other.port && label(one) === label(other)
}

const LOOPBACK = /^(?:127\.|localhost$|::1$)/
/** server/etcdserver/api/etcdhttp/health.go v3.4.29, v3.5.11 */
const LIVEZ: Since = ['3.4.29', '3.5.11', '3.6.0']
/** The paths that etcd answers without a version of the API (server/etcdserver/api/etcdhttp). */
const PATHS = /^\/(?:health|metrics|version|(?:livez|readyz)(?:\/.*)?|debug\/.*|v[23]\/.*)$/

/** Whether a probe reaches etcd, shows what etcd requires, and asks for a path that etcd has. */
const probesAreAnswered: RuntimeRule = (report, member, read) => {
  const { settings, client, peer, isWhole, version } = member
  const metrics = settings.server('metricsUrls')
  const sources = [client.get('listenUrls'), client.get('httpUrls'), metrics, peer.get('listenUrls')]
  const isOpen = sources.some((each) => each.isUnresolved || each.values.some((text) => each.isOpen(text)))
  if (!isWhole || isOpen) return
  const metricsUrls = urlsOf(metrics, 'listen')
  const served = [...client.listen, ...metricsUrls]
  /** Why it fails, and the URL that it reaches; null if it does not. */
  const failure = (probe: Probe): { why: ProbeDetails['why']; url: EtcdUrl | undefined } | null => {
    const { by, kind, port, host, path } = probe
    const atPort = (kind === 'tcp' ? [...served, ...peer.listen] : served).filter((url) => url.port === port)
    const isLocal = host !== null && LOOPBACK.test(host)
    // A command that names another host may probe another member.
    if (by === 'command' && !isLocal && !served.some((url) => url.host === host)) return null
    const reached = atPort.filter((url) => (isLocal ? url.isLocal || url.isUnspecified : !url.isLocal))
    const isTls = kind === 'https'
    const answering = reached.find((url) => kind === 'tcp' || url.isTls === isTls)
    const url = answering ?? reached[0] ?? atPort[0]
    if (probe.isNameUnknown === true) return { why: 'name', url }
    if (reached.length === 0) return probe.isShared ? null : { why: atPort.length === 0 ? 'port' : 'address', url }
    if (answering === undefined) return { why: 'scheme', url }
    if (isTls && client.asksForCertificates && !probe.hasCertificate) return { why: 'certificate', url }
    if (isTls && !probe.hasCa) return { why: 'CA', url }
    if (path === null || kind === 'tcp' || kind === 'grpc') return null
    if (!PATHS.test(path)) return { why: 'path', url }
    const isNew = /^\/(?:livez|readyz)/.test(path) && version !== null && availableIn(version, LIVEZ) === 'none'
    return isNew ? { why: 'release', url } : null
  }
  const plain = metricsUrls.find(({ isTls }) => !isTls)?.text ?? null
  for (const probe of read.context.probes ?? []) {
    const failed = failure(probe)
    if (failed === null) continue
    const { by, port, path, place } = probe
    const details = { by, port, path: path ?? '', why: failed.why, url: failed.url?.text ?? null, plain }
    report('config/probe-unanswered', { ...place, ...details })
  }
}

export const runtimeRules: readonly RuntimeRule[] = [
  filesAreInContainer,
  filesAreReadable,
  filesAreVisible,
  dataIsKept,
  replicasAreMembers,
  podsAreNamed,
  probesAreAnswered,
]
