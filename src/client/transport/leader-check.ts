/**
 * Decides when a member that had no leader may serve again: by a range that needs the leader. etcd answers it only after its
 * leader has confirmed the read index, and checks users and roles afterwards (server/etcdserver/v3_server.go, Range and
 * linearizableReadNotify), so a refusal by permission or identity also shows that the member has a leader.
 */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { status } from '../channel.js'
import { backoffPause } from './backoff.js'
import type { Connection } from './connection.js'
import { frameMessage } from '../streams/framing.js'
import { callHeaders } from '../greeting.js'
import { bytesField, trueField } from '../streams/protobuf.js'

/** Pauses before the checks, in milliseconds: the first and the longest. An election takes about a second. */
const PAUSES = { first: 250, longest: 2000 }
/** How long a check may take, in milliseconds. */
const LIMIT = 2000

/** Tells health checks from calls in a log of requests. */
const HEALTH_CHECK_AGENT = 'etcd-mtls health check'
export const HEALTH_PATH = '/etcdserverpb.KV/Range'

/** RangeRequest: key (1) and keys_only (8) of api/etcdserverpb/rpc.proto; the key is the one that etcdctl's `endpoint health` reads. */
const REQUEST = frameMessage(Buffer.concat([bytesField(1, Buffer.from('health')), trueField(8)]))

/** Statuses that a member gives without its leader, or that something in front of it gives. */
const UNHEALTHY: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
  status.UNIMPLEMENTED,
])

export class LeaderCheck {
  readonly #connection: Connection
  readonly #headers: OutgoingHttpHeaders
  readonly #healthy: () => void
  #timer: NodeJS.Timeout | undefined
  #checks = 0
  #stopped = false

  /** @param healthy Called once, when the member has a leader. */
  constructor(connection: Connection, headers: OutgoingHttpHeaders, healthy: () => void) {
    this.#connection = connection
    this.#headers = headers
    this.#healthy = healthy
    this.#later()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #later(): void {
    this.#checks += 1
    this.#timer = setTimeout(
      () => {
        this.#check()
      },
      backoffPause(this.#checks, PAUSES),
    )
    // Whoever waits for an answer keeps the process alive.
    this.#timer.unref()
  }

  #check(): void {
    if (this.#stopped || !this.#connection.open) return
    let stream: ClientHttp2Stream
    try {
      stream = this.#connection.request({
        ...callHeaders(HEALTH_PATH, this.#connection.host),
        ...this.#headers,
        'user-agent': HEALTH_CHECK_AGENT,
        hasleader: 'true',
      })
    } catch {
      // The connection has ended, which its member notices, or it carries as many streams as the server allows.
      this.#later()
      return
    }
    let code: status | null = null
    const read = (headers: IncomingHttpHeaders): void => {
      const value = headers['grpc-status']
      if (value !== undefined) code = Number(value)
    }
    const limit = setTimeout(() => {
      stream.close(constants.NGHTTP2_CANCEL)
    }, LIMIT)
    limit.unref()
    stream.on('response', read)
    stream.on('trailers', read)
    stream.on('error', () => {
      // The stream's end follows, and counts as no answer.
    })
    stream.once('close', () => {
      clearTimeout(limit)
      if (this.#stopped) return
      if (code !== null && !UNHEALTHY.has(code)) this.#healthy()
      else this.#later()
    })
    stream.resume()
    stream.end(REQUEST)
  }
}
