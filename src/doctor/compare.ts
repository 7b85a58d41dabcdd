/** Compares what the processes show with the files and the configurations. */
import type { EtcdConfigFile, EtcdConfigSide } from '../config/read-etcd-config.js'
import type { Credentials } from '../credentials/credentials.js'
import { cluster } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker } from '../report/finding.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import type { DistinguishedName } from '../x509/distinguished-name.js'
import type { ForecastMember } from './cluster-report.js'
import { forecast } from './forecast.js'
import type { ExaminedMember } from './members.js'
import type { SeenPort } from './process.js'

export const finding = findingMaker(cluster)

const PORTS = ['client', 'peer'] as const
type Port = (typeof PORTS)[number]

/** The start time of a process is known within two seconds. */
const START_MARGIN = 2000

function seenOf(member: ExaminedMember, port: Port): SeenPort | null {
  return port === 'client' ? (member.client?.seen ?? null) : member.peer
}

/** Null if its files are on another machine. */
function sideOf({ planned }: ExaminedMember, port: Port): EtcdConfigSide | null {
  return planned === null || planned.evidence.otherMachine !== null ? null : planned.config[port]
}

function isAfterStart(date: Date | null | undefined, { startedAt }: ExaminedMember): boolean {
  return startedAt !== null && date != null && date.getTime() > startedAt.getTime() + START_MARGIN
}

/** Findings about certificates that differ from their files, by member and port. */
export function compareServed(members: readonly ExaminedMember[]): Finding<'cluster/served-differs-from-file'>[] {
  return members.flatMap((member) =>
    PORTS.flatMap((port) => {
      const seen = seenOf(member, port)
      const [file, served] = [sideOf(member, port)?.cert ?? null, seen?.chain[0]]
      if (seen === null || file === null || served === undefined) return []
      return servedDiffers({ member, port, seen, file, served, members })
    }),
  )
}

interface ServedCertificate {
  readonly member: ExaminedMember
  readonly members: readonly ExaminedMember[]
  readonly port: Port
  readonly seen: SeenPort
  readonly file: EtcdConfigFile
  readonly served: Certificate
}

function servedDiffers(given: ServedCertificate): Finding<'cluster/served-differs-from-file'>[] {
  const { member, members, port, seen, file, served } = given
  const [inFile] = file.certificates
  const isMounted = member.replacedMounts.has(file.path)
  if (!isMounted && (inFile === undefined || inFile.equals(served))) return []
  const details = {
    ...{ member: member.label, port, endpoint: seen.url, file: file.path, served: served.serialNumber },
    // Through /proc the file is the one that the process sees, which was removed from the disk.
    inFile: isMounted ? null : (inFile?.serialNumber ?? null),
  }
  const ref = certificateRef(served, 'leaf', 0)
  const make = (more: Parameters<typeof finding<'cluster/served-differs-from-file'>>[1]) => [
    finding('cluster/served-differs-from-file', more, ref),
  ]
  if (isMounted) return make({ kind: 'mount', ...details })
  const other = members.find(
    (each) => each !== member && PORTS.some((one) => sideOf(each, one)?.cert?.certificates[0]?.equals(served) === true),
  )
  if (other !== undefined) return make({ kind: 'other member', ...details, other: other.label })
  const demand = seen.observation.clientCertificate
  const requires = sideOf(member, port)?.requiresCertificates ?? null
  if (demand !== null && requires !== null && demand !== (requires ? 'required' : 'not-requested'))
    return make({ kind: 'proxy', ...details, demand: DEMANDS[demand] })
  if (isAfterStart(member.configChangedAt, member))
    return make({ kind: 'configuration', ...details, source: member.planned?.evidence.source ?? '' })
  const isReplaced = isAfterStart(file.changedAt, member) && member.configChangedAt !== null
  return make({ kind: isReplaced ? 'mount' : 'unknown', ...details })
}

const DEMANDS = { required: 'requires', requested: 'requests', 'not-requested': 'does not request' } as const

/** Findings about CA files that the process has not read. A port on which something else answers says nothing about etcd. */
export function compareAuthorities(
  members: readonly ExaminedMember[],
  differing: readonly Finding<'cluster/served-differs-from-file'>[],
  credentials: Credentials | null,
): Finding<'cluster/ca-not-reloaded'>[] {
  return members.flatMap((member) => {
    const found: Finding<'cluster/ca-not-reloaded'>[] = []
    for (const port of PORTS) {
      const seen = seenOf(member, port)
      const isOther = differing.some(
        ({ details: { kind, endpoint } }) => endpoint === seen?.url && (kind === 'proxy' || kind === 'other member'),
      )
      const file = sideOf(member, port)?.ca ?? null
      const accepts = seen?.observation.acceptedAuthorities ?? null
      if (isOther || seen === null || file === null || file.problem !== null || accepts === null) continue
      if (file.certificates.length === 0 || accepts.length === 0) continue
      const [earlier] = found.filter(({ details }) => details.file === file.path)
      const at = { member: member.label, port: earlier === undefined ? port : ('client and peer' as const) }
      const details = { ...at, endpoint: seen.url, file: file.path, source: member.planned?.evidence.source ?? '' }
      const now = namesDiffer(accepts, file.certificates)
        ? finding('cluster/ca-not-reloaded', {
            ...{ kind: 'names' as const, ...details, accepts: accepts.slice(0, MAX_NAMES).map(String) },
            names: file.certificates.slice(0, MAX_NAMES).map(({ subject }) => subject.toString()),
          })
        : sameNames(member, file, details, credentials)
      if (now === null) continue
      if (earlier === undefined) found.push(now)
      else if (earlier.details.kind === now.details.kind) found.splice(found.indexOf(earlier), 1, now)
    }
    return found
  })
}

/** Most names in the details of a finding. */
const MAX_NAMES = 50

function namesDiffer(names: readonly DistinguishedName[], certificates: readonly Certificate[]): boolean {
  const [a, b] = [new Set(names.map(({ key }) => key)), new Set(certificates.map(({ subject }) => subject.key))]
  return a.size !== b.size || [...a].some((each) => !b.has(each))
}

function sameNames(
  member: ExaminedMember,
  file: EtcdConfigFile,
  details: Omit<Parameters<typeof finding<'cluster/ca-not-reloaded'>>[1], 'kind' | 'accepts' | 'names'>,
  credentials: Credentials | null,
): Finding<'cluster/ca-not-reloaded'> | null {
  const { startedAt } = member
  const changedAt = lastChange(file)
  if (startedAt === null || changedAt === null || !isAfterStart(changedAt, member)) return null
  if (isProvenRead(member, file, credentials)) return null
  return finding('cluster/ca-not-reloaded', { kind: 'same names', ...details, changedAt, startedAt })
}

/** `cp -p` keeps mtime, and nothing sets ctime. */
function lastChange({ changedAt, modifiedAt }: EtcdConfigFile): Date | null {
  return changedAt ?? modifiedAt
}

/** Whether etcd accepted a certificate of each CA of the file: then it has read these keys. */
function isProvenRead(
  { client, planned }: ExaminedMember,
  file: EtcdConfigFile,
  credentials: Credentials | null,
): boolean {
  if (client?.answers == null || planned?.config.client.ca?.path !== file.path) return false
  return file.certificates.every((ca) =>
    credentials?.chain.some((each) => each.issuer.equals(ca.subject) && each.isSignedBy(ca)),
  )
}

/** What {@link forecast} needs of a member: as it runs now, or as it is after a restart. */
export function forecastMember(
  member: ExaminedMember,
  when: 'now' | 'restarted',
  known: readonly Certificate[],
): ForecastMember {
  const side = sideOf(member, 'peer')
  const { seen } = { seen: member.peer }
  const nonEmpty = <T>(list: readonly T[] | undefined): readonly T[] | null =>
    list === undefined || list.length === 0 ? null : list
  const inFile = nonEmpty(side?.cert?.certificates)
  const served = nonEmpty(seen?.chain)
  const demand = seen?.observation.clientCertificate ?? null
  const requires = side?.requiresCertificates ?? null
  const isRunning = when === 'now'
  return {
    name: member.label,
    isLearner: member.listed.isLearner,
    peerUrls: member.listed.peerURLs,
    chain: isRunning ? (served ?? inFile) : (inFile ?? served),
    clientChain: nonEmpty(side?.clientCert?.certificates),
    anchors: isRunning ? runningAnchors(member, 'peer', known) : (nonEmpty(side?.ca?.certificates) ?? null),
    requiresCertificates:
      isRunning && demand !== null ? demand !== 'not-requested' : (requires ?? demand === 'required'),
    allowedNames: side?.allowedCommonNames ?? [],
    allowedHosts: side?.allowedHostnames ?? [],
    crls: side?.crl?.crls ?? [],
    checksAddress: side?.skipClientSanVerification !== true,
  }
}

/** The CAs that the process has read: those of its file, if it is the same; else those with the names that it accepts. Null: not known. */
function runningAnchors(
  member: ExaminedMember,
  port: Port,
  known: readonly Certificate[],
): readonly Certificate[] | null {
  const file = sideOf(member, port)?.ca ?? null
  const names = seenOf(member, port)?.observation.acceptedAuthorities ?? null
  const isSame = file !== null && !isAfterStart(lastChange(file), member)
  if (
    file !== null &&
    file.certificates.length > 0 &&
    isSame &&
    (names === null || !namesDiffer(names, file.certificates))
  )
    return file.certificates
  if (names === null || names.length === 0) return null
  const found = names.map((name) => known.filter(({ subject }) => subject.equals(name)))
  // After a change of the file, a CA of the same name may have another key.
  return found.every((each) => each.length > 0) && (file === null || isSame) ? found.flat() : null
}

/** Findings about what the next restart of a member breaks. */
export function compareRestart(
  members: readonly ExaminedMember[],
  { known, clients, at }: { known: readonly Certificate[]; clients: readonly NamedChain[]; at: Date },
): Finding<'cluster/refused-after-restart'>[] {
  const now = members.map((each) => forecastMember(each, 'now', known))
  const before = forecast(now, { at })
  const isConnected = (a: string, b: string): boolean =>
    before.pairs.some((pair) => pair.members.includes(a) && pair.members.includes(b) && isAlive(pair))
  return members.flatMap((member, i) => {
    const [peer, client] = [sideOf(member, 'peer'), sideOf(member, 'client')]
    if (peer === null || client === null) return []
    const start = reasonNotToStart(member)
    if (start !== null) return [start]
    const restarted = forecastMember(member, 'restarted', known)
    const { pairs } = forecast([restarted, ...now.toSpliced(i, 1)], { at })
    const lost = pairs.filter(
      (pair) => pair.members[0] === member.label && !isAlive(pair) && isConnected(member.label, pair.members[1]),
    )
    const [first] = lost
    const found: Finding<'cluster/refused-after-restart'>[] = []
    if (first !== undefined) {
      const reason = first.refusals.find(({ by }) => by === member.label)?.reason ?? first.refusals[0]?.reason ?? ''
      const file = peer.ca?.path ?? member.planned?.evidence.source ?? ''
      const refused = lost.map((pair) => pair.members[1])
      found.push(
        finding('cluster/refused-after-restart', { kind: 'members', member: member.label, file, reason, refused }),
      )
    }
    return [...found, ...clients.flatMap((each) => refusedClient(member, client, each, at))]
  })
}

function isAlive({ until, isKnown }: { until: Date | null; isKnown: boolean }): boolean {
  return until !== null || !isKnown
}

/** The certificate of a client, and whose it is. */
export interface NamedChain {
  readonly name: string
  readonly chain: readonly Certificate[]
}

function refusedClient(
  member: ExaminedMember,
  side: EtcdConfigSide,
  { name, chain }: NamedChain,
  at: Date,
): Finding<'cluster/refused-after-restart'>[] {
  const [leaf] = chain
  const anchors = side.ca?.certificates ?? []
  const accepted = member.client?.seen.observation.acceptedAuthorities ?? []
  // Etcd accepts it now: it answered, or it accepts the CA of the certificate.
  const isAccepted =
    member.client?.answers != null && chain.some(({ issuer }) => accepted.some((each) => each.equals(issuer)))
  if (leaf === undefined || !isAccepted || side.requiresCertificates !== true || anchors.length === 0) return []
  const none = { isLearner: false, peerUrls: [], clientChain: null, crls: [], checksAddress: false }
  const restarted = {
    ...{ ...none, name: member.label, chain: null, anchors, requiresCertificates: true },
    ...{ allowedNames: side.allowedCommonNames, allowedHosts: side.allowedHostnames },
  }
  const dialling = {
    ...none,
    name: '',
    chain,
    anchors: null,
    requiresCertificates: false,
    allowedNames: [],
    allowedHosts: [],
  }
  const refusal = forecast([dialling, restarted], { at }).pairs[0]?.refusals.find(({ by }) => by === member.label)
  if (refusal === undefined || refusal.from !== '') return []
  const details = { member: member.label, file: side.ca?.path ?? '', reason: refusal.reason, client: name }
  const subject = leaf.subject.toString()
  return [
    finding('cluster/refused-after-restart', { kind: 'clients', ...details, subject }, certificateRef(leaf, 'leaf', 0)),
  ]
}

/** A fault of the files or of the configuration that etcd finds only at its start. */
function reasonNotToStart(member: ExaminedMember): Finding<'cluster/refused-after-restart'> | null {
  const isRunning = member.client?.answers != null
  const { config, evidence } = member.planned ?? {}
  if (!isRunning || config === undefined || evidence === undefined) return null
  const files = [config.client, config.peer].flatMap(({ cert, key, ca }) =>
    [cert, key, ca].filter((each) => each !== null),
  )
  const broken = files.find(({ problem }) => problem !== null)
  const problem = broken?.problem ?? config.findings.find(({ severity }) => severity === 'error')
  if (problem == null) return null
  const { message: reason, remedy } = problem
  const file = broken?.path ?? evidence.source
  const made = finding('cluster/refused-after-restart', { kind: 'start', member: member.label, file, reason, remedy })
  return { ...made, consequences: [problem] }
}

/** Findings about pairs of members of which one refuses the other now. */
export function comparePeers(pairs: ReturnType<typeof forecast>['pairs']): Finding<'cluster/peer-refused'>[] {
  return pairs.flatMap(({ members, refusals, isKnown, until }) => {
    const [first, second] = refusals
    if (first === undefined) return []
    const text = ({ by, reason }: typeof first): string => `${by} refuses the certificate: ${reason}`
    if (isKnown && until === null && second !== undefined) {
      const reverse = refusals.find(({ from }) => from !== first.from) ?? second
      return [
        finding('cluster/peer-refused', {
          ...{ kind: 'both' as const, members: [...members] },
          ...{ reason: text(first), reverse: text(reverse) },
        }),
      ]
    }
    return [finding('cluster/peer-refused', { kind: 'one', from: first.from, to: first.to, reason: text(first) })]
  })
}
