/** Who is accepted: certificates, and what restricts them. */
import { parseGoBoolean } from '../tables/options.js'
import { availableIn, compareVersions, formatVersion, parseVersion, type ParsedVersion } from '../tables/version.js'
import type { Reporter } from '../finding.js'
import type { LintMember, LintSide, Rule } from './member.js'

function bothSides(rule: (report: Reporter, side: LintSide, member: LintMember) => void): Rule {
  return (report, member) => {
    for (const side of member.sides) rule(report, side, member)
  }
}

const PAIRS = [
  ['certFile', 'keyFile'],
  ['clientCertFile', 'clientKeyFile'],
] as const

/** A certificate has its key and a key its certificate, and https has both. */
const certificatesAreComplete = bothSides((report, side, { isWhole, isWritten }) => {
  if (!isWhole) return
  const halves = PAIRS.map((pair) => pair.map((field) => side.get(field))).filter(([a, b]) => a?.isSet !== b?.isSet)
  for (const [a, b] of halves) {
    const [given, missing] = a?.isSet === true ? [a, b] : [b, a]
    if (given === undefined || missing === undefined) continue
    const details = { kind: 'pair' as const, needs: [given.place.option], for: '' }
    report('config/option-needs', { ...missing.place, ...details }, given.place)
  }
  const [cert, key] = [side.get('certFile'), side.get('keyFile')]
  const tls = side.listen.find(({ isTls, port }) => isTls && port !== '')
  if (tls === undefined || cert.isSet || key.isSet || side.isAutoTls || side.isPlaintext || halves.length > 0) return
  for (const { place } of isWritten ? [cert, key] : [cert]) {
    const details = { kind: 'certificate' as const, needs: [], for: tls.text }
    report('config/option-needs', { ...place, ...details }, tls.setting.place)
  }
})

/** Options that do nothing unless a certificate is required. */
const RESTRICTIONS = ['crlFile', 'allowedCn', 'allowedHostname'] as const
const FILES = ['certFile', 'keyFile'] as const

const autoTls = bothSides((report, side, { isWritten }) => {
  if (!side.isOn('autoTls')) return
  const tell = (kind: 'clients' | 'peers' | 'replaces' | 'ignored', other: string, ignored?: string): void => {
    const lost = ignored === undefined ? {} : { ignored }
    report('config/auto-tls', { ...side.get('autoTls').place, kind, other, ...lost })
  }
  const used = (fields: readonly Parameters<LintSide['get']>[0][]): string[] =>
    fields.filter((field) => side.uses(field)).map((field) => side.get(field).place.option)
  const files = used(FILES)
  const others = used(['trustedCaFile', 'clientCertAuth', ...RESTRICTIONS, 'clientCertFile'])
  const [lost] = others
  const url = side.listen.find(({ isTls }) => isTls)
  if (isWritten) for (const option of [...files, ...others]) tell('replaces', option)
  else if (files[0] !== undefined) tell('ignored', files[0])
  else if (url !== undefined) tell(side.block === 'client' ? 'clients' : 'peers', url.text, lost)
  else if (lost !== undefined) tell('replaces', lost)
})

const certificatesAreRequired = bothSides((report, side, { isWhole, isWritten }) => {
  const [ca, auth, cert] = [side.get('trustedCaFile'), side.get('clientCertAuth'), side.get('certFile')]
  const { block } = side
  if (side.isAutoTls || side.isPlaintext || (isWritten && side.isOn('autoTls')) || !isWhole) return
  const isOn = side.isOn('clientCertAuth') || auth.isUnresolved
  if (isOn && !ca.isSet) {
    const details = { kind: 'no CA' as const, auth: auth.place.option, path: '', count: 0 }
    report('config/client-auth-by-public-cas', { ...ca.place, ...details }, auth.place)
  } else if (!isOn && ca.isSet) {
    report('config/client-auth-implied', { ...ca.place, kind: block, auth: auth.place.option, isFalse: auth.isSet })
    // The caller of the renderer requests it for clients, who may have passwords.
  } else if (!isOn && side.servesTls && cert.isSet && !(isWritten && block === 'client')) {
    report('config/client-auth-off', { ...cert.place, kind: block })
  }
  if (side.asksForCertificates || auth.isUnresolved) return
  for (const { isSet, place } of RESTRICTIONS.map((field) => side.get(field))) {
    const details = { kind: 'no certificates requested' as const, other: auth.place.option, fixed: [] }
    if (isSet) report('config/restriction-not-in-force', { ...place, ...details })
  }
})

const AS_SUBJECT = /^\s*\/?CN\s*=\s*([^,/]*)/i

const namesAreAllowed = bothSides((report, side) => {
  const [cn, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
  if (cn.isSet && hostname.isSet) {
    report('config/options-conflict', { ...cn.place, kind: 'excluded', other: hostname.place.option })
  }
  // Etcd compares only the common name, not the attribute of a subject.
  const value = cn.values.find((each) => AS_SUBJECT.test(each))
  if (!cn.isSet || cn.isUnresolved || value === undefined) return
  report('config/allowed-cn-as-subject', { ...cn.place, value, name: AS_SUBJECT.exec(value)?.[1]?.trim() ?? '' })
})

const gatewayIsAllowed: Rule = (report, { client, settings }) => {
  const isOn = parseGoBoolean(settings.server('enableGrpcGateway').text) === true
  const allowed = [client.get('allowedCn'), client.get('allowedHostname')].find(({ isSet }) => isSet)
  if (allowed === undefined || !isOn || !client.asksForCertificates) return
  report('config/gateway-refused', { ...allowed.place, kind: 'name', path: '', ca: '', subject: '', issuer: '' })
}

/** The releases that check the CRL of clients on every port (GHSA-3wh4-j44w-pg92). */
const CRL_FIXED = ['3.5.32', '3.6.13', '3.7.0'] as const

/** With HTTP on a URL of its own, the gRPC port of older releases does not check the CRL. */
const crlIsChecked: Rule = (report, { version, client, isWritten }) => {
  const [crl, http] = [client.get('crlFile'), client.get('httpUrls')]
  const fixed = version === null ? 'all' : availableIn(version, CRL_FIXED)
  if (!crl.isSet || !http.isSet || fixed === 'all' || (fixed === 'some' && !isWritten)) return
  const details = { kind: 'separate HTTP URL' as const, other: http.place.option, fixed: [...CRL_FIXED] }
  report('config/restriction-not-in-force', { ...crl.place, ...details })
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
    concerns: (member) => member.isOn('enable-pprof'),
  },
  {
    id: 'server/CHANGELOG 3.5.8',
    fixed: ['3.5.8'],
    minors: [5],
    what: 'speaks TLS 1.2 and never TLS 1.3 (client/pkg/transport/listener.go v3.5.7)',
    concerns: servesTls,
  },
]

const advisories: Rule = (report, member) => {
  const { version, versionPlace, settings } = member
  // A line stands for all its releases, the fixed ones among them.
  if (version?.patch === null || version === null) return
  // The version of the caller is not in the configuration.
  const place = versionPlace ?? { ...settings.server('name').place, option: 'version', line: null, column: null }
  for (const { id, fixed, minors, what, concerns } of ADVISORIES) {
    const isAffected = (minors?.includes(version.minor) ?? true) && isBefore(version, fixed)
    if (!isAffected || concerns?.(member) === false) continue
    report('config/advisory', { ...place, id, version: formatVersion(version), fixed: [...fixed], what })
  }
}

/** Whether a release is older than the fix in its line; lines newer than all fixes have it. */
function isBefore(version: ParsedVersion, fixed: readonly string[]): boolean {
  const releases = fixed.flatMap((text) => parseVersion(text) ?? [])
  const own = releases.find(({ minor }) => minor === version.minor)
  return own === undefined ? releases.every(({ minor }) => minor > version.minor) : compareVersions(version, own) < 0
}

export const authRules: readonly Rule[] = [
  certificatesAreComplete,
  autoTls,
  certificatesAreRequired,
  namesAreAllowed,
  gatewayIsAllowed,
  crlIsChecked,
  advisories,
]
