/**
 * A ledger in a file, which only grows. A line has a hash, a space and JSON; the hash is over the line before and the JSON,
 * so a line that is changed, removed or inserted is detected by the next one. The head, a small file next to it, has the
 * length of the ledger, so that a shorter one is detected.
 */
import { hash } from 'node:crypto'
import { constants } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { checkDirectory } from '../credentials/write.js'
import { type FileSystem, flushDirectory, lookAt, type OpenFile, readPlainFile, readRange } from '../files/file-system.js'
import { guardedFileSystem } from '../files/guarded-file-system.js'
import { withLock } from '../files/lock.js'
import { replaceFiles } from '../files/replace-files.js'
import { failureOf, systemCode } from '../files/write-failed.js'
import type { EtcdMtlsError } from '../report/errors.js'
import { type Ledger, type LedgerEntry, REVOKE_REASONS } from './ledger.js'
import { issueRefused } from './refuse.js'

/** Characters of a hash: the first 128 bits of SHA-256, in hexadecimal. */
const HASH_LENGTH = 32
/** The hash before the first line. */
const NO_HASH = '00000000000000000000000000000000'

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants
const FILE_MODE = 0o600
const LINE_FEED = 0x0a
/** Bytes that are read at once to find the start of the last line. */
const CHUNK = 64 * 1024
/** Some 900,000 entries, which need as much memory again to read. */
const MAX_BYTES = 256 * 1024 * 1024

/**
 * A ledger in the file `path`, one line for each entry. Each line carries a hash over the line before it, and the file
 * `<path>.head` holds the length of the ledger and its last hash: entries that are changed, removed or cut off are
 * reported, because a CRL without them would undo revocations. The files are created with mode 0600 at the first entry;
 * their directory must exist. Any number of processes may add to it: the lock `<path>.lock` makes one wait for the other.
 * Entries are flushed to the disk before `append` resolves; concurrent calls are written together.
 *
 * A line that a crash has cut off is ignored, and removed with the next entry: no certificate was returned for it.
 *
 * `append` and `read` reject with:
 *
 * - `ERR_WRITE_FAILED` if the file system refuses.
 * - `ERR_ISSUE_REFUSED` if entries are missing or were changed (the message names the line, and the way back from the last
 *   CRL, `authority.restoreRevocations`), and for a file of more than 256 MiB.
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

  const writeBatches = async (): Promise<void> => {
    isWriting = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        const entries = batch.flatMap((each) => each.entries)
        await withLock(fs, `${path}.lock`, () => appendLocked(fs, path, entries))
        for (const each of batch) each.resolve()
      } catch (error) {
        for (const each of batch) each.reject(failureOf(path, error))
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
        if (!isWriting) void writeBatches()
      })
    },
    read: async () => {
      try {
        // The head first: entries that are added meanwhile are behind it.
        const head = await readHead(fs, path)
        return readEntries(await readText(fs, path), head, path)
      } catch (error) {
        throw failureOf(path, error)
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
    // A file that is too large could not be read again.
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
  if (isNew) await flushDirectory(fs, dirname(path))
}

async function openToAppend(fs: FileSystem, path: string): Promise<{ file: OpenFile; isNew: boolean }> {
  const flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK
  try {
    return { file: await fs.open(path, flags), isNew: false }
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    const head = await readHead(fs, path)
    if (head !== null && (head === 'damaged' || head.size > 0))
      throw damaged(path, 'it does not exist, although its head does')
    // Before the ledger: a ledger without a head counts as damaged.
    if (head === null) await writeHead(fs, path, EMPTY)
    return { file: await fs.open(path, flags | O_CREAT | O_EXCL, FILE_MODE), isNew: true }
  }
}

/**
 * The end of the last whole line, and its hash. The rest was cut off by a crash. Lines behind the head were written by a
 * process that was killed before it could replace the head.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the ledger does not continue from its head.
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
    if (size > 0) throw damaged(path, `its head ${headPathOf(path)} is missing`)
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
  checkSize(path, (await lookAt(fs, path))?.size ?? 0)
  return (await readPlainFile(fs, path, MAX_BYTES))?.bytes.toString('utf8') ?? ''
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` */
function checkSize(path: string, bytes: number): void {
  if (bytes <= MAX_BYTES) return
  throw issueRefused(
    `The ledger "${path}" has ${bytes.toLocaleString('en-US')} bytes, and at most ${MAX_BYTES.toLocaleString('en-US')} ` +
      'are kept in one file: start a new one, and keep this; revoke the certificates in it by passing the certificate',
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

/** Reads whole lines. The rest was cut off by a crash. */
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
  // A whole line whose line feed was changed.
  if (rest !== '' && typeof readLine(rest.slice(0, -1), hash) !== 'string')
    throw damaged(path, `${name(lines.length)} does not end as it should`)
  return { entries, hash, size, hasEnd }
}

function damaged(path: string, what: string): EtcdMtlsError<'ERR_ISSUE_REFUSED'> {
  return issueRefused(
    `The ledger "${path}" is damaged: ${what}. Restore the file and its ".head" from a backup of the same time, ` +
      'or move both away and restore the revocations from the last CRL with authority.restoreRevocations(crl)',
  )
}

/** Where a ledger ended when it was last written to. */
interface LedgerHead {
  /** Bytes up to the end of the last line. */
  readonly size: number
  /** The hash of the last line. */
  readonly hash: string
}

const EMPTY: LedgerHead = { size: 0, hash: NO_HASH }

const MAX_HEAD_BYTES = 1024

/** The path of the head of a ledger. */
function headPathOf(path: string): string {
  return `${path}.head`
}

/** Null if there is no head; `damaged` if it cannot be read. */
async function readHead(fs: FileSystem, path: string): Promise<LedgerHead | null | 'damaged'> {
  const file = await readPlainFile(fs, headPathOf(path), MAX_HEAD_BYTES)
  if (file === null) return null
  const [, size, hash] =
    new RegExp(`^(\\d{1,15}) ([0-9a-f]{${String(HASH_LENGTH)}})\\n$`).exec(file.bytes.toString('latin1')) ?? []
  return size === undefined || hash === undefined ? 'damaged' : { size: Number(size), hash }
}

/** Replaces the head, atomically and durably. To be called under the lock of the ledger. */
async function writeHead(fs: FileSystem, path: string, { size, hash }: LedgerHead): Promise<void> {
  const name = basename(headPathOf(path))
  await replaceFiles(fs, dirname(path), [{ name, content: `${String(size)} ${hash}\n`, mode: 0o600 }])
}

/** The lines of entries, each with its line feed, and the hash of the last. */
function writeLines(entries: readonly LedgerEntry[], before: string): { lines: string; hash: string } {
  let hash = before
  let lines = ''
  for (const entry of entries) {
    const text = JSON.stringify(entry.kind === 'crl' ? { ...entry, number: entry.number.toString() } : entry)
    hash = hashOf(hash, text)
    lines += `${hash} ${text}\n`
  }
  return { lines, hash }
}

/**
 * The entry of a line without its line feed, or what is wrong with it, as the end of a sentence.
 *
 * @param before The hash of the line before.
 */
function readLine(line: string, before: string): LedgerEntry | string {
  const text = line.slice(HASH_LENGTH + 1)
  if (line[HASH_LENGTH] !== ' ' || line.slice(0, HASH_LENGTH) !== hashOf(before, text)) {
    return 'was changed, or does not follow the line before it'
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'is not JSON, although its hash matches'
  }
  return readEntry(value) ?? 'is not an entry of this version: a newer one may have written it'
}

function hashOf(before: string, text: string): string {
  return hash('sha256', `${before} ${text}`, 'hex').slice(0, HASH_LENGTH)
}

function readEntry(value: unknown): LedgerEntry | null {
  if (typeof value !== 'object' || value === null) return null
  const fields = value as Readonly<Record<string, unknown>> // each is checked below
  const text = (name: string): string | null => {
    const field = fields[name]
    return typeof field === 'string' ? field : null
  }
  const at = readDate(text('at'))
  const issuer = text('issuer')
  if (at === null || issuer === null) return null
  switch (text('kind')) {
    case 'issued': {
      const [serialNumber, subject, role] = [text('serialNumber'), text('subject'), text('role')]
      const [notAfter, fingerprint256] = [readDate(text('notAfter')), text('fingerprint256')]
      const keyFingerprint256 = text('keyFingerprint256')
      if (serialNumber === null || subject === null || role === null) return null
      if (notAfter === null || fingerprint256 === null || keyFingerprint256 === null) return null
      return { kind: 'issued', serialNumber, issuer, subject, role, notAfter, fingerprint256, keyFingerprint256, at }
    }
    case 'revoked': {
      const serialNumber = text('serialNumber')
      const reason = REVOKE_REASONS.find((known) => known === text('reason'))
      if (serialNumber === null || reason === undefined) return null
      return { kind: 'revoked', serialNumber, issuer, reason, keyFingerprint256: text('keyFingerprint256'), at }
    }
    case 'crl': {
      const number = text('number')
      return number === null || !/^\d+$/.test(number) ? null : { kind: 'crl', number: BigInt(number), issuer, at }
    }
    default:
      return null
  }
}

function readDate(text: string | null): Date | null {
  if (text === null) return null
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? null : date
}
