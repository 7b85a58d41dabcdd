/** Detects changes of files by watches of the operating system and by polling. */
import { watch } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import { basename, dirname, join, parse, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_DELAY, parseDuration } from '../../report/duration.js'
import type { HostPath } from '../../files/in-root.js'
import { isError } from '../../report/errors.js'
import { checkOptions, optionInvalid } from '../../report/option-error.js'
import { untilAborted } from '../source.js'

/** Timing of `watch()`. The defaults suit local files, mounted secrets and NFS. */
export interface WatchOptions {
  /**
   * How often the files are checked, because the operating system may report no change: on NFS, in some containers, or
   * if its watches are used up. At least `'100ms'`.
   *
   * @default '10s'
   */
  pollInterval?: string | undefined
  /** How long files may be incomplete, missing or not match before that is reported. At least `'1s'`. @default '30s' */
  settle?: string | undefined
}

export interface WatchTiming {
  readonly pollInterval: number
  readonly settle: number
  /** How long contents must be unchanged before they are used, and the minimum time between two reads. */
  readonly quiet: number
}

/** Files that a program writes within this time, in milliseconds, count as one change. */
const QUIET = 250

/**
 * Reads the option `watch`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readWatchOptions(given: WatchOptions = {}): WatchTiming {
  checkOptions('watch', given, ['pollInterval', 'settle'])
  const { pollInterval = '10s', settle = '30s' } = given
  return {
    pollInterval: readDelay(pollInterval, 'watch.pollInterval', { least: 100, named: '100ms' }),
    settle: readDelay(settle, 'watch.settle', { least: 1000, named: '1s' }),
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
 * @param onChange Called with the name of the changed entry; null if the system does not report it.
 * @param onError Called when the watch fails.
 * @throws Errors of the file system, such as ENOSPC if all inotify watches are in use.
 */
export type WatchDirectory = (
  directory: string,
  onChange: (name: string | null) => void,
  onError: () => void,
) => { close(): void }

/** Watches of the operating system. They do not keep the process alive. */
export const watchDirectory: WatchDirectory = (directory, onChange, onError) => {
  const watcher = watch(directory, { persistent: false }, (_event, name) => {
    onChange(name)
  })
  return watcher.on('error', onError)
}

export interface FollowedFiles {
  /** The current paths of the files, absolute or below a root. */
  readonly paths: () => readonly HostPath[]
  readonly timing: WatchTiming
  /** @default {@link watchDirectory} */
  readonly watchDirectory?: WatchDirectory | undefined
}

/**
 * Resolution of file times, rounded up (FAT: 2 s; older NFS and HFS: 1 s). A second change within it is invisible, so the
 * files are read again after it.
 */
const TIMESTAMP_RESOLUTION = 3000

interface OpenWatch {
  watched: WatchedDirectory
  /** Whether the watch ended, or its directory may have been removed. */
  stale: boolean
  close: () => void
}

/** Watches the directories of the files until `stop` is aborted. No watch or timer keeps the process alive. */
export class WatchedFiles {
  readonly #files: FollowedFiles
  readonly #stop: AbortSignal
  readonly #watches = new Map<string, OpenWatch>()
  /** Aborted when a watch reports a change after the last read. */
  #changeReported = new AbortController()
  #signature: string | null = null
  #changedAt = 0
  #readAt = -Infinity

  constructor(following: FollowedFiles, stop: AbortSignal) {
    this.#files = following
    this.#stop = stop
    stop.addEventListener('abort', () => {
      this.close()
    })
  }

  /** Waits until the next read is due. It opens the watches first, so that no change is lost between two reads. */
  async ready(): Promise<void> {
    await pause(this.#readAt + this.#files.timing.quiet - performance.now(), this.#stop)
    this.#changeReported = new AbortController()
    await this.#updateWatches()
    this.#readAt = performance.now()
  }

  /** Waits until a watch reports a change, the signature differs, or the given time is reached. */
  async waitForChange(until: number | null): Promise<void> {
    const { pollInterval } = this.#files.timing
    for (;;) {
      const left = until === null ? pollInterval : until - performance.now()
      const { signal } = this.#changeReported
      await pause(Math.min(left, pollInterval), signal)
      if (signal.aborted || (until !== null && left <= pollInterval)) return
      await this.#updateWatches()
      // Changed after the last read, or so shortly before it that a second change would be invisible.
      if (this.#readAt - this.#changedAt < TIMESTAMP_RESOLUTION) return
    }
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
    this.#changeReported.abort()
  }

  async #updateWatches(): Promise<void> {
    this.#stop.throwIfAborted()
    const { directories, signature } = await untilAborted(resolvePaths(this.#files.paths()), this.#stop)
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

  /** If a directory cannot be watched, its files are polled, and each poll tries to watch it again. */
  #open(directory: string, watched: WatchedDirectory): void {
    const open: OpenWatch = { watched, stale: false, close: () => undefined }
    const onChange = (name: string | null): void => {
      // A directory that is moved or removed reports its own name.
      const isSelf = name === basename(directory)
      if (isSelf) open.stale = true
      if (name === null || isSelf || open.watched.names.has(name)) this.#changeReported.abort()
    }
    const onError = (): void => {
      open.stale = true
      this.#changeReported.abort()
    }
    try {
      const opened = (this.#files.watchDirectory ?? watchDirectory)(directory, onChange, onError)
      open.close = () => {
        opened.close()
      }
      this.#watches.set(directory, open)
    } catch (error) {
      if (!(isError(error) && 'code' in error)) throw error
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined)
}

interface WatchedDirectory {
  /** Differs if another directory replaces it. */
  readonly identity: string
  /** The files, the links on their paths, and the missing entries. */
  readonly names: ReadonlySet<string>
}

export interface ResolvedPaths {
  readonly directories: ReadonlyMap<string, WatchedDirectory>
  /** Differs if the target of a link, or the inode, size or time of a file, has changed. */
  readonly signature: string
}

interface ResolvedPath {
  readonly places: readonly { readonly directory: string; readonly name: string }[]
  readonly signature: string
}

/** Resolves the paths. Missing entries are part of the result, not errors. */
export async function resolvePaths(paths: readonly HostPath[]): Promise<ResolvedPaths> {
  const traces = await Promise.all(paths.map((path) => resolvePath(path)))
  const names = new Map<string, Set<string>>()
  for (const { directory, name } of traces.flatMap(({ places }) => places)) {
    names.set(directory, (names.get(directory) ?? new Set()).add(name))
  }
  const directories = await Promise.all(
    [...names].map(async ([directory, each]) => {
      const entry = await readEntry(directory)
      return [directory, { identity: typeof entry === 'string' ? entry : entry.identity, names: each }] as const
    }),
  )
  return { directories: new Map(directories), signature: traces.map(({ signature }) => signature).join('\n') }
}

const MAX_LINKS = 40

/** Resolves an absolute path one name at a time, as the operating system does, or a path below a root. */
async function resolvePath(given: HostPath): Promise<ResolvedPath> {
  const isInRoot = typeof given !== 'string'
  const { root, path } = isInRoot ? given : { root: parse(given).root, path: given.slice(parse(given).root.length) }
  const places: { directory: string; name: string }[] = []
  const signature: string[] = []
  const names = split(path)
  let directory = root
  let links = 0
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      if (directory !== root) directory = dirname(directory)
      continue
    }
    const entry = await readEntry(join(directory, name))
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
    if (targetRoot !== '') directory = isInRoot ? root : targetRoot
    names.unshift(...split(entry.target.slice(targetRoot.length)))
  }
  return { places, signature: signature.join(' ') }
}

function split(path: string): string[] {
  return path.split(sep).filter((name) => name !== '' && name !== '.')
}

interface Entry {
  readonly identity: string
  /** Changes with the contents. It includes ctime, which programs cannot set. */
  readonly version: string
  readonly target: string | null
}

async function readEntry(path: string): Promise<Entry | string> {
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
