/** Writes one new file as a whole, and tells in one form what a file system refuses. */
import { EtcdMtlsError, isError } from '../report/errors.js'

/** What is done with an open file. Node's `FileHandle` is one. */
export interface OpenFile {
  chmod(mode: number): Promise<void>
  writeFile(data: string | Uint8Array): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens a file, as `open` of `node:fs/promises` does. */
type OpenCall<F extends OpenFile = OpenFile> = (path: string, flags: string | number, mode?: number) => Promise<F>

/** A file that is to be there with this content and these permissions, whatever the umask says. */
export interface FileContents {
  readonly content: string | Uint8Array
  readonly mode: number
}

/**
 * Writes a file that is not there yet, flushed to the disk.
 *
 * @param prepare Done with the empty file, before anything is in it.
 */
export async function writeNewFile<F extends OpenFile>(
  open: OpenCall<F>,
  path: string,
  { content, mode }: FileContents,
  prepare?: (file: F) => Promise<void>,
): Promise<void> {
  // Exclusive: nothing that someone else put there is opened. The mode is set from the start and again past the umask.
  const file = await open(path, 'wx', mode)
  try {
    await prepare?.(file)
    await file.chmod(mode)
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A rename lasts over a power cut once the directory is flushed. */
export async function flushDirectory(open: OpenCall, path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** What to do about an error of the system, by its code. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the disk is full: free space, then do it again'],
  ['EDQUOT', 'the quota of this user is used up: free space, then do it again'],
  ['EFBIG', 'the file would exceed the limit on file sizes (ulimit -f): raise it, then do it again'],
  ['EROFS', 'the file system is mounted read-only: mount it for writing, or choose another directory'],
  [
    'EACCES',
    'this process has no permission: run it as the owner of the directory, or give it write permission (chmod, chown)',
  ],
  ['EPERM', 'this process has no permission: run it as the owner, and look for immutable files (lsattr)'],
  ['ENOENT', 'a part of the path is not there, or was removed meanwhile: see that nothing else cleans up there'],
  ['ENOTDIR', 'a part of the path is a file and not a directory: remove the file, or choose another directory'],
  ['EISDIR', 'a directory stands where a file belongs: move it away'],
  ['EEXIST', 'something came into being there meanwhile: see that nothing else writes there, then do it again'],
  ['ENOTEMPTY', 'something came into being there meanwhile: see that nothing else writes there, then do it again'],
  ['ELOOP', 'a symbolic link stands where none may stand, or links lead in a circle: remove it'],
  ['ENAMETOOLONG', 'the path is too long for the file system: choose a shorter one'],
  ['EXDEV', 'a part of the directory is mounted from elsewhere: choose a directory without mounts inside'],
  ['EBUSY', 'the place is in use, as a mount point is: unmount it, or choose another directory'],
  ['EMFILE', 'this process has too many open files: raise its limit (ulimit -n)'],
  ['ENFILE', 'the system has too many open files: close some, then do it again'],
  ['EIO', 'the disk reports an error: see the log of the kernel (dmesg)'],
  ['ENOTSUP', 'the file system lacks what is needed (links, permissions): choose a directory on another one'],
])

/**
 * The error for a file system that refuses. A `problem` that is a text is the reason, a sentence without a full stop;
 * otherwise it is what the system threw, and becomes the cause.
 */
export function writeFailed(path: string, problem: unknown): EtcdMtlsError<'ERR_WRITE_FAILED'> {
  if (typeof problem === 'string') return refusal(path, problem, {})
  return refusal(path, reasonOf(problem), { cause: problem })
}

function refusal(path: string, reason: string, options: { cause?: unknown }): EtcdMtlsError<'ERR_WRITE_FAILED'> {
  return new EtcdMtlsError('ERR_WRITE_FAILED', `Writing to "${path}" failed: ${reason}`, { path, reason }, options)
}

/**
 * Takes away what was begun, and throws the error that ended it. Where that cannot be taken away, nobody would look for it,
 * and a private key may be in it: then the error says so, too.
 *
 * @param leftover What stays, for people.
 */
export async function abandon(error: unknown, leftover: string, takeAway: () => Promise<unknown>): Promise<never> {
  try {
    await takeAway()
  } catch (problem) {
    const reason = `${reasonOf(error)}; and what had been begun could not be removed, so that a private key may be left in it: remove ${leftover}, and mend this: ${reasonOf(problem)}`
    throw refusal(leftover, reason, { cause: error })
  }
  throw error
}

function reasonOf(error: unknown): string {
  const code = systemCode(error)
  const words = isError(error) ? error.message : String(error)
  const remedy = code === null ? undefined : REMEDIES.get(code)
  return remedy === undefined ? words : `${remedy} (${words})`
}

/** The code of a system error, as `ENOENT`; null for any other error. */
export function systemCode(error: unknown): string | null {
  return isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : null
}

/** True for a file's path of which nothing is there. */
export function isNotThere(error: unknown): boolean {
  return systemCode(error) === 'ENOENT'
}
