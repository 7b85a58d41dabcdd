/**
 * Finds out that a peer went silent. TCP alone does not: a member that is paused, or behind a network that drops packets,
 * looks like one that is thinking. So the peer is asked, by an HTTP/2 PING, when calls wait and nothing arrives.
 *
 * etcd closes connections that ping too often (`--grpc-keepalive-min-time`, 5 s by default, two strikes free; grpc-go clears
 * the strikes whenever it sends data). Hence one ping at most per MIN_PING_INTERVAL, unless data came in since the last.
 */
export interface KeepaliveProbe {
  /** Sends a ping; false if it cannot. */
  ping(done: (error: Error | null) => void): boolean
  /** Octets received so far. */
  bytesRead(): number
  /** Whether a peer's answer is due; otherwise there are only streams on which silence is usual. */
  awaitsAnswer(): boolean
  /** Called once when the peer is taken for gone. */
  silent(): void
}

/** How often the connection is looked at while it carries calls, in milliseconds. */
const TICK = 300
/** Silence while an answer is due, until the peer is asked. */
const QUIET_WITH_ANSWER_DUE = 300
/** Silence while there are only watches and the like, until the peer is asked. */
const QUIET_OTHERWISE = 10_000
/** How long the answer to a ping may take. */
const PONG_TIMEOUT = 900
const MIN_PING_INTERVAL = 5500
/** A pong alone is no data: 17 octets of HTTP/2 in a TLS record. */
const PONG_OCTETS = 64

export class Keepalive {
  readonly #probe: KeepaliveProbe
  #timer: NodeJS.Timeout | undefined
  #lastTick = 0
  #lastBytes = 0
  #quietSince = 0
  #pingedAt: number | null = null
  #lastPing = -Infinity
  #bytesAtLastPing = 0

  constructor(probe: KeepaliveProbe) {
    this.#probe = probe
  }

  /** Starts watching; called when the first call begins. */
  start(): void {
    const now = performance.now()
    const bytes = this.#probe.bytesRead()
    // A ping that is still unanswered stays so: calls with short deadlines must not hide a silent peer for ever.
    if (bytes !== this.#lastBytes || this.#pingedAt === null) {
      this.#quietSince = now
      this.#pingedAt = null
      this.#lastBytes = bytes
    }
    this.#arm(now)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(now: number): void {
    this.#lastTick = now
    this.#timer = setTimeout(() => {
      this.#tick()
    }, TICK)
    // The calls hold the process; this timer only serves them.
    this.#timer.unref()
  }

  #tick(): void {
    const now = performance.now()
    // While our own process was held up, what arrived could not be read: that time is not the peer's.
    const heldUp = Math.max(0, now - this.#lastTick - TICK)
    this.#quietSince += heldUp
    if (this.#pingedAt !== null) this.#pingedAt += heldUp
    const bytes = this.#probe.bytesRead()
    if (bytes !== this.#lastBytes) {
      this.#lastBytes = bytes
      this.#quietSince = now
      this.#pingedAt = null
    } else if (this.#pingedAt !== null) {
      if (now - this.#pingedAt >= PONG_TIMEOUT) {
        this.stop()
        this.#probe.silent()
        return
      }
    } else if (this.#isTimeToAsk(now, bytes)) {
      this.#ask(now, bytes)
    }
    this.#arm(now)
  }

  #isTimeToAsk(now: number, bytes: number): boolean {
    const quiet = now - this.#quietSince
    if (quiet < QUIET_WITH_ANSWER_DUE) return false
    if (quiet < QUIET_OTHERWISE && !this.#probe.awaitsAnswer()) return false
    return now - this.#lastPing >= MIN_PING_INTERVAL || bytes > this.#bytesAtLastPing + PONG_OCTETS
  }

  #ask(now: number, bytes: number): void {
    this.#lastPing = now
    this.#bytesAtLastPing = bytes
    this.#pingedAt = now
    const sent = this.#probe.ping(() => {
      // The pong is seen as bytes that arrived; an error comes with the end of the session.
    })
    if (!sent) this.#pingedAt = null
  }
}
