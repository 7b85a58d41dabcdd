/** Rules about the environment of etcd: volumes, the sandbox of a unit, the replicas of a workload, and probes. */
import { posix } from 'node:path'
import type { ProbeDetails } from '../../report/catalogue/config/tls.js'
import { substitute } from '../read/command.js'
import { isOfficialImage } from '../read/container.js'
import type { ReadMember } from '../read/input.js'
import { mountOf, type Probe, type Replicas, type Setting } from '../read/read-option.js'
import { isUnresolved } from '../read/text.js'
import { availableIn } from '../tables/version.js'
import type { EtcdUrl } from '../url.js'
import { acceptedUrl, type LintMember, urlsOf } from './member.js'
import { type Found, groupBy, rulesAbout } from './rule.js'

interface MemberRuntime {
  readonly member: LintMember
  readonly read: ReadMember
  readonly readsFiles: boolean
}

const member = rulesAbout((subject: MemberRuntime) => [subject])
/** Rules about pods of one template. Their configurations differ only in the variables that contain the pod's name. */
const workload = rulesAbout((subject: MemberRuntime) => {
  const { replicas } = subject.read.context
  return replicas === undefined || !subject.member.isComplete ? [] : [{ ...subject, replicas }]
})

const FILE_FIELDS = ['certFile', 'keyFile', 'trustedCaFile', 'crlFile', 'clientCertFile', 'clientKeyFile'] as const

type NamedFile = Pick<Setting, 'text' | 'place'>

function filesOf({ member: { sides }, read: { configFile } }: MemberRuntime): NamedFile[] {
  const files = sides
    .filter(({ isAutoTls }) => !isAutoTls)
    .flatMap((side) => FILE_FIELDS.map((field) => side.get(field)))
    .filter((setting) => setting.isSet && !setting.isUnresolved)
  return configFile === null || isUnresolved(configFile.text) ? files : [configFile, ...files]
}

function namesOf(files: readonly NamedFile[]): string[] {
  return [...new Set(files.map(({ text }) => text))]
}

/** The files of a container, each with its mount. `isAbsent`: the volume does not contain the file. */
function mountedFiles(subject: MemberRuntime) {
  const { mounts, directory } = subject.read.context
  if (mounts === null) return []
  return filesOf(subject).map((file) => {
    const at = mountOf(file.text, directory, mounts)
    return { file, at, isAbsent: at?.mount.modes?.has(at.rest) === false }
  })
}

/** Files that are neither on this machine nor in the manifest. */
function filesNotOnHost(subject: MemberRuntime) {
  return mountedFiles(subject).filter(
    ({ file, at, isAbsent }) =>
      !isAbsent && at?.mount.files?.has(at.rest) !== true && subject.read.hostPath(file.text) === null,
  )
}

/** The absolute path that etcd uses, in the container if there is one; null if it is not known. */
export function dataDirectory(member: LintMember): string | null {
  const [setting, name] = [member.server('dataDir'), member.server('name')]
  if (setting.isSet ? setting.isUnresolved : name.isUnresolved) return null
  return posix.resolve(member.context.directory ?? '/', setting.isSet ? setting.text : `${name.text}.etcd`)
}

const MAX_PODS = 100

/** The pods of a StatefulSet and its list of members; null if the pods do not start a new cluster with a known list. */
function podsOf({ member, replicas }: { member: LintMember; replicas: Replicas }) {
  const { kind, name: workload, count, first, variables } = replicas
  const [name, list] = [member.server('name').text, member.server('initialCluster')]
  const isJoining = member.server('initialClusterState').text === 'existing'
  const isOneName = count > 1 && !isUnresolved(name)
  if (kind !== 'StatefulSet' || !list.isSet || isJoining || isOneName) return null
  const pods = Array.from({ length: Math.min(count, MAX_PODS) }, (_, i) => {
    const pod = `${workload}-${String(first + i)}`
    const inPod = (text: string): string =>
      substitute(text, { get: (key) => (variables.includes(key) ? pod : undefined) })
    return { name: inPod(name), inPod }
  })
  const entries = member.listed
  return [...pods, ...entries].some((each) => isUnresolved(each.name)) ? null : { list, pods, entries }
}

/** Whether both names are those of pods of one set. */
function isPodOfSameSet(name: string, known: string): boolean {
  const end = name.lastIndexOf('-') + 1
  return end > 0 && known.startsWith(name.slice(0, end)) && /^\d{1,4}$/.test(name.slice(end))
}

/** Compares only the first label of a name, because the domain may be omitted. */
function isSameEndpoint(a: string, b: string): boolean {
  const [one, other] = [acceptedUrl(a), acceptedUrl(b)]
  if (one === null || other === null) return a === b
  const label = ({ host, isIp }: EtcdUrl): string => (isIp ? host : (host.toLowerCase().split('.', 1)[0] ?? ''))
  return one.isTls === other.isTls && one.port === other.port && label(one) === label(other)
}

/** Whether a URL names a pod of the set with a domain other than that of its service (Kubernetes, "Stable Network ID"). */
function hasWrongPodDomain(url: string, { name: set, service, namespace, variables }: Replicas): boolean {
  const read = acceptedUrl(substitute(url, { get: (key) => (variables.includes(key) ? `${set}-0` : undefined) }))
  if (read === null || isUnresolved(read.host)) return false
  const [own = '', below, space] = read.host.split('.')
  if (below === undefined || !own.startsWith(`${set}-`) || !/^\d{1,4}$/.test(own.slice(set.length + 1))) return false
  return below !== service || (namespace !== null && space !== undefined && space !== namespace)
}

const LOOPBACK = /^(?:127\.|localhost$|::1$)/
/** server/etcdserver/api/etcdhttp/health.go v3.4.29, v3.5.11 */
const LIVEZ_SINCE = ['3.4.29', '3.5.11', '3.6.0'] as const
/** The HTTP paths of etcd (server/etcdserver/api/etcdhttp). */
const HTTP_PATHS = /^\/(?:health|metrics|version|(?:livez|readyz)(?:\/.*)?|debug\/.*|v[23]\/.*)$/

/** Why a probe fails, and the URL that it reaches, if any; null if it succeeds. */
function failureOf(
  probe: Probe,
  { client, peer, version }: LintMember,
  metrics: readonly EtcdUrl[],
): { why: ProbeDetails['why']; url: EtcdUrl | undefined } | null {
  const { by, kind, port, host, path } = probe
  const served = [...client.listen, ...metrics]
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
  if (isTls && client.requiresCertificates && !probe.hasCertificate) return { why: 'certificate', url }
  if (isTls && !probe.hasCa) return { why: 'CA', url }
  if (path === null || kind === 'tcp' || kind === 'grpc') return null
  if (!HTTP_PATHS.test(path)) return { why: 'path', url }
  const isNew = /^\/(?:livez|readyz)/.test(path) && version !== null && availableIn(version, LIVEZ_SINCE) === 'none'
  return isNew ? { why: 'release', url } : null
}

export const runtimeRules = [
  member('config/volume-invalid', (subject) => {
    const { mounts, version, image = '', engine = null, sandbox, directory } = subject.read.context
    const found: Found<'config/volume-invalid'>[] = []
    const of = (files: readonly NamedFile[]) => files.slice(0, 1).map((at) => ({ at, names: namesOf(files) }))
    // The version comes from the tag of an etcd image.
    const isOfficial = version !== null || isOfficialImage(image)
    const folders = [...new Set(mounts?.map(({ inside }) => inside))].sort()
    const missing = filesNotOnHost(subject).flatMap(({ file, at }) => (at === null ? file : []))
    for (const each of of(missing))
      found.push({ ...each, kind: 'not mounted', mounts: folders, by: engine, isOfficial })
    const absent = mountedFiles(subject).filter(({ isAbsent }) => isAbsent)
    const inVolume = [...(absent[0]?.at?.mount.modes?.keys() ?? [])].slice(0, 10)
    for (const each of of(absent.map(({ file }) => file)))
      found.push({ ...each, kind: 'not in the volume', files: inVolume })
    const hiding = (file: NamedFile): string | null =>
      sandbox?.hiddenBy(posix.resolve(directory ?? '/', file.text)) ?? null
    for (const [by, files] of groupBy(filesOf(subject), hiding))
      if (by !== null) found.push({ at: files[0], kind: 'hidden', names: namesOf(files), by })
    return found
  }),
  member('config/not-checked', (subject) => {
    const { read, readsFiles } = subject
    const files = filesNotOnHost(subject).flatMap(({ file, at }) =>
      at !== null && file !== read.configFile ? file : [],
    )
    return readsFiles && files[0] !== undefined && { at: files[0], kind: 'files', what: namesOf(files) }
  }),
  // The files of a Secret or a ConfigMap belong to root (core/v1 SecretVolumeSource).
  member('config/key-not-readable', (subject) => {
    const { user, volumeGroups } = subject.read.context
    // `volumeGroups` is null if the volume has its own group, which can then read the files.
    if (user === null || !/^[1-9]\d*$/.test(user) || !Array.isArray(volumeGroups)) return null
    const needed = volumeGroups.includes('0') ? 0o044 : 0o004
    const modes = mountedFiles(subject).map(({ file, at }) => {
      return { file, mode: at?.mount.modes?.get(at.rest) ?? at?.mount.mode ?? needed }
    })
    const closed = modes.find(({ mode }) => (mode & needed) === 0)
    if (closed === undefined) return null
    const { file: at, mode } = closed
    return { at, kind: 'volume', path: at.text, user, mode: `0${mode.toString(8)}` }
  }),
  member('config/data-not-kept', ({ member, read }) => {
    const { mounts, directory, image = '', isRootReadOnly = false, sandbox } = read.context
    const at = member.server('dataDir')
    const path = dataDirectory(member)
    if (path === null || !member.isComplete) return null
    const lost = <K>(kind: K) => ({ at, kind, path })
    const locked = (by: string) => ({ ...lost('read-only' as const), by })
    if (sandbox !== undefined) {
      const by = at.isSet ? sandbox.readOnlyBy(path) : null
      return by !== null && locked(by)
    }
    // A manifest without any volume is taken as an example.
    if (mounts === null || mounts.length === 0) return null
    const mount = mountOf(path, directory, mounts)?.mount
    if (mount?.isReadOnly === true) return locked(`the volume at ${mount.inside}`)
    if (mount !== undefined) return mount.isLostWith !== undefined && lost(mount.isLostWith)
    // Etcd may keep all its data in a subdirectory.
    if (mounts.some(({ inside }) => inside.startsWith(`${path}/`))) return null
    if (isRootReadOnly) return locked('the root file system of the container')
    return at.isSet && at.option?.isGuess !== true && isOfficialImage(image) && lost('no volume' as const)
  }),
  workload('config/data-not-kept', ({ member, read: { context }, replicas }) => {
    const path = dataDirectory(member)
    const mount = path === null ? undefined : mountOf(path, context.directory, context.mounts ?? [])?.mount
    if (replicas.count <= 1 || path === null || mount?.shared === undefined || isUnresolved(path)) return null
    return { at: member.server('dataDir'), kind: 'shared', path, by: `the ${allPods(replicas)}` }
  }),
  workload('config/members-name-repeated', ({ member, replicas }) => {
    const { text: name, place } = member.server('name')
    return replicas.count > 1 && !isUnresolved(name) && { place, name, members: [`The ${allPods(replicas)}`] }
  }),
  workload('config/member-not-listed', (subject) => {
    const { replicas } = subject
    const { list: at, pods, entries } = podsOf(subject) ?? {}
    if (at === undefined) return null
    const [names, listed] = [pods, entries].map((all) => all?.map(({ name }) => name) ?? []) as [string[], string[]]
    const missing = names.filter((each) => !listed.includes(each))
    const surplus = listed.filter((each) => isPodOfSameSet(each, names[0] ?? '') && !names.includes(each))
    const by = `${replicas.kind} "${replicas.name}"`
    return [
      ...(missing.length > 0 ? [{ at, kind: 'itself' as const, members: missing }] : []),
      ...(surplus.length > 0
        ? [{ at, kind: 'not started' as const, members: [...new Set(surplus)], by, place: replicas.place }]
        : []),
    ]
  }),
  workload('config/cluster-urls-differ', (subject) => {
    const { list: at, pods = [], entries = [] } = podsOf(subject) ?? {}
    const { isSet, values } = subject.member.peer.get('advertiseUrls')
    const urls = pods.map(({ name, inPod }) => {
      const listed = entries.flatMap((each) => (each.name === name ? [each.url] : []))
      return { name, advertised: values.map(inPod), listed }
    })
    const differing = urls.find(({ advertised, listed }) => {
      const isKnown = listed.length > 0 && ![...advertised, ...listed].some(isUnresolved)
      return isKnown && !advertised.every((url) => listed.some((each) => isSameEndpoint(each, url)))
    })
    return at !== undefined && isSet && differing !== undefined && { at, ...differing }
  }),
  member('config/advertise-unreachable', ({ member, read }) => {
    const { replicas } = read.context
    if (replicas?.kind !== 'StatefulSet' || replicas.service === null || isUnresolved(replicas.service)) return null
    const { service, namespace } = replicas
    const [cluster, sides] = [member.server('initialCluster'), [member.client, member.peer]]
    const urls = [
      ...sides
        .map((side) => side.get('advertiseUrls'))
        .flatMap((at) => (at.isSet ? at.values : []).map((url) => ({ at, url }))),
      ...(cluster.isSet ? member.listed : []).map(({ url }) => ({ at: cluster, url })),
    ]
    const wrong = urls.find(({ url }) => hasWrongPodDomain(url, replicas))
    const listen = `${service}${namespace === null ? '' : `.${namespace}`}`
    return wrong !== undefined && { ...wrong, kind: 'service', listen }
  }),
  member('config/probe-unanswered', ({ member, read }) => {
    const { client, peer } = member
    const metrics = member.server('metricsUrls')
    const sources = [client.get('listenUrls'), client.get('httpUrls'), metrics, peer.get('listenUrls')]
    const isOpen = sources.some((each) => each.isUnresolved || each.values.some((text) => each.isUnresolvedEntry(text)))
    if (!member.isComplete || isOpen) return null
    const metricsUrls = urlsOf(metrics, 'listen')
    const plain = metricsUrls.find(({ isTls }) => !isTls)?.text ?? null
    return (read.context.probes ?? []).flatMap((at) => {
      const failed = failureOf(at, member, metricsUrls)
      const { by, port, path } = at
      return failed === null
        ? []
        : [{ at, by, port, path: path ?? '', why: failed.why, url: failed.url?.text ?? null, plain }]
    })
  }),
]

function allPods({ kind, name, count }: Replicas): string {
  return `${String(count)} pods of ${kind} "${name}"`
}
