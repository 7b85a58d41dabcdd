/**
 * A lock file: of two processes that change the same files, one waits.
 *
 * Each lock has a nonce. The file is written under another name and linked into place, which is atomic on NFS, too. A lock
 * whose holder is gone is never replaced: its successor is linked as `<path>.<nonce of the former>`, so of all processes
 * that find the same stale lock exactly one succeeds it. The last lock of this chain counts. A holder that releases takes
 * its own succession first, so that it removes only a chain that no other process has continued.
 */
import { createHash, randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isEtcdMtlsError } from '../report/errors.js'
import { type FileSystem, type OpenFile, readPlainFile } from './file-system.js'
import { findRoot } from './folders.js'
import { guardedFileSystem } from './guarded-file-system.js'
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.js'
import { isNotThere, systemCode, writeFailed } from './write-file.js'

/** How a lock is taken. Times are in milliseconds. */
interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** How long to wait for another holder. Default: 120,000. */
  readonly timeout?: number | undefined
  /** A holder on another host that has not touched its lock for this time counts as gone. Default: 60,000. */
  readonly staleAfter?: number | undefined
  /** How often a holder touches its lock. Default: 10,000. */
  readonly beatEvery?: number | undefined
  /** Default: the machine's. */
  readonly fileSystem?: FileSystem | undefined
}

const DEFAULTS = { timeout: 120_000, staleAfter: 60_000, beatEvery: 10_000 }
/** Between two attempts, in milliseconds: short enough not to be noticed, long enough for a remote disk. */
const MIN_PAUSE = 5
const MAX_PAUSE = 200

/** The lock of everything in a directory. */
export function lockPathOf(directory: string): string {
  return join(directory, '.etcd-mtls.lock')
}

/**
 * Runs `work` while this process holds the lock file `path`; its directory must exist. Two calls in one process exclude
 * each other, too, so `work` must not take the same lock.
 *
 * The signal that `work` gets is aborted with the caller's, and if the lock is lost: a process that slept for longer than
 * `staleAfter` counts as gone for other hosts.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if another process holds it for longer than `timeout`, or the file system refuses.
 * @throws The reason of `signal`.
 */
export async function withLock<T>(
  path: string,
  work: (signal: AbortSignal) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const { signal, fileSystem: fs = guardedFileSystem() } = options
  const { timeout = DEFAULTS.timeout, staleAfter = DEFAULTS.staleAfter, beatEvery = DEFAULTS.beatEvery } = options
  const contender = { fs, path, own: await ownIdentity(), staleAfter }
  const lock = await acquire(contender, { signal, timeout })
  const lost = new AbortController()
  const beat = setInterval(() => {
    void touch(contender, lock).then(
      (held) => {
        if (!held)
          lost.abort(writeFailed(path, 'the lock was taken by another process, for which this one counts as gone'))
      },
      // Whether it is still held is unknown; the next beat may tell.
      () => undefined,
    )
  }, beatEvery)
  beat.unref()
  let result: T
  try {
    // What stays does no harm, and the next holder tries again.
    await sweep(contender, lock).catch(() => undefined)
    result = await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]))
  } catch (error) {
    clearInterval(beat)
    // The error of the work matters more.
    await release(contender, lock).catch(() => undefined)
    throw error
  }
  clearInterval(beat)
  await release(contender, lock)
  return result
}

/**
 * Runs `work` under the lock of everything in a directory.
 *
 * @param place The directory, which may be a link. `work` gets its real path, or null if it does not exist.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` for an error of the file system.
 * @throws The reason of `signal`.
 */
export async function withDirectoryLock<T>(
  fs: FileSystem,
  place: string,
  signal: AbortSignal | undefined,
  work: (root: string | null, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    const root = await findRoot(fs, place)
    if (root === null) return await work(null, signal ?? new AbortController().signal)
    return await withLock(lockPathOf(root), (held) => work(root, held), { signal, fileSystem: fs })
  } catch (error) {
    if (isEtcdMtlsError(error) || (signal?.aborted === true && error === signal.reason)) throw error
    throw writeFailed(place, error)
  }
}

interface Contender {
  readonly fs: FileSystem
  readonly path: string
  readonly own: ProcessIdentity
  readonly staleAfter: number
}

/** The content of a lock file. */
interface Holder extends ProcessIdentity {
  /** 32 hexadecimal digits that no other lock has. */
  readonly nonce: string
}

/** A lock as it was found. */
interface FoundLock {
  readonly at: string
  /** null if the file cannot be read as a lock, as after a power cut. */
  readonly holder: Holder | null
  /** The nonce of its holder, or a digest of the content. */
  readonly nonce: string
  readonly mtimeMs: number
}

/** A lock of this process. The file stays open, so that a touch never reaches another file in its place. */
interface OwnLock {
  /** Where the file is: `path`, or the successor of a stale lock. */
  readonly at: string
  readonly nonce: string
  readonly file: OpenFile
  readonly size: number
}

const NONCE = /^[0-9a-f]{32}$/
/** Bytes read of a lock file at most. */
const MAX_BYTES = 64 * 1024

async function acquire(
  contender: Contender,
  { signal, timeout }: { signal: AbortSignal | undefined; timeout: number },
): Promise<OwnLock> {
  const { path } = contender
  const deadline = performance.now() + timeout
  for (let pause = MIN_PAUSE; ; pause = Math.min(MAX_PAUSE, pause * 2)) {
    signal?.throwIfAborted()
    let last: FoundLock | undefined
    try {
      // Read before anything is written: a process that waits for a living holder does not wear out the disk.
      last = (await chainOf(contender)).at(-1)
      const lock = last === undefined || (await isStale(contender, last)) ? await succeed(contender, last) : null
      if (lock !== null) return lock
    } catch (error) {
      throw isEtcdMtlsError(error) ? error : writeFailed(path, error)
    }
    if (performance.now() >= deadline) throw writeFailed(path, heldBy(last?.holder ?? null, path))
    // At random, so that processes that wait do not come at once. The loop reports an aborted signal.
    await delay(pause * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined)
  }
}

function heldBy(holder: Holder | null, path: string): string {
  const host = holder?.place.split(' ')[0] ?? ''
  const who = holder === null ? 'another process' : `process ${String(holder.pid)} on host "${host}"`
  return `${who} holds the lock and did not finish in time: try again later, or end that process if it hangs; if no process runs any more, remove ${path}`
}

/** The lock at `path` and its successors; empty if it is free. */
async function chainOf({ fs, path }: Contender): Promise<FoundLock[]> {
  const chain: FoundLock[] = []
  for (let found = await readLock(fs, path); found !== null; found = await readLock(fs, `${path}.${found.nonce}`)) {
    chain.push(found)
  }
  return chain
}

async function readLock(fs: FileSystem, at: string): Promise<FoundLock | null> {
  const file = await readPlainFile(fs, at, MAX_BYTES)
  if (file === null) return null
  const holder = parseHolder(file.bytes.toString())
  const nonce = holder?.nonce ?? createHash('sha256').update(file.bytes).digest('hex').slice(0, 32)
  return { at, holder, nonce, mtimeMs: file.mtimeMs }
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
  return typeof nonce === 'string' && NONCE.test(nonce) ? { pid, place, started, nonce } : null
}

/** Whether the holder is gone: by its process if that can be seen from here, otherwise by the age of the file. */
async function isStale(contender: Contender, { holder, mtimeMs }: FoundLock): Promise<boolean> {
  const alive = holder === null ? 'unknown' : await isAlive(holder, contender.own)
  if (alive !== 'unknown') return !alive
  return (await fileSystemTime(contender)) - mtimeMs > contender.staleAfter
}

/** The time by the clock that sets the age of files: the clocks of two hosts may differ. */
async function fileSystemTime({ fs, path, own }: Contender): Promise<number> {
  const probe = candidatePath(path, newNonce(), own)
  const file = await fs.open(probe, 'wx', 0o600)
  try {
    return (await file.stat()).mtimeMs
  } finally {
    await file.close()
    await fs.unlink(probe)
  }
}

function newNonce(): string {
  return randomBytes(16).toString('hex')
}

/** Takes the lock if it is free, or succeeds `last`, whose holder is gone; null if another process was faster. */
async function succeed(contender: Contender, last: FoundLock | undefined): Promise<OwnLock | null> {
  const { fs, path } = contender
  const lock = await linkNew(contender, last === undefined ? path : `${path}.${last.nonce}`)
  if (lock === null || last === undefined) return lock
  let isHeld = false
  try {
    // The former holder may have released the lock meanwhile: then the chain no longer leads here.
    isHeld = (await chainOf(contender)).some(({ nonce }) => nonce === lock.nonce)
  } finally {
    if (!isHeld) {
      await lock.file.close()
      await removeIfThere(fs, lock.at)
    }
  }
  return isHeld ? lock : null
}

/** Writes a lock under another name and links it to `at`; null if something is there. */
async function linkNew({ fs, path, own }: Contender, at: string): Promise<OwnLock | null> {
  const nonce = newNonce()
  const candidate = candidatePath(path, nonce, own)
  // It ends with a line feed, which `touch` writes again and again.
  const content = Buffer.from(`${JSON.stringify({ ...own, nonce })}\n`)
  // Not flushed: after a power cut no holder is left, and a lock that cannot be read ages like any other.
  const file = await fs.open(candidate, 'wx', 0o644)
  let linked = false
  try {
    await file.writeFile(content)
    await fs.link(candidate, at)
    linked = true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  } finally {
    if (!linked) await file.close()
    // What cannot be removed does no harm, and once the lock is held, nothing may fail before the caller knows.
    await removeIfThere(fs, candidate).catch(() => undefined)
  }
  return linked ? { at, nonce, file, size: content.length } : null
}

/** The name of a lock that is being written. It names its writer, which may be killed before the file has any content. */
export function candidatePath(path: string, nonce: string, { pid, place }: ProcessIdentity): string {
  return `${path}.${nonce}.${String(pid)}-${digestOf(place)}.new`
}

function digestOf(place: string): string {
  return createHash('sha256').update(place).digest('hex').slice(0, 8)
}

/** Whether the writer of a candidate is gone; false if that cannot be seen from here. */
async function isWriterGone(name: string, own: ProcessIdentity): Promise<boolean> {
  const [, pid, place] = /\.(\d+)-([0-9a-f]{8})\.new$/.exec(name) ?? []
  if (pid === undefined || place !== digestOf(own.place)) return false
  return (await isAlive({ pid: Number(pid), place: own.place, started: null }, own)) === false
}

/** Makes the file newer, by the clock of the file system; false if another process has succeeded this lock. */
async function touch({ fs, path }: Contender, { at, nonce, file, size }: OwnLock): Promise<boolean> {
  const isHeld = (await readLock(fs, at))?.nonce === nonce && (await readLock(fs, `${path}.${nonce}`)) === null
  if (isHeld) await file.write(Buffer.from('\n'), 0, 1, size - 1)
  return isHeld
}

async function release(contender: Contender, { at, nonce, file }: OwnLock): Promise<void> {
  const { fs, path } = contender
  // The content no longer matters, so neither does whether the last touch was written.
  await file.close().catch(() => undefined)
  try {
    const chain = await chainOf(contender)
    if (chain.at(-1)?.nonce !== nonce) return
    const end = await endChain(contender, nonce)
    if (end === null) return
    // The root first: without it nothing leads to the others.
    for (const each of [path, ...chain.slice(1).map((lock) => lock.at), end]) await removeIfThere(fs, each)
  } catch {
    // While this process lives, no other removes the lock.
    try {
      if ((await readLock(fs, at))?.nonce === nonce) await removeIfThere(fs, at)
    } catch (error) {
      throw writeFailed(path, error)
    }
  }
}

/** Takes the succession of the own lock, so that no other process can; null if one has. */
async function endChain(contender: Contender, nonce: string): Promise<string | null> {
  const end = await linkNew(contender, `${contender.path}.${nonce}`)
  if (end === null) return null
  await end.file.close()
  return end.at
}

/** Removes what killed processes have left next to the lock. Files to which the chain does not lead have no meaning. */
async function sweep(contender: Contender, { nonce }: OwnLock): Promise<void> {
  const { fs, path } = contender
  const directory = dirname(path)
  const prefix = `${basename(path)}.`
  const names = (await fs.readdir(directory)).filter((name) => name.startsWith(prefix))
  if (names.length === 0) return
  const chain = new Set((await chainOf(contender)).map(({ at }) => basename(at)))
  for (const name of names) {
    const rest = name.slice(prefix.length)
    if (chain.has(name) || rest.startsWith(nonce)) continue
    const at = join(directory, name)
    if (rest.endsWith('.new') ? await isCandidateGone(contender, at) : NONCE.test(rest)) await removeIfThere(fs, at)
  }
}

async function isCandidateGone(contender: Contender, at: string): Promise<boolean> {
  if (await isWriterGone(at, contender.own)) return true
  const found = await readLock(contender.fs, at)
  return found !== null && isStale(contender, found)
}

async function removeIfThere(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path)
  } catch (error) {
    if (!isNotThere(error)) throw error
  }
}
