/** Reports of the operating system that files may have changed. */
import { watch } from 'node:fs'
import { basename } from 'node:path'
import { isError } from '../../report/errors.js'
import type { WatchedDirectory } from './watch-survey.js'

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

interface OpenWatch {
  watched: WatchedDirectory
  /** Whether it has ended, or its directory may be removed. */
  stale: boolean
  close: () => void
}

/** Watches directories, and waits for a report or for a time. Neither keeps the process alive. */
export class ChangeNotifier {
  readonly #watchDirectory: WatchDirectory
  readonly #open = new Map<string, OpenWatch>()
  #hinted = false
  #closed = false
  #wake: (() => void) | null = null

  constructor(watchDirectory: WatchDirectory) {
    this.#watchDirectory = watchDirectory
  }

  /** Watches these directories and no others. One that cannot be watched is left to polling, and tried again at the next call. */
  watch(directories: ReadonlyMap<string, WatchedDirectory>): void {
    if (this.#closed) return
    for (const [directory, open] of this.#open) {
      const watched = directories.get(directory)
      if (watched !== undefined && !open.stale && watched.identity === open.watched.identity) open.watched = watched
      else this.#end(directory, open)
    }
    for (const [directory, watched] of directories) {
      if (!this.#open.has(directory)) this.#begin(directory, watched)
    }
  }

  /** Forgets the reports so far. */
  clear(): void {
    this.#hinted = false
  }

  /** Waits for a report, at most the given milliseconds, and not at all once closed. Returns whether there was one. */
  async untilHint(milliseconds: number): Promise<boolean> {
    if (!this.#hinted) await this.pause(milliseconds, { orHint: true })
    return this.#hinted
  }

  /** Waits the given milliseconds, or until closed. */
  async pause(milliseconds: number, { orHint = false } = {}): Promise<void> {
    if (this.#closed || milliseconds <= 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds).unref()
      this.#wake = () => {
        if (orHint || this.#closed) resolve()
      }
    })
    clearTimeout(timer)
    this.#wake = null
  }

  /** Ends all watches and waits. */
  close(): void {
    this.#closed = true
    for (const [directory, open] of this.#open) this.#end(directory, open)
    this.#wake?.()
  }

  #begin(directory: string, watched: WatchedDirectory): void {
    const open: OpenWatch = { watched, stale: false, close: () => undefined }
    const onChange = (name: string | null): void => {
      // A directory that is moved or removed reports its own name.
      const isSelf = name === basename(directory)
      if (isSelf) open.stale = true
      if (name === null || isSelf || open.watched.names.has(name)) this.#hint()
    }
    const onError = (): void => {
      open.stale = true
      this.#hint()
    }
    try {
      const watch = this.#watchDirectory(directory, onChange, onError)
      open.close = () => {
        watch.close()
      }
      this.#open.set(directory, open)
    } catch (error) {
      if (isError(error) && 'code' in error) return
      throw error
    }
  }

  #end(directory: string, { close }: OpenWatch): void {
    this.#open.delete(directory)
    close()
  }

  #hint(): void {
    this.#hinted = true
    this.#wake?.()
  }
}
