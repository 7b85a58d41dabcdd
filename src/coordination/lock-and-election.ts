/** The public functions, which validate the caller's arguments. */
import { SecureEtcd3 } from '../client/index.js'
import { CLIENT, clientClosed, holdingProcess } from '../client/internal.js'
import { checkOptions, optionInvalid, parseDuration, valueInvalid } from '../report/internal.js'
import { contend, type ContenderOptions, type Held, type Queue, tryContend, type TryLockResult } from './contend.js'
import { type Leader, observeLeaders } from './observe.js'
import { EtcdStore, type Store } from './store.js'

/**
 * Seconds. etcd grants no lease below 1.5 election timeouts (2 s by default), and renews no lease while it elects a leader, which takes
 * about as long.
 */
const MIN_TTL = 3

/** Options of {@link lock} and {@link tryLock}. */
export interface LockOptions {
  /**
   * How long the lock stays after its holder can no longer reach etcd: whole seconds, at least `'3s'`. Use `'10s'` or
   * more, so that a lock survives the election of a new leader in etcd.
   */
  ttl: string
  /** Says who holds the lock, such as a host name: {@link tryLock} returns it to others. @default empty */
  value?: string | undefined
  /** Ends the wait for the lock. It has no effect when the lock is held. @default none */
  signal?: AbortSignal | undefined
}

/**
 * Waits until it holds the lock of that name. Contenders get the lock in the order of their calls. It also excludes
 * `etcdctl lock NAME` and clientv3's `concurrency.NewMutex(session, name)`.
 *
 * @example
 * ```ts
 * await using held = await lock(client, 'jobs/nightly', { ttl: '10s' })
 * console.log(held.fencingToken)
 * ```
 * @throws {EtcdMtlsError}
 * - `ERR_OPTION_INVALID`: a wrong call.
 * - `ERR_LEASE_LOST`: etcd did not renew the lease in time, or lost it. Call again to contend again.
 * - `ERR_CLOSED`: the client was closed.
 *
 * Rejects with etcd3's error when etcd refuses the calls, or cannot be reached for a TTL; with `signal` aborted, with the
 * signal's reason.
 */
export async function lock(client: SecureEtcd3, name: string, options: LockOptions): Promise<Held> {
  const queue = resolveQueue(client, 'lock', name, options, LOCK_OPTIONS)
  return run(contend, client, queue, lockOptions(options))
}

/**
 * Takes the lock of that name if it is free, and does not wait if it is not, as concurrency.TryLock of clientv3.
 *
 * @example
 * ```ts
 * const attempt = await tryLock(client, 'jobs/nightly', { ttl: '10s', value: 'node-1' })
 * if (attempt.held === null) console.log(`${attempt.holder} runs it`)
 * else await attempt.held.release()
 * ```
 * @returns The lock; or `held: null`, and as `holder` the `value` of the contender that holds it, which is empty if it gave none.
 * @throws {EtcdMtlsError} As {@link lock}. `signal` ends the calls to etcd, which are repeated for at most a TTL.
 */
export async function tryLock(client: SecureEtcd3, name: string, options: LockOptions): Promise<TryLockResult> {
  const queue = resolveQueue(client, 'lock', name, options, LOCK_OPTIONS)
  return run(tryContend, client, queue, lockOptions(options))
}

const LOCK_OPTIONS = ['ttl', 'value', 'signal']

function lockOptions({ value = '', signal }: LockOptions): Claim {
  return { value: resolveValue(value), signal: resolveSignal(signal) }
}

/** One election, from {@link election}. */
export interface Election {
  /**
   * Waits until this candidate leads. Candidates are elected in the order of their calls.
   *
   * @param value The value that observers get, such as a host name.
   * @param options `signal` ends the campaign. It has no effect when the candidate leads.
   * @throws {EtcdMtlsError} As {@link lock}.
   */
  campaign(value: string, options?: { signal?: AbortSignal | undefined }): Promise<Held>
  /**
   * Yields the current leader and each later one. Without a leader, it yields nothing until one is elected. It also
   * yields leaders that led while etcd could not be reached, unless etcd has compacted their revisions. It ends when
   * `signal` aborts or the client is closed, and throws etcd3's error if etcd refuses the calls.
   */
  observe(options?: { signal?: AbortSignal | undefined }): AsyncIterable<Leader>
}

/**
 * The election of that name. It works together with `etcdctl elect NAME` and clientv3's
 * `concurrency.NewElection(session, name)`.
 *
 * @example
 * ```ts
 * await using leadership = await election(client, 'scheduler', { ttl: '10s' }).campaign('node-1')
 * while (!leadership.signal.aborted) await work(leadership.fencingToken)
 * ```
 * @param options `ttl`: how long a leader that cannot reach etcd blocks the next one: whole seconds, at least `'3s'`; `'10s'` or more
 * is usual.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, `ERR_CLOSED` if the client is closed.
 */
export function election(client: SecureEtcd3, name: string, options: { ttl: string }): Election {
  const queue = resolveQueue(client, 'election', name, options, ['ttl'])
  const begin = (given: { signal?: AbortSignal | undefined }): AbortSignal | null => {
    checkClient(client)
    checkOptions('options', given, ['signal'])
    return resolveSignal(given.signal)
  }
  return {
    campaign: async (value, given = {}) => {
      const signal = begin(given)
      return run(contend, client, queue, { value: resolveValue(value), signal })
    },
    observe: (given = {}) => observeLeaders(new EtcdStore(client), queue.prefix, begin(given), client[CLIENT]),
  }
}

interface Claim {
  readonly value: string
  readonly signal: AbortSignal | null
}

async function run<T>(
  begin: (store: Store, queue: Queue, options: ContenderOptions) => Promise<T>,
  client: SecureEtcd3,
  queue: Queue,
  claim: Claim,
): Promise<T> {
  const { closing, onAbort } = client[CLIENT]
  return holdingProcess(begin(new EtcdStore(client), queue, { ...claim, closing, onAbort }))
}

function resolveQueue(
  client: SecureEtcd3,
  kind: 'lock' | 'election',
  name: unknown,
  options: { ttl: string },
  known: readonly string[],
): Queue {
  checkClient(client)
  if (typeof name !== 'string' || name === '') throw valueInvalid('name', name, 'a string that is not empty')
  checkOptions('options', options, known)
  const ttl = parseDuration(options.ttl, 'ttl')
  if (ttl % 1000 !== 0 || ttl < MIN_TTL * 1000) {
    throw optionInvalid('ttl', `must be in whole seconds, at least '${String(MIN_TTL)}s'; received '${options.ttl}'`)
  }
  return { label: `${kind} "${name}"`, prefix: `${name}/`, ttl }
}

function resolveValue(value: unknown): string {
  // Callers without a compiler may pass anything.
  if (typeof value !== 'string') throw valueInvalid('value', value, 'a string')
  return value
}

function resolveSignal(signal: unknown): AbortSignal | null {
  if (signal === undefined) return null
  if (!(signal instanceof AbortSignal)) throw valueInvalid('signal', signal, 'an AbortSignal')
  return signal
}

function checkClient(client: SecureEtcd3): void {
  // Callers without a compiler may pass anything.
  if (!(client instanceof SecureEtcd3))
    throw valueInvalid('client', client, 'a client that createSecureClient returned')
  if (client[CLIENT].closing.aborted) throw clientClosed()
}
