/** Everything that is wrong or worth knowing about a certificate request that was read. */
import type { Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { publicKeyText } from '../x509/algorithms.js'
import type { CertificateRequest } from '../x509/certificate-request.js'
import { extensionName } from '../x509/extensions.js'
import { isUsualPublicKey } from '../x509/public-key.js'
import { keyFault } from './request-key.js'
import { finding } from './request-input.js'
import { readCommonName, type RequestedContents, type SortedNames } from './requested.js'

/** Most names that are listed in one finding. */
const MOST_LISTED = 50

export function checkRequest(
  request: CertificateRequest,
  place: Place,
  names: SortedNames,
  requested: RequestedContents,
): Finding[] {
  return [
    ...checkForm(request, place),
    ...checkKeyAndSignature(request, place),
    ...checkRights(request, place),
    ...checkExtensions(request, place, requested),
    ...checkNames(request, place, names),
  ]
}

function checkForm(request: CertificateRequest, place: Place): Finding[] {
  const { version, hasChallengePassword } = request
  const found: Finding[] = []
  if (version !== 1) found.push(finding('request/version-unusual', { ...place, version }))
  if (hasChallengePassword) found.push(finding('request/challenge-password', { ...place }))
  return found
}

/** A signature is verified only by a key that may be used at all: verifying with an outsized one could take long. */
function checkKeyAndSignature(request: CertificateRequest, place: Place): Finding[] {
  const { publicKeyInfo, signatureAlgorithm } = request
  const key = publicKeyText(publicKeyInfo)
  const fault = keyFault(publicKeyInfo)
  if (fault !== null) {
    const { code, algorithm, reason } = fault
    return [finding(code, { ...place, algorithm, reason })]
  }
  const unread = !isUsualPublicKey(request.spki)
    ? 'Go does not read as it is written'
    : !request.hasReadableKey
      ? 'OpenSSL cannot read'
      : null
  if (unread !== null) return [finding('request/key-unsupported', { ...place, algorithm: key, reason: unread })]
  if ('unknown' in signatureAlgorithm) {
    return [finding('request/signature-unsupported', { ...place, algorithm: signatureAlgorithm.unknown })]
  }
  const { name: algorithm, digest } = signatureAlgorithm.scheme
  if (digest === 'md5' || digest === 'sha1') return [finding('request/signature-weak', { ...place, algorithm })]
  return request.isSignedByItself() ? [] : [finding('request/signature-invalid', { ...place, algorithm, key })]
}

function checkRights(request: CertificateRequest, place: Place): Finding[] {
  if (request.asksForCa) return [finding('request/ca-wanted', { ...place, by: 'basicConstraints' })]
  const { keyUsage } = request.extensions
  const signs = keyUsage?.has('keyCertSign') === true || keyUsage?.has('cRLSign') === true
  return signs ? [finding('request/ca-wanted', { ...place, by: 'keyUsage' })] : []
}

function checkExtensions(request: CertificateRequest, place: Place, requested: RequestedContents): Finding[] {
  const { problems, duplicates, unknownCritical } = request.extensions
  const named = (oid: string): Place & { extension: string } => ({ ...place, extension: extensionName(oid) })
  const found: Finding[] = [
    ...problems.map(({ oid, reason }) => finding('request/extension-malformed', { ...named(oid), reason })),
    ...duplicates.map((oid) => finding('request/extension-duplicate', named(oid))),
    ...unknownCritical.map((oid) => finding('request/extension-unknown-critical', named(oid))),
  ]
  const critical = new Set(unknownCritical.map(extensionName))
  const extensions = requested.extensions.filter((each) => !critical.has(each))
  const { attributes } = requested
  if (extensions.length > 0) found.push(finding('request/extensions-ignored', { ...place, extensions }))
  if (attributes.length > 0) found.push(finding('request/attributes-ignored', { ...place, attributes }))
  return found
}

function checkNames(request: CertificateRequest, place: Place, { noHosts, others }: SortedNames): Finding[] {
  const found: Finding[] = []
  const commonName = readCommonName(request.subject)
  if (commonName !== null && 'refused' in commonName) {
    found.push(finding('request/common-name-unusable', { ...place, reason: commonName.refused }))
  }
  if (noHosts.length > 0) {
    const details = { names: noHosts.slice(0, MOST_LISTED), count: noHosts.length }
    found.push(finding('request/name-no-host', { ...place, ...details }))
  }
  if (others.length > 0) {
    const names = others.map(({ kind, value }) => `${kind}:${value}`)
    found.push(finding('request/names-ignored', { ...place, names }))
  }
  return found
}
