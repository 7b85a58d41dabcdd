/** Detects that the peer of a connection stopped answering. */

interface KeepaliveProbe {
  ask(answered: () => void): void
  bytesRead(): number
  bytesWritten(): number
  /** Whether an answer of the peer is due; otherwise there are only streams on which silence is normal. */
  awaitsAnswer(): boolean
  silent(): void
}

/** How often the connection is checked while it carries calls, in milliseconds. */
const TICK = 200
/** Minimum in milliseconds, so that received data is read between two checks. */
const SHORTEST_TICK = 20
/** Milliseconds of silence before the first question while an answer is due, and before one in all other cases. */
const QUIET_WITH_ANSWER_DUE = 300
const QUIET = 1000
/**
 * Minimum milliseconds to wait for an answer on any network: servers also pause, for example for garbage collection.
 */
const MIN_LIMIT = 1200
/**
 * A frozen peer is detected within this time in milliseconds, or within this number of round trips if that is longer.
 */
const DETECTED_WITHIN = 3000
const DETECTED_WITHIN_ROUND_TRIPS = 3
/** A round trip may take this multiple of the mean. */
const TOLERANCE = 1.5
/** Send queues up to this length need no extension of the limit, in bytes. */
const SHORT_QUEUE = 32 * 1024
/** The rate at which a longer one is expected to drain, in bytes per millisecond, and the longest extension for it. */
const DRAIN_RATE = 32
const LONGEST_EXTENSION = 5000
/** Samples behind more queued bytes than this are ignored: they measure our send queue. */
const LONG_QUEUE = 64 * 1024

/**
 * Detects that the peer stopped answering while calls are open. It sends an empty SETTINGS frame, which the peer
 * acknowledges at once (RFC 9113 section 6.5.3), and not PING: servers of grpc-go close connections that PING more
 * often than every five seconds (etcd `--grpc-keepalive-min-time`; grpc-go internal/transport/http2_server.go,
 * handlePing).
 *
 * The connection is lost after three seconds or three round trips of silence, whichever is longer, and earlier on a
 * fast network. The limit follows the measured round trip. Every received byte restarts it, and a long send queue
 * extends it.
 */
export class Keepalive {
  readonly #probe: KeepaliveProbe
  /** The round trip time (RFC 6298 section 2): its mean and its mean deviation, in milliseconds. */
  #roundTrip: number
  #deviation: number
  #timer: NodeJS.Timeout | undefined
  #isRunning = false
  /** When the timer was armed, and for how long. */
  #armedAt = 0
  #armedFor = 0
  #lastBytes = 0
  /** When data last arrived, or the first call started. */
  #lastReceivedAt = 0
  #sentAt = -Infinity
  #pending: Promise<void> | null = null
  /** Bytes that had been written when the last acknowledged question was sent. */
  #confirmed: number

  constructor(probe: KeepaliveProbe, roundTrip: number) {
    this.#probe = probe
    this.#roundTrip = roundTrip
    this.#deviation = roundTrip / 2
    this.#confirmed = probe.bytesWritten()
  }

  start(): void {
    const now = performance.now()
    // A pending question keeps its start time, so that calls with short deadlines do not hide a silent peer.
    if (this.#hasReceived() || this.#pending === null) this.#lastReceivedAt = now
    this.#isRunning = true
    // A timer that still runs fires early enough, unless a question is pending.
    if (this.#timer !== undefined && this.#pending === null) this.#timer.ref()
    else this.#arm(now)
  }

  /** Leaves the timer, because the next call often comes at once. */
  stop(): void {
    this.#isRunning = false
    this.#timer?.unref()
  }

  /** Resolves when the peer answers; never if the connection ends first. Only one question is pending at a time. */
  ask(): Promise<void> {
    this.#pending ??= new Promise((resolve) => {
      const written = this.#probe.bytesWritten()
      const asked = performance.now()
      this.#sentAt = asked
      this.#probe.ask(() => {
        this.#lastReceivedAt = performance.now()
        if (written - this.#confirmed <= LONG_QUEUE) this.#measure(this.#lastReceivedAt - asked)
        this.#confirmed = written
        this.#pending = null
        this.#hasReceived()
        resolve()
      })
    })
    return this.#pending
  }

  #measure(sample: number): void {
    this.#deviation += (Math.abs(this.#roundTrip - sample) - this.#deviation) / 4
    this.#roundTrip += (sample - this.#roundTrip) / 8
  }

  #hasReceived(): boolean {
    const bytes = this.#probe.bytesRead()
    const received = bytes !== this.#lastBytes
    this.#lastBytes = bytes
    return received
  }

  #arm(now: number): void {
    this.#armedAt = now
    // Rounded up, because a timer that fires early would have to be armed again.
    this.#armedFor = Math.ceil(Math.min(TICK, Math.max(SHORTEST_TICK, this.#due() - now)))
    // It keeps the process alive while there are calls. Node's socket does not always: if the peer resets the connection
    // while a frame is written, it waits for nothing and reports nothing.
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#tick, this.#armedFor)
  }

  readonly #tick = (): void => {
    this.#timer = undefined
    if (!this.#isRunning) return
    const now = performance.now()
    // While this process was blocked it could not read, so that time does not count.
    const blocked = Math.max(0, now - this.#armedAt - this.#armedFor)
    this.#lastReceivedAt += blocked
    this.#sentAt += blocked
    if (this.#hasReceived()) this.#lastReceivedAt = now
    if (now >= this.#due()) {
      if (this.#pending !== null) {
        this.#probe.silent()
        return
      }
      void this.ask()
    }
    this.#arm(now)
  }

  /** When to ask or, while a question is pending, to report silence, unless data arrives. */
  #due(): number {
    if (this.#pending !== null) return Math.max(this.#lastReceivedAt, this.#sentAt) + this.#limit()
    // Only the first question is early, because slow answers are normal.
    const isFirst = this.#lastReceivedAt - this.#sentAt >= QUIET
    return this.#lastReceivedAt + (isFirst && this.#probe.awaitsAnswer() ? QUIET_WITH_ANSWER_DUE : QUIET)
  }

  #limit(): number {
    const mean = this.#roundTrip
    // As TCP's retransmission timeout.
    const expected = Math.max(mean + 4 * this.#deviation, TOLERANCE * mean)
    // Data in transit still arrives after the peer froze, and then QUIET must pass.
    const longest = Math.max(DETECTED_WITHIN, DETECTED_WITHIN_ROUND_TRIPS * mean) - mean / 2 - QUIET
    const queue = Math.max(0, this.#probe.bytesWritten() - this.#confirmed - SHORT_QUEUE)
    return Math.max(MIN_LIMIT, Math.min(expected, longest)) + Math.min(LONGEST_EXTENSION, queue / DRAIN_RATE)
  }
}
