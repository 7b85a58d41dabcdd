/** The contract between a resumable stream and the part that understands its messages. */
import type { EtcdMtlsError } from '../../report/errors.js'
import type { status } from '../channel.js'

/** What a resumer can do with the stream that it belongs to. */
export interface ResumableStream {
  /** Sends a message over the current attempt. */
  send(message: Buffer): void
  /** Passes a message to the caller, in a later turn of the event loop: never before the call of the caller has returned. */
  deliver(message: Buffer): void
  /** As {@link deliver}, for a message that may reach the caller in the same turn as others of this kind before it. */
  deliverInBurst(message: Buffer): void
  /** Whether the server owes an answer: the client then checks sooner whether it is still there. */
  expectAnswer(due: boolean): void
  /**
   * The server does not accept the token of this attempt: a new attempt follows, with a new token. False if there is no token, or
   * new ones were refused as well.
   */
  renewToken(details: string): boolean
  /** The error for something that etcd refused by a message; null if it has nothing to do with users and roles. */
  explainRefusal(details: string, request: Buffer): EtcdMtlsError | null
  /**
   * Whether an answer to a progress request comes after all the events before it, which depends on the version of the server.
   * Calls back at once or later, but not if this attempt has ended.
   */
  checkProgressOrder(known: (exact: boolean) => void): void
  /** Ends the stream for the caller. */
  fail(code: status, error: EtcdMtlsError): void
  /** The error for a message that the server should not have sent. */
  invalidAnswer(reason: string): EtcdMtlsError
}

/** Follows one stream. Every message of either side goes through it, in order. */
export interface StreamResumer {
  /**
   * A message of the caller.
   *
   * @throws {MalformedMessage}
   */
  outgoing(message: Buffer): void
  /**
   * A message of the server. What reaches the caller has been checked.
   *
   * @throws {MalformedMessage}
   */
  incoming(message: Buffer): void
  /** A new attempt begins: nothing was sent on it, and what was not answered on the one before never will be. */
  begin(): void
  /** The client is about to leave the attempt. Calls back when the stream is ready for that, at once or later. */
  prepareToMove(ready: () => void): void
  /** Called once a minute: asks the server for what keeps the stream resumable. */
  refresh(): void
  /** The stream has failed for the caller, who may open another one. */
  failed(): void
}
