/** Findings about members that do not answer, or answer for another cluster. */
import { cluster } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker, type Unchecked, uncheckedIn } from '../report/finding.js'
import { printable } from '../report/printable.js'
import { groupBy } from '../config/lint/rule.js'
import type { ClusterParts } from './clusters.js'
import { type ExaminedMember, isReached } from './members.js'
import { overlap, type PlannedMember } from './plan.js'
import type { SeenPort } from './process.js'
import type { ConfigEvidence } from './sources.js'

const finding = findingMaker(cluster)

/** Whether nothing answers at its client port. */
export function isDown({ client }: ExaminedMember): boolean {
  return client !== null && client.answers === null && !isReached(client.seen)
}

/** Whether the cluster lists it without URLs for clients, which it publishes as soon as it has joined. */
export function isUnstarted({ client, listed }: ExaminedMember): boolean {
  return client === null && listed.id !== '' && listed.clientURLs.length === 0
}

/** Whether its machine answers, and nothing listens at both of its ports. */
function isStopped({ client, peer }: ExaminedMember): boolean {
  return isRefused(client?.seen ?? null) && isRefused(peer)
}

export function isRefused(seen: SeenPort | null): boolean {
  return seen?.observation.refusal?.detail.includes('ECONNREFUSED') === true
}

/**
 * A member that is down is a warning, and an error if the members that answer have no leader and are too few for one. If no member
 * answers, the client's findings about each endpoint say why.
 */
export function compareOutage(members: readonly ExaminedMember[]): Finding[] {
  const answers = members.flatMap(({ client }) => client?.answers ?? [])
  const down = members.filter((each) => (isDown(each) || isUnstarted(each)) && !isUnjoined(each, members))
  if (answers.length === 0 || down.length === 0) return []
  const voters = members.filter(({ listed }) => !listed.isLearner)
  const downVoters = down.filter((each) => voters.includes(each))
  const spare = voters.length - downVoters.length - (Math.floor(voters.length / 2) + 1)
  const hasLeader = answers.some(({ role }) => role === 'leader' || role === 'follower')
  // A leader that has just lost the others reports for a second that it is one.
  if (spare < 0 && (!hasLeader || downVoters.every(isStopped))) {
    const details = { down: downVoters.map(downDetails), voters: voters.length }
    const leaderless = members.flatMap(({ client }) => client?.findings.filter(isNoLeader) ?? [])
    return [{ ...finding('cluster/member-down', { kind: 'no quorum', ...details }), consequences: leaderless }]
  }
  return down.map((member) => {
    const role = member.listed.isLearner ? 'learner' : 'voter'
    return finding('cluster/member-down', { kind: 'one', ...downDetails(member), spare: Math.max(spare, 0), role })
  })
}

export function isNoLeader({ code }: Finding): boolean {
  return code === 'endpoint/no-leader'
}

function downDetails({ label, client, listed }: ExaminedMember) {
  if (client === null)
    return { member: label, endpoint: listed.peerURLs[0] ?? '', state: 'not joined', detail: '' } as const
  const { seen, findings } = client
  const { kind, detail = '' } = seen.observation.refusal ?? {}
  // An observation that ends at the time-out does not say how far it came; the client does.
  const isSilent = kind === 'silent' || findings.some(({ code }) => code === 'endpoint/silent')
  const state = isSilent ? 'silent' : isRefused(seen) ? 'refused' : 'unreachable'
  return { member: label, endpoint: seen.url, state, detail } as const
}

/** Longest time that a healthy member needs to join, in milliseconds. */
const JOIN_TIME = 60_000

/** Whether its process runs here, and has not joined the cluster, which has a leader. */
function isUnjoined({ client, planned, listed, answersFor }: ExaminedMember, all: readonly ExaminedMember[]): boolean {
  if (planned === null || answersFor !== null || (client?.answers ?? null) !== null) return false
  const isOther = planned.wal !== null && listed.id !== '' && planned.wal.memberId !== listed.id
  return hasLeader(all) && (isOther || (listed.name === '' && planned.evidence.kind === 'process'))
}

function hasLeader(members: readonly ExaminedMember[]): boolean {
  return members.some(({ client }) => (client?.answers?.role ?? null) !== null)
}

/** Processes that run with the data of another cluster, or have not joined theirs. */
export function compareJoined(
  { clusterId, planned }: ClusterParts,
  members: readonly ExaminedMember[],
  all: readonly PlannedMember[],
): { findings: Finding[]; unchecked: Unchecked[] } {
  const [findings, unchecked]: [Finding[], Unchecked[]] = [[], []]
  for (const member of members) {
    const { label, client, answersFor, startedAt, listed } = member
    const endpoint = client?.seen.url ?? ''
    // With data of another cluster that was seen, it is a member of that one.
    const isAt = ({ urls, peerUrls }: PlannedMember): boolean =>
      urls.includes(endpoint) || overlap(peerUrls, listed.peerURLs)
    const process = member.planned ?? all.find(isAt) ?? null
    const wal = process?.wal ?? null
    const isOther = wal !== null && process !== null && !planned.includes(process)
    const data = process === null ? null : dataOf(process, member, members)
    const ids = { clusterId: answersFor ?? wal?.clusterId ?? '', expected: clusterId ?? '' }
    if (isOther && data !== null && listed.id !== '' && ids.clusterId !== clusterId)
      findings.push(finding('cluster/data-of-other-cluster', { kind: 'wrong directory', ...data, ...ids }))
    else if (answersFor !== null)
      findings.push(finding('cluster/data-of-other-cluster', { kind: 'answers', member: label, endpoint, ...ids }))
    if (!isUnjoined(member, members)) continue
    const source = member.planned?.evidence.source ?? ''
    const age = Date.now() - (startedAt?.getTime() ?? 0)
    if (age < JOIN_TIME) {
      const text = `${label} (${source}) started ${String(Math.round(age / 1000))} s ago, and has not joined yet. Run this command again in a minute.`
      unchecked.push(uncheckedIn(source, 'server', text))
    } else if (data !== null && wal !== null && ids.clusterId !== clusterId)
      findings.push(finding('cluster/data-of-other-cluster', { kind: 'no cluster', ...data, ...ids }))
    else
      findings.push(
        finding('cluster/member-not-joined', { member: label, process: source, peerUrls: [...listed.peerURLs] }),
      )
  }
  return { findings: [...findings, ...usedTwice(planned, members)], unchecked }
}

/** The directories of a member, and what starts it as a member of its cluster. */
function dataOf(
  { config, peerUrls }: PlannedMember,
  { label, listed }: ExaminedMember,
  members: readonly ExaminedMember[],
) {
  const { dataDir, walDir } = config
  if (dataDir === null) return null
  const isApart = walDir !== null && !walDir.path.startsWith(`${dataDir.path}/`)
  const joined = members.flatMap(({ planned, client }) => ((client?.answers ?? null) === null ? [] : (planned ?? [])))
  const token = joined.find((each) => each.config.initialClusterToken !== null)?.config.initialClusterToken ?? null
  const named = members.map(
    ({ listed }) => [listed.name === '' ? (config.name ?? '') : listed.name, listed.peerURLs] as const,
  )
  const initialCluster = named.flatMap(([name, urls]) =>
    (urls.length > 0 ? urls : peerUrls).map((url) => `${name}=${url}`),
  )
  const directories = { directory: dataDir.path, walDirectory: isApart ? walDir.path : null }
  return {
    member: listed.name === '' ? (config.name ?? label) : label,
    ...directories,
    joined: listed.clientURLs.length > 0 ? { id: listed.id, peerUrls: [...listed.peerURLs] } : null,
    token,
    initialCluster: initialCluster.join(),
  }
}

/** Processes that run with copies of the same data. */
function usedTwice(planned: readonly PlannedMember[], members: readonly ExaminedMember[]): Finding[] {
  const running = planned.filter(({ wal, evidence: { pid } }) => wal !== null && pid !== null)
  const copies = groupBy(running, ({ wal }) => wal?.memberId ?? '').filter(([, { length }]) => length > 1)
  return copies.map(([id, each]) => {
    const member = members.find(({ listed }) => listed.id === id)?.label ?? id
    const processes = each.map(({ evidence: { source } }) => printable(source)).sort()
    const directories = each.map(({ config }) => config.dataDir?.path ?? '')
    return finding('cluster/data-used-twice', { member, processes, directories })
  })
}

/** Peer ports that refuse connections while their members answer clients: the members stay connected until one of them restarts. */
export function comparePeerPorts(members: readonly ExaminedMember[]): Finding[] {
  const isHere = (each: ExaminedMember): boolean => each.planned?.evidence.kind === 'process'
  if (!members.some(isHere) || members.length < 2) return []
  return members.flatMap((member) => {
    const { client, peer, label } = member
    const isSilent = isHere(member) && peer?.observation.refusal?.kind === 'silent'
    if ((client?.answers ?? null) === null || peer === null || !(isRefused(peer) || isSilent)) return []
    const detail = peer.observation.refusal?.detail ?? ''
    return [finding('cluster/peer-port-closed', { member: label, endpoint: peer.url, detail })]
  })
}

/** Members that report that they lead at the same time. One that was deposed or paused notices it within seconds. */
export function compareLeaders(members: readonly ExaminedMember[]): Finding[] {
  const leaders = leadersOf(members)
  if (leaders.length < 2) return []
  const details = leaders.map(({ label, client }) => ({ member: label, endpoint: client?.seen.url ?? '' }))
  return [finding('cluster/two-leaders', { leaders: details })]
}

export function leadersOf(members: readonly ExaminedMember[]): ExaminedMember[] {
  return members.filter(({ client }) => client?.answers?.role === 'leader')
}

/** An etcd that is to run here, and does not. */
export function compareRunning(members: readonly ExaminedMember[], areProcessesVisible: boolean) {
  const stopped = members.filter(
    ({ client, planned }) => isInstalled(planned?.evidence.kind) && isRefused(client?.seen ?? null),
  )
  const findings = areProcessesVisible
    ? stopped.map(({ client, planned }): Finding => {
        const source = planned?.evidence.source ?? ''
        const kind = planned?.evidence.kind === 'kubeadm' ? 'manifest' : 'unit'
        const about = finding('cluster/not-running', { kind, source, endpoint: client?.seen.url ?? '' })
        return { ...about, consequences: client?.findings ?? [] }
      })
    : []
  const unchecked = areProcessesVisible
    ? []
    : members.flatMap(({ client, planned }) => {
        if ((client?.answers ?? null) !== null) return []
        const { kind, source = '' } = planned?.evidence ?? {}
        const message = `${source} is to start etcd, and no etcd process is visible from here. Run this command as root on the machine itself.`
        return isInstalled(kind) ? [uncheckedIn(source, 'permission', message)] : []
      })
  return { findings, unchecked }
}

/** Whether a configuration says that etcd runs on its machine. */
function isInstalled(kind: ConfigEvidence['kind'] | undefined): boolean {
  return kind === 'kubeadm' || kind === 'systemd'
}
