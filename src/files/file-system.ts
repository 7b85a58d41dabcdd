/** The file system calls of this package as one interface, which tests replace, and functions on top of it. */
import { codeOf } from '../report/errors.js'
import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import * as promises from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { shellArgument } from '../report/catalogue/place.js'
import { ownGroups } from './accounts.js'
import { rethrowAfterCleanup, failureOf, writeFailed } from './write-failed.js'

export type FileState = Pick<
  Stats,
  'isDirectory' | 'isFile' | 'isSymbolicLink' | 'mode' | 'uid' | 'gid' | 'nlink' | 'size' | 'mtimeMs'
>

/** An open file, such as Node's `FileHandle`. */
export interface OpenFile {
  chmod(mode: number): Promise<void>
  chown(uid: number, gid: number): Promise<void>
  /** Times in seconds since 1970. */
  utimes(atime: number, mtime: number): Promise<void>
  stat(): Promise<FileState>
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<unknown>
  writeFile(data: string | Uint8Array): Promise<void>
  truncate(size: number): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** The calls of `node:fs/promises`. */
export interface FileSystem {
  readonly open: (path: string, flags: string | number, mode?: number) => Promise<OpenFile>
  readonly lstat: (path: string) => Promise<FileState>
  readonly readdir: (path: string) => Promise<string[]>
  readonly readlink: (path: string) => Promise<string>
  readonly realpath: (path: string) => Promise<string>
  readonly mkdir: (path: string, mode: number) => Promise<unknown>
  readonly rename: (from: string, to: string) => Promise<void>
  readonly link: (existing: string, path: string) => Promise<void>
  readonly symlink: (target: string, path: string) => Promise<void>
  readonly unlink: (path: string) => Promise<void>
  readonly rmdir: (path: string) => Promise<void>
}

export const nodeFileSystem: FileSystem = promises

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** A file to write. Its mode does not depend on the umask. */
export interface FileContents {
  readonly content: string | Uint8Array
  /** The mode of a new file. A file that is replaced keeps its own, with at most these rights for others. */
  readonly mode: number
  /** A group that reads the file: then it gets this group and exactly `mode`, also if it is replaced. */
  readonly gid?: number | null
  /** Whether a file that is replaced gets exactly `mode`, too. */
  readonly isModeExact?: boolean
}

export interface Attributes {
  /** Null: those that the system gives it. */
  readonly owner: Owner | null
  readonly mode: number
}

export const STICKY = 0o1000
const GROUP_WRITE = 0o020
const OTHERS_WRITE = 0o002
const OTHERS_READ = 0o004
const GROUP_SEARCH = 0o010
const OTHERS_SEARCH = 0o001

/**
 * Whether other users can create entries in the folder. The group bits also limit access control lists (acl(5)), so they
 * count for every group.
 */
export function isShared(state: Pick<FileState, 'mode' | 'isDirectory'>): boolean {
  return state.isDirectory() && (state.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0
}

/** Rights that a key keeps when it is replaced: those of its owner, and its group may read. */
const KEPT = 0o740
const OWNER_READS = 0o400

/**
 * The attributes of a file that is written: those of the file that it replaces, so that a service that runs as another user
 * can still read its key. A new file belongs to the owner of its folder.
 */
export function attributesOf(
  { mode, gid = null, isModeExact = false }: Pick<FileContents, 'mode' | 'gid' | 'isModeExact'>,
  replaced: Pick<FileState, 'mode' | 'uid' | 'gid'> | null,
  folder: FileState,
): Attributes {
  const uid = process.geteuid?.()
  const isRoot = uid === 0
  if (gid !== null && uid !== undefined) return { owner: { uid: isRoot ? folder.uid : uid, gid }, mode }
  // With the sticky bit, any user may have created the replaced file.
  if (replaced === null || isModeExact || (folder.mode & STICKY) !== 0)
    return { owner: isRoot ? { uid: folder.uid, gid: folder.gid } : null, mode }
  const kept = (replaced.mode & (mode | KEPT)) | OWNER_READS
  if (isRoot) return { owner: { uid: replaced.uid, gid: replaced.gid }, mode: kept }
  if (uid !== undefined && ownGroups().includes(replaced.gid)) return { owner: { uid, gid: replaced.gid }, mode: kept }
  // The group cannot be kept, and its rights must not go to another one.
  return { owner: null, mode: (kept & OTHERS_READ) === 0 ? kept & 0o700 : kept }
}

/** Null if the path of the call does not exist. */
async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
}

export async function lookAt(fs: Pick<FileSystem, 'lstat'>, path: string): Promise<FileState | null> {
  return orNull(fs.lstat(path))
}

export async function readLink(fs: FileSystem, path: string): Promise<string | null> {
  return orNull(fs.readlink(path))
}

export async function useFile<T>(opening: Promise<OpenFile>, work: (file: OpenFile) => Promise<T>): Promise<T> {
  const file = await opening
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

export async function writeNewFile(
  fs: FileSystem,
  path: string,
  content: string | Uint8Array,
  { mode, owner, mtimeMs }: Attributes & { readonly mtimeMs?: number | null },
): Promise<void> {
  await useFile(fs.open(path, 'wx', mode), async (file) => {
    if (owner !== null) await file.chown(owner.uid, owner.gid)
    await file.chmod(mode)
    await file.writeFile(content)
    if (typeof mtimeMs === 'number') await file.utimes(mtimeMs / 1000, mtimeMs / 1000)
    await file.sync()
  })
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/** A rename survives a power cut only after its directory is flushed. */
export async function flushDirectory(fs: FileSystem, path: string): Promise<void> {
  // O_DIRECTORY, because a FIFO may have replaced the directory, and opening a FIFO blocks.
  await useFile(fs.open(path, O_RDONLY | O_DIRECTORY), (directory) => directory.sync())
}

/** Creates a directory with these attributes, whatever the umask. */
export async function makeDirectory(fs: FileSystem, path: string, { mode, owner }: Attributes): Promise<void> {
  await fs.mkdir(path, mode)
  await useFile(fs.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), async (folder) => {
    if (owner !== null) await folder.chown(owner.uid, owner.gid)
    await folder.chmod(mode)
  })
}

/** Creates a directory, which belongs to the owner of its parent. Its mode is 0700, or 0750 with the group `gid`. */
export async function makeNewDirectory(fs: FileSystem, path: string, gid: number | null): Promise<void> {
  const mode = gid === null ? DIRECTORY_MODE : GROUP_DIRECTORY_MODE
  await makeDirectory(fs, path, attributesOf({ mode, gid }, null, await fs.lstat(dirname(path))))
}

/** A file with the attributes that a rewrite preserves. */
export interface ReadFile extends Owner {
  readonly bytes: Buffer
  readonly mode: number
  readonly mtimeMs: number
}

/**
 * Reads a plain file; null if it does not exist. It follows no link and does not wait for a FIFO.
 *
 * @param limit In bytes. A larger file is an error, as is a path that is not a plain file.
 */
export async function readPlainFile(fs: FileSystem, path: string, limit: number): Promise<ReadFile | null> {
  const file = await orNull(fs.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
  if (file === null) return null
  return useFile(Promise.resolve(file), async () => {
    const state = await file.stat()
    const { mode, uid, gid, size, mtimeMs } = state
    if (!state.isFile()) throw new Error(`${path} is not a plain file`)
    if (size > limit) throw new Error(`${path} is larger than ${String(limit)} bytes`)
    return { bytes: await readRange(file, 0, size), mode: mode & 0o777, uid, gid, mtimeMs }
  })
}

/** The bytes from `start` to `end`, or fewer if the file was truncated. */
export async function readRange(file: OpenFile, start: number, end: number): Promise<Buffer> {
  const buffer = Buffer.alloc(end - start)
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

export async function removeAll(fs: FileSystem, path: string): Promise<void> {
  const state = await lookAt(fs, path)
  if (state === null) return
  if (!state.isDirectory()) return fs.unlink(path)
  for (const name of await fs.readdir(path)) await removeAll(fs, `${path}/${name}`)
  await fs.rmdir(path)
}

export const DIRECTORY_MODE = 0o700
const GROUP_DIRECTORY_MODE = 0o750

/**
 * The real path of the directory, which may be a link; null if it does not exist.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if it is not a directory.
 */
export async function findRoot(fs: FileSystem, directory: string): Promise<string | null> {
  let real: string
  try {
    real = await fs.realpath(directory)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw writeFailed(directory, error)
    const now = await lookAt(fs, directory)
    if (now === null) return null
    if (now.isSymbolicLink()) throw writeFailed(directory, 'it is a link to nothing: remove it')
    // Another process has created it since the first call.
    return findRoot(fs, directory)
  }
  await directoryExists(fs, real)
  return real
}

/**
 * Checks that the members of a group can enter a directory, which keeps its owner, group and mode.
 *
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED`
 */
export async function checkGroupEnters(fs: FileSystem, path: string, gid: number): Promise<void> {
  const state = await lookAt(fs, path)
  // The first matching class decides (path_resolution(7)).
  if (state === null || (state.mode & (state.gid === gid ? GROUP_SEARCH : OTHERS_SEARCH)) !== 0) return
  const [mode, who] = [(state.mode & 0o7777).toString(8), state.gid === gid ? 'g' : 'o']
  const reason = `the option group is ${String(gid)}, and this group cannot enter "${path}", which has the group ${String(state.gid)} and mode 0${mode}`
  throw writeFailed(path, `${reason}: run "chmod ${who}+x ${shellArgument(path)}", or choose another directory`)
}

export async function directoryExists(fs: FileSystem, path: string): Promise<boolean> {
  const state = await lookAt(fs, path)
  if (state === null || state.isDirectory()) return state !== null
  const what = state.isSymbolicLink() ? 'a symbolic link, which is not followed' : 'not a directory'
  throw writeFailed(path, `it is ${what}: move it away, or choose another directory`)
}

interface NewDirectories {
  /** A group that can enter the new directories. */
  readonly gid?: number | null
  readonly made?: string[]
}

/** Creates a directory and its parents as `makeNewDirectory` does. Links in the path of the parents are followed. */
export async function makeDirectories(fs: FileSystem, path: string, options: NewDirectories = {}): Promise<void> {
  try {
    if (await directoryExists(fs, path)) return
    const parent = dirname(path)
    if (parent !== path && (await lookAt(fs, parent)) === null) await makeDirectories(fs, parent, options)
    await makeNewDirectory(fs, path, options.gid ?? null)
    options.made?.push(path)
    await flushDirectory(fs, parent)
  } catch (error) {
    // Another process has created it.
    if (codeOf(error) === 'EEXIST' && (await directoryExists(fs, path))) return
    throw failureOf(path, error)
  }
}

interface NewFile extends FileContents {
  readonly name: string
}

/** The final name of a temporary file; null for other files. */
export function finalName(name: string): string | null {
  return /^\.(.+)\.[0-9a-f]{16}\.etcd-mtls-tmp$/.exec(name)?.[1] ?? null
}

/**
 * Writes all files under temporary names, flushes them, and renames each. After an error, files that were renamed stay, and
 * temporary files are removed or named in the error. Call it under the lock of these files: it first removes their temporary
 * files, which only a killed process can have left. Those of other files may belong to a process with another lock.
 */
export async function replaceFiles(fs: FileSystem, directory: string, files: readonly NewFile[]): Promise<void> {
  for (const name of await fs.readdir(directory)) {
    const path = join(directory, name)
    const isOwn = files.some((file) => file.name === finalName(name))
    if (isOwn && (await lookAt(fs, path))?.isFile() === true) await fs.unlink(path)
  }
  const state = await fs.lstat(directory)
  const placed = files.map(async (file) => {
    const replaced = await lookAt(fs, join(directory, file.name))
    return { ...file, ...attributesOf(file, replaced?.isFile() === true ? replaced : null, state) }
  })
  const pending = new Map<string, string>()
  try {
    for (const { name, content, ...attributes } of await Promise.all(placed)) {
      const temporary = join(directory, `.${name}.${randomBytes(8).toString('hex')}.etcd-mtls-tmp`)
      pending.set(name, temporary)
      await writeNewFile(fs, temporary, content, attributes)
    }
    for (const [name, temporary] of pending) {
      await fs.rename(temporary, join(directory, name))
      pending.delete(name)
    }
    await flushDirectory(fs, directory)
  } catch (error) {
    const left = [...pending.values()]
    await rethrowAfterCleanup(error, left.join(', '), async () => {
      const outcomes = await Promise.allSettled(left.map((path) => removeAll(fs, path)))
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    })
  }
}
