/** Where a member listens, what it advertises, and the list of members. */
import type { Setting } from '../read/settings.js'
import { passthroughOptions } from '../tables/passthrough-options.js'
import { availableIn, formatVersion, type ParsedVersion, type Since } from '../tables/version.js'
import { readUrl, type UrlUse } from '../url.js'
import {
  acceptedUrl,
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
  if (isWritten) return reading.odd
  const { host, port } = reading.url
  const isSocketRefused = port === '' && version !== null && availableIn(version, SOCKETS_BY_PATH) === 'none'
  return isSocketRefused && !/^[^/]*:\d+$/.test(host)
    ? `does not have the form "host:port", which etcd ${formatVersion(version)} requires of sockets too`
    : null
}

const urlsAreValid: Rule = (report, member) => {
  const { settings, client, peer, isWritten, version } = member
  const cluster = settings.server('initialCluster')
  const check = (setting: Setting, url: string, reason: string | null): boolean => {
    if (reason === null || setting.isOpen(url)) return true
    report('config/url-invalid', { ...setting.place, url, reason })
    return false
  }
  // Each URL of the list is of one member, once (server/etcdserver/api/membership, pkg/types/urlsmap.go).
  const seen = new Map<string, string>()
  for (const { name, url } of cluster.isSet && !cluster.isUnresolved ? clusterEntries(cluster) : []) {
    if (!check(cluster, url, refusal(url, 'advertise', isWritten, null))) continue
    const before = seen.get(url)
    seen.set(url, name)
    if (before === undefined) continue
    report('config/url-repeated', { ...cluster.place, kind: 'member list', url, by: [before, name] })
  }
  for (const [setting, use] of [
    [client.get('listenUrls'), 'listen'],
    [client.get('httpUrls'), 'listen'],
    [client.get('advertiseUrls'), 'advertise'],
    [peer.get('listenUrls'), 'listen'],
    [peer.get('advertiseUrls'), 'advertise'],
    [settings.server('metricsUrls'), 'listen'],
  ] as const) {
    if (!setting.isSet) continue
    for (const url of checkedEntries(setting)) check(setting, url, refusal(url, use, isWritten, version))
  }
}

type Plaintext =
  | 'next to TLS options'
  | 'no TLS options'
  | 'same port'
  | 'peers'
  | 'loopback'
  | 'loopback next to TLS'
  | 'socket next to TLS'

/** How a URL without TLS is open; null if that is not reported. */
function plaintextKind(url: ServedUrl, side: LintSide, other: LintSide, member: LintMember): Plaintext | null {
  const isBypass = side.servesTls && side.asksForCertificates
  if (member.isWritten) return 'next to TLS options'
  if (url.port === '') return isBypass ? 'socket next to TLS' : null
  if (twinOf(url, side) !== undefined) return 'same port'
  if (url.isLocal && isBypass) return 'loopback next to TLS'
  if (url.isLocal) return url.setting.isSet ? 'loopback' : null
  if (side.block === 'peer' && !side.meansTls && other.servesTls && member.isWhole) return 'peers'
  return side.meansTls ? 'next to TLS options' : 'no TLS options'
}

/** The URL with TLS on the same port. */
function twinOf(url: ServedUrl, side: LintSide): ServedUrl | undefined {
  return side.listen.find((each) => each.isTls && each.host === url.host && each.port === url.port)
}

const nothingIsPlaintext: Rule = (report, member) => {
  for (const side of member.sides) {
    const other = side === member.client ? member.peer : member.client
    const urls = member.isWritten ? [...side.listen, ...side.advertise] : side.listen
    const kinds = new Set<Plaintext>()
    for (const url of side.isPlaintext ? [] : urls.filter(({ isTls }) => !isTls)) {
      const kind = plaintextKind(url, side, other, member)
      // That peers have TLS options of their own is forgotten once.
      if (kind === null || (kind === 'peers' && kinds.has(kind))) continue
      kinds.add(kind)
      const twin = kind === 'same port' ? (twinOf(url, side)?.text ?? '') : ''
      report('config/plaintext-url', { ...url.setting.place, kind, url: url.text, other: twin })
    }
  }
}

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
const tlsIsUsed: Rule = (report, { sides, isWhole }) => {
  for (const side of isWhole ? sides : []) {
    const urls = side.listen.map(({ text }) => text)
    const [cert, listen] = [side.get('certFile'), side.get('listenUrls')]
    const unused: Setting[] = []
    if (side.isPlaintext) {
      const fields = TLS_FIELDS.filter((field) => side.block === 'peer' || field !== 'skipClientSanVerification')
      const encrypted = [...side.listen, ...side.advertise].find(({ isTls }) => isTls)?.setting
      unused.push(...fields.filter((field) => side.uses(field)).map((field) => side.get(field)))
      if (encrypted !== undefined) unused.push(encrypted)
    } else if (cert.isSet && !side.servesTls && urls.length > 0 && isOnlyLocal(side) && !listen.isUnresolved) {
      unused.push(cert)
    }
    for (const { place } of unused) report('config/tls-unused', { ...place, urls })
  }
}

function isOnlyLocal(side: LintSide): boolean {
  return side.listen.every(({ isLocal }) => isLocal)
}

type Unreachable = 'plaintext' | 'plaintext to peers' | 'TLS' | 'port' | 'loopback' | 'wildcard'

/** Why nobody reaches an advertised URL; null if somebody may. */
function unreachable(url: ServedUrl, side: LintSide, listens: ServedUrl[], member: LintMember): Unreachable | null {
  if (url.port === '') return null
  if (url.isUnspecified) return 'wildcard'
  // What is written has no plaintext URL at all, which is reported.
  if (!url.isTls && listens.every(({ isTls }) => isTls)) {
    if (member.isWritten) return null
    return side.block === 'peer' ? 'plaintext to peers' : 'plaintext'
  }
  if (url.isTls && !listens.some(({ isTls }) => isTls)) return 'TLS'
  if (url.isLocal && isMultiMember(member) && !isOnlyLocal(side)) return 'loopback'
  const ports = side.listen.map(({ port }) => port)
  if (member.published.some(({ outside, inside }) => outside === url.port && ports.includes(inside))) return null
  // A socket is reached through something else, whose port is its own.
  const isExplicit = listens[0]?.setting.isSet === true
  return isExplicit && !ports.includes('') && !ports.includes(url.port) ? 'port' : null
}

/** Whether the members that are listed are on several machines. */
function isMultiMember({ settings }: LintMember): boolean {
  const setting = settings.server('initialCluster')
  const entries = clusterEntries(setting)
  const isRemote = (text: string): boolean => !setting.isOpen(text) && acceptedUrl(text)?.isLocal === false
  return entries.length > 1 && entries.some(({ url }) => isRemote(url))
}

const advertisedIsReachable: Rule = (report, member) => {
  for (const side of member.sides) {
    const [listen, advertise] = [side.get('listenUrls'), side.get('advertiseUrls')]
    const listens = side.listen.filter(({ setting: { row } }) => row === listen.row)
    if (listens.length === 0 || !advertise.isSet) continue
    for (const url of side.advertise) {
      const kind = unreachable(url, side, listens, member)
      const details = { url: url.text, listen: textsOf(listens) }
      if (kind !== null) report('config/advertise-unreachable', { ...advertise.place, kind, ...details })
    }
    const isWholly = listen.isSet && !listen.isUnresolved && side.listen.length >= listen.values.length
    if (!isWholly || !isOnlyLocal(side)) continue
    // If the schemes differ, that is reported.
    const away = side.advertise.find(
      ({ isLocal, isUnspecified, isTls }) =>
        !isLocal && !isUnspecified && side.listen.some((each) => each.isTls === isTls),
    )
    const details = { kind: 'address' as const, url: away?.text ?? '', listen: textsOf(side.listen) }
    if (away !== undefined) report('config/advertise-unreachable', { ...advertise.place, ...details })
  }
}

function textsOf(urls: readonly ServedUrl[]): string {
  return urls.map(({ text }) => text).join(', ')
}

/** In a file etcd uses its default, a loopback address; after a flag or a variable it does not start. */
const advertisedIsSet: Rule = (report, { client, isWhole }) => {
  const [listen, advertise] = [client.get('listenUrls'), client.get('advertiseUrls')]
  if (!isWhole || advertise.isSet || !listen.isSet || listen.option === null) return
  if (listen.option.form !== 'yaml') {
    const needs = [client.nameOf('advertiseUrls')]
    report('config/option-needs', { ...listen.place, kind: 'advertised URL', needs, for: '' })
  } else if (!isOnlyLocal(client)) {
    const details = { kind: 'loopback' as const, url: advertise.text, listen: listen.text }
    report('config/advertise-unreachable', { ...advertise.place, ...details }, listen.place)
  }
}

const clusterFits: Rule = (report, { settings, peer, isWhole, isWritten }) => {
  const [setting, name] = [settings.server('initialCluster'), settings.server('name')]
  const advertise = peer.get('advertiseUrls')
  if (!setting.isSet || setting.isUnresolved) return
  const entries = clusterEntries(setting)
  const isTlsMeant = isWritten ? !peer.isPlaintext : peer.servesTls
  for (const { name: member, url } of isTlsMeant ? entries : []) {
    const read = setting.isOpen(url) ? null : acceptedUrl(url)
    if (read === null || read.isTls || read.port === '') continue
    report('config/plaintext-url', { ...setting.place, kind: 'member list', url, other: member })
  }
  if (!isWhole || name.isUnresolved || advertise.isUnresolved) return
  const listed = entries.filter((entry) => entry.name === name.text).map(({ url }) => url)
  const isSame = isWritten ? (a: string, b: string): boolean => a === b : isSameUrl
  const areIn = (some: readonly string[], all: readonly string[]): boolean =>
    some.every((one) => all.some((each) => isSame(each, one)))
  if (listed.length === 0) {
    report('config/member-not-listed', { ...setting.place, kind: 'itself', members: [name.text], by: '' })
  } else if (!areIn(advertise.values, listed) || !areIn(listed, advertise.values)) {
    const details = { name: name.text, advertised: [...advertise.values], listed }
    report('config/cluster-urls-differ', { ...setting.place, ...details })
  }
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
const clusterIsNamed: Rule = (report, { settings, peer, others, isWhole }) => {
  const [cluster, name] = [settings.server('initialCluster'), settings.server('name')]
  const advertise = peer.get('advertiseUrls')
  if (!isWhole || cluster.isSet || name.text !== DEFAULT_NAME || advertise.option?.form !== 'yaml') return
  const isDiscovered =
    others.some((other) => BOOTSTRAP.has(other.name)) ||
    settings.all().some(({ row, text }) => row.field === null && row.yaml !== null && text !== '')
  if (isDiscovered || !advertise.isSet || advertise.isUnresolved || advertise.text === advertise.row.default) return
  const needs = [cluster.place.option, name.place.option]
  report('config/option-needs', { ...advertise.place, kind: 'members', needs, for: cluster.text })
}

const metricsAreServedSafely: Rule = (report, { settings, client, isWhole, probes }) => {
  const setting = settings.server('metricsUrls')
  const urls = urlsOf(setting, 'listen').filter(({ port }) => port !== '')
  // The kubelet has no certificate and reaches no loopback address of a pod.
  const isProbed = probes.some(({ by, kind }) => by === 'kubelet' && kind !== 'tcp')
  for (const { text: url, isTls, isLocal } of urls) {
    if (!isTls && !isLocal) report('config/metrics-plaintext', { ...setting.place, url, isProbed })
    if (isTls && client.asksForCertificates) report('config/metrics-address-check', { ...setting.place, url })
  }
  // An https URL is served with the certificate for clients (server/embed/etcd.go v3.5.16 serveMetrics).
  const tls = urls.find(({ isTls }) => isTls)
  const isThere = client.get('certFile').isSet || client.get('keyFile').isSet || client.isAutoTls
  // If clients need it, too, that is reported.
  if (tls === undefined || isThere || client.servesTls || !isWhole) return
  const needs = [client.nameOf('certFile'), client.nameOf('keyFile')]
  report('config/option-needs', { ...setting.place, kind: 'metrics certificate', needs, for: tls.text })
}

/** Two URLs with one port: etcd cannot bind the second. TLS and plaintext of one side may share one. */
const portsAreFree: Rule = (report, { settings, client, peer }) => {
  const all = [
    ...client.listen.map((url) => ({ url, of: url.setting.row.field ?? 'client' })),
    ...peer.listen.map((url) => ({ url, of: 'peer' })),
    ...urlsOf(settings.server('metricsUrls'), 'listen').map((url) => ({ url, of: 'metrics' })),
  ].filter(({ url }) => url.port !== '' && url.port !== '0' && url.setting.isSet)
  for (const [i, { url, of }] of all.entries()) {
    const other = all.slice(0, i).find((each) => {
      if (each.url.port !== url.port) return false
      if (each.url.host === url.host) return each.of !== of
      // Go resolves "localhost", so it is the same address under another name.
      if (addressOf(each.url) === addressOf(url)) return true
      return each.url.isUnspecified !== url.isUnspecified
    })
    if (other === undefined) continue
    report('config/url-repeated', { ...url.setting.place, kind: 'port', url: url.text, by: [other.url.text] })
  }
}

function addressOf({ host }: ServedUrl): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

export const urlRules: readonly Rule[] = [
  urlsAreValid,
  nothingIsPlaintext,
  tlsIsUsed,
  advertisedIsReachable,
  advertisedIsSet,
  clusterFits,
  metricsAreServedSafely,
  portsAreFree,
  clusterIsNamed,
]
