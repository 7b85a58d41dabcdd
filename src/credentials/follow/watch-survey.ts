/** Follows the ways to files: which directories to watch for a change of them, and by what a change shows. */
import { lstat, readlink } from 'node:fs/promises'
import { isError } from '../../report/errors.js'
import { dirname, join, parse, sep } from 'node:path'

/** A directory that holds something the files depend on. */
export interface WatchedDirectory {
  /** Tells it from another directory that takes its place. */
  readonly identity: string
  /** The files, the links on the way to them, and what is missing. */
  readonly names: ReadonlySet<string>
}

/** The ways to some files, as they are now. */
export interface Survey {
  readonly directories: ReadonlyMap<string, WatchedDirectory>
  /** Differs where a link does, or a file's inode, size or time of change. */
  readonly signature: string
}

interface Trace {
  readonly places: readonly { readonly directory: string; readonly name: string }[]
  readonly signature: string
}

/** Follows the ways to all files. Never rejects for what is or is not there. */
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

/** Most links followed on one way, as Linux has it (MAXSYMLINKS). */
const MAX_LINKS = 40

/** Goes along one absolute path, name by name, as the operating system does. */
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
  /** Changes with the contents. The time of the inode's last change is in it, which no program can set back. */
  readonly version: string
  /** Where a symbolic link leads; null for everything else. */
  readonly target: string | null
}

/** An entry of a directory, or the code of the error that kept it from being looked at. */
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
