/** Sources that read files and watch them. */
import { isEtcdMtlsError } from '../report/errors.js'
import { assemble, type Inputs } from './assemble.js'
import type { Credentials, WatchableSource } from './credentials.js'
import { inputsHash, fingerprintOf } from './fingerprint.js'
import { Consumers, CredentialIterator } from './follow/credential-iterator.js'
import { Debouncer } from './follow/debouncer.js'
import { type FollowedFiles, WatchedFiles } from './follow/watched-files.js'
import { credentialsUnreadable, MaterialSource, untilAborted } from './source.js'

export interface FilesOfSource extends FollowedFiles {
  readonly gather: () => Promise<Inputs>
}

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
      this.#consumers.recordLoad(fingerprintOf(credentials))
      return credentials
    } catch (error) {
      if (isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) this.#consumers.recordFailedLoad()
      throw error
    }
  }

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
        const step = debouncer.step(inputsHash(inputs), () => assemble(inputs, this.origin), performance.now())
        if (step.kind === 'yield') yield step.credentials
        else if (step.kind === 'wait') await files.waitForChange(step.until)
        else {
          this.#consumers.recordFailure(signal, debouncer.state)
          throw credentialsUnreadable(this.origin, step.findings)
        }
      }
    } finally {
      files.close()
    }
  }
}
