/**
 * Public keys for node:crypto. OpenSSL 3 tries its decoders in turn on a SubjectPublicKeyInfo, which takes longer than to verify
 * a signature; the formats that name the kind of key skip that. OpenSSL reads and refuses the same bytes in each format.
 */
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { crypto } from '../node-crypto.js'
import { DerReader, hex, Tag } from '../der.js'

/** The curves by their names in Web Crypto: OpenSSL's name, the bytes of a coordinate, the AlgorithmIdentifier in DER. */
export const CURVES = {
  'P-256': { name: 'prime256v1', size: 32, algorithm: '301306072A8648CE3D020106082A8648CE3D030107' },
  'P-384': { name: 'secp384r1', size: 48, algorithm: '301006072A8648CE3D020106052B81040022' },
  'P-521': { name: 'secp521r1', size: 66, algorithm: '301006072A8648CE3D020106052B81040023' },
} as const
export type Curve = keyof typeof CURVES

/** The AlgorithmIdentifiers of the usual kinds of keys. A key with other parameters is not one of these. */
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
  const { kind, bytes } = takeApart(spki)
  switch (kind) {
    case 'RSA':
      return createPublicKey({ key: bytes, format: 'der', type: 'pkcs1' })
    case 'Ed25519':
      return createPublicKey({ key: { kty: 'OKP', crv: kind, x: bytes.toString('base64url') }, format: 'jwk' })
    case 'P-256':
      // For larger curves a JWK is slow: OpenSSL multiplies the point by the curve's order to check it.
      if (isUncompressed(bytes, CURVES[kind].size)) return createPublicKey({ key: jwkOf(bytes), format: 'jwk' })
      break
    default:
      break
  }
  // A copy: node:crypto would keep the whole certificate's buffer alive otherwise.
  return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
}

/** Whether OpenSSL reads the key. For an elliptic curve that costs a fraction of making it. */
export function isReadablePublicKey(spki: Uint8Array): boolean {
  const { kind, bytes } = takeApart(spki)
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
  return takeApart(spki).bytes
}

/**
 * Whether the key is of a usual kind in its usual form. Go refuses an RSA key without the NULL after its OBJECT IDENTIFIER,
 * which OpenSSL reads, and an Ed25519 key with one (crypto/x509 parsePublicKey).
 */
export function isUsualPublicKey(spki: Uint8Array): boolean {
  const { kind, unusedBits } = takeApart(spki)
  return kind !== undefined && unusedBits === 0
}

function takeApart(spki: Uint8Array): { kind: (typeof KINDS)[string] | undefined; bytes: Buffer; unusedBits: number } {
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
