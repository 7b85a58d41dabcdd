/**
 * Replaces a set of files in a directory. At any time, even after a kill of this process, a reader finds the old or the new
 * set, and never a key without its certificate or with another one.
 *
 * It uses the layout of the kubelet: the visible names are links through `..data`, a link to the current generation, which is
 * a directory with one complete set. One rename of `..data` replaces all files. Names that are added or removed cannot change
 * with that rename, so a certificate is added before its key and removed after it.
 */
import { codeOf } from '../report/errors.js'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import {
  type Attributes,
  attributesOf,
  directoryExists,
  DIRECTORY_MODE,
  type FileContents,
  type FileState,
  type FileSystem,
  flushDirectory,
  lookAt,
  makeDirectory,
  makeNewDirectory,
  type ReadFile,
  readLink,
  readPlainFile,
  removeAll,
  writeNewFile,
} from './file-system.js'
import { isGenerationName } from './in-root.js'
import { rethrowAfterCleanup, failureOf, writeFailed } from './write-failed.js'

/** A change of a directory. Files that are not in it do not change. */
export interface Change {
  /** Files to write, by name, at least one. Those whose name ends with `.key` are keys. */
  readonly files: ReadonlyMap<string, FileContents>
  readonly remove?: readonly string[]
  /** A group that can enter the directory, if that is created. */
  readonly gid?: number | null
}

/**
 * Changes a directory. Call it under the lock of this directory or of one above.
 *
 * A new directory is built under another name and renamed; its parent must exist. In an existing one, plain files of other
 * programs are first converted to links with the same contents. Links to other places are replaced and never followed; the
 * keys of the set are not visible meanwhile.
 *
 * Replaced files keep owner, group and mode, see `attributesOf`. After an error, temporary files are removed if the file system
 * allows it.
 *
 * @param signal Aborts only before the first change.
 * @throws The reason of `signal`.
 */
export async function publish(
  fs: FileSystem,
  directory: string,
  change: Change,
  signal?: AbortSignal,
): Promise<'created' | 'changed' | 'unchanged'> {
  signal?.throwIfAborted()
  try {
    if (!(await directoryExists(fs, directory))) {
      await create(fs, directory, change, signal)
      return 'created'
    }
    const { files, remove = [] } = change
    const current = await readDirectory(fs, directory, [...files.keys(), ...remove])
    const isSame = isUpToDate(current, change)
    if (!isSame) await changeInPlace(fs, directory, current, change, signal)
    await sweep(fs, directory)
    return isSame ? 'unchanged' : 'changed'
  } catch (error) {
    throw failureOf(directory, error, signal)
  }
}

async function create(fs: FileSystem, directory: string, { files, gid }: Change, signal?: AbortSignal): Promise<void> {
  const parent = dirname(directory)
  const temporary = join(parent, newTemporaryName())
  try {
    await makeNewDirectory(fs, temporary, gid ?? null)
    await replaceSet(fs, temporary, await readDirectory(fs, temporary, []), { files })
    signal?.throwIfAborted()
    await fs.rename(temporary, directory)
    await flushDirectory(fs, parent)
  } catch (error) {
    // Removes only its own directory: other processes may use the parent at the same time.
    await rethrowAfterCleanup(error, temporary, () => removeAll(fs, temporary))
  }
}

async function changeInPlace(
  fs: FileSystem,
  directory: string,
  current: DirectoryState,
  change: Change,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted()
  try {
    const before = await convertPlainFiles(fs, directory, current, change.remove ?? [])
    await replaceSet(fs, directory, before, change, signal)
  } catch (error) {
    await rethrowAfterCleanup(error, join(directory, '..<time>-*'), () => sweep(fs, directory))
  }
}

function isUpToDate({ seen, hasHidden, foreign, directory }: DirectoryState, { files, remove = [] }: Change): boolean {
  const isWritten = ([name, wanted]: [string, FileContents]): boolean => {
    const found = seen.get(name)
    if (found?.linked !== true || !found.file.bytes.equals(Buffer.from(wanted.content))) return false
    const { mode, owner } = attributesOf(wanted, found.file, directory)
    const isOwned = owner === null || (found.file.uid === owner.uid && found.file.gid === owner.gid)
    return found.file.mode === mode && isOwned
  }
  const isAbsent = (name: string): boolean => !seen.has(name) && !foreign.has(name)
  return !hasHidden && [...files].every(isWritten) && remove.every(isAbsent)
}

async function convertPlainFiles(
  fs: FileSystem,
  directory: string,
  current: DirectoryState,
  remove: readonly string[],
): Promise<DirectoryState> {
  const isKept = ([name, { linked }]: [string, VisibleFile]): boolean => linked || !remove.includes(name)
  const kept = [...current.seen].filter(isKept)
  const plain = kept.filter(([, { linked }]) => !linked)
  if (plain.length === 0) return current
  const generation = await addGeneration(fs, directory, current, unchangedContents(kept, current))
  await replaceByLink(fs, directory, DATA_LINK, generation)
  for (const [name] of plain) await replaceByLink(fs, directory, name, linkTarget(name))
  await flushDirectory(fs, directory)
  const linked = plain.map(([name, { file }]) => [name, { file, linked: true }] as const)
  return { ...current, generation, seen: new Map([...current.seen, ...linked]) }
}

async function replaceSet(
  fs: FileSystem,
  directory: string,
  current: DirectoryState,
  { files, remove = [] }: Change,
  signal?: AbortSignal,
): Promise<void> {
  const { seen, foreign } = current
  const kept = [...seen].filter(([name, { linked }]) => linked && !remove.includes(name))
  const contents = unchangedContents(kept, current)
  for (const [name, file] of files) {
    const replaced = seen.get(name)?.file ?? null
    const isSame = replaced?.bytes.equals(Buffer.from(file.content)) === true
    const mtimeMs = isSame ? replaced.mtimeMs : null
    contents.set(name, { ...file, ...attributesOf(file, replaced, current.directory), mtimeMs })
  }
  const generation = await addGeneration(fs, directory, current, contents)
  signal?.throwIfAborted()

  const removed = remove.filter((name) => seen.has(name) || foreign.has(name))
  const foreignLinks = [...files.keys()].filter((name) => foreign.has(name))
  // A foreign link cannot change with the rename of `..data`, so all keys are removed until the set is complete; so is a
  // key whose certificate is added later.
  const keys = [...files.keys()].filter(
    (name) => isKey(name) && seen.has(name) && (foreignLinks.length > 0 || !seen.has(name.replace(/key$/, 'crt'))),
  )
  const unlinked = keysFirst(new Set([...removed, ...foreignLinks, ...keys]))
  for (const name of unlinked) await fs.unlink(join(directory, name))
  if (unlinked.length > 0) await flushDirectory(fs, directory)

  await replaceByLink(fs, directory, DATA_LINK, generation)
  await flushDirectory(fs, directory)

  const linkedNames = [...files.keys()].filter((name) => !seen.has(name) || keys.includes(name))
  for (const name of keysFirst(linkedNames).reverse()) await fs.symlink(linkTarget(name), join(directory, name))
  await flushDirectory(fs, directory)
}

interface PlacedFile extends Attributes {
  readonly content: string | Uint8Array
  /** When this content was first written; null: now. The doctor compares it with the start of etcd, which reads its CAs once. */
  readonly mtimeMs: number | null
}

/**
 * Writes and flushes a generation, and returns its name. Users who can enter the directory can enter the generation; only its
 * owner can write there.
 */
async function addGeneration(
  fs: FileSystem,
  path: string,
  { directory }: DirectoryState,
  files: ReadonlyMap<string, PlacedFile>,
): Promise<string> {
  // The time is only informative.
  const name = `..${new Date().toISOString().replaceAll(/[-:]/g, '')}-${randomBytes(8).toString('hex')}`
  const folder = join(path, name)
  const mode = (directory.mode & 0o755) | DIRECTORY_MODE
  await makeDirectory(fs, folder, attributesOf({ mode }, null, directory))
  for (const [file, { content, ...attributes }] of files)
    await writeNewFile(fs, join(folder, file), content, attributes)
  await flushDirectory(fs, folder)
  await flushDirectory(fs, path)
  return name
}

async function replaceByLink(fs: FileSystem, directory: string, name: string, target: string): Promise<void> {
  const temporary = join(directory, newTemporaryName())
  await fs.symlink(target, temporary)
  await fs.rename(temporary, join(directory, name))
}

const TEMPORARY = /^\.[0-9a-f]{16}\.etcd-mtls-tmp$/

function newTemporaryName(): string {
  return `.${randomBytes(8).toString('hex')}.etcd-mtls-tmp`
}

/**
 * Removes temporary files of killed processes, and unused generations. Call it under the lock, because files of a running
 * process have names of the same form.
 */
export async function sweep(fs: FileSystem, directory: string): Promise<void> {
  const names = (await fs.readdir(directory)).filter((name) => TEMPORARY.test(name) || isGenerationName(name))
  if (names.length === 0) return
  const used = await readLink(fs, join(directory, DATA_LINK))
  for (const name of names) if (name !== used) await removeAll(fs, join(directory, name))
}

function unchangedContents(
  files: Iterable<[string, VisibleFile]>,
  { directory }: DirectoryState,
): Map<string, PlacedFile> {
  const contents = new Map<string, PlacedFile>()
  for (const [name, { file }] of files) {
    const { bytes: content, mode, mtimeMs } = file
    contents.set(name, { content, ...attributesOf({ mode }, file, directory), mtimeMs })
  }
  return contents
}

function isKey(name: string): boolean {
  return name.endsWith('.key')
}

function keysFirst(names: Iterable<string>): string[] {
  const all = [...names]
  return [...all.filter(isKey), ...all.filter((name) => !isKey(name))]
}

const DATA_LINK = '..data'

/** The target of the link of a visible name. It is relative, so that the directory can be moved. */
export function linkTarget(name: string): string {
  return `${DATA_LINK}/${name}`
}

/** Larger than any bundle. */
const MAX_BYTES = 16 * 1024 * 1024

/** A visible file: linked through `..data`, or a plain file of another program. */
interface VisibleFile {
  readonly file: ReadFile
  readonly linked: boolean
}

export interface DirectoryState {
  readonly directory: FileState
  /** The current generation; null if absent. */
  readonly generation: string | null
  /** The visible files by name: those of the requested names and of the generation. */
  readonly seen: ReadonlyMap<string, VisibleFile>
  /** Whether the generation has files without a link, which no reader sees. */
  readonly hasHidden: boolean
  /** The names of links to other places. They are never followed. */
  readonly foreign: ReadonlySet<string>
}

/**
 * Reads a directory that exists.
 *
 * @param names The names to write or remove.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if a name cannot be replaced: it is a directory or a device, or `..data` belongs
 * to another program.
 */
export async function readDirectory(
  fs: FileSystem,
  directory: string,
  names: Iterable<string>,
): Promise<DirectoryState> {
  const state = await fs.lstat(directory)
  const generation = await findGeneration(fs, directory)
  const inside = new Set<string>()
  for (const name of generation === null ? [] : await fs.readdir(join(directory, generation))) {
    // Directories and links in a generation are ignored: no visible name leads to them.
    if ((await lookAt(fs, join(directory, generation ?? '', name)))?.isFile() === true) inside.add(name)
  }
  const seen = new Map<string, VisibleFile>()
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
    if (codeOf(error) !== 'EINVAL') throw error
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

/** @param generation Null if the name is not in the current generation. */
async function readName(
  fs: FileSystem,
  directory: string,
  generation: string | null,
  name: string,
): Promise<VisibleFile | 'foreign' | null> {
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
