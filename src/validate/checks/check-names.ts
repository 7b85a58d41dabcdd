/** Subject alternative names against hosts, and the hygiene of the names themselves (RFC 6125, RFC 9525). */
import { ExtensionId } from '../../x509/extensions.js'
import { parseIp } from '../../x509/ip.js'
import { coveringNameFinder, type Host, isDnsPattern, wildcardIsUsable } from '../../x509/names.js'
import type { Context } from '../context.js'
import { NearMisses } from './near-miss.js'
import type { FindingCollector, PathCertificate } from '../path-certificate.js'

/** Names of one certificate that are looked at for hygiene; hosts are compared with all of them. */
const MAX_NAMES_LINTED = 200
/** Findings that one kind of unlucky name may fill a report with. */
const MAX_FINDINGS_PER_CODE = 5
/** Names that a finding shows. */
const MAX_NAMES_SHOWN = 50

export function checkNames(place: PathCertificate, context: Context, notes: FindingCollector): void {
  checkHosts(place, context.hosts, notes)
  checkSubjectAltName(place, notes)
  const serves = context.usage === 'server' || context.usage === 'peer'
  checkCommonName(place, serves, context.usage === 'client', notes)
}

function checkHosts(place: PathCertificate, hosts: readonly Host[], notes: FindingCollector): void {
  if (hosts.length === 0) return
  const names = place.certificate.subjectAltNames
  const find = coveringNameFinder(names, hosts.length)
  const covered: { host: string; name: string }[] = []
  const uncovered: Host[] = []
  for (const host of hosts) {
    const name = find(host)
    if (name === null) uncovered.push(host)
    else covered.push({ host: host.value, name: name.value })
  }
  if (uncovered.length === 0) return
  const found = names.slice(0, MAX_NAMES_SHOWN).map(({ value }) => value)
  const counts = new Map<string, number>()
  for (const { kind } of names) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const misses = new NearMisses(names, place.certificate.subject.commonName)
  for (const host of uncovered.slice(0, MAX_NAMES_SHOWN)) {
    const { value, kind } = host
    const details = { host: value, kind, ...misses.of(host), found, foundOfKind: counts.get(kind) ?? 0, covered }
    notes.add(place, 'san/host-not-covered', details)
  }
}

function checkSubjectAltName(place: PathCertificate, notes: FindingCollector): void {
  const { extensions, subject, subjectAltNames } = place.certificate
  if (extensions.subjectAltName === null) return
  const critical = extensions.isCritical(ExtensionId.subjectAltName)
  if (critical !== subject.isEmpty) {
    const details = { kind: 'of names', extension: 'subjectAltName', critical } as const
    notes.add(place, 'certificate/criticality-unusual', details)
  }
  const counts = new Map<string | null, number>()
  for (const { kind, value } of subjectAltNames.slice(0, MAX_NAMES_LINTED)) {
    const isWildcard = kind === 'dns' && wildcardIsUsable(value) && value.startsWith('*.')
    const reason = kind === 'dns' && !isWildcard ? whyUnusable(value) : null
    if (reason === null && !isWildcard) continue
    const count = (counts.get(reason) ?? 0) + 1
    counts.set(reason, count)
    if (count > MAX_FINDINGS_PER_CODE) continue
    if (reason === null) notes.add(place, 'san/wildcard', { name: value })
    else notes.add(place, 'san/name-unusable', { kind: 'DNS', name: value, reason })
  }
}

function whyUnusable(name: string): 'an IP address' | 'no host name' | 'an underscore' | 'a wide wildcard' | null {
  if (parseIp(name) !== null) return 'an IP address'
  if (name === '*') return 'a wide wildcard'
  if (!isDnsPattern(name)) return 'no host name'
  if (name.startsWith('*.')) return 'a wide wildcard'
  return name.includes('_') ? 'an underscore' : null
}

/** Users that every etcd with authentication has. */
const ETCD_USERS: ReadonlySet<string> = new Set(['root'])

function checkCommonName(place: PathCertificate, serves: boolean, isClient: boolean, notes: FindingCollector): void {
  const { commonName } = place.certificate.subject
  if (commonName === null) {
    if (isClient) notes.add(place, 'identity/common-name', { kind: 'missing' })
    return
  }
  if (!serves) return
  if (ETCD_USERS.has(commonName)) notes.add(place, 'identity/common-name', { kind: 'user of etcd', commonName })
  // A host that was asked for and stands only here is already told as not covered.
  const told = notes.notes.some(
    ({ code, details }) => code === 'san/host-not-covered' && 'host' in details && details.host === commonName,
  )
  if (
    !told &&
    looksLikeHost(commonName) &&
    !place.certificate.subjectAltNames.some((name) => name.kind !== 'dirName' && name.value === commonName)
  ) {
    notes.add(place, 'san/common-name-not-listed', { commonName })
  }
}

// A single label is a name for people as often as a host; an address or a dotted name is meant as a host.
function looksLikeHost(text: string): boolean {
  if (parseIp(text) !== null || /^0x[0-9a-f]+$/i.test(text)) return true
  const isDotted = text.slice(1, -1).includes('.') && !text.includes('..')
  return isDotted && /^[^\s/@]+$/.test(text)
}
