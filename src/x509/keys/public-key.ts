/**
 * Imports public keys into node:crypto. For a SubjectPublicKeyInfo OpenSSL 3 tries all decoders, which takes longer than verifying
 * a signature. Formats that state the key type avoid that, and OpenSSL accepts and refuses the same keys in them.
 */
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { crypto } from '../node-crypto.js'
import { DerReader, hex, Tag } from '../der.js'

/** By the name in Web Crypto: OpenSSL's name, the size of a coordinate in bytes, the AlgorithmIdentifier in DER. */
export const CURVES = {
  'P-256': { name: 'prime256v1', size: 32, algorithm: '301306072A8648CE3D020106082A8648CE3D030107' },
  'P-384': { name: 'secp384r1', size: 48, algorithm: '301006072A8648CE3D020106052B81040022' },
  'P-521': { name: 'secp521r1', size: 66, algorithm: '301006072A8648CE3D020106052B81040023' },
} as const
export type Curve = keyof typeof CURVES

/** The usual key types by their AlgorithmIdentifier. */
const KINDS: Readonly<Record<string, 'RSA' | 'Ed25519' | Curve>> = {
  '300D06092A864886F70D0101010500': 'RSA',
  '300506032B6570': 'Ed25519',
  [CURVES['P-256'].algorithm]: 'P-256',
  [CURVES['P-384'].algorithm]: 'P-384',
  [CURVES['P-521'].algorithm]: 'P-521',
}

/**
 * Makes the key of a SubjectPublicKeyInfo.
 *
 * @throws {Error} of `node:crypto` if OpenSSL does not read the key.
 */
export function readPublicKey(spki: Uint8Array): KeyObject {
  const { createPublicKey } = crypto()
  const { kind, bytes } = parseSpki(spki)
  switch (kind) {
    case 'RSA':
      return createPublicKey({ key: bytes, format: 'der', type: 'pkcs1' })
    case 'Ed25519':
      return createPublicKey({ key: { kty: 'OKP', crv: kind, x: bytes.toString('base64url') }, format: 'jwk' })
    case 'P-256':
      // For larger curves a JWK is slow, because OpenSSL multiplies the point by the order of the curve.
      if (isUncompressed(bytes, CURVES[kind].size)) return createPublicKey({ key: jwkOf(bytes), format: 'jwk' })
      break
    default:
      break
  }
  // Copied, because node:crypto would keep the buffer of the whole certificate alive.
  return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
}

/** Whether OpenSSL reads the key. For an elliptic curve this is much faster than {@link readPublicKey}. */
export function isReadablePublicKey(spki: Uint8Array): boolean {
  const { kind, bytes } = parseSpki(spki)
  try {
    if ((kind === 'P-256' || kind === 'P-384' || kind === 'P-521') && isUncompressed(bytes, CURVES[kind].size)) {
      crypto().ECDH.convertKey(bytes, CURVES[kind].name) // throws if the point is not on the curve
    } else {
      readPublicKey(spki)
    }
    return true
  } catch {
    return false
  }
}

/** The bytes of the key inside a SubjectPublicKeyInfo: for an elliptic curve key, its point. */
export function publicKeyBits(spki: Uint8Array): Uint8Array {
  return parseSpki(spki).bytes
}

/**
 * Whether the key is of a usual type in its usual encoding. Go refuses an RSA key without NULL parameters, which OpenSSL
 * accepts, and an Ed25519 key with them (crypto/x509 parsePublicKey).
 */
export function isUsualPublicKey(spki: Uint8Array): boolean {
  const { kind, unusedBits } = parseSpki(spki)
  return kind !== undefined && unusedBits === 0
}

function parseSpki(spki: Uint8Array): { kind: (typeof KINDS)[string] | undefined; bytes: Buffer; unusedBits: number } {
  const fields = new DerReader(spki).enter(Tag.sequence, 'the public key')
  const algorithm = fields.whole(fields.expect(Tag.sequence, 'the public key algorithm'))
  const { bytes, unusedBits } = fields.bitString('the public key')
  return { kind: KINDS[hex(algorithm)], bytes: Buffer.from(bytes), unusedBits }
}

function isUncompressed(point: Uint8Array, size: number): boolean {
  return point[0] === 4 && point.length === 1 + 2 * size
}

function jwkOf(point: Buffer): JsonWebKey {
  const [x, y] = [point.subarray(1, 33), point.subarray(33)]
  return { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') }
}
