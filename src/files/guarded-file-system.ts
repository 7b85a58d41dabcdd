/** The file system as root may use it: what another user can change is changed with the rights of that user. */
import { dirname, join, parse, sep } from 'node:path'
import { type FileState, type FileSystem, lookAt, nodeFileSystem } from './file-system.js'
import { OwnerProcess } from './owner-process.js'
import { systemCode } from './write-file.js'

/** Symbolic links in one path, as on Linux (path_resolution(7)). */
const MAX_LINKS = 40
const STICKY = 0o1000
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
  const plain = nodeFileSystem()
  if (process.geteuid?.() !== 0) return plain
  const processes = new Map<number, OwnerProcess>()
  const by = (uid: number | null): FileSystem => {
    if (uid === null) return plain
    const known = processes.get(uid) ?? new OwnerProcess(uid)
    processes.set(uid, known)
    return known
  }
  const inside = async (directory: string): Promise<FileSystem> => by(await findOwner(plain, directory))
  const at = async (path: string): Promise<FileSystem> => inside(dirname(path))
  const atBoth = async (one: string, other: string): Promise<FileSystem> => {
    const [first, second] = [await at(one), await at(other)]
    if (first !== second)
      throw Object.assign(new Error(`${one} and ${other} are of different users`), { code: 'EXDEV' })
    return first
  }
  return {
    open: async (path, flags, mode) => (await at(path)).open(path, flags, mode),
    lstat: async (path) => (await at(path)).lstat(path),
    readdir: async (path) => (await inside(path)).readdir(path),
    readlink: async (path) => (await at(path)).readlink(path),
    realpath: async (path) => (await inside(path)).realpath(path),
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
 * link in the path that is not root's; null if all are. A path that does not exist belongs to its parent.
 *
 * Only root can change the part of the path before that, so the result cannot change before the next call.
 */
async function findOwner(fs: Pick<FileSystem, 'lstat' | 'readlink'>, directory: string): Promise<number | null> {
  const { root } = parse(directory)
  let current = root
  const names = directory
    .slice(root.length)
    .split(sep)
    .filter((name) => name !== '' && name !== '.')
  let links = 0
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const path = name === '..' ? dirname(current) : join(current, name)
    const state = await lookAtAny(fs, path)
    if (state === null) return null
    if (state.uid !== 0) return state.uid
    if (state.isSymbolicLink()) {
      if (++links > MAX_LINKS)
        throw Object.assign(new Error(`${directory} leads through too many links`), { code: 'ELOOP' })
      const target = await fs.readlink(path)
      if (target.startsWith(sep)) current = root
      names.unshift(...target.split(sep).filter((each) => each !== '' && each !== '.'))
      continue
    }
    if (state.isDirectory()) refuseShared(path, state)
    current = path
  }
  return null
}

async function lookAtAny(fs: Pick<FileSystem, 'lstat'>, path: string): Promise<FileState | null> {
  try {
    return await lookAt(fs, path)
  } catch (error) {
    // A file with the name of a directory: the call itself fails.
    if (systemCode(error) === 'ENOTDIR') return null
    throw error
  }
}

/** In a directory with the sticky bit, such as /tmp, only root can rename or remove root's files (inode(7)). */
function refuseShared(path: string, { mode, gid }: FileState): void {
  if ((mode & STICKY) !== 0) return
  const who =
    (mode & OTHERS_WRITE) !== 0 ? 'every user' : (mode & GROUP_WRITE) !== 0 && gid !== 0 ? `group ${String(gid)}` : null
  if (who === null) return
  throw new Error(
    `${who} may write to ${path}, so root must not work below it: run this as the owner of the files, or remove the permission (chmod g-w,o-w ${path})`,
  )
}
