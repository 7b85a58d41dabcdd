import type { SecureEtcd3 } from '../client/create-secure-client.js'
import { holdingProcess } from '../client/timing.js'
import type { Held } from './contend.js'
import { checkClient, resolvePlace, resolveSignal } from './options.js'

/** Options of {@link lock}. */
export interface LockOptions {
  /**
   * How long the lock outlives a holder that cannot reach etcd: whole seconds, at least `'3s'`. `'10s'` or more lets a lock
   * outlast the election of a new leader in etcd.
   */
  ttl: string
  /** Gives up waiting for the lock. It has no effect once the lock is held. Default: none. */
  signal?: AbortSignal | undefined
}

/**
 * Waits until no one else holds the lock of that name, and holds it. Contenders get it in the order in which they asked. It
 * excludes `etcdctl lock NAME` and clientv3's `concurrency.NewMutex(session, name)` as well.
 *
 * ```ts
 * import type { SecureEtcd3 } from 'etcd-mtls/client'
 * import { lock } from 'etcd-mtls/coordination'
 *
 * declare const client: SecureEtcd3
 *
 * await using held = await lock(client, 'jobs/nightly', { ttl: '10s' })
 * console.log(held.fencingToken)
 * ```
 *
 * @throws {EtcdMtlsError}
 * - `ERR_OPTION_INVALID`: a wrong call.
 * - `ERR_LEASE_LOST`: etcd did not renew this contender's lease in time, or lost it. Call again to contend again.
 * - `ERR_CLOSED`: the client was closed.
 *
 * Rejects with etcd3's error when etcd refuses the calls, or cannot be reached for a TTL; with `signal` aborted, with the
 * signal's reason.
 */
export async function lock(client: SecureEtcd3, name: string, options: LockOptions): Promise<Held> {
  checkClient(client)
  const place = resolvePlace('lock', name, options, ['ttl', 'signal'])
  const signal = resolveSignal(options.signal)
  const [{ contend }, { etcdStore }] = await Promise.all([import('./contend.js'), import('./store.js')])
  return holdingProcess(contend(etcdStore(client), place, { value: '', signal, closing: client.closing }))
}
