/**
 * How a set of files in a directory changes: a reader finds the old set or the new one at any time, also after this process
 * was killed, never a key without its certificate or next to another one.
 *
 * As the kubelet does it: the visible names are links through `..data`, which leads to the generation in use, so that one
 * rename of `..data` replaces all of them. New and removed names cannot change with that rename: a certificate is added
 * before its key and removed after it.
 */
import { dirname, join } from 'node:path'
import { linkTarget, type SeenFile, type Survey, surveyDirectory } from './survey.js'
import { isEtcdMtlsError } from '../report/errors.js'
import { type FileSystem, lookAt, removeAll } from './file-system.js'
import {
  DATA_LINK,
  DIRECTORY_MODE,
  type GenerationFile,
  makeFolder,
  newGenerationName,
  newTemporaryName,
  type Owner,
  replaceByLink,
  sweep,
  writeGeneration,
} from './generation.js'
import { abandon, type FileContents, flushDirectory, writeFailed } from './write-file.js'

/** A change of a directory. Files that are not in it do not change. */
export interface Change {
  /** Files to write, by name. Those whose name ends with `.key` are keys. */
  readonly files: ReadonlyMap<string, FileContents>
  /** Names to remove. */
  readonly remove?: readonly string[]
}

type Outcome = 'created' | 'changed' | 'unchanged'

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
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED`
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
    const state = await lookAt(fs, directory)
    if (state === null) return await create(fs, directory, change, signal)
    if (!state.isDirectory()) {
      throw writeFailed(directory, 'it is not a directory: move it away, or choose another directory')
    }
    return await changeInPlace(fs, directory, change, signal)
  } catch (error) {
    if (isEtcdMtlsError(error) || (signal?.aborted === true && error === signal.reason)) throw error
    throw writeFailed(directory, error)
  }
}

async function create(fs: FileSystem, directory: string, { files }: Change, signal?: AbortSignal): Promise<Outcome> {
  if (files.size === 0) return 'unchanged'
  const parent = dirname(directory)
  const temporary = join(parent, newTemporaryName())
  try {
    await makeFolder(fs, temporary)
    const generation = newGenerationName()
    const contents = new Map([...files].map(([name, file]) => [name, { ...file, owner: null }]))
    await writeGeneration(fs, join(temporary, generation), contents, { mode: DIRECTORY_MODE, owner: null })
    await fs.symlink(generation, join(temporary, DATA_LINK))
    for (const name of files.keys()) await fs.symlink(linkTarget(name), join(temporary, name))
    await flushDirectory(fs.open, temporary)
    signal?.throwIfAborted()
    await fs.rename(temporary, directory)
    await flushDirectory(fs.open, parent)
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
  const { files, remove = [] } = change
  const survey = await surveyDirectory(fs, directory, [...files.keys(), ...remove])
  if (isUpToDate(survey, change)) {
    await sweep(fs, directory)
    return 'unchanged'
  }
  signal?.throwIfAborted()
  try {
    const before = await convertPlainFiles(fs, directory, survey, remove)
    await replaceSet(fs, directory, before, change, signal)
  } catch (error) {
    await abandon(error, join(directory, '..<time>-*'), () => sweep(fs, directory))
  }
  await sweep(fs, directory)
  return 'changed'
}

function isUpToDate({ seen, hidden, foreign }: Survey, { files, remove = [] }: Change): boolean {
  const same = ([name, { content, mode }]: [string, FileContents]): boolean => {
    const found = seen.get(name)
    return found?.linked === true && found.file.mode === mode && found.file.bytes.equals(Buffer.from(content))
  }
  const gone = (name: string): boolean => !seen.has(name) && !foreign.has(name)
  return hidden.length === 0 && [...files].every(same) && remove.every(gone)
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
  const contents = new Map(kept.map(([name, found]) => [name, asItWas(found)]))
  const generation = newGenerationName()
  await writeGeneration(fs, join(directory, generation), contents, folderOf(survey))
  await flushDirectory(fs.open, directory)
  await replaceByLink(fs, directory, DATA_LINK, generation)
  for (const [name] of plain) await replaceByLink(fs, directory, name, linkTarget(name))
  await flushDirectory(fs.open, directory)
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
  const contents = new Map<string, GenerationFile>()
  for (const [name, found] of survey.seen) {
    if (!remove.includes(name) && found.linked) contents.set(name, asItWas(found))
  }
  for (const [name, file] of files) contents.set(name, { ...file, owner: ownerOf(survey, name) })
  const generation = contents.size === 0 ? null : newGenerationName()
  if (generation !== null) {
    await writeGeneration(fs, join(directory, generation), contents, folderOf(survey))
    await flushDirectory(fs.open, directory)
  }
  signal?.throwIfAborted()

  const leaving = remove.filter((name) => survey.seen.has(name) || survey.foreign.has(name))
  const foreignLinks = [...files.keys()].filter((name) => survey.foreign.has(name))
  const isAlone = (key: string): boolean => !survey.seen.has(certificateOf(key))
  // A link to another place cannot change together with the rest, so no key is visible until everything is in place; nor
  // is a key whose certificate is added later.
  const keys = [...files.keys()].filter(
    (name) => isKey(name) && survey.seen.has(name) && (foreignLinks.length > 0 || isAlone(name)),
  )
  const going = keysFirst(new Set([...leaving, ...foreignLinks, ...keys]))
  for (const name of going) await fs.unlink(join(directory, name))
  if (going.length > 0) await flushDirectory(fs.open, directory)

  if (generation !== null) await replaceByLink(fs, directory, DATA_LINK, generation)
  else if (survey.generation !== null) await fs.unlink(join(directory, DATA_LINK))
  await flushDirectory(fs.open, directory)

  const coming = [...files.keys()].filter((name) => !survey.seen.has(name) || keys.includes(name))
  for (const name of keysFirst(coming).reverse()) await fs.symlink(linkTarget(name), join(directory, name))
  await flushDirectory(fs.open, directory)
}

function isKey(name: string): boolean {
  return name.endsWith('.key')
}

function certificateOf(key: string): string {
  return key.replace(/key$/, 'crt')
}

function keysFirst(names: Iterable<string>): string[] {
  const all = [...names]
  return [...all.filter(isKey), ...all.filter((name) => !isKey(name))]
}

function asItWas({ file }: SeenFile): GenerationFile {
  return { content: file.bytes, mode: file.mode, owner: ownerIfRoot(file) }
}

function ownerOf({ seen, directory }: Survey, name: string): Owner | null {
  return ownerIfRoot(seen.get(name)?.file ?? directory)
}

/** The same users can enter the folder of a generation as the directory; only its owner can write there. */
function folderOf({ directory }: Survey): { mode: number; owner: Owner | null } {
  return { mode: (directory.mode & 0o755) | DIRECTORY_MODE, owner: ownerIfRoot(directory) }
}

/** Root keeps the owner: otherwise an etcd that runs as its own user could not read its new key. */
function ownerIfRoot({ uid, gid }: Owner): Owner | null {
  return process.geteuid?.() === 0 ? { uid, gid } : null
}
