/**
 * The CRL that OpenSSL, and so Node, chooses for each certificate of a path, and whether it accepts that CRL (crypto/x509/x509_vfy.c,
 * check_cert, get_crl_sk and check_crl, with X509_V_FLAG_CRL_CHECK_ALL and without X509_V_FLAG_EXTENDED_CRL_SUPPORT). OpenSSL
 * chooses by names, dates and key identifiers, verifies that one signature, and tries no other CRL.
 */
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { REVOCATION_REASONS, type RevocationReason } from '../../x509/crl/distribution-point.js'
import type { PathCertificate } from '../context.js'
import { coversKind, otherAuthority, reasonsOfFirstPoint } from './crl-rules.js'

export interface CrlRefusal {
  readonly place: PathCertificate
  /** The chosen CRL, with a clause on why OpenSSL refuses; null if it found no CRL. */
  readonly refused: { readonly crl: Crl; readonly reason: string } | null
}

/** A CRL that OpenSSL considers. */
interface ScoredCrl {
  readonly crl: Crl
  readonly signer: Certificate
  /** Null if the certificate is not in its scope. */
  readonly reasons: readonly RevocationReason[] | null
  readonly isCurrent: boolean
  readonly isProcessed: boolean
  readonly score: number
}

/** @param path Ends at a trust anchor, for which OpenSSL requires a CRL, too. */
export function crlRefusals(path: readonly PathCertificate[], crls: readonly Crl[], at: Date): CrlRefusal[] {
  const readable = crls.filter(({ damage }) => damage === null)
  const full = readable.filter(({ isDelta }) => !isDelta)
  return path.flatMap((place) => {
    const above = path.slice(place.index + 1)
    const signers = (above.length === 0 ? [place] : above).map(({ certificate }) => certificate)
    // Without extended CRL support, OpenSSL 3.0 (Node 20 and 22) treats a delta CRL as a full one; 3.5 ignores it.
    const withoutDeltas = refusalOf(place.certificate, signers, full, at)
    const refused = withoutDeltas === 'accepted' ? refusalOf(place.certificate, signers, readable, at) : withoutDeltas
    return refused === 'accepted' ? [] : [{ place, refused }]
  })
}

function refusalOf(
  certificate: Certificate,
  signers: readonly Certificate[],
  crls: readonly Crl[],
  at: Date,
): CrlRefusal['refused'] | 'accepted' {
  const candidates = crls.flatMap((crl) => scoreOf(crl, certificate, signers, at) ?? [])
  const covered = new Set<RevocationReason>()
  const addsReasons = ({ reasons }: ScoredCrl): boolean =>
    reasons === null || reasons.some((each) => !covered.has(each))
  let last: Crl | null = null
  while (covered.size < REVOCATION_REASONS.length) {
    const [best] = candidates.filter(addsReasons).toSorted(byScoreAndDate)
    if (best?.reasons === null || best === undefined)
      return last && { crl: last, reason: 'a distribution point of the certificate limits it to some reasons' }
    const { crl, signer, reasons } = best
    const reason = problemOf(best, certificate)
    if (reason === OTHER_KEY && !crls.some((each) => each.issuer.equals(crl.issuer) && each.isSignedBy(signer)))
      return null
    if (reason !== null) return { crl, reason }
    for (const each of reasons) covered.add(each)
    last = crl
  }
  return 'accepted'
}

/** The highest score first; of equal ones, the newest. */
function byScoreAndDate(a: ScoredCrl, b: ScoredCrl): number {
  if (a.score !== b.score) return b.score - a.score
  return b.crl.thisUpdate.getTime() - a.crl.thisUpdate.getTime()
}

const OTHER_KEY = 'another key signed it'

function problemOf({ crl, signer, isCurrent, isProcessed }: ScoredCrl, { serial }: Certificate): string | null {
  if (signer.extensions.keyUsage?.has('cRLSign') === false) return 'the key usage of its CA lacks cRLSign'
  if (!isCurrent) return 'it is not current'
  if (!crl.isSignedBy(signer)) return OTHER_KEY
  if (!isProcessed) return 'it has a critical extension that is not processed'
  const entry = crl.find(serial)
  return entry === null || entry.reason === 'removeFromCRL' ? null : 'it revokes the certificate'
}

/** get_crl_score: null for a CRL that OpenSSL does not consider. */
function scoreOf(crl: Crl, certificate: Certificate, signers: readonly Certificate[], at: Date): ScoredCrl | null {
  const { scope, thisUpdate, nextUpdate } = crl
  if (scope?.indirect === true || (scope?.onlySomeReasons ?? null) !== null) return null
  if (!crl.issuer.equals(certificate.issuer)) return null
  const position = signers.findIndex(
    (signer, i) => (i === 0 || signer.subject.equals(crl.issuer)) && otherAuthority(crl, signer) === null,
  )
  const signer = signers[position]
  if (signer === undefined) return null
  const reasons = coversKind(crl, certificate) ? reasonsOfFirstPoint(crl, certificate) : null
  const isCurrent = thisUpdate <= at && (nextUpdate === null || at < nextUpdate)
  const isProcessed = crl.blockingExtensions.length === 0 && crl.entries.unknownCritical.length === 0
  const score =
    (isProcessed ? 0x100 : 0) + (reasons !== null ? 0x80 : 0) + (isCurrent ? 0x40 : 0) + (position === 0 ? 0x10 : 0)
  return { crl, signer, reasons, isCurrent, isProcessed, score }
}
