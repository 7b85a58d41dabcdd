/** Subject alternative names against hosts, and the hygiene of the names themselves (RFC 6125, RFC 9525). */
import { ExtensionId } from '../../x509/extensions.js'
import { parseIp } from '../../x509/ip.js'
import { coveringNameFinder, type Host, isDnsPattern, wildcardIsUsable } from '../../x509/names.js'
import type { Context, Usage } from '../context.js'
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
  checkCommonName(place, context.usage, notes)
}

function checkHosts(place: PathCertificate, hosts: readonly Host[], notes: FindingCollector): void {
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
  const found = names.slice(0, MAX_NAMES_SHOWN).map(({ value }) => value)
  const misses = new NearMisses(names, subject.commonName)
  for (const host of uncovered.slice(0, MAX_NAMES_SHOWN)) {
    const foundOfKind = names.filter(({ kind }) => kind === host.kind).length
    const details = { host: host.value, kind: host.kind, ...misses.of(host), found, foundOfKind, covered }
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

/** The user that every etcd with authentication has. */
const ETCD_USER = 'root'

function checkCommonName(place: PathCertificate, usage: Usage, notes: FindingCollector): void {
  const { subject, subjectAltNames } = place.certificate
  const { commonName } = subject
  if (commonName === null) {
    if (usage === 'client') notes.add(place, 'identity/common-name', { kind: 'missing' })
    return
  }
  if (usage !== 'server' && usage !== 'peer') return
  if (commonName === ETCD_USER) notes.add(place, 'identity/common-name', { kind: 'user of etcd', commonName })
  // A host that was asked for and is only here is already reported as not covered.
  const isReported = notes.notes.some(
    ({ code, details }) => code === 'san/host-not-covered' && details.host === commonName,
  )
  const isListed = subjectAltNames.some((name) => name.kind !== 'dirName' && name.value === commonName)
  if (!isReported && !isListed && looksLikeHost(commonName))
    notes.add(place, 'san/common-name-not-listed', { commonName })
}

// A single label is a name for people as often as a host; an address or a dotted name is meant as a host.
function looksLikeHost(text: string): boolean {
  if (parseIp(text) !== null || /^0x[0-9a-f]+$/i.test(text)) return true
  const isDotted = text.slice(1, -1).includes('.') && !text.includes('..')
  return isDotted && /^[^\s/@]+$/.test(text)
}
