/**
 * Carries a stream of watches on over another connection, so that each watch goes on with the first event that it has not
 * delivered: none is lost, none comes twice, and the caller sees nothing of it.
 *
 * It repairs two faults of etcd3 1.1.2 on the way. One: etcd3 asks again from the revision in the header of the last
 * response, but a response that catches up with the past carries the newest revision of the store, ahead of its events; see
 * resume-positions.ts. Two: a create that etcd refuses stays in etcd3's queue, and no later watch is ever created.
 */
import type { ResumableStream, StreamResumer } from './stream-resumer.js'
import type { ResumePositions } from './resume-positions.js'
import {
  asCanceled,
  cancelRequest,
  type CreateRequest,
  createRequest,
  ownResponse,
  progressRequest,
  readWatchRequest,
  readWatchResponse,
  type WatchResponse,
  withWatchId,
} from './watch-messages.js'

interface Watch {
  /** The id that the caller knows. It is ours, and the server is asked to use it, too. */
  readonly id: bigint
  /** The WatchCreateRequest without start revision and id. */
  readonly body: Buffer
  /** The start revision that the caller asked for; 0: from now on. */
  readonly asked: bigint
  /** The first revision that was not delivered; 0 before the server has said where the watch begins. */
  next: bigint
  /** All that came before this revision concerns other keys; it is known when the server was asked on purpose. */
  quietUntil: bigint
  /** The revision in the header of what was delivered last; null before anything was. */
  told: bigint | null
  /** Whether the caller wants it to end. */
  canceling: boolean
  /** The id that the server is asked to use on this attempt. */
  wanted: bigint
  /** The id that it has on this attempt; null while the server has not created it there. */
  serverId: bigint | null
  /** Responses that hold a revision in part: they are delivered with the last of them. */
  fragments: Buffer[]
}

/** The answer to a progress request, which concerns every watch of the stream (etcd client/v3, InvalidWatchID). */
const ALL_WATCHES = -1n

export class WatchResumer implements StreamResumer {
  readonly #stream: ResumableStream
  readonly #positions: ResumePositions
  /** By the id that the caller knows, in the order in which they were made. */
  readonly #watches = new Map<bigint, Watch>()
  #lastId = 0n
  #lastHeader: Uint8Array = new Uint8Array()
  /** How often the caller asked for the progress and waits for it. */
  #progressOwed = 0

  // Of this attempt:
  /** To be created. */
  #uncreated: Watch[] = []
  /** Asked for, in order, and not answered. */
  readonly #awaited: Watch[] = []
  readonly #byServerId = new Map<bigint, Watch>()
  /**
   * Whether the server uses the ids that we give, as etcd does since 3.4. Its grpc-proxy does not, and may answer out of order:
   * there one watch is created after the other.
   */
  #takesIds = false
  #ready: (() => void) | null = null

  constructor(stream: ResumableStream, positions: ResumePositions) {
    this.#stream = stream
    this.#positions = positions
  }

  outgoing(message: Buffer): void {
    const request = readWatchRequest(message)
    switch (request.kind) {
      case 'create':
        this.#create(request.create)
        return
      case 'cancel':
        this.#cancel(request.watchId)
        return
      case 'progress':
        this.#progressOwed += 1
        this.#stream.send(message)
        return
      case 'other':
        this.#stream.send(message)
    }
  }

  incoming(message: Buffer): void {
    const response = readWatchResponse(message)
    // A copy, or it would hold the whole message.
    this.#lastHeader = Uint8Array.from(response.header)
    if (response.created) this.#onCreated(response, message)
    else if (response.watchId === ALL_WATCHES) this.#onProgressOfAll(response, message)
    else {
      const watch = this.#byServerId.get(response.watchId)
      // None: what was still on its way when the watch was canceled.
      if (watch === undefined) return
      if (response.canceled) this.#onCanceled(watch, response, message)
      else this.#onEvents(watch, response, message)
    }
  }

  begin(): void {
    this.#byServerId.clear()
    this.#awaited.length = 0
    this.#takesIds = false
    this.#ready = null
    // etcd does not promise an answer to these, so none is made up.
    this.#progressOwed = 0
    for (const watch of [...this.#watches.values()]) {
      watch.serverId = null
      watch.wanted = watch.id
      watch.fragments = []
      if (watch.canceling) this.#endCanceled(watch)
    }
    this.#uncreated = [...this.#watches.values()]
    this.#createNext()
  }

  /**
   * A watch on keys that never change knows no newer revision than its first. Were it asked for again from there, etcd might
   * have compacted that revision since, and refuse. So the server is asked how far it has come.
   */
  prepareToMove(ready: () => void): void {
    if (this.#byServerId.size === 0) {
      ready()
      return
    }
    this.#ready = ready
    this.#stream.send(progressRequest())
  }

  failed(): void {
    const left = [...this.#watches.values()].filter((watch) => !watch.canceling)
    this.#positions.note(
      left.map(({ body, asked, told, next }) => ({ body, from: told === null ? asked : told + 1n, next })),
    )
  }

  #create({ body, startRevision, watchId }: CreateRequest): void {
    // An id that is in use is the caller's mistake, and would be refused by etcd; here it only becomes another one.
    const given = watchId > 0n && !this.#watches.has(watchId)
    const id = given ? watchId : this.#freshId()
    const next = this.#positions.take(body, startRevision) ?? startRevision
    const watch: Watch = {
      id,
      body,
      asked: startRevision,
      next,
      quietUntil: 0n,
      told: null,
      canceling: false,
      wanted: id,
      serverId: null,
      fragments: [],
    }
    this.#watches.set(id, watch)
    this.#uncreated.push(watch)
    this.#createNext()
  }

  #freshId(): bigint {
    do this.#lastId += 1n
    while (this.#watches.has(this.#lastId) || this.#byServerId.has(this.#lastId))
    return this.#lastId
  }

  #createNext(): void {
    while (this.#takesIds || this.#awaited.length === 0) {
      const watch = this.#uncreated.shift()
      if (watch === undefined) break
      this.#awaited.push(watch)
      const { body, next, wanted } = watch
      this.#stream.send(createRequest({ body, startRevision: next, watchId: wanted }))
    }
    this.#stream.expectAnswer(this.#awaited.length > 0)
  }

  #cancel(id: bigint): void {
    const watch = this.#watches.get(id)
    // One that has ended already: etcd, too, says nothing to that.
    if (watch === undefined) return
    watch.canceling = true
    if (watch.serverId !== null) this.#stream.send(cancelRequest(watch.serverId))
    else if (this.#uncreated.includes(watch)) {
      this.#uncreated = this.#uncreated.filter((each) => each !== watch)
      this.#endCanceled(watch)
    }
  }

  /** The caller wants it to end, and there is no server any more, or not yet, that could say so. */
  #endCanceled(watch: Watch): void {
    this.#watches.delete(watch.id)
    this.#stream.deliver(ownResponse(this.#lastHeader, watch.id, 'canceled'))
  }

  #onCreated(response: WatchResponse, message: Buffer): void {
    const index = this.#awaited.findIndex((each) => each.wanted === response.watchId)
    const [watch] = this.#awaited.splice(Math.max(index, 0), 1)
    if (watch === undefined) return
    if (response.canceled) this.#onRefused(watch, response, message)
    else {
      if (response.watchId === watch.wanted) this.#takesIds = true
      watch.serverId = response.watchId
      this.#byServerId.set(response.watchId, watch)
      // etcd starts at the revision after the one that it tells here (etcd server/etcdserver/api/v3rpc/watch.go).
      if (watch.next === 0n) watch.next = response.revision + 1n
      if (watch.told === null) {
        watch.told = response.revision
        this.#deliver(watch, response, message)
      }
      if (watch.canceling) this.#stream.send(cancelRequest(response.watchId))
    }
    this.#createNext()
  }

  #onRefused(watch: Watch, { header, cancelReason }: WatchResponse, message: Buffer): void {
    if (isTokenRefused(cancelReason) && this.#stream.renewToken(cancelReason)) return
    this.#watches.delete(watch.id)
    if (watch.told !== null) {
      this.#stream.deliver(asCanceled(message, watch.id))
      return
    }
    this.#stream.deliver(message)
    // etcd3 takes the refused watch from its list and leaves it at the head of its queue, which goes on only when a create
    // succeeds. This is such an answer; nobody holds the watch that it goes to.
    this.#stream.deliver(ownResponse(header, watch.id, 'created'))
  }

  #onProgressOfAll({ revision }: WatchResponse, message: Buffer): void {
    for (const watch of this.#byServerId.values()) {
      if (watch.quietUntil <= revision) watch.quietUntil = revision + 1n
    }
    const ready = this.#ready
    this.#ready = null
    if (this.#progressOwed > 0) {
      this.#progressOwed -= 1
      this.#stream.deliver(message)
    }
    ready?.()
  }

  #onCanceled(watch: Watch, response: WatchResponse, message: Buffer): void {
    this.#byServerId.delete(response.watchId)
    const { compactRevision } = response
    if (compactRevision > watch.next && compactRevision <= watch.quietUntil && !watch.canceling) {
      // What was compacted holds nothing for this watch. etcd keeps the id of a watch that it ends so.
      watch.next = watch.quietUntil
      watch.wanted = this.#freshId()
      watch.serverId = null
      this.#uncreated.push(watch)
      this.#createNext()
      return
    }
    this.#watches.delete(watch.id)
    this.#deliver(watch, response, message)
  }

  #onEvents(watch: Watch, response: WatchResponse, message: Buffer): void {
    if (response.fragment) {
      watch.fragments.push(message)
      return
    }
    // A response without events says that all before its revision was delivered. One with events may catch up with the past:
    // then its header is far ahead of them.
    const next = (response.lastRevision ?? response.revision) + 1n
    if (next > watch.next) watch.next = next
    watch.told = response.revision
    for (const fragment of watch.fragments.splice(0)) this.#deliver(watch, response, fragment)
    this.#deliver(watch, response, message)
  }

  /** Hands a response to the caller, under the id that he knows. */
  #deliver(watch: Watch, { watchId }: WatchResponse, message: Buffer): void {
    this.#stream.deliver(watchId === watch.id ? message : withWatchId(message, watch.id))
  }
}

/** etcd server/etcdserver/api/v3rpc/watch.go: the reasons for which it cancels a watch at once, beside the user's rights. */
function isTokenRefused(reason: string): boolean {
  return reason.includes('invalid auth token') || reason.includes('revision of auth store is old')
}
