/** Reads standard input and small files, and recognizes the names of files that cannot be read. */
import { codeOf } from '../report/internal.js'
import { constants, type Stats } from 'node:fs'
import { access, lstat, stat } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
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

/** What this process may not read, whose it is, and who it runs as; null for an error of another kind. */
export async function deniedText(path: string, error: unknown): Promise<string | null> {
  if (!['EACCES', 'EPERM'].includes(codeOf(error) ?? '')) return null
  const parts = resolve(path).split(sep)
  let denied = resolve(path)
  for (let i = 1; i < parts.length && denied !== ''; i++) {
    const folder = parts.slice(0, i).join(sep) || sep
    const mayEnter = await access(folder, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (!mayEnter) {
      denied = folder
      break
    }
  }
  const { uid, mode } = await stat(denied)
  const [owner, self] = await Promise.all([uid, process.geteuid?.() ?? -1].map(nameOf))
  const rights = `belongs to ${String(owner)} and has the mode 0${(mode & 0o7777).toString(8)}, and this process runs as ${String(self)}`
  const which = denied === resolve(path) ? 'it' : JSON.stringify(denied)
  return `${JSON.stringify(path)} cannot be read: ${which} ${rights}. Run the command as ${String(owner)}.`
}

async function nameOf(uid: number): Promise<string> {
  const { localUser } = await import('../files/internal.js')
  return (await localUser(uid))?.name ?? `the user ${String(uid)}`
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
    throw new UsageError(
      (await deniedText(path, error)) ?? `The path ${JSON.stringify(path)} cannot be read (${reason}).`,
    )
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
