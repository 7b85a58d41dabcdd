/** Whether each member of a cluster takes each other one. One cause is one finding, however many members it concerns. */
import type { Finding } from '../../report/finding.js'
import { validateChain } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Setting } from '../read/settings.js'
import type { ClusterRule, Named } from './cluster-member.js'
import { finding } from './finding.js'
import { at } from '../finding.js'
import { refusedByName } from './rules-files.js'

function pairsOf(members: readonly Named[]): [Named, Named][] {
  return members.flatMap((one) => members.flatMap((by): [Named, Named][] => (one === by ? [] : [[one, by]])))
}

/** The option that names what a member shows where it calls others. */
function shownBy({ member: { peer } }: Named): Setting {
  return peer.get(peer.get('clientCertFile').isSet ? 'clientCertFile' : 'certFile')
}

function labels(members: readonly Named[]): string {
  return [...new Set(members.map(({ label }) => label))].join(', ')
}

function printsOf(anchors: readonly Certificate[]): string {
  return anchors
    .map(({ fingerprint256 }) => fingerprint256)
    .sort()
    .join(' ')
}

interface Refusal {
  readonly one: Named
  readonly by: Named
  readonly as: 'server' | 'client'
  readonly subject: string
}

const peersTrustEachOther: ClusterRule = (members, { at: judgedAt, clockSkew }) => {
  const refusals = pairsOf(members).flatMap(([one, by]): Refusal[] => {
    const { served, shown, anchors: own } = one.files.peer
    const { anchors } = by.files.peer
    // Where both trust the same, the certificate was judged by that already.
    if (anchors.length === 0 || printsOf(own) === printsOf(anchors)) return []
    const isSame = served[0]?.fingerprint256 === shown[0]?.fingerprint256
    const roles = [
      // Whoever does not ask who calls takes every certificate.
      ...(by.member.peer.asksForCertificates ? [{ chain: shown, as: 'client' as const }] : []),
      ...(isSame && by.member.peer.asksForCertificates ? [] : [{ chain: served, as: 'server' as const }]),
    ]
    return roles.flatMap(({ chain: [leaf, ...intermediates], as }): Refusal[] => {
      if (leaf === undefined) return []
      const { findings } = validateChain(
        { leaf, intermediates, trustAnchors: anchors },
        { usage: 'any', at: judgedAt, clockSkew },
      )
      const isRefused = findings.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))
      return isRefused ? [{ one, by, as, subject: leaf.subject.toString() }] : []
    })
  })
  return byMember(refusals)
}

/** One finding for each member that most refusals have to do with, until all are told. */
function byMember(refusals: readonly Refusal[]): Finding[] {
  const counts = new Map<Named, number>()
  for (const { one, by } of refusals) {
    counts.set(one, (counts.get(one) ?? 0) + 1)
    counts.set(by, (counts.get(by) ?? 0) + 1)
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? []
  if (most === undefined) return []
  const itself = refusals.filter(({ one }) => one === most)
  const byIt = refusals.filter(({ by }) => by === most)
  const [first] = itself.length > 0 ? itself : byIt
  const rest = refusals.filter(({ one, by }) => one !== most && by !== most)
  if (first === undefined) return byMember(rest)
  const { as, subject, by } = first
  const same = (itself.length > 0 ? itself : byIt).filter((each) => each.as === as)
  const ca = by.member.peer.get('trustedCaFile').place
  const details = {
    member: labels(same.map(({ one }) => one)),
    by: labels(same.map((each) => each.by)),
    subject,
    as,
    option: ca.option,
  }
  const place =
    itself.length === 0 ? ca : as === 'client' ? shownBy(most).place : most.member.peer.get('certFile').place
  return [at(place, finding('config/member-not-trusted', details)), ...byMember(rest)]
}

/** Etcd compares the serial numbers of all certificates that it is shown, and nothing else (listener_tls.go checkCRL). */
const peersRevokeNone: ClusterRule = (members) =>
  members.flatMap((one): Finding[] => {
    const revokedBy = members.flatMap((by) => {
      const { crl } = by.files.peer
      const revoked = crl === null ? undefined : one.files.peer.shown.find(({ serial }) => crl.find(serial) !== null)
      return revoked === undefined || !by.member.peer.asksForCertificates ? [] : [{ by, revoked }]
    })
    const [first] = revokedBy
    // Of its own list, that is told already.
    if (first === undefined || revokedBy.some(({ by }) => by === one)) return []
    const { option } = first.by.member.peer.get('crlFile').place
    const { serialNumber } = first.revoked
    const details = { member: one.label, by: labels(revokedBy.map(({ by }) => by)), option, serialNumber }
    return [at(shownBy(one).place, finding('config/member-revoked', details))]
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
    const { option, has, allowed } = first.refused
    const details = { member: one.label, by: labels(refusals.map(({ by }) => by)), option, has, allowed: [...allowed] }
    return [at(shownBy(one).place, finding('config/member-not-allowed', details))]
  })

const versionsOverlap: ClusterRule = (members) =>
  members.flatMap((one): Finding[] => {
    const min = one.member.settings.server('tlsMinVersion')
    const others = members.filter(({ member }) => member.settings.server('tlsMaxVersion').text === 'TLS1.2')
    if (min.text !== 'TLS1.3' || others.every((by) => by === one)) return []
    const apart = others.filter((each) => each !== one)
    const max = apart[0]?.member.settings.server('tlsMaxVersion').place.option ?? ''
    const details = { member: one.label, by: labels(apart), min: min.place.option, max }
    return [at(min.place, finding('config/members-tls-apart', details))]
  })

export const pairRules: readonly ClusterRule[] = [
  peersTrustEachOther,
  peersRevokeNone,
  peersAllowEachOther,
  versionsOverlap,
]
