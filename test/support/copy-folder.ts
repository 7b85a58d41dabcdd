import { chmodSync, cpSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Copies a folder with its symbolic links and modes. From Node 22 on, `cpSync` creates folders with the default mode. */
export function copyFolder(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  for (const path of ['.', ...readdirSync(from, { recursive: true, encoding: 'utf8' })]) {
    const { mode, isSymbolicLink } = modeOf(join(from, path))
    if (!isSymbolicLink) chmodSync(join(to, path), mode)
  }
}

function modeOf(path: string): { mode: number; isSymbolicLink: boolean } {
  const stat = lstatSync(path)
  return { mode: stat.mode & 0o7777, isSymbolicLink: stat.isSymbolicLink() }
}
