/** Says which values were not known, and what that may hide. */
import { type FindingCode, type Unchecked, type UncheckedKind, uncheckedOf } from '../../report/finding.js'
import type { PassthroughOption, ReadOption } from '../read/read-option.js'
import { nameOfReference } from '../read/unknown.js'
import type { EtcdOptionRow } from '../tables/options.js'
import type { LintMember } from './member.js'

const OF_URLS: readonly FindingCode[] = [
  'config/url-invalid',
  'config/url-repeated',
  'config/plaintext-url',
  'config/tls-unused',
  'config/advertise-unreachable',
  'config/cluster-urls-differ',
  'config/option-needs',
  'config/member-not-listed',
  'config/members-differ',
  'san/host-not-covered',
]
const OF_FILES: readonly FindingCode[] | 'all' = 'all'
const OF_VALUES: readonly FindingCode[] = ['config/value-invalid', 'config/option-dangerous', 'config/members-differ']

/** What a value of each kind may hide. */
const HIDDEN: Readonly<Record<EtcdOptionRow['kind'], readonly FindingCode[] | 'all'>> = {
  urls: OF_URLS,
  cluster: OF_URLS,
  path: OF_FILES,
  boolean: [
    ...OF_VALUES,
    'config/client-auth-off',
    'config/client-auth-implied',
    'config/auto-tls',
    'config/restriction-not-in-force',
    'config/plaintext-url',
  ],
  names: [...OF_VALUES, 'config/allowed-cn-as-subject', 'config/member-not-allowed', 'config/gateway-refused'],
  suites: [...OF_VALUES, 'config/cipher-suites-unfit'],
  'tls-version': [...OF_VALUES, 'config/options-conflict', 'config/tls-versions-disjoint'],
  text: [...OF_VALUES, 'config/member-not-listed', 'config/members-name-repeated'],
  state: OF_VALUES,
  years: OF_VALUES,
}

/** The options whose values have references to what is not known, or whose defaults were taken. */
export function uncheckedValues({ settings, others }: LintMember): Unchecked[] {
  const last = new Map(others.map((each) => [each.name, each]))
  return [...settings.all(), ...last.values()].flatMap((option) => {
    const references = [...option.unknown, ...option.assumed]
    if (references.length === 0) return []
    const kind: UncheckedKind = references.every((each) => /^\{[{%]/.test(each)) ? 'template' : 'variable'
    return [
      uncheckedOf(kind, option.place, messageOf(option, kind), 'row' in option ? HIDDEN[option.row.kind] : OF_VALUES),
    ]
  })
}

function messageOf(
  { place, unknown, assumed, text = '' }: ReadOption | PassthroughOption,
  kind: UncheckedKind,
): string {
  const [first = assumed[0] ?? ''] = unknown
  const name = nameOfReference(first)
  const remedy =
    kind === 'template'
      ? 'Lint the text that is rendered from it'
      : `Pass the value in "variables", as { '${name}': … }`
  return unknown.length === 0
    ? `${place.option} was checked with the default of ${first}, "${text}". ${remedy}.`
    : `${place.option} has ${first}, whose value is not in the input. ${remedy}.`
}
