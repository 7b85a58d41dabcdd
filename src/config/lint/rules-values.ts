/** Values that etcd reads otherwise than they look, or not at all: versions of TLS, suites, and releases of etcd. */
import type { Finding } from '../../report/finding.js'
import { type ConfigForm, type EtcdOptionRow, etcdOptions, formAvailability, variableOf } from '../options.js'
import { otherSpellings } from '../options-other.js'
import { KNOWN_FLAGS, KNOWN_KEYS } from '../read/known-names.js'
import { isUnresolved, type ReadOption } from '../read/read-option.js'
import { judgeSuites } from '../suite-rules.js'
import { availableIn, ETCD_LINES, formatVersion, type ParsedVersion } from '../version.js'
import { finding } from './finding.js'
import { isBooleanText, type LintMember, type Rule } from './member.js'
import { MAX_ENTRIES } from './served-url.js'

/** What a value must be, by the kind of its option; kinds that are not here are judged by rules of their own. */
const WANTS: Partial<Record<EtcdOptionRow['kind'], { wants: string; isRight: (option: ReadOption) => boolean }>> = {
  boolean: { wants: 'true or false', isRight: ({ text }) => isBooleanText(text) },
  'tls-version': { wants: 'TLS1.2 or TLS1.3', isRight: ({ text }) => /^TLS1\.[23]$/.test(text) },
  state: { wants: 'new or existing', isRight: ({ text }) => text === 'new' || text === 'existing' },
  // In a file etcd takes 0 for nothing said (server/embed/config.go v3.5.16 configFromFile).
  years: {
    wants: 'a number of years above 0',
    isRight: ({ text, form }) => /^\d+$/.test(text) && (Number(text) > 0 || form === 'yaml'),
  },
}

const valuesAreWhole: Rule = ({ settings }) =>
  settings.all().flatMap((option) => {
    const { row, text, place } = option
    const rule = WANTS[row.kind]
    if (rule === undefined || text === '' || isUnresolved(text) || rule.isRight(option)) return []
    return [finding('config/value-malformed', { ...place, value: text, wants: rule.wants })]
  })

/** Lists of which each entry is judged. */
const JUDGED_LISTS: ReadonlySet<EtcdOptionRow['kind']> = new Set(['urls', 'cluster', 'suites'])

const listsAreShort: Rule = ({ settings }) =>
  settings
    .all()
    .filter(({ row, values }) => JUDGED_LISTS.has(row.kind) && values.length > MAX_ENTRIES)
    .map(({ place, values: { length: count } }) =>
      finding('config/list-too-long', { ...place, count, limit: MAX_ENTRIES }),
    )

const tlsVersionsMeet: Rule = ({ settings }) => {
  const [min, max] = [settings.server('tlsMinVersion'), settings.server('tlsMaxVersion')]
  if (min.text !== 'TLS1.3' || max.text !== 'TLS1.2') return []
  return [finding('config/tls-versions-crossed', { ...min.place, min: min.text, max: max.text })]
}

const suitesAreKnown: Rule = ({ settings, version }) => {
  const { option, place, values, isSet, isUnresolved } = settings.server('cipherSuites')
  // A flag without a value is a list of one suite without a name; other forms take it for no list.
  if (option?.text === '' && option.form === 'flags' && !isUnresolved) {
    return [finding('config/cipher-suite-unknown', { ...place, suite: '', suggestion: null })]
  }
  if (!isSet || isUnresolved) return []
  const tlsMinVersion = settings.server('tlsMinVersion').text
  return judgeSuites({ suites: values.slice(0, MAX_ENTRIES), place, tlsMinVersion, version, releases: 'some' })
}

/** What a version calls an option that it has under another name. */
function namesIn(version: ParsedVersion, { block, field }: EtcdOptionRow, form: ConfigForm): string[] {
  if (field === null) return []
  return etcdOptions
    .filter((row) => row.block === block && row.field === field && formAvailability(row, form, version) === 'all')
    .flatMap(({ flag, yaml }) => {
      if (form === 'yaml') return yaml === null ? [] : [yaml.name.join('.')]
      if (flag === null) return []
      return [form === 'env' ? variableOf(flag.name) : `--${flag.name}`]
    })
}

const optionsAreInVersion: Rule = ({ settings, version }) => {
  if (version === null) return []
  return settings.all().flatMap(({ row, form, place, text, isUnreadable }): Finding[] => {
    const spelling = form === 'yaml' ? row.yaml : row.flag
    if (spelling === null || (text === '' && isUnreadable !== true)) return []
    if (formAvailability(row, form, version) === 'none') {
      const { since, until = null } = spelling
      const forms = (['yaml', 'flags', 'env'] as const).filter((each) => formAvailability(row, each, version) === 'all')
      const instead = namesIn(version, row, form)[0]
      const details = { ...place, form, version: formatVersion(version), since: [...since], until, forms, instead }
      return [finding('config/option-not-in-version', details)]
    }
    const { deprecatedSince } = row
    const isDeprecated = deprecatedSince !== undefined && availableIn(version, [deprecatedSince as '3.6.0']) === 'all'
    return isDeprecated ? [finding('config/option-deprecated', { ...place, since: deprecatedSince })] : []
  })
}

/** Names that other release lines know: etcd ends at such a flag, and passes over such a key. */
const namesAreInVersion: Rule = ({ others, version }) => {
  const line = ETCD_LINES.find((each) => version?.minor === Number(each.slice('3.'.length)))
  if (line === undefined || version === null) return []
  return others.flatMap(({ name, form, place, isEmptyBlock, isNested }): Finding[] => {
    // Etcd passes over a variable that it does not know.
    if (isEmptyBlock === true || isNested === true || form === 'env') return []
    const spellings = otherSpellings(name, form)
    if (spellings.some(({ since, until }) => availableIn(version, since, until) !== 'none')) return []
    const known = (form === 'yaml' ? KNOWN_KEYS : KNOWN_FLAGS).get(name) ?? []
    // Of the line itself, it is a later release that has it.
    const lines = known.includes(line) ? spellings.flatMap(({ since }) => since) : known
    if (form !== 'yaml') return [finding('config/flag-unknown', { ...place, nearest: null, lines: [...lines] })]
    return [finding('config/key-of-other-version', { ...place, version: formatVersion(version), lines: [...lines] })]
  })
}

/** The block that must be one since 3.6 (server/embed/config.go v3.6.0 configFromFile). */
const PEER_BLOCK = etcdOptions.find(({ block, yaml }) => block === 'peer' && yaml?.name.length === 2)?.yaml?.name[0]
const FIRST_WITHOUT_NULL = 6

const blocksHold: Rule = ({ others, version }) =>
  version === null || version.minor < FIRST_WITHOUT_NULL
    ? []
    : others
        .filter(({ name, isEmptyBlock }) => isEmptyBlock === true && name === PEER_BLOCK)
        .map(({ place }) => finding('config/block-null', { ...place, version: formatVersion(version) }))

/** A text where releases since 3.5.15 want a list, and the other way round. Without a version, the newer ones count. */
function shapeOf({ row, isList, place, form, values, text }: ReadOption, { version }: LintMember): Finding[] {
  const { listSince } = row
  if (listSince === undefined || text === '' || isUnresolved(text)) return []
  const since = [...listSince]
  const takesList = version === null ? 'all' : availableIn(version, listSince)
  if (form === 'yaml' && version !== null && formAvailability(row, form, version) === 'none') return []
  if (form === 'yaml' && !isList && takesList !== 'none')
    return [finding('config/scalar-instead-of-list', { ...place, since })]
  if (takesList !== 'none' || version === null) return []
  const release = formatVersion(version)
  if (isList) return [finding('config/list-instead-of-scalar', { ...place, since, version: release })]
  if (values.length < 2) return []
  return [finding('config/one-value-only', { ...place, version: release, count: values.length, since })]
}

const listsAreLists: Rule = (member) => member.settings.all().flatMap((option) => shapeOf(option, member))

export const valueRules: readonly Rule[] = [
  valuesAreWhole,
  listsAreShort,
  tlsVersionsMeet,
  suitesAreKnown,
  optionsAreInVersion,
  namesAreInVersion,
  blocksHold,
  listsAreLists,
]
