/** Hints of the operating system that files may have changed. Whether they have is for those who look at them. */
import { isError } from '../../report/errors.js'
import { watch } from 'node:fs'
import { basename } from 'node:path'
import type { WatchedDirectory } from './watch-survey.js'

/**
 * Watches one directory, not what is below it.
 *
 * @param onChange Told the name of the entry that changed; null if the system does not say.
 * @param onError Told that the watch has ended by itself.
 * @throws Errors of the file system, as ENOSPC where inotify's watches are used up.
 */
export type WatchDirectory = (
  directory: string,
  onChange: (name: string | null) => void,
  onError: () => void,
) => { close(): void }

/** The operating system's own watches. They keep no process alive. */
export const watchDirectory: WatchDirectory = (directory, onChange, onError) => {
  const watcher = watch(directory, { persistent: false }, (_event, name) => {
    onChange(name)
  })
  return watcher.on('error', onError)
}

interface OpenWatch {
  watched: WatchedDirectory
  /** Whether it has ended, or may be that of a directory that is gone. */
  stale: boolean
  close: () => void
}

/** Watches directories, and waits: for a hint, or until the time is over. Neither keeps the process alive. */
export class ChangeNotifier {
  readonly #watchDirectory: WatchDirectory
  readonly #open = new Map<string, OpenWatch>()
  #hinted = false
  #closed = false
  #wake: (() => void) | null = null

  constructor(watchDirectory: WatchDirectory) {
    this.#watchDirectory = watchDirectory
  }

  /**
   * Watches these directories and no others. One that cannot be watched (no right to read it, no watches left) is left out,
   * and tried again at the next call: it gives no hints, and what changes there is found when somebody looks.
   */
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

  /** Forgets what was hinted so far: what is looked at from now on has it all. */
  clear(): void {
    this.#hinted = false
  }

  /** Waits for a hint, but no longer than so many milliseconds, and not at all once closed. Says whether there was one. */
  async untilHint(milliseconds: number): Promise<boolean> {
    if (!this.#hinted) await this.pause(milliseconds, { orHint: true })
    return this.#hinted
  }

  /** Waits so many milliseconds, or until closed. */
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

  /** Ends all watches and whoever waits. */
  close(): void {
    this.#closed = true
    for (const [directory, open] of this.#open) this.#end(directory, open)
    this.#wake?.()
  }

  #begin(directory: string, watched: WatchedDirectory): void {
    const open: OpenWatch = { watched, stale: false, close: () => undefined }
    const onChange = (name: string | null): void => {
      // A directory that is moved or removed says so by its own name.
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
