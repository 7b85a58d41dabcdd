/** The memory limit of the unfinished messages of a client. */

/**
 * Bytes that the unfinished messages of a client may hold before streams wait: 16 messages of the default limit of
 * gRPC, 4 MiB.
 */
const RECEIVE_BUDGET = 64 * 1024 * 1024

/** A stream with an unfinished message. */
export interface Receiver {
  readonly connection: object | null
  /** Whether it waits for the caller to read an earlier message. */
  readonly isPausedByCaller: boolean
  /** Stops reading until {@link resumeReceiving}. */
  pauseReceiving(): void
  resumeReceiving(): void
}

/**
 * Limits the memory of all unfinished messages of a client. Beyond the limit, streams wait (by the flow control of
 * HTTP/2) until others have finished. The oldest unfinished message of each connection continues, so an endpoint that
 * does not finish its messages delays only its own.
 */
export class ReceiveBudget {
  readonly #limit: number
  /** Bytes of each unfinished message, the oldest first. */
  readonly #held = new Map<Receiver, number>()
  readonly #waiting = new Set<Receiver>()
  #total = 0

  constructor(limit = RECEIVE_BUDGET) {
    this.#limit = limit
  }

  /** Sets the bytes of a receiver's unfinished message; 0: it has none. */
  update(receiver: Receiver, bytes: number): void {
    this.#total += bytes - (this.#held.get(receiver) ?? 0)
    if (bytes === 0) this.#held.delete(receiver)
    else this.#held.set(receiver, bytes)
    if (this.#total > this.#limit && bytes > 0 && !this.#isOldest(receiver)) {
      this.#waiting.add(receiver)
      receiver.pauseReceiving()
    }
    for (const each of this.#waiting) {
      if (this.#total > this.#limit && !this.#isOldest(each)) continue
      this.#waiting.delete(each)
      each.resumeReceiving()
    }
  }

  remove(receiver: Receiver): void {
    this.#waiting.delete(receiver)
    this.update(receiver, 0)
  }

  /** Whether it is the oldest on its connection that the caller has not paused. */
  #isOldest(receiver: Receiver): boolean {
    for (const each of this.#held.keys()) {
      if (each.connection === receiver.connection && !each.isPausedByCaller) return each === receiver
    }
    return false
  }
}
