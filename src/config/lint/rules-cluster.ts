/** What the members of a cluster must have in common, and whether each accepts each other one. */
import type { Finding, FindingPlace } from '../../report/finding.js'
import { validateChain } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import { finding } from '../finding.js'
import type { PassthroughOption } from '../read/read-option.js'
import type { ServerField, Setting, SideField } from '../read/settings.js'
import { ELECTION, HEARTBEAT, readTokenOptions } from '../tables/passthrough-values.js'
import { mountOf } from '../read/effective.js'
import type { ReadMember } from '../read/input.js'
import type { FilesReading } from './files.js'
import { clusterEntries, type LintMember } from './member.js'
import { refusedByName, type ValidatedAt } from './rules-files.js'
import { dataDirectory } from './rules-runtime.js'

/** A member, its files, and its name in findings. */
export interface ClusterMember {
  readonly member: LintMember
  readonly files: FilesReading
  readonly read: ReadMember
  readonly label: string
}

/** A rule checks all members at once. */
type ClusterRule = (members: readonly ClusterMember[], at: ValidatedAt) => readonly Finding[]

export function nameOf({ member }: { member: LintMember }): string {
  return member.settings.server('name').text
}

/** Members whose configuration was read so far that what is missing in it is missing. */
function whole(members: readonly ClusterMember[]): ClusterMember[] {
  return members.filter(({ member }) => member.isWhole)
}

function labels(members: readonly ClusterMember[]): string {
  return [...new Set(members.map(({ label }) => label))].join(', ')
}

/** All by what they have in common, in the order of the first ones. */
function groupBy<T, K>(all: readonly T[], keyOf: (one: T) => K): [K, T[]][] {
  const groups = new Map<K, T[]>()
  for (const each of all) {
    const group = groups.get(keyOf(each))
    if (group === undefined) groups.set(keyOf(each), [each])
    else group.push(each)
  }
  return [...groups]
}

/** A value of one member, and its place. */
interface Value {
  readonly of: ClusterMember
  readonly value: string
  readonly place: Setting['place']
}

/** The values of members; those that are not known are left out. */
function valuesOf(
  members: readonly ClusterMember[],
  settingOf: (member: LintMember) => Setting,
  valueOf: (setting: Setting, member: ClusterMember) => string | null,
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

/** A finding at the value that differs from most, or from the first if no two are alike; none if all are. */
function difference(
  kind: 'cluster' | 'state' | 'access' | 'restriction' | 'CAs' | 'tokens',
  values: readonly Value[],
): Finding[] {
  const counts = new Map<string, number>()
  for (const { value } of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const [most] = [...counts].sort(([, a], [, b]) => b - a)
  const odd = counts.size < 2 ? undefined : values.find(({ value }) => value !== most?.[0])
  if (odd === undefined) return []
  // If it sets nothing, at another one that does.
  const isUnset = odd.place.line === null && kind !== 'CAs'
  const { place } = isUnset ? (values.find((each) => each.place.line !== null) ?? odd) : odd
  const shown = values.map(({ of, value }) => ({ member: of.label, value }))
  return [finding('config/members-differ', { ...place, kind, values: shown })]
}

const namesDiffer: ClusterRule = (members) => {
  const known = whole(members).filter(({ member }) => !member.settings.server('name').isUnresolved)
  return groupBy(known, nameOf).flatMap(([name, same]) => {
    const [, second] = same
    if (second === undefined) return []
    const details = { name, members: same.map(({ label }) => label) }
    return [finding('config/members-name-repeated', details, second.member.settings.server('name').place)]
  })
}

const startTogether: ClusterRule = (members) => {
  // A member that joins later has a longer list, rightly.
  const starting = whole(members).filter(({ member }) => server('initialClusterState')(member).text === 'new')
  const lists = valuesOf(starting, server('initialCluster'), ({ isSet, values }) =>
    isSet ? [...values].sort().join(',') : null,
  )
  const tokens = valuesOf(starting, server('initialClusterToken'), ({ text }) => text)
  return [lists, tokens].flatMap((values) => difference('cluster', values))
}

/** Of members with one list, each starts a new cluster or all exist, unless one was replaced. */
const statesAgree: ClusterRule = (members) => {
  const known = whole(members)
  const lists = valuesOf(known, server('initialCluster'), ({ isSet, values }) =>
    isSet ? [...values].sort().join(',') : null,
  )
  if (new Set(lists.map(({ value }) => value)).size !== 1) return []
  return difference(
    'state',
    valuesOf(known, server('initialClusterState'), ({ text }) => text),
  )
}

/** A member that another one does not list. */
interface Miss {
  readonly other: ClusterMember
  readonly by: ClusterMember
  readonly place: Setting['place']
}

function missesOf(members: readonly ClusterMember[]): Miss[] {
  const known = whole(members)
  return known.flatMap((by) => {
    const setting = by.member.settings.server('initialCluster')
    if (!setting.isSet || setting.isUnresolved) return []
    const listed = new Set(clusterEntries(setting).map(({ name }) => name))
    return known
      .filter((other) => other !== by && !listed.has(nameOf(other)))
      .filter(({ member }) => !member.settings.server('name').isUnresolved)
      .map((other) => ({ other, by, place: setting.place }))
  })
}

function isJoining({ member }: ClusterMember): boolean {
  return member.settings.server('initialClusterState').text === 'existing'
}

/**
 * A member reads its list only at its first start, so older members may lack one that joined later. Of two members that
 * lack each other, one joined later, and must have had the other one in its list then.
 */
const allAreListed: ClusterRule = (members) => {
  const misses = missesOf(members)
  if (misses.length === 0) return []
  const lackedBy = new Map(
    groupBy(misses, ({ other }) => other).map(([other, all]) => [other, all.map(({ by }) => by)]),
  )
  const lacks = (one: ClusterMember, other: ClusterMember): boolean => lackedBy.get(other)?.includes(one) === true
  const countOf = (each: ClusterMember): number => lackedBy.get(each)?.length ?? 0
  const isLater = (one: ClusterMember, than: ClusterMember): boolean => {
    const [own, others] = [countOf(one), countOf(than)]
    return own === others ? members.indexOf(one) > members.indexOf(than) : own > others
  }
  const joinedLater = ({ other, by }: Miss): boolean =>
    isJoining(other) && (!isJoining(by) || !lacks(other, by) || !isLater(by, other))
  const lost = misses.filter((each) => !joinedLater(each))
  const reported = (kind: 'starting' | 'joining' | 'joined later', groups: [unknown, Miss[]][]): Finding[] =>
    groups.flatMap(([, same]) => {
      const [first] = same
      if (first === undefined) return []
      const names = [...new Set(same.map(({ other }) => nameOf(other)))]
      const details = { kind, members: names, by: labels(same.map(({ by }) => by)) }
      return [finding('config/member-not-listed', { ...first.place, ...details })]
    })
  return [
    ...reported(
      'joining',
      groupBy(
        lost.filter(({ by }) => isJoining(by)),
        ({ by }) => by,
      ),
    ),
    ...reported(
      'starting',
      groupBy(
        lost.filter(({ by }) => !isJoining(by)),
        ({ other }) => other,
      ),
    ),
    ...reported(
      'joined later',
      groupBy(misses.filter(joinedLater), ({ other }) => other),
    ),
  ]
}

/** An option of each member that is passed through; its default if it is not set. Timeouts must be alike (etcd.io/docs/v3.5/tuning). */
function passthroughsOf(
  members: readonly ClusterMember[],
  { name, standard }: { name: string; standard: string },
): Value[] {
  return members.map((of): Value => {
    const option = of.member.others.findLast((each) => each.name === name)
    const { file } = of.member.settings.server('name').place
    const place = option?.place ?? { option: name, file, line: null, column: null }
    return { of, value: option?.text ?? standard, place }
  })
}

const peersUseTls: ClusterRule = (members) => {
  const plain = members.filter(({ member }) => member.peer.listen.length > 0 && !member.peer.servesTls)
  const [first] = plain
  if (first === undefined || !members.some(({ member }) => member.peer.servesTls)) return []
  const values = plain.map(({ label }) => ({ member: label, value: 'http' }))
  const { place } = first.member.peer.get('listenUrls')
  return [finding('config/members-differ', { ...place, kind: 'scheme', values })]
}

/** Addresses that two members have; those that only the machine itself reaches, each may have. */
const addressesAreOwn: ClusterRule = (members) => {
  const shared = (['client', 'peer'] as const).flatMap((block) =>
    (['listen', 'advertise'] as const).flatMap((use) => {
      const urls = members.flatMap((of) => {
        const all = of.member[block][use]
        return all
          .filter(({ isLocal, isUnspecified, setting }) => !isLocal && !isUnspecified && setting.isSet)
          .map(({ text, setting }) => ({ of, text, setting, isAlone: all.length === 1 }))
      })
      return groupBy(urls, ({ text }) => text).flatMap(([url, same]) => {
        const [, second] = same
        const by = [...new Set(same.map(({ of }) => of.label))]
        if (second === undefined || by.length < 2) return []
        // All may advertise one name for the cluster in addition to their own.
        if (by.length === members.length && use === 'advertise' && !same.every(({ isAlone }) => isAlone)) return []
        return [{ url, by, place: second.setting.place }]
      })
    }),
  )
  return groupBy(shared, ({ url, by }) => `${url} ${by.join()}`).flatMap(([, [first]]) =>
    first === undefined
      ? []
      : [finding('config/url-repeated', { ...first.place, kind: 'members', url: first.url, by: first.by })],
  )
}

/** Two members cannot have one data directory: the second one waits for its lock. */
const dataIsOwn: ClusterRule = (members) => {
  const places = members.flatMap((of) => {
    const path = dataDirectory(of.member, of.read)
    const at = path === null ? null : mountOf(path, of.read.context.directory, of.read.context.mounts ?? [])
    const shared = at?.mount.shared
    return path === null || at === null || shared === undefined ? [] : [{ of, path, key: `${shared}/${at.rest}` }]
  })
  // Other texts start members on other machines.
  const groups = groupBy(places, ({ of }) => of.read.texts).flatMap(([, all]) => groupBy(all, ({ key }) => key))
  return groups.flatMap(([, same]) => {
    const [, second] = same
    if (second === undefined) return []
    const details = { kind: 'shared' as const, path: second.path, by: labels(same.map(({ of }) => of)) }
    return [finding('config/data-not-kept', { ...second.of.member.settings.server('dataDir').place, ...details })]
  })
}

/** Options that decide who is accepted: the weakest member decides for all. */
const sidesRequireTheSame: ClusterRule = (members) => {
  const known = whole(members)
  const requests = (['client', 'peer'] as const).map((block) =>
    valuesOf(known, side(block, 'clientCertAuth'), (_, { member }) => {
      const of = member[block]
      if (!of.servesTls) return null
      return String(block === 'client' ? of.isOn('clientCertAuth') : of.asksForCertificates)
    }),
  )
  const access = (['client', 'peer'] as const).flatMap((block) => [
    // Members may leave out their own names; whom they refuse is reported for each pair.
    ...(['allowedCn', 'allowedHostname'] as const).map((field) =>
      valuesOf(known, side(block, field), ({ isSet, values }) => {
        if (!isSet) return ''
        return block === 'client' ? [...values].sort().join(',') : 'a list'
      }),
    ),
    // Each member may have its copy elsewhere.
    valuesOf(known, side(block, 'crlFile'), ({ isSet }) => (isSet ? 'a CRL' : '')),
  ])
  const servers = (['cipherSuites', 'tlsMinVersion'] as const).map((field) =>
    valuesOf(known, server(field), ({ text }) => text),
  )
  const timeouts = ([HEARTBEAT, ELECTION] as const).map((option) => passthroughsOf(known, option))
  const cas = valuesOf(known, side('client', 'trustedCaFile'), (_, { files: { client } }) =>
    client.anchors.length === 0 ? null : subjectsOf(client.anchors),
  )
  return [
    ...access.flatMap((values) => difference('access', values)),
    ...[...requests, ...servers, ...timeouts].flatMap((values) => difference('restriction', values)),
    ...difference('CAs', cas),
  ]
}

/** Each member verifies the tokens that any other one signs. Members whose key was not read are compared by their methods. */
const tokensAreVerified: ClusterRule = (members) => {
  const known = whole(members)
  const isRead = known.every(({ member, files }) => !member.others.some(isOfTokens) || files.tokenKey !== null)
  const values = passthroughsOf(known, { name: 'auth-token', standard: 'simple' })
  if (values.some(({ of, value }) => of.member.isOpen(value))) return []
  return difference(
    'tokens',
    values.map((each) => {
      const method = readTokenOptions(each.value)?.get('sign-method')
      const key = isRead ? ` and the key ${each.of.files.tokenKey ?? ''}` : ''
      return { ...each, value: method === undefined ? 'simple' : `jwt with ${method}${key}` }
    }),
  )
}

function isOfTokens({ name, text = '' }: PassthroughOption): boolean {
  return name === 'auth-token' && readTokenOptions(text) !== null
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

const peersTrustEachOther: ClusterRule = (members, { at, clockSkew }) => {
  const pairs = members.flatMap((one) => members.filter((by) => by !== one).map((by) => [one, by] as const))
  const refusals = pairs.flatMap(([one, by]): Refusal[] => {
    const { served, shown, anchors: own } = one.files.peer
    const { anchors } = by.files.peer
    // If both trust the same CAs, the certificate was validated with them already.
    if (anchors.length === 0 || fingerprintsOf(own) === fingerprintsOf(anchors)) return []
    const isSame = served[0]?.fingerprint256 === shown[0]?.fingerprint256
    const roles = [
      // A member that requires no certificate accepts every member.
      ...(by.member.peer.asksForCertificates ? [{ chain: shown, as: 'client' as const }] : []),
      ...(isSame && by.member.peer.asksForCertificates ? [] : [{ chain: served, as: 'server' as const }]),
    ]
    return roles.flatMap(({ chain: [leaf, ...intermediates], as }): Refusal[] => {
      if (leaf === undefined) return []
      const { findings } = validateChain(
        { leaf, intermediates, trustAnchors: anchors },
        { usage: 'any', at, clockSkew },
      )
      const isRefused = findings.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))
      return isRefused ? [{ one, by, as, subject: leaf.subject.toString() }] : []
    })
  })
  return byMember(refusals)
}

/** One finding for the member that is in most refusals, and so on until all are reported. */
function byMember(refusals: readonly Refusal[]): Finding[] {
  const counts = new Map<ClusterMember, number>()
  for (const { one, by } of refusals) {
    counts.set(one, (counts.get(one) ?? 0) + 1)
    counts.set(by, (counts.get(by) ?? 0) + 1)
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? []
  if (most === undefined) return []
  const itself = refusals.filter(({ one }) => one === most)
  const own = itself.length > 0 ? itself : refusals.filter(({ by }) => by === most)
  const rest = refusals.filter(({ one, by }) => one !== most && by !== most)
  const [first] = own
  if (first === undefined) return byMember(rest)
  const { as, subject } = first
  const same = own.filter((each) => each.as === as)
  const ca = first.by.member.peer.get('trustedCaFile').place
  const details = {
    member: labels(same.map(({ one }) => one)),
    by: labels(same.map(({ by }) => by)),
    subject,
    as,
    option: ca.option,
  }
  const { peer } = most.member
  const place: FindingPlace =
    itself.length === 0 ? ca : as === 'client' ? peer.shownBy.place : peer.get('certFile').place
  return [finding('config/member-not-trusted', details, place), ...byMember(rest)]
}

/** Etcd compares the serial numbers of all certificates that it receives, and nothing else (listener_tls.go checkCRL). */
const peersRevokeNone: ClusterRule = (members) =>
  members.flatMap((one): Finding[] => {
    const revokedBy = members.flatMap((by) => {
      const { crl } = by.files.peer
      const revoked = crl === null ? undefined : one.files.peer.shown.find(({ serial }) => crl.find(serial) !== null)
      return revoked === undefined || !by.member.peer.asksForCertificates ? [] : [{ by, revoked }]
    })
    const [first] = revokedBy
    // Its own CRL is reported already.
    if (first === undefined || revokedBy.some(({ by }) => by === one)) return []
    const crl = first.by.member.peer.get('crlFile').place.option
    const { serialNumber } = first.revoked
    const details = { member: one.label, by: labels(revokedBy.map(({ by }) => by)), crl, serialNumber }
    return [finding('config/member-revoked', { ...one.member.peer.shownBy.place, kind: 'by others', ...details })]
  })

const peersAllowEachOther: ClusterRule = (members) =>
  members.flatMap((one): Finding[] => {
    const [leaf] = one.files.peer.shown
    if (leaf === undefined) return []
    const refusals = members.flatMap((by) => {
      const refused = by === one || !by.member.peer.asksForCertificates ? null : refusedByName(by.member.peer, leaf)
      return refused === null ? [] : [{ by, refused }]
    })
    const [first] = refusals
    if (first === undefined) return []
    const details = { member: one.label, by: labels(refusals.map(({ by }) => by)), ...first.refused }
    return [finding('config/member-not-allowed', { ...one.member.peer.shownBy.place, kind: 'by others', ...details })]
  })

const versionsOverlap: ClusterRule = (members) =>
  members.flatMap((one): Finding[] => {
    const min = one.member.settings.server('tlsMinVersion')
    const apart = members.filter(
      (each) => each !== one && each.member.settings.server('tlsMaxVersion').text === 'TLS1.2',
    )
    const [first] = apart
    if (min.text !== 'TLS1.3' || first === undefined) return []
    const max = first.member.settings.server('tlsMaxVersion').place.option
    const details = { member: one.label, by: labels(apart), min: min.place.option, max }
    return [finding('config/tls-versions-disjoint', details, min.place)]
  })

const CLUSTER_RULES: readonly ClusterRule[] = [
  namesDiffer,
  startTogether,
  statesAgree,
  dataIsOwn,
  allAreListed,
  peersUseTls,
  addressesAreOwn,
  sidesRequireTheSame,
  tokensAreVerified,
  peersTrustEachOther,
  peersRevokeNone,
  peersAllowEachOther,
  versionsOverlap,
]

/** All rules about the members of a cluster. */
export function clusterRules(members: readonly ClusterMember[], at: ValidatedAt): Finding[] {
  return CLUSTER_RULES.flatMap((rule) => rule(members, at))
}
