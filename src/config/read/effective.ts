/** What is in force of what was read: flags and variables, or the configuration file that they name. */
import { join, resolve } from 'node:path'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { type EtcdOptionRow, etcdOptions } from '../tables/options.js'
import { flagWithin } from './flags.js'
import { readConfigFile, type ReadOptions, resolveInRoot, resolveRelativeTo } from './named-files.js'
import {
  type ConfigReading,
  isUnresolved,
  type Mount,
  type PassthroughOption,
  type ReadOption,
  type RuntimeContext,
  textOption,
  unreadable,
} from './read-option.js'
import { Settings } from './settings.js'
import type { ConfigText } from './text.js'
import { readNamedConfig } from './yaml-config.js'

/** One member, as it was read. */
export interface ReadMember {
  readonly settings: Settings
  readonly others: readonly PassthroughOption[]
  readonly findings: readonly Finding[]
  readonly context: RuntimeContext
  /** False if so little was read that what is not set may be set elsewhere. */
  readonly isWhole: boolean
  /** The texts that were read: the configuration itself first, then the files that it names. */
  readonly texts: readonly ConfigText[]
  /** The service or the pod that runs it; null if the text can start one etcd only. */
  readonly label: string | null
  readonly labelPlace: ConfigPlace
  /** What names the configuration file; null if none is named. */
  readonly configFile: ReadOption | null
  /** The file that a path of the configuration leads to; null if it is in a container. */
  hostPath(path: string): string | null
  /** A file of the container whose text is in the configuration itself. */
  givenText(path: string): ConfigText | null
}

/** Resolves what is in force, which may be another file. */
export async function resolveEffective(
  reading: ConfigReading,
  file: string | null,
  options: ReadOptions,
): Promise<ReadMember> {
  const { context, label = null } = reading
  const written = withoutNeedlessGuesses(reading.options)
  const isYaml = written.some(({ form }) => form === 'yaml')
  const effective = isYaml ? { options: written, findings: [] } : effectiveFlags(written)
  // The only option of the server without a key in a file and without a field.
  const configFile = effective.options.find(
    ({ row, text, form }) =>
      form !== 'yaml' && row.block === 'server' && row.yaml === null && row.field === null && text !== '',
  )
  const inFile = configFile === undefined ? null : await readConfigOf(configFile, context, options)
  const entries = checkEntries(inFile === null ? effective.options : withoutNeedlessGuesses(inFile.options))
  const path = configFile?.text ?? file
  return {
    settings: new Settings(entries.options, path),
    others: [...reading.others, ...(inFile?.others ?? [])],
    findings: [
      ...nothingSet(reading, file),
      ...reading.findings,
      ...effective.findings,
      ...(configFile === undefined ? [] : ignoredWithFile(configFile, effective.options)),
      ...(inFile === null ? [] : [...nothingSet(inFile, path), ...inFile.findings]),
      ...entries.findings,
    ],
    context,
    isWhole: (inFile ?? reading).isWhole,
    texts: options.texts,
    label,
    labelPlace: reading.labelPlace ?? { option: 'name', file, line: null, column: null },
    configFile: configFile ?? null,
    hostPath: (path) => onHost(path, context, options.root),
    givenText: (path) => mountedText(path, context),
  }
}

/** Reads the configuration file that an option names. */
async function readConfigOf(
  { text: path, place }: ReadOption,
  context: RuntimeContext,
  { readFiles, root, texts }: ReadOptions,
): Promise<ConfigReading> {
  const notRead = (why: string): ConfigReading =>
    unreadable(finding('config/not-checked', { ...place, kind: 'configuration file', what: [path], why }))
  if (isUnresolved(path)) return notRead('its path is assembled elsewhere')
  const given = mountedText(path, context)
  if (given === null && !readFiles) return notRead('readFiles is false')
  const host = onHost(path, context, root)
  if (given === null && host === null) return notRead('it is inside the container')
  const content = given ?? (await readConfigFile(host ?? path, path))
  if ('code' in content) return unreadable({ ...content, place })
  texts.push(content)
  return readNamedConfig(content)
}

function nothingSet({ isWhole, options, others, findings }: ConfigReading, file: string | null): Finding[] {
  const isNothing = isWhole && [options, others, findings].every(({ length }) => length === 0)
  return isNothing ? [finding('config/nothing-set', { file })] : []
}

function onHost(path: string, { directory, mounts }: RuntimeContext, root: string | null): string | null {
  const inRoot = (absolute: string): string => (root === null ? absolute : resolveInRoot(root, absolute))
  if (mounts === null) {
    if (directory === null) return root === null ? resolve(path) : inRoot(path)
    return inRoot(path.startsWith('/') ? path : `${directory}/${path}`)
  }
  const found = mountOf(path, directory, mounts)
  const folder = found?.mount.outside ?? null
  if (found === null || folder === null) return null
  if (found.mount.isRelativeToFile === true) return resolveRelativeTo(`${folder}/_`, found.rest, root)
  return inRoot(join(folder, found.rest))
}

/** The folder of a container that a path is in, and the rest of the path. */
export function mountOf(
  path: string,
  directory: string | null,
  mounts: readonly Mount[],
): { mount: Mount; rest: string } | null {
  const inside = resolve(directory ?? '/', path)
  const mount = mounts.find((each) => inside === each.inside || inside.startsWith(`${each.inside.replace(/\/$/, '')}/`))
  return mount === undefined ? null : { mount, rest: inside.slice(mount.inside.length).replace(/^\//, '') }
}

/** A file whose text is in the manifest itself. */
function mountedText(path: string, { directory, mounts }: RuntimeContext): ConfigText | null {
  const found = mounts === null ? null : mountOf(path, directory, mounts)
  return found?.mount.files?.get(found.rest) ?? null
}

/** Without the guesses about options that are also written correctly. */
function withoutNeedlessGuesses(options: readonly ReadOption[]): ReadOption[] {
  const sure = new Set(options.filter(({ isGuess }) => isGuess !== true).map(({ row }) => row))
  return options.filter(({ row, isGuess }) => isGuess !== true || !sure.has(row))
}

/** What is in force of flags and variables (pkg/flags/flag.go, SetFlagsFromEnv). */
function effectiveFlags(options: readonly ReadOption[]): { options: ReadOption[]; findings: Finding[] } {
  const inForce = new Map<EtcdOptionRow, ReadOption>()
  const findings: Finding[] = []
  for (const option of options.filter(({ form }) => form === 'flags')) {
    const { row, place, text: value } = option
    const before = inForce.get(row)
    if (before !== undefined && before.text !== value) {
      const firstLine = before.place.line
      findings.push(finding('config/option-repeated', { ...place, kind: 'flag', firstLine, value }))
    }
    inForce.set(row, option)
  }
  for (const option of options.filter(({ form }) => form === 'env')) {
    const flag = inForce.get(option.row)
    const other = option.place.option
    if (flag?.form === 'flags')
      findings.push(finding('config/options-conflict', { ...flag.place, kind: 'flag and variable', other }))
    else inForce.set(option.row, option)
  }
  return { options: [...inForce.values()], findings }
}

/** Flags and variables next to a configuration file, which etcd ignores. */
function ignoredWithFile(configFile: ReadOption, options: readonly ReadOption[]): Finding[] {
  const all = options.filter((option) => option !== configFile)
  const crls = all.filter(({ row }) => row.field === 'crlFile')
  const others = all.filter(({ row }) => row.field !== 'crlFile').map(({ place }) => place)
  const [first] = others
  const names = others.map(({ option }) => option)
  return [
    ...crls.map(({ place }) =>
      finding('config/restriction-not-in-force', { ...place, kind: 'configuration file', other: '', fixed: [] }),
    ),
    ...(first === undefined
      ? []
      : [finding('config/ignored-with-file', { ...first, configFile: configFile.text, options: names })]),
  ]
}

/** Kinds whose entries keep their spaces; from URLs etcd removes them. */
const SPACES_COUNT: ReadonlySet<EtcdOptionRow['kind']> = new Set(['suites', 'names', 'cluster'])
const NAME_ROW = etcdOptions.find((row) => row.block === 'server' && row.field === 'name')

/** The options as they are meant, and what is wrong with their values and the entries of lists. */
function checkEntries(options: readonly ReadOption[]): { options: ReadOption[]; findings: Finding[] } {
  const name = options.find(({ row, text }) => row === NAME_ROW && text !== '')?.text ?? NAME_ROW?.default ?? ''
  const findings: Finding[] = []
  const checked = options.map((written): ReadOption => {
    const option = withoutSmartQuotes(written)
    const { row, place, text, form } = option
    const withSpace = (entry: string, isRefused = true, isMember = false): void => {
      findings.push(finding('config/space-in-list', { ...place, entry, isRefused, isMember }))
    }
    if (option !== written) findings.push(finding('config/quotes-in-value', { ...place, value: text }))
    if (row.kind === 'path' && /^~(?:\/|$)/.test(text))
      findings.push(finding('config/not-expanded', { ...place, names: [text], by: 'etcd, a home folder' }))
    const argument = form === 'yaml' ? null : flagWithin(text)
    if (argument !== null) {
      const details = { kind: 'flag in value' as const, argument, value: text, after: null }
      findings.push(finding('config/argument-misplaced', { ...place, ...details }))
    }
    // A token may begin or end with a space; the name of a member is in the list of members, too.
    const isPlain = row === NAME_ROW || row.kind === 'path' || row.kind === 'state'
    if (isPlain && /^ | $/.test(text) && text.trim() !== '' && !isUnresolved(text)) {
      withSpace(text)
      return { ...textOption(row, text.trim(), form, place), isGuess: true }
    }
    if (!SPACES_COUNT.has(row.kind)) return option
    const spaced = entryWithSpace(option, name)
    // A space before the URL is removed.
    const other = row.kind === 'cluster' ? text.split(',').find((each) => /^\s+[^\s=]|^[^=]*\s=/.test(each)) : undefined
    if (spaced !== undefined) withSpace(spaced, row.kind !== 'names')
    else if (other !== undefined && !isUnresolved(other)) withSpace(other, true, true)
    const isPairs = row.kind !== 'cluster' || isUnresolved(text)
    const value = isPairs ? undefined : text.split(',').find((each) => each !== '' && !each.includes('='))
    if (value === undefined) return option
    const wants = 'a name and a URL with "=" between, as etcd-1=https://10.0.0.1:2380'
    findings.push(finding('config/value-invalid', { ...place, kind: 'refused', value, wants }))
    return { ...option, isUnreadable: true }
  })
  return { options: checked, findings }
}

/** Quotes of word processors, which are ordinary characters to a shell and to YAML. */
const SMART_QUOTES = /[\u2018\u2019\u201a\u201c-\u201e\u00ab\u00bb]/

/** A value with such a quote on one side alone, or that is one, may be meant so: etcd takes it for a name. */
function withoutSmartQuotes(option: ReadOption): ReadOption {
  const { row, text, form, place } = option
  const isQuoted = [text, ...text.split(',')].some(
    (each) => each.length > 1 && SMART_QUOTES.test(each.charAt(0)) && SMART_QUOTES.test(each.slice(-1)),
  )
  if (!isQuoted) return option
  return { ...textOption(row, text.replaceAll(new RegExp(SMART_QUOTES, 'g'), ''), form, place), isGuess: true }
}

/** In a list of members, a space at the name of this one counts: etcd looks for its own name. */
function entryWithSpace({ row, text }: ReadOption, name: string): string | undefined {
  const isOwn = (entry: string): boolean => /^\s|^[^=]*\s=/.test(entry) && entry.split('=', 1)[0]?.trim() === name
  if (!/\s/.test(text)) return undefined
  const entries = text.split(',').filter((each) => each !== each.trim() && each.trim() !== '')
  return entries.find((each) => row.kind !== 'cluster' || isOwn(each))
}
