/** Compares what the processes show with the files and the configurations. */
import type { EtcdConfigFile, EtcdConfigSide } from '../config/read-etcd-config.js'
import { cluster } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import { isOwnUrl } from './addresses.js'
import type { ForecastMember, PairForecast } from './cluster-report.js'
import { forecast, isDateCode } from './forecast.js'
import type { ExaminedMember } from './members.js'
import { isUnreadable } from './plan.js'
import type { SeenPort } from './process.js'

const finding = findingMaker(cluster)

const PORTS = ['client', 'peer'] as const
type Port = (typeof PORTS)[number]

/** A port of a member, and its configuration on this machine. */
interface Side {
  readonly member: ExaminedMember
  readonly port: Port
  readonly seen: SeenPort
  readonly side: EtcdConfigSide
}

function seenOf({ client, peer }: ExaminedMember, port: Port): SeenPort | null {
  return port === 'client' ? (client?.seen ?? null) : peer
}

/** Null if its files are on another machine. */
export function sideOf({ planned }: ExaminedMember, port: Port): EtcdConfigSide | null {
  return planned?.evidence.otherMachine === null ? planned.config[port] : null
}

function sidesOf(member: ExaminedMember): Side[] {
  return PORTS.flatMap((port) => {
    const [seen, side] = [seenOf(member, port), sideOf(member, port)]
    return seen === null || side === null ? [] : [{ member, port, seen, side }]
  })
}

/** The start of a process is known within two seconds. */
const START_MARGIN = 2000

function isAfterStart(date: Date | null, { startedAt }: ExaminedMember): boolean {
  return startedAt !== null && date !== null && date.getTime() > startedAt.getTime() + START_MARGIN
}

/** Nothing sets ctime, which `cp -p` changes as well. */
function isFileChanged({ changedAt, modifiedAt }: EtcdConfigFile, member: ExaminedMember): boolean {
  return isAfterStart(changedAt ?? modifiedAt, member)
}

type ServedDiffers = Finding<'cluster/served-differs-from-file'>

/** Findings about certificates that differ from their files. */
export function compareServed(members: readonly ExaminedMember[]): ServedDiffers[] {
  return members.flatMap(sidesOf).flatMap(({ member, port, seen, side }) => {
    const [served, file] = [seen.chain[0], side.cert]
    if (served === undefined || file === null) return []
    const [inFile] = file.certificates
    const isMounted = member.replacedMounts.has(file.path)
    if (!isMounted && (inFile === undefined || inFile.equals(served))) return []
    const isOwn = port === 'peer' || isOwnUrl(seen.url, member)
    const at = { member: member.label, port, isOwn, endpoint: seen.url, file: file.path, served: served.serialNumber }
    // Through /proc the file is the one that the process sees, which was removed from the disk.
    const details = { ...at, inFile: isMounted ? null : (inFile?.serialNumber ?? null) }
    const isOf = (each: ExaminedMember): boolean =>
      PORTS.some((one) => sideOf(each, one)?.cert?.certificates[0]?.equals(served) === true)
    const other = members.find((each) => each !== member && isOf(each))
    const cause = isMounted ? ({ kind: 'mount' } as const) : causeOf({ member, port, seen, side }, file, other)
    return [finding('cluster/served-differs-from-file', { ...details, ...cause }, certificateRef(served, 'leaf', 0))]
  })
}

function causeOf({ member, seen, side }: Side, file: EtcdConfigFile, other: ExaminedMember | undefined) {
  if (other !== undefined) return { kind: 'other member', other: other.label } as const
  const demand = seen.observation.clientCertificate
  const planned = side.requiresCertificates === true ? 'required' : 'not-requested'
  if (demand !== null && side.requiresCertificates !== null && demand !== planned)
    return { kind: 'proxy', demand: DEMANDS[demand] } as const
  const { configChangedAt, planned: config } = member
  if (isOwnUrl(seen.url, member) && isAfterStart(configChangedAt, member))
    return { kind: 'configuration', source: config?.evidence.source ?? '' } as const
  return { kind: configChangedAt !== null && isFileChanged(file, member) ? 'mount' : 'unknown' } as const
}

const DEMANDS = { required: 'requires', requested: 'requests', 'not-requested': 'does not request' } as const

type CaNotReloaded = Finding<'cluster/ca-not-reloaded'>

/** Most names in the details of a finding. */
const MAX_NAMES = 50

/** Findings about CA files that the process has not read. A port at which something else answers says nothing about etcd. */
export function compareAuthorities(
  members: readonly ExaminedMember[],
  differing: readonly ServedDiffers[],
): CaNotReloaded[] {
  const others = differing.filter(({ details }) => details.kind === 'proxy' || details.kind === 'other member')
  const found = members.flatMap(sidesOf).flatMap((given): CaNotReloaded[] => {
    const { member, port, seen, side } = given
    const accepts = seen.observation.acceptedAuthorities ?? []
    const file = side.ca
    if (others.some(({ details }) => details.endpoint === seen.url) || accepts.length === 0) return []
    if (file?.problem !== null || file.certificates.length === 0) return []
    const details = { member: member.label, port, endpoint: seen.url, file: file.path }
    if (namesDiffer(accepts, file.certificates)) {
      const names = file.certificates.slice(0, MAX_NAMES).map(({ subject }) => String(subject))
      const accepted = accepts.slice(0, MAX_NAMES).map(String)
      return [finding('cluster/ca-not-reloaded', { kind: 'names', ...details, accepts: accepted, names })]
    }
    const { startedAt } = member
    const { changedAt } = file
    if (startedAt === null || changedAt === null || !isFileChanged(file, member)) return []
    if (isVerifiablyRead(member, file)) return []
    return [finding('cluster/ca-not-reloaded', { kind: 'same names', ...details, changedAt, startedAt })]
  })
  // The same file on both ports is one cause.
  const isSame = (a: CaNotReloaded, b: CaNotReloaded): boolean =>
    a.details.member === b.details.member && a.details.file === b.details.file
  return found.filter((each, i) => found.findIndex((one) => isSame(one, each)) === i)
}

function namesDiffer(names: readonly DistinguishedName[], certificates: readonly Certificate[]): boolean {
  const [a, b] = [new Set(names.map(({ key }) => key)), new Set(certificates.map(({ subject }) => subject.key))]
  return a.size !== b.size || [...a].some((each) => !b.has(each))
}

/** Whether etcd accepted a certificate of each CA of the file: then it has read these keys. */
function isVerifiablyRead({ client, planned }: ExaminedMember, file: EtcdConfigFile): boolean {
  const isAnswered = (client?.answers ?? null) !== null && planned?.config.client.ca?.path === file.path
  return isAnswered && file.certificates.every((ca) => isIssuing(ca, client?.pair?.credentials.chain ?? []))
}

/** What the forecast needs of a member: as it runs now, or as it is after a restart. */
export function forecastMember(
  member: ExaminedMember,
  when: 'now' | 'restarted',
  known: readonly Certificate[],
): ForecastMember {
  const side = sideOf(member, 'peer')
  const chainOr = (list: readonly Certificate[] = []): readonly Certificate[] | null => (list.length > 0 ? list : null)
  const [inFile, served] = [chainOr(side?.cert?.certificates), chainOr(member.peer?.chain)]
  const demand = member.peer?.observation.clientCertificate ?? null
  const isDemanded = demand === null ? null : demand !== 'not-requested'
  const isPlanned = side?.requiresCertificates ?? null
  const isNow = when === 'now'
  return {
    name: member.label,
    isLearner: member.listed.isLearner,
    peerUrls: member.listed.peerURLs,
    chain: isNow ? (served ?? inFile) : (inFile ?? served),
    clientChain: chainOr(side?.clientCert?.certificates),
    anchors: isNow ? runningAnchors(member, known) : chainOr(side?.ca?.certificates),
    requiresCertificates: (isNow ? (isDemanded ?? isPlanned) : (isPlanned ?? isDemanded)) ?? false,
    allowedNames: side?.allowedCommonNames ?? [],
    allowedHosts: side?.allowedHostnames ?? [],
    crls: side?.crl?.crls ?? [],
    checksAddress: side?.skipClientSanVerification !== true,
  }
}

/** The CAs that the process has read for peers: those of its file, if it is the same; else those with the names that it accepts. Null: not known. */
function runningAnchors(member: ExaminedMember, known: readonly Certificate[]): readonly Certificate[] | null {
  const file = sideOf(member, 'peer')?.ca ?? null
  const names = member.peer?.observation.acceptedAuthorities ?? null
  // After a change of the file, a CA of the same name may have another key.
  if (file !== null && isFileChanged(file, member)) return null
  const inFile = file?.certificates ?? []
  if (inFile.length > 0 && (names === null || !namesDiffer(names, inFile))) return inFile
  const found = (names ?? []).map((name) => known.filter(({ subject }) => subject.equals(name)))
  return found.length > 0 && found.every((each) => each.length > 0) ? found.flat() : null
}

type RefusedAfterRestart = Finding<'cluster/refused-after-restart'>

/** The certificate of a client, and whose it is. */
export interface NamedChain {
  readonly name: string
  readonly chain: readonly Certificate[]
}

/** Findings about what the next restart of a member breaks. */
export function compareRestart(
  members: readonly ExaminedMember[],
  { known, clients, at }: { known: readonly Certificate[]; clients: readonly NamedChain[]; at: Date },
): RefusedAfterRestart[] {
  const now = members.map((each) => forecastMember(each, 'now', known))
  const before = forecast(now, { at }).pairs
  return members.flatMap((member, i) => {
    const peer = sideOf(member, 'peer')
    if (peer === null) return []
    const start = reasonNotToStart(member)
    if (start !== null) return [start]
    const own = member.label
    const restarted = forecastMember(member, 'restarted', known)
    const lost = now.toSpliced(i, 1).flatMap((other) => {
      const isPair = ({ members: pair }: PairForecast): boolean => pair.includes(own) && pair.includes(other.name)
      if (!before.some((each) => isPair(each) && isAlive(each))) return []
      return forecast([restarted, other], { at }).pairs.filter((pair) => !isAlive(pair))
    })
    // etcd checks dates at each handshake already.
    const refusals = lost.flatMap((pair) => pair.refusals).filter(({ code }) => !isDateCode(code))
    const { reason } = refusals.find(({ by }) => by === own) ?? refusals[0] ?? {}
    const refused = lost.map(({ members: [, other] }) => other)
    const chains = lost.map(({ members: [, other] }) => now.find(({ name }) => name === other)?.chain ?? [])
    const details = { kind: 'members', member: own, ...afterRestart(member, 'peer', chains), refused } as const
    return [
      ...(reason === undefined ? [] : [finding('cluster/refused-after-restart', { ...details, reason })]),
      ...clients.flatMap((each) => refusedClient(member, each, at)),
    ]
  })
}

export function isAlive({ until, isKnown }: PairForecast): boolean {
  return until !== null || !isKnown
}

const CLIENT: ForecastMember = {
  ...{ name: '', isLearner: false, peerUrls: [], chain: null, clientChain: null, anchors: null },
  ...{ requiresCertificates: false, allowedNames: [], allowedHosts: [], crls: [], checksAddress: false },
}

function refusedClient(member: ExaminedMember, { name, chain }: NamedChain, at: Date): RefusedAfterRestart[] {
  const side = sideOf(member, 'client')
  const anchors = side?.ca?.certificates ?? []
  const accepted = member.client?.seen.observation.acceptedAuthorities ?? []
  // The member answers, and accepts the CA of the certificate now.
  const isAnswered = (member.client?.answers ?? null) !== null
  const isAccepted = isAnswered && chain.some(({ issuer }) => accepted.some((each) => each.equals(issuer)))
  const [leaf] = chain
  if (leaf === undefined || !isAccepted || side?.requiresCertificates !== true || anchors.length === 0) return []
  const { label } = member
  const allowed = { allowedNames: side.allowedCommonNames, allowedHosts: side.allowedHostnames }
  const restarted = { ...CLIENT, ...allowed, name: label, anchors, requiresCertificates: true }
  const [pair] = forecast([{ ...CLIENT, chain }, restarted], { at }).pairs
  const refusal = pair?.refusals.find(({ from }) => from === CLIENT.name)
  if (refusal === undefined || isDateCode(refusal.code)) return []
  const details = { member: label, ...afterRestart(member, 'client', [chain]), reason: refusal.reason, client: name }
  const subject = leaf.subject.toString()
  const ref = certificateRef(leaf, 'leaf', 0)
  return [finding('cluster/refused-after-restart', { kind: 'clients', ...details, subject }, ref)]
}

/**
 * The CA file that the next start reads, and how the CA in use gets back: a file of the configuration that has it, or the same file if it
 * was replaced.
 *
 * @param chains What the member accepts now.
 */
function afterRestart(member: ExaminedMember, port: Port, chains: readonly (readonly Certificate[])[]) {
  const { planned, configChangedAt } = member
  const file = sideOf(member, port)?.ca ?? null
  const path = file?.path ?? planned?.evidence.source ?? ''
  const others = PORTS.flatMap((one) => sideOf(member, one)?.ca ?? []).filter((each) => each.path !== path)
  const inUse = others.find(({ certificates }) =>
    chains.every((chain) => certificates.some((ca) => isIssuing(ca, chain))),
  )
  // kube-apiserver, and others, accept the clients of the CAs in the other files of kubeadm.
  const isForeign =
    /(?:^|\/)pki\/[^/]+$/.test(path) && (planned?.evidence.kind === 'kubeadm' || path.startsWith('/etc/kubernetes/'))
  const isEdited = isAfterStart(configChangedAt, member) && file !== null && !isFileChanged(file, member)
  return {
    file: path,
    option: file?.place.option ?? (port === 'peer' ? '--peer-trusted-ca-file' : '--trusted-ca-file'),
    inUse: inUse?.path ?? null,
    isOwn: !isForeign && !isEdited,
  }
}

export function isIssuing(ca: Certificate, chain: readonly Certificate[]): boolean {
  return chain.some((each) => each.issuer.equals(ca.subject) && each.isSignedBy(ca))
}

/** A fault of the files or of the configuration that etcd finds only at its start. */
function reasonNotToStart({ client, planned, label }: ExaminedMember): RefusedAfterRestart | null {
  if ((client?.answers ?? null) === null || planned === null) return null
  const { config, evidence } = planned
  const files = [config.client, config.peer].flatMap(({ cert, key, ca }) =>
    [cert, key, ca].filter((each) => each !== null),
  )
  const broken = files.find(({ problem }) => problem !== null && !isUnreadable(problem))
  const problem = broken?.problem ?? config.findings.find(isRefusedAtStart)
  if (problem === undefined) return null
  const details = {
    member: label,
    file: broken?.path ?? evidence.source,
    reason: problem.message,
    remedy: problem.remedy,
  }
  return { ...finding('cluster/refused-after-restart', { kind: 'start', ...details }), consequences: [problem] }
}

/** etcd ignores keys and variables that it does not know; of its flags, it refuses them. */
function isRefusedAtStart({ code, severity }: Finding): boolean {
  return severity === 'error' && code !== 'config/protection-ignored'
}
