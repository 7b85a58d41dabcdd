/** A member's configuration as options: in a form, for a version, or why it cannot be written. */
import { isAbsolute } from 'node:path/posix'
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import type { Finding, FindingCode } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import { LintMember } from '../lint/member.js'
import { RULES } from '../lint/rules.js'
import type { ExtraValue, MemberConfig, TlsSide } from '../model.js'
import { nearest } from '../read/meaning.js'
import type { PassthroughOption, ReadOption } from '../read/read-option.js'
import { Settings } from '../read/settings.js'
import {
  CONFIG_FORMS,
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  formAvailability,
  nameOf,
  type OptionBlock,
  rowOfFlag,
  rowOfPath,
  type Spelled,
} from '../tables/options.js'
import { passthroughOfFlag, passthroughOptions, type PassthroughRow } from '../tables/passthrough-options.js'
import { availableIn, formatVersion, type ParsedVersion } from '../tables/version.js'
import { checkExtra, EXTRA_KINDS, KINDS, normalize, type OptionValue, textOf } from './value-kinds.js'

/** Fields of the model that no option of etcd stands for. */
const NO_OPTIONS: Readonly<Record<OptionBlock, readonly string[]>> = {
  server: ['client', 'peer', 'version', 'extra'],
  client: ['plaintext'],
  peer: ['plaintext'],
}

/** Without these there is no member. */
const REQUIRED: Readonly<Record<OptionBlock, readonly string[]>> = {
  server: ['name', 'initialCluster'],
  client: ['listenUrls', 'advertiseUrls'],
  peer: ['listenUrls', 'advertiseUrls'],
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is no configuration of a member. */
export function checkConfig(config: MemberConfig, option = 'config'): void {
  checkBlock(config, 'server', option)
  checkBlock(config.client, 'client', `${option}.client`)
  checkBlock(config.peer, 'peer', `${option}.peer`)
  checkExtra(config.extra, `${option}.extra`)
}

function checkBlock(given: object, block: OptionBlock, option: string): void {
  const rows = new Map(
    etcdOptions.flatMap((row) => (row.block === block && row.field !== null ? [[row.field, row]] : [])),
  )
  checkOptions(option, given, [...rows.keys(), ...NO_OPTIONS[block]])
  const values = new Map<string, unknown>(Object.entries(given))
  for (const field of REQUIRED[block]) {
    if (values.get(field) === undefined) throw optionInvalid(`${option}.${field}`, 'is missing')
  }
  for (const [field, { kind }] of rows) {
    const value = values.get(field)
    if (value !== undefined && !KINDS[kind].is(value))
      throw optionInvalid(`${option}.${field}`, `must ${KINDS[kind].must}`)
  }
  const plaintext = values.get('plaintext')
  if (plaintext !== undefined && typeof plaintext !== 'boolean')
    throw optionInvalid(`${option}.plaintext`, 'must be a boolean')
}

/** The value of a row in a configuration whose kinds were checked. */
export function valueOf(config: MemberConfig, row: EtcdOptionRow): OptionValue | undefined {
  if (row.field === null) return undefined
  const values = row.block === 'server' ? config : config[row.block]
  const value: unknown = new Map<string, unknown>(Object.entries(values)).get(row.field)
  return value === undefined ? undefined : normalize(value)
}

/** One option as it is written, whatever table it is in. */
export interface WrittenOption {
  /** Without its dashes; null if there is no flag. */
  readonly flag: string | null
  /** The keys in a configuration file, from its top; empty if a file cannot set it. */
  readonly path: readonly string[]
  /** The value of the flag and of the variable. */
  readonly text: string
  /** The value in a configuration file. */
  readonly yaml: unknown
}

interface Writing {
  readonly form: ConfigForm
  readonly version: ParsedVersion
}

/** Warnings and infos of the rules that are refused in what is written. */
const REFUSED: ReadonlySet<FindingCode> = new Set<FindingCode>(['config/client-auth-implied', 'config/tls-unused'])

/**
 * What is written of a member, in the order of the tables, and everything that keeps it from being written.
 *
 * @throws as {@link checkConfig}
 */
export function optionsOf(
  config: MemberConfig,
  writing: Writing,
): { written: readonly WrittenOption[]; findings: readonly Finding[] } {
  checkConfig(config)
  const typed = typedOptions(withDefaults(config), writing)
  const extra = extraOptions(config, writing)
  const findings = [...typed.findings, ...extra.findings]
  const member = new LintMember({
    settings: new Settings(typed.options, null, true),
    others: extra.options,
    version: writing.version,
    isWhole: true,
    written: { client: config.client.plaintext === true, peer: config.peer.plaintext === true },
  })
  const known = new Set(findings.map(optionOf))
  const byRules = RULES.flatMap((rule) => rule(member)).filter(
    (each) => (each.severity === 'error' || REFUSED.has(each.code)) && !known.has(optionOf(each)),
  )
  return { written: [...typed.written, ...extra.written], findings: [...findings, ...byRules] }
}

function optionOf({ details }: Finding): unknown {
  return 'option' in details ? details.option : null
}

/** Certificates are required unless that is switched off, or there is no TLS that could require them. */
function withDefaults(config: MemberConfig): MemberConfig {
  const isRequired = ({ plaintext, autoTls, clientCertAuth }: TlsSide): boolean =>
    plaintext !== true && autoTls !== true && clientCertAuth !== false
  return {
    ...config,
    client: { ...config.client, clientCertAuth: isRequired(config.client) },
    peer: { ...config.peer, clientCertAuth: isRequired(config.peer) },
  }
}

interface Options<T> {
  readonly written: readonly WrittenOption[]
  /** As the rules read them. */
  readonly options: readonly T[]
  readonly findings: readonly Finding[]
}

/** The options that have fields. */
function typedOptions(config: MemberConfig, writing: Writing): Options<ReadOption> {
  const { form, version } = writing
  const written: WrittenOption[] = []
  const options: ReadOption[] = []
  const findings: Finding[] = []
  const done = new Set<string>()
  for (const row of etcdOptions) {
    const id = `${row.block}.${String(row.field)}`
    const value = valueOf(config, row)
    // A default need not be written, and could not be in a version that lacks the option.
    if (value === undefined || (row.kind === 'boolean' && String(value) === row.default) || done.has(id)) continue
    done.add(id)
    const values = valueFindings(config, row, value)
    const rows = etcdOptions.filter((each) => each.block === row.block && each.field === row.field)
    const available = rows.filter((each) => formAvailability(each, form, version) === 'all')
    const chosen = available.find(({ deprecatedSince }) => deprecatedSince === undefined) ?? available[0]
    if (chosen === undefined) {
      findings.push(...values, notAvailable(rows, nameOf(row), writing))
      continue
    }
    const list = chosen.listSince === undefined ? 'all' : availableIn(version, chosen.listSince)
    const text = typeof value === 'object' ? value.join(',') : String(value)
    const isList = typeof value === 'object' && (row.kind === 'suites' || (row.kind === 'names' && list === 'all'))
    const yaml = isList || typeof value !== 'object' ? value : text
    const option = { flag: chosen.flag?.name ?? null, path: chosen.yaml?.name ?? [], text, yaml }
    written.push(option)
    const place = unplaced(nameOf(chosen))
    const entries = typeof value === 'object' ? value : [text]
    options.push({ row: chosen, text, values: entries, isList: false, form: 'flags', place })
    findings.push(...values, ...listFindings(chosen, value, list, writing), ...lengthFindings(option, form))
  }
  return { written, options, findings }
}

/** Controls, line and paragraph separators, lone surrogates, and what YAML 1.1 does not accept as a character. */
const NOT_WRITABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\uFFFE\uFFFF]/u
const CONTROL = 'contains a control character, a line break, or half a character'

/** Why no form can write a string, as words after "it"; null for one that can be written. */
export function notWritable(text: string): string | null {
  if (text === '') return 'is empty'
  return NOT_WRITABLE.test(text) ? CONTROL : null
}

function refused(option: string, value: string, wants: string | null): Finding[] {
  if (wants === null) return []
  return [finding('config/value-invalid', { ...unplaced(option), kind: 'not writable', value, wants })]
}

function emptyList(option: string): Finding {
  return finding('config/value-invalid', { ...unplaced(option), kind: 'empty list', value: '', wants: '' })
}

/** Values that no form can write. */
function valueFindings(config: MemberConfig, row: EtcdOptionRow, value: OptionValue): Finding[] {
  const option = nameOf(row)
  if (row.kind === 'cluster') {
    return Object.entries(config.initialCluster).flatMap(([name, urls]) => [
      ...refused(option, name, unlikeName(name)),
      ...(urls.length === 0 ? [emptyList(option)] : []),
      ...urls.flatMap((url) => refused(option, url, notWritable(url))),
    ])
  }
  if (typeof value === 'object' && value.length === 0) return [emptyList(option)]
  const texts = typeof value === 'object' ? value : typeof value === 'string' ? [value] : []
  return texts.flatMap((text) => refused(option, text, notWritable(text)))
}

/** `name=url` pairs have commas between them (client/pkg/types/urlsmap.go v3.5.16, parse). */
function unlikeName(name: string): string | null {
  if (name === '') return 'is empty, but must name a member'
  if (NOT_WRITABLE.test(name)) return CONTROL
  return /[,=]/.test(name) ? 'contains a comma or an equals sign, which a list of members cannot contain' : null
}

/** Several values where only one is read, and values that contain the comma that separates them. */
function listFindings(
  row: EtcdOptionRow,
  value: OptionValue,
  list: 'all' | 'some' | 'none',
  { form, version }: Writing,
): Finding[] {
  if (typeof value !== 'object' || row.kind !== 'names') return []
  const place = unplaced(nameOf(row))
  if (value.length > 1 && list !== 'all') {
    const details = { version: formatVersion(version), count: value.length, since: [...(row.listSince ?? [])] }
    return [finding('config/one-value-only', { ...place, ...details, isList: false })]
  }
  if (form === 'yaml' || list === 'none') return []
  const reason = 'contains a comma, which separates two values here; use a YAML file'
  return value.filter((each) => each.includes(',')).flatMap((each) => refused(nameOf(row), each, reason))
}

/** Longest argument or variable that Linux passes to a program, in bytes (execve(2), MAX_ARG_STRLEN less the NUL). */
const MAX_ARGUMENT = 131_071

function lengthFindings({ flag, path, text }: WrittenOption, form: ConfigForm): Finding[] {
  const option = flag === null ? path.join('.') : `--${flag}`
  if (form === 'yaml' || Buffer.byteLength(`${option}=${text}`) <= MAX_ARGUMENT) return []
  const limit = MAX_ARGUMENT.toLocaleString('en-US')
  return refused(option, text, `is longer than the ${limit} bytes that Linux passes to a program; use a YAML file`)
}

/** An option that the version does not have in this form. */
function notAvailable(rows: readonly Spelled[], option: string, { form, version }: Writing): Finding {
  const formsWith = (availability: 'all' | 'some'): ConfigForm[] =>
    CONFIG_FORMS.filter((each) =>
      rows.some((row) => [availability, 'all'].includes(formAvailability(row, each, version))),
    )
  const spelling = rows.map((row) => (form === 'yaml' ? row.yaml : row.flag)).find((each) => each !== null)
  const forms = formsWith('all')
  const details = { ...unplaced(option), form, version: formatVersion(version) }
  if (spelling === undefined) {
    // If a line as a whole has it in no form, one of its releases may.
    const others = forms.length > 0 ? forms : formsWith('some')
    return finding('config/option-not-in-version', { ...details, since: [], until: null, forms: others })
  }
  const until = spelling.until ?? null
  return finding('config/option-not-in-version', { ...details, since: [...spelling.since], until, forms })
}

/** The options of `extra`, in the order given. */
function extraOptions({ extra = {} }: MemberConfig, writing: Writing): Options<PassthroughOption> {
  const { form, version } = writing
  const written: WrittenOption[] = []
  const options: PassthroughOption[] = []
  const findings: Finding[] = []
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined) continue
    const row = passthroughOfFlag(name)
    const unknown = unknownName(name, row)
    if (unknown !== null || row === undefined || row.kind === 'nothing') {
      findings.push(...(unknown === null ? [] : [unknown]))
      continue
    }
    const text = textOf(value)
    const yaml = (EXTRA_KINDS[row.kind].yaml ?? ((given) => given))(value)
    const option = { flag: name, path: row.yaml?.name ?? [], text, yaml }
    written.push(option)
    options.push({ name, form: 'flags', place: unplaced(`--${name}`), text })
    const isAvailable = formAvailability(row, form, version) === 'all'
    findings.push(
      ...(isAvailable ? [] : [notAvailable([row], `--${name}`, writing)]),
      ...textFindings(row, value, form),
      ...lengthFindings(option, form),
    )
  }
  return { written, options, findings }
}

const NAMES: readonly string[] = [
  ...etcdOptions.flatMap((row) => row.flag?.name ?? []),
  ...passthroughOptions.flatMap(({ kind, flag }) => (kind === 'nothing' ? [] : (flag?.name ?? []))),
]

/** Why a name cannot be passed through; null for one that can. */
function unknownName(name: string, row: PassthroughRow | undefined): Finding | null {
  const ofField = (field: string | null): Finding => {
    const details = { ...unplaced(`--${name}`), kind: 'field of its own' as const, nearest: field }
    return finding('config/option-unknown', { ...details, lines: [], key: null })
  }
  if (row?.isBootstrap === true) return ofField('initialCluster')
  if (row !== undefined && row.kind !== 'nothing') return null
  const typed = rowOfFlag(name) ?? rowOfPath(name.split('.'))
  if (typed !== undefined) {
    const block = typed.block === 'server' ? '' : `${typed.block}.`
    return ofField(typed.field === null ? null : block + typed.field)
  }
  const bare = name.replace(/^--?|^ETCD_/, '')
  const details = { ...unplaced(name), kind: 'extra' as const, nearest: nearest(bare, NAMES) }
  return finding('config/option-unknown', { ...details, lines: [], key: null })
}

/** Strings that no form can write, and entries with a comma where commas separate them. */
function textFindings({ name, kind }: PassthroughRow, value: ExtraValue, form: ConfigForm): Finding[] {
  const isList = typeof value === 'object'
  const hasCommas = isList && !(form === 'yaml' && kind === 'outputs')
  const texts = isList ? value : typeof value === 'string' ? [value] : []
  return texts.flatMap((text) => {
    const comma = hasCommas && text.includes(',') ? 'contains a comma, which separates two values here' : null
    return refused(`--${name}`, text, notWritable(text) ?? comma)
  })
}

/** The paths of a member: the files that it reads, and the directories that it writes to. */
export interface MemberPaths {
  readonly files: readonly string[]
  readonly data: readonly string[]
  readonly findings: readonly Finding[]
}

/**
 * Paths of a member that is started elsewhere than where its configuration was written.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` without a data directory.
 */
export function pathsOf(config: MemberConfig, option: string): MemberPaths {
  const { dataDir, extra = {} } = config
  if (dataDir === undefined) throw valueInvalid(`${option}.dataDir`, dataDir, 'the path of the data directory')
  const paths = etcdOptions.flatMap((row) => {
    const value = row.kind === 'path' ? valueOf(config, row) : undefined
    return typeof value === 'string' ? [{ option: nameOf(row), path: value }] : []
  })
  const directories = Object.entries(extra).flatMap(([name, path]) =>
    passthroughOfFlag(name)?.kind === 'directory' && typeof path === 'string' ? [{ option: `--${name}`, path }] : [],
  )
  return {
    files: paths.map(({ path }) => path).filter((path) => path !== dataDir),
    data: [dataDir, ...directories.map(({ path }) => path).filter((path) => !isWithin(path, dataDir))],
    findings: [...paths, ...directories].flatMap((each) => relativePath(each.option, each.path)),
  }
}

/** A finding for a path that is not absolute. */
export function relativePath(option: string, path: string): Finding[] {
  if (isAbsolute(path)) return []
  return [finding('config/value-invalid', { ...unplaced(option), kind: 'relative path', value: path, wants: '' })]
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory.replace(/\/$/, '')}/`)
}
