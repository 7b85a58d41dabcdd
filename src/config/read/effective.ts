/** Determines which options are in force: flags and variables, or only the configuration file that they name. */
import { join, resolve } from 'node:path'
import type { HostPath } from '../../files/in-root.js'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding, Unchecked } from '../../report/finding.js'
import { finding } from '../finding.js'
import { type EtcdOptionRow, etcdOptions } from '../tables/options.js'
import {
  type PassthroughOption,
  Reading,
  type ReadOption,
  type Mount,
  type RuntimeContext,
  Settings,
} from './read-option.js'
import { isVirtual } from '../../credentials/load-inputs.js'
import { type ConfigText, onDisk, readConfigFile, type ReadOptions, relativeTo } from './text.js'
import { readNamedConfig } from './yaml-config.js'

export interface ReadMember extends Readonly<Pick<Reading, 'context' | 'isComplete' | 'label'>> {
  readonly settings: Settings
  readonly others: readonly PassthroughOption[]
  readonly findings: readonly Finding[]
  readonly unchecked: readonly Unchecked[]
  /** The configuration itself first, then the files that it names. */
  readonly texts: readonly ConfigText[]
  readonly labelPlace: ConfigPlace
  readonly configFile: ReadOption | null
  /** The path on this machine for a path in the configuration; null if the file is only in the container. */
  hostPath(path: string): HostPath | null
  givenText(path: string): ConfigText | null
}

export async function resolveEffective(
  reading: Reading,
  file: string | null,
  options: ReadOptions,
): Promise<ReadMember> {
  const { label } = reading
  const context = { ...reading.context, directory: reading.context.directory ?? options.directory }
  const found = new Reading(options.given)
  const isFile = reading.options.some(({ form }) => form === 'yaml')
  const inForce = isFile ? reading.options : effectiveFlags(reading.options, found)
  // Only `config-file` has neither a key nor a field.
  const isConfigFile = ({ row, text, form }: ReadOption): boolean =>
    form !== 'yaml' && row.block === 'server' && row.yaml === null && row.field === null && text !== ''
  const configFile = inForce.find(isConfigFile) ?? null
  if (configFile !== null) reportIgnored(configFile, inForce, found)
  const inFile = configFile === null ? null : await readConfigOf(configFile, context, options)
  const path = configFile?.text ?? file
  const nothing = [...nothingSet(reading, file), ...(inFile === null ? [] : nothingSet(inFile, path))]
  found.add(...(inFile?.findings ?? []))
  const effective = inFile?.options ?? inForce
  checkEntries(effective, found)
  return {
    settings: new Settings(effective, path),
    others: [...reading.others, ...(inFile?.others ?? [])],
    findings: [...nothing, ...reading.findings, ...found.findings],
    unchecked: [...reading.unchecked, ...(inFile?.unchecked ?? [])],
    context,
    isComplete: (inFile ?? reading).isComplete,
    texts: options.texts,
    label,
    labelPlace: reading.place ?? { option: 'name', file, line: null, column: null },
    configFile,
    hostPath: (path) => onHost(path, context, options.root),
    givenText: (path) => mountedText(path, context),
  }
}

/** Why a file was not read. */
export const VIRTUAL_FILE = 'it is on a file system that a program or the kernel makes, such as proc or FUSE'

async function readConfigOf(
  { text: path, place, unknown }: ReadOption,
  context: RuntimeContext,
  { readFiles, root, texts, given }: ReadOptions,
): Promise<Reading> {
  const mounted = mountedText(path, context)
  const host = mounted === null && readFiles ? onHost(path, context, root) : null
  const why =
    unknown.length > 0
      ? 'its path is assembled elsewhere'
      : mounted === null && !readFiles
        ? 'readFiles is false'
        : mounted === null && host === null
          ? 'it is inside the container or the root directory of the service'
          : null
  const reading = new Reading(given)
  const leave = (reason: string): Reading => {
    reading.addUnchecked('file-absent', place, `The configuration file ${path} was not read: ${reason}..`)
    return reading
  }
  if (why !== null) return leave(why)
  const content = mounted ?? (await readConfigFile(host ?? path, path))
  if ('code' in content && isVirtual(content)) return leave(VIRTUAL_FILE)
  if ('code' in content) {
    reading.add({ ...content, place })
    return leave('the error says why')
  }
  texts.push(content)
  return readNamedConfig(content, given)
}

function nothingSet({ isEmpty }: Reading, file: string | null): Finding[] {
  return isEmpty ? [finding('config/nothing-set', { file })] : []
}

/** The path on this machine for a path in the configuration; null if the file is only in the container. */
export function onHost(
  path: string,
  { directory, mounts }: Pick<RuntimeContext, 'directory' | 'mounts'>,
  root: string | null,
): HostPath | null {
  if (mounts === null) return onDisk(directory === null || path.startsWith('/') ? path : `${directory}/${path}`, root)
  const found = mountOf(path, directory, mounts)
  const folder = found?.mount.outside ?? null
  if (found === null || folder === null) return null
  if (found.mount.isRelativeToFile === true) return relativeTo(`${folder}/_`, found.rest, root)
  return onDisk(join(folder, found.rest), root)
}

/** The mount that contains a path, and the rest of the path. */
function mountOf(
  path: string,
  directory: string | null,
  mounts: readonly Mount[],
): { mount: Mount; rest: string } | null {
  const inside = resolve(directory ?? '/', path)
  const mount = mounts.find((each) => inside === each.inside || inside.startsWith(`${each.inside.replace(/\/$/, '')}/`))
  return mount === undefined ? null : { mount, rest: inside.slice(mount.inside.length).replace(/^\//, '') }
}

function mountedText(path: string, { directory, mounts }: RuntimeContext): ConfigText | null {
  const found = mounts === null ? null : mountOf(path, directory, mounts)
  return found?.mount.files?.get(found.rest) ?? null
}

/** Flags take precedence over variables (pkg/flags/flag.go, SetFlagsFromEnv). */
function effectiveFlags(options: readonly ReadOption[], into: Reading): ReadOption[] {
  const inForce = new Map<EtcdOptionRow, ReadOption>()
  const flagsFirst = options.toSorted((a, b) => Number(b.form === 'flags') - Number(a.form === 'flags'))
  for (const option of flagsFirst) {
    const { row, place, text: value, form } = option
    const before = inForce.get(row)
    if (form === 'env' && before?.form === 'flags') {
      const details = { kind: 'flag and variable' as const, other: place.option }
      into.report('config/options-conflict', { ...before.place, ...details })
      continue
    }
    if (form === 'flags' && before !== undefined && before.text !== value)
      into.report('config/option-repeated', { ...place, kind: 'flag', value })
    inForce.set(row, option)
  }
  return [...inForce.values()]
}

/** Reports flags and variables that etcd ignores because of a configuration file. */
function reportIgnored(configFile: ReadOption, options: readonly ReadOption[], into: Reading): void {
  const others: ConfigPlace[] = []
  for (const { row, place } of options.filter((option) => option !== configFile)) {
    if (row.field !== 'crlFile') others.push(place)
    else into.report('config/restriction-not-in-force', { ...place, kind: 'configuration file' })
  }
  const names = others.map(({ option }) => option)
  if (others[0] !== undefined)
    into.report('config/ignored-with-file', { ...others[0], configFile: configFile.text, options: names })
}

/** Kinds in whose entries etcd keeps spaces. It removes them from URLs. */
const SPACES_COUNT: ReadonlySet<EtcdOptionRow['kind']> = new Set(['suites', 'names', 'cluster'])
const NAME_ROW = etcdOptions.find((row) => row.block === 'server' && row.field === 'name')

/** Reports spaces in values and entries of lists, and members without a URL. */
function checkEntries(options: readonly ReadOption[], into: Reading): void {
  const name = options.find(({ row, text }) => row === NAME_ROW && text !== '')?.text ?? NAME_ROW?.default ?? ''
  for (const { row, place, text, unknown } of options) {
    const reportSpace = (entry: string, isRefused = true, isMember = false): void => {
      into.report('config/space-in-list', { ...place, entry, isRefused, isMember })
    }
    const isKnown = unknown.length === 0
    if (row.kind === 'path' && /^~(?:\/|$)/.test(text))
      into.report('config/not-expanded', { ...place, names: [text], kind: 'etcd, a home folder' })
    // Spaces are wrong in these kinds. A cluster token may begin or end with one.
    const isPlain = row === NAME_ROW || row.kind === 'path' || row.kind === 'state'
    if (isPlain && /^ | $/.test(text) && text.trim() !== '' && isKnown) reportSpace(text)
    if (!SPACES_COUNT.has(row.kind)) continue
    const isCluster = row.kind === 'cluster'
    const entries = text.split(',')
    // In a list of members, only a space at this member's name matters: etcd compares only its own name.
    const hasSpaceAtName = (entry: string): boolean => /^\s+[^\s=]|^[^=]*\s=/.test(entry)
    const isOwnEntry = (entry: string): boolean => hasSpaceAtName(entry) && entry.split('=', 1)[0]?.trim() === name
    const spaced = entries.find((each) => (isCluster ? isOwnEntry(each) : each !== each.trim() && each.trim() !== ''))
    const other = isCluster && isKnown ? entries.find(hasSpaceAtName) : undefined
    if (spaced !== undefined) reportSpace(spaced, row.kind !== 'names')
    else if (other !== undefined) reportSpace(other, true, true)
    const value = isCluster && isKnown ? entries.find((each) => each !== '' && !each.includes('=')) : undefined
    const expected = 'a name and a URL with "=" between, as etcd-1=https://10.0.0.1:2380'
    if (value !== undefined) into.report('config/value-invalid', { ...place, kind: 'refused', value, wants: expected })
  }
}
