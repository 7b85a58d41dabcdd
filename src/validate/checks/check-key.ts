/** Strength and kind of one certificate's public key and signature algorithm. */
import { publicKeyText } from '../../x509/algorithms.js'
import type { Usage } from '../context.js'
import { FindingCollector, type PathCertificate } from '../path-certificate.js'

const MIN_RSA_BITS = 2048
/** Go refuses to verify with a larger modulus (crypto/tls checkKeySize). */
const MAX_RSA_BITS = 8192
const RSA_BITS_BEYOND_2030 = 3072
const END_OF_SMALL_RSA = Date.UTC(2031, 0, 1)
const CURVES: ReadonlySet<string | null> = new Set(['P-256', 'P-384', 'P-521'])
const WEAK_CURVES: ReadonlySet<string | null> = new Set(['P-192'])
/** Salt lengths that Go verifies (crypto/x509 getSignatureAlgorithmFromAI). */
const DIGEST_BYTES: Readonly<Record<string, number>> = { sha256: 32, sha384: 48, sha512: 64 }
export const WEAK_DIGESTS: ReadonlySet<string | null> = new Set(['md5', 'sha1'])

export function checkKey(place: PathCertificate, notes: FindingCollector): void {
  const own = new FindingCollector()
  checkKind(place, own)
  // What passed the tables must be a key for OpenSSL too: a point that is not on its curve shows only there.
  if (!own.hasErrors) checkReadable(place, own)
  notes.addAll(own)
}

function checkKind(place: PathCertificate, notes: FindingCollector): void {
  const info = place.certificate.publicKeyInfo
  const algorithm = publicKeyText(info)
  switch (info.algorithm) {
    case 'RSA':
      checkRsa(place, notes, algorithm)
      break
    case 'ECDSA':
      if (WEAK_CURVES.has(info.curve)) notes.add(place, 'key/weak', { algorithm, wanted: 'ECDSA P-256' })
      else if (!CURVES.has(info.curve)) {
        const refusedBy =
          info.curve === 'explicit' ? 'Go and OpenSSL refuse (RFC 5480 section 2.1.1)' : 'Go or TLS 1.3 does not take'
        notes.add(place, 'key/unsupported', { kind: 'public key', algorithm, refusedBy })
      } else if (!info.uncompressed) {
        notes.add(place, 'key/unsupported', {
          kind: 'public key',
          algorithm,
          refusedBy: 'Go does not read: its point is compressed',
        })
      }
      break
    case 'Ed25519':
      break
    case 'DSA':
      notes.add(place, 'key/weak', { algorithm, wanted: 'ECDSA P-256' })
      break
    default:
      notes.add(place, 'key/unsupported', {
        kind: 'public key',
        algorithm,
        refusedBy: 'etcd does not take and OpenSSL silently does not send',
      })
  }
}

function checkRsa(place: PathCertificate, notes: FindingCollector, algorithm: string): void {
  const { publicKeyInfo, notAfter } = place.certificate
  const { modulusBits, exponent } = publicKeyInfo
  const bits = modulusBits ?? 0
  if (bits < MIN_RSA_BITS) {
    notes.add(place, 'key/weak', { algorithm, wanted: 'RSA 3072 or ECDSA P-256' })
  } else if (bits < RSA_BITS_BEYOND_2030 && notAfter.getTime() >= END_OF_SMALL_RSA) {
    notes.add(place, 'key/size-unusual', { kind: 'short after 2030', algorithm, notAfter })
  }
  if (bits > MAX_RSA_BITS) {
    notes.add(place, 'key/unsupported', {
      kind: 'public key',
      algorithm,
      refusedBy: `Go refuses beyond ${String(MAX_RSA_BITS)} bits`,
    })
  }
  if (bits % 8 !== 0) notes.add(place, 'key/size-unusual', { kind: 'no whole bytes', algorithm })
  // Go's rsa.checkPub: odd, at least 3 and below 2^31.
  if (exponent === null || exponent < 3 || exponent % 2 === 0) {
    notes.add(place, 'key/weak', { algorithm: `${algorithm} with a bad public exponent`, wanted: 'exponent 65537' })
  }
}

function checkReadable(place: PathCertificate, notes: FindingCollector): void {
  const { certificate } = place
  if (certificate.hasReadableKey && certificate.hasUsualKey) return
  const refusedBy = certificate.hasReadableKey ? 'Go does not read as it is written' : 'OpenSSL cannot read'
  const algorithm = publicKeyText(certificate.publicKeyInfo)
  notes.add(place, 'key/unsupported', { kind: 'public key', algorithm, refusedBy })
}

export function checkSignatureAlgorithm(
  place: PathCertificate,
  isTrusted: boolean,
  usage: Usage,
  notes: FindingCollector,
): void {
  const { certificate, role } = place
  const { signatureAlgorithm } = certificate
  const trustedAsIs = role === 'anchor'
  if (trustedAsIs) checkAnchorAlgorithm(place, notes)
  if ('unknown' in signatureAlgorithm) {
    const algorithm = signatureAlgorithm.unknown
    if (!trustedAsIs) notes.add(place, 'signature/algorithm-refused', { kind: 'unsupported', algorithm })
    return
  }
  const { name, digest, saltLength } = signatureAlgorithm.scheme
  if (!WEAK_DIGESTS.has(digest)) {
    const expected = digest === null ? undefined : DIGEST_BYTES[digest]
    if (!trustedAsIs && saltLength !== undefined && expected !== undefined && saltLength !== expected)
      notes.add(place, 'signature/algorithm-refused', {
        kind: 'salt length',
        algorithm: name,
        saltLength,
        expected,
        usage,
      })
    return
  }
  notes.add(place, 'signature/algorithm-refused', { kind: 'weak', algorithm: name, trusted: isTrusted })
}

// OpenSSL takes a certificate for self-signed only where its key could have made the signature (x509v3_cache_extensions).
function checkAnchorAlgorithm(place: PathCertificate, notes: FindingCollector): void {
  const { isSelfIssued, signatureAlgorithm, publicKeyInfo } = place.certificate
  const known = 'scheme' in signatureAlgorithm
  if (!isSelfIssued || (known && signatureAlgorithm.scheme.key === publicKeyInfo.algorithm)) return
  const algorithm = known ? signatureAlgorithm.scheme.name : signatureAlgorithm.unknown
  notes.add(place, 'signature/key-mismatch', { kind: 'root', algorithm, key: publicKeyText(publicKeyInfo) })
}
