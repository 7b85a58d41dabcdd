/** Files that a configuration takes variables from, and how many of them are read. */
import { isAbsolute, resolve } from 'node:path'
import type { Finding } from '../../report/finding.js'
import { finding } from './finding.js'
import { isUnresolved } from './read-option.js'
import { readConfigFile, type ReadOptions, resolveBeside, resolveInRoot } from './settle.js'
import { type ConfigText, MAX_CONFIG_OCTETS, MAX_NAMED_FILES, type ReadNamedFile } from './text.js'

/**
 * Reads the files that one configuration names, until they are too many, or have more octets together than one may have.
 *
 * @param folder Where relative paths start: the folder of the configuration itself, which no other root is put before.
 */
export function namedFiles({ readFiles, root, texts }: ReadOptions, folder: string | null = null): ReadNamedFile {
  let octets = 0
  let files = 0
  const read = (path: string): Promise<ConfigText | Finding> => {
    if (folder !== null && !isAbsolute(path)) return readConfigFile(resolveBeside(`${folder}/_`, path, root), path)
    return readConfigFile(root === null ? resolve(path) : resolveInRoot(root, path), path)
  }
  return async (path) => {
    if (!readFiles || isUnresolved(path) || path.includes('*')) return null
    if (octets > MAX_CONFIG_OCTETS || files++ >= MAX_NAMED_FILES) return null
    const content = await read(path)
    if ('code' in content) return content
    octets += content.text.length
    if (octets <= MAX_CONFIG_OCTETS) {
      texts.push(content)
      return content
    }
    return finding('config/files-too-large', { file: path, octets, limit: MAX_CONFIG_OCTETS })
  }
}
