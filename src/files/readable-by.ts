/** Whether a file is safe to use for the user who named it. */
import { codeOf } from '../report/errors.js'
import { type FileState, isShared, STICKY, useFile } from './file-system.js'
import { type HostPath, useHostFile } from './in-root.js'

/** A user of this machine, with all groups, as the kernel checks access (credentials(7)). */
export interface FileUser {
  readonly uid: number
  readonly gids: readonly number[]
}

const READ = 4
const SEARCH = 1
/** The mode bits of users who are not the owner. */
export const OTHERS_MAY_WRITE = 0o022

/**
 * Why a file must not be used for a user who names it to root: because the user may not read it, or because somebody else may change
 * it. Null if it may be used. As for the kernel, the first class that matches decides (path_resolution(7)).
 *
 * @param opened The state of the opened file.
 * @param trail The folders and links above it.
 */
export function refusalFor(user: FileUser, opened: FileState, trail: readonly FileState[]): string | null {
  const above = trail.filter((each) => !each.isFile())
  const isReadable = has(user, opened, READ) && above.every((each) => !each.isDirectory() || has(user, each, SEARCH))
  if (!isReadable) return `user ${String(user.uid)} may not read it`
  const isOwn = [...above, opened].every(({ uid }) => uid === 0 || uid === user.uid)
  // Nobody else can replace the entries of root and of the user in a folder with the sticky bit (inode(7)).
  const isOpen = above.some((each) => isShared(each) && (each.mode & STICKY) === 0)
  return isOwn && !isOpen && (opened.mode & OTHERS_MAY_WRITE) === 0
    ? null
    : `other users than root and user ${String(user.uid)} may change it, or a folder above it`
}

/** {@link refusalFor} a file; null also if it cannot be read. */
export async function refusalOf(path: HostPath, user: FileUser): Promise<string | null> {
  try {
    return await useHostFile(path, async ({ stats, trail, open }) =>
      stats.isFile() ? refusalFor(user, await useFile(open(), (file) => file.stat()), trail) : null,
    )
  } catch (error) {
    if (codeOf(error) === null) throw error
    return null
  }
}

function has({ uid, gids }: FileUser, { uid: owner, gid, mode }: FileState, right: number): boolean {
  const shift = uid === owner ? 6 : gids.includes(gid) ? 3 : 0
  return uid === 0 || ((mode >> shift) & right) !== 0
}
