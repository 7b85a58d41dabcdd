/** Which certificates and which reasons a list covers (RFC 5280 section 6.3.3 (b) and (d)). */
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl.js'
import type { Usage } from './context.js'
import {
  type DistributionPoint,
  type DistributionPointName,
  generalNameKey,
  pointKeys,
  pointText,
  REVOCATION_REASONS,
  type RevocationReason,
} from '../x509/distribution-point.js'

/** The reasons for which a list tells the status of a certificate; or what it covers instead of that certificate. */
export type Coverage = { readonly reasons: readonly RevocationReason[] } | { readonly only: string }

const ALL: Coverage = { reasons: REVOCATION_REASONS }

export function coverageOf(crl: Crl, certificate: Certificate, usage: Usage): Coverage {
  const { scope } = crl
  if (scope === null) return usage === 'server' ? { reasons: reasonsForNode(crl, certificate) } : ALL
  const { isCa } = certificate
  if (scope.onlyAttributeCerts) return { only: 'attribute certificates' }
  if (scope.onlyUserCerts && isCa) return { only: 'end-entity certificates' }
  if (scope.onlyCaCerts && !isCa) return { only: 'CA certificates' }
  const { distributionPoint, onlySomeReasons } = scope
  const here = distributionPoint === null ? REVOCATION_REASONS : reasonsAt(distributionPoint, crl, certificate)
  if (distributionPoint !== null && here.length === 0) {
    return { only: `certificates that name the distribution point ${pointText(distributionPoint)}` }
  }
  return { reasons: onlySomeReasons === null ? here : here.filter((reason) => onlySomeReasons.includes(reason)) }
}

/**
 * OpenSSL, and so Node, counts only the reasons of the first distribution point that fits, although the CRL is a full one
 * (crypto/x509/x509_vfy.c, crl_crldp_check).
 */
function reasonsForNode(crl: Crl, { extensions }: Certificate): readonly RevocationReason[] {
  const points = extensions.crlDistributionPoints ?? []
  const first = points.find((point) => point.crlIssuer === null || namesIssuer(point, crl))
  return first?.reasons ?? REVOCATION_REASONS
}

/**
 * For which reasons the certificate sends its reader to this place. One without distribution points is taken to name
 * its issuer as the place, for all reasons (RFC 5280 section 6.3.3, last paragraph).
 */
function reasonsAt(place: DistributionPointName, crl: Crl, certificate: Certificate): readonly RevocationReason[] {
  const names = new Set(pointKeys(place, crl.issuer))
  if (names.has(`dirName:${certificate.issuer.key}`)) return REVOCATION_REASONS
  const reasons = new Set<RevocationReason>()
  for (const point of certificate.extensions.crlDistributionPoints ?? []) {
    if (!keysOf(point, crl).some((key) => names.has(key))) continue
    for (const reason of point.reasons ?? REVOCATION_REASONS) reasons.add(reason)
  }
  return [...reasons]
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
