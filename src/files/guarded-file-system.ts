/** A file system for root that makes each call with the rights of the user who can change the path. */
import { dirname, join, parse, sep } from 'node:path'
import { type FileState, type FileSystem, nodeFileSystem, STICKY } from './file-system.js'
import { ownerFileSystem } from './owner-process.js'

/** Most symbolic links in one path, as on Linux (path_resolution(7)). */
const MAX_LINKS = 40
const GROUP_WRITE = 0o020
const OTHERS_WRITE = 0o002

/**
 * The file system of this machine. A process that runs as root makes each call as the user who can change the path, in a
 * process of that user; in root's own directories it makes the call itself. If several users can (a group or everybody may
 * write to a directory), the call fails.
 *
 * On Windows and for other users, it makes the plain calls.
 */
export function guardedFileSystem(): FileSystem {
  if (process.geteuid?.() !== 0) return nodeFileSystem
  const owners = new Map<number, FileSystem>()
  const inside = async (directory: string): Promise<FileSystem> => {
    const uid = await findOwner(directory)
    if (uid === null) return nodeFileSystem
    const fs = owners.get(uid) ?? ownerFileSystem(uid)
    owners.set(uid, fs)
    return fs
  }
  const at = async (path: string): Promise<FileSystem> => inside(dirname(path))
  const atBoth = async (one: string, other: string): Promise<FileSystem> => {
    const [first, second] = [await at(one), await at(other)]
    if (first === second) return first
    throw Object.assign(new Error(`${one} and ${other} are of different users`), { code: 'EXDEV' })
  }
  return {
    open: async (path, flags, mode) => (await at(path)).open(path, flags, mode),
    lstat: async (path) => (await at(path)).lstat(path),
    readdir: async (path) => (await inside(path)).readdir(path),
    readlink: async (path) => (await at(path)).readlink(path),
    realpath: async (path) => {
      const fs = await inside(path)
      const real = await fs.realpath(path)
      // Calls below the result would have the rights of another user, possibly of root.
      if ((await inside(real)) === fs) return real
      throw new Error(
        `a link of a user in ${path} leads to ${real}, which belongs to another user: pass that directory itself`,
      )
    },
    mkdir: async (path, mode) => (await at(path)).mkdir(path, mode),
    rename: async (from, to) => (await atBoth(from, to)).rename(from, to),
    link: async (existing, path) => (await atBoth(existing, path)).link(existing, path),
    symlink: async (target, path) => (await at(path)).symlink(target, path),
    unlink: async (path) => (await at(path)).unlink(path),
    rmdir: async (path) => (await at(path)).rmdir(path),
  }
}

/**
 * The user other than root who can change the directory or its path: the owner of the first directory or link in the path
 * that does not belong to root; null if all belong to root.
 *
 * Only root can change the part of the path before it, so the result is still valid at the next call. A missing path is an
 * error: in a directory with the sticky bit any user could create it before the next call.
 */
async function findOwner(directory: string): Promise<number | null> {
  const { root } = parse(directory)
  const namesOf = (path: string): string[] => path.split(sep).filter((name) => name !== '' && name !== '.')
  const names = namesOf(directory.slice(root.length))
  let current = root
  let links = 0
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const path = name === '..' ? dirname(current) : join(current, name)
    const state = await nodeFileSystem.lstat(path)
    if (state.uid !== 0) return state.uid
    if (state.isSymbolicLink()) {
      if (++links > MAX_LINKS)
        throw Object.assign(new Error(`${directory} leads through too many links`), { code: 'ELOOP' })
      const target = await nodeFileSystem.readlink(path)
      if (target.startsWith(sep)) current = root
      names.unshift(...namesOf(target))
      continue
    }
    if (state.isDirectory()) checkNotShared(path, state)
    current = path
  }
  return null
}

/**
 * A directory with the sticky bit, such as /tmp, is allowed: only root can rename or remove root's files there (inode(7)). The
 * group bits also limit access control lists (acl(5)), so they count for every group.
 */
function checkNotShared(path: string, { mode }: FileState): void {
  if ((mode & STICKY) !== 0 || (mode & (GROUP_WRITE | OTHERS_WRITE)) === 0) return
  const who = (mode & OTHERS_WRITE) !== 0 ? 'every user' : 'a group, or a user in an access control list,'
  throw new Error(
    `${who} may write to ${path}, so root must not work below it: run this as the owner of the files, or remove the permission (chmod g-w,o-w ${path})`,
  )
}
