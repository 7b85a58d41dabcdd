/** Leases that a {@link LeaseKeeper} keeps in place of etcd3. */
import {
  castGrpcError,
  EtcdLeaseInvalidError,
  GRPCUnavailableError,
  type ILeaseOptions,
  type Lease,
  type Namespace,
} from 'etcd3'
import { isError } from '../../report/errors.js'
import type { Session } from '../session.js'
import { LeaseKeeper } from '../streams/lease-keeper.js'
import { STREAM_WAIT } from '../transport/connection.js'
import type { WatchStreamOwner } from '../watch-streams.js'

interface LeaseOwner extends WatchStreamOwner {
  readonly session: Session
  /** The error for what the closed client, or the view of it, refuses. */
  readonly closedError: (service: string) => Error
}

/** Rejects if the lease cannot be kept alive because a server limits the streams; it is then revoked. */
function whenKept(lease: Lease, { closing, onAbort, session, closedError }: LeaseOwner): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null): void => {
      clearInterval(timer)
      removeClosed()
      lease.off('keepaliveSucceeded', kept).off('lost', settle)
      if (error === null) resolve()
      else reject(error)
    }
    const kept = (): void => {
      settle(null)
    }
    const timer = whileShort(session, (error) => {
      settle(error)
      // The caller has the limit as the error. A lease that cannot be revoked ends with its TTL.
      lease.revoke().catch(() => undefined)
    })
    const removeClosed = onAbort(closing, () => {
      settle(closedError('Lease'))
    })
    lease.on('keepaliveSucceeded', kept).on('lost', settle)
  })
}

type MakeLease = (ttl: number, options?: ILeaseOptions) => Lease

/**
 * Makes leases with a {@link LeaseKeeper} that emits etcd3's events. etcd3 itself emits `lost` two TTLs after the last
 * answer, when other clients may already hold the keys, and stays on a silent endpoint for a whole TTL.
 */
export function keptLeases({ leaseClient }: Namespace, make: MakeLease, owner: LeaseOwner): MakeLease {
  const { closing, onAbort, session } = owner
  return (seconds, options) => {
    const created = performance.now()
    if (options?.autoKeepAlive === false) return make(seconds, options)
    const lease = make(seconds, { ...options, autoKeepAlive: false })
    const [release, revoke, grant] = [lease.release.bind(lease), lease.revoke.bind(lease), lease.grant.bind(lease)]
    const revoked = lease.revoked.bind(lease)
    let stop = (): void => undefined
    let check = stop
    const start = (id: string): void => {
      const since = session.grantSentAt(id) ?? created
      const keeper = new LeaseKeeper({ id, ttl: seconds * 1000, since }, () => leaseClient.leaseKeepAlive(), {
        onStream: () => lease.emit('keepaliveEstablished'),
        onSent: () => lease.emit('keepaliveFired'),
        onRenewed: (answer) => lease.emit('keepaliveSucceeded', answer),
        onFailed: (error) => lease.emit('keepaliveFailed', isError(error) ? castGrpcError(error) : error),
        onLost: (_reason, failure) => {
          session.pool.meter.leasesLost += 1
          release()
          const error = new EtcdLeaseInvalidError(id)
          const cause = failure ?? session.shortage
          if (isError(cause)) setCause(error, cause)
          lease.emit('lost', error)
        },
      })
      const ignoreClosing = onAbort(closing, () => {
        keeper.stop()
        lease.emit('keepaliveFailed', closing.reason)
      })
      const ignoreChange = session.onClusterChange((error) => {
        keeper.clusterChanged(error)
      })
      stop = () => {
        ignoreClosing()
        ignoreChange()
        keeper.stop()
      }
      check = () => {
        keeper.check()
      }
      keeper.renew()
    }
    lease.once('lost', () => {
      stop()
    })
    lease.release = () => {
      stop()
      release()
    }
    lease.revoke = async (...args) => {
      stop()
      await revoke(...args)
    }
    // The event loop may have been blocked since the timer of the keeper was due.
    lease.revoked = () => {
      check()
      return revoked()
    }
    const granted = grant().then(async (id) => {
      if (lease.revoked() || closing.aborted) return id
      const isKept = session.pool.keepAlives.hasRoom
      start(id)
      if (!isKept) await whenKept(lease, owner)
      return id
    })
    granted.catch(() => undefined) // etcd3 has emitted `lost` with the error, or the streams are not waited for.
    lease.grant = () => granted
    return lease
  }
}

export function setCause(error: unknown, cause: unknown): void {
  if (cause === null || cause === undefined || !isError(error) || error.cause !== undefined) return
  // Not enumerable, like the `cause` that the Error constructor sets.
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, enumerable: false, writable: true })
}

/** Calls back when streams that do not end wait because a server limits them. Stop it by `clearInterval`. */
export function whileShort(session: Session, fail: (error: Error) => void): NodeJS.Timeout {
  return setInterval(() => {
    const { shortage } = session
    if (shortage === null) return
    const error = new GRPCUnavailableError(shortage.message)
    setCause(error, shortage)
    fail(error)
  }, STREAM_WAIT).unref()
}
