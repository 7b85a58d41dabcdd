/** Follows the paths to files: which directories to watch, and a signature that differs after a change. */
import { lstat, readlink } from 'node:fs/promises'
import { dirname, join, parse, sep } from 'node:path'
import { isError } from '../../report/errors.js'

/** A directory that holds something that the files depend on. */
export interface WatchedDirectory {
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
