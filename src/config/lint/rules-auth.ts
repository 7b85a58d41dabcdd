/** Rules about certificates, and about the options that restrict which certificates etcd accepts. */
import type { Setting } from '../read/read-option.js'
import type { SideField } from '../tables/options.js'
import { availableIn } from '../tables/version.js'
import type { LintMember, LintSide } from './member.js'
import { rulesAbout } from './rule.js'

const member = rulesAbout((member: LintMember) => [member])
const side = rulesAbout(({ sides }: LintMember) => sides)

/** Options that have no effect unless etcd requires certificates. */
const RESTRICTIONS = ['crlFile', 'allowedCn', 'allowedHostname'] as const
const SUBJECT_SYNTAX = /^\s*\/?CN\s*=\s*([^,/]*)/i
/** The releases that check the CRL of clients on every port (GHSA-3wh4-j44w-pg92). */
const CRL_FIXED = ['3.5.32', '3.6.13', '3.7.0'] as const

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
  side('config/option-needs', function findMissingFile(side) {
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
  side('config/auto-tls', function findAutoTls(side) {
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
  side('config/client-auth-by-public-cas', function findAuthWithoutCa(side) {
    const [at, { place }] = [side.get('trustedCaFile'), side.get('clientCertAuth')]
    return (
      mustRequireCertificates(side) && isAuthOn(side) && !at.isSet && { at, kind: 'no CA', auth: place.option, place }
    )
  }),
  side('config/client-auth-implied', function findImpliedAuth(side) {
    const [at, auth] = [side.get('trustedCaFile'), side.get('clientCertAuth')]
    const isImplied = mustRequireCertificates(side) && !isAuthOn(side) && at.isSet
    return isImplied && { at, kind: side.block, auth: auth.place.option, isFalse: auth.isSet }
  }),
  side('config/client-auth-off', function findMissingAuth(side) {
    const [at, ca] = [side.get('certFile'), side.get('trustedCaFile')]
    const isOff = mustRequireCertificates(side) && !isAuthOn(side) && !ca.isSet && side.servesTls && at.isSet
    // The renderer sets `clientCertAuth` unless its caller turns it off, for example for clients with passwords.
    return isOff && !(side.member.isWritten && side.block === 'client') && { at, side: side.block }
  }),
  side('config/restriction-not-in-force', function findRestrictionWithoutAuth(side) {
    const { isUnresolved, place } = side.get('clientCertAuth')
    if (!mustRequireCertificates(side) || side.requiresCertificates || isUnresolved) return null
    const set = RESTRICTIONS.map((field) => side.get(field)).filter(({ isSet }) => isSet)
    return set.map((at) => ({ at, kind: 'no certificates requested', other: place.option }))
  }),
  // An empty list or an empty flag restricts nothing, though it looks like the strictest list.
  side('config/restriction-not-in-force', function findEmptyRestriction(side) {
    return (['allowedCn', 'allowedHostname'] as const).flatMap((field) => {
      const at = side.get(field)
      const isEmpty = at.option !== null && !side.member.isWritten && at.values.every((each) => each === '')
      return isEmpty && at.option.form !== 'env' ? [{ at, kind: 'empty list' as const }] : []
    })
  }),
  side('config/options-conflict', function findExcludedRestriction(side) {
    const [at, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
    return at.isSet && hostname.isSet && { at, kind: 'excluded', other: hostname.place.option }
  }),
  // etcd compares the value with the common name alone, not with "CN=…".
  side('config/allowed-cn-as-subject', function findSubjectAsName(side) {
    const at = side.get('allowedCn')
    const value = at.values.find((each) => SUBJECT_SYNTAX.test(each))
    if (!at.isSet || at.isUnresolved || value === undefined) return null
    return { at, value, name: SUBJECT_SYNTAX.exec(value)?.[1]?.trim() ?? '' }
  }),
  member('config/gateway-refused', function findGatewayWithoutName({ client, isGatewayOn }) {
    const at = [client.get('allowedCn'), client.get('allowedHostname')].find(({ isSet }) => isSet)
    if (at === undefined || !isGatewayOn || !client.requiresCertificates) return null
    return { at, kind: 'name' }
  }),
  // With separate HTTP URLs, older releases do not check the CRL on the gRPC port.
  member('config/restriction-not-in-force', function findUncheckedCrl({ version, client, isWritten }) {
    const [at, http] = [client.get('crlFile'), client.get('httpUrls')]
    const fixed = version === null ? 'all' : availableIn(version, CRL_FIXED)
    if (!at.isSet || !http.isSet || fixed === 'all' || (fixed === 'some' && !isWritten)) return null
    return { at, kind: 'separate HTTP URL', other: http.place.option, fixed: [...CRL_FIXED] }
  }),
]
