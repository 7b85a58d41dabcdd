/** When an endpoint that has failed is dialled again. */
import { backoffPause } from '../../report/duration.js'

const PAUSES = { first: 100, longest: 5000 }
/** A connection that lasted this many milliseconds resets the back-off; one that is lost sooner counts as a failure. */
const STABLE_AFTER = 10_000
/** Longest pause in milliseconds after a failure while calls wait. */
export const CALL_BACKOFF = 1000
/** The same if no address answered, so that an attempt costs a server nothing. */
export const UNANSWERED_BACKOFF = 400

export class DialBackoff {
  readonly #dial: () => void
  /** Consecutive failed attempts and connections lost early. */
  #failures = 0
  /** When a call may dial before the pause ends, by `performance.now()`. */
  #callsMayDialAt = -Infinity
  #timer: NodeJS.Timeout | undefined

  /** @param dial Called at the end of each pause. */
  constructor(dial: () => void) {
    this.#dial = dial
  }

  /** Forgets the failures. */
  reset(): void {
    this.#failures = 0
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** Dials now, or when a call may do so: earlier than the pause ends. */
  dialForCall(): void {
    const left = this.#callsMayDialAt - performance.now()
    if (left > 0) this.#dialIn(left)
    else this.#dial()
  }

  /**
   * Counts a connection that was lost after `lived` milliseconds.
   *
   * @param isPlanned A proxy that ends a connection after some number of requests is not a failure.
   * @returns Whether to dial at once: most connections are lost because a member restarts or a proxy closes them.
   */
  lost(lived: number, isPlanned: boolean): boolean {
    const livedLong = lived >= STABLE_AFTER || isPlanned
    // In a rolling restart a member may stop again after a second: calls must not wait long for it.
    if (lived >= CALL_BACKOFF) this.#failures = Math.min(this.#failures, 1)
    if (!livedLong && this.#failures > 0) return false
    this.#failures = livedLong ? 0 : 1
    return true
  }

  /**
   * Counts a failure and dials after the pause, which is returned in milliseconds.
   *
   * @param longestForCalls The longest pause in milliseconds for calls.
   * @param isAwaited Whether the pause itself is not to be longer: each attempt at a server that refuses the client is a line in its log.
   */
  failed(longestForCalls: number, isAwaited: boolean): number {
    this.#failures += 1
    const pause = backoffPause(this.#failures, { ...PAUSES, ...(isAwaited ? { longest: longestForCalls } : {}) })
    this.#callsMayDialAt = performance.now() + Math.min(pause, longestForCalls)
    this.#dialIn(pause)
    return pause
  }

  #dialIn(milliseconds: number): void {
    clearTimeout(this.#timer)
    // An idle client must not keep the process alive.
    this.#timer = setTimeout(this.#dial, milliseconds).unref()
  }
}
