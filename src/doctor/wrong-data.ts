/** Whether the data directory of a member is that of the cluster that the member is configured for. No input or output. */
import { cluster, type WrongData } from '../report/catalogue/cluster.js'
import { type Finding, findingMaker } from '../report/finding.js'

const finding = findingMaker(cluster)

/** IDs are hexadecimal, as etcdctl prints them. */
export interface DataEvidence {
  /** The metadata of the WAL; null if it cannot be read. */
  readonly wal: { readonly clusterId: string; readonly memberId: string } | null
  /** The clusters that were seen from here. */
  readonly clusters: readonly {
    readonly clusterId: string
    readonly memberIds: readonly string[]
    readonly hasLeader: boolean
  }[]
  /** Without data, etcd reads --initial-cluster and its token, and with data it ignores both. */
  readonly hasDataDirectory: boolean
  /** The ID of the cluster that lists a peer URL of the member; null if none does. */
  readonly expected: string | null
}

/**
 * `first start`: there is no data. `own`: the member is in the list of the cluster that its data is of. `wrong directory`: its data is of
 * another cluster that was seen. `no cluster`: its data is of no cluster that was seen, and its own one works without it. `unknown`: all else,
 * such as a member that was removed.
 */
export type DataState = 'first start' | 'own' | 'wrong directory' | 'no cluster' | 'unknown'

export function dataState({ wal, clusters, hasDataDirectory, expected }: DataEvidence): DataState {
  if (!hasDataDirectory) return 'first start'
  const own = clusters.find(({ clusterId }) => clusterId === wal?.clusterId)
  const isOwn = own?.memberIds.includes(wal?.memberId ?? '') === true
  if (wal === null || expected === null) return isOwn ? 'own' : 'unknown'
  if (own !== undefined && own.clusterId !== expected) return 'wrong directory'
  const isListed = clusters.some(({ memberIds }) => memberIds.includes(wal.memberId))
  if (own !== undefined) return isListed ? 'own' : 'unknown'
  const hasLeader = clusters.some(({ clusterId, hasLeader: has }) => clusterId === expected && has)
  return !isListed && hasLeader ? 'no cluster' : 'unknown'
}

/** @param details What the finding shows, without the IDs of the clusters. */
export function wrongData(
  evidence: DataEvidence,
  details: Omit<WrongData, 'clusterId' | 'expected'>,
): Finding<'cluster/data-of-other-cluster'>[] {
  const kind = dataState(evidence)
  const { wal, expected } = evidence
  if (wal === null || expected === null || (kind !== 'wrong directory' && kind !== 'no cluster')) return []
  const ids = { clusterId: wal.clusterId, expected }
  return [finding('cluster/data-of-other-cluster', { kind, ...details, ...ids })]
}

/** What etcd reads only at its first start, so that it is no fault of a cluster that runs: its members may have been added one by one. */
const OF_FIRST_START: readonly string[] = ['config/member-not-listed', 'config/cluster-urls-differ']

export function isOfFirstStart({ code, details }: Finding): boolean {
  if (code === 'config/members-differ') return details.kind === 'cluster' || details.kind === 'state'
  return OF_FIRST_START.includes(code)
}
