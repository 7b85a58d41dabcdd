/** The files of a directory as a reader sees them, before anything in it changes. */
import { join } from 'node:path'
import { type FileState, type FileSystem, lookAt, type ReadFile, readLink, readPlainFile } from './file-system.js'
import { systemCode, writeFailed } from './write-failed.js'

/** The link to the generation in use. */
export const DATA_LINK = '..data'
const GENERATION = /^\.\.\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{16}$/

export function isGenerationName(name: string): boolean {
  return GENERATION.test(name)
}

/** The target of the link of a visible name. It is relative, so that the directory can be moved and mounted elsewhere. */
export function linkTarget(name: string): string {
  return `${DATA_LINK}/${name}`
}

/** Far more than the largest bundle. */
const MAX_BYTES = 16 * 1024 * 1024

/** A file that readers see under its name: through `..data`, or as a plain file of another program. */
export interface SeenFile {
  readonly file: ReadFile
  readonly linked: boolean
}

/** The state of a directory. */
export interface Survey {
  readonly directory: FileState
  /** The generation in use; null if there is none. */
  readonly generation: string | null
  /** The files that readers see, by name: of the names asked for, and those in the generation. */
  readonly seen: ReadonlyMap<string, SeenFile>
  /** Whether the generation has files that no reader sees: their links were removed, or not made yet. */
  readonly hasHidden: boolean
  /** Links that do not lead to a file of the generation. They are never followed. */
  readonly foreign: ReadonlySet<string>
}

/**
 * Reads a directory that exists.
 *
 * @param names The names that will be written or removed.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` for what cannot be replaced: a directory or a device with the name of a file, a
 * `..data` of another program.
 */
export async function surveyDirectory(fs: FileSystem, directory: string, names: Iterable<string>): Promise<Survey> {
  const state = await fs.lstat(directory)
  const generation = await findGeneration(fs, directory)
  const inside = new Set<string>()
  for (const name of generation === null ? [] : await fs.readdir(join(directory, generation))) {
    // Nothing leads to a directory or a link in a generation.
    if ((await lookAt(fs, join(directory, generation ?? '', name)))?.isFile() === true) inside.add(name)
  }
  const seen = new Map<string, SeenFile>()
  const foreign = new Set<string>()
  for (const name of new Set([...names, ...inside])) {
    const found = await readName(fs, directory, inside.has(name) ? generation : null, name)
    if (found === 'foreign') foreign.add(name)
    else if (found !== null) seen.set(name, found)
  }
  const hasHidden = [...inside].some((name) => seen.get(name)?.linked !== true)
  return { directory: state, generation, seen, hasHidden, foreign }
}

async function findGeneration(fs: FileSystem, directory: string): Promise<string | null> {
  const path = join(directory, DATA_LINK)
  const target = await readLink(fs, path).catch((error: unknown) => {
    if (systemCode(error) !== 'EINVAL') throw error
    const reason = 'it is not a link, as etcd-mtls and the kubelet make it: move it away, or choose another directory'
    throw writeFailed(path, reason)
  })
  if (target === null) return null
  if (!isGenerationName(target)) {
    const reason = `it leads to "${target}", so another program manages the directory (a volume of Kubernetes has such a link): choose another directory, or replace the secret of the volume`
    throw writeFailed(path, reason)
  }
  const state = await lookAt(fs, join(directory, target))
  if (state !== null && !state.isDirectory())
    throw writeFailed(join(directory, target), 'it is not a directory, although "..data" leads to it: remove it')
  return state === null ? null : target
}

/** @param generation null if the name is not in it. */
async function readName(
  fs: FileSystem,
  directory: string,
  generation: string | null,
  name: string,
): Promise<SeenFile | 'foreign' | null> {
  const path = join(directory, name)
  const state = await lookAt(fs, path)
  if (state === null) return null
  if (state.isSymbolicLink()) {
    if (generation === null || (await fs.readlink(path)) !== linkTarget(name)) return 'foreign'
    const file = await readPlainFile(fs, join(directory, generation, name), MAX_BYTES)
    return file === null ? 'foreign' : { file, linked: true }
  }
  if (state.isDirectory()) throw writeFailed(path, 'it is a directory, and a file is needed: move it away')
  if (!state.isFile()) throw writeFailed(path, 'it is a device, FIFO or socket, and a file is needed: remove it')
  const file = await readPlainFile(fs, path, MAX_BYTES)
  return file === null ? null : { file, linked: false }
}
