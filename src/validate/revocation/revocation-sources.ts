/** Selects the CRLs that apply for one CA: the newest of each distribution point. */
import type { Crl } from '../../x509/crl/crl.js'
import { hex } from '../../x509/der.js'
import { ExtensionId } from '../../x509/extensions.js'
import { FindingCollector, type PathCertificate, type Rules } from '../context.js'
import { checkCrl, checkCrlTime, hasBegun } from './crl-rules.js'

/** A CRL from which the status of its signer's certificates is read. */
export interface StatusSource {
  readonly signer: PathCertificate
  readonly crl: Crl
  /** If there are any, a certificate that the CRL does not list has an unknown status. */
  readonly faults: FindingCollector
}

/** The sources of one signer, and the findings about CRLs that do not apply. */
export interface SortedCrls {
  readonly sources: readonly StatusSource[]
  readonly findings: FindingCollector
}

export function sortSigned(signer: PathCertificate, crls: readonly Crl[], rules: Rules): SortedCrls {
  const findings = new FindingCollector(rules)
  const groups = new Set(crls.map(pointOf))
  const current = [...groups].flatMap((point) =>
    newestOf(
      crls.filter((crl) => pointOf(crl) === point),
      findings,
    ),
  )
  return { sources: current.map((crl) => ({ signer, crl, faults: faultsOf(signer, crl, rules) })), findings }
}

/** The bytes of its distribution point, as a key, also if they cannot be read. */
function pointOf({ extensions }: Crl): string {
  return hex(extensions.all.find(({ oid }) => oid === ExtensionId.issuingDistributionPoint)?.value ?? new Uint8Array())
}

function faultsOf(signer: PathCertificate, crl: Crl, rules: Rules): FindingCollector {
  const faults = new FindingCollector(rules)
  const { keyUsage } = signer.certificate.extensions
  // RFC 5280 section 6.3.3 (f): without the keyUsage extension, the key may sign CRLs.
  if (keyUsage?.has('cRLSign') === false) faults.add(signer, 'revocation/crl-sign-missing', { origin: crl.origin })
  checkCrl(crl, signer, faults)
  checkCrlTime(crl, faults)
  return faults
}

/** The CRLs that no newer one replaces. A CRL of the future does not replace the current one yet. */
function newestOf(crls: readonly Crl[], findings: FindingCollector): Crl[] {
  const begun = crls.filter((crl) => hasBegun(crl, findings.rules))
  return crls.filter((crl) => {
    const newer = begun.find((each) => replaces(each, crl))
    if (newer === undefined) return true
    const reason = `the newer ${newer.origin} replaces it`
    findings.add(null, 'revocation/crl-unused', { origin: crl.origin, issuer: crl.issuer.toString(), reason })
    return false
  })
}

/**
 * Whether the first CRL is newer by number and by date. If these contradict each other, for example because a CA reset its counter,
 * neither replaces the other, and a certificate that either lists is revoked.
 */
export function replaces(newer: Crl, older: Crl): boolean {
  const later = newer.thisUpdate.getTime() - older.thisUpdate.getTime()
  if (newer.number === null || older.number === null) return later > 0
  return later >= 0 && newer.number >= older.number && (later > 0 || newer.number > older.number)
}
