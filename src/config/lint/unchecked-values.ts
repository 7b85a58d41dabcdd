/** Says which values and releases were not known, and what that may hide. */
import {
  type Finding,
  type FindingCode,
  type Unchecked,
  type UncheckedKind,
  uncheckedOf,
} from '../../report/finding.js'
import type { PassthroughOption, ReadOption } from '../read/read-option.js'
import { isOfTemplate, nameOfReference } from '../read/references.js'
import { ETCD_LINES, NEWEST_RELEASE } from '../tables/version.js'
import type { LintMember } from './member.js'

/** What a value with addresses may hide. */
const OF_URLS: readonly FindingCode[] = [
  ...(['config/url-invalid', 'config/url-repeated', 'config/plaintext-url', 'config/tls-unused'] as const),
  ...(['config/advertise-unreachable', 'config/cluster-urls-differ', 'config/option-needs'] as const),
  ...(['config/member-not-listed', 'config/members-differ', 'san/host-not-covered'] as const),
]

/** The options whose values have references to what is not known, or whose defaults were taken. */
export function uncheckedValues({ settings, others }: LintMember): Unchecked[] {
  const last = new Map(others.map((each) => [each.name, each]))
  return [...settings.all(), ...last.values()].flatMap((option) => {
    const references = [...option.unknown, ...option.assumed]
    if (references.length === 0) return []
    const kind: UncheckedKind = references.every(isOfTemplate) ? 'template' : 'variable'
    const isAddress = 'row' in option && (option.row.kind === 'urls' || option.row.kind === 'cluster')
    return [uncheckedOf(kind, option.place, messageOf(option, kind), isAddress ? OF_URLS : 'all')]
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

/** What depends on the release. */
const OF_RELEASE: readonly FindingCode[] = [
  ...(['config/option-not-in-version', 'config/option-of-other-version', 'config/option-unknown'] as const),
  ...(['config/option-ignored', 'config/value-type', 'config/one-value-only', 'config/url-invalid'] as const),
  ...(['config/restriction-not-in-force', 'config/cipher-suites-unfit', 'config/crl-form'] as const),
]

/** Says that the release is not known. */
export function uncheckedRelease({ unknownRelease, versionPlace }: LintMember, file: string | null): Unchecked[] {
  if (unknownRelease === null) return []
  const message =
    `etcd ${unknownRelease} is not known: the known releases are those of ${ETCD_LINES.join(', ')}, and the newest is` +
    ` ${NEWEST_RELEASE}. What depends on the release was not checked. Update etcd-mtls, or pass the release that is meant.`
  const place = versionPlace ?? { option: null, file, line: null, column: null }
  return [uncheckedOf('release', place, message, OF_RELEASE)]
}

/** Whether a release that is not known may have the option of the finding: its name is not similar to a known one. */
export function isOfUnknownRelease({ code, details }: Finding, { unknownRelease }: LintMember): boolean {
  if (unknownRelease === null || (code !== 'config/option-unknown' && code !== 'config/option-ignored')) return false
  return !['nearest', 'belongs'].some((name) => typeof Reflect.get(details, name) === 'string')
}
