/** Findings about members that run with data that is not theirs. */
import { error } from '../row.js'
import { listed } from '../words.js'
import { shellArgument } from './place.js'

/** A member whose data is not that of its cluster. The IDs are those of the data and of the cluster that lists the member. */
export interface WrongData {
  member: string
  directory: string
  /** `--wal-dir`; null if the WAL is in the data directory. */
  walDirectory: string | null
  clusterId: string
  expected: string
  /** The token of the other members; null if it is not known. */
  token: string | null
  /** If it had joined before, its ID in the member list and its peer URLs: raft does not accept a member that lost its log. */
  joined: { id: string; peerUrls: string[] } | null
  /** The members of the cluster, in the form of `--initial-cluster`. */
  initialCluster: string
}

/** A member that was started with a copy of the data of another one. */
export interface CopiedData extends Omit<WrongData, 'clusterId' | 'expected' | 'token'> {
  /** Whose data it is. */
  owner: { id: string; name: string; endpoint: string }
  hasLeader: boolean
}

export const clusterData = {
  'cluster/data-of-other-cluster': {
    answers: error((d: { member: string; endpoint: string; clusterId: string; expected: string }) => [
      `${d.member} of the cluster ${d.expected} is at ${d.endpoint}, where a member of the cluster ${d.clusterId} answers: etcd runs there with the data of another cluster, or the address leads elsewhere.`,
      `Find out what listens there: "ss -ltnp sport = :${portOf(d.endpoint)}" on the machine of ${d.endpoint}. If it is the etcd of ${d.member}, stop it, set --data-dir to the directory of its own data, and start it.`,
    ]),
    'wrong directory': error((d: WrongData) => [
      `The data directory of ${d.member}, ${d.directory}, is of the cluster ${d.clusterId}, and ${d.member} is configured for the cluster ${d.expected}.`,
      `Stop ${d.member}, set --data-dir to the directory of its own data, and start it.`,
    ]),
    'no cluster': error((d: WrongData) => [
      `${d.member} first started with another --initial-cluster-token or --initial-cluster than the others: its data in ${d.directory} is of the cluster ${d.clusterId}, and theirs of ${d.expected}. Its log has "cluster ID mismatch".`,
      `Stop ${d.member}. Set --initial-cluster-token${d.token === null ? ' to that of the other members' : `=${shellArgument(d.token)}`}, --initial-cluster=${shellArgument(d.initialCluster)} and --initial-cluster-state=existing. Move its data aside: ${moveAside(d)}.${joinAgain(d)} Then start it.`,
    ]),
  },
  'cluster/data-used-twice': {
    processes: error((d: { member: string; processes: string[]; directories: string[] }) => [
      `${listed(d.processes)} both run with the data of the member ${d.member}: the data directory was copied (${listed(d.directories)}). Both answer for the same cluster, and their contents differ.`,
      'Stop the process whose configuration names the wrong --data-dir, correct it, and start it again.',
    ]),
    copy: error((d: CopiedData) => [
      `The data directory of ${d.member}, ${d.directory}, is a copy of that of ${d.owner.name}: it has the member ID ${d.owner.id}, and ${d.owner.name} itself answers at ${d.owner.endpoint}.`,
      `Stop ${d.member}, and start ${d.owner.name} if it ended too. If ${d.member}'s own data exists, set --data-dir to it, and start it. ${d.hasLeader ? joinWithoutCopy(d) : 'Otherwise start the other members: the member list can be changed only while they have a leader. Then run this command again.'}`,
    ]),
  },
}

type Directories = Pick<WrongData, 'directory' | 'walDirectory'>

function moveAside({ directory, walDirectory }: Directories): string {
  const moves = [directory, ...(walDirectory === null ? [] : [walDirectory])].map((each) => {
    const path = shellArgument(each.replace(/(?<=[^/])\/+$/, ''))
    return `"mv ${path} ${path}.$(date +%s)"`
  })
  return listed(moves)
}

function joinWithoutCopy(d: CopiedData): string {
  const { member, owner, initialCluster } = d
  const restart = ` If "etcdctl member list" then has ${member} twice, restart ${owner.name}.`
  return `Otherwise move the copy aside: ${moveAside(d)}.${joinAgain(d)} Set --initial-cluster=${shellArgument(initialCluster)} and --initial-cluster-state=existing, and start it.${restart}`
}

function joinAgain({ member, joined }: Pick<WrongData, 'member' | 'joined'>): string {
  if (joined === null) return ''
  const urls = joined.peerUrls.slice(0, 5).map(shellArgument).join(',')
  return ` Add it again: "etcdctl member remove ${shellArgument(joined.id)}", then "etcdctl member add ${shellArgument(member)} --peer-urls=${urls}" until the answer is not "unhealthy cluster".`
}

/** The port of a URL, as `ss` has it. */
export function portOf(endpoint: string): string {
  return /:(\d+)$/.exec(endpoint)?.[1] ?? '2379'
}
