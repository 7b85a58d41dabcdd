/** The iterator of one consumer of credentials, and the state that it keeps between two iterations. */
import { setMaxListeners } from 'node:events'
import { valueInvalid } from '../../report/option-error.js'
import type { Credentials } from '../credentials.js'
import { fingerprintOf } from '../fingerprint.js'

/**
 * Iterates `drive`, which starts at the first `next()`. The signal and `return()` end the iteration at once; later errors
 * are ignored.
 */
export class CredentialIterator implements AsyncIterableIterator<Credentials, undefined, undefined> {
  readonly #stop = new AbortController()
  readonly #steps: AsyncGenerator<Credentials, undefined, undefined>

  constructor(signal: AbortSignal, drive: (stop: AbortSignal) => AsyncIterable<Credentials>) {
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
  drive: (stop: AbortSignal) => AsyncIterable<Credentials>,
): AsyncGenerator<Credentials, undefined, undefined> {
  const abort = (): void => {
    stop.abort()
  }
  // Many iterators may share a signal, and Node warns about more than ten listeners.
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

export interface ConsumerState {
  readonly held: string | null
  /** The failure reported to it since then; null if absent. */
  readonly reported: string | null
}

export class Consumers {
  /** State after the last `load()`; undefined before the first. */
  #loaded: ConsumerState | undefined
  /** Consumers whose iteration failed. They may call `watch()` again with the same signal. */
  readonly #failed = new WeakMap<AbortSignal, ConsumerState>()

  recordLoad(fingerprint: string): void {
    this.#loaded = { held: fingerprint, reported: null }
  }

  /** A consumer whose first `load()` failed has no credentials. */
  recordFailedLoad(): void {
    this.#loaded ??= { held: null, reported: null }
  }

  /**
   * The state of a consumer that starts to watch; undefined if the first credentials that are read count as its own.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the signal is not one.
   */
  begin(signal: AbortSignal, held: Credentials | undefined): ConsumerState | undefined {
    const given: unknown = signal
    if (!(given instanceof AbortSignal)) throw valueInvalid('signal', given, 'an AbortSignal')
    const interrupted = this.#failed.get(signal)
    this.#failed.delete(signal)
    if (interrupted !== undefined || held === undefined) return interrupted ?? this.#loaded
    return { held: fingerprintOf(held), reported: null }
  }

  /** Keeps the state of a consumer whose iteration fails. */
  recordFailure(signal: AbortSignal, known: ConsumerState): void {
    this.#failed.set(signal, known)
  }
}
