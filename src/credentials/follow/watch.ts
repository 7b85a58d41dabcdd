/** Follows files for one consumer: reads them when the system reports a change, and polls from time to time. */
import type { Credentials } from '../credentials.js'
import { untilAborted } from '../source.js'
import { ChangeNotifier, type WatchDirectory } from './change-notifier.js'
import type { Debouncer, Step } from './debouncer.js'
import type { WatchTiming } from './watch-options.js'
import { survey } from './watch-survey.js'

/** The files that are followed. */
export interface FollowedFiles {
  /** Where the files are now, as absolute paths. */
  readonly paths: () => readonly string[]
  /** Reads them; the result passes what was read to a debouncer. */
  readonly read: () => Promise<(debouncer: Debouncer, now: number) => Step>
  /** The error for a step that reports a failure. The iteration ends with it. */
  readonly fail: (step: Step & { kind: 'report' }, debouncer: Debouncer) => Error
}

/**
 * Some file systems store times this coarsely (FAT two seconds, older NFS and HFS one): a second change in that time is not
 * visible, so files are read once more after it.
 */
const COARSEST_CLOCK = 3000

interface FollowOptions {
  readonly timing: WatchTiming
  readonly watchDirectory: WatchDirectory
  readonly stop: AbortSignal
}

/** Yields credentials as the debouncer decides. Between two calls the directories stay watched and nothing is read. */
export async function* followFiles(
  files: FollowedFiles,
  debouncer: Debouncer,
  { timing, watchDirectory, stop }: FollowOptions,
): AsyncGenerator<Credentials, undefined, undefined> {
  const notifier = new ChangeNotifier(watchDirectory)
  stop.addEventListener('abort', () => {
    notifier.close()
  })
  try {
    const poller = new FilePoller(files, timing, notifier, stop)
    for (;;) {
      const judge = await poller.read()
      const step = judge(debouncer, performance.now())
      if (step.kind === 'give') yield step.credentials
      else if (step.kind === 'report') throw files.fail(step, debouncer)
      else await poller.rest(step.until)
    }
  } finally {
    notifier.close()
  }
}

class FilePoller {
  readonly #files: FollowedFiles
  readonly #timing: WatchTiming
  readonly #notifier: ChangeNotifier
  readonly #stop: AbortSignal
  #signature: string | null = null
  /** When the signature was first seen. */
  #changedAt = 0
  #readAt = -Infinity

  constructor(files: FollowedFiles, timing: WatchTiming, notifier: ChangeNotifier, stop: AbortSignal) {
    this.#files = files
    this.#timing = timing
    this.#notifier = notifier
    this.#stop = stop
  }

  /** Reads the files after the quiet time. Watches first and reads then, so that no change falls between the two. */
  async read(): Promise<Awaited<ReturnType<FollowedFiles['read']>>> {
    await this.#notifier.pause(this.#readAt + this.#timing.quiet - performance.now())
    this.#notifier.clear()
    await this.#survey()
    this.#readAt = performance.now()
    return this.#unlessStopped(() => this.#files.read())
  }

  /** Rests until a report, until the files look different, or until the given time. */
  async rest(until: number | null): Promise<void> {
    const { pollInterval } = this.#timing
    for (;;) {
      const left = until === null ? pollInterval : until - performance.now()
      const isReported = await this.#notifier.untilHint(Math.min(left, pollInterval))
      if (isReported || (until !== null && left <= pollInterval)) return
      await this.#survey()
      // Changed since the last read, or so shortly before it that another change would not show.
      if (this.#readAt - this.#changedAt < COARSEST_CLOCK) return
    }
  }

  async #survey(): Promise<void> {
    const { directories, signature } = await this.#unlessStopped(() => survey(this.#files.paths()))
    this.#notifier.watch(directories)
    if (signature === this.#signature) return
    this.#signature = signature
    this.#changedAt = performance.now()
  }

  async #unlessStopped<T>(work: () => Promise<T>): Promise<T> {
    this.#stop.throwIfAborted()
    return untilAborted(work(), this.#stop)
  }
}
