/** Received bytes that wait for their reader, or for the rest of a message. */

/** Pieces up to this size are copied into slabs of at most this size, in bytes. */
const COPIED = 4096
const SLAB = 16 * 1024

/**
 * Small pieces are copied together, because each would keep what was read from the socket at once: 16 KiB of TLS, or 64 KiB. Large
 * ones are not copied.
 */
export class HeldData {
  /** Bytes of memory that were taken, whole read buffers included. */
  memory = 0
  readonly #pieces: Buffer[] = []
  readonly #slabSize: number
  #slab: Buffer | null = null
  /** The slab's part that is the last piece; empty if another one follows it. */
  #start = 0
  #end = 0
  /** The read buffer of the last piece that was not copied. */
  #kept: ArrayBufferLike | null = null

  /** @param most Bytes that will be held at most, if that is known. */
  constructor(most = Infinity) {
    this.#slabSize = Math.min(most, SLAB)
  }

  add(piece: Buffer): void {
    if (piece.length > COPIED) {
      this.#pieces.push(piece)
      this.#start = this.#end
      if (piece.buffer !== this.#kept) this.memory += piece.buffer.byteLength
      this.#kept = piece.buffer
      return
    }
    if (this.#slab === null || this.#end + piece.length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabSize, piece.length))
      this.#start = this.#end = 0
      this.memory += this.#slab.length
    }
    piece.copy(this.#slab, this.#end)
    if (this.#end > this.#start) this.#pieces.pop()
    this.#end += piece.length
    this.#pieces.push(this.#slab.subarray(this.#start, this.#end))
  }

  /** Removes the first piece; null: nothing is held. */
  take(): Buffer | null {
    const piece = this.#pieces.shift()
    if (this.#pieces.length === 0) this.#start = this.#end
    return piece ?? null
  }

  /** Removes all pieces, and returns them as one buffer. */
  takeAll(): Buffer {
    const pieces = this.#pieces.splice(0)
    this.#start = this.#end
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
  }
}
