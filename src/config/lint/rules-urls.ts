/** Where a member listens and what it tells others. */
import type { Finding } from '../../report/finding.js'
import type { Setting } from '../read/settings.js'
import { finding } from './finding.js'
import type { LintMember, LintSide, Rule } from './member.js'
import { at } from '../finding.js'
import { availableIn, formatVersion, type ParsedVersion, type Since } from '../version.js'
import { clusterEntries, MAX_ENTRIES, readServedUrl, type ServedUrl, type UrlUse, urlsOf } from './served-url.js'

/** The releases that read a URL of a socket by its path alone; older ones require a host and a port in it as well. */
const SOCKETS_BY_PATH: Since = ['3.5.10', '3.6.0']

function malformed(setting: Setting, use: UrlUse, version: ParsedVersion | null): Finding[] {
  if (!setting.isSet) return []
  return setting.values.slice(0, MAX_ENTRIES).flatMap((text) => {
    const url = readServedUrl(text, use, setting)
    const reason = url !== null && typeof url === 'object' ? refusedSocket(url, version) : url
    return reason === null ? [] : [finding('config/url-malformed', { ...setting.place, url: text, reason })]
  })
}

/** Why a version refuses the URL of a socket. */
function refusedSocket({ host, port }: ServedUrl, version: ParsedVersion | null): string | null {
  if (port !== '' || version === null || availableIn(version, SOCKETS_BY_PATH) !== 'none') return null
  return /^[^/]*:\d+$/.test(host)
    ? null
    : `does not have the form "host:port", which etcd ${formatVersion(version)} requires of sockets too`
}

const urlsAreWhole: Rule = ({ settings, client, peer, version }) => [
  ...malformed(client.get('listenUrls'), 'listen', version),
  ...malformed(client.get('httpUrls'), 'listen', version),
  ...malformed(client.get('advertiseUrls'), 'advertise', version),
  ...malformed(peer.get('listenUrls'), 'listen', version),
  ...malformed(peer.get('advertiseUrls'), 'advertise', version),
  ...malformed(settings.server('metricsUrls'), 'listen', version),
]

function plaintextOf(side: LintSide, other: LintSide, isWhole: boolean): Finding[] {
  let isForgotten = false
  return side.listen.flatMap((url): Finding[] => {
    const { place, isSet } = url.setting
    if (url.isTls) return []
    if (url.port === '') return socketOf(side, url)
    const twin = side.listen.find((each) => each.isTls && each.host === url.host && each.port === url.port)
    const at = { ...place, url: url.text }
    if (twin !== undefined) return [finding('config/plaintext-bypass', { ...at, other: twin.text })]
    const isBypass = side.servesTls && side.asksForCertificates
    if (url.isLocal && isBypass) return [finding('config/plaintext-loopback-bypass', at)]
    if (url.isLocal) return isSet ? [finding('config/plaintext-loopback', at)] : []
    if (side.block === 'peer' && !side.meansTls && other.servesTls && isWhole) {
      if (isForgotten) return []
      isForgotten = true
      return [finding('config/peer-tls-forgotten', at)]
    }
    return [finding('config/plaintext-url', { ...at, ...(side.meansTls ? {} : { isMeant: true as const }) })]
  })
}

/** A socket beside TLS: what the kernel lets open it is asked for no certificate. */
function socketOf(side: LintSide, { text, setting: { place } }: ServedUrl): Finding[] {
  if (!side.servesTls || !side.asksForCertificates) return []
  return [finding('config/plaintext-socket-bypass', { ...place, url: text })]
}

const nothingIsPlaintext: Rule = ({ client, peer, isWhole }) => [
  ...plaintextOf(client, peer, isWhole),
  ...plaintextOf(peer, client, isWhole),
]

/** TLS options of a side that serves no TLS. Other plaintext is told by its URL. */
function unused(side: LintSide): Finding[] {
  const cert = side.get('certFile')
  const listen = side.get('listenUrls')
  const isLocal = side.listen.every((url) => url.isLocal)
  if (!cert.isSet || side.servesTls || side.listen.length === 0 || !isLocal || listen.isUnresolved) return []
  return [finding('config/tls-unused', { ...cert.place, urls: side.listen.map(({ text }) => text) })]
}

const tlsIsUsed: Rule = ({ client, peer, isWhole }) => (isWhole ? [...unused(client), ...unused(peer)] : [])

function advertised(side: LintSide, isMultiMember: boolean): Finding[] {
  const setting = side.get('advertiseUrls')
  const listens = side.listen.filter(({ setting: { row } }) => row === side.get('listenUrls').row)
  const [first] = listens
  if (first === undefined || !setting.isSet) return []
  const listen = listens.map(({ text }) => text).join(', ')
  const areExplicit = first.setting.isSet
  return side.advertise.flatMap((url): Finding[] => {
    const at = { ...setting.place, url: url.text }
    if (url.port === '') return []
    if (url.isUnspecified) return [finding('config/advertise-unreachable', { ...at, why: 'unspecified' })]
    if (!url.isTls && listens.every(({ isTls }) => isTls))
      return [finding('config/advertise-plaintext', { ...at, listen })]
    if (url.isTls && !listens.some(({ isTls }) => isTls)) return [finding('config/advertise-tls', { ...at, listen })]
    const isLost = url.isLocal && isMultiMember && !side.listen.every(({ isLocal }) => isLocal)
    if (isLost) return [finding('config/advertise-unreachable', { ...at, why: 'loopback' })]
    const ports = side.listen.map(({ port }) => port)
    // What listens on a socket is reached through something else, whose port is its own.
    return areExplicit && !ports.includes('') && !ports.includes(url.port)
      ? [finding('config/advertise-port', { ...at, listen })]
      : []
  })
}

/** Whether the members that are listed are on several machines. */
function isMultiMember({ settings }: LintMember): boolean {
  const setting = settings.server('initialCluster')
  const entries = clusterEntries(setting)
  const others = entries.flatMap(({ url }) => readServedUrl(url, 'advertise', setting) ?? [])
  return entries.length > 1 && others.some((url) => typeof url !== 'string' && !url.isLocal)
}

const advertisedFits: Rule = (member) => [
  ...advertised(member.client, isMultiMember(member)),
  ...advertised(member.peer, isMultiMember(member)),
]

/** In a file etcd goes on with its default, an address of the loopback; as a flag or a variable it ends. */
const advertisedIsSet: Rule = ({ client, isWhole }) => {
  const listen = client.get('listenUrls')
  const advertise = client.get('advertiseUrls')
  const { option } = listen
  if (!isWhole || advertise.isSet || !listen.isSet || option === null) return []
  if (option.form !== 'yaml') {
    return [finding('config/advertise-missing', { ...listen.place, needs: client.nameOf('advertiseUrls') })]
  }
  if (client.listen.every(({ isLocal }) => isLocal)) return []
  const details = { ...advertise.place, url: advertise.text, why: 'loopback' as const }
  return [at(listen.place, finding('config/advertise-unreachable', details))]
}

const clusterFits: Rule = ({ settings, peer, isWhole }) => {
  const setting = settings.server('initialCluster')
  const name = settings.server('name')
  const advertise = peer.get('advertiseUrls')
  if (!setting.isSet || setting.isUnresolved) return []
  const entries = clusterEntries(setting)
  const findings: Finding[] = []
  for (const { name: member, url } of peer.servesTls ? entries : []) {
    const read = readServedUrl(url, 'advertise', setting)
    if (read === null || typeof read === 'string' || read.isTls || read.port === '') continue
    findings.push(finding('config/initial-cluster-plaintext', { ...setting.place, url, member }))
  }
  if (!isWhole || name.isUnresolved || advertise.isUnresolved) return findings
  const listed = entries.filter((entry) => entry.name === name.text).map(({ url }) => url)
  if (listed.length === 0) {
    findings.push(finding('config/cluster-without-member', { ...setting.place, name: name.text }))
  } else if (
    !advertise.values.every((url) => listed.some((each) => isSameUrl(each, url))) ||
    !listed.every((url) => advertise.values.some((each) => isSameUrl(each, url)))
  ) {
    findings.push(
      finding('config/cluster-urls-differ', {
        ...setting.place,
        name: name.text,
        advertised: [...advertise.values],
        listed,
      }),
    )
  }
  return findings
}

/** Etcd resolves names before it compares; what a name resolves to is not known here. */
function isSameUrl(a: string, b: string): boolean {
  if (a === b) return true
  const [one, other] = [a, b].map((text) => /^(\w+):\/\/(.*?):(\d+)$/.exec(text.toLowerCase()))
  if (one === null || one === undefined || other === null || other === undefined) return false
  const isName = [one, other].some(([, , host = '']) => /[g-z]/.test(host) && !host.startsWith('['))
  return one[1] === other[1] && one[3] === other[3] && (isName || one[2] === other[2])
}

const metricsAreServedSafely: Rule = ({ settings, client }) => {
  const setting = settings.server('metricsUrls')
  return urlsOf(setting, 'listen').flatMap((url: ServedUrl): Finding[] => {
    const at = { ...setting.place, url: url.text }
    if (url.port === '') return []
    if (!url.isTls) return url.isLocal ? [] : [finding('config/metrics-plaintext', at)]
    return client.asksForCertificates ? [finding('config/metrics-address-check', at)] : []
  })
}

/** Two URLs that ask for one port: etcd cannot bind the second. TLS and plaintext of one side may share one. */
const portsAreFree: Rule = ({ settings, client, peer }) => {
  const all = [
    ...client.listen.map((url) => ({ url, of: url.setting.row.field ?? 'client' })),
    ...peer.listen.map((url) => ({ url, of: 'peer' })),
    ...urlsOf(settings.server('metricsUrls'), 'listen').map((url) => ({ url, of: 'metrics' })),
  ].filter(({ url }) => url.port !== '' && url.port !== '0' && url.setting.isSet)
  return all.flatMap(({ url, of }, i): Finding[] => {
    const other = all.slice(0, i).find((each) => {
      if (each.url.port !== url.port) return false
      if (each.url.host === url.host) return each.of !== of
      // Go resolves "localhost", so it is the same address under another name.
      if (addressOf(each.url) === addressOf(url)) return true
      return each.url.isUnspecified !== url.isUnspecified
    })
    if (other === undefined) return []
    return [finding('config/ports-clash', { ...url.setting.place, url: url.text, other: other.url.text })]
  })
}

function addressOf({ host }: ServedUrl): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

/** Each URL of the list is of one member, once (server/etcdserver/api/membership, pkg/types/urlsmap.go). */
const clusterIsWhole: Rule = ({ settings }) => {
  const setting = settings.server('initialCluster')
  if (!setting.isSet || setting.isUnresolved) return []
  const entries = clusterEntries(setting)
  const seen = new Map<string, string>()
  return entries.flatMap(({ name, url }): Finding[] => {
    const read = readServedUrl(url, 'advertise', setting)
    if (typeof read === 'string') return [finding('config/url-malformed', { ...setting.place, url, reason: read })]
    const before = seen.get(url)
    seen.set(url, name)
    return before === undefined
      ? []
      : [finding('config/cluster-url-repeated', { ...setting.place, url, members: [before, name] })]
  })
}

export const urlRules: readonly Rule[] = [
  clusterIsWhole,
  urlsAreWhole,
  nothingIsPlaintext,
  tlsIsUsed,
  advertisedFits,
  advertisedIsSet,
  clusterFits,
  metricsAreServedSafely,
  portsAreFree,
]
