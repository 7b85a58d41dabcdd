/** What the members of a cluster must have in common, and what each must have for itself. */
import type { Finding, FindingPlace } from '../../report/finding.js'
import type { Certificate } from '../../x509/certificate.js'
import type { ServerField, Setting, SideField } from '../read/settings.js'
import {
  type ClusterRule,
  groupBy,
  type Named,
  nameOfMember,
  oddOne,
  type Said,
  saidBy,
  valuesOf,
  whole,
} from './cluster-member.js'
import { ELECTION, HEARTBEAT } from '../heartbeat.js'
import { finding } from './finding.js'
import { at } from '../finding.js'
import { allAreListed } from './rules-listed.js'

function server(field: ServerField): (named: Named) => Setting {
  return ({ member }) => member.settings.server(field)
}

function side(block: 'client' | 'peer', field: SideField): (named: Named) => Setting {
  return ({ member }) => member[block].get(field)
}

const namesDiffer: ClusterRule = (members) => {
  const known = whole(members).filter(({ member }) => !member.settings.server('name').isUnresolved)
  return [...groupBy(known, nameOfMember)].flatMap(([name, same]) => {
    const [, second] = same
    if (second === undefined) return []
    const told = finding('config/members-name-repeated', { name, members: same.map(({ label }) => label) })
    return [at(server('name')(second).place, told)]
  })
}

/** Where the odd one says it, or where another one does if it says nothing. */
function placeOf(odd: Said, said: readonly Said[]): FindingPlace {
  return odd.place.line === null ? (said.find(({ place }) => place.line !== null) ?? odd).place : odd.place
}

const startTogether: ClusterRule = (members) => {
  // A member that joins later has a longer list, rightly.
  const starting = whole(members).filter((each) => server('initialClusterState')(each).text === 'new')
  const lists = saidBy(starting, server('initialCluster'), ({ isSet, values }) =>
    isSet ? [...values].sort().join(',') : null,
  )
  const tokens = saidBy(starting, server('initialClusterToken'), ({ text }) => text)
  return [lists, tokens].flatMap((said) => {
    const odd = oddOne(said)
    if (odd === null) return []
    const place = placeOf(odd, said)
    return [at(place, finding('config/members-disagree', { option: place.option ?? '', values: valuesOf(said) }))]
  })
}

/** A timeout of each member; its default where it is not set. They must be alike (etcd.io/docs/v3.5/tuning). */
function timeoutsOf(members: readonly Named[], { name, standard }: { name: string; standard: string }): Said[] {
  return members.map((of): Said => {
    const other = of.member.others.findLast((each) => each.name === name)
    const { file } = of.member.settings.server('name').place
    const place = other?.place ?? { option: name, file, line: null, column: null }
    return { of, value: other?.text ?? standard, place }
  })
}

const peersSpeakAlike: ClusterRule = (members) => {
  const plain = members.filter(({ member }) => member.peer.listen.length > 0 && !member.peer.servesTls)
  const secure = members.filter(({ member }) => member.peer.servesTls)
  const [first] = plain
  if (first === undefined || secure.length === 0) return []
  const { place } = side('peer', 'listenUrls')(first)
  const details = { members: plain.map(({ label }) => label), option: place.option }
  return [at(place, finding('config/members-scheme-differs', details))]
}

/** Addresses that two members have; what only the machine itself reaches, each may have. */
const addressesAreOwn: ClusterRule = (members) => {
  const fields = ['listenUrls', 'advertiseUrls'] as const
  const shared = (['client', 'peer'] as const).flatMap((block) =>
    fields.flatMap((field) => {
      const urls = members.flatMap((of) => {
        const all = field === 'listenUrls' ? of.member[block].listen : of.member[block].advertise
        return all
          .filter(({ isLocal, isUnspecified, setting }) => !isLocal && !isUnspecified && setting.isSet)
          .map(({ text, setting }) => ({ of, text, setting, isAlone: all.length === 1 }))
      })
      return [...groupBy(urls, ({ text }) => text)].flatMap(([url, same]) => {
        const [, second] = same
        const owners = new Set(same.map(({ of }) => of.label))
        if (second === undefined || owners.size < 2) return []
        // All may tell of one name for the cluster beside their own.
        if (owners.size === members.length && field === 'advertiseUrls' && !same.every(({ isAlone }) => isAlone))
          return []
        return [{ url, owners: [...owners], place: second.setting.place }]
      })
    }),
  )
  const byUrl = [...groupBy(shared, ({ url, owners }) => `${url} ${owners.join()}`).values()]
  return byUrl.flatMap((same): Finding[] => {
    const [first] = same
    if (first === undefined) return []
    const { url, owners, place } = first
    return [at(place, finding('config/members-share-url', { option: place.option, url, members: owners }))]
  })
}

/** Options that decide who is let in: the weakest member decides for all. */
const sidesAskAlike: ClusterRule = (members) => {
  const known = whole(members)
  const sides = (['client', 'peer'] as const).flatMap((block) => [
    saidBy(known, side(block, 'clientCertAuth'), (_, { member }) => {
      const of = member[block]
      if (!of.servesTls) return null
      return String(block === 'client' ? of.isOn('clientCertAuth') : of.asksForCertificates)
    }),
    // Members may leave out their own names, and whom they refuse is told of each pair.
    ...(['allowedCn', 'allowedHostname'] as const).map((field) =>
      saidBy(known, side(block, field), ({ isSet, values }) => {
        if (!isSet) return ''
        return block === 'client' ? [...values].sort().join(',') : 'a list'
      }),
    ),
    // Each member may have its copy elsewhere.
    saidBy(known, side(block, 'crlFile'), ({ isSet }) => (isSet ? 'a list' : '')),
  ])
  const servers = (['cipherSuites', 'tlsMinVersion'] as const).map((field) =>
    saidBy(known, server(field), ({ text }) => text),
  )
  const timeouts = ([HEARTBEAT, ELECTION] as const).map((option) => timeoutsOf(known, option))
  const differences = [...sides, ...servers, ...timeouts].flatMap((said) => {
    const odd = oddOne(said)
    if (odd === null) return []
    const place = placeOf(odd, said)
    const details = { option: place.option ?? '', values: valuesOf(said) }
    return [at(place, finding('config/members-differ', details))]
  })
  const cas = saidBy(known, side('client', 'trustedCaFile'), (_, { files: { client } }) =>
    client.anchors.length === 0 ? null : subjectsOf(client.anchors),
  )
  const odd = oddOne(cas)
  if (odd === null) return differences
  const details = { option: odd.place.option ?? '', values: valuesOf(cas), part: 'CAs' as const }
  return [...differences, at(odd.place, finding('config/members-differ', details))]
}

/** Names of CAs, with the beginnings of their fingerprints, since two may have one name. */
function subjectsOf(anchors: readonly Certificate[]): string {
  return anchors
    .map(({ subject, fingerprint256 }) => `"${subject.toString()}" ${fingerprint256.slice(0, 11)}`)
    .sort()
    .join(', ')
}

export const memberRules: readonly ClusterRule[] = [
  namesDiffer,
  startTogether,
  allAreListed,
  peersSpeakAlike,
  addressesAreOwn,
  sidesAskAlike,
]
