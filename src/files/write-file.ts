/** Writes one new file, and makes the errors of the file system. */
import { EtcdMtlsError, isError } from '../report/errors.js'

/** An open file. Node's `FileHandle` is one. */
export interface OpenFile {
  chmod(mode: number): Promise<void>
  writeFile(data: string | Uint8Array): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens a file, as `open` of `node:fs/promises` does. */
type OpenCall<F extends OpenFile = OpenFile> = (path: string, flags: string | number, mode?: number) => Promise<F>

/** The content and permissions of a file, whatever the umask is. */
export interface FileContents {
  readonly content: string | Uint8Array
  readonly mode: number
}

/**
 * Writes a file that does not exist yet, flushed to the disk.
 *
 * @param prepare Called with the empty file.
 */
export async function writeNewFile<F extends OpenFile>(
  open: OpenCall<F>,
  path: string,
  { content, mode }: FileContents,
  prepare?: (file: F) => Promise<void>,
): Promise<void> {
  // Exclusive: an existing file is not opened. The mode is set at once, and again without the umask.
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

/** A rename survives a power cut once the directory is flushed. */
export async function flushDirectory(open: OpenCall, path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** The remedy for an error of the system, by its code. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the disk is full: free space, then try again'],
  ['EDQUOT', 'the quota of this user is used up: free space, then try again'],
  ['EFBIG', 'the file would exceed the limit on file sizes (ulimit -f): raise it, then try again'],
  ['EROFS', 'the file system is mounted read-only: mount it for writing, or choose another directory'],
  [
    'EACCES',
    'this process has no permission: run it as the owner of the directory, or give it write permission (chmod, chown)',
  ],
  ['EPERM', 'this process has no permission: run it as the owner, and check for immutable files (lsattr)'],
  [
    'ENOENT',
    'a part of the path does not exist, or was removed meanwhile: check whether another program cleans up there',
  ],
  ['ENOTDIR', 'a part of the path is a file and not a directory: remove the file, or choose another directory'],
  ['EISDIR', 'it is a directory, and a file is needed: move it away'],
  ['EEXIST', 'another program has created it meanwhile: stop that program, then try again'],
  ['ENOTEMPTY', 'another program has created it meanwhile: stop that program, then try again'],
  ['ELOOP', 'it is a symbolic link, which is not followed, or links form a circle: remove it'],
  ['ENAMETOOLONG', 'the path is too long for the file system: choose a shorter one'],
  ['EXDEV', 'a part of the directory is mounted from elsewhere: choose a directory without mounts inside'],
  ['EBUSY', 'it is in use, such as a mount point: unmount it, or choose another directory'],
  ['EMFILE', 'this process has too many open files: raise its limit (ulimit -n)'],
  ['ENFILE', 'the system has too many open files: close some, then try again'],
  ['EIO', 'the disk reports an error: read the log of the kernel (dmesg)'],
  ['ENOTSUP', 'the file system lacks what is needed (links, permissions): choose a directory on another one'],
])

/**
 * The error for a file system that refuses. A string is the reason, a sentence without a full stop; anything else is the
 * error of the system, and becomes the cause.
 */
export function writeFailed(path: string, problem: unknown): EtcdMtlsError<'ERR_WRITE_FAILED'> {
  if (typeof problem === 'string') return refusal(path, problem, {})
  return refusal(path, reasonOf(problem), { cause: problem })
}

function refusal(path: string, reason: string, options: { cause?: unknown }): EtcdMtlsError<'ERR_WRITE_FAILED'> {
  return new EtcdMtlsError('ERR_WRITE_FAILED', `Writing to "${path}" failed: ${reason}`, { path, reason }, options)
}

/**
 * Removes unfinished files, and throws the error that ended the work. If they cannot be removed, the error names them: a
 * private key may be in them.
 *
 * @param leftover The unfinished files, for people.
 */
export async function abandon(error: unknown, leftover: string, remove: () => Promise<unknown>): Promise<never> {
  try {
    await remove()
  } catch (problem) {
    const reason = `${reasonOf(error)}; and an unfinished file, which may hold a private key, could not be removed: remove ${leftover}, and fix this: ${reasonOf(problem)}`
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

/** Whether an error says that a path does not exist. */
export function isNotThere(error: unknown): boolean {
  return systemCode(error) === 'ENOENT'
}
