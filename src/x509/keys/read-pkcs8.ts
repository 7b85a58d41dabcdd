/** Private keys in PKCS#8 whose public half is known, by the quickest way into node:crypto. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readPublicKeyInfo } from '../algorithms.js'
import { bytesEqual, contextTag, DerReader, Tag } from '../der.js'
import { publicKeyBits } from './public-key.js'

/**
 * The key of a pair. An elliptic curve key goes through JWK: OpenSSL 3 tries its way through every kind of key when it
 * is given PKCS#8, which takes eight times as long and was a quarter of the time that issuing took.
 */
export function readPkcs8(pkcs8: Uint8Array, spki: Uint8Array): KeyObject {
  const { algorithm, curve } = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const point = publicKeyBits(spki)
  const secret = algorithm === 'ECDSA' ? readEcPrivateKey(pkcs8) : null
  // Where the private key does not name this public half, OpenSSL finds out which it has, and the check of what was issued
  // sees whether they fit.
  if (curve === null || secret === null || !bytesEqual(secret.point, point)) {
    return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  }
  const half = (point.length - 1) / 2
  const [x, y] = [point.subarray(1, 1 + half), point.subarray(1 + half)]
  const jwk = { kty: 'EC', crv: curve, d: base64url(secret.number), x: base64url(x), y: base64url(y) }
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

/** Number and point of an elliptic curve key in PKCS#8 (RFC 5915 inside RFC 5958); null if the point is left out. */
function readEcPrivateKey(pkcs8: Uint8Array): { number: Uint8Array; point: Uint8Array } | null {
  const outer = new DerReader(pkcs8).enter(Tag.sequence, 'the private key')
  outer.smallInteger('the version')
  outer.expect(Tag.sequence, 'the algorithm of the key')
  const inner = new DerReader(outer.octetString('the private key')).enter(Tag.sequence, 'the private key')
  inner.smallInteger('the version')
  const number = inner.octetString('the private number')
  inner.optional(contextTag(0, 'constructed'))
  const point = inner.enterOptional(contextTag(1, 'constructed'))?.bitString('the public point').octets
  return point === undefined ? null : { number, point }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}
