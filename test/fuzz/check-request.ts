/** What must hold of a certificate request, whatever it is. */
import { inspect } from 'node:util'
import { inspectRequest } from '../../src/authority/inspect-request.js'
import { CertificateRequest } from '../../src/x509/request/certificate-request.js'
import { bytesEqual } from '../../src/x509/der.js'
import { scanPem } from '../../src/x509/pem/pem.js'
import { attempt, must, mustBePrintable, seesNothingOutside } from './checks.js'
import { REQUESTS } from './seeds.js'

export function checkRequest(bytes: Uint8Array): void {
  seesNothingOutside((placed) => described(CertificateRequest.parse(placed, 'x')), bytes)
  const request = attempt(() => CertificateRequest.parse(bytes, 'x'), bytes)
  const report = inspectRequest(bytes)
  for (const { message, remedy } of report.findings) mustBePrintable(`${message}${remedy}`, 'a finding')
  if (request === null) {
    must(!report.ok && report.request === null, 'a request that cannot be read, and no finding')
    return
  }
  const [block] = scanPem(request.toPem()).blocks
  must(block !== undefined && bytesEqual(block.bytes, bytes), 'PEM that does not hold the request')
  mustBePrintable(`${String(request)}${inspect(request)}${JSON.stringify(request)}`, 'a printed request')
  must(report.request !== null, 'a request that was read is not in the report')
  // The private key is not the mutator's, so that nothing else than a seed is signed.
  must(!report.ok || REQUESTS.some((each) => bytesEqual(each, bytes)), 'a changed request passes')
}

/** Everything that is read of a request. */
function described(request: CertificateRequest): Record<string, unknown> {
  const { subject, version, publicKeyInfo, signatureAlgorithm, extensions, attributes } = request
  const { problems, duplicates, unknownCritical, basicConstraints, keyUsage, extendedKeyUsage } = extensions
  return {
    subject: `${subject.toString()} ${subject.key}`,
    names: request.subjectAltNames.slice(0, 200).map(({ kind, value }) => `${kind}:${value}`),
    ...{ version, publicKeyInfo, signatureAlgorithm, problems, duplicates, unknownCritical },
    ...{ basicConstraints, keyUsage, extendedKeyUsage },
    attributes: attributes.map(({ oid, values }) => [oid, values.map((each) => Buffer.from(each).toString('hex'))]),
    texts: [request.unstructuredName, request.hasChallengePassword, request.isSignedByItself()],
  }
}
