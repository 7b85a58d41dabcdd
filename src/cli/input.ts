/** Reads standard input and small files, and recognizes the names of files that cannot be read. */
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

/**
 * The text of a file of settings; null if there is no such file. It does not wait for a FIFO, and reads no device.
 *
 * @param name The file as it appears in errors.
 * @throws {UsageError} if it cannot be read
 */
export async function readText(file: string, name = file): Promise<string | null> {
  // `inspect` does without it.
  const { readConfigFile } = await import('../config/read/text.js')
  const read = await readConfigFile(file, name)
  if ('text' in read) return read.text
  if (read.code === 'file/missing') return null
  throw new UsageError(read.message)
}
