/** Which cluster the client uses, if its endpoints report different ones. */
import { EtcdMtlsError } from '../../report/errors.js'
import type { Finding } from '../../report/finding.js'
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
  /** The cluster that the client used before the chosen one; null: none. */
  #before: string | null = null
  readonly #listeners = new Set<(error: EtcdMtlsError) => void>()

  /** Null until a member reports its cluster. */
  get chosen(): string | null {
    return this.#chosen
  }

  /** Calls the listener when the client switches to another cluster. Returns a function that removes it. */
  onChange(listener: (error: EtcdMtlsError) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Counts again. @returns Whether another cluster was chosen.
   *
   * @param isFirst Whether the first attempts have not ended: a choice until then is not reported as a change.
   */
  count(voters: Iterable<Voter>, isFirst = false): boolean {
    const clusters = clustersOf(voters)
    const most = clusters.filter(({ endpoints }) => endpoints.length === clusters[0]?.endpoints.length)
    const chosen = (most.find(({ id }) => id === this.#chosen) ?? most[0])?.id ?? null
    const isOther = chosen !== this.#chosen
    const before = this.#chosen
    this.#chosen = chosen
    if (isOther && before !== null && chosen !== null) {
      if (!isFirst) this.#before = before
      const error = clusterChangedError('The lease', { cluster: chosen, before })
      for (const listener of [...this.#listeners]) listener(error)
    }
    return isOther
  }

  /** Whether two clusters have equally many of the endpoints, so that none can be chosen without an earlier choice. */
  isDivided(voters: Iterable<Voter>): boolean {
    const [first, second] = clustersOf(voters)
    return first !== undefined && first.endpoints.length === second?.endpoints.length
  }

  /** The findings for an endpoint of another cluster than the chosen one, or than the one that was used before. */
  findingsFor({ endpoint: { url }, clusterId }: Voter, voters: readonly Voter[]): Finding[] {
    const clusters = clustersOf(voters)
    const chosen = clusters.find(({ id }) => id === this.#chosen)
    if (chosen === undefined || clusterId === null) return []
    if (clusterId === chosen.id) {
      const before = this.#before
      const details = { endpoints: chosen.endpoints, cluster: clusterId }
      return before === null ? [] : [finding('endpoint/cluster-changed', { ...details, before })]
    }
    const { id: expected, endpoints: members } = chosen
    const hasMajority = members.length * 2 > voters.length
    const details = { endpoint: url, cluster: clusterId, expected, members, hasMajority, clusters }
    return [finding('endpoint/other-cluster', details)]
  }
}

/** The cluster ID as etcd logs it. */
export function clusterIdOf(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16)
}

/** @param what The watch or the lease that ends, as the subject of a sentence. */
export function clusterChangedError(
  what: string,
  details: { cluster: string; before: string },
): EtcdMtlsError<'ERR_CLUSTER_CHANGED'> {
  const { cluster, before } = details
  const reason =
    cluster === before
      ? `the data of the cluster ${cluster} was replaced by older data, as by a restore`
      : `etcd now answers for the cluster ${cluster} instead of ${before}, whose revisions are others`
  const message = `${what} cannot continue: ${reason}, and changes may have been missed. Read the keys again, then watch or lock again.`
  return new EtcdMtlsError('ERR_CLUSTER_CHANGED', message, details)
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

/** The findings of all endpoints; of those that are about all of them and the same for each, the first. */
export function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const [division, change] = [findings.find(isDivision), findings.find(isChange)]
  return findings.filter((each) => !(isDivision(each) || isChange(each)) || each === division || each === change)
}

/** Without a majority the finding is about all endpoints. */
function isDivision({ code, details }: Finding): boolean {
  return code === 'endpoint/other-cluster' && !details.hasMajority
}

function isChange({ code }: Finding): boolean {
  return code === 'endpoint/cluster-changed'
}
