/** Creates a key and a certificate request (CSR) for it. */
import { loadDeferred } from '../report/load-deferred.js'
import { checkOptions } from '../report/option-error.js'
import { CertificateRequest } from '../x509/certificate-request.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import { type KeyAlgorithm, keyRow } from './algorithms.js'
import { makeKey } from './keys.js'
import { COMMON_NAME, readName } from './limits.js'
import { readAlgorithm, readHosts, readSubject, type SubjectAttributes } from './options.js'

/** Options of `createRequest`. */
export interface CreateRequestOptions {
  /** The common name, 1 to 64 characters: for a client the name of the etcd user. */
  name: string
  /** DNS names, IP addresses and URIs to request, at most 1000. @default none */
  hosts?: readonly string[] | undefined
  /** Kind of the new key. @default 'ecdsa-p256' */
  algorithm?: KeyAlgorithm | undefined
  /** Further attributes of the subject, before the common name. @default none */
  subject?: SubjectAttributes | undefined
}

/**
 * Creates a key and a certificate request (PKCS #10) for it. `authority.sign`, openssl, cfssl, step and cert-manager
 * read the request.
 *
 * @example
 * ```ts
 * const { csr, key } = await createRequest({ name: 'etcd-0', hosts: ['etcd-0.etcd.svc', '10.0.0.1'] })
 * ```
 * @returns `csr`: the request in PEM, for the authority. `key`: the private key; write `key.exportPem()` to a file on
 *   this machine.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export async function createRequest(options: CreateRequestOptions): Promise<{ csr: string; key: PrivateKey }> {
  checkOptions('options', options, ['name', 'hosts', 'algorithm', 'subject'])
  const name = readName(options.name, 'name')
  const hosts = options.hosts === undefined ? [] : readHosts(options.hosts, 'hosts')
  const algorithm = readAlgorithm(options.algorithm, 'algorithm')
  const subject = [...readSubject(options.subject, 'subject'), { type: COMMON_NAME, text: name }]
  const { privateKey: key } = await makeKey(algorithm, `request "${name}"`)
  const { createRequestDer } = await loadDeferred(() => import('../x509/peculiar.js'))
  const { key: parameters, signature } = keyRow(algorithm).scheme
  const der = await createRequestDer({ key, parameters, signature, subject, hosts })
  return { csr: CertificateRequest.parse(der, `request "${name}"`).toPem(), key }
}
