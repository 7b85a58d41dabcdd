/** What surrounds etcd: volumes, the sandbox of a unit, the replicas of a workload, and probes. */
import { posix } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { substitute } from '../read/command.js'
import { mountOf } from '../read/effective.js'
import { isOfficialImage } from '../read/image.js'
import type { ReadMember } from '../read/input.js'
import { isUnresolved, type Mount, type Probe } from '../read/read-option.js'
import type { Setting, SideField } from '../read/settings.js'
import { availableIn, type Since } from '../tables/version.js'
import { type EtcdUrl, readUrl } from '../url.js'
import { clusterEntries, type LintMember, urlsOf } from './member.js'

/** A rule about a member in its surroundings. */
type RuntimeRule = (member: LintMember, read: ReadMember, readsFiles: boolean) => readonly Finding[]

const FILE_FIELDS: readonly SideField[] = [
  'certFile',
  'keyFile',
  'trustedCaFile',
  'crlFile',
  'clientCertFile',
  'clientKeyFile',
]

/** The files that etcd reads, and the file of its configuration. */
function filesOf(member: LintMember, { configFile }: ReadMember): Pick<Setting, 'text' | 'place'>[] {
  const files = [member.client, member.peer]
    .filter(({ isAutoTls }) => !isAutoTls)
    .flatMap((side) => FILE_FIELDS.map((field) => side.get(field)))
    .filter(({ isSet, isUnresolved }) => isSet && !isUnresolved)
  return configFile === null || isUnresolved(configFile.text) ? files : [configFile, ...files]
}

type NamedFile = Pick<Setting, 'text' | 'place'>

function namesOf(files: readonly NamedFile[]): string[] {
  return [...new Set(files.map(({ text }) => text))]
}

/** Files that a container names: no volume brings them, its volume does not have them, or they are not of this machine. */
const filesAreInContainer: RuntimeRule = (member, read, readsFiles) => {
  const { mounts, directory, version, image = '' } = read.context
  if (mounts === null) return []
  const located = filesOf(member, read).map((file) => ({ file, at: mountOf(file.text, directory, mounts) }))
  const absent = located.filter(({ at }) => at !== null && at.mount.modes?.has(at.rest) === false)
  const away = located.filter(
    (each) => !absent.includes(each) && !isGiven(each.at) && read.hostPath(each.file.text) === null,
  )
  const missing = away.flatMap(({ file, at }) => (at === null ? file : []))
  const mounted = away.flatMap(({ file, at }) => (at !== null && file !== read.configFile ? file : []))
  const findings: Finding[] = []
  if (missing[0] !== undefined) {
    // Only the tag of an image of etcd has a version.
    const isOfficial = version !== null || isOfficialImage(image)
    const kind = isOfficial ? ('not mounted in the official image' as const) : ('not mounted' as const)
    const folders = [...new Set(mounts.map(({ inside }) => inside))].sort()
    const details = { kind, names: namesOf(missing), mounts: folders, by: read.context.engine ?? '' }
    findings.push(finding('config/volume-invalid', { ...missing[0].place, ...details }))
  }
  const [first] = absent
  if (first !== undefined) {
    const has = [...(first.at?.mount.modes?.keys() ?? [])].slice(0, MAX_NAMES)
    const details = { names: namesOf(absent.map(({ file }) => file)), mounts: has, by: 'Kubernetes' }
    findings.push(finding('config/volume-invalid', { ...first.file.place, kind: 'not in the volume', ...details }))
  }
  if (mounted[0] !== undefined && readsFiles) {
    const details = { kind: 'files' as const, what: namesOf(mounted), why: '' }
    findings.push(finding('config/not-checked', { ...mounted[0].place, ...details }))
  }
  return findings
}

/** Files of one volume that a finding lists. */
const MAX_NAMES = 10

/** Whether the text of a file is in the configuration itself. */
function isGiven(at: { mount: Mount; rest: string } | null): boolean {
  return at?.mount.files?.has(at.rest) === true
}

/** Kubernetes gives the files of a Secret or a ConfigMap to root, with a mode (core/v1 SecretVolumeSource). */
const filesAreReadable: RuntimeRule = (member, read) => {
  const { mounts, directory, user, volumeGroups } = read.context
  if (mounts === null || user === null || !/^[1-9]\d*$/.test(user) || volumeGroups === undefined) return []
  const refused = filesOf(member, read).flatMap((file) => {
    const at = mountOf(file.text, directory, mounts)
    const mode = at?.mount.modes?.get(at.rest) ?? at?.mount.mode ?? null
    const needed = volumeGroups?.includes('0') === true ? 0o044 : 0o004
    // With a group of its own, the volume lets that group read.
    return mode === null || volumeGroups === null || (mode & needed) !== 0 ? [] : [{ file, mode }]
  })
  const [first] = refused
  if (first === undefined) return []
  const mode = `0${first.mode.toString(8)}`
  const nobody = { onHost: '', directory: '', isDynamic: false }
  const details = { kind: 'volume' as const, path: first.file.text, user, mode, ...nobody }
  return [finding('config/key-not-readable', { ...first.file.place, ...details })]
}

const filesAreVisible: RuntimeRule = (member, read) => {
  const { sandbox, directory } = read.context
  if (sandbox === undefined) return []
  const hidden = filesOf(member, read).flatMap((file) => {
    const by = sandbox.hides(posix.resolve(directory ?? '/', file.text))
    return by === null ? [] : [{ file, by }]
  })
  return [...new Set(hidden.map(({ by }) => by))].flatMap((by) => {
    const files = hidden.filter((each) => each.by === by).map(({ file }) => file)
    const [first] = files
    if (first === undefined) return []
    return [finding('config/volume-invalid', { ...first.place, kind: 'hidden', names: namesOf(files), mounts: [], by })]
  })
}

/** The data directory, as etcd sees it; null if it is not known. */
export function dataDirectory(member: LintMember, { context }: ReadMember): string | null {
  const { settings } = member
  const [setting, name] = [settings.server('dataDir'), settings.server('name')]
  if (setting.isSet) return setting.isUnresolved ? null : posix.resolve(context.directory ?? '/', setting.text)
  return name.isUnresolved ? null : posix.resolve(context.directory ?? '/', `${name.text}.etcd`)
}

const dataIsKept: RuntimeRule = (member, read) => {
  const { mounts, directory, image = '', isRootReadOnly = false, sandbox } = read.context
  const setting = member.settings.server('dataDir')
  const path = dataDirectory(member, read)
  if (path === null || !member.isWhole) return []
  const reported = (kind: 'no volume' | 'emptyDir' | 'tmpfs' | 'read-only', by = ''): Finding[] => [
    finding('config/data-not-kept', { ...setting.place, kind, path, by }),
  ]
  if (sandbox !== undefined) {
    const by = setting.isSet ? sandbox.locks(path) : null
    return by === null ? [] : reported('read-only', by)
  }
  // Without volumes, it is an example.
  if (mounts === null || mounts.length === 0) return []
  const at = mountOf(path, directory, mounts)
  if (at !== null) {
    if (at.mount.isReadOnly === true) return reported('read-only', `the volume at ${at.mount.inside}`)
    return at.mount.isLostWith === undefined ? [] : reported(at.mount.isLostWith)
  }
  // A volume below it may be enough.
  if (mounts.some(({ inside }) => inside.startsWith(`${path}/`))) return []
  if (isRootReadOnly) return reported('read-only', 'the root file system of the container')
  const isPlain = setting.isSet && setting.option?.isGuess !== true
  return isPlain && isOfficialImage(image) ? reported('no volume') : []
}

/** Pods of one template have one configuration, but for the variables that hold their names. */
const replicasAreMembers: RuntimeRule = (member, read) => {
  const { replicas } = read.context
  const { settings, peer } = member
  if (replicas === undefined || !member.isWhole) return []
  const { kind, name: workload, count, first, variables, place } = replicas
  const isStateful = kind === 'StatefulSet'
  const pods = Array.from({ length: Math.min(count, MAX_PODS) }, (_, i) => `${workload}-${String(first + i)}`)
  const ofPod = (text: string, pod: string): string =>
    isStateful ? substitute(text, { get: (key) => (variables.includes(key) ? pod : undefined) }) : text
  const findings: Finding[] = []
  const data = dataDirectory(member, read)
  const mount = data === null ? null : mountOf(data, read.context.directory, read.context.mounts ?? [])
  if (count > 1 && mount?.mount.shared !== undefined && !isUnresolved(data ?? '')) {
    const by = `the ${String(count)} pods of ${kind} "${workload}"`
    findings.push(
      finding('config/data-not-kept', { ...settings.server('dataDir').place, kind: 'shared', path: data ?? '', by }),
    )
  }
  const name = settings.server('name')
  if (count > 1 && !isUnresolved(name.text)) {
    const details = { name: name.text, members: [`The ${String(count)} pods of ${kind} "${workload}"`] }
    findings.push(finding('config/members-name-repeated', details, name.place))
    return findings
  }
  const setting = settings.server('initialCluster')
  const names = pods.map((pod) => ofPod(name.text, pod))
  if (!isStateful || !setting.isSet || names.some(isUnresolved)) return findings
  const listed = clusterEntries(setting).map(({ name: each }) => each)
  if (listed.some(isUnresolved) || isJoining(member)) return findings
  const missing = names.filter((each) => !listed.includes(each))
  const surplus = listed.filter((each) => isOfSet(each, names) && !names.includes(each))
  if (missing.length > 0) {
    findings.push(finding('config/member-not-listed', { ...setting.place, kind: 'itself', members: missing, by: '' }))
  }
  if (surplus.length > 0) {
    const details = { kind: 'not started' as const, members: [...new Set(surplus)], by: `${kind} "${workload}"` }
    findings.push(finding('config/member-not-listed', { ...setting.place, ...details }, place))
  }
  const advertise = peer.get('advertiseUrls')
  const apart = pods.find((pod, i) => {
    const [own, urls] = [names[i] ?? '', advertise.values.map((url) => ofPod(url, pod))]
    const known = clusterEntries(setting).filter((each) => each.name === own)
    if (!advertise.isSet || known.length === 0 || [...urls, ...known.map(({ url }) => url)].some(isUnresolved))
      return false
    return !urls.every((url) => known.some((each) => isSameEndpoint(each.url, url)))
  })
  if (apart === undefined) return findings
  const own = names[pods.indexOf(apart)] ?? ''
  const details = {
    name: own,
    advertised: advertise.values.map((url) => ofPod(url, apart)),
    listed: clusterEntries(setting).flatMap((each) => (each.name === own ? each.url : [])),
  }
  return [...findings, finding('config/cluster-urls-differ', { ...setting.place, ...details })]
}

/** The pods of a StatefulSet have names below its service (Kubernetes, "Stable Network ID"). */
const podsAreNamed: RuntimeRule = ({ settings, client, peer }, { context: { replicas } }) => {
  if (replicas?.kind !== 'StatefulSet' || replicas.service === null || isUnresolved(replicas.service)) return []
  const { name: set, service, namespace, variables } = replicas
  const pod = `${set}-0`
  const cluster = settings.server('initialCluster')
  const urls = [
    ...[client.get('advertiseUrls'), peer.get('advertiseUrls')].flatMap((setting) =>
      setting.isSet ? setting.values.map((url) => ({ url, setting })) : [],
    ),
    ...(cluster.isSet ? clusterEntries(cluster).map(({ url }) => ({ url, setting: cluster })) : []),
  ]
  const wrong = urls.find(({ url }) => {
    const reading = readUrl(substitute(url, { get: (key) => (variables.includes(key) ? pod : undefined) }), 'advertise')
    if ('refused' in reading || isUnresolved(reading.url.host)) return false
    const [own = '', below, space] = reading.url.host.split('.')
    if (below === undefined || !own.startsWith(`${set}-`) || !/^\d{1,4}$/.test(own.slice(set.length + 1))) return false
    return below !== service || (namespace !== null && space !== undefined && space !== namespace)
  })
  if (wrong === undefined) return []
  const { url, setting } = wrong
  const listen = `${service}${namespace === null ? '' : `.${namespace}`}`
  return [finding('config/advertise-unreachable', { ...setting.place, kind: 'service', url, listen })]
}

/** More pods than any cluster has members. */
const MAX_PODS = 100

function isJoining({ settings }: LintMember): boolean {
  return settings.server('initialClusterState').text === 'existing'
}

/** Whether a name is that of another pod of the same set. */
function isOfSet(name: string, [known = '']: readonly string[]): boolean {
  const end = name.lastIndexOf('-') + 1
  return end > 0 && known.startsWith(name.slice(0, end)) && /^\d{1,4}$/.test(name.slice(end))
}

/** Whether two URLs may be one: a name may be written with or without its domain. */
function isSameEndpoint(a: string, b: string): boolean {
  const [one, other] = [readUrl(a, 'advertise'), readUrl(b, 'advertise')]
  if ('refused' in one || 'refused' in other) return a === b
  const label = ({ host, isIp }: EtcdUrl): string => (isIp ? host : (host.toLowerCase().split('.', 1)[0] ?? ''))
  return one.url.isTls === other.url.isTls && one.url.port === other.url.port && label(one.url) === label(other.url)
}

const LOOPBACK = /^(?:127\.|localhost$|::1$)/
/** server/etcdserver/api/etcdhttp/health.go v3.4.29, v3.5.11 */
const LIVEZ: Since = ['3.4.29', '3.5.11', '3.6.0']
/** The paths that etcd answers without a version of the API (server/etcdserver/api/etcdhttp). */
const PATHS = /^\/(?:health|metrics|version|(?:livez|readyz)(?:\/.*)?|debug\/.*|v[23]\/.*)$/

/** Whether a probe reaches etcd, shows what etcd requires, and asks for a path that etcd has. */
const probesAreAnswered: RuntimeRule = (member, read) => {
  const { settings, client, peer, isWhole, version } = member
  const metrics = settings.server('metricsUrls')
  const sources = [client.get('listenUrls'), client.get('httpUrls'), metrics, peer.get('listenUrls')]
  const isOpen = (setting: Setting): boolean =>
    setting.isUnresolved || setting.values.some((text) => setting.isOpen(text))
  if (!isWhole || sources.some(isOpen)) return []
  const served = [...client.listen, ...urlsOf(metrics, 'listen')]
  const check = ({
    by,
    kind,
    port,
    host,
    path,
    hasCertificate,
    hasCa,
    isShared,
    isNameUnknown,
    place,
  }: Probe): Finding[] => {
    const atPort = (kind === 'tcp' ? [...served, ...peer.listen] : served).filter((url) => url.port === port)
    const isLocal = host !== null && LOOPBACK.test(host)
    // A command that names another host may probe another member.
    if (by === 'command' && !isLocal && !served.some((url) => url.host === host)) return []
    const reached = atPort.filter((url) => (isLocal ? url.isLocal || url.isUnspecified : !url.isLocal))
    const isTls = kind === 'https'
    const fits = reached.filter((url) => kind === 'tcp' || url.isTls === isTls)
    const [first] = atPort
    const [answering] = fits
    const urls = urlsOf(metrics, 'listen').filter(({ isTls: tls }) => !tls)
    const reported = (
      why: 'name' | 'port' | 'address' | 'scheme' | 'certificate' | 'CA' | 'path' | 'release',
    ): Finding[] => [
      finding('config/probe-unanswered', {
        ...place,
        by,
        port,
        why,
        url: (answering ?? reached[0] ?? first)?.text ?? null,
        path: path ?? '',
        plain: urls[0]?.text ?? null,
      }),
    ]
    if (isNameUnknown === true) return reported('name')
    if (first === undefined) return isShared ? [] : reported('port')
    if (reached.length === 0) return isShared ? [] : reported('address')
    if (answering === undefined) return reported('scheme')
    if (isTls && client.asksForCertificates && !hasCertificate) return reported('certificate')
    if (isTls && !hasCa) return reported('CA')
    if (path === null || kind === 'tcp' || kind === 'grpc') return []
    if (!PATHS.test(path)) return reported('path')
    const isNew = /^\/(?:livez|readyz)/.test(path) && version !== null && availableIn(version, LIVEZ) === 'none'
    return isNew ? reported('release') : []
  }
  return (read.context.probes ?? []).flatMap(check)
}

const RUNTIME_RULES: readonly RuntimeRule[] = [
  filesAreInContainer,
  filesAreReadable,
  filesAreVisible,
  dataIsKept,
  replicasAreMembers,
  podsAreNamed,
  probesAreAnswered,
]

export function runtimeRules(member: LintMember, read: ReadMember, readsFiles: boolean): Finding[] {
  return RUNTIME_RULES.flatMap((rule) => rule(member, read, readsFiles))
}
