/** One consumer of credentials that change: its iterator, and what it knows. A driver decides what it is given, and when. */
import { setMaxListeners } from 'node:events'
import { valueInvalid } from '../../report/option-error.js'
import type { Credentials } from '../credentials.js'
import { fingerprintOf } from '../fingerprint.js'

/**
 * Yields what `drive` yields. Nothing runs before the first `next()`; the signal and `return()` end it at once, and errors
 * after that are ignored.
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
  // Many iterators may share a signal; Node warns from the eleventh listener on.
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

/** What a consumer knows. */
export interface Known {
  /** Fingerprint of its credentials; null for none. */
  readonly held: string | null
  /** The failure that was reported since; null for none. */
  readonly reported: string | null
}

/** What the consumers of one source know. */
export class Consumers {
  /** After the last `load()`; undefined before it was called. */
  #loaded: Known | undefined
  /** Consumers to which a failure was reported, and that may call `watch()` again. */
  readonly #interrupted = new WeakMap<AbortSignal, Known>()

  /** @param fingerprint Of what `load()` returned. */
  loaded(fingerprint: string): void {
    this.#loaded = { held: fingerprint, reported: null }
  }

  /** The consumer of a failed `load()` has no credentials. */
  loadFailed(): void {
    this.#loaded ??= { held: null, reported: null }
  }

  /**
   * What a consumer knows when it starts to watch; undefined if it has what is there now.
   *
   * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the signal is not one.
   */
  begin(signal: AbortSignal, held: Credentials | undefined): Known | undefined {
    const given: unknown = signal
    if (!(given instanceof AbortSignal)) throw valueInvalid('signal', given, 'an AbortSignal')
    const interrupted = this.#interrupted.get(signal)
    this.#interrupted.delete(signal)
    if (interrupted !== undefined || held === undefined) return interrupted ?? this.#loaded
    return { held: fingerprintOf(held), reported: null }
  }

  /** Keeps what a consumer knows when its iteration ends with a failure. */
  interrupt(signal: AbortSignal, known: Known): void {
    this.#interrupted.set(signal, known)
  }
}
