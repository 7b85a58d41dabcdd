/** What is in force of what was read: flags and variables, or the configuration file that they name. */
import { readlinkSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { readMaterialFile } from '../../credentials/read-file.js'
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import { judgeEntries } from './entries.js'
import { finding } from './finding.js'
import {
  type ConfigReading,
  isUnresolved,
  type Mount,
  type OtherName,
  type Surroundings,
  unreadable,
} from './read-option.js'
import { configFileOf, ignoredBeside, Settings, settleFlags, withoutNeedlessGuesses } from './settings.js'
import { type ConfigText, decodeText, MAX_CONFIG_OCTETS } from './text.js'
import { readNamedConfig } from './yaml-config.js'

export interface ReadOptions {
  /** Whether files that the configuration names are read. */
  readonly readFiles: boolean
  /** A folder in which paths of the configuration are looked for, as if it were the root. Null: the root itself. */
  readonly root: string | null
  /** Collects the texts that are read: the configuration itself first, then the files that it names. */
  readonly texts: ConfigText[]
}

/** One member, as it was read. */
export interface ReadMember {
  readonly settings: Settings
  readonly others: readonly OtherName[]
  readonly findings: readonly Finding[]
  readonly surroundings: Surroundings
  /** False where so little was read that nothing can be said of what is not set. */
  readonly isWhole: boolean
  /** The texts that were read: the configuration itself first, then the files that it names. */
  readonly texts: readonly ConfigText[]
  /** The service or the pod that runs it; null where the text can start one etcd only. */
  readonly label: string | null
  readonly labelPlace: ConfigPlace
  /** The file where a path of the configuration leads to; null where it is in a container. */
  hostPath(path: string): string | null
}

export async function readConfigFile(path: string, name: string): Promise<ConfigText | Finding> {
  const content = await readMaterialFile(path, { file: name }, MAX_CONFIG_OCTETS)
  if (!('code' in content)) return decodeText(content.bytes, name)
  // An empty file is one without options, which etcd starts with.
  return content.code === 'file/empty' ? { text: '', file: name } : content
}

/** Puts in force what etcd puts in force, which may be another file. */
export async function settle(reading: ConfigReading, file: string | null, options: ReadOptions): Promise<ReadMember> {
  const { surroundings, others, label = null } = reading
  const labelPlace = reading.labelPlace ?? { option: 'name', file, line: null, column: null }
  const written = withoutNeedlessGuesses(reading.options)
  const hostPath = (path: string): string | null => onHost(path, surroundings, options.root)
  const isYaml = written.some(({ form }) => form === 'yaml')
  const settled = isYaml ? { options: written, findings: [] } : settleFlags(written)
  const configFile = isYaml ? undefined : configFileOf(settled.options)
  const findings = [...nothingSet(reading, file), ...reading.findings, ...settled.findings]
  if (configFile === undefined) {
    const entries = judgeEntries(settled.options)
    return {
      settings: new Settings(entries.options, file),
      others,
      findings: [...findings, ...entries.findings],
      surroundings,
      isWhole: reading.isWhole,
      texts: options.texts,
      label,
      labelPlace,
      hostPath,
    }
  }
  findings.push(...ignoredBeside(configFile, settled.options))
  const content = await configFileContent(configFile.text, surroundings, options)
  if (typeof content === 'object' && 'text' in content) options.texts.push(content)
  const inFile =
    typeof content === 'string'
      ? unreadable(finding('config/file-not-read', { ...configFile.place, path: configFile.text, why: content }))
      : 'code' in content
        ? unreadable({ ...content, place: configFile.place })
        : await readNamedConfig(content)
  const ofFile = judgeEntries(withoutNeedlessGuesses(inFile.options))
  const settings = new Settings(ofFile.options, configFile.text)
  const both = [...others, ...inFile.others]
  return {
    settings,
    others: both,
    findings: [...findings, ...nothingSet(inFile, configFile.text), ...inFile.findings, ...ofFile.findings],
    surroundings,
    isWhole: inFile.isWhole,
    texts: options.texts,
    label,
    labelPlace,
    hostPath,
  }
}

/** Why a configuration file was not read. */
type NotRead = 'files are not read' | 'path not known' | 'not on this machine'

async function configFileContent(
  path: string,
  surroundings: Surroundings,
  options: ReadOptions,
): Promise<ConfigText | Finding | NotRead> {
  if (isUnresolved(path)) return 'path not known'
  const within = mountedText(path, surroundings)
  if (within !== null) return within
  if (!options.readFiles) return 'files are not read'
  const host = onHost(path, surroundings, options.root)
  return host === null ? 'not on this machine' : readConfigFile(host, path)
}

function nothingSet({ isWhole, options, others, findings }: ConfigReading, file: string | null): Finding[] {
  const isNothing = isWhole && [options, others, findings].every(({ length }) => length === 0)
  return isNothing ? [finding('config/nothing-set', { file })] : []
}

/** Links that are followed in one path, as Linux does (path_resolution(7)). */
const MAX_LINKS = 40
/** Longer than any name of a file can be (NAME_MAX is 255), so the kernel follows nothing there: it refuses. */
const TOO_MANY_LINKS = 'x'.repeat(256)

/**
 * A path of another machine as a file below the folder that its root is mounted at. `..` and links end at that root, as
 * they do for a process that has it for its root (chroot(2)). Behind too many links, it is a file that cannot exist.
 */
export function resolveInRoot(root: string, path: string): string {
  const left = path.split('/').reverse()
  const folders: string[] = []
  let links = 0
  while (left.length > 0) {
    const name = left.pop() ?? ''
    if (name === '' || name === '.') continue
    if (name === '..') {
      folders.pop()
      continue
    }
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

/** A path that begins at a file of the caller's: it does not leave the root if that file is below it. */
export function resolveBeside(file: string, path: string, root: string | null): string {
  const folder = dirname(resolve(file))
  const top = root === null ? null : resolve(root)
  if (top === null || (folder !== top && !folder.startsWith(join(top, sep)))) return resolve(folder, path)
  return resolveInRoot(top, path.startsWith('/') ? path : join(folder.slice(top.length), '/') + path)
}

function onHost(path: string, { directory, mounts }: Surroundings, root: string | null): string | null {
  const inRoot = (absolute: string): string => (root === null ? absolute : resolveInRoot(root, absolute))
  if (mounts === null) {
    if (directory === null) return root === null ? resolve(path) : inRoot(path)
    return inRoot(path.startsWith('/') ? path : `${directory}/${path}`)
  }
  const found = mountOf(path, directory, mounts)
  const folder = found?.mount.outside ?? null
  if (found === null || folder === null) return null
  const outside = join(folder, found.rest)
  return found.mount.isBesideFile === true ? resolveBeside(`${folder}/_`, found.rest, root) : inRoot(outside)
}

/** The folder of a container that a path is in, and the rest of the path. */
function mountOf(
  path: string,
  directory: string | null,
  mounts: readonly Mount[],
): { mount: Mount; rest: string } | null {
  const inside = resolve(directory ?? '/', path)
  const mount = mounts.find((each) => inside === each.inside || inside.startsWith(`${each.inside.replace(/\/$/, '')}/`))
  return mount === undefined ? null : { mount, rest: inside.slice(mount.inside.length).replace(/^\//, '') }
}

/** A file that stands in the manifest itself. */
function mountedText(path: string, { directory, mounts }: Surroundings): ConfigText | null {
  const found = mounts === null ? null : mountOf(path, directory, mounts)
  return found?.mount.files?.get(found.rest) ?? null
}
