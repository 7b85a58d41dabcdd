/** One certificate, signed: what end-entity and CA certificates have in common. */
import { Certificate } from '../x509/certificate.js'
import { writeCertificate, writeTbsCertificate } from '../x509/certificate-writer.js'
import type { Lifetime } from './lifetime.js'
import type { SigningKey } from './signer.js'

/** What a certificate is made of. Names and keys are whole DER elements. */
export interface CertificateContents {
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly lifetime: Lifetime
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly extensions: readonly Uint8Array[]
  /** For people. */
  readonly origin: string
}

/** @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` where the key does not sign. */
export async function signCertificate(signer: SigningKey, contents: CertificateContents): Promise<Certificate> {
  const { lifetime, origin, ...fields } = contents
  const tbs = writeTbsCertificate({ ...fields, ...lifetime, signatureAlgorithm: signer.algorithm })
  const signature = await signer.sign(tbs)
  // Copied, so that the certificate holds its own bytes only and not a part of Node's shared buffer pool.
  return Certificate.parse(new Uint8Array(writeCertificate(tbs, signer.algorithm, signature)), origin)
}
