/** The receive side of a connection: splits bytes into frames within the limits of RFC 9113. */
import { FRAME_HEADER } from './output.js'
import { ConnectionError, ErrorCode } from './protocol.js'

/** The longest payload in bytes: the default of SETTINGS_MAX_FRAME_SIZE, which we do not raise. */
export const MAX_FRAME = 16_384

type FrameListener = (type: number, flags: number, stream: number, payload: Buffer) => void

export class Input {
  readonly #onFrame: FrameListener
  /** What is not split yet; normally the start of an unfinished frame. */
  #rest: Buffer | null = null

  constructor(onFrame: FrameListener) {
    this.#onFrame = onFrame
  }

  /** Whether a whole frame waits, because the listener threw before it. */
  get hasFrame(): boolean {
    const rest = this.#rest
    return rest !== null && rest.length >= FRAME_HEADER && rest.length >= FRAME_HEADER + lengthAt(rest, 0)
  }

  /**
   * Passes on each frame that is complete.
   *
   * @throws {ConnectionError} for a frame that is too long. An exception of the listener loses no frame after it.
   */
  push(piece: Buffer): void {
    const bytes = this.#rest === null ? piece : Buffer.concat([this.#rest, piece])
    let at = 0
    try {
      while (bytes.length - at >= FRAME_HEADER) {
        const length = lengthAt(bytes, at)
        if (length > MAX_FRAME)
          throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${String(length)} bytes`)
        const start = at + FRAME_HEADER
        if (start + length > bytes.length) break
        const type = bytes[at + 3] ?? 0
        const flags = bytes[at + 4] ?? 0
        const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff
        at = start + length
        this.#onFrame(type, flags, stream, bytes.subarray(start, at))
      }
    } finally {
      this.#rest = at === bytes.length ? null : bytes.subarray(at)
    }
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 16) | bytes.readUInt16BE(at + 1)
}
