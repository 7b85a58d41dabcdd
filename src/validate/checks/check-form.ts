/** The form of one certificate: version, serial, names, extensions that must be readable, known and rightly marked. */
import type { FindingDetails } from '../../report/finding.js'
import { bytesEqual, hex } from '../../x509/der.js'
import type { DistinguishedName } from '../../x509/distinguished-name.js'
import { ExtensionId, extensionName } from '../../x509/extensions.js'
import { uriProblem } from '../../x509/uri.js'
import { namesOtherAuthority } from '../link.js'
import type { FindingCollector, PathCertificate } from '../path-certificate.js'

/** Longest serial number in octets (RFC 5280 section 4.1.2.2). */
const MAX_SERIAL_OCTETS = 20
/** Findings that one kind of unlucky name may fill a report with. */
const MAX_URIS_TOLD = 5
/** Extensions that Go processes since 1.24; before, it refuses critical ones (crypto/x509 processExtensions). */
const SINCE_GO_1_24 = [ExtensionId.policyMappings, ExtensionId.policyConstraints, ExtensionId.inhibitAnyPolicy] as const
const NEVER_CRITICAL = [ExtensionId.subjectKeyIdentifier, ExtensionId.authorityKeyIdentifier] as const

export function checkForm(place: PathCertificate, notes: FindingCollector): void {
  checkEncoding(place, notes)
  checkKeyIdentifiers(place, notes)
}

/** What can be said of the form without a look at a signature. */
export function checkEncoding(place: PathCertificate, notes: FindingCollector): void {
  checkVersion(place, notes)
  checkSerial(place, notes)
  checkDistinguishedNames(place, notes)
  if (!place.certificate.signatureAlgorithmsAgree) notes.add(place, 'certificate/algorithms-disagree', {})
  checkExtensions(place, notes)
  checkUris(place, notes)
}

function checkVersion(place: PathCertificate, notes: FindingCollector): void {
  const { version } = place.certificate
  if (version === 3) return
  const trustedAsIs = place.role === 'anchor' && version === 1
  notes.add(place, trustedAsIs ? 'certificate/anchor-version-1' : 'certificate/version-unsupported', { version })
}

function checkSerial(place: PathCertificate, notes: FindingCollector): void {
  const { serial, serialNumber } = place.certificate
  const isNegative = (serial[0] ?? 0) >= 0x80
  const reason = isNegative
    ? 'is negative'
    : serial.every((octet) => octet === 0)
      ? 'is zero'
      : serial.length > MAX_SERIAL_OCTETS
        ? `has ${String(serial.length)} octets, more than ${String(MAX_SERIAL_OCTETS)}`
        : null
  if (reason !== null)
    notes.add(place, 'certificate/serial-unusual', { serialNumber: serialNumber.slice(0, 80), reason })
}

function checkDistinguishedNames(place: PathCertificate, notes: FindingCollector): void {
  const { issuer, subject, isCa } = place.certificate
  checkStrings(place, 'issuer', issuer, notes)
  checkStrings(place, 'subject', subject, notes)
  if (issuer.isEmpty) notes.add(place, 'certificate/name-empty', { field: 'issuer' })
  if (subject.isEmpty && (isCa || place.role !== 'leaf'))
    notes.add(place, 'certificate/name-empty', { field: 'subject' })
}

function checkStrings(
  place: PathCertificate,
  field: 'subject' | 'issuer',
  name: DistinguishedName,
  notes: FindingCollector,
): void {
  for (const { type, malformed } of name.relativeNames.flat()) {
    if (malformed) notes.add(place, 'certificate/name-malformed', { field, attribute: type })
  }
}

function checkExtensions(place: PathCertificate, notes: FindingCollector): void {
  const { extensions } = place.certificate
  for (const { oid, reason } of extensions.problems) {
    notes.add(place, 'certificate/extension-malformed', { extension: extensionName(oid), reason })
  }
  for (const oid of extensions.duplicates) refuseExtension(place, oid, 'occurs more than once', notes)
  for (const oid of extensions.unknownCritical) {
    refuseExtension(place, oid, 'is critical and unknown', notes)
  }
  for (const oid of NEVER_CRITICAL) {
    if (extensions.isCritical(oid)) {
      refuseExtension(place, oid, 'must not be critical', notes)
    }
  }
  for (const oid of SINCE_GO_1_24) {
    if (extensions.isCritical(oid) && !extensions.unknownCritical.includes(oid))
      notes.add(place, 'certificate/policy-extension-critical', { extension: extensionName(oid) })
  }
  const policies = extensions.all.find(({ oid }) => oid === ExtensionId.policyConstraints)
  if (policies !== undefined && !policies.critical) notes.add(place, 'certificate/policy-constraints-not-critical', {})
}

function refuseExtension(
  place: PathCertificate,
  oid: string,
  reason: FindingDetails['certificate/extension-refused']['reason'],
  notes: FindingCollector,
): void {
  notes.add(place, 'certificate/extension-refused', { extension: extensionName(oid), reason })
}

function checkUris(place: PathCertificate, notes: FindingCollector): void {
  let told = 0
  for (const name of place.certificate.subjectAltNames) {
    const problem = name.kind === 'uri' ? uriProblem(name.value) : null
    if (problem === null) continue
    notes.add(place, 'san/uri-malformed', { uri: name.value, reason: problem })
    if (++told === MAX_URIS_TOLD) return
  }
}

function checkKeyIdentifiers(place: PathCertificate, notes: FindingCollector): void {
  const { certificate } = place
  const { subjectKeyIdentifier, authorityKeyIdentifier } = certificate.extensions
  if (certificate.isCa && subjectKeyIdentifier === null)
    notes.add(place, 'certificate/key-identifier-missing', { extension: 'subjectKeyIdentifier' })
  // A self-signed certificate is its own authority (RFC 5280 section 4.2.1.1).
  if ((authorityKeyIdentifier?.keyIdentifier ?? null) === null && !isSelfSigned(place))
    notes.add(place, 'certificate/key-identifier-missing', { extension: 'authorityKeyIdentifier' })
  if (authorityKeyIdentifier === null) return
  if (place.role !== 'anchor' || !certificate.isSelfIssued) return
  const { keyIdentifier, issuer, serial } = authorityKeyIdentifier
  if (keyIdentifier === null)
    notes.add(place, 'certificate/authority-key-identifier-unusual', { reason: 'holds no key identifier' })
  else if (subjectKeyIdentifier !== null && !bytesEqual(keyIdentifier, subjectKeyIdentifier)) {
    const reason = `points to another key (${hex(keyIdentifier)})`
    notes.add(place, 'certificate/authority-key-identifier-unusual', { reason })
  }
  if (namesOtherAuthority(certificate, certificate)) {
    notes.add(place, 'certificate/authority-key-identifier-unusual', { reason: 'points to another certificate' })
  } else if (issuer !== null || serial !== null) {
    notes.add(place, 'certificate/authority-key-identifier-unusual', { reason: 'names an issuer or serial number' })
  }
}

/** An anchor is taken at its word; elsewhere the signature is looked at, which costs only where the extension lacks. */
function isSelfSigned({ certificate, role }: PathCertificate): boolean {
  return certificate.isSelfIssued && (role === 'anchor' || certificate.isSignedBy(certificate))
}
