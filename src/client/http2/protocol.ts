/** The constants of HTTP/2 (RFC 9113), and what its connections and streams report. */
import type { IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from 'node:http2'

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const Flag = { ACK: 0x1, END_STREAM: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const

/** RFC 9113 section 7. */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/** The name of a code as in the RFC. */
export function nameOfCode(code: number): string {
  return Object.entries(ErrorCode).find(([, each]) => each === code)?.[0] ?? String(code)
}

/** The peer broke a rule of the whole connection, which must end (RFC 9113 section 5.4.1). */
export class ConnectionError extends Error {
  readonly errorCode: ErrorCode

  constructor(errorCode: ErrorCode, reason: string) {
    super(`The server broke HTTP/2: it sent ${reason}`)
    this.errorCode = errorCode
  }
}

/** The peer broke a rule of one stream, which is reset (RFC 9113 section 5.4.2). */
export class StreamError extends Error {
  readonly errorCode: ErrorCode
  readonly reason: string

  constructor(errorCode: ErrorCode, reason: string) {
    super(`The server broke HTTP/2: it sent ${reason}`)
    this.errorCode = errorCode
    this.reason = reason
  }
}

/** Why the server ended the connection; null if it did so in order. */
export function goawayError(code: number, reason = ''): Error | null {
  if (code === ErrorCode.NO_ERROR) return null
  const detail = reason === '' ? '' : `: ${reason}`
  return new Error(`the server ended the connection with GOAWAY ${nameOfCode(code)}${detail}`)
}

/** The head of an answer. */
export type AnswerHead = IncomingHttpHeaders & IncomingHttpStatusHeader

export interface RequestHeaders {
  /** The pseudo-headers and those that equal requests have in common. Never changed, because the encoded form is kept. */
  readonly common: OutgoingHttpHeaders
  /** Those of this request, without pseudo-headers. */
  readonly own?: OutgoingHttpHeaders | undefined
}

/** What a stream reports. Nothing follows `onClose`. */
export interface StreamListener {
  /** An informational response (RFC 9110 section 15.2). */
  onInformational(): void
  onHead(headers: AnswerHead): void
  /** In an answer that is only a head, the head again. */
  onTrailers(headers: IncomingHttpHeaders): void
  onData(piece: Buffer): void
  /** The server has ended its side, and all data was passed on. */
  onEnd(): void
  /** @param code of RST_STREAM, sent or received; NO_ERROR if both sides have ended. */
  onClose(code: number, error: Error | null): void
}

export interface SessionListener {
  /** SETTINGS of the server have arrived, the first ones or later ones. */
  onSettings(): void
  /** The server accepts no new streams. `lastStream` is the last one that it may have processed, `reason` its debug data. */
  onGoaway(code: number, lastStream: number, reason?: string): void
  /** Nothing follows it. Null: the socket was closed without an error. */
  onClose(error: Error | null): void
}
