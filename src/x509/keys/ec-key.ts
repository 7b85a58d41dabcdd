/** Keys on the NIST curves, made by node:crypto and written here. */
import { createECDH } from 'node:crypto'
import { contextTag, Tag } from '../der.js'
import { bitString, element, octetString, oid, sequence } from '../der-writer.js'

const EC_PUBLIC_KEY = oid('1.2.840.10045.2.1')

/** The curves by their names in Web Crypto: OpenSSL's name, the bytes of a number, and the AlgorithmIdentifier. */
const CURVES = {
  'P-256': curve('prime256v1', 32, '1.2.840.10045.3.1.7'),
  'P-384': curve('secp384r1', 48, '1.3.132.0.34'),
  'P-521': curve('secp521r1', 66, '1.3.132.0.35'),
} as const

function curve(name: string, size: number, id: string): { name: string; size: number; algorithm: Uint8Array } {
  return { name, size, algorithm: sequence(EC_PUBLIC_KEY, oid(id)) }
}

/** A curve on which keys are made. */
export type Curve = keyof typeof CURVES

export function isCurve(name: unknown): name is Curve {
  return typeof name === 'string' && Object.hasOwn(CURVES, name)
}

/** Both halves of a key in DER. */
export interface KeyPairOctets {
  /** PKCS#8 (RFC 5958). */
  readonly pkcs8: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
}

/**
 * Makes a key. `generateKeyPair` would have OpenSSL encode both halves, which takes five times as long as making them; and
 * it must not be asked for a JWK: Node 20 then stands still forever where garbage is collected at that moment.
 */
export function makeEcKey(name: Curve): KeyPairOctets {
  const ecdh = createECDH(CURVES[name].name)
  const point = ecdh.generateKeys()
  return writeEcKey(name, ecdh.getPrivateKey(), point)
}

/**
 * Writes a key as OpenSSL does.
 *
 * @param number The private number, of which leading zeros may be left out.
 * @param point The public point, uncompressed (RFC 5480 section 2.2).
 */
export function writeEcKey(name: Curve, number: Uint8Array, point: Uint8Array): KeyPairOctets {
  const { size, algorithm } = CURVES[name]
  // Of the length of the order, zeros in front (RFC 5915 section 3).
  const padded = new Uint8Array(size)
  padded.set(number, size - number.length)
  const publicPoint = bitString(point)
  const ecPrivateKey = sequence(VERSION_1, octetString(padded), element(contextTag(1, 'constructed'), publicPoint))
  return {
    pkcs8: sequence(VERSION_0, algorithm, octetString(ecPrivateKey)),
    spki: sequence(algorithm, publicPoint),
  }
}

const VERSION_0 = element(Tag.integer, Buffer.from([0]))
const VERSION_1 = element(Tag.integer, Buffer.from([1]))
