/**
 * The one way in which a set of files in a directory changes: a reader who looks at any instant, also one at which this
 * process is killed, finds the old set or the new one, never a key without its certificate or beside another's.
 *
 * As the kubelet does it: the visible names are links through `..data`, which leads to the generation in use, so that one
 * rename of `..data` replaces all of them. What cannot be done by that one rename (names that come or go) is ordered so
 * that a certificate comes before its key and goes after it.
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

/** What is to become of a directory. Files that are not named stay as they are. */
export interface Change {
  /** Files to be there, by name. Those whose name ends with `.key` are keys. */
  readonly files: ReadonlyMap<string, FileContents>
  /** Names that are to be gone. */
  readonly remove?: readonly string[]
}

/** What became of it. */
type Outcome = 'created' | 'changed' | 'unchanged'

/**
 * Brings a directory into the state asked for. To be called under the lock of a directory above or of this one.
 *
 * A directory that is not there is built whole beside its place and renamed into it; the one above must be there. In one
 * that is there, plain files of other programs are taken over first, with their contents as they are. Links to elsewhere
 * in a file's place are replaced and never followed; while that is done, the keys of the set are out of sight.
 *
 * Run as root, new files belong to whom the replaced ones or the directory belonged. After an error nothing temporary is
 * left, as far as the file system allows.
 *
 * @param signal Ends it before something has changed; past that it comes to its end.
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
      throw writeFailed(
        directory,
        'something else stands where a directory belongs: move it away, or choose another directory',
      )
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
    // Not all that looks temporary: others may be at work beside this directory.
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
  if (isAsAsked(survey, change)) {
    await sweep(fs, directory)
    return 'unchanged'
  }
  signal?.throwIfAborted()
  try {
    const before = await takeOver(fs, directory, survey, remove)
    await replaceSet(fs, directory, before, change, signal)
  } catch (error) {
    await abandon(error, join(directory, '..<time>-*'), () => sweep(fs, directory))
  }
  await sweep(fs, directory)
  return 'changed'
}

function isAsAsked({ seen, hidden, foreign }: Survey, { files, remove = [] }: Change): boolean {
  const same = ([name, { content, mode }]: [string, FileContents]): boolean => {
    const found = seen.get(name)
    return found?.linked === true && found.file.mode === mode && found.file.bytes.equals(Buffer.from(content))
  }
  const gone = (name: string): boolean => !seen.has(name) && !foreign.has(name)
  return hidden.length === 0 && [...files].every(same) && remove.every(gone)
}

/** Makes links of plain files, without a change to what is read under any name. */
async function takeOver(fs: FileSystem, directory: string, survey: Survey, remove: readonly string[]): Promise<Survey> {
  const plain = [...survey.seen].filter(([name, { linked }]) => !linked && !remove.includes(name))
  if (plain.length === 0) return survey
  const kept = [...survey.seen].filter(([name, { linked }]) => linked || !remove.includes(name))
  const contents = new Map(kept.map(([name, found]) => [name, asItWas(found)]))
  const generation = newGenerationName()
  await writeGeneration(fs, join(directory, generation), contents, folderLike(survey))
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
    await writeGeneration(fs, join(directory, generation), contents, folderLike(survey))
    await flushDirectory(fs.open, directory)
  }
  signal?.throwIfAborted()

  const leaving = remove.filter((name) => survey.seen.has(name) || survey.foreign.has(name))
  const misled = [...files.keys()].filter((name) => survey.foreign.has(name))
  const isAlone = (key: string): boolean => !survey.seen.has(certificateOf(key))
  // A link to elsewhere cannot change in the same instant as the rest, so no key is to be seen until all is in place; nor
  // is one whose certificate comes later.
  const keys = [...files.keys()].filter(
    (name) => isKey(name) && survey.seen.has(name) && (misled.length > 0 || isAlone(name)),
  )
  const going = keysFirst(new Set([...leaving, ...misled, ...keys]))
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
  return { content: file.bytes, mode: file.mode, owner: giveTo(file) }
}

function ownerOf({ seen, directory }: Survey, name: string): Owner | null {
  return giveTo(seen.get(name)?.file ?? directory)
}

/** The folder of a generation can be entered by whom the directory lets in, and written by its owner only. */
function folderLike({ directory }: Survey): { mode: number; owner: Owner | null } {
  return { mode: (directory.mode & 0o755) | DIRECTORY_MODE, owner: giveTo(directory) }
}

/** Only root can give files away, and has to: an etcd that runs as its own user could not read its new key otherwise. */
function giveTo({ uid, gid }: Owner): Owner | null {
  return process.geteuid?.() === 0 ? { uid, gid } : null
}
