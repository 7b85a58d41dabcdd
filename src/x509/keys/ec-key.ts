/** Makes, writes and reads keys on the NIST curves. */
import { createECDH, createPrivateKey, type KeyObject } from 'node:crypto'
import { readPublicKeyInfo } from '../algorithms.js'
import { bytesEqual, contextTag, DerReader, element, Tag } from '../der.js'
import { bitString, octetString, sequence } from '../der-writer.js'
import { type Curve, CURVES, publicKeyBits } from './public-key.js'

export function isCurve(name: unknown): name is Curve {
  return typeof name === 'string' && Object.hasOwn(CURVES, name)
}

export interface KeyPairBytes {
  /** PKCS#8 (RFC 5958). */
  readonly pkcs8: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
}

/**
 * Makes a key. It does not use `generateKeyPair`, in which OpenSSL encodes the key, which takes five times as long, and with
 * which Node 20 can hang if the key is exported as a JWK during garbage collection.
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
  // Padded to the length of the order (RFC 5915 section 3).
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
 * Reads a private key in PKCS#8. An elliptic curve key is imported as JWK, because OpenSSL 3 tries all key types on PKCS#8,
 * which takes eight times as long.
 */
export function readPkcs8(pkcs8: Uint8Array, spki: Uint8Array): KeyObject {
  const { algorithm, curve } = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const point = publicKeyBits(spki)
  const secret = algorithm === 'ECDSA' ? readEcPrivateKey(pkcs8) : null
  // Without a matching public key in PKCS#8, OpenSSL computes it, and the check of the issued certificate compares both.
  if (curve === null || secret === null || !bytesEqual(secret.point, point)) {
    return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  }
  return importEcKey(curve, secret.number, point)
}

/**
 * {@link readPkcs8} for a key whose public half is not known before; null for other bytes than OpenSSL and Go write for a
 * key on P-256. On larger curves it would not be faster, because OpenSSL multiplies the point by the order of the curve.
 *
 * @throws {DerError}
 */
export function readUsualPkcs8(pkcs8: Uint8Array, curve: string | null): { key: KeyObject; spki: Uint8Array } | null {
  if (curve !== 'P-256') return null
  const { size } = CURVES[curve]
  const secret = readEcPrivateKey(pkcs8)
  if (secret?.number.length !== size || secret.point.length !== 1 + 2 * size || secret.point[0] !== 4) return null
  const written = writeEcKey(curve, secret.number, secret.point)
  const isUsual = bytesEqual(written.pkcs8, pkcs8)
  written.pkcs8.fill(0)
  return isUsual ? { key: importEcKey(curve, secret.number, secret.point), spki: written.spki } : null
}

/** @param point Uncompressed. */
function importEcKey(curve: string, number: Uint8Array, point: Uint8Array): KeyObject {
  const half = (point.length - 1) / 2
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  const [d, x, y] = [text(number), text(point.subarray(1, 1 + half)), text(point.subarray(1 + half))]
  return createPrivateKey({ key: { kty: 'EC', crv: curve, d, x, y }, format: 'jwk' })
}

/** Private number and public point of a key in PKCS#8 (RFC 5915 inside RFC 5958); null if the point is absent. */
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
