/** Sources that read files, and follow them. */
import { isEtcdMtlsError } from '../report/errors.js'
import { assemble, type Inputs } from './assemble.js'
import type { Credentials, WatchableSource } from './credentials.js'
import { contentsOf, fingerprintOf } from './fingerprint.js'
import { type WatchDirectory, watchDirectory } from './follow/change-notifier.js'
import { Consumers, CredentialIterator } from './follow/credential-iterator.js'
import { Debouncer } from './follow/debouncer.js'
import { type FollowedFiles, followFiles } from './follow/watch.js'
import type { WatchTiming } from './follow/watch-options.js'
import { credentialsUnreadable, MaterialSource } from './source.js'

/** What a source of files is made from. */
export interface FilesOfSource {
  readonly gather: () => Promise<Inputs>
  /** Where the files are now, as absolute paths. */
  readonly paths: () => readonly string[]
  readonly timing: WatchTiming
  /** Default: the operating system's watches. */
  readonly watchDirectory?: WatchDirectory | undefined
}

/** A source that is read from files and follows them. */
export class FileSource extends MaterialSource implements WatchableSource {
  readonly #files: FilesOfSource
  readonly #consumers = new Consumers()

  constructor(origin: string, files: FilesOfSource) {
    super(origin, files.gather)
    this.#files = files
  }

  override async load(signal?: AbortSignal): Promise<Credentials> {
    try {
      const credentials = await super.load(signal)
      this.#consumers.loaded(fingerprintOf(credentials))
      return credentials
    } catch (error) {
      if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) this.#consumers.loadFailed()
      throw error
    }
  }

  /** See {@link CredentialSource}. */
  watch(signal: AbortSignal, held?: Credentials): AsyncIterableIterator<Credentials, undefined, undefined> {
    const { gather, paths, timing, watchDirectory: watchBy = watchDirectory } = this.#files
    const debouncer = new Debouncer(timing, this.#consumers.begin(signal, held))
    const files: FollowedFiles = {
      paths,
      read: async () => {
        const inputs = await gather()
        const contents = contentsOf(inputs)
        return (judge, now) => judge.judge(contents, () => assemble(inputs, this.origin), now)
      },
      fail: ({ findings }, { known }) => {
        if (known !== undefined) this.#consumers.interrupt(signal, known)
        return credentialsUnreadable(this.origin, findings)
      },
    }
    const options = { timing, watchDirectory: watchBy }
    return new CredentialIterator(signal, (stop) => followFiles(files, debouncer, { ...options, stop }))
  }
}
