/**
 * Keep-alives of many leases over few streams, which continue over other connections. etcd renews the leases of a stream one by one,
 * and ends the stream at every error except that of a lease that does not exist (etcd server/etcdserver/api/v3rpc/lease.go).
 */
import type { OutgoingHttpHeaders } from 'node:http2'
import {
  type Call,
  CallBase,
  type CallListener,
  forGrpc,
  makeStatus,
  type MessageContext,
  Metadata,
  type Outcome,
  status,
} from '../transport/channel.js'
import { LEASE_KEEP_ALIVE } from '../transport/call-policy.js'
import { callLater, type CallParts } from '../transport/call.js'
import { int64At, keepKnownFields, Shape, termOf } from '../transport/protobuf.js'
import type { Grants } from './lease-keeper.js'
import { ResumableCall, type StreamResumer } from './resumable-call.js'
import type { StreamAttempt } from './stream-attempt.js'

/** Field numbers of LeaseKeepAliveRequest and LeaseKeepAliveResponse (etcd api/etcdserverpb/rpc.proto). */
const REQUEST_ID = 1
const RESPONSE_ID = 2
const RESPONSE_TTL = 3
const RESPONSE = new Shape({ varints: [2, 3], messages: { 1: new Shape({ varints: [1, 2, 3, 4] }) } })

/** Maximum number of denials in a row that are ignored: a cluster that was restored from a snapshot starts with low terms. */
const MAX_OUTDATED = 8
/** The leases of a stream while the client may open another one, and at most: a follower asks the leader for each renewal. */
const USUAL_LEASES = 16
const MAX_LEASES = 256
/** Milliseconds: a stream that owes an answer for longer gets no further lease. */
const SLOW = 250

/** Receives the answers for a lease. */
interface AnswerReceiver {
  receive(message: Buffer): void
  end(outcome: Outcome): void
}

interface Request {
  readonly id: bigint
  readonly message: Buffer
  sentAt: number
  /** Null: the answer is no longer waited for. */
  receiver: AnswerReceiver | null
}

/**
 * One stream. It repeats unanswered requests over another connection, which is harmless.
 *
 * A leader that was paused or cut off answers that a lease does not exist if it was granted after the election of another leader,
 * until it notices the election: it does not ask the others (etcd server/etcdserver/v3_server.go, LeaseRenew). Its term is older.
 */
export class KeepAliveResumer implements StreamResumer {
  readonly #grants: Grants
  #outdated = 0
  #attempt: StreamAttempt | null = null
  #unanswered: Request[] = []

  constructor(grants: Grants) {
    this.#grants = grants
  }

  /** When the first request without an answer was sent, by `performance.now()`; null if none was sent. */
  get owesSince(): number | null {
    return this.#unanswered[0]?.sentAt ?? null
  }

  /** Whether an answer for the lease may still come. */
  owes(lease: bigint): boolean {
    return this.#unanswered.some(({ id }) => id === lease)
  }

  request(id: bigint, message: Buffer, receiver: AnswerReceiver): void {
    this.#unanswered.push({ id, message, sentAt: performance.now(), receiver })
    this.#send(message)
  }

  forget(receiver: AnswerReceiver): void {
    for (const each of this.#unanswered) if (each.receiver === receiver) each.receiver = null
  }

  outgoing(): void {
    // Requests come by `request`.
  }

  incoming(received: Buffer, attempt: StreamAttempt): void {
    const message = keepKnownFields(received, RESPONSE)
    const id = int64At(message, RESPONSE_ID)
    const index = this.#unanswered.findIndex((each) => each.id === id)
    // An unsolicited answer must not end or extend a lease.
    if (index < 0) return
    if (this.#isOutdated(message)) {
      attempt.fail('The member does not know that another one leads')
      return
    }
    const [answered] = this.#unanswered.splice(index, 1)
    this.#attempt?.expectAnswer(this.#unanswered.length > 0)
    answered?.receiver?.receive(message)
  }

  begin(attempt: StreamAttempt): void {
    // The first one is that which etcd could not renew: it goes last, so that it does not hold up the others again.
    const [first = [], ...others] = this.#unanswered.filter(({ receiver }) => receiver !== null)
    this.#unanswered = this.#attempt === null ? [first, ...others].flat() : [...others, first].flat()
    this.#attempt = attempt
    for (const each of this.#unanswered) {
      each.sentAt = performance.now()
      this.#send(each.message)
    }
  }

  failed(): void {
    this.#unanswered = []
  }

  #isOutdated(message: Buffer): boolean {
    const isDenied = int64At(message, RESPONSE_TTL) <= 0n && this.#grants.isOutdated(termOf(message))
    this.#outdated = isDenied ? this.#outdated + 1 : 0
    return isDenied && this.#outdated <= MAX_OUTDATED
  }

  #send(message: Buffer): void {
    this.#attempt?.expectAnswer(true)
    this.#attempt?.send(message)
  }
}

/** A stream, and the leases on it. */
class SharedStream {
  readonly requests: KeepAliveResumer
  readonly call: ResumableCall
  readonly #leases = new Map<bigint, AnswerReceiver>()
  readonly #ended: (stream: SharedStream) => void

  constructor(parts: CallParts, grants: Grants, metadata: Metadata, ended: (stream: SharedStream) => void) {
    this.requests = new KeepAliveResumer(grants)
    this.call = new ResumableCall(parts, () => this.requests)
    this.#ended = ended
    this.call.start(metadata, {
      onReceiveMetadata: () => undefined,
      onReceiveMessage: () => undefined,
      onReceiveStatus: (outcome) => {
        this.#end(outcome)
      },
    })
  }

  get size(): number {
    return this.#leases.size
  }

  get isSlow(): boolean {
    return performance.now() - (this.requests.owesSince ?? Infinity) > SLOW
  }

  has(lease: bigint): boolean {
    return this.#leases.has(lease)
  }

  /** Whether it may carry one more lease. A late answer to a request of an earlier caller must not renew the lease for longer. */
  accepts(lease: bigint): boolean {
    return this.size < MAX_LEASES && !this.has(lease) && !this.requests.owes(lease)
  }

  join(lease: bigint, receiver: AnswerReceiver): void {
    this.#leases.set(lease, receiver)
  }

  leave(receiver: AnswerReceiver): void {
    this.requests.forget(receiver)
    for (const [lease, each] of this.#leases) if (each === receiver) this.#leases.delete(lease)
    if (this.size > 0) return
    this.#ended(this)
    if (this.requests.owesSince === null) this.call.halfClose()
    else this.call.cancelWithStatus(status.CANCELLED, 'The lease has ended')
  }

  #end(outcome: Outcome): void {
    this.#ended(this)
    const receivers = new Set(this.#leases.values())
    this.#leases.clear()
    for (const each of receivers) each.end(outcome)
  }
}

/** The part of the client that its keep-alives use. */
export interface KeepAliveOwner {
  readonly grants: Grants
  /** How many streams of keep-alives leave room for watches. */
  readonly keepAliveStreams: number
  /** Whether a stream can be opened now. */
  readonly hasStreamRoom: boolean
  hasOther(avoid: ReadonlySet<string>): boolean
  loginHeaders(path: string): OutgoingHttpHeaders
}

/** The streams of a client. */
export class KeepAliveStreams {
  readonly #owner: KeepAliveOwner
  readonly #streams = new Set<SharedStream>()

  constructor(owner: KeepAliveOwner) {
    this.#owner = owner
  }

  /** Whether one more lease can be kept alive now. */
  get hasRoom(): boolean {
    const { hasStreamRoom } = this.#owner
    return hasStreamRoom || [...this.#streams].some(({ call, size }) => size < MAX_LEASES && !call.waitsForStream)
  }

  createCall(parts: CallParts): Call {
    return new SharedKeepAlive(parts, (lease, metadata) => this.#choose(lease, metadata, parts))
  }

  /** A call with metadata, a deadline or an authority has a stream of its own. */
  #choose(lease: bigint, metadata: Metadata, parts: CallParts): SharedStream {
    const isPlain =
      Object.keys(metadata.getMap()).length === 0 && parts.deadline === Infinity && parts.authority === null
    const owing = this.#owing(lease)
    const found = isPlain ? this.#find(lease, owing) : null
    if (found !== null) return found
    const ended = (stream: SharedStream): void => void this.#streams.delete(stream)
    const stream = new SharedStream({ ...parts, avoid: owing }, this.#owner.grants, metadata, ended)
    if (isPlain) this.#streams.add(stream)
    return stream
  }

  /** Null: a new stream is to be opened. */
  #find(lease: bigint, owing: ReadonlySet<string>): SharedStream | null {
    const { keepAliveStreams, hasStreamRoom } = this.#owner
    const { token = null } = this.#owner.loginHeaders(LEASE_KEEP_ALIVE)
    const isElsewhere = owing.size > 0 && this.#owner.hasOther(owing)
    let least: SharedStream | null = null
    for (const each of this.#streams) {
      const { call, size, isSlow } = each
      // A stream belongs to one login.
      if (!each.accepts(lease) || (call.token !== null && call.token !== token)) continue
      if (isElsewhere && owing.has(call.carriedBy ?? '')) continue
      if (size < USUAL_LEASES && !isSlow) return each
      if (least === null || (isSlow === least.isSlow ? size < least.size : least.isSlow)) least = each
    }
    return hasStreamRoom && (owing.size > 0 || this.#streams.size < keepAliveStreams) ? null : least
  }

  /** The endpoints that owe an answer for the lease. */
  #owing(lease: bigint): ReadonlySet<string> {
    const owing = new Set<string>()
    for (const each of this.#streams) {
      if (each.has(lease) && each.call.carriedBy !== null) owing.add(each.call.carriedBy)
    }
    return owing
  }
}

/** The stream of one caller, as etcd's LeaseKeepAlive would be: what it sends goes over the stream that its lease shares. */
class SharedKeepAlive extends CallBase implements Call, AnswerReceiver {
  readonly #choose: (lease: bigint, metadata: Metadata) => SharedStream
  readonly #streams = new Map<bigint, SharedStream>()
  /** The last one, also after the end. */
  #stream: SharedStream | null = null
  #metadata = new Metadata()
  #listener: CallListener | null = null
  readonly #incoming: Buffer[] = []
  #owed = 0
  #readRequested = false
  #hasMetadata = false
  #halfClosed = false
  #isScheduled = false
  #outcome: Outcome | null = null
  #ended = false

  constructor({ route }: CallParts, choose: (lease: bigint, metadata: Metadata) => SharedStream) {
    super(route)
    this.#choose = choose
  }

  get carriedBy(): string | null {
    return this.#stream?.call.carriedBy ?? null
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#metadata = metadata
    this.#listener = listener
  }

  sendMessageWithContext({ callback }: MessageContext, message: Buffer): void {
    callLater(callback)
    if (this.#outcome !== null) return
    const lease = int64At(message, REQUEST_ID)
    let stream = this.#streams.get(lease)
    if (stream === undefined) {
      stream = this.#choose(lease, this.#metadata)
      stream.join(lease, this)
      this.#streams.set(lease, stream)
      this.#stream = stream
    }
    this.#owed += 1
    stream.requests.request(lease, message, this)
  }

  halfClose(): void {
    this.#halfClosed = true
    if (this.#owed === 0) this.end(makeStatus(status.OK, ''))
  }

  startRead(): void {
    this.#readRequested = true
    this.#schedule()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#incoming.length = 0
    this.end(makeStatus(code, details))
  }

  receive(message: Buffer): void {
    this.#owed -= 1
    this.#incoming.push(message)
    if (this.#halfClosed) this.halfClose()
    this.#schedule()
  }

  end(outcome: Outcome): void {
    if (this.#outcome !== null) return
    this.#outcome = outcome
    this.explanation = outcome.cause ?? null
    for (const each of new Set(this.#streams.values())) each.leave(this)
    this.#schedule()
  }

  /** One message for each turn: an error of a listener must not end the work of others. */
  #schedule(): void {
    if (this.#isScheduled || this.#ended || (this.#incoming.length === 0 && this.#outcome === null)) return
    this.#isScheduled = true
    setImmediate(this.#deliver)
  }

  readonly #deliver = (): void => {
    this.#isScheduled = false
    const message = this.#readRequested ? this.#incoming.shift() : undefined
    if (message !== undefined) {
      this.#readRequested = false
      if (!this.#hasMetadata) this.#listener?.onReceiveMetadata(new Metadata())
      this.#hasMetadata = true
      this.#listener?.onReceiveMessage(message)
      this.#schedule()
    } else if (this.#outcome !== null && this.#incoming.length === 0) {
      this.#ended = true
      this.#listener?.onReceiveStatus(forGrpc(this.#outcome))
    }
  }
}
