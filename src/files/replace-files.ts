/** Replaces files of a directory, each atomically and durably. */
import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { abandon, type FileContents, flushDirectory, writeNewFile } from './write-file.js'

/** A file with its place. */
interface NewFile extends FileContents {
  readonly path: string
}

/**
 * Writes all files whole beside their places, flushes them, and renames each over what is there. Where something fails, no
 * temporary file is left, or the error says which; what was renamed before stays.
 */
export async function replaceFiles(directory: string, files: readonly NewFile[]): Promise<void> {
  const suffix = `.${randomBytes(8).toString('hex')}.tmp`
  const pending = new Set<string>()
  try {
    for (const file of files) {
      pending.add(`${file.path}${suffix}`)
      await writeNewFile(open, `${file.path}${suffix}`, file)
    }
    for (const { path } of files) {
      await rename(`${path}${suffix}`, path)
      pending.delete(`${path}${suffix}`)
    }
    await flushDirectory(open, directory)
  } catch (error) {
    await abandon(error, join(directory, `*${suffix}`), () => removeEach(pending))
  }
}

/** Every one is tried, whatever becomes of the others. */
async function removeEach(paths: ReadonlySet<string>): Promise<void> {
  const outcomes = await Promise.allSettled([...paths].map((path) => rm(path, { force: true })))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
