/** Keys that are made here, and how a CA's key signs. */
import { NULL, oid, sequence, unsignedInteger } from '../x509/der-writer.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'
import type { KeyUsage } from '../x509/extensions.js'
import type { KeyAlgorithmParameters, SignatureParameters } from '../x509/web-crypto.js'

/** How one kind of CA key signs certificates. */
export interface SigningScheme {
  /** For Web Crypto's `importKey`. */
  readonly key: KeyAlgorithmParameters
  /** For Web Crypto's `sign`. */
  readonly signature: SignatureParameters
  /** AlgorithmIdentifier in DER. */
  readonly identifier: Uint8Array
  /** Web Crypto's signature in the form that X.509 wants. */
  encode(signature: Uint8Array): Uint8Array
}

const RSA = 'RSASSA-PKCS1-v1_5'

// The digest follows the strength of the curve (RFC 5480 section 4).
const P256 = ecdsa('P-256', 'SHA-256', '1.2.840.10045.4.3.2')
const P384 = ecdsa('P-384', 'SHA-384', '1.2.840.10045.4.3.3')
const P521 = ecdsa('P-521', 'SHA-512', '1.2.840.10045.4.3.4')
const RSA_SHA256: SigningScheme = {
  key: { name: RSA, hash: 'SHA-256' },
  signature: { name: RSA },
  identifier: sequence(oid('1.2.840.113549.1.1.11'), NULL),
  encode: (signature) => signature,
}

function ecdsa(namedCurve: string, hash: string, identifier: string): SigningScheme {
  return {
    key: { name: 'ECDSA', namedCurve },
    signature: { name: 'ECDSA', hash },
    identifier: sequence(oid(identifier)),
    // Web Crypto gives r and s side by side (IEEE P1363); X.509 wants them as two INTEGERs (RFC 3279 section 2.2.3).
    encode: (signature) => {
      const half = signature.length / 2
      return sequence(unsignedInteger(signature.subarray(0, half)), unsignedInteger(signature.subarray(half)))
    },
  }
}

interface KeyRow {
  /** For Web Crypto's `generateKey`. */
  readonly parameters: KeyAlgorithmParameters
  /** How a CA with such a key signs. */
  readonly scheme: SigningScheme
  /** keyUsage of an end-entity certificate with such a key. */
  readonly keyUsage: readonly KeyUsage[]
}

const KEYS = {
  'ecdsa-p256': ecdsaKey(P256),
  'ecdsa-p384': ecdsaKey(P384),
  'rsa-2048': rsaKey(2048),
  'rsa-3072': rsaKey(3072),
  'rsa-4096': rsaKey(4096),
} as const satisfies Record<string, KeyRow>

function ecdsaKey(scheme: SigningScheme): KeyRow {
  return { parameters: scheme.key, scheme, keyUsage: ['digitalSignature'] }
}

function rsaKey(modulusLength: number): KeyRow {
  const publicExponent = new Uint8Array([1, 0, 1]) // 65537
  return {
    parameters: { ...RSA_SHA256.key, modulusLength, publicExponent },
    scheme: RSA_SHA256,
    // TLS 1.2 still knows key transport, which encrypts to the server's RSA key (RFC 5246 section 7.4.2).
    keyUsage: ['digitalSignature', 'keyEncipherment'],
  }
}

/**
 * A kind of key: `'ecdsa-p256'` (the default everywhere), `'ecdsa-p384'`, `'rsa-2048'`, `'rsa-3072'` or `'rsa-4096'`.
 * An RSA key takes from a tenth of a second (2048) to several seconds (4096) to make.
 */
export type KeyAlgorithm = keyof typeof KEYS

export const KEY_ALGORITHMS = Object.keys(KEYS)

export function isKeyAlgorithm(value: unknown): value is KeyAlgorithm {
  return typeof value === 'string' && Object.hasOwn(KEYS, value)
}

export function keyRow(algorithm: KeyAlgorithm): KeyRow {
  return KEYS[algorithm]
}

const ECDSA_SCHEMES: Readonly<Record<string, SigningScheme>> = { 'P-256': P256, 'P-384': P384, 'P-521': P521 }
/** Above, Go and so etcd verifies nothing (crypto/tls `maxRSAKeySize`); below, OpenSSL refuses at its usual security level. */
const RSA_BITS = { least: 2048, most: 8192 }

/** What {@link signingScheme} knows, for error texts. */
export const SIGNING_KEYS = 'ECDSA P-256, P-384 and P-521, and RSA of 2048 to 8192 bits'

/** How the key of a CA that was made elsewhere signs; null for a key that an authority does not sign with. */
export function signingScheme(key: PublicKeyInfo): SigningScheme | null {
  if (key.algorithm === 'ECDSA') return ECDSA_SCHEMES[key.curve ?? ''] ?? null
  if (key.algorithm !== 'RSA' || key.modulusBits === null) return null
  return key.modulusBits >= RSA_BITS.least && key.modulusBits <= RSA_BITS.most ? RSA_SHA256 : null
}
