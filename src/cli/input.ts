/** Reads standard input and small files, and recognizes the names of files that cannot be read. */
import { codeOf } from '../report/internal.js'
import type { Stats } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import { type Call, UsageError } from './command.js'

/** Standard input, which may be a terminal. Ctrl-C ends it with an error. */
export function openInput({ input, signal, progress }: Pick<Call, 'input' | 'signal' | 'progress'>): NodeJS.ReadStream {
  progress('Waiting for standard input …')
  addAbortSignal(signal, input)
  return input
}

/** All of standard input; null if it has more bytes than the limit. */
export async function readInput(call: Call, limit: number): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of openInput(call) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > limit) return null
  }
  return Buffer.concat(chunks)
}

export const UNREADABLE_NAME = 'The name of the file is not UTF-8, so it was not read. Rename it.'

/** Node replaces the bytes of a name that are not UTF-8, so that the file cannot be opened. */
export function isUnreadableName(name: string): boolean {
  return name.includes('\ufffd')
}

/** The state of an existing path, of a link itself if it leads nowhere; null if there is no such path. */
export async function stateOf(path: string): Promise<Stats | null> {
  try {
    const own = await lstat(path)
    return await stat(path).catch(() => own)
  } catch (error) {
    // An operand that is a wrong name, or a key, can be too long for a file.
    const reason = codeOf(error) ?? ''
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(reason)) return null
    throw new UsageError(`The path ${JSON.stringify(path)} cannot be read (${reason}).`)
  }
}

/**
 * The text of a file; null if there is no such file. It does not wait for a FIFO, and reads no device.
 *
 * @param name The file as it appears in errors.
 * @throws {UsageError} if it cannot be read
 */
export async function readText(file: string, name = file): Promise<string | null> {
  // `inspect` does without it.
  const { readConfigFile } = await import('../config/internal-read.js')
  const read = await readConfigFile(file, name)
  if ('text' in read) return read.text
  if (read.code === 'file/missing') return null
  throw new UsageError(read.message)
}
