/** What one list covers (RFC 5280 section 6.3.3 (b) and (d)), who signed it, and what is wrong with it. */
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

/** The reasons for which a list tells the status of a certificate; or what it covers instead of that certificate. */
export function coverageOf(
  crl: Crl,
  certificate: Certificate,
): { readonly reasons: Reasons } | { readonly only: string } {
  const { scope } = crl
  if (scope === null) return { reasons: REVOCATION_REASONS }
  const { distributionPoint: place, onlySomeReasons, onlyAttributeCerts, onlyUserCerts } = scope
  if (!coversKind(crl, certificate)) {
    const kind = onlyAttributeCerts ? 'attribute' : onlyUserCerts ? 'end-entity' : 'CA'
    return { only: `${kind} certificates` }
  }
  const here = place === null ? REVOCATION_REASONS : reasonsAt(pointKeys(place, crl.issuer), crl, certificate)
  if (place !== null && here.length === 0)
    return { only: `certificates that name the distribution point ${pointText(place)}` }
  return { reasons: here.filter((reason) => onlySomeReasons?.includes(reason) !== false) }
}

/** Whether the list is about certificates of this kind: CAs, or end entities. */
export function coversKind({ scope }: Crl, { isCa }: Certificate): boolean {
  return scope === null || !(scope.onlyAttributeCerts || (isCa ? scope.onlyUserCerts : scope.onlyCaCerts))
}

/**
 * For which reasons the certificate sends its reader to a place. One without distribution points is taken to name
 * its issuer as the place, for all reasons (RFC 5280 section 6.3.3, last paragraph).
 */
function reasonsAt(place: readonly string[], crl: Crl, { issuer, extensions }: Certificate): Reasons {
  if (place.includes(`dirName:${issuer.key}`)) return REVOCATION_REASONS
  const points = extensions.crlDistributionPoints ?? []
  const here = points.filter((point) => keysOf(point, crl).some((key) => place.includes(key)))
  return [...new Set(here.flatMap(({ reasons }) => reasons ?? REVOCATION_REASONS))]
}

function keysOf(point: DistributionPoint, crl: Crl): string[] {
  // Where another CA issues the list, this one's is not the list that is meant (section 6.3.3 (b)(1)).
  if (point.crlIssuer !== null && !namesIssuer(point, crl)) return []
  return point.name === null ? (point.crlIssuer ?? []).map(generalNameKey) : pointKeys(point.name, crl.issuer)
}

/** Whether a distribution point says that the issuer of this list issues what is found there, in another's name. */
export function namesIssuer({ crlIssuer }: DistributionPoint, crl: Crl): boolean {
  return (crlIssuer ?? []).some(({ directoryName }) => directoryName?.equals(crl.issuer) === true)
}

/**
 * The reasons of the first distribution point that fits, which are all that OpenSSL counts, although the CRL is a full one
 * (crypto/x509/x509_vfy.c, crl_crldp_check); null if none fits.
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

/** Whether the list speaks of certificates of other issuers, too. */
export function isIndirect(crl: Crl): boolean {
  return crl.scope?.indirect === true || crl.entries.hasOtherIssuer
}

/** Which other authority the list says that signed it; null if it points to this one, or to none. */
export function otherAuthority({ extensions }: Crl, { extensions: own, issuer, serial }: Certificate): string | null {
  const { keyIdentifier: wanted = null, serial: named = null, issuer: names } = extensions.authorityKey ?? {}
  const found = own.subjectKeyIdentifier
  if (wanted !== null && found !== null && !bytesEqual(wanted, found)) return 'another key'
  if (named !== null && !bytesEqual(named, serial)) return 'a certificate of another serial number'
  const isOfIssuer = (names ?? []).every(({ directoryName }) => directoryName?.equals(issuer) !== false)
  return isOfIssuer ? null : 'a certificate of another issuer'
}

/** Whether the list says that this certificate's key signed it. */
export function namesAuthority(crl: Crl, certificate: Certificate): boolean {
  const { keyIdentifier = null, serial = null } = crl.extensions.authorityKey ?? {}
  const saysWhich = (keyIdentifier !== null && certificate.extensions.subjectKeyIdentifier !== null) || serial !== null
  return saysWhich && otherAuthority(crl, certificate) === null
}

/** The faults of a list that the signer's key signed, for which nothing can be concluded from it; its dates left out. */
export function checkCrl(crl: Crl, signer: PathCertificate, findings: FindingCollector): void {
  const { origin, extensions, signatureAlgorithm: made } = crl
  const algorithm = 'scheme' in made ? made.scheme.name : made.unknown
  if (!crl.signatureAlgorithmsAgree)
    findings.add(null, 'revocation/crl-algorithm-refused', { origin, algorithm, reason: 'stated twice' })
  if ('scheme' in made && WEAK_DIGESTS.has(made.scheme.digest))
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
  // Section 5.3: a critical extension of any entry that is not processed stands in the way of the whole list.
  const blocking = new Set([...crl.blockingExtensions, ...crl.entries.unknownCritical])
  for (const oid of [...blocking].slice(0, MAX_SHOWN))
    refuse(oid, 'it is critical, and is not processed or must not be critical')
  if (isIndirect(crl)) findings.add(null, 'revocation/crl-extension-refused', { kind: 'indirect', origin })
}

export function hasBegun({ thisUpdate }: Crl, { at, clockSkew }: Context): boolean {
  return wholeSeconds(at) + clockSkew >= thisUpdate.getTime()
}

/** Whether the list is current (RFC 5280 sections 5.1.2.4 and 5.1.2.5). */
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

/** What does not stand in the way of a list, but will in that of others, or at another time. */
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
