/** Files whose changes the operating system reports, or that are polled. */
import { watch } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isError } from '../../report/errors.js'
import { untilAborted } from '../source.js'
import type { WatchTiming } from './watch-options.js'
import { survey, type WatchedDirectory } from './watch-survey.js'

/**
 * Watches one directory, without those below it.
 *
 * @param onChange Called with the name of the entry that changed; null if the system does not report it.
 * @param onError Called when the watch ends on its own.
 * @throws Errors of the file system, such as ENOSPC if inotify's watches are used up.
 */
export type WatchDirectory = (
  directory: string,
  onChange: (name: string | null) => void,
  onError: () => void,
) => { close(): void }

/** The operating system's watches. They do not keep the process alive. */
export const watchDirectory: WatchDirectory = (directory, onChange, onError) => {
  const watcher = watch(directory, { persistent: false }, (_event, name) => {
    onChange(name)
  })
  return watcher.on('error', onError)
}

/** What is followed, and how. */
export interface Following {
  /** Where the files are now, as absolute paths. */
  readonly paths: () => readonly string[]
  readonly timing: WatchTiming
  /** Default: the operating system's watches. */
  readonly watchDirectory?: WatchDirectory | undefined
}

/**
 * Some file systems store times this coarsely (FAT two seconds, older NFS and HFS one): a second change in that time is not
 * visible, so files are read once more after it.
 */
const COARSEST_CLOCK = 3000

interface OpenWatch {
  watched: WatchedDirectory
  /** Whether it has ended, or its directory may be removed. */
  stale: boolean
  close: () => void
}

/** The directories stay watched between two calls, until `stop` is aborted. No watch or timer keeps the process alive. */
export class WatchedFiles {
  readonly #following: Following
  readonly #stop: AbortSignal
  readonly #watches = new Map<string, OpenWatch>()
  /** Aborted by a report since the last read. */
  #reported = new AbortController()
  #signature: string | null = null
  /** When the signature was first seen. */
  #changedAt = 0
  #readAt = -Infinity

  constructor(following: Following, stop: AbortSignal) {
    this.#following = following
    this.#stop = stop
    stop.addEventListener('abort', () => {
      this.close()
    })
  }

  /** Waits until the files may be read. The watches are open by then, so that no change is lost between two reads. */
  async ready(): Promise<void> {
    await pause(this.#readAt + this.#following.timing.quiet - performance.now(), this.#stop)
    this.#reported = new AbortController()
    await this.#survey()
    this.#readAt = performance.now()
  }

  /** Rests until a report, until the files look different, or until the given time. */
  async rest(until: number | null): Promise<void> {
    const { pollInterval } = this.#following.timing
    for (;;) {
      const left = until === null ? pollInterval : until - performance.now()
      const { signal } = this.#reported
      await pause(Math.min(left, pollInterval), signal)
      if (signal.aborted || (until !== null && left <= pollInterval)) return
      await this.#survey()
      // Changed since the last read, or so shortly before it that another change would not show.
      if (this.#readAt - this.#changedAt < COARSEST_CLOCK) return
    }
  }

  /** Ends all watches and the rest. */
  close(): void {
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
    this.#reported.abort()
  }

  /** Watches the directories on the paths to the files, and no others. */
  async #survey(): Promise<void> {
    this.#stop.throwIfAborted()
    const { directories, signature } = await untilAborted(survey(this.#following.paths()), this.#stop)
    for (const [directory, open] of this.#watches) {
      const watched = directories.get(directory)
      if (watched !== undefined && !open.stale && watched.identity === open.watched.identity) open.watched = watched
      else {
        this.#watches.delete(directory)
        open.close()
      }
    }
    for (const [directory, watched] of directories) {
      if (!this.#watches.has(directory)) this.#open(directory, watched)
    }
    if (signature === this.#signature) return
    this.#signature = signature
    this.#changedAt = performance.now()
  }

  /** A directory that cannot be watched is left to polling, and tried again at the next look. */
  #open(directory: string, watched: WatchedDirectory): void {
    const open: OpenWatch = { watched, stale: false, close: () => undefined }
    const onChange = (name: string | null): void => {
      // A directory that is moved or removed reports its own name.
      const isSelf = name === basename(directory)
      if (isSelf) open.stale = true
      if (name === null || isSelf || open.watched.names.has(name)) this.#reported.abort()
    }
    const onError = (): void => {
      open.stale = true
      this.#reported.abort()
    }
    try {
      const opened = (this.#following.watchDirectory ?? watchDirectory)(directory, onChange, onError)
      open.close = () => {
        opened.close()
      }
      this.#watches.set(directory, open)
    } catch (error) {
      if (!(isError(error) && 'code' in error)) throw error
    }
  }
}

/** Waits the given milliseconds, at most until the signal is aborted. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined)
}
