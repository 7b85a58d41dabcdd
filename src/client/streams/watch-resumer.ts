/**
 * Resumes a stream of watches over another connection: each watch continues with the first event that was not delivered.
 *
 * It fixes three faults of etcd3 1.1.2:
 * - etcd3 resumes from the header revision of the last response. In a response with past events that is the newest revision of the
 *   store, so the events between are lost; see `ResumePositions`.
 * - A create that etcd refuses stays in etcd3's queue, and no later watch is ever created.
 * - For an unexpected response etcd3 throws an error that no caller can catch. So a response is passed on only if it was checked
 *   and belongs to a watch of etcd3.
 */
import { backoffPause } from '../../report/duration.js'
import { EtcdMtlsError } from '../../report/errors.js'
import { int64At, MalformedMessage } from '../transport/protobuf.js'
import type { ResumableStream, StreamResumer } from './resumable-call.js'
import { WatchFragments } from './watch-fragments.js'
import {
  areWatched,
  cancelRequest,
  type CreateRequest,
  createRequest,
  makeResponse,
  progressRequest,
  readWatchedKeys,
  readWatchRequest,
  readWatchResponse,
  RESPONSE,
  type WatchedKeys,
  type WatchResponse,
  withWatchId,
} from './watch-messages.js'
import type { ResumePositions, WatchEnds } from './watch-records.js'

interface Watch extends Omit<CreateRequest, 'startRevision' | 'watchId'> {
  readonly id: bigint
  readonly keys: WatchedKeys
  /** The start revision that the caller requested; 0: from now on. */
  readonly asked: bigint
  /** The first revision that was not delivered; 0 until the server reports where the watch starts. */
  next: bigint
  /** The header revision of the last delivered response; null: none. */
  delivered: bigint | null
  canceling: boolean
  /** Its id on the current attempt; null until the server has created it. */
  serverId: bigint | null
  /** The revision of the server when it created the watch on the current attempt. */
  createdAt: bigint
  /** Whether a progress request was not answered when the watch was created. */
  createdDuringInquiry: boolean
}

/**
 * The watch id in the answer to a progress request, which is about all watches of the stream (etcd client/v3,
 * InvalidWatchID).
 */
const ALL_WATCHES = -1n

export class WatchResumer implements StreamResumer {
  readonly #stream: ResumableStream
  readonly #positions: ResumePositions
  readonly #ends: WatchEnds
  /** By the id of the caller, in the order of creation. */
  readonly #watches = new Map<bigint, Watch>()
  #lastId = 0n
  #lastHeader = new Uint8Array()
  #progressOwed = 0

  // State of the current attempt.
  #uncreated: Watch[] = []
  /** Requested in this order and not answered. */
  readonly #awaited: Watch[] = []
  readonly #byServerId = new Map<bigint, Watch>()
  // Whether the server uses our watch ids, as etcd does since 3.4. Its grpc-proxy does not and may answer out of order,
  // so there watches are created one at a time.
  #usesOurIds = false
  #ready: (() => void) | null = null
  readonly #inquiry = new ProgressInquiry(() => {
    this.#requestProgress()
  })
  /** Progress requests that were not answered: etcd may never answer them. */
  #unanswered = 0
  /** Whether the attempt creates watches again whose positions are old. */
  #resumes = false
  readonly #fragments: WatchFragments

  constructor(stream: ResumableStream, positions: ResumePositions, ends: WatchEnds) {
    this.#stream = stream
    this.#positions = positions
    this.#ends = ends
    this.#fragments = new WatchFragments(stream.receiveLimit)
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
    this.#keepHeader(response)
    if (response.created || response.watchId === ALL_WATCHES) {
      if (response.fault !== null) throw new MalformedMessage(response.fault)
      if (response.created) this.#onCreated(response)
      else this.#onProgressOfAll(response)
      return
    }
    const watch = this.#byServerId.get(response.watchId)
    // The watch was canceled meanwhile, or is not of this stream.
    if (watch === undefined) return
    if (response.fault !== null) this.#endInvalid(watch, response.fault)
    else if (response.canceled) this.#onCanceled(watch, response)
    else this.#onEvents(watch, response)
  }

  begin(): void {
    this.#byServerId.clear()
    this.#fragments.clear()
    this.#awaited.length = 0
    this.#usesOurIds = false
    this.#ready = null
    this.#inquiry.stop()
    this.#unanswered = 0
    // etcd does not guarantee an answer to progress requests, so none is simulated.
    this.#progressOwed = 0
    for (const watch of [...this.#watches.values()]) {
      watch.serverId = null
      if (watch.canceling) this.#endCanceled(watch)
    }
    this.#uncreated = [...this.#watches.values()]
    this.#resumes = this.#uncreated.length > 0
    this.#createNext()
  }

  /**
   * Requests the progress, because a watch on unchanged keys has only its first revision, and etcd refuses to create it
   * again from a compacted one.
   */
  prepareToMigrate(ready: () => void): void {
    if (this.#byServerId.size === 0) {
      ready()
      return
    }
    this.#ready = ready
    this.#inquiry.start()
  }

  refresh(): void {
    if (this.#byServerId.size > 0) this.#inquiry.start()
  }

  stop(): void {
    this.#inquiry.stop()
  }

  undeliverable(head: Buffer): void {
    const watch = this.#byServerId.get(int64At(head, RESPONSE.watchId))
    if (watch !== undefined) this.#endTooLarge(watch)
  }

  failed(): void {
    const left = [...this.#watches.values()].filter((watch) => !watch.canceling)
    this.#positions.note(
      left.map(({ body, asked, delivered, next }) => ({
        body,
        from: delivered === null ? asked : delivered + 1n,
        next,
      })),
    )
  }

  #requestProgress(): void {
    // Only etcd since 3.4 uses our ids; other servers may not support progress requests.
    if (!this.#usesOurIds) {
      this.#endInquiry()
      return
    }
    this.#stream.checkProgressOrder((exact) => {
      if (exact) {
        this.#unanswered += 1
        this.#stream.send(progressRequest())
      } else this.#endInquiry()
    })
  }

  #endInquiry(): void {
    this.#inquiry.stop()
    const ready = this.#ready
    this.#ready = null
    ready?.()
  }

  #create({ startRevision, watchId, ...request }: CreateRequest): void {
    // An id in use, which etcd would refuse, is replaced.
    const id = watchId > 0n && !this.#watches.has(watchId) ? watchId : this.#freshId()
    const watch: Watch = {
      ...request,
      id,
      keys: readWatchedKeys(request.body),
      asked: startRevision,
      next: this.#positions.take(request.body, startRevision) ?? startRevision,
      delivered: null,
      canceling: false,
      serverId: null,
      createdAt: 0n,
      createdDuringInquiry: false,
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
    while (this.#usesOurIds || this.#awaited.length === 0) {
      const watch = this.#uncreated.shift()
      if (watch === undefined) break
      this.#awaited.push(watch)
      watch.createdDuringInquiry = this.#unanswered > 0
      this.#stream.send(createRequest({ body: watch.body, startRevision: watch.next, watchId: watch.id }))
    }
    this.#stream.expectAnswer(this.#awaited.length > 0)
    if (!this.#resumes || this.#awaited.length > 0) return
    // At once, because this attempt may be as short as the last one.
    this.#resumes = false
    this.refresh()
  }

  #cancel(id: bigint): void {
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    watch.canceling = true
    if (watch.serverId !== null) this.#stream.send(cancelRequest(watch.serverId))
    else if (this.#uncreated.includes(watch)) {
      this.#uncreated = this.#uncreated.filter((each) => each !== watch)
      this.#endCanceled(watch)
    }
  }

  /** A copy, because a view would keep the whole message in memory; a loop, because it is faster for few bytes. */
  #keepHeader({ message, headerStart, headerEnd }: WatchResponse): void {
    const length = headerEnd - headerStart
    if (this.#lastHeader.length !== length) this.#lastHeader = new Uint8Array(length)
    for (let at = 0; at < length; at += 1) this.#lastHeader[at] = message[headerStart + at] ?? 0
  }

  #endCanceled(watch: Watch): void {
    this.#watches.delete(watch.id)
    this.#stream.deliver(makeResponse(this.#lastHeader, watch.id, { canceled: true }))
  }

  #onCreated(response: WatchResponse): void {
    const { watchId, canceled, revision } = response
    const index = Math.max(
      this.#awaited.findIndex(({ id }) => id === watchId),
      0,
    )
    const watch = this.#awaited[index]
    if (watch === undefined) return
    if (!canceled && (watchId < 0n || this.#byServerId.has(watchId))) {
      throw new MalformedMessage(`watch ${String(watchId)} is created twice, or has no valid id`)
    }
    this.#awaited.splice(index, 1)
    if (canceled) this.#onRefused(watch, response)
    else {
      if (watchId === watch.id) this.#usesOurIds = true
      watch.serverId = watchId
      watch.createdAt = revision
      this.#byServerId.set(watchId, watch)
      // etcd starts at the revision after the one in this header (etcd server/etcdserver/api/v3rpc/watch.go).
      if (watch.next === 0n) watch.next = revision + 1n
      if (watch.delivered === null) {
        watch.delivered = revision
        this.#stream.deliver(forCaller(watch, watchId, response.message))
      }
      if (watch.canceling) this.#stream.send(cancelRequest(watchId))
    }
    this.#createNext()
  }

  #onRefused(watch: Watch, { cancelReason }: WatchResponse): void {
    if (isTokenRefused(cancelReason) && this.#stream.renewToken(cancelReason)) return
    this.#watches.delete(watch.id)
    const request = createRequest({ body: watch.body, startRevision: 0n, watchId: 0n })
    const cause = this.#stream.explainRefusal(cancelReason, request)
    const header = this.#lastHeader
    const reason = cause === null ? cancelReason : `${cancelReason}. ${cause.message}`
    if (cause !== null) this.#ends.note(reason, cause)
    const created = watch.delivered === null
    this.#stream.deliver(makeResponse(header, watch.id, { created, canceled: true, reason }))
    // etcd3 leaves the refused watch at the head of its queue, which continues only after a successful create. This
    // response is one; no caller has its watch.
    if (created) this.#stream.deliver(makeResponse(header, watch.id, { created }))
  }

  #onProgressOfAll({ revision, message }: WatchResponse): void {
    if (this.#progressOwed > 0) {
      this.#progressOwed -= 1
      this.#stream.deliver(message)
      return
    }
    this.#unanswered = Math.max(0, this.#unanswered - 1)
    // Our own requests go only to servers that answer in the order of events.
    for (const watch of this.#byServerId.values()) if (isIncluded(watch, revision)) this.#advance(watch, revision)
    this.#endInquiry()
  }

  #onCanceled(watch: Watch, { compactRevision, cancelReason }: WatchResponse): void {
    this.#remove(watch)
    let reason = cancelReason
    if (compactRevision !== 0n && !watch.canceling) {
      const cause = compactedError(watch, compactRevision)
      reason = cancelReason === '' ? cause.message : `${cancelReason}. ${cause.message}`
      this.#ends.note(reason, cause)
    }
    this.#stream.deliver(makeResponse(this.#lastHeader, watch.id, { canceled: true, reason, compactRevision }))
  }

  #endInvalid(watch: Watch, fault: string): void {
    this.#endWith(
      watch,
      this.#stream.invalidAnswer(`a response for the watch on ${nameOf(watch)} is invalid: ${fault}`),
    )
  }

  #endTooLarge(watch: Watch): void {
    const { receiveLimit: limit, endpoint } = this.#stream
    const message =
      `The watch on ${nameOf(watch)} has an event or a revision of more than ${String(limit)} bytes, which this client does` +
      ' not receive. Raise etcd3: { grpcOptions: { "grpc.max_receive_message_length": … } }, and watch again from revision' +
      ` ${String(watch.next)}.`
    this.#endWith(watch, new EtcdMtlsError('ERR_ANSWER_TOO_LARGE', message, { call: 'Watch/Watch', endpoint, limit }))
  }

  #endWith(watch: Watch, cause: EtcdMtlsError): void {
    if (watch.serverId !== null) this.#stream.send(cancelRequest(watch.serverId))
    this.#remove(watch)
    this.#ends.note(cause.message, cause)
    this.#stream.deliver(makeResponse(this.#lastHeader, watch.id, { canceled: true, reason: cause.message }))
  }

  #remove({ id, serverId }: Watch): void {
    this.#watches.delete(id)
    this.#fragments.drop(id)
    if (serverId !== null) this.#byServerId.delete(serverId)
  }

  #onEvents(watch: Watch, response: WatchResponse): void {
    const { fragment, lastRevision, revision } = response
    // etcd3 throws if a key does not begin with the prefix of its namespace.
    if (!areWatched(response, watch.keys)) {
      this.#endInvalid(watch, 'it is about a key that is not watched')
      return
    }
    if (fragment || this.#fragments.unfinishedRevision(watch.id) !== null) {
      this.#onFragment(watch, response)
      return
    }
    // Without events, everything up to the header revision was delivered. With past events, the header revision may be
    // far ahead.
    this.#advance(watch, lastRevision ?? revision)
    if (lastRevision === null && !watch.progressNotify) return
    this.#deliverEvents(watch, response, response.message)
  }

  #onFragment(watch: Watch, response: WatchResponse): void {
    const { lastRevision } = response
    if (lastRevision === null) {
      this.#endInvalid(watch, 'it is a fragment without events')
      return
    }
    const complete = this.#fragments.accept(watch.id, response)
    if (complete === null) {
      this.#endTooLarge(watch)
      return
    }
    this.#advance(watch, lastRevision)
    for (const message of complete) this.#deliverEvents(watch, response, message)
  }

  #deliverEvents(watch: Watch, { revision, watchId }: WatchResponse, message: Buffer): void {
    watch.delivered = revision
    this.#stream.deliver(forCaller(watch, watchId, message), true)
  }

  /** Everything up to the revision was delivered, except a revision whose last events have not arrived. */
  #advance(watch: Watch, revision: bigint): void {
    const next = this.#fragments.unfinishedRevision(watch.id) ?? revision + 1n
    if (watch.next < next) watch.next = next
  }
}

/** Milliseconds between two requests. etcd reads past events for new watches every 100 ms. */
const INQUIRY_PAUSES = { first: 200, longest: 20_000 }

/**
 * Requests the progress of the watches of a stream until the server answers: etcd sends no answer while one of them
 * still reads past events (etcd server/storage/mvcc/watchable_store.go, progressIfSync).
 */
class ProgressInquiry {
  readonly #send: () => void
  #requests = 0
  #timer: NodeJS.Timeout | undefined

  constructor(send: () => void) {
    this.#send = send
  }

  /** Does nothing while an answer is due. */
  start(): void {
    if (this.#timer === undefined) this.#request()
  }

  /** An answer has arrived, or none can. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#requests = 0
  }

  readonly #request = (): void => {
    this.#requests += 1
    this.#timer = setTimeout(this.#request, backoffPause(this.#requests, INQUIRY_PAUSES)).unref()
    this.#send()
  }
}

/** Whether the progress is also that of this watch: it may have been created after the request. */
function isIncluded({ createdAt, createdDuringInquiry }: Watch, revision: bigint): boolean {
  return createdDuringInquiry ? revision > createdAt : revision >= createdAt
}

/** The key in quotes. */
function nameOf({ keys }: Watch): string {
  return JSON.stringify(keys.key.toString())
}

function forCaller({ id }: Watch, watchId: bigint, message: Buffer): Buffer {
  return watchId === id ? message : withWatchId(message, id)
}

/** Cancel reasons for a refused token (etcd server/etcdserver/api/v3rpc/watch.go). */
function isTokenRefused(reason: string): boolean {
  return reason.includes('invalid auth token') || reason.includes('revision of auth store is old')
}

function compactedError({ keys, next }: Watch, compactRevision: bigint): EtcdMtlsError<'ERR_WATCH_COMPACTED'> {
  const key = keys.key.toString()
  const rangeEnd = keys.rangeEnd.length === 0 ? null : keys.rangeEnd.toString()
  const message =
    `etcd has compacted the revisions before ${String(compactRevision)}, and the watch on ${JSON.stringify(key)} needs them ` +
    `from ${String(next)}: events may have been missed. Read the keys again and watch from the revision after that answer.`
  const details = { key, rangeEnd, revision: String(next), compactRevision: String(compactRevision) }
  return new EtcdMtlsError('ERR_WATCH_COMPACTED', message, details)
}
