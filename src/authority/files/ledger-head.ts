/** The head of a ledger: how far it goes, in a small file next to it, so that a ledger that became shorter is found out. */
import { dirname, basename } from 'node:path'
import { type FileSystem, readPlainFile } from '../../files/file-system.js'
import { replaceFiles } from '../../files/replace-files.js'
import { HASH_LENGTH, NO_HASH } from './ledger-line.js'

/** Where a ledger ended when it was last written to. */
export interface LedgerHead {
  /** Bytes up to the end of the last line. */
  readonly size: number
  /** The hash of the last line. */
  readonly hash: string
}

export const EMPTY: LedgerHead = { size: 0, hash: NO_HASH }

const MAX_BYTES = 1024

/** The path of the head of a ledger. */
export function headPathOf(path: string): string {
  return `${path}.head`
}

/** Null if there is no head; `damaged` if it cannot be read. */
export async function readHead(fs: FileSystem, path: string): Promise<LedgerHead | null | 'damaged'> {
  const file = await readPlainFile(fs, headPathOf(path), MAX_BYTES)
  if (file === null) return null
  const [, size, hash] =
    new RegExp(`^(\\d{1,15}) ([0-9a-f]{${String(HASH_LENGTH)}})\\n$`).exec(file.bytes.toString('latin1')) ?? []
  return size === undefined || hash === undefined ? 'damaged' : { size: Number(size), hash }
}

/** Replaces the head, atomically and durably. To be called under the lock of the ledger. */
export async function writeHead(fs: FileSystem, path: string, { size, hash }: LedgerHead): Promise<void> {
  const name = basename(headPathOf(path))
  await replaceFiles(fs, dirname(path), [{ name, content: `${String(size)} ${hash}\n`, mode: 0o600 }])
}
