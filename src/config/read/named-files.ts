/** Files that a configuration names, below another root if one is given. */
import { readlinkSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { readMaterialFile } from '../../credentials/load-inputs.js'
import type { Finding } from '../../report/finding.js'
import { isUnresolved } from './read-option.js'
import { type ConfigText, decodeText, MAX_CONFIG_BYTES, MAX_NAMED_FILES, type ReadNamedFile, tooLarge } from './text.js'

export interface ReadOptions {
  /** Whether files that the configuration names are read. */
  readonly readFiles: boolean
  /** A folder that paths of the configuration start at. Null: the root itself. */
  readonly root: string | null
  /** Collects the texts that are read, the configuration itself first. */
  readonly texts: ConfigText[]
}

export async function readConfigFile(path: string, name: string): Promise<ConfigText | Finding> {
  const content = await readMaterialFile(path, { file: name }, MAX_CONFIG_BYTES)
  if (!('code' in content)) return decodeText(content.bytes, name)
  // An empty file is one without options, which etcd starts with.
  return content.code === 'file/empty' ? { text: '', file: name } : content
}

/**
 * Reads the files that one configuration names, until they are too many, or have more bytes together than one may have.
 *
 * @param folder Where relative paths start: the folder of the configuration itself, which is not below the other root.
 */
export function namedFiles({ readFiles, root, texts }: ReadOptions, folder: string | null = null): ReadNamedFile {
  let bytes = 0
  let files = 0
  return async (path) => {
    if (!readFiles || isUnresolved(path) || path.includes('*')) return null
    if (bytes > MAX_CONFIG_BYTES || files++ >= MAX_NAMED_FILES) return null
    const isOwn = folder !== null && !isAbsolute(path)
    const inRoot = root === null ? resolve(path) : resolveInRoot(root, path)
    const content = await readConfigFile(isOwn ? resolveRelativeTo(`${folder}/_`, path, root) : inRoot, path)
    if ('code' in content) return content
    bytes += content.text.length
    if (bytes > MAX_CONFIG_BYTES) return tooLarge('files', path, bytes)
    texts.push(content)
    return content
  }
}

/** Links that are followed in one path, as Linux does (path_resolution(7)). */
const MAX_LINKS = 40
/** Longer than the name of a file can be (NAME_MAX is 255), so the kernel refuses it. */
const TOO_MANY_LINKS = 'x'.repeat(256)

/**
 * A path of another machine below the folder that its root is mounted at. `..` and links end at that root, as after
 * chroot(2). Behind too many links, it is a file that cannot exist.
 */
export function resolveInRoot(root: string, path: string): string {
  const left = path.split('/').reverse()
  const folders: string[] = []
  let links = 0
  while (left.length > 0) {
    const name = left.pop() ?? ''
    if (name === '..') folders.pop()
    if (name === '' || name === '.' || name === '..') continue
    const target = linkTarget(join(root, ...folders, name))
    if (target === null) {
      folders.push(name)
      continue
    }
    // The kernel would follow the link itself, which may lead out of the root.
    if (links++ >= MAX_LINKS) return join(root, TOO_MANY_LINKS)
    if (target.startsWith('/')) folders.length = 0
    left.push(...target.split('/').reverse())
  }
  return join(root, ...folders)
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

/** A path that begins at a file of the caller: it does not leave the root if that file is below it. */
export function resolveRelativeTo(file: string, path: string, root: string | null): string {
  const folder = dirname(resolve(file))
  const top = root === null ? null : resolve(root)
  if (top === null || (folder !== top && !folder.startsWith(join(top, sep)))) return resolve(folder, path)
  return resolveInRoot(top, path.startsWith('/') ? path : join(folder.slice(top.length), '/') + path)
}
