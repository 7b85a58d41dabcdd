/**
 * Keeps a lease alive and reports when it may expire. etcd starts the TTL after the keep-alive was sent, so the lease
 * lives at least one TTL after the sending of the last answered keep-alive.
 */
import { MAX_DELAY } from '../../report/duration.js'

// Keep-alives are sent every sixth of the TTL, not every third as in clientv3 (client/v3/lease.go, `recvKeepAlive`):
// with a third, 5.3 of 8 seconds may be left when the leader freezes, and an election on a busy machine has taken 5.4.
const INTERVAL = 1 / 6
/**
 * After this part of the TTL without an answer, the keep-alive is also sent over another stream, to another endpoint.
 */
const ANSWER_LIMIT = 1 / 12
/** Milliseconds before another attempt after a stream failed. */
const RETRY_PAUSE = 100
/**
 * The lease is reported as lost this part of the TTL before it can expire, at most MAX_MARGIN milliseconds: timers fire
 * late.
 */
const MARGIN = 1 / 10
const MAX_MARGIN = 1000
/** Maximum number of streams that wait for an answer: enough for one TTL. The oldest is cancelled for a new one. */
const MAX_STREAMS = 1 / ANSWER_LIMIT

/** The stream of etcd's LeaseKeepAlive, as etcd3 exposes it. */
export interface KeepAliveStream<Answer extends KeepAliveAnswer = KeepAliveAnswer> {
  write(request: { ID: string }): void
  end(): void
  cancel(): void
  on(event: 'data', listener: (answer: Answer) => void): this
  on(event: 'error', listener: (error: Error) => void): this
  on(event: 'end', listener: () => void): this
}

/** `TTL` is in seconds; 0 means that the lease does not exist. */
export interface KeepAliveAnswer {
  readonly ID: string
  readonly TTL: string
}

/** A lease that etcd has granted. `ttl`: in milliseconds; `since`: when the grant was sent, by `performance.now()`. */
interface GrantedLease {
  readonly id: string
  readonly ttl: number
  readonly since: number
}

/** Why a lease is lost: no keep-alive was answered in time, or etcd reports that it does not exist. */
export type LossReason = 'unanswered' | 'gone'

/** Callbacks of a keeper; `onLost` is the last one. */
interface KeeperListener<Answer extends KeepAliveAnswer = KeepAliveAnswer> {
  onStream?(): void
  onSent?(): void
  onRenewed?(answer: Answer): void
  onFailed?(error: unknown): void
  /** @param cause The last failure of a stream since the last answer; null: none. */
  onLost(reason: LossReason, cause: unknown): void
}

/** When a lease has to be given up, by `performance.now()`, if no keep-alive sent after `since` is answered. */
export function leaseDeadline(since: number, ttl: number): number {
  return since + ttl - Math.min(ttl * MARGIN, MAX_MARGIN)
}

/** Maximum number of grants whose time is kept: it is read in the turn in which the grant is answered. */
const MAX_GRANTS = 1000

/** What the client keeps of the leases that etcd granted to it. */
export class Grants {
  /** When they were requested, by `performance.now()`: a grant may have waited for an endpoint before it was sent. */
  readonly #times = new Map<string, number>()
  /** The term of raft in which the last one was granted; 0: not known. */
  #term = 0n

  grantedIn(term: bigint): void {
    if (term > 0n) this.#term = term
  }

  /** Whether a member that answers in this term may not know of leases that were granted. */
  isOutdated(term: bigint): boolean {
    return term > 0n && term < this.#term
  }

  add(id: bigint, sentAt: number): void {
    const [oldest] = this.#times.keys()
    if (oldest !== undefined && this.#times.size >= MAX_GRANTS) this.#times.delete(oldest)
    this.#times.set(String(id), sentAt)
  }

  /** Returns the time, once. */
  take(id: string): number | undefined {
    const time = this.#times.get(id)
    this.#times.delete(id)
    return time
  }
}

export class LeaseKeeper<Answer extends KeepAliveAnswer = KeepAliveAnswer> {
  readonly #lease: GrantedLease
  readonly #open: () => Promise<KeepAliveStream<Answer>>
  readonly #listener: KeeperListener<Answer>
  /** Open streams in the order of their last request, each with the time of that request while it is unanswered. */
  readonly #streams = new Map<KeepAliveStream<Answer>, number | null>()
  #renewedAt: number
  #sentAt = -Infinity
  #failure: unknown = null
  #ended = false
  #nextTimer: NodeJS.Timeout | undefined
  #deadlineTimer: NodeJS.Timeout | undefined

  /** @param open Opens a stream, on another endpoint each time. */
  constructor(lease: GrantedLease, open: () => Promise<KeepAliveStream<Answer>>, listener: KeeperListener<Answer>) {
    this.#lease = lease
    this.#open = open
    this.#listener = listener
    this.#renewedAt = lease.since
    this.#armDeadline()
    this.#renewIn(lease.since + lease.ttl * INTERVAL - performance.now())
  }

  readonly renew = (): void => {
    if (this.#ended) return
    const idle = [...this.#streams].find(([, sentAt]) => sentAt === null)?.[0]
    this.#renewIn(this.#lease.ttl * ANSWER_LIMIT)
    if (idle === undefined) void this.#openStream()
    else this.#send(idle)
  }

  /** Reports the loss now if the time is up, even if the timer for it has not run: the process may have been paused. */
  check(): void {
    if (!this.#ended && performance.now() >= this.#deadline) this.#lose('unanswered')
  }

  /** Another cluster answers now, which does not have the lease. */
  clusterChanged(error: Error): void {
    if (this.#ended) return
    this.#failure = error
    this.#lose('gone')
  }

  stop(): void {
    this.#ended = true
    clearTimeout(this.#nextTimer)
    clearTimeout(this.#deadlineTimer)
    const streams = [...this.#streams]
    this.#streams.clear()
    for (const [stream, sentAt] of streams) {
      if (sentAt === null) stream.end()
      else stream.cancel()
    }
  }

  get #deadline(): number {
    return leaseDeadline(this.#renewedAt, this.#lease.ttl)
  }

  async #openStream(): Promise<void> {
    let stream: KeepAliveStream<Answer>
    try {
      stream = await this.#open()
    } catch (error) {
      this.#failed(error)
      return
    }
    if (this.#ended) {
      // Ignores its error, because the lease has ended.
      stream.on('error', () => undefined)
      stream.cancel()
      return
    }
    const [oldest] = this.#streams.keys()
    if (oldest !== undefined && this.#streams.size >= MAX_STREAMS) this.#cancel(oldest)
    this.#streams.set(stream, null)
    const onEnd = (error = new Error('The keep-alive stream ended')): void => {
      if (this.#streams.delete(stream)) this.#failed(error)
    }
    stream
      .on('data', (answer) => {
        this.#receive(stream, answer)
      })
      .on('error', onEnd)
      .on('end', onEnd)
    this.#listener.onStream?.()
    this.#send(stream)
  }

  #send(stream: KeepAliveStream<Answer>): void {
    this.#sentAt = performance.now()
    this.#streams.delete(stream)
    this.#streams.set(stream, this.#sentAt)
    this.#listener.onSent?.()
    stream.write({ ID: this.#lease.id })
  }

  #receive(stream: KeepAliveStream<Answer>, answer: Answer): void {
    const sentAt = this.#streams.get(stream)
    const { id, ttl } = this.#lease
    // An unsolicited answer: the time of its request is not known.
    if (this.#ended || sentAt === null || sentAt === undefined || answer.ID !== id) return
    if (!(Number(answer.TTL) > 0)) {
      this.#lose('gone')
      return
    }
    this.#streams.set(stream, null)
    // Later requests stay open: their answers renew the lease for longer.
    for (const [other, sent] of [...this.#streams]) {
      if (other !== stream && (sent === null || sent <= sentAt)) this.#cancel(other)
    }
    this.#failure = null
    this.#renewedAt = Math.max(this.#renewedAt, sentAt)
    this.#armDeadline()
    this.#renewIn(Math.max(sentAt + ttl * INTERVAL, this.#sentAt + ttl * ANSWER_LIMIT) - performance.now())
    this.check()
    // `check` or a listener may have stopped the keeper.
    if (this.#streams.has(stream)) this.#listener.onRenewed?.(answer)
  }

  #cancel(stream: KeepAliveStream<Answer>): void {
    this.#streams.delete(stream)
    stream.cancel()
  }

  #failed(error: unknown): void {
    if (this.#ended) return
    this.#failure = error
    this.#renewIn(RETRY_PAUSE)
    this.#listener.onFailed?.(error)
  }

  #lose(reason: LossReason): void {
    const cause = this.#failure
    this.stop()
    this.#listener.onLost(reason, cause)
  }

  #renewIn(delay: number): void {
    clearTimeout(this.#nextTimer)
    this.#nextTimer = setTimeout(this.renew, Math.min(Math.max(0, delay), MAX_DELAY))
  }

  #armDeadline(): void {
    clearTimeout(this.#deadlineTimer)
    const delay = Math.ceil(Math.max(0, this.#deadline - performance.now()))
    this.#deadlineTimer = setTimeout(this.#onDeadline, Math.min(delay, MAX_DELAY))
  }

  readonly #onDeadline = (): void => {
    this.check()
    // A timer may fire a fraction of a millisecond early, and cannot wait for as long as a long TTL.
    if (!this.#ended) this.#armDeadline()
  }
}
