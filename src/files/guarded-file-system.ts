/** A file system for root, which writes only where no other user can rename. */
import { codeOf } from '../report/errors.js'
import type { Stats } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import { dirname, join, parse, sep } from 'node:path'
import { readTrustedOwner } from './accounts.js'
import { type FileSystem, isShared, nodeFileSystem, STICKY } from './file-system.js'
import { type Migration, refusal } from './foreign-component.js'

export const FILE_SYSTEM = Symbol('file system')

/** The option of every function that writes. */
export interface TrustedOwnerOption {
  /**
   * For root: the user whose folders count as root's, by name or id. New files belong to the owner of their folder.
   * This user can make root change any file.
   *
   * @default none; then root writes only where no other user can rename a part of the path
   */
  trustedOwner?: string | number | undefined
  /** @internal For tests, which replace that of this machine. */
  [FILE_SYSTEM]?: FileSystem | undefined
}

/** Maximum number of symbolic links in one path, as on Linux (path_resolution(7)). */
const MAX_LINKS = 40

/**
 * The file system of this machine. If this process is root, each call checks its path first: a user who can rename a part of
 * it could replace that part by a link, and so make root change any file. Only root can rename in a folder that was checked,
 * so the plain call follows.
 *
 * On Windows and for other users, it makes the plain calls.
 *
 * @param target The absolute path of the folder that the caller writes to, for remedies.
 * @param options Those of the caller.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong `trustedOwner`.
 */
export async function guardedFileSystem(
  target: string,
  options: TrustedOwnerOption,
  migration: Migration,
): Promise<FileSystem> {
  if (options[FILE_SYSTEM] !== undefined) return options[FILE_SYSTEM]
  const trusted = await readTrustedOwner(options.trustedOwner)
  if (process.geteuid?.() !== 0) return nodeFileSystem
  const guarded: Guarded = { target, trusted, migration }
  const folders = new Map<string, ReturnType<typeof findOwner>>()
  const check = (folder: string): ReturnType<typeof findOwner> => {
    const found = folders.get(folder) ?? findOwner(folder, guarded)
    folders.set(folder, found)
    // It may be created later.
    found.catch(() => folders.delete(folder))
    return found
  }
  const at = async (...paths: readonly string[]): Promise<FileSystem> => {
    for (const path of paths) {
      // The entries of a folder with the sticky bit can change, so they are checked at each call.
      if ((await check(dirname(path))).isSticky) await checkEntry(path, guarded)
    }
    return nodeFileSystem
  }
  const inside = async (path: string): Promise<FileSystem> => {
    await check(path)
    return nodeFileSystem
  }
  return {
    open: async (path, flags, mode) => (await at(path)).open(path, flags, mode),
    lstat: async (path) => (await at(path)).lstat(path),
    readdir: async (path) => (await inside(path)).readdir(path),
    readlink: async (path) => (await at(path)).readlink(path),
    realpath: async (path) => (await inside(path)).realpath(path),
    mkdir: async (path, mode) => (await at(path)).mkdir(path, mode),
    rename: async (from, to) => (await at(from, to)).rename(from, to),
    link: async (existing, path) => (await at(existing, path)).link(existing, path),
    symlink: async (target, path) => (await at(path)).symlink(target, path),
    unlink: async (path) => (await at(path)).unlink(path),
    rmdir: async (path) => (await at(path)).rmdir(path),
  }
}

interface Guarded {
  readonly target: string
  readonly trusted: number | null
  readonly migration: Migration
}

/**
 * Checks that every component of a path belongs to root or to the trusted user. Links are followed and their targets checked.
 *
 * Only root can change the part of the path before a component, so the result is still valid at the next call. A missing path
 * is an error, because in a folder with the sticky bit any user could create it before the next call.
 *
 * @returns Whether it is a folder where every user can create entries, such as /tmp. Only root can rename root's entries there
 * (inode(7)).
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` with the first component of another owner.
 */
async function findOwner(path: string, guarded: Guarded): Promise<{ readonly isSticky: boolean }> {
  const { root } = parse(path)
  const names = ['', ...namesOf(path.slice(root.length))]
  let current = root
  let links = 0
  let isSticky = false
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const at = name === '..' ? dirname(current) : join(current, name)
    const state = await lstat(at)
    await checkComponent(at, state, isSticky, guarded)
    if (state.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw Object.assign(new Error(`${path} leads through too many links`), { code: 'ELOOP' })
      const target = await readlink(at)
      const isAbsolute = target.startsWith(sep)
      if (isAbsolute) current = root
      names.unshift(...(isAbsolute ? [''] : []), ...namesOf(target))
    } else {
      isSticky = isShared(state)
      current = at
    }
  }
  return { isSticky }
}

function namesOf(path: string): string[] {
  return path.split(sep).filter((name) => name !== '' && name !== '.')
}

async function checkEntry(path: string, guarded: Guarded): Promise<void> {
  try {
    await checkComponent(path, await lstat(path), true, guarded)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** Files of other users are harmless in root's folder. In one with the sticky bit, their owner can rename them. */
async function checkComponent(path: string, state: Stats, isInSticky: boolean, guarded: Guarded): Promise<void> {
  const isOwn = state.uid === 0 || state.uid === guarded.trusted
  if (!isOwn && (isInSticky || !state.isFile()))
    throw await refusal({ path, state, why: isInSticky ? 'in-sticky' : 'owner' }, guarded.target, guarded.migration)
  if (isShared(state) && (state.mode & STICKY) === 0)
    throw await refusal({ path, state, why: 'shared' }, guarded.target, guarded.migration)
}
