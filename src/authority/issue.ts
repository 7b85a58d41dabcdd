/** Makes one end-entity certificate, and checks it before anybody gets it. */
import type { Credentials } from '../credentials/credentials.js'
import { Certificate } from '../x509/certificate.js'
import {
  keyIdentifier,
  writeAuthorityKeyIdentifier,
  writeCertificate,
  writeCommonName,
  writeEndEntityConstraints,
  writeExtendedKeyUsage,
  writeKeyUsage,
  writeSubjectAltName,
  writeSubjectKeyIdentifier,
  writeTbsCertificate,
} from '../x509/certificate-writer.js'
import { PrivateKey } from '../x509/keys.js'
import type { WebCrypto } from '../x509/web-crypto.js'
import { keyRow } from './algorithms.js'
import { checkIssued } from './check.js'
import { makeKey, randomSerial, type Signer } from './keys.js'
import { lifetimeWithin } from './lifetime.js'
import type { CheckedRequest } from './request.js'
import { roleRow } from './roles.js'

/** Everything of an authority that issuing needs. */
export interface Issuer {
  readonly crypto: WebCrypto
  readonly signer: Signer
  readonly certificate: Certificate
  /** What goes out with a leaf: the authority's own certificate and those above it, without the root. */
  readonly intermediates: readonly Certificate[]
  readonly trustAnchors: readonly Certificate[]
}

/** The authority key identifier of all that an issuer signs: its own subject key identifier, or what it would be. */
function issuerKeyIdentifier(issuer: Certificate): Uint8Array {
  return issuer.extensions.subjectKeyIdentifier ?? keyIdentifier(issuer.spki)
}

/**
 * Issues what was asked for.
 *
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED`
 */
export async function issueCredentials(issuer: Issuer, request: CheckedRequest, now: Date): Promise<Credentials> {
  const lifetime = lifetimeWithin(issuer.certificate, request.validity, now)
  const { privateKey, spki } = await makeKey(issuer.crypto, request.algorithm)
  const origin = `${request.role} "${request.name}"`
  const key = PrivateKey.fromKeyObject(privateKey, origin)
  const row = roleRow(request.role)
  const tbs = writeTbsCertificate({
    serial: randomSerial(issuer.crypto),
    signatureAlgorithm: issuer.signer.algorithm,
    issuer: issuer.certificate.subject.raw,
    ...lifetime,
    subject: writeCommonName(request.name),
    spki,
    extensions: [
      writeEndEntityConstraints(),
      writeKeyUsage(keyRow(request.algorithm).keyUsage),
      writeExtendedKeyUsage(row.extendedKeyUsage),
      writeSubjectKeyIdentifier(keyIdentifier(spki)),
      writeAuthorityKeyIdentifier(issuerKeyIdentifier(issuer.certificate)),
      // Every request has a name, so the subject is never empty and the extension never critical.
      ...(request.hosts.length === 0 ? [] : [writeSubjectAltName(request.hosts, false)]),
    ],
  })
  const signature = await issuer.signer.sign(tbs)
  // Copied, so that the certificate holds its own bytes only and not a part of Node's shared buffer pool.
  const der = new Uint8Array(writeCertificate(tbs, issuer.signer.algorithm, signature))
  const leaf = Certificate.parse(der, origin)
  const credentials: Credentials = {
    trustAnchors: [...issuer.trustAnchors],
    chain: [leaf, ...issuer.intermediates],
    key,
    crls: [],
    origin,
  }
  checkIssued(credentials, request.role, now)
  return credentials
}
