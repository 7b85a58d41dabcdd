/** Who is accepted: certificates, and what restricts them. */
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import { formAvailability, parseGoBoolean } from '../tables/options.js'
import { availableIn, compareVersions, formatVersion, parseVersion, type ParsedVersion } from '../tables/version.js'
import type { LintMember, LintSide, Rule } from './member.js'

/** A rule about either side. */
type SideRule = (side: LintSide, member: LintMember) => readonly Finding[]

function bothSides(rule: SideRule): Rule {
  return (member) => [...rule(member.client, member), ...rule(member.peer, member)]
}

const PAIRS = [
  ['certFile', 'keyFile'],
  ['clientCertFile', 'clientKeyFile'],
] as const

/** A certificate has its key, and a key its certificate. */
const pairsAreComplete: SideRule = (side, { isWhole }) =>
  PAIRS.flatMap(([cert, key]) => {
    const [a, b] = [side.get(cert), side.get(key)]
    if (a.isSet === b.isSet || !isWhole) return []
    const [missing, given] = a.isSet ? [b, a] : [a, b]
    const needs = [given.place.option]
    return [finding('config/option-needs', { ...missing.place, kind: 'pair', needs, for: '' }, given.place)]
  })

const certificateIsThere: SideRule = (side, member) => {
  const [cert, key] = [side.get('certFile'), side.get('keyFile')]
  const tls = side.listen.find(({ isTls, port }) => isTls && port !== '')
  if (!member.isWhole || tls === undefined || cert.isSet || key.isSet || side.isAutoTls) return []
  if (side.isPlaintext || pairsAreComplete(side, member).length > 0) return []
  return (member.isWritten ? [cert, key] : [cert]).map(({ place }) =>
    finding('config/option-needs', { ...place, kind: 'certificate', needs: [], for: tls.text }, tls.setting.place),
  )
}

/** Options that do nothing unless a certificate is required. */
const RESTRICTIONS = ['crlFile', 'allowedCn', 'allowedHostname'] as const

const autoTls: SideRule = (side, { isWritten }) => {
  if (!side.isOn('autoTls')) return []
  const { place } = side.get('autoTls')
  const reported = (kind: 'clients' | 'peers' | 'replaces' | 'ignored', other: string, ignored?: string): Finding =>
    finding('config/auto-tls', { ...place, kind, other, ...(ignored === undefined ? {} : { ignored }) })
  const files = ['certFile', 'keyFile'] as const
  const others = (['trustedCaFile', 'clientCertAuth', ...RESTRICTIONS, 'clientCertFile'] as const)
    .map((field) => side.get(field))
    .filter(({ isSet, row, text }) => isSet && (row.kind !== 'boolean' || parseGoBoolean(text) === true))
  if (isWritten) {
    const set = [...files.map((field) => side.get(field)).filter(({ isSet }) => isSet), ...others]
    return set.map((each) => reported('replaces', each.place.option))
  }
  const file = files.map((field) => side.get(field)).find(({ isSet }) => isSet)
  if (file !== undefined) return [reported('ignored', file.place.option)]
  const lost = others[0]?.place.option
  const url = side.listen.find(({ isTls }) => isTls)
  if (url !== undefined) return [reported(side.block === 'client' ? 'clients' : 'peers', url.text, lost)]
  return lost === undefined ? [] : [reported('replaces', lost)]
}

const certificatesAreRequired: SideRule = (side, { isWhole, isWritten }) => {
  const [ca, auth, cert] = [side.get('trustedCaFile'), side.get('clientCertAuth'), side.get('certFile')]
  if (side.isAutoTls || side.isPlaintext || (isWritten && side.isOn('autoTls')) || !isWhole) return []
  const isOn = side.isOn('clientCertAuth') || auth.isUnresolved
  if (isOn && !ca.isSet) {
    const details = { ...ca.place, kind: 'no CA' as const, auth: auth.place.option, path: '', count: 0 }
    return [finding('config/client-auth-by-public-cas', details, auth.place)]
  }
  if (!isOn && ca.isSet) {
    const details = { ...ca.place, kind: side.block, auth: auth.place.option, isFalse: auth.isSet }
    return [finding('config/client-auth-implied', details)]
  }
  if (isOn || !side.servesTls || !cert.isSet) return []
  // The caller of the renderer requests it for clients, who may have passwords.
  if (isWritten && side.block === 'client') return []
  return [finding('config/client-auth-off', { ...cert.place, kind: side.block })]
}

const restrictionsAreInForce: SideRule = (side, { isWhole }) => {
  const auth = side.get('clientCertAuth')
  if (side.isAutoTls || side.asksForCertificates || side.isPlaintext || auth.isUnresolved || !isWhole) return []
  const details = { kind: 'no certificates requested' as const, other: auth.place.option, fixed: [] }
  return RESTRICTIONS.map((field) => side.get(field))
    .filter(({ isSet }) => isSet)
    .map(({ place }) => finding('config/restriction-not-in-force', { ...place, ...details }))
}

const namesExclude: SideRule = (side) => {
  const [cn, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
  if (!cn.isSet || !hostname.isSet) return []
  return [finding('config/options-conflict', { ...cn.place, kind: 'excluded', other: hostname.place.option })]
}

const AS_SUBJECT = /^\s*\/?CN\s*=\s*([^,/]*)/i

/** Etcd compares only the common name, not the attribute of a subject. */
const namesAreBare: SideRule = (side) => {
  const { place, values, isSet, isUnresolved } = side.get('allowedCn')
  const value = values.find((each) => AS_SUBJECT.test(each))
  if (!isSet || isUnresolved || value === undefined) return []
  const name = AS_SUBJECT.exec(value)?.[1]?.trim() ?? ''
  return [finding('config/allowed-cn-as-subject', { ...place, value, name })]
}

const gatewayIsAllowed: Rule = ({ client, settings }) => {
  if (parseGoBoolean(settings.server('enableGrpcGateway').text) !== true || !client.asksForCertificates) return []
  const allowed = [client.get('allowedCn'), client.get('allowedHostname')].find(({ isSet }) => isSet)
  if (allowed === undefined) return []
  const details = { kind: 'name' as const, path: '', ca: '', subject: '', issuer: '' }
  return [finding('config/gateway-refused', { ...allowed.place, ...details })]
}

const addressesAreChecked: Rule = ({ peer, version }) => {
  const { place, option } = peer.get('skipClientSanVerification')
  if (option === null || !peer.isOn('skipClientSanVerification')) return []
  // A release without the option refuses the flag, and ignores the key: it still checks.
  if (version !== null && formAvailability(option.row, option.form, version) === 'none') return []
  const why = 'lets a member’s certificate be used from any address'
  const remedy = 'Remove it, and issue certificates to the members with their addresses. Use a separate CA for members.'
  return [finding('config/option-dangerous', { ...place, why, remedy })]
}

interface Advisory {
  readonly id: string
  /** The first fixed releases, one for each line that has the fix. Older lines have none. */
  readonly fixed: readonly `${number}.${number}.${number}`[]
  /** The lines that are affected, by their minor numbers. Default: all up to the newest in `fixed`. */
  readonly minors?: readonly number[]
  /** Words after "Etcd 3.5.16". */
  readonly what: string
  /** Whether the configuration is affected. Default: always. */
  readonly concerns?: (member: LintMember) => boolean
}

function servesTls({ client, peer }: LintMember): boolean {
  return client.servesTls || peer.servesTls
}

/** Advisories of etcd that concern TLS or access. */
const ADVISORIES: readonly Advisory[] = [
  {
    id: 'GHSA-6vch-q96h-7gc3',
    fixed: ['3.5.33', '3.6.14', '3.7.1'],
    what: 'keeps connections that never finish their TLS handshake, so that anybody who reaches a port can exhaust it',
    concerns: servesTls,
  },
  {
    id: 'GHSA-xg4h-6gfc-h4m8',
    fixed: ['3.5.33', '3.6.14', '3.7.1'],
    what: 'lets a user who may read one key watch every later key, with authentication enabled',
  },
  {
    id: 'CVE-2026-33413',
    fixed: ['3.4.42', '3.5.28', '3.6.9'],
    what: 'answers several calls without asking who calls, also with authentication enabled',
  },
  {
    id: 'CVE-2026-33343',
    fixed: ['3.4.42', '3.5.28', '3.6.9'],
    what: 'lets a user read and write every key by a transaction within a transaction, with authentication enabled',
  },
  {
    id: 'CVE-2026-44283',
    fixed: ['3.4.44', '3.5.30', '3.6.11'],
    what: 'lets a user read a previous value, or attach a lease, without the permission, with authentication enabled',
  },
  {
    id: 'CVE-2023-32082',
    fixed: ['3.4.26', '3.5.9'],
    what: 'returns the names of the keys of a lease to users who may not read them, with authentication enabled',
  },
  {
    id: 'CVE-2021-28235',
    fixed: ['3.4.25', '3.5.8'],
    what: 'keeps passwords in memory after a login, where its debug endpoints show them',
    concerns: ({ others }) =>
      others.some(({ name, text }) => name === 'enable-pprof' && parseGoBoolean(text ?? '') === true),
  },
  {
    id: 'server/CHANGELOG 3.5.8',
    fixed: ['3.5.8'],
    minors: [5],
    what: 'speaks TLS 1.2 and never TLS 1.3 (client/pkg/transport/listener.go v3.5.7)',
    concerns: servesTls,
  },
]

/** The releases that check the CRL of clients on every port (GHSA-3wh4-j44w-pg92). */
const CRL_FIXED = ['3.5.32', '3.6.13', '3.7.0'] as const

const advisories: Rule = (member) => {
  const { version, versionPlace, settings } = member
  // A line stands for all its releases, the fixed ones among them.
  if (version?.patch === null || version === null) return []
  // The version of the caller is not in the configuration.
  const place = versionPlace ?? { ...settings.server('name').place, option: 'version', line: null, column: null }
  return ADVISORIES.filter(({ fixed, minors, concerns }) => {
    const isMeant = minors?.includes(version.minor) ?? true
    return isMeant && isBefore(version, fixed) && (concerns?.(member) ?? true)
  }).map(({ id, fixed, what }) =>
    finding('config/advisory', { ...place, id, version: formatVersion(version), fixed: [...fixed], what }),
  )
}

/** Whether a release is older than the fix in its line; lines newer than all fixes have it. */
function isBefore(version: ParsedVersion, fixed: readonly string[]): boolean {
  const releases = fixed.flatMap((text) => parseVersion(text) ?? [])
  const own = releases.find(({ minor }) => minor === version.minor)
  if (own !== undefined) return compareVersions(version, own) < 0
  return releases.every(({ minor }) => minor > version.minor)
}

/** With HTTP on a URL of its own, the gRPC port of older releases does not check the CRL. */
const crlIsChecked: Rule = ({ version, client, isWritten }) => {
  const [crl, http] = [client.get('crlFile'), client.get('httpUrls')]
  if (!crl.isSet || !http.isSet || version === null) return []
  const fixed = availableIn(version, CRL_FIXED)
  if (fixed === 'all' || (fixed === 'some' && !isWritten)) return []
  const details = { kind: 'separate HTTP URL' as const, other: http.place.option, fixed: [...CRL_FIXED] }
  return [finding('config/restriction-not-in-force', { ...crl.place, ...details })]
}

export const authRules: readonly Rule[] = [
  bothSides(pairsAreComplete),
  bothSides(certificateIsThere),
  bothSides(autoTls),
  bothSides(certificatesAreRequired),
  bothSides(restrictionsAreInForce),
  bothSides(namesExclude),
  bothSides(namesAreBare),
  gatewayIsAllowed,
  addressesAreChecked,
  crlIsChecked,
  advisories,
]
