/**
 * One contender for a lock or an election, as in etcd's client/v3/concurrency: a key under a lease of its own, created if
 * absent; it is first in the queue when no key of the prefix has a lower create revision.
 */
import { clientClosed } from '../client/tls-session.js'
import { LeaseKeeper, leaseDeadline, type LossReason } from '../client/streams/lease-keeper.js'
import { holdingProcess, pause } from '../client/timing.js'
import { randomInt64 } from '../client/transport/protobuf.js'
import { EtcdMtlsError } from '../report/errors.js'
import { ask, pauseBefore, type Store } from './store.js'

/** One place to contend for. */
export interface Place {
  /** For messages, as `lock "jobs"`. */
  readonly what: string
  /** Every contender's key is this and the id of its lease, as in clientv3's package concurrency and in etcdctl. */
  readonly prefix: string
  /** Milliseconds, whole seconds. */
  readonly ttl: number
}

/** What one contender brings. */
interface Claim {
  readonly value: string
  /** The caller's, until it is held. */
  readonly signal: AbortSignal | null
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal
}

/** Waits for its turn. */
export async function contend(store: Store, place: Place, claim: Claim): Promise<Held> {
  claim.signal?.throwIfAborted()
  if (claim.closing.aborted) throw clientClosed()
  return new Contender(store, place, claim).run()
}

class Contender {
  readonly #store: Store
  readonly #place: Place
  readonly #claim: Claim
  readonly #lease = randomInt64()
  readonly #over = new AbortController()
  #keeper: LeaseKeeper | null = null
  #released: Promise<void> | null = null

  constructor(store: Store, place: Place, claim: Claim) {
    this.#store = store
    this.#place = place
    this.#claim = claim
    readClockOn(this.#over.signal, () => this.#keeper?.check())
    claim.signal?.addEventListener('abort', this.#onAbort, { once: true })
    claim.closing.addEventListener('abort', this.#onClosing, { once: true })
  }

  async run(): Promise<Held> {
    const { signal } = this.#over
    const key = this.#place.prefix + this.#lease.toString(16)
    try {
      await this.#grant()
      const fencingToken = await this.#ask(() => this.#store.createKey(key, this.#claim.value, String(this.#lease)))
      await this.#untilFirst(key, fencingToken)
      signal.throwIfAborted()
      this.#claim.signal?.removeEventListener('abort', this.#onAbort)
      return { fencingToken, signal, [Symbol.asyncDispose]: () => this.#release() }
    } catch (error) {
      this.#abandon(error)
      throw error
    }
  }

  async #grant(): Promise<void> {
    const { ttl } = this.#place
    const id = String(this.#lease)
    // Before the first sending of the grant: the lease lives at least a TTL from then on, whichever attempt was applied.
    const since = performance.now()
    await this.#ask(() => this.#store.grant(id, ttl / 1000), leaseDeadline(since, ttl))
    this.#keeper = new LeaseKeeper({ id, ttl, since }, () => this.#store.openKeepAlive(), {
      onLost: (reason, cause) => {
        this.#end(this.#leaseLost(reason, cause))
      },
    })
  }

  async #untilFirst(key: string, createRevision: string): Promise<void> {
    const { prefix } = this.#place
    for (let attempt = 0; ; attempt += 1) {
      const { owned, ahead, revision } = await this.#ask(() => this.#store.look(prefix, key, createRevision))
      if (!owned) throw this.#leaseLost('gone', null)
      if (ahead === null) return
      // A watch that ended is no news of the key: look again, after a pause.
      if (!(await this.#untilDeleted(ahead, revision))) await pauseBefore(attempt, this.#over.signal)
    }
  }

  readonly #onAbort = (): void => {
    this.#abandon(this.#claim.signal?.reason)
  }

  readonly #onClosing = (): void => {
    this.#end(clientClosed())
  }

  /** Removes the key, as far as etcd can be reached. The caller does not wait for it. */
  #abandon(reason: unknown): void {
    this.#end(reason)
    void this.#release()
  }

  #release(): Promise<void> {
    const { what, ttl } = this.#place
    this.#end(new EtcdMtlsError('ERR_CLOSED', `The ${what} was released.`, { what }))
    this.#released ??= release(this.#store, String(this.#lease), ttl)
    return this.#released
  }

  async #ask<T>(call: () => Promise<T>, until?: number): Promise<T> {
    try {
      return await ask(this.#store, this.#over.signal, call, until)
    } catch (error) {
      throw this.#store.isLeaseGone(error) ? this.#leaseLost('gone', error) : error
    }
  }

  /** True if the key was deleted, or is to be checked again after a TTL because a watch may be silent; false if the watch ended. */
  async #untilDeleted(key: string, after: string): Promise<boolean> {
    const done = new AbortController()
    const stop = AbortSignal.any([done.signal, this.#over.signal])
    const finish = (): void => {
      done.abort()
    }
    void pause(this.#place.ttl, stop, true).then(finish)
    await this.#store.watch({ key }, after, stop, (changes) => {
      if (changes.some(({ type }) => type === 'delete')) finish()
    })
    const isChanged = stop.aborted
    finish()
    return isChanged
  }

  #end(reason: unknown): void {
    this.#keeper?.stop()
    this.#claim.signal?.removeEventListener('abort', this.#onAbort)
    this.#claim.closing.removeEventListener('abort', this.#onClosing)
    this.#over.abort(reason)
  }

  #leaseLost(reason: LossReason, cause: unknown): EtcdMtlsError<'ERR_LEASE_LOST'> {
    const { what, ttl } = this.#place
    const message =
      reason === 'gone'
        ? `etcd no longer has the lease or the key of the ${what}.`
        : `The lease of the ${what} may expire: etcd answered no keep-alive within its TTL of ${String(ttl / 1000)} s.`
    return new EtcdMtlsError('ERR_LEASE_LOST', message, { what, reason }, cause === null ? undefined : { cause })
  }
}

/**
 * Lets `aborted` of this one signal check the clock. A process that was paused runs its timers in the order of their times when it
 * continues, so that work may run before the timer that would abort.
 */
function readClockOn(signal: AbortSignal, check: () => void): void {
  const { prototype } = AbortSignal
  const get = (): unknown => {
    check()
    return Reflect.get(prototype, 'aborted', signal)
  }
  const throwIfAborted = (): void => {
    check()
    prototype.throwIfAborted.call(signal)
  }
  Object.defineProperties(signal, { aborted: { get }, throwIfAborted: { value: throwIfAborted } })
}

/** How long the caller waits for a release, in milliseconds. The attempts continue for as long as the lease may live. */
const RELEASE_TIMEOUT = 2000
/** For one attempt, in milliseconds: short, so that a silent endpoint leaves time for the others. */
const ATTEMPT_TIMEOUT = 700

/**
 * Revokes the lease, and its key with it, as soon as etcd can be reached. Never rejects: what cannot be revoked expires.
 *
 * @param ttl Milliseconds.
 */
export function release(store: Store, lease: string, ttl: number): Promise<void> {
  const released = new AbortController()
  const revoked = revoke(store, lease, performance.now() + ttl).finally(() => {
    released.abort()
  })
  return holdingProcess(Promise.race([revoked, pause(RELEASE_TIMEOUT, released.signal, true)]))
}

async function revoke(store: Store, lease: string, until: number): Promise<void> {
  const { signal } = new AbortController()
  for (let attempt = 0; performance.now() < until; attempt += 1) {
    try {
      await store.revoke(lease, ATTEMPT_TIMEOUT)
      return
    } catch (error) {
      // Done as well: etcd does not have the lease, or refuses; or the client is closed.
      if (!store.isTransient(error)) return
    }
    await pauseBefore(attempt, signal)
  }
}

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
