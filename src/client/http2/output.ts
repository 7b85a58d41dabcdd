/** The send side of a connection: frames are collected and written once in a turn of the event loop. */
import type { Duplex } from 'node:stream'
import { type ErrorCode, Flag, FrameType } from './protocol.js'

export const FRAME_HEADER = 9
/** Frames are assembled in slabs of this size in bytes: one allocation for some hundred calls. */
const SLAB = 64 * 1024

export class Output {
  readonly #socket: Duplex
  readonly #drained: () => void
  #slab = Buffer.allocUnsafeSlow(SLAB)
  #start = 0
  #end = 0
  #full: Buffer[] = []
  #scheduled = false
  #blocked = false
  #ended = false
  /** Bytes that were put in, and that were given to the socket. */
  #total = 0
  #written = 0

  /** @param drained Called when the socket accepts more, after it was blocked. */
  constructor(socket: Duplex, drained: () => void) {
    this.#socket = socket
    this.#drained = drained
    socket.on('drain', this.#onDrain)
  }

  /** Whether the socket has more queued than it wants: DATA has to wait. */
  get isBlocked(): boolean {
    return this.#blocked
  }

  /** Bytes put in so far: the position of the next frame. */
  get position(): number {
    return this.#total
  }

  /** Whether the byte at this position was given to the socket, so that the peer may have it. */
  isWritten(position: number): boolean {
    return position < this.#written
  }

  /** Bytes that wait for the end of the turn. */
  get pending(): number {
    return this.#total - this.#written
  }

  bytes(bytes: Uint8Array): void {
    if (this.#ended) return
    const at = this.#reserve(bytes.length)
    this.#slab.set(bytes, at)
  }

  frame(type: number, flags: number, stream: number, ...payload: readonly Uint8Array[]): void {
    if (this.#ended) return
    let length = 0
    for (const each of payload) length += each.length
    let at = this.#reserve(FRAME_HEADER + length)
    const slab = this.#slab
    slab[at] = length >>> 16
    slab[at + 1] = length >>> 8
    slab[at + 2] = length
    slab[at + 3] = type
    slab[at + 4] = flags
    slab.writeUInt32BE(stream, at + 5)
    at += FRAME_HEADER
    for (const each of payload) {
      slab.set(each, at)
      at += each.length
    }
  }

  /** A frame whose payload is one number of 32 bits. */
  number(type: number, stream: number, value: number): void {
    const payload = Buffer.allocUnsafe(4)
    payload.writeUInt32BE(value)
    this.frame(type, 0, stream, payload)
  }

  goaway(errorCode: ErrorCode): void {
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(errorCode, 4)
    this.frame(FrameType.GOAWAY, 0, 0, payload)
  }

  acknowledge(type: typeof FrameType.SETTINGS | typeof FrameType.PING, payload: Uint8Array): void {
    this.frame(type, Flag.ACK, 0, payload)
  }

  /** Gives all that was put in to the socket, unless it is blocked: what waits here was certainly not sent. */
  readonly flush = (): void => {
    this.#scheduled = false
    if (this.#blocked || this.#ended || !this.#socket.writable) return
    const bytes = this.#take()
    if (bytes.length === 0) return
    this.#written = this.#total
    if (!this.#socket.write(bytes)) this.#blocked = true
  }

  /** Writes the rest, and nothing after it. */
  end(): void {
    this.#blocked = false
    this.flush()
    this.#ended = true
  }

  /** Discards what waits, which was certainly not sent, and writes GOAWAY alone. */
  abort(errorCode: ErrorCode): void {
    this.#take()
    this.goaway(errorCode)
    if (this.#socket.writable) this.#socket.write(this.#take())
    this.#ended = true
  }

  #take(): Buffer {
    const last = this.#slab.subarray(this.#start, this.#end)
    this.#start = this.#end
    return this.#full.length === 0 ? last : Buffer.concat([...this.#full.splice(0), last])
  }

  #reserve(length: number): number {
    if (this.#end + length > this.#slab.length) {
      if (this.#end > this.#start) this.#full.push(this.#slab.subarray(this.#start, this.#end))
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB, length))
      this.#start = this.#end = 0
    }
    const at = this.#end
    this.#end += length
    this.#total += length
    if (!this.#scheduled) {
      this.#scheduled = true
      process.nextTick(this.flush)
    }
    return at
  }

  readonly #onDrain = (): void => {
    this.#blocked = false
    this.flush()
    this.#drained()
  }
}
