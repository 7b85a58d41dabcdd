/** The file of a lock: what stands in it, and when it no longer counts. */
import { createHash } from 'node:crypto'
import { type FileSystem, type ReadFile, readPlainFile } from './file-system.js'
import { isAlive, type ProcessIdentity } from './process-identity.js'

/** What stands in a lock file. */
export interface Holder extends ProcessIdentity {
  /** 32 hexadecimal digits that no other lock has. */
  readonly nonce: string
}

/** A lock as it was found. */
export interface FoundLock {
  /** Null where the file says nothing, as after a power cut. */
  readonly holder: Holder | null
  /** The nonce of its holder, or a digest of the content where there is none. */
  readonly nonce: string
  readonly file: ReadFile
}

const MOST_OCTETS = 64 * 1024

/** The lock at a path; null where there is none. */
export async function readLock(fs: FileSystem, path: string): Promise<FoundLock | null> {
  const file = await readPlainFile(fs, path, MOST_OCTETS)
  if (file === null) return null
  const holder = parseHolder(file.bytes.toString())
  const nonce = holder?.nonce ?? createHash('sha256').update(file.bytes).digest('hex').slice(0, 32)
  return { file, holder, nonce }
}

/**
 * A name for a lock that is being made. It says who makes it, since that can be killed before there is a word in the file.
 */
export function newLockPath(path: string, nonce: string, own: ProcessIdentity): string {
  return `${path}.${nonce}.${String(own.pid)}-${digestOf(own.place)}.new`
}

/** Whether the maker of a lock under such a name is gone; false where that cannot be told. */
export async function isMakerGone(path: string, own: ProcessIdentity): Promise<boolean> {
  const [, pid, place] = /\.(\d+)-([0-9a-f]{8})\.new$/.exec(path) ?? []
  if (pid === undefined || place !== digestOf(own.place)) return false
  return (await isAlive({ pid: Number(pid), place: own.place, started: null }, own)) === false
}

function digestOf(place: string): string {
  return createHash('sha256').update(place).digest('hex').slice(0, 8)
}

/** The content of a lock file. It ends with a line feed, which {@link isStale} relies upon being written again and again. */
export function lockContent(holder: Holder): Buffer {
  return Buffer.from(`${JSON.stringify(holder)}\n`)
}

function parseHolder(text: string): Holder | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  if (!('pid' in value && 'place' in value && 'started' in value && 'nonce' in value)) return null
  const { pid, place, started, nonce } = value
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0 || typeof place !== 'string') return null
  if (started !== null && typeof started !== 'string') return null
  if (typeof nonce !== 'string' || !/^[0-9a-f]{32}$/.test(nonce)) return null
  return { pid, place, started, nonce }
}

/**
 * Whether the holder is gone: by its process where that can be seen from here, otherwise by the age of the file.
 *
 * @param now The time by the clock of the file system, which has set the age; those of two hosts may differ.
 */
export async function isStale(
  { holder, file }: FoundLock,
  { own, staleAfter, now }: { own: ProcessIdentity; staleAfter: number; now: () => Promise<number> },
): Promise<boolean> {
  const alive = holder === null ? 'unknown' : await isAlive(holder, own)
  if (alive !== 'unknown') return !alive
  return (await now()) - file.mtimeMs > staleAfter
}
