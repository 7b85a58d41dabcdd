/**
 * A lock file, which excludes other processes that change the same files.
 *
 * The file has a nonce, and its holder touches it (a beat). It is written under another name and linked into place, which is
 * atomic on NFS too. A stale lock is never replaced: its successor is linked as `<path>.<nonce of the stale lock>`, so that only
 * one of the processes that find it can succeed it. The last lock of this chain is valid.
 *
 * A holder without a beat for half of `staleAfter` writes nothing more: another process may succeed it after `staleAfter`.
 */
import { codeOf } from '../report/errors.js'
import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type FileSystem, findRoot, type OpenFile, readPlainFile, useFile } from './file-system.js'
import { failureOf, writeFailed } from './write-failed.js'

/** Times are in milliseconds. */
interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** Longest wait for another holder. @default 120,000 */
  readonly timeout?: number
  /** A lock whose process is not visible here is stale if it was not touched for this time. @default 60,000 */
  readonly staleAfter?: number
  /** How often a holder touches its lock. @default 10,000 */
  readonly beatEvery?: number
}

/** Milliseconds between two attempts. */
const PAUSE = { first: 5, longest: 200 }

/**
 * Runs `work` while this process holds the lock file `path`; its directory must exist. Calls of one process exclude each
 * other too, so `work` must not take the same lock.
 *
 * `work` receives a signal, which is aborted with the caller's or if the lock is lost, and the file system, which from then on
 * refuses every call. The lock is lost if this process did not touch it for half of `staleAfter`, as after a pause.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if another process holds it for longer than `timeout`, or the file system refuses.
 * @throws The reason of `signal`.
 */
export async function withLock<T>(
  fs: FileSystem,
  path: string,
  work: (signal: AbortSignal, fs: FileSystem) => Promise<T>,
  { signal, timeout = 120_000, staleAfter = 60_000, beatEvery = 10_000 }: LockOptions = {},
): Promise<T> {
  const place: Place = { fs, path, own: await ownIdentity(), staleAfter }
  const lock = await acquire(place, timeout, signal)
  const lost = new AbortController()
  const check = (): void => {
    if (isLate(lock, staleAfter)) lost.abort(writeFailed(path, LOST))
    lost.signal.throwIfAborted()
  }
  const beat = async (): Promise<void> => {
    check()
    const began = Date.now()
    if (await touch(place, lock)) lock.touchedAt = began
    else lost.abort(writeFailed(path, LOST))
  }
  // An error does not show that the lock is lost. The next timer tries again.
  const timer = setInterval(() => void beat().catch(() => undefined), beatEvery).unref()
  let result: T
  try {
    result = await work(
      signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]),
      fencedFileSystem(fs, check),
    )
  } catch (error) {
    // The error of `work` takes precedence over an error of the release.
    await release(place, lock).catch(() => undefined)
    throw error
  } finally {
    clearInterval(timer)
  }
  await release(place, lock)
  return result
}

/**
 * Runs `work` under the lock of a directory.
 *
 * @param place The directory, which may be a link. `work` receives its real path, or null if it does not exist; and the signal
 * and the file system of `withLock`.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` for an error of the file system.
 * @throws The reason of `signal`.
 */
export async function withDirectoryLock<T>(
  fs: FileSystem,
  place: string,
  signal: AbortSignal | undefined,
  work: (root: string | null, signal: AbortSignal, fs: FileSystem) => Promise<T>,
): Promise<T> {
  try {
    const root = await findRoot(fs, place)
    if (root === null) return await work(null, signal ?? new AbortController().signal, fs)
    return await withLock(fs, join(root, '.etcd-mtls.lock'), (...held) => work(root, ...held), { signal })
  } catch (error) {
    throw failureOf(place, error, signal)
  }
}

interface Place {
  readonly fs: FileSystem
  readonly path: string
  readonly own: ProcessIdentity
  readonly staleAfter: number
}

/** Identifies a process even if its number is used again. */
export interface ProcessIdentity {
  readonly pid: number
  /** Host, boot and PID namespace: process numbers are comparable only within one. */
  readonly place: string
  /** Start time in ticks since the boot (proc(5), field 22); null if /proc does not show this process. */
  readonly started: string | null
}

interface FoundLock {
  readonly at: string
  /** Null if the file is not a valid lock, as after a power cut. */
  readonly holder: ProcessIdentity | null
  /** 32 random hexadecimal digits; a digest of the contents if the file is not a valid lock. */
  readonly nonce: string
  readonly mtimeMs: number
}

interface OwnLock {
  readonly nonce: string
  /** When the last touch began, by the clock of the day: others stop while the machine sleeps. */
  touchedAt: number
}

/** The other half of the time is for calls that were made before, and for clocks that run at different speeds. */
function isLate({ touchedAt }: OwnLock, staleAfter: number): boolean {
  return Date.now() - touchedAt > staleAfter / 2
}

const LOST =
  'the lock was taken by another process, or could have been, because this process was paused or the file system did not answer: try again'

async function acquire(place: Place, timeout: number, signal: AbortSignal | undefined): Promise<OwnLock> {
  const deadline = performance.now() + timeout
  for (let pause = PAUSE.first; ; pause = Math.min(PAUSE.longest, pause * 2)) {
    signal?.throwIfAborted()
    let holder: ProcessIdentity | null
    try {
      // Reads first, so that a waiting process does not write at each attempt.
      holder = (await lastLock(place))?.holder ?? null
      const lock = (await isAlive(holder, place.own)) === true ? null : await tryTake(place)
      if (lock !== null) return lock
    } catch (error) {
      throw failureOf(place.path, error)
    }
    if (performance.now() >= deadline) throw writeFailed(place.path, heldReason(holder, place.path))
    // Random, so that waiting processes do not try at the same time. The loop reports an aborted signal.
    await delay(pause * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined)
  }
}

function heldReason(holder: ProcessIdentity | null, path: string): string {
  const host = holder?.place.split(' ')[0] ?? ''
  const who = holder === null ? 'another process' : `process ${String(holder.pid)} on host "${host}"`
  return `${who} holds the lock and did not finish in time: try again later, or end that process if it hangs; if no process runs any more, remove ${path}`
}

/** Maximum number of locks in a chain. Crashes leave fewer, because each holder removes the locks before its own. */
const MAX_CHAIN = 1000

/** The valid lock: the one at `path` or its last successor; null without a lock. */
async function lastLock({ fs, path }: Place): Promise<FoundLock | null> {
  let last: FoundLock | null = null
  for (let count = 0; count <= MAX_CHAIN; count++) {
    const found = await readLock(fs, last === null ? path : `${path}.${last.nonce}`)
    if (found === null) return last
    last = found
  }
  // In a directory of another user, that user can make a circle.
  throw writeFailed(path, `it has more than ${String(MAX_CHAIN)} successors: remove ${path}*`)
}

const NONCE = /^[0-9a-f]{32}$/
const MAX_LOCK_BYTES = 64 * 1024

async function readLock(fs: FileSystem, at: string): Promise<FoundLock | null> {
  const file = await readPlainFile(fs, at, MAX_LOCK_BYTES)
  if (file === null) return null
  const { bytes, mtimeMs } = file
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
  return { at, mtimeMs, ...(parseHolder(bytes.toString()) ?? { holder: null, nonce: digest }) }
}

function parseHolder(text: string): { holder: ProcessIdentity; nonce: string } | null {
  try {
    const { pid, place, started, nonce } = Object(JSON.parse(text)) as Readonly<Record<string, unknown>>
    const isHolder = typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 0 && typeof place === 'string'
    if (!isHolder || (started !== null && typeof started !== 'string')) return null
    return typeof nonce === 'string' && NONCE.test(nonce) ? { holder: { pid, place, started }, nonce } : null
  } catch {
    return null
  }
}

/** Checks the process of the holder if it is visible, otherwise the age of the file. */
async function isStale({ own, staleAfter }: Place, { holder, mtimeMs }: FoundLock, now: number): Promise<boolean> {
  const alive = await isAlive(holder, own)
  return alive === null ? now - mtimeMs > staleAfter : !alive
}

/**
 * Takes a free lock or succeeds a stale one; null if it is held or another process was faster.
 *
 * @param late A lock of this process, which it may succeed too.
 */
async function tryTake(place: Place, late?: OwnLock): Promise<OwnLock | null> {
  const { fs, path, own } = place
  const lock: OwnLock = { nonce: randomBytes(16).toString('hex'), touchedAt: Date.now() }
  const candidate = `${path}.${lock.nonce}.new`
  let isLinked = false
  try {
    // Not flushed: after a power cut there is no holder, and an invalid lock becomes stale too.
    await useFile(fs.open(candidate, 'wx', 0o644), (file) =>
      file.writeFile(`${JSON.stringify({ ...own, nonce: lock.nonce })}\n`),
    )
    // The clock of the file system, because the clocks of two hosts may differ; read before the lock, which can be touched then.
    const { mtimeMs } = await fs.lstat(candidate)
    const last = await lastLock(place)
    if (last !== null && last.nonce !== late?.nonce && !(await isStale(place, last, mtimeMs))) return null
    await fs.link(candidate, last === null ? path : `${path}.${last.nonce}`)
    isLinked = true
    // If the former holder has released the lock meanwhile, the chain does not lead to this one, which then has no effect.
    return last === null || (await lastLock(place))?.nonce === lock.nonce ? lock : null
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return null
    // The caller gets the first error.
    if (isLinked) await release(place, lock).catch(() => undefined)
    throw error
  } finally {
    // A leftover candidate is harmless. A held lock must be returned, so an error here is ignored.
    await removeIfThere(fs, candidate).catch(() => undefined)
  }
}

/** Touches a lock of this process. False if another process has succeeded it, or if the file was removed. */
async function touch(place: Place, { nonce }: OwnLock): Promise<boolean> {
  const last = await lastLock(place)
  if (last?.nonce !== nonce) return false
  await useFile(place.fs.open(last.at, constants.O_RDWR | constants.O_NOFOLLOW), async (file) => {
    const { size, mtimeMs } = await file.stat()
    // Rewrites the final line feed, which updates mtime by the clock of the file system: over NFS at the latest when the file is
    // closed. A file that has replaced the lock does not change.
    if (mtimeMs === last.mtimeMs) await file.write(Buffer.from('\n'), 0, 1, size - 1)
  })
  return true
}

/** Removes a lock of this process, its predecessors, and files of killed processes next to it. */
async function release(place: Place, lock: OwnLock): Promise<void> {
  const { fs, path, staleAfter } = place
  try {
    // Another process can be about to succeed a late lock. Only the successor may remove it, and this process can be that.
    const own = isLate(lock, staleAfter) ? await tryTake(place, lock) : lock
    const last = await lastLock(place)
    if (own === null || last?.nonce !== own.nonce) return
    // Before the lock is free: later names are those of the next holder. Leftover files are harmless.
    const leftovers = await leftoversOf(place, last.mtimeMs).catch(() => [])
    // Removed first, because the others are reachable only through it.
    await removeIfThere(fs, path)
    for (const at of leftovers) await removeIfThere(fs, at).catch(() => undefined)
  } catch (error) {
    throw writeFailed(path, error)
  }
}

/** The successors of `path`, in the chain and outside it, and candidates of processes that are gone. */
async function leftoversOf(place: Place, mtimeMs: number): Promise<string[]> {
  const [directory, prefix] = [dirname(place.path), `${basename(place.path)}.`]
  const found: string[] = []
  for (const name of await place.fs.readdir(directory)) {
    const [at, rest] = [join(directory, name), name.slice(prefix.length)]
    if (!name.startsWith(prefix)) continue
    const candidate = rest.endsWith('.new') ? await readLock(place.fs, at) : null
    if (NONCE.test(rest) || (candidate !== null && (await isStale(place, candidate, mtimeMs)))) found.push(at)
  }
  return found
}

async function removeIfThere(fs: FileSystem, path: string): Promise<void> {
  await fs.unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
}

export async function ownIdentity(): Promise<ProcessIdentity> {
  const unknown = { pid: process.pid, place: hostname(), started: null }
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    const [shown, namespace] = await Promise.all([readlink('/proc/self'), readlink('/proc/self/ns/pid')])
    // The /proc of another PID namespace shows other processes under these numbers.
    if (shown !== String(process.pid)) return unknown
    const started = (await readStatus(process.pid))?.started ?? null
    return { pid: process.pid, place: [hostname(), boot.trim(), namespace].join(' '), started }
  } catch {
    return unknown
  }
}

/**
 * Whether the process runs; null if it is not visible here. The start time distinguishes a later process with the same
 * number. A zombie does not count as running.
 */
async function isAlive(other: ProcessIdentity | null, own: ProcessIdentity): Promise<boolean | null> {
  if (own.started === null || other?.place !== own.place) return null
  const status = await readStatus(other.pid)
  if (status !== null) {
    const isSame = other.started === null || other.started === status.started
    return isSame && status.state !== 'Z' && status.state !== 'X'
  }
  try {
    return process.kill(other.pid, 0)
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    return codeOf(error) !== 'ESRCH'
  }
}

async function readStatus(pid: number): Promise<{ state: string; started: string } | null> {
  const text = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '')
  // The second field is the name in parentheses, which may have spaces and parentheses.
  const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const started = fields[18]
  return state === undefined || started === undefined ? null : { state, started }
}

/** The same calls, each after `check`, which throws if the lock is lost. Open files can still be read and closed. */
function fencedFileSystem(fs: FileSystem, check: () => void): FileSystem {
  const fenced =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      check()
      return call(...args)
    }
  const fencedFile = (file: OpenFile): OpenFile => ({
    chmod: fenced((mode) => file.chmod(mode)),
    chown: fenced((uid, gid) => file.chown(uid, gid)),
    utimes: fenced((...times) => file.utimes(...times)),
    stat: () => file.stat(),
    read: (...where) => file.read(...where),
    write: fenced((...bytes) => file.write(...bytes)),
    writeFile: fenced((data) => file.writeFile(data)),
    truncate: fenced((size) => file.truncate(size)),
    sync: () => file.sync(),
    close: () => file.close(),
  })
  return {
    open: fenced(async (...where) => fencedFile(await fs.open(...where))),
    lstat: fenced(fs.lstat),
    readdir: fenced(fs.readdir),
    readlink: fenced(fs.readlink),
    realpath: fenced(fs.realpath),
    mkdir: fenced(fs.mkdir),
    rename: fenced(fs.rename),
    link: fenced(fs.link),
    symlink: fenced(fs.symlink),
    unlink: fenced(fs.unlink),
    rmdir: fenced(fs.rmdir),
  }
}
