/** Runs the checks of each certificate of a path, and of the path as a whole. */
import type { Certificate } from '../x509/certificate.js'
import { bytesEqual, hex } from '../x509/der.js'
import { checkIssuerConstraints, checkLeafConstraints, checkPathLength } from './checks/check-constraints.js'
import { checkEncoding, checkKeyIdentifiers, checkPolicies } from './checks/check-form.js'
import { checkKey, checkSignatureAlgorithm } from './checks/check-key.js'
import { checkNameConstraints, type PreparedConstraints } from './checks/check-name-constraints.js'
import { checkNames } from './checks/check-names.js'
import { checkIssuerUsage, checkLeafUsage } from './checks/check-usage.js'
import { checkPathValidity, checkValidity } from './checks/check-validity.js'
import { FindingCollector, type FindingDraft, type PathCertificate, type Rules } from './context.js'
import { keyIdentifiers, namesOtherAuthority } from './link.js'
import type { FoundPath } from './path-walker.js'
import type { WorkBudget } from './work.js'
import { checkRevocation } from './revocation/check-revocation.js'

export function placesOf({ certificates, anchored }: FoundPath): PathCertificate[] {
  const last = certificates.length - 1
  return certificates.map((certificate, index) => ({
    certificate,
    index,
    role: index === 0 ? 'leaf' : anchored && index === last ? 'anchor' : 'intermediate',
  }))
}

export function checkLeaf(leaf: PathCertificate, findings: FindingCollector): void {
  // A trusted self-signed leaf is its own anchor: no verifier checks its signature.
  const isTrusted = findings.rules.anchors.some((anchor) => anchor.equals(leaf.certificate))
  checkCertificate(leaf, isTrusted && leaf.certificate.isSelfIssued, findings)
  checkLeafConstraints(leaf, findings)
  checkLeafUsage(leaf, findings)
  checkNames(leaf, findings)
}

function checkCertificate(place: PathCertificate, isTrusted: boolean, findings: FindingCollector): void {
  checkEncoding(place, findings)
  checkKeyIdentifiers(place, findings)
  checkKey(place, findings)
  checkSignatureAlgorithm(place, isTrusted, findings)
  checkValidity(place, findings)
}

/** Caches the findings about issuers, so that each is checked at most once as an anchor and once as an intermediate. */
export class IssuerResults {
  readonly constraints: { readonly known: PreparedConstraints; readonly budget: WorkBudget }
  readonly #rules: Rules
  readonly #known = new Map<Certificate, Partial<Record<PathCertificate['role'], FindingCollector>>>()

  constructor(rules: Rules, budget: WorkBudget) {
    this.#rules = rules
    this.constraints = { known: new Map(), budget }
  }

  get count(): number {
    return this.#known.size
  }

  has(certificate: Certificate): boolean {
    return this.#known.has(certificate)
  }

  of(place: PathCertificate): FindingCollector {
    const known = this.#known.get(place.certificate) ?? {}
    const cached = known[place.role]
    if (cached !== undefined) return cached
    const findings = new FindingCollector(this.#rules)
    checkCertificate(place, place.role === 'anchor', findings)
    checkIssuerConstraints(place, findings)
    checkIssuerUsage(place, findings)
    this.#known.set(place.certificate, { ...known, [place.role]: findings })
    return findings
  }
}

/** Completes a cached finding with the issuer's position in this path and the names of the certificates below. */
function completeDraft(
  draft: FindingDraft,
  place: PathCertificate,
  child: PathCertificate,
  leaf: PathCertificate,
): FindingDraft {
  if (draft.code === 'constraints/not-a-ca')
    return { ...draft, place, details: { ...draft.details, issued: nameOf(child) } }
  if (draft.code !== 'usage/extended-key-usage-missing' || draft.details.kind !== 'of its CA')
    return { ...draft, place }
  return { ...draft, place, details: { ...draft.details, leaf: nameOf(leaf) } }
}

function nameOf({ certificate: { subject, serialNumber } }: PathCertificate): string {
  return subject.isEmpty ? `serial ${serialNumber}` : subject.toString()
}

export function checkAboveLeaf(
  path: readonly PathCertificate[],
  issuers: IssuerResults,
  findings: FindingCollector,
): void {
  for (const place of path.slice(1)) {
    const child = path[place.index - 1]
    const leaf = path[0]
    if (child === undefined || leaf === undefined) continue
    for (const draft of issuers.of(place).drafts) findings.drafts.push(completeDraft(draft, place, child, leaf))
    checkLink(child, place.certificate, findings)
  }
  checkPathValidity(path, findings)
  checkPathLength(path, findings)
  checkPolicies(path, findings)
  checkNameConstraints(path, issuers.constraints, findings)
  checkRevocation(path, findings)
}

function checkLink(place: PathCertificate, above: Certificate, findings: FindingCollector): void {
  const { certificate } = place
  const issuer = above.subject.toString()
  const link = keyIdentifiers(certificate, above)
  if (link.relation === 'different') {
    const details = { wanted: hex(link.wanted), found: hex(link.found), issuer }
    findings.add(place, 'chain/authority-differs', { kind: 'key identifier', ...details })
  }
  if (namesOtherAuthority(certificate, above)) {
    const { issuer: names, serial } = certificate.extensions.authorityKeyIdentifier ?? {}
    findings.add(place, 'chain/authority-differs', {
      kind: 'certificate',
      issuer,
      found: above.serialNumber,
      wanted: serial === null || serial === undefined ? null : hex(serial),
      wantedIssuer: names?.find(({ kind }) => kind === 'dirName')?.value ?? null,
    })
  }
  // OpenSSL compares names without regard to ASCII case, white space and kind of string; Go compares bytes.
  if (!bytesEqual(certificate.issuer.raw, above.subject.raw)) {
    const details = { written: certificate.issuer.toString(), issuer, usage: findings.rules.usage }
    findings.add(place, 'chain/issuer-name-respelled', details)
  }
}
