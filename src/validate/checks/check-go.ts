/** Extensions that Go does not read or process as OpenSSL does, so that etcd refuses the certificate wherever it is used. */
import { ExtensionId } from '../../x509/extensions.js'
import type { Usage } from '../context.js'
import type { FindingCollector, PathCertificate } from '../path-certificate.js'

/** Kinds of name that Go reads (crypto/x509 parseSANExtension) and compares with constraints. */
export const GO_KINDS: ReadonlySet<string> = new Set(['dns', 'ip', 'email', 'uri'])

export function checkForGo(place: PathCertificate, usage: Usage, notes: FindingCollector): void {
  const { extensions, subjectAltNames } = place.certificate
  const points = extensions.crlDistributionPoints ?? []
  if (points.some(({ name }) => name !== null && 'relativeName' in name))
    notes.add(place, 'certificate/extension-refused', {
      kind: 'relative name',
      extension: 'crlDistributionPoints',
      usage,
    })
  const kinds = subjectAltNames.map(({ kind }) => kind)
  // A critical extension of which Go reads no name is one that it does not process.
  if (
    kinds.length > 0 &&
    extensions.isCritical(ExtensionId.subjectAltName) &&
    !kinds.some((kind) => GO_KINDS.has(kind))
  )
    notes.add(place, 'certificate/extension-refused', {
      kind: 'names unread by Go',
      extension: 'subjectAltName',
      names: [...new Set(kinds)],
      usage,
    })
}
