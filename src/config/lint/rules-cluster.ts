/** Rules that compare the members of a cluster, and check whether each member accepts the others. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Certificate } from '../../x509/certificate.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/read-option.js'
import type { ServerField } from '../tables/options.js'
import type { FileOptions, FilesReading } from './files.js'
import type { LintMember } from './member.js'
import { type Found, groupBy, rulesAbout } from './rule.js'
import { hasPathToAnchor, refusedByName, revokedIn } from './rules-files.js'
import { readTokenOptions } from './values.js'

export interface ClusterMember {
  readonly member: LintMember
  readonly files: FilesReading
  readonly read: ReadMember
  readonly label: string
}

type Members = readonly ClusterMember[]

interface Cluster {
  readonly members: Members
  readonly options: FileOptions
}

/** `all`: rules about all members. `complete`: rules about members with no options that may be set elsewhere. */
const all = rulesAbout((cluster: Cluster) => [cluster])
const complete = rulesAbout(({ members }: Cluster) => [members.filter(({ member }) => member.isComplete)])

function nameOf({ member }: ClusterMember): string {
  return member.server('name').text
}

function labels(members: Members): string {
  return [...new Set(members.map(({ label }) => label))].join(', ')
}

function pairsOf(members: Members): [one: ClusterMember, by: ClusterMember][] {
  return members.flatMap((one) =>
    members.filter((by) => by !== one).map((by): [ClusterMember, ClusterMember] => [one, by]),
  )
}

interface Value {
  readonly of: ClusterMember
  readonly value: string
  readonly place: ConfigPlace
}

/** Null if the member has nothing to compare. */
type ValueOf = (setting: Setting, of: ClusterMember) => string | null

/** Members whose value is not known are omitted. */
function valuesOf(
  members: Members,
  settingOf: (member: LintMember) => Setting,
  valueOf: ValueOf = ({ text }) => text,
): Value[] {
  return members.flatMap((of) => {
    const setting = settingOf(of.member)
    const value = setting.isUnresolved ? null : valueOf(setting, of)
    return value === null ? [] : [{ of, value, place: setting.place }]
  })
}

/** The value of a passthrough option in each member, or its default. */
function passthroughsOf(members: Members, name: string, defaultValue: string): Value[] {
  return members.flatMap((of) => {
    const option = of.member.others.findLast((each) => each.name === name)
    const { file } = of.member.server('name').place
    const place = option?.place ?? { option: name, file, line: null, column: null }
    return option !== undefined && option.unknown.length > 0 ? [] : [{ of, value: option?.text ?? defaultValue, place }]
  })
}

/** Reports the first value that is not the most frequent one; nothing if all values are equal. */
function differing(
  kind: Found<'config/members-differ'>['kind'],
  values: readonly Value[],
): Found<'config/members-differ'>[] {
  const [mostFrequent, ...others] = groupBy(values, ({ value }) => value).sort(([, a], [, b]) => b.length - a.length)
  const outlier = others.length === 0 ? undefined : values.find(({ value }) => value !== mostFrequent?.[0])
  if (outlier === undefined) return []
  // A place without a line says little, so prefer a member that sets the option.
  const isUnset = outlier.place.line === null && kind !== 'CAs'
  const at = isUnset ? (values.find((each) => each.place.line !== null) ?? outlier) : outlier
  return [{ at, kind, values: values.map(({ of, value }) => ({ member: of.label, value })) }]
}

function listOf({ isSet, values }: Setting): string | null {
  return isSet ? [...values].sort().join(',') : null
}

interface MissingEntry {
  readonly other: ClusterMember
  readonly by: ClusterMember
}

function isJoining({ member }: ClusterMember): boolean {
  return member.server('initialClusterState').text === 'existing'
}

/** Includes the beginning of each fingerprint, because two CAs may have one name. Null if there are no CAs. */
function subjectsOf(anchors: readonly Certificate[]): string | null {
  if (anchors.length === 0) return null
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

interface Refusal extends MissingEntry {
  readonly as: 'server' | 'client'
  readonly subject: string
}

/** Reports the member that is in most refusals, then repeats this with the refusals that remain. */
function reportRefusals(refusals: readonly Refusal[]): Found<'config/member-not-trusted'>[] {
  const involved = groupBy(
    refusals.flatMap(({ other, by }) => [other, by]),
    (each) => each,
  )
  const [mostInvolved] = involved.sort(([, a], [, b]) => b.length - a.length)[0] ?? []
  const refusedItself = refusals.filter(({ other }) => other === mostInvolved)
  const group = refusedItself.length > 0 ? refusedItself : refusals.filter(({ by }) => by === mostInvolved)
  const [first] = group
  if (mostInvolved === undefined || first === undefined) return []
  const { as, subject } = first
  const same = group.filter((each) => each.as === as)
  const ca = first.by.member.peer.get('trustedCaFile').place
  const [member, by] = [labels(same.map(({ other }) => other)), labels(same.map((each) => each.by))]
  const { peer } = mostInvolved.member
  const presented = as === 'client' ? peer.clientCertificateOption : peer.get('certFile')
  const place = refusedItself.length === 0 ? ca : presented.place
  const rest = refusals.filter(({ other, by: third }) => other !== mostInvolved && third !== mostInvolved)
  return [{ member, by, subject, as, option: ca.option, place }, ...reportRefusals(rest)]
}

const SIDES = ['client', 'peer'] as const

export const clusterRules = [
  complete('config/members-name-repeated', function findRepeatedName(members) {
    const known = members.filter(({ member }) => !member.server('name').isUnresolved)
    return groupBy(known, nameOf).flatMap(([name, same]) => {
      const [, second] = same
      const place = second?.member.server('name').place
      return place === undefined ? [] : [{ name, members: same.map(({ label }) => label), place }]
    })
  }),
  complete('config/members-differ', function findDifference(members) {
    return comparedIn(members).flatMap(([kind, values]) => differing(kind, values))
  }),
  // A member reads its list only at its first start, so the list of an older member may lack one that joined later. If neither of
  // two lists has the other member, the member that joined later has a wrong list.
  complete('config/member-not-listed', function findUnlistedMember(members) {
    const misses = pairsOf(members).flatMap(([by, other]): MissingEntry[] => {
      const list = by.member.server('initialCluster')
      const { text, isUnresolved } = other.member.server('name')
      if (!list.isSet || list.isUnresolved || isUnresolved) return []
      return by.member.listed.some(({ name }) => name === text) ? [] : [{ other, by }]
    })
    const lackedBy = new Map(groupBy(misses, ({ other }) => other))
    const isLater = (one: ClusterMember, than: ClusterMember): boolean => {
      const [own, others] = [one, than].map((each) => lackedBy.get(each)?.length ?? 0) as [number, number]
      return own === others ? members.indexOf(one) > members.indexOf(than) : own > others
    }
    const lackEachOther = ({ other, by }: MissingEntry): boolean =>
      lackedBy.get(by)?.some((miss) => miss.by === other) === true
    const joinedLater = (miss: MissingEntry): boolean =>
      isJoining(miss.other) && (!isJoining(miss.by) || !lackEachOther(miss) || !isLater(miss.by, miss.other))
    const kinds = groupBy(misses, (miss) =>
      joinedLater(miss) ? 'joined later' : isJoining(miss.by) ? 'joining' : 'starting',
    )
    return kinds.flatMap(([kind, some]) =>
      groupBy(some, ({ other, by }) => (kind === 'joining' ? by : other)).map(([, same]) => {
        const names = [...new Set(same.map(({ other }) => nameOf(other)))]
        const at = same[0].by.member.server('initialCluster')
        return { at, kind, members: names, by: labels(same.map(({ by }) => by)) }
      }),
    )
  }),
  all('config/members-differ', function findDifferentScheme({ members }) {
    const plain = members.filter(({ member }) => member.peer.listen.length > 0 && !member.peer.servesTls)
    const [first] = plain
    if (first === undefined || !members.some(({ member }) => member.peer.servesTls)) return null
    const values = plain.map(({ label }) => ({ member: label, value: 'http' }))
    return { at: first.member.peer.get('listenUrls'), kind: 'scheme', values }
  }),
  // Two members cannot use the same address, unless it is a loopback address.
  all('config/url-repeated', function findSharedUrl({ members }) {
    const seen = new Set<string>()
    const uses = SIDES.flatMap((block) => (['listen', 'advertise'] as const).map((use) => ({ block, use })))
    return uses.flatMap(({ block, use }) => {
      const urls = members.flatMap((of) =>
        of.member[block][use]
          .filter(({ isLocal, isUnspecified, setting }) => !isLocal && !isUnspecified && setting.isSet)
          .map(({ text, setting }, _, own) => ({ of, text, setting, isAlone: own.length === 1 })),
      )
      return groupBy(urls, ({ text }) => text).flatMap(([url, same]) => {
        const by = [...new Set(same.map(({ of }) => of.label))]
        // All members may advertise one name for the cluster, in addition to their own URLs.
        const isShared = by.length === members.length && use === 'advertise' && !same.every(({ isAlone }) => isAlone)
        const [, second] = same
        const key = `${url} ${by.join()}`
        if (second === undefined || by.length < 2 || isShared || seen.has(key)) return []
        seen.add(key)
        return [{ at: second.setting, kind: 'members' as const, url, by }]
      })
    })
  }),
  all('config/member-not-trusted', function findUntrustedMember({ members, options }) {
    const refusals = pairsOf(members).flatMap(([other, by]): Refusal[] => {
      const { serverChain, clientChain, anchors: own } = other.files.peer
      const { anchors } = by.files.peer
      // If both members trust the same CAs, the certificate was already validated.
      if (anchors.length === 0 || fingerprintsOf(own) === fingerprintsOf(anchors)) return []
      // A member that requires no certificate accepts every member.
      const isAsked = by.member.peer.requiresCertificates
      const isSame = serverChain[0]?.fingerprint256 === clientChain[0]?.fingerprint256
      const roles = [...(isAsked ? ['client' as const] : []), ...(isSame && isAsked ? [] : ['server' as const])]
      return roles.flatMap((as) => {
        const chain = as === 'client' ? clientChain : serverChain
        const subject = chain[0]?.subject.toString()
        return subject === undefined || hasPathToAnchor(chain, anchors, options) ? [] : [{ other, by, as, subject }]
      })
    })
    return reportRefusals(refusals)
  }),
  // etcd compares only the serial number of each certificate that it receives, not the issuer (listener_tls.go checkCRL).
  all('config/member-revoked', function findRevokedMember({ members }) {
    return (
      refusedMembers(members, (one, { member: { peer }, files }) =>
        peer.requiresCertificates ? revokedIn(one.files.peer.clientChain, files.peer.crl) : undefined,
      )
        // `fileRules` reports a certificate that the member's own CRL lists.
        .filter(({ one, by }) => !by.includes(one))
        .map(({ one, by, first, reason: { serialNumber } }) => {
          const crl = first.member.peer.get('crlFile').place.option
          const at = one.member.peer.clientCertificateOption
          return { at, kind: 'by others', member: one.label, by: labels(by), crl, serialNumber }
        })
    )
  }),
  all('config/member-not-allowed', function findMemberNotAllowed({ members }) {
    return refusedMembers(members, (one, by) => {
      const [leaf] = one.files.peer.clientChain
      const isAsked = one !== by && by.member.peer.requiresCertificates
      return leaf === undefined || !isAsked ? null : refusedByName(by.member.peer, leaf)
    }).map(({ one, by, reason: { restriction, ...names } }) => {
      const at = one.member.peer.clientCertificateOption
      const details = { member: one.label, by: labels(by), restriction: restriction.place.option }
      return { at, kind: 'by others', ...details, ...names }
    })
  }),
  all('config/tls-versions-disjoint', function findDisjointVersions({ members }) {
    return refusedMembers(members, (one, { member }) => {
      const max = member.server('tlsMaxVersion')
      return one.member !== member && max.text === 'TLS1.2' ? max.place.option : null
    }).flatMap(({ one, by, reason: max }) => {
      const { text, place } = one.member.server('tlsMinVersion')
      return text === 'TLS1.3' ? [{ member: one.label, by: labels(by), min: place.option, max, place }] : []
    })
  }),
]

/** What members should have in common, with the kind of a difference. */
function comparedIn(members: Members): (readonly [Found<'config/members-differ'>['kind'], Value[]])[] {
  const server = (of: Members, field: ServerField, valueOf?: ValueOf): Value[] =>
    valuesOf(of, (member) => member.server(field), valueOf)
  // Members that start together need the same list and token. A member that joins later has a longer list.
  const starting = members.filter(({ member }) => member.server('initialClusterState').text === 'new')
  // Members with the same list all have the state "new" or all "existing", unless one was replaced.
  const lists = new Set(server(members, 'initialCluster', listOf).map(({ value }) => value))
  return [
    ['cluster', server(starting, 'initialCluster', listOf)],
    ['cluster', server(starting, 'initialClusterToken')],
    ['state', lists.size === 1 ? server(members, 'initialClusterState') : []],
    // The member with the weakest restriction opens the whole cluster.
    ...SIDES.flatMap((block) =>
      (['allowedCn', 'allowedHostname', 'crlFile'] as const).map((field) => {
        // Peer lists of names may differ; `config/member-not-allowed` compares them. The paths of CRLs may differ.
        const isCompared = block === 'client' && field !== 'crlFile'
        const valueOf: ValueOf = (setting) => (isCompared ? (listOf(setting) ?? '') : setting.isSet ? 'set' : '')
        return ['access', valuesOf(members, (member) => member[block].get(field), valueOf)] as const
      }),
    ),
    ...SIDES.map((block) => {
      const valueOf: ValueOf = (_, { member: { [block]: side } }) => {
        const isOn = block === 'client' ? side.isOn('clientCertAuth') : side.requiresCertificates
        return side.servesTls ? String(isOn) : null
      }
      return ['restriction', valuesOf(members, (member) => member[block].get('clientCertAuth'), valueOf)] as const
    }),
    ['restriction', server(members, 'cipherSuites')],
    ['restriction', server(members, 'tlsMinVersion')],
    // Timeouts must be equal (etcd.io/docs/v3.5/tuning).
    ['restriction', passthroughsOf(members, 'heartbeat-interval', '100')],
    ['restriction', passthroughsOf(members, 'election-timeout', '1000')],
    [
      'CAs',
      valuesOf(
        members,
        ({ client }) => client.get('trustedCaFile'),
        (_, { files }) => subjectsOf(files.client.anchors),
      ),
    ],
    // Each member must verify the tokens of every other one. Their keys are not read.
    [
      'tokens',
      passthroughsOf(members, 'auth-token', 'simple').map((each) => ({ ...each, value: tokenKind(each.value) })),
    ],
  ]
}

function tokenKind(text: string): string {
  const method = readTokenOptions(text)?.get('sign-method')
  return method === undefined ? 'simple' : `jwt with ${method}`
}

/** A member that others refuse, with the reason of the first of them. */
interface Refused<R> {
  readonly one: ClusterMember
  readonly by: Members
  readonly first: ClusterMember
  readonly reason: R
}

function refusedMembers<R>(
  members: Members,
  reasonOf: (one: ClusterMember, by: ClusterMember) => R | null | undefined,
): Refused<R>[] {
  return members.flatMap((one) => {
    const reasons = members.flatMap((by) => {
      const reason = reasonOf(one, by) ?? null
      return reason === null ? [] : [{ by, reason }]
    })
    const [first] = reasons
    return first === undefined ? [] : [{ one, by: reasons.map(({ by }) => by), first: first.by, reason: first.reason }]
  })
}
