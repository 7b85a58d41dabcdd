/** Which certificates and which reasons a list covers (RFC 5280 section 6.3.3 (b) and (d)). */
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import type { CrlScope } from '../../x509/crl/crl-extensions.js'
import {
  type DistributionPoint,
  type DistributionPointName,
  generalNameKey,
  pointKeys,
  pointText,
  REVOCATION_REASONS,
  type RevocationReason,
} from '../../x509/crl/distribution-point.js'

/** The reasons for which a list tells the status of a certificate; or what it covers instead of that certificate. */
export type Coverage = { readonly reasons: readonly RevocationReason[] } | { readonly only: string }

const ALL: Coverage = { reasons: REVOCATION_REASONS }

export function coverageOf(crl: Crl, certificate: Certificate): Coverage {
  const { scope } = crl
  if (scope === null) return ALL
  if (!coversKind(crl, certificate)) return { only: kindOf(scope) }
  const { distributionPoint, onlySomeReasons } = scope
  const here = distributionPoint === null ? REVOCATION_REASONS : reasonsAt(distributionPoint, crl, certificate)
  if (distributionPoint !== null && here.length === 0) {
    return { only: `certificates that name the distribution point ${pointText(distributionPoint)}` }
  }
  return { reasons: onlySomeReasons === null ? here : here.filter((reason) => onlySomeReasons.includes(reason)) }
}

/** Whether the list is about certificates of this kind: CAs, or end entities. */
export function coversKind({ scope }: Crl, { isCa }: Certificate): boolean {
  return scope === null || !(scope.onlyAttributeCerts || (isCa ? scope.onlyUserCerts : scope.onlyCaCerts))
}

function kindOf({ onlyAttributeCerts, onlyUserCerts }: CrlScope): string {
  return onlyAttributeCerts ? 'attribute certificates' : onlyUserCerts ? 'end-entity certificates' : 'CA certificates'
}

/**
 * The reasons of the first distribution point that fits, which are all that OpenSSL counts, although the CRL is a full one
 * (crypto/x509/x509_vfy.c, crl_crldp_check); null if none fits.
 */
export function firstPointOf(
  crl: Crl,
  { extensions }: Certificate,
): { readonly reasons: readonly RevocationReason[] } | null {
  const own = crl.scope?.distributionPoint ?? null
  const names = own === null ? null : new Set(pointKeys(own, crl.issuer))
  const first = (extensions.crlDistributionPoints ?? []).find(
    (point) =>
      (point.crlIssuer === null || namesIssuer(point, crl)) &&
      (names === null || point.name === null || pointKeys(point.name, crl.issuer).some((key) => names.has(key))),
  )
  if (first !== undefined) return { reasons: first.reasons ?? REVOCATION_REASONS }
  return own === null ? { reasons: REVOCATION_REASONS } : null
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
