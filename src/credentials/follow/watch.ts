/** Follows files for one consumer: looks at them when something hints at a change, and from time to time in any case. */
import { setMaxListeners } from 'node:events'
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

/**
 * Yields credentials as `progress` decides, until the signal is aborted or the consumer returns; both end it at once, also
 * while a read is under way. Nothing runs, and nothing is open, before the first `next()`; between calls the directories stay
 * watched and nothing is read.
 */
export class CredentialIterator implements AsyncIterableIterator<Credentials, undefined, undefined> {
  readonly #stop = new AbortController()
  readonly #steps: AsyncGenerator<Credentials, undefined, undefined>

  constructor(
    subject: Subject,
    progress: Debouncer,
    options: { timing: WatchTiming; watchDirectory: WatchDirectory; signal: AbortSignal },
  ) {
    this.#steps = follow(subject, progress, { ...options, stop: this.#stop })
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
  readonly timing: WatchTiming
  readonly watchDirectory: WatchDirectory
  /** The consumer's. */
  readonly signal: AbortSignal
  /** Ends this following only. */
  readonly stop: AbortController
}

async function* follow(
  subject: Subject,
  progress: Debouncer,
  { timing, watchDirectory, signal, stop }: FollowOptions,
): AsyncGenerator<Credentials, undefined, undefined> {
  const hints = new ChangeNotifier(watchDirectory)
  const abort = (): void => {
    stop.abort()
  }
  stop.signal.addEventListener('abort', () => {
    hints.close()
  })
  // Any number of sources may be followed until one signal; Node warns from the eleventh listener on.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    const eye = new FilePoller(subject, timing, hints, stop.signal)
    for (;;) {
      const judge = await eye.look()
      const step = judge(progress, performance.now())
      if (step.kind === 'give') yield step.credentials
      else if (step.kind === 'report') throw subject.fail(step, progress)
      else await eye.rest(step.until)
    }
  } catch (error) {
    if (stop.signal.aborted) return undefined
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
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
