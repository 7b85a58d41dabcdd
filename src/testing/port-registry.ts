/** Locks on ports, shared by all processes of this user on this machine. */
import { isError } from '../report/errors.js'
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, rmdirSync, type Stats, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive, ownIdentity, type ProcessIdentity } from '../files/process-identity.js'
import { notStarted } from './start-error.js'

/** How long a lock counts whose process cannot be looked up, such as one in another PID namespace. In milliseconds. */
const UNKNOWN_AGE = 24 * 60 * 60 * 1000

const OWNER = /^(\d+)\.(\d+|none)\.([0-9a-f]{16})$/

/**
 * The folder of the locks, mode 0700. It does not follow TMPDIR, which differs between runs of one machine.
 *
 * @throws {EtcdMtlsError} `ERR_ETCD_NOT_STARTED` if each candidate belongs to somebody else or is open to others
 */
export function registryFolder(roots: readonly string[] = usualRoots()): string {
  const user = process.geteuid?.()
  const folders = roots.map((root) => join(root, `etcd-mtls-ports${user === undefined ? '' : `-${String(user)}`}`))
  const usable = folders.find((folder) => isOurs(makeFolder(folder), user))
  if (usable !== undefined) return usable
  throw notStarted(
    `The folder of port locks must belong to this user with mode 0700; received ${folders.join(' and ')}. Remove it, or set TMPDIR to a folder of this user.`,
    [],
  )
}

function usualRoots(): string[] {
  return process.platform === 'win32' ? [tmpdir()] : [...new Set(['/tmp', tmpdir()])]
}

/** Null if the folder is not there and cannot be made. A symbolic link is not followed. */
function makeFolder(folder: string): Stats | null {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch {
    // It is there already, or the root is read-only or missing: the next line tells which.
  }
  return lstatSync(folder, { throwIfNoEntry: false }) ?? null
}

function isOurs(stats: Stats | null, user: number | undefined): boolean {
  if (stats?.isDirectory() !== true) return false
  return user === undefined || (stats.uid === user && (stats.mode & 0o077) === 0)
}

/** The name under which a process holds its locks. By default: this process. */
export async function lockOwner(identity?: ProcessIdentity): Promise<string> {
  const { pid, place, started } = identity ?? (await ownIdentity())
  return [pid, started ?? 'none', createHash('sha256').update(place).digest('hex').slice(0, 16)].join('.')
}

/**
 * Takes the lock on a port; false if it is held. A lock is a folder with one empty file, which is named after its owner.
 */
export function takeLock(folder: string, port: number, owner: string): boolean {
  const lock = join(folder, String(port))
  try {
    mkdirSync(lock, { mode: 0o700 })
    writeFileSync(join(lock, owner), '', { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    // EEXIST: it is held. ENOENT: another process removed the folder, which was empty, as a stale lock.
    if (hasCode(error, 'EEXIST', 'ENOENT')) return false
    throw error
  }
}

/** Releases a lock that `owner` holds. */
export function releaseLock(folder: string, port: number, owner: string): void {
  const lock = join(folder, String(port))
  remove(unlinkSync, join(lock, owner))
  remove(rmdirSync, lock)
}

/**
 * Removes the locks of dead processes. There is no race: a folder can be removed only while it is empty, so a lock that
 * was taken in the meantime stays.
 */
export async function removeStaleLocks(folder: string, own: string): Promise<void> {
  const answers = new Map<string, boolean | 'unknown'>()
  for (const port of readdirSync(folder)) {
    const lock = join(folder, port)
    for (const owner of ownersOf(lock)) {
      const alive = answers.get(owner) ?? (await isRunning(owner, own))
      answers.set(owner, alive)
      const file = join(lock, owner)
      if (alive === false || (alive === 'unknown' && isOld(file))) remove(unlinkSync, file)
    }
    remove(rmdirSync, lock)
  }
}

/** Empty if the lock is released in the meantime. */
function ownersOf(lock: string): string[] {
  try {
    return readdirSync(lock)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

async function isRunning(owner: string, own: string): Promise<boolean | 'unknown'> {
  const [holder, self] = [identityOf(owner), identityOf(own)]
  return holder === null || self === null ? 'unknown' : isAlive(holder, self)
}

function isOld(file: string): boolean {
  const since = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
  return Date.now() - since > UNKNOWN_AGE
}

function identityOf(owner: string): ProcessIdentity | null {
  const [, pid, started, place] = OWNER.exec(owner) ?? []
  if (pid === undefined || started === undefined || place === undefined) return null
  return { pid: Number(pid), started: started === 'none' ? null : started, place }
}

/** Removes what may be gone already, or may be in use again. */
function remove(by: (path: string) => void, path: string): void {
  try {
    by(path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  }
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return isError(error) && 'code' in error && codes.includes(String(error.code))
}
