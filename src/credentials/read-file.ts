/** Reads a file of material: bounded, and never blocked by a FIFO or a device. */
import { constants, type Stats } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { isError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { finding } from './finding.js'

export interface FileContent {
  readonly bytes: Buffer
  /** Permission bits, or null if the platform has none. */
  readonly mode: number | null
}

/** How a file is named in findings. */
export interface FileName {
  readonly file: string
  /** The environment variable that named it. */
  readonly variable?: string | undefined
}

/**
 * Reads one file.
 *
 * @param path The file to open.
 * @param name The file as findings name it.
 * @param limit Most bytes read.
 * @returns The contents, or a finding that says why there are none.
 */
export async function readMaterialFile(path: string, name: FileName, limit: number): Promise<FileContent | Finding> {
  try {
    // Checked before, since opening a device can have effects, and after, since the file may have been replaced.
    const before = refuse(await stat(path), name, limit)
    if (before !== null) return before
    return await readOpened(path, name, limit)
  } catch (error) {
    return fileError(error, name)
  }
}

async function readOpened(path: string, name: FileName, limit: number): Promise<FileContent | Finding> {
  // Without O_NONBLOCK, opening a FIFO waits for a writer. Windows has neither; there it is undefined, which counts as 0.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat()
    const refused = refuse(stats, name, limit)
    if (refused !== null) return refused
    // One byte more than allowed: files of procfs have no size, and a file can grow while it is read.
    const buffer = Buffer.alloc(Math.max(Math.min(stats.size, limit), 64 * 1024) + 1)
    const chunks: Buffer[] = []
    let size = 0
    while (size <= limit) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null)
      chunks.push(Buffer.from(buffer.subarray(0, bytesRead)))
      size += bytesRead
      if (bytesRead === 0 || size === stats.size) break
    }
    buffer.fill(0)
    if (size === 0) return finding('file/empty', { ...name })
    if (size > limit) return finding('file/too-large', { ...name, size, limit })
    const mode = process.platform === 'win32' ? null : stats.mode & 0o777
    return { bytes: Buffer.concat(chunks), mode }
  } finally {
    await handle.close()
  }
}

/** Why a file of this kind or size is not read; null if it is. */
function refuse(stats: Stats, name: FileName, limit: number): Finding | null {
  if (stats.isFile()) return stats.size > limit ? finding('file/too-large', { ...name, size: stats.size, limit }) : null
  const other = stats.isFIFO() ? 'FIFO' : stats.isSocket() ? 'socket' : 'device'
  return finding('file/not-regular', { ...name, kind: stats.isDirectory() ? 'directory' : other })
}

/** The finding for an error of the file system. Errors without a code are thrown. */
function fileError(error: unknown, name: FileName): Finding {
  const reason = isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : null
  if (reason === null) throw error
  if (reason === 'ENOENT' || reason === 'ENOTDIR') return finding('file/missing', { ...name })
  if (reason === 'EACCES' || reason === 'EPERM')
    return finding('file/unreadable', { ...name, kind: 'permission denied', reason })
  if (reason === 'EISDIR') return finding('file/not-regular', { ...name, kind: 'directory' })
  return finding('file/unreadable', { ...name, kind: 'failed', reason })
}
