/** Rules about certificates, and about the options that restrict which certificates etcd accepts. */
import type { Setting } from '../read/read-option.js'
import type { SideField } from '../tables/options.js'
import { availableIn, formatVersion, type ParsedVersion, parseVersion } from '../tables/version.js'
import type { LintMember, LintSide } from './member.js'
import { rulesAbout } from './rule.js'

const member = rulesAbout((member: LintMember) => [member])
const side = rulesAbout(({ sides }: LintMember) => sides)

/** Options that have no effect unless etcd requires certificates. */
const RESTRICTIONS = ['crlFile', 'allowedCn', 'allowedHostname'] as const
const SUBJECT_SYNTAX = /^\s*\/?CN\s*=\s*([^,/]*)/i
/** The releases that check the CRL of clients on every port (GHSA-3wh4-j44w-pg92). */
const CRL_FIXED = ['3.5.32', '3.6.13', '3.7.0'] as const

interface Advisory {
  readonly id: string
  /** The first fixed release of each line that has the fix. */
  readonly fixed: readonly `${number}.${number}.${number}`[]
  /** The lines that are affected, by their minor numbers. Default: all up to the newest in `fixed`. */
  readonly minors?: readonly number[]
  /** Follows "Etcd 3.5.16" in the message. */
  readonly what: string
  readonly concerns?: (member: LintMember) => boolean
}

function servesTls({ client, peer }: LintMember): boolean {
  return client.servesTls || peer.servesTls
}

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

/** Whether a release is older than the fix in its line. Lines newer than all of `fixed` have the fix. */
function isBefore({ minor, patch }: ParsedVersion, fixed: Advisory['fixed']): boolean {
  const releases = fixed.flatMap((text) => parseVersion(text) ?? [])
  const own = releases.find((each) => each.minor === minor)
  return own === undefined ? releases.every((each) => each.minor > minor) : (patch ?? 0) < (own.patch ?? 0)
}

/** Pairs of certificate and key of which only one option is set. */
function incompletePairs(side: LintSide): { given: Setting; missing: Setting }[] {
  const pairs = [
    [side.get('certFile'), side.get('keyFile')],
    [side.get('clientCertFile'), side.get('clientKeyFile')],
  ] as const
  return pairs
    .filter(([cert, key]) => cert.isSet !== key.isSet)
    .map(([cert, key]) => (cert.isSet ? { given: cert, missing: key } : { given: key, missing: cert }))
}

function used(side: LintSide, ...fields: readonly SideField[]): string[] {
  return fields.filter((field) => side.uses(field)).map((field) => side.get(field).place.option)
}

function mustRequireCertificates(side: LintSide): boolean {
  const { isComplete, isWritten } = side.member
  return !side.isAutoTls && !side.isPlaintext && !(isWritten && side.isOn('autoTls')) && isComplete
}

function isAuthOn(side: LintSide): boolean {
  return side.isOn('clientCertAuth') || side.get('clientCertAuth').isUnresolved
}

export const authRules = [
  side('config/option-needs', (side) => {
    const { isComplete, isWritten } = side.member
    const [cert, key] = [side.get('certFile'), side.get('keyFile')]
    const tls = side.listen.find(({ isTls, port }) => isTls && port !== '')
    if (!isComplete) return null
    const found = incompletePairs(side).map(({ given, missing }) => {
      return { at: missing, kind: 'pair' as const, other: given.place.option, place: given.place }
    })
    if (tls === undefined || cert.isSet || key.isSet || side.isAutoTls || side.isPlaintext || found.length > 0)
      return found
    return (isWritten ? [cert, key] : [cert]).map((at) => {
      return { at, kind: 'certificate', url: tls.text, place: tls.setting.place }
    })
  }),
  side('config/auto-tls', (side) => {
    if (!side.isOn('autoTls')) return null
    const at = side.get('autoTls')
    const [files, others] = [
      used(side, 'certFile', 'keyFile'),
      used(side, 'trustedCaFile', 'clientCertAuth', ...RESTRICTIONS, 'clientCertFile'),
    ]
    const [lost] = others
    const url = side.listen.find(({ isTls }) => isTls)
    if (side.member.isWritten) return [...files, ...others].map((other) => ({ at, kind: 'replaces', other }))
    if (files[0] !== undefined) return { at, kind: 'ignored', other: files[0] }
    if (url === undefined) return lost !== undefined && { at, kind: 'replaces', other: lost }
    const kind = side.block === 'client' ? 'clients' : 'peers'
    return { at, kind, other: url.text, ...(lost === undefined ? {} : { ignored: lost }) }
  }),
  side('config/client-auth-by-public-cas', (side) => {
    const [at, { place }] = [side.get('trustedCaFile'), side.get('clientCertAuth')]
    return (
      mustRequireCertificates(side) && isAuthOn(side) && !at.isSet && { at, kind: 'no CA', auth: place.option, place }
    )
  }),
  side('config/client-auth-implied', (side) => {
    const [at, auth] = [side.get('trustedCaFile'), side.get('clientCertAuth')]
    const isImplied = mustRequireCertificates(side) && !isAuthOn(side) && at.isSet
    return isImplied && { at, kind: side.block, auth: auth.place.option, isFalse: auth.isSet }
  }),
  side('config/client-auth-off', (side) => {
    const [at, ca] = [side.get('certFile'), side.get('trustedCaFile')]
    const isOff = mustRequireCertificates(side) && !isAuthOn(side) && !ca.isSet && side.servesTls && at.isSet
    // The renderer sets `clientCertAuth` unless its caller turns it off, for example for clients with passwords.
    return isOff && !(side.member.isWritten && side.block === 'client') && { at, side: side.block }
  }),
  side('config/restriction-not-in-force', (side) => {
    const { isUnresolved, place } = side.get('clientCertAuth')
    if (!mustRequireCertificates(side) || side.requiresCertificates || isUnresolved) return null
    const set = RESTRICTIONS.map((field) => side.get(field)).filter(({ isSet }) => isSet)
    return set.map((at) => ({ at, kind: 'no certificates requested', other: place.option }))
  }),
  side('config/options-conflict', (side) => {
    const [at, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
    return at.isSet && hostname.isSet && { at, kind: 'excluded', other: hostname.place.option }
  }),
  // Etcd compares the value with the common name alone, not with "CN=…".
  side('config/allowed-cn-as-subject', (side) => {
    const at = side.get('allowedCn')
    const value = at.values.find((each) => SUBJECT_SYNTAX.test(each))
    if (!at.isSet || at.isUnresolved || value === undefined) return null
    return { at, value, name: SUBJECT_SYNTAX.exec(value)?.[1]?.trim() ?? '' }
  }),
  member('config/gateway-refused', ({ client, isGatewayOn }) => {
    const at = [client.get('allowedCn'), client.get('allowedHostname')].find(({ isSet }) => isSet)
    if (at === undefined || !isGatewayOn || !client.requiresCertificates) return null
    return { at, kind: 'name' }
  }),
  // With separate HTTP URLs, older releases do not check the CRL on the gRPC port.
  member('config/restriction-not-in-force', ({ version, client, isWritten }) => {
    const [at, http] = [client.get('crlFile'), client.get('httpUrls')]
    const fixed = version === null ? 'all' : availableIn(version, CRL_FIXED)
    if (!at.isSet || !http.isSet || fixed === 'all' || (fixed === 'some' && !isWritten)) return null
    return { at, kind: 'separate HTTP URL', other: http.place.option, fixed: [...CRL_FIXED] }
  }),
  member('config/advisory', (member) => {
    const { version, versionPlace } = member
    // A release line includes fixed releases.
    if (version?.patch === null || version === null) return null
    // If the caller names the version, no place in the configuration does.
    const { file } = member.server('name').place
    const at = { place: versionPlace ?? { option: 'version', file, line: null, column: null } }
    return ADVISORIES.filter(
      ({ minors, fixed, concerns }) =>
        minors?.includes(version.minor) !== false && isBefore(version, fixed) && concerns?.(member) !== false,
    ).map(({ id, fixed, what }) => ({ at, id, version: formatVersion(version), fixed: [...fixed], what }))
  }),
]
