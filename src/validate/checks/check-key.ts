/** The public key and the signature algorithm of one certificate. */
import { keyOfSignature, publicKeyText, signatureText } from '../../x509/algorithms.js'
import type { FindingCollector, PathCertificate } from '../context.js'

const MIN_RSA_BITS = 2048
/** Go refuses to verify with a larger modulus (crypto/tls checkKeySize). */
export const MAX_RSA_BITS = 8192
const RSA_BITS_BEYOND_2030 = 3072
const END_OF_SMALL_RSA = Date.UTC(2031, 0, 1)
const CURVES: ReadonlySet<string | null> = new Set(['P-256', 'P-384', 'P-521'])
/** Salt lengths that Go verifies (crypto/x509 getSignatureAlgorithmFromAI). */
const DIGEST_BYTES: Readonly<Record<string, number>> = { sha256: 32, sha384: 48, sha512: 64 }
export const WEAK_DIGESTS: ReadonlySet<string | null> = new Set(['md5', 'sha1'])

export function checkKey(place: PathCertificate, findings: FindingCollector): void {
  const { certificate } = place
  const { publicKeyInfo: info, notAfter } = certificate
  const algorithm = publicKeyText(info)
  const weak = (wanted: string, what = algorithm): void => {
    findings.add(place, 'key/weak', { algorithm: what, wanted })
  }
  const unsupported = (refusedBy: string): void => {
    findings.add(place, 'key/unsupported', { kind: 'public key', algorithm, refusedBy })
  }
  const errors = findings.errors.length
  if (info.algorithm === 'RSA') {
    const { exponent } = info
    const bits = info.modulusBits ?? 0
    if (bits < MIN_RSA_BITS) weak('RSA 3072 or ECDSA P-256')
    else if (bits < RSA_BITS_BEYOND_2030 && notAfter.getTime() >= END_OF_SMALL_RSA)
      findings.add(place, 'key/size-unusual', { kind: 'short after 2030', algorithm, notAfter })
    if (bits > MAX_RSA_BITS) unsupported(`Go refuses beyond ${String(MAX_RSA_BITS)} bits`)
    if (bits % 8 !== 0) findings.add(place, 'key/size-unusual', { kind: 'no whole bytes', algorithm })
    // Go's rsa.checkPub: odd, at least 3 and below 2^31.
    if (exponent === null || exponent < 3 || exponent % 2 === 0)
      weak('exponent 65537', `${algorithm} with a bad public exponent`)
  } else if (info.algorithm === 'DSA' || info.curve === 'P-192') weak('ECDSA P-256')
  else if (info.algorithm === 'ECDSA') {
    if (info.curve === 'explicit') unsupported('Go and OpenSSL refuse (RFC 5480 section 2.1.1)')
    else if (!CURVES.has(info.curve)) unsupported('Go or TLS 1.3 does not take')
    else if (!info.uncompressed) unsupported('Go does not read: its point is compressed')
  } else if (info.algorithm !== 'Ed25519') unsupported('no tested etcd supports')
  // Only OpenSSL detects a point that is not on its curve.
  if (findings.errors.length > errors) return
  if (!certificate.hasReadableKey) unsupported('OpenSSL cannot read')
  else if (!certificate.hasUsualKey) unsupported('Go does not read as it is written')
}

/** @param isTrusted Whether the certificate is an anchor, whose signature is not verified. */
export function checkSignatureAlgorithm(place: PathCertificate, isTrusted: boolean, findings: FindingCollector): void {
  const { certificate, role } = place
  const { isSelfIssued, signatureAlgorithm: signature, publicKeyInfo } = certificate
  const isAnchor = role === 'anchor'
  const algorithm = signatureText(signature)
  // OpenSSL treats a certificate as self-signed only if its key is of the signature's kind (x509v3_cache_extensions).
  const isOwnKind = keyOfSignature(signature) === publicKeyInfo.algorithm
  if (isAnchor && isSelfIssued && !isOwnKind)
    findings.add(place, 'signature/key-mismatch', { kind: 'root', algorithm, key: publicKeyText(publicKeyInfo) })
  if ('unknown' in signature) {
    if (!isAnchor) findings.add(place, 'signature/algorithm-refused', { kind: 'unsupported', algorithm })
    return
  }
  const { digest, saltLength } = signature.scheme
  const expected = DIGEST_BYTES[digest ?? '']
  if (WEAK_DIGESTS.has(digest))
    findings.add(place, 'signature/algorithm-refused', { kind: 'weak', algorithm, trusted: isTrusted })
  else if (!isAnchor && saltLength !== undefined && expected !== undefined && saltLength !== expected) {
    const details = { algorithm, saltLength, expected, usage: findings.rules.usage }
    findings.add(place, 'signature/algorithm-refused', { kind: 'salt length', ...details })
  }
}
