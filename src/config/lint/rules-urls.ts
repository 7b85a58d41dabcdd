/** Rules about the listen URLs and advertised URLs of a member, and about its list of members. */
import { passthroughOptions } from '../tables/options.js'
import { availableIn, formatVersion, type ParsedVersion } from '../tables/version.js'
import type { Setting } from '../read/read-option.js'
import { isPortUnknown, type UrlUse } from '../url.js'
import {
  acceptedUrl,
  limitedEntries,
  type LintMember,
  type LintSide,
  readEntry,
  type ServedUrl,
  urlsOf,
} from './member.js'
import { type Found, rulesAbout } from './rule.js'

const member = rulesAbout((member: LintMember) => [member])
const side = rulesAbout(({ sides }: LintMember) => sides)

/** Older releases require a host and a port also in the URL of a unix socket. */
const SOCKETS_BY_PATH = ['3.5.10', '3.6.0'] as const

/** Why a URL is refused; null if it is accepted. Unsupported URLs are refused only if they will be rendered. */
function refusal(at: Setting, text: string, use: UrlUse, version: ParsedVersion | null): string | null {
  const { isWritten } = at
  if (text === '' && !isWritten) return 'is empty: there is a comma without a URL before or after it'
  const reading = readEntry(at, text, use)
  if (reading === null) return null
  if ('refused' in reading) return reading.refused
  if (isWritten) return reading.unsupported
  const { host, port } = reading.url
  const isSocketRefused = port === '' && version !== null && availableIn(version, SOCKETS_BY_PATH) === 'none'
  return isSocketRefused && !/^[^/]*:\d+$/.test(host)
    ? `does not have the form "host:port", which etcd ${formatVersion(version)} requires of sockets too`
    : null
}

/** The kind of the finding about a URL without TLS; null if absent. */
function plaintextKind(
  url: ServedUrl,
  side: LintSide,
): Exclude<Found<'config/plaintext-url'>['kind'], 'member list'> | null {
  const { member, hasTlsOption } = side
  const isBypass = side.servesTls && side.requiresCertificates
  if (member.isWritten) return 'next to TLS options'
  if (url.port === '') return isBypass ? 'socket next to TLS' : null
  if (tlsUrlOnSamePort(url, side) !== undefined) return 'same port'
  if (url.isLocal) return isBypass ? 'loopback next to TLS' : url.setting.isSet ? 'loopback' : null
  const areOptionsMissing = side.block === 'peer' && !hasTlsOption && member.client.servesTls && member.isComplete
  return areOptionsMissing ? 'peers' : hasTlsOption ? 'next to TLS options' : 'no TLS options'
}

function tlsUrlOnSamePort(url: ServedUrl, side: LintSide): ServedUrl | undefined {
  if (url.isPartial) return undefined
  return side.listen.find((each) => each.isTls && each.host === url.host && each.port === url.port)
}

const TLS_FIELDS = [
  ...(['certFile', 'keyFile', 'clientCertFile', 'clientKeyFile', 'trustedCaFile', 'clientCertAuth'] as const),
  ...(['crlFile', 'allowedCn', 'allowedHostname', 'skipClientSanVerification', 'autoTls'] as const),
]

/** Why no client can reach an advertised URL; null if one may. */
function unreachable(
  url: ServedUrl,
  side: LintSide,
  listens: readonly ServedUrl[],
): Found<'config/advertise-unreachable'>['kind'] | null {
  const { member } = side
  if (url.port === '') return null
  if (url.isUnspecified) return 'wildcard'
  // A URL whose scheme is not known may be the one.
  const areKnown = listens.length >= (listens[0]?.setting.values.length ?? 0)
  // The renderer refuses every plaintext URL with another finding.
  if (!url.isTls && areKnown && listens.every(({ isTls }) => isTls)) return member.isWritten ? null : 'plaintext'
  if (url.isTls && areKnown && !listens.some(({ isTls }) => isTls)) return 'TLS'
  if (url.isPartial || !areKnown || side.listen.some(isPortUnknown)) return null
  if (url.isLocal && isMultiMember(member) && !side.isOnlyLocal) return 'loopback'
  const ports = side.listen.map(({ port }) => port)
  const { published = [] } = member.context
  if (published.some(({ outside, inside }) => outside === url.port && ports.includes(inside))) return null
  // A unix socket is reached through a proxy, whose port is not known.
  const isExplicit = listens[0]?.setting.isSet === true
  return isExplicit && !ports.includes('') && !ports.includes(url.port) ? 'port' : null
}

/** Whether the listed members run on several machines. */
function isMultiMember({ settings, listed }: LintMember): boolean {
  const setting = settings.server('initialCluster')
  return (
    listed.length > 1 &&
    listed.some(({ url }) => !setting.isUnresolvedEntry(url) && acceptedUrl(url)?.isLocal === false)
  )
}

/** The metrics URLs that are not sockets. */
function metricsOf(member: LintMember): ServedUrl[] {
  return urlsOf(member.server('metricsUrls'), 'listen').filter(({ port }) => port !== '')
}

function textsOf(urls: readonly ServedUrl[]): string {
  return urls.map(({ text }) => text).join(', ')
}

/** etcd resolves names except "localhost" before it compares (pkg/netutil resolveURL). Their addresses are not known here. */
function isSameUrl(a: string, b: string): boolean {
  if (a === b) return true
  const [one, other] = [a, b].map((text) => /^(\w+):\/\/(.*?):(\d+)$/.exec(text.toLowerCase()))
  if (one === null || one === undefined || other === null || other === undefined) return false
  const hosts = [one[2] ?? '', other[2] ?? '']
  const isName = hosts.some((host) => /[g-z]/.test(host) && !host.startsWith('[')) && !hosts.includes('localhost')
  return one[1] === other[1] && one[3] === other[3] && (isName || one[2] === other[2])
}

function usesDiscovery({ settings, others }: LintMember): boolean {
  const isBootstrap = (name: string): boolean =>
    passthroughOptions.some((row) => row.isBootstrap && (row.name === name || row.yaml?.name[0] === name))
  return (
    others.some((other) => isBootstrap(other.name)) ||
    settings.all().some(({ row, text }) => row.field === null && row.yaml !== null && text !== '')
  )
}

/** The URLs of this member in its own list; null if they cannot be compared with the advertised ones. */
function ownListed(member: LintMember): string[] | null {
  const [cluster, name] = [member.server('initialCluster'), member.server('name')]
  const isOpen = [cluster, name, member.peer.get('advertiseUrls')].some(({ isUnresolved }) => isUnresolved)
  if (!member.isComplete || !cluster.isSet || isOpen) return null
  return member.listed.flatMap((entry) => (entry.name === name.text ? [entry.url] : []))
}

/**
 * The advertised peer URLs. Without any, a member that listens on 0.0.0.0 advertises an address of its machine, for which a
 * name stands (server/embed/config.go v3.5.16 UpdateDefaultClusterFromName).
 */
function advertisedPeers({ peer, isWritten }: LintMember): readonly string[] {
  const { values, isSet } = peer.get('advertiseUrls')
  const [first] = peer.listen
  return isSet || isWritten || first?.host !== '0.0.0.0' ? values : [`http://its-address:${first.port}`]
}

/** Whether etcd starts without an advertised URL. */
function acceptsNoAdvertiseUrl(side: LintSide): boolean {
  return side.get('listenUrls').option?.form === 'yaml' || side.get('advertiseUrls').option?.form === 'flags'
}

function addressOf({ host }: ServedUrl): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

export const urlRules = [
  member('config/url-invalid', function findInvalidUrl(member) {
    const { client, peer, version } = member
    const cluster = member.server('initialCluster')
    const ofClients = [client.get('listenUrls'), client.get('httpUrls')]
    const listen = [...ofClients, peer.get('listenUrls'), member.server('metricsUrls')]
    const refusals = [
      ...member.listed.map(({ url }) => ({ at: cluster, url, reason: refusal(cluster, url, 'advertise', null) })),
      ...[...listen, client.get('advertiseUrls'), peer.get('advertiseUrls')].flatMap((at) =>
        (at.isSet ? limitedEntries(at) : []).map((url) => {
          const use = listen.includes(at) ? 'listen' : 'advertise'
          return { at, url, reason: refusal(at, url, use, version) }
        }),
      ),
    ]
    return refusals.flatMap(({ at, url, reason }) => (reason === null ? [] : [{ at, url, reason }]))
  }),
  // A URL may be in the list only once (server/etcdserver/api/membership, pkg/types/urlsmap.go).
  member('config/url-repeated', function findRepeatedEntry(member) {
    const at = member.server('initialCluster')
    const seen = new Map<string, string>()
    return member.listed.flatMap(({ name, url }) => {
      if (refusal(at, url, 'advertise', null) !== null) return []
      const before = seen.get(url)
      seen.set(url, name)
      return before === undefined ? [] : [{ at, kind: 'member list', url, by: [before, name] }]
    })
  }),
  side('config/plaintext-url', function findPlaintextUrl(side) {
    const urls = side.member.isWritten ? [...side.listen, ...side.advertise] : side.listen
    const found = (side.isPlaintext ? [] : urls).flatMap((url) => {
      const kind = url.isTls ? null : plaintextKind(url, side)
      const other = tlsUrlOnSamePort(url, side)?.text ?? ''
      const own = { at: url.setting, url: url.text }
      return kind === null ? [] : [kind === 'same port' ? { ...own, kind, other } : { ...own, kind }]
    })
    // One cause, the missing peer TLS options, so one finding.
    const first = found.find(({ kind }) => kind === 'peers')
    return found.filter((each) => each.kind !== 'peers' || each === first)
  }),
  // TLS options of a side whose URLs have no TLS. If only some URLs have none, those are reported.
  side('config/tls-unused', function findUnusedTls(side) {
    const urls = side.listen.map(({ text }) => text)
    const cert = side.get('certFile')
    if (!side.member.isComplete) return null
    if (side.isPlaintext) {
      const fields = TLS_FIELDS.filter((field) => side.block === 'peer' || field !== 'skipClientSanVerification')
      const encrypted = [...side.listen, ...side.advertise].find(({ isTls }) => isTls)?.setting ?? []
      const unused = [...fields.filter((field) => side.uses(field)).map((field) => side.get(field)), encrypted].flat()
      return unused.map((at) => ({ at, urls }))
    }
    const isUnused = cert.isSet && !side.servesTls && urls.length > 0 && side.isOnlyLocal
    return isUnused && !side.get('listenUrls').isUnresolved && { at: cert, urls }
  }),
  side('config/advertise-unreachable', function findUnreachableUrl(side) {
    const [listen, at] = [side.get('listenUrls'), side.get('advertiseUrls')]
    const listens = side.listen.filter(({ setting: { row } }) => row === listen.row)
    if (listens.length === 0 || !at.isSet || (!listen.isSet && !side.member.isComplete)) return null
    const found = side.advertise.flatMap((url): Found<'config/advertise-unreachable'>[] => {
      const kind = unreachable(url, side, listens)
      const own = { at, url: url.text, listen: textsOf(listens) }
      return kind === null ? [] : [kind === 'plaintext' ? { ...own, kind, side: side.block } : { ...own, kind }]
    })
    const isWholly = listen.isSet && !listen.isUnresolved && side.listen.length >= listen.values.length
    if (!isWholly || !side.isOnlyLocal) return found
    // Another finding reports different schemes.
    const away = side.advertise.find(
      ({ isLocal, isUnspecified, isTls }) =>
        !isLocal && !isUnspecified && side.listen.some((each) => each.isTls === isTls),
    )
    if (away !== undefined) found.push({ at, kind: 'address', url: away.text, listen: textsOf(side.listen) })
    return found
  }),
  // In a file, or with an empty flag, etcd advertises its default, a loopback address; otherwise it does not start.
  member('config/option-needs', function findMissingAdvertiseUrl({ client, isComplete }) {
    const listen = client.get('listenUrls')
    const isMissing = isComplete && !client.get('advertiseUrls').isSet && listen.isSet
    if (!isMissing || listen.option === null || acceptsNoAdvertiseUrl(client)) return null
    return { at: listen, kind: 'advertised URL', needs: [client.nameOf('advertiseUrls')] }
  }),
  member('config/advertise-unreachable', function findDefaultAdvertiseUrl({ client, isComplete }) {
    const [listen, at] = [client.get('listenUrls'), client.get('advertiseUrls')]
    const isMissing = isComplete && !at.isSet && listen.isSet && acceptsNoAdvertiseUrl(client) && !client.isOnlyLocal
    return isMissing && { at, kind: 'loopback', url: at.text, listen: listen.text, place: listen.place }
  }),
  member('config/plaintext-url', function findPlaintextEntry(member) {
    const { peer, isWritten } = member
    const at = member.server('initialCluster')
    return (
      (isWritten ? !peer.isPlaintext : peer.servesTls) &&
      member.listed.flatMap(({ name, url }) => {
        const reading = readEntry(at, url, 'advertise')
        const isKnown = reading !== null && !('refused' in reading)
        const isPlain = isKnown && !reading.url.isTls && reading.url.port !== ''
        return isPlain ? [{ at, kind: 'member list' as const, url, member: name }] : []
      })
    )
  }),
  member('config/member-not-listed', function findItselfUnlisted(member) {
    const [at, name] = [member.server('initialCluster'), member.server('name').text]
    // etcd ignores an empty variable. An empty flag or key is a list without members.
    const isEmpty =
      !at.isSet && at.option !== null && at.option.form !== 'env' && member.isComplete && !usesDiscovery(member)
    return (isEmpty || ownListed(member)?.length === 0) && { at, kind: 'itself', members: [name] }
  }),
  member('config/cluster-urls-differ', function findDifferentUrls(member) {
    const listed = ownListed(member) ?? []
    const values = advertisedPeers(member)
    const isIn =
      (all: readonly string[]) =>
      (one: string): boolean =>
        all.some((each) => (member.isWritten ? each === one : isSameUrl(each, one)))
    if (listed.length === 0 || (values.every(isIn(listed)) && listed.every(isIn(values)))) return null
    return { at: member.server('initialCluster'), name: member.server('name').text, advertised: [...values], listed }
  }),
  member('config/metrics-plaintext', function findPlaintextMetrics(member) {
    const open = metricsOf(member).filter(({ isTls, isLocal }) => !isTls && !isLocal)
    return open.map(({ text, setting }) => ({ at: setting, url: text }))
  }),
  // The kubelet presents no certificate.
  member('config/probe-unanswered', function findUnansweredProbe({ client, context: { probes = [] } }) {
    return probes.flatMap(({ port, place }) => {
      const url = client.listen.find((each) => each.isTls && each.port === port)
      return url === undefined || !client.requiresCertificates ? [] : [{ at: { place }, url: url.text }]
    })
  }),
  member('config/metrics-address-check', function findMetricsAddressCheck(member) {
    const tls = metricsOf(member).filter(({ isTls }) => isTls)
    return member.client.requiresCertificates && tls.map(({ text, setting }) => ({ at: setting, url: text }))
  }),
  // etcd serves https metrics with the server certificate of the client side (server/embed/etcd.go v3.5.16 serveMetrics).
  member('config/option-needs', function findMissingMetricsCertificate(member) {
    const { client } = member
    const tls = metricsOf(member).find(({ isTls }) => isTls)
    const isThere = client.get('certFile').isSet || client.get('keyFile').isSet || client.isAutoTls
    // If the client URLs use TLS, another finding reports the missing certificate.
    if (tls === undefined || isThere || client.servesTls || !member.isComplete) return null
    const needs = [client.nameOf('certFile'), client.nameOf('keyFile')]
    return { at: tls.setting, kind: 'metrics certificate', needs, url: tls.text }
  }),
  // etcd cannot bind two URLs to one port, except a TLS and a plaintext URL of one side.
  member('config/url-repeated', function findRepeatedPort(member) {
    const all = [...member.client.listen, ...member.peer.listen, ...metricsOf(member)].filter(
      ({ port, setting, isPartial }) => port !== '' && port !== '0' && setting.isSet && !isPartial,
    )
    return all.flatMap((url, i) => {
      const other = all.slice(0, i).find((each) => {
        if (each.port !== url.port) return false
        if (each.host === url.host) return each.setting.row !== url.setting.row
        // Go resolves "localhost" to 127.0.0.1, and listens at both wildcard addresses if one is given.
        return addressOf(each) === addressOf(url) || each.isUnspecified || url.isUnspecified
      })
      return other === undefined ? [] : [{ at: url.setting, kind: 'port', url: url.text, by: [other.text] }]
    })
  }),
  // With a file, etcd derives the list of members only if a name is set (server/embed/config.go UpdateDefaultClusterFromName).
  member('config/option-needs', function findMissingMembers(member) {
    const [cluster, name, at] = [
      member.server('initialCluster'),
      member.server('name'),
      member.peer.get('advertiseUrls'),
    ]
    const isDerived = cluster.isSet || name.text !== name.row.default || usesDiscovery(member)
    const isAdvertised = at.isSet && !at.isUnresolved && at.text !== at.row.default
    if (isDerived || !isAdvertised || at.option?.form !== 'yaml' || !member.isComplete) return null
    return { at, kind: 'members', needs: [cluster.place.option, name.place.option], used: cluster.text }
  }),
]
