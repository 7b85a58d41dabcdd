/** Values of options that the package passes through: whether etcd can read them. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import { parseGoDuration } from '../../report/duration.js'
import type { PassthroughKind, PassthroughRow } from '../tables/passthrough-options.js'
import { finding } from '../finding.js'
import { parseGoBoolean } from '../tables/options.js'
import { isUnresolved } from './read-option.js'
import type { YamlValue } from './yaml/yaml-text.js'

interface KindRow {
  /** What a flag or a variable must be, and whether a text is that. Null where any text is. */
  readonly text: { readonly wants: string; readonly is: (text: string) => boolean } | null
  /** What a configuration file must have. Null where anything is passed over. */
  readonly yaml: { readonly wants: string; readonly type: 'text' | 'boolean' | 'number' | 'list' } | null
}

const aText = { wants: 'a string', type: 'text' } as const
const aNumber = { wants: 'a number', type: 'number' } as const
/** As Go reads one (strconv.ParseUint with base 0). */
const UNSIGNED = /^(?:\d[\d_]*|0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+)$/
const unsigned = { wants: 'a whole number from 0', is: (text: string) => UNSIGNED.test(text) }

const KINDS: Readonly<Record<PassthroughKind, KindRow>> = {
  text: { text: null, yaml: aText },
  directory: { text: null, yaml: aText },
  texts: { text: null, yaml: { wants: 'one string, with commas between entries', type: 'text' } },
  outputs: { text: null, yaml: { wants: 'a list', type: 'list' } },
  boolean: {
    text: { wants: 'true or false', is: (text) => parseGoBoolean(text) !== null },
    yaml: { wants: 'true or false, without quotes', type: 'boolean' },
  },
  unsigned: { text: unsigned, yaml: aNumber },
  unsigned32: { text: { ...unsigned, is: (text) => unsigned.is(text) && Number(text) < 2 ** 32 }, yaml: aNumber },
  integer: {
    text: { wants: 'a whole number', is: (text) => UNSIGNED.test(text.replace(/^[-+]/, '')) },
    yaml: aNumber,
  },
  duration: {
    text: { wants: 'a duration such as 500ms or 1h30m', is: (text) => parseGoDuration(text) !== null },
    yaml: { wants: 'a number of nanoseconds, such as 5000000000 for five seconds', type: 'number' },
  },
  nothing: { text: null, yaml: null },
}

/** Whether a flag stands by itself for true. What is taken and ignored does, too (pkg/flags/ignored.go). */
export function isSwitch({ kind }: PassthroughRow): boolean {
  return kind === 'boolean' || kind === 'nothing'
}

/** Why etcd would not start with the text of a flag or of a variable. */
export function judgeOtherText({ kind }: PassthroughRow, text: string, place: ConfigPlace): Finding[] {
  const rule = KINDS[kind].text
  if (rule === null || isUnresolved(text) || rule.is(text)) return []
  return [finding('config/value-invalid', { ...place, kind: 'refused', value: text, wants: rule.wants })]
}

/** The least and the most that Go decodes from a number of a file; null for kinds that are no numbers. */
const RANGES: Partial<
  Record<PassthroughKind, { readonly least: number; readonly most: number; readonly wants: string }>
> = {
  unsigned: { least: 0, most: 2 ** 64, wants: 'a whole number from 0' },
  unsigned32: { least: 0, most: 2 ** 32 - 1, wants: 'a whole number from 0 to 4294967295' },
  integer: { least: -(2 ** 63), most: 2 ** 63, wants: 'a whole number' },
  duration: { least: -(2 ** 63), most: 2 ** 63, wants: 'a whole number of nanoseconds' },
}

/** What a number of a file must be instead; null for one that etcd takes, and for what is no number. */
export function wantedNumber(kind: PassthroughKind, value: YamlValue): string | null {
  const range = RANGES[kind]
  if (range === undefined || value.kind !== 'scalar' || value.type !== 'number') return null
  const number = Number(value.text.replaceAll('_', ''))
  if (Number.isNaN(number)) return null
  return Number.isInteger(number) && number >= range.least && number <= range.most ? null : range.wants
}

/** What a file must have in place of a value, with which etcd would not start; null for one that it takes. */
export function wantedOfOther({ kind }: PassthroughRow, value: YamlValue): string | null {
  const rule = KINDS[kind].yaml
  if (rule === null || (value.kind === 'scalar' && value.type === 'null')) return null
  if (value.kind === 'scalar' && isUnresolved(value.text)) return null
  const type = value.kind === 'scalar' ? value.type : value.kind
  return type === rule.type ? null : rule.wants
}
