/** A server of HTTP/2 made by hand, for tests: it sends any frame, and records those of the client. */
import { Duplex } from 'node:stream'
import { encodeHeaders } from '../../src/client/http2/hpack.js'
import { FrameType } from '../../src/client/http2/protocol.js'
import { encodeSettings } from '../../src/client/http2/settings.js'

interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

const PREFACE = 24
const HEADER = 9

/** One end of a connection in memory; the other end is `peer`. */
class End extends Duplex {
  peer: End | null = null
  #pending: (() => void) | null = null

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    const pending = this.#pending
    this.#pending = null
    pending?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const { peer } = this
    if (peer === null || peer.destroyed || peer.push(chunk)) done()
    else peer.#pending = done
  }

  override _final(done: () => void): void {
    this.peer?.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.peer?.destroyed === false) setImmediate(() => this.peer?.destroy())
    done(error)
  }
}

/** Encodes a header block. */
export function encodeFields(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => encodeHeaders({ [name]: value })))
}

export class Http2Peer {
  /** The client's end. */
  readonly socket = new End()
  readonly frames: Frame[] = []
  readonly end = new End()
  #rest = Buffer.alloc(0)
  #preface = PREFACE
  #wake: () => void = () => undefined

  constructor() {
    this.socket.peer = this.end
    this.end.peer = this.socket
    this.end.on('data', (piece: Buffer) => {
      this.#receive(piece)
    })
  }

  send(type: number, frame: { flags?: number; stream?: number; payload?: Uint8Array } = {}): void {
    const { flags = 0, stream = 0, payload = new Uint8Array() } = frame
    const header = Buffer.alloc(HEADER)
    header.writeUIntBE(payload.length, 0, 3)
    header[3] = type
    header[4] = flags
    header.writeUInt32BE(stream, 5)
    this.end.write(Buffer.concat([header, payload]))
  }

  sendBytes(bytes: Uint8Array): void {
    this.end.write(bytes)
  }

  /** Waits for a frame that has not been returned before. */
  async next(type: number, isWanted: (frame: Frame) => boolean = () => true): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex((each) => each.type === type && isWanted(each))
      const [found] = at < 0 ? [] : this.frames.splice(at, 1)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** SETTINGS of the server, and the acknowledgement of the client's. */
  accept(settings: readonly (readonly [number, number])[] = []): void {
    const payload: Uint8Array = encodeSettings(settings)
    this.send(FrameType.SETTINGS, { payload })
    this.send(FrameType.SETTINGS, { flags: 1 })
  }

  #receive(piece: Buffer): void {
    let bytes = Buffer.concat([this.#rest, piece])
    if (this.#preface > 0) {
      const skipped = Math.min(this.#preface, bytes.length)
      this.#preface -= skipped
      bytes = bytes.subarray(skipped)
    }
    while (bytes.length >= HEADER) {
      const end = HEADER + bytes.readUIntBE(0, 3)
      if (bytes.length < end) break
      const [type = 0, flags = 0] = bytes.subarray(3, 5)
      this.frames.push({ type, flags, stream: bytes.readUInt32BE(5), payload: bytes.subarray(HEADER, end) })
      bytes = bytes.subarray(end)
    }
    this.#rest = bytes
    this.#wake()
  }
}
