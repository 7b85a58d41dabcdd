import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root } from './compiled.js'

const LEFT_OUT = new Set(['node_modules', '.git', '.cache', 'dist', 'coverage', 'package-lock.json'])

export interface RepositoryFile {
  /** Relative to the root, with slashes. */
  path: string
  text: string
}

/** Every text file of the repository that somebody wrote. */
export function repositoryFiles(folder = root): RepositoryFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const place = join(folder, entry.name)
    if (LEFT_OUT.has(entry.name)) return []
    if (entry.isDirectory()) return repositoryFiles(place)
    if (!entry.isFile()) return []
    const text = readFileSync(place, 'utf8')
    const isText = !text.includes('\0') && !text.includes('\uFFFD')
    return isText ? [{ path: relative(root, place).replaceAll('\\', '/'), text }] : []
  })
}
