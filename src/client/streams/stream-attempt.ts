/** One attempt of a stream: a call on one connection, and what the resumer of the stream does with it. */
import type { EtcdMtlsError } from '../../report/errors.js'
import type { EtcdCall } from '../transport/call.js'
import { invalidAnswer, status } from '../transport/channel.js'
import { readCaughtUpStatus, readServerStatus, sendsProgressInOrder } from '../transport/health-check.js'

/** The part of a stream that its attempts use. */
interface AttemptOwner {
  /** The method of the stream, as `Watch/Watch`. */
  readonly method: string
  /** The callback of the message that the caller sends now. */
  takeSent(): (() => void) | undefined
  /** Whether the stream has not ended and still uses the attempt. */
  isUsed(): boolean
  /** Replaces the attempt by one with a new token. False if too many were refused. */
  replace(): boolean
}

/** The part of an attempt that the resumer of its stream uses. */
export type StreamAttempt = Omit<CallAttempt, 'call' | 'leave'>

export class CallAttempt {
  readonly call: EtcdCall
  readonly #owner: AttemptOwner
  #progressInOrder: Promise<boolean | null> | null = null
  #caughtUp: ReturnType<typeof readCaughtUpStatus> | null = null

  constructor(call: EtcdCall, owner: AttemptOwner) {
    this.call = call
    this.#owner = owner
  }

  /** The URL of the endpoint that carries it; null before that. */
  get endpoint(): string | null {
    return this.call.carriedBy
  }

  /** Discards the message after the end of the attempt: the resumer sends it again when the next one begins. */
  send(message: Buffer): void {
    this.call.send(message, this.#owner.takeSent())
  }

  /** Sets whether an answer of the server is due: the client then detects silence earlier. */
  expectAnswer(due: boolean): void {
    this.call.answerDue = due
  }

  /** Starts a new attempt with a new token. False if there is no token, or new ones were refused as well. */
  renewToken(details: string): boolean {
    if (this.call.token === null || !this.#owner.replace()) return false
    this.call.review(status.UNAUTHENTICATED, details)
    return true
  }

  /** The error for something that etcd refused by a message; null if it has nothing to do with users and roles. */
  explainRefusal(details: string, request: Buffer): EtcdMtlsError | null {
    return this.call.review(status.PERMISSION_DENIED, details, request).cause ?? null
  }

  /**
   * Whether an answer to a progress request comes after all the events before it, which depends on the version of the server.
   * Does not call back if this attempt has ended.
   */
  checkProgressOrder(known: (exact: boolean) => void): void {
    this.#progressInOrder ??= askProgressOrder(this.call)
    void this.#progressInOrder.then((exact) => {
      if (exact === null) this.#progressInOrder = null
      if (this.#owner.isUsed()) known(exact === true)
    })
  }

  /**
   * How far the member is once it has caught up with the others; null if it does not report that. Does not call back if this attempt has
   * ended.
   */
  whenCaughtUp(known: (reached: { revision: bigint; term: bigint } | null) => void): void {
    const { connection, token } = this.call
    if (connection === null) return
    this.#caughtUp ??= readCaughtUpStatus(connection, token).finally(() => (this.#caughtUp = null))
    void this.#caughtUp.then((reached) => {
      if (this.#owner.isUsed()) known(reached)
    })
  }

  invalidAnswer(reason: string): EtcdMtlsError {
    return invalidAnswer(this.#owner.method, this.endpoint, reason)
  }

  /** Ends it as a broken connection would: the stream continues over another one. */
  fail(details: string): void {
    this.call.cancelWithStatus(status.UNAVAILABLE, details)
  }

  leave(): void {
    this.call.cancelWithStatus(status.CANCELLED, 'The stream continues over another connection')
  }
}

/** Null: the server has not answered, and is asked again by the next inquiry. */
async function askProgressOrder({ connection, token }: EtcdCall): Promise<boolean | null> {
  const reported = connection === null ? null : await readServerStatus(connection, token)
  return reported === null ? null : reported.version !== null && sendsProgressInOrder(reported.version)
}
