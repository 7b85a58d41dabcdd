/** Values that etcd refuses or reads differently: of single options, of options together, and of other releases. */
import { spelledLike } from '../../report/catalogue/config/place.js'
import { parseGoDuration } from '../../report/duration.js'
import type { ReadOption } from '../read/read-option.js'
import { cipherSuites } from '../tables/cipher-suites.js'
import { optionKinds } from '../tables/kinds.js'
import {
  CONFIG_FORMS,
  type ConfigForm,
  type EtcdOptionRow,
  etcdOptions,
  formAvailability,
  parseGoBoolean,
  variableOf,
} from '../tables/options.js'
import { linesOf, passthroughSpellings } from '../tables/passthrough-options.js'
import {
  CHECKED_OPTIONS,
  conflictsOf,
  DEFAULTED,
  ELECTION,
  HEARTBEAT,
  OUTPUTS,
  ROTATION,
  tooShort,
  wantedRotation,
  wantedValue,
} from '../tables/passthrough-values.js'
import { availableIn, ETCD_LINES, formatVersion, type ParsedVersion } from '../tables/version.js'
import { checkedEntries, type LintMember, MAX_ENTRIES, type Rule } from './member.js'

/** Fields of a rotation, and their types (server/embed/config_logging.go v3.5.16 logRotationConfig). */
const ROTATION_FIELDS: ReadonlyMap<string, string> = new Map([
  ['maxsize', 'number'],
  ['maxage', 'number'],
  ['maxbackups', 'number'],
  ['localtime', 'boolean'],
  ['compress', 'boolean'],
])

function isRotation(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    return Object.entries(value).every(([key, own]) => {
      const type = ROTATION_FIELDS.get(key.toLowerCase())
      return type === undefined || own === null || typeof own === type
    })
  } catch {
    return false
  }
}

const MAX_SAMPLES = 1_000_000

/** Etcd checks the rate if traces are on (server/embed/config_tracing.go v3.5.16 validateTracingConfig). */
function wantedRate(prefix: '' | 'experimental-'): (text: string, member: LintMember) => string | null {
  return (text, member) =>
    member.isOn(`${prefix}enable-distributed-tracing`) && (Number(text) > MAX_SAMPLES || Number(text) < 0)
      ? `a number from 0 to ${String(MAX_SAMPLES)}`
      : null
}

/** What a value must be that depends on another option; null for one that etcd accepts. */
const DEPENDENT: ReadonlyMap<string, (text: string, member: LintMember) => string | null> = new Map([
  [
    ROTATION,
    (text, member) => {
      const outputs = member.used(OUTPUTS)?.text
      const isList = member.others.some(({ name, text: own }) => name === OUTPUTS && own === '')
      if (isList || (outputs !== undefined && member.isOpen(outputs))) return null
      return wantedRotation(parseGoBoolean(text) === true, outputs)
    },
  ],
  [
    'log-rotation-config-json',
    (text, member) =>
      member.isOn(ROTATION) && !isRotation(text)
        ? 'JSON, as {"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}'
        : null,
  ],
  ['distributed-tracing-sampling-rate', wantedRate('')],
  ['experimental-distributed-tracing-sampling-rate', wantedRate('experimental-')],
])

const valuesAreAccepted: Rule = (report, member) => {
  const refuse = ({ place, text }: Pick<ReadOption, 'place' | 'text'>, wants: string): void => {
    report('config/value-invalid', { ...place, kind: 'refused', value: text, wants })
  }
  for (const option of member.settings.all()) {
    const rule = optionKinds[option.row.kind].text
    const isChecked = rule !== undefined && option.text !== '' && !member.isOpen(option.text)
    if (isChecked && !rule.is(option.text, option.form)) refuse(option, rule.wants)
  }
  for (const name of [...CHECKED_OPTIONS, ...DEPENDENT.keys()]) {
    const option = member.known(name)
    if (option === undefined) continue
    const dependent = DEPENDENT.get(name)
    const wants = dependent?.(option.text, member) ?? wantedValue(name, option.text, member.version, option.form)
    if (wants !== null) refuse(option, wants)
  }
  for (const { name, wants, known } of DEFAULTED) {
    const option = member.known(name)
    // That it is no number is another fault, which is reported on its own.
    if (option === undefined || known.test(option.text) || (name === 'bcrypt-cost' && !/^\+?\d+$/.test(option.text)))
      continue
    report('config/value-invalid', { ...option.place, kind: 'not used', value: option.text, wants })
  }
}

/** Lists of which each entry is checked. */
const CHECKED_LISTS: ReadonlySet<EtcdOptionRow['kind']> = new Set(['urls', 'cluster', 'suites'])

const listsAreShort: Rule = (report, { settings, isWritten }) => {
  for (const { row, values, place } of settings.all()) {
    if (isWritten || !CHECKED_LISTS.has(row.kind) || values.length <= MAX_ENTRIES) continue
    report('config/too-large', { ...place, kind: 'list', count: values.length, limit: MAX_ENTRIES })
  }
}

const SUITES = new Map(cipherSuites.map((row) => [row.name, row]))

const suitesAreAccepted: Rule = (report, { settings, version, isWritten }) => {
  const setting = settings.server('cipherSuites')
  const { option, place, isSet, isUnresolved } = setting
  const unfit = (
    kind: 'unknown' | 'weak' | 'only weak' | 'no HTTP/2',
    suites: string[],
    suggestions: string[],
  ): void => {
    report('config/cipher-suites-unfit', { ...place, kind, suites, suggestions, algorithm: '', subject: '', cert: '' })
  }
  // A flag without a value is a list of one suite without a name; other forms read it as no list.
  if (option?.text === '' && option.form === 'flags' && !isUnresolved) unfit('unknown', [''], [])
  if (!isSet || isUnresolved) return
  const suites = [...new Set(checkedEntries(setting))]
  // What is written for a line must fit all its releases; what is linted may be for one of them.
  const known = cipherSuites.filter(({ since }) => {
    const available = version === null ? 'all' : availableIn(version, since)
    return isWritten ? available === 'all' : available !== 'none'
  })
  const rows = suites.map((suite) => ({ suite, row: known.find(({ name }) => name === suite) }))
  const unknown = rows.flatMap(({ suite, row }) => (row === undefined ? [suite] : []))
  const weak = rows.flatMap(({ suite, row }) => (row?.kind === 'insecure' ? [suite] : []))
  if (unknown.length > 0) {
    const suggestions = unknown.flatMap((suite) => {
      const folded = suite.toUpperCase()
      const meant = cipherSuites.find(({ name, openssl }) => name === folded || openssl === folded)
      return known.find(({ kind, openssl }) => kind !== 'insecure' && openssl === meant?.openssl)?.name ?? []
    })
    unfit('unknown', unknown, suggestions)
  }
  const isAlone = isWritten || !suites.some((suite) => SUITES.get(suite)?.kind === 'sound')
  if (weak.length > 0) unfit(isAlone ? 'only weak' : 'weak', weak, [])
  if (settings.server('tlsMinVersion').text === 'TLS1.3') {
    const other = spelledLike(place.option, 'tls-min-version')
    report('config/options-conflict', { ...place, kind: 'suites of TLS 1.3', other })
    return
  }
  // An unknown name ends etcd before it checks the list.
  if (unknown.length === 0 && !suites.some((suite) => SUITES.get(suite)?.http2 === true)) unfit('no HTTP/2', [], [])
}

/** The names of an option that a version has under another name. */
function namesIn(version: ParsedVersion, { block, field }: EtcdOptionRow, form: ConfigForm): string[] {
  const rows = etcdOptions.filter((each) => field !== null && each.block === block && each.field === field)
  return rows.flatMap((each) => {
    if (formAvailability(each, form, version) !== 'all') return []
    const { flag, yaml } = each
    if (form === 'yaml') return yaml === null ? [] : [yaml.name.join('.')]
    return flag === null ? [] : [form === 'env' ? variableOf(flag.name) : `--${flag.name}`]
  })
}

const optionsAreInVersion: Rule = (report, { settings, version }) => {
  for (const { row, form, place, text, isUnreadable } of settings.all()) {
    const spelling = form === 'yaml' ? row.yaml : row.flag
    if (version === null || spelling === null || (text === '' && isUnreadable !== true)) continue
    if (formAvailability(row, form, version) === 'none') {
      const { since, until = null } = spelling
      const forms = CONFIG_FORMS.filter((each) => formAvailability(row, each, version) === 'all')
      const instead = namesIn(version, row, form)[0]
      const details = { form, version: formatVersion(version), since: [...since], until, forms, instead }
      report('config/option-not-in-version', { ...place, ...details })
    } else if (row.deprecatedSince !== undefined && availableIn(version, [row.deprecatedSince]) === 'all') {
      const details = { kind: 'deprecated' as const, version: row.deprecatedSince, lines: [] }
      report('config/option-of-other-version', { ...place, ...details })
    }
  }
}

/** Names of other release lines: etcd does not start with such a flag, and ignores such a key. */
const namesAreInVersion: Rule = (report, { others, version }) => {
  const line = ETCD_LINES.find((each) => version?.minor === Number(each.slice('3.'.length)))
  if (line === undefined || version === null) return
  for (const { name, form, place, isEmptyBlock, isNested } of others) {
    const spellings = passthroughSpellings(name, form)
    const isIn = spellings.some(({ since, until }) => availableIn(version, since, until) !== 'none')
    if (isIn || isEmptyBlock === true || isNested === true) continue
    const own = spellings.flatMap(linesOf)
    const known = ETCD_LINES.filter((each) => own.includes(each))
    // In the line itself, a later release has it.
    const lines = [...(known.includes(line) ? spellings.flatMap(({ since }) => since) : known)]
    if (form === 'flags') report('config/option-unknown', { ...place, kind: 'flag', nearest: null, lines, key: null })
    else {
      const details = { kind: 'unknown key' as const, version: formatVersion(version), lines }
      report('config/option-of-other-version', { ...place, ...details })
    }
  }
}

/** The block that must be a mapping since 3.6 (server/embed/config.go v3.6.0 configFromFile). */
const PEER_BLOCK = etcdOptions.find(({ block, yaml }) => block === 'peer' && yaml?.name.length === 2)?.yaml?.name[0]

const blocksAreMappings: Rule = (report, { others, version }) => {
  for (const { name, isEmptyBlock, place } of others) {
    if (version === null || version.minor < 6 || isEmptyBlock !== true || name !== PEER_BLOCK) continue
    const details = { kind: 'empty block' as const, wants: 'a mapping', has: 'empty', since: [formatVersion(version)] }
    report('config/value-type', { ...place, ...details })
  }
}

/** A string where releases since 3.5.15 require a list, and vice versa. Without a version, the newer ones count. */
const listsAreLists: Rule = (report, member) => {
  const { version, isWritten } = member
  for (const { row, isList, place, form, values, text } of member.settings.all()) {
    if (row.listSince === undefined || text === '' || member.isOpen(text) || isWritten) continue
    const since = [...row.listSince]
    const takesList = version === null ? 'all' : availableIn(version, row.listSince)
    if (form === 'yaml' && version !== null && formAvailability(row, form, version) === 'none') continue
    if (form === 'yaml' && !isList && takesList !== 'none') {
      report('config/value-type', { ...place, kind: 'no list', wants: 'a list', has: 'a string', since })
    } else if (takesList === 'none' && version !== null && (isList || values.length > 1)) {
      const details = { version: formatVersion(version), count: values.length, since, isList }
      report('config/one-value-only', { ...place, ...details })
    }
  }
}

const optionsGoTogether: Rule = (report, member) => {
  const { settings, isWhole } = member
  const conflict = (
    kind: 'excluded' | 'ways to find members' | 'TLS versions',
    place: ReadOption['place'],
    other: string,
  ): void => {
    report('config/options-conflict', { ...place, kind, other })
  }
  const needs = (place: ReadOption['place'], missing: string): void => {
    report('config/option-needs', { ...place, kind: 'option', needs: [missing], for: '' })
  }
  const [min, max] = [settings.server('tlsMinVersion'), settings.server('tlsMaxVersion')]
  if (min.text === 'TLS1.3' && max.text === 'TLS1.2') {
    conflict('TLS versions', min.place, spelledLike(min.place.option, 'tls-max-version'))
  }
  // Etcd counts how many of these are set; the default in a file counts as not set (server/embed/config.go v3.5.16 Validate).
  const standard = settings.server('initialCluster').row.default
  const [first, second] = ['initial-cluster', 'discovery', 'discovery-endpoints', 'discovery-srv']
    .flatMap((flag) => member.known(flag) ?? [])
    .filter(({ text }) => text !== standard)
  if (first !== undefined && second !== undefined) conflict('ways to find members', second.place, first.place.option)
  // Since 3.6 a discovery service needs both (server/embed/config.go v3.6.14 Validate).
  for (const [flag, missing] of [
    ['discovery-endpoints', 'discovery-token'],
    ['discovery-token', 'discovery-endpoints'],
  ] as const) {
    const option = member.used(flag)
    if (option !== undefined && member.used(missing) === undefined && isWhole) {
      needs(option.place, spelledLike(option.place.option, missing))
    }
  }
  for (const each of conflictsOf((flag) => member.used(flag)?.text)) {
    const place = member.used(each.option)?.place
    if (place === undefined) continue
    if ('other' in each) conflict('excluded', place, member.used(each.other)?.place.option ?? each.other)
    else needs(place, each.needs.includes('=') ? each.needs : spelledLike(place.option, each.needs))
  }
}

const leaderHasTime: Rule = (report, member) => {
  const [heartbeat, election] = [member.used(HEARTBEAT.name), member.used(ELECTION.name)]
  const wrong = tooShort(heartbeat?.text, election?.text)
  const given = election ?? heartbeat
  // Etcd checks first that neither is 0.
  if (given === undefined || wrong === null || wrong.heartbeat === 0 || wrong.election === 0) return
  report('config/election-too-short', { ...given.place, ...wrong })
}

/** Etcd does not expand `~` in the folder of the write-ahead log. */
const foldersAreExpanded: Rule = (report, member) => {
  const folder = member.used('wal-dir')
  if (folder === undefined || !/^~(?:\/|$)/.test(folder.text)) return
  report('config/not-expanded', { ...folder.place, names: [folder.text], kind: 'etcd, a home folder' })
}

/** What is wrong with a value, as words after the option, and what to do; null for nothing. */
type Danger = (text: string, option: string, member: LintMember) => { why: string; remedy: string } | null

/** Without TLS, and not on this machine. */
const PLAINTEXT = /^http:\/\/(?!localhost[:/]|127\.|\[::1\])/i
const MAX_QUOTA = 8 * 1024 ** 3

function ifOn(why: string, remedy: (option: string) => string): Danger {
  return (text, option) => (parseGoBoolean(text) === true ? { why, remedy: remedy(option) } : null)
}

function afterwards(option: string): string {
  return `Remove ${option} after the emergency or the test.`
}

const anyAddress = ifOn(
  'lets a member’s certificate be used from any address',
  () => 'Remove it, and issue certificates to the members with their addresses. Use a separate CA for members.',
)

/** By the flag. An attacker between a member and the discovery service chooses the members of the cluster. */
const DANGERS: Readonly<Record<string, Danger>> = {
  'peer-skip-client-san-verification': anyAddress,
  'experimental-peer-skip-client-san-verification': anyAddress,
  'force-new-cluster': ifOn('makes this member drop all other members at each start', afterwards),
  'unsafe-no-fsync': ifOn('lets a power failure lose writes that clients saw succeed', afterwards),
  'quota-backend-bytes': (text, option) =>
    Number(text) > MAX_QUOTA
      ? {
          why: `is ${text} bytes, and etcd recommends at most 8 GiB`,
          remedy: `Set ${option} to ${String(MAX_QUOTA)} or less.`,
        }
      : null,
  // A duration is a number of nanoseconds, and so of revisions (server/embed/etcd.go v3.5.16 parseCompactionRetention).
  'auto-compaction-retention': (text, option, member) => {
    const nanoseconds = /^\+?\d+$/.test(text) ? null : parseGoDuration(text)
    const isOfRevisions = member.used('auto-compaction-mode')?.text === 'revision'
    if (!isOfRevisions || nanoseconds === null || nanoseconds <= 0n) return null
    return {
      why: `is "${text}", with which etcd keeps ${nanoseconds.toLocaleString('en-US')} revisions, because the mode of compaction is revision`,
      remedy: `Write a number of revisions such as 1000, or set ${spelledLike(option, 'auto-compaction-mode')} to periodic.`,
    }
  },
  discovery: (text, option) =>
    PLAINTEXT.test(text)
      ? {
          why: `is ${text}, which is neither encrypted nor authenticated`,
          remedy: `Write ${text.replace(/^http:/i, 'https:')}, or list the members in ${spelledLike(option, 'initial-cluster')}.`,
        }
      : null,
  'discovery-insecure-skip-tls-verify': ifOn(
    'turns off the verification of the discovery service',
    (option) =>
      `Remove ${option}, and set the CA of the service (--discovery-cacert, or "cacert" next to it in a file).`,
  ),
}

const nothingIsDangerous: Rule = (report, member) => {
  for (const [flag, danger] of Object.entries(DANGERS)) {
    const option = member.known(flag)
    const found = option === undefined ? null : danger(option.text, option.place.option, member)
    if (option !== undefined && found !== null) report('config/option-dangerous', { ...option.place, ...found })
  }
}

export const valueRules: readonly Rule[] = [
  valuesAreAccepted,
  listsAreShort,
  suitesAreAccepted,
  optionsAreInVersion,
  namesAreInVersion,
  blocksAreMappings,
  listsAreLists,
  foldersAreExpanded,
  optionsGoTogether,
  leaderHasTime,
  nothingIsDangerous,
]
