/** Giving up on what does not end by itself when it is told to. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * The same promise, or the signal's reason at once when it is aborted first. What is left behind then is ended by the caller,
 * and its end is nobody's concern any more.
 */
export async function abortable<T>(signal: AbortSignal | null, work: Promise<T>): Promise<T> {
  if (signal === null) return work
  const finished = new AbortController()
  const aborted = once(signal, 'abort', { signal: finished.signal }).then(
    () => true,
    () => false,
  )
  work.catch(() => undefined)
  try {
    if (!signal.aborted) await Promise.race([work, aborted])
    signal.throwIfAborted()
    return await work
  } finally {
    finished.abort()
  }
}

/**
 * Resolves after that time, or at once when the signal is aborted.
 *
 * @param keepsProcess Whether it keeps the process alive: somebody waits for it.
 */
export async function pause(milliseconds: number, signal: AbortSignal, keepsProcess: boolean): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal, ref: keepsProcess })
  } catch {
    // Aborted: that is no fault.
  }
}
