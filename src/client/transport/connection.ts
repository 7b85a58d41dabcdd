/** One verified connection to an endpoint: TLS on both sides, the server's HTTP/2 SETTINGS, and a call answered as etcd does it. */
import { asError, codeOf } from '../../report/errors.js'
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Keepalive } from './keepalive.js'

export type DownReason = 'closed' | 'silent' | 'goaway' | 'refused' | 'not-grpc'

/** Why a connection is lost for the calls on it. `drained`: this client closed it, after they had their time. */
type LossReason = 'closed' | 'silent' | 'drained'

/** Called once, when a connection accepts no new calls any more. */
export type DownListener = (connection: Connection, reason: DownReason, error: Error | null) => void

export interface ActiveCall {
  /** True while the peer owes an answer: all was sent, and the status has not come. */
  readonly awaitsAnswer: boolean
  connectionLost(details: string): void
  /** This client is about to close the connection: a call that can continue over another one does so now. */
  migrate(): void
}

interface ConnectionParts {
  authority: string
  /** The HTTP/2 authority of calls. Default: the same. */
  host?: string
  session: ClientHttp2Session
  socket: TLSSocket
  /** The TCP socket below, which counts what goes over the wire. */
  raw: Socket
  roundTrip: number
}

/**
 * How long the calls on a connection that is drained may take to end, in milliseconds: longer than etcd itself lets a request take,
 * which is 5 s and twice the election time-out of 1 s (etcd server/config/config.go, ReqTimeout).
 */
export const DRAIN_LIMIT = 10_000
/** How long a closing connection may wait for its peer before its socket is destroyed, in milliseconds. */
const CLOSE_GRACE = 500

export class Connection {
  readonly authority: string
  /** The HTTP/2 authority of calls, by which a proxy may choose: the server name, if one was given. */
  readonly host: string
  readonly closed: Promise<void>
  readonly #session: ClientHttp2Session
  readonly #socket: TLSSocket
  readonly #raw: Socket
  readonly #calls = new Set<ActiveCall>()
  readonly #keepalive: Keepalive
  readonly #onDown: DownListener
  /** The last stream that the server may have processed, by its GOAWAY. */
  #lastProcessed = Infinity
  /** Whether it has carried a call. */
  #used = false
  #open = true
  #broken = false
  #draining = false

  /** @param onDown Called once, when the connection accepts no new calls any more; not if this client ends it. */
  constructor({ authority, host = authority, session, socket, raw, roundTrip }: ConnectionParts, onDown: DownListener) {
    this.authority = authority
    this.host = host
    this.#session = session
    this.#socket = socket
    this.#raw = raw
    this.#onDown = onDown
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve()
        this.#lost('closed', null)
      })
    })
    const probe = {
      ask: (answered: () => void) => {
        if (!session.destroyed) session.settings({}, answered)
      },
      bytesRead: () => raw.bytesRead,
      bytesWritten: () => raw.bytesWritten,
      awaitsAnswer: () => [...this.#calls].some((call) => call.awaitsAnswer),
      silent: () => {
        this.#lost('silent', null)
      },
    }
    this.#keepalive = new Keepalive(probe, roundTrip)
    session.on('error', (error: Error) => {
      this.#lost('closed', error)
    })
    session.once('close', () => {
      this.#lost('closed', null)
    })
    session.on('goaway', (_code, lastStreamId: number) => {
      this.#lastProcessed = Math.min(this.#lastProcessed, lastStreamId)
      this.#retire('goaway', null)
    })
    // An idle client must not keep the process alive; a call does, see add().
    session.unref()
  }

  get open(): boolean {
    return this.#open
  }

  /** Whether the connection itself is gone: calls on it end by `connectionLost`, whatever their streams say. */
  get broken(): boolean {
    return this.#broken || this.#session.destroyed
  }

  /**
   * Opens a stream for a call.
   *
   * @throws if nothing was sent: either the connection accepts no more calls, and is not `open` any more; or the headers are bad.
   */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    try {
      return this.#session.request(headers)
    } catch (error) {
      const outOfStreams = codeOf(error) === 'ERR_HTTP2_OUT_OF_STREAMS'
      if (outOfStreams || this.#session.closed || this.#session.destroyed) this.#retire('refused', asError(error))
      throw error
    }
  }

  /** Whether the server reported by its GOAWAY that it did not process this stream (RFC 9113 section 6.8). */
  isUnprocessed(stream: number | undefined): boolean {
    return stream !== undefined && stream > this.#lastProcessed
  }

  add(call: ActiveCall): void {
    this.#used = true
    this.#calls.add(call)
    if (this.#calls.size > 1) return
    this.#session.ref()
    this.#keepalive.start()
  }

  remove(call: ActiveCall): void {
    if (!this.#calls.delete(call) || this.#calls.size > 0) return
    this.#keepalive.stop()
    this.#session.unref()
    if (!this.#open) this.#shut()
  }

  async isAnswering(milliseconds: number): Promise<boolean> {
    if (!this.#open || this.#session.destroyed) return false
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, milliseconds, false)
    })
    const answered = this.#keepalive.ask().then(() => true)
    const gone = this.closed.then(() => false)
    return Promise.race([answered, gone, late]).finally(() => {
      clearTimeout(timer)
    })
  }

  /** Accepts no new calls, and closes when those that run have ended, without a limit. Resolves when the socket is gone. */
  closeWhenIdle(): Promise<void> {
    this.#open = false
    if (this.#calls.size === 0) this.#shut()
    return this.closed
  }

  /** As {@link closeWhenIdle}; calls that can migrate do so, and the others are ended after that many milliseconds. */
  drain(limit: number): Promise<void> {
    const closed = this.closeWhenIdle()
    if (this.#draining) return closed
    this.#draining = true
    for (const call of [...this.#calls]) call.migrate()
    // The calls that are left hold the process.
    const timer = setTimeout(() => {
      this.#lost('drained', null)
    }, limit).unref()
    return closed.finally(() => {
      clearTimeout(timer)
    })
  }

  /** Something other than etcd answered a call: it accepts no new ones, and those that run may end. */
  markUnhealthy(): void {
    this.#retire('not-grpc', null)
  }

  readonly destroy = (): void => {
    this.#open = false
    this.#lost('closed', null)
  }

  #shut(): void {
    // A connection that is lost is reset: a graceful end would wait for what is queued.
    if (this.#broken) return
    // GOAWAY and close_notify: a peer that sees a bare EOF logs it as a fault. A session that Node has ended itself, after the peer's
    // GOAWAY and the last stream, has sent both, and its socket waits for the peer's FIN without a limit.
    if (!this.#session.destroyed) this.#session.close()
    const timer = setTimeout(this.destroy, CLOSE_GRACE).unref()
    void this.closed.then(() => {
      clearTimeout(timer)
    })
  }

  /** No new calls; those that run may finish, as after a GOAWAY. */
  #retire(reason: DownReason, error: Error | null): void {
    if (!this.#open) return
    this.#open = false
    this.#onDown(this, reason, error)
    if (this.#calls.size === 0) this.#shut()
  }

  #lost(reason: LossReason, error: Error | null): void {
    this.#broken = true
    // Before any caller is notified: one that continues without a pause could otherwise write before the queue is dropped.
    if (reason === 'silent') this.#dropQueue()
    this.#retire(reason === 'silent' ? 'silent' : 'closed', error)
    this.#keepalive.stop()
    const details = LOSSES[reason] + (error === null ? '' : `: ${error.message}`)
    for (const call of [...this.#calls]) call.connectionLost(details)
    // One turn later, so that a status which arrived together with the end of the connection is still seen.
    setImmediate(() => {
      this.#dropQueue()
      this.#socket.destroy()
      this.#session.destroy()
    })
  }

  // Ends the connection by RST, on the socket below TLS. After a FIN the kernel would still deliver what it has queued, even
  // minutes later when the network recovers: a request that has failed for its caller could undo a later write.
  #dropQueue(): void {
    const raw = this.#raw
    // A unix socket has no remote address, and nothing of it is queued in a network.
    if (!this.#used || raw.remoteAddress === undefined) return
    // resetAndDestroy() calls this first, which would wait until everything queued is sent.
    raw.destroySoon = () => {
      raw.destroy()
    }
    raw.resetAndDestroy()
  }
}

const LOSSES: Readonly<Record<LossReason, string>> = {
  silent: 'The endpoint stopped answering',
  drained:
    'The client switched to new credentials or endpoints, and the call did not end in the time that it had after that',
  closed: 'Connection dropped',
}
