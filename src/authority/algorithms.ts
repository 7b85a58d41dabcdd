/** The kinds of keys, and how a CA signs with each. */
import { NULL, oid, sequence } from '../x509/der-writer.js'
import type { PublicKeyInfo } from '../x509/algorithms.js'
import type { KeyUsage } from '../x509/extensions.js'
import type { KeyParameters, SignatureParameters } from '../x509/peculiar.js'
import { RSA_BITS } from './limits.js'

export interface SigningScheme {
  readonly identifier: Uint8Array
  /** The digest by node:crypto's name; null if the key signs the message itself (RFC 8410). */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null
  /** An ECDSA signature is two numbers, in DER or concatenated. */
  readonly isEcdsa: boolean
  readonly key: KeyParameters
  readonly signature: SignatureParameters
}

function scheme(
  [id, ...parameters]: [string, ...Uint8Array[]],
  digest: SigningScheme['digest'],
  key: KeyParameters,
): SigningScheme {
  const isEcdsa = key.name === 'ECDSA'
  const signature = isEcdsa ? { name: key.name, hash: (digest ?? '').replace('sha', 'SHA-') } : { name: key.name }
  return { identifier: sequence(oid(id), ...parameters), digest, isEcdsa, key, signature }
}

// The digest follows the strength of the curve (RFC 5480 section 4).
const P256 = scheme(['1.2.840.10045.4.3.2'], 'sha256', { name: 'ECDSA', namedCurve: 'P-256' })
const P384 = scheme(['1.2.840.10045.4.3.3'], 'sha384', { name: 'ECDSA', namedCurve: 'P-384' })
const P521 = scheme(['1.2.840.10045.4.3.4'], 'sha512', { name: 'ECDSA', namedCurve: 'P-521' })
const RSA_SHA256 = scheme(['1.2.840.113549.1.1.11', NULL], 'sha256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' })
const ED25519 = scheme(['1.3.101.112'], null, { name: 'Ed25519' })

interface KeyRow {
  readonly scheme: SigningScheme
  readonly modulusLength?: number
}

const KEYS = {
  'ecdsa-p256': { scheme: P256 },
  'ecdsa-p384': { scheme: P384 },
  'ecdsa-p521': { scheme: P521 },
  ed25519: { scheme: ED25519 },
  'rsa-2048': { scheme: RSA_SHA256, modulusLength: 2048 },
  'rsa-3072': { scheme: RSA_SHA256, modulusLength: 3072 },
  'rsa-4096': { scheme: RSA_SHA256, modulusLength: 4096 },
} as const satisfies Record<string, KeyRow>

/**
 * A kind of key: `'ecdsa-p256'` (the default everywhere), `'ecdsa-p384'`, `'ecdsa-p521'`, `'ed25519'`, `'rsa-2048'`,
 * `'rsa-3072'` or `'rsa-4096'`. An RSA key takes from a tenth of a second (2048) to several seconds (4096) to make.
 *
 * Go, and so etcd and etcdctl, and Node support all of them. Browsers, Java before 15 and hardware modules of FIPS 186-4
 * refuse Ed25519: choose it only for etcd and its clients.
 */
export type KeyAlgorithm = keyof typeof KEYS

export const KEY_ALGORITHMS = Object.keys(KEYS)

export function isKeyAlgorithm(value: unknown): value is KeyAlgorithm {
  return typeof value === 'string' && Object.hasOwn(KEYS, value)
}

export function keyRow(algorithm: KeyAlgorithm): KeyRow {
  return KEYS[algorithm]
}

/**
 * keyUsage of an end-entity certificate. RSA key transport in TLS 1.2 needs keyEncipherment (RFC 5246 section 7.4.2).
 */
export function keyUsageFor({ algorithm }: PublicKeyInfo): readonly KeyUsage[] {
  return algorithm === 'RSA' ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature']
}

const ECDSA_SCHEMES: Readonly<Record<string, SigningScheme>> = { 'P-256': P256, 'P-384': P384, 'P-521': P521 }

/** The keys of {@link signingScheme}, for errors. */
export const SIGNING_KEYS = 'ECDSA P-256, P-384 and P-521, Ed25519, and RSA of 2048 to 8192 bits'

/** How the existing key of a CA signs; null for a key that an authority does not sign with. */
export function signingScheme(key: PublicKeyInfo): SigningScheme | null {
  if (key.algorithm === 'ECDSA') return ECDSA_SCHEMES[key.curve ?? ''] ?? null
  if (key.algorithm === 'Ed25519') return ED25519
  if (key.algorithm !== 'RSA' || key.modulusBits === null) return null
  return key.modulusBits >= RSA_BITS.least && key.modulusBits <= RSA_BITS.most ? RSA_SHA256 : null
}
