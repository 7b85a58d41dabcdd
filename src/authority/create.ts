/** Makes a new root authority. */
import { checkOptions, optionInvalid } from '../misuse.js'
import { Certificate } from '../x509/certificate.js'
import { keyIdentifier } from '../x509/certificate-writer.js'
import { PrivateKey } from '../x509/keys.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { type KeyAlgorithm, keyRow } from './algorithms.js'
import { Authority } from './authority.js'
import { checkRoot } from './check.js'
import { createSigner, makeKey, randomSerial } from './keys.js'
import { lifetimeFromNow, readValidity } from './lifetime.js'
import { checkCrypto, readAlgorithm, readName } from './options.js'
import { issueRefused } from './refuse.js'

/** What `createAuthority` takes. */
export interface CreateAuthorityOptions {
  /** The common name of the CA, 1 to 64 characters. Give each CA its own: chains are found by it. */
  name: string
  /** Lifetime from now. Default: `'3650d'`. */
  validity?: string | undefined
  /** Kind of the CA's key. Default: `'ecdsa-p256'`. */
  algorithm?: KeyAlgorithm | undefined
  /**
   * How many intermediate CAs may stand between this one and an end-entity certificate (RFC 5280 section 4.2.1.9,
   * pathLenConstraint), 0 to 100. Default: no limit.
   */
  maxIntermediates?: number | undefined
  /**
   * The Web Crypto implementation that makes and holds the keys. Default: @peculiar/webcrypto's. Keys are made
   * extractable, since they end in files.
   */
  crypto?: WebCrypto | undefined
}

const KNOWN = ['name', 'validity', 'algorithm', 'maxIntermediates', 'crypto'] as const
const DEFAULT_VALIDITY = '3650d'
const MOST_INTERMEDIATES = 100

/**
 * Makes a new root CA: a key and a self-signed certificate that may sign certificates and revocation lists, and nothing
 * else. It lives in memory; `authority.export()` gives it as PEM text.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the `crypto` given does not make such a key.
 */
export async function createAuthority(options: CreateAuthorityOptions): Promise<Authority> {
  const now = new Date()
  checkOptions('options', options, KNOWN)
  checkCrypto(options.crypto, 'crypto')
  const name = readName(options.name, 'name')
  const pathLength = readMaxIntermediates(options.maxIntermediates)
  const algorithm = readAlgorithm(options.algorithm, 'algorithm')
  const lifetime = lifetimeFromNow(readValidity(options.validity ?? DEFAULT_VALIDITY, 'validity', now), now)

  const engine = await import('../x509/engine.js')
  const crypto = options.crypto ?? engine.createDefaultCrypto()
  const { handles, privateKey, spki } = await makeKey(crypto, algorithm)
  const { scheme } = keyRow(algorithm)
  const origin = `authority "${name}"`
  const fields = { name, pathLength, keyIdentifier: keyIdentifier(spki), serial: randomSerial(crypto), ...lifetime }
  const signing = { crypto, keys: handles, signature: scheme.signature }
  const der = await engine.createSelfSignedCa({ ...signing, ...fields }).catch((cause: unknown) => {
    throw issueRefused('The crypto in use does not sign with the key that it made', { cause })
  })
  const certificate = Certificate.parse(der, origin)
  const key = PrivateKey.fromKeyObject(privateKey, origin)
  checkRoot(certificate, key)
  return new Authority({
    crypto,
    certificate,
    key,
    signer: createSigner(crypto, handles.privateKey, scheme),
    chain: [],
  })
}

function readMaxIntermediates(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MOST_INTERMEDIATES) {
    throw optionInvalid('maxIntermediates', `must be a whole number from 0 to ${String(MOST_INTERMEDIATES)}`)
  }
  return value
}
