/** Makes keys, each through one Web Crypto implementation; none ever goes from one implementation to another. */
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { type Curve, isCurve, makeEcKey } from '../x509/ec-key.js'
import { PrivateKey } from '../x509/keys.js'
import { readPkcs8 } from '../x509/read-pkcs8.js'
import type { CryptoKeyHandle, WebCrypto } from '../x509/web-crypto.js'
import { type KeyAlgorithm, keyRow } from './algorithms.js'
import { issueRefused } from './refuse.js'
import { keyObjectSigner, type SigningKey, webCryptoSigner } from './signer.js'

/** A new key pair. */
export interface NewKey {
  readonly privateKey: PrivateKey
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** Signs with it: through the implementation that made it. */
  readonly signer: SigningKey
}

/**
 * Makes a key of a kind. `origin` is what the key is for, for people.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the implementation does not make such a key.
 */
export type KeyMaker = (algorithm: KeyAlgorithm, origin: string) => Promise<NewKey>

/** @param crypto The caller's implementation; null for @peculiar/webcrypto, of which one is made at the first use. */
export function keyMaker(crypto: WebCrypto | null): KeyMaker {
  let implementation = crypto
  return async (algorithm, origin) => {
    const { modulusLength, namedCurve } = keyRow(algorithm).parameters
    // What @peculiar/webcrypto has node:crypto do, without its detours: it looks for primes on the main thread, which stops
    // everything for seconds, and has both halves of each key on a curve encoded, which costs more than all of issuing.
    if (crypto === null && modulusLength !== undefined) return makeRsaKey(modulusLength, algorithm, origin)
    if (crypto === null && isCurve(namedCurve)) return makeCurveKey(namedCurve, algorithm, origin)
    implementation ??= (await import('../x509/engine.js')).createDefaultCrypto()
    return makeKey(implementation, crypto === null, algorithm, origin)
  }
}

async function makeKey(
  implementation: WebCrypto,
  isDefault: boolean,
  algorithm: KeyAlgorithm,
  origin: string,
): Promise<NewKey> {
  const { parameters, scheme } = keyRow(algorithm)
  try {
    const pair = await implementation.subtle.generateKey(parameters, true, ['sign', 'verify'])
    if (!isKeyPair(pair)) throw new TypeError('generateKey did not return a key pair')
    const [pkcs8, spki] = await Promise.all([
      implementation.subtle.exportKey('pkcs8', pair.privateKey),
      implementation.subtle.exportKey('spki', pair.publicKey),
    ])
    if (!(pkcs8 instanceof ArrayBuffer && spki instanceof ArrayBuffer))
      throw new TypeError('exportKey returned no bytes')
    const octets = new Uint8Array(spki)
    const secret = new Uint8Array(pkcs8)
    // Somebody else's implementation may give halves that do not fit; the public one is worked out then, and compared.
    const privateKey = isDefault
      ? PrivateKey.ofPair(secret, octets, origin)
      : PrivateKey.fromKeyObject(readPkcs8(secret, octets), origin)
    // The default one signs by the same call of node:crypto, after it has brought the key into PEM each time.
    const signer = isDefault
      ? keyObjectSigner(privateKey, scheme)
      : webCryptoSigner(implementation, pair.privateKey, octets, scheme)
    return { privateKey, spki: octets, signer }
  } catch (cause) {
    throw issueRefused(`The crypto in use cannot make a key of kind ${algorithm}`, { cause })
  }
}

async function makeRsaKey(modulusLength: number, algorithm: KeyAlgorithm, origin: string): Promise<NewKey> {
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength })
  const privateKey = PrivateKey.fromKeyObject(pair.privateKey, origin)
  return { privateKey, spki: privateKey.spki, signer: keyObjectSigner(privateKey, keyRow(algorithm).scheme) }
}

function makeCurveKey(curve: Curve, algorithm: KeyAlgorithm, origin: string): NewKey {
  const { pkcs8, spki } = makeEcKey(curve)
  const privateKey = PrivateKey.ofPair(pkcs8, spki, origin)
  return { privateKey, spki, signer: keyObjectSigner(privateKey, keyRow(algorithm).scheme) }
}

function isKeyPair(value: unknown): value is { publicKey: CryptoKeyHandle; privateKey: CryptoKeyHandle } {
  if (typeof value !== 'object' || value === null || !('publicKey' in value && 'privateKey' in value)) return false
  return typeof value.publicKey === 'object' && typeof value.privateKey === 'object'
}

/**
 * How an existing key of a CA signs: by node:crypto, or through the caller's implementation, which it is brought into.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where that does not take the key.
 */
export async function signerFor(
  crypto: WebCrypto | null,
  key: PrivateKey,
  scheme: SigningKey['scheme'],
): Promise<SigningKey> {
  if (crypto === null) return keyObjectSigner(key, scheme)
  try {
    const pkcs8 = new Uint8Array(key.toKeyObject().export({ format: 'der', type: 'pkcs8' }))
    const handle = await crypto.subtle.importKey('pkcs8', pkcs8, scheme.key, false, ['sign'])
    if (typeof handle !== 'object' || handle === null) throw new TypeError('importKey did not return a key')
    return webCryptoSigner(crypto, handle, key.spki, scheme)
  } catch (cause) {
    throw issueRefused("The crypto in use does not take the authority's key", { cause })
  }
}
