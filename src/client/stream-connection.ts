/**
 * Where streams that do not end are opened, and the second connection to an endpoint. It carries only such streams, for which the
 * first one has no room: that one leaves some of its streams free for calls.
 */
import { Backoff } from './base/timing.js'
import type { Dialled } from './transport/address-attempt.js'
import type { Connection } from './transport/connection.js'

/** Milliseconds between two attempts. */
const PAUSES = { first: 100, longest: 15_000 }

export class StreamConnection {
  /** Null: it was not reached, or its credentials are not the current ones any more. */
  readonly #dial: () => Promise<Dialled | null>
  readonly #changed: () => void
  readonly #backoff = new Backoff(PAUSES)
  #first: Connection | null = null
  #dialled: Dialled | null = null
  #isDialling = false
  #hasFailed = false
  #retryTimer: NodeJS.Timeout | undefined

  /** @param changed Called when there is a second connection, or none any more. */
  constructor(dial: () => Promise<Dialled | null>, changed: () => void) {
    this.#dial = dial
    this.#changed = changed
  }

  get connection(): Connection | null {
    return this.#dialled?.connection ?? null
  }

  /** Whether one more stream can be opened here, or perhaps on a connection that is dialled for it. */
  get hasRoom(): boolean {
    return this.connection?.hasLastingRoom ?? !this.#hasFailed
  }

  /** Carries the streams for which this connection has no room. */
  follow(first: Connection): void {
    this.#first = first
    first.reserveForCalls(true)
    first.onStreams = this.#balance
    this.#balance()
  }

  /** Takes the connection out of use, and dials no other one before the next {@link follow}. */
  release(): Dialled | null {
    const dialled = this.#dialled
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    this.#first = null
    this.#dialled = null
    if (dialled !== null) dialled.connection.onStreams = null
    return dialled
  }

  lost(connection: Connection): void {
    if (connection !== this.connection) return
    this.#dialled = null
    this.#retry()
    this.#changed()
  }

  /** Called when a stream waits on the first connection, and when one has ended on the second. */
  readonly #balance = (): void => {
    const { connection } = this
    if (this.#first?.needsRoom !== true) return
    if (connection === null) void this.#open()
    else while (connection.hasLastingRoom && this.#first.releaseStream());
  }

  async #open(): Promise<void> {
    if (this.#isDialling || this.#retryTimer !== undefined) return
    this.#isDialling = true
    this.#backoff.started()
    const dialled = await this.#dial()
    this.#isDialling = false
    this.#hasFailed = dialled?.connection.open !== true
    if (dialled === null || this.#hasFailed || this.#first === null) {
      dialled?.connection.destroy()
      this.#retry()
      return
    }
    const { connection } = dialled
    this.#dialled = dialled
    connection.reserveForCalls(false)
    connection.onStreams = this.#balance
    this.#first.migrateExcess()
    this.#balance()
    this.#changed()
  }

  /** A server may end each connection right after it was accepted. */
  #retry(): void {
    clearTimeout(this.#retryTimer)
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined
      this.#balance()
    }, this.#backoff.failed()).unref()
  }
}

/** A stream to which its endpoint owes an answer counts as so many others when the endpoint of a new stream is chosen. */
const OWED = 1000

/** The part of an endpoint that decides whether it gets a stream. */
interface StreamEndpoint {
  readonly endpoint: { readonly url: string }
  readonly connection: Connection | null
  readonly isLeaderless: boolean
  readonly hasStreamRoom: boolean
}

interface OpenStream {
  readonly openEnded: boolean
  readonly carriedBy: string | null
  readonly answerDue: boolean
}

/** The streams that do not end which each ready endpoint carries on its own; not limited while no endpoint is ready. */
export function lastingStreams(ready: readonly StreamEndpoint[]): number {
  return Math.min(...ready.map(({ connection }) => connection?.lastingLimit ?? Infinity))
}

/**
 * The endpoints that a new stream should not use, with `avoid`. The others owe the fewest answers to streams of this client, and have the
 * fewest streams. A keep-alive that gets no answer is sent over another stream, which must not go to the same endpoint.
 */
export function othersForStream(
  ready: readonly StreamEndpoint[],
  carried: Iterable<OpenStream>,
  avoid: ReadonlySet<string>,
): ReadonlySet<string> {
  const streams = new Map<string | null, number>()
  for (const { openEnded, carriedBy, answerDue } of carried) {
    if (openEnded) streams.set(carriedBy, (streams.get(carriedBy) ?? 0) + (answerDue ? OWED : 1))
  }
  const usable = ready.filter((each) => each.connection?.open === true && !each.isLeaderless)
  const roomy = usable.filter((each) => each.hasStreamRoom)
  const urls = (roomy.length > 0 ? roomy : usable)
    .map(({ endpoint }) => endpoint.url)
    .filter((each) => !avoid.has(each))
  const least = Math.min(...urls.map((each) => streams.get(each) ?? 0))
  const best = new Set(urls.filter((each) => (streams.get(each) ?? 0) === least))
  const others = usable.map(({ endpoint }) => endpoint.url).filter((each) => !best.has(each))
  return new Set([...avoid, ...others])
}
