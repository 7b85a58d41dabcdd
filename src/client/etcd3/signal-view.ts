/** Views of a client whose calls, watches and leases end with a signal. */
import {
  AuthClient,
  ClientClosedError,
  ClusterClient,
  GRPCCancelledError,
  type ICallable,
  KVClient,
  LeaseClient,
  MaintenanceClient,
  WatchClient,
} from 'etcd3'
import { EventEmitter } from 'node:events'
import { isError, isEtcdMtlsError } from '../../report/errors.js'
import type { OnAbort } from '../base/timing.js'
import { type ExplainedCall, status } from '../transport/channel.js'
import { setCause } from './kept-leases.js'

/** etcd3's `ConnectionPool`, which makes its calls. */
type CallPool = ICallable<unknown>

/** What ends the calls of a view. */
interface CallEnds {
  readonly signal: AbortSignal
  readonly onAbort: OnAbort
  /** Whether the view was closed. */
  readonly isClosed: () => boolean
  /** The call that was made in this turn; null: none. */
  readonly lastCall: () => ExplainedCall | null
}

const ABORTED = 'The signal aborted the call'

/** The error of a call that etcd cannot have applied. */
function notApplied({ reason }: AbortSignal): Error {
  return new GRPCCancelledError(`1 CANCELLED: ${ABORTED}: nothing was applied`, { cause: reason })
}

/** Why a view or a client refuses what belongs to this service. */
export function endError(closing: AbortSignal, service: string): Error {
  return closing.reason instanceof ClientClosedError ? new ClientClosedError(service) : notApplied(closing)
}

/** An object that is the client, except for these properties. */
export function viewOf<C extends object>(client: C, own: object): C {
  return Object.assign(Object.create(client) as C, own)
}

/** The service clients of etcd3 over another pool. */
export function servicesOf(pool: CallPool) {
  return {
    kv: new KVClient(pool),
    leaseClient: new LeaseClient(pool),
    watchClient: new WatchClient(pool),
    auth: new AuthClient(pool),
    maintenance: new MaintenanceClient(pool),
    cluster: new ClusterClient(pool),
  }
}

/** A pool whose calls and streams end with the signal. All else is that of `pool`. */
export function abortablePool<P extends CallPool>(pool: P, ends: CallEnds): P {
  const derived = Object.create(pool) as P
  const calls: Pick<CallPool, 'exec' | 'withConnection'> = {
    exec: async <T>(...args: Parameters<CallPool['exec']>) => {
      const [service, method, request, options] = args
      refuseEnded(ends, service)
      const run = Object.create(derived) as P
      // A policy may repeat a call whose outcome is unknown.
      const earlier: EarlierAttempts = { unknown: null }
      run.withConnection = (name, work) =>
        pool.withConnection(name, (connection) => untilAborted(ends, earlier, () => work(connection)))
      return (await pool.exec.call(run, service, method, request, options)) as T
    },
    withConnection: (service, work) =>
      pool.withConnection(service, (connection) => {
        refuseEnded(ends, service)
        const stream = work(connection)
        if (stream instanceof EventEmitter && 'cancel' in stream) endWith(stream as Cancelable, ends)
        return stream
      }),
  }
  return Object.assign(derived, calls)
}

type Cancelable = EventEmitter & { cancel(): void }

interface EarlierAttempts {
  /** The error of the first one that may have been applied. */
  unknown: Error | null
}

function refuseEnded({ signal, isClosed }: CallEnds, service: string): void {
  if (signal.aborted) throw notApplied(signal)
  if (isClosed()) throw new ClientClosedError(service)
}

async function untilAborted<T>(ends: CallEnds, earlier: EarlierAttempts, work: () => T | Promise<T>): Promise<T> {
  const { signal, onAbort, lastCall } = ends
  if (signal.aborted) throw earlier.unknown ?? notApplied(signal)
  const running = work()
  // etcd3 makes its call before the first `await`.
  const call = lastCall()
  const ignore = onAbort(signal, () => call?.cancelWithStatus(status.CANCELLED, ABORTED))
  try {
    return await running
  } catch (error) {
    const explanation = call?.explanation
    const isUnknown = isError(error) && isEtcdMtlsError(explanation, 'ERR_OUTCOME_UNKNOWN')
    if (isUnknown) earlier.unknown ??= error
    if (!isError(error) || !error.message.endsWith(ABORTED)) throw error
    if (!isUnknown) throw earlier.unknown ?? notApplied(signal)
    setCause(explanation, signal.reason)
    throw error
  } finally {
    ignore()
  }
}

/** A stream of grpc-js emits `status` last. */
function endWith(stream: Cancelable, { signal, onAbort }: CallEnds): void {
  const ignore = onAbort(signal, () => {
    stream.cancel()
  })
  stream.once('status', ignore)
}
