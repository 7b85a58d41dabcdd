/** Follows files for one consumer: looks at them when something hints at a change, and from time to time in any case. */
import type { Credentials } from '../credentials.js'
import { untilAborted } from '../source.js'
import { ChangeNotifier, type WatchDirectory } from './change-notifier.js'
import type { WatchTiming } from './watch-options.js'
import type { Debouncer, Step } from './debouncer.js'
import { survey } from './watch-survey.js'

/** The files that are followed. */
export interface Subject {
  /** Where the files are now, as absolute paths. */
  readonly paths: () => readonly string[]
  /** Reads them, and hands what was found to `progress`. */
  readonly look: () => Promise<(progress: Debouncer, now: number) => Step>
  /** The error for a step that reports trouble. The consumer's iteration ends with it. */
  readonly fail: (step: Step & { kind: 'report' }, progress: Debouncer) => Error
}

/**
 * Times of change are this coarse in some file systems (FAT two seconds, older NFS and HFS one): what changed twice in that
 * time looks the same, so files are read once more after it.
 */
const COARSEST_CLOCK = 3000

interface FollowOptions {
  readonly timing: WatchTiming
  readonly watchDirectory: WatchDirectory
  readonly stop: AbortSignal
}

/**
 * Yields credentials as `progress` decides. Between two calls the directories stay watched and nothing is read.
 */
export async function* followFiles(
  subject: Subject,
  progress: Debouncer,
  { timing, watchDirectory, stop }: FollowOptions,
): AsyncGenerator<Credentials, undefined, undefined> {
  const hints = new ChangeNotifier(watchDirectory)
  stop.addEventListener('abort', () => {
    hints.close()
  })
  try {
    const poller = new FilePoller(subject, timing, hints, stop)
    for (;;) {
      const judge = await poller.look()
      const step = judge(progress, performance.now())
      if (step.kind === 'give') yield step.credentials
      else if (step.kind === 'report') throw subject.fail(step, progress)
      else await poller.rest(step.until)
    }
  } finally {
    hints.close()
  }
}

/** Looks at the files, and rests until that may be worth it again. */
class FilePoller {
  readonly #subject: Subject
  readonly #timing: WatchTiming
  readonly #hints: ChangeNotifier
  readonly #stop: AbortSignal
  #signature: string | null = null
  /** When the signature was first seen to be what it is. */
  #changedAt = 0
  #lookedAt = -Infinity

  constructor(subject: Subject, timing: WatchTiming, hints: ChangeNotifier, stop: AbortSignal) {
    this.#subject = subject
    this.#timing = timing
    this.#hints = hints
    this.#stop = stop
  }

  /**
   * Looks at the files, but not too soon after the last look: files that change all the time are not read all the time, and
   * of a burst the end is seen. Watches first and reads then, so that no change falls between the two.
   */
  async look(): Promise<Awaited<ReturnType<Subject['look']>>> {
    await this.#hints.pause(this.#lookedAt + this.#timing.quiet - performance.now())
    this.#hints.clear()
    await this.#survey()
    this.#lookedAt = performance.now()
    return this.#unlessStopped(() => this.#subject.look())
  }

  /** Rests until a hint, until the files look different from outside, or until the given time. */
  async rest(until: number | null): Promise<void> {
    const { pollInterval } = this.#timing
    for (;;) {
      const left = until === null ? pollInterval : until - performance.now()
      const hinted = await this.#hints.untilHint(Math.min(left, pollInterval))
      if (hinted || (until !== null && left <= pollInterval)) return
      await this.#survey()
      // Changed since the last look, or so shortly before it that another change after it would not show.
      if (this.#lookedAt - this.#changedAt < COARSEST_CLOCK) return
    }
  }

  async #survey(): Promise<void> {
    const { directories, signature } = await this.#unlessStopped(() => survey(this.#subject.paths()))
    this.#hints.watch(directories)
    if (signature === this.#signature) return
    this.#signature = signature
    this.#changedAt = performance.now()
  }

  async #unlessStopped<T>(work: () => Promise<T>): Promise<T> {
    this.#stop.throwIfAborted()
    return untilAborted(work(), this.#stop)
  }
}
