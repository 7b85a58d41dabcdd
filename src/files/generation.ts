/**
 * A generation: a folder with one complete set of files. The link `..data` next to it leads to the generation in use. The
 * kubelet replaces the files of a volume in the same way.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { join } from 'node:path'
import { type FileContents, flushDirectory, isNotThere, writeNewFile } from './write-file.js'
import { type FileSystem, removeAll } from './file-system.js'

/** The link to the generation in use. */
export const DATA_LINK = '..data'

export const DIRECTORY_MODE = 0o700

/** Opens a directory, and not a link to one. */
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** A file of a generation. A null `owner` is the user of this process. */
export interface GenerationFile extends FileContents {
  readonly owner: Owner | null
}

const GENERATION = /^\.\.\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{16}$/
const TEMPORARY = /^\.[0-9a-f]{16}\.etcd-mtls-tmp$/

/** A name for a new generation: the time, for people, and a random number. */
export function newGenerationName(): string {
  return `..${new Date().toISOString().replaceAll(/[-:]/g, '')}-${randomBytes(8).toString('hex')}`
}

/** A name for a temporary file or folder. */
export function newTemporaryName(): string {
  return `.${randomBytes(8).toString('hex')}.etcd-mtls-tmp`
}

/** Whether {@link newGenerationName} made the name. */
export function isGenerationName(name: string): boolean {
  return GENERATION.test(name)
}

/** Makes a folder with exactly this mode, whatever the umask is. */
export async function makeFolder(fs: FileSystem, path: string, mode = DIRECTORY_MODE): Promise<void> {
  await fs.mkdir(path, mode)
  const folder = await fs.open(path, FOLDER)
  try {
    await folder.chmod(mode)
  } finally {
    await folder.close()
  }
}

/** Writes a generation, flushed to the disk. */
export async function writeGeneration(
  fs: FileSystem,
  path: string,
  files: ReadonlyMap<string, GenerationFile>,
  { mode, owner }: { mode: number; owner: Owner | null },
): Promise<void> {
  await makeFolder(fs, path, mode)
  for (const [name, file] of files) {
    await writeNewFile(fs.open, join(path, name), file, async (opened) => {
      if (file.owner !== null) await opened.chown(file.owner.uid, file.owner.gid)
    })
  }
  if (owner !== null) await giveFolder(fs, path, owner)
  await flushDirectory(fs.open, path)
}

async function giveFolder(fs: FileSystem, path: string, { uid, gid }: Owner): Promise<void> {
  const folder = await fs.open(path, FOLDER)
  try {
    await folder.chown(uid, gid)
  } finally {
    await folder.close()
  }
}

/** Replaces a link or a plain file by a link, in one step. */
export async function replaceByLink(fs: FileSystem, directory: string, name: string, target: string): Promise<void> {
  const temporary = join(directory, newTemporaryName())
  await fs.symlink(target, temporary)
  await fs.rename(temporary, join(directory, name))
}

/** The target of `..data`; null if there is none. Throws if it is not a link. */
export async function readDataLink(fs: FileSystem, directory: string): Promise<string | null> {
  try {
    return await fs.readlink(join(directory, DATA_LINK))
  } catch (error) {
    if (isNotThere(error)) return null
    throw error
  }
}

/**
 * Removes the temporary files of killed runs, and unused generations. Call it under the lock: the files of a running
 * process have names of the same form.
 */
export async function sweep(fs: FileSystem, directory: string): Promise<void> {
  const names = (await fs.readdir(directory)).filter((name) => TEMPORARY.test(name) || isGenerationName(name))
  if (names.length === 0) return
  const used = await readDataLink(fs, directory)
  for (const name of names) {
    if (name !== used) await removeAll(fs, join(directory, name))
  }
}
