/** The constants of HTTP/2 (RFC 9113) and the interface of its connections and streams, which has two implementations. */
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

export interface Http2Stream {
  readonly isClosed: boolean
  /**
   * Whether the server certainly did not process it (RFC 9113 section 8.7): it refused it, its GOAWAY leaves it out, or the
   * connection ended before a byte of it was written.
   */
  readonly isUnprocessed: boolean
  /** @param written Called when the bytes were passed on or discarded. */
  write(bytes: Uint8Array, written?: () => void): void
  /** Ends this side, after what was written. */
  end(): void
  /** Stops `onData`, so that flow control stops the server. */
  pause(): void
  resume(): void
  /** Resets the stream; without an effect on a closed one. */
  close(code: number): void
}

export interface SessionListener {
  /** SETTINGS of the server have arrived, the first ones or later ones. */
  onSettings(): void
  /** The server accepts no new streams. `lastStream` is the last one that it may have processed, `reason` its debug data. */
  onGoaway(code: number, lastStream: number, reason?: string): void
  /** Nothing follows it. Null: the socket was closed without an error. */
  onClose(error: Error | null): void
}

/** The client's side of one HTTP/2 connection. */
export interface Http2Session {
  listener: SessionListener
  /** Whether it can open streams. */
  readonly isOpen: boolean
  readonly isClosed: boolean
  /** Maximum number of streams that the server accepts at the same time. */
  readonly streamLimit: number
  /**
   * Opens a stream.
   *
   * @param body The whole request; null: the caller writes it.
   * @throws if nothing was sent: the session is not open, or the headers are invalid.
   */
  request(headers: RequestHeaders, listener: StreamListener, body: Uint8Array | null): Http2Stream
  /** Sends empty SETTINGS, which the peer acknowledges at once (RFC 9113 section 6.5.3). */
  ask(answered: () => void): void
  /** From now on an open session does not keep the process alive. */
  unref(): void
  /** Sends GOAWAY and ends the socket. */
  close(): void
  destroy(): void
}
