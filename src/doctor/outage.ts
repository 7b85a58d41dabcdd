/** Findings about members that do not answer, or answer for another cluster. */
import { findingMaker, printable, uncheckedIn } from '../report/internal.js'
import { cluster } from '../report/internal-catalogue.js'
import type { Finding } from '../report/index.js'
import { groupBy } from '../config/internal.js'
import type { EtcdConfigMember } from '../config/index.js'
import type { ExaminedCluster, ExaminedMember, ListedMember, Note, PlannedMember, SeenPort } from './evidence.js'
import { isAnswering, isReached, overlap } from './read-evidence.js'

const finding = findingMaker(cluster)

export function isDown({ client }: ExaminedMember): boolean {
  return client !== null && client.answers === null && !isReached(client)
}

/** Whether the cluster lists it without URLs for clients, which it publishes as soon as it has joined. */
export function isUnstarted({ client, listed }: ExaminedMember): boolean {
  return client === null && listed.id !== '' && listed.clientURLs.length === 0
}

export function isRefused(seen: SeenPort | null): boolean {
  return seen?.refusal?.detail.includes('ECONNREFUSED') === true
}

/** Members that do not answer, or not as one cluster. */
export function compareReach(members: readonly ExaminedMember[]): Finding[] {
  return [...compareOutage(members), ...comparePeerPorts(members), ...compareLeaders(members)]
}

/**
 * A member that is down is a warning, and an error if the members that answer have no leader and are too few for one. If no member
 * answers, the client's findings about each endpoint say why.
 */
export function compareOutage(members: readonly ExaminedMember[]): Finding[] {
  const answers = members.flatMap(({ client }) => client?.answers ?? [])
  const down = members.filter((each) => (isDown(each) || isUnstarted(each)) && !isUnjoined(each, members))
  // Nobody is to start a member with a copy of the data of another one.
  const stopped = down.filter((each) => ownerOf(each, members) === undefined)
  if (answers.length === 0 || stopped.length === 0) return []
  const voters = members.filter(({ listed }) => !listed.isLearner)
  const downVoters = down.filter((each) => voters.includes(each))
  const spare = voters.length - downVoters.length - (Math.floor(voters.length / 2) + 1)
  const hasLeader = answers.some(({ role }) => role === 'leader' || role === 'follower')
  // Their machines answer, and nothing listens: a leader that has just lost the others reports for a second that it is one.
  const areStopped = downVoters.every(({ client, peer }) => isRefused(client) && isRefused(peer))
  if (spare < 0 && (!hasLeader || areStopped)) {
    const details = {
      down: downVoters.filter((each) => stopped.includes(each)).map(downDetails),
      voters: voters.length,
    }
    const leaderless = members.flatMap(
      ({ client }) => client?.findings.filter(({ code }) => code === 'endpoint/no-leader') ?? [],
    )
    return [{ ...finding('cluster/member-down', { kind: 'no quorum', ...details }), consequences: leaderless }]
  }
  return stopped.map((member) => {
    const role = member.listed.isLearner ? 'learner' : 'voter'
    return finding('cluster/member-down', { kind: 'one', ...downDetails(member), spare: Math.max(spare, 0), role })
  })
}

function downDetails({ label, client, listed }: ExaminedMember) {
  if (client === null)
    return { member: label, endpoint: listed.peerURLs[0] ?? '', state: 'not joined', detail: '' } as const
  const { kind, detail = '' } = client.refusal ?? {}
  // An observation that ends at the time-out does not say how far it came; the client does.
  const isSilent = kind === 'silent' || client.findings.some(({ code }) => code === 'endpoint/silent')
  const state = isSilent ? 'silent' : isRefused(client) ? 'refused' : 'unreachable'
  return { member: label, endpoint: client.url, state, detail } as const
}

function hasLeader(members: readonly ExaminedMember[]): boolean {
  return members.some(({ client }) => (client?.answers?.role ?? null) !== null)
}

/** Longest time that a healthy member needs to join, in milliseconds. */
const JOIN_TIME = 60_000

/** Whether its process runs here, and has not joined the cluster, which has a leader. */
function isUnjoined(member: ExaminedMember, all: readonly ExaminedMember[]): boolean {
  const { planned, listed, answersFor } = member
  if (planned === null || answersFor !== null || isAnswering(member)) return false
  const isOther = planned.wal !== null && listed.id !== '' && planned.wal.memberId !== listed.id
  return hasLeader(all) && (isOther || (listed.name === '' && planned.evidence.kind === 'process'))
}

/** Processes that run with the data of another cluster, or have not joined theirs. */
export function compareJoined(examined: ExaminedCluster, all: readonly PlannedMember[]): Note[] {
  const { planned, members } = examined
  const found = members.flatMap((each) => compareData(each, examined, all))
  return [...found, ...(members.some((each) => ownerOf(each, members)) ? [] : usedTwice(planned, members))]
}

/** The member of whose data the process of another one has a copy. */
function ownerOf({ planned, listed }: ExaminedMember, members: readonly ExaminedMember[]): ExaminedMember | undefined {
  const { memberId } = planned?.wal ?? {}
  return listed.id === memberId ? undefined : members.find((each) => each.listed.id === memberId)
}

function nameIn({ initialCluster }: EtcdConfigMember, { name, id, peerURLs }: ListedMember): string {
  return initialCluster.find(({ url }) => peerURLs.includes(url))?.name ?? (name === '' ? id : name)
}

function compareData(
  member: ExaminedMember,
  { clusterId, planned, members }: ExaminedCluster,
  all: readonly PlannedMember[],
): Note[] {
  const { label, client, answersFor, startedAt, listed } = member
  const endpoint = client?.url ?? ''
  // With data of another cluster that was seen, it is a member of that one.
  const isAt = ({ urls, peerUrls }: PlannedMember): boolean =>
    urls.includes(endpoint) || overlap(peerUrls, listed.peerURLs)
  const process = member.planned ?? all.find(isAt) ?? null
  const wal = process?.wal ?? null
  const data = process === null || wal === null ? null : dataOf(process, member, members)
  const ids = { clusterId: answersFor ?? wal?.clusterId ?? '', expected: clusterId ?? '' }
  const owner = ownerOf(member, members)
  if (data !== null && process !== null && owner !== undefined && !isAnswering(member)) {
    const { id, peerURLs } = owner.listed
    const original = { id, name: nameIn(process.config, owner.listed), endpoint: peerURLs[0] ?? '' }
    return [
      finding('cluster/data-used-twice', { kind: 'copy', ...data, owner: original, hasLeader: hasLeader(members) }),
    ]
  }
  const wrong = data === null || ids.clusterId === clusterId ? null : { ...data, ...ids }
  if (wrong !== null && process !== null && !planned.includes(process) && listed.id !== '')
    return [finding('cluster/data-of-other-cluster', { kind: 'wrong directory', ...wrong })]
  if (answersFor !== null)
    return [finding('cluster/data-of-other-cluster', { kind: 'answers', member: label, endpoint, ...ids })]
  if (!isUnjoined(member, members)) return []
  const source = member.planned?.evidence.source ?? ''
  const age = Date.now() - (startedAt?.getTime() ?? 0)
  if (age < JOIN_TIME) {
    const text = `${label} (${source}) started ${String(Math.round(age / 1000))} s ago, and has not joined yet. Run this command again in a minute.`
    return [uncheckedIn(source, 'server', text)]
  }
  return wrong === null
    ? [finding('cluster/member-not-joined', { member: label, process: source, peerUrls: [...listed.peerURLs] })]
    : [finding('cluster/data-of-other-cluster', { kind: 'no cluster', ...wrong })]
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
  const initialCluster = members.flatMap(({ listed: each }) => {
    const name = each.id === listed.id && each.name === '' ? (config.name ?? '') : nameIn(config, each)
    return (each.peerURLs.length > 0 ? each.peerURLs : peerUrls).map((url) => `${name}=${url}`)
  })
  const tokens = members.filter(isAnswering).map(({ planned }) => planned?.config.initialClusterToken ?? null)
  return {
    member: listed.name === '' ? (config.name ?? label) : label,
    directory: dataDir.path,
    walDirectory: isApart ? walDir.path : null,
    joined: listed.clientURLs.length > 0 ? { id: listed.id, peerUrls: [...listed.peerURLs] } : null,
    token: tokens.find((each) => each !== null) ?? null,
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
    return finding('cluster/data-used-twice', { kind: 'processes', member, processes, directories })
  })
}

/** Peer ports that refuse connections while their members answer clients: the members stay connected until one of them restarts. */
function comparePeerPorts(members: readonly ExaminedMember[]): Finding[] {
  const isHere = (each: ExaminedMember): boolean => each.planned?.evidence.kind === 'process'
  if (!members.some(isHere) || members.length < 2) return []
  return members.flatMap((member) => {
    const { peer, label } = member
    const isSilent = isHere(member) && peer?.refusal?.kind === 'silent'
    if (!isAnswering(member) || peer === null || !(isRefused(peer) || isSilent)) return []
    const detail = peer.refusal?.detail ?? ''
    return [finding('cluster/peer-port-closed', { member: label, endpoint: peer.url, detail })]
  })
}

/** Members that report that they lead at the same time. One that was deposed or paused notices it within seconds. */
export function compareLeaders(members: readonly ExaminedMember[]): Finding[] {
  const leaders = leadersOf(members)
  if (leaders.length < 2) return []
  const details = leaders.map(({ label, client }) => ({ member: label, endpoint: client?.url ?? '' }))
  return [finding('cluster/two-leaders', { leaders: details })]
}

export function leadersOf(members: readonly ExaminedMember[]): ExaminedMember[] {
  return members.filter(({ client }) => client?.answers?.role === 'leader')
}

/** An etcd that is to run here, and does not. */
export function compareRunning(members: readonly ExaminedMember[], areProcessesVisible: boolean): Note[] {
  return members.flatMap((member): Note[] => {
    const { kind, source = '' } = member.planned?.evidence ?? {}
    const { client } = member
    const isOther = isAnswering(member) || ownerOf(member, members) !== undefined
    if ((kind !== 'kubeadm' && kind !== 'systemd') || isOther) return []
    const message = `${source} is to start etcd, and no etcd process is visible from here. Run this command as root on the machine itself.`
    if (!areProcessesVisible) return [uncheckedIn(source, 'permission', message)]
    if (client === null || !isRefused(client)) return []
    const details = { kind: kind === 'kubeadm' ? 'manifest' : 'unit', source, endpoint: client.url } as const
    return [{ ...finding('cluster/not-running', details), consequences: [...client.findings] }]
  })
}
