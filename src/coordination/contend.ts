/**
 * A contender for a lock or an election, as in etcd's client/v3/concurrency: it creates a key under its own lease, and holds when no
 * other contender's key of the prefix has a lower create revision.
 */
import {
  clientClosed,
  holdingProcess,
  leaseDeadline,
  LeaseKeeper,
  type LossReason,
  type OnAbort,
  pause,
  randomInt64,
} from '../client/internal.js'
import { EtcdMtlsError } from '../report/index.js'
import { type ContenderKey, pauseBefore, type QueuePosition, type Store, withRetries } from './store.js'

/** The queue of contenders of one lock or election. */
export interface Queue {
  /** For messages, such as `lock "jobs"`. */
  readonly label: string
  /** A contender's key is the prefix followed by its lease id, as in clientv3's package concurrency and in etcdctl. */
  readonly prefix: string
  /** Milliseconds; a multiple of 1000. */
  readonly ttl: number
}

export interface ContenderOptions {
  readonly value: string
  /** Ends the wait; ignored once the contender holds. */
  readonly signal: AbortSignal | null
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal
  readonly onAbort: OnAbort
}

/** A key of a contender, which the queue is ordered by. */
interface OwnKey {
  readonly key: string
  readonly createRevision: string
}

/** What {@link tryLock} resolves to: the lock, or the value of the contender that holds it. */
export type TryLockResult = { readonly held: Held } | { readonly held: null; readonly holder: string }

/** Joins the queue, and resolves when the contender is first. */
export async function contend(store: Store, queue: Queue, options: ContenderOptions): Promise<Held> {
  return begin(store, queue, options).run()
}

/** Holds if nobody else does, and does not wait. */
export async function tryContend(store: Store, queue: Queue, options: ContenderOptions): Promise<TryLockResult> {
  return begin(store, queue, options).tryRun()
}

function begin(store: Store, queue: Queue, options: ContenderOptions): Contender {
  options.signal?.throwIfAborted()
  if (options.closing.aborted) throw clientClosed()
  return new Contender(store, queue, options)
}

class Contender {
  readonly #store: Store
  readonly #queue: Queue
  readonly #options: ContenderOptions
  readonly #lease = randomInt64()
  readonly #over = new AbortController()
  #keeper: LeaseKeeper | null = null
  #released: Promise<void> | null = null
  #ignoreSignal = (): void => undefined
  #ignoreClosing = (): void => undefined
  #ignoreChange = (): void => undefined

  constructor(store: Store, queue: Queue, options: ContenderOptions) {
    this.#store = store
    this.#queue = queue
    this.#options = options
    checkBeforeRead(this.#over.signal, () => this.#keeper?.check())
    const { signal, closing, onAbort } = options
    if (signal !== null) this.#ignoreSignal = onAbort(signal, this.#onAbort)
    this.#ignoreClosing = onAbort(closing, this.#onClosing)
  }

  run(): Promise<Held> {
    return this.#orAbandon(async () => {
      const own = await this.#join()
      await this.#untilFirst(own)
      return this.#hold(own)
    })
  }

  /** Like etcd's concurrency.TryLock, but a lock that is held costs one read and no lease. */
  tryRun(): Promise<TryLockResult> {
    return this.#orAbandon(async () => {
      // No lease that is lost ends it yet.
      const holder = await this.#readHolder(performance.now() + this.#queue.ttl)
      if (holder === null) return this.#tryToHold(await this.#join())
      this.#end(this.#wasReleased())
      return { held: null, holder: holder.value }
    })
  }

  async #tryToHold(own: OwnKey): Promise<TryLockResult> {
    for (;;) {
      const { ahead } = await this.#readQueue(own)
      if (ahead === null) return { held: this.#hold(own) }
      const holder = await this.#readHolder()
      // The contender that was ahead may have left in between.
      if (holder === null || holder.key === own.key) continue
      await this.#release()
      return { held: null, holder: holder.value }
    }
  }

  async #orAbandon<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#abandon(error)
      throw error
    }
  }

  /** Creates the key under a lease of its own. */
  async #join(): Promise<OwnKey> {
    const key = this.#queue.prefix + this.#lease.toString(16)
    await this.#grant()
    const createRevision = await this.#withRetries(() =>
      this.#store.createKey(key, this.#options.value, String(this.#lease)),
    )
    return { key, createRevision }
  }

  #hold({ createRevision }: OwnKey): Held {
    const { signal } = this.#over
    signal.throwIfAborted()
    this.#ignoreSignal()
    const release = (): Promise<void> => this.#release()
    return { fencingToken: createRevision, signal, release, [Symbol.asyncDispose]: release }
  }

  async #grant(): Promise<void> {
    const { ttl } = this.#queue
    const id = String(this.#lease)
    const first = performance.now()
    // The lease lives at least a TTL from the attempt that created it.
    const grant = async (): Promise<number> => {
      const begin = performance.now()
      return (await this.#store.grant(id, ttl / 1000)) ? first : begin
    }
    const since = await this.#withRetries(grant, leaseDeadline(first, ttl))
    const keeper = new LeaseKeeper({ id, ttl, since }, () => this.#store.openKeepAlive(), {
      onLost: (reason, cause) => {
        this.#store.countLostLease()
        this.#end(this.#leaseLost(reason, cause ?? this.#store.shortage()))
      },
    })
    this.#keeper = keeper
    this.#ignoreChange = this.#store.onClusterChange((error) => {
      keeper.clusterChanged(error)
    })
  }

  async #untilFirst(own: OwnKey): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const { ahead, revision } = await this.#readQueue(own)
      if (ahead === null) return
      // A watch that ended does not mean that the key was deleted: read the queue again after a pause.
      if (!(await this.#untilDeleted(ahead, revision))) await pauseBefore(attempt, this.#over.signal)
    }
  }

  /** @throws {EtcdMtlsError} `ERR_LEASE_LOST` if the own key is gone. */
  async #readQueue({ key, createRevision }: OwnKey): Promise<QueuePosition> {
    const { prefix } = this.#queue
    const position = await this.#withRetries(() => this.#store.readQueue(prefix, key, createRevision))
    if (!position.owned) throw this.#leaseLost('gone', null)
    return position
  }

  #readHolder(until?: number): Promise<ContenderKey | null> {
    return this.#withRetries(() => this.#store.readHolder(this.#queue.prefix), until)
  }

  readonly #onAbort = (): void => {
    this.#abandon(this.#options.signal?.reason)
  }

  readonly #onClosing = (): void => {
    this.#end(clientClosed())
  }

  /** Does not wait for the release: the caller's call has failed already. */
  #abandon(reason: unknown): void {
    this.#end(reason)
    void this.#release()
  }

  #release(): Promise<void> {
    this.#end(this.#wasReleased())
    this.#released ??= release(this.#store, String(this.#lease), this.#queue.ttl)
    return this.#released
  }

  #wasReleased(): EtcdMtlsError<'ERR_CLOSED'> {
    const { label } = this.#queue
    return new EtcdMtlsError('ERR_CLOSED', `The ${label} was released.`, { what: label })
  }

  async #withRetries<T>(call: () => Promise<T>, until?: number): Promise<T> {
    try {
      return await withRetries(this.#store, this.#over.signal, call, until)
    } catch (error) {
      throw this.#store.isLeaseGone(error) ? this.#leaseLost('gone', error) : error
    }
  }

  /** True after the deletion, or after a TTL in case the watch misses it; false if the watch ended. */
  async #untilDeleted(key: string, after: string): Promise<boolean> {
    const done = new AbortController()
    const stop = AbortSignal.any([done.signal, this.#over.signal])
    const finish = (): void => {
      done.abort()
    }
    void pause(this.#queue.ttl, stop, true).then(finish)
    await this.#store.watch({ key }, after, stop, (changes) => {
      if (changes.some(({ type }) => type === 'delete')) finish()
    })
    const mayBeDeleted = stop.aborted
    finish()
    return mayBeDeleted
  }

  #end(reason: unknown): void {
    this.#keeper?.stop()
    this.#ignoreSignal()
    this.#ignoreClosing()
    this.#ignoreChange()
    this.#over.abort(reason)
  }

  #leaseLost(reason: LossReason, cause: unknown): EtcdMtlsError<'ERR_LEASE_LOST'> {
    const { label, ttl } = this.#queue
    const message =
      reason === 'gone'
        ? `etcd no longer has the lease or the key of the ${label}.`
        : `The lease of the ${label} may expire: etcd answered no keep-alive within its TTL of ${String(ttl / 1000)} s.`
    return new EtcdMtlsError('ERR_LEASE_LOST', message, { what: label, reason }, cause === null ? undefined : { cause })
  }
}

/**
 * Calls `check` before each read of the signal. When a paused process continues, other work may run before the timer that aborts the
 * signal.
 */
function checkBeforeRead(signal: AbortSignal, check: () => void): void {
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

/** How long the caller waits for a release, in milliseconds. The attempts continue until the lease has expired. */
const RELEASE_TIMEOUT = 2000
/** Timeout of one attempt, in milliseconds: short, so that a silent endpoint leaves time for the others. */
const ATTEMPT_TIMEOUT = 700

/**
 * Revokes the lease, which deletes its key, as soon as etcd can be reached. Never rejects: a lease that is not revoked expires.
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
      // Another attempt would not help: etcd does not have the lease or refuses, or the client is closed.
      if (store.finalError(error, Infinity) !== null) return
    }
    await pauseBefore(attempt, signal)
  }
}

/** What {@link lock} and a campaign resolve to. Release it with `await using`, or by {@link Held.release} in a `finally` block. */
export interface Held extends AsyncDisposable {
  /**
   * The create revision of this holder's key, in decimal: each holder of the same name has a higher one than the holder before.
   * Send it with each write to what the lock guards, and let the store refuse a write whose token is below the highest it has
   * seen (compare as `BigInt`).
   */
  readonly fencingToken: string
  /**
   * Aborts before the lease can have expired, when etcd reports that the lease is gone, when the client is closed, and when
   * it is released. `aborted` compares the clock with the lease's deadline each time it is read. `reason` is an
   * `EtcdMtlsError` with the code `ERR_LEASE_LOST` or `ERR_CLOSED`.
   */
  readonly signal: AbortSignal
  /**
   * Aborts {@link Held.signal} and revokes the lease, which deletes the key. May be called more than once, never
   * rejects, and takes at most two seconds. If etcd cannot be reached in that time, the attempts go on; a lease that cannot be
   * revoked expires on its own.
   */
  release(): Promise<void>
  /** Same as {@link Held.release}. */
  [Symbol.asyncDispose](): Promise<void>
}
