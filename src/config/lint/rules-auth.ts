/** Who is let in. */
import type { Finding } from '../../report/finding.js'
import { formAvailability } from '../options.js'
import { finding } from './finding.js'
import { at } from '../finding.js'
import { isTrueText, type LintMember, type LintSide, type Rule } from './member.js'

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
const pairsAreWhole: SideRule = (side, { isWhole }) =>
  PAIRS.flatMap(([cert, key]) => {
    const [a, b] = [side.get(cert), side.get(key)]
    if (a.isSet === b.isSet || !isWhole) return []
    const [missing, given] = a.isSet ? [b, a] : [a, b]
    return [at(given.place, finding('config/pair-incomplete', { ...missing.place, given: given.place.option }))]
  })

/** Options that do nothing unless those who connect are asked for a certificate. */
const RESTRICTIONS = ['crlFile', 'allowedCn', 'allowedHostname'] as const

const certificateIsThere: SideRule = (side, member) => {
  const [cert, key] = [side.get('certFile'), side.get('keyFile')]
  const tls = side.listen.find(({ isTls, port }) => isTls && port !== '')
  if (!member.isWhole || tls === undefined || cert.isSet || key.isSet || side.isAutoTls) return []
  if (pairsAreWhole(side, member).length > 0) return []
  return [at(tls.setting.place, finding('config/certificate-missing', { ...cert.place, url: tls.text }))]
}

const autoTls: SideRule = (side) => {
  if (!side.isOn('autoTls')) return []
  const { place } = side.get('autoTls')
  const cert = [side.get('certFile'), side.get('keyFile')].find(({ isSet }) => isSet)
  if (cert !== undefined) return [finding('config/auto-tls-ignored', { ...place, other: cert.place.option })]
  const lost = (['trustedCaFile', 'clientCertAuth', ...RESTRICTIONS, 'clientCertFile'] as const)
    .map((field) => side.get(field))
    .find(({ isSet, row, text }) => isSet && (row.kind !== 'boolean' || isTrueText(text)))
  if (lost !== undefined) return [finding('config/auto-tls-replaces', { ...place, other: lost.place.option })]
  const url = side.listen.find(({ isTls }) => isTls)
  const code = side.block === 'client' ? 'config/auto-tls' : 'config/peer-auto-tls'
  return url === undefined ? [] : [finding(code, { ...place, url: url.text })]
}

const certificatesAreAsked: SideRule = (side, { isWhole }) => {
  const [ca, auth, cert] = [side.get('trustedCaFile'), side.get('clientCertAuth'), side.get('certFile')]
  if (side.isAutoTls || !isWhole) return []
  const isOn = side.isOn('clientCertAuth') || auth.isUnresolved
  if (isOn && !ca.isSet) {
    return [at(auth.place, finding('config/client-auth-by-system-roots', { ...ca.place, auth: auth.place.option }))]
  }
  if (!isOn && ca.isSet) {
    const code = side.block === 'client' ? 'config/client-auth-half' : 'config/peer-auth-implied'
    return [finding(code, { ...ca.place, auth: auth.place.option, isFalse: auth.isSet })]
  }
  if (isOn || !side.servesTls || !cert.isSet) return []
  return [finding(side.block === 'client' ? 'config/client-auth-off' : 'config/peer-auth-off', cert.place)]
}

const restrictionsBite: SideRule = (side, { isWhole }) => {
  const auth = side.get('clientCertAuth')
  if (side.isAutoTls || side.asksForCertificates || auth.isUnresolved || !isWhole) return []
  return RESTRICTIONS.map((field) => side.get(field))
    .filter(({ isSet }) => isSet)
    .map(({ place }) => finding('config/needs-client-auth', { ...place, auth: auth.place.option }))
}

const namesExclude: SideRule = (side) => {
  const [cn, hostname] = [side.get('allowedCn'), side.get('allowedHostname')]
  if (!cn.isSet || !hostname.isSet) return []
  return [finding('config/options-exclude', { ...cn.place, other: hostname.place.option })]
}

/** Etcd compares the common name alone, without what it is called in a subject. */
const namesAreBare: SideRule = (side) => {
  const { place, values, isSet, isUnresolved } = side.get('allowedCn')
  const value = values.find((each) => AS_SUBJECT.test(each))
  if (!isSet || isUnresolved || value === undefined) return []
  const name = AS_SUBJECT.exec(value)?.[1]?.trim() ?? ''
  return [finding('config/allowed-cn-as-subject', { ...place, value, name })]
}
const AS_SUBJECT = /^\s*\/?CN\s*=\s*([^,/]*)/i

const gatewayGoesOn: Rule = ({ client, settings }) => {
  if (!isTrueText(settings.server('enableGrpcGateway').text) || !client.asksForCertificates) return []
  const allowed = [client.get('allowedCn'), client.get('allowedHostname')].find(({ isSet }) => isSet)
  return allowed === undefined ? [] : [finding('config/allowed-breaks-gateway', allowed.place)]
}

const addressesAreChecked: Rule = ({ peer, version }) => {
  const { place, option } = peer.get('skipClientSanVerification')
  if (option === null || !peer.isOn('skipClientSanVerification')) return []
  // A release without the option refuses the flag, and passes over the key: it goes on to check.
  const isKnown = version === null || formAvailability(option.row, option.form, version) !== 'none'
  return isKnown ? [finding('config/address-check-off', place)] : []
}

export const authRules: readonly Rule[] = [
  bothSides(pairsAreWhole),
  bothSides(certificateIsThere),
  bothSides(autoTls),
  bothSides(certificatesAreAsked),
  bothSides(restrictionsBite),
  bothSides(namesExclude),
  bothSides(namesAreBare),
  gatewayGoesOn,
  addressesAreChecked,
]
