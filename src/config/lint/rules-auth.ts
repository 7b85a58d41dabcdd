/** Who is let in. */
import type { Finding } from '../../report/finding.js'
import { formAvailability } from '../options.js'
import { finding } from './finding.js'
import { at } from '../finding.js'
import {
  casAreNamed,
  namesExclude,
  pairsAreWhole,
  RESTRICTIONS,
  restrictionsBite,
  type SideView,
  type SideViewRule,
} from '../rules.js'
import { isTrueText, type LintMember, type LintSide, type Rule } from './member.js'

/** A rule about either side. */
type SideRule = (side: LintSide, member: LintMember) => readonly Finding[]

function bothSides(rule: SideRule): Rule {
  return (member) => [...rule(member.client, member), ...rule(member.peer, member)]
}

/** A side as the rules that render has, too, look at it. Of what is not read whole, nothing is missing. */
function viewOf(side: LintSide): SideView {
  return {
    asks: side.asksForCertificates || (side.get('clientCertAuth').isUnresolved && !side.isAutoTls),
    isSet: (field) => side.get(field).isSet,
    placeOf: (field) => side.get(field).place,
  }
}

/** A rule about what is missing. */
function ofWhole(rule: SideViewRule): SideRule {
  return (side, { isWhole }) => (isWhole ? rule(viewOf(side)) : [])
}

const certificateIsThere: SideRule = (side, { isWhole }) => {
  const [cert, key] = [side.get('certFile'), side.get('keyFile')]
  const tls = side.listen.find(({ isTls, port }) => isTls && port !== '')
  if (!isWhole || tls === undefined || cert.isSet || key.isSet || side.isAutoTls) return []
  const view = viewOf(side)
  if (pairsAreWhole(view).length > 0) return []
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
  if (!isOn && ca.isSet) {
    const code = side.block === 'client' ? 'config/client-auth-half' : 'config/peer-auth-implied'
    return [finding(code, { ...ca.place, auth: auth.place.option, isFalse: auth.isSet })]
  }
  if (isOn || !side.servesTls || !cert.isSet) return []
  return [finding(side.block === 'client' ? 'config/client-auth-off' : 'config/peer-auth-off', cert.place)]
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
  bothSides(ofWhole(pairsAreWhole)),
  bothSides(certificateIsThere),
  bothSides(autoTls),
  bothSides((side, member) => (side.isAutoTls ? [] : ofWhole(casAreNamed)(side, member))),
  bothSides(certificatesAreAsked),
  bothSides((side, member) => (side.isAutoTls ? [] : ofWhole(restrictionsBite)(side, member))),
  bothSides((side) => namesExclude(viewOf(side))),
  bothSides(namesAreBare),
  gatewayGoesOn,
  addressesAreChecked,
]
