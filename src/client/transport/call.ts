/** One attempt of a call: an HTTP/2 stream, from its request to its status. Calls of grpc-js are made of one or more attempts. */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { asError, type EtcdMtlsError } from '../../report/errors.js'
import { armDeadline } from '../timing.js'
import { methodOf, type Progress } from './call-policy.js'
import {
  answerTooLarge,
  type Deadline,
  isGrpcStatus,
  makeStatus,
  type Metadata,
  metadataOf,
  type Outcome,
  status,
  statusOfReset,
  statusOfTrailers,
} from './channel.js'
import type { ActiveCall, Connection } from './connection.js'
import {
  frameMessage,
  FramingError,
  MessageReader,
  type ReceiveBudget,
  type Receiver,
  timeoutHeader,
} from './framing.js'
import { type Answer, callHeaders, isGrpc, readAnswer, TOO_LARGE } from './health-check.js'

export interface EndedCall {
  /** As `/etcdserverpb.KV/Put`. */
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  /** The first message, as it was sent; null if none was. */
  readonly request: Uint8Array | null
  readonly carriedBy: string | null
  /** The head of an answer that is not gRPC's; null for any other, and if none came. */
  readonly answer: Answer | null
}

/** What a call needs from the client that it belongs to. */
export interface CallRoute {
  /** For people: where the call goes. */
  readonly target: string
  /** Longest answer accepted, in bytes; -1 for no limit. */
  readonly maxReceiveLength: number
  /** Limits what all unfinished messages hold together. */
  readonly receiveBudget: ReceiveBudget
  /** The headers that make a member without a leader refuse a call; null: they are not used. */
  readonly leaderHeaders: OutgoingHttpHeaders | null
  /** Whether an endpoint outside of `avoid` is ready. */
  hasOther(avoid: ReadonlySet<string>): boolean
  /** Why no endpoint is ready, or none that is has a leader; null if one is and has, or none has failed yet. */
  notReadyError(): EtcdMtlsError | null
  assign(call: EtcdCall): void
  withdraw(call: EtcdCall): void
  /** The outcome as the caller gets it. The client learns from it, such as that a member has no leader. */
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
}

/** What a call gets from its attempt. `onEnd` comes in a later turn than what ends the attempt, and nothing after it. */
interface CallListener {
  onMetadata(metadata: Metadata): void
  onMessage(message: Buffer): void
  onEnd(outcome: Outcome): void
  /** The client is about to close the connection, or the stream should move for another reason. Absent: the call cannot. */
  onMigrate?(): void
}

export class EtcdCall implements ActiveCall, EndedCall, Receiver {
  readonly path: string
  /** The URLs of endpoints to be chosen only if no other one is ready. */
  readonly avoid: ReadonlySet<string>
  answerDue = false
  /** Whether it ended without an answer of etcd: its stream was closed before, or something else answered. */
  endedWithoutAnswer = false
  headers: OutgoingHttpHeaders = {}
  /** For the explanation of a refusal; it belongs to the caller's buffer. */
  request: Buffer | null = null
  answer: Answer | null = null
  explanation: EtcdMtlsError | null = null
  connection: Connection | null = null
  /** Whether the call reads nothing at the moment. */
  isPausedByCaller = false
  readonly #parts: CallParts
  readonly #metadata: Metadata
  readonly #listener: CallListener
  readonly #reader: MessageReader
  #outgoing: { message: Buffer; sent: (() => void) | undefined }[] = []
  #deadlineTimer: NodeJS.Timeout | undefined
  #stream: ClientHttp2Stream | null = null
  #halfClosed = false
  /** Whether it waits for other messages to finish. */
  #overBudget = false
  #counted = 0
  #readsEnded = false
  #httpStatus: number | undefined
  #streamError: Error | null = null
  #serverEnded = false
  /** Whether the server sent a gRPC status, or something else refused the request by an HTTP status of the client's fault. */
  #hasStatus = false
  /** The status that the server sent with OK, held back until every message before it has arrived. */
  #okStatus: Outcome | null = null
  #ended = false

  constructor(parts: CallParts, metadata: Metadata, listener: CallListener) {
    this.#parts = parts
    this.#metadata = metadata
    this.#listener = listener
    this.path = parts.path
    this.avoid = parts.avoid
    this.#reader = new MessageReader(parts.route.maxReceiveLength)
  }

  start(): void {
    this.#deadlineTimer = armDeadline(Number(this.#parts.deadline), () => {
      this.#end(makeStatus(status.DEADLINE_EXCEEDED, 'Deadline exceeded'))
    })
    if (!this.#ended) this.#parts.route.assign(this)
  }

  /** @param sent Called when the message was passed on, or never will be; a failed write ends the stream, and that the call. */
  send(message: Buffer, sent?: () => void): void {
    this.request ??= message
    if (this.#ended) callLater(sent)
    else if (this.#stream === null) this.#outgoing.push({ message, sent })
    else {
      this.#stream.write(frameMessage(message), () => {
        callLater(sent)
      })
    }
  }

  halfClose(): void {
    this.#halfClosed = true
    if (!this.#ended) this.#stream?.end()
  }

  /** Nobody reads: HTTP/2 flow control holds the server back, until {@link resume}. */
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

  /** How far the request got. */
  get progress(): Progress {
    const stream = this.#stream
    if (stream === null) return 'unsent'
    if (this.#hasStatus) return 'answered'
    const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM
    return refused || this.connection?.isUnprocessed(stream.id) === true ? 'unprocessed' : 'unknown'
  }

  get token(): string | null {
    const token = this.headers['token']
    return typeof token === 'string' ? token : null
  }

  /** Whether the caller may still send, as on a watch: such a call has no end of its own. */
  get openEnded(): boolean {
    return !this.#halfClosed
  }

  /** What the client makes of a refusal that came as a message and not as a status. `request`: the part of the call that it is about. */
  review(code: status, details: string, request: Uint8Array | null = this.request): Outcome {
    const { path, headers, carriedBy, answer } = this
    return this.#parts.route.conclude(makeStatus(code, details), { path, headers, carriedBy, answer, request })
  }

  /** Called at most once, with a connection; else {@link refuse} is. */
  carry(connection: Connection, extraHeaders: OutgoingHttpHeaders): void {
    if (this.#ended) return
    const { route, authority, headers: partHeaders } = this.#parts
    const deadline = Number(this.#parts.deadline)
    const headers = {
      ...this.#metadata.toHttp2Headers(),
      ...partHeaders,
      ...extraHeaders,
      ...callHeaders(this.path, authority ?? connection.host),
      ...(deadline === Infinity ? {} : { 'grpc-timeout': timeoutHeader(deadline - Date.now()) }),
    }
    let stream: ClientHttp2Stream
    try {
      stream = connection.request(headers)
    } catch (error) {
      // Nothing was sent. If the connection is out of service, another one may carry the call; else the call is at fault.
      if (!connection.open) route.assign(this)
      else this.#end(makeStatus(status.INTERNAL, asError(error).message))
      return
    }
    this.headers = headers
    this.connection = connection
    this.#stream = stream
    connection.add(this)
    route.carried.add(this)
    this.#listen(stream)
    if (this.isPausedByCaller) stream.pause()
    for (const { message, sent } of this.#outgoing.splice(0)) this.send(message, sent)
    if (this.#halfClosed) stream.end()
  }

  refuse(outcome: Outcome): void {
    this.#end(outcome)
  }

  connectionLost(details: string): void {
    // A turn later: the status may have arrived together with the end of the connection.
    setImmediate(() => {
      this.#end(makeStatus(status.UNAVAILABLE, details))
    })
  }

  migrate(): void {
    this.#listener.onMigrate?.()
  }

  pauseReceiving(): void {
    this.#overBudget = true
    this.#stream?.pause()
  }

  resumeReceiving(): void {
    this.#overBudget = false
    if (!this.isPausedByCaller) this.#stream?.resume()
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on('response', (headers, flags) => {
      this.#httpStatus = headers[':status']
      if (!isGrpc(headers)) {
        this.endedWithoutAnswer = true
        this.answer = readAnswer(headers, headers)
        this.#hasStatus = isRefusal(this.#httpStatus)
        // A limit on the size of a request says nothing about other calls.
        if (this.#httpStatus !== TOO_LARGE) this.connection?.markUnhealthy()
      }
      if (endsStream(flags)) this.#receiveTrailers(headers, flags)
      else if (!this.#ended) this.#listener.onMetadata(metadataOf(headers))
    })
    stream.on('trailers', (headers: IncomingHttpHeaders, flags: number) => {
      this.#receiveTrailers(headers, flags)
    })
    stream.on('data', (piece: Buffer) => {
      this.#receiveData(piece)
    })
    stream.on('end', () => {
      this.#readsEnded = true
      this.#finishIfDone()
      // A turn later, because a reset stream ends as well, before it closes.
      setImmediate(() => {
        // The server has ended its side without trailers, and waits for ours, which may stay open for long.
        if (this.#ended || this.#serverEnded || stream.closed || stream.destroyed) return
        this.#serverEnded = true
        this.endedWithoutAnswer = true
        this.#end(statusOfTrailers({}, this.#httpStatus))
      })
    })
    stream.on('error', (error: Error) => {
      this.#streamError = error
    })
    stream.on('close', () => {
      this.#serverEnded = true
      this.#readsEnded = true
      if (this.#okStatus !== null) this.#finishIfDone()
      // If the connection broke, its own error says more than the code that Node sets for the stream: see connectionLost.
      else if (this.connection?.broken !== true) {
        this.endedWithoutAnswer ||= !this.#ended
        this.#end(statusOfReset(stream.rstCode, this.#httpStatus, this.#streamError))
      }
    })
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
      // A page is no message: its HTTP status says more.
      if (this.answer !== null) this.#end(statusOfTrailers({}, this.#httpStatus))
      else if (error.tooLarge) {
        this.#end(answerTooLarge(methodOf(this.path), this.carriedBy, route.maxReceiveLength, error.message))
      } else this.#end(makeStatus(status.INTERNAL, error.message))
    }
  }

  /** @param isOther Whether the message that has begun is another one than before. */
  #count(isOther: boolean): void {
    if (this.#ended) return
    const { receiveBudget } = this.#parts.route
    this.#counted = this.#reader.held
    if (isOther) receiveBudget.update(this, 0)
    receiveBudget.update(this, this.#counted)
  }

  #receiveTrailers(headers: IncomingHttpHeaders, flags: number): void {
    this.#serverEnded = endsStream(flags)
    if (this.#ended) return
    if (!this.#serverEnded) {
      this.#end(makeStatus(status.INTERNAL, 'The server sent trailers that do not end the stream'))
      return
    }
    this.#hasStatus = isGrpcStatus(headers['grpc-status']) || isRefusal(this.#httpStatus)
    const received = statusOfTrailers(headers, this.#httpStatus)
    if (received.code !== status.OK) {
      this.#end(received)
      return
    }
    this.#okStatus = received
    this.#finishIfDone()
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
    const final = stream === null ? outcome : route.conclude(outcome, this)
    this.explanation = final.cause ?? null
    if (stream === null) route.withdraw(this)
    else {
      route.carried.delete(this)
      this.connection?.remove(this)
      route.receiveBudget.remove(this)
      this.#closeStream(stream)
    }
    for (const { sent } of this.#outgoing.splice(0)) callLater(sent)
    // One turn later, so that what a listener throws does not go through here; and never before start() has returned.
    process.nextTick(() => {
      this.#listener.onEnd(final)
    })
  }

  #closeStream(stream: ClientHttp2Stream): void {
    if (stream.destroyed) return
    if (!this.#serverEnded) stream.close(constants.NGHTTP2_CANCEL)
    else if (!stream.writableEnded) stream.end()
    // The rest is discarded, or the stream would never close.
    stream.resume()
  }
}

export function callLater(callback: (() => void) | undefined): void {
  if (callback !== undefined) process.nextTick(callback)
}

function endsStream(flags: number): boolean {
  return (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
}

/** Whether something refused the request, by an HTTP status of the client's fault. */
function isRefusal(httpStatus: number | undefined): boolean {
  return httpStatus !== undefined && httpStatus >= 400 && httpStatus < 500
}
