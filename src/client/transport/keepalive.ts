/**
 * Notices that a peer stopped answering while calls are open. The peer is asked by an empty SETTINGS frame, which it acknowledges at once
 * (RFC 9113 section 6.5.3): servers of grpc-go close connections that PING more often than every five seconds (etcd
 * `--grpc-keepalive-min-time`; grpc-go internal/transport/http2_server.go, handlePing).
 *
 * It is given up after three seconds or three round trips of silence, whichever is longer, and sooner on a fast network. Slow is not
 * silent: the limit follows the measured round trip, every byte that arrives restarts it, and a long send queue extends it.
 */

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
/** What arrived is read between two checks, even if the first is overdue. */
const SHORTEST_TICK = 20
/** Silence until the first question while an answer is due, and until a question in every other case, in milliseconds. */
const QUIET_WITH_ANSWER_DUE = 300
const QUIET = 1000
/** An answer may take this long on any network: servers pause, too, for example in garbage collection. */
const MIN_LIMIT = 1200
/** A frozen peer is noticed within this time in milliseconds, or within this number of round trips if that is longer. */
const NOTICED_WITHIN = 3000
const NOTICED_WITHIN_ROUND_TRIPS = 3
/** What a round trip may exceed its mean by. */
const TOLERANCE = 1.5
/** Send queues up to this length need no extension of the limit, in bytes. */
const SHORT_QUEUE = 32 * 1024
/** The rate at which a longer one is expected to drain, in bytes per millisecond, and the longest extension for it. */
const DRAIN_RATE = 32
const LONGEST_EXTENSION = 5000
/** Samples that wait behind more than this in our own send queue measure the queue, in bytes. */
const LONG_QUEUE = 64 * 1024

export class Keepalive {
  readonly #probe: KeepaliveProbe
  /** The round trip time (RFC 6298 section 2): its mean and its mean deviation, in milliseconds. */
  #roundTrip: number
  #deviation: number
  #timer: NodeJS.Timeout | undefined
  /** When the timer was armed, and for how long. */
  #armedAt = 0
  #armedFor = 0
  #lastBytes = 0
  /** When something arrived last, or the calls began. */
  #heardAt = 0
  #askedAt = -Infinity
  #question: Promise<void> | null = null
  /** What was written when the last question was asked that has an answer, in bytes. */
  #confirmed: number

  constructor(probe: KeepaliveProbe, roundTrip: number) {
    this.#probe = probe
    this.#roundTrip = roundTrip
    this.#deviation = roundTrip / 2
    this.#confirmed = probe.bytesWritten()
  }

  start(): void {
    const now = performance.now()
    // A question without an answer keeps its time: calls with short deadlines must not hide a silent peer forever.
    if (this.#hasHeard() || this.#question === null) this.#heardAt = now
    this.#arm(now)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** Resolves when the peer answers; never if the connection ends before. Only one question is open at a time. */
  ask(): Promise<void> {
    this.#question ??= new Promise((resolve) => {
      const written = this.#probe.bytesWritten()
      const asked = performance.now()
      this.#askedAt = asked
      this.#probe.ask(() => {
        this.#heardAt = performance.now()
        if (written - this.#confirmed <= LONG_QUEUE) this.#measure(this.#heardAt - asked)
        this.#confirmed = written
        this.#question = null
        this.#hasHeard()
        resolve()
      })
    })
    return this.#question
  }

  #measure(sample: number): void {
    this.#deviation += (Math.abs(this.#roundTrip - sample) - this.#deviation) / 4
    this.#roundTrip += (sample - this.#roundTrip) / 8
  }

  #hasHeard(): boolean {
    const bytes = this.#probe.bytesRead()
    const heard = bytes !== this.#lastBytes
    this.#lastBytes = bytes
    return heard
  }

  #arm(now: number): void {
    this.#armedAt = now
    // Rounded up: a timer that fires a fraction too early would be armed for nothing.
    this.#armedFor = Math.ceil(Math.min(TICK, Math.max(SHORTEST_TICK, this.#due() - now)))
    // The calls keep the process alive; this timer only serves them.
    this.#timer = setTimeout(this.#tick, this.#armedFor).unref()
  }

  readonly #tick = (): void => {
    const now = performance.now()
    // While our own process was held up, it could not read what arrived: that time does not count.
    const heldUp = Math.max(0, now - this.#armedAt - this.#armedFor)
    this.#heardAt += heldUp
    this.#askedAt += heldUp
    if (this.#hasHeard()) this.#heardAt = now
    if (now >= this.#due()) {
      if (this.#question !== null) {
        this.#probe.silent()
        return
      }
      void this.ask()
    }
    this.#arm(now)
  }

  /** When the peer is asked or, after a question, given up, unless something arrives. */
  #due(): number {
    if (this.#question !== null) return Math.max(this.#heardAt, this.#askedAt) + this.#limit()
    // An answer that takes long is normal: only the first question comes early.
    const isFirst = this.#heardAt - this.#askedAt >= QUIET
    return this.#heardAt + (isFirst && this.#probe.awaitsAnswer() ? QUIET_WITH_ANSWER_DUE : QUIET)
  }

  #limit(): number {
    const mean = this.#roundTrip
    // As TCP's retransmission timeout.
    const expected = Math.max(mean + 4 * this.#deviation, TOLERANCE * mean)
    // What was in transit when the peer froze still arrives, and then the quiet has to pass.
    const longest = Math.max(NOTICED_WITHIN, NOTICED_WITHIN_ROUND_TRIPS * mean) - mean / 2 - QUIET
    const queue = Math.max(0, this.#probe.bytesWritten() - this.#confirmed - SHORT_QUEUE)
    return Math.max(MIN_LIMIT, Math.min(expected, longest)) + Math.min(LONGEST_EXTENSION, queue / DRAIN_RATE)
  }
}
