/** One gRPC call over an HTTP/2 stream of ours, below a grpc-js client; and what calls and their client need of each other. */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { asError, type EtcdMtlsError } from '../../report/errors.js'
import { armDeadline } from '../timing.js'
import { methodOf, type Progress } from './call-policy.js'
import {
  answerTooLarge,
  type Call,
  CallBase,
  type CallListener,
  type Deadline,
  isGrpcStatus,
  makeStatus,
  type MessageContext,
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
  whyNotReady(): EtcdMtlsError | null
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

interface Outgoing {
  readonly framed: Buffer
  readonly context: MessageContext
}

export class EtcdCall extends CallBase implements Call, ActiveCall, Receiver {
  readonly path: string
  /** The HTTP/2 authorities of endpoints to be chosen only if no other one is ready. */
  readonly avoid: ReadonlySet<string>
  answerDue = false
  /** Whether it ended without an answer of etcd: its stream was closed before, or something else answered. */
  cutShort = false
  readonly #parts: CallParts
  readonly #route: CallRoute
  readonly #deadline: number
  readonly #onMove: (() => void) | null
  readonly #outgoing: Outgoing[] = []
  readonly #incoming: Buffer[] = []
  readonly #reader: MessageReader
  #listener: CallListener | null = null
  #metadata: Metadata | null = null
  #deadlineTimer: NodeJS.Timeout | undefined
  #connection: Connection | null = null
  #stream: ClientHttp2Stream | null = null
  #headers: OutgoingHttpHeaders = {}
  #halfClosed = false
  #sentEnd = false
  #flushScheduled = false
  #readWanted = false
  /** Whether it waits for other messages to finish. */
  #overBudget = false
  #counted = 0
  #readsEnded = false
  #httpStatus: number | undefined
  /** The head of an answer that is not gRPC's. */
  #foreignAnswer: Answer | null = null
  #streamError: Error | null = null
  #serverEnded = false
  /** Whether the server sent a gRPC status, or something else refused the request by an HTTP status of the client's fault. */
  #hasStatus = false
  /** The status that the server sent with OK, held back until every message before it is delivered. */
  #okStatus: Outcome | null = null
  #ended = false
  /** The first message, for the explanation of a refusal; it belongs to the caller's buffer. */
  #request: Buffer | null = null
  #explanation: EtcdMtlsError | null = null

  /** @param onMove Called when the call should continue over another connection; null if it cannot. */
  constructor(parts: CallParts, onMove: (() => void) | null = null) {
    super(parts.route.target)
    this.#parts = parts
    this.#route = parts.route
    this.#deadline = Number(parts.deadline)
    this.path = parts.path
    this.avoid = parts.avoid
    this.#onMove = onMove
    this.#reader = new MessageReader(parts.route.maxReceiveLength)
  }

  start(metadata: Metadata, listener: CallListener): void {
    this.#metadata = metadata
    this.#listener = listener
    this.#deadlineTimer = armDeadline(this.#deadline, () => {
      this.#end(makeStatus(status.DEADLINE_EXCEEDED, 'Deadline exceeded'))
    })
    if (!this.#ended) this.#route.assign(this)
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    if (this.#ended) {
      // The caller gets the status; the callback only keeps its stream from waiting.
      callLater(context)
      return
    }
    this.#request ??= message
    this.#outgoing.push({ framed: frameMessage(message), context })
    if (this.#stream === null || this.#flushScheduled) return
    // One turn later, because a unary call's halfClose follows at once: message and end then go in one frame.
    this.#flushScheduled = true
    process.nextTick(this.#flush)
  }

  halfClose(): void {
    this.#halfClosed = true
    this.#flush()
  }

  startRead(): void {
    if (this.#ended) return
    const message = this.#incoming.shift()
    if (message === undefined) {
      this.#readWanted = true
      this.#resumeStream()
      return
    }
    this.#listener?.onReceiveMessage(message)
    if (this.isUnread) return
    this.#resumeStream()
    this.#finishIfDone()
  }

  cancelWithStatus(code: status, details: string): void {
    this.#end(makeStatus(code, details))
  }

  get explanation(): EtcdMtlsError | null {
    return this.#explanation
  }

  get awaitsAnswer(): boolean {
    return this.#halfClosed || this.answerDue
  }

  /** The HTTP/2 authority of the endpoint that carries it; null before that. */
  get carriedBy(): string | null {
    return this.#connection?.authority ?? null
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
    return refused || this.#connection?.isUnprocessed(stream.id) === true ? 'unprocessed' : 'unknown'
  }

  get connection(): Connection | null {
    return this.#connection
  }

  get token(): string | null {
    const token = this.#headers['token']
    return typeof token === 'string' ? token : null
  }

  /** Whether the caller may still send, as on a watch: such a call has no end of its own. */
  get openEnded(): boolean {
    return !this.#halfClosed
  }

  /** The server refused the token that this call came with, by a message and not by its status. False: there is none. */
  tokenRefused(details: string): boolean {
    if (this.token === null) return false
    this.#route.conclude(makeStatus(status.UNAUTHENTICATED, details), this.#asEnded())
    return true
  }

  /** The error for a part of this call that etcd refused by a message; null if it has nothing to do with users and roles. */
  explainRefusal(details: string, request: Buffer): EtcdMtlsError | null {
    const call = { ...this.#asEnded(), request }
    return this.#route.conclude(makeStatus(status.PERMISSION_DENIED, details), call).cause ?? null
  }

  /** Called at most once, with a connection; else {@link refuse} is. */
  carry(connection: Connection, extraHeaders: OutgoingHttpHeaders): void {
    if (this.#ended) return
    const { authority, headers: partHeaders } = this.#parts
    const headers = {
      ...this.#metadata?.toHttp2Headers(),
      ...partHeaders,
      ...extraHeaders,
      ...callHeaders(this.path, authority ?? connection.host),
      ...(this.#deadline === Infinity ? {} : { 'grpc-timeout': timeoutHeader(this.#deadline - Date.now()) }),
    }
    let stream: ClientHttp2Stream
    try {
      stream = connection.request(headers)
    } catch (error) {
      // Nothing was sent. If the connection is out of service, another one may carry the call; else the call is at fault.
      if (!connection.open) this.#route.assign(this)
      else this.#end(makeStatus(status.INTERNAL, asError(error).message))
      return
    }
    this.#headers = headers
    this.#connection = connection
    this.#stream = stream
    connection.add(this)
    this.#route.carried.add(this)
    this.#listen(stream)
    this.#flush()
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
    this.#onMove?.()
  }

  get isUnread(): boolean {
    return this.#incoming.length > 0
  }

  pauseReceiving(): void {
    this.#overBudget = true
    this.#stream?.pause()
  }

  resumeReceiving(): void {
    this.#overBudget = false
    if (!this.isUnread) this.#resumeStream()
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on('response', (headers, flags) => {
      this.#httpStatus = headers[':status']
      if (!isGrpc(headers)) {
        this.cutShort = true
        this.#foreignAnswer = readAnswer(headers, headers)
        this.#hasStatus = isRefusal(this.#httpStatus)
        // A limit on the size of a request says nothing about other calls.
        if (this.#httpStatus !== TOO_LARGE) this.#connection?.markUnhealthy()
      }
      if (endsStream(flags)) this.#receiveTrailers(headers, flags)
      else if (!this.#ended) this.#listener?.onReceiveMetadata(metadataOf(headers))
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
        this.cutShort = true
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
      else if (this.#connection?.broken !== true) {
        this.cutShort ||= !this.#ended
        this.#end(statusOfReset(stream.rstCode, this.#httpStatus, this.#streamError))
      }
    })
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false
    const stream = this.#stream
    if (stream === null || this.#ended || this.#sentEnd) return
    for (const { framed, context } of this.#outgoing.splice(0)) {
      // A failed write ends the stream, and that ends the call: the callback only says "go on".
      stream.write(framed, () => {
        callLater(context)
      })
    }
    if (!this.#halfClosed) return
    this.#sentEnd = true
    stream.end()
  }

  #receiveData(piece: Buffer): void {
    if (this.#ended) return
    try {
      const messages = this.#reader.push(piece)
      for (const message of messages) this.#receiveMessage(message)
      if (this.#reader.held !== this.#counted) this.#count(messages.length > 0)
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      // A page is no message: its HTTP status says more.
      if (this.#foreignAnswer !== null) this.#end(statusOfTrailers({}, this.#httpStatus))
      else if (error.tooLarge) {
        const limit = this.#route.maxReceiveLength
        this.#end(answerTooLarge(methodOf(this.path), this.carriedBy, limit, error.message))
      } else this.#end(makeStatus(status.INTERNAL, error.message))
    }
  }

  /** @param isOther Whether the message that has begun is another one than before. */
  #count(isOther: boolean): void {
    const { receiveBudget } = this.#route
    if (this.#ended) return
    this.#counted = this.#reader.held
    if (isOther) receiveBudget.update(this, 0)
    receiveBudget.update(this, this.#counted)
  }

  #resumeStream(): void {
    if (!this.#overBudget) this.#stream?.resume()
  }

  #receiveMessage(message: Buffer): void {
    if (this.#readWanted) {
      this.#readWanted = false
      this.#listener?.onReceiveMessage(message)
      return
    }
    this.#incoming.push(message)
    // Nobody reads: HTTP/2 flow control holds the server back.
    this.#stream?.pause()
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
    if (this.#okStatus === null || !this.#readsEnded || this.isUnread) return
    const broken = makeStatus(status.INTERNAL, 'The answer ended in the middle of a message')
    this.#end(this.#reader.partial ? broken : this.#okStatus)
  }

  #end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#deadlineTimer)
    const stream = this.#stream
    const final = stream === null ? outcome : this.#route.conclude(outcome, this.#asEnded())
    this.#explanation = final.cause ?? null
    if (stream === null) this.#route.withdraw(this)
    else {
      this.#route.carried.delete(this)
      this.#connection?.remove(this)
      this.#route.receiveBudget.remove(this)
      this.#closeStream(stream)
    }
    for (const { context } of this.#outgoing.splice(0)) callLater(context)
    const listener = this.#listener
    // One turn later, so that what a listener throws does not go through here; and never before start() has returned.
    process.nextTick(() => listener?.onReceiveStatus(final))
  }

  #asEnded(): EndedCall {
    const { path, carriedBy } = this
    return { path, headers: this.#headers, request: this.#request, carriedBy, answer: this.#foreignAnswer }
  }

  #closeStream(stream: ClientHttp2Stream): void {
    if (stream.destroyed) return
    if (!this.#serverEnded) stream.close(constants.NGHTTP2_CANCEL)
    else if (!stream.writableEnded) stream.end()
    // The rest is discarded, or the stream would never close.
    stream.resume()
  }
}

export function callLater({ callback }: MessageContext): void {
  if (callback !== undefined) process.nextTick(callback)
}

function endsStream(flags: number): boolean {
  return (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
}

/** Whether something refused the request, by an HTTP status of the client's fault. */
function isRefusal(httpStatus: number | undefined): boolean {
  return httpStatus !== undefined && httpStatus >= 400 && httpStatus < 500
}
