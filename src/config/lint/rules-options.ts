/** Rules about options that etcd refuses or reads differently: alone, in combination, and in other releases. */
import { spelledLike } from '../../report/catalogue/config/place.js'
import type { ReadOption } from '../read/read-option.js'
import { cipherSuites } from '../../x509/cipher-suites.js'
import { optionKinds } from '../tables/kinds.js'
import {
  CONFIG_FORMS,
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  formAvailability,
  linesOf,
  nameOf,
  parseGoBoolean,
  passthroughSpellings,
  variableOf,
} from '../tables/options.js'
import { availableIn, ETCD_LINES, formatVersion, type ParsedVersion } from '../tables/version.js'
import { limitedEntries, type LintMember, MAX_ENTRIES } from './member.js'
import { type Found, rulesAbout } from './rule.js'
import { authRules } from './rules-auth.js'
import { urlRules } from './rules-urls.js'
import { ACCESS_VALUES, DANGERS } from './values.js'

const member = rulesAbout((member: LintMember) => [member])

const CHECKED_LISTS: readonly EtcdOptionRow['kind'][] = ['urls', 'cluster', 'suites']

function inForce({ settings }: LintMember): ReadOption[] {
  return settings.all().filter(({ text, isUnreadable }) => text !== '' || isUnreadable === true)
}

function suitesOf(member: LintMember): string[] | null {
  const setting = member.server('cipherSuites')
  return setting.isSet && !setting.isUnresolved ? [...new Set(limitedEntries(setting))] : null
}

/** A rendered list must be valid in all releases of the line, a linted list in one of them. */
function knownSuites({ version, isWritten }: LintMember): typeof cipherSuites {
  return cipherSuites.filter(({ since }) => {
    const available = version === null ? 'all' : availableIn(version, since)
    return isWritten ? available === 'all' : available !== 'none'
  })
}

/** The name that a version uses for an option that was renamed. */
function nameIn(version: ParsedVersion, { block, field }: EtcdOptionRow, form: ConfigForm): string | undefined {
  const row = etcdOptions.find(
    (each) =>
      field !== null && each.block === block && each.field === field && formAvailability(each, form, version) === 'all',
  )
  if (row === undefined || form === 'yaml') return row?.yaml?.name.join('.')
  return form === 'env' ? variableOf(row.flag?.name ?? '') : nameOf(row)
}

/** Options of other release lines. etcd does not start with such a flag, and ignores such a key. */
function ofOtherLines({ others, version }: LintMember) {
  const line = ETCD_LINES.find((each) => version?.minor === Number(each.slice('3.'.length)))
  return others.flatMap((at) => {
    const { name, form, isEmptyBlock, isNested } = at
    const spellings = passthroughSpellings(name, form)
    const isIn = spellings.some(({ since, until }) => version !== null && availableIn(version, since, until) !== 'none')
    if (line === undefined || isIn || isEmptyBlock === true || isNested === true) return []
    const own = spellings.flatMap(linesOf)
    const known = ETCD_LINES.filter((each) => own.includes(each))
    // A later release of the same line has the option, so name that release.
    return [{ at, form, lines: [...(known.includes(line) ? spellings.flatMap(({ since }) => since) : known)] }]
  })
}

/** Options that accept a list only in some releases. */
function listsOf({ settings, version, unknownRelease, isWritten }: LintMember) {
  return settings.all().flatMap((at) => {
    const { row, form, text, unknown } = at
    if (row.listSince === undefined || text === '' || unknown.length > 0 || isWritten) return []
    if (unknownRelease !== null) return []
    if (form === 'yaml' && version !== null && formAvailability(row, form, version) === 'none') return []
    const takesList = version === null ? 'all' : availableIn(version, row.listSince)
    return [{ at, takesList, since: [...row.listSince] }]
  })
}

const optionRules = [
  member('config/value-invalid', function findInvalidValue(member) {
    const found: Found<'config/value-invalid'>[] = []
    for (const at of member.settings.all()) {
      // Only an empty flag is a value. For strings and lists etcd then uses the default.
      const isUnset =
        at.text === '' && (at.form !== 'flags' || at.row.kind === 'tls-version' || at.isUnreadable === true)
      const rule = isUnset || at.unknown.length > 0 ? undefined : optionKinds[at.row.kind].text
      if (rule?.is(at.text) === false) found.push({ at, kind: 'refused', value: at.text, wants: rule.expected })
    }
    for (const [flag, { kind = 'refused', expected, is }] of Object.entries(ACCESS_VALUES)) {
      const at = member.known(flag)
      if (at !== undefined && !is(at.text, member, at.form)) found.push({ at, kind, value: at.text, wants: expected })
    }
    return found
  }),
  member('config/too-large', function findLongList({ settings, isWritten }) {
    return settings
      .all()
      .filter(({ row, values }) => !isWritten && CHECKED_LISTS.includes(row.kind) && values.length > MAX_ENTRIES)
      .map((at) => ({ at, kind: 'list', count: at.values.length, limit: MAX_ENTRIES }))
  }),
  member('config/cipher-suites-unfit', function findUnfitList(member) {
    const at = member.server('cipherSuites')
    // etcd reads an empty flag as a list of one suite with an empty name; an empty variable or key as no list.
    const { text, form, values } = at.option ?? { text: null, form: null, values: [] }
    const isEmpty = text === '' && (form === 'flags' || values.length > 0) && !at.isUnresolved
    const found: Found<'config/cipher-suites-unfit'>[] = isEmpty
      ? [{ at, kind: 'unknown', suites: [''], suggestions: [] }]
      : []
    const suites = suitesOf(member)
    if (suites === null) return found
    const known = knownSuites(member)
    const rows = new Map(known.map((row) => [row.name, row]))
    const unknown = suites.filter((suite) => !rows.has(suite))
    const meant = (suite: string): string | undefined => {
      const folded = suite.toUpperCase()
      const row = cipherSuites.find(({ name, openssl }) => name === folded || openssl === folded)
      return known.find(({ kind, openssl }) => kind !== 'insecure' && openssl === row?.openssl)?.name
    }
    if (unknown.length > 0)
      found.push({ at, kind: 'unknown', suites: unknown, suggestions: unknown.flatMap((suite) => meant(suite) ?? []) })
    const weak = suites.filter((suite) => rows.get(suite)?.kind === 'insecure')
    const isAlone =
      member.isWritten || !cipherSuites.some(({ name, kind }) => kind === 'sound' && suites.includes(name))
    if (weak.length > 0) found.push({ at, kind: 'weak', suites: weak, isAlone })
    // etcd exits at an unknown name before it checks the list for HTTP/2.
    const isChecked = unknown.length === 0 && member.server('tlsMinVersion').text !== 'TLS1.3'
    const isFit = cipherSuites.some(({ name, http2 }) => http2 === true && suites.includes(name))
    if (isChecked && !isFit) found.push({ at, kind: 'no HTTP/2' })
    return found
  }),
  member('config/option-not-in-version', function findMissingInVersion(member) {
    return inForce(member).flatMap((at) => {
      const { row, form } = at
      const spelling = form === 'yaml' ? row.yaml : row.flag
      const { version } = member
      if (version === null || spelling === null || member.hasOption(at)) return []
      const { since, until = null } = spelling
      const forms = CONFIG_FORMS.filter((each) => formAvailability(row, each, version) === 'all')
      const instead = nameIn(version, row, form)
      return [{ at, form, version: formatVersion(version), since: [...since], until, forms, instead }]
    })
  }),
  member('config/option-unknown', function findFlagOfOtherLine(member) {
    return ofOtherLines(member).flatMap(({ at, form, lines }) =>
      form === 'flags' ? [{ at, kind: 'other releases', lines }] : [],
    )
  }),
  member('config/option-of-other-version', function findKeyOfOtherLine(member) {
    const version = member.version === null ? '' : formatVersion(member.version)
    return ofOtherLines(member).flatMap(({ at, form, lines }) => (form === 'flags' ? [] : [{ at, version, lines }]))
  }),
  // The block must be a mapping since 3.6 (server/embed/config.go v3.6.0 configFromFile).
  member('config/value-type', function findEmptyBlock({ others, version }) {
    const at = others.find(({ name, isEmptyBlock }) => isEmptyBlock === true && name === 'peer-transport-security')
    if (at === undefined || version === null || version.minor < 6) return null
    return { at, kind: 'empty block', version: formatVersion(version) }
  }),
  // Since 3.5.15 these options require a list in place of a string. Without a version, a newer release is assumed.
  member('config/value-type', function findTextForList(member) {
    return listsOf(member).flatMap(({ at, takesList, since }) => {
      const isText = at.form === 'yaml' && !at.isList && takesList !== 'none'
      return isText ? [{ at, kind: 'no list', since }] : []
    })
  }),
  member('config/one-value-only', function findListForText(member) {
    return listsOf(member).flatMap(({ at, takesList, since }) => {
      const { isList, values } = at
      if (takesList !== 'none' || member.version === null || (!isList && values.length <= 1)) return []
      return [{ at, version: formatVersion(member.version), count: values.length, since, isList }]
    })
  }),
  // etcd does not expand `~` in `wal-dir`.
  member('config/not-expanded', function findHomeFolder(member) {
    const at = member.used('wal-dir')
    return at !== undefined && /^~(?:\/|$)/.test(at.text) && { at, names: [at.text], kind: 'etcd, a home folder' }
  }),
  member('config/options-conflict', function findTlsConflict(member) {
    const [min, max] = [member.server('tlsMinVersion'), member.server('tlsMaxVersion')]
    if (min.text !== 'TLS1.3') return null
    const [at, found] = [member.server('cipherSuites'), [] as Found<'config/options-conflict'>[]]
    if (suitesOf(member) !== null)
      found.push({ at, kind: 'suites of TLS 1.3', other: spelledLike(at.place.option, 'tls-min-version') })
    if (max.text === 'TLS1.2')
      found.push({ at: min, kind: 'TLS versions', other: spelledLike(min.place.option, 'tls-max-version') })
    return found
  }),
  // etcd accepts only one of these. The default, if set in a file, counts as not set (server/embed/config.go v3.5.16 Validate).
  member('config/options-conflict', function findBootstrapConflict(member) {
    const defaultValue = member.server('initialCluster').row.default
    const [first, at] = ['initial-cluster', 'discovery', 'discovery-endpoints', 'discovery-srv']
      .flatMap((flag) => member.known(flag) ?? [])
      .filter(({ text }) => text !== defaultValue)
    return first !== undefined && at !== undefined && { at, kind: 'ways to find members', other: first.place.option }
  }),
  member('config/option-dangerous', function findDanger(member) {
    return Object.entries(DANGERS).flatMap(([flag, danger]) => {
      // Some options have the prefix `experimental-` up to 3.6.
      const at = member.known(flag) ?? member.known(`experimental-${flag}`)
      return at === undefined || parseGoBoolean(at.text) !== true ? [] : [{ at, ...danger }]
    })
  }),
  // An attacker between a member and the discovery service chooses the members of the cluster.
  member('config/option-dangerous', function findOpenDiscovery(member) {
    const at = member.known('discovery')
    if (at === undefined || !/^http:\/\/(?!localhost[:/]|127\.|\[::1\])/i.test(at.text)) return null
    const [https, list] = [at.text.replace(/^http:/i, 'https:'), spelledLike(at.place.option, 'initial-cluster')]
    const why = `is ${at.text}, which is neither encrypted nor authenticated`
    return { at, why, remedy: `Write ${https}, or list the members in ${list}.` }
  }),
]

/** The rules about one member without its files, for the lint and the renderer. */
export const memberRules = [...urlRules, ...authRules, ...optionRules]
