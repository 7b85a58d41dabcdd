/** Subject alternative names against hosts, and the hygiene of the names themselves (RFC 6125, RFC 9525). */
import type { NotCoveredReason } from '../report/catalogue/names.js'
import { bytesEqual } from '../x509/der.js'
import { ExtensionId } from '../x509/extensions.js'
import type { GeneralName } from '../x509/general-name.js'
import { isIpv4Mapped, parseIp } from '../x509/ip.js'
import { findCoveringName, type Host, isDnsPattern, readHost, wildcardIsUsable } from '../x509/names.js'
import type { Context } from './context.js'
import type { Notebook, Place } from './place.js'

/** Names of one certificate that are looked at for hygiene; hosts are compared with all of them. */
const MAX_NAMES_LINTED = 200
/** Findings that one kind of unlucky name may fill a report with. */
const MAX_FINDINGS_PER_CODE = 5
/** Names that a finding shows. */
const MAX_NAMES_SHOWN = 50

export function checkNames(place: Place, context: Context, notes: Notebook): void {
  checkHosts(place, context.hosts, notes)
  checkSubjectAltName(place, notes)
  const serves = context.usage === 'server' || context.usage === 'peer'
  checkCommonName(place, serves, context.usage === 'client', notes)
}

function checkHosts(place: Place, hosts: readonly Host[], notes: Notebook): void {
  const names = place.certificate.subjectAltNames
  const covered: { host: string; name: string }[] = []
  const uncovered: Host[] = []
  for (const host of hosts) {
    const name = findCoveringName(names, host)
    if (name === null) uncovered.push(host)
    else covered.push({ host: host.value, name: name.value })
  }
  if (uncovered.length === 0) return
  const found = names.slice(0, MAX_NAMES_SHOWN).map(({ value }) => value)
  for (const host of uncovered.slice(0, MAX_NAMES_SHOWN)) {
    const { reason, nearest } = nearestMiss(names, place.certificate.subject.commonName, host)
    const foundOfKind = names.reduce((count, { kind }) => (kind === host.kind ? count + 1 : count), 0)
    const details = { host: host.value, kind: host.kind, reason, found, foundOfKind, nearest, covered }
    notes.add(place, 'san/host-not-covered', details)
  }
}

function nearestMiss(
  names: readonly GeneralName[],
  commonName: string | null,
  host: Host,
): { reason: NotCoveredReason; nearest: string | null } {
  const elsewhere = names.find((name) => name.kind !== host.kind && sameHost(name.value, host))
  if (elsewhere !== undefined) return { reason: 'ip-written-as-dns', nearest: elsewhere.value }
  if (commonName !== null && sameHost(commonName, host)) return { reason: 'only-in-common-name', nearest: null }
  if (names.length === 0) return { reason: 'no-names-at-all', nearest: null }
  const { bytes } = host
  if (bytes !== undefined) {
    const mapped = names.find((name) => name.kind === 'ip' && isMappedForm(name.bytes, bytes))
    if (mapped !== undefined) return { reason: 'ipv4-mapped', nearest: mapped.value }
  }
  if (host.kind === 'dns') {
    const wildcard = names.find((name) => name.kind === 'dns' && isWildcardOver(name.value, host.value))
    if (wildcard !== undefined) {
      const usable = wildcardIsUsable(wildcard.value)
      return { reason: usable ? 'wildcard-too-shallow' : 'wildcard-not-usable', nearest: wildcard.value }
    }
    const near = nearestDnsName(names, host.value)
    if (near !== null) return { reason: 'near-miss', nearest: near }
  }
  return { reason: 'no-such-name', nearest: null }
}

function sameHost(text: string, host: Host): boolean {
  const reading = readHost(text)
  return 'host' in reading && reading.host.value === host.value
}

/** Whether one is the IPv4-mapped IPv6 form (`::ffff:10.0.0.1`) of the other. */
function isMappedForm(a: Uint8Array, b: Uint8Array): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return isIpv4Mapped(long) && bytesEqual(long.subarray(12), short)
}

function isWildcardOver(name: string, host: string): boolean {
  return name.startsWith('*.') && host.endsWith(name.slice(1).toLowerCase())
}

/** The DNS name that shares the most leading labels with the host, at least one. */
function nearestDnsName(names: readonly GeneralName[], host: string): string | null {
  const wanted = host.split('.')
  let best: { name: string; shared: number } | null = null
  for (const { kind, value } of names) {
    if (kind !== 'dns') continue
    const labels = value.toLowerCase().split('.')
    const differs = wanted.findIndex((label, i) => label !== labels[i])
    const shared = differs === -1 ? wanted.length : differs
    if (shared > (best?.shared ?? 0)) best = { name: value, shared }
  }
  return best?.name ?? null
}

function checkSubjectAltName(place: Place, notes: Notebook): void {
  const { extensions, subject, subjectAltNames } = place.certificate
  if (extensions.subjectAltName === null) return
  const critical = extensions.isCritical(ExtensionId.subjectAltName)
  if (critical && !subject.isEmpty) notes.add(place, 'san/critical-with-subject', {})
  if (!critical && subject.isEmpty) notes.add(place, 'san/not-critical-without-subject', {})
  const counts = new Map<string, number>()
  for (const { kind, value } of subjectAltNames.slice(0, MAX_NAMES_LINTED)) {
    const code = kind === 'dns' ? dnsNameCode(value) : null
    if (code === null) continue
    const count = (counts.get(code) ?? 0) + 1
    counts.set(code, count)
    if (count <= MAX_FINDINGS_PER_CODE) notes.add(place, code, { name: value })
  }
}

type DnsNameCode =
  'san/ip-written-as-dns' | 'san/name-unusable' | 'san/wildcard-wide' | 'san/wildcard' | 'san/underscore'

function dnsNameCode(name: string): DnsNameCode | null {
  if (parseIp(name) !== null) return 'san/ip-written-as-dns'
  if (name === '*') return 'san/wildcard-wide'
  if (!isDnsPattern(name)) return 'san/name-unusable'
  if (name.startsWith('*.')) return wildcardIsUsable(name) ? 'san/wildcard' : 'san/wildcard-wide'
  return name.includes('_') ? 'san/underscore' : null
}

/** Users that every etcd with authentication has. */
const ETCD_USERS: ReadonlySet<string> = new Set(['root'])

function checkCommonName(place: Place, serves: boolean, isClient: boolean, notes: Notebook): void {
  const { commonName } = place.certificate.subject
  if (commonName === null) {
    if (isClient) notes.add(place, 'identity/common-name-missing', {})
    return
  }
  if (!serves) return
  if (ETCD_USERS.has(commonName)) notes.add(place, 'identity/server-is-user', { commonName })
  // A host that was asked for and stands only here is already told as not covered.
  const told = notes.findings.some(
    ({ code, details }) => code === 'san/host-not-covered' && details.host === commonName,
  )
  if (
    !told &&
    looksLikeHost(commonName) &&
    !place.certificate.subjectAltNames.some(({ value }) => value === commonName)
  ) {
    notes.add(place, 'san/common-name-not-listed', { commonName })
  }
}

// A single label is a name for people as often as a host; an address or a dotted name is meant as a host.
function looksLikeHost(text: string): boolean {
  return (
    parseIp(text) !== null || /^0x[0-9a-f]+$/i.test(text) || (/^[^\s/@]+\.[^\s/@]+$/.test(text) && !text.includes('..'))
  )
}
