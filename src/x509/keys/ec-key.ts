/** Keys on the NIST curves: made by node:crypto and written here, and read from PKCS#8. */
import { createECDH, createPrivateKey, type KeyObject } from 'node:crypto'
import { readPublicKeyInfo } from '../algorithms.js'
import { bytesEqual, contextTag, DerReader, Tag } from '../der.js'
import { bitString, element, octetString, sequence } from '../der-writer.js'
import { type Curve, CURVES, publicKeyBits } from './public-key.js'

export function isCurve(name: unknown): name is Curve {
  return typeof name === 'string' && Object.hasOwn(CURVES, name)
}

/** Both halves of a key in DER. */
export interface KeyPairBytes {
  /** PKCS#8 (RFC 5958). */
  readonly pkcs8: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
}

/**
 * Makes a key. `generateKeyPair` would have OpenSSL encode both halves, which takes five times as long as making them, and
 * with Node 20 the process can hang if a JWK of its key is exported during garbage collection.
 */
export function makeEcKey(name: Curve): KeyPairBytes {
  const ecdh = createECDH(CURVES[name].name)
  const point = ecdh.generateKeys()
  return writeEcKey(name, ecdh.getPrivateKey(), point)
}

const VERSION_0 = element(Tag.integer, Buffer.from([0]))
const VERSION_1 = element(Tag.integer, Buffer.from([1]))

/**
 * Writes a key as OpenSSL does.
 *
 * @param number The private number; leading zeros may be absent.
 * @param point The public point, uncompressed (RFC 5480 section 2.2).
 */
export function writeEcKey(name: Curve, number: Uint8Array, point: Uint8Array): KeyPairBytes {
  const { size, algorithm: hex } = CURVES[name]
  const algorithm = Buffer.from(hex, 'hex')
  // As long as the order, with leading zeros (RFC 5915 section 3).
  const padded = new Uint8Array(size)
  padded.set(number, size - number.length)
  const publicPoint = bitString(point)
  const ecPrivateKey = sequence(VERSION_1, octetString(padded), element(contextTag(1, 'constructed'), publicPoint))
  return {
    pkcs8: sequence(VERSION_0, algorithm, octetString(ecPrivateKey)),
    spki: sequence(algorithm, publicPoint),
  }
}

/**
 * The private key of a pair in PKCS#8. A key on a curve is read as JWK: OpenSSL 3 tries all kinds of keys on PKCS#8, which
 * takes eight times as long.
 */
export function readPkcs8(pkcs8: Uint8Array, spki: Uint8Array): KeyObject {
  const { algorithm, curve } = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const point = publicKeyBits(spki)
  const secret = algorithm === 'ECDSA' ? readEcPrivateKey(pkcs8) : null
  // If the private key does not name this public half, OpenSSL computes it, and the check of what was issued compares them.
  if (curve === null || secret === null || !bytesEqual(secret.point, point)) {
    return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  }
  const half = (point.length - 1) / 2
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  const [d, x, y] = [text(secret.number), text(point.subarray(1, 1 + half)), text(point.subarray(1 + half))]
  return createPrivateKey({ key: { kty: 'EC', crv: curve, d, x, y }, format: 'jwk' })
}

/** Number and point of an elliptic curve key in PKCS#8 (RFC 5915 inside RFC 5958); null if the point is absent. */
function readEcPrivateKey(pkcs8: Uint8Array): { number: Uint8Array; point: Uint8Array } | null {
  const outer = new DerReader(pkcs8).enter(Tag.sequence, 'the private key')
  outer.smallInteger('the version')
  outer.expect(Tag.sequence, 'the algorithm of the key')
  const inner = new DerReader(outer.octetString('the private key')).enter(Tag.sequence, 'the private key')
  inner.smallInteger('the version')
  const number = inner.octetString('the private number')
  inner.optional(contextTag(0, 'constructed'))
  const point = inner.enterOptional(contextTag(1, 'constructed'))?.bitString('the public point').bytes
  return point === undefined ? null : { number, point }
}
