/** Files whose changes the operating system reports, or that are polled. */
import { watch } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import { basename, dirname, join, parse, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_DELAY, parseDuration } from '../../report/duration.js'
import { isError } from '../../report/errors.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { untilAborted } from '../source.js'

/** How `watch()` of a source follows its files. The defaults suit local files, mounted secrets and NFS. */
export interface WatchOptions {
  /**
   * How often the files are checked, because the operating system may report no change: on NFS, in some containers, or
   * if its watches are used up. At least `'100ms'`. Default: `'10s'`.
   */
  pollInterval?: string | undefined
  /**
   * How long files may be incomplete, missing or not match before that is reported. At least `'1s'`. Default: `'30s'`.
   */
  settle?: string | undefined
}

/** The resolved options, in milliseconds. */
export interface WatchTiming {
  readonly pollInterval: number
  readonly settle: number
  /** How long contents must stay the same before they count, and the least time between two reads. */
  readonly quiet: number
}

/** Long enough that the files that a program writes together are one change, short enough not to be noticed. */
const QUIET = 250

/**
 * Reads the option `watch`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readWatchOptions(given: WatchOptions = {}): WatchTiming {
  checkOptions('options.watch', given, ['pollInterval', 'settle'])
  const { pollInterval = '10s', settle = '30s' } = given
  return {
    pollInterval: readDelay(pollInterval, 'options.watch.pollInterval', { least: 100, named: '100ms' }),
    settle: readDelay(settle, 'options.watch.settle', { least: 1000, named: '1s' }),
    quiet: QUIET,
  }
}

function readDelay(text: string, option: string, { least, named }: { least: number; named: string }): number {
  const milliseconds = parseDuration(text, option)
  if (milliseconds < least || milliseconds > MAX_DELAY) throw optionInvalid(option, `must be from '${named}' to '24d'`)
  return milliseconds
}

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

/** A directory that holds something that the files depend on. */
interface WatchedDirectory {
  /** Differs for another directory that takes its place. */
  readonly identity: string
  /** The files, the links in the paths to them, and what is missing. */
  readonly names: ReadonlySet<string>
}

export interface Survey {
  readonly directories: ReadonlyMap<string, WatchedDirectory>
  /** Differs if a link does, or a file's inode, size or time of change. */
  readonly signature: string
}

interface Trace {
  readonly places: readonly { readonly directory: string; readonly name: string }[]
  readonly signature: string
}

/** Follows the paths to all files. Never rejects for what exists or does not. */
export async function survey(paths: readonly string[]): Promise<Survey> {
  const traces = await Promise.all(paths.map((path) => trace(path)))
  const names = new Map<string, Set<string>>()
  for (const { directory, name } of traces.flatMap(({ places }) => places)) {
    names.set(directory, (names.get(directory) ?? new Set()).add(name))
  }
  const directories = await Promise.all(
    [...names].map(async ([directory, each]) => {
      const entry = await lookAt(directory)
      return [directory, { identity: typeof entry === 'string' ? entry : entry.identity, names: each }] as const
    }),
  )
  return { directories: new Map(directories), signature: traces.map(({ signature }) => signature).join('\n') }
}

/** Most links followed in one path, as in Linux (MAXSYMLINKS). */
const MAX_LINKS = 40

/** Resolves one absolute path, name by name, as the operating system does. */
async function trace(path: string): Promise<Trace> {
  const { root } = parse(path)
  const places: { directory: string; name: string }[] = []
  const signature: string[] = []
  const names = split(path, root)
  let directory = root
  let links = 0
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      directory = dirname(directory)
      continue
    }
    const entry = await lookAt(join(directory, name))
    const isLink = typeof entry !== 'string' && entry.target !== null
    if (isLink || typeof entry === 'string' || names.length === 0) places.push({ directory, name })
    if (typeof entry === 'string') return { places, signature: [...signature, entry].join(' ') }
    if (entry.target === null) {
      directory = join(directory, name)
      if (names.length === 0) signature.push(entry.identity, entry.version)
      continue
    }
    signature.push(entry.target)
    if (++links > MAX_LINKS) break
    const { root: targetRoot } = parse(entry.target)
    if (targetRoot !== '') directory = targetRoot
    names.unshift(...split(entry.target, targetRoot))
  }
  return { places, signature: signature.join(' ') }
}

function split(path: string, root: string): string[] {
  const names = path.slice(root.length).split(sep)
  return names.filter((name) => name !== '' && name !== '.')
}

interface Entry {
  readonly identity: string
  /** Changes with the contents. It includes the time of the inode's last change, which no program can set back. */
  readonly version: string
  /** The target of a symbolic link; null for everything else. */
  readonly target: string | null
}

/** An entry of a directory, or the code of the error. */
async function lookAt(path: string): Promise<Entry | string> {
  try {
    const stats = await lstat(path, { bigint: true })
    const { dev, ino, size, mtimeNs, ctimeNs } = stats
    return {
      identity: `${String(dev)}:${String(ino)}`,
      version: [size, mtimeNs, ctimeNs].map(String).join(':'),
      target: stats.isSymbolicLink() ? await readlink(path) : null,
    }
  } catch (error) {
    if (isError(error) && 'code' in error && typeof error.code === 'string') return error.code
    throw error
  }
}
