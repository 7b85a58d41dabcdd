/** Replaces files of a directory, each atomically and durably. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type FileContents, type FileSystem, flushDirectory, lookAt, removeAll, writeNewFile } from './file-system.js'
import { abandon } from './write-failed.js'

/** A file of the directory, by its name. */
interface NewFile extends FileContents {
  readonly name: string
}

const TEMPORARY = /^\.(.+)\.[0-9a-f]{16}\.etcd-mtls-tmp$/

/**
 * Writes all files under temporary names, flushes them, and renames each. If something fails, no temporary file stays, or
 * the error names it; files that were renamed before stay. Call it under the lock of these files: their temporary files
 * were left by a killed process, and are removed. Those of other files may belong to a running process with another lock.
 */
export async function replaceFiles(fs: FileSystem, directory: string, files: readonly NewFile[]): Promise<void> {
  for (const name of await fs.readdir(directory)) {
    const path = join(directory, name)
    const isOwn = files.some((file) => file.name === TEMPORARY.exec(name)?.[1])
    if (isOwn && (await lookAt(fs, path))?.isFile() === true) await fs.unlink(path)
  }
  const pending = new Map<string, string>()
  try {
    for (const file of files) {
      const temporary = join(directory, `.${file.name}.${randomBytes(8).toString('hex')}.etcd-mtls-tmp`)
      pending.set(file.name, temporary)
      await writeNewFile(fs, temporary, file)
    }
    for (const [name, temporary] of pending) {
      await fs.rename(temporary, join(directory, name))
      pending.delete(name)
    }
    await flushDirectory(fs, directory)
  } catch (error) {
    const left = [...pending.values()]
    await abandon(error, left.join(', '), async () => {
      const outcomes = await Promise.allSettled(left.map((path) => removeAll(fs, path)))
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    })
  }
}
