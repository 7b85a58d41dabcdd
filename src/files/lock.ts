/**
 * A lock file, so that of two processes that change the same files one waits.
 *
 * The file is made whole under another name and linked into place, which is atomic on NFS, too. Each lock has a nonce. A
 * lock whose holder is gone is replaced by one rename, and only by the process that has the right to: another lock, its
 * guard, named by the nonce of the first. So of any number that find the same stale lock one gets it, and one that looked
 * long ago takes nothing from a later holder. A holder takes the same right before it lets go.
 */
import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isEtcdMtlsError } from '../report/errors.js'
import { isNotThere, systemCode, writeFailed } from './write-file.js'
import type { FileSystem, OpenFile } from './file-system.js'
import { guardedFileSystem } from './guarded-file-system.js'
import { type Holder, isMakerGone, isStale, lockContent, newLockPath, readLock } from './lock-file.js'
import { ownIdentity, type ProcessIdentity } from './process-identity.js'

/** How a lock is taken. Times are in milliseconds. */
export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** How long to wait for another holder. Default: 120,000. */
  readonly timeout?: number | undefined
  /** A holder elsewhere that has not shown a sign of life for so long counts as gone. Default: 60,000. */
  readonly staleAfter?: number | undefined
  /** How often a holder shows one. Default: 10,000. */
  readonly beatEvery?: number | undefined
  /** Default: the machine's. */
  readonly fileSystem?: FileSystem | undefined
}

const DEFAULTS = { timeout: 120_000, staleAfter: 60_000, beatEvery: 10_000 }
/** Between two tries: short enough not to be felt, long enough for a disk that is far away. */
const SHORTEST_PAUSE = 5
const LONGEST_PAUSE = 200

/** The lock of everything in a directory. */
export function lockPathOf(directory: string): string {
  return join(directory, '.etcd-mtls.lock')
}

/**
 * Does `work` while this process holds the lock file `path`; the directory must be there. Two calls in one process
 * exclude each other, too, so `work` must not ask for the same lock.
 *
 * The signal that `work` gets is aborted with the caller's, and when the lock was lost: a process that slept for longer
 * than `staleAfter` was taken for dead by another host.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` where another holds it for longer than `timeout`, or the file system refuses.
 * @throws The reason of `signal`.
 */
export async function withLock<T>(
  path: string,
  work: (signal: AbortSignal) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const { signal, fileSystem: fs = guardedFileSystem() } = options
  const { timeout = DEFAULTS.timeout, staleAfter = DEFAULTS.staleAfter, beatEvery = DEFAULTS.beatEvery } = options
  const contender = { fs, own: await ownIdentity(), staleAfter }
  const lock = await acquire(contender, path, { signal, timeout })
  const lost = new AbortController()
  const beat = setInterval(() => {
    void showLife(fs, path, lock).then(
      (held) => {
        if (!held) lost.abort(writeFailed(path, 'the lock was taken by another process, which took this one for dead'))
      },
      // Nobody can tell whether it is held still; the next beat may.
      () => undefined,
    )
  }, beatEvery)
  beat.unref()
  let result: T
  try {
    // What stays does no harm, and is tried again by the next holder.
    await sweepBeside(contender, path, lock.nonce).catch(() => undefined)
    result = await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]))
  } catch (error) {
    clearInterval(beat)
    // The error of the work is the one to tell.
    await release(contender, path, lock).catch(() => undefined)
    throw error
  }
  clearInterval(beat)
  await release(contender, path, lock)
  return result
}

interface Contender {
  readonly fs: FileSystem
  readonly own: ProcessIdentity
  readonly staleAfter: number
}

/** A lock that is held here. The file stays open: what is written to it can spoil no other that came into its place. */
interface OwnLock {
  readonly nonce: string
  readonly file: OpenFile
  readonly size: number
}

/** What came of a try: the lock, or null and who has it, as far as that is known. */
type Try = { readonly lock: OwnLock } | { readonly lock: null; readonly holder: Holder | null }

async function acquire(
  contender: Contender,
  path: string,
  { signal, timeout }: { signal: AbortSignal | undefined; timeout: number },
): Promise<OwnLock> {
  const deadline = performance.now() + timeout
  for (let pause = SHORTEST_PAUSE; ; pause = Math.min(LONGEST_PAUSE, pause * 2)) {
    signal?.throwIfAborted()
    let outcome: Try
    try {
      outcome = await tryToAcquire(contender, path)
    } catch (error) {
      throw isEtcdMtlsError(error) ? error : writeFailed(path, error)
    }
    if (outcome.lock !== null) return outcome.lock
    if (performance.now() >= deadline) throw writeFailed(path, heldBy(outcome.holder, path))
    await pauseFor(pause, signal)
  }
}

/** At random, so that many who wait do not come at once. */
async function pauseFor(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(milliseconds * (0.5 + Math.random()), undefined, { signal })
  } catch {
    // Told by the caller, with the reason of the signal.
  }
}

function heldBy(holder: Holder | null, path: string): string {
  const host = holder?.place.split(' ')[0] ?? ''
  const who = holder === null ? 'another process' : `process ${String(holder.pid)} on host "${host}"`
  return `${who} is at work there and did not finish in time: do it again later, or end that process if it hangs; where nothing runs any more, remove ${path}`
}

async function tryToAcquire(contender: Contender, path: string): Promise<Try> {
  const { fs, own, staleAfter } = contender
  // Looked at before anything is written: who waits for a living holder does not wear out the disk.
  const found = await readLock(fs, path)
  const now = (): Promise<number> => clockOf(contender, path)
  if (found !== null && !(await isStale(found, { own, staleAfter, now }))) return { lock: null, holder: found.holder }
  return withCandidate(contender, path, async (candidate) => {
    if (found === null) return linkIfFree(fs, candidate, path)
    return replaceStale(contender, path, { stale: found.nonce, candidate })
  })
}

/** The time by the clock of the file system, as a new file there shows it. */
async function clockOf({ fs, own }: Contender, path: string): Promise<number> {
  const probe = newLockPath(path, randomBytes(16).toString('hex'), own)
  const file = await fs.open(probe, 'wx', 0o600)
  try {
    return (await file.stat()).mtimeMs
  } finally {
    await file.close()
    await fs.unlink(probe)
  }
}

/** Writes a lock under another name, for `place` to put it in its place. */
async function withCandidate(
  { fs, own }: Contender,
  path: string,
  place: (candidate: string) => Promise<boolean>,
): Promise<Try> {
  const nonce = randomBytes(16).toString('hex')
  const candidate = newLockPath(path, nonce, own)
  const content = lockContent({ ...own, nonce })
  // Not flushed: after a power cut no holder is left, and a lock that says nothing ages like any other.
  const file = await fs.open(candidate, 'wx', 0o644)
  let placed = false
  try {
    await file.writeFile(content)
    placed = await place(candidate)
  } finally {
    if (!placed) await file.close()
    // What cannot be removed does no harm, and once the lock is held, nothing may end this before that is known.
    await removeIfThere(fs, candidate).catch(() => undefined)
  }
  return placed ? { lock: { nonce, file, size: content.length } } : { lock: null, holder: null }
}

async function linkIfFree(fs: FileSystem, candidate: string, path: string): Promise<boolean> {
  try {
    await fs.link(candidate, path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Puts the candidate in the place of a stale lock; false where somebody else has it by now. */
async function replaceStale(
  contender: Contender,
  path: string,
  { stale, candidate }: { stale: string; candidate: string },
): Promise<boolean> {
  const { fs } = contender
  return underGuard(contender, path, stale, async () => {
    // Only who has the right changes the lock from this nonce to another, so what is read now stays so.
    if ((await readLock(fs, path))?.nonce !== stale) return false
    await fs.rename(candidate, path)
    return true
  })
}

/** Does `work` with the right to change a lock that has this nonce; false where somebody else has the right. */
async function underGuard(
  contender: Contender,
  path: string,
  nonce: string,
  work: () => Promise<boolean>,
): Promise<boolean> {
  const guard = guardOf(path, nonce)
  const { lock: right } = await tryToAcquire(contender, guard)
  if (right === null) return false
  try {
    return await work()
  } finally {
    // A guard that stays gives no right to anything, once the lock has another nonce.
    await letGuardGo(contender.fs, guard, right).catch(() => undefined)
  }
}

async function letGuardGo(fs: FileSystem, guard: string, { nonce, file }: OwnLock): Promise<void> {
  await file.close()
  if ((await readLock(fs, guard))?.nonce === nonce) await removeIfThere(fs, guard)
}

const GUARD = /\.[0-9a-f]{32}\.guard$/

/** A guard is a lock, so one whose holder died has a guard of its own, and so on; the names do not grow. */
function guardOf(path: string, nonce: string): string {
  return `${path.replace(GUARD, '')}.${nonce}.guard`
}

async function release(contender: Contender, path: string, { nonce, file }: OwnLock): Promise<void> {
  const { fs } = contender
  const remove = async (): Promise<boolean> => {
    if ((await readLock(fs, path))?.nonce === nonce) await removeIfThere(fs, path)
    return true
  }
  // Nothing in the file matters any more, so neither does whether the last of it was written.
  await file.close().catch(() => undefined)
  try {
    while ((await readLock(fs, path))?.nonce === nonce) {
      // On a full disk there is no guard to be had. Without one, all depends on nobody taking this process for dead now.
      const done = await underGuard(contender, path, nonce, remove).catch(remove)
      // Somebody took this process for dead and is about to take the lock, or died of it; either is over soon.
      if (!done) await pauseFor(SHORTEST_PAUSE, undefined)
    }
  } catch {
    // As long as this process lives, nobody else would remove it.
    await remove().catch((error: unknown) => {
      throw writeFailed(path, error)
    })
  }
}

/** Makes the file newer, by the clock of the file system; false where it is no longer the lock. */
async function showLife(fs: FileSystem, path: string, { nonce, file, size }: OwnLock): Promise<boolean> {
  if ((await readLock(fs, path))?.nonce !== nonce) return false
  await file.write(Buffer.from('\n'), 0, 1, size - 1)
  return true
}

/** Removes what killed contenders have left beside a lock. A guard of a nonce that is past gives no right to anything. */
async function sweepBeside(contender: Contender, path: string, nonce: string): Promise<void> {
  const { fs, own, staleAfter } = contender
  const directory = dirname(path)
  const ours = `${basename(path)}.`
  const names = (await fs.readdir(directory)).filter((name) => name.startsWith(ours) && /\.(?:new|guard)$/.test(name))
  for (const name of names) {
    if (name.includes(nonce)) continue
    const beside = join(directory, name)
    const found = await readLock(fs, beside)
    if (found === null) continue
    const now = (): Promise<number> => clockOf(contender, path)
    const isGone = (await isMakerGone(name, own)) || (await isStale(found, { own, staleAfter, now }))
    if (isGone) await removeIfThere(fs, beside)
  }
}

async function removeIfThere(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path)
  } catch (error) {
    if (!isNotThere(error)) throw error
  }
}
