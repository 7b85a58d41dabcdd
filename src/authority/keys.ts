/** Keys made and used through one Web Crypto implementation; none ever goes from one implementation to another. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readPublicKeyInfo } from '../x509/algorithms.js'
import { publicKeyBits } from '../x509/certificate-writer.js'
import { bytesEqual, contextTag, DerReader, Tag } from '../x509/der.js'
import type { CryptoKeyHandle, WebCrypto } from '../x509/web-crypto.js'
import { type KeyAlgorithm, keyRow, type SigningScheme } from './algorithms.js'
import { issueRefused } from './refuse.js'

/** A new key pair: the implementation's own handles, and the private key as Node's. */
export interface NewKey {
  readonly handles: { publicKey: CryptoKeyHandle; privateKey: CryptoKeyHandle }
  readonly privateKey: KeyObject
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the implementation does not make such a key. */
export async function makeKey(crypto: WebCrypto, algorithm: KeyAlgorithm): Promise<NewKey> {
  try {
    const pair = await crypto.subtle.generateKey(keyRow(algorithm).parameters, true, ['sign', 'verify'])
    if (!isKeyPair(pair)) throw new TypeError('generateKey did not return a key pair')
    const [pkcs8, spki] = await Promise.all([
      crypto.subtle.exportKey('pkcs8', pair.privateKey),
      crypto.subtle.exportKey('spki', pair.publicKey),
    ])
    if (!(pkcs8 instanceof ArrayBuffer && spki instanceof ArrayBuffer))
      throw new TypeError('exportKey returned no bytes')
    const privateKey = toKeyObject(new Uint8Array(pkcs8), new Uint8Array(spki))
    return { handles: pair, privateKey, spki: new Uint8Array(spki) }
  } catch (cause) {
    throw issueRefused(`The crypto in use cannot make a key of kind ${algorithm}`, { cause })
  }
}

function isKeyPair(value: unknown): value is { publicKey: CryptoKeyHandle; privateKey: CryptoKeyHandle } {
  if (typeof value !== 'object' || value === null || !('publicKey' in value && 'privateKey' in value)) return false
  return typeof value.publicKey === 'object' && typeof value.privateKey === 'object'
}

/**
 * The same key as Node's. An elliptic curve key goes through JWK: OpenSSL 3 tries its way through every kind of key when it
 * is given PKCS#8, which takes eight times as long and was a quarter of the time that issuing took.
 */
function toKeyObject(pkcs8: Uint8Array<ArrayBuffer>, spki: Uint8Array): KeyObject {
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

/** Number and point of an elliptic curve key in PKCS#8 (RFC 5915 inside RFC 5958); null where the point is left out. */
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

/** Signs certificates: what an authority needs of its own key. */
export interface Signer {
  /** AlgorithmIdentifier in DER. */
  readonly algorithm: Uint8Array
  /**
   * The signature in the form that X.509 wants.
   *
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
   */
  sign(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array>
}

/** A signer over a key that the implementation made or imported. */
export function createSigner(crypto: WebCrypto, privateKey: CryptoKeyHandle, scheme: SigningScheme): Signer {
  return {
    algorithm: scheme.identifier,
    sign: async (data) => {
      try {
        return scheme.encode(new Uint8Array(await crypto.subtle.sign(scheme.signature, privateKey, data)))
      } catch (cause) {
        throw issueRefused("The crypto in use does not sign with the authority's key", { cause })
      }
    },
  }
}

/**
 * Brings a key into an implementation.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where it does not take the key.
 */
export async function importSigner(crypto: WebCrypto, key: KeyObject, scheme: SigningScheme): Promise<Signer> {
  try {
    const pkcs8 = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }))
    const handle = await crypto.subtle.importKey('pkcs8', pkcs8, scheme.key, false, ['sign'])
    if (typeof handle !== 'object' || handle === null) throw new TypeError('importKey did not return a key')
    return createSigner(crypto, handle, scheme)
  } catch (cause) {
    throw issueRefused("The crypto in use does not take the authority's key", { cause })
  }
}

/**
 * A serial number of exactly 16 octets, positive and never zero; 126 of its bits are random. RFC 5280 section 4.1.2.2
 * allows up to 20 octets, and the CA/Browser Forum asks for 64 random bits.
 */
export function randomSerial(crypto: WebCrypto): Uint8Array {
  const octets = new Uint8Array(16)
  crypto.getRandomValues(octets)
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40
  return octets
}
