/**
 * The first call on every connection: whether etcd is there. TLS and HTTP/2 say that a server took our certificate, and a
 * metrics port, a web server or a proxy without a back end does so, too.
 *
 * The call is a range without a key. Whoever may use etcd at all may make it, whatever stands between; etcd answers it before
 * it looks at users, and without touching its store (etcd server/etcdserver/api/v3rpc/key.go, checkRangeRequest). It leaves
 * together with the first octets of HTTP/2, so its answer comes with the server's own first ones.
 */
import {
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { Finding } from '../report/finding.js'
import { decodeMessage } from './call-status.js'
import { status } from './channel.js'
import { finding } from './finding.js'
import { NO_LEADER } from './transport/call-policy.js'

type ResponseHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader

/** What can be told of an answer to a call. */
export interface Answer {
  readonly httpStatus: number
  /** Null: it had none. */
  readonly contentType: string | null
  /** What the server calls itself, or null. */
  readonly server: string | null
  /** Null: it was no answer of gRPC, or its status comes later. */
  readonly grpcStatus: number | null
  readonly grpcMessage: string
  /** Where a redirect leads to; null for any other answer. */
  readonly location: string | null
  /** The title of the page that came; null if none came, or was not read. */
  readonly title: string | null
  /** What the server's clock said, in milliseconds since 1970; null where it did not say. */
  readonly date: number | null
}

/** `proved`: a gRPC server that knows the call. `unavailable`: nobody behind it could answer now. `foreign`: not etcd. */
export type AnswerKind = 'proved' | 'unavailable' | 'foreign'

export const GREETING_METHOD = 'KV/Range'
/** So that a log of requests can tell greetings from calls. */
export const GREETING_AGENT = 'etcd-mtls greeting'
/** An empty message of gRPC: not compressed, no octets. */
const EMPTY_MESSAGE = Buffer.alloc(5)

/** The headers of a call of gRPC (gRPC over HTTP/2, Request-Headers). */
export function callHeaders(path: string, authority: string): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':scheme': 'https',
    ':authority': authority,
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'etcd-mtls',
  }
}

/**
 * @param answered Called at most once.
 * @param refused The server ended the call without an answer, and left the connection as it is. What ends that is told by its
 * session.
 */
export function greet(
  session: ClientHttp2Session,
  authority: string,
  answered: (answer: Answer) => void,
  refused: (error: Error) => void,
): void {
  const stream = session.request({
    ...callHeaders(`/etcdserverpb.${GREETING_METHOD}`, authority),
    'user-agent': GREETING_AGENT,
    // etcd answers a member's lack of a leader before anything else (server/etcdserver/api/v3rpc/interceptor.go).
    hasleader: 'true',
  })
  let tell: ((answer: Answer) => void) | null = answered
  const done = (headers: ResponseHeaders, trailers: IncomingHttpHeaders, title: string | null = null): void => {
    tell?.(readAnswer(headers, trailers, title))
    tell = null
  }
  let isPage = false
  stream.once('response', (headers: ResponseHeaders, flags) => {
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    if (ended || !isGrpc(headers)) {
      if (ended) {
        done(headers, headers)
        return
      }
      isPage = true
      readTitle(stream, (title) => {
        done(headers, headers, title)
      })
      return
    }
    stream.once('trailers', (trailers: IncomingHttpHeaders) => {
      done(headers, trailers)
    })
  })
  let failure: Error | null = null
  stream.on('error', (error: Error) => {
    failure = error
  })
  stream.once('close', () => {
    if (tell !== null && !isPage && !session.destroyed && !session.closed)
      refused(failure ?? new Error('The first call had no answer'))
  })
  stream.resume()
  stream.end(EMPTY_MESSAGE)
}

/** Most of a page that is read for its title, in bytes, and for how long, in milliseconds. */
const MAX_PAGE = 4096
const PAGE_TIMEOUT = 500

/** The beginning of a page says more than its HTTP status, as nginx's "400 No required SSL certificate was sent". */
function readTitle(stream: ClientHttp2Stream, done: (title: string | null) => void): void {
  const pieces: Buffer[] = []
  let size = 0
  const finish = (): void => {
    clearTimeout(timer)
    stream.close(constants.NGHTTP2_CANCEL)
    const page = Buffer.concat(pieces).toString('utf8', 0, MAX_PAGE)
    const title = /<title>([^<]{1,200})<\/title>/i.exec(page)?.[1]?.trim() ?? ''
    done(title === '' ? null : title)
  }
  const timer = setTimeout(finish, PAGE_TIMEOUT)
  stream.on('data', (piece: Buffer) => {
    pieces.push(piece)
    size += piece.length
    if (size >= MAX_PAGE) finish()
  })
  stream.once('end', finish)
  stream.once('close', finish)
}

/** @param trailers Where gRPC's status stands: in the head itself, if the answer is no more than that. */
export function readAnswer(
  headers: ResponseHeaders,
  trailers: IncomingHttpHeaders,
  title: string | null = null,
): Answer {
  const { ':status': httpStatus = 0, 'content-type': contentType = null, server, date, location } = headers
  const grpcStatus = trailers['grpc-status']
  const time = date === undefined ? NaN : Date.parse(date)
  return {
    httpStatus,
    contentType,
    server: typeof server === 'string' ? server : null,
    grpcStatus: grpcStatus === undefined ? null : Number(grpcStatus),
    grpcMessage: decodeMessage(String(trailers['grpc-message'] ?? '')),
    location: typeof location === 'string' ? location : null,
    title,
    date: Number.isNaN(time) ? null : time,
  }
}

/** etcd api/v3rpc/rpctypes/error.go, ErrGRPCNotSupportedForLearner. */
const NOT_FOR_LEARNER = 'etcdserver: rpc not supported for learner'

/** HTTP statuses by which a proxy or a load balancer says that nobody behind it answers now. */
const NO_BACK_END: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** The request was longer than something in front of etcd takes (RFC 9110 section 15.5.14). */
export const TOO_LARGE = 413
/** HTTP statuses by which something in front of etcd refuses the client. */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403, 407])

/** Whether the head of an answer is gRPC's (gRPC over HTTP/2, Response-Headers). */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith('application/grpc') === true || headers['grpc-status'] !== undefined
}

/** What an answer to a call says of who gave it. */
export function kindOf({ httpStatus, contentType, grpcStatus, grpcMessage }: Answer): AnswerKind {
  if (grpcStatus === null && contentType?.startsWith('application/grpc') !== true) {
    return NO_BACK_END.has(httpStatus) ? 'unavailable' : 'foreign'
  }
  switch (grpcStatus) {
    // A member without a leader is etcd. Else a proxy that speaks gRPC, or etcd before it knows its cluster (ErrGRPCNotCapable).
    case status.UNAVAILABLE:
      return grpcMessage === NO_LEADER ? 'proved' : 'unavailable'
    case status.UNIMPLEMENTED:
      return 'foreign'
    // etcd answers this call before it looks at users; a proxy or a service mesh may refuse it.
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return /^(?:etcdserver|auth): /.test(grpcMessage) ? 'proved' : 'foreign'
    default:
      return 'proved'
  }
}

/** The finding for an answer that proves no etcd. */
export function answerFinding(endpoint: string, method: string, answer: Answer): Finding {
  const { httpStatus, contentType, server, grpcStatus, grpcMessage, location, title } = answer
  const details = { endpoint, method, httpStatus, contentType, server, title, grpcStatus, detail: grpcMessage }
  if (grpcStatus === status.UNAVAILABLE && grpcMessage === NOT_FOR_LEARNER)
    return finding('endpoint/learner', { endpoint })
  if (kindOf(answer) === 'unavailable') return finding('endpoint/unavailable', details)
  if (grpcStatus === status.UNAUTHENTICATED || grpcStatus === status.PERMISSION_DENIED)
    return finding('endpoint/request-refused', details)
  if (grpcStatus === null) {
    if (httpStatus === TOO_LARGE) return finding('endpoint/request-too-large', details)
    if (REFUSALS.has(httpStatus)) return finding('endpoint/request-refused', details)
    if (location !== null && httpStatus >= 300 && httpStatus < 400)
      return finding('endpoint/redirected', { ...details, location })
  }
  return finding('endpoint/not-etcd', details)
}
