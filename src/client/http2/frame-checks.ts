/** Checks of received frames that need no state of the connection, and the limit of frames without content. */
import { ConnectionError, ErrorCode, Flag } from './protocol.js'

/** Frames that a server has no reason to send often (RFC 9113 section 10.5): a burst of 2,000 and 100 a second are allowed. */
export class Glut {
  #allowance = 2000
  #since = performance.now()

  add(): void {
    this.#allowance -= 1
    if (this.#allowance > 0) return
    const now = performance.now()
    this.#allowance = Math.min(2000, (now - this.#since) / 10)
    this.#since = now
    if (this.#allowance < 1) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames without content')
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
