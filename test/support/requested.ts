/** What a certificate request asks for, for comparison with what a tool was asked to request. */
import { readCommonName, sortNames } from '../../src/authority/inspect-csr.js'
import { publicKeyText } from '../../src/x509/algorithms.js'
import type { CertificateRequest } from '../../src/x509/certificate-request.js'

export function requestedOf(request: CertificateRequest | null) {
  if (request === null) return null
  const { extensions, signatureAlgorithm } = request
  const commonName = readCommonName(request.subject)
  return {
    subject: request.subject.toString(),
    commonName: commonName !== null && 'name' in commonName ? commonName.name : null,
    hosts: sortNames(request.subjectAltNames).hosts.map(({ value }) => value),
    keyUsage: [...(extensions.keyUsage ?? [])],
    extendedKeyUsage: [...(extensions.extendedKeyUsage ?? [])],
    ca: request.asksForCa,
    publicKey: publicKeyText(request.publicKeyInfo),
    signatureAlgorithm: 'scheme' in signatureAlgorithm ? signatureAlgorithm.scheme.name : signatureAlgorithm.unknown,
  }
}
