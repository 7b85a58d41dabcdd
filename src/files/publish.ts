/**
 * How a set of files in a directory changes: a reader finds the old set or the new one at any time, also after this process
 * was killed, never a key without its certificate or next to another one.
 *
 * As the kubelet does it: the visible names are links through `..data`, which leads to the generation in use, a folder with
 * one complete set, so that one rename of `..data` replaces all of them. New and removed names cannot change with that
 * rename: a certificate is added before its key and removed after it.
 */
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import {
  checkFolder,
  DIRECTORY_MODE,
  type FileContents,
  type FileState,
  type FileSystem,
  flushDirectory,
  lookAt,
  makeFolder,
  ownerOf,
  type ReadFile,
  readLink,
  readPlainFile,
  removeAll,
  writeNewFile,
} from './file-system.js'
import { abandon, failureOf, systemCode, writeFailed } from './write-failed.js'

/** A change of a directory. Files that are not in it do not change. */
export interface Change {
  /** Files to write, by name. Those whose name ends with `.key` are keys. */
  readonly files: ReadonlyMap<string, FileContents>
  /** Names to remove. */
  readonly remove?: readonly string[]
}

/**
 * Changes a directory. Call it under the lock of this directory or of one above.
 *
 * A new directory is built completely under another name and renamed; its parent must exist. In an existing one, plain
 * files of other programs are converted first, with the same contents. Links to other places are replaced and never
 * followed; meanwhile the keys of the set are not visible.
 *
 * Run as root, new files belong to the owner of the replaced ones or of the directory. After an error nothing temporary is
 * left, as far as the file system allows.
 *
 * @param signal Stops before something has changed.
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
    if (!(await checkFolder(fs, directory))) {
      if (change.files.size === 0) return 'unchanged'
      await create(fs, directory, change, signal)
      return 'created'
    }
    const { files, remove = [] } = change
    const survey = await surveyDirectory(fs, directory, [...files.keys(), ...remove])
    const isSame = isUpToDate(survey, change)
    if (!isSame) await changeInPlace(fs, directory, survey, change, signal)
    await sweep(fs, directory)
    return isSame ? 'unchanged' : 'changed'
  } catch (error) {
    throw failureOf(directory, error, signal)
  }
}

async function create(fs: FileSystem, directory: string, { files }: Change, signal?: AbortSignal): Promise<void> {
  const parent = dirname(directory)
  const temporary = join(parent, newTemporaryName())
  try {
    await makeFolder(fs, temporary, DIRECTORY_MODE)
    await replaceSet(fs, temporary, await surveyDirectory(fs, temporary, []), { files })
    signal?.throwIfAborted()
    await fs.rename(temporary, directory)
    await flushDirectory(fs, parent)
  } catch (error) {
    // Only this one: other processes may work next to this directory.
    await abandon(error, temporary, () => removeAll(fs, temporary))
  }
}

async function changeInPlace(
  fs: FileSystem,
  directory: string,
  survey: Survey,
  change: Change,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted()
  try {
    const before = await convertPlainFiles(fs, directory, survey, change.remove ?? [])
    await replaceSet(fs, directory, before, change, signal)
  } catch (error) {
    await abandon(error, join(directory, '..<time>-*'), () => sweep(fs, directory))
  }
}

function isUpToDate({ seen, hasHidden, foreign }: Survey, { files, remove = [] }: Change): boolean {
  const same = ([name, { content, mode }]: [string, FileContents]): boolean => {
    const found = seen.get(name)
    return found?.linked === true && found.file.mode === mode && found.file.bytes.equals(Buffer.from(content))
  }
  const gone = (name: string): boolean => !seen.has(name) && !foreign.has(name)
  return !hasHidden && [...files].every(same) && remove.every(gone)
}

/** Converts plain files into links, without a change of their contents. */
async function convertPlainFiles(
  fs: FileSystem,
  directory: string,
  survey: Survey,
  remove: readonly string[],
): Promise<Survey> {
  const isKept = ([name, { linked }]: [string, SeenFile]): boolean => linked || !remove.includes(name)
  const kept = [...survey.seen].filter(isKept)
  const plain = kept.filter(([, { linked }]) => !linked)
  if (plain.length === 0) return survey
  const generation = await addGeneration(fs, directory, survey, asTheyWere(kept, survey))
  await replaceByLink(fs, directory, DATA_LINK, generation)
  for (const [name] of plain) await replaceByLink(fs, directory, name, linkTarget(name))
  await flushDirectory(fs, directory)
  const linked = plain.map(([name, { file }]) => [name, { file, linked: true }] as const)
  return { ...survey, generation, seen: new Map([...survey.seen, ...linked]) }
}

async function replaceSet(
  fs: FileSystem,
  directory: string,
  survey: Survey,
  { files, remove = [] }: Change,
  signal?: AbortSignal,
): Promise<void> {
  const { seen, foreign } = survey
  const kept = [...seen].filter(([name, { linked }]) => linked && !remove.includes(name))
  const contents = asTheyWere(kept, survey)
  for (const [name, file] of files) {
    contents.set(name, { ...file, owner: ownerOf(seen.get(name)?.file ?? null, survey.directory) })
  }
  const generation = contents.size === 0 ? null : await addGeneration(fs, directory, survey, contents)
  signal?.throwIfAborted()

  const leaving = remove.filter((name) => seen.has(name) || foreign.has(name))
  const foreignLinks = [...files.keys()].filter((name) => foreign.has(name))
  // A link to another place cannot change together with the rest, so no key is visible until everything is in place; nor
  // is a key whose certificate is added later.
  const keys = [...files.keys()].filter(
    (name) => isKey(name) && seen.has(name) && (foreignLinks.length > 0 || !seen.has(name.replace(/key$/, 'crt'))),
  )
  const going = keysFirst(new Set([...leaving, ...foreignLinks, ...keys]))
  for (const name of going) await fs.unlink(join(directory, name))
  if (going.length > 0) await flushDirectory(fs, directory)

  if (generation !== null) await replaceByLink(fs, directory, DATA_LINK, generation)
  else if (survey.generation !== null) await fs.unlink(join(directory, DATA_LINK))
  await flushDirectory(fs, directory)

  const coming = [...files.keys()].filter((name) => !seen.has(name) || keys.includes(name))
  for (const name of keysFirst(coming).reverse()) await fs.symlink(linkTarget(name), join(directory, name))
  await flushDirectory(fs, directory)
}

/**
 * Writes a generation, flushed to the disk, and returns its name. The same users can enter its folder as the directory; only
 * its owner can write there.
 */
async function addGeneration(
  fs: FileSystem,
  path: string,
  { directory }: Survey,
  files: ReadonlyMap<string, FileContents>,
): Promise<string> {
  // The time is for people.
  const name = `..${new Date().toISOString().replaceAll(/[-:]/g, '')}-${randomBytes(8).toString('hex')}`
  const folder = join(path, name)
  await makeFolder(fs, folder, (directory.mode & 0o755) | DIRECTORY_MODE, ownerOf(null, directory))
  for (const [file, contents] of files) await writeNewFile(fs, join(folder, file), contents)
  await flushDirectory(fs, folder)
  await flushDirectory(fs, path)
  return name
}

/** Replaces a link or a plain file by a link, in one step. */
async function replaceByLink(fs: FileSystem, directory: string, name: string, target: string): Promise<void> {
  const temporary = join(directory, newTemporaryName())
  await fs.symlink(target, temporary)
  await fs.rename(temporary, join(directory, name))
}

const TEMPORARY = /^\.[0-9a-f]{16}\.etcd-mtls-tmp$/

/** A name for a temporary file or folder. */
export function newTemporaryName(): string {
  return `.${randomBytes(8).toString('hex')}.etcd-mtls-tmp`
}

/**
 * Removes the temporary files of killed runs, and unused generations. Call it under the lock: the files of a running
 * process have names of the same form.
 */
export async function sweep(fs: FileSystem, directory: string): Promise<void> {
  const names = (await fs.readdir(directory)).filter((name) => TEMPORARY.test(name) || isGenerationName(name))
  if (names.length === 0) return
  const used = await readLink(fs, join(directory, DATA_LINK))
  for (const name of names) if (name !== used) await removeAll(fs, join(directory, name))
}

function asTheyWere(files: Iterable<[string, SeenFile]>, { directory }: Survey): Map<string, FileContents> {
  const contents = new Map<string, FileContents>()
  for (const [name, { file }] of files)
    contents.set(name, { content: file.bytes, mode: file.mode, owner: ownerOf(file, directory) })
  return contents
}

function isKey(name: string): boolean {
  return name.endsWith('.key')
}

function keysFirst(names: Iterable<string>): string[] {
  const all = [...names]
  return [...all.filter(isKey), ...all.filter((name) => !isKey(name))]
}

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
interface SeenFile {
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
