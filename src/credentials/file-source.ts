/** Sources that read files, and follow them. */
import { isEtcdMtlsError } from '../report/errors.js'
import { valueInvalid } from '../report/option-error.js'
import { assemble, type Inputs } from './assemble.js'
import type { Credentials, WatchableSource } from './credentials.js'
import { contentsOf, fingerprintOf } from './fingerprint.js'
import { credentialsUnreadable, MaterialSource } from './source.js'
import { CredentialIterator, type Subject } from './follow/watch.js'
import { type WatchDirectory, watchDirectory } from './follow/change-notifier.js'
import type { WatchTiming } from './follow/watch-options.js'
import { type Known, Debouncer } from './follow/debouncer.js'

/** What a source of files is made from. */
export interface FilesOfSource {
  /** Reads them. */
  readonly gather: () => Promise<Inputs>
  /** Where they are now, as absolute paths. */
  readonly paths: () => readonly string[]
  readonly timing: WatchTiming
  /** Default: the operating system's watches. */
  readonly watchDirectory?: WatchDirectory | undefined
}

/** A source that is read from files and follows them. */
export class FileSource extends MaterialSource implements WatchableSource {
  readonly #files: FilesOfSource
  /** What `load()` handed out last; undefined before it was called. */
  #handedOut: Known | undefined
  /** What consumers knew that were told of trouble, to go on from there. */
  readonly #interrupted = new WeakMap<AbortSignal, Known>()

  constructor(origin: string, files: FilesOfSource) {
    super(origin, files.gather)
    this.#files = files
  }

  override async load(signal?: AbortSignal): Promise<Credentials> {
    try {
      const credentials = await super.load(signal)
      this.#handedOut = { held: fingerprintOf(credentials), told: null }
      return credentials
    } catch (error) {
      // Whoever was refused has nothing, and what is mended before he watches is news to him.
      if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) this.#handedOut ??= { held: null, told: null }
      throw error
    }
  }

  /** See {@link CredentialSource}. */
  watch(signal: AbortSignal, held?: Credentials): AsyncIterableIterator<Credentials, undefined, undefined> {
    const given: unknown = signal
    if (!(given instanceof AbortSignal)) throw valueInvalid('signal', given, 'an AbortSignal')
    const { timing, watchDirectory: watchBy = watchDirectory } = this.#files
    const progress = new Debouncer(timing, this.#knownBy(signal, held))
    return new CredentialIterator(this.#subject(signal), progress, { timing, watchDirectory: watchBy, signal })
  }

  #knownBy(signal: AbortSignal, held: Credentials | undefined): Known | undefined {
    const interrupted = this.#interrupted.get(signal)
    this.#interrupted.delete(signal)
    if (interrupted !== undefined || held === undefined) return interrupted ?? this.#handedOut
    return { held: fingerprintOf(held), told: null }
  }

  #subject(signal: AbortSignal): Subject {
    const { gather, paths } = this.#files
    return {
      paths,
      look: async () => {
        const inputs = await gather()
        const contents = contentsOf(inputs)
        return (progress, now) => progress.judge(contents, () => assemble(inputs, this.origin), now)
      },
      fail: ({ findings }, { known }) => {
        if (known !== undefined) this.#interrupted.set(signal, known)
        return credentialsUnreadable(this.origin, findings)
      },
    }
  }
}
