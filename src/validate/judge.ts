/** Judging: every check on every certificate in its place, and on the path as a whole. */
import type { Certificate } from '../x509/certificate.js'
import { bytesEqual, hex } from '../x509/der.js'
import { checkIssuerConstraints, checkLeafConstraints, checkPathLength } from './checks/check-constraints.js'
import { checkEncoding, checkKeyIdentifiers } from './checks/check-form.js'
import { checkKey, checkSignatureAlgorithm } from './checks/check-key.js'
import { checkNameConstraints, type ComparisonBudget, MAX_COMPARISONS } from './checks/check-name-constraints.js'
import { checkNames } from './checks/check-names.js'
import { checkIssuerUsage, checkLeafUsage } from './checks/check-usage.js'
import { checkPathValidity, checkValidity } from './checks/check-validity.js'
import { FindingCollector, type Note, type PathCertificate, type Rules } from './context.js'
import { keyIdentifiers, namesOtherAuthority } from './link.js'
import type { FoundPath } from './path.js'
import { checkRevocation } from './revocation/check-revocation.js'

export function placesOf({ certificates, anchored }: FoundPath): PathCertificate[] {
  const last = certificates.length - 1
  return certificates.map((certificate, index) => ({
    certificate,
    index,
    role: index === 0 ? 'leaf' : anchored && index === last ? 'anchor' : 'intermediate',
  }))
}

/** What is to be said about the leaf whatever its path. */
export function judgeLeaf(leaf: PathCertificate, notes: FindingCollector): void {
  // A trusted self-signed leaf is its own anchor: no verifier checks its signature.
  const isTrusted = notes.rules.anchors.some((anchor) => anchor.equals(leaf.certificate))
  judgeByItself(leaf, isTrusted && leaf.certificate.isSelfIssued, notes)
  checkLeafConstraints(leaf, notes)
  checkLeafUsage(leaf, notes)
  checkNames(leaf, notes)
}

function judgeByItself(place: PathCertificate, isTrusted: boolean, notes: FindingCollector): void {
  checkEncoding(place, notes)
  checkKeyIdentifiers(place, notes)
  checkKey(place, notes)
  checkSignatureAlgorithm(place, isTrusted, notes)
  checkValidity(place, notes)
}

/** What one validation knows of issuers: each is checked by itself once as an anchor and once as an intermediate. */
export class IssuerVerdicts {
  readonly comparisons: ComparisonBudget = { left: MAX_COMPARISONS, known: new Map() }
  readonly #rules: Rules
  readonly #known = new Map<Certificate, Partial<Record<PathCertificate['role'], FindingCollector>>>()

  constructor(rules: Rules) {
    this.#rules = rules
  }

  get count(): number {
    return this.#known.size
  }

  has(certificate: Certificate): boolean {
    return this.#known.has(certificate)
  }

  /** What is to be said about an issuer by itself, whatever it issued. */
  on(place: PathCertificate): FindingCollector {
    const known = this.#known.get(place.certificate) ?? {}
    const before = known[place.role]
    if (before !== undefined) return before
    const notes = new FindingCollector(this.#rules)
    judgeByItself(place, place.role === 'anchor', notes)
    checkIssuerConstraints(place, notes)
    checkIssuerUsage(place, notes)
    this.#known.set(place.certificate, { ...known, [place.role]: notes })
    return notes
  }
}

/** A note on an issuer in its place in this path, with the names of the certificates below it. */
function inPath(note: Note, place: PathCertificate, child: PathCertificate, leaf: PathCertificate): Note {
  if (note.code === 'constraints/not-a-ca')
    return { ...note, place, details: { ...note.details, issued: nameOf(child) } }
  if (note.code !== 'usage/extended-key-usage-missing' || note.details.kind !== 'of its CA') return { ...note, place }
  return { ...note, place, details: { ...note.details, leaf: nameOf(leaf) } }
}

function nameOf({ certificate: { subject, serialNumber } }: PathCertificate): string {
  return subject.isEmpty ? `serial ${serialNumber}` : subject.toString()
}

/** What is to be said about everything above the leaf, and about the path as a whole. */
export function judgeAboveLeaf(
  path: readonly PathCertificate[],
  issuers: IssuerVerdicts,
  notes: FindingCollector,
): void {
  for (const place of path.slice(1)) {
    const child = path[place.index - 1]
    const leaf = path[0]
    if (child === undefined || leaf === undefined) continue
    for (const note of issuers.on(place).notes) notes.notes.push(inPath(note, place, child, leaf))
    checkLink(child, place.certificate, notes)
  }
  checkPathValidity(path, notes)
  checkPathLength(path, notes)
  checkNameConstraints(path, issuers.comparisons, notes)
  checkRevocation(path, notes)
}

function checkLink(place: PathCertificate, above: Certificate, notes: FindingCollector): void {
  const { certificate } = place
  const issuer = above.subject.toString()
  const link = keyIdentifiers(certificate, above)
  if (link.relation === 'different') {
    const details = { wanted: hex(link.wanted), found: hex(link.found), issuer }
    notes.add(place, 'chain/authority-differs', { kind: 'key identifier', ...details })
  }
  if (namesOtherAuthority(certificate, above)) {
    const { issuer: names, serial } = certificate.extensions.authorityKeyIdentifier ?? {}
    notes.add(place, 'chain/authority-differs', {
      kind: 'certificate',
      issuer,
      found: above.serialNumber,
      wanted: serial === null || serial === undefined ? null : hex(serial),
      wantedIssuer: names?.find(({ kind }) => kind === 'dirName')?.value ?? null,
    })
  }
  // RFC 5280 section 7.1 compares names without regard to case, white space and kind of string; Go compares bytes.
  if (!bytesEqual(certificate.issuer.raw, above.subject.raw)) {
    const details = { written: certificate.issuer.toString(), issuer, usage: notes.rules.usage }
    notes.add(place, 'chain/issuer-name-respelled', details)
  }
}
