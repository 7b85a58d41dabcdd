/** A lock that is held, or an election that is won. */

/** What {@link lock} and a campaign resolve to. Dispose of it with `await using`, or by `[Symbol.asyncDispose]()`. */
export interface Held extends AsyncDisposable {
  /**
   * The create revision of this holder's key, in decimal: each holder of the same name has a higher one than the holder before.
   * Send it with each write to what the lock guards, and let the store refuse a write whose token is below the highest it has
   * seen (compare as `BigInt`).
   */
  readonly fencingToken: string
  /**
   * Aborts before the lease can have expired, when etcd reports that the lease is gone, when the client is closed, and when
   * this is disposed of. `aborted` compares the clock with the lease's deadline each time it is read. `reason` is an
   * `EtcdMtlsError` with the code `ERR_LEASE_LOST` or `ERR_CLOSED`.
   */
  readonly signal: AbortSignal
  /**
   * Releases it: aborts {@link Held.signal} and revokes the lease, which deletes the key. May be called more than once, never
   * rejects, and takes at most two seconds. If etcd cannot be reached in that time, the attempts go on; a lease that cannot be
   * revoked expires on its own.
   */
  [Symbol.asyncDispose](): Promise<void>
}
