/** A signer over a key pair that a Web Crypto implementation holds, extractable or not. */
import { checkOptions, optionInvalid, valueInvalid } from '../report/option-error.js'
import type { CryptoKeyHandle, WebCrypto } from '../x509/web-crypto.js'
import { publicKeyText, readPublicKeyInfo } from '../x509/algorithms.js'
import { DerReader, Tag } from '../x509/der.js'
import { signingScheme, SIGNING_KEYS } from './algorithms.js'
import { checkCrypto } from './options.js'
import { issueRefused } from './refuse.js'
import { foreignSigner, type Signer } from './signer.js'

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
  checkOptions('options', options, ['crypto', 'privateKey', 'publicKey'])
  const { crypto, privateKey, publicKey } = options
  if ((crypto as WebCrypto | undefined) === undefined)
    throw valueInvalid('crypto', crypto, 'a Web Crypto implementation')
  checkCrypto(crypto, 'crypto')
  checkHandle(privateKey, 'privateKey', 'sign')
  checkHandle(publicKey, 'publicKey', null)
  const spki = await exported(crypto, publicKey)
  const info = readPublicKeyInfo(new DerReader(spki).enter(Tag.sequence, 'the public key'))
  const scheme = signingScheme(info)
  if (scheme === null)
    throw issueRefused(`The key pair is of kind ${publicKeyText(info)}; an authority signs with ${SIGNING_KEYS}`)
  checkPadding(privateKey, scheme.signature.name)
  const sign = async (data: Uint8Array): Promise<Uint8Array> =>
    new Uint8Array(await crypto.subtle.sign(scheme.signature, privateKey, new Uint8Array(data)))
  await tryOut({ publicKey: spki, sign })
  return { publicKey: spki, sign }
}

/** Shows a key that cannot sign, and one that does not fit, while the caller still knows where it came from. */
async function tryOut(signer: Signer): Promise<void> {
  const data = new Uint8Array(32)
  const given = await (async () => signer.sign(data))().catch((cause: unknown) => {
    throw foreign('privateKey', cause)
  })
  try {
    await foreignSigner({ ...signer, sign: () => given }).sign(data)
  } catch (cause) {
    const error = optionInvalid(
      'privateKey',
      'must be the other half of "publicKey", and sign with the digest that fits it (SHA-256 for RSA)',
    )
    error.cause = cause
    throw error
  }
}

/** What a key of any implementation says of itself; one that says nothing is tried. */
function checkHandle(handle: unknown, option: string, usage: 'sign' | null): void {
  if (typeof handle !== 'object' || handle === null) throw valueInvalid(option, handle, 'a CryptoKey')
  const { type, usages, extractable } = handle as { type?: unknown; usages?: unknown; extractable?: unknown }
  const wanted = usage === 'sign' ? 'private' : 'public'
  if (type !== undefined && type !== wanted) throw optionInvalid(option, `must be a ${wanted} key`)
  if (usage !== null && Array.isArray(usages) && !usages.includes(usage))
    throw optionInvalid(option, `must have the usage "${usage}"`)
  if (usage === null && extractable === false) throw optionInvalid(option, 'must be extractable')
}

/** An RSA key of Web Crypto is bound to one padding. */
function checkPadding(handle: { readonly algorithm?: unknown }, wanted: string): void {
  const { algorithm } = handle
  const name = typeof algorithm === 'object' && algorithm !== null && 'name' in algorithm ? algorithm.name : null
  if (typeof name === 'string' && name.startsWith('RSA') && name !== wanted)
    throw optionInvalid('privateKey', `must be of ${wanted}, and is of ${name}`)
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
