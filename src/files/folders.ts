/** Finds and makes folders. */
import { dirname } from 'node:path'
import { type FileSystem, flushDirectory, lookAt, makeFolder } from './file-system.js'
import { systemCode, writeFailed } from './write-failed.js'

export const DIRECTORY_MODE = 0o700

/**
 * The real path of the caller's directory, which may be a link; null if it does not exist.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if it is not a directory.
 */
export async function findRoot(fs: FileSystem, directory: string): Promise<string | null> {
  let real: string
  try {
    real = await fs.realpath(directory)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw writeFailed(directory, error)
    const now = await lookAt(fs, directory)
    if (now === null) return null
    if (now.isSymbolicLink()) throw writeFailed(directory, 'it is a link to nothing: remove it')
    // Another process has made it meanwhile.
    return findRoot(fs, directory)
  }
  await checkFolder(fs, real)
  return real
}

/** Whether a directory exists. */
export async function checkFolder(fs: FileSystem, path: string): Promise<boolean> {
  const state = await lookAt(fs, path)
  if (state === null || state.isDirectory()) return state !== null
  const what = state.isSymbolicLink() ? 'a symbolic link, which is not followed' : 'not a directory'
  throw writeFailed(path, `it is ${what}: move it away, or choose another directory`)
}

/**
 * Makes a folder and those above it, mode 0700. Above it, links are followed.
 *
 * @param made Gets the paths of the new folders, the outermost first.
 */
export async function makeFolders(fs: FileSystem, path: string, made: string[] = []): Promise<void> {
  if (await checkFolder(fs, path)) return
  const parent = dirname(path)
  if (parent !== path && (await lookAt(fs, parent)) === null) await makeFolders(fs, parent, made)
  try {
    await makeFolder(fs, path, DIRECTORY_MODE)
    made.push(path)
    await flushDirectory(fs, parent)
  } catch (error) {
    // Another process was faster.
    if (systemCode(error) === 'EEXIST' && (await checkFolder(fs, path))) return
    throw writeFailed(path, error)
  }
}
