/** One verified connection to an endpoint, on which etcd has answered a call. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { FrameSession } from '../http2/frame-session.js'
import {
  ErrorCode,
  goawayError,
  type RequestHeaders,
  type SessionListener,
  type StreamListener,
} from '../http2/protocol.js'
import type { Stream } from '../http2/stream.js'
import type { Progress } from './call-policy.js'
import { CommonHeaders } from './call-headers.js'
import { Keepalive } from './keepalive.js'
import { isLasting, PRIORITY, type QueuedCall, StreamQueue } from './stream-queue.js'

export type DownReason = 'closed' | 'silent' | 'goaway' | 'refused' | 'not-grpc' | 'stopped'

/** Why calls lose their connection. `drained`: this client closed it after the drain limit. */
type LossReason = 'closed' | 'silent' | 'drained'

/** Called once, when a connection accepts no new calls any more. */
export type DownListener = (connection: Connection, reason: DownReason, error: Error | null) => void

export interface ActiveCall extends QueuedCall {
  /** True while an answer of the server is due. */
  readonly awaitsAnswer: boolean
  readonly wasAnswered: boolean
  readonly progress: Progress
  /** The call may open its stream, by {@link Connection.request}. */
  open(): void
  /** It waited for a stream, and this connection opens no more: another one may carry it. */
  release(): void
  /** It has waited {@link STREAM_WAIT} for a stream, and does not end on its own. */
  expire(): void
  connectionLost(details: string): void
  /** This client is about to close the connection: the call moves to another one if it can. */
  migrate(): void
}

interface ConnectionParts {
  url: string
  host: string
  session: FrameSession
  socket: TLSSocket
  /** The TCP socket, whose counters show the bytes on the wire. */
  raw: Socket
  roundTrip: number
}

/**
 * Milliseconds that calls on a drained connection may take. Longer than the own limit of etcd for a request, which is 5
 * s and twice the election time-out of 1 s (etcd server/config/config.go, ReqTimeout).
 */
export const DRAIN_LIMIT = 10_000
/** Longest wait of a call without a deadline while no stream is opened, in milliseconds. */
export const STREAM_WAIT = 10_000
/** Milliseconds after which streams that wait are reported, and between two checks of those that wait. */
const SHORTAGE_AFTER = 1000
/** The streams 1 and 3 are those of the dial. */
const LAST_OF_DIAL = 3
/** Milliseconds that a closing connection waits for its peer before its socket is destroyed. */
const CLOSE_GRACE = 500

export class Connection implements SessionListener {
  /** The URL of its endpoint, which identifies it. */
  readonly url: string
  /** The HTTP/2 authority of calls: the server name, if one is set. A proxy may route by it. */
  readonly host: string
  readonly commonHeaders: CommonHeaders
  readonly closed: Promise<void>
  /** Called when {@link isShort} changes. */
  onShortage: (() => void) | null = null
  /** Called when a stream that does not end waits, or has ended. */
  onStreams: (() => void) | null = null
  readonly #session: FrameSession
  readonly #socket: TLSSocket
  readonly #raw: Socket
  readonly #calls = new Set<ActiveCall>()
  readonly #queue: StreamQueue<ActiveCall>
  readonly #keepalive: Keepalive
  readonly #onDown: DownListener
  /** Whether it has carried a call. */
  #used = false
  #endsAsPlanned = false
  /** Why the server is about to end it; null: no error. */
  #goaway: Error | null = null
  #open = true
  /** Whether the end of `open` was reported, or this client ended it. */
  #downReported = false
  #broken = false
  #draining = false
  /** Whether {@link #openNext} runs. */
  #isOpening = false
  #check: Promise<boolean> | null = null
  /** Set while calls wait for a stream. */
  #waitTimer: NodeJS.Timeout | undefined
  #isShort = false

  /** @param onDown Called once, when the connection accepts no new calls any more; not if this client ends it. */
  constructor({ url, host, session, socket, raw, roundTrip }: ConnectionParts, onDown: DownListener) {
    this.url = url
    this.host = host
    this.commonHeaders = new CommonHeaders(host)
    this.#session = session
    this.#socket = socket
    this.#raw = raw
    this.#onDown = onDown
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve()
        this.#onLost('closed', null)
      })
    })
    const probe = {
      ask: (answered: () => void) => {
        session.ask(answered)
      },
      bytesRead: () => raw.bytesRead,
      bytesWritten: () => raw.bytesWritten,
      awaitsAnswer: () => [...this.#calls].some((call) => call.awaitsAnswer),
      silent: () => {
        this.#onLost('silent', null)
      },
    }
    this.#keepalive = new Keepalive(probe, roundTrip)
    session.listener = this
    this.#queue = new StreamQueue(session.streamLimit)
    // An idle client must not keep the process alive. A call does, by the timer of its keepalive.
    session.unref()
  }

  get open(): boolean {
    return this.#open
  }

  /** Whether the connection is lost: its calls end by `connectionLost`, not by their streams. */
  get broken(): boolean {
    return this.#broken || this.#session.isClosed
  }

  /**
   * Whether the server ended it in order (GOAWAY without an error) after it had accepted calls: proxies do so after some
   * number of requests.
   */
  get endsAsPlanned(): boolean {
    return this.#endsAsPlanned
  }

  /** The streams that the server accepts at the same time, as far as it is known. */
  get streamLimit(): number {
    return this.#queue.limit
  }

  /** How many streams that do not end on their own it may have. */
  get lastingLimit(): number {
    return this.#queue.lastingLimit
  }

  /** Whether one more of them can be opened now. */
  get hasLastingRoom(): boolean {
    return this.#queue.hasLastingRoom
  }

  /** Whether streams that do not end wait, or there are too many of them. */
  get needsRoom(): boolean {
    return this.#queue.hasLastingWaiting || this.#queue.excess > 0
  }

  /** Whether calls have waited for long because the server accepts no further stream. */
  get isShort(): boolean {
    return this.#isShort
  }

  onSettings(): void {
    this.#queue.announce(this.#session.streamLimit)
    this.#openNext()
  }

  onGoaway(code: number, lastStream: number, reason?: string): void {
    this.#goaway = goawayError(code, reason)
    this.#endsAsPlanned = code === ErrorCode.NO_ERROR && this.#used && lastStream > LAST_OF_DIAL
    this.#stopAccepting('goaway', this.#goaway)
  }

  onClose(error: Error | null): void {
    this.#onLost('closed', error)
  }

  /**
   * Opens a stream.
   *
   * @throws if nothing was sent: the connection accepts no more calls and is not `open` any more, or the headers are
   * invalid.
   */
  request(headers: RequestHeaders, listener: StreamListener, body: Uint8Array | null = null): Stream {
    try {
      return this.#session.request(headers, listener, body)
    } catch (error) {
      // The session reports its GOAWAY or its end later.
      if (!this.#session.isOpen) this.#open = false
      throw error
    }
  }

  /** Adds a call, which opens its stream as soon as the server accepts one more. */
  add(call: ActiveCall): void {
    this.#used = true
    this.#calls.add(call)
    if (this.#calls.size === 1) this.#keepalive.start()
    if (this.#queue.openAtOnce(call)) {
      call.open()
      return
    }
    this.#queue.add(call)
    this.#openNext()
    if (!this.#queue.isEmpty) this.#waitTimer ??= setTimeout(this.#checkWaiting, SHORTAGE_AFTER).unref()
    if (isLasting(call)) this.onStreams?.()
  }

  /**
   * Waits until the server accepts one more stream, for a request of the client itself by {@link request}. Resolves with the function
   * that gives the place back. Rejects if no stream is free within this time.
   */
  takePlace(timeout: number | null): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const refuse = (): void => {
        clearTimeout(timer)
        this.remove(place)
        reject(new Error('The connection opens no stream'))
      }
      const place: ActiveCall = {
        ...{ priority: PRIORITY.repeated, awaitsAnswer: true, wasAnswered: false, progress: 'unknown' },
        open: () => {
          clearTimeout(timer)
          resolve(() => {
            this.remove(place)
          })
        },
        ...{ release: refuse, expire: refuse, connectionLost: refuse, migrate: () => undefined },
      }
      const timer = setTimeout(refuse, timeout ?? STREAM_WAIT).unref()
      this.add(place)
    })
  }

  /** @param reserves Whether some of the streams are left to calls. */
  reserveForCalls(reserves: boolean): void {
    this.#queue.reserveForCalls(reserves)
    this.#openNext()
  }

  /** Lets a stream that waits go to another connection. Returns whether there was one. */
  releaseStream(): boolean {
    const call = this.#queue.takeLasting()
    if (call === null) return false
    this.#calls.delete(call)
    if (this.#calls.size === 0) this.#becomeIdle()
    call.release()
    return true
  }

  /** Lets streams that do not end move to another connection if there are too many. */
  migrateExcess(): void {
    const { excess } = this.#queue
    for (const call of [...this.#calls].filter(isLasting).slice(0, excess)) call.migrate()
  }

  remove(call: ActiveCall): void {
    if (!this.#calls.delete(call)) return
    this.#queue.remove(call)
    if (isLasting(call)) this.onStreams?.()
    if (call.wasAnswered) this.#queue.noteAnswer()
    else if (this.#open && call.progress === 'unprocessed') this.#queue.noteRefusal()
    if (this.#calls.size === 0) this.#becomeIdle()
    else this.#openNext()
  }

  /** Calls at the same time share one check, within the time of the first. */
  isAnswering(milliseconds: number): Promise<boolean> {
    if (!this.#open || this.#session.isClosed) return Promise.resolve(false)
    this.#check ??= this.#checkWithin(milliseconds).finally(() => {
      this.#check = null
    })
    return this.#check
  }

  /**
   * Accepts no new calls and closes when the current ones have ended, without a time limit. Resolves when the socket is
   * closed.
   */
  closeWhenIdle(): Promise<void> {
    this.#open = false
    this.#downReported = true
    if (this.#calls.size === 0) this.#closeSession()
    return this.closed
  }

  /** As {@link closeWhenIdle}, but calls migrate if they can, and after `limit` milliseconds the others are ended. */
  drain(limit: number): Promise<void> {
    const closed = this.closeWhenIdle()
    if (this.#draining) return closed
    this.#draining = true
    this.#releaseWaiting()
    for (const call of [...this.#calls]) call.migrate()
    // The remaining calls keep the process alive.
    const timer = setTimeout(() => {
      this.#onLost('drained', null)
    }, limit).unref()
    return closed.finally(() => {
      clearTimeout(timer)
    })
  }

  /** Something other than etcd answered a call: the connection accepts no new calls, and current ones may finish. */
  markUnhealthy(reason: 'not-grpc' | 'stopped'): void {
    this.#stopAccepting(reason, null)
  }

  readonly destroy = (): void => {
    this.#open = false
    this.#downReported = true
    this.#onLost('closed', null)
  }

  /** Not by a race with `closed`, which would keep each check in memory for as long as the connection lives. */
  #checkWithin(milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isAnswering: boolean): void => {
        clearTimeout(timer)
        this.#socket.removeListener('close', gone)
        resolve(isAnswering)
      }
      const gone = (): void => {
        end(false)
      }
      const timer = setTimeout(end, milliseconds, false)
      this.#socket.once('close', gone)
      void this.#keepalive.ask().then(() => {
        end(true)
      })
    })
  }

  #closeSession(): void {
    // A lost connection is reset instead: a graceful end would wait for queued data.
    if (this.#broken) return
    // Sends GOAWAY and close_notify, because a peer logs a bare EOF as an error. A session that Node ended after the
    // peer's GOAWAY has sent both, and its socket waits for the peer's FIN without a limit.
    this.#session.close()
    const timer = setTimeout(this.destroy, CLOSE_GRACE).unref()
    void this.closed.then(() => {
      clearTimeout(timer)
    })
  }

  /** Accepts no new calls; current ones may finish, as after a GOAWAY. */
  #stopAccepting(reason: DownReason, error: Error | null): void {
    if (this.#downReported) return
    this.#downReported = true
    this.#open = false
    this.#onDown(this, reason, error)
    this.#releaseWaiting()
    if (this.#calls.size === 0) this.#closeSession()
  }

  #openNext(): void {
    // A call that fails to open is removed, which would open the next one here, at the cost of the stack for thousands.
    if (this.#isOpening) return
    this.#isOpening = true
    try {
      for (let call = this.#queue.take(); call !== null; call = this.#queue.take()) call.open()
    } finally {
      this.#isOpening = false
    }
  }

  readonly #checkWaiting = (): void => {
    const expired = this.#queue.endingSince(STREAM_WAIT)
    const isShort = expired.length > 0 || this.#queue.lastingSince(SHORTAGE_AFTER).length > 0
    for (const call of expired) call.expire()
    this.#waitTimer = this.#queue.isEmpty ? undefined : setTimeout(this.#checkWaiting, SHORTAGE_AFTER).unref()
    if (isShort === this.#isShort) return
    this.#isShort = isShort
    this.onShortage?.()
  }

  /** Lets the calls without a stream go to another connection. */
  #releaseWaiting(): void {
    const waiting = this.#queue.takeAll()
    for (const call of waiting) this.#calls.delete(call)
    if (waiting.length > 0 && this.#calls.size === 0) this.#becomeIdle()
    for (const call of waiting) call.release()
  }

  #becomeIdle(): void {
    this.#keepalive.stop()
    if (!this.#open) this.#closeSession()
  }

  #onLost(reason: LossReason, error: Error | null): void {
    const cause = error ?? this.#goaway
    this.#broken = true
    // Before callers are notified: a caller could otherwise write before the queue is dropped.
    if (reason === 'silent') this.#resetSocket()
    this.#stopAccepting(reason === 'silent' ? 'silent' : 'closed', cause)
    this.#keepalive.stop()
    this.#releaseWaiting()
    const details = LOSS_MESSAGES[reason] + (cause === null ? '' : `: ${cause.message}`)
    for (const call of [...this.#calls]) call.connectionLost(details)
    // One turn later, so that a status which arrived together with the end of the connection is still seen.
    setImmediate(() => {
      this.#resetSocket()
      this.#socket.destroy()
      this.#session.destroy()
    })
  }

  // Resets the TCP socket. After a FIN the kernel would still deliver its queue, even minutes later when the network
  // recovers: a request that has failed for its caller could then undo a later write.
  #resetSocket(): void {
    const raw = this.#raw
    if (!this.#used) return
    // resetAndDestroy() calls destroySoon() first, which would wait until the queue is sent.
    raw.destroySoon = () => {
      raw.destroy()
    }
    // A unix socket has no remote address, nor has one that the peer has reset.
    if (raw.remoteAddress === undefined) raw.destroy()
    else raw.resetAndDestroy()
  }
}

const LOSS_MESSAGES: Readonly<Record<LossReason, string>> = {
  silent: 'The endpoint stopped answering',
  drained:
    'The client switched to new credentials or endpoints, and the call did not end in the time that it had after that',
  closed: 'Connection dropped',
}
