/** The socket of a session that is fuzzed: what arrives is emitted by hand, and what is written is kept. */
import { Duplex } from 'node:stream'

const PREFACE = 24
const HEADER = 9

interface Written {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

export class Sink extends Duplex {
  #pieces: Buffer[] = []
  #hasPreface = false

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    // What it reads is emitted by hand.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#pieces.push(chunk)
    done()
  }

  /** The frames since the last call. A session writes at the end of a turn, or as soon as the socket takes more. */
  frames(): Written[] {
    for (let before = -1; before < this.#pieces.length;) {
      before = this.#pieces.length
      this.emit('drain')
    }
    const bytes = Buffer.concat(this.#pieces)
    this.#pieces = []
    const frames: Written[] = []
    let at = this.#hasPreface || bytes.length === 0 ? 0 : PREFACE
    this.#hasPreface ||= bytes.length > 0
    while (at < bytes.length) {
      const end = at + HEADER + bytes.readUIntBE(at, 3)
      const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5)
      frames.push({ type, flags, id: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + HEADER, end) })
      at = end
    }
    return frames
  }
}
