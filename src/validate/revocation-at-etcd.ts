/**
 * What etcd would make of the same lists. It takes one file, reads no more of it than serial numbers, and refuses every
 * certificate of such a number, whoever issued it (etcd client/pkg/transport/listener_tls.go, checkCRL).
 */
import type { Crl } from '../x509/crl.js'
import type { FindingCollector, PathCertificate } from './path-certificate.js'
import { speaksOfOthers } from './revocation-faults.js'

/** Warns of lists with which etcd would refuse what is valid: everything, or single certificates. */
export function warnOfEtcd(
  path: readonly PathCertificate[],
  lists: readonly Crl[],
  signers: ReadonlyMap<Crl, PathCertificate>,
  revoked: ReadonlySet<PathCertificate>,
  notes: FindingCollector,
): void {
  const asPem = lists.filter(({ form }) => form === 'pem').map(({ origin }) => origin)
  if (asPem.length > 0) notes.add(null, 'revocation/crl-pem', { origins: [...new Set(asPem)] })
  for (const place of path) {
    if (revoked.has(place)) continue
    const { serial, serialNumber } = place.certificate
    const naming = lists.filter((crl) => crl.entries.entriesOf(serial).length > 0)
    if (naming.length === 0) continue
    const told = naming.map((crl) => ({ origin: crl.origin, why: whyNotRevoked(place, crl, signers.get(crl)) }))
    notes.add(place, 'revocation/serial-listed', { serialNumber, lists: told })
  }
}

function whyNotRevoked(
  { certificate, role, index }: PathCertificate,
  crl: Crl,
  signer: PathCertificate | undefined,
): string {
  if (role === 'anchor') return 'a trust anchor is trusted whatever lists say'
  if (!crl.issuer.equals(certificate.issuer)) return 'the list is of another CA'
  if (signer === undefined || signer.index <= index) return 'the list is not signed by the key of its issuer'
  return speaksOfOthers(crl) ? 'the list may mean another certificate' : 'a newer list no longer names it'
}
