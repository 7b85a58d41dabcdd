/** Calls that wait until an endpoint is ready, or until the client has logged in. */
import { MAX_DELAY } from '../report/duration.js'
import { EtcdMtlsError } from '../report/errors.js'
import { makeStatus, type Outcome, status } from './transport/channel.js'

/** Maximum number of calls that wait. In an outage, a process that starts calls without a limit must not run out of memory. */
export const MAX_WAITING = 10_000

export interface WaitingCall {
  /**
   * Longest wait in milliseconds; `Infinity` if the call has a deadline, which ends it. Null: it waits only while an
   * endpoint is connecting.
   */
  readonly longestWait: number | null
  /** Whether a connection has accepted it and ended since: then it is not refused because others wait. */
  readonly wasCarried: boolean
  /** The call was not sent. */
  refuse(outcome: Outcome): void
}

export class WaitingCalls<C extends WaitingCall> {
  /** Each with the timer that limits its wait. The timers keep the process alive. */
  readonly #calls = new Map<C, NodeJS.Timeout>()
  readonly #expire: (call: C) => void
  readonly #defaultLimit: number

  /**
   * @param expire Called when a call has waited for too long, after it was removed.
   * @param limit Longest wait of a call without a limit of its own, in milliseconds.
   */
  constructor(expire: (call: C) => void, limit: number) {
    this.#expire = expire
    this.#defaultLimit = limit
  }

  get size(): number {
    return this.#calls.size
  }

  /** Refuses a new call if too many are waiting. Streams are not limited: there is one for each watch or lease. */
  add(call: C): void {
    if (call.longestWait !== null && !call.wasCarried && this.#calls.size >= MAX_WAITING) {
      call.refuse(tooManyCalls())
      return
    }
    const timer = setTimeout(
      () => {
        this.remove(call)
        this.#expire(call)
      },
      Math.min(call.longestWait ?? this.#defaultLimit, MAX_DELAY),
    )
    this.#calls.set(call, timer)
  }

  remove(call: C): void {
    clearTimeout(this.#calls.get(call))
    this.#calls.delete(call)
  }

  /** Removes the calls that `serve` accepts. Streams are first: a keep-alive must not wait behind thousands of calls. */
  serve(serve: (call: C) => boolean): void {
    const isStream = ({ longestWait }: C): boolean => longestWait === null
    for (const call of [...this.#calls.keys()].sort((a, b) => Number(isStream(b)) - Number(isStream(a)))) {
      // Read and deleted first, because serving a call may end it or make it wait again, or serve all the others.
      const timer = this.#calls.get(call)
      if (timer === undefined) continue
      this.#calls.delete(call)
      if (serve(call)) clearTimeout(timer)
      else this.#calls.set(call, timer)
    }
  }

  /** Refuses all calls, or those that match. */
  refuse(outcome: () => Outcome, matches: (call: C) => boolean = () => true): void {
    const refused = [...this.#calls.keys()].filter(matches)
    if (refused.length === 0) return
    const reason = outcome()
    for (const call of refused) {
      this.remove(call)
      call.refuse(reason)
    }
  }
}

function tooManyCalls(): Outcome {
  const message = `The call was not sent: ${String(MAX_WAITING)} other calls already wait for an endpoint. Start fewer calls at a time.`
  const cause = new EtcdMtlsError('ERR_TOO_MANY_CALLS', message, { limit: MAX_WAITING })
  return { ...makeStatus(status.UNAVAILABLE, message), cause }
}
