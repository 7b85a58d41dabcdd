/** The smoothed round trip time of a connection (RFC 6298 section 2), in milliseconds. */

/** Samples that wait behind more than this in our own send queue measure the queue, in bytes. */
const LONG_QUEUE = 64 * 1024

export class RoundTrip {
  #smoothed: number
  #variation: number

  constructor(first: number) {
    this.#smoothed = first
    this.#variation = first / 2
  }

  get smoothed(): number {
    return this.#smoothed
  }

  /** How long an answer may take, as TCP's retransmission timeout: the mean and four times the mean deviation. */
  get timeout(): number {
    return this.#smoothed + 4 * this.#variation
  }

  /** @param queued What was sent before the question and may still be in transit, in bytes. */
  measure(sample: number, queued: number): void {
    if (queued > LONG_QUEUE) return
    this.#variation += (Math.abs(this.#smoothed - sample) - this.#variation) / 4
    this.#smoothed += (sample - this.#smoothed) / 8
  }
}
