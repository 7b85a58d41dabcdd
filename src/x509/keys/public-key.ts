/**
 * Public keys by the quickest way into node:crypto. OpenSSL 3 takes longer to decode a SubjectPublicKeyInfo, by trying its
 * decoders in turn, than to verify a signature with the key; the usual kinds of keys have ways in that are told what to
 * expect. OpenSSL reads the same bytes on each way, and refuses the same.
 */
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { crypto } from '../crypto.js'
import { DerReader, hex, Tag } from '../der.js'

/** The AlgorithmIdentifiers of the usual kinds, whole and in DER; with other parameters a key is none of these. */
const KINDS: Readonly<Record<string, 'RSA' | 'Ed25519' | 'P-256' | 'P-384' | 'P-521'>> = {
  '300D06092A864886F70D0101010500': 'RSA',
  '300506032B6570': 'Ed25519',
  '301306072A8648CE3D020106082A8648CE3D030107': 'P-256',
  '301006072A8648CE3D020106052B81040022': 'P-384',
  '301006072A8648CE3D020106052B81040023': 'P-521',
}

/** The curves as `ECDH` knows them, and the bytes of a coordinate. */
const CURVES = {
  'P-256': { name: 'prime256v1', size: 32 },
  'P-384': { name: 'secp384r1', size: 48 },
  'P-521': { name: 'secp521r1', size: 66 },
} as const

/**
 * Makes the key of a SubjectPublicKeyInfo.
 *
 * @throws {Error} of `node:crypto` where OpenSSL does not read the key.
 */
export function readPublicKey(spki: Uint8Array): KeyObject {
  const { createPublicKey } = crypto()
  const { kind, octets } = takeApart(spki)
  switch (kind) {
    case 'RSA':
      return createPublicKey({ key: octets, format: 'der', type: 'pkcs1' })
    case 'Ed25519':
      return createPublicKey({ key: { kty: 'OKP', crv: kind, x: octets.toString('base64url') }, format: 'jwk' })
    case 'P-256':
      // Of the larger curves a JWK is slow: OpenSSL multiplies the point by the curve's order to check it.
      if (isUncompressed(octets, CURVES[kind].size)) return createPublicKey({ key: jwkOf(octets), format: 'jwk' })
      break
    default:
      break
  }
  // A copy: node:crypto would keep the whole certificate's buffer alive otherwise, and wants a Buffer.
  return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
}

/** Whether OpenSSL reads the key; of an elliptic curve that costs a fraction of making it. */
export function isReadablePublicKey(spki: Uint8Array): boolean {
  const { kind, octets } = takeApart(spki)
  try {
    if ((kind === 'P-256' || kind === 'P-384' || kind === 'P-521') && isUncompressed(octets, CURVES[kind].size)) {
      crypto().ECDH.convertKey(octets, CURVES[kind].name) // throws if the point is not on the curve
    } else {
      readPublicKey(spki)
    }
    return true
  } catch {
    return false // which key it is, and why it is refused, is for the caller to tell
  }
}

/** The bytes of the key itself inside a SubjectPublicKeyInfo: of an elliptic curve key, its point. */
export function publicKeyBits(spki: Uint8Array): Uint8Array {
  const fields = new DerReader(spki).enter(Tag.sequence, 'the public key')
  fields.expect(Tag.sequence, 'the public key algorithm')
  return fields.bitString('the public key').octets
}

/**
 * Whether the key is of a usual kind and written in the one way that everybody reads. Go refuses an RSA key without the
 * NULL behind its OBJECT IDENTIFIER, which OpenSSL reads, and an Ed25519 key with one (crypto/x509 parsePublicKey).
 */
export function isUsualPublicKey(spki: Uint8Array): boolean {
  const fields = new DerReader(spki).enter(Tag.sequence, 'the public key')
  const algorithm = fields.whole(fields.expect(Tag.sequence, 'the public key algorithm'))
  return Object.hasOwn(KINDS, hex(algorithm)) && fields.bitString('the public key').unusedBits === 0
}

function takeApart(spki: Uint8Array): { kind: (typeof KINDS)[string] | undefined; octets: Buffer } {
  const fields = new DerReader(spki).enter(Tag.sequence, 'the public key')
  const algorithm = fields.whole(fields.expect(Tag.sequence, 'the public key algorithm'))
  const { octets } = fields.bitString('the public key')
  return { kind: KINDS[hex(algorithm)], octets: Buffer.from(octets) }
}

function isUncompressed(point: Uint8Array, size: number): boolean {
  return point[0] === 4 && point.length === 1 + 2 * size
}

function jwkOf(point: Buffer): JsonWebKey {
  const [x, y] = [point.subarray(1, 33), point.subarray(33)]
  return { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') }
}
