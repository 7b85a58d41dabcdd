/**
 * A streaming call. Watch and keep-alive streams continue over another connection when theirs is drained or breaks. If
 * no other connection is ready, the stream ends with the status of its attempt, and the caller may try again.
 */
import { Backoff } from '../base/timing.js'
import { methodOf } from '../transport/call-policy.js'
import { callLater, type CallParts, EtcdCall } from '../transport/call.js'
import {
  type Call,
  CallBase,
  type CallListener,
  forGrpc,
  makeStatus,
  type MessageContext,
  Metadata,
  metadataOf,
  type Outcome,
  status,
} from '../transport/channel.js'
import { MalformedMessage } from '../transport/protobuf.js'
import { CallAttempt, type StreamAttempt } from './stream-attempt.js'

/** The part of a stream that its resumer uses. */
export type ResumableStream = Pick<ResumableCall, 'deliver' | 'receiveLimit' | 'countResumed'>

/**
 * Handles the messages of one stream in both directions, in order. It checks every message before the caller receives
 * it.
 */
export interface StreamResumer {
  outgoing(message: Buffer): void
  incoming(message: Buffer, attempt: StreamAttempt): void
  /** A new attempt starts, and there is no other one. Requests that earlier attempts did not answer get no answer. */
  begin(attempt: StreamAttempt): void
  /**
   * The stream should leave its attempt, which still works, for another one. Calls `done` when it can. Absent if the
   * attempts can be replaced at once.
   */
  migrateTo?(next: StreamAttempt, done: () => void): void
  /** The stream has left its attempt, or the attempt has ended: the next one is the only one. */
  finishMigration?(): void
  /** The next attempt has ended, and the stream stays on its own. */
  cancelMigration?(): void
  /** Called every 20 s. */
  refresh?(): void
  /** The stream has ended: no timer may be left. */
  stop?(): void
  /** The attempt ended because an answer with this beginning is too large. Absent if the whole stream fails. */
  undeliverable?(head: Buffer, attempt: StreamAttempt): void
  /** The stream has failed for the caller, which may open another one. */
  failed(): void
}

/** Maximum number of consecutive attempts that fail without a message. Then the stream fails. */
const MAX_FAILURES = 5
/** Milliseconds between attempts after a failure: a member that shuts down ends each new stream. */
const PAUSES = { first: 75, longest: 1500 }
/** Maximum number of consecutive attempts whose token is refused. */
const MAX_REFUSALS = 3
/** Milliseconds that a migration may take: less than the drain limit of a connection. */
const MIGRATION_LIMIT = 5000
/** Milliseconds between two refreshes. The shortest useful `--auto-compaction-retention` of etcd is a minute. */
const REFRESH = 20_000
/** Maximum number of messages that are delivered in one turn of the event loop: about half a millisecond of work. */
const LONGEST_BURST = 64

export class ResumableCall extends CallBase implements Call {
  readonly #parts: CallParts
  readonly #resumer: StreamResumer | null
  /** Null before the start and between two attempts: messages then wait in the resumer. */
  #attempt: CallAttempt | null = null
  /** The attempt to which the stream moves while the current one still works. */
  #next: CallAttempt | null = null
  /** Whether the next attempt should be left as well. */
  #nextMigrates = false
  #migrationTimer: NodeJS.Timeout | undefined
  #failedMigrations = 0
  /** Of the attempt that ended last. */
  #carriedBy: string | null = null
  /** Endpoints that the next attempt uses only if no other one is ready. */
  #avoid: ReadonlySet<string>
  /** Consecutive attempts that failed without a message. */
  #consecutiveFailures = 0
  /** Messages do not end the growth of its pauses: a server may end each stream after its first message. */
  readonly #backoff = new Backoff(PAUSES)
  #refusals = 0
  #pauseTimer: NodeJS.Timeout | undefined
  #refreshTimer: NodeJS.Timeout | undefined
  #metadata = new Metadata()
  #hasMetadata = false
  #listener: CallListener | null = null
  readonly #incoming: { message: Buffer; inBurst: boolean }[] = []
  #readRequested = false
  #halfClosed = false
  #canceled = false
  /** Delivered after all messages before it. */
  #status: Outcome | null = null
  #ended = false
  /** Allows the caller to send the next message. */
  #sent: (() => void) | undefined
  #deliveryScheduled = false
  /** Messages of the current burst that were delivered in this turn of the event loop. */
  #burst = 0

  /** @param makeResumer Default: messages pass unchanged, and the stream ends with its first attempt. */
  constructor(parts: CallParts, makeResumer: ((stream: ResumableStream) => StreamResumer) | null = null) {
    super(parts.route)
    this.#parts = parts
    this.#avoid = parts.avoid
    this.#resumer = makeResumer === null ? null : makeResumer(this)
  }

  get carriedBy(): string | null {
    return this.#attempt?.endpoint ?? this.#carriedBy
  }

  /** Counts watches that continue in another attempt. */
  countResumed(watches: number): void {
    this.#parts.route.meter.watchesResumed += watches
  }

  get waitsForStream(): boolean {
    return (this.#attempt?.call.streamLimit ?? null) !== null
  }

  /** That of the current attempt; null without one. */
  get token(): string | null {
    return this.#attempt?.call.token ?? null
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#metadata = metadata
    this.#listener = listener
    // The connection, or the wait for one, keeps the process alive.
    if (this.#resumer?.refresh !== undefined) {
      this.#refreshTimer = setInterval(() => this.#resumer?.refresh?.(), REFRESH).unref()
    }
    this.#startAttempt()
  }

  sendMessageWithContext({ callback }: MessageContext, message: Buffer): void {
    this.#sent = callback
    if (this.#status === null) {
      this.#guard(() => {
        if (this.#resumer === null) this.#attempt?.send(message)
        else this.#resumer.outgoing(message)
      })
    }
    // The message waits or was discarded: the caller may continue.
    callLater(this.#takeSent())
  }

  halfClose(): void {
    this.#halfClosed = true
    this.#attempt?.call.halfClose()
    this.#next?.call.halfClose()
  }

  startRead(): void {
    this.#readRequested = true
    this.#scheduleDelivery()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#canceled = true
    if (this.#attempt === null) this.#end(makeStatus(code, details))
    else this.#attempt.call.cancelWithStatus(code, details)
    this.#scheduleDelivery()
  }

  /** Passes a message to the caller in a later turn of the event loop. Messages with `inBurst` may share a turn. */
  deliver(message: Buffer, inBurst = false): void {
    this.#incoming.push({ message, inBurst })
    this.#pauseIfBacklogged()
    this.#scheduleDelivery()
  }

  /** Bytes of the longest message accepted. */
  get receiveLimit(): number {
    const { maxReceiveLength } = this.#parts.route
    return maxReceiveLength < 0 ? Infinity : maxReceiveLength
  }

  /** One message may wait, because pausing the stream for each message would be slow. */
  #pauseIfBacklogged(): void {
    if (this.#incoming.length <= 1) return
    if (this.#attempt?.call.isPausedByCaller === false) this.#attempt.call.pause()
    if (this.#next?.call.isPausedByCaller === false) this.#next.call.pause()
  }

  #takeSent(): (() => void) | undefined {
    const sent = this.#sent
    this.#sent = undefined
    return sent
  }

  #makeAttempt(): CallAttempt {
    const isUsed = (): boolean => attempt === this.#attempt || attempt === this.#next
    const call = new EtcdCall({ ...this.#parts, avoid: this.#avoid }, this.#metadata, {
      onMetadata: (headers) => {
        if (!isUsed() || this.#hasMetadata) return
        this.#hasMetadata = true
        this.#listener?.onReceiveMetadata(metadataOf(headers))
      },
      onMessage: (message) => {
        if (isUsed()) this.#receive(message, attempt)
      },
      onEnd: (outcome) => {
        if (attempt === this.#attempt) this.#onAttemptEnded(attempt, outcome)
        else if (attempt === this.#next) this.#onNextEnded(attempt)
      },
      onMigrate: () => {
        this.#migrate(attempt)
      },
    })
    const attempt: CallAttempt = new CallAttempt(call, {
      method: methodOf(this.#parts.path),
      takeSent: () => this.#takeSent(),
      isUsed: () => isUsed() && this.#status === null,
      replace: () => this.#renew(attempt),
    })
    return attempt
  }

  #startAttempt(): void {
    const attempt = this.#makeAttempt()
    this.#attempt = attempt
    this.#resumer?.begin(attempt)
    this.#start(attempt)
  }

  #start({ call }: CallAttempt): void {
    this.#backoff.started()
    this.#pauseIfBacklogged()
    if (this.#halfClosed) call.halfClose()
    call.start()
  }

  #replaceAttempt(old: CallAttempt): void {
    this.#startAttempt()
    old.leave()
  }

  /** The token of the attempt was refused. False if it has none, or new ones were refused as well. */
  #renew(old: CallAttempt): boolean {
    if (this.#backoff.isStable) this.#refusals = 0
    if (this.#refusals >= MAX_REFUSALS) return false
    this.#refusals += 1
    // Deferred, because the resumer is processing a message.
    process.nextTick(() => {
      if (old === this.#next) this.#onNextEnded(old)
      else if (old === this.#attempt && this.#next !== null) this.#finishMigration()
      else if (old === this.#attempt) this.#replaceAttempt(old)
    })
    return true
  }

  /** The client is about to close the connection of the attempt. */
  #migrate(attempt: CallAttempt): void {
    const resumer = this.#resumer
    // A caller that sends no more is about to end the stream.
    if (this.#halfClosed || resumer === null || this.#status !== null || this.#canceled) return
    if (attempt === this.#next) this.#nextMigrates = true
    if (attempt !== this.#attempt || this.#next !== null) return
    if (resumer.migrateTo === undefined) {
      this.#replaceAttempt(attempt)
      return
    }
    clearTimeout(this.#migrationTimer)
    const next = this.#makeAttempt()
    this.#next = next
    this.#nextMigrates = false
    this.#migrationTimer = setTimeout(this.#finishMigration, MIGRATION_LIMIT).unref()
    resumer.migrateTo(next, this.#finishMigration)
    this.#start(next)
  }

  readonly #finishMigration = (): void => {
    const [old, next] = [this.#attempt, this.#next]
    if (next === null) return
    clearTimeout(this.#migrationTimer)
    this.#attempt = next
    this.#next = null
    this.#failedMigrations = 0
    this.#resumer?.finishMigration?.()
    old?.leave()
    // In a later turn, because the resumer is processing a message.
    if (this.#nextMigrates)
      process.nextTick(() => {
        this.#migrate(next)
      })
  }

  #onNextEnded(next: CallAttempt): void {
    clearTimeout(this.#migrationTimer)
    if (next.call.refusedHead !== null) this.#skipRefused(next)
    this.#next = null
    this.#resumer?.cancelMigration?.()
    next.leave()
    this.#failedMigrations += 1
    // The stream stays until its connection is closed.
    if (this.#failedMigrations > MAX_FAILURES) return
    const attempt = this.#attempt
    this.#migrationTimer = setTimeout(() => {
      if (attempt !== null) this.#migrate(attempt)
    }, this.#backoff.failed()).unref()
  }

  #receive(message: Buffer, attempt: CallAttempt): void {
    if (this.#status !== null) return
    this.#consecutiveFailures = 0
    this.#guard(() => {
      if (this.#resumer === null) this.deliver(message, true)
      else this.#resumer.incoming(message, attempt)
    }, attempt)
  }

  #onAttemptEnded(attempt: CallAttempt, outcome: Outcome): void {
    this.#carriedBy = attempt.endpoint ?? this.#carriedBy
    if (this.#status !== null) return
    if (this.#backoff.isStable) {
      this.#consecutiveFailures = 0
      this.#refusals = 0
    }
    // A stopping etcd closes its streams without a status.
    const { endedWithoutAnswer, carriedBy } = attempt.call
    const broke = endedWithoutAnswer || (outcome.code === status.UNAVAILABLE && carriedBy !== null)
    const mayRepeat = broke || this.#skipRefused(attempt)
    if (mayRepeat && this.#next !== null && !this.#canceled) {
      this.#finishMigration()
      return
    }
    if (!mayRepeat || this.#consecutiveFailures >= MAX_FAILURES || this.#canceled || this.#resumer === null) {
      this.#end(outcome)
      return
    }
    this.#consecutiveFailures += 1
    this.#attempt = null
    if (this.#carriedBy !== null) this.#avoid = new Set([...this.#parts.avoid, this.#carriedBy])
    this.#pauseTimer = setTimeout(() => {
      this.#startAttempt()
    }, this.#backoff.failed())
  }

  /** Whether the stream can continue without an answer that was refused. */
  #skipRefused(attempt: CallAttempt): boolean {
    const { refusedHead } = attempt.call
    const resumer = this.#resumer
    if (refusedHead === null || resumer?.undeliverable === undefined) return false
    this.#guard(() => resumer.undeliverable?.(refusedHead, attempt), attempt)
    return this.#status === null
  }

  #end(outcome: Outcome): void {
    this.#status ??= outcome
    this.explanation ??= this.#status.cause ?? null
    clearInterval(this.#refreshTimer)
    this.#resumer?.stop?.()
    clearTimeout(this.#pauseTimer)
    clearTimeout(this.#migrationTimer)
    this.#next?.leave()
    this.#next = null
    this.#scheduleDelivery()
  }

  // One message per turn of the event loop, except in a burst: after some messages etcd3 continues in a promise and
  // loses messages that arrive before it, and it sends before it listens for the answer.
  #scheduleDelivery(): void {
    if (this.#deliveryScheduled || this.#ended) return
    const [next] = this.#incoming
    if (next === undefined && this.#status === null) return
    this.#deliveryScheduled = true
    if (next?.inBurst === true && this.#burst > 0 && this.#burst < LONGEST_BURST) process.nextTick(this.#deliverNext)
    else {
      this.#burst = 0
      setImmediate(this.#deliverNext)
    }
  }

  readonly #deliverNext = (): void => {
    this.#deliveryScheduled = false
    if (this.#ended) return
    // A caller that has canceled does not expect a message.
    const next = this.#readRequested && !this.#canceled ? this.#incoming.shift() : undefined
    if (next !== undefined) {
      this.#readRequested = false
      this.#burst = next.inBurst ? this.#burst + 1 : 0
      if (this.#incoming.length === 0) {
        if (this.#attempt?.call.isPausedByCaller === true) this.#attempt.call.resume()
        if (this.#next?.call.isPausedByCaller === true) this.#next.call.resume()
      }
      this.#listener?.onReceiveMessage(next.message)
      if (this.#incoming.length === 0) this.#scheduleDelivery()
      return
    }
    if (this.#status === null || (this.#incoming.length > 0 && !this.#canceled)) return
    this.#ended = true
    this.#parts.route.meter.callEnded(this.#parts.path, this.#status.code)
    if (this.#status.code !== status.OK && !this.#canceled) this.#resumer?.failed()
    this.#listener?.onReceiveStatus(forGrpc(this.#status))
  }

  #guard(work: () => void, attempt = this.#attempt): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      if (this.#status !== null) return
      const cause = attempt?.invalidAnswer(error.message)
      const details = cause?.message ?? error.message
      this.#end({ ...makeStatus(status.INTERNAL, details), ...(cause === undefined ? {} : { cause }) })
      this.#attempt?.call.cancelWithStatus(status.CANCELLED, details)
    }
  }
}
