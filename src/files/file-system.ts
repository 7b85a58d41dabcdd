/**
 * The system calls of this package on files, as one interface: tests count them, check the disk between any two, let one
 * fail, or kill the process there.
 */
import { constants, type Stats } from 'node:fs'
import { link, lstat, mkdir, open, readdir, readlink, realpath, rename, rmdir, symlink, unlink } from 'node:fs/promises'
import { isNotThere, type OpenFile as WritableFile } from './write-file.js'

export type FileState = Pick<
  Stats,
  'isDirectory' | 'isFile' | 'isSymbolicLink' | 'mode' | 'uid' | 'gid' | 'size' | 'mtimeMs'
>

/** An open file. Node's `FileHandle` is one. */
export interface OpenFile extends WritableFile {
  chown(uid: number, gid: number): Promise<void>
  stat(): Promise<FileState>
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<unknown>
  truncate(size: number): Promise<void>
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

/** The file system of this machine. */
export function nodeFileSystem(): FileSystem {
  return {
    open: (path, flags, mode) => open(path, flags, mode),
    lstat: (path) => lstat(path),
    readdir: (path) => readdir(path),
    readlink: (path) => readlink(path),
    realpath: (path) => realpath(path),
    mkdir: (path, mode) => mkdir(path, mode),
    rename,
    link,
    symlink: (target, path) => symlink(target, path),
    unlink,
    rmdir: (path) => rmdir(path),
  }
}

/** The state of a path, links not followed; null if nothing exists there. */
export async function lookAt(fs: Pick<FileSystem, 'lstat'>, path: string): Promise<FileState | null> {
  try {
    return await fs.lstat(path)
  } catch (error) {
    if (isNotThere(error)) return null
    throw error
  }
}

/** Opens a plain file for reading: no link is followed, and a FIFO does not block. */
const READ_PLAIN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** A file, with what is needed to write it again as it was. */
export interface ReadFile {
  readonly bytes: Buffer
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeMs: number
}

/**
 * Reads a plain file; null if it does not exist.
 *
 * @param limit In bytes. A larger file is an error, and so is anything that is not a plain file.
 */
export async function readPlainFile(fs: FileSystem, path: string, limit: number): Promise<ReadFile | null> {
  let file: OpenFile
  try {
    file = await fs.open(path, READ_PLAIN)
  } catch (error) {
    if (isNotThere(error)) return null
    throw error
  }
  try {
    const state = await file.stat()
    const { mode, uid, gid, size, mtimeMs } = state
    if (!state.isFile()) throw new Error(`${path} is not a plain file`)
    if (size > limit) throw new Error(`${path} is larger than ${String(limit)} bytes`)
    return { bytes: await readRange(file, 0, size), mode: mode & 0o777, uid, gid, mtimeMs }
  } finally {
    await file.close()
  }
}

/** The bytes of an open file from `start` up to `end`, or fewer if it has become shorter. */
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

/** Removes a path with everything below it; links are removed and not followed. */
export async function removeAll(fs: FileSystem, path: string): Promise<void> {
  const state = await lookAt(fs, path)
  if (state === null) return
  if (!state.isDirectory()) {
    await fs.unlink(path)
    return
  }
  for (const name of await fs.readdir(path)) await removeAll(fs, `${path}/${name}`)
  await fs.rmdir(path)
}
