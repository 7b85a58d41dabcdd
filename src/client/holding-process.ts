/** Any period does: the timer's only use is to be there. In milliseconds. */
const PERIOD = 60_000

/**
 * The same promise, for somebody who waits for it: the process does not end before it settles. A client's sockets and timers
 * keep no process alive by themselves, and Node ends one that has nothing else to do in the middle of an `await` (exit code 13).
 */
export async function holdingProcess<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, PERIOD)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}
