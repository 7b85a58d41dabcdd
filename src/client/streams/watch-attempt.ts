/** The watches of a stream on one of its attempts: how they are created there, and what the attempt delivers of each. */
import { backoffPause } from '../../report/duration.js'
import { MalformedMessage } from '../transport/protobuf.js'
import type { StreamAttempt } from './stream-attempt.js'
import { WatchFragments } from './watch-fragments.js'
import type { SeenHistory } from './watch-history.js'
import {
  cancelRequest,
  type CreateRequest,
  createRequest,
  progressRequest,
  type WatchedKeys,
  type WatchResponse,
} from './watch-messages.js'

export interface Watch extends Omit<CreateRequest, 'startRevision' | 'watchId'> {
  readonly id: bigint
  readonly keys: WatchedKeys
  /** The start revision that the caller requested; 0: from now on. */
  readonly asked: bigint
  /** The first revision that was not delivered; 0 until the server reports where the watch starts. */
  next: bigint
  /** The revision after the last delivered event; before the first one, where the watch starts. */
  afterEvents: bigint
  readonly seen: SeenHistory
  /** The header revision of the last delivered response; null: none. */
  delivered: bigint | null
  canceling: boolean
}

/** A watch that the server has created on an attempt. */
export interface CreatedWatch {
  readonly watch: Watch
  readonly serverId: bigint
  /** The attempt delivers every event from this revision on. */
  from: bigint
  /** The revision of the server when it created the watch. */
  readonly createdAt: bigint
  /** How many progress requests came before it: their answers are not about this watch. */
  readonly requestsBefore: number
  /** Whether the server has read all past events for it: from then on, a compaction does not end it. */
  isSynced: boolean
}

/** A watch that the attempt creates, or has requested. */
interface PendingWatch {
  readonly watch: Watch
  /** The id in the request. */
  readonly id: bigint
  /** Whether it starts at the current revision of the server, and not at `watch.next`. */
  fromNow: boolean
  start: bigint
  requestsBefore: number
}

interface AttemptOwner {
  /** Maximum bytes of fragments that are held. */
  readonly limit: number
  /** An id that no watch of the stream has. */
  readonly freshId: () => bigint
  /** Called when an inquiry has found that the server does not report progress. */
  readonly onNoProgress: () => void
}

/** Milliseconds between two progress requests. etcd reads past events for new watches every 100 ms. */
const INQUIRY_PAUSES = { first: 100, longest: 20_000 }
/** The same if the first one was answered. */
const SHORTEST_PAUSE = 10

export class WatchAttempt {
  readonly stream: StreamAttempt
  readonly fragments: WatchFragments
  /** Whether it may repeat events that another attempt has delivered. */
  mayRepeat = false
  /** Whether the server answers progress requests in the order of events; null until that is known. */
  answersProgress: boolean | null = null
  readonly #owner: AttemptOwner
  readonly #requested = new WeakSet<Watch>()
  #uncreated: PendingWatch[] = []
  /** Requested in this order and not answered. */
  readonly #awaited: PendingWatch[] = []
  readonly #byServerId = new Map<bigint, CreatedWatch>()
  readonly #byWatch = new Map<Watch, CreatedWatch>()
  // Whether the server uses our watch ids, as etcd does since 3.4. Its grpc-proxy does not and may answer out of order,
  // so there watches are created one at a time.
  #usesOurIds = false
  #inquiries = 0
  #inquiryTimer: NodeJS.Timeout | undefined
  #requestedAt = -Infinity
  /** Progress requests, and answers to them. etcd does not answer every request. */
  #requests = 0
  #answers = 0

  constructor(stream: StreamAttempt, owner: AttemptOwner) {
    this.stream = stream
    this.fragments = new WatchFragments(owner.limit)
    this.#owner = owner
  }

  get hasPending(): boolean {
    return this.#uncreated.length + this.#awaited.length > 0
  }

  get pending(): Set<Watch> {
    return new Set([...this.#uncreated, ...this.#awaited].map(({ watch }) => watch))
  }

  get created(): IterableIterator<CreatedWatch> {
    return this.#byServerId.values()
  }

  get size(): number {
    return this.#byServerId.size
  }

  byServerId(id: bigint): CreatedWatch | undefined {
    return this.#byServerId.get(id)
  }

  find(watch: Watch): CreatedWatch | undefined {
    return this.#byWatch.get(watch)
  }

  create(watch: Watch, fromNow = false): void {
    // The server may still send responses for an earlier creation under its id.
    const id = this.#requested.has(watch) ? this.#owner.freshId() : watch.id
    this.#requested.add(watch)
    this.#uncreated.push({ watch, id, fromNow, start: 0n, requestsBefore: 0 })
    this.createNext()
  }

  createNext(): void {
    while (this.#usesOurIds || this.#awaited.length === 0) {
      const pending = this.#uncreated.shift()
      if (pending === undefined) break
      const { watch, id, fromNow } = pending
      // Only etcd itself is known to start at the revision that it reports.
      pending.start = fromNow && this.#usesOurIds ? 0n : watch.next
      pending.requestsBefore = this.#requests
      this.#awaited.push(pending)
      this.stream.send(createRequest({ body: watch.body, startRevision: pending.start, watchId: id }))
    }
    this.stream.expectAnswer(this.#awaited.length > 0)
  }

  /**
   * Accepts the answer to a create. `created`: null if the server refused it.
   *
   * @returns Null if none was requested.
   * @throws {MalformedMessage}
   */
  accept({ watchId, canceled, revision }: WatchResponse): { watch: Watch; created: CreatedWatch | null } | null {
    const index = Math.max(
      this.#awaited.findIndex(({ id }) => id === watchId),
      0,
    )
    const pending = this.#awaited[index]
    if (pending === undefined) return null
    const { watch, id, start, requestsBefore } = pending
    if (!canceled && (watchId < 0n || this.#byServerId.has(watchId))) {
      throw new MalformedMessage(`watch ${String(watchId)} is created twice, or has no valid id`)
    }
    this.#awaited.splice(index, 1)
    if (canceled) return { watch, created: null }
    if (watchId === id) this.#usesOurIds = true
    // etcd starts at the revision after the one in this header (etcd server/etcdserver/api/v3rpc/watch.go).
    const from = start === 0n ? revision + 1n : start
    const created = { watch, serverId: watchId, from, createdAt: revision, requestsBefore, isSynced: false }
    this.#byServerId.set(watchId, created)
    this.#byWatch.set(watch, created)
    return { watch, created }
  }

  /** Returns whether an answer of the server follows. */
  cancel(watch: Watch): boolean {
    const created = this.#byWatch.get(watch)
    if (created !== undefined) this.stream.send(cancelRequest(created.serverId))
    this.#uncreated = this.#uncreated.filter((each) => each.watch !== watch)
    return created !== undefined || this.#awaited.some((each) => each.watch === watch)
  }

  remove({ serverId, watch }: CreatedWatch): void {
    this.#byServerId.delete(serverId)
    this.#byWatch.delete(watch)
    this.fragments.drop(watch.id)
  }

  /** Watches that were not requested yet start at their positions. */
  startAtPositions(): void {
    for (const pending of this.#uncreated) pending.fromNow = false
  }

  /**
   * Requests the progress until the server answers: etcd sends no answer while one of the watches still reads past
   * events (etcd server/storage/mvcc/watchable_store.go, progressIfSync). Does nothing while an answer is due.
   */
  inquire(): void {
    if (this.#inquiryTimer !== undefined) return
    const pause = this.#requestedAt + SHORTEST_PAUSE - performance.now()
    if (pause <= 0) this.#requestProgress()
    else this.#inquiryTimer = setTimeout(this.#requestProgress, pause).unref()
  }

  /** The server has answered. Returns the watches that have made this progress. */
  progressed(revision: bigint): CreatedWatch[] {
    this.#answers += 1
    this.stop()
    // The watch may have been created after the request that is answered.
    const isIncluded = ({ createdAt, requestsBefore }: CreatedWatch): boolean =>
      revision > createdAt || (revision === createdAt && this.#answers > requestsBefore)
    return [...this.#byServerId.values()].filter(isIncluded)
  }

  /** Ends an inquiry. */
  stop(): void {
    clearTimeout(this.#inquiryTimer)
    this.#inquiryTimer = undefined
    this.#inquiries = 0
  }

  readonly #requestProgress = (): void => {
    // Only etcd since 3.4 uses our ids; other servers may not support progress requests.
    if (!this.#usesOurIds) {
      this.#endInquiry()
      return
    }
    this.#inquiries += 1
    this.#inquiryTimer = setTimeout(this.#requestProgress, backoffPause(this.#inquiries, INQUIRY_PAUSES)).unref()
    this.stream.checkProgressOrder((exact) => {
      this.answersProgress = exact
      if (!exact) this.#endInquiry()
      else {
        this.#requests += 1
        this.#requestedAt = performance.now()
        this.stream.send(progressRequest())
      }
    })
  }

  #endInquiry(): void {
    this.answersProgress = false
    this.stop()
    this.#owner.onNoProgress()
  }
}
