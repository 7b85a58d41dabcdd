/** Where a member listens, what it advertises, and the list of members. */
import type { Finding } from '../../report/finding.js'
import { finding } from '../finding.js'
import type { Setting } from '../read/settings.js'
import { parseGoBoolean } from '../tables/options.js'
import { passthroughOptions } from '../tables/passthrough-options.js'
import { availableIn, formatVersion, type ParsedVersion, type Since } from '../tables/version.js'
import { readUrl, type UrlUse } from '../url.js'
import {
  checkedEntries,
  clusterEntries,
  type LintMember,
  type LintSide,
  type Rule,
  type ServedUrl,
  urlsOf,
} from './member.js'

/** The releases that read the URL of a socket by its path; older ones also require a host and a port in it. */
const SOCKETS_BY_PATH: Since = ['3.5.10', '3.6.0']

/** Why a URL is refused; null for one that is accepted. What is odd is accepted from others, and not written. */
function refusal(text: string, use: UrlUse, isWritten: boolean, version: ParsedVersion | null): string | null {
  if (text === '' && !isWritten) return 'is empty: there is a comma without a URL before or after it'
  const reading = readUrl(text, use)
  if ('refused' in reading) return reading.refused
  return isWritten ? reading.odd : refusedSocket(reading.url, version)
}

function refusedSocket({ host, port }: { host: string; port: string }, version: ParsedVersion | null): string | null {
  if (port !== '' || version === null || availableIn(version, SOCKETS_BY_PATH) !== 'none') return null
  return /^[^/]*:\d+$/.test(host)
    ? null
    : `does not have the form "host:port", which etcd ${formatVersion(version)} requires of sockets too`
}

const urlsAreValid: Rule = (member) => {
  const { settings, client, peer } = member
  const all: [Setting, UrlUse][] = [
    [client.get('listenUrls'), 'listen'],
    [client.get('httpUrls'), 'listen'],
    [client.get('advertiseUrls'), 'advertise'],
    [peer.get('listenUrls'), 'listen'],
    [peer.get('advertiseUrls'), 'advertise'],
    [settings.server('metricsUrls'), 'listen'],
  ]
  return all.flatMap(([setting, use]) =>
    !setting.isSet
      ? []
      : checkedEntries(setting).flatMap((url): Finding[] => {
          const reason = setting.isOpen(url) ? null : refusal(url, use, member.isWritten, member.version)
          return reason === null ? [] : [finding('config/url-invalid', { ...setting.place, url, reason })]
        }),
  )
}

/** Each URL of the list is of one member, once (server/etcdserver/api/membership, pkg/types/urlsmap.go). */
const clusterIsValid: Rule = (member) => {
  const setting = member.settings.server('initialCluster')
  if (!setting.isSet || setting.isUnresolved) return []
  const seen = new Map<string, string>()
  return clusterEntries(setting).flatMap(({ name, url }): Finding[] => {
    const reason = setting.isOpen(url) ? null : refusal(url, 'advertise', member.isWritten, null)
    if (reason !== null) return [finding('config/url-invalid', { ...setting.place, url, reason })]
    const before = seen.get(url)
    seen.set(url, name)
    if (before === undefined) return []
    return [finding('config/url-repeated', { ...setting.place, kind: 'member list', url, by: [before, name] })]
  })
}

function plaintextOf(side: LintSide, other: LintSide, { isWhole, isWritten }: LintMember): Finding[] {
  if (side.isPlaintext) return []
  let isForgotten = false
  const urls = isWritten ? [...side.listen, ...side.advertise] : side.listen
  return urls.flatMap((url): Finding[] => {
    const { place, isSet } = url.setting
    if (url.isTls) return []
    const details = { ...place, url: url.text, other: '' }
    if (isWritten) return [finding('config/plaintext-url', { ...details, kind: 'next to TLS options' })]
    if (url.port === '') return plaintextSocket(side, url)
    const twin = side.listen.find((each) => each.isTls && each.host === url.host && each.port === url.port)
    if (twin !== undefined) {
      return [finding('config/plaintext-url', { ...details, kind: 'same port', other: twin.text })]
    }
    if (url.isLocal) {
      const isBypass = side.servesTls && side.asksForCertificates
      if (!isBypass && !isSet) return []
      const kind = isBypass ? 'loopback next to TLS' : 'loopback'
      return [finding('config/plaintext-url', { ...details, kind })]
    }
    if (side.block === 'peer' && !side.meansTls && other.servesTls && isWhole) {
      if (isForgotten) return []
      isForgotten = true
      return [finding('config/plaintext-url', { ...details, kind: 'peers' })]
    }
    const kind = side.meansTls ? 'next to TLS options' : 'no TLS options'
    return [finding('config/plaintext-url', { ...details, kind })]
  })
}

/** A socket next to TLS: whoever may open it needs no certificate. */
function plaintextSocket(side: LintSide, { text, setting: { place } }: ServedUrl): Finding[] {
  if (!side.servesTls || !side.asksForCertificates) return []
  return [finding('config/plaintext-url', { ...place, kind: 'socket next to TLS', url: text, other: '' })]
}

const nothingIsPlaintext: Rule = (member) => [
  ...plaintextOf(member.client, member.peer, member),
  ...plaintextOf(member.peer, member.client, member),
]

const TLS_FIELDS = [
  'certFile',
  'keyFile',
  'clientCertFile',
  'clientKeyFile',
  'trustedCaFile',
  'clientCertAuth',
  'crlFile',
  'allowedCn',
  'allowedHostname',
  'skipClientSanVerification',
  'autoTls',
] as const

/** TLS options of a side without TLS. For other plaintext, its URL is reported. */
function unusedTls(side: LintSide): Finding[] {
  const urls = side.listen.map(({ text }) => text)
  if (side.isPlaintext) {
    const isSet = ({ row, isSet, text }: Setting): boolean =>
      isSet && (row.kind !== 'boolean' || parseGoBoolean(text) === true)
    const unused = TLS_FIELDS.filter((field) => side.block === 'peer' || field !== 'skipClientSanVerification')
      .map((field) => side.get(field))
      .filter(isSet)
    const encrypted = [...side.listen, ...side.advertise].find(({ isTls }) => isTls)?.setting
    return [...unused, ...(encrypted === undefined ? [] : [encrypted])].map(({ place }) =>
      finding('config/tls-unused', { ...place, urls }),
    )
  }
  const isLocal = side.listen.every((url) => url.isLocal)
  const isUnused = side.get('certFile').isSet && !side.servesTls && side.listen.length > 0 && isLocal
  return isUnused && !side.get('listenUrls').isUnresolved
    ? [finding('config/tls-unused', { ...side.get('certFile').place, urls })]
    : []
}

const tlsIsUsed: Rule = ({ client, peer, isWhole }) => (isWhole ? [...unusedTls(client), ...unusedTls(peer)] : [])

function advertised(side: LintSide, member: LintMember): Finding[] {
  const { isWritten, published } = member
  const setting = side.get('advertiseUrls')
  const listens = side.listen.filter(({ setting: { row } }) => row === side.get('listenUrls').row)
  const [first] = listens
  if (first === undefined || !setting.isSet) return []
  const listen = listens.map(({ text }) => text).join(', ')
  const areExplicit = first.setting.isSet
  return side.advertise.flatMap((url): Finding[] => {
    const reported = (
      kind: 'plaintext' | 'plaintext to peers' | 'TLS' | 'port' | 'loopback' | 'wildcard',
    ): Finding[] => [finding('config/advertise-unreachable', { ...setting.place, kind, url: url.text, listen })]
    if (url.port === '') return []
    if (url.isUnspecified) return reported('wildcard')
    // What is written has no plaintext URL at all, which is reported.
    if (!url.isTls && listens.every(({ isTls }) => isTls)) {
      if (isWritten) return []
      return reported(side.block === 'peer' ? 'plaintext to peers' : 'plaintext')
    }
    if (url.isTls && !listens.some(({ isTls }) => isTls)) return reported('TLS')
    if (url.isLocal && isMultiMember(member) && !side.listen.every(({ isLocal }) => isLocal))
      return reported('loopback')
    const ports = side.listen.map(({ port }) => port)
    if (published.some(({ outside, inside }) => outside === url.port && ports.includes(inside))) return []
    // A socket is reached through something else, whose port is its own.
    return areExplicit && !ports.includes('') && !ports.includes(url.port) ? reported('port') : []
  })
}

/** Whether the members that are listed are on several machines. */
function isMultiMember({ settings }: LintMember): boolean {
  const setting = settings.server('initialCluster')
  const entries = clusterEntries(setting)
  const isRemote = (text: string): boolean => {
    const reading = setting.isOpen(text) ? null : readUrl(text, 'advertise')
    return reading !== null && 'url' in reading && !reading.url.isLocal
  }
  return entries.length > 1 && entries.some(({ url }) => isRemote(url))
}

const advertisedFits: Rule = (member) => [...advertised(member.client, member), ...advertised(member.peer, member)]

/** In a file etcd uses its default, a loopback address; after a flag or a variable it does not start. */
const advertisedIsSet: Rule = ({ client, isWhole }) => {
  const listen = client.get('listenUrls')
  const advertise = client.get('advertiseUrls')
  const { option } = listen
  if (!isWhole || advertise.isSet || !listen.isSet || option === null) return []
  if (option.form !== 'yaml') {
    const needs = [client.nameOf('advertiseUrls')]
    return [finding('config/option-needs', { ...listen.place, kind: 'advertised URL', needs, for: '' })]
  }
  if (client.listen.every(({ isLocal }) => isLocal)) return []
  const details = { ...advertise.place, kind: 'loopback' as const, url: advertise.text, listen: listen.text }
  return [finding('config/advertise-unreachable', details, listen.place)]
}

function reachable(side: LintSide): Finding[] {
  const listen = side.get('listenUrls')
  const advertise = side.get('advertiseUrls')
  if (!listen.isSet || !advertise.isSet || listen.isUnresolved || side.listen.length < listen.values.length) return []
  if (!side.listen.every(({ isLocal }) => isLocal)) return []
  // If the schemes differ, that is reported.
  const url = side.advertise.find(
    ({ isLocal, isUnspecified, isTls }) =>
      !isLocal && !isUnspecified && side.listen.some((each) => each.isTls === isTls),
  )
  if (url === undefined) return []
  const details = { url: url.text, listen: side.listen.map(({ text }) => text).join(', ') }
  return [finding('config/advertise-unreachable', { ...advertise.place, kind: 'address', ...details })]
}

const advertisedIsListened: Rule = ({ client, peer }) => [...reachable(client), ...reachable(peer)]

const clusterFits: Rule = ({ settings, peer, isWhole, isWritten }) => {
  const setting = settings.server('initialCluster')
  const name = settings.server('name')
  const advertise = peer.get('advertiseUrls')
  if (!setting.isSet || setting.isUnresolved) return []
  const entries = clusterEntries(setting)
  const findings: Finding[] = []
  const isTlsMeant = isWritten ? !peer.isPlaintext : peer.servesTls
  for (const { name: member, url } of isTlsMeant ? entries : []) {
    const reading = setting.isOpen(url) ? null : readUrl(url, 'advertise')
    if (reading === null || 'refused' in reading || reading.url.isTls || reading.url.port === '') continue
    const details = { ...setting.place, kind: 'member list' as const, url, other: member }
    findings.push(finding('config/plaintext-url', details))
  }
  if (!isWhole || name.isUnresolved || advertise.isUnresolved) return findings
  const listed = entries.filter((entry) => entry.name === name.text).map(({ url }) => url)
  const isSame = isWritten ? (a: string, b: string): boolean => a === b : isSameUrl
  if (listed.length === 0) {
    const details = { ...setting.place, kind: 'itself' as const, members: [name.text], by: '' }
    findings.push(finding('config/member-not-listed', details))
  } else if (
    !advertise.values.every((url) => listed.some((each) => isSame(each, url))) ||
    !listed.every((url) => advertise.values.some((each) => isSame(each, url)))
  ) {
    const details = { ...setting.place, name: name.text, advertised: [...advertise.values], listed }
    findings.push(finding('config/cluster-urls-differ', details))
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

/** Options that name the members in another way. */
const BOOTSTRAP: ReadonlySet<string> = new Set(
  passthroughOptions.flatMap(({ isBootstrap, name, yaml }) => (isBootstrap ? [name, yaml?.name[0] ?? name] : [])),
)
const DEFAULT_NAME = 'default'

/** In a file, etcd derives the list of members only from a name (server/embed/config.go UpdateDefaultClusterFromName). */
const clusterIsNamed: Rule = ({ settings, peer, others, isWhole }) => {
  const cluster = settings.server('initialCluster')
  const name = settings.server('name')
  const advertise = peer.get('advertiseUrls')
  if (!isWhole || cluster.isSet || name.text !== DEFAULT_NAME || advertise.option?.form !== 'yaml') return []
  const isDiscovered =
    others.some((other) => BOOTSTRAP.has(other.name)) ||
    settings.all().some(({ row, text }) => row.field === null && row.yaml !== null && text !== '')
  if (isDiscovered || !advertise.isSet || advertise.isUnresolved || advertise.text === advertise.row.default) return []
  const needs = [cluster.place.option, name.place.option]
  return [finding('config/option-needs', { ...advertise.place, kind: 'members', needs, for: cluster.text })]
}

const metricsAreServedSafely: Rule = ({ settings, client, isWhole, probes }) => {
  const setting = settings.server('metricsUrls')
  const urls = urlsOf(setting, 'listen')
  const findings = urls.flatMap((url): Finding[] => {
    const details = { ...setting.place, url: url.text }
    if (url.port === '') return []
    // The kubelet reaches no loopback address of a pod.
    const isProbed = probes.some(({ by, port }) => by === 'kubelet' && port === url.port)
    if (!url.isTls) return url.isLocal ? [] : [finding('config/metrics-plaintext', { ...details, isProbed })]
    return client.asksForCertificates ? [finding('config/metrics-address-check', details)] : []
  })
  // An https URL is served with the certificate for clients (server/embed/etcd.go v3.5.16 serveMetrics).
  const tls = urls.find(({ isTls, port }) => isTls && port !== '')
  const isThere = client.get('certFile').isSet || client.get('keyFile').isSet || client.isAutoTls
  // If clients need it, too, that is reported.
  if (tls === undefined || isThere || client.servesTls || !isWhole) return findings
  const needs = [client.nameOf('certFile'), client.nameOf('keyFile')]
  const details = { ...setting.place, kind: 'metrics certificate' as const, needs, for: tls.text }
  return [...findings, finding('config/option-needs', details)]
}

/** Two URLs with one port: etcd cannot bind the second. TLS and plaintext of one side may share one. */
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
    const details = { ...url.setting.place, kind: 'port' as const, url: url.text, by: [other.url.text] }
    return [finding('config/url-repeated', details)]
  })
}

function addressOf({ host }: ServedUrl): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

export const urlRules: readonly Rule[] = [
  clusterIsValid,
  urlsAreValid,
  nothingIsPlaintext,
  tlsIsUsed,
  advertisedFits,
  advertisedIsSet,
  clusterFits,
  metricsAreServedSafely,
  portsAreFree,
  clusterIsNamed,
  advertisedIsListened,
]
