/** How a member finds the others at its first start, and how long it waits for their leader. */
import { discords } from '../excluded.js'
import { ELECTION, HEARTBEAT, tooShort } from '../heartbeat.js'
import { spelledLike } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import { etcdOptions, formAvailability } from '../options.js'
import { otherSpellings } from '../options-other.js'
import { isUnresolved, type OtherName, type ReadOption } from '../read/read-option.js'
import { availableIn, type ParsedVersion } from '../version.js'
import { OUTPUTS, ROTATION, WANTED, wantedRotation, wantedValue } from '../wanted-values.js'
import { finding } from './finding.js'
import { isTrueText, type LintMember, type Rule } from './member.js'

/** Options that this package passes through. */
const DISCOVERY = 'discovery'
const ENDPOINTS = 'discovery-endpoints'
const TOKEN = 'discovery-token'
const BY_DNS = etcdOptions.find(({ flag }) => flag?.name === 'discovery-srv')
const UNVERIFIED = etcdOptions.find(({ flag }) => flag?.name === 'discovery-insecure-skip-tls-verify')

/** What is in force: beside a file, its keys alone. */
function otherOf({ settings, others }: LintMember, name: string): OtherName | undefined {
  const isFile = [...settings.all(), ...others].some(({ form }) => form === 'yaml')
  return others.findLast(
    (each) => each.name === name && (each.form === 'yaml') === isFile && each.text !== undefined && each.text !== '',
  )
}

/** Etcd counts which of the three are set (server/embed/config.go v3.5.16 Validate). */
const startIsOneWay: Rule = (member) => {
  const cluster = member.settings.server('initialCluster')
  const byDns = member.settings.all().find(({ row }) => row === BY_DNS)
  // What others complete may be empty, and the default is as none in a file.
  const [first, second] = [cluster.option, otherOf(member, DISCOVERY), otherOf(member, ENDPOINTS), byDns]
    .filter((each) => each !== null && each !== undefined)
    .filter(({ text = '' }) => text !== '' && !isUnresolved(text) && text !== cluster.row.default)
    .filter((each) => isKnown(each, member.version))
    .map(({ place }) => place)
  if (first === undefined || second === undefined) return []
  return [finding('config/start-ambiguous', { ...second, other: first.option })]
}

/** Whether a version knows a key or a flag at all. */
export function isKnown(each: ReadOption | OtherName, version: ParsedVersion | null): boolean {
  if (version === null) return true
  if ('row' in each) return formAvailability(each.row, each.form, version) !== 'none'
  const spellings = otherSpellings(each.name, each.isNested === true ? 'flags' : each.form)
  return spellings.some(({ since, until }) => availableIn(version, since, until) !== 'none')
}

const leaderIsHeard: Rule = (member) => {
  const [heartbeat, election] = [otherOf(member, HEARTBEAT.name), otherOf(member, ELECTION.name)]
  // Etcd looks at that first.
  if (Number(heartbeat?.text) === 0 || Number(election?.text) === 0) return []
  const given = election ?? heartbeat
  const wrong = tooShort(heartbeat?.text, election?.text)
  return given === undefined || wrong === null
    ? []
    : [finding('config/election-too-short', { ...given.place, ...wrong })]
}

/** Who is between decides which members the cluster has. */
const discoveryIsProtected: Rule = (member) => {
  const service = otherOf(member, DISCOVERY)
  const unverified = member.settings.all().find(({ row }) => row === UNVERIFIED)
  return [
    ...(service?.text === undefined || !isKnown(service, member.version) || !PLAINTEXT.test(service.text)
      ? []
      : [finding('config/discovery-unprotected', { ...service.place, url: service.text })]),
    ...(unverified === undefined || !isTrueText(unverified.text)
      ? []
      : [finding('config/discovery-unprotected', { ...unverified.place, url: null })]),
  ]
}
/** Without TLS, and not on this machine. */
const PLAINTEXT = /^http:\/\/(?!localhost[:/]|127\.|\[::1\])/i

const othersAreTaken: Rule = (member) =>
  [...Object.keys(WANTED), ROTATION].flatMap((name) => {
    const other = otherOf(member, name)
    if (other?.text === undefined || isUnresolved(other.text) || !isKnown(other, member.version)) return []
    const wants =
      wantedValue(name, other.text, member.version, other.form) ??
      (name === ROTATION ? rotates(other.text, member) : null)
    return wants === null ? [] : [finding('config/value-malformed', { ...other.place, value: other.text, wants })]
  })

/** Null also if the outputs are a list of a file, or not known. */
function rotates(text: string, member: LintMember): string | null {
  const outputs = otherOf(member, OUTPUTS)?.text
  const isList = member.others.some(({ name, text: own }) => name === OUTPUTS && own === '')
  return isList || (outputs !== undefined && isUnresolved(outputs)) ? null : wantedRotation(isTrueText(text), outputs)
}

const ROTATION_JSON = 'log-rotation-config-json'
/** Fields of the configuration of a rotation, and their types (server/embed/config_logging.go v3.5.16 logRotationConfig). */
const ROTATION_FIELDS: Readonly<Record<string, string>> = {
  maxsize: 'number',
  maxage: 'number',
  maxbackups: 'number',
  localtime: 'boolean',
  compress: 'boolean',
}

const rotationIsJson: Rule = (member) => {
  const json = otherOf(member, ROTATION_JSON)
  const isOn = isTrueText(otherOf(member, ROTATION)?.text ?? '')
  if (!isOn || json?.text === undefined || isUnresolved(json.text) || isRotation(json.text)) return []
  const wants = 'JSON, as {"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}'
  return [finding('config/value-malformed', { ...json.place, value: json.text, wants })]
}

function isRotation(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    return Object.entries(value).every(([key, own]) => {
      const type = ROTATION_FIELDS[key.toLowerCase()]
      return type === undefined || own === null || typeof own === type
    })
  } catch {
    return false
  }
}

const MOST_SAMPLES = 1_000_000

/** Etcd looks at the rate where traces are on (server/embed/config_tracing.go v3.5.16 validateTracingConfig). */
const samplesAreMillionths: Rule = (member) =>
  ['', 'experimental-'].flatMap((prefix): Finding[] => {
    const rate = otherOf(member, `${prefix}distributed-tracing-sampling-rate`)
    const isOn = isTrueText(otherOf(member, `${prefix}enable-distributed-tracing`)?.text ?? '')
    if (!isOn || rate?.text === undefined || !(Number(rate.text) > MOST_SAMPLES || Number(rate.text) < 0)) return []
    const wants = `a number from 0 to ${String(MOST_SAMPLES)}`
    return [finding('config/value-malformed', { ...rate.place, value: rate.text, wants })]
  })

const GIBIBYTE = 1024 ** 3
const MOST_QUOTA = 8 * GIBIBYTE

const nothingIsForEmergencies: Rule = (member) => {
  const isOn = (name: string): OtherName | null => {
    const other = otherOf(member, name)
    return other?.text !== undefined && isTrueText(other.text) ? other : null
  }
  const [forced, unsynced, quota] = [
    isOn('force-new-cluster'),
    isOn('unsafe-no-fsync'),
    otherOf(member, 'quota-backend-bytes'),
  ]
  const remove = (other: OtherName): string => `Remove ${other.place.option} after the emergency or the test.`
  const dangers: Finding[] = []
  if (forced !== null) {
    const why = 'makes this member drop all other members at each start'
    dangers.push(finding('config/option-dangerous', { ...forced.place, why, remedy: remove(forced) }))
  }
  if (unsynced !== null) {
    const why = 'lets a power failure lose writes that clients saw succeed'
    dangers.push(finding('config/option-dangerous', { ...unsynced.place, why, remedy: remove(unsynced) }))
  }
  if (quota !== undefined && Number(quota.text) > MOST_QUOTA) {
    const why = `is ${String(quota.text)} bytes, and etcd recommends at most 8 GiB`
    const remedy = `Set ${quota.place.option} to ${String(MOST_QUOTA)} or less.`
    dangers.push(finding('config/option-dangerous', { ...quota.place, why, remedy }))
  }
  return dangers
}

/** Since 3.6 a discovery service needs both (server/embed/config.go v3.6.14 Validate). */
const discoveryIsWhole: Rule = (member) => {
  const [endpoints, token] = [ENDPOINTS, TOKEN].map((name) => {
    const other = otherOf(member, name)
    return other !== undefined && isKnown(other, member.version) ? other : undefined
  })
  const given = endpoints ?? token
  if (given === undefined || (endpoints !== undefined && token !== undefined) || !member.isWhole) return []
  const needs = spelledLike(given.place.option, endpoints === undefined ? ENDPOINTS : TOKEN)
  return [finding('config/option-needs', { ...given.place, needs })]
}

const optionsGoTogether: Rule = (member) => {
  const set = new Map<string, ReadOption | OtherName>()
  for (const each of member.settings.all()) if (each.row.flag !== null) set.set(each.row.flag.name, each)
  for (const { name } of member.others) {
    const other = otherOf(member, name)
    if (other !== undefined) set.set(name, other)
  }
  for (const [name, each] of set) if (!isKnown(each, member.version)) set.delete(name)
  return discords((flag) => set.get(flag)?.text).flatMap((each): Finding[] => {
    const place = set.get(each.option)?.place
    if (place === undefined) return []
    if ('needs' in each) {
      const needs = each.needs.includes('=') ? each.needs : spelledLike(place.option, each.needs)
      return [finding('config/option-needs', { ...place, needs })]
    }
    return [finding('config/options-exclude', { ...place, other: set.get(each.other)?.place.option ?? each.other })]
  })
}

/** Nobody replaces `~` in a folder of a write-ahead log either. */
const foldersAreWhole: Rule = (member) => {
  const folder = otherOf(member, 'wal-dir')
  return folder?.text === undefined || !/^~(?:\/|$)/.test(folder.text)
    ? []
    : [finding('config/tilde-in-path', { ...folder.place, path: folder.text })]
}

export const startRules: readonly Rule[] = [
  foldersAreWhole,
  startIsOneWay,
  discoveryIsWhole,
  optionsGoTogether,
  leaderIsHeard,
  othersAreTaken,
  rotationIsJson,
  samplesAreMillionths,
  nothingIsForEmergencies,
  discoveryIsProtected,
]
