/** The folders around the sets of files. */
import { dirname } from 'node:path'
import { flushDirectory, isNotThere, systemCode, writeFailed } from './write-file.js'
import { type FileSystem, lookAt } from './file-system.js'
import { DIRECTORY_MODE, makeFolder } from './generation.js'

/**
 * The real path of the directory that a caller names, which may be a link; null where nothing is there.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` where it is something else.
 */
export async function findRoot(fs: FileSystem, directory: string): Promise<string | null> {
  let real: string
  try {
    real = await fs.realpath(directory)
  } catch (error) {
    if (!isNotThere(error)) throw writeFailed(directory, error)
    const now = await lookAt(fs, directory)
    if (now === null) return null
    if (now.isSymbolicLink()) throw writeFailed(directory, 'it is a link that leads nowhere: remove it')
    // Another process has made it in between.
    real = await fs.realpath(directory).catch((again: unknown) => {
      throw writeFailed(directory, again)
    })
  }
  await checkFolder(fs, real)
  return real
}

/** @throws {EtcdMtlsError} `ERR_WRITE_FAILED` for anything but a directory; false where nothing is there. */
export async function checkFolder(fs: FileSystem, path: string): Promise<boolean> {
  const state = await lookAt(fs, path)
  if (state === null) return false
  if (state.isDirectory()) return true
  const what = state.isSymbolicLink() ? 'a symbolic link, which is not followed,' : 'something else'
  throw writeFailed(path, `${what} stands where a directory belongs: move it away, or choose another directory`)
}

/**
 * Makes a folder with those above it that are missing, mode 0700.
 *
 * @param made Gets the paths of what was made, the outermost first.
 */
export async function makeFolders(fs: FileSystem, path: string, made: string[]): Promise<void> {
  if (await checkFolder(fs, path)) return
  const parent = dirname(path)
  // Above the directory that the caller named, links are followed, as everywhere.
  if (parent !== path && (await lookAt(fs, parent)) === null) await makeFolders(fs, parent, made)
  try {
    await makeFolder(fs, path, DIRECTORY_MODE)
    made.push(path)
    await flushDirectory(fs.open, parent)
  } catch (error) {
    // Another process was quicker.
    if (systemCode(error) === 'EEXIST' && (await checkFolder(fs, path))) return
    throw writeFailed(path, error)
  }
}

/** Removes those that are empty, the innermost first. One that stays holds what others put there, or nothing. */
export async function unmakeFolders(fs: FileSystem, made: readonly string[]): Promise<void> {
  for (const path of [...made].reverse()) await fs.rmdir(path).catch(() => undefined)
}
