/**
 * A streaming call. Watch and keep-alive streams continue over another connection when theirs is drained or breaks. If
 * no other connection is ready, the stream ends with the status of its attempt, and the caller may try again.
 */
import type { EtcdMtlsError } from '../../report/errors.js'
import { Backoff } from '../timing.js'
import { methodOf } from '../transport/call-policy.js'
import { callLater, type CallParts, EtcdCall } from '../transport/call.js'
import {
  type Call,
  CallBase,
  type CallListener,
  invalidAnswer,
  makeStatus,
  type MessageContext,
  Metadata,
  type Outcome,
  status,
} from '../transport/channel.js'
import { readServerStatus, sendsProgressInOrder } from '../transport/health-check.js'
import { MalformedMessage } from '../transport/protobuf.js'

/** The part of a stream that its resumer uses. */
export type ResumableStream = Pick<
  ResumableCall,
  | 'send'
  | 'deliver'
  | 'expectAnswer'
  | 'renewToken'
  | 'explainRefusal'
  | 'checkProgressOrder'
  | 'invalidAnswer'
  | 'endpoint'
  | 'receiveLimit'
>

/**
 * Handles the messages of one stream in both directions, in order. It checks every message before the caller receives
 * it.
 */
export interface StreamResumer {
  outgoing(message: Buffer): void
  incoming(message: Buffer): void
  /** A new attempt starts. Requests that the previous attempt did not answer get no answer. */
  begin(): void
  /** Called before the stream leaves its attempt. Calls `ready` when it can continue over another one. */
  prepareToMigrate?(ready: () => void): void
  /** Called every 20 s. */
  refresh?(): void
  /** The stream has ended: no timer may be left. */
  stop?(): void
  /** The attempt ended because an answer with this beginning is too large. Absent if the whole stream fails. */
  undeliverable?(head: Buffer): void
  /** The stream has failed for the caller, which may open another one. */
  failed(): void
}

/** Most consecutive attempts that fail without a message. Then the stream fails. */
const MAX_FAILURES = 5
/** Milliseconds between attempts after a failure: a member that shuts down ends each new stream. */
const PAUSES = { first: 75, longest: 1500 }
/** Most consecutive attempts whose token is refused. */
const MAX_REFUSALS = 3
/** Milliseconds that an attempt may take to prepare for migration: one round trip. */
const PREPARATION = 300
/** Milliseconds between two refreshes. The shortest useful `--auto-compaction-retention` of etcd is a minute. */
const REFRESH = 20_000
/** Most messages that are delivered in one turn of the event loop: about half a millisecond of work. */
const LONGEST_BURST = 64

export class ResumableCall extends CallBase implements Call {
  readonly #parts: CallParts
  readonly #resumer: StreamResumer | null
  /** Null before the start and between two attempts: messages then wait in the resumer. */
  #attempt: EtcdCall | null = null
  /** Of the attempt that ended last. */
  #carriedBy: string | null = null
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
  #progressInOrder: Promise<boolean> | null = null

  /** @param makeResumer Default: messages pass unchanged, and the stream ends with its first attempt. */
  constructor(parts: CallParts, makeResumer: ((stream: ResumableStream) => StreamResumer) | null = null) {
    super(parts.route.target)
    this.#parts = parts
    this.#resumer = makeResumer === null ? null : makeResumer(this)
  }

  get carriedBy(): string | null {
    return this.#attempt?.carriedBy ?? this.#carriedBy
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
        if (this.#resumer === null) this.send(message)
        else this.#resumer.outgoing(message)
      })
    }
    // The message waits or was discarded: the caller may continue.
    callLater(this.#takeSent())
  }

  halfClose(): void {
    this.#halfClosed = true
    this.#attempt?.halfClose()
  }

  startRead(): void {
    this.#readRequested = true
    this.#scheduleDelivery()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#canceled = true
    if (this.#attempt === null) this.#end(makeStatus(code, details))
    else this.#attempt.cancelWithStatus(code, details)
    this.#scheduleDelivery()
  }

  /** Sends a message over the current attempt. During a pause, the resumer sends it again when the next one begins. */
  send(message: Buffer): void {
    this.#attempt?.send(message, this.#takeSent())
  }

  /** Passes a message to the caller in a later turn of the event loop. Messages with `inBurst` may share a turn. */
  deliver(message: Buffer, inBurst = false): void {
    this.#incoming.push({ message, inBurst })
    this.#pauseIfBacklogged()
    this.#scheduleDelivery()
  }

  /** The URL of the endpoint that carries the current attempt. */
  get endpoint(): string | null {
    return this.#attempt?.carriedBy ?? null
  }

  /** Bytes of the longest message accepted. */
  get receiveLimit(): number {
    const { maxReceiveLength } = this.#parts.route
    return maxReceiveLength < 0 ? Infinity : maxReceiveLength
  }

  invalidAnswer(reason: string): EtcdMtlsError {
    return invalidAnswer(methodOf(this.#parts.path), this.endpoint, reason)
  }

  /** The error for something that etcd refused by a message; null if it has nothing to do with users and roles. */
  explainRefusal(details: string, request: Buffer): EtcdMtlsError | null {
    return this.#attempt?.review(status.PERMISSION_DENIED, details, request).cause ?? null
  }

  /**
   * Whether an answer to a progress request comes after all the events before it, which depends on the version of the server.
   * Does not call back if this attempt has ended.
   */
  checkProgressOrder(known: (exact: boolean) => void): void {
    const attempt = this.#attempt
    if (attempt === null) return
    this.#progressInOrder ??= askProgressOrder(attempt)
    void this.#progressInOrder.then((exact) => {
      if (attempt === this.#attempt && this.#status === null) known(exact)
    })
  }

  /** Sets whether an answer of the server is due: the client then detects silence earlier. */
  expectAnswer(due: boolean): void {
    if (this.#attempt !== null) this.#attempt.answerDue = due
  }

  /** Starts a new attempt with a new token. False if there is no token, or new ones were refused as well. */
  renewToken(details: string): boolean {
    const old = this.#attempt
    if (this.#refusals >= MAX_REFUSALS || typeof old?.token !== 'string') return false
    old.review(status.UNAUTHENTICATED, details)
    this.#refusals += 1
    // Deferred, because the resumer is processing a message.
    process.nextTick(() => {
      if (old === this.#attempt) this.#replaceAttempt(old)
    })
    return true
  }

  /** One message may wait, because pausing the stream for each message would be slow. */
  #pauseIfBacklogged(): void {
    if (this.#incoming.length > 1 && this.#attempt?.isPausedByCaller === false) this.#attempt.pause()
  }

  #takeSent(): (() => void) | undefined {
    const sent = this.#sent
    this.#sent = undefined
    return sent
  }

  #startAttempt(): void {
    const attempt: EtcdCall = new EtcdCall(this.#parts, this.#metadata, {
      onMetadata: (metadata) => {
        if (attempt !== this.#attempt || this.#hasMetadata) return
        this.#hasMetadata = true
        this.#listener?.onReceiveMetadata(metadata)
      },
      onMessage: (message) => {
        if (attempt === this.#attempt) this.#receive(message)
      },
      onEnd: (outcome) => {
        if (attempt === this.#attempt) this.#onAttemptEnded(attempt, outcome)
      },
      onMigrate: () => {
        this.#migrate(attempt)
      },
    })
    this.#attempt = attempt
    this.#backoff.started()
    this.#progressInOrder = null
    this.#resumer?.begin()
    this.#pauseIfBacklogged()
    if (this.#halfClosed) attempt.halfClose()
    attempt.start()
  }

  #replaceAttempt(old: EtcdCall): void {
    this.#startAttempt()
    old.cancelWithStatus(status.CANCELLED, 'The stream continues over another connection')
  }

  /** The client is about to close the connection of the attempt. */
  #migrate(attempt: EtcdCall): void {
    // A caller that sends no more is about to end the stream.
    if (this.#halfClosed || this.#resumer === null) return
    const migrate = (): void => {
      clearTimeout(timer)
      if (attempt === this.#attempt && this.#status === null && !this.#canceled) this.#replaceAttempt(attempt)
    }
    const timer = setTimeout(migrate, PREPARATION).unref()
    if (this.#resumer.prepareToMigrate === undefined) migrate()
    else this.#resumer.prepareToMigrate(migrate)
  }

  #receive(message: Buffer): void {
    if (this.#status !== null) return
    this.#consecutiveFailures = 0
    this.#guard(() => {
      if (this.#resumer === null) this.deliver(message, true)
      else this.#resumer.incoming(message)
    })
  }

  #onAttemptEnded(attempt: EtcdCall, outcome: Outcome): void {
    this.#carriedBy = attempt.carriedBy ?? this.#carriedBy
    if (this.#status !== null) return
    if (this.#backoff.isStable) {
      this.#consecutiveFailures = 0
      this.#refusals = 0
    }
    // A stopping etcd closes its streams without a status.
    const broke = attempt.endedWithoutAnswer || (outcome.code === status.UNAVAILABLE && attempt.carriedBy !== null)
    const mayRepeat = broke || this.#skipRefused(attempt)
    if (!mayRepeat || this.#consecutiveFailures >= MAX_FAILURES || this.#canceled || this.#resumer === null) {
      this.#end(outcome)
      return
    }
    this.#consecutiveFailures += 1
    this.#attempt = null
    this.#pauseTimer = setTimeout(() => {
      this.#startAttempt()
    }, this.#backoff.failed())
  }

  /** Whether the stream can continue without an answer that was refused. */
  #skipRefused({ refusedHead }: EtcdCall): boolean {
    const resumer = this.#resumer
    if (refusedHead === null || resumer?.undeliverable === undefined) return false
    this.#guard(() => resumer.undeliverable?.(refusedHead))
    return this.#status === null
  }

  #end(outcome: Outcome): void {
    this.#status ??= outcome
    this.explanation ??= this.#status.cause ?? null
    clearInterval(this.#refreshTimer)
    this.#resumer?.stop?.()
    clearTimeout(this.#pauseTimer)
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
      if (this.#incoming.length === 0 && this.#attempt?.isPausedByCaller === true) this.#attempt.resume()
      this.#listener?.onReceiveMessage(next.message)
      if (this.#incoming.length === 0) this.#scheduleDelivery()
      return
    }
    if (this.#status === null || (this.#incoming.length > 0 && !this.#canceled)) return
    this.#ended = true
    if (this.#status.code !== status.OK && !this.#canceled) this.#resumer?.failed()
    this.#listener?.onReceiveStatus(this.#status)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      if (this.#status !== null) return
      const cause = this.invalidAnswer(error.message)
      this.#end({ ...makeStatus(status.INTERNAL, cause.message), cause })
      this.#attempt?.cancelWithStatus(status.CANCELLED, cause.message)
    }
  }
}

async function askProgressOrder({ connection, token }: EtcdCall): Promise<boolean> {
  const version = connection === null ? null : (await readServerStatus(connection, token))?.version
  return typeof version === 'string' && sendsProgressInOrder(version)
}
