/** Examines one cluster: compares its processes, files and configurations, and makes its report. */
import { setTimeout as delay } from 'node:timers/promises'
import { abortable } from '../client/timing.js'
import { uncheckedIn } from '../report/finding.js'
import type { CertificateRef, Finding, Unchecked } from '../report/finding.js'
import { printable, printableDeep } from '../report/printable.js'
import { makeReport } from '../report/report.js'
import { foldRepeats } from '../validate/fold-repeats.js'
import { type Certificate, certificateRef } from '../x509/certificate.js'
import { releaseFinding } from './advisories.js'
import { compareApiserver, type UsedCluster } from './apiserver.js'
import type { ClusterMember, ClusterReport } from './cluster-report.js'
import { compareClocks } from './clock.js'
import type { ClusterParts } from './clusters.js'
import { compareAuthorities, compareRestart, compareServed, forecastMember, sideOf } from './compare.js'
import { clientsFinding, datesOf, forecastClients, quorumFinding, rewordForKubeadm, servedDates } from './dates.js'
import { forecast } from './forecast.js'
import {
  dialable,
  type ExaminedCluster,
  type ExaminedMember,
  examineMembers,
  isReached,
  type Ports,
} from './members.js'
import {
  compareJoined,
  compareLeaders,
  compareOutage,
  comparePeerPorts,
  compareRunning,
  isDown,
  leadersOf,
} from './outage.js'
import type { Pair } from './pairs.js'
import { comparePeers } from './peers.js'
import { isOfFirstStart, lintPlan, type PlannedMember, uncheckedMembers } from './plan.js'
import type { AskedPort, Asking, SeenPort } from './process.js'

/** What the examination of each cluster is given. */
export interface Examination {
  readonly ports: Ports
  readonly asking: Asking
  /** Milliseconds. */
  readonly lead: number
  /** All members of the machine. */
  readonly planned: readonly PlannedMember[]
  /** All pairs that were read. */
  readonly pairs: readonly Pair[]
  readonly isKubeadm: boolean
  /** Whether the caller named the endpoints. */
  readonly areGiven: boolean
  readonly areProcessesVisible: boolean
  /** What answers at a URL that was asked. */
  readonly askedAt: (url: string) => AskedPort | null
}

export async function examineOne(parts: UsedCluster, given: Examination): Promise<ClusterReport> {
  const { at, clockFindings, ...cluster } = compareClocks(await examineLeaders(parts, given), given.asking)
  const { members, isListed } = cluster
  const { expiryWarning } = given.asking
  // Without a list, an address that does not answer is all that is known of a member.
  const others = isListed && !given.areGiven ? [] : cluster.others
  const lint = await lintPlan(parts.planned, { at, expiryWarning })
  const clients = clientsOf(members, given)
  const joined = compareJoined(parts, members, given.planned)
  const installed = compareRunning(members, given.areProcessesVisible)
  const { own, predicted } = compare({ ...cluster, others }, { parts, given, clients, at })
  const rules = { at, lead: given.lead, expiryWarning }
  const dates = [
    ...servedDates([...members, ...others], rules),
    ...clients
      .filter(({ of }) => of !== 'kube-apiserver')
      .flatMap(({ credentials: { chain } }) => datesOf(chain, 'client', rules)),
  ]
  // An etcd that serves TLS has joined its cluster.
  const isRunning = [...members, ...others].some(({ client }) => (client?.seen.chain.length ?? 0) > 0)
  const isLoggedIn = members.some(({ client }) => client?.answers?.isLoggedIn === true)
  const linted = (lint?.findings ?? []).filter((each) => {
    const isProtected = isLoggedIn && each.code === 'config/client-auth-off' && each.details.side === 'client'
    return !isProtected && !(isRunning && isOfFirstStart(each))
  })
  const all = foldLint(
    [...clockFindings, ...installed.findings, ...joined.findings, ...own],
    [...linted, ...dates],
    members,
  )
  const findings = foldRepeats(rewordForKubeadm(all, members, given.isKubeadm))
  const unconfigured = members.flatMap(({ listed, planned }) => (planned === null ? [listed] : []))
  const unchecked: Unchecked[] = [
    ...[...cluster.unchecked, ...installed.unchecked, ...joined.unchecked, ...(lint?.unchecked ?? [])],
    ...notAsked([...members, ...others], given),
    ...(isListed ? uncheckedMembers(unconfigured) : []),
  ]
  const report = makeReport({ checkedAt: at, path: null, findings })
  const used = [...members, ...others].flatMap(({ client }) => client?.pair ?? [])
  const sources = [
    ...parts.planned.map(({ evidence: { source } }) => source),
    ...used.map(({ credentials }) => credentials.origin),
  ]
  const running = parts.planned.filter(({ evidence: { pid } }) => pid !== null)
  return {
    ...{ ok: report.ok, complete: unchecked.length === 0, clusterId: parts.clusterId, checkedAt: at, path: null },
    isTrustedUser: running.length === 0 || running.some(({ evidence }) => evidence.isTrustedUser),
    members: [...members, ...others].map((each) => memberOf(each, given)),
    findings: report.findings,
    forecast: predicted,
    unchecked,
    sources: [...new Set(sources.map(printable))],
  }
}

/** Milliseconds after which a leader that was deposed knows it. */
const ELECTION = 3000

/** Asks again if two members report that they lead in different terms. */
async function examineLeaders(
  parts: ClusterParts,
  { ports, asking: { signal } }: Examination,
): Promise<ExaminedCluster> {
  const first = await examineMembers(parts, ports)
  const terms = leadersOf(first.members).map(({ client }) => client?.answers?.raftTerm)
  if (new Set(terms).size < 2) return first
  await abortable(signal, delay(ELECTION)).catch(() => undefined) // The report says that the time is over.
  const again = ports.again()
  const asked = await again.askEach(parts.asked.map(({ seen }) => dialable([seen.url])))
  return examineMembers({ ...parts, asked }, again)
}

interface Compared {
  readonly parts: UsedCluster
  readonly given: Examination
  readonly clients: readonly Pair[]
  /** When certificates are checked. */
  readonly at: Date
}

/** The findings about the processes, and the forecast. */
function compare(
  { members, others, isListed }: ExaminedCluster,
  { parts, given, clients, at }: Compared,
): { own: Finding[]; predicted: ClusterReport['forecast'] } {
  const { expiryWarning } = given.asking
  const rules = { at, lead: given.lead, expiryWarning }
  const ports = [...members, ...others].flatMap(({ client }) => client ?? [])
  const known = knownAuthorities(members, ports)
  const now = members.map((each) => forecastMember(each, 'now', known))
  const expected = forecast(now, { at })
  const expectedClients = forecastClients(members, at)
  const isWhole = isListed || members.every((each) => each.planned !== null)
  const isAnswered = ports.some(({ answers }) => answers !== null)
  const served = compareServed(members)
  const outage = compareOutage(members)
  const effects = outage.flatMap(({ consequences }) => consequences)
  const chains = clients.map(({ of, from, credentials: { origin, chain } }) => ({
    name: of === 'kube-apiserver' ? 'kube-apiserver' : of === 'caller' ? origin : from,
    chain,
  }))
  const own = [
    ...served,
    ...compareAuthorities(members, served),
    ...compareRestart(members, { known, clients: chains, at }),
    ...[...comparePeers({ members, now }, expected), ...releaseFinding(members)],
    ...[...outage, ...comparePeerPorts(members), ...compareLeaders(members)],
    ...parts.accesses.flatMap((access) =>
      compareApiserver(access, { members, askedAt: given.askedAt }, { isWhole, rules }),
    ),
    ...(isWhole ? [...quorumFinding(expected, rules), ...clientsFinding(expectedClients, rules)] : []),
    // A member that does not answer is an error only if none answers.
    ...ports
      .filter(({ seen }) => !isAnswered || isReached(seen))
      .flatMap(({ findings }) => findings.filter((each) => isOfCluster(each, given) && !effects.includes(each))),
  ]
  return { own, predicted: { ...expected, clients: expectedClients } }
}

/** The pairs of clients of this cluster: those that were used, and those of a CA of a member. */
function clientsOf(members: readonly ExaminedMember[], { pairs }: Examination): Pair[] {
  const chains = members.flatMap((member) => [
    member.client?.seen.chain ?? [],
    sideOf(member, 'client')?.cert?.certificates ?? [],
  ])
  const isIssuer = (ca: Certificate): boolean =>
    chains.some((chain) => chain.some((each) => each.issuer.equals(ca.subject) && each.isSignedBy(ca)))
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
      ...[client?.seen, peer].flatMap((seen) => seen?.chain.slice(1) ?? []),
    ]),
  ]
  return [...new Map(all.map((each) => [each.fingerprint256, each])).values()]
}

/**
 * Whether a finding of the client is a fault of the cluster: not that a learner serves no calls, nor the environment of this process, nor
 * that a name of a configuration, such as one of a pod, is not known here.
 */
function isOfCluster({ code, details }: Finding, { areGiven }: Examination): boolean {
  if (code === 'endpoint/unavailable') return !details.learner
  return !(
    code === 'environment/ignored' ||
    (code === 'endpoint/unreachable' && details.stage === 'lookup' && !areGiven)
  )
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
  const all = [...own, ...linted]
  const causes = new Map(all.map((each) => [each, causeOf(each)]))
  const folded = all
    .filter((each) => causes.get(each) === undefined)
    .map((each) => {
      const effects = all.filter((one) => causes.get(one) === each)
      return effects.length === 0 ? each : { ...each, consequences: [...each.consequences, ...effects] }
    })
  return withoutRepeated(folded)
}

/**
 * One of findings about the same thing, such as a certificate that several members have: one that names a place in a configuration, else
 * the first. A consequence of another finding is omitted.
 */
function withoutRepeated(findings: readonly Finding[]): Finding[] {
  const consequences = new Set(findings.flatMap((each) => each.consequences.map(keyOf)))
  const kept = new Map<string, Finding>()
  for (const each of findings) {
    const key = keyOf(each)
    const known = kept.get(key)
    if (known === undefined || (known.place === undefined && each.place !== undefined)) kept.set(key, each)
  }
  return [...kept].flatMap(([key, each]) => (consequences.has(key) ? [] : [each]))
}

function keyOf({ code, severity, certificate, details, message }: Finding): string {
  if (code.startsWith('cluster/')) return message
  const parts = ['host', 'kind'].map((name) => String(Reflect.get(details, name) ?? ''))
  if (certificate !== null) return [code, severity, certificate.fingerprint256, certificate.role, ...parts].join()
  return [code, 'file' in details ? details.file : message].join()
}

/** What no member answered, so that it was not checked. */
function notAsked(members: readonly ExaminedMember[], { asking: { signal }, pairs }: Examination): Unchecked[] {
  if (signal.aborted)
    return [uncheckedIn(null, 'limit', 'The time of the examination is over before all members were examined.')]
  const missing = 'No etcd was asked, because there are no credentials. Pass a CA, a client certificate and its key.'
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

function clientNotAsked({ label, client, planned }: ExaminedMember, hasPairs: boolean): Unchecked[] {
  const { source = '', network = null, pid = null } = planned?.evidence ?? {}
  if (client === null && network !== null) {
    const enter = `Run \`nsenter -t ${String(pid)} -n etcd-mtls doctor\` as root.`
    const away = `${label} (${source}) has only loopback addresses of another network namespace, so it was not asked.`
    return [uncheckedIn(source, 'server', `${away} ${enter}`)]
  }
  if (client === null) return [uncheckedIn(null, 'server', `${label} advertises no https URL for clients.`)]
  const { answers, problem, seen, findings } = client
  const isExplained = isReached(seen) && (findings.length > 0 || !hasPairs)
  const reason = problem ?? seen.observation.refusal?.detail ?? ''
  const message = `${label} did not answer at ${seen.url}${reason === '' ? '' : ` (${reason})`}.`
  return answers !== null || isExplained ? [] : [uncheckedIn(null, 'server', message)]
}

function memberOf({ listed, client, peer, planned, startedAt }: ExaminedMember, given: Examination): ClusterMember {
  const { answers = null } = client ?? {}
  return {
    name: listed.name === '' ? null : printable(listed.name),
    id: listed.id === '' ? null : listed.id,
    clientUrls: printableDeep([...listed.clientURLs]),
    peerUrls: printableDeep([...listed.peerURLs]),
    version: answers === null ? null : printable(answers.version),
    role: answers?.role ?? (listed.isLearner ? 'learner' : null),
    startedAt,
    latency: answers?.latency ?? null,
    served: servedBy(client?.seen ?? null),
    peerServed: servedBy(peer),
    acceptedAuthorities: acceptedBy(client?.seen ?? null),
    peerAcceptedAuthorities: acceptedBy(peer),
    config: planned === null ? null : printable(planned.evidence.source),
    isDialled: answers !== null || (client !== null && isAsked(client, given)),
    isReached: answers !== null,
  }
}

/** Not one whose name is not known here. Without a pair for its server, it was only observed. */
function isAsked({ pair, seen, findings }: AskedPort, given: Examination): boolean {
  if (findings.length > 0) return findings.some((each) => isOfCluster(each, given))
  return pair !== null || !isReached(seen)
}

function servedBy(seen: SeenPort | null): CertificateRef | null {
  const [leaf] = seen?.chain ?? []
  return leaf === undefined ? null : printableDeep(certificateRef(leaf, 'leaf', 0))
}

/** Most CAs of a port that are shown. */
const MAX_AUTHORITIES = 100

function acceptedBy(seen: SeenPort | null): string[] | null {
  return (
    seen?.observation.acceptedAuthorities?.slice(0, MAX_AUTHORITIES).map((each) => printable(each.toString())) ?? null
  )
}
