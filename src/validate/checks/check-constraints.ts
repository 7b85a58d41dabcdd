/** The right to issue and the path length (RFC 5280 section 4.2.1.9), and the form of name constraints. */
import type { Certificate } from '../../x509/certificate.js'
import { ExtensionId } from '../../x509/extensions.js'
import type { GeneralName } from '../../x509/general-name.js'
import { type FindingCollector, NAME_BELOW, type PathCertificate } from '../context.js'
import { GO_KINDS } from './check-form.js'

export function checkIssuerConstraints(place: PathCertificate, findings: FindingCollector): void {
  const { extensions, version } = place.certificate
  // A certificate of version 1 has no extensions, and is trusted as an anchor.
  if (place.role === 'anchor' && version === 1) return
  if (extensions.basicConstraints?.ca !== true) {
    const reason = extensions.basicConstraints === null ? 'no basicConstraints' : 'CA:FALSE'
    findings.add(place, 'constraints/not-a-ca', { reason, issued: NAME_BELOW })
  }
  checkConstrainedKinds(place, findings)
  const dotted = constraintsOf(place.certificate).filter((each) => each.kind === 'dns' && each.value.startsWith('.'))
  if (dotted.length > 0) {
    const constraints = dotted.slice(0, MAX_CONSTRAINTS).map(({ value }) => value)
    findings.add(place, 'name-constraints/malformed', { kind: 'leading dot', constraints })
  }
  for (const extension of ['basicConstraints', 'nameConstraints'] as const) {
    const oid = ExtensionId[extension]
    if (extensions.all.some((each) => each.oid === oid) && !extensions.isCritical(oid))
      findings.add(place, 'certificate/criticality-unusual', { kind: 'of a CA', extension })
  }
}

const MAX_CONSTRAINTS = 50

export function constraintsOf({ extensions }: Certificate): GeneralName[] {
  const { permitted = [], excluded = [] } = extensions.nameConstraints ?? {}
  return [...permitted, ...excluded]
}

/** Go treats the extension as unhandled if it constrains names of other kinds, so it refuses a critical one. */
function checkConstrainedKinds(place: PathCertificate, findings: FindingCollector): void {
  const kinds = new Set(constraintsOf(place.certificate).map(({ kind }) => kind))
  const names = [...kinds].filter((kind) => !GO_KINDS.has(kind))
  if (names.length === 0 || !place.certificate.extensions.isCritical(ExtensionId.nameConstraints)) return
  const details = { extension: 'nameConstraints', names, usage: findings.rules.usage } as const
  findings.add(place, 'certificate/extension-refused', { kind: 'names unread by Go', ...details })
}

export function checkLeafConstraints(place: PathCertificate, findings: FindingCollector): void {
  const { basicConstraints, nameConstraints } = place.certificate.extensions
  if (basicConstraints?.ca === true) findings.add(place, 'constraints/leaf-is-ca', {})
  else if ((basicConstraints?.pathLength ?? null) !== null)
    findings.add(place, 'constraints/only-for-cas', { what: 'pathlen' })
  if (nameConstraints !== null) findings.add(place, 'constraints/only-for-cas', { what: 'nameConstraints' })
  checkConstrainedKinds(place, findings)
}

/** Self-issued intermediates do not count (RFC 5280 section 6.1.4 (l)). */
export function checkPathLength(path: readonly PathCertificate[], findings: FindingCollector): void {
  const { usage, maxIntermediates } = findings.rules
  let below = 0
  for (const place of path) {
    const allowed = place.certificate.extensions.basicConstraints?.pathLength ?? null
    // Go counts every certificate between the CA and the leaf (crypto/x509 verify.go, Certificate.isValid).
    const between = place.index - 1
    if (allowed !== null && Math.max(below, between) > allowed) {
      const intermediates = path.slice(1, place.index).map(({ certificate }) => certificate.subject.toString())
      const found = below > allowed ? below : between
      const details = { allowed, found, intermediates }
      if (below > allowed) findings.add(place, 'constraints/path-too-long', { kind: 'for all', ...details })
      else findings.add(place, 'constraints/path-too-long', { kind: 'for Go', ...details, usage })
    }
    if (place.role === 'intermediate' && !place.certificate.isSelfIssued) below++
  }
  if (below > maxIntermediates)
    findings.add(null, 'chain/limit-exceeded', { kind: 'intermediates', allowed: maxIntermediates, found: below })
}
