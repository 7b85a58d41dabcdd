/** Which cluster the client uses, if its endpoints report different ones. */
import type { Finding } from '../report/finding.js'
import type { Endpoint } from './endpoints.js'
import { finding } from './finding.js'

/** An endpoint, and the last cluster that its member reported; null if it reported none. */
interface Voter {
  readonly endpoint: Endpoint
  readonly clusterId: string | null
}

/** The cluster of most endpoints; if several have equally many, the one that the client used before. */
export class ClusterVote {
  #chosen: string | null = null

  /** Null until a member reports its cluster. */
  get chosen(): string | null {
    return this.#chosen
  }

  /** Counts again. @returns Whether another cluster was chosen. */
  count(voters: Iterable<Voter>): boolean {
    const clusters = clustersOf(voters)
    const most = clusters.filter(({ endpoints }) => endpoints.length === clusters[0]?.endpoints.length)
    const chosen = (most.find(({ id }) => id === this.#chosen) ?? most[0])?.id ?? null
    const isOther = chosen !== this.#chosen
    this.#chosen = chosen
    return isOther
  }

  /** Whether two clusters have equally many of the endpoints, so that none can be chosen without an earlier choice. */
  isDivided(voters: Iterable<Voter>): boolean {
    const [first, second] = clustersOf(voters)
    return first !== undefined && first.endpoints.length === second?.endpoints.length
  }

  /** The findings for an endpoint of another cluster than the chosen one. */
  findingsFor({ endpoint: { url }, clusterId }: Voter, voters: readonly Voter[]): Finding[] {
    const clusters = clustersOf(voters)
    const chosen = clusters.find(({ id }) => id === this.#chosen)
    if (chosen === undefined || clusterId === null || clusterId === chosen.id) return []
    const { id: expected, endpoints: members } = chosen
    const hasMajority = members.length * 2 > voters.length
    const details = { endpoint: url, cluster: clusterId, expected, members, hasMajority, clusters }
    return [finding('endpoint/other-cluster', details)]
  }
}

/** Groups the endpoints by their last known cluster, the largest group first. */
function clustersOf(voters: Iterable<Voter>): { id: string; endpoints: string[] }[] {
  const byId = new Map<string, string[]>()
  for (const { clusterId, endpoint } of voters) {
    if (clusterId !== null) byId.set(clusterId, [...(byId.get(clusterId) ?? []), endpoint.url])
  }
  const clusters = [...byId].map(([id, endpoints]) => ({ id, endpoints }))
  return clusters.sort((a, b) => b.endpoints.length - a.endpoints.length)
}
