/** A signer over a key pair that a Web Crypto implementation holds, extractable or not. */
import { optionInvalid } from '../misuse.js'
import type { CryptoKeyHandle, WebCrypto } from '../x509/web-crypto.js'
import { readPublicKeyInfo } from '../x509/algorithms.js'
import { DerReader, Tag } from '../x509/der.js'
import { signingScheme } from './algorithms.js'
import { checkCrypto } from './options.js'
import { issueRefused } from './refuse.js'
import type { Signer } from './signer.js'

/** What {@link createWebCryptoSigner} takes. */
export interface WebCryptoSignerOptions {
  /** The implementation that made both keys, and that is the only one to use them. */
  crypto: WebCrypto
  /** The private half; it need not be extractable. Usage `sign`. */
  privateKey: CryptoKeyHandle
  /** The public half, which has to be extractable. */
  publicKey: CryptoKeyHandle
}

/**
 * The signer of a CryptoKey pair: for a CA's key that a Web Crypto implementation keeps to itself, in memory or behind
 * PKCS #11 (`node-webcrypto-p11`).
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` where the keys were made by another implementation than `crypto`, or do not
 * fit each other.
 */
export async function createWebCryptoSigner(options: WebCryptoSignerOptions): Promise<Signer> {
  const { crypto, privateKey, publicKey } = options
  checkCrypto(crypto, 'crypto')
  const spki = await exported(crypto, publicKey)
  const info = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const scheme = signingScheme(info)
  if (scheme === null) throw issueRefused(`The key pair is of kind ${info.algorithm}, with which no authority signs`)
  const sign = async (data: Uint8Array): Promise<Uint8Array> =>
    new Uint8Array(await crypto.subtle.sign(scheme.signature, privateKey, new Uint8Array(data)))
  await sign(new Uint8Array(1)).catch((cause: unknown) => {
    throw foreign('privateKey', cause)
  })
  return { publicKey: spki, sign }
}

async function exported(crypto: WebCrypto, publicKey: CryptoKeyHandle): Promise<Uint8Array> {
  try {
    const spki = await crypto.subtle.exportKey('spki', publicKey)
    if (spki instanceof ArrayBuffer) return new Uint8Array(spki)
  } catch (cause) {
    throw foreign('publicKey', cause)
  }
  throw foreign('publicKey', undefined)
}

/** Each implementation knows its own keys only, and says so in its own words. */
function foreign(option: string, cause: unknown): Error {
  const error = optionInvalid(
    option,
    'must be a key that "crypto" itself made or imported: a CryptoKey of one Web Crypto implementation is of no use to another',
  )
  error.cause = cause
  return error
}
