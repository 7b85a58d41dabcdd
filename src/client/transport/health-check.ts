/** The client's own requests: the first one on every connection, the status of the member, and the check for a leader. */
import { backoffPause } from '../../report/duration.js'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { asError } from '../../report/errors.js'
import type { Finding } from '../../report/finding.js'
import { finding } from '../base/finding.js'
import { type AnswerHead, ErrorCode, nameOfCode, type RequestHeaders, type StreamListener } from '../http2/protocol.js'
import type { Stream } from '../http2/stream.js'
import { pause } from '../base/timing.js'
import { type Alarm, ALARMS, NO_LEADER } from './call-policy.js'
import { decodeMessage, status } from './channel.js'
import type { Connection } from './connection.js'
import { callHeaders } from './call-headers.js'
import { frameMessage, MessageReader } from './framing.js'
import { bytesField, Fields, int64At, trueField } from './protobuf.js'

/** User agents that distinguish the client's own requests in a request log. */
export const HEALTH_CHECK_AGENT = 'etcd-mtls health check'
const LEADER_CHECK_AGENT = 'etcd-mtls leader check'
export const HEALTH_CHECK_METHOD = 'KV/Range'
export const RANGE_PATH = '/etcdserverpb.KV/Range'
export const STATUS_PATH = '/etcdserverpb.Maintenance/Status'

/** A member without a leader refuses calls with these headers (etcd api/v3rpc/rpctypes: MetadataRequireLeaderKey, MetadataHasLeader). */
export const REQUIRE_LEADER: OutgoingHttpHeaders = { hasleader: 'true' }

export interface RequestCarrier {
  readonly host: string
  /** Waits until one more stream may be opened. Absent: there are no others. */
  takePlace?(timeout: number | null): Promise<() => void>
  request(headers: RequestHeaders, listener: StreamListener, body: Uint8Array): Stream
}

interface ExchangeParts {
  readonly body?: Uint8Array
  /** In milliseconds; null: the dial limits it. */
  readonly timeout: number | null
  /** Milliseconds for the rest of an answer that is not gRPC. */
  readonly pageTimeout?: number
  /** Called with the head and then with each piece of the body. Returns true to stop reading. */
  readonly read?: (head: AnswerHead, piece: Buffer | null) => boolean
}

/** The head and the trailers of an answer; both are the same in a trailers-only answer. */
interface Reply {
  readonly head: AnswerHead
  readonly trailers: IncomingHttpHeaders
}

/** Maximum number of informational responses to one request. etcd sends none, a proxy one or two (RFC 9110 section 15.2). */
export const MAX_INFORMATIONAL = 64

/** One request and the reading of its answer. */
class Exchange implements StreamListener {
  readonly reply: Promise<Reply>
  #resolve: (reply: Reply) => void = () => undefined
  #reject: (error: Error) => void = () => undefined
  readonly #read: (head: AnswerHead, piece: Buffer | null) => boolean
  readonly #stream: Stream
  readonly #pageTimeout: number | null
  // The stream's own time-out would restart at each byte.
  readonly #timer: NodeJS.Timeout | undefined
  #pageTimer: NodeJS.Timeout | undefined
  #head: AnswerHead | null = null
  #informational = 0

  /** @throws if the connection opens no stream. */
  constructor(carrier: RequestCarrier, common: OutgoingHttpHeaders, parts: ExchangeParts) {
    const { body = NO_BODY, timeout, read, pageTimeout = null } = parts
    this.#pageTimeout = pageTimeout
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#read = read ?? (() => false)
    this.#stream = carrier.request({ common }, this, body)
    this.#timer = timeout === null ? undefined : setTimeout(this.stop, timeout).unref()
  }

  readonly stop = (): void => {
    this.#stream.close(ErrorCode.CANCEL)
  }

  onInformational(): void {
    this.#informational += 1
    if (this.#informational <= MAX_INFORMATIONAL) return
    this.#reject(
      new Error(`The request was answered by more than ${String(MAX_INFORMATIONAL)} informational responses`),
    )
    this.stop()
  }

  onHead(head: AnswerHead): void {
    this.#head = head
    if (this.#pageTimeout !== null && !isGrpc(head)) {
      this.#pageTimer = setTimeout(this.stop, this.#pageTimeout).unref()
    }
    this.#pass(head, null)
  }

  onData(piece: Buffer): void {
    if (this.#head !== null) this.#pass(this.#head, piece)
  }

  onTrailers(trailers: IncomingHttpHeaders): void {
    if (this.#head !== null) this.#resolve({ head: this.#head, trailers })
  }

  onEnd(): void {
    // The trailers came before.
  }

  onClose(code: number, error: Error | null): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#pageTimer)
    // An HTML page may be incomplete; a gRPC answer needs its trailers.
    if (this.#head !== null && !isGrpc(this.#head)) this.#resolve({ head: this.#head, trailers: this.#head })
    const reset = code === ErrorCode.NO_ERROR ? 'had no answer' : `was reset with ${nameOfCode(code)}`
    this.#reject(error ?? new Error(`The request ${reset}`))
  }

  #pass(head: AnswerHead, piece: Buffer | null): void {
    try {
      if (!this.#read(head, piece)) return
      this.#resolve({ head, trailers: head })
    } catch (error) {
      this.#reject(asError(error))
    }
    this.stop()
  }
}

/**
 * Sends a request and reads its answer to the end, or until `read` returns true.
 *
 * @throws if no answer arrived.
 */
export async function exchange(
  carrier: RequestCarrier,
  headers: OutgoingHttpHeaders,
  parts: ExchangeParts,
): Promise<Reply> {
  // Without a place to wait for, the request is in the first packet: if etcd refuses the certificate, a later one would meet a
  // closed connection (EPIPE), and the alert that says why would not be read.
  const leave = carrier.takePlace === undefined ? undefined : await carrier.takePlace(parts.timeout)
  try {
    return await new Exchange(carrier, headers, parts).reply
  } finally {
    leave?.()
  }
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

const NO_BODY = new Uint8Array()
const EMPTY_MESSAGE = frameMessage(new Uint8Array())
/** Maximum bytes of a page whose title is read. */
const MAX_PAGE = 4096
/** Milliseconds for reading the title. */
const PAGE_TIMEOUT = 500

/**
 * The first request on a connection: a range without a key. Every user may make it, because etcd answers it before it
 * checks users and without reading its store (etcd server/etcdserver/api/v3rpc/key.go, checkRangeRequest). It is sent
 * together with the first bytes of HTTP/2, so it costs no round trip.
 *
 * @throws if the server ended the request without an answer.
 */
export async function healthCheck(carrier: RequestCarrier): Promise<Answer> {
  // etcd reports a missing leader before anything else (server/etcdserver/api/v3rpc/interceptor.go).
  const headers = { ...callHeaders(RANGE_PATH, carrier.host, HEALTH_CHECK_AGENT), ...REQUIRE_LEADER }
  const pieces: Buffer[] = []
  // A page explains more than its HTTP status, such as "400 No required SSL certificate was sent" of nginx.
  const read = (head: AnswerHead, piece: Buffer | null): boolean => {
    if (isGrpc(head)) return false
    if (piece !== null) pieces.push(piece)
    return pieces.reduce((sum, each) => sum + each.length, 0) >= MAX_PAGE
  }
  const parts = { body: EMPTY_MESSAGE, timeout: null, pageTimeout: PAGE_TIMEOUT, read }
  const { head, trailers } = await exchange(carrier, headers, parts)
  const page = Buffer.concat(pieces).toString('utf8', 0, MAX_PAGE)
  const title = /<title>([^<]{1,200})<\/title>/i.exec(page)?.[1]?.trim() ?? ''
  return readAnswer(head, trailers, title === '' ? null : title)
}

/** @param trailers The head itself in a trailers-only answer. */
export function readAnswer(headers: AnswerHead, trailers: IncomingHttpHeaders, title: string | null = null): Answer {
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
  return isGrpcType(headers['content-type'] ?? null) || headers['grpc-status'] !== undefined
}

/** `application/grpc-web` is another protocol. */
function isGrpcType(contentType: string | null): boolean {
  return contentType !== null && /^application\/grpc\s*(?:[+;]|$)/.test(contentType)
}

/**
 * Whether a stopping etcd cut the call off: with TLS its gRPC server is a handler of net/http, which ends without an answer when etcd stops
 * (etcd pull request 17790), and net/http then sends the status 200 and nothing else.
 */
export function isCutOff({ httpStatus, contentType, server, grpcStatus, location, title }: Answer): boolean {
  const hasMore = [contentType, server, grpcStatus, location, title].some((each) => each !== null)
  return httpStatus === 200 && !hasMore
}

/** `etcd`: etcd's own answer. `unavailable`: nothing behind it could answer now. `foreign`: not etcd. */
type AnswerKind = 'etcd' | 'unavailable' | 'foreign'

/** etcd api/v3rpc/rpctypes/error.go, ErrGRPCEmptyKey: etcd's answer to a range without a key, and so to the health check. */
const EMPTY_KEY = 'etcdserver: key is not provided'

/**
 * gRPC statuses that may not last (gRPC, statuscodes.md): CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED and UNAVAILABLE. etcd
 * sends the last of them before it knows its cluster (ErrGRPCNotCapable), a proxy sends any of them.
 */
const TEMPORARY: ReadonlySet<number | null> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.UNAVAILABLE,
])

/** Classifies the answer to the health check: any gRPC server may answer a range, only etcd answers that the key is missing. */
export function kindOf(answer: Answer): AnswerKind {
  const { httpStatus, contentType, grpcStatus, grpcMessage } = answer
  if (isCutOff(answer)) return 'unavailable'
  if (grpcStatus === null && !isGrpcType(contentType)) {
    return NO_BACK_END.has(httpStatus) ? 'unavailable' : 'foreign'
  }
  switch (grpcStatus) {
    case status.INVALID_ARGUMENT:
    // etcd's grpc-proxy passes the message on with this status.
    case status.UNKNOWN:
      return grpcMessage.includes(EMPTY_KEY) ? 'etcd' : 'foreign'
    // A member without a leader.
    case status.UNAVAILABLE:
      return grpcMessage === NO_LEADER ? 'etcd' : 'unavailable'
    // etcd answers this call before it checks users, so a proxy or a service mesh refused it.
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return /^(?:etcdserver|auth): /.test(grpcMessage) ? 'etcd' : 'foreign'
    default:
      return TEMPORARY.has(grpcStatus) ? 'unavailable' : 'foreign'
  }
}

export function answerFinding(endpoint: string, method: string, answer: Answer): Finding {
  const { httpStatus, contentType, server, grpcStatus, grpcMessage, location, title } = answer
  if (isCutOff(answer)) return finding('endpoint/lost', { endpoint, reason: 'stopped', detail: method })
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
  /** The revision of its store, and its term of raft; 0 if it does not report them. */
  readonly revision: bigint
  readonly term: bigint
  /** Null: the member has no leader, or does not report one. */
  readonly role: MemberRole | null
  readonly hasLeader: boolean
  /** The alarms of the cluster. */
  readonly alarms: readonly Alarm[]
}

/** StatusResponse of etcd api/etcdserverpb/rpc.proto, and its ResponseHeader. */
const [HEADER, VERSION, LEADER, ERRORS, IS_LEARNER] = [1, 2, 4, 8, 10]
const [CLUSTER_ID, MEMBER_ID, REVISION, TERM] = [1, 2, 3, 4]
/** A StatusResponse has about 200 bytes, in addition to a string for each error of the member. */
const MAX_STATUS = 64 * 1024
const STATUS_TIMEOUT = 5000

export function readServerStatus(carrier: RequestCarrier, token: string | null, limits: CallLimits = {}) {
  return ask(carrier, STATUS_PATH, parseStatus, { token, ...limits })
}

interface CallLimits {
  readonly timeout?: number
  readonly agent?: string
}

/** Makes a call whose request is empty, and parses the first message of the answer; null if it has none. */
export async function ask<T>(
  carrier: RequestCarrier,
  path: string,
  parse: (message: Buffer) => T,
  { token, timeout = STATUS_TIMEOUT, agent = 'etcd-mtls' }: CallLimits & { readonly token: string | null },
): Promise<T | null> {
  const reader = new MessageReader(MAX_STATUS)
  let message: Buffer | undefined
  const read = (_head: IncomingHttpHeaders, piece: Buffer | null): boolean => {
    if (piece !== null) [message] = reader.push(piece)
    return message !== undefined
  }
  try {
    const headers = { ...callHeaders(path, carrier.host, agent), ...(token === null ? {} : { token }) }
    await exchange(carrier, headers, { body: EMPTY_MESSAGE, timeout, read })
    return message === undefined ? null : parse(message)
  } catch {
    // The connection accepts no calls any more, its stream broke, or the answer is not etcd's.
    return null
  }
}

const NOT_ETCD = { clusterId: null, revision: 0n, term: 0n, role: null, hasLeader: true, alarms: [] }

function parseStatus(message: Buffer): ServerStatus {
  let version: string | null = null
  const alarms = new Set<Alarm>()
  let header: Uint8Array = new Uint8Array()
  const fields = new Fields(message)
  while (fields.next()) {
    if (fields.number === HEADER) header = fields.bytes()
    else if (fields.number === VERSION) version = fields.text()
    else if (fields.number === ERRORS) {
      const error = fields.text()
      for (const alarm of ALARMS) if (error.includes(`alarm:${alarm}`)) alarms.add(alarm)
    }
  }
  const [cluster, member] = [int64At(header, CLUSTER_ID), int64At(header, MEMBER_ID)]
  // Every member has an id; an answer without one is not etcd's.
  if (member === 0n) return { ...NOT_ETCD, version }
  const leader = int64At(message, LEADER)
  const voter = leader === 0n ? null : leader === member ? 'leader' : 'follower'
  return {
    clusterId: cluster === 0n ? null : BigInt.asUintN(64, cluster).toString(16),
    version,
    revision: int64At(header, REVISION),
    term: int64At(header, TERM),
    role: int64At(message, IS_LEARNER) === 0n ? voter : 'learner',
    hasLeader: leader !== 0n,
    alarms: [...alarms],
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

/**
 * The status of a member that has caught up: etcd answers a linearizable read after it has applied everything that was committed
 * before. Null if the connection ends, or the status cannot be read.
 */
export async function readCaughtUpStatus(connection: Connection, token: string | null): Promise<ServerStatus | null> {
  const { signal } = new AbortController()
  for (let checks = 1; connection.open; checks += 1) {
    if (await hasLeader(connection, token === null ? {} : { token })) return readServerStatus(connection, token)
    await pause(backoffPause(checks, PAUSES), signal, false)
  }
  return null
}

async function hasLeader(connection: Connection, headers: OutgoingHttpHeaders): Promise<boolean> {
  const own = callHeaders(RANGE_PATH, connection.host, LEADER_CHECK_AGENT)
  try {
    const parts = { body: LINEARIZABLE_READ, timeout: CHECK_TIMEOUT }
    const { trailers } = await exchange(connection, { ...headers, ...own, ...REQUIRE_LEADER }, parts)
    const code = trailers['grpc-status']
    return code !== undefined && !UNHEALTHY.has(Number(code))
  } catch {
    // The connection has ended, or it carries the maximum number of streams.
    return false
  }
}
