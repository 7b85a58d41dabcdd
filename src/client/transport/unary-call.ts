/**
 * A call with one request and one answer. A failed attempt is repeated if `call-policy.ts` allows it, and a read
 * without an answer is also sent to a second endpoint.
 */
import type { IncomingHttpHeaders } from 'node:http2'
import { backoffPause } from '../../report/duration.js'
import { EtcdMtlsError } from '../../report/errors.js'
import { type CallMessage, isTraced, propagated, traceEnd, traceStart } from '../base/channels.js'
import { armDeadline } from '../base/timing.js'
import {
  existingLeaseResponse,
  isLeaseExists,
  keyOf,
  LEASE_GRANT,
  leaseIdOf,
  mayBeApplied,
  mayRepeat,
  methodOf,
  type RequestTraits,
  traitsOf,
  withLeaseId,
} from './call-policy.js'
import { type AttemptListener, callLater, type CallParts, EtcdCall } from './call.js'
import {
  type AnswerListener,
  CallBase,
  type DirectCall,
  forGrpc,
  makeStatus,
  type MessageContext,
  Metadata,
  metadataOf,
  type Outcome,
  status,
  withCause,
} from './channel.js'
import { isTokenRefused } from './login.js'
import { termOf } from './protobuf.js'

/** Maximum number of attempts of a call. With the pauses below they last about 4 s, longer than an election. */
const MAX_ATTEMPTS = 10
/**
 * Milliseconds after its start, or after servers began not to process it, in which a call without a deadline may wait for
 * an endpoint or start another attempt.
 */
const RETRY_WINDOW = 10_000
/** Pause before an attempt at an endpoint that has just failed, in milliseconds. */
const PAUSES = { first: 25, longest: 1000 }
const MAX_TOKEN_REFUSALS = 3
// Milliseconds without an answer after which a read is also sent to a second endpoint; at most a third of the time
// left. Longer than etcd takes for nearly every read (it warns at 100 ms), and shorter than the detection of a silent
// endpoint.
export const HEDGE_AFTER = 1000
/** Milliseconds that an abandoned read continues, until a silent endpoint is detected. */
const ABANDONED_READ_LIMIT = 5000

/** One attempt, and what has arrived of its answer. */
class Attempt implements AttemptListener {
  readonly call: EtcdCall
  head: IncomingHttpHeaders | null = null
  message: Buffer | null = null
  /** Whether etcd answered that it already has the lease. */
  hasExisted = false
  readonly #ended: (attempt: Attempt, outcome: Outcome) => void

  constructor(parts: CallParts, metadata: Metadata, ended: (attempt: Attempt, outcome: Outcome) => void) {
    this.#ended = ended
    this.call = new EtcdCall(parts, metadata, this)
  }

  onMetadata(headers: IncomingHttpHeaders): void {
    this.head = headers
  }

  onMessage(message: Buffer): void {
    if (this.message === null) this.message = message
    else this.call.cancelWithStatus(status.INTERNAL, 'Received more than one message in answer to a unary call')
  }

  onEnd(outcome: Outcome): void {
    this.#ended(this, outcome)
  }
}

const NO_REQUEST = Buffer.alloc(0)

export class UnaryCall extends CallBase implements DirectCall {
  readonly #parts: CallParts
  readonly #started = performance.now()
  readonly #running: Attempt[] = []
  #avoid: ReadonlySet<string>
  #metadata: Metadata | null = null
  #listener: AnswerListener | null = null
  /** For a lease grant, with the id that this client has chosen. */
  #request: Buffer = NO_REQUEST
  #traits: RequestTraits = { kind: 'write', needsLeader: true }
  #attempts = 0
  /** Attempts that a server certainly did not process, which do not count. */
  #unprocessed = 0
  /** When the first of those since the last other attempt ended, by `performance.now()`; null: the last one was processed. */
  #unprocessedSince: number | null = null
  /** Why the last of those was not processed. */
  #refusal: EtcdMtlsError | null = null
  #tokenRefusals = 0
  #hedged = false
  /** When the first attempt that etcd may have processed was sent, by `performance.now()`; null if none was sent. */
  #appliedSince: number | null = null
  /** For a short deadline; otherwise {@link CallRoute.sharedHedgeTimer}. */
  #hedgeTimer: NodeJS.Timeout | undefined
  #hedgeCallback: (() => void) | null = null
  #pauseTimer: NodeJS.Timeout | undefined
  #deadlineTimer: NodeJS.Timeout | undefined
  #ended = false
  #isDelivering = false
  /** Null unless somebody listens to calls. */
  #trace: CallMessage | null = null
  /** Of the attempt that ended last. */
  #carriedBy: string | null = null

  constructor(parts: CallParts) {
    super(parts.route)
    this.#parts = parts
    this.#avoid = parts.avoid
  }

  get carriedBy(): string | null {
    const current = this.#running.find(({ call }) => call.carriedBy !== null)
    return current?.call.carriedBy ?? this.#carriedBy
  }

  start(metadata: Metadata, listener: AnswerListener): void {
    this.#metadata = metadata
    this.#listener = listener
  }

  sendMessageWithContext({ callback }: MessageContext, message: Buffer): void {
    this.#request = message
    callLater(callback)
  }

  /** The request is complete, so its traits are known before the headers are made. */
  halfClose(): void {
    if (this.#ended || this.#attempts > 0) return
    this.#traits = traitsOf(this.#parts.path, this.#request)
    if (this.#traits.kind === 'grant') this.#request = withLeaseId(this.#request)
    if (isTraced()) this.#startTraced()
    else this.#attempt()
  }

  startRead(): void {
    // Nothing to do: the answer is delivered as soon as it is complete.
  }

  cancelWithStatus(code: status, details: string): void {
    // grpc-js cancels a call whose message it cannot read.
    if (this.#isDelivering && code === status.INTERNAL) this.unreadable(makeStatus(code, details))
    if (this.#ended) return
    const [first] = this.#running
    const outcome = makeStatus(code, details)
    this.#finish(first === undefined ? this.#pausedOutcome(outcome) : this.#finalOutcome(first.call, outcome), null)
  }

  #startTraced(): void {
    const { path, route } = this.#parts
    const common = { method: methodOf(path), endpoint: null, attempt: 0, status: null, metadata: {} }
    const message: CallMessage = route.options.includeKeys ? { ...common, ...keyOf(path, this.#request) } : common
    this.#trace = message
    traceStart(message, () => {
      const headers = propagated(message)
      if (headers.length > 0) this.#metadata = this.#metadata?.clone() ?? new Metadata()
      for (const [name, value] of headers) this.#metadata?.set(name, value)
      this.#attempt()
    })
  }

  readonly #attempt = (): void => {
    clearTimeout(this.#deadlineTimer)
    this.#attempts += 1
    const { route, path, deadline, authority } = this.#parts
    route.meter.attempts += 1
    const parts = {
      route,
      path,
      deadline,
      authority,
      headers: this.#traits.needsLeader ? route.leaderHeaders : null,
      avoid: this.#avoid,
      longestWait: this.#longestWait(),
      isRepeated: this.#unprocessedSince !== null,
      makeSplitter: null,
    }
    const attempt = new Attempt(parts, this.#metadata ?? new Metadata(), this.#onAttemptEnded)
    const { call } = attempt
    this.#running.push(attempt)
    call.send(this.#request)
    call.halfClose()
    call.start()
    if (this.#traits.kind === 'read' && !this.#hedged) this.#armHedge(attempt)
  }

  #armHedge(attempt: Attempt): void {
    this.#disarmHedge()
    const left = this.#timeLeft()
    if (left >= 3 * HEDGE_AFTER) {
      this.#hedgeCallback = () => {
        this.#hedge(attempt)
      }
      this.#parts.route.sharedHedgeTimer.add(this.#hedgeCallback)
      return
    }
    const delay = Math.max(1, Math.round(left / 3))
    this.#hedgeTimer = setTimeout(() => {
      this.#hedge(attempt)
    }, delay)
  }

  #disarmHedge(): void {
    clearTimeout(this.#hedgeTimer)
    if (this.#hedgeCallback !== null) this.#parts.route.sharedHedgeTimer.delete(this.#hedgeCallback)
    this.#hedgeCallback = null
  }

  #hedge(attempt: Attempt): void {
    // A waiting attempt gets the first ready connection anyway, and a started answer needs no second one.
    const { carriedBy, wasAnswered } = attempt.call
    if (!this.#running.includes(attempt) || carriedBy === null || wasAnswered) return
    this.#avoid = new Set(this.#avoid).add(carriedBy)
    if (!this.#parts.route.hasOther(this.#avoid)) return
    this.#hedged = true
    this.#parts.route.meter.hedgedReads += 1
    this.#attempt()
  }

  readonly #onAttemptEnded = (attempt: Attempt, outcome: Outcome): void => {
    if (this.#ended) return
    this.#running.splice(this.#running.indexOf(attempt), 1)
    const { call } = attempt
    const { kind } = this.#traits
    this.#carriedBy = call.carriedBy ?? this.#carriedBy
    if (outcome.code === status.OK && attempt.message === null) {
      // As grpc-js.
      this.#finish(this.unreadable(makeStatus(status.UNIMPLEMENTED, 'No message received')), attempt)
    } else if (outcome.code === status.OK) this.#finish(outcome, attempt)
    else if (call.token !== null && isTokenRefused(outcome) && this.#tokenRefusals < MAX_TOKEN_REFUSALS) {
      this.#tokenRefusals += 1
      this.#parts.route.meter.repeats['token-refused'] += 1
      this.#attempt()
    } else if (kind === 'grant' && this.#appliedSince !== null && isLeaseExists(outcome)) {
      // The requested TTL: etcd may have granted a longer one, but never a shorter one.
      attempt.message = existingLeaseResponse(this.#request)
      attempt.hasExisted = true
      this.#finish(makeStatus(status.OK, ''), attempt)
    } else {
      const repeat = mayRepeat(kind, outcome, call.progress)
      if (mayBeApplied(kind, outcome, call.progress)) this.#appliedSince ??= call.sentAt
      if (repeat && (this.#running.length > 0 || this.#repeatLater(call))) return
      // The deadline decides, even if an answer comes before its timer, as on a busy machine.
      const isLate = repeat && this.#timeLeft() <= 0
      const late = withCause(makeStatus(status.DEADLINE_EXCEEDED, 'Deadline exceeded'), call.explanation)
      this.#finish(this.#finalOutcome(call, isLate ? late : outcome), attempt)
    }
  }

  #repeatLater(call: EtcdCall): boolean {
    const { route } = this.#parts
    const left = this.#timeLeft()
    const now = performance.now()
    if (call.progress === 'unprocessed') {
      this.#unprocessed += 1
      this.#unprocessedSince ??= now
      this.#refusal = call.explanation
    } else this.#unprocessedSince = this.#refusal = null
    const spent = now - (this.#unprocessedSince ?? this.#started)
    if (this.#attempts - this.#unprocessed >= MAX_ATTEMPTS || left <= 0 || (left === Infinity && spent > RETRY_WINDOW))
      return false
    route.meter.repeats[call.progress === 'unprocessed' ? 'unprocessed' : 'failed'] += 1
    if (call.carriedBy !== null) this.#avoid = new Set(this.#avoid).add(call.carriedBy)
    // A connection that has ended is dialled again with pauses of its own.
    const isGone = call.progress === 'unprocessed' && call.connection?.open !== true
    if (isGone || route.hasOther(this.#avoid)) this.#attempt()
    else {
      // All endpoints were tried: the next round starts after a pause.
      this.#avoid = this.#parts.avoid
      this.#pause(call)
    }
    return true
  }

  #pause(call: EtcdCall): void {
    this.#deadlineTimer = armDeadline(Number(this.#parts.deadline), () => {
      clearTimeout(this.#pauseTimer)
      const outcome = makeStatus(status.DEADLINE_EXCEEDED, 'Deadline exceeded')
      this.#finish(this.#pausedOutcome(withCause(outcome, call.explanation)), null)
    })
    if (!this.#ended) this.#pauseTimer = setTimeout(this.#attempt, backoffPause(this.#attempts, PAUSES))
  }

  #timeLeft(): number {
    const deadline = Number(this.#parts.deadline)
    return deadline === Infinity ? Infinity : deadline - Date.now()
  }

  #longestWait(): number {
    if (Number(this.#parts.deadline) !== Infinity) return Infinity
    if (this.#attempts === 1) return RETRY_WINDOW
    return Math.max(0, RETRY_WINDOW - (performance.now() - (this.#unprocessedSince ?? this.#started)))
  }

  #finalOutcome(call: EtcdCall, outcome: Outcome): Outcome {
    const { path, route } = this.#parts
    const { kind } = this.#traits
    const cause = outcome.code === status.DEADLINE_EXCEEDED ? (route.notReadyError() ?? this.#refusal) : null
    const explained = withCause(outcome, cause)
    const isUnknown = mayBeApplied(kind, outcome, call.progress)
    return isUnknown ? outcomeUnknown(path, call.carriedBy, explained) : this.#pausedOutcome(explained)
  }

  /** An earlier attempt may have created the lease. */
  #pausedOutcome(outcome: Outcome): Outcome {
    const isUnknown = this.#traits.kind === 'grant' && this.#appliedSince !== null
    return isUnknown ? outcomeUnknown(this.#parts.path, this.#carriedBy, outcome) : outcome
  }

  unreadable(outcome: Outcome): Outcome {
    const isRead = this.#traits.kind === 'read'
    const final = isRead ? outcome : outcomeUnknown(this.#parts.path, this.#carriedBy, outcome)
    this.explanation = final.cause ?? null
    return final
  }

  #finish(outcome: Outcome, attempt: Attempt | null): void {
    this.#ended = true
    if (attempt === null) this.#carriedBy = this.carriedBy
    this.#disarmHedge()
    clearTimeout(this.#pauseTimer)
    clearTimeout(this.#deadlineTimer)
    this.#abandonOthers(outcome)
    if (outcome.code === status.OK && attempt !== null && this.#parts.path === LEASE_GRANT) this.#noteGrant(attempt)
    this.explanation = outcome.cause ?? null
    this.#parts.route.meter.callEnded(this.#parts.path, outcome.code)
    if (outcome.cause?.code === 'ERR_OUTCOME_UNKNOWN') this.#parts.route.meter.outcomeUnknown += 1
    const listener = this.#listener
    const give = this.#trace === null ? deliver : this.#deliverTraced
    if (listener === null) return
    if (attempt === null) process.nextTick(give, listener, outcome, attempt)
    else {
      this.#isDelivering = outcome.code === status.OK
      give(listener, outcome, attempt)
      this.#isDelivering = false
    }
  }

  readonly #deliverTraced: typeof deliver = (listener, outcome, attempt) => {
    const { code, details, cause } = outcome
    const ended = { endpoint: this.#carriedBy, attempt: this.#attempts, status: status[code] }
    const failed =
      code === status.OK ? {} : { error: cause ?? new Error(`${String(code)} ${status[code]}: ${details}`) }
    const message = Object.assign(this.#trace ?? ({} as CallMessage), ended, failed)
    traceEnd(message, () => {
      deliver(listener, outcome, attempt)
    })
  }

  #noteGrant({ call, message, hasExisted }: Attempt): void {
    const { route } = this.#parts
    route.grantedIn(termOf(message ?? NO_REQUEST))
    // etcd granted the lease in this attempt, unless it already had it from an earlier one.
    const sentAt = hasExisted ? this.#appliedSince : call.sentAt
    if (this.#traits.kind === 'grant' && sentAt !== null) route.leaseGranted(leaseIdOf(this.#request), sentAt)
  }

  // Ends the other attempts. After a success they continue for a while, because a connection is checked for silence
  // only while a call waits on it.
  #abandonOthers(outcome: Outcome): void {
    for (const { call } of this.#running.splice(0)) {
      const cancel = (): void => {
        call.cancelWithStatus(status.CANCELLED, 'Another attempt of the call was answered')
      }
      if (outcome.code === status.OK) setTimeout(cancel, ABANDONED_READ_LIMIT).unref()
      else cancel()
    }
  }
}

function deliver(listener: AnswerListener, outcome: Outcome, attempt: Attempt | null): void {
  // Only grpc-js asks for metadata.
  if (listener.onReceiveMetadata === undefined) {
    if (attempt !== null && attempt.message !== null) listener.onReceiveMessage(attempt.message)
    listener.onReceiveStatus(outcome)
    return
  }
  const head = attempt?.head ?? null
  if (head !== null) listener.onReceiveMetadata(metadataOf(head))
  if (attempt !== null && attempt.message !== null) listener.onReceiveMessage(attempt.message)
  listener.onReceiveStatus(forGrpc(outcome))
}

/** The same outcome with `ERR_OUTCOME_UNKNOWN` as its cause: a write was sent, and may have been applied. */
function outcomeUnknown(path: string, endpoint: string | null, outcome: Outcome): Outcome {
  const call = methodOf(path)
  const message =
    `The outcome of ${call} is unknown: it was sent${endpoint === null ? '' : ` to ${endpoint}`}, and ended with` +
    ` "${outcome.details}". It may have been applied, or be applied later. Read the key before you repeat the call.`
  const options = outcome.cause === undefined ? {} : { cause: outcome.cause }
  return { ...outcome, cause: new EtcdMtlsError('ERR_OUTCOME_UNKNOWN', message, { call, endpoint }, options) }
}
