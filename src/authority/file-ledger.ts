/**
 * A ledger in an append-only file. A line has a hash, a space and JSON. The hash covers the previous hash and the JSON, so that a
 * changed, removed or inserted line is detected. The head, a second file, has the length of the ledger, so that a truncated ledger is
 * detected.
 */
import { codeOf } from '../report/errors.js'
import { hash } from 'node:crypto'
import { constants } from 'node:fs'
import { basename, dirname } from 'node:path'
import {
  attributesOf,
  type FileSystem,
  flushDirectory,
  isShared,
  lookAt,
  type OpenFile,
  readPlainFile,
  readRange,
  replaceFiles,
} from '../files/file-system.js'
import { giveToRoot } from '../files/foreign-component.js'
import { guardedFileSystem, type TrustedOwnerOption } from '../files/guarded-file-system.js'
import { withLock } from '../files/lock.js'
import { failureOf } from '../files/write-failed.js'
import type { EtcdMtlsError } from '../report/errors.js'
import { type Ledger, type LedgerEntry, REVOKE_REASONS } from './ledger.js'
import { issueRefused } from './refuse.js'

/** Characters of a hash: the first 128 bits of SHA-256, in hexadecimal. */
const HASH_LENGTH = 32
const NO_HASH = '00000000000000000000000000000000'

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants
const FILE_MODE = 0o600
const LINE_FEED = 0x0a
/** Longer than any line: names have at most 4096 bytes. */
const MAX_LINE = 64 * 1024
/** About 900,000 entries; reading them needs as much memory again. */
const MAX_BYTES = 256 * 1024 * 1024

export async function openLedger(path: string, options: TrustedOwnerOption): Promise<Ledger> {
  // For each call, because owners and modes may change between two.
  const open = (): Promise<FileSystem> => guardedFileSystem(dirname(path), options, giveToRoot)
  /** Entries that wait for the lock, to be written together. */
  let waiting: { readonly entries: LedgerEntry[]; readonly written: Promise<void> } | null = null
  let last: Promise<unknown> = Promise.resolve()

  const write = async (entries: readonly LedgerEntry[]): Promise<void> => {
    try {
      await withLock(await open(), `${path}.lock`, (_, fs) => appendLocked(fs, path, entries))
    } catch (error) {
      throw failureOf(path, error)
    }
  }
  const startBatch = (): NonNullable<typeof waiting> => {
    const entries: LedgerEntry[] = []
    const written = last.then(() => {
      waiting = null
      return write(entries)
    })
    // The callers of this write get its error; the next write only waits for its end.
    last = written.catch(() => undefined)
    return { entries, written }
  }
  return Promise.resolve({
    append: async (entries) => {
      if (entries.length === 0) return
      waiting ??= startBatch()
      for (const entry of entries) waiting.entries.push(entry)
      await waiting.written
    },
    read: async () => {
      try {
        const fs = await open()
        // Read before the ledger: entries added in between come after this head.
        const head = await readHead(fs, path)
        checkSize(path, (await lookAt(fs, path))?.size ?? 0)
        const bytes = (await readPlainFile(fs, path, MAX_BYTES))?.bytes ?? Buffer.alloc(0)
        const { size, hash } = checkHead(head, bytes.length, path)
        const { entries, ...end } = readLines(bytes.subarray(0, size), NO_HASH, path)
        if (end.size < size || end.hash !== hash) throw damaged(path, HEAD_MISMATCH)
        const after = readLines(bytes.subarray(size), hash, path, entries.length)
        return entries.concat(after.entries)
      } catch (error) {
        throw failureOf(path, error)
      }
    },
  })
}

async function appendLocked(fs: FileSystem, path: string, entries: readonly LedgerEntry[]): Promise<void> {
  const { file, isNew } = await openToAppend(fs, path)
  try {
    const folder = await fs.lstat(dirname(path))
    if (isNew) {
      const { owner, mode } = attributesOf({ mode: FILE_MODE }, null, folder)
      if (owner !== null) await file.chown(owner.uid, owner.gid)
      await file.chmod(mode)
    }
    const state = await file.stat()
    if (!state.isFile()) throw new Error(`${path} is not a plain file`)
    // Another user may have made the link, to a ledger elsewhere.
    if (state.nlink > 1 && isShared(folder))
      throw new Error(`${path} has a second name (a hard link), and every user can make one there: choose another name`)
    checkSize(path, state.size)
    const { size, hash } = await readEnd(fs, file, path, state.size)
    const added = writeLines(entries, hash)
    const bytes = Buffer.from(added.lines)
    // A larger file cannot be read again.
    checkSize(path, size + bytes.length)
    if (size < state.size) await file.truncate(size)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } catch (error) {
      // These certificates are not returned. If this fails, too, the next reader ignores the incomplete line.
      await file.truncate(size).catch(() => undefined)
      throw error
    }
    await writeHead(fs, path, { size: size + bytes.length, hash: added.hash })
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
    if (codeOf(error) !== 'ENOENT') throw error
    const head = await readHead(fs, path)
    if (head !== null && (head === 'damaged' || head.size > 0))
      throw damaged(path, 'it does not exist, although its head does')
    // Written before the ledger, because a ledger without a head counts as damaged.
    if (head === null) await writeHead(fs, path, EMPTY_LEDGER)
    return { file: await fs.open(path, flags | O_CREAT | O_EXCL, FILE_MODE), isNew: true }
  }
}

/**
 * The end of the last complete line, and its hash. A crash can leave an incomplete line, and lines after the head if the process was
 * killed before it replaced the head.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the ledger does not continue from its head.
 */
async function readEnd(fs: FileSystem, file: OpenFile, path: string, size: number): Promise<LedgerHead> {
  const head = checkHead(await readHead(fs, path), size, path)
  const start = Math.max(0, head.size - MAX_LINE)
  const tail = await readRange(file, start, size)
  const end = head.size - start
  const last = tail.subarray(tail.lastIndexOf(LINE_FEED, end - 2) + 1, end)
  if (head.size > 0 && !(last.at(-1) === LINE_FEED && last.toString('latin1').startsWith(`${head.hash} `)))
    throw damaged(path, HEAD_MISMATCH)
  const after = readLines(tail.subarray(end), head.hash, path, 'behind its head')
  return { size: head.size + after.size, hash: after.hash }
}

const HEAD_MISMATCH = 'its head does not match the line it ends with'

function checkHead(head: Awaited<ReturnType<typeof readHead>>, size: number, path: string): LedgerHead {
  if (head === 'damaged') throw damaged(path, `its head ${path}.head cannot be read`)
  if (head === null && size > 0) throw damaged(path, `its head ${path}.head is missing`)
  if (head !== null && head.size > size)
    throw damaged(path, `it has ${String(size)} bytes, and had ${String(head.size)}`)
  return head ?? EMPTY_LEDGER
}

function checkSize(path: string, bytes: number): void {
  if (bytes <= MAX_BYTES) return
  throw issueRefused(
    `The ledger "${path}" has ${bytes.toLocaleString('en-US')} bytes, and at most ${MAX_BYTES.toLocaleString('en-US')} ` +
      'are kept in one file: start a new one, and keep this; revoke the certificates in it by passing the certificate',
  )
}

/** The entries of complete lines, with the size of the lines and the hash of the last. */
interface ReadLines extends LedgerHead {
  readonly entries: LedgerEntry[]
}

/**
 * Reads complete lines. A crash can leave an incomplete last line, which is ignored.
 *
 * @param hash The hash of the line before.
 * @param where For errors: the number of lines before, or a description of the place.
 */
function readLines(bytes: Buffer, hash: string, path: string, where: number | string = 0): ReadLines {
  const lines = bytes.toString('utf8').split('\n')
  const rest = lines.pop() ?? ''
  const name = (index: number): string =>
    typeof where === 'string' ? `line ${String(index + 1)} ${where}` : `line ${String(where + index + 1)}`
  const read = { entries: new Array<LedgerEntry>(), hash, size: 0 }
  lines.forEach((line, index) => {
    const entry = readLine(line, read.hash)
    if (typeof entry === 'string') throw damaged(path, `${name(index)} ${entry}`)
    read.entries.push(entry)
    read.hash = line.slice(0, HASH_LENGTH)
    read.size += Buffer.byteLength(line) + 1
  })
  // The line is complete, but its line feed was changed.
  if (rest !== '' && typeof readLine(rest.slice(0, -1), read.hash) !== 'string')
    throw damaged(path, `${name(lines.length)} does not end as it should`)
  return read
}

function damaged(path: string, what: string): EtcdMtlsError<'ERR_ISSUE_REFUSED'> {
  return issueRefused(
    `The ledger "${path}" is damaged: ${what}. Restore the file and its ".head" from a backup of the same time, ` +
      'or move both away and restore the revocations from the last CRL with authority.restoreRevocations(crl)',
  )
}

interface LedgerHead {
  readonly size: number
  readonly hash: string
}

const EMPTY_LEDGER: LedgerHead = { size: 0, hash: NO_HASH }
const HEAD = /^(\d{1,15}) ([0-9a-f]{32})\n$/
const MAX_HEAD_BYTES = 1024

/** Null if there is no head; `damaged` if it cannot be read. */
async function readHead(fs: FileSystem, path: string): Promise<LedgerHead | null | 'damaged'> {
  const file = await readPlainFile(fs, `${path}.head`, MAX_HEAD_BYTES)
  if (file === null) return null
  const [, size, hash] = HEAD.exec(file.bytes.toString('latin1')) ?? []
  return size === undefined || hash === undefined ? 'damaged' : { size: Number(size), hash }
}

/** The caller must hold the lock of the ledger. */
async function writeHead(fs: FileSystem, path: string, { size, hash }: LedgerHead): Promise<void> {
  const name = `${basename(path)}.head`
  await replaceFiles(fs, dirname(path), [{ name, content: `${String(size)} ${hash}\n`, mode: FILE_MODE }])
}

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

/** The entry, or the fault of the line as the end of a sentence. */
function readLine(line: string, before: string): LedgerEntry | string {
  const text = line.slice(HASH_LENGTH + 1)
  if (line[HASH_LENGTH] !== ' ' || line.slice(0, HASH_LENGTH) !== hashOf(before, text))
    return 'was changed, or does not follow the line before it'
  try {
    return readEntry(JSON.parse(text)) ?? 'is not an entry of this version: a newer one may have written it'
  } catch {
    return 'is not JSON, although its hash matches'
  }
}

function hashOf(before: string, text: string): string {
  return hash('sha256', `${before} ${text}`, 'hex').slice(0, HASH_LENGTH)
}

function readEntry(value: unknown): LedgerEntry | null {
  const fields = Object(value) as Readonly<Record<string, unknown>> // each is checked below
  const text = (name: string): string | null => (typeof fields[name] === 'string' ? fields[name] : null)
  const date = (name: string): Date | null => {
    const time = new Date(text(name) ?? Number.NaN)
    return Number.isNaN(time.getTime()) ? null : time
  }
  const [at, issuer, keyFingerprint256] = [date('at'), text('issuer'), text('keyFingerprint256')]
  const [serialNumber, number] = [text('serialNumber'), text('number')]
  if (at === null || issuer === null) return null
  switch (fields['kind']) {
    case 'issued': {
      const [subject, role, fingerprint256, notAfter] = [
        text('subject'),
        text('role'),
        text('fingerprint256'),
        date('notAfter'),
      ]
      if (serialNumber === null || subject === null || role === null) return null
      if (notAfter === null || fingerprint256 === null || keyFingerprint256 === null) return null
      return { kind: 'issued', serialNumber, issuer, subject, role, notAfter, fingerprint256, keyFingerprint256, at }
    }
    case 'revoked': {
      const reason = REVOKE_REASONS.find((known) => known === fields['reason'])
      if (serialNumber === null || reason === undefined) return null
      return { kind: 'revoked', serialNumber, issuer, reason, keyFingerprint256, at }
    }
    case 'crl':
      return number === null || !/^\d+$/.test(number) ? null : { kind: 'crl', number: BigInt(number), issuer, at }
    default:
      return null
  }
}
