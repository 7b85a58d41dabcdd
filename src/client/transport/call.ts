/**
 * One gRPC call over an HTTP/2 stream of ours, driven by a grpc-js client through its `Call` interface.
 *
 * A call that starts while no endpoint is ready waits for one; what is sent meanwhile is kept. Serialization, interceptors
 * and the call objects that users see are grpc-js' own, above this.
 */
import { constants, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { asError, type EtcdMtlsError } from '../../report/errors.js'
import type { CallParts, CallRoute, EndedCall, WaitingCall } from './call-route.js'
import {
  answerTooLarge,
  isGrpcStatus,
  makeStatus,
  metadataOf,
  type Outcome,
  statusOfReset,
  statusOfTrailers,
} from './call-status.js'
import { type Call, CallBase, type CallListener, type MessageContext, type Metadata, status } from './channel.js'
import type { ActiveCall, Connection } from './connection.js'
import { armDeadline } from '../timing.js'
import { methodOf, type Progress } from './call-policy.js'
import { frameMessage, FramingError, MessageReader, type Receiver, timeoutHeader } from './framing.js'
import { type Answer, callHeaders, isGrpc, readAnswer, TOO_LARGE } from './health-check.js'

interface Outgoing {
  framed: Buffer
  callback: ((error?: Error | null) => void) | undefined
}

export class EtcdCall extends CallBase implements Call, ActiveCall, WaitingCall, Receiver {
  readonly #route: CallRoute
  readonly #path: string
  readonly #deadline: number
  readonly #authority: string | null
  readonly #extraHeaders: OutgoingHttpHeaders | null
  readonly #onMove: (() => void) | null
  readonly avoid: ReadonlySet<string>
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
  /** What its unfinished message counts in the budget, in bytes. */
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
  constructor({ route, path, deadline, authority, headers, avoid }: CallParts, onMove: (() => void) | null = null) {
    super(route.target)
    this.#route = route
    this.#path = path
    this.#deadline = Number(deadline)
    this.#authority = authority
    this.#extraHeaders = headers
    this.avoid = avoid
    this.#onMove = onMove
    this.#reader = new MessageReader(route.maxReceiveLength)
  }

  // --- driven by the grpc-js client

  start(metadata: Metadata, listener: CallListener): void {
    this.#metadata = metadata
    this.#listener = listener
    this.#deadlineTimer = armDeadline(this.#deadline, () => {
      this.#end(makeStatus(status.DEADLINE_EXCEEDED, 'Deadline exceeded'))
    })
    if (!this.#ended) this.#route.assign(this, this.#path)
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    if (this.#ended) {
      // The caller gets the status; the callback only keeps its stream from waiting.
      if (context.callback !== undefined) process.nextTick(context.callback)
      return
    }
    this.#request ??= message
    this.#outgoing.push({ framed: frameMessage(message), callback: context.callback })
    if (this.#stream === null || this.#flushScheduled) return
    // One turn later, because a unary call's halfClose follows at once: message and end then go in one frame.
    this.#flushScheduled = true
    process.nextTick(() => {
      this.#flush()
    })
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
    if (this.#incoming.length === 0) {
      this.#resumeStream()
      this.#finishIfDone()
    }
  }

  cancelWithStatus(code: status, details: string): void {
    this.#end(makeStatus(code, details))
  }

  // --- driven by the client below

  get explanation(): EtcdMtlsError | null {
    return this.#explanation
  }

  /** Whether an answer is due although the caller may still send. */
  answerDue = false

  get awaitsAnswer(): boolean {
    return this.#halfClosed || this.answerDue
  }

  /** Whether a connection carries it. */
  get wasCarried(): boolean {
    return this.#stream !== null
  }

  /** The HTTP/2 authority of the endpoint that carries it; null before that. */
  get carriedBy(): string | null {
    return this.#connection?.authority ?? null
  }

  /** Whether the answer has begun. */
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

  /** Whether it ended without an answer of etcd: its stream was closed before, or something else answered. */
  cutShort = false
  /** The server refused the token that this call came with, by a message and not by its status. False: there is none. */
  tokenRefused(details: string): boolean {
    if (this.token === null) return false
    this.#route.conclude(makeStatus(status.UNAUTHENTICATED, details), this.#asEnded())
    return true
  }

  /** The connection that carries it; null before that. */
  get connection(): Connection | null {
    return this.#connection
  }

  /** The token that it came with; null if there was none. */
  get token(): string | null {
    const token = this.#headers['token']
    return typeof token === 'string' ? token : null
  }

  /** The error for a part of this call that etcd refused by a message; null if it has nothing to do with users and roles. */
  explainRefusal(details: string, request: Buffer): EtcdMtlsError | null {
    const call = { ...this.#asEnded(), request }
    return this.#route.conclude(makeStatus(status.PERMISSION_DENIED, details), call).cause ?? null
  }

  /** Whether the caller may still send, as on a watch: such a call has no end of its own. */
  get openEnded(): boolean {
    return !this.#halfClosed
  }

  carry(connection: Connection, extraHeaders: OutgoingHttpHeaders): void {
    if (this.#ended) return
    const headers = this.#makeHeaders(connection, extraHeaders)
    let stream: ClientHttp2Stream
    try {
      stream = connection.request(headers)
    } catch (error) {
      // Nothing was sent. If the connection is out of service, another one may carry the call; else the call is at fault.
      if (!connection.open) this.#route.assign(this, this.#path)
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

  // --- inside

  #makeHeaders(connection: Connection, extraHeaders: OutgoingHttpHeaders): OutgoingHttpHeaders {
    return {
      ...this.#metadata?.toHttp2Headers(),
      ...this.#extraHeaders,
      ...extraHeaders,
      ...callHeaders(this.#path, this.#authority ?? connection.host),
      ...(this.#deadline === Infinity ? {} : { 'grpc-timeout': timeoutHeader(this.#deadline - Date.now()) }),
    }
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
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) this.#receiveTrailers(headers, true)
      else if (!this.#ended) this.#listener?.onReceiveMetadata(metadataOf(headers))
    })
    stream.on('trailers', (headers: IncomingHttpHeaders, flags: number) => {
      this.#receiveTrailers(headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
    })
    stream.on('data', (piece: Buffer) => {
      this.#receiveData(piece)
    })
    stream.on('end', () => {
      this.#readsEnded = true
      this.#finishIfDone()
      // A turn later, because a reset stream ends as well, before it closes.
      setImmediate(() => {
        this.#endWithoutStatus(stream)
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

  #flush(): void {
    this.#flushScheduled = false
    const stream = this.#stream
    if (stream === null || this.#ended || this.#sentEnd) return
    for (let next = this.#outgoing.shift(); next !== undefined; next = this.#outgoing.shift()) {
      const { framed, callback } = next
      const last = this.#halfClosed && this.#outgoing.length === 0
      // A failed write ends the stream, and that ends the call: the callback only says "go on".
      const done = (): void => {
        if (callback !== undefined) process.nextTick(callback)
      }
      if (last) {
        this.#sentEnd = true
        stream.end(framed, done)
      } else stream.write(framed, done)
    }
    if (!this.#halfClosed || this.#sentEnd) return
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
      else if (error.tooLarge) this.#end(this.#tooLarge(error.message))
      else this.#end(makeStatus(status.INTERNAL, error.message))
    }
  }

  #tooLarge(details: string): Outcome {
    const call = methodOf(this.#path)
    return answerTooLarge(call, this.carriedBy, this.#route.maxReceiveLength, details)
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

  /** The server has ended its side without trailers, and waits for ours, which may stay open for long. */
  #endWithoutStatus(stream: ClientHttp2Stream): void {
    if (this.#ended || this.#serverEnded || stream.closed || stream.destroyed) return
    this.#serverEnded = true
    this.cutShort = true
    this.#end(statusOfTrailers({}, this.#httpStatus))
  }

  #receiveTrailers(headers: IncomingHttpHeaders, endsStream: boolean): void {
    this.#serverEnded = endsStream
    if (this.#ended) return
    if (!endsStream) {
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
    if (this.#okStatus === null || !this.#readsEnded || this.#incoming.length > 0) return
    this.#end(
      this.#reader.partial
        ? makeStatus(status.INTERNAL, 'The answer ended in the middle of a message')
        : this.#okStatus,
    )
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
    for (const { callback } of this.#outgoing.splice(0)) if (callback !== undefined) process.nextTick(callback)
    const listener = this.#listener
    // One turn later, so that what a listener throws does not go through here; and never before start() has returned.
    process.nextTick(() => listener?.onReceiveStatus(final))
  }

  #asEnded(): EndedCall {
    return {
      path: this.#path,
      headers: this.#headers,
      request: this.#request,
      carriedBy: this.#connection?.authority ?? null,
      answer: this.#foreignAnswer,
    }
  }

  #closeStream(stream: ClientHttp2Stream): void {
    if (stream.destroyed) return
    if (!this.#serverEnded) stream.close(constants.NGHTTP2_CANCEL)
    else if (!stream.writableEnded) stream.end()
    // The rest is discarded, or the stream would never close.
    stream.resume()
  }
}

/** Whether something refused the request, by an HTTP status of the client's fault. */
function isRefusal(httpStatus: number | undefined): boolean {
  return httpStatus !== undefined && httpStatus >= 400 && httpStatus < 500
}
