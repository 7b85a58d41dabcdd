/** Creates a key and a certificate request (CSR) for it. */
import { loadDeferred } from '../report/load-deferred.js'
import { checkOptions } from '../report/option-error.js'
import { CertificateRequest } from '../x509/certificate-request.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import { covers, type Host } from '../x509/names.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { type KeyAlgorithm, keyRow } from './algorithms.js'
import { isKeyHandle, keyMaker } from './keys.js'
import { COMMON_NAME, readName } from './limits.js'
import { checkCrypto, readAlgorithm, readHosts, readSubject, type SubjectAttributes } from './options.js'
import { issueRefused } from './refuse.js'

/** Options of `createRequest`. */
export interface CreateRequestOptions {
  /** The common name, 1 to 64 characters: for a client the name of the etcd user. */
  name: string
  /** DNS names, IP addresses and URIs to request, at most 1000. Default: none. */
  hosts?: readonly string[] | undefined
  /** Kind of the new key. Default: `'ecdsa-p256'`. */
  algorithm?: KeyAlgorithm | undefined
  /** Further attributes of the subject, before the common name. Default: none. */
  subject?: SubjectAttributes | undefined
  /** The Web Crypto implementation that makes the key and signs. Default: @peculiar/webcrypto's. */
  crypto?: WebCrypto | undefined
}

export async function createRequest(options: CreateRequestOptions): Promise<{ csr: string; key: PrivateKey }> {
  checkOptions('options', options, ['name', 'hosts', 'algorithm', 'subject', 'crypto'])
  checkCrypto(options.crypto, 'crypto')
  const name = readName(options.name, 'name')
  const hosts = options.hosts === undefined ? [] : readHosts(options.hosts, 'hosts')
  const algorithm = readAlgorithm(options.algorithm, 'algorithm')
  const subject = [...readSubject(options.subject, 'subject'), { type: COMMON_NAME, text: name }]
  const { privateKey: key } = await keyMaker(options.crypto ?? null)(algorithm, `request "${name}"`)
  const peculiar = await loadDeferred(() => import('../x509/peculiar.js'))
  const crypto = options.crypto ?? peculiar.createDefaultCrypto()
  const { scheme } = keyRow(algorithm)
  let der: Uint8Array
  try {
    const keys = await importKeyPair(crypto, key, scheme.key)
    der = await peculiar.createRequestDer({ crypto, keys, signature: scheme.signature, subject, hosts })
  } catch (cause) {
    throw issueRefused('The crypto in use does not sign with the key that it made', { cause })
  }
  const request = CertificateRequest.parse(der, `request "${name}"`)
  checkCreated(request, key, hosts)
  return { csr: request.toPem(), key }
}

async function importKeyPair(
  crypto: WebCrypto,
  key: PrivateKey,
  parameters: Parameters<WebCrypto['subtle']['importKey']>[2],
): Promise<{ publicKey: object; privateKey: object }> {
  const pkcs8 = new Uint8Array(key.toKeyObject().export({ type: 'pkcs8', format: 'der' }))
  const [privateKey, publicKey] = await Promise.all([
    crypto.subtle.importKey('pkcs8', pkcs8, parameters, false, ['sign']),
    crypto.subtle.importKey('spki', new Uint8Array(key.spki), parameters, true, ['verify']),
  ])
  pkcs8.fill(0)
  if (isKeyHandle(privateKey) && isKeyHandle(publicKey)) return { privateKey, publicKey }
  throw new TypeError('importKey did not return a key')
}

/** Checks the request: the caller's crypto implementation may be faulty. */
function checkCreated(request: CertificateRequest, key: PrivateKey, hosts: readonly Host[]): void {
  if (Buffer.compare(request.spki, key.spki) !== 0)
    throw issueRefused('The request does not hold the public half of its key')
  if (!request.isSignedByItself()) throw issueRefused("The request's signature does not verify with its key")
  const names = request.subjectAltNames
  if (names.length !== hosts.length || !hosts.every((host) => names.some((name) => covers(name, host))))
    throw issueRefused('The request does not ask for the hosts that were given')
}
