/** Values that etcd refuses or reads differently: of single options, of cipher suites, and of other releases. */
import { spelledLike } from '../../report/catalogue/config/place.js'
import type { Finding } from '../../report/finding.js'
import { parseGoDuration } from '../../report/duration.js'
import { finding } from '../finding.js'
import type { PassthroughOption, ReadOption } from '../read/read-option.js'
import { cipherSuites } from '../tables/cipher-suites.js'
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

/** What a value must be, by the kind of its option; other kinds have rules of their own. */
const WANTS: Partial<Record<EtcdOptionRow['kind'], { wants: string; isRight: (option: ReadOption) => boolean }>> = {
  boolean: { wants: 'true or false', isRight: ({ text }) => parseGoBoolean(text) !== null },
  'tls-version': { wants: 'TLS1.2 or TLS1.3', isRight: ({ text }) => /^TLS1\.[23]$/.test(text) },
  state: { wants: 'new or existing', isRight: ({ text }) => text === 'new' || text === 'existing' },
  // In a file etcd reads 0 as not set (server/embed/config.go v3.5.16 configFromFile).
  years: {
    wants: 'a number of years above 0',
    isRight: ({ text, form }) => /^\d+$/.test(text) && (Number(text) > 0 || form === 'yaml'),
  },
}

function refused(option: { place: ReadOption['place']; text?: string }, wants: string): Finding {
  return finding('config/value-invalid', { ...option.place, kind: 'refused', value: option.text ?? '', wants })
}

const valuesAreAccepted: Rule = (member) =>
  member.settings.all().flatMap((option) => {
    const rule = WANTS[option.row.kind]
    if (rule === undefined || option.text === '' || member.isOpen(option.text) || rule.isRight(option)) return []
    return [refused(option, rule.wants)]
  })

/** Lists of which each entry is checked. */
const CHECKED_LISTS: ReadonlySet<EtcdOptionRow['kind']> = new Set(['urls', 'cluster', 'suites'])

const listsAreShort: Rule = ({ settings, isWritten }) =>
  isWritten
    ? []
    : settings
        .all()
        .filter(({ row, values }) => CHECKED_LISTS.has(row.kind) && values.length > MAX_ENTRIES)
        .map(({ place, values: { length: count } }) =>
          finding('config/too-large', { ...place, kind: 'list', count, limit: MAX_ENTRIES }),
        )

const tlsVersionsMeet: Rule = ({ settings }) => {
  const [min, max] = [settings.server('tlsMinVersion'), settings.server('tlsMaxVersion')]
  if (min.text !== 'TLS1.3' || max.text !== 'TLS1.2') return []
  const other = spelledLike(min.place.option, 'tls-max-version')
  return [finding('config/options-conflict', { ...min.place, kind: 'TLS versions', other })]
}

const SUITES = new Map(cipherSuites.map((row) => [row.name, row]))

const NO_SUITE = { suite: '', suggestion: null, algorithm: '', subject: '', cert: '' }

const suitesAreAccepted: Rule = ({ settings, version, isWritten }) => {
  const setting = settings.server('cipherSuites')
  const { option, place, isSet, isUnresolved } = setting
  // A flag without a value is a list of one suite without a name; other forms read it as no list.
  if (option?.text === '' && option.form === 'flags' && !isUnresolved) {
    return [finding('config/cipher-suites-unfit', { ...place, ...NO_SUITE, kind: 'unknown' })]
  }
  if (!isSet || isUnresolved) return []
  const suites = checkedEntries(setting)
  // What is written for a line must fit all its releases; what is linted may be for one of them.
  const known = cipherSuites.filter(({ since }) => {
    const available = version === null ? 'all' : availableIn(version, since)
    return isWritten ? available === 'all' : available !== 'none'
  })
  const isAlone = isWritten || !suites.some((suite) => SUITES.get(suite)?.kind === 'sound')
  const findings = suites.flatMap((suite): Finding[] => {
    const row = known.find(({ name }) => name === suite)
    if (row !== undefined) {
      const kind = isAlone ? ('only weak' as const) : ('weak' as const)
      return row.kind === 'insecure'
        ? [finding('config/cipher-suites-unfit', { ...place, ...NO_SUITE, kind, suite })]
        : []
    }
    const folded = suite.toUpperCase()
    const meant = cipherSuites.find(({ name, openssl }) => name === folded || openssl === folded)
    const instead = known.find(({ kind, openssl }) => kind !== 'insecure' && openssl === meant?.openssl)
    return [
      finding('config/cipher-suites-unfit', {
        ...place,
        ...NO_SUITE,
        kind: 'unknown',
        suite,
        suggestion: instead?.name ?? null,
      }),
    ]
  })
  if (settings.server('tlsMinVersion').text === 'TLS1.3') {
    const other = spelledLike(place.option, 'tls-min-version')
    return [...findings, finding('config/options-conflict', { ...place, kind: 'suites of TLS 1.3', other })]
  }
  // An unknown name ends etcd before it checks the list.
  if (findings.some(({ code, details }) => code === 'config/cipher-suites-unfit' && details.kind === 'unknown'))
    return findings
  if (suites.some((suite) => SUITES.get(suite)?.http2 === true)) return findings
  return [...findings, finding('config/cipher-suites-unfit', { ...place, ...NO_SUITE, kind: 'no HTTP/2' })]
}

/** The names of an option that a version has under another name. */
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
      const forms = CONFIG_FORMS.filter((each) => formAvailability(row, each, version) === 'all')
      const instead = namesIn(version, row, form)[0]
      const details = { ...place, form, version: formatVersion(version), since: [...since], until, forms, instead }
      return [finding('config/option-not-in-version', details)]
    }
    const { deprecatedSince } = row
    if (deprecatedSince === undefined || availableIn(version, [deprecatedSince as '3.6.0']) !== 'all') return []
    const details = { ...place, kind: 'deprecated' as const, version: deprecatedSince, lines: [] }
    return [finding('config/option-of-other-version', details)]
  })
}

/** Names of other release lines: etcd does not start with such a flag, and ignores such a key. */
const namesAreInVersion: Rule = ({ others, version }) => {
  const line = ETCD_LINES.find((each) => version?.minor === Number(each.slice('3.'.length)))
  if (line === undefined || version === null) return []
  return others.flatMap(({ name, form, place, isEmptyBlock, isNested }): Finding[] => {
    if (isEmptyBlock === true || isNested === true) return []
    const spellings = passthroughSpellings(name, form)
    if (spellings.some(({ since, until }) => availableIn(version, since, until) !== 'none')) return []
    const own = spellings.flatMap(linesOf)
    const known = ETCD_LINES.filter((each) => own.includes(each))
    // In the line itself, a later release has it.
    const lines = [...(known.includes(line) ? spellings.flatMap(({ since }) => since) : known)]
    if (form === 'flags') {
      return [finding('config/option-unknown', { ...place, kind: 'flag', nearest: null, lines, key: null })]
    }
    const details = { ...place, kind: 'unknown key' as const, version: formatVersion(version), lines }
    return [finding('config/option-of-other-version', details)]
  })
}

/** The block that must be a mapping since 3.6 (server/embed/config.go v3.6.0 configFromFile). */
const PEER_BLOCK = etcdOptions.find(({ block, yaml }) => block === 'peer' && yaml?.name.length === 2)?.yaml?.name[0]

const blocksAreMappings: Rule = ({ others, version }) =>
  version === null || version.minor < 6
    ? []
    : others
        .filter(({ name, isEmptyBlock }) => isEmptyBlock === true && name === PEER_BLOCK)
        .map(({ place }) => {
          const details = { kind: 'empty block' as const, wants: 'a mapping', has: 'empty' }
          return finding('config/value-type', { ...place, ...details, since: [formatVersion(version)] })
        })

/** A string where releases since 3.5.15 require a list, and vice versa. Without a version, the newer ones count. */
const listsAreLists: Rule = (member) =>
  member.settings.all().flatMap(({ row, isList, place, form, values, text }): Finding[] => {
    const { version } = member
    const { listSince } = row
    if (listSince === undefined || text === '' || member.isOpen(text) || member.isWritten) return []
    const since = [...listSince]
    const takesList = version === null ? 'all' : availableIn(version, listSince)
    if (form === 'yaml' && version !== null && formAvailability(row, form, version) === 'none') return []
    if (form === 'yaml' && !isList && takesList !== 'none') {
      return [finding('config/value-type', { ...place, kind: 'no list', wants: 'a list', has: 'a string', since })]
    }
    if (takesList !== 'none' || version === null || (!isList && values.length < 2)) return []
    const details = { ...place, version: formatVersion(version), count: values.length, since, isList }
    return [finding('config/one-value-only', details)]
  })

/** Etcd counts how many of these are set (server/embed/config.go v3.5.16 Validate). */
const startIsUnambiguous: Rule = (member) => {
  const cluster = member.settings.server('initialCluster')
  const byDns = member.settings.all().find(({ row }) => row.flag?.name === 'discovery-srv')
  // What is completed elsewhere may be empty, and the default in a file counts as not set.
  const [first, second] = [
    cluster.option,
    member.passthrough('discovery'),
    member.passthrough('discovery-endpoints'),
    byDns,
  ]
    .filter((each) => each !== null && each !== undefined)
    .filter(({ text = '' }) => text !== '' && !member.isOpen(text) && text !== cluster.row.default)
    .filter((each) => member.hasOption(each))
    .map(({ place }) => place)
  if (first === undefined || second === undefined) return []
  return [finding('config/options-conflict', { ...second, kind: 'ways to find members', other: first.option })]
}

const leaderHasTime: Rule = (member) => {
  const [heartbeat, election] = [member.passthrough(HEARTBEAT.name), member.passthrough(ELECTION.name)]
  // Etcd checks that first.
  if (Number(heartbeat?.text) === 0 || Number(election?.text) === 0) return []
  const given = election ?? heartbeat
  const wrong = tooShort(heartbeat?.text, election?.text)
  if (given === undefined || wrong === null) return []
  return [finding('config/election-too-short', { ...given.place, ...wrong })]
}

/** Without TLS, and not on this machine. */
const PLAINTEXT = /^http:\/\/(?!localhost[:/]|127\.|\[::1\])/i

function plainDiscovery(option: string, url: string): { why: string; remedy: string } {
  const https = url.replace(/^http:/i, 'https:')
  return {
    why: `is ${url}, which is neither encrypted nor authenticated`,
    remedy: `Write ${https}, or list the members in ${spelledLike(option, 'initial-cluster')}.`,
  }
}

function unverifiedDiscovery(option: string): { why: string; remedy: string } {
  return {
    why: 'turns off the verification of the discovery service',
    remedy: `Remove ${option}, and set the CA of the service (--discovery-cacert, or "cacert" next to it in a file).`,
  }
}

/** An attacker between a member and the discovery service chooses the members of the cluster. */
const discoveryIsProtected: Rule = (member) => {
  const service = member.passthrough('discovery')
  const unverified = member.settings.all().find(({ row }) => row.flag?.name === 'discovery-insecure-skip-tls-verify')
  const isPlain = service?.text !== undefined && member.hasOption(service) && PLAINTEXT.test(service.text)
  return [
    ...(isPlain
      ? [
          finding('config/option-dangerous', {
            ...service.place,
            ...plainDiscovery(service.place.option, service.text ?? ''),
          }),
        ]
      : []),
    ...(unverified !== undefined && parseGoBoolean(unverified.text) === true
      ? [finding('config/option-dangerous', { ...unverified.place, ...unverifiedDiscovery(unverified.place.option) })]
      : []),
  ]
}

const passthroughIsAccepted: Rule = (member) =>
  [...CHECKED_OPTIONS, ROTATION].flatMap((name) => {
    const option = member.passthrough(name)
    if (option?.text === undefined || member.isOpen(option.text) || !member.hasOption(option)) return []
    const wants =
      name === ROTATION
        ? wantedOfRotation(option.text, member)
        : wantedValue(name, option.text, member.version, option.form)
    return wants === null ? [] : [refused(option, wants)]
  })

const valuesAreUsed: Rule = (member) =>
  DEFAULTED.flatMap(({ name, wants, known }): Finding[] => {
    const option = member.passthrough(name)
    if (option?.text === undefined || member.isOpen(option.text) || !member.hasOption(option)) return []
    // Another fault than an unknown value, which is reported on its own.
    if (known.test(option.text) || (name === 'bcrypt-cost' && !/^\+?\d+$/.test(option.text))) return []
    return [finding('config/value-invalid', { ...option.place, kind: 'not used', value: option.text, wants })]
  })

/** A duration is a number of nanoseconds, and so of revisions (server/embed/etcd.go v3.5.16 parseCompactionRetention). */
const revisionsAreCounted: Rule = (member) => {
  const retention = member.passthrough('auto-compaction-retention')
  if (member.passthrough('auto-compaction-mode')?.text !== 'revision' || retention?.text === undefined) return []
  const nanoseconds = /^\+?\d+$/.test(retention.text) ? null : parseGoDuration(retention.text)
  if (nanoseconds === null || nanoseconds <= 0n) return []
  const why = `is "${retention.text}", with which etcd keeps ${nanoseconds.toLocaleString('en-US')} revisions, because the mode of compaction is revision`
  const mode = spelledLike(retention.place.option, 'auto-compaction-mode')
  const remedy = `Write a number of revisions such as 1000, or set ${mode} to periodic.`
  return [finding('config/option-dangerous', { ...retention.place, why, remedy })]
}

/** Null also if the outputs are a list of a file, or not known. */
function wantedOfRotation(text: string, member: LintMember): string | null {
  const outputs = member.passthrough(OUTPUTS)?.text
  const isList = member.others.some(({ name, text: own }) => name === OUTPUTS && own === '')
  if (isList || (outputs !== undefined && member.isOpen(outputs))) return null
  return wantedRotation(parseGoBoolean(text) === true, outputs)
}

/** Fields of a rotation, and their types (server/embed/config_logging.go v3.5.16 logRotationConfig). */
const ROTATION_FIELDS: ReadonlyMap<string, string> = new Map([
  ['maxsize', 'number'],
  ['maxage', 'number'],
  ['maxbackups', 'number'],
  ['localtime', 'boolean'],
  ['compress', 'boolean'],
])

const rotationIsJson: Rule = (member) => {
  const json = member.passthrough('log-rotation-config-json')
  const isOn = parseGoBoolean(member.passthrough(ROTATION)?.text ?? '') === true
  if (!isOn || json?.text === undefined || member.isOpen(json.text) || isRotation(json.text)) return []
  return [
    refused(json, 'JSON, as {"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}'),
  ]
}

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
const samplesAreMillionths: Rule = (member) =>
  ['', 'experimental-'].flatMap((prefix): Finding[] => {
    const rate = member.passthrough(`${prefix}distributed-tracing-sampling-rate`)
    const isOn = parseGoBoolean(member.passthrough(`${prefix}enable-distributed-tracing`)?.text ?? '') === true
    if (!isOn || rate?.text === undefined || !(Number(rate.text) > MAX_SAMPLES || Number(rate.text) < 0)) return []
    return [refused(rate, `a number from 0 to ${String(MAX_SAMPLES)}`)]
  })

const MAX_QUOTA = 8 * 1024 ** 3

const nothingIsForEmergencies: Rule = (member) => {
  const danger = (option: PassthroughOption, why: string, remedy: string): Finding =>
    finding('config/option-dangerous', { ...option.place, why, remedy })
  const switches = [
    ['force-new-cluster', 'makes this member drop all other members at each start'],
    ['unsafe-no-fsync', 'lets a power failure lose writes that clients saw succeed'],
  ] as const
  const quota = member.passthrough('quota-backend-bytes')
  const large = quota !== undefined && Number(quota.text) > MAX_QUOTA ? [quota] : []
  return [
    ...switches.flatMap(([name, why]) => {
      const option = member.passthrough(name)
      if (option?.text === undefined || parseGoBoolean(option.text) !== true) return []
      return [danger(option, why, `Remove ${option.place.option} after the emergency or the test.`)]
    }),
    ...large.map((each) =>
      danger(
        each,
        `is ${each.text ?? ''} bytes, and etcd recommends at most 8 GiB`,
        `Set ${each.place.option} to ${String(MAX_QUOTA)} or less.`,
      ),
    ),
  ]
}

/** Since 3.6 a discovery service needs both (server/embed/config.go v3.6.14 Validate). */
const discoveryIsComplete: Rule = (member) => {
  const names = ['discovery-endpoints', 'discovery-token'] as const
  const [endpoints, token] = names.map((name) => {
    const option = member.passthrough(name)
    return option !== undefined && member.hasOption(option) ? option : undefined
  })
  const given = endpoints ?? token
  if (given === undefined || (endpoints !== undefined && token !== undefined) || !member.isWhole) return []
  const needs = [spelledLike(given.place.option, endpoints === undefined ? names[0] : names[1])]
  return [finding('config/option-needs', { ...given.place, kind: 'option', needs, for: '' })]
}

const optionsGoTogether: Rule = (member) => {
  const set = new Map<string, ReadOption | PassthroughOption>()
  for (const each of member.settings.all()) if (each.row.flag !== null) set.set(each.row.flag.name, each)
  for (const { name } of member.others) {
    const option = member.passthrough(name)
    if (option !== undefined) set.set(name, option)
  }
  for (const [name, each] of set) if (!member.hasOption(each)) set.delete(name)
  return conflictsOf((flag) => set.get(flag)?.text).flatMap((each): Finding[] => {
    const place = set.get(each.option)?.place
    if (place === undefined) return []
    if ('needs' in each) {
      const needs = [each.needs.includes('=') ? each.needs : spelledLike(place.option, each.needs)]
      return [finding('config/option-needs', { ...place, kind: 'option', needs, for: '' })]
    }
    const other = set.get(each.other)?.place.option ?? each.other
    return [finding('config/options-conflict', { ...place, kind: 'excluded', other })]
  })
}

/** Etcd does not expand `~` in the folder of the write-ahead log either. */
const foldersAreExpanded: Rule = (member) => {
  const folder = member.passthrough('wal-dir')
  if (folder?.text === undefined || !/^~(?:\/|$)/.test(folder.text)) return []
  return [finding('config/not-expanded', { ...folder.place, names: [folder.text], by: 'etcd, a home folder' })]
}

export const valueRules: readonly Rule[] = [
  valuesAreAccepted,
  listsAreShort,
  tlsVersionsMeet,
  suitesAreAccepted,
  optionsAreInVersion,
  namesAreInVersion,
  blocksAreMappings,
  listsAreLists,
  foldersAreExpanded,
  startIsUnambiguous,
  discoveryIsComplete,
  optionsGoTogether,
  leaderHasTime,
  passthroughIsAccepted,
  valuesAreUsed,
  revisionsAreCounted,
  rotationIsJson,
  samplesAreMillionths,
  nothingIsForEmergencies,
  discoveryIsProtected,
]
