/**
 * The CRL that OpenSSL, and so Node, chooses for each certificate of a path, and whether it accepts that CRL (crypto/x509/x509_vfy.c,
 * check_cert, get_crl_sk and check_crl, with X509_V_FLAG_CRL_CHECK_ALL and without X509_V_FLAG_EXTENDED_CRL_SUPPORT). OpenSSL
 * chooses by names, dates and key identifiers, verifies that one signature, and tries no other CRL.
 */
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { coversAllReasons, type DistributionPoint, pointKeys } from '../../x509/crl/distribution-point.js'
import type { PathCertificate } from '../context.js'
import { namesIssuer, otherAuthority } from './crl-rules.js'

export interface CrlRefusal {
  readonly place: PathCertificate
  /** The chosen CRL, with a clause on why OpenSSL refuses; null if it found no CRL. */
  readonly refused: { readonly crl: Crl; readonly reason: string } | null
}

interface ScoredCrl {
  readonly crl: Crl
  readonly signer: Certificate
  readonly coversAllReasons: boolean
  readonly isCurrent: boolean
  readonly isProcessed: boolean
  readonly score: number
}

/**
 * A CRL that is not supported is left out: it is an error if it matters.
 *
 * @param path Ends at a trust anchor, for which OpenSSL requires a CRL, too.
 */
export function crlRefusals(path: readonly PathCertificate[], crls: readonly Crl[], at: Date): CrlRefusal[] {
  const usable = crls
    .filter(({ damage }) => damage === null)
    .filter(({ unsupportedScope }) => unsupportedScope === null)
  return path.flatMap((place) => {
    const above = path.slice(place.index + 1)
    const signers = (above.length === 0 ? [place] : above).map(({ certificate }) => certificate)
    const refused = refusalOf(place.certificate, signers, usable, at)
    return refused === 'accepted' ? [] : [{ place, refused }]
  })
}

function refusalOf(
  certificate: Certificate,
  signers: readonly Certificate[],
  crls: readonly Crl[],
  at: Date,
): CrlRefusal['refused'] | 'accepted' {
  const candidates = crls.flatMap((crl) => scoreOf(crl, certificate, signers, at) ?? []).toSorted(byScoreAndDate)
  for (const candidate of candidates) {
    const { crl, signer } = candidate
    const reason = problemOf(candidate, certificate)
    if (reason === OTHER_KEY && !crls.some((each) => each.issuer.equals(crl.issuer) && each.isSignedBy(signer)))
      return null
    if (reason !== null) return { crl, reason }
    if (candidate.coversAllReasons) return 'accepted'
  }
  const last = candidates.at(-1)
  return last === undefined
    ? null
    : { crl: last.crl, reason: 'a distribution point of the certificate limits it to some reasons' }
}

/** The highest score first; of equal ones, the newest. */
function byScoreAndDate(a: ScoredCrl, b: ScoredCrl): number {
  if (a.score !== b.score) return b.score - a.score
  return b.crl.thisUpdate.getTime() - a.crl.thisUpdate.getTime()
}

const OTHER_KEY = 'another key signed it'

function problemOf({ crl, signer, isCurrent, isProcessed }: ScoredCrl, certificate: Certificate): string | null {
  if (signer.extensions.keyUsage?.has('cRLSign') === false) return 'the key usage of its CA lacks cRLSign'
  if (!isCurrent) return 'it is not current'
  if (!crl.isSignedBy(signer)) return OTHER_KEY
  // Since OpenSSL 3.1; the 3.0 of Node 20 does not compare them (X509_CRL_verify).
  if (!crl.signatureAlgorithmsAgree) return 'its two signature algorithms differ'
  if (!isProcessed) return 'it has a critical extension that is not processed'
  const entry = crl.find(certificate)
  return entry === null || entry.reason === 'removeFromCRL' ? null : 'it revokes the certificate'
}

/** get_crl_score: null for a CRL that OpenSSL does not consider, or only to refuse it as out of scope. */
function scoreOf(crl: Crl, certificate: Certificate, signers: readonly Certificate[], at: Date): ScoredCrl | null {
  const { distributionPoint, thisUpdate, nextUpdate } = crl
  if (!crl.issuer.equals(certificate.issuer)) return null
  const position = signers.findIndex(
    (signer, i) => (i === 0 || signer.subject.equals(crl.issuer)) && otherAuthority(crl, signer) === null,
  )
  const signer = signers[position]
  if (signer === undefined) return null
  const point = firstPoint(crl, certificate)
  if (point === undefined && distributionPoint !== null) return null
  const isCurrent = thisUpdate <= at && (nextUpdate === null || at < nextUpdate)
  const isProcessed = crl.blockingExtensions.length === 0 && crl.entries.unknownCritical.length === 0
  const score = (isProcessed ? 0x100 : 0) + (isCurrent ? 0x40 : 0) + (position === 0 ? 0x10 : 0)
  return {
    crl,
    signer,
    coversAllReasons: point === undefined || coversAllReasons(point),
    isCurrent,
    isProcessed,
    score,
  }
}

/** crl_crldp_check: the first distribution point that matches decides on the reasons, even for a CRL without one. */
function firstPoint(crl: Crl, { extensions }: Certificate): DistributionPoint | undefined {
  const own = crl.distributionPoint
  const names = own === null ? null : new Set(pointKeys(own, crl.issuer))
  return extensions.crlDistributionPoints?.find(
    (point) =>
      (point.crlIssuer === null || namesIssuer(point, crl)) &&
      (names === null || point.name === null || pointKeys(point.name, crl.issuer).some((key) => names.has(key))),
  )
}
