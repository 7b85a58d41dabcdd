/** A source whose credentials an authority issues, and issues again before they end. */
import { setMaxListeners } from 'node:events'
import { inspect } from 'node:util'
import type { Credentials, WatchableSource } from '../credentials/credentials.js'
import { fingerprintOf } from '../credentials/fingerprint.js'
import { untilAborted } from '../credentials/source.js'
import { valueInvalid } from '../report/option-error.js'
import type { Held, Renewer } from './renewer.js'

/** What a consumer knows. */
interface Known {
  /** Fingerprint of the credentials it has; null where it has none. */
  readonly held: string | null
  /** The trouble it was told of since; null for none. */
  readonly told: string | null
}

export class RenewingSource implements WatchableSource {
  readonly origin: string
  /** Private, since it holds keys. */
  readonly #renewer: Renewer
  /** What `load()` handed out last; undefined before it was called. */
  #handedOut: Known | undefined
  /** What consumers knew that were told of trouble, to go on from there. */
  readonly #interrupted = new WeakMap<AbortSignal, Known>()

  constructor(origin: string, renewer: Renewer) {
    this.origin = origin
    this.#renewer = renewer
  }

  async load(signal?: AbortSignal): Promise<Credentials> {
    signal?.throwIfAborted()
    const held = await untilAborted(this.#renewer.obtain(), signal)
    this.#handedOut = { held: held.fingerprint, told: null }
    return copyOf(held)
  }

  /** See {@link WatchableSource}. */
  watch(signal: AbortSignal, held?: Credentials): AsyncIterableIterator<Credentials, undefined, undefined> {
    const given: unknown = signal
    if (!(given instanceof AbortSignal)) throw valueInvalid('signal', given, 'an AbortSignal')
    return new Following(this.#renewer, this.#knownBy(signal, held), signal, (known) => {
      this.#interrupted.set(signal, known)
    })
  }

  toJSON(): { origin: string } {
    return { origin: this.origin }
  }

  [inspect.custom](): string {
    return `CredentialSource { ${this.origin} }`
  }

  #knownBy(signal: AbortSignal, held: Credentials | undefined): Known | undefined {
    const interrupted = this.#interrupted.get(signal)
    this.#interrupted.delete(signal)
    if (interrupted !== undefined || held === undefined) return interrupted ?? this.#handedOut
    return { held: fingerprintOf(held), told: null }
  }
}

/** Lists of its own, so that what one caller does to them is not seen by the next; certificates and keys do not change. */
function copyOf({ credentials }: Held): Credentials {
  const { chain, trustAnchors, crls } = credentials
  const [leaf, ...intermediates] = chain
  return { ...credentials, trustAnchors: [...trustAnchors], chain: [leaf, ...intermediates], crls: [...crls] }
}

/** Nothing runs before the first `next()`; the signal and `return()` end it at once, also while something is issued. */
class Following implements AsyncIterableIterator<Credentials, undefined, undefined> {
  readonly #stop = new AbortController()
  readonly #steps: AsyncGenerator<Credentials, undefined, undefined>

  constructor(renewer: Renewer, known: Known | undefined, signal: AbortSignal, interrupt: (known: Known) => void) {
    this.#steps = follow(renewer, { known, signal, stop: this.#stop, interrupt })
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

interface FollowOptions {
  readonly known: Known | undefined
  /** The consumer's. */
  readonly signal: AbortSignal
  /** Ends this following only. */
  readonly stop: AbortController
  /** Keeps what the consumer knows, before it is told of trouble. */
  readonly interrupt: (known: Known) => void
}

async function* follow(
  renewer: Renewer,
  { known: knownBefore, signal, stop, interrupt }: FollowOptions,
): AsyncGenerator<Credentials, undefined, undefined> {
  let known = knownBefore
  const abort = (): void => {
    stop.abort()
  }
  // Any number of sources may be followed until one signal; Node warns from the eleventh listener on.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    for (;;) {
      stop.signal.throwIfAborted()
      await untilAborted(renewer.refresh(), stop.signal)
      const { version, usable, failure } = renewer
      if (usable !== null) known ??= { held: usable.fingerprint, told: null }
      const isNew = usable !== null && usable.fingerprint !== known?.held
      const isMended = usable !== null && failure === null && known !== undefined && known.told !== null
      if (isNew || isMended) {
        known = { held: usable.fingerprint, told: failure === null ? null : (known?.told ?? null) }
        yield copyOf(usable)
        continue
      }
      if (failure !== null && known?.told !== failure.message) {
        interrupt({ held: known?.held ?? null, told: failure.message })
        throw failure
      }
      await renewer.rest(version, stop.signal)
    }
  } catch (error) {
    if (stop.signal.aborted) return undefined
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
