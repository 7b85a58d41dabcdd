/** Pauses, deadlines and cancellation. Times are in milliseconds. */
import { once } from 'node:events'
import { MAX_DELAY } from '../report/duration.js'

/** Settles as `work`, or rejects with the signal's reason as soon as it aborts. The caller stops the work. */
export async function abortable<T>(signal: AbortSignal | null, work: Promise<T>): Promise<T> {
  if (signal === null) return work
  const finished = new AbortController()
  // `once` rejects when `finished` aborts.
  const aborted = once(signal, 'abort', { signal: finished.signal }).catch(() => undefined)
  // After an abort nothing awaits the work: its rejection must not end the process.
  work.catch(() => undefined)
  try {
    if (!signal.aborted) await Promise.race([work, aborted])
    signal.throwIfAborted()
    return await work
  } finally {
    finished.abort()
  }
}

/** Calls back when a signal aborts. It is one listener of the signal for all, because Node warns of more than ten. */
export class AbortListeners {
  readonly #signal: AbortSignal
  readonly #callbacks = new Set<() => void>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    const abort = (): void => {
      for (const each of [...this.#callbacks]) each()
    }
    signal.addEventListener('abort', abort, { once: true })
  }

  get aborted(): boolean {
    return this.#signal.aborted
  }

  /** Returns a function that removes the callback. */
  add(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }
}

/**
 * Resolves after that time, or as soon as the signal aborts. `keepsProcess`: whether the timer keeps the process alive.
 */
export function pause(milliseconds: number, signal: AbortSignal, keepsProcess: boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, signal.aborted ? 0 : milliseconds)
    if (!keepsProcess) timer.unref()
    signal.addEventListener('abort', end, { once: true })
  })
}

/**
 * Calls `expire` at `deadline` (milliseconds since 1970): at once if it has passed, never if it is beyond the limit of
 * timers.
 */
export function armDeadline(deadline: number, expire: () => void): NodeJS.Timeout | undefined {
  const left = deadline - Date.now()
  if (left <= 0) expire()
  else if (left <= MAX_DELAY) return setTimeout(expire, left)
  return undefined
}

/**
 * Keeps the process alive until the promise settles. The client's sockets and timers do not, and Node exits with code
 * 13 in the middle of an `await` if nothing else runs.
 */
export async function holdingProcess<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, MAX_DELAY)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}
