/** A ledger in a file, which only grows. */
import { constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type EtcdMtlsError, isEtcdMtlsError } from '../../errors.js'
import { checkDirectory } from '../../credentials/write.js'
import { flushDirectory, isNotThere, writeFailed } from '../../files/write-file.js'
import type { Ledger, LedgerEntry } from '../ledger.js'
import { issueRefused } from '../refuse.js'
import { type FileSystem, type OpenFile, READ_PLAIN, readAll } from '../../files/file-system.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { readLine, writeLine } from './ledger-line.js'
import { withLock } from '../../files/lock.js'

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants
const FILE_MODE = 0o600
const LINE_FEED = 0x0a
/** How much is read at once when the end of the last whole line is looked for. */
const CHUNK = 64 * 1024
/** Largest file, in octets: some 900,000 entries, which take as much memory again to read. */
const MOST_OCTETS = 256 * 1024 * 1024

/**
 * A ledger in the file `path`, one line for each entry, with a checksum. The file is made with mode 0600 at the first
 * entry; its directory must be there. Any number of processes may add to it: the lock `<path>.lock` makes one wait for
 * the other. What is added is flushed to the disk before `append` resolves, and what is added at the same time goes
 * there together.
 *
 * A line that a crash has cut off is passed over, and removed with the next entry: nothing was handed out for it.
 *
 * `append` and `read` reject with:
 *
 * - `ERR_WRITE_FAILED` where the file system refuses.
 * - `ERR_ISSUE_REFUSED` from `read` for a line that was damaged or altered; the message names the file and the line.
 * - `ERR_ISSUE_REFUSED` from both for a file of more than 256 MiB, some 900,000 entries.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function fileLedger(path: string): Ledger {
  checkDirectory(path, 'path', 'the path of a file')
  return openLedger(guardedFileSystem(), resolve(path))
}

interface Waiting {
  readonly lines: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** {@link fileLedger} on any file system. */
export function openLedger(fs: FileSystem, path: string): Ledger {
  let waiting: Waiting[] = []
  let isWriting = false

  const writeAllThatWaits = async (): Promise<void> => {
    isWriting = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await appendText(fs, path, batch.map(({ lines }) => lines).join(''))
        for (const each of batch) each.resolve()
      } catch (error) {
        for (const each of batch) each.reject(error)
      }
    }
    isWriting = false
  }

  return {
    append: async (entries) => {
      if (entries.length === 0) return
      const lines = entries.map(writeLine).join('')
      await new Promise<void>((resolve, reject) => {
        waiting.push({ lines, resolve, reject })
        if (!isWriting) void writeAllThatWaits()
      })
    },
    read: async () => {
      try {
        return readEntries(await readText(fs, path), path)
      } catch (error) {
        throw isEtcdMtlsError(error) ? error : writeFailed(path, error)
      }
    },
  }
}

async function appendText(fs: FileSystem, path: string, text: string): Promise<void> {
  try {
    await withLock(`${path}.lock`, () => appendLocked(fs, path, Buffer.from(text)), { fileSystem: fs })
  } catch (error) {
    throw isEtcdMtlsError(error) ? error : writeFailed(path, error)
  }
}

async function appendLocked(fs: FileSystem, path: string, bytes: Buffer): Promise<void> {
  const { file, isNew } = await openToAppend(fs, path)
  try {
    if (isNew) await file.chmod(FILE_MODE)
    const state = await file.stat()
    if (!state.isFile()) throw new Error(`${path} is not a plain file`)
    // What could not be read any more would be lost to revocation.
    checkSize(path, state.size + bytes.length)
    const end = await endOfLastLine(file, state.size)
    if (end < state.size) await cutOff(file, path, { end, size: state.size })
    try {
      await file.writeFile(bytes)
      await file.sync()
    } catch (error) {
      // Nobody will hand out what these entries stand for. Where this fails, too, half a line is passed over later.
      await file.truncate(end).catch(() => undefined)
      throw error
    }
  } finally {
    await file.close()
  }
  if (isNew) await flushDirectory(fs.open, dirname(path))
}

async function openToAppend(fs: FileSystem, path: string): Promise<{ file: OpenFile; isNew: boolean }> {
  const flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK
  try {
    return { file: await fs.open(path, flags), isNew: false }
  } catch (error) {
    if (!isNotThere(error)) throw error
    return { file: await fs.open(path, flags | O_CREAT | O_EXCL, FILE_MODE), isNew: true }
  }
}

/** Removes what a crash has left of a line. Were it more than that, an entry that counts would be lost. */
async function cutOff(file: OpenFile, path: string, { end, size }: { end: number; size: number }): Promise<void> {
  const tail = Buffer.alloc(Math.min(size - end, CHUNK))
  await file.read(tail, 0, tail.length, end)
  if (isWholeButItsEnd(tail.toString('utf8'))) throw damaged(path, 'the last line does not end as it should')
  await file.truncate(end)
}

/** True for a whole line of which only the line feed was altered. */
function isWholeButItsEnd(tail: string): boolean {
  return tail !== '' && typeof readLine(tail.slice(0, -1)) !== 'string'
}

/** Where the last whole line ends: what follows was cut off by a crash, as a tail of zeros was. */
async function endOfLastLine(file: OpenFile, size: number): Promise<number> {
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - CHUNK)
    const chunk = Buffer.alloc(end - start)
    const { bytesRead } = await file.read(chunk, 0, chunk.length, start)
    const at = chunk.subarray(0, bytesRead).lastIndexOf(LINE_FEED)
    if (at !== -1) return start + at + 1
    end = start
  }
  return 0
}

async function readText(fs: FileSystem, path: string): Promise<string> {
  let file: OpenFile
  try {
    file = await fs.open(path, READ_PLAIN)
  } catch (error) {
    if (isNotThere(error)) return ''
    throw error
  }
  try {
    const state = await file.stat()
    if (!state.isFile()) throw new Error(`${path} is not a plain file`)
    checkSize(path, state.size)
    return (await readAll(file, state.size)).toString('utf8')
  } finally {
    await file.close()
  }
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` */
function checkSize(path: string, octets: number): void {
  if (octets <= MOST_OCTETS) return
  throw issueRefused(
    `The ledger "${path}" has ${octets.toLocaleString('en-US')} octets, and at most ${MOST_OCTETS.toLocaleString('en-US')} ` +
      'are kept in one file: go on with a new one, and keep this; what it tells of can be revoked by the certificate itself',
  )
}

function readEntries(text: string, path: string): LedgerEntry[] {
  const lines = text.split('\n')
  // Either empty, or a line that was cut off.
  const tail = lines.pop() ?? ''
  if (isWholeButItsEnd(tail)) throw damaged(path, `line ${String(lines.length + 1)} does not end as it should`)
  return lines.map((line, index) => {
    const entry = readLine(line)
    if (typeof entry === 'string') throw damaged(path, `line ${String(index + 1)} ${entry}`)
    return entry
  })
}

function damaged(path: string, what: string): EtcdMtlsError<'ERR_ISSUE_REFUSED'> {
  const remedy =
    'put back a copy of the file from before the damage, or remove the line if what it stood for has expired'
  return issueRefused(`The ledger "${path}" cannot be relied upon, since ${what}: ${remedy}`)
}
