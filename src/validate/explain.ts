/** Why no issuer could be followed from the last certificate of a path. */
import { publicKeyText } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { hex } from '../x509/der.js'
import { type FindingCollector, MAX_SHOWN, type PathCertificate } from './context.js'
import { keyIdentifiers } from './link.js'
import type { IssuerIndex } from './path.js'

/** Explains the dead end at the last place of a path. */
export function explainDeadEnd(
  path: readonly PathCertificate[],
  given: readonly Certificate[],
  index: IssuerIndex,
  notes: FindingCollector,
): void {
  const last = path.at(-1)
  if (last === undefined) return
  const { certificate } = last
  const { anchors: trusted } = notes.rules
  if (trusted.length === 0) notes.add(null, 'chain/no-trust-anchors', {})
  // An unknown algorithm is the fault; nobody can say more about its issuer.
  if (trusted.length === 0 || 'unknown' in certificate.signatureAlgorithm) return
  const namesakes = [...index.issuersOf(certificate, 'all')]
    .map((candidate) => candidate.certificate)
    .filter((candidate) => !candidate.equals(certificate))
  // CAs that certify each other lead round and round; the key of the issuer made the signature all the same.
  const isCircle = path.some((place) => place !== last && namesakes.includes(place.certificate))
  const [issuer, anchors] = [certificate.issuer.toString(), subjectsOf(trusted)]
  if (isCircle) notes.add(last, 'chain/issuer-not-found', { kind: 'circle', issuer, anchors })
  else if (namesakes.length > 0) explainNamesakes(last, namesakes, notes)
  else if (certificate.isSelfIssued)
    notes.add(last, 'chain/root-not-trusted', { kind: last.index === 0 ? 'leaf' : 'root', anchors })
  else {
    const details = { issuer, anchors, intermediates: subjectsOf(given) }
    notes.add(last, 'chain/issuer-not-found', { kind: 'not given', ...details })
  }
}

/** Certificates of the issuer's name are there, but none of their keys made the signature. */
function explainNamesakes(last: PathCertificate, namesakes: readonly Certificate[], notes: FindingCollector): void {
  const { certificate } = last
  const { signatureAlgorithm } = certificate
  const issuer = certificate.issuer.toString()
  const pointedTo = namesakes.find((each) => keyIdentifiers(certificate, each).relation === 'same')
  if (pointedTo === undefined || 'unknown' in signatureAlgorithm) {
    const wanted = certificate.extensions.authorityKeyIdentifier?.keyIdentifier ?? null
    const found = namesakes.slice(0, MAX_SHOWN).map((each) => `SHA-256 ${each.fingerprint256}`)
    const wantedKeyIdentifier = wanted === null ? null : hex(wanted)
    notes.add(last, 'chain/issuer-key-differs', { issuer, found, wantedKeyIdentifier })
  } else if (pointedTo.publicKeyInfo.algorithm !== signatureAlgorithm.scheme.key) {
    const details = { algorithm: signatureAlgorithm.scheme.name, issuerKey: publicKeyText(pointedTo.publicKeyInfo) }
    notes.add(last, 'signature/key-mismatch', { kind: 'issued', ...details, issuer })
  } else {
    notes.add(last, 'signature/invalid', { issuer, issuerFingerprint256: pointedTo.fingerprint256 })
  }
}

/** Some of the names of certificates, to be shown. */
export function subjectsOf(certificates: readonly Certificate[]): string[] {
  return certificates.slice(0, MAX_SHOWN).map(({ subject }) => subject.toString())
}
