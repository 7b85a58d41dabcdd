/** Compares what the processes show with the files and the configurations. */
import { groupBy } from '../config/internal.js'
import type { EtcdConfigFile, EtcdConfigSide } from '../config/index.js'
import { findingMaker } from '../report/internal.js'
import { cluster } from '../report/internal-catalogue.js'
import type { Finding } from '../report/index.js'
import { Dials, type ForecastMember, isAlive, isDateCode } from '../validate/internal.js'
import { type Certificate, certificateRef, type DistinguishedName } from '../x509/internal.js'
import { isOwnUrl } from './addresses.js'
import type { Comparison, ExaminedMember, NamedChain, Port, SeenPort } from './evidence.js'
import { isUnreadable } from './plan.js'
import { filesOf, isAnswering, isIssuing, isOfAccepted, PORTS, sideOf } from './read-evidence.js'

const finding = findingMaker(cluster)

/** A port of a member, and its configuration on this machine. */
interface Side {
  readonly member: ExaminedMember
  readonly port: Port
  readonly seen: SeenPort
  readonly side: EtcdConfigSide
}

function sidesOf(member: ExaminedMember): Side[] {
  return PORTS.flatMap((port) => {
    const [seen, side] = [member[port], sideOf(member, port)]
    return seen === null || side === null ? [] : [{ member, port, seen, side }]
  })
}

/** The start of a process is known within two seconds. */
const START_MARGIN = 2000

function isAfterStart(date: Date | null, { startedAt }: ExaminedMember): boolean {
  return startedAt !== null && date !== null && date.getTime() > startedAt.getTime() + START_MARGIN
}

/** `cp -p` sets mtime and not `changedAt`. */
function isFileChanged({ changedAt, modifiedAt }: EtcdConfigFile, member: ExaminedMember): boolean {
  return isAfterStart(changedAt ?? modifiedAt, member)
}

type ServedDiffers = Finding<'cluster/served-differs-from-file'>

export function compareServed(members: readonly ExaminedMember[]): ServedDiffers[] {
  return members.flatMap(sidesOf).flatMap(({ member, port, seen, side }) => {
    const [served, file] = [seen.chain[0], side.cert]
    if (served === undefined || file === null) return []
    const [inFile] = file.certificates
    const isMounted = member.replacedMounts.has(file.path)
    if (!isMounted && (inFile === undefined || inFile.equals(served))) return []
    const isOf = (each: ExaminedMember): boolean =>
      filesOf(each, 'cert').some(({ certificates: [leaf] }) => leaf?.equals(served) === true)
    const other = members.find((each) => each !== member && isOf(each))
    const details = {
      ...{ member: member.label, port, endpoint: seen.url, file: file.path, served: served.serialNumber },
      isOwn: port === 'peer' || isOwnUrl(seen.url, member),
      // Through /proc the file is the one that the process sees, which was removed from the disk.
      inFile: isMounted ? null : (inFile?.serialNumber ?? null),
    }
    const kind = isMounted ? 'mount' : 'unknown'
    const ref = certificateRef(served, 'leaf', 0)
    return isMounted || other === undefined
      ? [finding('cluster/served-differs-from-file', { kind, ...details }, ref)]
      : [finding('cluster/served-differs-from-file', { kind: 'other member', ...details, other: other.label }, ref)]
  })
}

type CaNotReloaded = Finding<'cluster/ca-not-reloaded'>

export const MAX_NAMES = 50

/** Findings about CA files that the process has not read. A port at which something else answers says nothing about etcd. */
export function compareAuthorities(
  members: readonly ExaminedMember[],
  differing: readonly ServedDiffers[],
): CaNotReloaded[] {
  const others = differing.filter(({ details }) => details.kind !== 'mount')
  const found = members.flatMap(sidesOf).flatMap(({ member, port, seen, side }): CaNotReloaded[] => {
    const accepts = seen.acceptedAuthorities ?? []
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
  const causes = groupBy(found, ({ details: { member, file } }) => [member, file].join('\n'))
  return causes.map(([, [first]]) => first)
}

function namesDiffer(names: readonly DistinguishedName[], certificates: readonly Certificate[]): boolean {
  const [a, b] = [new Set(names.map(({ key }) => key)), new Set(certificates.map(({ subject }) => subject.key))]
  return a.size !== b.size || [...a].some((each) => !b.has(each))
}

/** Whether etcd accepted a certificate of each CA of the file: then it has read these keys. */
function isVerifiablyRead(member: ExaminedMember, file: EtcdConfigFile): boolean {
  const { client, planned } = member
  if (!isAnswering(member) || planned?.config.client.ca?.path !== file.path) return false
  return file.certificates.every((ca) => isIssuing(ca, client?.pair?.credentials.chain ?? []))
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
  const demand = member.peer?.clientCertificate ?? null
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
  const names = member.peer?.acceptedAuthorities ?? null
  // After a change of the file, a CA of the same name may have another key.
  if (file !== null && isFileChanged(file, member)) return null
  const inFile = file?.certificates ?? []
  if (inFile.length > 0 && (names === null || !namesDiffer(names, inFile))) return inFile
  const found = (names ?? []).map((name) => known.filter(({ subject }) => subject.equals(name)))
  return found.length > 0 && found.every((each) => each.length > 0) ? found.flat() : null
}

type RefusedAfterRestart = Finding<'cluster/refused-after-restart'>

/** Findings about what the next restart of a member breaks. */
export function compareRestart({
  members,
  now,
  expected,
  clients,
  at,
}: Pick<Comparison, 'members' | 'now' | 'expected' | 'clients' | 'at'>): RefusedAfterRestart[] {
  const dials = new Dials(at)
  return members.flatMap((member, i) => {
    const start = reasonNotToStart(member)
    if (sideOf(member, 'peer') === null || start !== null) return start ?? []
    const own = member.label
    const restarted = forecastMember(member, 'restarted', [])
    const lost = now.toSpliced(i, 1).flatMap((other) => {
      const isConnected = expected.pairs.some(
        (pair) => isAlive(pair) && pair.members.includes(own) && pair.members.includes(other.name),
      )
      const { until, refusals } = dials.between(restarted, other)
      return isConnected && until === -Infinity ? [{ other, refusals }] : []
    })
    // etcd checks dates at each handshake already.
    const refusals = lost.flatMap((each) => each.refusals).filter(({ code }) => !isDateCode(code))
    const { reason } = refusals.find(({ by }) => by === own) ?? refusals[0] ?? {}
    const refused = lost.map(({ other }) => other.name)
    const chains = lost.map(({ other }) => other.chain ?? [])
    const details = { kind: 'members', member: own, ...afterRestart(member, 'peer', chains), refused } as const
    return [
      ...(reason === undefined ? [] : [finding('cluster/refused-after-restart', { ...details, reason })]),
      ...clients.flatMap((each) => refusedClient(member, each, dials)),
    ]
  })
}

function refusedClient(member: ExaminedMember, { name, chain }: NamedChain, dials: Dials): RefusedAfterRestart[] {
  const side = sideOf(member, 'client')
  const anchors = side?.ca?.certificates ?? []
  // The member answers, and accepts the CA of the certificate now.
  const isAccepted = isAnswering(member) && isOfAccepted(chain, member.client?.acceptedAuthorities ?? [])
  const [leaf] = chain
  if (leaf === undefined || !isAccepted || side?.requiresCertificates !== true || anchors.length === 0) return []
  const allowed = { allowedNames: side.allowedCommonNames, allowedHosts: side.allowedHostnames }
  const accepted = dials.acceptsClient({ anchors, ...allowed, crls: [], checksAddress: false }, chain, [])
  if (!('reason' in accepted) || isDateCode(accepted.code)) return []
  const details = { member: member.label, ...afterRestart(member, 'client', [chain]), reason: accepted.reason }
  const subject = leaf.subject.toString()
  const ref = certificateRef(leaf, 'leaf', 0)
  return [finding('cluster/refused-after-restart', { kind: 'clients', ...details, client: name, subject }, ref)]
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
  const isInUse = ({ path: other, certificates }: EtcdConfigFile): boolean =>
    other !== path && chains.every((chain) => certificates.some((ca) => isIssuing(ca, chain)))
  // kube-apiserver, and others, accept the clients of the CAs in the other files of kubeadm.
  const isForeign =
    /(?:^|\/)pki\/[^/]+$/.test(path) && (planned?.evidence.kind === 'kubeadm' || path.startsWith('/etc/kubernetes/'))
  const isEdited = isAfterStart(configChangedAt, member) && file !== null && !isFileChanged(file, member)
  return {
    file: path,
    option: file?.place.option ?? (port === 'peer' ? '--peer-trusted-ca-file' : '--trusted-ca-file'),
    inUse: filesOf(member, 'ca').find(isInUse)?.path ?? null,
    isOwn: !isForeign && !isEdited,
  }
}

/** A fault of the files or of the configuration that etcd finds only at its start. */
function reasonNotToStart(member: ExaminedMember): RefusedAfterRestart | null {
  const { planned, label } = member
  if (!isAnswering(member) || planned === null) return null
  const { config, evidence } = planned
  const files = PORTS.flatMap((port) => [config[port].cert, config[port].key, config[port].ca])
  const broken = files.flatMap((each) => each ?? []).find(({ problem }) => problem !== null && !isUnreadable(problem))
  const problem = broken?.problem ?? config.findings.find(isRefusedAtStart)
  if (problem === undefined) return null
  const { message: reason, remedy } = problem
  const details = { member: label, file: broken?.path ?? evidence.source, reason, remedy }
  return { ...finding('cluster/refused-after-restart', { kind: 'start', ...details }), consequences: [problem] }
}

/** etcd ignores keys and variables that it does not know; of its flags, it refuses them. */
function isRefusedAtStart({ code, severity }: Finding): boolean {
  return severity === 'error' && code !== 'config/protection-ignored'
}
