/** Findings about the cluster behind an endpoint: its leader, its alarms, and which cluster it is. */
import { error, warning } from '../row.js'
import { listed } from '../words.js'

export interface NoLeader {
  /** The endpoint whose member has no leader; null if no member that answers has one. */
  endpoint: string | null
  /** If no member has a leader: for each endpoint that it has none, or why it does not answer. */
  members: { endpoint: string; says: string }[]
  /** The endpoints that accept connections and serve nothing, if no endpoint serves. etcd serves clients once it has found a leader. */
  starting: string[]
}

export interface OtherCluster {
  endpoint: string
  /** The cluster ID of the endpoint, in hexadecimal as in the log of etcd. */
  cluster: string
  /** The cluster ID that this client uses. */
  expected: string
  /** The endpoints of that cluster. */
  members: string[]
  /** Whether these are more than half of all endpoints: only then is the other endpoint likely to be the wrong one. */
  hasMajority: boolean
  /** The endpoints of each cluster, the largest number first. */
  clusters: { id: string; endpoints: string[] }[]
}

export interface RaisedAlarm {
  endpoint: string
  alarm: 'NOSPACE' | 'CORRUPT'
}

export interface ClusterChanged {
  /** The endpoints that answer for the cluster. */
  endpoints: string[]
  /** The cluster ID, in hexadecimal as in the log of etcd. */
  cluster: string
  /** The cluster that this client used until then. */
  before: string
}

export interface LargeRequest {
  endpoint: string
  /** As `KV/Put`. */
  method: string
  /** Bytes of the request. */
  size: number
}

export const clusterState = {
  'endpoint/request-too-large': error((d: LargeRequest) => [
    `${d.endpoint} refuses ${d.method}: the request has ${String(d.size)} bytes, and etcd accepts 1.5 MiB by default.`,
    'Split the value or the transaction. Or start every member with a larger --max-request-bytes, and raise the limit of a proxy in front of etcd as well.',
  ]).refusedAs({ etcd: ['etcdserver: request is too large', 'grpc: received message larger than max (… vs. …)'] }),
  'endpoint/no-leader': warning((d: NoLeader) => [noLeaderReason(d), noLeaderRemedy(d)])
    .or('error', ({ endpoint }) => endpoint === null)
    .refusedAs({ etcd: 'etcdserver: no leader' }),
  'endpoint/other-cluster': error((d: OtherCluster) => [
    d.hasMajority
      ? `${d.endpoint} belongs to another cluster (ID ${d.cluster}) than ${listed(d.members)} (ID ${d.expected}).`
      : `The endpoints belong to more than one cluster: ${listed(
          d.clusters.map(({ id, endpoints }) => `ID ${id} has ${listed(endpoints, 'no endpoint')}`),
          'their IDs are not known',
        )}.`,
    d.hasMajority
      ? `Pass only the endpoints of one cluster. If ${d.endpoint} should be a member of it, remove it there with "etcdctl member remove", empty its data directory, add it with "etcdctl member add" and start it with --initial-cluster-state=existing.`
      : `Pass only the endpoints of one cluster. "env -u ETCDCTL_ENDPOINTS etcdctl member list --endpoints=${d.endpoint}" lists the members of the cluster ${d.cluster}.`,
  ]),
  'endpoint/alarm': error((d: RaisedAlarm) => [
    d.alarm === 'NOSPACE'
      ? `The cluster of ${d.endpoint} has the alarm NOSPACE: its database has reached --quota-backend-bytes, and it refuses writes.`
      : `The cluster of ${d.endpoint} has the alarm CORRUPT: the data of a member differs from that of the others, and it refuses calls.`,
    d.alarm === 'NOSPACE'
      ? 'Run "etcdctl compact REVISION" with a revision that "etcdctl endpoint status -w json" shows, then "etcdctl defrag --cluster" and "etcdctl alarm disarm". Delete keys or raise --quota-backend-bytes if the database stays that large.'
      : 'Run "etcdctl endpoint hashkv --cluster" to find the member whose hash differs. Replace it ("etcdctl member remove", an empty data directory, "etcdctl member add"), then run "etcdctl alarm disarm".',
  ]).refusedAs([
    { etcd: 'etcdserver: mvcc: database space exceeded', when: ({ alarm }) => alarm === 'NOSPACE' },
    { etcd: 'etcdserver: corrupt cluster', when: ({ alarm }) => alarm === 'CORRUPT' },
  ]),
  'endpoint/cluster-changed': warning((d: ClusterChanged) => [
    `${listed(d.endpoints)} ${d.endpoints.length === 1 ? 'answers' : 'answer'} for the cluster ${d.cluster}; until then, this client used the cluster ${d.before}, whose data and revisions are others.`,
    'If the cluster was restored or set up again, read the keys again: the open watches and leases have ended with ERR_CLUSTER_CHANGED. Otherwise check --data-dir and --initial-cluster-token of etcd there, and where the address leads. A new client does not report this.',
  ]),
}

function noLeaderReason({ endpoint, members, starting }: NoLeader): string {
  if (endpoint !== null)
    return `The member at ${endpoint} has no leader: it is cut off from the other members, or the members elect one.`
  if (starting.length > 0) {
    const gone = goneOf({ members, starting })
    const rest = gone.length === 0 ? '' : `, and nothing listens at ${listed(gone)}`
    return `etcd at ${listed(starting)} accepts connections and serves nothing${rest}: most likely it has not found a leader.`
  }
  const all = members.map((each) => `${each.endpoint} reports ${each.says.replace(/[.]$/, '')}`)
  return `The cluster has no leader: ${listed(all, 'no member answers')}.`
}

function goneOf({ members, starting }: Pick<NoLeader, 'members' | 'starting'>): string[] {
  return members.map(({ endpoint }) => endpoint).filter((each) => !starting.includes(each))
}

function noLeaderRemedy({ endpoint, members, starting }: NoLeader): string {
  if (endpoint !== null)
    return `If it persists, run "etcdctl endpoint status --cluster" and check the network between ${endpoint} and the other members at their peer port.`
  if (starting.length === 0)
    return 'Start the members that do not answer, and check the network between the members at their peer ports: more than half of all members must reach each other ("etcdctl endpoint status --cluster" shows them).'
  const gone = goneOf({ members, starting })
  const start = gone.length === 0 ? '' : `Start etcd at ${listed(gone)}: more than half of all members must run. `
  return `${start}${READ_LOG} With neither, it restores a snapshot or replays its WAL, and needs time.`
}

/** What the log of an etcd that has not found a leader shows. */
export const READ_LOG =
  'In its log, "rejected connection on peer endpoint" means that members refuse each other\'s certificates: check those of --peer-cert-file, first the dates ("openssl x509 -noout -dates -in FILE"). "prober detected unhealthy status" names a peer port that cannot be reached.'
