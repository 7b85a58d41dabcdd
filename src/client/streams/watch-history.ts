/**
 * Recognizes a server whose revisions are not those of a watch: it is of another cluster, or its data was replaced by older data, as by
 * a restore with the same token. A watch that continued there would miss changes.
 */
import { clusterChangedError, clusterIdOf } from '../base/cluster-vote.js'
import type { EtcdMtlsError } from '../../report/errors.js'
import { int64At } from '../transport/protobuf.js'
import type { WatchResponse } from './watch-messages.js'

/** The identity of a store, and how far it has come. 0: not known, as behind etcd's grpc-proxy. */
export interface StoreState {
  readonly cluster: bigint
  readonly revision: bigint
  /** The term of raft. It never falls, except by a restore. */
  readonly term: bigint
}

/** ResponseHeader of etcd api/etcdserverpb/rpc.proto. */
const [CLUSTER_ID, RAFT_TERM] = [1, 4]

export function stateIn({ message, headerStart, headerEnd, revision }: WatchResponse): StoreState {
  const header = message.subarray(headerStart, headerEnd)
  return { cluster: int64At(header, CLUSTER_ID), revision, term: int64At(header, RAFT_TERM) }
}

/** What a watch has seen of its store. */
export class SeenHistory {
  #cluster = 0n
  #revision = 0n
  #term = 0n

  get isKnown(): boolean {
    return this.#cluster !== 0n
  }

  reached(revision: bigint): void {
    if (revision > this.#revision) this.#revision = revision
  }

  note({ cluster, revision, term }: StoreState): void {
    if (cluster !== 0n) this.#cluster = cluster
    if (term > this.#term) this.#term = term
    this.reached(revision)
  }

  isOfOtherCluster({ cluster }: StoreState): boolean {
    return this.isKnown && cluster !== 0n && cluster !== this.#cluster
  }

  /** Whether the store is behind: a member that has not caught up, or older data. */
  isAheadOf({ cluster, revision, term }: StoreState): boolean {
    return (
      cluster !== 0n && cluster === this.#cluster && (revision < this.#revision || (term !== 0n && term < this.#term))
    )
  }

  /** @param what The watch, as the subject of a sentence. */
  changedError(what: string, { cluster }: StoreState): EtcdMtlsError<'ERR_CLUSTER_CHANGED'> {
    return clusterChangedError(what, { cluster: clusterIdOf(cluster), before: clusterIdOf(this.#cluster) })
  }
}
