/** Pauses, deadlines and cancellation. Times are in milliseconds. */
import { setMaxListeners } from 'node:events'
import { backoffPause, MAX_DELAY } from '../../report/duration.js'
import { asError } from '../../report/errors.js'

/** Settles as `work`, or rejects with the signal's reason as soon as it aborts. The caller stops the work. */
export async function abortable<T>(signal: AbortSignal | null, work: Promise<T>): Promise<T> {
  if (signal === null) return work
  // After an abort nothing awaits the work: its rejection must not end the process.
  work.catch(() => undefined)
  let abort = (): void => undefined
  const aborted = new Promise<void>((resolve) => {
    abort = resolve
  })
  // Many calls may share a signal, and Node warns about more than ten listeners.
  setMaxListeners(0, signal)
  // Not `once` of node:events, which makes an error with a stack to remove its listener.
  signal.addEventListener('abort', abort, { once: true })
  try {
    if (!signal.aborted) await Promise.race([work, aborted])
    signal.throwIfAborted()
    return await work
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Aborts a signal whose reason nobody reads: without one, Node makes an error with a stack, which takes 30 µs. */
export function abortWithoutError(controller: AbortController): void {
  controller.abort(null)
}

/** Calls `listener` when the signal aborts. Returns a function that removes the listener. */
export type OnAbort = (signal: AbortSignal, listener: () => void) => () => void

/**
 * Listeners of signals, with one listener on each signal: Node 20 prints a warning about a memory leak if one signal has
 * more than ten.
 */
export class AbortListeners {
  readonly #entries = new WeakMap<AbortSignal, { readonly listeners: Set<() => void>; readonly run: () => void }>()

  readonly listen: OnAbort = (signal, listener) => {
    const { listeners, run } = this.#entries.get(signal) ?? this.#start(signal)
    listeners.add(listener)
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return
      signal.removeEventListener('abort', run)
      this.#entries.delete(signal)
    }
  }

  #start(signal: AbortSignal): { listeners: Set<() => void>; run: () => void } {
    const listeners = new Set<() => void>()
    const run = (): void => {
      for (const each of listeners) callSeparately(each)
    }
    const entry = { listeners, run }
    this.#entries.set(signal, entry)
    signal.addEventListener('abort', run, { once: true })
    return entry
  }
}

/** An error ends the process, as that of a listener of the signal itself would, after the other listeners were called. */
function callSeparately(listener: () => void): void {
  try {
    listener()
  } catch (error) {
    process.nextTick(() => {
      throw asError(error)
    })
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
  if (deadline === Infinity) return undefined
  const left = deadline - Date.now()
  if (left <= 0) expire()
  else if (left <= MAX_DELAY) return setTimeout(expire, left)
  return undefined
}

/**
 * One timer for many equal delays, most of which are cancelled: a timer for each takes a twentieth of the time of a call. It
 * does not keep the process alive.
 */
export class SharedTimer {
  readonly #delay: number
  /** Each with its time by `performance.now()`, the earliest first. */
  readonly #due = new Map<() => void, number>()
  #timer: NodeJS.Timeout | undefined

  /** @param delay Milliseconds. */
  constructor(delay: number) {
    this.#delay = delay
  }

  /** Calls `callback` after the delay, once. */
  add(callback: () => void): void {
    this.#due.set(callback, performance.now() + this.#delay)
    this.#timer ??= setTimeout(this.#fire, this.#delay).unref()
  }

  delete(callback: () => void): void {
    this.#due.delete(callback)
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    const now = performance.now()
    for (const [callback, due] of this.#due) {
      if (due > now) {
        this.#timer ??= setTimeout(this.#fire, Math.ceil(due - now)).unref()
        return
      }
      this.#due.delete(callback)
      callback()
    }
  }
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

/** An attempt that lasted this long ends a series of failures. */
const STABLE_AFTER = 5000

/** The pauses between attempts of one thing. They grow until an attempt has lasted for five seconds. */
export class Backoff {
  readonly #limits: { first: number; longest: number }
  #failures = 0
  #startedAt = performance.now()

  constructor(limits: { first: number; longest: number }) {
    this.#limits = limits
  }

  started(): void {
    this.#startedAt = performance.now()
  }

  get isStable(): boolean {
    return performance.now() - this.#startedAt > STABLE_AFTER
  }

  /** The attempt has failed. Returns the pause before the next one. */
  failed(): number {
    this.#failures = this.isStable ? 1 : this.#failures + 1
    return backoffPause(this.#failures, this.#limits)
  }
}

/** Null if the time is over, or the signal aborts. The work goes on, because Node cannot end a read. */
export async function nullAfter<T>(
  milliseconds: number,
  work: Promise<T>,
  signal: AbortSignal | null = null,
): Promise<T | null> {
  const limit = AbortSignal.any([AbortSignal.timeout(milliseconds), ...(signal === null ? [] : [signal])])
  return abortable(limit, work).catch((error: unknown) => (limit.aborted ? null : Promise.reject(error as Error)))
}

/** At most `limit` at the same time. The results are in the order of the items. */
export async function mapLimited<T, R>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const run = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await work(item)
  }
  await Promise.all(Array.from({ length: limit }, run))
  return results
}
