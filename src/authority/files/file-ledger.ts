/** A ledger in a file, which only grows. */
import { constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type EtcdMtlsError, isEtcdMtlsError } from '../../report/errors.js'
import { checkDirectory } from '../../credentials/write.js'
import { flushDirectory, isNotThere, writeFailed } from '../../files/write-file.js'
import type { Ledger, LedgerEntry } from '../ledger.js'
import { issueRefused } from '../refuse.js'
import { type FileSystem, type OpenFile, READ_PLAIN, readRange } from '../../files/file-system.js'
import { guardedFileSystem } from '../../files/guarded-file-system.js'
import { EMPTY, headPathOf, type LedgerHead, readHead, writeHead } from './ledger-head.js'
import { HASH_LENGTH, NO_HASH, readLine, writeLines } from './ledger-line.js'
import { withLock } from '../../files/lock.js'

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants
const FILE_MODE = 0o600
const LINE_FEED = 0x0a
/** How much is read at once when the end of the last whole line is looked for. */
const CHUNK = 64 * 1024
/** Largest file, in bytes: some 900,000 entries, which take as much memory again to read. */
const MAX_BYTES = 256 * 1024 * 1024

/**
 * A ledger in the file `path`, one line for each entry. Each line carries a hash over the line before it, and the file
 * `<path>.head` holds the length of the ledger and its last hash: entries that are changed, removed or cut off are
 * reported, because a CRL without them would undo revocations. The files are created with mode 0600 at the first entry;
 * their directory must exist. Any number of processes may add to it: the lock `<path>.lock` makes one wait for the other.
 * What is added is flushed to the disk before `append` resolves, and what is added at the same time goes there together.
 *
 * A line that a crash has cut off is ignored, and removed with the next entry: no certificate was returned for it.
 *
 * `append` and `read` reject with:
 *
 * - `ERR_WRITE_FAILED` where the file system refuses.
 * - `ERR_ISSUE_REFUSED` from both if entries are missing or were changed; the message names the file and the line, and how
 *   to go on from the last CRL (`authority.restoreRevocations`).
 * - `ERR_ISSUE_REFUSED` from both for a file of more than 256 MiB, some 900,000 entries.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function fileLedger(path: string): Ledger {
  checkDirectory(path, 'path', 'the path of a file')
  return openLedger(guardedFileSystem(), resolve(path))
}

interface Waiting {
  readonly entries: readonly LedgerEntry[]
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
        const entries = batch.flatMap((each) => each.entries)
        await withLock(`${path}.lock`, () => appendLocked(fs, path, entries), { fileSystem: fs })
        for (const each of batch) each.resolve()
      } catch (error) {
        for (const each of batch) each.reject(isEtcdMtlsError(error) ? error : writeFailed(path, error))
      }
    }
    isWriting = false
  }

  return {
    append: async (entries) => {
      if (entries.length === 0) return
      const copy = [...entries]
      await new Promise<void>((resolve, reject) => {
        waiting.push({ entries: copy, resolve, reject })
        if (!isWriting) void writeAllThatWaits()
      })
    },
    read: async () => {
      try {
        // The head first: entries that are added meanwhile lie behind it.
        const head = await readHead(fs, path)
        return readEntries(await readText(fs, path), head, path)
      } catch (error) {
        throw isEtcdMtlsError(error) ? error : writeFailed(path, error)
      }
    },
  }
}

async function appendLocked(fs: FileSystem, path: string, entries: readonly LedgerEntry[]): Promise<void> {
  const { file, isNew } = await openToAppend(fs, path)
  try {
    if (isNew) await file.chmod(FILE_MODE)
    const state = await file.stat()
    if (!state.isFile()) throw new Error(`${path} is not a plain file`)
    checkSize(path, state.size)
    const before = await endOf(fs, file, path, state.size)
    const { lines, hash } = writeLines(entries, before.hash)
    const bytes = Buffer.from(lines)
    // What could not be read any more would be lost to revocation.
    checkSize(path, before.size + bytes.length)
    if (before.size < state.size) await file.truncate(before.size)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } catch (error) {
      // No certificate is returned for these entries. If this fails, too, half a line is ignored later.
      await file.truncate(before.size).catch(() => undefined)
      throw error
    }
    await writeHead(fs, path, { size: before.size + bytes.length, hash })
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
    const head = await readHead(fs, path)
    if (head !== null && (head === 'damaged' || head.size > 0))
      throw damaged(path, 'it is not there, although its head is')
    // Before the ledger: a ledger without a head has lost it.
    if (head === null) await writeHead(fs, path, EMPTY)
    return { file: await fs.open(path, flags | O_CREAT | O_EXCL, FILE_MODE), isNew: true }
  }
}

/**
 * The end of the last whole line, and its hash. What follows was cut off by a crash. Lines behind the head were written by
 * a process that was killed before it could replace the head.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the ledger does not go on from its head.
 */
async function endOf(fs: FileSystem, file: OpenFile, path: string, size: number): Promise<LedgerHead> {
  const head = checkHead(await readHead(fs, path), size, path)
  const start = await startOfLine(file, head.size)
  const tail = await readRange(file, start, size)
  const last = tail.subarray(0, head.size - start).toString('utf8')
  if (head.size > 0 && !(last.startsWith(`${head.hash} `) && last.endsWith('\n')))
    throw damaged(path, 'its head does not match the line it ends with')
  const { hash, size: more } = readLines(tail.subarray(head.size - start).toString('utf8'), head.hash, {
    path,
    name: (index) => `line ${String(index + 1)} behind its head`,
  })
  return { size: head.size + more, hash }
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the ledger ends before its head. */
function checkHead(head: Awaited<ReturnType<typeof readHead>>, size: number, path: string): LedgerHead {
  if (head === 'damaged') throw damaged(path, `its head ${headPathOf(path)} cannot be read`)
  if (head === null) {
    if (size > 0) throw damaged(path, `its head ${headPathOf(path)} is not there`)
    return EMPTY
  }
  if (head.size > size) throw damaged(path, `it has ${String(size)} bytes, and had ${String(head.size)}`)
  return head
}

/** Where the line begins that ends at `end`. */
async function startOfLine(file: OpenFile, end: number): Promise<number> {
  for (let upTo = end - 1; upTo > 0;) {
    const start = Math.max(0, upTo - CHUNK)
    const at = (await readRange(file, start, upTo)).lastIndexOf(LINE_FEED)
    if (at !== -1) return start + at + 1
    upTo = start
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
    return (await readRange(file, 0, state.size)).toString('utf8')
  } finally {
    await file.close()
  }
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` */
function checkSize(path: string, bytes: number): void {
  if (bytes <= MAX_BYTES) return
  throw issueRefused(
    `The ledger "${path}" has ${bytes.toLocaleString('en-US')} bytes, and at most ${MAX_BYTES.toLocaleString('en-US')} ` +
      'are kept in one file: start a new one, and keep this; revoke the certificates in it by the certificate itself',
  )
}

function readEntries(text: string, head: Awaited<ReturnType<typeof readHead>>, path: string): LedgerEntry[] {
  const { size } = checkHead(head, Buffer.byteLength(text), path)
  const name = (index: number): string => `line ${String(index + 1)}`
  const read = readLines(text, NO_HASH, { path, name, end: size })
  if (read.size < size)
    throw damaged(path, `its last line is cut off, ${String(size - read.size)} bytes before its head`)
  if (size > 0 && !read.hasEnd) throw damaged(path, 'its head does not match the end of a line')
  return read.entries
}

interface ReadLines {
  readonly entries: LedgerEntry[]
  /** The hash of the last whole line. */
  readonly hash: string
  /** Bytes of the whole lines. */
  readonly size: number
  /** Whether a line ends at the byte `end`. */
  readonly hasEnd: boolean
}

/** Reads whole lines; what follows the last of them was cut off by a crash. */
function readLines(
  text: string,
  before: string,
  { path, name, end = 0 }: { path: string; name: (index: number) => string; end?: number },
): ReadLines {
  const lines = text.split('\n')
  const rest = lines.pop() ?? ''
  const entries: LedgerEntry[] = []
  let hasEnd = false
  let hash = before
  let size = 0
  lines.forEach((line, index) => {
    const entry = readLine(line, hash)
    if (typeof entry === 'string') throw damaged(path, `${name(index)} ${entry}`)
    entries.push(entry)
    hash = line.slice(0, HASH_LENGTH)
    size += Buffer.byteLength(line) + 1
    hasEnd ||= size === end
  })
  // A whole line of which only the line feed was changed.
  if (rest !== '' && typeof readLine(rest.slice(0, -1), hash) !== 'string')
    throw damaged(path, `${name(lines.length)} does not end as it should`)
  return { entries, hash, size, hasEnd }
}

function damaged(path: string, what: string): EtcdMtlsError<'ERR_ISSUE_REFUSED'> {
  return issueRefused(
    `The ledger "${path}" cannot be relied upon: ${what}. Restore the file and its ".head" from a backup of the same time, ` +
      'or move both away and restore the revocations from the last CRL with authority.restoreRevocations(crl)',
  )
}
