/**
 * A stream without an end of its own, such as watches, that continues over another connection when the one below it is drained or
 * breaks; if there is none, it ends with the status of its attempt, and the caller may try again.
 */
import { backoffPause } from '../../report/duration.js'
import { EtcdMtlsError } from '../../report/errors.js'
import { methodOf } from '../transport/call-policy.js'
import { callLater, type CallParts, EtcdCall } from '../transport/call.js'
import {
  type Call,
  CallBase,
  type CallListener,
  makeStatus,
  type MessageContext,
  type Metadata,
  type Outcome,
  status,
  type StatusObject,
} from '../transport/channel.js'
import { readServerStatus, sendsProgressInOrder } from '../transport/health-check.js'
import { MalformedMessage } from '../transport/protobuf.js'

/** What a resumer can do with the stream that it belongs to. */
export type ResumableStream = Pick<
  ResumableCall,
  | 'send'
  | 'deliver'
  | 'expectAnswer'
  | 'renewToken'
  | 'explainRefusal'
  | 'checkProgressOrder'
  | 'fail'
  | 'invalidAnswer'
>

/** Follows one stream. Every message of either side goes through it, in order; what reaches the caller has been checked. */
export interface StreamResumer {
  outgoing(message: Buffer): void
  incoming(message: Buffer): void
  /** A new attempt begins: nothing was sent on it, and what was not answered on the one before never will be. */
  begin(): void
  /** The client is about to leave the attempt. Calls back when the stream is ready for that, at once or later. */
  prepareToMove?(ready: () => void): void
  refresh?(): void
  /** The stream has failed for the caller, who may open another one. */
  failed(): void
}

/** How many attempts in a row may fail without a message; the caller may then open another stream. */
const MAX_FAILURES = 5
/** Pauses after the second failure in a row, in milliseconds: a member that stops ends each new stream, and takes a while to end. */
const PAUSES = { first: 150, longest: 1500 }
/** How many attempts in a row may have their token refused. */
const MAX_REFUSALS = 3
/** An attempt that lived this long ends the count of failures, in milliseconds. */
const LONG_LIVED = 5000
/** How long an attempt may take to prepare for its end, in milliseconds: a round trip, if the server answers at all. */
const PREPARATION = 300
/** Between two refreshes, in milliseconds. Kubernetes compacts every five minutes what is older than that. */
const REFRESH = 60_000
/** Messages of a burst that are delivered before the event loop goes on: about half a millisecond of work. */
const LONGEST_BURST = 64

export class ResumableCall extends CallBase implements Call {
  readonly #parts: CallParts
  readonly #resumer: StreamResumer
  #attempt: EtcdCall
  #attemptSince = 0
  #failuresInARow = 0
  /** Runs while the attempt waits for its start. What is sent then waits in the resumer. */
  #pauseTimer: NodeJS.Timeout | null = null
  #refusals = 0
  #metadata: Metadata | null = null
  #listener: CallListener | null = null
  #hasMetadata = false
  readonly #incoming: { message: Buffer; inBurst: boolean }[] = []
  #readWanted = false
  #halfClosed = false
  #canceled = false
  /** Held back until every message before it is delivered. */
  #status: Outcome | null = null
  #ended = false
  /** What came with the message that is being sent. */
  #context: MessageContext | null = null
  #deliveryScheduled = false
  /** How many messages were delivered since the last turn of the event loop that a delivery has waited for; 0: none of a burst. */
  #burst = 0
  #cause: EtcdMtlsError | null = null
  #progressInOrder: Promise<boolean> | null = null
  #refreshTimer: NodeJS.Timeout | undefined

  constructor(parts: CallParts, makeResumer: (stream: ResumableStream) => StreamResumer) {
    super(parts.route.target)
    this.#parts = parts
    this.#resumer = makeResumer(this)
    this.#attempt = this.#makeAttempt()
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#metadata = metadata
    this.#listener = listener
    // A stream keeps the process alive by its connection, or by the wait for one.
    this.#refreshTimer = setInterval(() => {
      if (this.#status === null) this.#resumer.refresh?.()
    }, REFRESH).unref()
    this.#startAttempt()
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    this.#context = context
    if (this.#status === null) {
      this.#guard(() => {
        this.#resumer.outgoing(message)
      })
    }
    // Not sent now, or not at all: the caller may go on.
    callLater(this.#takeContext())
  }

  halfClose(): void {
    this.#halfClosed = true
    if (this.#pauseTimer === null) this.#attempt.halfClose()
  }

  startRead(): void {
    this.#readWanted = true
    this.#read()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#canceled = true
    if (this.#pauseTimer === null) this.#attempt.cancelWithStatus(code, details)
    else {
      clearTimeout(this.#pauseTimer)
      this.#end(makeStatus(code, details))
    }
  }

  get explanation(): EtcdMtlsError | null {
    return this.#cause ?? this.#attempt.explanation
  }

  /** Sends a message over the current attempt. */
  send(message: Buffer): void {
    // During a pause, the resumer sends it again when the attempt begins.
    if (this.#pauseTimer === null) this.#attempt.sendMessageWithContext(this.#takeContext(), message)
  }

  /**
   * Passes a message to the caller, in a later turn of the event loop. `inBurst`: in the same turn as others of this kind before it, if
   * there are any.
   */
  deliver(message: Buffer, inBurst = false): void {
    this.#incoming.push({ message, inBurst })
    this.#scheduleDelivery()
  }

  fail(code: status, error: EtcdMtlsError): void {
    if (this.#status !== null) return
    this.#cause = error
    this.#end({ ...makeStatus(code, error.message), cause: error })
    clearTimeout(this.#pauseTimer ?? undefined)
    this.#attempt.cancelWithStatus(status.CANCELLED, error.message)
  }

  invalidAnswer(reason: string): EtcdMtlsError {
    const method = methodOf(this.#parts.path)
    const endpoint = this.#attempt.carriedBy
    const message = `${endpoint ?? 'An endpoint'} answered ${method} as etcd never does: ${reason}`
    return new EtcdMtlsError('ERR_ANSWER_INVALID', message, { method, endpoint, reason })
  }

  /** The error for something that etcd refused by a message; null if it has nothing to do with users and roles. */
  explainRefusal(details: string, request: Buffer): EtcdMtlsError | null {
    return this.#attempt.explainRefusal(details, request)
  }

  /**
   * Whether an answer to a progress request comes after all the events before it, which depends on the version of the server.
   * Does not call back if this attempt has ended.
   */
  checkProgressOrder(known: (exact: boolean) => void): void {
    const attempt = this.#attempt
    this.#progressInOrder ??= this.#askProgressOrder(attempt)
    void this.#progressInOrder.then((exact) => {
      if (attempt === this.#attempt && this.#status === null) known(exact)
    })
  }

  /** Whether the server owes an answer: the client then checks sooner whether it is still there. */
  expectAnswer(due: boolean): void {
    this.#attempt.answerDue = due
  }

  /** A new attempt with a new token follows. False if there is no token, or new ones were refused as well. */
  renewToken(details: string): boolean {
    if (this.#refusals >= MAX_REFUSALS || !this.#attempt.tokenRefused(details)) return false
    this.#refusals += 1
    const old = this.#attempt
    // Later, because the resumer is in the middle of a message.
    process.nextTick(() => {
      if (old === this.#attempt) this.#replaceAttempt()
    })
    return true
  }

  #takeContext(): MessageContext {
    const context = this.#context ?? {}
    this.#context = null
    return context
  }

  #makeAttempt(): EtcdCall {
    const attempt: EtcdCall = new EtcdCall(this.#parts, () => {
      this.#move(attempt)
    })
    return attempt
  }

  #startAttempt(): void {
    const attempt = this.#attempt
    this.#attemptSince = performance.now()
    this.#progressInOrder = null
    if (this.#metadata === null) return
    attempt.start(this.#metadata, {
      onReceiveMetadata: (metadata) => {
        if (attempt !== this.#attempt || this.#hasMetadata) return
        this.#hasMetadata = true
        this.#listener?.onReceiveMetadata(metadata)
      },
      onReceiveMessage: (message: Buffer) => {
        if (attempt === this.#attempt) this.#receive(message)
      },
      onReceiveStatus: (outcome) => {
        if (attempt === this.#attempt) this.#onAttemptEnded(attempt, outcome)
      },
    })
    this.#resumer.begin()
    if (this.#halfClosed) attempt.halfClose()
    this.#read()
  }

  #replaceAttempt(): void {
    const old = this.#attempt
    this.#attempt = this.#makeAttempt()
    this.#startAttempt()
    old.cancelWithStatus(status.CANCELLED, 'The stream continues over another connection')
  }

  /** The client is about to close the connection of the attempt. */
  #move(attempt: EtcdCall): void {
    // A caller that sends no more is about to end the stream.
    if (this.#halfClosed) return
    let moved = false
    const move = (): void => {
      clearTimeout(timer)
      if (moved) return
      moved = true
      if (attempt === this.#attempt && this.#status === null && !this.#canceled) this.#replaceAttempt()
    }
    const timer = setTimeout(move, PREPARATION).unref()
    if (this.#resumer.prepareToMove === undefined) move()
    else this.#resumer.prepareToMove(move)
  }

  #receive(message: Buffer): void {
    if (this.#status !== null) return
    this.#failuresInARow = 0
    this.#guard(() => {
      this.#resumer.incoming(message)
    })
    this.#read()
  }

  async #askProgressOrder({ connection, token }: EtcdCall): Promise<boolean> {
    const version = connection === null ? null : (await readServerStatus(connection, token))?.version
    return typeof version === 'string' && sendsProgressInOrder(version)
  }

  #onAttemptEnded(attempt: EtcdCall, outcome: StatusObject): void {
    if (this.#status !== null) return
    if (performance.now() - this.#attemptSince > LONG_LIVED) {
      this.#failuresInARow = 0
      this.#refusals = 0
    }
    // etcd that is stopped closes its streams without a status.
    const broke = attempt.cutShort || (outcome.code === status.UNAVAILABLE && attempt.carriedBy !== null)
    if (!broke || this.#failuresInARow >= MAX_FAILURES || this.#canceled) {
      this.#end(outcome)
      return
    }
    this.#failuresInARow += 1
    this.#attempt = this.#makeAttempt()
    if (this.#failuresInARow === 1) {
      this.#startAttempt()
      return
    }
    const start = (): void => {
      this.#pauseTimer = null
      this.#startAttempt()
    }
    this.#pauseTimer = setTimeout(start, backoffPause(this.#failuresInARow - 1, PAUSES))
  }

  #end(outcome: Outcome): void {
    this.#status ??= outcome
    clearInterval(this.#refreshTimer)
    this.#scheduleDelivery()
  }

  #read(): void {
    if (this.#incoming.length > 0 || this.#status !== null) this.#scheduleDelivery()
    else if (this.#readWanted && this.#pauseTimer === null) this.#attempt.startRead()
  }

  // One message in each turn of the event loop, except in a burst. etcd3 continues in a promise after some messages, and loses
  // what comes before that; and it sends before it listens for the answer.
  #scheduleDelivery(): void {
    if (this.#deliveryScheduled || this.#ended) return
    this.#deliveryScheduled = true
    const inBurst = this.#incoming[0]?.inBurst === true && this.#burst > 0 && this.#burst < LONGEST_BURST
    if (inBurst) process.nextTick(this.#deliverNext)
    else {
      this.#burst = 0
      setImmediate(this.#deliverNext)
    }
  }

  readonly #deliverNext = (): void => {
    this.#deliveryScheduled = false
    if (this.#ended) return
    // A caller that has canceled does not expect a message.
    const next = this.#readWanted && !this.#canceled ? this.#incoming.shift() : undefined
    if (next !== undefined) {
      this.#readWanted = false
      this.#burst = next.inBurst ? this.#burst + 1 : 0
      this.#listener?.onReceiveMessage(next.message)
      return
    }
    if (this.#status === null || (this.#incoming.length > 0 && !this.#canceled)) return
    this.#ended = true
    if (this.#status.code !== status.OK && !this.#canceled) this.#resumer.failed()
    this.#listener?.onReceiveStatus(this.#status)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      this.fail(status.INTERNAL, this.invalidAnswer(error.message))
    }
  }
}
