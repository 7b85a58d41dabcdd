/** One link of a path: what a certificate says about its issuer, against the issuer that was found. */
import { bytesEqual, hex } from '../x509/der.js'
import type { Usage } from './context.js'
import { keyIdentifiers, namesOtherAuthority } from './link.js'
import type { FindingCollector, PathCertificate } from './path-certificate.js'

export function checkLink(
  child: PathCertificate,
  issuer: PathCertificate,
  usage: Usage,
  notes: FindingCollector,
): void {
  checkKeyIdentifiers(child, issuer, notes)
  if (namesOtherAuthority(child.certificate, issuer.certificate)) {
    const { subject, serialNumber } = issuer.certificate
    const { issuer: names, serial } = child.certificate.extensions.authorityKeyIdentifier ?? {}
    notes.add(child, 'chain/authority-differs', {
      issuer: subject.toString(),
      found: serialNumber,
      wanted: serial === null || serial === undefined ? null : hex(serial),
      wantedIssuer: names?.find(({ kind }) => kind === 'dirName')?.value ?? null,
    })
  }
  // RFC 5280 section 7.1 compares names without regard to case, white space and kind of string; Go compares bytes.
  if (!bytesEqual(child.certificate.issuer.raw, issuer.certificate.subject.raw)) {
    const written = child.certificate.issuer.toString()
    const details = { written, issuer: issuer.certificate.subject.toString(), usage }
    notes.add(child, 'chain/issuer-name-respelled', details)
  }
}

function checkKeyIdentifiers(child: PathCertificate, issuer: PathCertificate, notes: FindingCollector): void {
  const { relation, wanted, found } = keyIdentifiers(child.certificate, issuer.certificate)
  if (relation !== 'different') return
  const details = { wanted: hex(wanted), found: hex(found), issuer: issuer.certificate.subject.toString() }
  notes.add(child, 'chain/key-identifier-differs', details)
}
