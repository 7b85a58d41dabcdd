/** Makes keys, each through one Web Crypto implementation; none ever goes from one implementation to another. */
import { createPublicKey, generateKeyPair, KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { isEtcdMtlsError } from '../report/errors.js'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import { publicKeyText, readPublicKeyInfo } from '../x509/algorithms.js'
import { sequence, unsignedInteger } from '../x509/der-writer.js'
import { DerReader, Tag } from '../x509/der.js'
import { type Curve, isCurve, makeEcKey } from '../x509/ec-key.js'
import { PrivateKey } from '../x509/keys.js'
import { readPkcs8 } from '../x509/read-pkcs8.js'
import type { CryptoKeyHandle, WebCrypto } from '../x509/web-crypto.js'
import { type KeyAlgorithm, keyRow, SIGNING_KEYS, signingScheme, type SigningScheme } from './algorithms.js'
import { issueRefused } from './refuse.js'
import { withTimeout } from './with-timeout.js'

/** A new key pair. */
interface NewKey {
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

/**
 * The key of an authority that lives elsewhere: in a hardware module, a key management service, another process. This is
 * all that is asked of it; the private key is never seen here.
 */
export interface Signer {
  /** The public half: a KeyObject, PEM (`PUBLIC KEY`), or SubjectPublicKeyInfo in DER. */
  readonly publicKey: KeyObject | string | Uint8Array
  /**
   * Signs the octets themselves, not a digest of them: ECDSA with SHA-256 (P-256), SHA-384 (P-384) or SHA-512 (P-521), RSA
   * by PKCS #1 v1.5 with SHA-256, Ed25519 as it is. An ECDSA signature may come as DER, as OpenSSL gives it, or as two
   * numbers side by side, as PKCS #11 and Web Crypto do. It may take a minute; then nothing is issued.
   */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** Milliseconds that a key may take: a person may have to touch a token. */
const LONGEST_SIGNATURE = 60_000

/** Signs certificates: what an authority needs of its own key. */
export interface SigningKey {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array
  /** AlgorithmIdentifier in DER. */
  readonly algorithm: Uint8Array
  readonly scheme: SigningScheme
  /**
   * The signature in the form that X.509 wants.
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
    // Asked for its handle here and not before: the keys of members and clients never sign, and a handle takes its time.
    sign: async (data) => Promise.resolve(sign(digest, data, key.toKeyObject())),
  }
}

/** A key that a Web Crypto implementation made or imported. It signs with no other one. */
function webCryptoSigner(
  crypto: WebCrypto,
  privateKey: CryptoKeyHandle,
  spki: Uint8Array,
  scheme: SigningScheme,
): SigningKey {
  return {
    spki,
    algorithm: scheme.identifier,
    scheme,
    sign: async (data) => {
      try {
        const work = crypto.subtle.sign(scheme.signature, privateKey, data)
        const signature = new Uint8Array(await withTimeout(LONGEST_SIGNATURE, 'The crypto in use', work))
        return scheme.isEcdsa ? derOf(signature) : signature
      } catch (cause) {
        throw issueRefused("The crypto in use does not sign with the authority's key", { cause })
      }
    },
  }
}

/**
 * A key that is elsewhere. Each signature is verified before it is used: another key's, or another digest's, would only
 * show when a peer refuses.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what is no signer, `ERR_ISSUE_REFUSED` for a key that cannot sign here.
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
      return false // OpenSSL does not read it as a signature of this kind at all
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
    // A copy: what it does to its argument does not reach what was signed, and a worker can take it over.
    given = await withTimeout(LONGEST_SIGNATURE, 'The signer', Promise.resolve(signer.sign(Uint8Array.from(data))))
  } catch (cause) {
    throw isEtcdMtlsError(cause, 'ERR_ISSUE_REFUSED') ? cause : issueRefused('The signer does not sign', { cause })
  }
  if (!(given instanceof Uint8Array)) throw issueRefused('The signer gave no octets as its signature')
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
    // What it is instead is for the caller to know; the reason below says what was wanted.
  }
  throw valueInvalid(
    `${option}.publicKey`,
    publicKey,
    'a public KeyObject, PEM (PUBLIC KEY), or SubjectPublicKeyInfo in DER',
  )
}

/** r and s side by side (IEEE P1363) as the two INTEGERs that X.509 wants (RFC 3279 section 2.2.3). */
function derOf(signature: Uint8Array): Buffer {
  const half = signature.length / 2
  return sequence(unsignedInteger(signature.subarray(0, half)), unsignedInteger(signature.subarray(half)))
}
