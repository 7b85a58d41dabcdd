/** Key usage and extended key usage (RFC 5280 sections 4.2.1.3 and 4.2.1.12), and the further requirements of etcd. */
import { ExtensionId } from '../../x509/extensions.js'
import { type FindingCollector, NAME_BELOW, type PathCertificate, REQUIRED_PURPOSES, type Rules } from '../context.js'

const ANY = 'anyExtendedKeyUsage'
/** Server Gated Cryptography of Microsoft and Netscape, which OpenSSL, and so Node, takes for serverAuth (XKU_SGC). Go does not. */
const SERVER_GATED: ReadonlySet<string> = new Set(['1.3.6.1.4.1.311.10.3.3', '2.16.840.1.113730.4.1'])

/** The bits of nsCertType that OpenSSL requires (check_purpose_ssl_client and check_purpose_ssl_server). */
const NETSCAPE_TYPES = { client: ['client'], server: ['server'], peer: ['server', 'client'], any: [] } as const

/** For a server without serverAuth, the SGC purpose that OpenSSL accepts instead; undefined without such a purpose. */
function gatedPurpose(found: readonly string[], { usage }: Rules): string | undefined {
  return usage === 'server' && !found.includes('serverAuth') ? found.find((each) => SERVER_GATED.has(each)) : undefined
}

export function checkLeafUsage(place: PathCertificate, findings: FindingCollector): void {
  checkLeafPurposes(place, findings)
  const { usage } = findings.rules
  const { extensions, isCa } = place.certificate
  const { keyUsage, netscapeCertType } = extensions
  const missing = netscapeCertType === null ? [] : NETSCAPE_TYPES[usage].filter((type) => !netscapeCertType[type])
  // Go, with which etcd checks clients and members, ignores the extension.
  if (missing.length > 0) findings.add(place, 'usage/netscape-type-unsuited', { missing, refused: usage === 'server' })
  if (keyUsage === null) return
  if (keyUsage.has('keyCertSign') && !isCa) findings.add(place, 'constraints/only-for-cas', { what: 'keyCertSign' })
  if (keyUsage.has('digitalSignature')) return
  // OpenSSL requires one of three usages of a server (check_purpose_ssl_server, KU_TLS). Go does not check.
  const isAccepted = keyUsage.has('keyEncipherment') || keyUsage.has('keyAgreement')
  const details = { found: [...keyUsage], refused: usage === 'server' && !isAccepted }
  findings.add(place, 'usage/key-usage-missing', { kind: 'digitalSignature', ...details })
}

function checkLeafPurposes(place: PathCertificate, findings: FindingCollector): void {
  const { usage } = findings.rules
  const { extensions } = place.certificate
  const wanted = REQUIRED_PURPOSES[usage]
  if (extensions.extendedKeyUsage === null) {
    const unreadable = extensions.problems.some(({ oid }) => oid === ExtensionId.extendedKeyUsage)
    if (wanted.length > 0 && !unreadable) findings.add(place, 'usage/extension-absent', { kind: 'extendedKeyUsage' })
    return
  }
  const found = [...extensions.extendedKeyUsage]
  if (extensions.isCritical(ExtensionId.extendedKeyUsage))
    findings.add(place, 'certificate/criticality-unusual', { kind: 'of usages', extension: 'extendedKeyUsage' })
  const missing = wanted.filter((purpose) => !found.includes(purpose))
  const gated = gatedPurpose(found, findings.rules)
  if (found.includes(ANY)) {
    findings.add(place, 'usage/any-extended-key-usage', {
      refused: missing.length > 0 && usage === 'server' && gated === undefined,
    })
  } else if (gated !== undefined) {
    findings.add(place, 'usage/extended-key-usage-missing', { kind: 'server gated', gated })
  } else if (missing.length > 0) {
    // A server certificate is issued for both, because etcd's gateway dials with it.
    const issueFor = usage === 'client' ? ['clientAuth'] : ['serverAuth', 'clientAuth']
    const details = { wanted: issueFor, missing, found }
    findings.add(place, 'usage/extended-key-usage-missing', { kind: 'of the certificate', ...details })
  } else if (usage === 'server' && !found.includes('clientAuth')) {
    findings.add(place, 'usage/gateway-client-auth-missing', { found, ofCa: false })
  }
}

export function checkIssuerUsage(place: PathCertificate, findings: FindingCollector): void {
  const { usage } = findings.rules
  const { keyUsage, extendedKeyUsage, basicConstraints } = place.certificate.extensions
  if (keyUsage === null) {
    if (basicConstraints?.ca !== false) findings.add(place, 'usage/extension-absent', { kind: 'keyUsage' })
  } else if (!keyUsage.has('keyCertSign'))
    findings.add(place, 'usage/key-usage-missing', { kind: 'keyCertSign', found: [...keyUsage] })
  if (extendedKeyUsage === null) return
  const found = [...extendedKeyUsage]
  if (place.role === 'anchor') findings.add(place, 'usage/anchor-extended-key-usage', { found })
  const gated = gatedPurpose(found, findings.rules)
  const missing = REQUIRED_PURPOSES[usage].filter((purpose) => !found.includes(purpose))
  if (found.includes(ANY)) {
    // Go, with which etcd checks clients and members, accepts it for every purpose. OpenSSL does not for a server.
    const refused = usage === 'server' && gated === undefined
    if (missing.length > 0) findings.add(place, 'usage/any-extended-key-usage', { refused })
    return
  }
  if (gated !== undefined) {
    findings.add(place, 'usage/extended-key-usage-missing', { kind: 'server gated', gated })
    return
  }
  if (usage === 'server' && missing.length === 0 && !found.includes('clientAuth'))
    findings.add(place, 'usage/gateway-client-auth-missing', { found, ofCa: true })
  for (const purpose of missing) {
    const details = { missing: purpose, found, leaf: NAME_BELOW }
    findings.add(place, 'usage/extended-key-usage-missing', { kind: 'of its CA', ...details })
  }
}
