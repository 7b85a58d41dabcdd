/**
 * A lock file, which excludes other processes that change the same files.
 *
 * The file is written under another name and linked into place, which is atomic on NFS too. A stale lock is never replaced:
 * its successor is linked as `<path>.<nonce of the stale lock>`, so that only one of the processes that find it can succeed
 * it. The last lock of this chain is valid.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type FileSystem, findRoot, lookAt, type OpenFile, readPlainFile } from './file-system.js'
import { failureOf, systemCode, writeFailed } from './write-failed.js'

/** Times are in milliseconds. */
interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** Longest wait for another holder. Default: 120,000. */
  readonly timeout?: number
  /** A lock of another host that was not touched for this time is stale. Default: 60,000. */
  readonly staleAfter?: number
  /** How often a holder touches its lock. Default: 10,000. */
  readonly beatEvery?: number
}

/** Milliseconds between two attempts. */
const PAUSE = { first: 5, longest: 200 }

/**
 * Runs `work` while this process holds the lock file `path`; its directory must exist. Calls of one process exclude each
 * other too, so `work` must not take the same lock.
 *
 * The signal of `work` is aborted with the caller's, or if the lock is lost: after a sleep longer than `staleAfter` another
 * host may take it.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if another process holds it for longer than `timeout`, or the file system refuses.
 * @throws The reason of `signal`.
 */
export async function withLock<T>(
  fs: FileSystem,
  path: string,
  work: (signal: AbortSignal) => Promise<T>,
  { signal, timeout = 120_000, staleAfter = 60_000, beatEvery = 10_000 }: LockOptions = {},
): Promise<T> {
  const place: Place = { fs, path, own: await ownIdentity(), staleAfter }
  const lock = await acquire(place, timeout, signal)
  const lost = new AbortController()
  const beat = setInterval(() => {
    const touched = isHeld(place, lock).then(async (held) => {
      // Rewrites the final line feed, which updates mtime by the clock of the file system.
      if (held) await lock.file.write(Buffer.from('\n'), 0, 1, (await lock.file.stat()).size - 1)
      else lost.abort(writeFailed(path, 'the lock was taken by another process, for which this one counts as gone'))
    })
    // An error does not show that the lock is lost. The next timer tries again.
    void touched.catch(() => undefined)
  }, beatEvery).unref()
  let result: T
  try {
    // Leftover files are harmless, and the next holder tries again.
    await sweep(place, lock).catch(() => undefined)
    result = await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]))
  } catch (error) {
    // The error of `work` takes precedence over an error of the release.
    await release(place, lock).catch(() => undefined)
    throw error
  } finally {
    clearInterval(beat)
  }
  await release(place, lock)
  return result
}

/**
 * Runs `work` under the lock of a directory.
 *
 * @param place The directory, which may be a link. `work` receives its real path, or null if it does not exist.
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
    return await withLock(fs, join(root, '.etcd-mtls.lock'), (held) => work(root, held), { signal })
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
  /** Start time in ticks since the boot (proc(5), field 22); null without /proc. */
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

/** A lock of this process. The file stays open, so that a touch cannot change a file that replaced it. */
interface OwnLock {
  readonly nonce: string
  readonly file: OpenFile
  /** The paths of the stale locks and of this one, the oldest first. */
  readonly chain: readonly string[]
}

async function acquire(place: Place, timeout: number, signal: AbortSignal | undefined): Promise<OwnLock> {
  const deadline = performance.now() + timeout
  for (let pause = PAUSE.first; ; pause = Math.min(PAUSE.longest, pause * 2)) {
    signal?.throwIfAborted()
    let last: FoundLock | undefined
    try {
      // Reads first, so that a waiting process does not write at each attempt.
      last = (await chainOf(place)).at(-1)
      const isFree = last === undefined || (await isAlive(last.holder, place.own)) !== true
      const lock = isFree ? await tryTake(place, last) : null
      if (lock !== null) return lock
    } catch (error) {
      throw failureOf(place.path, error)
    }
    if (performance.now() >= deadline) throw writeFailed(place.path, heldReason(last?.holder ?? null, place.path))
    // Random, so that waiting processes do not try at the same time. The loop reports an aborted signal.
    await delay(pause * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined)
  }
}

function heldReason(holder: ProcessIdentity | null, path: string): string {
  const host = holder?.place.split(' ')[0] ?? ''
  const who = holder === null ? 'another process' : `process ${String(holder.pid)} on host "${host}"`
  return `${who} holds the lock and did not finish in time: try again later, or end that process if it hangs; if no process runs any more, remove ${path}`
}

/** Most locks in a chain. Crashes leave fewer, because each holder removes the locks before its own. */
const MAX_CHAIN = 1000

/** The lock at `path` and its successors; empty if there is no lock. */
async function chainOf({ fs, path }: Place): Promise<FoundLock[]> {
  const chain: FoundLock[] = []
  for (let found = await readLock(fs, path); found !== null; found = await readLock(fs, `${path}.${found.nonce}`)) {
    chain.push(found)
    // In a directory of another user, that user can make a cycle.
    if (chain.length > MAX_CHAIN)
      throw writeFailed(path, `it has more than ${String(MAX_CHAIN)} successors: remove ${path}*`)
  }
  return chain
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

/** Takes a free lock or succeeds a stale one; null if it is held or another process was faster. */
async function tryTake(place: Place, last: FoundLock | undefined): Promise<OwnLock | null> {
  const { fs, path, own } = place
  const nonce = randomBytes(16).toString('hex')
  const candidate = `${path}.${nonce}.new`
  const at = last === undefined ? path : `${path}.${last.nonce}`
  // Not flushed: after a power cut there is no holder, and an invalid lock becomes stale too.
  const file = await fs.open(candidate, 'wx', 0o644)
  let chain: string[] | null = null
  let isLinked = false
  try {
    await file.writeFile(`${JSON.stringify({ ...own, nonce })}\n`)
    // Uses the clock of the file system, because the clocks of two hosts may differ.
    if (last === undefined || (await isStale(place, last, (await file.stat()).mtimeMs))) {
      await fs.link(candidate, at)
      isLinked = true
      // If the former holder has released the lock meanwhile, the chain does not lead to this lock.
      const found = last === undefined ? [{ at, nonce }] : await chainOf(place)
      const end = found.findIndex((each) => each.nonce === nonce)
      if (end !== -1) chain = found.slice(0, end + 1).map((each) => each.at)
    }
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  } finally {
    if (chain === null) {
      await file.close().catch(() => undefined)
      if (isLinked) await removeIfThere(fs, at)
    }
    // A leftover candidate is harmless. A held lock must be returned, so an error here is ignored.
    await removeIfThere(fs, candidate).catch(() => undefined)
  }
  return chain === null ? null : { nonce, file, chain }
}

/** False if another process has succeeded this lock, or if the file was removed. */
async function isHeld({ fs, path }: Place, { nonce, chain }: OwnLock): Promise<boolean> {
  if ((await lookAt(fs, `${path}.${nonce}`)) !== null) return false
  return (await readLock(fs, chain.at(-1) ?? path))?.nonce === nonce
}

async function release(place: Place, lock: OwnLock): Promise<void> {
  // Whether the last touch was written does not matter any more.
  await lock.file.close().catch(() => undefined)
  try {
    // The first lock is removed first, because the others are reachable only through it.
    if (await isHeld(place, lock)) for (const at of lock.chain) await removeIfThere(place.fs, at)
  } catch (error) {
    throw writeFailed(place.path, error)
  }
}

/** Removes files of killed processes next to the lock. Locks outside the chain have no effect. */
async function sweep(place: Place, { file, nonce, chain }: OwnLock): Promise<void> {
  const { fs, path } = place
  const directory = dirname(path)
  const prefix = `${basename(path)}.`
  const now = (await file.stat()).mtimeMs
  for (const name of await fs.readdir(directory)) {
    const at = join(directory, name)
    const rest = name.slice(prefix.length)
    if (!name.startsWith(prefix) || chain.includes(at) || rest.startsWith(nonce)) continue
    const candidate = rest.endsWith('.new') ? await readLock(fs, at) : null
    if (NONCE.test(rest) || (candidate !== null && (await isStale(place, candidate, now)))) await removeIfThere(fs, at)
  }
}

async function removeIfThere(fs: FileSystem, path: string): Promise<void> {
  await fs.unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
  })
}

export async function ownIdentity(): Promise<ProcessIdentity> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  const status = await readStatus(process.pid)
  return { pid: process.pid, place: [hostname(), boot.trim(), namespace].join(' '), started: status?.started ?? null }
}

/**
 * Whether the process runs; null if it is not visible here. The start time distinguishes a later process with the same
 * number. A zombie does not count as running.
 */
async function isAlive(other: ProcessIdentity | null, own: ProcessIdentity): Promise<boolean | null> {
  if (other?.place !== own.place) return null
  const status = await readStatus(other.pid)
  if (status !== null) {
    const isSame = other.started === null || other.started === status.started
    return isSame && status.state !== 'Z' && status.state !== 'X'
  }
  try {
    return process.kill(other.pid, 0)
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    return systemCode(error) !== 'ESRCH'
  }
}

/** Reads /proc/<pid>/stat; null if it does not exist. */
async function readStatus(pid: number): Promise<{ state: string; started: string } | null> {
  const text = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '')
  // The second field is the name in parentheses, which may have spaces and parentheses.
  const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const started = fields[18]
  return state === undefined || started === undefined ? null : { state, started }
}
