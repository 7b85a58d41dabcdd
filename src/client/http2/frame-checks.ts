/** Checks of received frames that need no state of the connection, and the limit of frames without content. */
import { ConnectionError, ErrorCode, Flag } from './protocol.js'

/** Frames without content that are allowed at once, and each millisecond. */
const BURST = 2000
const PER_MILLISECOND = 0.1
/** More are allowed for each frame that we send, and for each KiB of data: Go gives both windows back every 4 KiB. */
const PER_FRAME = 8
const PER_KIB = 2
/** For the late frames of a stream that we reset. A window of 256 KiB holds so many frames of 64 bytes. */
const PER_RESET = 4096
const MOST = 100_000

/**
 * Limits frames without content (RFC 9113 section 10.5) to a multiple of what we send. A server has reasons for some: it gives
 * windows back, grpc-go pings once for each DATA frame to measure the round trip, and cancelled calls are still answered.
 */
export class Glut {
  #allowance = BURST
  #since = performance.now()

  /** @throws {ConnectionError} */
  add(): void {
    if (this.#allowance < 1) this.#refill()
    if (this.#allowance < 1) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames without content')
    this.#allowance -= 1
  }

  /** We sent a frame with so many bytes of data. */
  noteSent(bytes: number): void {
    this.#allow(PER_FRAME + (bytes / 1024) * PER_KIB)
  }

  noteReset(): void {
    this.#allow(PER_RESET)
  }

  #refill(): void {
    const now = performance.now()
    this.#allowance = Math.min(BURST, this.#allowance + (now - this.#since) * PER_MILLISECOND)
    this.#since = now
  }

  #allow(frames: number): void {
    this.#allowance = Math.min(MOST, this.#allowance + frames)
  }
}

export function expectLength(payload: Buffer, length: number): void {
  if (payload.length !== length) {
    throw new ConnectionError(
      ErrorCode.FRAME_SIZE_ERROR,
      `a frame of ${String(payload.length)} bytes in place of ${String(length)}`,
    )
  }
}

export function expectConnection(id: number): void {
  if (id !== 0)
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame of the connection on the stream ${String(id)}`)
}

export function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & Flag.PADDED) === 0) return payload
  const padding = payload[0] ?? Infinity
  if (padding >= payload.length) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'more padding than the frame has')
  return payload.subarray(1, payload.length - padding)
}
