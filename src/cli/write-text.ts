/** Writes a file of the output of a command: the whole file, or nothing. */
import { basename, dirname, resolve } from 'node:path'
import { nodeFileSystem, replaceFiles } from '../files/file-system.js'
import { systemCode } from '../files/write-failed.js'
import { UsageError } from './command.js'

/** @throws {UsageError} if it cannot be written */
export async function writeText(file: string, text: string): Promise<void> {
  const path = resolve(file)
  try {
    await replaceFiles(nodeFileSystem, dirname(path), [{ name: basename(path), content: text, mode: 0o644 }])
  } catch (error) {
    const code = systemCode(error)
    if (code === null) throw error
    throw new UsageError(`"${file}" cannot be written (${code}).`)
  }
}
