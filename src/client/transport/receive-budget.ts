/**
 * Limits the bytes that all unfinished messages of a client hold together. A message within `grpc.max_receive_message_length` never fails because
 * of this limit: streams wait, by the flow control of HTTP/2, until others have finished. On each connection the oldest unfinished
 * message goes on, so an endpoint that does not finish its messages delays its own messages alone.
 */

/**
 * What unfinished messages of one client may hold before streams wait, in bytes: 16 messages of gRPC's default limit, 4 MiB. A client
 * that reads more than that at once is limited by the network and not by this.
 */
export const RECEIVE_BUDGET = 64 * 1024 * 1024

/** A stream with a message that has begun. */
export interface Receiver {
  /** Messages on one connection finish independently of those on others. */
  readonly connection: object | null
  /** Whether it waits for the caller to read an earlier message. */
  readonly isUnread: boolean
  /** The stream reads no more until {@link resumeReceiving}. */
  pauseReceiving(): void
  resumeReceiving(): void
}

export class ReceiveBudget {
  readonly #limit: number
  /** What each unfinished message holds, in bytes, in the order in which they began. */
  readonly #held = new Map<Receiver, number>()
  readonly #waiting = new Set<Receiver>()
  #total = 0

  constructor(limit = RECEIVE_BUDGET) {
    this.#limit = limit
  }

  /** A receiver holds this many bytes for a message that has not ended; 0: there is no such message. */
  update(receiver: Receiver, bytes: number): void {
    this.#total += bytes - (this.#held.get(receiver) ?? 0)
    if (bytes === 0) this.#held.delete(receiver)
    else this.#held.set(receiver, bytes)
    if (this.#total > this.#limit && bytes > 0 && !this.#isOldest(receiver)) {
      this.#waiting.add(receiver)
      receiver.pauseReceiving()
    }
    if (this.#waiting.size > 0) this.#resume()
  }

  /** The receiver has ended. */
  remove(receiver: Receiver): void {
    this.#waiting.delete(receiver)
    this.update(receiver, 0)
  }

  /** Whether it is the first on its connection of those whose messages the caller reads. */
  #isOldest(receiver: Receiver): boolean {
    for (const each of this.#held.keys()) {
      if (each.connection === receiver.connection && !each.isUnread) return each === receiver
    }
    return false
  }

  #resume(): void {
    for (const each of this.#waiting) {
      if (this.#total > this.#limit && !this.#isOldest(each)) continue
      this.#waiting.delete(each)
      each.resumeReceiving()
    }
  }
}
