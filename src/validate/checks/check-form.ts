/** The form of one certificate: version, serial number, names, and extensions. */
import { bytesEqual, hex } from '../../x509/der.js'
import { ExtensionId, extensionName } from '../../x509/extensions.js'
import { uriProblem } from '../../x509/uri.js'
import type { FindingCollector, PathCertificate } from '../context.js'
import { namesOtherAuthority } from '../link.js'

/** Longest serial number in bytes (RFC 5280 section 4.1.2.2). */
const MAX_SERIAL_BYTES = 20
const MAX_URIS = 5
/** Extensions that Go before 1.24 refuses if they are critical (crypto/x509 processExtensions). */
const SINCE_GO_1_24 = [ExtensionId.policyMappings, ExtensionId.policyConstraints, ExtensionId.inhibitAnyPolicy] as const
const NEVER_CRITICAL = [ExtensionId.subjectKeyIdentifier, ExtensionId.authorityKeyIdentifier] as const

/** The checks that verify no signature. */
export function checkEncoding(place: PathCertificate, findings: FindingCollector): void {
  const { version, signatureAlgorithmsAgree } = place.certificate
  if (version !== 3) {
    const trusted = place.role === 'anchor' && version === 1
    findings.add(place, 'certificate/version-unsupported', { version, trusted })
  }
  checkSerial(place, findings)
  checkDistinguishedNames(place, findings)
  if (!signatureAlgorithmsAgree) findings.add(place, 'signature/algorithm-refused', { kind: 'stated twice' })
  checkExtensions(place, findings)
  checkForGo(place, findings)
  checkUris(place, findings)
}

function checkSerial(place: PathCertificate, findings: FindingCollector): void {
  const { serial, serialNumber } = place.certificate
  const [first = 0] = serial
  const long = serial.length > MAX_SERIAL_BYTES
  const reason =
    first >= 0x80
      ? 'is negative'
      : serial.every((byte) => byte === 0)
        ? 'is zero'
        : long && `has ${String(serial.length)} bytes, more than ${String(MAX_SERIAL_BYTES)}`
  if (reason !== false)
    findings.add(place, 'certificate/serial-unusual', { serialNumber: serialNumber.slice(0, 80), reason })
}

function checkDistinguishedNames(place: PathCertificate, findings: FindingCollector): void {
  const { issuer, subject, isCa } = place.certificate
  const names = [
    { field: 'issuer', name: issuer, mayBeEmpty: false },
    { field: 'subject', name: subject, mayBeEmpty: place.role === 'leaf' && !isCa },
  ] as const
  for (const { field, name } of names) {
    for (const { type, malformed } of name.relativeNames.flat())
      if (malformed) findings.add(place, 'certificate/name-malformed', { kind: 'malformed', field, attribute: type })
  }
  for (const { field, name, mayBeEmpty } of names)
    if (name.isEmpty && !mayBeEmpty) findings.add(place, 'certificate/name-malformed', { kind: 'empty', field })
}

function checkExtensions(place: PathCertificate, findings: FindingCollector): void {
  const { extensions } = place.certificate
  const refuse = (oid: string, kind: 'repeated' | 'unknown' | 'wrongly critical'): void => {
    findings.add(place, 'certificate/extension-refused', { kind, extension: extensionName(oid) })
  }
  const { origin } = place.certificate
  for (const { oid, reason, limit } of extensions.problems) {
    const extension = extensionName(oid)
    if (limit === undefined)
      findings.add(place, 'certificate/extension-refused', { kind: 'malformed', extension, reason })
    else {
      const details = { wanted: 'certificate', unit: 'entries', limit, count: null, extension } as const
      findings.add(place, 'input/too-much', { origin, file: null, ...details })
    }
  }
  for (const oid of extensions.duplicates) refuse(oid, 'repeated')
  for (const oid of extensions.unknownCritical) refuse(oid, 'unknown')
  for (const oid of NEVER_CRITICAL) if (extensions.isCritical(oid)) refuse(oid, 'wrongly critical')
  for (const oid of SINCE_GO_1_24) {
    if (extensions.isCritical(oid) && !extensions.unknownCritical.includes(oid))
      findings.add(place, 'certificate/policy-extension', { kind: 'critical', extension: extensionName(oid) })
  }
  // A critical one is unknown, which is reported already.
  if (extensions.all.some(({ oid, critical }) => oid === ExtensionId.proxyCertInfo && !critical)) {
    const { usage, isConnected: connected } = findings.rules
    findings.add(place, 'certificate/extension-refused', {
      kind: 'proxy',
      extension: 'proxyCertInfo',
      usage,
      connected,
    })
  }
}

/**
 * policyConstraints that are not critical. Go processes them in every certificate but the anchor: without a policy in each certificate,
 * it refuses the path once as many certificates followed as need none (crypto/x509 policiesValid).
 */
export function checkPolicies(path: readonly PathCertificate[], findings: FindingCollector): void {
  const { usage } = findings.rules
  let below = 0
  for (const place of path) {
    const { extensions, isSelfIssued } = place.certificate
    const { requireExplicitPolicy } = extensions
    const isPresent = extensions.all.some(({ oid }) => oid === ExtensionId.policyConstraints)
    if (isPresent && !extensions.isCritical(ExtensionId.policyConstraints)) {
      const required = place.role !== 'anchor' && requireExplicitPolicy !== null && requireExplicitPolicy <= below
      const details = { kind: 'not critical', extension: 'policyConstraints', required, usage } as const
      findings.add(place, 'certificate/policy-extension', details)
    }
    if (place.index === 0 || !isSelfIssued) below++
  }
}

/** Kinds of name that Go reads (crypto/x509 parseSANExtension) and compares with constraints. */
export const GO_KINDS: ReadonlySet<string> = new Set(['dns', 'ip', 'email', 'uri'])

/** Extensions that OpenSSL accepts and Go refuses, so that etcd does not accept the certificate. */
function checkForGo(place: PathCertificate, findings: FindingCollector): void {
  const { extensions, subjectAltNames } = place.certificate
  const { usage } = findings.rules
  const points = extensions.crlDistributionPoints ?? []
  if (points.some(({ name }) => name !== null && 'relativeName' in name)) {
    const details = { kind: 'relative name', extension: 'crlDistributionPoints', usage } as const
    findings.add(place, 'certificate/extension-refused', details)
  }
  const names = [...new Set(subjectAltNames.map(({ kind }) => kind))]
  // Go treats the extension as unhandled if it reads none of the names.
  const isRead = names.length === 0 || names.some((kind) => GO_KINDS.has(kind))
  if (isRead || !extensions.isCritical(ExtensionId.subjectAltName)) return
  const details = { kind: 'names unread by Go', extension: 'subjectAltName', names, usage } as const
  findings.add(place, 'certificate/extension-refused', details)
}

function checkUris(place: PathCertificate, findings: FindingCollector): void {
  let reported = 0
  for (const name of place.certificate.subjectAltNames) {
    // The text of other names is not needed, and is made on first use.
    const reason = name.kind === 'uri' ? uriProblem(name.value) : null
    if (reason === null) continue
    findings.add(place, 'san/name-unusable', { kind: 'URI', name: name.value, reason })
    if (++reported === MAX_URIS) return
  }
}

export function checkKeyIdentifiers(place: PathCertificate, findings: FindingCollector): void {
  const { certificate, role } = place
  const { subjectKeyIdentifier, authorityKeyIdentifier } = certificate.extensions
  const missing = (extension: 'authorityKeyIdentifier' | 'subjectKeyIdentifier'): void => {
    findings.add(place, 'certificate/key-identifier-unusual', { kind: 'missing', extension })
  }
  if (certificate.isCa && subjectKeyIdentifier === null) missing('subjectKeyIdentifier')
  // A self-signed certificate needs none (RFC 5280 section 4.2.1.1). The signature of an anchor is not verified.
  const isSelfSigned = (): boolean =>
    certificate.isSelfIssued && (role === 'anchor' || certificate.isSignedBy(certificate))
  if ((authorityKeyIdentifier?.keyIdentifier ?? null) === null && !isSelfSigned()) missing('authorityKeyIdentifier')
  if (authorityKeyIdentifier === null || role !== 'anchor' || !certificate.isSelfIssued) return
  const unusual = (reason: string): void => {
    findings.add(place, 'certificate/key-identifier-unusual', { kind: 'of a root', reason })
  }
  const { keyIdentifier, issuer, serial } = authorityKeyIdentifier
  if (keyIdentifier === null) unusual('holds no key identifier')
  else if (subjectKeyIdentifier !== null && !bytesEqual(keyIdentifier, subjectKeyIdentifier))
    unusual(`points to another key (${hex(keyIdentifier)})`)
  if (namesOtherAuthority(certificate, certificate)) unusual('points to another certificate')
  else if (issuer !== null || serial !== null) unusual('names an issuer or serial number')
}
