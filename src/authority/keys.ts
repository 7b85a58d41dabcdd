/** Creates keys, and signs with them. */
import { createPublicKey, generateKeyPair, KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { isEtcdMtlsError } from '../report/errors.js'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import { publicKeyText, readPublicKeyInfo } from '../x509/algorithms.js'
import { sequence, unsignedInteger } from '../x509/der-writer.js'
import { DerReader, Tag } from '../x509/der.js'
import { isCurve, makeEcKey } from '../x509/keys/ec-key.js'
import { PrivateKey } from '../x509/keys/keys.js'
import { type KeyAlgorithm, keyRow, SIGNING_KEYS, signingScheme, type SigningScheme } from './algorithms.js'
import { issueRefused, withTimeout } from './refuse.js'

interface NewKey {
  readonly privateKey: PrivateKey
  readonly spki: Uint8Array
  readonly signer: SigningKey
}

/** Creates a key. `origin` is its purpose, for messages. */
export async function makeKey(algorithm: KeyAlgorithm, origin: string): Promise<NewKey> {
  const { scheme, modulusLength } = keyRow(algorithm)
  const { namedCurve } = scheme.key
  const { pkcs8, spki } = isCurve(namedCurve) ? makeEcKey(namedCurve) : await generateKey(modulusLength)
  const privateKey = PrivateKey.ofPair(pkcs8, spki, origin)
  return { privateKey, spki, signer: keyObjectSigner(privateKey, scheme) }
}

/**
 * Creates an RSA key, or an Ed25519 key if `modulusLength` is not given. Exported as bytes: Node 20 can hang when a key object of
 * `generateKeyPair` is exported as JWK (KeyGenJob).
 */
async function generateKey(modulusLength: number | undefined): Promise<{ pkcs8: Uint8Array; spki: Uint8Array }> {
  const privateKeyEncoding = { type: 'pkcs8', format: 'der' } as const
  const publicKeyEncoding = { type: 'spki', format: 'der' } as const
  const { privateKey: pkcs8, publicKey: spki } =
    modulusLength === undefined
      ? await promisify(generateKeyPair)('ed25519', { privateKeyEncoding, publicKeyEncoding })
      : await promisify(generateKeyPair)('rsa', { modulusLength, privateKeyEncoding, publicKeyEncoding })
  return { pkcs8, spki }
}

/** A key of an authority that is in a hardware module, a key management service or another process. */
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

/** Milliseconds. Long, because a person may have to touch a token. */
const SIGNATURE_TIMEOUT = 60_000

export interface SigningKey {
  readonly spki: Uint8Array
  readonly scheme: SigningScheme
  /**
   * Returns the signature in the form of X.509.
   *
   * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
   */
  sign(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array>
}

export function keyObjectSigner(key: PrivateKey, scheme: SigningScheme): SigningKey {
  return {
    spki: key.spki,
    scheme,
    // The KeyObject is created only here, because that takes time, and keys of members and clients never sign.
    sign: async (data) => Promise.resolve(sign(scheme.digest, data, key.toKeyObject())),
  }
}

/**
 * A key outside of this process. Each signature is verified, because otherwise only a peer would detect a wrong key or digest.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if it is not a signer, `ERR_ISSUE_REFUSED` for a key that an authority does not sign with.
 */
export function externalSigner(signer: Signer, option = 'signer'): SigningKey {
  const publicKey = readPublicHalf(signer, option)
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
  const info = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const scheme = signingScheme(info)
  if (scheme === null)
    throw issueRefused(`The signer holds a ${publicKeyText(info)} key; an authority signs with ${SIGNING_KEYS}`)
  const { digest, isEcdsa } = scheme
  const verifies = (data: Uint8Array, signature: Uint8Array): boolean => {
    try {
      return verify(digest, data, publicKey, signature)
    } catch {
      return false // OpenSSL does not read it as a signature of this kind
    }
  }
  return {
    spki,
    scheme,
    sign: async (data) => {
      const given = await callSigner(signer, data)
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

async function callSigner(signer: Signer, data: Uint8Array): Promise<Uint8Array> {
  let given: unknown
  try {
    // Copied, because the signer may change its argument, or transfer it to a worker.
    given = await withTimeout(SIGNATURE_TIMEOUT, 'The signer', Promise.resolve(signer.sign(Uint8Array.from(data))))
  } catch (cause) {
    throw isEtcdMtlsError(cause, 'ERR_ISSUE_REFUSED') ? cause : issueRefused('The signer does not sign', { cause })
  }
  if (!(given instanceof Uint8Array)) throw issueRefused('The signer did not return its signature as bytes')
  return Uint8Array.from(given)
}

function readPublicHalf(signer: unknown, option: string): KeyObject {
  const { publicKey, sign: signs } = Object(signer) as Readonly<Record<string, unknown>>
  if (publicKey === undefined || typeof signs !== 'function')
    throw valueInvalid(option, signer, 'an object with a publicKey and a function sign')
  const where = `${option}.publicKey`
  if (publicKey instanceof KeyObject) {
    if (publicKey.type !== 'public') throw optionInvalid(where, 'must be a public key')
    return publicKey
  }
  try {
    if (typeof publicKey === 'string' && publicKey.includes('PUBLIC KEY-----')) return createPublicKey(publicKey)
    if (publicKey instanceof Uint8Array)
      return createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
  } catch {
    // The error below names the accepted forms.
  }
  throw valueInvalid(where, publicKey, 'a public KeyObject, PEM (PUBLIC KEY), or SubjectPublicKeyInfo in DER')
}

/** Concatenated r and s (IEEE P1363) as the two INTEGERs of X.509 (RFC 3279 section 2.2.3). */
function derOf(signature: Uint8Array): Buffer {
  const half = signature.length / 2
  return sequence(unsignedInteger(signature.subarray(0, half)), unsignedInteger(signature.subarray(half)))
}
