/**
 * Watches of etcd3 that settle and that cannot end the process. etcd3 looks for a connection indefinitely, so `create()` never
 * settles if the client is refused each time; and its watchers emit `error`, which ends the process if nobody listens.
 */
import { EventEmitter } from 'node:events'
import { isError, type EtcdMtlsError, isEtcdMtlsError } from '../../report/errors.js'

/** What is used of etcd3's `Watcher`. */
interface EtcdWatcher {
  on(event: 'error' | 'disconnected', listener: (error: Error) => void): this
  on(event: 'connected', listener: () => void): this
  off(event: string, listener: (error: Error) => void): this
  listenerCount(event: string): number
  cancel(): Promise<void>
}

/** What is used of etcd3's `WatchBuilder`. */
interface EtcdWatchBuilder<Watcher> {
  watcher(): Watcher
  create(): Promise<Watcher>
}

/** What is used of etcd3's `WatchClient`. */
interface EtcdWatchClient<Options, Stream> {
  watch(options?: Options): Promise<Stream>
}

/**
 * A stream that fails ends, too, and etcd3 starts a new attempt for each of the two (etcd3/lib/watch.js, establishStream):
 * attempts and timers double with each failure, for as long as no endpoint answers. Here a failure counts once.
 */
export function failOnce<Options, Stream>(client: EtcdWatchClient<Options, Stream>): void {
  const watch = client.watch.bind(client)
  client.watch = async (options) => {
    const stream = await watch(options)
    // Before the listeners of etcd3. Its type has less than the stream, which is one of Node.
    if (stream instanceof EventEmitter) stream.once('error', () => stream.removeAllListeners('end'))
    return stream
  }
}

export interface WatchSupport {
  /** The error that explains the reason for which a watch was canceled; null if no more is known. */
  causeOf(reason: string): EtcdMtlsError | null
  /** A watch failed, and nobody listens for that. */
  unheard(error: Error): void
}

/** etcd3 puts it before the reason (etcd3/lib/watch.js, handleCancelResponse). */
const CANCELED = 'Watcher canceled: '

/** The same builder; its watchers are guarded, and `create()` settles. */
export function keepWatches<Watcher extends EtcdWatcher, Builder extends EtcdWatchBuilder<Watcher>>(
  builder: Builder,
  support: WatchSupport,
  typedError: (error: Error) => Error,
): Builder {
  const make = builder.watcher.bind(builder)
  builder.watcher = () => guard(make(), support)
  builder.create = () => settled(builder.watcher(), typedError)
  return builder
}

function guard<Watcher extends EtcdWatcher>(watcher: Watcher, support: WatchSupport): Watcher {
  watcher.on('error', (error) => {
    if (error.message.startsWith(CANCELED)) setCause(error, support.causeOf(error.message.slice(CANCELED.length)))
    // etcd3 would wait for an answer that etcd does not send for a watch that has ended.
    watcher.cancel = () => Promise.resolve()
    // The first listener is this one.
    if (watcher.listenerCount('error') === 1) support.unheard(error)
  })
  return watcher
}

function settled<Watcher extends EtcdWatcher>(watcher: Watcher, typedError: (error: Error) => Error): Promise<Watcher> {
  return new Promise((resolve, reject) => {
    const connected = (): void => {
      settle()
      resolve(watcher)
    }
    const failed = (error: Error): void => {
      settle()
      reject(error)
    }
    const disconnected = (error: Error): void => {
      // etcd3 and the channel look for another connection after one that breaks; a refusal is repeated each time.
      if (!isEtcdMtlsError(error.cause) || error.cause.code === 'ERR_UNREACHABLE') return
      const typed = typedError(error)
      setCause(typed, error.cause)
      watcher.cancel().then(() => {
        failed(typed)
      }, failed)
    }
    const settle = (): void => {
      watcher.off('connected', connected).off('error', failed).off('disconnected', disconnected)
    }
    watcher.on('connected', connected).on('error', failed).on('disconnected', disconnected)
  })
}

/** Adds what is known of the reason to an error that another library made. */
export function setCause(error: unknown, cause: EtcdMtlsError | null): void {
  if (cause === null || !isError(error) || error.cause !== undefined) return
  // Not enumerable, as the language has it for the option `cause`.
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, enumerable: false, writable: true })
}
