/** The receive side of a connection: splits bytes into frames within the limits of RFC 9113. */
import { FRAME_HEADER } from './output.js'
import { ConnectionError, ErrorCode, Flag, FrameType } from './protocol.js'

/** The longest payload in bytes: the default of SETTINGS_MAX_FRAME_SIZE, which we do not raise. */
export const MAX_FRAME = 16_384

type FrameListener = (type: number, flags: number, stream: number, payload: Buffer) => void

/** The beginning of a DATA frame is passed on from this size in bytes on; less of it waits for the rest. */
const SMALL = 1024

/** A flag of ours, beyond the eight bits of flags: the payload is a part of a DATA frame, and another part follows. */
export const PARTIAL = 0x100

export class Input {
  readonly #onFrame: FrameListener
  /** What is not split yet; normally the start of an unfinished frame. */
  #rest: Buffer | null = null
  /** The DATA frame of which a part was passed on, and the bytes that are missing of it. */
  #missing = 0
  #flags = 0
  #stream = 0

  constructor(onFrame: FrameListener) {
    this.#onFrame = onFrame
  }

  /** Whether a whole frame waits, because the listener threw before it. */
  get hasFrame(): boolean {
    const rest = this.#rest
    if (rest !== null && this.#missing > 0) return true
    return rest !== null && rest.length >= FRAME_HEADER && rest.length >= FRAME_HEADER + lengthAt(rest, 0)
  }

  /**
   * Passes on each frame that is complete, and of large DATA what has arrived, which is not copied here.
   *
   * @throws {ConnectionError} for a frame that is too long. An exception of the listener loses no frame after it.
   */
  push(piece: Buffer): void {
    const bytes = this.#rest === null ? piece : Buffer.concat([this.#rest, piece])
    let at = 0
    try {
      if (this.#missing > 0) {
        at = Math.min(this.#missing, bytes.length)
        this.#passPart(bytes.subarray(0, at))
      }
      while (bytes.length - at >= FRAME_HEADER) {
        const length = lengthAt(bytes, at)
        if (length > MAX_FRAME)
          throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${String(length)} bytes`)
        const start = at + FRAME_HEADER
        const end = start + length
        const type = bytes[at + 3] ?? 0
        const flags = bytes[at + 4] ?? 0
        const isPart = end > bytes.length
        if (isPart && (type !== FrameType.DATA || (flags & Flag.PADDED) !== 0 || bytes.length - start < SMALL)) break
        const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff
        at = isPart ? bytes.length : end
        if (isPart) this.#passFirst(length, flags, stream, bytes.subarray(start))
        else this.#onFrame(type, flags, stream, bytes.subarray(start, end))
      }
    } finally {
      this.#rest = at === bytes.length ? null : bytes.subarray(at)
    }
  }

  #passFirst(length: number, flags: number, stream: number, part: Buffer): void {
    this.#missing = length
    this.#flags = flags
    this.#stream = stream
    this.#passPart(part)
  }

  #passPart(part: Buffer): void {
    this.#missing -= part.length
    const flags = this.#missing === 0 ? this.#flags : (this.#flags & ~Flag.END_STREAM) | PARTIAL
    this.#onFrame(FrameType.DATA, flags, this.#stream, part)
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 16) | bytes.readUInt16BE(at + 1)
}
