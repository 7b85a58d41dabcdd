/** The streams of etcd3's watches: how many there are, and how soon one is opened again after a failure. */
import { EventEmitter } from 'node:events'
import { ResumePositions } from './streams/watch-records.js'
import { Backoff, type OnAbort } from './timing.js'

export interface WatchStreamOwner {
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal
  readonly onAbort: OnAbort
  /** How many streams the client may still add for its watches. */
  moreWatchStreams: number
  readonly session: {
    openWatchStream<T>(positions: ResumePositions, open: () => Promise<T>): Promise<T>
  }
}

interface Cancelable {
  cancel(): void
}

interface WatchClient<Options, Stream> {
  watch(options?: Options): Promise<Stream>
}

/** etcd3's Namespace: its watches share one stream. */
interface WatchNamespace<Builder> {
  readonly watchClient: WatchClient<never, Cancelable>
  watch(): Builder
}

/** Maximum number of streams that a client has for its watches, in addition to one for each namespace with watches. */
export const MORE_WATCH_STREAMS = 15

/** A stream that etcd3 opens while it has watches. */
export interface WatchStream<Builder> {
  readonly watch: () => Builder
  /** Builders and watchers that use it. */
  users: number
}

/**
 * Distributes the watches of a namespace over several streams. On one stream, an event waits for everything that etcd has
 * queued for watches that catch up, which may be gigabytes.
 */
export class WatchStreams<Builder> {
  readonly #streams: WatchStream<Builder>[]
  readonly #more: () => WatchNamespace<Builder>
  readonly #owner: WatchStreamOwner

  /** @param more Returns a namespace with the same prefix, which has its own stream. */
  constructor(watch: () => Builder, more: () => WatchNamespace<Builder>, owner: WatchStreamOwner) {
    this.#streams = [{ watch, users: 0 }]
    this.#more = more
    this.#owner = owner
  }

  /** Returns the least used stream, with one more user. */
  take(): WatchStream<Builder> {
    const stream = this.#leastUsed()
    stream.users += 1
    return stream
  }

  #leastUsed(): WatchStream<Builder> {
    const least = this.#streams.reduce((a, b) => (b.users < a.users ? b : a))
    if (least.users === 0 || this.#owner.moreWatchStreams === 0) return least
    this.#owner.moreWatchStreams -= 1
    const namespace = this.#more()
    paceWatchStreams(namespace.watchClient, this.#owner)
    const added = { watch: namespace.watch.bind(namespace), users: 0 }
    this.#streams.push(added)
    return added
  }
}

/** Milliseconds before etcd3 opens another stream for its watches after a failure. The client dials on its own. */
const WATCH_PAUSES = { first: 50, longest: 5000 }

/**
 * Pauses after each failed stream of watches. etcd3 resets its own pause at every response, so a stream that fails after its
 * first response would be opened again at a constant rate.
 */
export function paceWatchStreams<Options, Stream extends Cancelable>(
  client: WatchClient<Options, Stream>,
  owner: WatchStreamOwner,
): void {
  const watch = client.watch.bind(client)
  const backoff = new Backoff(WATCH_PAUSES)
  const positions = new ResumePositions()
  let length = 0
  const failed = (): void => {
    length = backoff.failed()
  }
  client.watch = async (options) => {
    if (length > 0) await pauseUnlessClosed(length, owner)
    length = 0
    backoff.started()
    try {
      const stream = await owner.session.openWatchStream(positions, () => watch(options))
      // The stream is a Node stream, although its type does not say it.
      if (stream instanceof EventEmitter) followWatchStream(stream, failed)
      return stream
    } catch (error) {
      failed()
      throw error
    }
  }
}

function pauseUnlessClosed(milliseconds: number, { closing, onAbort }: WatchStreamOwner): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      removeListener()
      resolve()
    }
    const timer = setTimeout(end, closing.aborted ? 0 : milliseconds)
    const removeListener = onAbort(closing, end)
  })
}

/** Called before etcd3 registers its listeners. */
function followWatchStream(stream: EventEmitter & Cancelable, failed: () => void): void {
  const cancel = stream.cancel.bind(stream)
  let isCanceled = false
  stream.cancel = () => {
    isCanceled = true
    cancel()
  }
  const onEnd = (): void => {
    if (!isCanceled) failed()
  }
  // A server may end a stream with OK.
  stream.once('end', onEnd)
  stream.once('error', () => {
    onEnd()
    // A failed stream emits `error` and `end`, and etcd3 starts an attempt for each (etcd3/lib/watch.js, establishStream), so
    // attempts would double with each failure.
    stream.removeAllListeners('end')
  })
}
