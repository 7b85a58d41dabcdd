/** Basic constraints: who may issue, and how long the path may be (RFC 5280 section 4.2.1.9). */
import { ExtensionId } from '../../x509/extensions.js'
import { GO_KINDS } from './check-go.js'
import type { Usage } from '../context.js'
import type { FindingCollector, PathCertificate } from '../path-certificate.js'

/** A certificate that issued another one must be a CA. */
export function checkIssuerConstraints(place: PathCertificate, usage: Usage, notes: FindingCollector): void {
  const { certificate } = place
  // A CA certificate of version 1 cannot say what it is; named as an anchor it is trusted all the same.
  if (place.role === 'anchor' && certificate.version === 1) return
  const { extensions } = certificate
  if (extensions.basicConstraints?.ca !== true) {
    const reason = extensions.basicConstraints === null ? 'no basicConstraints' : 'CA:FALSE'
    notes.add(place, 'constraints/not-a-ca', { reason, issued: '' })
  }
  checkConstrainedKinds(place, usage, notes)
  checkLeadingDots(place, notes)
  for (const oid of [ExtensionId.basicConstraints, ExtensionId.nameConstraints]) {
    const present = extensions.all.some((each) => each.oid === oid)
    if (present && !extensions.isCritical(oid)) {
      const extension = oid === ExtensionId.basicConstraints ? 'basicConstraints' : 'nameConstraints'
      notes.add(place, 'certificate/criticality-unusual', { kind: 'of a CA', extension })
    }
  }
}

// Go marks the whole extension as unhandled where it constrains any other kind, and refuses it where it is critical.
function checkConstrainedKinds(place: PathCertificate, usage: Usage, notes: FindingCollector): void {
  const { extensions } = place.certificate
  const { nameConstraints } = extensions
  if (nameConstraints === null || !extensions.isCritical(ExtensionId.nameConstraints)) return
  const kinds = [...nameConstraints.permitted, ...nameConstraints.excluded].map(({ kind }) => kind)
  const unknown = [...new Set(kinds)].filter((kind) => !GO_KINDS.has(kind))
  if (unknown.length === 0) return
  const details = { kind: 'names unread by Go', extension: 'nameConstraints', names: unknown, usage } as const
  notes.add(place, 'certificate/extension-refused', details)
}

/** Most constraints that one finding lists. */
const MAX_CONSTRAINTS_SHOWN = 50

function checkLeadingDots(place: PathCertificate, notes: FindingCollector): void {
  const { nameConstraints } = place.certificate.extensions
  const all = [...(nameConstraints?.permitted ?? []), ...(nameConstraints?.excluded ?? [])]
  const dotted = all.filter((name) => name.kind === 'dns' && name.value.startsWith('.')).map(({ value }) => value)
  if (dotted.length > 0)
    notes.add(place, 'name-constraints/malformed', {
      kind: 'leading dot',
      constraints: dotted.slice(0, MAX_CONSTRAINTS_SHOWN),
    })
}

export function checkLeafConstraints(place: PathCertificate, usage: Usage, notes: FindingCollector): void {
  const { basicConstraints, nameConstraints } = place.certificate.extensions
  if (basicConstraints?.ca === true) notes.add(place, 'constraints/leaf-is-ca', {})
  else if (basicConstraints !== null && basicConstraints.pathLength !== null)
    notes.add(place, 'constraints/only-for-cas', { what: 'pathlen' })
  if (nameConstraints !== null) notes.add(place, 'constraints/only-for-cas', { what: 'nameConstraints' })
  checkConstrainedKinds(place, usage, notes)
}

/** Path lengths: how many intermediates that are not self-issued may stand between a CA and the leaf. */
export function checkPathLength(
  path: readonly PathCertificate[],
  { usage, maxIntermediates }: { usage: Usage; maxIntermediates: number },
  notes: FindingCollector,
): void {
  let below = 0
  for (const place of path) {
    const allowed = place.certificate.extensions.basicConstraints?.pathLength ?? null
    // Go counts every certificate between the CA and the leaf (crypto/x509 verify.go, Certificate.isValid).
    const between = place.index - 1
    const subjects = (): string[] => path.slice(1, place.index).map(({ certificate }) => certificate.subject.toString())
    if (allowed !== null && below > allowed)
      notes.add(place, 'constraints/path-too-long', {
        kind: 'for all',
        allowed,
        found: below,
        intermediates: subjects(),
      })
    else if (allowed !== null && between > allowed)
      notes.add(place, 'constraints/path-too-long', {
        kind: 'for Go',
        allowed,
        found: between,
        intermediates: subjects(),
        usage,
      })
    if (place.role === 'intermediate' && !place.certificate.isSelfIssued) below++
  }
  if (below > maxIntermediates) {
    notes.add(null, 'chain/limit-exceeded', { kind: 'intermediates', allowed: maxIntermediates, found: below })
  }
}
