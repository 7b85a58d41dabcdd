/** Between two looks at the clock, in milliseconds. */
const TICK = 10

/**
 * Time as this process was given it. A test that a client does not wait, or not for longer than configured, must not fail
 * because the machine is busy: while the process waits for a processor, this clock stands still.
 *
 * ```ts
 * using clock = new OwnTime()
 * await connect({ dialTimeout: '300ms' })
 * expect(clock.elapsed).toBeLessThan(1000)
 * ```
 */
export class OwnTime implements Disposable {
  #elapsed = 0
  #last = performance.now()
  readonly #timer = setInterval(() => {
    this.#count()
  }, TICK)

  /** Milliseconds since it was made. At most as many as went by: lower bounds need `performance.now()`. */
  get elapsed(): number {
    this.#count()
    return this.#elapsed
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #count(): void {
    const now = performance.now()
    this.#elapsed += Math.min(now - this.#last, 2 * TICK)
    this.#last = now
  }
}
