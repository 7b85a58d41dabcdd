/** The iterator over credentials that change, of every source that has `watch`. */
import { setMaxListeners } from 'node:events'
import type { Credentials } from './credentials.js'

/** Yields credentials until the signal of the iterator is aborted. */
export type CredentialDriver = (stop: AbortSignal) => AsyncIterable<Credentials>

/**
 * Yields what `drive` yields. Nothing runs before the first `next()`; the signal and `return()` end it at once, also while
 * the driver waits.
 */
export class CredentialIterator implements AsyncIterableIterator<Credentials, undefined, undefined> {
  readonly #stop = new AbortController()
  readonly #steps: AsyncGenerator<Credentials, undefined, undefined>

  constructor(signal: AbortSignal, drive: CredentialDriver) {
    this.#steps = iterate(signal, this.#stop, drive)
  }

  next(): Promise<IteratorResult<Credentials, undefined>> {
    return this.#steps.next()
  }

  async return(): Promise<IteratorResult<Credentials, undefined>> {
    this.#stop.abort()
    return this.#steps.return(undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

async function* iterate(
  signal: AbortSignal,
  stop: AbortController,
  drive: CredentialDriver,
): AsyncGenerator<Credentials, undefined, undefined> {
  const abort = (): void => {
    stop.abort()
  }
  // Any number of iterators may share a signal; Node warns from the eleventh listener on.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    yield* drive(stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
  return undefined
}
