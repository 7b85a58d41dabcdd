/** The distribution point of one CRL (RFC 5280 section 6.3.3 (b)), its signer, and its faults. */
import { signatureText } from '../../x509/algorithms.js'
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import {
  coversAllReasons,
  type DistributionPoint,
  generalNameKey,
  pointKeys,
} from '../../x509/crl/distribution-point.js'
import { bytesEqual } from '../../x509/der.js'
import { ExtensionId, extensionName } from '../../x509/extensions.js'
import { WEAK_DIGESTS } from '../checks/check-key.js'
import { wholeSeconds } from '../checks/check-validity.js'
import { type Context, type FindingCollector, MAX_SHOWN, type PathCertificate } from '../context.js'

/**
 * Whether the certificate names the distribution point of the CRL, for all reasons of revocation, or the CRL has none. The name of
 * the certificate's issuer counts as a distribution point of the certificate (RFC 5280 section 6.3.3, last paragraph).
 */
export function covers(crl: Crl, { issuer, extensions }: Certificate): boolean {
  if (crl.distributionPoint === null) return true
  const keys = pointKeys(crl.distributionPoint, crl.issuer)
  const points = (extensions.crlDistributionPoints ?? []).filter(coversAllReasons)
  return (
    keys.includes(`dirName:${issuer.key}`) ||
    points.some((point) => keysOf(point, crl).some((key) => keys.includes(key)))
  )
}

function keysOf(point: DistributionPoint, crl: Crl): string[] {
  // The distribution point refers to the CRL of another CA (section 6.3.3 (b)(1)).
  if (point.crlIssuer !== null && !namesIssuer(point, crl)) return []
  return point.name === null ? (point.crlIssuer ?? []).map(generalNameKey) : pointKeys(point.name, crl.issuer)
}

/** Whether a distribution point names the issuer of this CRL as its cRLIssuer. */
export function namesIssuer({ crlIssuer }: DistributionPoint, crl: Crl): boolean {
  return (crlIssuer ?? []).some(({ directoryName }) => directoryName?.equals(crl.issuer) === true)
}

/** How the authority key identifier of the CRL differs from this CA; null if it does not. */
export function otherAuthority({ extensions }: Crl, { extensions: own, issuer, serial }: Certificate): string | null {
  const { keyIdentifier: wanted = null, serial: named = null, issuer: names } = extensions.authorityKey ?? {}
  const found = own.subjectKeyIdentifier
  if (wanted !== null && found !== null && !bytesEqual(wanted, found)) return 'another key'
  if (named !== null && !bytesEqual(named, serial)) return 'a certificate of another serial number'
  const isOfIssuer = (names ?? []).every(({ directoryName }) => directoryName?.equals(issuer) !== false)
  return isOfIssuer ? null : 'a certificate of another issuer'
}

/** Whether the authority key identifier of the CRL names this CA. */
export function namesAuthority(crl: Crl, certificate: Certificate): boolean {
  const { keyIdentifier = null, serial = null } = crl.extensions.authorityKey ?? {}
  const isIdentified =
    (keyIdentifier !== null && certificate.extensions.subjectKeyIdentifier !== null) || serial !== null
  return isIdentified && otherAuthority(crl, certificate) === null
}

/** Reports the faults that make a signed CRL unusable, except for its dates. */
export function checkCrl(crl: Crl, signer: PathCertificate, findings: FindingCollector): void {
  const { origin, extensions, signatureAlgorithm: signature } = crl
  const algorithm = signatureText(signature)
  if (!crl.signatureAlgorithmsAgree)
    findings.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm, reason: 'stated twice' })
  if ('scheme' in signature && WEAK_DIGESTS.has(signature.scheme.digest))
    findings.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm, reason: 'weak' })
  const other = otherAuthority(crl, signer.certificate)
  if (other !== null)
    findings.add(signer, 'revocation/crl-signer-differs', { kind: 'key identifier', origin, reason: other })
  const refuse = (oid: string, reason: string): void => {
    const extension = extensionName(oid)
    findings.add(null, 'revocation/crl-extension-refused', { origin, extension, reason })
  }
  for (const { oid, reason } of extensions.problems) refuse(oid, reason)
  for (const oid of extensions.duplicates.slice(0, MAX_SHOWN)) refuse(oid, 'it occurs more than once')
  // Section 5.3: an unprocessed critical extension of one entry makes the whole CRL unusable.
  const blocking = new Set([...crl.blockingExtensions, ...crl.entries.unknownCritical])
  for (const oid of [...blocking].slice(0, MAX_SHOWN))
    refuse(oid, 'it is critical, and is not processed or must not be critical')
}

export function hasBegun({ thisUpdate }: Crl, { at, clockSkew }: Context): boolean {
  return wholeSeconds(at) + clockSkew >= thisUpdate.getTime()
}

/** RFC 5280 sections 5.1.2.4 and 5.1.2.5. */
export function checkCrlTime(crl: Crl, findings: FindingCollector): void {
  const { origin, thisUpdate, nextUpdate } = crl
  const { at, clockSkew } = findings.rules
  if (nextUpdate !== null && thisUpdate > nextUpdate)
    findings.add(null, 'revocation/crl-not-current', { kind: 'inverted', origin, thisUpdate, nextUpdate })
  else if (!hasBegun(crl, findings.rules))
    findings.add(null, 'revocation/crl-not-current', { kind: 'not yet valid', origin, thisUpdate })
  else if (nextUpdate !== null && wholeSeconds(at) - clockSkew > nextUpdate.getTime())
    findings.add(null, 'revocation/crl-not-current', { kind: 'expired', origin, nextUpdate })
}

/** Reports irregularities that this package accepts, but other verifiers may not. */
export function warnAboutCrl(crl: Crl, findings: FindingCollector): void {
  const { origin, version, nextUpdate } = crl
  const all = crl.extensions.all
  if (version === 1) findings.add(null, 'revocation/crl-form', { kind: 'version 1', origin })
  const point = all.find(({ oid }) => oid === ExtensionId.issuingDistributionPoint)
  const reasons = [
    ...(nextUpdate === null ? ['has no date of its next update'] : []),
    ...(version !== 1 && !all.some(({ oid }) => oid === ExtensionId.cRLNumber) ? ['has no CRL number'] : []),
    ...crl.oddities,
    ...(point?.critical === false ? ['does not mark its issuingDistributionPoint as critical'] : []),
  ]
  for (const reason of reasons) findings.add(null, 'revocation/crl-unusual', { origin, reason })
}
