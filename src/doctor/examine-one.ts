/** Examines one cluster: compares its processes, files and configurations, and makes its report. */
import { setTimeout as delay } from 'node:timers/promises'
import { abortable, dialable } from '../client/internal.js'
import { groupBy } from '../config/internal.js'
import { makeReport, printable, printableDeep, uncheckedIn } from '../report/internal.js'
import { INTERNAL_ERROR } from '../report/internal-catalogue.js'
import type { CertificateRef, Finding, Unchecked } from '../report/index.js'
import { foldRepeats, forecast } from '../validate/internal.js'
import { type Certificate, certificateRef } from '../x509/internal.js'
import { releaseFinding } from './advisories.js'
import { checkAddresses } from './addresses.js'
import { compareApiserver, type UsedCluster } from './apiserver.js'
import { checkAssumptions, withoutAlarm } from './assumptions.js'
import { compareClocks } from './clock.js'
import type { ClusterForecast, ClusterMember, ClusterReport } from './cluster-report.js'
import { compareAuthorities, compareRestart, compareServed, forecastMember } from './compare.js'
import { datesOf, forecastClients, forecastFindings, rewordForKubeadm, servedDates } from './dates.js'
import type {
  AskedPort,
  Asking,
  ClusterParts,
  Comparison,
  ExaminedCluster,
  ExaminedMember,
  Note,
  Pair,
  PlannedMember,
  SeenPort,
} from './evidence.js'
import { examineMembers, type Ports } from './members.js'
import { compareJoined, compareReach, compareRunning, isDown, isUnstarted, leadersOf } from './outage.js'
import { comparePeers } from './peers.js'
import { isOfFirstStart, isUnreadable, lintPlan, uncheckedMembers } from './plan.js'
import { findingsIn, isIssuing, isReached, sideOf, uncheckedOf } from './read-evidence.js'

export interface Examination extends Asking, Pick<Comparison, 'askedAt'> {
  readonly ports: Ports
  readonly planned: readonly PlannedMember[]
  readonly pairs: readonly Pair[]
  readonly isKubeadm: boolean
  readonly areGiven: boolean
  readonly areProcessesVisible: boolean
}

export async function examineOne(parts: UsedCluster, asking: Examination): Promise<ClusterReport> {
  const { at, clockFindings, ...examined } = compareClocks(await examineLeaders(parts, asking), asking)
  const given = { ...asking, at }
  const { planned, members, isListed } = examined
  // Without a list, an address that does not answer is all that is known of a member.
  const cluster = { ...examined, accesses: parts.accesses, others: isListed && !given.areGiven ? [] : examined.others }
  const all = [...members, ...cluster.others]
  const lint = await lintPlan(planned, { at, expiryWarning: given.expiryWarning })
  const clients = clientsOf(members, given.pairs)
  const { own, predicted } = compare(cluster, clients, given)
  const notes: Note[] = [
    ...[...clockFindings, ...examined.unchecked, ...compareRunning(members, given.areProcessesVisible)],
    ...[...compareJoined(examined, given.planned), ...own, ...(lint?.unchecked ?? []), ...notAsked(all, given)],
    ...(lint?.findings ?? []).filter(isUnreadable).map(({ message }) => uncheckedIn(null, 'permission', message)),
    ...(isListed ? uncheckedMembers(members.flatMap((each) => (each.planned === null ? [each.listed] : []))) : []),
  ]
  const dates = [
    ...servedDates(all, given),
    ...clients.flatMap(({ of, credentials: { chain } }) =>
      of === 'kube-apiserver' ? [] : datesOf(chain, 'client', given),
    ),
  ]
  // An etcd that serves TLS has joined its cluster.
  const isRunning = all.some(({ client }) => (client?.chain.length ?? 0) > 0)
  const assumed = await checkAssumptions(lint?.findings ?? [], { members, planned, ports: given.ports })
  const linted = assumed.filter((each) => !isUnreadable(each) && !(isRunning && isOfFirstStart(each)))
  const folded = foldLint(findingsIn(notes), [...linted, ...dates], members)
  const findings = foldRepeats(rewordForKubeadm(folded, members, given.isKubeadm))
  const report = makeReport({ checkedAt: at, path: null, findings })
  const unchecked = uncheckedOf(notes)
  const sources = [
    ...planned.map(({ evidence: { source } }) => source),
    ...all.flatMap(({ client }) => client?.pair?.credentials.origin ?? []),
  ]
  const running = planned.filter(({ evidence: { pid } }) => pid !== null)
  return {
    ...{ ok: report.ok, complete: unchecked.length === 0, clusterId: parts.clusterId, checkedAt: at, path: null },
    isTrustedUser: running.length === 0 || running.some(({ evidence }) => evidence.isTrustedUser),
    members: all.map((each) => memberOf(each, given)),
    findings: report.findings,
    forecast: predicted,
    unchecked,
    sources: [...new Set(sources.map(printable))],
  }
}

/** Milliseconds after which a leader that was deposed knows it. */
const ELECTION = 3000

/** Asks again if two members report that they lead in different terms. */
async function examineLeaders(parts: ClusterParts, { ports, signal }: Examination): Promise<ExaminedCluster> {
  const first = await checkAddresses(await examineMembers(parts, ports), ports)
  const terms = leadersOf(first.members).map(({ client }) => client?.answers?.raftTerm)
  if (new Set(terms).size < 2) return first
  await abortable(signal, delay(ELECTION)).catch(() => undefined) // The report says that the time is over.
  const again = ports.again()
  const asked = await again.askEach(parts.asked.map(({ url }) => dialable([url])))
  return checkAddresses(await examineMembers({ ...parts, asked }, again), again)
}

function compare(
  cluster: ExaminedCluster & UsedCluster,
  pairs: readonly Pair[],
  given: Examination,
): { own: Finding[]; predicted: ClusterForecast } {
  const { members, others, isListed } = cluster
  const { at, areGiven } = given
  const ports = [...members, ...others].flatMap(({ client }) => client ?? [])
  const known = knownAuthorities(members, ports)
  const now = members.map((each) => forecastMember(each, 'now', known))
  const expected = forecast(now, { at })
  const predicted = { ...expected, clients: forecastClients(members, at) }
  const isWhole = isListed || members.every((each) => each.planned !== null)
  const isAnswered = ports.some(({ answers }) => answers !== null)
  const served = compareServed(members)
  const outage = compareReach(members)
  const effects = outage.flatMap(({ consequences }) => consequences)
  const clients = pairs.map(({ of, from, credentials: { origin, chain } }) => ({
    name: of === 'kube-apiserver' ? of : of === 'caller' ? origin : from,
    chain,
  }))
  const comparison = { ...cluster, ...given, now, expected, clients, isWhole }
  const own = [
    ...[...served, ...compareAuthorities(members, served)],
    ...[...compareRestart(comparison), ...comparePeers(comparison), ...releaseFinding(members)],
    ...outage,
    ...cluster.accesses.flatMap((access) => compareApiserver(access, comparison)),
    ...(isWhole ? forecastFindings(predicted, given) : []),
    // A member that does not answer is an error only if none answers.
    ...ports
      .filter((each) => !isAnswered || isReached(each))
      .flatMap(({ findings }) => findings.filter((each) => isOfCluster(each, areGiven) && !effects.includes(each)))
      .map(withoutAlarm),
  ]
  return { own, predicted }
}

/** The pairs of clients of this cluster: those that were used, and those of a CA of a member. */
function clientsOf(members: readonly ExaminedMember[], pairs: readonly Pair[]): Pair[] {
  const chains = members.flatMap((member) => [
    member.client?.chain ?? [],
    sideOf(member, 'client')?.cert?.certificates ?? [],
  ])
  const isIssuer = (ca: Certificate): boolean => chains.some((chain) => isIssuing(ca, chain))
  return pairs.filter(
    ({ of, credentials: { trustAnchors } }) => of === 'caller' || (of !== 'member' && trustAnchors.some(isIssuer)),
  )
}

/** All CAs that were seen, to find those whose names a process accepts. */
function knownAuthorities(members: readonly ExaminedMember[], ports: readonly AskedPort[]): Certificate[] {
  const used = ports.flatMap(({ pair }) => pair?.credentials ?? [])
  const all = [
    ...used.flatMap(({ trustAnchors, clientAnchors = [] }) => [...trustAnchors, ...clientAnchors]),
    ...members.flatMap(({ planned, client, peer }) => [
      ...[planned?.config.client.ca, planned?.config.peer.ca].flatMap((file) => file?.certificates ?? []),
      ...[client, peer].flatMap((seen) => seen?.chain.slice(1) ?? []),
    ]),
  ]
  return [...new Map(all.map((each) => [each.fingerprint256, each])).values()]
}

/**
 * Whether a finding of the client is a fault of the cluster: not that a learner serves no calls, nor the environment of this process, nor
 * that a name of a configuration, such as one of a pod, is not known here.
 */
function isOfCluster({ code, details }: Finding, areGiven: boolean): boolean {
  if (code === 'endpoint/unavailable') return !details.learner
  const isUnknownHere = code === 'endpoint/unreachable' && details.stage === 'lookup' && !areGiven
  return code !== 'environment/ignored' && !isUnknownHere
}

/** What the lint reports about a pair of members, of whose dials the process is better evidence. */
const OF_PAIRS: readonly string[] = [
  ...['config/member-not-trusted', 'config/member-not-allowed', 'config/member-revoked', 'config/members-differ'],
]

/** What the lint reports about a certificate whose CA is not in the CA file. */
const OF_ISSUER: readonly string[] = [...['config/gateway-refused', 'chain/issuer-not-found', 'chain/root-not-trusted']]

/**
 * One cause is one finding: the evidence of the process has precedence over that of the files. That a CA file was not read again is not
 * reported next to what reading it breaks, because its remedy is the restart that this warns of.
 */
function foldLint(own: readonly Finding[], linted: readonly Finding[], members: readonly ExaminedMember[]): Finding[] {
  const isAboutPairs = ({ code, details }: Finding): boolean =>
    code === 'cluster/peer-refused' || (code === 'cluster/refused-after-restart' && details.kind === 'members')
  const ofPairs = own.find(isAboutPairs)
  const causeOf = (each: Finding): Finding | undefined => {
    if (each.code === 'handshake/failed' && each.details.alert === INTERNAL_ERROR) {
      const { endpoint } = each.details
      const cert = members.find(({ client }) => client?.url === endpoint)?.planned?.config.client.cert
      const leaf = cert?.certificates[0]?.fingerprint256
      if (leaf === undefined) return undefined
      return linted.find(
        ({ code, certificate, place }) =>
          code === 'key/mismatch' && certificate?.fingerprint256 === leaf && place?.file === cert?.place.file,
      )
    }
    if (OF_PAIRS.includes(each.code)) return ofPairs
    return own.find((cause) => {
      if (cause === each || cause.code !== 'cluster/refused-after-restart' || cause.details.kind === 'start')
        return false
      const { member, file, kind } = cause.details
      const isSameFile = 'file' in each.details && each.details.file === file
      if (each.code === 'cluster/ca-not-reloaded') return each.details.member === member && isSameFile
      if (each.code === 'cluster/refused-after-restart')
        return kind === 'members' && each.details.kind === 'clients' && each.details.member === member && isSameFile
      const { planned } = members.find(({ label }) => label === member) ?? {}
      return OF_ISSUER.includes(each.code) && each.place?.file === planned?.config.client.ca?.place.file
    })
  }
  const effects = new Map(groupBy([...own, ...linted], causeOf))
  const causes = (effects.get(undefined) ?? []).map((each) => {
    return { ...each, consequences: [...each.consequences, ...(effects.get(each) ?? [])] }
  })
  return withoutRepeated(causes)
}

/**
 * One of findings about the same thing, such as a certificate that several members have: one that names a place in a configuration, else
 * the first. A consequence of another finding is omitted.
 */
function withoutRepeated(findings: readonly Finding[]): Finding[] {
  const consequences = new Set(findings.flatMap((each) => each.consequences.map(keyOf)))
  const distinct = groupBy(findings, keyOf).filter(([key]) => !consequences.has(key))
  return distinct.map(([, same]) => same.find(({ place }) => place !== undefined) ?? same[0])
}

function keyOf({ code, severity, certificate, details, message }: Finding): string {
  if (code.startsWith('cluster/')) return message
  const parts = ['host', 'kind'].map((name) => String(Reflect.get(details, name) ?? ''))
  if (certificate !== null) return [code, severity, certificate.fingerprint256, certificate.role, ...parts].join()
  return [code, 'file' in details ? details.file : message].join()
}

/** What no member answered, so that it was not checked. */
function notAsked(members: readonly ExaminedMember[], { signal, pairs }: Examination): Unchecked[] {
  if (signal.aborted)
    return [uncheckedIn(null, 'limit', 'The time of the examination is over before all members were examined.')]
  const missing =
    'No etcd was asked, because there are no credentials. Pass --cacert, with --cert and --key, or with --user if etcd requires passwords.'
  return [
    ...(pairs.length === 0 ? [uncheckedIn(null, 'credentials', missing)] : []),
    ...members.flatMap((member) => clientNotAsked(member, pairs.length > 0)),
    ...members.flatMap((member) => {
      const { label, peer } = member
      // One line says that it did not answer.
      if (peer === null || peer.chain.length > 0 || (isDown(member) && !isReached(peer))) return []
      return [uncheckedIn(null, 'server', `${label} showed no certificate on its peer port, ${peer.url}.`)]
    }),
  ]
}

function clientNotAsked(member: ExaminedMember, hasPairs: boolean): Unchecked[] {
  const { label, client, planned } = member
  const { source = '', network = null, pid = null } = planned?.evidence ?? {}
  if (client === null && network !== null) {
    const enter = `Run \`nsenter -t ${String(pid)} -n etcd-mtls doctor\` as root.`
    const away = `${label} (${source}) has only loopback addresses of another network namespace, so it was not asked.`
    return [uncheckedIn(source, 'server', `${away} ${enter}`)]
  }
  const reasonNot = isUnstarted(member)
    ? 'has not joined the cluster, so it was not asked'
    : 'advertises no https URL for clients'
  if (client === null) return [uncheckedIn(null, 'server', `${label} ${reasonNot}.`)]
  const { answers, problem, url, refusal, findings } = client
  const isExplained = isReached(client) && (findings.length > 0 || !hasPairs)
  const reason = problem ?? refusal?.detail ?? ''
  const message = `${label} did not answer at ${url}${reason === '' ? '' : ` (${reason})`}.`
  return answers !== null || isExplained ? [] : [uncheckedIn(null, 'server', message)]
}

function memberOf({ listed, client, peer, planned, startedAt }: ExaminedMember, given: Examination): ClusterMember {
  const { answers = null } = client ?? {}
  const shown = {
    name: listed.name === '' ? null : listed.name,
    id: listed.id === '' ? null : listed.id,
    clientUrls: [...listed.clientURLs],
    peerUrls: [...listed.peerURLs],
    version: answers?.version ?? null,
    role: answers?.role ?? (listed.isLearner ? ('learner' as const) : null),
    startedAt,
    latency: answers?.latency ?? null,
    served: servedBy(client),
    peerServed: servedBy(peer),
    config: planned?.evidence.source ?? null,
    isDialled: client !== null && isAsked(client, given.areGiven),
    isReached: answers !== null,
  }
  const accepted = { acceptedAuthorities: acceptedBy(client), peerAcceptedAuthorities: acceptedBy(peer) }
  return { ...printableDeep(shown), ...accepted }
}

/** Not one whose name is not known here. Without a pair for its server, it was only observed. */
function isAsked(port: AskedPort, areGiven: boolean): boolean {
  if (port.answers !== null) return true
  if (port.findings.length > 0) return port.findings.some((each) => isOfCluster(each, areGiven))
  return port.pair !== null || !isReached(port)
}

function servedBy(seen: SeenPort | null): CertificateRef | null {
  const [leaf] = seen?.chain ?? []
  return leaf === undefined ? null : certificateRef(leaf, 'leaf', 0)
}

/** Most CAs of a port that are shown. */
const MAX_AUTHORITIES = 100

function acceptedBy(seen: SeenPort | null): string[] | null {
  return seen?.acceptedAuthorities?.slice(0, MAX_AUTHORITIES).map((each) => printable(String(each))) ?? null
}
