/** What the members of a cluster must have in common, and whether each accepts each other one. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import { type Reporter, reported } from '../finding.js'
import { mountOf } from '../read/read-option.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/settings.js'
import type { ServerField, SideField } from '../tables/options.js'
import { ELECTION, HEARTBEAT, readTokenOptions } from '../tables/passthrough-values.js'
import type { FilesReading } from './files.js'
import { clusterEntries, type LintMember } from './member.js'
import { chains, refusedByName, type ValidatedAt } from './rules-files.js'
import { dataDirectory } from './rules-runtime.js'

/** A member, its files, and its name in findings. */
export interface ClusterMember {
  readonly member: LintMember
  readonly files: FilesReading
  readonly read: ReadMember
  readonly label: string
}

type Members = readonly ClusterMember[]

/** A rule checks all members at once. */
type ClusterRule = (report: Reporter, members: Members, at: ValidatedAt) => void

export function nameOf({ member }: { member: LintMember }): string {
  return member.settings.server('name').text
}

/** Members whose configuration was read so far that what is missing in it is missing. */
function whole(members: Members): Members {
  return members.filter(({ member }) => member.isWhole)
}

function labels(members: Members): string {
  return [...new Set(members.map(({ label }) => label))].join(', ')
}

/** All by what they have in common, in the order of the first ones. */
function groupBy<T, K>(all: readonly T[], keyOf: (one: T) => K): [K, [T, ...T[]]][] {
  const groups = new Map<K, [T, ...T[]]>()
  for (const each of all) {
    const group = groups.get(keyOf(each))
    if (group === undefined) groups.set(keyOf(each), [each])
    else group.push(each)
  }
  return [...groups]
}

/** Each member with each other one. */
function pairsOf(members: Members): [one: ClusterMember, by: ClusterMember][] {
  return members.flatMap((one) =>
    members.filter((by) => by !== one).map((by): [ClusterMember, ClusterMember] => [one, by]),
  )
}

/** A value of one member, and its place. */
interface Value {
  readonly of: ClusterMember
  readonly value: string
  readonly place: ConfigPlace
}

/** The values of members; those that are not known are left out. */
function valuesOf(
  members: Members,
  settingOf: (member: LintMember) => Setting,
  valueOf: (setting: Setting, member: ClusterMember) => string | null = ({ text }) => text,
): Value[] {
  return members.flatMap((of) => {
    const setting = settingOf(of.member)
    const value = setting.isUnresolved ? null : valueOf(setting, of)
    return value === null ? [] : [{ of, value, place: setting.place }]
  })
}

function server(field: ServerField): (member: LintMember) => Setting {
  return ({ settings }) => settings.server(field)
}

function side(block: 'client' | 'peer', field: SideField): (member: LintMember) => Setting {
  return (member) => member[block].get(field)
}

type Difference = 'cluster' | 'state' | 'access' | 'restriction' | 'CAs' | 'tokens'

/** A finding at the value that differs from most, or from the first if no two are alike; none if all are. */
function compare(report: Reporter, kind: Difference, values: readonly Value[]): void {
  const [most, ...others] = groupBy(values, ({ value }) => value).sort(([, a], [, b]) => b.length - a.length)
  const odd = others.length === 0 ? undefined : values.find(({ value }) => value !== most?.[0])
  if (odd === undefined) return
  // If it sets nothing, at another one that does.
  const isUnset = odd.place.line === null && kind !== 'CAs'
  const { place } = isUnset ? (values.find((each) => each.place.line !== null) ?? odd) : odd
  const shown = values.map(({ of, value }) => ({ member: of.label, value }))
  report('config/members-differ', { ...place, kind, values: shown })
}

const namesDiffer: ClusterRule = (report, members) => {
  const known = whole(members).filter(({ member }) => !member.settings.server('name').isUnresolved)
  for (const [name, same] of groupBy(known, nameOf)) {
    const [, second] = same
    const details = { name, members: same.map(({ label }) => label) }
    if (second !== undefined) report('config/members-name-repeated', details, server('name')(second.member).place)
  }
}

function listOf({ isSet, values }: Setting): string | null {
  return isSet ? [...values].sort().join(',') : null
}

/** Members that start together have one list and one token. A member that joins later has a longer list, rightly. */
const startTogether: ClusterRule = (report, members) => {
  const known = whole(members)
  const starting = known.filter(({ member }) => server('initialClusterState')(member).text === 'new')
  compare(report, 'cluster', valuesOf(starting, server('initialCluster'), listOf))
  compare(report, 'cluster', valuesOf(starting, server('initialClusterToken')))
  // Of members with one list, each starts a new cluster or all exist, unless one was replaced.
  const lists = new Set(valuesOf(known, server('initialCluster'), listOf).map(({ value }) => value))
  if (lists.size === 1) compare(report, 'state', valuesOf(known, server('initialClusterState')))
}

/** A member that another one does not list. */
interface Miss {
  readonly other: ClusterMember
  readonly by: ClusterMember
}

function isJoining({ member }: ClusterMember): boolean {
  return member.settings.server('initialClusterState').text === 'existing'
}

/**
 * A member reads its list only at its first start, so older members may lack one that joined later. Of two members that
 * lack each other, one joined later, and must have had the other one in its list then.
 */
const allAreListed: ClusterRule = (report, members) => {
  const misses = pairsOf(whole(members)).flatMap(([by, other]): Miss[] => {
    const list = by.member.settings.server('initialCluster')
    if (!list.isSet || list.isUnresolved || other.member.settings.server('name').isUnresolved) return []
    return clusterEntries(list).some(({ name }) => name === nameOf(other)) ? [] : [{ other, by }]
  })
  const lackedBy = new Map(
    groupBy(misses, ({ other }) => other).map(([other, all]) => [other, all.map(({ by }) => by)]),
  )
  const countOf = (each: ClusterMember): number => lackedBy.get(each)?.length ?? 0
  const isLater = (one: ClusterMember, than: ClusterMember): boolean => {
    const [own, others] = [countOf(one), countOf(than)]
    return own === others ? members.indexOf(one) > members.indexOf(than) : own > others
  }
  const joinedLater = ({ other, by }: Miss): boolean =>
    isJoining(other) && (!isJoining(by) || lackedBy.get(by)?.includes(other) !== true || !isLater(by, other))
  const tell = (kind: 'starting' | 'joining' | 'joined later', some: Miss[], keyOf: (miss: Miss) => unknown): void => {
    for (const [, same] of groupBy(some, keyOf)) {
      const names = [...new Set(same.map(({ other }) => nameOf(other)))]
      const { place } = same[0].by.member.settings.server('initialCluster')
      report('config/member-not-listed', { ...place, kind, members: names, by: labels(same.map(({ by }) => by)) })
    }
  }
  const lost = misses.filter((each) => !joinedLater(each))
  tell(
    'joining',
    lost.filter(({ by }) => isJoining(by)),
    ({ by }) => by,
  )
  tell(
    'starting',
    lost.filter(({ by }) => !isJoining(by)),
    ({ other }) => other,
  )
  tell('joined later', misses.filter(joinedLater), ({ other }) => other)
}

const peersUseTls: ClusterRule = (report, members) => {
  const plain = members.filter(({ member }) => member.peer.listen.length > 0 && !member.peer.servesTls)
  const [first] = plain
  if (first === undefined || !members.some(({ member }) => member.peer.servesTls)) return
  const values = plain.map(({ label }) => ({ member: label, value: 'http' }))
  report('config/members-differ', { ...first.member.peer.get('listenUrls').place, kind: 'scheme', values })
}

const USES = [
  ['client', 'listen'],
  ['client', 'advertise'],
  ['peer', 'listen'],
  ['peer', 'advertise'],
] as const

/** Addresses that two members have; those that only the machine itself reaches, each may have. */
const addressesAreOwn: ClusterRule = (report, members) => {
  const seen = new Set<string>()
  for (const [block, use] of USES) {
    const urls = members.flatMap((of) =>
      of.member[block][use]
        .filter(({ isLocal, isUnspecified, setting }) => !isLocal && !isUnspecified && setting.isSet)
        .map(({ text, setting }, _, all) => ({ of, text, setting, isAlone: all.length === 1 })),
    )
    for (const [url, same] of groupBy(urls, ({ text }) => text)) {
      const by = [...new Set(same.map(({ of }) => of.label))]
      // All may advertise one name for the cluster in addition to their own.
      const isShared = by.length === members.length && use === 'advertise' && !same.every(({ isAlone }) => isAlone)
      const [, second] = same
      const key = `${url} ${by.join()}`
      if (second === undefined || by.length < 2 || isShared || seen.has(key)) continue
      seen.add(key)
      report('config/url-repeated', { ...second.setting.place, kind: 'members', url, by })
    }
  }
}

/** Two members cannot have one data directory: the second one waits for its lock. */
const dataIsOwn: ClusterRule = (report, members) => {
  const places = members.flatMap((of) => {
    const path = dataDirectory(of.member, of.read)
    const at = path === null ? null : mountOf(path, of.read.context.directory, of.read.context.mounts ?? [])
    const shared = at?.mount.shared
    return path === null || at === null || shared === undefined ? [] : [{ of, path, key: `${shared}/${at.rest}` }]
  })
  // Other texts start members on other machines.
  const groups = groupBy(places, ({ of }) => of.read.texts).flatMap(([, all]) => groupBy(all, ({ key }) => key))
  for (const [, same] of groups) {
    const [, second] = same
    if (second === undefined) continue
    const details = { kind: 'shared' as const, path: second.path, by: labels(same.map(({ of }) => of)) }
    report('config/data-not-kept', { ...server('dataDir')(second.of.member).place, ...details })
  }
}

/** Options that decide who is accepted: the weakest member decides for all. */
const sidesRequireTheSame: ClusterRule = (report, members) => {
  const known = whole(members)
  for (const block of ['client', 'peer'] as const) {
    for (const field of ['allowedCn', 'allowedHostname', 'crlFile'] as const) {
      // Of peers, members may leave out their own names; whom they refuse is reported for each pair. A CRL may be a copy.
      const values = valuesOf(known, side(block, field), (setting) =>
        block === 'client' && field !== 'crlFile' ? (listOf(setting) ?? '') : setting.isSet ? 'set' : '',
      )
      compare(report, 'access', values)
    }
  }
  for (const block of ['client', 'peer'] as const) {
    const values = valuesOf(known, side(block, 'clientCertAuth'), (_, { member }) => {
      const of = member[block]
      if (!of.servesTls) return null
      return String(block === 'client' ? of.isOn('clientCertAuth') : of.asksForCertificates)
    })
    compare(report, 'restriction', values)
  }
  for (const field of ['cipherSuites', 'tlsMinVersion'] as const) {
    compare(report, 'restriction', valuesOf(known, server(field)))
  }
  // Timeouts must be alike (etcd.io/docs/v3.5/tuning).
  for (const option of [HEARTBEAT, ELECTION]) compare(report, 'restriction', passthroughsOf(known, option))
  const cas = valuesOf(known, side('client', 'trustedCaFile'), (_, { files: { client } }) =>
    client.anchors.length === 0 ? null : subjectsOf(client.anchors),
  )
  compare(report, 'CAs', cas)
}

/** An option of each member that is passed through; its default if it is not set. */
function passthroughsOf(members: Members, { name, standard }: { name: string; standard: string }): Value[] {
  return members.map((of): Value => {
    const option = of.member.others.findLast((each) => each.name === name)
    const { file } = of.member.settings.server('name').place
    const place = option?.place ?? { option: name, file, line: null, column: null }
    return { of, value: option?.text ?? standard, place }
  })
}

/** Each member verifies the tokens that any other one signs. Members whose key was not read are compared by their methods. */
const tokensAreVerified: ClusterRule = (report, members) => {
  const known = whole(members)
  const values = passthroughsOf(known, { name: 'auth-token', standard: 'simple' }).map((each) => ({
    ...each,
    method: readTokenOptions(each.value)?.get('sign-method'),
    isJwt: readTokenOptions(each.value) !== null,
  }))
  if (values.some(({ of, value }) => of.member.isOpen(value))) return
  const isRead = values.every(({ of, isJwt }) => !isJwt || of.files.tokenKey !== null)
  const tokens = values.map(({ of, place, method }) => {
    const key = isRead ? ` and the key ${of.files.tokenKey ?? ''}` : ''
    return { of, place, value: method === undefined ? 'simple' : `jwt with ${method}${key}` }
  })
  compare(report, 'tokens', tokens)
}

/** Names of CAs, with the beginnings of their fingerprints, since two may have one name. */
function subjectsOf(anchors: readonly Certificate[]): string {
  return anchors
    .map(({ subject, fingerprint256 }) => `"${subject.toString()}" ${fingerprint256.slice(0, 11)}`)
    .sort()
    .join(', ')
}

function fingerprintsOf(anchors: readonly Certificate[]): string {
  return anchors
    .map(({ fingerprint256 }) => fingerprint256)
    .sort()
    .join(' ')
}

interface Refusal {
  readonly one: ClusterMember
  readonly by: ClusterMember
  readonly as: 'server' | 'client'
  readonly subject: string
}

const peersTrustEachOther: ClusterRule = (report, members, at) => {
  const refusals = pairsOf(members).flatMap(([one, by]): Refusal[] => {
    const { served, shown, anchors: own } = one.files.peer
    const { anchors } = by.files.peer
    // If both trust the same CAs, the certificate was validated with them already.
    if (anchors.length === 0 || fingerprintsOf(own) === fingerprintsOf(anchors)) return []
    // A member that requires no certificate accepts every member.
    const isAsked = by.member.peer.asksForCertificates
    const isSame = served[0]?.fingerprint256 === shown[0]?.fingerprint256
    const roles = [...(isAsked ? ['client' as const] : []), ...(isSame && isAsked ? [] : ['server' as const])]
    return roles.flatMap((as) => {
      const chain = as === 'client' ? shown : served
      const subject = chain[0]?.subject.toString()
      return subject === undefined || chains(chain, anchors, at) ? [] : [{ one, by, as, subject }]
    })
  })
  reportRefusals(report, refusals)
}

/** One finding for the member that is in most refusals, and so on until all are reported. */
function reportRefusals(report: Reporter, refusals: readonly Refusal[]): void {
  const all = groupBy(
    refusals.flatMap(({ one, by }) => [one, by]),
    (each) => each,
  )
  const [most] = all.sort(([, a], [, b]) => b.length - a.length)[0] ?? []
  if (most === undefined) return
  const itself = refusals.filter(({ one }) => one === most)
  const own = itself.length > 0 ? itself : refusals.filter(({ by }) => by === most)
  const [first] = own
  if (first === undefined) return
  const { as, subject } = first
  const same = own.filter((each) => each.as === as)
  const ca = first.by.member.peer.get('trustedCaFile').place
  const [member, by] = [labels(same.map(({ one }) => one)), labels(same.map((each) => each.by))]
  const { peer } = most.member
  const shown = as === 'client' ? peer.shownBy : peer.get('certFile')
  const details = { member, by, subject, as, option: ca.option }
  report('config/member-not-trusted', details, itself.length === 0 ? ca : shown.place)
  reportRefusals(
    report,
    refusals.filter(({ one, by: other }) => one !== most && other !== most),
  )
}

/** What members say of the certificate that another one presents: whether it is revoked, or has no name that is allowed. */
const peersAcceptEachOther: ClusterRule = (report, members) => {
  for (const one of members) {
    const { shown } = one.files.peer
    const { place } = one.member.peer.shownBy
    const others = members.filter(({ member }) => member.peer.asksForCertificates)
    // Etcd compares the serial numbers of all certificates that it receives, and nothing else (listener_tls.go checkCRL).
    const revoked = others.flatMap((by) => {
      const found = shown.find(({ serial }) => (by.files.peer.crl?.find(serial) ?? null) !== null)
      return found === undefined ? [] : [{ by, serialNumber: found.serialNumber }]
    })
    const isOwn = revoked.some(({ by }) => by === one)
    // Its own CRL is reported already.
    if (revoked[0] !== undefined && !isOwn) {
      const crl = revoked[0].by.member.peer.get('crlFile').place.option
      const details = { member: one.label, by: labels(revoked.map(({ by }) => by)), crl }
      report('config/member-revoked', {
        ...place,
        kind: 'by others',
        ...details,
        serialNumber: revoked[0].serialNumber,
      })
    }
    const [leaf] = shown
    const refused = others.flatMap((by) => {
      const refusal = by === one || leaf === undefined ? null : refusedByName(by.member.peer, leaf)
      return refusal === null ? [] : [{ by, refusal }]
    })
    if (refused[0] === undefined) continue
    const details = { member: one.label, by: labels(refused.map(({ by }) => by)), ...refused[0].refusal }
    report('config/member-not-allowed', { ...place, kind: 'by others', ...details })
  }
}

const versionsOverlap: ClusterRule = (report, members) => {
  for (const one of members) {
    const min = server('tlsMinVersion')(one.member)
    const apart = members.filter((each) => each !== one && server('tlsMaxVersion')(each.member).text === 'TLS1.2')
    const [first] = apart
    if (min.text !== 'TLS1.3' || first === undefined) continue
    const max = server('tlsMaxVersion')(first.member).place.option
    const details = { member: one.label, by: labels(apart), min: min.place.option, max }
    report('config/tls-versions-disjoint', details, min.place)
  }
}

const CLUSTER_RULES: readonly ClusterRule[] = [
  namesDiffer,
  startTogether,
  dataIsOwn,
  allAreListed,
  peersUseTls,
  addressesAreOwn,
  sidesRequireTheSame,
  tokensAreVerified,
  peersTrustEachOther,
  peersAcceptEachOther,
  versionsOverlap,
]

/** All rules about the members of a cluster. */
export function clusterRules(members: Members, at: ValidatedAt): Finding[] {
  return reported((report) => {
    for (const rule of CLUSTER_RULES) rule(report, members, at)
  })
}
