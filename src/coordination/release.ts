import { holdingProcess } from '../client/timing.js'
import { pauseBefore, type Store } from './store.js'

/** How long the caller waits for a release, in milliseconds. The attempts go on afterwards, for as long as the lease may live. */
const RELEASE_TIMEOUT = 2000
/** For one attempt, in milliseconds: short, so that a silent endpoint leaves time for the others. */
const ATTEMPT_TIMEOUT = 700

/**
 * Revokes the lease, and its key with it, as soon as etcd can be reached. Never rejects: what cannot be revoked expires.
 *
 * @param ttl Milliseconds.
 */
export function release(store: Store, lease: string, ttl: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, RELEASE_TIMEOUT)
  })
  const revoked = revoke(store, lease, performance.now() + ttl).finally(() => {
    clearTimeout(timer)
  })
  return holdingProcess(Promise.race([revoked, timedOut]))
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
