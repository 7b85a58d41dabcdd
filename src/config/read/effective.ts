/** What is in force of what was read: flags and variables, or the configuration file that they name. */
import { join, resolve } from 'node:path'
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { type EtcdOptionRow, etcdOptions } from '../tables/options.js'
import { flagWithin } from './flags.js'
import { readConfigFile, type ReadOptions, resolveRelativeTo, resolveInRoot } from './named-files.js'
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
import { readNamedConfig } from './yaml/yaml-config.js'

/** One member, as it was read. */
export interface ReadMember {
  readonly settings: Settings
  readonly others: readonly PassthroughOption[]
  readonly findings: readonly Finding[]
  readonly context: RuntimeContext
  /** False where so little was read that nothing can be said of what is not set. */
  readonly isWhole: boolean
  /** The texts that were read: the configuration itself first, then the files that it names. */
  readonly texts: readonly ConfigText[]
  /** The service or the pod that runs it; null if the text can start one etcd only. */
  readonly label: string | null
  readonly labelPlace: ConfigPlace
  /** What names the configuration file; null if none is named. */
  readonly configFile: ReadOption | null
  /** The file where a path of the configuration leads to; null if it is in a container. */
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
  const { context, others, label = null } = reading
  const labelPlace = reading.labelPlace ?? { option: 'name', file, line: null, column: null }
  const written = withoutNeedlessGuesses(reading.options)
  const hostPath = (path: string): string | null => onHost(path, context, options.root)
  const givenText = (path: string): ConfigText | null => mountedText(path, context)
  const isYaml = written.some(({ form }) => form === 'yaml')
  const effective = isYaml ? { options: written, findings: [] } : effectiveFlags(written)
  const configFile = isYaml ? undefined : configFileOf(effective.options)
  const findings = [...nothingSet(reading, file), ...reading.findings, ...effective.findings]
  if (configFile === undefined) {
    const entries = judgeEntries(effective.options)
    return {
      settings: new Settings(entries.options, file),
      others,
      findings: [...findings, ...entries.findings],
      context,
      isWhole: reading.isWhole,
      texts: options.texts,
      label,
      labelPlace,
      configFile: null,
      hostPath,
      givenText,
    }
  }
  findings.push(...ignoredWithFile(configFile, effective.options))
  const content = await configFileContent(configFile.text, context, options)
  if (typeof content === 'object' && 'text' in content) options.texts.push(content)
  const inFile =
    typeof content === 'string'
      ? unreadable(
          finding('config/not-checked', {
            ...configFile.place,
            kind: 'configuration file',
            what: [configFile.text],
            why: content,
          }),
        )
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
    context,
    isWhole: inFile.isWhole,
    texts: options.texts,
    label,
    labelPlace,
    configFile,
    hostPath,
    givenText,
  }
}

/** Why a configuration file was not read. */
type NotRead = 'readFiles is false' | 'its path is assembled elsewhere' | 'it is inside the container'

async function configFileContent(
  path: string,
  context: RuntimeContext,
  options: ReadOptions,
): Promise<ConfigText | Finding | NotRead> {
  if (isUnresolved(path)) return 'its path is assembled elsewhere'
  const within = mountedText(path, context)
  if (within !== null) return within
  if (!options.readFiles) return 'readFiles is false'
  const host = onHost(path, context, options.root)
  return host === null ? 'it is inside the container' : readConfigFile(host, path)
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
  const outside = join(folder, found.rest)
  return found.mount.isRelativeToFile === true ? resolveRelativeTo(`${folder}/_`, found.rest, root) : inRoot(outside)
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

/** A file that stands in the manifest itself. */
function mountedText(path: string, { directory, mounts }: RuntimeContext): ConfigText | null {
  const found = mounts === null ? null : mountOf(path, directory, mounts)
  return found?.mount.files?.get(found.rest) ?? null
}

/** Without the guesses about options that are written correctly elsewhere. */
function withoutNeedlessGuesses(options: readonly ReadOption[]): ReadOption[] {
  const sure = new Set(options.filter(({ isGuess }) => isGuess !== true).map(({ row }) => row))
  return options.filter(({ row, isGuess }) => isGuess !== true || !sure.has(row))
}

/** What is in force of flags and variables, and findings about the rest (pkg/flags/flag.go, SetFlagsFromEnv). */
function effectiveFlags(options: readonly ReadOption[]): { options: ReadOption[]; findings: Finding[] } {
  const flags = new Map<EtcdOptionRow, ReadOption>()
  const findings: Finding[] = []
  for (const option of options.filter(({ form }) => form === 'flags')) {
    const before = flags.get(option.row)
    if (before !== undefined && before.text !== option.text) {
      findings.push(
        finding('config/option-repeated', {
          ...option.place,
          kind: 'flag',
          firstLine: before.place.line,
          value: option.text,
        }),
      )
    }
    flags.set(option.row, option)
  }
  const inForce = new Map(flags)
  for (const option of options.filter(({ form }) => form === 'env')) {
    const flag = flags.get(option.row)
    if (flag === undefined) inForce.set(option.row, option)
    else
      findings.push(
        finding('config/options-conflict', { ...flag.place, kind: 'flag and variable', other: option.place.option }),
      )
  }
  return { options: [...inForce.values()], findings }
}

/** Findings about flags and variables next to a configuration file, which are all ignored. */
function ignoredWithFile(configFile: ReadOption, options: readonly ReadOption[]): Finding[] {
  const all = options.filter((option) => option !== configFile)
  const lists = all.filter(({ row }) => row.field === 'crlFile')
  const others = all.filter(({ row }) => row.field !== 'crlFile').map(({ place }) => place)
  const [first] = others
  const ignored =
    first === undefined
      ? []
      : [
          finding('config/ignored-with-file', {
            ...first,
            configFile: configFile.text,
            options: others.map(({ option }) => option),
          }),
        ]
  return [
    ...lists.map(({ place }) =>
      finding('config/restriction-not-in-force', { ...place, kind: 'configuration file', other: '', fixed: [] }),
    ),
    ...ignored,
  ]
}

/** The setting of `--config-file`: the only option of the server that has no key in a configuration file and no field. */
function configFileOf(options: readonly ReadOption[]): ReadOption | undefined {
  return options.find(
    ({ row, text }) => row.block === 'server' && row.yaml === null && row.field === null && text !== '',
  )
}

/** Kinds whose entries keep their spaces; from URLs etcd removes them. */
const SPACES_COUNT: ReadonlySet<EtcdOptionRow['kind']> = new Set(['suites', 'names', 'cluster'])

/** The options, and what is wrong with entries of their lists. */
function judgeEntries(options: readonly ReadOption[]): { options: ReadOption[]; findings: Finding[] } {
  const nameRow = etcdOptions.find((row) => row.block === 'server' && row.field === 'name')
  const name = options.find(({ row, text }) => row === nameRow && text !== '')?.text ?? nameRow?.default ?? ''
  const findings: Finding[] = []
  const judged = options.map((written): ReadOption => {
    const option = withoutSmartQuotes(written)
    const { row, place, text } = option
    if (option !== written) findings.push(finding('config/quotes-in-value', { ...place, value: text }))
    if (row.kind === 'path' && /^~(?:\/|$)/.test(text)) {
      findings.push(finding('config/not-expanded', { ...place, names: [text], by: 'etcd, a home folder' }))
    }
    const flag = option.form === 'yaml' ? null : flagWithin(text)
    if (flag !== null)
      findings.push(
        finding('config/argument-misplaced', {
          ...place,
          kind: 'flag in value',
          argument: flag,
          value: text,
          after: null,
        }),
      )
    // A token may begin or end with a space; the name of a member is in the list of members, too.
    const isPlain = row === nameRow || row.kind === 'path' || row.kind === 'state'
    if (isPlain && /^ | $/.test(text) && text.trim() !== '' && !isUnresolved(text)) {
      findings.push(finding('config/space-in-list', { ...place, entry: text, isRefused: true, isMember: false }))
      return { ...textOption(row, text.trim(), option.form, place), isGuess: true }
    }
    if (!SPACES_COUNT.has(row.kind)) return option
    const spaced = entryWithSpace(option, name)
    if (spaced !== undefined)
      findings.push(
        finding('config/space-in-list', { ...place, entry: spaced, isRefused: row.kind !== 'names', isMember: false }),
      )
    else if (row.kind === 'cluster') {
      // A space before the URL alone is taken away.
      const other = text.split(',').find((each) => /^\s+[^\s=]|^[^=]*\s=/.test(each))
      if (other !== undefined && !isUnresolved(other))
        findings.push(finding('config/space-in-list', { ...place, entry: other, isRefused: true, isMember: true }))
    }
    const entry = row.kind === 'cluster' && !isUnresolved(text) ? entryWithoutName(text) : undefined
    if (entry === undefined) return option
    findings.push(finding('config/value-invalid', { ...place, kind: 'refused', value: entry, wants: PAIRS }))
    return { ...option, isUnreadable: true }
  })
  return { options: judged, findings }
}

/** Word processors make these of plain quotes; no shell and no YAML takes them for quotes. */
const SMART_QUOTES = /[\u2018\u2019\u201a\u201c-\u201e\u00ab\u00bb]/

function withoutSmartQuotes(option: ReadOption): ReadOption {
  const { row, text, form, place } = option
  const entries = text.split(',')
  if (!entries.some((each) => SMART_QUOTES.test(each.charAt(0)) || SMART_QUOTES.test(each.slice(-1)))) return option
  const plain = text.replaceAll(new RegExp(SMART_QUOTES, 'g'), '')
  return { ...textOption(row, plain, form, place), isGuess: true }
}

const PAIRS = 'a name and a URL with "=" between, as etcd-1=https://10.0.0.1:2380'

/** In a list of members, a space at the name of this one counts: etcd looks for its own name. */
function entryWithSpace({ row, text }: ReadOption, name: string): string | undefined {
  if (!/\s/.test(text)) return undefined
  const isOwn = (entry: string): boolean => /^\s|^[^=]*\s=/.test(entry) && entry.split('=', 1)[0]?.trim() === name
  return text
    .split(',')
    .find((each) => each !== each.trim() && each.trim() !== '' && (row.kind !== 'cluster' || isOwn(each)))
}

function entryWithoutName(text: string): string | undefined {
  return text.split(',').find((each) => each !== '' && !each.includes('='))
}
