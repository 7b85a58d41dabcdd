/** Makes keys, and signs with them. A key is never passed from one Web Crypto implementation to another. */
import { createPublicKey, generateKeyPair, KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { isEtcdMtlsError } from '../report/errors.js'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import { publicKeyText, readPublicKeyInfo } from '../x509/algorithms.js'
import { sequence, unsignedInteger } from '../x509/der-writer.js'
import { DerReader, Tag } from '../x509/der.js'
import { type Curve, isCurve, makeEcKey } from '../x509/keys/ec-key.js'
import { PrivateKey } from '../x509/keys/keys.js'
import { readPkcs8 } from '../x509/keys/read-pkcs8.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { type KeyAlgorithm, keyRow, SIGNING_KEYS, signingScheme, type SigningScheme } from './algorithms.js'
import { issueRefused } from './refuse.js'
import { withTimeout } from './with-timeout.js'

/** A new key pair. */
interface NewKey {
  readonly privateKey: PrivateKey
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** Signs through the implementation that made the key. */
  readonly signer: SigningKey
}

/**
 * Makes a key. `origin` describes its purpose, for people.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the implementation cannot make such a key.
 */
export type KeyMaker = (algorithm: KeyAlgorithm, origin: string) => Promise<NewKey>

/** @param crypto The caller's implementation; null for @peculiar/webcrypto, which is loaded at the first use. */
export function keyMaker(crypto: WebCrypto | null): KeyMaker {
  let implementation = crypto
  return async (algorithm, origin) => {
    const { modulusLength, namedCurve } = keyRow(algorithm).parameters
    // As @peculiar/webcrypto does with node:crypto, but without its costs: it generates primes on the main thread, for
    // seconds, and encodes both halves of each key on a curve, which takes longer than all of issuing.
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
    const publicBytes = new Uint8Array(spki)
    const secret = new Uint8Array(pkcs8)
    // Another implementation may return halves that do not match: the public one is derived and compared.
    const privateKey = isDefault
      ? PrivateKey.ofPair(secret, publicBytes, origin)
      : PrivateKey.fromKeyObject(readPkcs8(secret, publicBytes), origin)
    // The default implementation signs with node:crypto as well, but converts the key to PEM for each signature.
    const signer = isDefault
      ? keyObjectSigner(privateKey, scheme)
      : webCryptoSigner(implementation, pair.privateKey, publicBytes, scheme)
    return { privateKey, spki: publicBytes, signer }
  } catch (cause) {
    throw issueRefused(`The crypto in use cannot make a key of kind ${algorithm}`, { cause })
  }
}

async function makeRsaKey(modulusLength: number, algorithm: KeyAlgorithm, origin: string): Promise<NewKey> {
  // As bytes: the process can hang if a key object of `generateKeyPair` is exported as JWK (Node 20, KeyGenJob).
  const { privateKey: pkcs8, publicKey: spki } = await promisify(generateKeyPair)('rsa', {
    modulusLength,
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
    publicKeyEncoding: { type: 'spki', format: 'der' },
  })
  const privateKey = PrivateKey.ofPair(pkcs8, spki, origin)
  return { privateKey, spki, signer: keyObjectSigner(privateKey, keyRow(algorithm).scheme) }
}

function makeCurveKey(curve: Curve, algorithm: KeyAlgorithm, origin: string): NewKey {
  const { pkcs8, spki } = makeEcKey(curve)
  const privateKey = PrivateKey.ofPair(pkcs8, spki, origin)
  return { privateKey, spki, signer: keyObjectSigner(privateKey, keyRow(algorithm).scheme) }
}

function isKeyPair(value: unknown): value is { publicKey: object; privateKey: object } {
  if (typeof value !== 'object' || value === null || !('publicKey' in value && 'privateKey' in value)) return false
  return typeof value.publicKey === 'object' && typeof value.privateKey === 'object'
}

/**
 * How an existing key of a CA signs: by node:crypto, or through the caller's implementation, which imports it.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if that does not import the key.
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

/**
 * The key of an authority that is elsewhere: in a hardware module, a key management service, another process. The private
 * key is never read.
 */
export interface Signer {
  /** The public half: a KeyObject, PEM (`PUBLIC KEY`), or SubjectPublicKeyInfo in DER. */
  readonly publicKey: KeyObject | string | Uint8Array
  /**
   * Signs the data, not a digest of it: ECDSA with SHA-256 (P-256), SHA-384 (P-384) or SHA-512 (P-521), RSA
   * PKCS #1 v1.5 with SHA-256, Ed25519. An ECDSA signature may be DER, as of OpenSSL, or two concatenated numbers, as of
   * PKCS #11 and Web Crypto. After one minute the call fails.
   */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** Milliseconds for a signature: a person may have to touch a token. */
const SIGNATURE_TIMEOUT = 60_000

/** How an authority signs. */
export interface SigningKey {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** AlgorithmIdentifier in DER. */
  readonly algorithm: Uint8Array
  readonly scheme: SigningScheme
  /**
   * Returns the signature in the form of X.509.
   *
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
   */
  sign(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array>
}

/** A key of this process. */
function keyObjectSigner(key: PrivateKey, scheme: SigningScheme): SigningKey {
  const { digest, identifier } = scheme
  return {
    spki: key.spki,
    algorithm: identifier,
    scheme,
    // The handle is made here: the keys of members and clients never sign, and making one takes time.
    sign: async (data) => Promise.resolve(sign(digest, data, key.toKeyObject())),
  }
}

/** A key that a Web Crypto implementation made or imported. */
function webCryptoSigner(crypto: WebCrypto, privateKey: object, spki: Uint8Array, scheme: SigningScheme): SigningKey {
  return {
    spki,
    algorithm: scheme.identifier,
    scheme,
    sign: async (data) => {
      try {
        const work = crypto.subtle.sign(scheme.signature, privateKey, data)
        const signature = new Uint8Array(await withTimeout(SIGNATURE_TIMEOUT, 'The crypto in use', work))
        return scheme.isEcdsa ? derOf(signature) : signature
      } catch (cause) {
        throw issueRefused("The crypto in use does not sign with the authority's key", { cause })
      }
    },
  }
}

/**
 * A key that is elsewhere. Each signature is verified before it is used: otherwise a wrong key or digest shows only when
 * a peer refuses.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if it is not a signer, `ERR_ISSUE_REFUSED` for a key that an authority does not sign with.
 */
export function foreignSigner(signer: Signer, option = 'signer'): SigningKey {
  const publicKey = readPublicHalf(signer, option)
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
  const info = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const scheme = signingScheme(info)
  if (scheme === null)
    throw issueRefused(`The signer holds a ${publicKeyText(info)} key; an authority signs with ${SIGNING_KEYS}`)
  const { digest, isEcdsa, identifier } = scheme
  const verifies = (data: Uint8Array, signature: Uint8Array): boolean => {
    try {
      return verify(digest, data, publicKey, signature)
    } catch {
      return false // OpenSSL does not read it as a signature of this kind
    }
  }
  return {
    spki,
    algorithm: identifier,
    scheme,
    sign: async (data) => {
      const given = await askSigner(signer, data)
      if (verifies(data, given)) return given
      const asDer = isEcdsa && given.length > 0 && given.length % 2 === 0 ? derOf(given) : null
      if (asDer !== null && verifies(data, asDer)) return asDer
      throw issueRefused(
        "The signer's signature does not verify with its public key: it may hold another key, or sign a digest of the " +
          `data or with another one than ${digest ?? 'none'}`,
      )
    },
  }
}

async function askSigner(signer: Signer, data: Uint8Array): Promise<Uint8Array> {
  let given: unknown
  try {
    // A copy: the signer may change its argument, or transfer it to a worker.
    given = await withTimeout(SIGNATURE_TIMEOUT, 'The signer', Promise.resolve(signer.sign(Uint8Array.from(data))))
  } catch (cause) {
    throw isEtcdMtlsError(cause, 'ERR_ISSUE_REFUSED') ? cause : issueRefused('The signer does not sign', { cause })
  }
  if (!(given instanceof Uint8Array)) throw issueRefused('The signer did not return its signature as bytes')
  return Uint8Array.from(given)
}

function readPublicHalf(signer: unknown, option: string): KeyObject {
  const isSigner =
    typeof signer === 'object' &&
    signer !== null &&
    'publicKey' in signer &&
    'sign' in signer &&
    typeof signer.sign === 'function'
  if (!isSigner) throw valueInvalid(option, signer, 'an object with a publicKey and a function sign')
  const { publicKey } = signer
  if (publicKey instanceof KeyObject) {
    if (publicKey.type !== 'public') throw optionInvalid(`${option}.publicKey`, 'must be a public key')
    return publicKey
  }
  try {
    if (typeof publicKey === 'string' && publicKey.includes('PUBLIC KEY-----')) return createPublicKey(publicKey)
    if (publicKey instanceof Uint8Array)
      return createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
  } catch {
    // The error below says what is accepted.
  }
  throw valueInvalid(
    `${option}.publicKey`,
    publicKey,
    'a public KeyObject, PEM (PUBLIC KEY), or SubjectPublicKeyInfo in DER',
  )
}

/** Concatenated r and s (IEEE P1363) as the two INTEGERs of X.509 (RFC 3279 section 2.2.3). */
function derOf(signature: Uint8Array): Buffer {
  const half = signature.length / 2
  return sequence(unsignedInteger(signature.subarray(0, half)), unsignedInteger(signature.subarray(half)))
}
