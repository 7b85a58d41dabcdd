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
import { EtcdMtlsError } from '../../report/errors.js'
import { int64At, MalformedMessage } from '../transport/protobuf.js'
import type { ResumableStream, StreamResumer } from './resumable-call.js'
import type { StreamAttempt } from './stream-attempt.js'
import { type CreatedWatch, type Watch, WatchAttempt } from './watch-attempt.js'
import { WatchMigration } from './watch-migration.js'
import {
  areWatched,
  type CreateRequest,
  createRequest,
  makeResponse,
  readWatchedKeys,
  readWatchRequest,
  readWatchResponse,
  RESPONSE,
  type WatchResponse,
  withoutEventsBefore,
  withWatchId,
} from './watch-messages.js'
import { SeenHistory, stateIn } from './watch-history.js'
import type { ResumePositions, WatchEnds } from './watch-records.js'

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

  #current: WatchAttempt | null = null
  /** The attempt to which the watches move; null: they stay. */
  #next: WatchAttempt | null = null
  #migration: WatchMigration | null = null
  /** Whether the current attempt has created watches again and their positions are old. */
  #isBehind = false

  constructor(stream: ResumableStream, positions: ResumePositions, ends: WatchEnds) {
    this.#stream = stream
    this.#positions = positions
    this.#ends = ends
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
        this.#current?.stream.send(message)
        return
      case 'other':
        this.#current?.stream.send(message)
    }
  }

  incoming(message: Buffer, stream: StreamAttempt): void {
    const attempt = this.#attemptOf(stream)
    if (attempt === null) return
    const response = readWatchResponse(message)
    this.#keepHeader(response)
    if (response.created || response.watchId === ALL_WATCHES) {
      if (response.fault !== null) throw new MalformedMessage(response.fault)
      if (response.created) this.#onCreated(attempt, response)
      else this.#onProgressOfAll(attempt, response)
      return
    }
    const created = attempt.byServerId(response.watchId)
    // The watch was canceled meanwhile, or is not of this stream.
    if (created === undefined) return
    if (response.fault !== null) this.#endInvalid(attempt, created.watch, response.fault)
    else if (response.canceled) this.#onCanceled(attempt, created, response)
    else this.#onEvents(attempt, created, response)
    // Without a watch, etcd answers no progress request that would end the migration.
    if (this.#current?.size === 0) this.#migration?.update()
  }

  begin(stream: StreamAttempt): void {
    this.stop()
    this.#current = this.#makeAttempt(stream)
    this.#endUnansweredCancels()
    this.#isBehind = this.#watches.size > 0
    this.#stream.countResumed(this.#watches.size)
    for (const watch of this.#watches.values()) this.#current.create(watch)
  }

  migrateTo(stream: StreamAttempt, done: () => void): void {
    const old = this.#current
    if (old === null) return
    const next = this.#makeAttempt(stream)
    this.#next = next
    this.#migration = new WatchMigration({ old, next, watches: this.#watches, done })
    this.#migration.start()
  }

  finishMigration(): void {
    const next = this.#next
    if (next === null) return
    this.stop()
    this.#current = next
    this.#next = null
    this.#endUnansweredCancels()
    this.#stream.countResumed(this.#watches.size)
    next.startAtPositions()
    const { pending } = next
    for (const watch of this.#watches.values()) {
      const created = next.find(watch)
      if (created !== undefined) this.#closeGap(next, created)
      else if (!pending.has(watch)) next.create(watch)
    }
  }

  cancelMigration(): void {
    const [current, next] = [this.#current, this.#next]
    if (current === null || next === null) return
    next.stop()
    this.#migration?.stop()
    this.#migration = null
    this.#next = null
    const { pending } = current
    // The caller created these watches during the migration.
    for (const watch of this.#watches.values()) {
      if (current.find(watch) === undefined && !pending.has(watch)) current.create(watch)
    }
  }

  refresh(): void {
    if (this.#current !== null && this.#current.size > 0) this.#current.inquire()
  }

  stop(): void {
    for (const attempt of this.#attempts) attempt.stop()
    this.#migration?.stop()
    this.#migration = null
  }

  undeliverable(head: Buffer, stream: StreamAttempt): void {
    const attempt = this.#attemptOf(stream)
    const created = attempt?.byServerId(int64At(head, RESPONSE.watchId))
    if (attempt !== null && created !== undefined) this.#endTooLarge(attempt, created.watch)
  }

  failed(): void {
    const left = [...this.#watches.values()].filter((watch) => !watch.canceling)
    this.#positions.note(
      left.map(({ body, asked, delivered, next, seen }) => ({
        body,
        from: delivered === null ? asked : delivered + 1n,
        next,
        seen,
      })),
    )
  }

  get #attempts(): WatchAttempt[] {
    return [this.#current, this.#next].filter((each) => each !== null)
  }

  #attemptOf(stream: StreamAttempt): WatchAttempt | null {
    if (this.#current?.stream === stream) return this.#current
    return this.#next?.stream === stream ? this.#next : null
  }

  #makeAttempt(stream: StreamAttempt): WatchAttempt {
    const attempt: WatchAttempt = new WatchAttempt(stream, {
      limit: this.#stream.receiveLimit,
      freshId: () => this.#freshId(),
      onNoProgress: () => this.#migration?.progressed(attempt, null),
    })
    return attempt
  }

  /** The attempt that should answer them has ended, and etcd does not guarantee an answer to progress requests. */
  #endUnansweredCancels(): void {
    this.#progressOwed = 0
    for (const watch of [...this.#watches.values()]) if (watch.canceling) this.#endCanceled(watch)
  }

  /** The current attempt may miss no event: it creates a watch again that starts after its position. */
  #closeGap(attempt: WatchAttempt, created: CreatedWatch): void {
    const { watch, from } = created
    if (from <= watch.next) return
    attempt.cancel(watch)
    attempt.remove(created)
    if (!this.#isOnNext(watch)) attempt.create(watch)
  }

  /** Whether the next attempt delivers every event of the watch that was not delivered. */
  #isOnNext(watch: Watch): boolean {
    const created = this.#next?.find(watch)
    return created !== undefined && created.from <= watch.next
  }

  #create({ startRevision, watchId, ...request }: CreateRequest): void {
    // An id in use, which etcd would refuse, is replaced.
    const id = watchId > 0n && !this.#watches.has(watchId) ? watchId : this.#freshId()
    const position = this.#positions.take(request.body, startRevision)
    const { next, seen } = position ?? { next: startRevision, seen: new SeenHistory() }
    const watch: Watch = {
      ...request,
      id,
      keys: readWatchedKeys(request.body),
      asked: startRevision,
      next,
      afterEvents: next,
      seen,
      delivered: null,
      canceling: false,
    }
    this.#watches.set(id, watch)
    const attempt = this.#next ?? this.#current
    attempt?.create(watch)
  }

  #freshId(): bigint {
    do this.#lastId += 1n
    while (
      this.#watches.has(this.#lastId) ||
      this.#attempts.some((each) => each.byServerId(this.#lastId) !== undefined)
    )
    return this.#lastId
  }

  #cancel(id: bigint): void {
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    watch.canceling = true
    const isAnswered = this.#attempts.map((each) => each.cancel(watch)).includes(true)
    if (!isAnswered) this.#endCanceled(watch)
  }

  /** A copy, because a view would keep the whole message in memory; a loop, because it is faster for few bytes. */
  #keepHeader({ message, headerStart, headerEnd }: WatchResponse): void {
    const length = headerEnd - headerStart
    if (this.#lastHeader.length !== length) this.#lastHeader = new Uint8Array(length)
    for (let at = 0; at < length; at += 1) this.#lastHeader[at] = message[headerStart + at] ?? 0
  }

  #endCanceled(watch: Watch): void {
    this.#remove(watch)
    this.#stream.deliver(makeResponse(this.#lastHeader, watch.id, { canceled: true }))
  }

  #onCreated(attempt: WatchAttempt, response: WatchResponse): void {
    const accepted = attempt.accept(response)
    if (accepted === null) return
    const { watch, created } = accepted
    if (this.#watches.get(watch.id) !== watch) {
      // The watch ended before this response.
      attempt.cancel(watch)
      if (created !== null) attempt.remove(created)
    } else if (created === null) this.#onRefused(attempt, watch, response)
    else if (watch.canceling || this.#isContinued(attempt, created, response)) {
      if (watch.next === 0n) watch.next = watch.afterEvents = created.from
      if (watch.delivered === null) {
        watch.delivered = response.revision
        this.#stream.deliver(forCaller(watch, created.serverId, response.message))
      }
      if (watch.canceling) attempt.cancel(watch)
      else if (attempt === this.#current) this.#closeGap(attempt, created)
    }
    attempt.createNext()
    if (attempt.hasPending) return
    this.#migration?.update()
    if (!this.#isBehind || attempt !== this.#current) return
    // At once, because this attempt may be as short as the last one.
    this.#isBehind = false
    this.refresh()
  }

  /**
   * Whether the server continues the watch where it is. If it may be behind, the watch is created again once it has caught up, or ends: a
   * server with older data would deliver nothing before it reaches the revision of the watch.
   */
  #isContinued(attempt: WatchAttempt, created: CreatedWatch, response: WatchResponse): boolean {
    const { watch } = created
    const { seen } = watch
    const state = stateIn(response)
    if (seen.isOfOtherCluster(state)) {
      this.#endWith(watch, seen.changedError(`The watch on ${nameOf(watch)}`, state))
      return false
    }
    // While the old attempt still delivers, the next one need not have caught up.
    if (attempt !== this.#current || !seen.isAheadOf(state)) {
      seen.note(state)
      return true
    }
    attempt.cancel(watch)
    attempt.remove(created)
    attempt.stream.whenCaughtUp((reached) => {
      if (attempt !== this.#current || this.#watches.get(watch.id) !== watch || this.#isOn(attempt, watch)) return
      if (reached !== null && seen.isAheadOf({ ...state, ...reached }))
        this.#endWith(watch, seen.changedError(`The watch on ${nameOf(watch)}`, state))
      else attempt.create(watch)
    })
    return false
  }

  #isOn(attempt: WatchAttempt, watch: Watch): boolean {
    return attempt.find(watch) !== undefined || attempt.pending.has(watch)
  }

  #onRefused(attempt: WatchAttempt, watch: Watch, { cancelReason }: WatchResponse): void {
    const { stream } = attempt
    if (isTokenRefused(cancelReason) && stream.renewToken(cancelReason)) return
    const request = createRequest({ body: watch.body, startRevision: 0n, watchId: 0n })
    const cause = stream.explainRefusal(cancelReason, request)
    const reason = cause === null ? cancelReason : `${cancelReason}. ${cause.message}`
    if (cause !== null) this.#ends.note(reason, cause)
    this.#endForCaller(watch, reason)
  }

  #onProgressOfAll(attempt: WatchAttempt, { revision, message }: WatchResponse): void {
    if (attempt === this.#current && this.#progressOwed > 0) {
      this.#progressOwed -= 1
      this.#stream.deliver(message)
      return
    }
    // Our own requests go only to servers that answer in the order of events.
    for (const created of attempt.progressed(revision)) {
      created.isSynced = true
      this.#advance(attempt, created, revision)
    }
    this.#migration?.progressed(attempt, revision)
  }

  #onCanceled(attempt: WatchAttempt, created: CreatedWatch, { compactRevision, cancelReason }: WatchResponse): void {
    const { watch } = created
    // etcd keeps a compacted watch until it is canceled, and answers no progress request of the stream while it does
    // (server/storage/mvcc/watchable_store.go, syncWatchers and progressIfSync).
    if (compactRevision !== 0n) attempt.cancel(watch)
    attempt.remove(created)
    let reason = cancelReason
    if (compactRevision !== 0n && !watch.canceling) {
      const isElsewhere = attempt === this.#next ? this.#migration?.createAgain(watch) : this.#isOnNext(watch)
      if (isElsewhere === true) return
      const cause = compactedError(watch, compactRevision)
      reason = cancelReason === '' ? cause.message : `${cancelReason}. ${cause.message}`
      this.#ends.note(reason, cause)
    }
    this.#remove(watch)
    this.#stream.deliver(makeResponse(this.#lastHeader, watch.id, { canceled: true, reason, compactRevision }))
  }

  #endInvalid({ stream }: WatchAttempt, watch: Watch, fault: string): void {
    this.#endWith(watch, stream.invalidAnswer(`a response for the watch on ${nameOf(watch)} is invalid: ${fault}`))
  }

  #endTooLarge({ stream }: WatchAttempt, watch: Watch): void {
    const { endpoint } = stream
    const { receiveLimit: limit } = this.#stream
    const message =
      `The watch on ${nameOf(watch)} has an event or a revision of more than ${String(limit)} bytes, which this client does` +
      ' not receive. Raise etcd3: { grpcOptions: { "grpc.max_receive_message_length": … } }, and watch again from revision' +
      ` ${String(watch.next)}.`
    this.#endWith(watch, new EtcdMtlsError('ERR_ANSWER_TOO_LARGE', message, { call: 'Watch/Watch', endpoint, limit }))
  }

  #endWith(watch: Watch, cause: EtcdMtlsError): void {
    this.#ends.note(cause.message, cause)
    this.#endForCaller(watch, cause.message)
  }

  #endForCaller(watch: Watch, reason: string): void {
    const header = this.#lastHeader
    const created = watch.delivered === null
    this.#remove(watch)
    this.#stream.deliver(makeResponse(header, watch.id, { created, canceled: true, reason }))
    // etcd3 leaves the refused watch at the head of its queue, which continues only after a successful create. This
    // response is one; no caller has its watch.
    if (created) this.#stream.deliver(makeResponse(header, watch.id, { created }))
  }

  /** The watch has ended for the caller. */
  #remove(watch: Watch): void {
    if (this.#watches.get(watch.id) === watch) this.#watches.delete(watch.id)
    for (const attempt of this.#attempts) {
      if (!watch.canceling) attempt.cancel(watch)
      const created = attempt.find(watch)
      if (created !== undefined) attempt.remove(created)
    }
  }

  #onEvents(attempt: WatchAttempt, created: CreatedWatch, response: WatchResponse): void {
    const { watch } = created
    const { fragment, lastRevision, revision } = response
    // etcd3 throws if a key does not begin with the prefix of its namespace.
    if (!areWatched(response, watch.keys)) {
      this.#endInvalid(attempt, watch, 'it is about a key that is not watched')
      return
    }
    if (created.from > watch.next) {
      // The other attempt delivers these, and events before them.
      if (lastRevision !== null && lastRevision >= created.from) created.from = lastRevision + 1n
      return
    }
    if (fragment || attempt.fragments.unfinishedRevision(watch.id) !== null) {
      this.#onFragment(attempt, created, response)
      return
    }
    if (lastRevision !== null) this.#deliverFresh(attempt, watch, response, response.message)
    else if (watch.progressNotify) this.#deliver(watch, response, response.message)
    // Without events, everything up to the header revision was delivered. With past events, the header revision may be
    // far ahead.
    this.#advance(attempt, created, lastRevision ?? revision, lastRevision !== null)
  }

  #onFragment(attempt: WatchAttempt, created: CreatedWatch, response: WatchResponse): void {
    const { watch } = created
    const { lastRevision } = response
    if (lastRevision === null) {
      this.#endInvalid(attempt, watch, 'it is a fragment without events')
      return
    }
    const complete = attempt.fragments.accept(watch.id, response)
    if (complete === null) {
      this.#endTooLarge(attempt, watch)
      return
    }
    for (const message of complete) this.#deliverFresh(attempt, watch, response, message)
    this.#advance(attempt, created, lastRevision, true)
  }

  /** Delivers the events that another attempt has not delivered. */
  #deliverFresh({ mayRepeat }: WatchAttempt, watch: Watch, response: WatchResponse, message: Buffer): void {
    const fresh = mayRepeat ? withoutEventsBefore(message, watch.afterEvents) : message
    if (fresh !== null) this.#deliver(watch, response, fresh)
  }

  #deliver(watch: Watch, { revision, watchId }: WatchResponse, message: Buffer): void {
    watch.delivered = revision
    watch.seen.reached(revision)
    this.#stream.deliver(forCaller(watch, watchId, message), true)
  }

  /** Everything up to the revision was delivered, except a revision whose last events have not arrived. */
  #advance({ fragments }: WatchAttempt, { watch, from }: CreatedWatch, revision: bigint, withEvents = false): void {
    watch.seen.reached(revision)
    const next = fragments.unfinishedRevision(watch.id) ?? revision + 1n
    if (from > watch.next) return
    if (watch.next < next) watch.next = next
    if (withEvents && watch.afterEvents < next) watch.afterEvents = next
  }
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
