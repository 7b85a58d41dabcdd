/** The options of a member as a version of etcd reads them in a form, or why it cannot be told. */
import type { Finding } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import type { MemberConfig } from '../model.js'
import { CONFIG_FORMS, etcdOptions, formAvailability, nameOf, type ConfigForm, type EtcdOptionRow } from '../options.js'
import type { ReadOption } from '../read/read-option.js'
import { availableIn, formatVersion, type ParsedVersion } from '../version.js'
import { valueOf } from './check-config.js'
import { asksForCertificates } from './judge-tls.js'
import { extraOptions } from './extra.js'
import type { OptionValue } from './kinds.js'
import { judgeLength, type WrittenOption } from './written.js'

/** One option with its value. */
interface Entry {
  readonly row: EtcdOptionRow
  readonly value: OptionValue
  /** Whether several values are a list in this version; a single text before. */
  readonly list: boolean
}

/** What has to be written, in the order of the tables, and what cannot be. */
export function entriesOf(
  given: MemberConfig,
  form: ConfigForm,
  version: ParsedVersion,
): { entries: WrittenOption[]; findings: Finding[]; options: ReadOption[] } {
  const config = complete(given)
  const entries: WrittenOption[] = []
  const findings: Finding[] = []
  const options: ReadOption[] = []
  const done = new Set<string>()
  for (const row of etcdOptions) {
    const id = `${row.block}.${String(row.field)}`
    const value = valueOf(config, row)
    // What etcd does anyhow need not be said, and could not be in a version that lacks the option.
    if (value === undefined || (row.kind === 'boolean' && String(value) === row.default) || done.has(id)) continue
    done.add(id)
    const rows = etcdOptions.filter((each) => each.block === row.block && each.field === row.field)
    const chosen = choose(rows, form, version)
    if (chosen === null) {
      findings.push(notThere(rows, row, form, version))
      continue
    }
    const list = chosen.listSince === undefined ? 'all' : availableIn(version, chosen.listSince)
    const entry = { row: chosen, value, list: list === 'all' }
    const option = written(entry)
    entries.push(option)
    options.push(readOption(chosen, value, option.text))
    findings.push(...judgeList(entry, list === 'none', form, version), ...judgeLength(option, form))
  }
  const extra = extraOptions(config, form, version)
  return { entries: [...entries, ...extra.entries], findings: [...findings, ...extra.findings], options }
}

/** An option as the rules of the lint look at it. */
function readOption(row: EtcdOptionRow, value: OptionValue, text: string): ReadOption {
  const values = typeof value === 'object' ? value : text === '' ? [] : [text]
  return { row, text, values, isList: false, form: 'flags', place: unplaced(nameOf(row)) }
}

/** With what is meant where nothing is said. */
function complete(config: MemberConfig): MemberConfig {
  return {
    ...config,
    client: { ...config.client, clientCertAuth: asksForCertificates(config.client) },
    peer: { ...config.peer, clientCertAuth: asksForCertificates(config.peer) },
  }
}

/** The option under the name that the version knows, and does not warn of if there is a choice. */
function choose(rows: readonly EtcdOptionRow[], form: ConfigForm, version: ParsedVersion): EtcdOptionRow | null {
  const known = rows.filter((row) => formAvailability(row, form, version) === 'all')
  return known.find((row) => row.deprecatedSince === undefined) ?? known[0] ?? null
}

function notThere(
  rows: readonly EtcdOptionRow[],
  row: EtcdOptionRow,
  form: ConfigForm,
  version: ParsedVersion,
): Finding {
  const forms = CONFIG_FORMS.filter((each) => choose(rows, each, version) !== null)
  const spelling = rows.map((each) => (form === 'yaml' ? each.yaml : each.flag)).find((each) => each !== null)
  const place = { ...unplaced(nameOf(row)), form, version: formatVersion(version) }
  if (spelling === undefined) {
    // Where a line as a whole has it in no form, one of its releases may.
    const some = CONFIG_FORMS.filter((each) => rows.some((other) => formAvailability(other, each, version) !== 'none'))
    return finding('config/option-not-in-form', { ...place, forms: forms.length > 0 ? forms : some })
  }
  return finding('config/option-not-in-version', {
    ...place,
    since: [...spelling.since],
    until: spelling.until ?? null,
    forms,
  })
}

/** Several values where one alone is read, and values that hold what stands between them. */
function judgeList({ row, value, list }: Entry, single: boolean, form: ConfigForm, version: ParsedVersion): Finding[] {
  if (typeof value !== 'object' || row.kind !== 'names') return []
  const place = unplaced(nameOf(row))
  if (value.length > 1 && !list) {
    const details = { version: formatVersion(version), count: value.length, since: [...(row.listSince ?? [])] }
    return [finding('config/one-value-only', { ...place, ...details })]
  }
  if (form === 'yaml' || single) return []
  const reason = 'contains a comma, which separates two values here; use a YAML file'
  return value
    .filter((each) => each.includes(','))
    .map((each) => finding('config/value-refused', { ...place, value: each, reason }))
}

/** Lists that are none in a configuration file: one text with commas (server/embed/config.go, configJSON). */
function written({ row, value, list }: Entry): WrittenOption {
  const text = typeof value === 'object' ? value.join(',') : String(value)
  const isList = row.kind === 'suites' || (row.kind === 'names' && list)
  return {
    flag: row.flag?.name ?? null,
    path: row.yaml?.name ?? [],
    text,
    yaml: isList || typeof value !== 'object' ? value : text,
  }
}
