/** Who is let in. */
import type { Finding } from '../../report/finding.js'
import { formAvailability } from '../options.js'
import type { Setting } from '../read/settings.js'
import { finding } from './finding.js'
import { at } from './place.js'
import { isTrueText, type LintMember, type LintSide, type Rule } from './member.js'

/** A rule about either side. */
type SideRule = (side: LintSide, member: LintMember) => readonly Finding[]

function bothSides(rule: SideRule): Rule {
  return (member) => [...rule(member.client, member), ...rule(member.peer, member)]
}

/** Options that do nothing unless those who connect are asked for a certificate. */
const RESTRICTIONS = ['allowedCn', 'allowedHostname', 'crlFile'] as const

const certificateIsThere: SideRule = (side, { isWhole }) => {
  const pairs = [
    [side.get('certFile'), side.get('keyFile')],
    [side.get('clientCertFile'), side.get('clientKeyFile')],
  ] as const
  const halves = pairs.flatMap(([cert, key]) => (isWhole ? [...half(cert, key), ...half(key, cert)] : []))
  const [cert, key] = pairs[0]
  const tls = side.listen.find(({ isTls, port }) => isTls && port !== '')
  if (halves.length > 0 || !isWhole || tls === undefined || cert.isSet || key.isSet || side.isAutoTls) return halves
  return [at(tls.setting.place, finding('config/certificate-missing', { ...cert.place, url: tls.text }))]
}

/** One of two that belong together. */
function half(missing: Setting, given: Setting): Finding[] {
  if (missing.isSet || !given.isSet) return []
  return [at(given.place, finding('config/pair-incomplete', { ...missing.place, given: given.place.option }))]
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
  if (side.isAutoTls || side.asksForCertificates || !isWhole) return []
  const auth = side.nameOf('clientCertAuth')
  return RESTRICTIONS.map((field) => side.get(field))
    .filter(({ isSet }) => isSet)
    .map(({ place }) => finding('config/needs-client-auth', { ...place, auth }))
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
  bothSides(certificateIsThere),
  bothSides(autoTls),
  bothSides(certificatesAreAsked),
  bothSides(restrictionsBite),
  bothSides(namesExclude),
  bothSides(namesAreBare),
  gatewayGoesOn,
  addressesAreChecked,
]
