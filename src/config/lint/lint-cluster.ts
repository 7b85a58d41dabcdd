/** Judges the configurations of all members of a cluster, each by itself and together. */
import { optionInvalid } from '../../misuse.js'
import type { Finding } from '../../report/finding.js'
import type { Report } from '../../report/report.js'
import { validateChain } from '../../validate/validate.js'
import type { Certificate } from '../../x509/certificate.js'
import { findCoveringName, readHost } from '../../x509/names.js'
import { nameOf } from '../options.js'
import { type ConfigInput, readMember } from '../read/input.js'
import type { Setting } from '../read/settings.js'
import { finding } from './finding.js'
import {
  distinct,
  type LintContext,
  type LintedMember,
  lintMember,
  type LintOptions,
  lintReport,
  resolveLint,
} from './lint.js'
import { clusterEntries } from './served-url.js'

/** Members that are compared with each other; etcd advises seven at most. */
const MAX_MEMBERS = 100

/** A member, and how findings call it. */
interface Named extends LintedMember {
  readonly label: string
}

/** Looks at all members at once. */
type ClusterRule = (members: readonly Named[], context: LintContext) => readonly Finding[]

/**
 * Judges the configurations of all members of one cluster: each as {@link lintEtcdConfig} does, and then what they must
 * have in common.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` (as a rejection) for a wrong call.
 */
export async function lintCluster(configs: readonly ConfigInput[], options: LintOptions = {}): Promise<Report> {
  const context = resolveLint(options)
  if (!Array.isArray(configs) || configs.length === 0 || configs.length > MAX_MEMBERS) {
    throw optionInvalid('members', `must be an array of 1 to ${String(MAX_MEMBERS)} configurations`)
  }
  const members = await Promise.all(
    configs.map(async (config: ConfigInput, i): Promise<Named> => {
      const place = `members[${String(i)}]`
      const linted = await lintMember(await readMember(config, context, place, place), context)
      const { file } = config
      const label = file === undefined ? `"${linted.member.settings.server('name').text}" (${place})` : String(file)
      return { ...linted, label }
    }),
  )
  const together = RULES.flatMap((rule) => rule(members, context))
  return lintReport(distinct([...members.flatMap(({ findings }) => findings), ...together]), context)
}

function nameOfMember({ member }: Named): string {
  return member.settings.server('name').text
}

/** Members whose configuration was read so far that what is missing in it is missing. */
function whole(members: readonly Named[]): Named[] {
  return members.filter(({ member }) => member.isWhole)
}

function groupBy(members: readonly Named[], keyOf: (member: Named) => string): Map<string, Named[]> {
  const groups = new Map<string, Named[]>()
  for (const each of members) groups.set(keyOf(each), [...(groups.get(keyOf(each)) ?? []), each])
  return groups
}

const namesDiffer: ClusterRule = (members) => {
  const byName = groupBy(
    whole(members).filter(({ member }) => !member.settings.server('name').isUnresolved),
    nameOfMember,
  )
  return [...byName].flatMap(([name, same]) =>
    same.length < 2 ? [] : [finding('config/members-name-repeated', { name, members: same.map(({ label }) => label) })],
  )
}

/** Values by which members differ; empty where all have the same. */
function differing(
  members: readonly Named[],
  valueOf: (member: Named) => string | null,
): { member: string; value: string }[] {
  const values = members.flatMap((each) => {
    const value = valueOf(each)
    return value === null ? [] : [{ member: each.label, value }]
  })
  return new Set(values.map(({ value }) => value)).size > 1 ? values : []
}

function textUnlessOpen({ isUnresolved, text }: Setting): string | null {
  return isUnresolved ? null : text
}

const startTogether: ClusterRule = (members) => {
  const setting = (named: Named, field: 'initialCluster' | 'initialClusterToken'): Setting =>
    named.member.settings.server(field)
  return (['initialCluster', 'initialClusterToken'] as const).flatMap((field) => {
    // A member that joins later has a longer list, rightly.
    const starting = whole(members).filter(({ member }) => member.settings.server('initialClusterState').text === 'new')
    const known = field === 'initialCluster' ? starting.filter((each) => setting(each, field).isSet) : starting
    const values = differing(known, (each) => {
      const one = setting(each, field)
      return field === 'initialCluster' && !one.isUnresolved ? [...one.values].sort().join(',') : textUnlessOpen(one)
    })
    const [first] = known
    if (values.length === 0 || first === undefined) return []
    return [finding('config/members-disagree', { option: nameOf(setting(first, field).row), values })]
  })
}

const allAreListed: ClusterRule = (members) =>
  whole(members).flatMap((by) => {
    const setting = by.member.settings.server('initialCluster')
    if (!setting.isSet || setting.isUnresolved) return []
    const listed = new Set(clusterEntries(setting).map(({ name }) => name))
    return members
      .filter((other) => other !== by && other.member.isWhole && !listed.has(nameOfMember(other)))
      .filter(({ member }) => !member.settings.server('name').isUnresolved)
      .map((other) => finding('config/member-not-listed', { member: nameOfMember(other), by: by.label }))
  })

const peersSpeakAlike: ClusterRule = (members) => {
  const plain = members.filter(({ member }) => member.peer.listen.length > 0 && !member.peer.servesTls)
  const secure = members.filter(({ member }) => member.peer.servesTls)
  if (plain.length === 0 || secure.length === 0) return []
  return [finding('config/members-scheme-differs', { members: plain.map(({ label }) => label) })]
}

function pairsOf(members: readonly Named[]): [Named, Named][] {
  return members.flatMap((one) => members.flatMap((by): [Named, Named][] => (one === by ? [] : [[one, by]])))
}

function printsOf(anchors: readonly Certificate[]): string {
  return anchors
    .map(({ fingerprint256 }) => fingerprint256)
    .sort()
    .join(' ')
}

const peersTrustEachOther: ClusterRule = (members, { at, clockSkew }) =>
  pairsOf(members).flatMap(([one, by]) => {
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
    return roles.flatMap(({ chain: [leaf, ...intermediates], as }): Finding[] => {
      if (leaf === undefined) return []
      const { findings } = validateChain(
        { leaf, intermediates, trustAnchors: anchors },
        { usage: 'any', at, clockSkew },
      )
      if (!findings.some(({ code, severity }) => severity === 'error' && code.startsWith('chain/'))) return []
      const subject = leaf.subject.toString()
      return [finding('config/member-not-trusted', { member: one.label, by: by.label, subject, as })]
    })
  })

/** Etcd compares the serial numbers of all certificates that it is shown, and nothing else (listener_tls.go checkCRL). */
const peersRevokeNone: ClusterRule = (members) =>
  pairsOf(members).flatMap(([one, by]) => {
    const { crl } = by.files.peer
    const revoked = crl === null ? undefined : one.files.peer.shown.find(({ serial }) => crl.find(serial) !== null)
    if (revoked === undefined || !by.member.peer.asksForCertificates) return []
    const { option } = by.member.peer.get('crlFile').place
    const details = { member: one.label, by: by.label, option, serialNumber: revoked.serialNumber }
    return [finding('config/member-revoked', details)]
  })

const peersAllowEachOther: ClusterRule = (members) =>
  pairsOf(members).flatMap(([one, by]): Finding[] => {
    const [leaf] = one.files.peer.shown
    const { peer } = by.member
    if (leaf === undefined || !peer.asksForCertificates) return []
    const who = { member: one.label, by: by.label }
    const [cn, hostname] = [peer.get('allowedCn'), peer.get('allowedHostname')]
    const name = leaf.subject.commonName ?? ''
    if (cn.isSet && !cn.isUnresolved && !cn.values.includes(name)) {
      const has = `the common name "${name}"`
      return [finding('config/member-not-allowed', { ...who, option: cn.place.option, has, allowed: [...cn.values] })]
    }
    if (!hostname.isSet || hostname.isUnresolved || hostname.values.some((host) => isCovered(leaf, host))) return []
    const has = `the names ${leaf.subjectAltNames.map(({ value }) => value).join(', ')}`
    return [
      finding('config/member-not-allowed', {
        ...who,
        option: hostname.place.option,
        has,
        allowed: [...hostname.values],
      }),
    ]
  })

function isCovered(leaf: Certificate, text: string): boolean {
  const reading = readHost(text)
  return !('refused' in reading) && findCoveringName(leaf.subjectAltNames, reading.host) !== null
}

const versionsOverlap: ClusterRule = (members) =>
  pairsOf(members).flatMap(([one, by]) => {
    const min = one.member.settings.server('tlsMinVersion').text
    const max = by.member.settings.server('tlsMaxVersion').text
    return min === 'TLS1.3' && max === 'TLS1.2'
      ? [finding('config/members-tls-apart', { member: one.label, by: by.label })]
      : []
  })

const sidesAskAlike: ClusterRule = (members) => {
  const secure = whole(members)
  const questions = [
    [
      '--client-cert-auth',
      (each: Named) => (each.member.client.servesTls ? String(each.member.client.isOn('clientCertAuth')) : null),
    ],
    [
      '--peer-client-cert-auth',
      (each: Named) => (each.member.peer.servesTls ? String(each.member.peer.asksForCertificates) : null),
    ],
    [
      'the CAs of --trusted-ca-file',
      (each: Named) => (each.files.client.anchors.length === 0 ? null : subjectsOf(each.files.client.anchors)),
    ],
    ['--cipher-suites', (each: Named) => each.member.settings.server('cipherSuites').text],
    ['--tls-min-version', (each: Named) => each.member.settings.server('tlsMinVersion').text],
  ] as const
  return questions.flatMap(([option, valueOf]) => {
    const values = differing(secure, valueOf)
    return values.length === 0 ? [] : [finding('config/members-differ', { option, values })]
  })
}

/** Names of CAs, with the beginnings of their fingerprints, since two may have one name. */
function subjectsOf(anchors: readonly Certificate[]): string {
  return anchors
    .map(({ subject, fingerprint256 }) => `"${subject.toString()}" ${fingerprint256.slice(0, 11)}`)
    .sort()
    .join(', ')
}

const RULES: readonly ClusterRule[] = [
  namesDiffer,
  startTogether,
  allAreListed,
  peersSpeakAlike,
  peersTrustEachOther,
  peersRevokeNone,
  peersAllowEachOther,
  versionsOverlap,
  sidesAskAlike,
]
