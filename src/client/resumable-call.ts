/**
 * A stream without an end of its own, such as watches, that goes on over another connection when the one below it leaves or
 * breaks. Its caller sees one call. Each stretch of it over one connection is a leg, an ordinary call.
 *
 * It is given up, with the status of its leg, where there is no connection to go on over: the caller is told what any other
 * call would be told, and may try again.
 */
import type { EtcdMtlsError } from '../errors.js'
import { EtcdCall } from './call.js'
import type { CallParts } from './call-route.js'
import {
  type Call,
  type CallListener,
  type MessageContext,
  type Metadata,
  status,
  type StatusObject,
} from './channel.js'
import { makeStatus } from './call-status.js'
import { MalformedMessage } from './protobuf.js'
import type { ScriptHost, StreamScript } from './stream-script.js'

/**
 * How long to wait, in milliseconds, before a leg follows one that broke: so many may break in a row before a message came over
 * one. A member that stops ends each new stream at once, and takes a while to be gone.
 */
const PAUSES: readonly number[] = [0, 50, 150, 400, 1000]
/** How many legs in a row may have their token refused. */
const MAX_REFUSALS = 3
/** A leg that has lived so long was a good one, whatever came over it, in milliseconds. */
const LONG_LIVED = 5000
/** How long a leg may take to prepare for its end, in milliseconds: a round trip, where the server answers at all. */
const PREPARATION = 300

export class ResumableCall implements Call, ScriptHost {
  readonly #parts: CallParts
  readonly #script: StreamScript
  #leg: EtcdCall
  #legSince = 0
  /** Legs that broke in a row. */
  #barren = 0
  /** Runs while the leg waits for its start. What is sent then waits in the script. */
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
  /** The messages cannot be read, so they are only passed on, and the stream stays on its leg. */
  #opaque = false

  constructor(parts: CallParts, makeScript: (host: ScriptHost) => StreamScript) {
    this.#parts = parts
    this.#script = makeScript(this)
    this.#leg = this.#makeLeg()
  }

  // --- driven by the grpc-js client

  start(metadata: Metadata, listener: CallListener): void {
    this.#metadata = metadata
    this.#listener = listener
    this.#startLeg()
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    this.#context = context
    const understood = this.#understands(() => {
      this.#script.outgoing(message)
    })
    if (understood) this.#takeDeliveries()
    else this.send(message)
    // Not sent now, or not at all: the caller may go on.
    this.#giveCallback()
  }

  halfClose(): void {
    this.#halfClosed = true
    if (this.#pauseTimer === null) this.#leg.halfClose()
  }

  startRead(): void {
    this.#readWanted = true
    this.#takeDeliveries()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#canceled = true
    if (this.#pauseTimer === null) this.#leg.cancelWithStatus(code, details)
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
    return this.#leg.explanation
  }

  setCredentials(): void {
    this.#leg.setCredentials()
  }

  getAuthContext(): null {
    return null
  }

  // --- driven by the script

  send(message: Buffer): void {
    // The script sends it again when the leg begins.
    if (this.#pauseTimer !== null) return
    const context = this.#context ?? {}
    this.#context = null
    this.#leg.sendMessageWithContext(context, message)
  }

  deliver(message: Buffer): void {
    this.#incoming.push(message)
  }

  expectAnswer(due: boolean): void {
    this.#leg.answerDue = due
  }

  renewToken(details: string): boolean {
    if (this.#refusals >= MAX_REFUSALS || !this.#leg.tokenRefused(details)) return false
    this.#refusals += 1
    const old = this.#leg
    // Not under the script's feet, which is in the middle of a message.
    process.nextTick(() => {
      if (old === this.#leg) this.#replaceLeg()
    })
    return true
  }

  // --- inside

  #giveCallback(): void {
    const callback = this.#context?.callback
    this.#context = null
    if (callback !== undefined) process.nextTick(callback)
  }

  #makeLeg(): EtcdCall {
    const leg: EtcdCall = new EtcdCall(this.#parts, () => {
      this.#move(leg)
    })
    return leg
  }

  #startLeg(): void {
    const leg = this.#leg
    this.#legSince = performance.now()
    if (this.#metadata === null) return
    leg.start(this.#metadata, {
      onReceiveMetadata: (metadata) => {
        if (leg !== this.#leg || this.#hasMetadata) return
        this.#hasMetadata = true
        this.#listener?.onReceiveMetadata(metadata)
      },
      onReceiveMessage: (message: Buffer) => {
        if (leg === this.#leg) this.#receive(message)
      },
      onReceiveStatus: (outcome) => {
        if (leg === this.#leg) this.#onLegEnded(leg, outcome)
      },
    })
    if (!this.#opaque) this.#script.begin()
    if (this.#halfClosed) leg.halfClose()
    this.#takeDeliveries()
  }

  #replaceLeg(): void {
    const old = this.#leg
    this.#leg = this.#makeLeg()
    this.#startLeg()
    old.cancelWithStatus(status.CANCELLED, 'The stream goes on over another connection')
  }

  /** The connection of the leg is about to end by our own will. */
  #move(leg: EtcdCall): void {
    // A caller that sends no more is about to end by himself.
    if (this.#opaque || this.#halfClosed) return
    let moved = false
    const move = (): void => {
      clearTimeout(timer)
      if (moved) return
      moved = true
      if (leg === this.#leg && !this.#ended && !this.#canceled) this.#replaceLeg()
    }
    const timer = setTimeout(move, PREPARATION)
    timer.unref()
    this.#script.prepareToMove(move)
  }

  #receive(message: Buffer): void {
    this.#barren = 0
    const understood = this.#understands(() => {
      this.#script.incoming(message)
    })
    if (!understood) this.deliver(message)
    this.#takeDeliveries()
  }

  #onLegEnded(leg: EtcdCall, outcome: StatusObject): void {
    if (performance.now() - this.#legSince > LONG_LIVED) {
      this.#barren = 0
      this.#refusals = 0
    }
    // etcd that is stopped closes its streams without a status.
    const broke = leg.cutShort || (outcome.code === status.UNAVAILABLE && leg.wasCarried)
    const pause = PAUSES[this.#barren]
    if (!broke || pause === undefined || this.#canceled || this.#opaque) {
      this.#end(outcome)
      return
    }
    this.#barren += 1
    this.#leg = this.#makeLeg()
    if (pause === 0) this.#startLeg()
    else {
      this.#pauseTimer = setTimeout(() => {
        this.#pauseTimer = null
        this.#startLeg()
      }, pause)
    }
  }

  #end(outcome: StatusObject): void {
    this.#status = outcome
    this.#takeDeliveries()
  }

  /** Hands over what the caller has asked for, or asks the leg for it; at the end, the status. */
  #takeDeliveries(): void {
    const message = this.#readWanted ? this.#incoming.shift() : undefined
    if (message !== undefined) {
      this.#readWanted = false
      this.#listener?.onReceiveMessage(message)
    }
    if (this.#status === null) {
      const reads = this.#readWanted && this.#incoming.length === 0 && this.#pauseTimer === null
      if (reads) this.#leg.startRead()
      return
    }
    if (this.#ended || (this.#incoming.length > 0 && !this.#canceled)) return
    this.#ended = true
    if (this.#status.code !== status.OK && !this.#canceled && !this.#opaque) this.#script.failed()
    this.#listener?.onReceiveStatus(this.#status)
  }

  /** Lets the script work on a message; false if it is none that it can read. */
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
