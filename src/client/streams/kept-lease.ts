/**
 * Leases of etcd3 with a keep-alive of ours. etcd3 emits `lost` two TTLs after the last answer, when etcd has long given the
 * keys to others, and stays on an endpoint that does not answer for a whole TTL.
 */
import { type KeepAliveAnswer, type KeepAliveStream, LeaseKeeper } from './lease-keeper.js'

/** What is used of etcd3's `Lease`. */
interface EtcdLease {
  grant(): Promise<string>
  revoked(): boolean
  release(): void
  revoke(...options: unknown[]): Promise<void>
  emit(event: string, ...details: unknown[]): boolean
  once(event: 'lost', listener: () => void): unknown
}

export interface LeaseSupport<Answer extends KeepAliveAnswer> {
  /** Milliseconds. */
  readonly ttl: number
  /** When the lease was made, by `performance.now()`; its grant was sent later. */
  readonly since: number
  /** Aborts when the client is closed, with the error to report. */
  readonly closing: AbortSignal
  openStream(): Promise<KeepAliveStream<Answer>>
  /** The error that `lost` carries. */
  lostError(id: string, cause: unknown): Error
  /** The error that `keepaliveFailed` carries. */
  streamError(error: unknown): unknown
}

/** The same lease, made with `autoKeepAlive: false`, with a {@link LeaseKeeper} and etcd3's events. */
export function keepLease<Lease extends EtcdLease, Answer extends KeepAliveAnswer>(
  lease: Lease,
  support: LeaseSupport<Answer>,
): Lease {
  const [release, revoke] = [lease.release.bind(lease), lease.revoke.bind(lease)]
  let stop = (): void => undefined
  lease.once('lost', () => {
    stop()
  })
  lease.release = () => {
    stop()
    release()
  }
  lease.revoke = async (...options) => {
    stop()
    await revoke(...options)
  }
  lease.grant().then(
    (id) => {
      if (!lease.revoked() && !support.closing.aborted) stop = startKeeper(lease, id, support, release)
    },
    () => undefined, // etcd3 has emitted `lost` with the error.
  )
  return lease
}

function startKeeper<Answer extends KeepAliveAnswer>(
  lease: EtcdLease,
  id: string,
  support: LeaseSupport<Answer>,
  release: () => void,
): () => void {
  const { ttl, since, closing } = support
  const keeper = new LeaseKeeper({ id, ttl, since }, () => support.openStream(), {
    onStream: () => lease.emit('keepaliveEstablished'),
    onSent: () => lease.emit('keepaliveFired'),
    onRenewed: (answer) => lease.emit('keepaliveSucceeded', answer),
    onFailed: (error) => lease.emit('keepaliveFailed', support.streamError(error)),
    onLost: (_reason, cause) => {
      release()
      lease.emit('lost', support.lostError(id, cause))
    },
  })
  const onClosing = (): void => {
    keeper.stop()
    lease.emit('keepaliveFailed', closing.reason)
  }
  closing.addEventListener('abort', onClosing, { once: true })
  keeper.renew()
  return () => {
    closing.removeEventListener('abort', onClosing)
    keeper.stop()
  }
}
