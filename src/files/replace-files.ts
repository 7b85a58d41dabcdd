/** Replaces files of a directory, each atomically and durably. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type FileSystem, lookAt } from './file-system.js'
import { lockPathOf, withLock } from './lock.js'
import { abandon, type FileContents, flushDirectory, writeNewFile } from './write-file.js'

/** A file of the directory, by its name. */
interface NewFile extends FileContents {
  readonly name: string
}

/** {@link replaceFiles} under the lock of the directory, for which it waits up to two minutes. */
export async function replaceFilesLocked(fs: FileSystem, directory: string, files: readonly NewFile[]): Promise<void> {
  await withLock(lockPathOf(directory), () => replaceFiles(fs, directory, files), { fileSystem: fs })
}

/**
 * Writes all files under temporary names, flushes them, and renames each. If something fails, no temporary file stays, or
 * the error names it; files that were renamed before stay. Call it under the lock of these files: their temporary files
 * were left by a killed process, and are removed. Those of other files may belong to a running process with another lock.
 */
export async function replaceFiles(fs: FileSystem, directory: string, files: readonly NewFile[]): Promise<void> {
  await removeLeftovers(fs, directory, files)
  const pending = new Map<string, string>()
  try {
    for (const file of files) {
      const temporary = join(directory, `.${file.name}.${randomBytes(8).toString('hex')}.etcd-mtls-tmp`)
      pending.set(file.name, temporary)
      await writeNewFile(fs.open, temporary, file)
    }
    for (const [name, temporary] of pending) {
      await fs.rename(temporary, join(directory, name))
      pending.delete(name)
    }
    await flushDirectory(fs.open, directory)
  } catch (error) {
    await abandon(error, [...pending.values()].join(', '), () => removeEach(fs, [...pending.values()]))
  }
}

const TEMPORARY = /^\.(.+)\.[0-9a-f]{16}\.etcd-mtls-tmp$/

async function removeLeftovers(fs: FileSystem, directory: string, files: readonly NewFile[]): Promise<void> {
  const own = new Set(files.map(({ name }) => name))
  for (const name of await fs.readdir(directory)) {
    if (!own.has(TEMPORARY.exec(name)?.[1] ?? '')) continue
    const path = join(directory, name)
    if ((await lookAt(fs, path))?.isFile() === true) await fs.unlink(path)
  }
}

/** Tries each, also after an error. */
async function removeEach(fs: FileSystem, paths: readonly string[]): Promise<void> {
  const outcomes = await Promise.allSettled(
    paths.map(async (path) => ((await lookAt(fs, path)) === null ? undefined : fs.unlink(path))),
  )
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
