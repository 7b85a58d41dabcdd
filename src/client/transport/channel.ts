/**
 * The only module that imports @grpc/grpc-js, types included. Its clients use our channel (`channelFactoryOverride`),
 * because its own keeps a socket open for minutes after `close()`, does not limit the time of a TLS handshake or of the
 * HTTP/2 settings, sends an IP address as SNI (RFC 6066 section 3), tunnels through proxies of the environment, and
 * exposes neither the TLS error nor the chain of the peer.
 */
import type { IncomingHttpHeaders } from 'node:http2'
import {
  type ChannelInterface,
  type Client,
  connectivityState,
  Metadata,
  type MethodDefinition as GrpcMethodDefinition,
  status,
  type StatusObject,
} from '@grpc/grpc-js'
import { EtcdMtlsError } from '../../report/errors.js'
import { printable } from '../../report/printable.js'
import { ErrorCode } from '../http2/protocol.js'

export { connectivityState, Metadata, status }
export type { CallOptions, ChannelInterface, ChannelOptions, Deadline, ServiceError, StatusObject } from '@grpc/grpc-js'

/** A client of grpc-js for one service. */
export type ServiceClient = Client & Record<string, unknown>
export type MethodDefinition = GrpcMethodDefinition<unknown, unknown>

export type Call = ReturnType<ChannelInterface['createCall']>
/** A call that can explain its status by an error. */
export type ExplainedCall = Call & { readonly explanation?: EtcdMtlsError | null }

/** The methods that grpc-js requires of every call and that are the same for all of ours. */
export abstract class CallBase {
  /** The error that explains the status; null: none. */
  explanation: EtcdMtlsError | null = null
  /** The URL of the endpoint that carries the call or carried it last; null if none did. */
  abstract readonly carriedBy: string | null
  readonly #backing: { readonly target: string }

  /** @param backing Its target is read only when a caller asks. */
  constructor(backing: { readonly target: string }) {
    this.#backing = backing
  }

  /** The URL of the endpoint, or the target of the channel before one carries the call, as in grpc-js. */
  getPeer(): string {
    return this.carriedBy ?? this.#backing.target
  }

  getCallNumber(): number {
    return 0
  }

  setCredentials(): void {
    throw new TypeError('Call credentials are not supported. Use a client certificate or the option "auth".')
  }

  getAuthContext(): null {
    return null
  }
}

export type CallListener = Parameters<Call['start']>[1]
/** Receives an answer: the listener of grpc-js, or one that needs no metadata. */
export type AnswerListener = Omit<CallListener, 'onReceiveMetadata'> & Partial<CallListener>
/** A call with one answer, for a caller that needs no metadata. */
export type DirectCall = ExplainedCall & {
  start(metadata: Metadata, listener: AnswerListener): void
  /** The outcome, with its cause, if the message of an answer with the status OK cannot be read. */
  unreadable(outcome: Outcome): Outcome
}
export type MessageContext = Parameters<Call['sendMessageWithContext']>[0]
export type ChannelRef = ReturnType<ChannelInterface['getChannelzRef']>

export interface Outcome extends StatusObject {
  /** grpc-js copies it to the error. */
  cause?: EtcdMtlsError
}

export function makeStatus(code: status, details: string, metadata: Metadata = new Metadata()): Outcome {
  return { code, details, metadata }
}

export function withCause(outcome: Outcome, cause: EtcdMtlsError | null): Outcome {
  return cause === null ? outcome : { ...outcome, cause }
}

/** Shared, because nearly every call ends with it: see {@link forGrpc}. */
const OK: Outcome = Object.freeze(makeStatus(status.OK, ''))

/** An outcome for grpc-js and its interceptors, which may change it. */
export function forGrpc(outcome: Outcome): Outcome {
  return outcome === OK ? makeStatus(status.OK, '') : outcome
}

/** The status in the trailers, or that of the HTTP status if something other than a gRPC server answered. */
export function statusOfTrailers(headers: IncomingHttpHeaders, httpStatus: number | undefined): Outcome {
  if (headers['grpc-status'] === '0' && isStatusAlone(headers)) return OK
  const metadata = metadataOf(headers)
  const [code] = metadata.get('grpc-status')
  const [message] = metadata.get('grpc-message')
  metadata.remove('grpc-status')
  metadata.remove('grpc-message')
  if (code === undefined) return { ...statusOfHttp(httpStatus), metadata }
  if (isGrpcStatus(code)) return makeStatus(Number(code), decodeMessage(String(message ?? '')), metadata)
  const details = `The call ended with the gRPC status ${JSON.stringify(code)}, which does not exist`
  return makeStatus(status.UNKNOWN, details)
}

/** Whether there is nothing but an OK status, as in nearly every answer of etcd. */
function isStatusAlone(headers: IncomingHttpHeaders): boolean {
  for (const name in headers) {
    if (name !== 'grpc-status' && (name !== 'grpc-message' || headers[name] !== '')) return false
  }
  return true
}

export function isGrpcStatus(code: unknown): boolean {
  return code === '0' || /^(?:\d|1[0-6])$/.test(String(code))
}

/** `details` is the message of grpc-js. */
export function answerTooLarge(call: string, endpoint: string | null, limit: number, details: string): Outcome {
  const message =
    `${endpoint ?? 'An endpoint'} answered ${call} with a message of more than ${String(limit)} bytes. Read fewer keys at a` +
    ' time, for example with limit(), or raise etcd3: { grpcOptions: { "grpc.max_receive_message_length": … } }.'
  const cause = new EtcdMtlsError('ERR_ANSWER_TOO_LARGE', message, { call, endpoint, limit })
  return { ...makeStatus(status.RESOURCE_EXHAUSTED, details), cause }
}

/** The error for something that a server of etcd never sends. */
export function invalidAnswer(method: string, endpoint: string | null, reason: string): EtcdMtlsError {
  const message = `${endpoint ?? 'An endpoint'} answered ${method} as etcd never does: ${reason}`
  return new EtcdMtlsError('ERR_ANSWER_INVALID', message, { method, endpoint, reason })
}

/** Reads metadata from headers; empty if they are invalid. */
export function metadataOf(headers: IncomingHttpHeaders): Metadata {
  try {
    return Metadata.fromHttp2Headers(headers)
  } catch {
    return new Metadata()
  }
}

/**
 * `grpc-message` is percent-encoded; a string that is not is passed on as it is (gRPC over HTTP/2, Status-Message). Control
 * characters are escaped, because Node prints the message of an uncaught error to the terminal as it is.
 */
export function decodeMessage(text: string): string {
  try {
    return printable(decodeURIComponent(text))
  } catch {
    return printable(text)
  }
}

/** For answers without `grpc-status` (grpc, doc/http-grpc-status-mapping.md); 413 is a limit, which gRPC maps to UNKNOWN. */
function statusOfHttp(httpStatus: number | undefined): StatusObject {
  if (httpStatus === undefined || httpStatus === 200)
    return makeStatus(status.UNKNOWN, 'The call ended without a gRPC status')
  const code = HTTP_STATUS.get(httpStatus) ?? status.UNKNOWN
  return makeStatus(code, `Received HTTP status code ${String(httpStatus)}`)
}

const HTTP_STATUS: ReadonlyMap<number, status> = new Map([
  [400, status.INTERNAL],
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
  [404, status.UNIMPLEMENTED],
  [413, status.RESOURCE_EXHAUSTED],
  [429, status.UNAVAILABLE],
  [502, status.UNAVAILABLE],
  [503, status.UNAVAILABLE],
  [504, status.UNAVAILABLE],
])

const RESETS: ReadonlyMap<number, readonly [status, string]> = new Map([
  [ErrorCode.REFUSED_STREAM, [status.UNAVAILABLE, 'Stream refused by server']],
  [ErrorCode.CANCEL, [status.CANCELLED, 'Call cancelled by the server']],
  [ErrorCode.ENHANCE_YOUR_CALM, [status.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded']],
  [ErrorCode.INADEQUATE_SECURITY, [status.PERMISSION_DENIED, 'Protocol not secure enough']],
])

/** For a stream that was closed without trailers (gRPC over HTTP/2, HTTP2 Transport Mapping, Errors). */
export function statusOfReset(rstCode: number, httpStatus: number | undefined, error: Error | null): StatusObject {
  if (rstCode === ErrorCode.NO_ERROR) return statusOfHttp(httpStatus)
  const reason = error === null ? '' : ` (${error.message})`
  const unknown = [status.INTERNAL, `Received RST_STREAM with code ${String(rstCode)}${reason}`] as const
  return makeStatus(...(RESETS.get(rstCode) ?? unknown))
}
