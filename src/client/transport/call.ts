/** One attempt of a call: an HTTP/2 stream, from its request to its status. Calls of grpc-js are made of one or more attempts. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { asError, type EtcdMtlsError } from '../../report/errors.js'
import { type AnswerHead, ErrorCode, type StreamListener } from '../http2/protocol.js'
import type { Stream } from '../http2/stream.js'
import type { Meter } from '../base/meter.js'
import { armDeadline, type SharedTimer } from '../base/timing.js'
import { LEASE_KEEP_ALIVE, methodOf, type Progress, WATCH } from './call-policy.js'
import {
  answerTooLarge,
  type Deadline,
  invalidAnswer,
  isGrpcStatus,
  makeStatus,
  type Metadata,
  type Outcome,
  status,
  statusOfReset,
  statusOfTrailers,
} from './channel.js'
import { type ActiveCall, type Connection, STREAM_WAIT } from './connection.js'
import { callHeaders, timeoutHeader } from './call-headers.js'
import {
  COPIED_MESSAGE,
  frameMessage,
  FramingError,
  type MakeSplitter,
  MessageReader,
  writeMessage,
} from './framing.js'
import type { ReceiveBudget, Receiver } from './receive-budget.js'
import { type Answer, isCutOff, isGrpc, MAX_INFORMATIONAL, readAnswer, TOO_LARGE } from './health-check.js'
import { PRIORITY, type Priority } from './stream-queue.js'

export interface EndedCall {
  /** As `/etcdserverpb.KV/Put`. */
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  /** The first message, as it was sent; null if none was. */
  readonly request: Uint8Array | null
  readonly carriedBy: string | null
  readonly progress: Progress
  /** The head of an answer that is not gRPC; null for a gRPC answer and for none. */
  readonly answer: Answer | null
  /** The limit of streams because of which it waits; null if it has a stream or no connection. */
  readonly streamLimit: number | null
}

/** The part of the client that a call uses. */
export interface CallRoute {
  /** The endpoints, for programs that log or trace calls. */
  readonly target: string
  readonly meter: Meter
  /** Whether the channel of calls shows keys. */
  readonly options: { readonly includeKeys: boolean }
  /** Longest answer accepted, in bytes; -1 for no limit. */
  readonly maxReceiveLength: number
  /** Limits the memory of all unfinished messages. */
  readonly receiveBudget: ReceiveBudget
  /** Calls each added callback `HEDGE_AFTER` later. */
  readonly sharedHedgeTimer: SharedTimer
  /** The headers that make a member without a leader refuse a call; null: they are not used. */
  readonly leaderHeaders: OutgoingHttpHeaders | null
  /** Whether an endpoint outside of `avoid` is ready. */
  hasOther(avoid: ReadonlySet<string>): boolean
  /**
   * The error if no endpoint is ready or no ready one has a leader; null otherwise, and before any endpoint has failed.
   */
  notReadyError(): EtcdMtlsError | null
  /** Passes the call to a ready connection, now or when there is one. */
  assign(call: EtcdCall): void
  /** @param sentAt When the first request that may have created the lease was sent, by `performance.now()`. */
  leaseGranted(id: bigint, sentAt: number): void
  /** @param term That of raft, in the answer of a member that has just granted a lease. */
  grantedIn(term: bigint): void
  withdraw(call: EtcdCall): void
  /** Returns the outcome for the caller, with its cause. Updates the client, for example if a member has no leader. */
  conclude(outcome: Outcome, call: EndedCall): Outcome
  readonly carried: Set<EtcdCall>
}

export interface CallParts {
  readonly route: CallRoute
  readonly path: string
  readonly deadline: Deadline
  /** The HTTP/2 authority; null: the connection's own. */
  readonly authority: string | null
  /** Headers in addition to those of gRPC and of the metadata; null: none. */
  readonly headers: OutgoingHttpHeaders | null
  readonly avoid: ReadonlySet<string>
  /** As in `WaitingCall`. */
  readonly longestWait: number | null
  /** Whether a server did not process an earlier attempt: this one goes before other calls. */
  readonly isRepeated?: boolean
  /** Splits answers above the limit; null: they are refused. */
  readonly makeSplitter: MakeSplitter | null
}

/** Receives the events of an attempt. `onEnd` is the last one, in a later turn than its cause. */
export interface AttemptListener {
  /** Called with the headers of the answer. */
  onMetadata(headers: IncomingHttpHeaders): void
  onMessage(message: Buffer): void
  onEnd(outcome: Outcome): void
  /**
   * The stream should move to another connection, for example because the client closes this one. Absent if it cannot.
   */
  onMigrate?(): void
}

const NO_HEADERS: OutgoingHttpHeaders = {}

export class EtcdCall implements ActiveCall, EndedCall, Receiver, StreamListener {
  readonly path: string
  /** The URLs of endpoints to be chosen only if no other one is ready. */
  readonly avoid: ReadonlySet<string>
  readonly longestWait: number | null
  /** When the request was passed to a connection, by `performance.now()`; null before that. */
  sentAt: number | null = null
  /** Whether a connection has taken the call. */
  wasCarried = false
  readonly priority: Priority
  answerDue = false
  /** True if the stream was closed early, or if something other than etcd answered. */
  endedWithoutAnswer = false
  /** Those for the connection until the stream is opened, then those that were sent, without the common ones. */
  headers: OutgoingHttpHeaders = NO_HEADERS
  /** Kept to explain a refusal; a view of the caller's buffer. */
  request: Buffer | null = null
  answer: Answer | null = null
  /** The beginning of an answer that was refused because a part of it is above the limit. */
  refusedHead: Buffer | null = null
  explanation: EtcdMtlsError | null = null
  connection: Connection | null = null
  isPausedByCaller = false
  readonly #parts: CallParts
  readonly #metadata: Metadata
  readonly #listener: AttemptListener
  readonly #reader: MessageReader
  /** What waits for the stream; null: nothing. */
  #outgoing: { message: Buffer; sent: (() => void) | undefined }[] | null = null
  #deadlineTimer: NodeJS.Timeout | undefined
  #stream: Stream | null = null
  #halfClosed = false
  /** Whether the receive budget pauses it until other messages have finished. */
  #overBudget = false
  #counted = 0
  #readsEnded = false
  #httpStatus: number | undefined
  #informational = 0
  #serverEnded = false
  /** Whether the server sent a gRPC status, or a 4xx status refused the request. */
  #hasStatus = false
  /** The OK status of the server, kept until all messages before it have arrived. */
  #okStatus: Outcome | null = null
  #ended = false

  constructor(parts: CallParts, metadata: Metadata, listener: AttemptListener) {
    this.#parts = parts
    this.#metadata = metadata
    this.#listener = listener
    this.path = parts.path
    this.avoid = parts.avoid
    this.longestWait = parts.longestWait
    this.priority = priorityOf(parts)
    this.#reader = new MessageReader(parts.route.maxReceiveLength, parts.makeSplitter)
  }

  start(): void {
    this.#deadlineTimer = armDeadline(Number(this.#parts.deadline), () => {
      this.#end(makeStatus(status.DEADLINE_EXCEEDED, 'Deadline exceeded'))
    })
    if (!this.#ended) this.#parts.route.assign(this)
  }

  /** @param sent Called when the message was written or discarded. A failed write ends the stream and so the call. */
  send(message: Buffer, sent?: () => void): void {
    this.request ??= message
    if (this.#ended) callLater(sent)
    else if (this.#stream === null) (this.#outgoing ??= []).push({ message, sent })
    else writeMessage(this.#stream, message, sent)
  }

  halfClose(): void {
    this.#halfClosed = true
    if (!this.#ended) this.#stream?.end()
  }

  /** Stops reading, so that HTTP/2 flow control stops the server until {@link resume}. */
  pause(): void {
    this.isPausedByCaller = true
    this.#stream?.pause()
  }

  resume(): void {
    this.isPausedByCaller = false
    if (!this.#overBudget) this.#stream?.resume()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#end(makeStatus(code, details))
  }

  get awaitsAnswer(): boolean {
    return this.#halfClosed || this.answerDue
  }

  /** The URL of the endpoint that carries it; null before that. */
  get carriedBy(): string | null {
    return this.connection?.url ?? null
  }

  get wasAnswered(): boolean {
    return this.#httpStatus !== undefined
  }

  get progress(): Progress {
    const stream = this.#stream
    if (stream === null) return 'unsent'
    if (this.#hasStatus) return 'answered'
    return stream.isUnprocessed ? 'unprocessed' : 'unknown'
  }

  get streamLimit(): number | null {
    return this.#stream === null ? (this.connection?.streamLimit ?? null) : null
  }

  get token(): string | null {
    const token = this.headers['token']
    return typeof token === 'string' ? token : null
  }

  /** Whether the caller may still send, as on a watch. Such a call does not end on its own. */
  get openEnded(): boolean {
    return !this.#halfClosed
  }

  /**
   * Concludes a refusal that the server sent as a message, not as a status. `request`: the message that was refused.
   */
  review(code: status, details: string, request: Uint8Array | null = this.request): Outcome {
    const { path, headers, carriedBy, progress, answer, streamLimit } = this
    return this.#parts.route.conclude(makeStatus(code, details), {
      path,
      headers,
      carriedBy,
      progress,
      answer,
      streamLimit,
      request,
    })
  }

  /** {@link refuse} is called instead if there is no connection. */
  carry(connection: Connection, extraHeaders: OutgoingHttpHeaders): void {
    if (this.#ended) return
    this.wasCarried = true
    this.headers = extraHeaders
    this.connection = connection
    this.#parts.route.carried.add(this)
    connection.add(this)
  }

  open(): void {
    const { connection } = this
    if (connection === null) return
    const { common, own } = this.#makeHeaders(connection)
    const outgoing = this.#outgoing
    const [first] = outgoing ?? []
    const isSmall = outgoing?.length === 1 && first !== undefined && first.message.length <= COPIED_MESSAGE
    const whole = this.#halfClosed && isSmall ? first : undefined
    let stream: Stream
    try {
      const headers = { common, own: isEmpty(own) ? undefined : own }
      stream = connection.request(headers, this, whole === undefined ? null : frameMessage(whole.message))
    } catch (error) {
      // Nothing was sent. If the connection accepts no calls, another one may carry the call; otherwise its headers are
      // invalid.
      connection.remove(this)
      if (!connection.open) this.release()
      else this.#end(makeStatus(status.INTERNAL, asError(error).message))
      return
    }
    this.headers = own
    this.sentAt = performance.now()
    this.#stream = stream
    if (this.isPausedByCaller) stream.pause()
    this.#outgoing = null
    if (whole !== undefined) {
      callLater(whole.sent)
      return
    }
    for (const { message, sent } of outgoing ?? []) this.send(message, sent)
    if (this.#halfClosed) stream.end()
  }

  release(): void {
    const { route } = this.#parts
    this.connection = null
    route.carried.delete(this)
    route.assign(this)
  }

  expire(): void {
    // The deadline of the call limits its wait.
    if (this.longestWait === Infinity) return
    this.#end(makeStatus(status.UNAVAILABLE, `No stream could be opened in ${String(STREAM_WAIT / 1000)} s`))
  }

  refuse(outcome: Outcome): void {
    this.#end(outcome)
  }

  connectionLost(details: string): void {
    // One turn later: the status may have arrived together with the end of the connection.
    setImmediate(() => {
      this.#end(makeStatus(status.UNAVAILABLE, details))
    })
  }

  migrate(): void {
    if (this.#stream !== null) this.#listener.onMigrate?.()
  }

  pauseReceiving(): void {
    this.#overBudget = true
    this.#stream?.pause()
  }

  resumeReceiving(): void {
    this.#overBudget = false
    if (!this.isPausedByCaller) this.#stream?.resume()
  }

  // The part for the stream.

  onInformational(): void {
    this.#informational += 1
    if (this.#informational <= MAX_INFORMATIONAL) return
    this.connection?.markUnhealthy('not-grpc')
    const reason = `more than ${String(MAX_INFORMATIONAL)} informational responses`
    const cause = invalidAnswer(methodOf(this.path), this.carriedBy, reason)
    this.#end({ ...makeStatus(status.INTERNAL, cause.message), cause })
  }

  onHead(headers: AnswerHead): void {
    this.#httpStatus = headers[':status']
    if (!isGrpc(headers)) {
      this.endedWithoutAnswer = true
      this.answer = readAnswer(headers, headers)
      this.#hasStatus = isRefusal(this.#httpStatus)
      // A request that is too large does not affect other calls.
      if (this.#httpStatus !== TOO_LARGE) this.connection?.markUnhealthy(isCutOff(this.answer) ? 'stopped' : 'not-grpc')
    }
    if (!this.#ended) this.#listener.onMetadata(headers)
  }

  onTrailers(headers: IncomingHttpHeaders): void {
    this.#serverEnded = true
    if (this.#ended) return
    this.#hasStatus = isGrpcStatus(headers['grpc-status']) || isRefusal(this.#httpStatus)
    const received = statusOfTrailers(headers, this.#httpStatus)
    if (received.code === status.OK) this.#okStatus = received
    else this.#end(received)
  }

  onData(piece: Buffer): void {
    this.#receiveData(piece)
  }

  onEnd(): void {
    this.#readsEnded = true
    this.#finishIfDone()
    if (this.#ended || this.#serverEnded) return
    // The server ended its side without trailers. Our side may stay open for long, so the call ends now.
    this.#serverEnded = true
    this.endedWithoutAnswer = true
    this.#end(statusOfTrailers({}, this.#httpStatus))
  }

  onClose(code: number, error: Error | null): void {
    this.#serverEnded = true
    this.#readsEnded = true
    if (this.#okStatus !== null) this.#finishIfDone()
    // If the connection broke, connectionLost reports a better error than the code of the stream.
    else if (this.connection?.broken !== true) {
      this.endedWithoutAnswer ||= !this.#ended
      this.#end(statusOfReset(code, this.#httpStatus, error))
    }
  }

  /** Metadata of the caller never replaces a header of the call. */
  #makeHeaders(connection: Connection): { common: OutgoingHttpHeaders; own: OutgoingHttpHeaders } {
    const { path } = this
    const { authority, headers } = this.#parts
    const metadata = this.#metadata.toHttp2Headers()
    if (authority === null && isEmpty(metadata)) {
      return { common: connection.commonHeaders.of(path, headers), own: this.#withTimeout(this.headers) }
    }
    const common = authority === null ? connection.commonHeaders.of(path, null) : callHeaders(path, authority)
    return { common, own: this.#withTimeout({ ...metadata, ...headers, ...this.headers }) }
  }

  #withTimeout(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
    const deadline = Number(this.#parts.deadline)
    return deadline === Infinity ? headers : { ...headers, 'grpc-timeout': timeoutHeader(deadline - Date.now()) }
  }

  #receiveData(piece: Buffer): void {
    if (this.#ended) return
    const { route } = this.#parts
    try {
      const messages = this.#reader.push(piece)
      for (const message of messages) this.#listener.onMessage(message)
      if (this.#reader.held !== this.#counted) this.#count(messages.length > 0)
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      this.refusedHead = error.head
      for (const message of error.completed) this.#listener.onMessage(message)
      // The answer is not gRPC: its HTTP status explains more.
      if (this.answer !== null) this.#end(statusOfTrailers({}, this.#httpStatus))
      else if (error.tooLarge) {
        this.#end(answerTooLarge(methodOf(this.path), this.carriedBy, route.maxReceiveLength, error.message))
      } else this.#end(makeStatus(status.INTERNAL, error.message))
    }
  }

  /** @param isOther Whether another message has begun. */
  #count(isOther: boolean): void {
    if (this.#ended) return
    const { receiveBudget } = this.#parts.route
    this.#counted = this.#reader.held
    if (isOther) receiveBudget.update(this, 0)
    receiveBudget.update(this, this.#counted)
  }

  #finishIfDone(): void {
    if (this.#okStatus === null || !this.#readsEnded) return
    const broken = makeStatus(status.INTERNAL, 'The answer ended in the middle of a message')
    this.#end(this.#reader.partial ? broken : this.#okStatus)
  }

  #end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#deadlineTimer)
    const { route } = this.#parts
    const stream = this.#stream
    const final = this.connection === null ? outcome : route.conclude(outcome, this)
    this.explanation = final.cause ?? null
    route.carried.delete(this)
    if (stream === null) route.withdraw(this)
    else {
      route.receiveBudget.remove(this)
      this.#closeStream(stream)
    }
    // After the reset: the next call opens its stream now, and the server counts both until then.
    this.connection?.remove(this)
    for (const { sent } of this.#outgoing ?? []) callLater(sent)
    this.#outgoing = null
    // One turn later, so that an error of a listener is not thrown here, and never before start() has returned.
    process.nextTick(reportEnd, this.#listener, final)
  }

  #closeStream(stream: Stream): void {
    if (!this.#serverEnded) stream.close(ErrorCode.CANCEL)
    else {
      stream.end()
      // Discards unread data, or the stream would never close.
      stream.resume()
    }
  }
}

function priorityOf({ path, isRepeated }: CallParts): Priority {
  if (path === LEASE_KEEP_ALIVE) return PRIORITY.keepAlive
  if (path === WATCH) return PRIORITY.watch
  return isRepeated === true ? PRIORITY.repeated : PRIORITY.first
}

export function callLater(callback: (() => void) | undefined): void {
  if (callback !== undefined) process.nextTick(callback)
}

function reportEnd(listener: AttemptListener, outcome: Outcome): void {
  listener.onEnd(outcome)
}

function isEmpty(headers: OutgoingHttpHeaders): boolean {
  for (const name in headers) if (headers[name] !== undefined) return false
  return true
}

/** Whether the HTTP status is 4xx: the request was refused. */
function isRefusal(httpStatus: number | undefined): boolean {
  return httpStatus !== undefined && httpStatus >= 400 && httpStatus < 500
}
