/** Sources that read files, and follow them. */
import { isEtcdMtlsError } from '../report/errors.js'
import { assemble, type Inputs } from './assemble.js'
import type { Credentials, WatchableSource } from './credentials.js'
import { contentsOf, fingerprintOf } from './fingerprint.js'
import { Consumers, CredentialIterator } from './follow/credential-iterator.js'
import { Debouncer } from './follow/debouncer.js'
import { type Following, WatchedFiles } from './follow/watched-files.js'
import { credentialsUnreadable, MaterialSource, untilAborted } from './source.js'

/** What a source of files is made from. */
export interface FilesOfSource extends Following {
  readonly gather: () => Promise<Inputs>
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
    const debouncer = new Debouncer(this.#files.timing, this.#consumers.begin(signal, held))
    return new CredentialIterator(signal, (stop) => this.#follow(signal, stop, debouncer))
  }

  async *#follow(signal: AbortSignal, stop: AbortSignal, debouncer: Debouncer): AsyncGenerator<Credentials> {
    const files = new WatchedFiles(this.#files, stop)
    try {
      for (;;) {
        await files.ready()
        const inputs = await untilAborted(this.#files.gather(), stop)
        const step = debouncer.judge(contentsOf(inputs), () => assemble(inputs, this.origin), performance.now())
        if (step.kind === 'give') yield step.credentials
        else if (step.kind === 'wait') await files.rest(step.until)
        else {
          this.#consumers.interrupt(signal, debouncer.known)
          throw credentialsUnreadable(this.origin, step.findings)
        }
      }
    } finally {
      files.close()
    }
  }
}
