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
  type FileContents,
  type FileSystem,
  flushDirectory,
  makeFolder,
  type Owner,
  readLink,
  removeAll,
  writeNewFile,
} from './file-system.js'
import { checkFolder, DIRECTORY_MODE } from './folders.js'
import { DATA_LINK, isGenerationName, linkTarget, type SeenFile, type Survey, surveyDirectory } from './survey.js'
import { abandon, failureOf } from './write-failed.js'

/** A change of a directory. Files that are not in it do not change. */
export interface Change {
  /** Files to write, by name. Those whose name ends with `.key` are keys. */
  readonly files: ReadonlyMap<string, FileContents>
  /** Names to remove. */
  readonly remove?: readonly string[]
}

type Outcome = 'created' | 'changed' | 'unchanged'
type Contents = ReadonlyMap<string, FileContents>

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
): Promise<Outcome> {
  signal?.throwIfAborted()
  try {
    if (await checkFolder(fs, directory)) return await changeInPlace(fs, directory, change, signal)
    return await create(fs, directory, change, signal)
  } catch (error) {
    throw failureOf(directory, error, signal)
  }
}

async function create(fs: FileSystem, directory: string, { files }: Change, signal?: AbortSignal): Promise<Outcome> {
  if (files.size === 0) return 'unchanged'
  const parent = dirname(directory)
  const temporary = join(parent, newTemporaryName())
  try {
    await makeFolder(fs, temporary, DIRECTORY_MODE)
    const generation = await writeGeneration(fs, temporary, files, DIRECTORY_MODE, null)
    await fs.symlink(generation, join(temporary, DATA_LINK))
    for (const name of files.keys()) await fs.symlink(linkTarget(name), join(temporary, name))
    await flushDirectory(fs, temporary)
    signal?.throwIfAborted()
    await fs.rename(temporary, directory)
    await flushDirectory(fs, parent)
  } catch (error) {
    // Only this one: other processes may work next to this directory.
    await abandon(error, temporary, () => removeAll(fs, temporary))
  }
  return 'created'
}

async function changeInPlace(
  fs: FileSystem,
  directory: string,
  change: Change,
  signal?: AbortSignal,
): Promise<Outcome> {
  const survey = await surveyDirectory(fs, directory, [...change.files.keys(), ...(change.remove ?? [])])
  const isSame = isUpToDate(survey, change)
  if (!isSame) {
    signal?.throwIfAborted()
    try {
      const before = await convertPlainFiles(fs, directory, survey, change.remove ?? [])
      await replaceSet(fs, directory, before, change, signal)
    } catch (error) {
      await abandon(error, join(directory, '..<time>-*'), () => sweep(fs, directory))
    }
  }
  await sweep(fs, directory)
  return isSame ? 'unchanged' : 'changed'
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
  const plain = [...survey.seen].filter(([name, { linked }]) => !linked && !remove.includes(name))
  if (plain.length === 0) return survey
  const kept = [...survey.seen].filter(([name, { linked }]) => linked || !remove.includes(name))
  const generation = await addGeneration(
    fs,
    directory,
    survey,
    new Map(kept.map(([name, file]) => [name, asItWas(file)])),
  )
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
  const contents = new Map<string, FileContents>(kept.map(([name, file]) => [name, asItWas(file)]))
  for (const [name, file] of files) {
    contents.set(name, { ...file, owner: ownerIfRoot(seen.get(name)?.file ?? survey.directory) })
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

/** Writes a generation into a folder, flushed to the disk, and returns its name. */
async function writeGeneration(
  fs: FileSystem,
  directory: string,
  files: Contents,
  mode: number,
  owner: Owner | null,
): Promise<string> {
  // The time is for people.
  const name = `..${new Date().toISOString().replaceAll(/[-:]/g, '')}-${randomBytes(8).toString('hex')}`
  const path = join(directory, name)
  await makeFolder(fs, path, mode, owner)
  for (const [file, contents] of files) await writeNewFile(fs, join(path, file), contents)
  await flushDirectory(fs, path)
  return name
}

/** The same users can enter the folder of a generation as the directory; only its owner can write there. */
async function addGeneration(fs: FileSystem, path: string, { directory }: Survey, files: Contents): Promise<string> {
  const mode = (directory.mode & 0o755) | DIRECTORY_MODE
  const generation = await writeGeneration(fs, path, files, mode, ownerIfRoot(directory))
  await flushDirectory(fs, path)
  return generation
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

function isKey(name: string): boolean {
  return name.endsWith('.key')
}

function keysFirst(names: Iterable<string>): string[] {
  const all = [...names]
  return [...all.filter(isKey), ...all.filter((name) => !isKey(name))]
}

function asItWas({ file }: SeenFile): FileContents {
  return { content: file.bytes, mode: file.mode, owner: ownerIfRoot(file) }
}

/** Root keeps the owner: otherwise an etcd that runs as its own user could not read its new key. */
function ownerIfRoot({ uid, gid }: Owner): Owner | null {
  return process.geteuid?.() === 0 ? { uid, gid } : null
}
