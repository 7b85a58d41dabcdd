/** The client's own requests: the first one on every connection, the status of the member, and the check for a leader. */
import { backoffPause } from '../../report/duration.js'
import {
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { asError } from '../../report/errors.js'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { pause } from '../timing.js'
import { NO_LEADER } from './call-policy.js'
import { decodeMessage, status } from './channel.js'
import type { Connection } from './connection.js'
import { frameMessage, MessageReader } from './framing.js'
import { bytesField, Fields, int64At, trueField } from './protobuf.js'

type ResponseHead = IncomingHttpHeaders & IncomingHttpStatusHeader

/** User agents that distinguish the client's own requests in a request log. */
export const HEALTH_CHECK_AGENT = 'etcd-mtls health check'
const LEADER_CHECK_AGENT = 'etcd-mtls leader check'
export const HEALTH_CHECK_METHOD = 'KV/Range'
export const RANGE_PATH = '/etcdserverpb.KV/Range'
export const STATUS_PATH = '/etcdserverpb.Maintenance/Status'

/** A member without a leader refuses calls with these headers (etcd api/v3rpc/rpctypes: MetadataRequireLeaderKey, MetadataHasLeader). */
export const REQUIRE_LEADER: OutgoingHttpHeaders = { hasleader: 'true' }

/** The headers of a call of gRPC (gRPC over HTTP/2, Request-Headers). */
export function callHeaders(path: string, authority: string, agent = 'etcd-mtls'): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':scheme': 'https',
    ':authority': authority,
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': agent,
  }
}

export interface RequestCarrier {
  readonly host: string
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream
}

interface Exchange {
  readonly body?: Uint8Array
  /** In milliseconds; null: the dial limits it. */
  readonly timeout: number | null
  /** Called with the head and then with each piece of the body. Returns true to stop reading. */
  readonly read?: (head: ResponseHead, piece: Buffer | null) => boolean
}

/** The head and the trailers of an answer; both are the same in a trailers-only answer. */
interface Reply {
  readonly head: ResponseHead
  readonly trailers: IncomingHttpHeaders
}

/** Most informational responses to one request. etcd sends none, a proxy one or two (RFC 9110 section 15.2). */
const MAX_INFORMATIONAL = 64

/** Calls `refuse` once if a stream receives more informational responses than {@link MAX_INFORMATIONAL}. */
export function limitInformational(stream: ClientHttp2Stream, refuse: (reason: string) => void): void {
  let count = 0
  stream.on('headers', () => {
    count += 1
    if (count === MAX_INFORMATIONAL + 1) refuse(`more than ${String(MAX_INFORMATIONAL)} informational responses`)
  })
}

/**
 * Sends a request and reads its answer to the end, or until `read` returns true.
 *
 * @throws if no answer arrived.
 */
export function exchange(stream: ClientHttp2Stream, parts: Exchange): Promise<Reply> {
  const { body, timeout, read = () => false } = parts
  return new Promise((resolve, reject) => {
    let failure: Error | null = null
    const end = (): void => {
      stream.close(constants.NGHTTP2_CANCEL)
    }
    // The stream's own time-out would restart at each byte.
    const timer = timeout === null ? undefined : setTimeout(end, timeout).unref()
    const onPiece = (head: ResponseHead, piece: Buffer | null): void => {
      try {
        if (!read(head, piece)) return
        resolve({ head, trailers: head })
      } catch (error) {
        reject(asError(error))
      }
      end()
    }
    limitInformational(stream, (reason) => {
      reject(new Error(`The request was answered by ${reason}`))
      end()
    })
    stream.once('response', (head: ResponseHead, flags) => {
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) resolve({ head, trailers: head })
      stream.on('data', (piece: Buffer) => {
        onPiece(head, piece)
      })
      stream.once('trailers', (trailers: IncomingHttpHeaders) => {
        resolve({ head, trailers })
      })
      // An HTML page may be incomplete; a gRPC answer needs its trailers.
      stream.prependOnceListener('close', () => {
        if (!isGrpc(head)) resolve({ head, trailers: head })
      })
      onPiece(head, null)
    })
    stream.on('error', (error: Error) => {
      failure = error
    })
    stream.once('close', () => {
      clearTimeout(timer)
      reject(failure ?? new Error('The request had no answer'))
    })
    stream.end(body)
  })
}

/** The parts of an answer that identify the server; null if absent. */
export interface Answer {
  readonly httpStatus: number
  readonly contentType: string | null
  readonly server: string | null
  /** Null: it was not an answer of gRPC, or its status comes later. */
  readonly grpcStatus: number | null
  readonly grpcMessage: string
  readonly location: string | null
  readonly title: string | null
  /** The time by the server's clock, in milliseconds since 1970. */
  readonly date: number | null
}

const EMPTY_MESSAGE = frameMessage(new Uint8Array())
/** Limits for reading the title of a page, in bytes and in milliseconds. */
const MAX_PAGE = 4096
const PAGE_TIMEOUT = 500

/**
 * The first request on a connection: a range without a key. Every user may make it, because etcd answers it before it
 * checks users and without reading its store (etcd server/etcdserver/api/v3rpc/key.go, checkRangeRequest). It is sent
 * together with the first bytes of HTTP/2, so it costs no round trip.
 *
 * @throws if the server ended the request without an answer.
 */
export async function healthCheck(session: ClientHttp2Session, authority: string): Promise<Answer> {
  // etcd reports a missing leader before anything else (server/etcdserver/api/v3rpc/interceptor.go).
  const stream = session.request({ ...callHeaders(RANGE_PATH, authority, HEALTH_CHECK_AGENT), ...REQUIRE_LEADER })
  const pieces: Buffer[] = []
  let pageTimer: NodeJS.Timeout | undefined
  // A page explains more than its HTTP status, such as "400 No required SSL certificate was sent" of nginx.
  const read = (head: ResponseHead, piece: Buffer | null): boolean => {
    if (isGrpc(head)) return false
    pageTimer ??= setTimeout(() => {
      stream.close(constants.NGHTTP2_CANCEL)
    }, PAGE_TIMEOUT).unref()
    if (piece !== null) pieces.push(piece)
    return pieces.reduce((sum, each) => sum + each.length, 0) >= MAX_PAGE
  }
  try {
    const { head, trailers } = await exchange(stream, { body: EMPTY_MESSAGE, timeout: null, read })
    const page = Buffer.concat(pieces).toString('utf8', 0, MAX_PAGE)
    const title = /<title>([^<]{1,200})<\/title>/i.exec(page)?.[1]?.trim() ?? ''
    return readAnswer(head, trailers, title === '' ? null : title)
  } finally {
    clearTimeout(pageTimer)
  }
}

/** @param trailers The head itself in a trailers-only answer. */
export function readAnswer(headers: ResponseHead, trailers: IncomingHttpHeaders, title: string | null = null): Answer {
  const { ':status': httpStatus = 0, 'content-type': contentType = null, server, date, location = null } = headers
  const grpcStatus = trailers['grpc-status']
  const time = Date.parse(date ?? '')
  return {
    httpStatus,
    contentType,
    server: typeof server === 'string' ? server : null,
    grpcStatus: grpcStatus === undefined ? null : Number(grpcStatus),
    grpcMessage: decodeMessage(String(trailers['grpc-message'] ?? '')),
    location,
    title,
    date: Number.isNaN(time) ? null : time,
  }
}

/** etcd api/v3rpc/rpctypes/error.go, ErrGRPCNotSupportedForLearner. */
const NOT_FOR_LEARNER = 'etcdserver: rpc not supported for learner'

/** HTTP statuses with which a proxy or a load balancer reports that its back end does not answer. */
const NO_BACK_END: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** A proxy refuses a request of this size (RFC 9110 section 15.5.14). */
export const TOO_LARGE = 413

/** Whether the head of an answer is gRPC's (gRPC over HTTP/2, Response-Headers). */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith('application/grpc') === true || headers['grpc-status'] !== undefined
}

/** `etcd`: a gRPC server that has the call. `unavailable`: nothing behind it could answer now. `foreign`: not etcd. */
type AnswerKind = 'etcd' | 'unavailable' | 'foreign'

export function kindOf({ httpStatus, contentType, grpcStatus, grpcMessage }: Answer): AnswerKind {
  if (grpcStatus === null && contentType?.startsWith('application/grpc') !== true) {
    return NO_BACK_END.has(httpStatus) ? 'unavailable' : 'foreign'
  }
  switch (grpcStatus) {
    // A member without a leader, a proxy that uses gRPC, or etcd before it knows its cluster (ErrGRPCNotCapable).
    case status.UNAVAILABLE:
      return grpcMessage === NO_LEADER ? 'etcd' : 'unavailable'
    case status.UNIMPLEMENTED:
      return 'foreign'
    // etcd answers this call before it checks users, so a proxy or a service mesh refused it.
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return /^(?:etcdserver|auth): /.test(grpcMessage) ? 'etcd' : 'foreign'
    default:
      return 'etcd'
  }
}

export function answerFinding(endpoint: string, method: string, answer: Answer): Finding {
  const { httpStatus, contentType, server, grpcStatus, grpcMessage, location, title } = answer
  const details = { endpoint, method, httpStatus, contentType, server, title, grpcStatus, detail: grpcMessage }
  const learner = grpcStatus === status.UNAVAILABLE && grpcMessage === NOT_FOR_LEARNER
  if (learner || kindOf(answer) === 'unavailable') return finding('endpoint/unavailable', { ...details, learner })
  const isRedirect = grpcStatus === null && httpStatus >= 300 && httpStatus < 400
  return finding('endpoint/not-etcd', { ...details, location: isRedirect ? location : null })
}

export type MemberRole = 'leader' | 'follower' | 'learner'

interface ServerStatus {
  /** The cluster that it belongs to, in hexadecimal as etcd logs it; null if it does not report it. */
  readonly clusterId: string | null
  readonly version: string | null
  /** Null: the member has no leader, or does not report one. */
  readonly role: MemberRole | null
  readonly hasLeader: boolean
}

/** StatusResponse of etcd api/etcdserverpb/rpc.proto, and its ResponseHeader. */
const [HEADER, VERSION, LEADER, IS_LEARNER] = [1, 2, 4, 10]
const [CLUSTER_ID, MEMBER_ID] = [1, 2]
/** A StatusResponse has about 200 bytes, in addition to a string for each error of the member. */
const MAX_STATUS = 64 * 1024
const STATUS_TIMEOUT = 5000

export async function readServerStatus(
  carrier: RequestCarrier,
  token: string | null,
  { timeout = STATUS_TIMEOUT, agent = 'etcd-mtls' } = {},
): Promise<ServerStatus | null> {
  const reader = new MessageReader(MAX_STATUS)
  let message: Buffer | undefined
  const read = (_head: ResponseHead, piece: Buffer | null): boolean => {
    if (piece !== null) [message] = reader.push(piece)
    return message !== undefined
  }
  const headers = { ...callHeaders(STATUS_PATH, carrier.host, agent), ...(token === null ? {} : { token }) }
  try {
    await exchange(carrier.request(headers), { body: EMPTY_MESSAGE, timeout, read })
    return message === undefined ? null : parseStatus(message)
  } catch {
    // The connection accepts no calls any more, its stream broke, or the answer is not etcd's.
    return null
  }
}

function parseStatus(message: Buffer): ServerStatus {
  let version: string | null = null
  let header: Uint8Array = new Uint8Array()
  const fields = new Fields(message)
  while (fields.next()) {
    if (fields.number === HEADER) header = fields.bytes()
    else if (fields.number === VERSION) version = fields.text()
  }
  const [cluster, member] = [int64At(header, CLUSTER_ID), int64At(header, MEMBER_ID)]
  // Every member has an id; an answer without one is not etcd's.
  if (member === 0n) return { clusterId: null, version, role: null, hasLeader: true }
  const leader = int64At(message, LEADER)
  const voter = leader === 0n ? null : leader === member ? 'leader' : 'follower'
  return {
    clusterId: cluster === 0n ? null : BigInt.asUintN(64, cluster).toString(16),
    version,
    role: int64At(message, IS_LEARNER) === 0n ? voter : 'learner',
    hasLeader: leader !== 0n,
  }
}

/**
 * Whether the answer to a progress request comes after the events before it. In earlier versions it could overtake them
 * (etcd CHANGELOG-3.4.md, 3.4.25, and CHANGELOG-3.5.md, 3.5.8: "Fix requested watch progress notification").
 */
export function sendsProgressInOrder(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? []
  if (major !== 3) return major > 3
  return minor > 5 || (minor === 5 && patch >= 8) || (minor === 4 && patch >= 25)
}

/** Pauses before the checks, in milliseconds: the first and the longest. An election takes about a second. */
const PAUSES = { first: 250, longest: 2000 }
const CHECK_TIMEOUT = 2000

/** RangeRequest: key (1) and keys_only (8) of api/etcdserverpb/rpc.proto; the key is the one that etcdctl's `endpoint health` reads. */
const LINEARIZABLE_READ = frameMessage(Buffer.concat([bytesField(1, Buffer.from('health')), trueField(8)]))

/** Statuses of a member that does not reach its leader, or of a proxy. */
const UNHEALTHY: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
  status.UNIMPLEMENTED,
])

/**
 * Detects when a leaderless member has a leader again, by a linearizable range. etcd answers it only after its leader
 * has confirmed the read index, and checks users and roles afterwards (server/etcdserver/v3_server.go, Range and
 * linearizableReadNotify), so a refusal by permission also shows that the member has a leader.
 */
export class LeaderCheck {
  readonly #stopped = new AbortController()

  constructor(connection: Connection, headers: OutgoingHttpHeaders, healthy: () => void) {
    void this.#run(connection, headers).then((hasLeader) => {
      if (hasLeader) healthy()
    })
  }

  stop(): void {
    this.#stopped.abort()
  }

  async #run(connection: Connection, headers: OutgoingHttpHeaders): Promise<boolean> {
    const { signal } = this.#stopped
    for (let checks = 1; ; checks += 1) {
      // The caller that waits for an answer keeps the process alive.
      await pause(backoffPause(checks, PAUSES), signal, false)
      if (signal.aborted || !connection.open) return false
      if (await hasLeader(connection, headers)) return !signal.aborted
    }
  }
}

async function hasLeader(connection: Connection, headers: OutgoingHttpHeaders): Promise<boolean> {
  const own = callHeaders(RANGE_PATH, connection.host, LEADER_CHECK_AGENT)
  try {
    const stream = connection.request({ ...headers, ...own, ...REQUIRE_LEADER })
    const { trailers } = await exchange(stream, { body: LINEARIZABLE_READ, timeout: CHECK_TIMEOUT })
    const code = trailers['grpc-status']
    return code !== undefined && !UNHEALTHY.has(Number(code))
  } catch {
    // The connection has ended, or it carries the maximum number of streams.
    return false
  }
}
