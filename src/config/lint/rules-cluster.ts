/** Rules that compare the members of a cluster, and check whether each member accepts the others. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Certificate } from '../../x509/certificate.js'
import type { ReadMember } from '../read/input.js'
import type { Setting } from '../read/read-option.js'
import type { ServerField, SideField } from '../tables/options.js'
import type { FileOptions, FilesReading } from './files.js'
import type { LintMember } from './member.js'
import { type Found, groupBy, rulesAbout } from './rule.js'
import { chains, refusedByName } from './rules-files.js'
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

export function nameOf({ member }: { member: LintMember }): string {
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

/** Members whose value is not known are omitted. */
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
  return (member) => member.server(field)
}

function side(block: 'client' | 'peer', field: SideField): (member: LintMember) => Setting {
  return (member) => member[block].get(field)
}

/** The value of a passthrough option in each member, or its default. */
function passthroughsOf(
  members: Members,
  name: string,
  defaultValue: string,
): (Value & { readonly isUnresolved: boolean })[] {
  return members.map((of) => {
    const option = of.member.others.findLast((each) => each.name === name)
    const { file } = of.member.server('name').place
    const place = option?.place ?? { option: name, file, line: null, column: null }
    return { of, value: option?.text ?? defaultValue, place, isUnresolved: (option?.unknown.length ?? 0) > 0 }
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

/** Includes the beginning of each fingerprint, because two CAs may have one name. */
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
  complete('config/members-name-repeated', (members) => {
    const known = members.filter(({ member }) => !member.server('name').isUnresolved)
    return groupBy(known, nameOf).flatMap(([name, same]) => {
      const [, second] = same
      const place = second?.member.server('name').place
      return place === undefined ? [] : [{ name, members: same.map(({ label }) => label), place }]
    })
  }),
  // Members that start together need the same list and token. A member that joins later has a longer list.
  complete('config/members-differ', (members) => {
    const starting = members.filter(({ member }) => member.server('initialClusterState').text === 'new')
    // Members with the same list all have the state "new" or all "existing", unless one was replaced.
    const lists = new Set(valuesOf(members, server('initialCluster'), listOf).map(({ value }) => value))
    return [
      ...differing('cluster', valuesOf(starting, server('initialCluster'), listOf)),
      ...differing('cluster', valuesOf(starting, server('initialClusterToken'))),
      ...(lists.size === 1 ? differing('state', valuesOf(members, server('initialClusterState'))) : []),
    ]
  }),
  // A member reads its list only at its first start, so the list of an older member may lack one that joined later. If neither of
  // two lists has the other member, the member that joined later has a wrong list.
  complete('config/member-not-listed', (members) => {
    const misses = pairsOf(members).flatMap(([by, other]): MissingEntry[] => {
      const list = by.member.server('initialCluster')
      if (!list.isSet || list.isUnresolved || other.member.server('name').isUnresolved) return []
      return by.member.listed.some(({ name }) => name === nameOf(other)) ? [] : [{ other, by }]
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
  all('config/members-differ', ({ members }) => {
    const plain = members.filter(({ member }) => member.peer.listen.length > 0 && !member.peer.servesTls)
    const [first] = plain
    if (first === undefined || !members.some(({ member }) => member.peer.servesTls)) return null
    const values = plain.map(({ label }) => ({ member: label, value: 'http' }))
    return { at: first.member.peer.get('listenUrls'), kind: 'scheme', values }
  }),
  // Two members cannot use the same address, unless it is a loopback address.
  all('config/url-repeated', ({ members }) => {
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
  // The member with the weakest restriction opens the whole cluster. Timeouts must be equal (etcd.io/docs/v3.5/tuning).
  complete('config/members-differ', (members) => [
    ...SIDES.flatMap((block) =>
      (['allowedCn', 'allowedHostname', 'crlFile'] as const).flatMap((field) => {
        // Peer lists of names may differ; `config/member-not-allowed` compares them. The paths of CRLs may differ.
        const isCompared = block === 'client' && field !== 'crlFile'
        const valueOf = (setting: Setting) => (isCompared ? (listOf(setting) ?? '') : setting.isSet ? 'set' : '')
        return differing('access', valuesOf(members, side(block, field), valueOf))
      }),
    ),
    ...SIDES.flatMap((block) => {
      const values = valuesOf(members, side(block, 'clientCertAuth'), (_, { member }) => {
        const of = member[block]
        if (!of.servesTls) return null
        return String(block === 'client' ? of.isOn('clientCertAuth') : of.requiresCertificates)
      })
      return differing('restriction', values)
    }),
    ...differing('restriction', valuesOf(members, server('cipherSuites'))),
    ...differing('restriction', valuesOf(members, server('tlsMinVersion'))),
    ...differing('restriction', passthroughsOf(members, 'heartbeat-interval', '100')),
    ...differing('restriction', passthroughsOf(members, 'election-timeout', '1000')),
    ...differing(
      'CAs',
      valuesOf(members, side('client', 'trustedCaFile'), (_, { files: { client } }) =>
        client.anchors.length === 0 ? null : subjectsOf(client.anchors),
      ),
    ),
  ]),
  // Each member must verify the tokens of every other one. Their keys are not read.
  complete('config/members-differ', (members) => {
    const values = passthroughsOf(members, 'auth-token', 'simple')
    const tokens = values.map(({ of, place, value }) => {
      const method = readTokenOptions(value)?.get('sign-method')
      return { of, place, value: method === undefined ? 'simple' : `jwt with ${method}` }
    })
    return !values.some(({ isUnresolved }) => isUnresolved) && differing('tokens', tokens)
  }),
  all('config/member-not-trusted', ({ members, options }) => {
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
        return subject === undefined || chains(chain, anchors, options) ? [] : [{ other, by, as, subject }]
      })
    })
    return reportRefusals(refusals)
  }),
  // Etcd compares only the serial number of each certificate that it receives, not the issuer (listener_tls.go checkCRL).
  all('config/member-revoked', ({ members }) =>
    members.flatMap((one) => {
      const revoked = requiringCertificates(members).flatMap((by) => {
        const found = one.files.peer.clientChain.find(
          ({ serial }) => (by.files.peer.crl?.find(serial) ?? null) !== null,
        )
        return found === undefined ? [] : [{ by, serialNumber: found.serialNumber }]
      })
      const [first] = revoked
      // `fileRules` reports a certificate that the member's own CRL lists.
      if (first === undefined || revoked.some(({ by }) => by === one)) return []
      const crl = first.by.member.peer.get('crlFile').place.option
      const details = { member: one.label, by: labels(revoked.map(({ by }) => by)), crl }
      return [
        {
          at: one.member.peer.clientCertificateOption,
          kind: 'by others' as const,
          ...details,
          serialNumber: first.serialNumber,
        },
      ]
    }),
  ),
  all('config/member-not-allowed', ({ members }) =>
    members.flatMap((one) => {
      const [leaf] = one.files.peer.clientChain
      const refused = requiringCertificates(members).flatMap((by) => {
        const refusal = by === one || leaf === undefined ? null : refusedByName(by.member.peer, leaf)
        return refusal === null ? [] : [{ by, refusal }]
      })
      const [first] = refused
      if (first === undefined) return []
      const details = { member: one.label, by: labels(refused.map(({ by }) => by)) }
      const { restriction, ...names } = first.refusal
      return [
        {
          at: one.member.peer.clientCertificateOption,
          kind: 'by others' as const,
          ...details,
          restriction: restriction.place.option,
          ...names,
        },
      ]
    }),
  ),
  all('config/tls-versions-disjoint', ({ members }) =>
    members.flatMap((one) => {
      const { text, place } = one.member.server('tlsMinVersion')
      const disjoint = members.filter((each) => each !== one && each.member.server('tlsMaxVersion').text === 'TLS1.2')
      const [first] = disjoint
      if (text !== 'TLS1.3' || first === undefined) return []
      const max = first.member.server('tlsMaxVersion').place.option
      return [{ member: one.label, by: labels(disjoint), min: place.option, max, place }]
    }),
  ),
]

/** The members that require certificates of other members. */
function requiringCertificates(members: Members): Members {
  return members.filter(({ member }) => member.peer.requiresCertificates)
}
