/** Values of a configuration file: what etcd takes for an option, and what was meant by one that it does not take. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { EtcdOptionRow } from '../tables/options.js'
import { entriesOf, type ReadOption, textOption } from './read-option.js'
import { isTrue, type YamlValue } from './yaml-text.js'

/** What an option wants in place of a value; null for one that it takes, and for a list, whose entries are looked at apart. */
export function wantedOf({ kind }: EtcdOptionRow, value: YamlValue): string | null {
  const type = value.kind === 'scalar' ? value.type : value.kind
  switch (kind) {
    case 'boolean':
      return type === 'boolean' ? null : 'true or false, without quotes'
    case 'years':
      return type === 'number' ? null : 'a number'
    case 'suites':
      return type === 'list' ? null : 'a list'
    case 'names':
      return type === 'list' || type === 'text' ? null : 'a string'
    case 'urls':
    case 'cluster':
      return type === 'text' ? null : 'one string, with commas between entries'
    default:
      return type === 'text' ? null : 'a string'
  }
}

export function listOption(row: EtcdOptionRow, values: readonly string[], place: ConfigPlace): ReadOption {
  const trimmed = values.map((each) => each.trim())
  return { row, text: values.join(','), values: trimmed, isList: true, form: 'yaml', place }
}

/** An option whose value has another type than etcd takes. */
export function meantOption(row: EtcdOptionRow, value: YamlValue, place: ConfigPlace): ReadOption {
  const isGuess = true
  const texts = textsOf(value)
  const [text] = texts
  if (text !== undefined && !JUDGED.has(row.kind)) {
    if (row.kind === 'suites') return { ...listOption(row, entriesOf(row, text), place), isGuess }
    if (row.kind === 'boolean') {
      if (/^(?:1|y|yes|on|true|0|n|no|off|false)$/i.test(text))
        return { ...textOption(row, String(text === '1' || isTrue(text)), 'yaml', place), isGuess }
    } else if (row.kind === 'urls' || row.kind === 'cluster' || texts.length === 1)
      return { ...textOption(row, texts.join(','), 'yaml', place), isGuess }
  }
  return { ...textOption(row, '', 'yaml', place), isUnreadable: true }
}

/** Kinds of which a value of another type is none. */
const JUDGED: ReadonlySet<EtcdOptionRow['kind']> = new Set(['tls-version', 'state', 'years'])

function textsOf(value: YamlValue): string[] {
  if (value.kind === 'scalar') return [value.text]
  return value.kind === 'list' ? value.items.flatMap((item) => (item.kind === 'scalar' ? [item.text] : [])) : []
}
