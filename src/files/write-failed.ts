/** Converts errors of the file system to `ERR_WRITE_FAILED` with a remedy. */
import { codeOf, EtcdMtlsError, isError, isEtcdMtlsError } from '../report/errors.js'

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

/** @param problem The reason, a sentence without its full stop; or the error of the system, which becomes the cause. */
export function writeFailed(path: string, problem: unknown): EtcdMtlsError<'ERR_WRITE_FAILED'> {
  return typeof problem === 'string' ? refusal(path, problem) : refusal(path, reasonOf(problem), problem)
}

/** Converts an error, except errors of this package and the reason of `signal`. */
export function failureOf(path: string, error: unknown, signal?: AbortSignal): unknown {
  return isEtcdMtlsError(error) || (signal?.aborted === true && error === signal.reason)
    ? error
    : writeFailed(path, error)
}

function refusal(path: string, reason: string, ...causes: unknown[]): EtcdMtlsError<'ERR_WRITE_FAILED'> {
  const options = causes.length === 0 ? {} : { cause: causes[0] }
  return new EtcdMtlsError('ERR_WRITE_FAILED', `Writing to "${path}" failed: ${reason}`, { path, reason }, options)
}

/**
 * Removes unfinished files, and throws the error that ended the work. If they cannot be removed, the error names them, because
 * they may hold a private key.
 */
export async function rethrowAfterCleanup(
  error: unknown,
  leftover: string,
  remove: () => Promise<unknown>,
): Promise<never> {
  try {
    await remove()
  } catch (problem) {
    const reason = `${reasonOf(error)}; and an unfinished file, which may hold a private key, could not be removed: remove ${leftover}, and fix this: ${reasonOf(problem)}`
    throw refusal(leftover, reason, error)
  }
  throw error
}

function reasonOf(error: unknown): string {
  const remedy = REMEDIES.get(codeOf(error) ?? '')
  const words = isError(error) ? error.message : String(error)
  return remedy === undefined ? words : `${remedy} (${words})`
}
