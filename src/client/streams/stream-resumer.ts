/** What it takes to carry a stream on over another connection: the part that knows what the messages mean. */

/** What a resumer can do with the stream that it belongs to. */
export interface ResumableStream {
  /** Sends a message over the attempt that the stream is on now. */
  send(message: Buffer): void
  /** Hands a message to the caller. */
  deliver(message: Buffer): void
  /** Whether the server owes an answer: it is then asked sooner whether it is still there. */
  expectAnswer(due: boolean): void
  /**
   * The server does not take the token that this attempt came with: a new attempt follows, with a new token. False where there is no
   * token, or where new ones were no better.
   */
  renewToken(details: string): boolean
}

/** Follows one stream. Every message of either side goes through it, in order. */
export interface StreamResumer {
  /** A message of the caller. */
  outgoing(message: Buffer): void
  /** A message of the server. */
  incoming(message: Buffer): void
  /** A new attempt begins: nothing was sent on it, and what was not answered on the one before never will be. */
  begin(): void
  /** The stream is about to leave its attempt by our own will. Calls back when it is well prepared for that, at once or later. */
  prepareToMove(ready: () => void): void
  /** The stream has failed for the caller, who may make another one of his own. */
  failed(): void
}
