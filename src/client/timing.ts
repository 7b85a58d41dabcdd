/** Waiting: pauses, deadlines, and giving up on work that is no longer needed. Times are in milliseconds. */
import { once } from 'node:events'
import { MAX_DELAY } from '../report/duration.js'

/** The same promise, or the signal's reason at once if it is aborted first. The caller ends the work that is left. */
export async function abortable<T>(signal: AbortSignal | null, work: Promise<T>): Promise<T> {
  if (signal === null) return work
  const finished = new AbortController()
  // It rejects when this call ends it.
  const aborted = once(signal, 'abort', { signal: finished.signal }).catch(() => undefined)
  // If the signal is first, nobody waits for the work any more: its error must not end the process.
  work.catch(() => undefined)
  try {
    if (!signal.aborted) await Promise.race([work, aborted])
    signal.throwIfAborted()
    return await work
  } finally {
    finished.abort()
  }
}

/** Resolves after that time, or at once when the signal is aborted. `keepsProcess`: a caller waits for it. */
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

/** Calls back at a time since 1970; at once if it has passed, and never if it is further away than a timer can wait. */
export function armDeadline(deadline: number, expire: () => void): NodeJS.Timeout | undefined {
  const left = deadline - Date.now()
  if (left <= 0) expire()
  else if (left <= MAX_DELAY) return setTimeout(expire, left)
  return undefined
}

/**
 * The same promise; the process does not end before it settles. The client's sockets and timers keep no process alive, and
 * Node ends one that has nothing else to do in the middle of an `await` (exit code 13).
 */
export async function holdingProcess<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, MAX_DELAY)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}
