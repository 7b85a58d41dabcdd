/** The scope of one CRL (RFC 5280 section 6.3.3 (b) and (d)), its signer, and its faults. */
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import {
  type DistributionPoint,
  generalNameKey,
  pointKeys,
  pointText,
  REVOCATION_REASONS,
  type RevocationReason,
} from '../../x509/crl/distribution-point.js'
import { bytesEqual } from '../../x509/der.js'
import { ExtensionId, extensionName } from '../../x509/extensions.js'
import { WEAK_DIGESTS } from '../checks/check-key.js'
import { wholeSeconds } from '../checks/check-validity.js'
import { type Context, type FindingCollector, MAX_SHOWN, type PathCertificate } from '../context.js'

type Reasons = readonly RevocationReason[]

/** The reasons that a CRL covers for a certificate; if none, the certificates that it covers instead. */
export function coverageOf(
  crl: Crl,
  certificate: Certificate,
): { readonly reasons: Reasons } | { readonly only: string } {
  const { scope } = crl
  if (scope === null) return { reasons: REVOCATION_REASONS }
  const { distributionPoint, onlySomeReasons, onlyAttributeCerts, onlyUserCerts } = scope
  if (!coversKind(crl, certificate)) {
    const kind = onlyAttributeCerts ? 'attribute' : onlyUserCerts ? 'end-entity' : 'CA'
    return { only: `${kind} certificates` }
  }
  const reasons =
    distributionPoint === null
      ? REVOCATION_REASONS
      : reasonsAt(pointKeys(distributionPoint, crl.issuer), crl, certificate)
  if (distributionPoint !== null && reasons.length === 0)
    return { only: `certificates that name the distribution point ${pointText(distributionPoint)}` }
  return { reasons: reasons.filter((reason) => onlySomeReasons?.includes(reason) !== false) }
}

/** Whether the CRL covers CA certificates, or end-entity certificates, whichever this one is. */
export function coversKind({ scope }: Crl, { isCa }: Certificate): boolean {
  return scope === null || !(scope.onlyAttributeCerts || (isCa ? scope.onlyUserCerts : scope.onlyCaCerts))
}

/**
 * The reasons for which the certificate names one of these distribution points. Its issuer's name counts as one for all reasons (RFC
 * 5280 section 6.3.3, last paragraph).
 */
function reasonsAt(keys: readonly string[], crl: Crl, { issuer, extensions }: Certificate): Reasons {
  if (keys.includes(`dirName:${issuer.key}`)) return REVOCATION_REASONS
  const points = extensions.crlDistributionPoints ?? []
  const matching = points.filter((point) => keysOf(point, crl).some((key) => keys.includes(key)))
  return [...new Set(matching.flatMap(({ reasons }) => reasons ?? REVOCATION_REASONS))]
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

/**
 * The reasons of the first distribution point that matches; null if none does. OpenSSL counts only these, even for a full CRL
 * (crypto/x509/x509_vfy.c, crl_crldp_check).
 */
export function reasonsOfFirstPoint(crl: Crl, { extensions }: Certificate): Reasons | null {
  const own = crl.scope?.distributionPoint ?? null
  const names = own === null ? null : new Set(pointKeys(own, crl.issuer))
  const first = (extensions.crlDistributionPoints ?? []).find(
    (point) =>
      (point.crlIssuer === null || namesIssuer(point, crl)) &&
      (names === null || point.name === null || pointKeys(point.name, crl.issuer).some((key) => names.has(key))),
  )
  if (first === undefined && own !== null) return null
  return first?.reasons ?? REVOCATION_REASONS
}

/** Whether the CRL has entries for certificates of other issuers. */
export function isIndirect(crl: Crl): boolean {
  return crl.scope?.indirect === true || crl.entries.hasOtherIssuer
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
  const algorithm = 'scheme' in signature ? signature.scheme.name : signature.unknown
  if (!crl.signatureAlgorithmsAgree)
    findings.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm, reason: 'stated twice' })
  if ('scheme' in signature && WEAK_DIGESTS.has(signature.scheme.digest))
    findings.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm, reason: 'weak' })
  const other = otherAuthority(crl, signer.certificate)
  if (other !== null)
    findings.add(signer, 'revocation/crl-signer-differs', { kind: 'key identifier', origin, reason: other })
  const refuse = (oid: string, reason: string): void => {
    const extension = extensionName(oid)
    findings.add(null, 'revocation/crl-extension-refused', { kind: 'extension', origin, extension, reason })
  }
  for (const { oid, reason } of extensions.problems) refuse(oid, reason)
  for (const oid of extensions.duplicates.slice(0, MAX_SHOWN)) refuse(oid, 'it occurs more than once')
  // Section 5.3: an unprocessed critical extension of one entry makes the whole CRL unusable.
  const blocking = new Set([...crl.blockingExtensions, ...crl.entries.unknownCritical])
  for (const oid of [...blocking].slice(0, MAX_SHOWN))
    refuse(oid, 'it is critical, and is not processed or must not be critical')
  if (isIndirect(crl)) findings.add(null, 'revocation/crl-extension-refused', { kind: 'indirect', origin })
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
  const unmarked = MUST_BE_CRITICAL.filter((oid) => all.some((each) => each.oid === oid && !each.critical))
  const reasons = [
    ...(nextUpdate === null ? ['has no date of its next update'] : []),
    ...(version !== 1 && !all.some(({ oid }) => oid === ExtensionId.cRLNumber) ? ['has no CRL number'] : []),
    ...crl.oddities,
    ...unmarked.map((oid) => `does not mark its ${extensionName(oid)} as critical`),
  ]
  for (const reason of reasons) findings.add(null, 'revocation/crl-unusual', { origin, reason })
}

const MUST_BE_CRITICAL = [ExtensionId.issuingDistributionPoint, ExtensionId.deltaCRLIndicator] as const
