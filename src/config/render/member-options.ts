/** Converts a member's configuration to options in a form and for a version, or reports why that is not possible. */
import type { Finding, FindingCode } from '../../report/finding.js'
import { checkOptions, textInvalid, valueInvalid } from '../../report/option-error.js'
import { finding, withoutPlace } from '../finding.js'
import { LintMember } from '../lint/member.js'
import { apply, groupBy } from '../lint/rule.js'
import { memberRules } from '../lint/rules-options.js'
import type { ExtraValue, MemberConfig, TlsSide } from '../model.js'
import { knownNames, nearest } from '../read/meaning.js'
import { NO_CONTEXT, NO_REFERENCES, type PassthroughOption, type ReadOption, Settings } from '../read/read-option.js'
import { normalize, optionKinds, type OptionValue, valueText } from '../tables/kinds.js'
import {
  CONFIG_FORMS,
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  formAvailability,
  nameOf,
  type OptionBlock,
  passthroughOfFlag,
  passthroughOptions,
  type PassthroughRow,
  rowOfFlag,
  rowOfPath,
  type HasSpellings,
} from '../tables/options.js'
import { type Availability, availableIn, formatVersion, type ParsedVersion } from '../tables/version.js'
import { extraValueFindings } from './extra-values.js'

/** @param other Fields of the model without an option of etcd. @param required Fields that the caller must set. */
function checkBlock(
  given: object,
  block: OptionBlock,
  option: string,
  other: readonly string[],
  required: readonly string[],
): void {
  const rows = etcdOptions.filter((row) => row.block === block && row.field !== null)
  checkOptions(option, given, [...new Set(rows.map(({ field }) => String(field))), ...other])
  const values = new Map<unknown, unknown>(Object.entries(given))
  const missing = required.find((field) => values.get(field) === undefined)
  if (missing !== undefined) {
    const kind = rows.find(({ field }) => field === missing)?.kind
    const accepted = kind === undefined ? 'an object' : optionKinds[kind].given.accepts
    throw valueInvalid(`${option}.${missing}`, undefined, accepted)
  }
  for (const { field, kind } of rows) checkKind(values.get(field), kind, `${option}.${String(field)}`)
  if (!['undefined', 'boolean'].includes(typeof values.get('plaintext')))
    throw valueInvalid(`${option}.plaintext`, values.get('plaintext'), 'true or false')
}

function checkKind(value: unknown, kind: keyof typeof optionKinds, option: string): void {
  const { is, accepts } = optionKinds[kind].given
  if (value !== undefined && !is(value)) throw textInvalid(option, value, accepts)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if `extra` is not an object, or if a value has the wrong type. */
export function checkExtra(extra: unknown, option: string): void {
  if (extra === undefined) return
  if (extra === null || typeof extra !== 'object' || Array.isArray(extra))
    throw valueInvalid(option, extra, 'an object of values, by the names of options')
  for (const [name, value] of Object.entries(extra)) {
    const kind = passthroughOfFlag(name)?.kind
    // `unknownName` reports an unknown name with a remedy.
    if (kind !== undefined && kind !== 'nothing') checkKind(value, kind, `${option}.${name}`)
  }
}

/** @param config A configuration that `checkBlock` accepted. */
export function valueOf(config: MemberConfig, row: EtcdOptionRow): OptionValue | undefined {
  if (row.field === null) return undefined
  const values = row.block === 'server' ? config : config[row.block]
  const value: unknown = Reflect.get(values, row.field)
  return value === undefined ? undefined : normalize(value)
}

/** One option to write, from either table. */
export interface WrittenOption {
  /** The flag without dashes; null if absent. */
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

/** Warnings and infos that the renderer treats as errors. */
const REFUSED: ReadonlySet<FindingCode> = new Set<FindingCode>(['config/client-auth-implied', 'config/tls-unused'])

/**
 * Returns the options to write, in the order of the tables, and the findings that prevent it.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if `config` is not a configuration of a member.
 */
export function optionsOf(
  config: MemberConfig,
  writing: Writing,
): { written: readonly WrittenOption[]; findings: readonly Finding[] } {
  checkBlock(config, 'server', 'config', ['client', 'peer', 'version', 'extra'], ['name', 'initialCluster'])
  for (const block of ['client', 'peer'] as const)
    checkBlock(config[block], block, `config.${block}`, ['plaintext'], ['listenUrls', 'advertiseUrls'])
  checkExtra(config.extra, 'config.extra')
  const given = withDefaults(config)
  const typed = FIELDS.flatMap((rows) => typedOption(given, rows, writing))
  const extra = Object.entries(config.extra ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : extraOption(name, value, writing),
  )
  const findings = [...typed, ...extra].flatMap((each) => each.findings)
  const read = {
    settings: new Settings(
      typed.flatMap(({ option }) => option ?? []),
      null,
      true,
    ),
    others: extra.flatMap(({ option }) => option ?? []),
    context: NO_CONTEXT,
    isComplete: true,
  }
  const member = new LintMember(read, writing.version, {
    client: config.client.plaintext === true,
    peer: config.peer.plaintext === true,
  })
  const optionOf = ({ details }: Finding): unknown => ('option' in details ? details.option : null)
  const known = new Set(findings.map(optionOf))
  const byRules = apply(memberRules, member).filter(
    (each) => (each.severity === 'error' || REFUSED.has(each.code)) && !known.has(optionOf(each)),
  )
  const texts = read.others.flatMap(({ name, text = '' }) => (known.has(`--${name}`) ? [] : [[name, text] as const]))
  return {
    written: [...typed, ...extra].flatMap(({ written }) => written ?? []),
    findings: [...findings, ...byRules, ...extraValueFindings(new Map(texts), writing.version)],
  }
}

/** Requires client certificates by default, unless the side has no TLS. */
function withDefaults(config: MemberConfig): MemberConfig {
  const isRequired = ({ plaintext, autoTls, clientCertAuth }: TlsSide): boolean =>
    plaintext !== true && autoTls !== true && clientCertAuth !== false
  return {
    ...config,
    client: { ...config.client, clientCertAuth: isRequired(config.client) },
    peer: { ...config.peer, clientCertAuth: isRequired(config.peer) },
  }
}

/** An option of the configuration: as it is written, as the rules read it, and what is wrong with it. */
interface Converted<T> {
  readonly written?: WrittenOption
  readonly option?: T
  readonly findings: readonly Finding[]
}

/** The rows of each field of the model. An option that was renamed has two. */
const FIELDS = groupBy(
  etcdOptions.filter(({ field }) => field !== null),
  ({ block, field }) => `${block}.${String(field)}`,
).map(([, rows]) => rows)

function typedOption(
  config: MemberConfig,
  rows: readonly [EtcdOptionRow, ...EtcdOptionRow[]],
  writing: Writing,
): Converted<ReadOption>[] {
  const { form, version } = writing
  const [row] = rows
  const value = valueOf(config, row)
  // A boolean with its default is not written: the version may lack the option.
  if (value === undefined || (row.kind === 'boolean' && String(value) === row.default)) return []
  const findings = valueFindings(config, row, value)
  const available = rows.filter((each) => formAvailability(each, form, version) === 'all')
  const chosen = available.find(({ deprecatedSince }) => deprecatedSince === undefined) ?? available[0]
  if (chosen === undefined) return [{ findings: [...findings, notAvailable(rows, nameOf(row), writing)] }]
  const list = chosen.listSince === undefined ? 'all' : availableIn(version, chosen.listSince)
  const values = typeof value === 'object' ? value : [String(value)]
  const text = values.join(',')
  const isList = row.kind === 'suites' || (row.kind === 'names' && list === 'all')
  const yaml = typeof value === 'object' && !isList ? text : value
  const written = { flag: chosen.flag?.name ?? null, path: chosen.yaml?.name ?? [], text, yaml }
  const place = withoutPlace(nameOf(chosen))
  const option: ReadOption = { row: chosen, text, values, isList: false, form: 'flags', place, ...NO_REFERENCES }
  const ofForm = [...listFindings(chosen, values, list, writing), ...lengthFindings(written, form)]
  return [{ written, option, findings: [...findings, ...ofForm] }]
}

/** Controls, line and paragraph separators, lone surrogates, and characters that YAML 1.1 does not allow. */
const NOT_WRITABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\uFFFE\uFFFF]/u

/** Why a string cannot be written in any form, as words after "it"; null if it can. */
export function notWritable(text: string): string | null {
  if (text === '') return 'is empty'
  if (/^(["']).*\1$/.test(text) && text.length > 1) return 'is in quotes, which would be part of the value'
  return NOT_WRITABLE.test(text) ? 'contains a control character, a line break, or half a character' : null
}

export function refused(option: string, value: string, expected: string | null): Finding[] {
  if (expected === null) return []
  return [finding('config/value-invalid', { ...withoutPlace(option), kind: 'not writable', value, wants: expected })]
}

function valueFindings(config: MemberConfig, row: EtcdOptionRow, value: OptionValue): Finding[] {
  const option = nameOf(row)
  const ofList = (entries: readonly string[]): Finding[] =>
    entries.length === 0
      ? [finding('config/value-invalid', { ...withoutPlace(option), kind: 'empty list' })]
      : entries.flatMap((text) => refused(option, text, notWritable(text)))
  if (row.kind === 'cluster')
    return Object.entries(config.initialCluster).flatMap(([name, urls]) => {
      // Commas separate `name=url` pairs (client/pkg/types/urlsmap.go v3.5.16, parse).
      const pair = /[,=]/.test(name)
        ? 'contains a comma or an equals sign, which a list of members cannot contain'
        : null
      const wrong = name === '' ? 'is empty, but must name a member' : (notWritable(name) ?? pair)
      return [...refused(option, name, wrong), ...ofList(urls)]
    })
  return typeof value === 'object' || typeof value === 'string' ? ofList([value].flat()) : []
}

/** Reports several values if the version accepts only one, and values that contain a comma. */
function listFindings(
  row: EtcdOptionRow,
  entries: readonly string[],
  list: 'all' | 'some' | 'none',
  { form, version }: Writing,
): Finding[] {
  if (row.kind !== 'names') return []
  if (entries.length > 1 && list !== 'all') {
    const details = { version: formatVersion(version), count: entries.length, since: [...(row.listSince ?? [])] }
    return [finding('config/one-value-only', { ...withoutPlace(nameOf(row)), ...details, isList: false })]
  }
  const reason = 'contains a comma, which separates two values here; use a YAML file'
  const isSplit = form !== 'yaml' && list !== 'none'
  return entries.flatMap((each) => refused(nameOf(row), each, isSplit && each.includes(',') ? reason : null))
}

/** Longest argument or variable that Linux passes to a program, in bytes (execve(2), MAX_ARG_STRLEN less the NUL). */
const MAX_ARGUMENT = 131_071

function lengthFindings({ flag, path, text }: WrittenOption, form: ConfigForm): Finding[] {
  const option = flag === null ? path.join('.') : `--${flag}`
  if (form === 'yaml' || Buffer.byteLength(`${option}=${text}`) <= MAX_ARGUMENT) return []
  const limit = MAX_ARGUMENT.toLocaleString('en-US')
  return refused(option, text, `is longer than the ${limit} bytes that Linux passes to a program; use a YAML file`)
}

function notAvailable(rows: readonly HasSpellings[], option: string, { form, version }: Writing): Finding {
  const formsWith = (...accepted: readonly Availability[]): ConfigForm[] =>
    CONFIG_FORMS.filter((each) => rows.some((row) => accepted.includes(formAvailability(row, each, version))))
  const spelling = rows.map((row) => (form === 'yaml' ? row.yaml : row.flag)).find((each) => each !== null)
  const inAll = formsWith('all')
  // If no form exists in all releases of a line, name the forms of some releases.
  const forms = spelling === undefined && inAll.length === 0 ? formsWith('all', 'some') : inAll
  const details = { form, version: formatVersion(version), forms }
  const { since = [], until = null } = spelling ?? {}
  return finding('config/option-not-in-version', { ...withoutPlace(option), ...details, since: [...since], until })
}

function extraOption(name: string, value: ExtraValue, writing: Writing): Converted<PassthroughOption> {
  const { form, version } = writing
  const row = passthroughOfFlag(name)
  if (row === undefined || row.kind === 'nothing' || row.isBootstrap)
    return { findings: [unknownName(name, row?.isBootstrap === true)] }
  const text = valueText(value)
  const yaml = (optionKinds[row.kind].written ?? ((given) => given))(value)
  const written = { flag: name, path: row.yaml?.name ?? [], text, yaml }
  const isAvailable = formAvailability(row, form, version) === 'all'
  const findings = [
    ...(isAvailable ? [] : [notAvailable([row], `--${name}`, writing)]),
    ...textFindings(row, value, form),
    ...lengthFindings(written, form),
  ]
  return {
    written,
    option: { name, form: 'flags', place: withoutPlace(`--${name}`), text, ...NO_REFERENCES },
    findings,
  }
}

function unknownName(name: string, isBootstrap: boolean): Finding {
  const typed = rowOfFlag(name) ?? rowOfPath(name.split('.'))
  if (!isBootstrap && typed === undefined) {
    const flags = [...etcdOptions, ...passthroughOptions.filter(({ kind }) => kind !== 'nothing')]
    const known = flags.flatMap(({ flag }) => flag?.name ?? [])
    const near = nearest(name.replace(/^--?|^ETCD_/, ''), knownNames(known))
    return finding('config/option-unknown', { ...withoutPlace(name), kind: 'extra', nearest: near })
  }
  const block = typed === undefined || typed.block === 'server' ? '' : `${typed.block}.`
  const own = typed?.field === undefined || typed.field === null ? null : block + typed.field
  const field = isBootstrap ? 'initialCluster' : own
  return finding('config/option-unknown', { ...withoutPlace(`--${name}`), kind: 'field of its own', field })
}

/** Reports strings that no form can write, and entries with a comma in a list that commas separate. */
function textFindings({ name, kind }: PassthroughRow, value: ExtraValue, form: ConfigForm): Finding[] {
  const isList = typeof value === 'object'
  const hasCommas = isList && !(form === 'yaml' && kind === 'outputs')
  const texts = isList ? value : typeof value === 'string' ? [value] : []
  return texts.flatMap((text) => {
    const comma = hasCommas && text.includes(',') ? 'contains a comma, which separates two values here' : null
    return refused(`--${name}`, text, notWritable(text) ?? comma)
  })
}
