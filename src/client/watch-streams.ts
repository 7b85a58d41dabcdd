/** The streams of etcd3's watches: how many there are, and how soon one is opened again after a failure. */
import { EventEmitter } from 'node:events'
import { ResumePositions } from './streams/watch-records.js'
import { Backoff, type OnAbort } from './base/timing.js'

export interface WatchStreamOwner {
  /** Aborts when the client is closed. */
  readonly closing: AbortSignal
  readonly onAbort: OnAbort
  readonly session: {
    /** How many streams leave room for others. */
    readonly watchStreams: number
    openWatchStream<T>(positions: ResumePositions, open: () => Promise<T>): Promise<T>
  }
}

interface Cancelable {
  cancel(): void
}

interface WatchClient<Options, Stream> {
  watch(options?: Options): Promise<Stream>
}

/** etcd3's Namespace: its watches share one stream, by its manager. */
interface WatchNamespace<Builder> {
  readonly watchClient: WatchClient<never, Cancelable>
  watch(): Builder
}

/** The streams of a client for its watches, unless a server accepts fewer. */
const MOST_STREAMS = 16

/** A stream that etcd3 opens while it has watches. */
export interface WatchStream {
  /** etcd3's manager of it. */
  readonly manager: unknown
  /** Builders and watchers that use it. */
  users: number
}

/**
 * Distributes the watches of a client and of its namespaces over several streams. On one stream, an event waits for everything
 * that etcd has queued for watches that catch up, which may be gigabytes.
 */
export class WatchStreams<Builder extends object> {
  readonly #streams: WatchStream[] = []
  readonly #more: () => WatchNamespace<Builder>
  readonly #owner: WatchStreamOwner

  /** @param more Returns another namespace, which has its own stream. */
  constructor(more: () => WatchNamespace<Builder>, owner: WatchStreamOwner) {
    this.#more = more
    this.#owner = owner
  }

  /** Lets the builder use the stream that has the fewest users. */
  assign(builder: Builder): WatchStream {
    const limit = Math.min(MOST_STREAMS, this.#owner.session.watchStreams)
    const usable = this.#streams.slice(0, limit).sort((a, b) => a.users - b.users)
    const [least] = usable
    const stream = least === undefined || (least.users > 0 && usable.length < limit) ? this.#add() : least
    stream.users += 1
    // etcd3 has no option for it (etcd3/lib/watch.js, WatchBuilder).
    Reflect.set(builder, 'manager', stream.manager)
    return stream
  }

  #add(): WatchStream {
    const namespace = this.#more()
    paceWatchStreams(namespace.watchClient, this.#owner)
    const added = { manager: Reflect.get(namespace.watch(), 'manager') as unknown, users: 0 }
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
