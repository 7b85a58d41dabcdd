/** Checks that the names cover the hosts, and the form of the names (RFC 6125, RFC 9525). */
import type { NotCoveredReason } from '../../report/catalogue/names.js'
import { bytesEqual } from '../../x509/der.js'
import { ExtensionId } from '../../x509/extensions.js'
import type { GeneralName } from '../../x509/general-name.js'
import { isIpv4Mapped, parseIp } from '../../x509/ip.js'
import { coveringNameFinder, type Host, isDnsPattern, readHost, isUsableWildcard } from '../../x509/names.js'
import type { FindingCollector, PathCertificate } from '../context.js'

/** Names whose form is checked. */
const MAX_LINTED = 200
/** Names that are compared to find the nearest one. */
const MAX_NEAR = 250
const MAX_FINDINGS = 5
const MAX_SHOWN = 50

export function checkNames(place: PathCertificate, findings: FindingCollector): void {
  checkHosts(place, findings)
  checkSubjectAltName(place, findings)
  checkCommonName(place, findings)
}

function checkHosts(place: PathCertificate, findings: FindingCollector): void {
  const { hosts } = findings.rules
  const { subjectAltNames: names, subject } = place.certificate
  const find = coveringNameFinder(names, hosts.length)
  const covered: { host: string; name: string }[] = []
  const uncovered: Host[] = []
  for (const host of hosts) {
    const name = find(host)
    if (name === null) uncovered.push(host)
    else covered.push({ host: host.value, name: name.value })
  }
  if (uncovered.length === 0) return
  const found = names.slice(0, MAX_SHOWN).map(({ value }) => value)
  const nearest = nearMissFinder(names, subject.commonName)
  for (const host of uncovered.slice(0, MAX_SHOWN)) {
    const foundOfKind = names.filter(({ kind }) => kind === host.kind).length
    const details = { host: host.value, kind: host.kind, ...nearest(host), found, foundOfKind, covered }
    findings.add(place, 'san/host-not-covered', details)
  }
}

interface NearMiss {
  readonly reason: NotCoveredReason
  readonly nearest: string | null
}

/** Parses the names once for all hosts. */
function nearMissFinder(all: readonly GeneralName[], commonName: string | null): (host: Host) => NearMiss {
  const names = all.slice(0, MAX_NEAR).map(({ kind, value, bytes }) => {
    const labels = kind === 'dns' ? value.toLowerCase().split('.') : []
    return { kind, value, bytes, labels, asHost: hostIn(value) }
  })
  const commonHost = commonName === null ? null : hostIn(commonName)
  return (host) => {
    const elsewhere = names.find(({ kind, asHost }) => kind !== host.kind && asHost === host.value)
    if (elsewhere !== undefined) return { reason: 'ip-written-as-dns', nearest: elsewhere.value }
    if (commonHost === host.value) return { reason: 'only-in-common-name', nearest: null }
    if (names.length === 0) return { reason: 'no-names-at-all', nearest: null }
    const mapped = names.find(({ kind, bytes }) => kind === 'ip' && isMappedForm(bytes, host.bytes))
    if (mapped !== undefined) return { reason: 'ipv4-mapped', nearest: mapped.value }
    return (host.kind === 'dns' ? nearestDnsName(names, host.value) : null) ?? { reason: 'no-such-name', nearest: null }
  }
}

function nearestDnsName(
  names: readonly { readonly kind: string; readonly value: string; readonly labels: readonly string[] }[],
  host: string,
): NearMiss | null {
  const isWildcardAbove = (name: string): boolean => name.startsWith('*.') && host.endsWith(name.slice(1).toLowerCase())
  const wildcard = names.find(({ kind, value }) => kind === 'dns' && isWildcardAbove(value))?.value
  if (wildcard !== undefined)
    return { reason: isUsableWildcard(wildcard) ? 'wildcard-too-shallow' : 'wildcard-not-usable', nearest: wildcard }
  // The name that shares the most leading labels, at least one.
  const wanted = host.split('.')
  let best: NearMiss | null = null
  let most = 0
  for (const { value, labels } of names) {
    const differs = wanted.findIndex((label, at) => label !== labels[at])
    const shared = differs === -1 ? wanted.length : differs
    if (shared > most) best = { reason: 'near-miss', nearest: value }
    most = Math.max(most, shared)
  }
  return best
}

function hostIn(text: string): string | null {
  const reading = readHost(text)
  return 'host' in reading ? reading.host.value : null
}

/** Whether one is the IPv4-mapped IPv6 form (`::ffff:10.0.0.1`) of the other. */
function isMappedForm(a: Uint8Array, b: Uint8Array | undefined): boolean {
  if (b === undefined) return false
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return isIpv4Mapped(long) && bytesEqual(long.subarray(12), short)
}

function checkSubjectAltName(place: PathCertificate, findings: FindingCollector): void {
  const { extensions, subject, subjectAltNames } = place.certificate
  if (extensions.subjectAltName === null) return
  const critical = extensions.isCritical(ExtensionId.subjectAltName)
  if (critical !== subject.isEmpty) {
    const details = { kind: 'of names', extension: 'subjectAltName', critical } as const
    findings.add(place, 'certificate/criticality-unusual', details)
  }
  const counts = new Map<string | null, number>()
  for (const { kind, value } of subjectAltNames.slice(0, MAX_LINTED)) {
    const isWildcard = kind === 'dns' && isUsableWildcard(value) && value.startsWith('*.')
    const reason = kind === 'dns' && !isWildcard ? whyUnusable(value) : null
    if (reason === null && !isWildcard) continue
    const count = (counts.get(reason) ?? 0) + 1
    counts.set(reason, count)
    if (count > MAX_FINDINGS) continue
    if (reason === null) findings.add(place, 'san/wildcard', { name: value })
    else findings.add(place, 'san/name-unusable', { kind: 'DNS', name: value, reason })
  }
}

function whyUnusable(name: string): 'an IP address' | 'no host name' | 'an underscore' | 'a wide wildcard' | null {
  if (parseIp(name) !== null) return 'an IP address'
  if (name === '*') return 'a wide wildcard'
  if (!isDnsPattern(name)) return 'no host name'
  if (name.startsWith('*.')) return 'a wide wildcard'
  return name.includes('_') ? 'an underscore' : null
}

/** Every etcd with authentication has this user, with all rights. */
const ETCD_USER = 'root'

function checkCommonName(place: PathCertificate, findings: FindingCollector): void {
  const { usage } = findings.rules
  const { subject, subjectAltNames } = place.certificate
  const { commonName } = subject
  if (commonName === null) {
    if (usage === 'client') findings.add(place, 'identity/common-name', { kind: 'missing' })
    return
  }
  if (usage !== 'server' && usage !== 'peer') return
  if (commonName === ETCD_USER) findings.add(place, 'identity/common-name', { kind: 'user of etcd', commonName })
  // Another finding reports a required host that is only in the common name.
  const isReported = findings.drafts.some(
    ({ code, details }) => code === 'san/host-not-covered' && details.host === commonName,
  )
  const isListed = subjectAltNames.some((name) => name.kind !== 'dirName' && name.value === commonName)
  if (!isReported && !isListed && looksLikeHost(commonName))
    findings.add(place, 'san/common-name-not-listed', { commonName })
}

/** A single label may be the name of a person, so only addresses and dotted names count. */
function looksLikeHost(text: string): boolean {
  if (parseIp(text) !== null || /^0x[0-9a-f]+$/i.test(text)) return true
  const isDotted = text.slice(1, -1).includes('.') && !text.includes('..')
  return isDotted && /^[^\s/@]+$/.test(text)
}
