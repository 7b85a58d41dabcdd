/**
 * A stream without an end of its own, such as watches, that goes on over another connection when the one below it leaves or
 * breaks. Its caller sees one call. Each stretch of it over one connection is an attempt, an ordinary call.
 *
 * It is given up, with the status of its attempt, where there is no connection to go on over: the caller is told what any other
 * call would be told, and may try again.
 */
import type { EtcdMtlsError } from '../../errors.js'
import { EtcdCall } from '../call.js'
import type { CallParts } from '../call-route.js'
import {
  type Call,
  type CallListener,
  type MessageContext,
  type Metadata,
  status,
  type StatusObject,
} from '../channel.js'
import { makeStatus } from '../call-status.js'
import { MalformedMessage } from './protobuf.js'
import type { ResumableStream, StreamResumer } from './stream-resumer.js'

/**
 * How long to wait, in milliseconds, before an attempt follows one that broke: so many may break in a row before a message came over
 * one. A member that stops ends each new stream at once, and takes a while to be gone.
 */
const PAUSES: readonly number[] = [0, 50, 150, 400, 1000]
/** How many attempts in a row may have their token refused. */
const MAX_REFUSALS = 3
/** A attempt that has lived so long was a good one, whatever came over it, in milliseconds. */
const LONG_LIVED = 5000
/** How long an attempt may take to prepare for its end, in milliseconds: a round trip, where the server answers at all. */
const PREPARATION = 300

export class ResumableCall implements Call, ResumableStream {
  readonly #parts: CallParts
  readonly #resumer: StreamResumer
  #attempt: EtcdCall
  #attemptSince = 0
  /** Legs that broke in a row. */
  #failuresInARow = 0
  /** Runs while the attempt waits for its start. What is sent then waits in the resumer. */
  #pauseTimer: NodeJS.Timeout | null = null
  /** Legs in a row whose token was refused. */
  #refusals = 0
  #metadata: Metadata | null = null
  #listener: CallListener | null = null
  #hasMetadata = false
  readonly #incoming: Buffer[] = []
  #readWanted = false
  #halfClosed = false
  #canceled = false
  /** Held back until every message before it is delivered. */
  #status: StatusObject | null = null
  #ended = false
  /** What came with the message that is being sent. */
  #context: MessageContext | null = null
  /** The messages cannot be read, so they are only passed on, and the stream stays on its attempt. */
  #opaque = false

  constructor(parts: CallParts, makeResumer: (stream: ResumableStream) => StreamResumer) {
    this.#parts = parts
    this.#resumer = makeResumer(this)
    this.#attempt = this.#makeAttempt()
  }

  // --- driven by the grpc-js client

  start(metadata: Metadata, listener: CallListener): void {
    this.#metadata = metadata
    this.#listener = listener
    this.#startAttempt()
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    this.#context = context
    const understood = this.#understands(() => {
      this.#resumer.outgoing(message)
    })
    if (understood) this.#takeDeliveries()
    else this.send(message)
    // Not sent now, or not at all: the caller may go on.
    this.#giveCallback()
  }

  halfClose(): void {
    this.#halfClosed = true
    if (this.#pauseTimer === null) this.#attempt.halfClose()
  }

  startRead(): void {
    this.#readWanted = true
    this.#takeDeliveries()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#canceled = true
    if (this.#pauseTimer === null) this.#attempt.cancelWithStatus(code, details)
    else {
      clearTimeout(this.#pauseTimer)
      this.#end(makeStatus(code, details))
    }
  }

  getPeer(): string {
    return this.#parts.route.target
  }

  getCallNumber(): number {
    return 0
  }

  /** Why the call failed, where more is known than its status says. */
  get explanation(): EtcdMtlsError | null {
    return this.#attempt.explanation
  }

  setCredentials(): void {
    this.#attempt.setCredentials()
  }

  getAuthContext(): null {
    return null
  }

  // --- driven by the resumer

  send(message: Buffer): void {
    // The resumer sends it again when the attempt begins.
    if (this.#pauseTimer !== null) return
    const context = this.#context ?? {}
    this.#context = null
    this.#attempt.sendMessageWithContext(context, message)
  }

  deliver(message: Buffer): void {
    this.#incoming.push(message)
  }

  expectAnswer(due: boolean): void {
    this.#attempt.answerDue = due
  }

  renewToken(details: string): boolean {
    if (this.#refusals >= MAX_REFUSALS || !this.#attempt.tokenRefused(details)) return false
    this.#refusals += 1
    const old = this.#attempt
    // Not under the resumer's feet, which is in the middle of a message.
    process.nextTick(() => {
      if (old === this.#attempt) this.#replaceAttempt()
    })
    return true
  }

  // --- inside

  #giveCallback(): void {
    const callback = this.#context?.callback
    this.#context = null
    if (callback !== undefined) process.nextTick(callback)
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
    if (!this.#opaque) this.#resumer.begin()
    if (this.#halfClosed) attempt.halfClose()
    this.#takeDeliveries()
  }

  #replaceAttempt(): void {
    const old = this.#attempt
    this.#attempt = this.#makeAttempt()
    this.#startAttempt()
    old.cancelWithStatus(status.CANCELLED, 'The stream goes on over another connection')
  }

  /** The connection of the attempt is about to end by our own will. */
  #move(attempt: EtcdCall): void {
    // A caller that sends no more is about to end by himself.
    if (this.#opaque || this.#halfClosed) return
    let moved = false
    const move = (): void => {
      clearTimeout(timer)
      if (moved) return
      moved = true
      if (attempt === this.#attempt && !this.#ended && !this.#canceled) this.#replaceAttempt()
    }
    const timer = setTimeout(move, PREPARATION)
    timer.unref()
    this.#resumer.prepareToMove(move)
  }

  #receive(message: Buffer): void {
    this.#failuresInARow = 0
    const understood = this.#understands(() => {
      this.#resumer.incoming(message)
    })
    if (!understood) this.deliver(message)
    this.#takeDeliveries()
  }

  #onAttemptEnded(attempt: EtcdCall, outcome: StatusObject): void {
    if (performance.now() - this.#attemptSince > LONG_LIVED) {
      this.#failuresInARow = 0
      this.#refusals = 0
    }
    // etcd that is stopped closes its streams without a status.
    const broke = attempt.cutShort || (outcome.code === status.UNAVAILABLE && attempt.wasCarried)
    const pause = PAUSES[this.#failuresInARow]
    if (!broke || pause === undefined || this.#canceled || this.#opaque) {
      this.#end(outcome)
      return
    }
    this.#failuresInARow += 1
    this.#attempt = this.#makeAttempt()
    if (pause === 0) this.#startAttempt()
    else {
      this.#pauseTimer = setTimeout(() => {
        this.#pauseTimer = null
        this.#startAttempt()
      }, pause)
    }
  }

  #end(outcome: StatusObject): void {
    this.#status = outcome
    this.#takeDeliveries()
  }

  /** Hands over what the caller has asked for, or asks the attempt for it; at the end, the status. */
  #takeDeliveries(): void {
    const message = this.#readWanted ? this.#incoming.shift() : undefined
    if (message !== undefined) {
      this.#readWanted = false
      this.#listener?.onReceiveMessage(message)
    }
    if (this.#status === null) {
      const reads = this.#readWanted && this.#incoming.length === 0 && this.#pauseTimer === null
      if (reads) this.#attempt.startRead()
      return
    }
    if (this.#ended || (this.#incoming.length > 0 && !this.#canceled)) return
    this.#ended = true
    if (this.#status.code !== status.OK && !this.#canceled && !this.#opaque) this.#resumer.failed()
    this.#listener?.onReceiveStatus(this.#status)
  }

  /** Lets the resumer work on a message; false if it is none that it can read. */
  #understands(work: () => void): boolean {
    if (this.#opaque) return false
    try {
      work()
      return true
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      this.#opaque = true
      return false
    }
  }
}
