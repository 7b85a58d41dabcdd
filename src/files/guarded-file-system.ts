/** The file system as root may use it: what another user can change is changed with the rights of that user. */
import { dirname, join, parse, sep } from 'node:path'
import { type FileState, type FileSystem, nodeFileSystem, STICKY } from './file-system.js'
import { ownerFileSystem } from './owner-process.js'

/** Symbolic links in one path, as on Linux (path_resolution(7)). */
const MAX_LINKS = 40
const GROUP_WRITE = 0o020
const OTHERS_WRITE = 0o002

/**
 * The file system of this machine. A process that runs as root makes each call as the user who can change the path, in a
 * process of that user; in root's own directories it makes the call itself. If several users can (a group or everybody may
 * write to a directory), the call fails.
 *
 * On Windows, and for any other user, these are the plain calls.
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
      // Below the result the rights would be those of another user, also of root.
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
 * The user, apart from root, who can change the contents of a directory or its path: the owner of the first directory or
 * link in the path that is not root's; null if all are.
 *
 * Only root can change the part of the path before that, so the result cannot change before the next call. A path that does
 * not exist is an error, as of the call itself: in a directory with the sticky bit any user could make it before the call.
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
    if (state.isDirectory()) refuseShared(path, state)
    current = path
  }
  return null
}

/**
 * In a directory with the sticky bit, such as /tmp, only root can rename or remove root's files (inode(7)). The mode of the
 * group is also the most that an access control list permits (acl(5)), so it counts for every group.
 */
function refuseShared(path: string, { mode }: FileState): void {
  if ((mode & STICKY) !== 0 || (mode & (GROUP_WRITE | OTHERS_WRITE)) === 0) return
  const who = (mode & OTHERS_WRITE) !== 0 ? 'every user' : 'a group, or a user in an access control list,'
  throw new Error(
    `${who} may write to ${path}, so root must not work below it: run this as the owner of the files, or remove the permission (chmod g-w,o-w ${path})`,
  )
}
