/** Keys made and used through one Web Crypto implementation; none ever goes from one implementation to another. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
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
    const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
    return { handles: pair, privateKey, spki: new Uint8Array(spki) }
  } catch (cause) {
    throw issueRefused(`The crypto in use cannot make a key of kind ${algorithm}`, { cause })
  }
}

function isKeyPair(value: unknown): value is { publicKey: CryptoKeyHandle; privateKey: CryptoKeyHandle } {
  if (typeof value !== 'object' || value === null || !('publicKey' in value && 'privateKey' in value)) return false
  return typeof value.publicKey === 'object' && typeof value.privateKey === 'object'
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

/** 16 random octets that make a positive INTEGER of exactly 16 octets: 126 bits are random (RFC 5280 section 4.1.2.2 asks for at most 20 octets). */
export function randomSerial(crypto: WebCrypto): Uint8Array {
  const octets = new Uint8Array(16)
  crypto.getRandomValues(octets)
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40
  return octets
}
