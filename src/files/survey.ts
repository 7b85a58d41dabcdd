/** What a reader of a directory sees, before anything in it is changed. */
import { join } from 'node:path'
import { type FileState, type FileSystem, lookAt, type ReadFile, readPlainFile } from './file-system.js'
import { DATA_LINK, isGenerationName, readDataLink } from './generation.js'
import { systemCode, writeFailed } from './write-file.js'

/** Far more than the largest bundle; what is larger is none of ours. */
const MOST_OCTETS = 16 * 1024 * 1024

/** A file that readers see under its name: through `..data`, or as a plain file that something else has written. */
export interface SeenFile {
  readonly file: ReadFile
  readonly linked: boolean
}

/** The state of a directory. */
export interface Survey {
  readonly directory: FileState
  /** The generation in use; null where there is none. */
  readonly generation: string | null
  /** What readers see, by name, of the names asked for and those in the generation. */
  readonly seen: ReadonlyMap<string, SeenFile>
  /** Names of which the generation has a file that no reader sees: their links were removed, or not made yet. */
  readonly hidden: readonly string[]
  /** Links that lead anywhere but to a file of the generation. They are never followed. */
  readonly foreign: ReadonlySet<string>
}

/**
 * Looks at a directory that is there.
 *
 * @param names What is going to be written or removed.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` for what cannot be replaced: a directory or a device in a file's place, a
 * `..data` that others look after.
 */
export async function surveyDirectory(fs: FileSystem, directory: string, names: Iterable<string>): Promise<Survey> {
  const state = await fs.lstat(directory)
  const generation = await findGeneration(fs, directory)
  const inside = new Set(generation === null ? [] : await listGeneration(fs, join(directory, generation)))
  const seen = new Map<string, SeenFile>()
  const foreign = new Set<string>()
  for (const name of new Set([...names, ...inside])) {
    const found = await lookAtName(fs, { directory, generation: inside.has(name) ? generation : null, name })
    if (found === 'foreign') foreign.add(name)
    else if (found !== null) seen.set(name, found)
  }
  const hidden = [...inside].filter((name) => seen.get(name)?.linked !== true)
  return { directory: state, generation, seen, hidden, foreign }
}

async function findGeneration(fs: FileSystem, directory: string): Promise<string | null> {
  const path = join(directory, DATA_LINK)
  let target: string | null
  try {
    target = await readDataLink(fs, directory)
  } catch (error) {
    if (systemCode(error) !== 'EINVAL') throw error
    throw writeFailed(
      path,
      'it is no link, as etcd-mtls and the kubelet make it: move it away, or choose another directory',
    )
  }
  if (target === null) return null
  if (!isGenerationName(target)) {
    const reason = `it leads to "${target}", so the directory is looked after by something else (a volume of Kubernetes has such a link): choose another directory, or replace the secret that the volume is made from`
    throw writeFailed(path, reason)
  }
  const state = await lookAt(fs, join(directory, target))
  if (state !== null && !state.isDirectory()) {
    throw writeFailed(join(directory, target), 'it is no directory, although "..data" leads to it: remove it')
  }
  return state === null ? null : target
}

async function listGeneration(fs: FileSystem, path: string): Promise<string[]> {
  const files: string[] = []
  for (const name of await fs.readdir(path)) {
    // A directory or a link in a generation was put there by others; nothing leads to it.
    if ((await lookAt(fs, join(path, name)))?.isFile() === true) files.push(name)
  }
  return files
}

async function lookAtName(
  fs: FileSystem,
  place: { directory: string; generation: string | null; name: string },
): Promise<SeenFile | 'foreign' | null> {
  const { directory, generation, name } = place
  const path = join(directory, name)
  const state = await lookAt(fs, path)
  if (state === null) return null
  if (state.isSymbolicLink()) {
    if (generation === null || (await fs.readlink(path)) !== linkTarget(name)) return 'foreign'
    const file = await readPlainFile(fs, join(directory, generation, name), MOST_OCTETS)
    return file === null ? 'foreign' : { file, linked: true }
  }
  if (state.isDirectory()) throw writeFailed(path, 'a directory stands where a file belongs: move it away')
  if (!state.isFile()) throw writeFailed(path, 'a device, FIFO or socket stands where a file belongs: remove it')
  const file = await readPlainFile(fs, path, MOST_OCTETS)
  return file === null ? null : { file, linked: false }
}

/** Where the link of a visible name leads. Relative, so that the directory can be moved and mounted elsewhere. */
export function linkTarget(name: string): string {
  return `${DATA_LINK}/${name}`
}
