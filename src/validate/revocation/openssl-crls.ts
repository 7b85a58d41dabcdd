/**
 * Which CRL OpenSSL chooses for each certificate of a path, and so Node, and whether it accepts that one (crypto/x509/x509_vfy.c,
 * check_cert, get_crl_sk and check_crl, with X509_V_FLAG_CRL_CHECK_ALL and without X509_V_FLAG_EXTENDED_CRL_SUPPORT). It chooses
 * by names, dates and key identifiers, looks at one signature, and tries no other CRL.
 */
import type { Certificate } from '../../x509/certificate.js'
import type { Crl } from '../../x509/crl/crl.js'
import { REVOCATION_REASONS, type RevocationReason } from '../../x509/crl/distribution-point.js'
import type { PathCertificate } from '../path-certificate.js'
import { otherAuthority } from './revocation-faults.js'
import { coversKind, firstPointOf } from './revocation-scope.js'

/** A certificate that OpenSSL refuses because of CRLs. */
export interface CrlRefusal {
  readonly place: PathCertificate
  /** The CRL that it chose, and the end of a sentence about what it refuses of it; null if it found none. */
  readonly refused: { readonly crl: Crl; readonly reason: string } | null
}

interface Choice {
  readonly crl: Crl
  readonly signer: Certificate
  readonly reasons: readonly RevocationReason[]
  readonly isInScope: boolean
  readonly isCurrent: boolean
  readonly isProcessed: boolean
}

/** @param path Ends at a trust anchor, of which OpenSSL requires a CRL, too. */
export function crlRefusals(path: readonly PathCertificate[], crls: readonly Crl[], at: Date): CrlRefusal[] {
  const readable = crls.filter(({ damage }) => damage === null)
  return path.flatMap((place) => {
    const above = path.slice(place.index + 1)
    const signers = (above.length === 0 ? [place] : above).map(({ certificate }) => certificate)
    const refused = refusalOf(place.certificate, signers, readable, at)
    return refused === 'accepted' ? [] : [{ place, refused }]
  })
}

function refusalOf(
  certificate: Certificate,
  signers: readonly Certificate[],
  crls: readonly Crl[],
  at: Date,
): CrlRefusal['refused'] | 'accepted' {
  const known = new Set<RevocationReason>()
  let last: Crl | null = null
  while (known.size < REVOCATION_REASONS.length) {
    const choice = choose(certificate, signers, crls, known, at)
    if (choice === null || choice.reasons.every((each) => known.has(each)))
      return last && { crl: last, reason: 'a distribution point of the certificate limits it to some reasons' }
    const { crl, signer } = choice
    const reason = problemOf(choice, certificate)
    if (reason === OTHER_KEY && !crls.some((each) => each.issuer.equals(crl.issuer) && each.isSignedBy(signer)))
      return null
    if (reason !== null) return { crl, reason }
    for (const each of choice.reasons) known.add(each)
    last = crl
  }
  return 'accepted'
}

const OTHER_KEY = 'another key signed it'

function problemOf({ crl, signer, ...choice }: Choice, { serial }: Certificate): string | null {
  if (signer.extensions.keyUsage?.has('cRLSign') === false) return 'the key usage of its CA lacks cRLSign'
  if (!choice.isInScope) return 'it does not cover the certificate'
  if (!choice.isCurrent) return 'it is not current'
  if (!crl.isSignedBy(signer)) return OTHER_KEY
  if (!choice.isProcessed) return 'it has a critical extension that is not processed'
  const entry = crl.find(serial)
  return entry === null || entry.reason === 'removeFromCRL' ? null : 'it revokes the certificate'
}

/** The CRL of the highest score; of equal ones, the newest. */
function choose(
  certificate: Certificate,
  signers: readonly Certificate[],
  crls: readonly Crl[],
  known: ReadonlySet<RevocationReason>,
  at: Date,
): Choice | null {
  let best: (Choice & { score: number }) | null = null
  for (const crl of crls) {
    const candidate = score(crl, certificate, signers, known, at)
    if (candidate === null || (best !== null && candidate.score < best.score)) continue
    if (best === null || candidate.score > best.score || crl.thisUpdate > best.crl.thisUpdate) best = candidate
  }
  return best
}

/** get_crl_score: null for a CRL that OpenSSL does not consider. */
function score(
  crl: Crl,
  certificate: Certificate,
  signers: readonly Certificate[],
  known: ReadonlySet<RevocationReason>,
  at: Date,
): (Choice & { score: number }) | null {
  const { scope } = crl
  if (scope?.indirect === true || (scope?.onlySomeReasons ?? null) !== null || crl.isDelta) return null
  if (!crl.issuer.equals(certificate.issuer)) return null
  const position = signers.findIndex(
    (signer, i) => (i === 0 || signer.subject.equals(crl.issuer)) && otherAuthority(crl, signer) === null,
  )
  const signer = signers[position]
  if (signer === undefined) return null
  const point = coversKind(crl, certificate) ? firstPointOf(crl, certificate) : null
  const reasons = point?.reasons ?? []
  const isInScope = point !== null
  if (isInScope && reasons.every((each) => known.has(each))) return null
  const isCurrent = crl.thisUpdate <= at && (crl.nextUpdate === null || at < crl.nextUpdate)
  const isProcessed = crl.blockingExtensions.length === 0 && crl.entries.unknownCritical.length === 0
  const points = [
    [isProcessed, 0x100],
    [isInScope, 0x80],
    [isCurrent, 0x40],
    [position === 0, 0x10],
  ] as const
  const total = points.reduce((sum, [has, value]) => sum + (has ? value : 0), 1)
  return { crl, signer, reasons, isInScope, isCurrent, isProcessed, score: total }
}
