/** Reads texts and files, and maps offsets to lines and columns. */
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { readMaterialFile } from '../../credentials/load-inputs.js'
import type { HostPath } from '../../files/in-root.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { type GivenValues, hasReference } from './references.js'

/** A configuration of etcd seldom has more than 20,000 bytes. */
export const MAX_CONFIG_BYTES = 1024 * 1024
/** Limits the files that one configuration names. The next one is reported as not read. */
export const MAX_NAMED_FILES = 100

export interface ConfigText {
  readonly text: string
  readonly file: string | null
  readonly origin?: Origin
  /** Whether lines that were statements of a template are blank. */
  readonly hasStatements?: true
}

interface Origin {
  readonly line: number
  readonly column: number
  /** Whether each line of the text is a line of the file, from `column` on. If false, the whole text has one place. */
  readonly isLiteral: boolean
}

export type PlaceOf = (offset: number, option: string) => ConfigPlace

/** Returns null if the file must not be read. */
export type ReadNamedFile = (path: string) => Promise<ConfigText | Finding | null>

export function tooLarge(kind: 'file' | 'files', file: string | null, count: number): Finding {
  return finding('config/too-large', { kind, file, count, limit: MAX_CONFIG_BYTES })
}

export function refuseText({ text, file }: ConfigText): Finding | null {
  return text.length > MAX_CONFIG_BYTES ? tooLarge('file', file, text.length) : null
}

export function decodeText(bytes: Uint8Array, file: string | null): ConfigText | Finding {
  if (bytes.length > MAX_CONFIG_BYTES) return tooLarge('file', file, bytes.length)
  const [first, second] = bytes
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  if (isUtf16) return finding('config/not-text', { file, is: 'UTF-16', line: null })
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  // NUL separates the arguments of /proc/PID/cmdline.
  const refused = refuseControls({ text, file }, /[^\P{Cc}\0\t-\r\u007f-\u009f]/u)
  // Compare the bytes, because the text may contain U+FFFD itself.
  if (refused !== null || Buffer.from(text).equals(bytes)) return refused ?? { text, file }
  return finding('config/not-text', { file, is: 'other bytes', line: lineOf(text, text.indexOf('\ufffd')) })
}

/** @param controls Default: the characters that go-yaml refuses (readerc.go). */
export function refuseControls({ text, file }: ConfigText, controls = /[^\P{Cc}\t\n\r\u0085]/u): Finding | null {
  const at = text.search(controls)
  return at === -1 ? null : finding('config/not-text', { file, is: 'binary', line: lineOf(text, at) })
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

export function placesIn({ text, file, origin }: ConfigText): PlaceOf {
  const { line, column, isLiteral } = origin ?? { line: 1, column: 1, isLiteral: true }
  if (!isLiteral) return (_, option) => ({ option, file, line, column })
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset, option) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    const start = starts[low] ?? 0
    const written = text.slice(start, starts[low + 1]).trimEnd().length
    const at = { column: offset - start + column, endColumn: Math.max(offset - start, written) + column }
    return { option, file, line: low + line, ...at }
  }
}

export interface ReadOptions {
  readonly readFiles: boolean
  /** The absolute path of the folder that stands for the root of etcd's machine. Null: the root of this machine. */
  readonly root: string | null
  /** The working directory of etcd, if the configuration has none. Null: that of this process. */
  readonly directory: string | null
  /** Collects the texts, the configuration itself first. */
  readonly texts: ConfigText[]
  /** The values of variables that the caller knows. */
  readonly given: GivenValues
}

export async function readConfigFile(path: HostPath, name: string): Promise<ConfigText | Finding> {
  const content = await readMaterialFile(path, { file: name }, MAX_CONFIG_BYTES)
  if (!('code' in content)) return decodeText(content.bytes, name)
  // etcd starts with an empty file.
  return content.code === 'file/empty' ? { text: '', file: name } : content
}

/**
 * Limits the number of files and their total size.
 *
 * @param folder The folder of the configuration, for relative paths.
 */
export function namedFiles({ readFiles, root, texts }: ReadOptions, folder: string | null = null): ReadNamedFile {
  let bytes = 0
  let files = 0
  return async (path) => {
    if (!readFiles || hasReference(path) || path.includes('*')) return null
    if (bytes > MAX_CONFIG_BYTES || files++ >= MAX_NAMED_FILES) return null
    const isOwn = folder !== null && !isAbsolute(path)
    const content = await readConfigFile(isOwn ? relativeTo(`${folder}/_`, path, root) : onDisk(path, root), path)
    if ('code' in content) return content
    bytes += content.text.length
    if (bytes > MAX_CONFIG_BYTES) return tooLarge('files', path, bytes)
    texts.push(content)
    return content
  }
}

/** A path on etcd's machine. */
export function onDisk(path: string, root: string | null): HostPath {
  return root === null ? resolve(path) : { root, path }
}

/** A path of the caller on this machine. If it is below the root, its links do not leave the root. */
export function pathOfCaller(given: string, root: string | null): HostPath {
  const path = resolve(given)
  if (root === null || (path !== root && !path.startsWith(join(root, sep)))) return path
  return { root, path: path.slice(root.length) }
}

/** A path relative to a file of the caller. If that file is below the root, the path does not leave the root. */
export function relativeTo(file: string, path: string, root: string | null): HostPath {
  const folder = pathOfCaller(dirname(resolve(file)), root)
  if (typeof folder === 'string') return resolve(folder, path)
  return { ...folder, path: path.startsWith('/') ? path : `${folder.path}/${path}` }
}
