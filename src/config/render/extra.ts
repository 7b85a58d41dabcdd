/** Options of etcd that have no field of their own: passed through, each as its type in etcd wants it. */
import type { Finding } from '../../report/finding.js'
import { finding, unplaced } from '../finding.js'
import type { ExtraValue, MemberConfig } from '../model.js'
import { CONFIG_FORMS, etcdOptions, rowOfFlag, rowOfPath, type ConfigForm } from '../options.js'
import { otherAvailability, otherOfFlag, otherOptions, type OtherRow } from '../options-other.js'
import { nearest } from '../read/nearest.js'
import { formatVersion, type ParsedVersion } from '../version.js'
import { OUTPUTS, ROTATION, wantedRotation, wantedValue } from '../wanted-values.js'
import { EXTRA_KINDS, textOf } from './extra-kinds.js'
import { unsayable } from './judge-values.js'
import { judgeLength, type WrittenOption } from './written.js'

/** What has to be written, in the order given, and what cannot be. The values were checked. */
export function extraOptions(
  { extra = {} }: MemberConfig,
  form: ConfigForm,
  version: ParsedVersion,
): { entries: WrittenOption[]; findings: Finding[] } {
  const entries: WrittenOption[] = []
  const findings: Finding[] = []
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined) continue
    const row = otherOfFlag(name)
    const refused = refuseName(name, row)
    if (refused !== null || row === undefined || row.kind === 'nothing') {
      findings.push(...(refused === null ? [] : [refused]))
      continue
    }
    const entry = {
      flag: name,
      path: row.yaml?.name ?? [],
      text: textOf(value),
      yaml: (EXTRA_KINDS[row.kind].yaml ?? ((given) => given))(value),
    }
    entries.push(entry)
    const own = [...notThere(row, form, version), ...judgeTexts(row, value, form), ...judgeLength(entry, form)]
    const outputs = extra[OUTPUTS]
    const wants =
      own.length > 0
        ? null
        : name === ROTATION
          ? wantedRotation(value === true, outputs === undefined ? undefined : textOf(outputs))
          : wantedValue(name, entry.text, version, form)
    const place = { ...unplaced(`--${name}`), value: entry.text }
    findings.push(
      ...own,
      ...(wants === null ? [] : [finding('config/value-refused', { ...place, reason: `must be ${wants}` })]),
    )
  }
  return { entries, findings }
}

/** Why a name cannot be passed through; null for one that can. */
function refuseName(name: string, row: OtherRow | undefined): Finding | null {
  if (row?.isBootstrap === true)
    return finding('config/extra-not-free', { ...unplaced(`--${name}`), field: 'initialCluster' })
  if (row !== undefined && row.kind !== 'nothing') return null
  const typed = rowOfFlag(name) ?? rowOfPath(name.split('.'))
  if (typed !== undefined) {
    const block = typed.block === 'server' ? '' : `${typed.block}.`
    const field = typed.field === null ? null : block + typed.field
    return finding('config/extra-not-free', { ...unplaced(`--${name}`), field })
  }
  const bare = name.replace(/^--?|^ETCD_/, '')
  return finding('config/extra-unknown', { ...unplaced(name), nearest: nearest(bare, NAMES) })
}

const NAMES: readonly string[] = [
  ...etcdOptions.flatMap((row) => row.flag?.name ?? []),
  ...otherOptions.flatMap(({ kind, flag }) => (kind === 'nothing' ? [] : (flag?.name ?? []))),
]

function notThere(row: OtherRow, form: ConfigForm, version: ParsedVersion): Finding[] {
  if (otherAvailability(row, form, version) === 'all') return []
  const place = { ...unplaced(`--${row.name}`), form, version: formatVersion(version) }
  const forms = CONFIG_FORMS.filter((each) => otherAvailability(row, each, version) === 'all')
  const spelling = form === 'yaml' ? row.yaml : row.flag
  if (spelling === null) return [finding('config/option-not-in-form', { ...place, forms })]
  const details = { ...place, since: [...spelling.since], until: spelling.until ?? null, forms }
  return [finding('config/option-not-in-version', details)]
}

/** Texts that no form can say, and entries with a comma where commas stand between them. */
function judgeTexts({ name, kind }: OtherRow, value: ExtraValue, form: ConfigForm): Finding[] {
  const isList = typeof value === 'object'
  const commas = isList && !(form === 'yaml' && kind === 'outputs')
  const texts = isList ? value : typeof value === 'string' ? [value] : []
  return texts.flatMap((text) => {
    const comma = commas && text.includes(',') ? 'contains a comma, which separates two values here' : null
    const reason = unsayable(text) ?? comma
    return reason === null ? [] : [finding('config/value-refused', { ...unplaced(`--${name}`), value: text, reason })]
  })
}
