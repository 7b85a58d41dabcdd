/** Tells clusters apart: which process and which endpoint belongs to which. No input or output. */
import type { AskedPort, ClusterParts, PlannedMember } from './evidence.js'
import { listIn, overlap } from './read-evidence.js'

interface Group {
  clusterId: string | null
  /** The network namespace of a cluster that has only loopback addresses in another one; else null. */
  readonly network: string | null
  readonly planned: PlannedMember[]
  readonly asked: AskedPort[]
}

/**
 * By the cluster ID that a process or an endpoint answers; else by that of its data; else by a peer URL that it shares with the member
 * list or with `--initial-cluster` of another one. Tokens and names say nothing: clusters that grew have different configurations, and
 * those of templates have equal ones. IDs are computed of peer URLs and tokens, so members with only loopback addresses in two network
 * namespaces are never of one cluster. The order of the input has no effect.
 */
export function groupClusters(planned: readonly PlannedMember[], asked: readonly AskedPort[]): ClusterParts[] {
  const groups: Group[] = []
  const groupOf = (clusterId: string | null, network: string | null = null): Group => {
    const known = groups.find((each) => each.clusterId === clusterId && each.network === network)
    const group = known ?? { clusterId, network, planned: [], asked: [] }
    if (known === undefined) groups.push(group)
    return group
  }
  for (const each of asked) if (each.answers !== null) groupOf(each.answers.clusterId).asked.push(each)
  groups.sort(byId)
  const left = planned.toSorted(bySource).filter((each) => {
    const network = networkOf(each)
    if (network !== null) groupOf(each.wal?.clusterId ?? null, network).planned.push(each)
    return network === null
  })
  const unseen = left.filter((each) => {
    const own = asked.find((port) => isAnswerOf(port, each))?.answers?.clusterId ?? each.wal?.clusterId
    const isSeen = groups.some(({ clusterId, network }) => network === null && clusterId === own)
    // A process that has not joined has data with an ID that nobody answers. The cluster that lists its address misses it.
    const found = groups.find((group) =>
      isSeen ? group.network === null && group.clusterId === own : isListedIn(group, each),
    )
    found?.planned.push(each)
    return found === undefined
  })
  for (const each of unseen) if (each.wal !== null) groupOf(each.wal.clusterId).planned.push(each)
  const withoutData = unseen.filter(({ wal }) => wal === null)
  joinByUrls(groups, withoutData)
  const silent = asked.filter(({ answers }) => answers === null)
  placeSilent(groups, silent)
  return groups.sort(byId)
}

function byId(a: Group, b: Group): number {
  const keyOf = ({ clusterId, planned, asked }: Group): string =>
    [clusterId ?? '~', ...planned.map(({ evidence }) => evidence.source), ...asked.map(({ url }) => url)].join()
  return keyOf(a) < keyOf(b) ? -1 : 1
}

function bySource(a: PlannedMember, b: PlannedMember): number {
  return a.evidence.source < b.evidence.source ? -1 : 1
}

function networkOf({ evidence, config, peerUrls }: PlannedMember): string | null {
  return peerUrls.length === 0 && config.peer.advertiseUrls.length > 0 ? evidence.network : null
}

/** Whether the process of a configuration gave an answer: by the member ID of its data, else by the certificate in its file. */
function isAnswerOf({ url, chain, answers }: AskedPort, { config, wal, urls }: PlannedMember): boolean {
  if (answers === null) return false
  if (wal !== null) return answers.memberId === wal.memberId && answers.clusterId === wal.clusterId
  const [served, inFile] = [chain[0], config.client.cert?.certificates[0]]
  return urls.includes(url) && served !== undefined && inFile !== undefined && served.equals(inFile)
}

function isListedIn({ asked }: Group, { wal, urls, peerUrls }: PlannedMember): boolean {
  const isListed = listIn(asked).some(
    ({ clientURLs, peerURLs }) => overlap(peerURLs, peerUrls) || (wal === null && overlap(clientURLs, urls)),
  )
  return isListed || (wal === null && asked.some(({ url }) => urls.includes(url)))
}

/** Repeated, because a member may share a URL only with one that is placed after it. */
function joinByUrls(groups: Group[], members: readonly PlannedMember[]): void {
  const groupOf = (each: PlannedMember): Group | undefined => groups.find((group) => isPlannedIn(group, each))
  const left = [...members]
  while (left.length > 0) {
    const at = left.findIndex((each) => groupOf(each) !== undefined)
    for (const next of left.splice(Math.max(at, 0), 1)) {
      const group = groupOf(next)
      if (group === undefined) groups.push({ clusterId: null, network: null, planned: [next], asked: [] })
      else group.planned.push(next)
    }
  }
}

function isPlannedIn(group: Group, each: PlannedMember): boolean {
  const names = ({ config }: PlannedMember, { peerUrls }: PlannedMember): boolean =>
    config.initialCluster.some(({ url }) => peerUrls.includes(url))
  const isSharing = (other: PlannedMember): boolean => names(other, each) || names(each, other)
  return isListedIn(group, each) || (group.network === null && group.planned.some(isSharing))
}

/** An endpoint that does not answer belongs to the process or the member whose URL it is; else, with one cluster, to that. */
function placeSilent(groups: Group[], silent: readonly AskedPort[]): void {
  const named = groups.filter(
    ({ asked, planned }) => asked.length > 0 || planned.some(({ evidence: { kind } }) => kind === 'given'),
  )
  const only = named.length === 1 ? named[0] : undefined
  let rest: Group | null = null
  for (const each of silent) {
    const { url } = each
    const found =
      groups.find(({ planned }) => planned.some(({ urls }) => urls.includes(url))) ??
      groups.find(({ asked }) => listIn(asked).some(({ clientURLs }) => clientURLs.includes(url))) ??
      only ??
      rest
    if (found !== null) found.asked.push(each)
    else groups.push((rest = { clusterId: null, network: null, planned: [], asked: [each] }))
  }
}
