/** Judging: every check on every certificate in its place, and on the path as a whole. */
import type { Certificate } from '../x509/certificate.js'
import { bytesEqual, hex } from '../x509/der.js'
import { checkIssuerConstraints, checkLeafConstraints, checkPathLength } from './checks/check-constraints.js'
import { checkForm } from './checks/check-form.js'
import { checkKey, checkSignatureAlgorithm } from './checks/check-key.js'
import { checkNameConstraints, type ComparisonBudget } from './checks/check-name-constraints.js'
import { checkNames } from './checks/check-names.js'
import { checkRevocation, type RevocationRules } from './revocation/check-revocation.js'
import { checkIssuerUsage, checkLeafUsage } from './checks/check-usage.js'
import { checkPathValidity, checkValidity } from './checks/check-validity.js'
import type { Context, Usage } from './context.js'
import { keyIdentifiers, namesOtherAuthority } from './link.js'
import { FindingCollector, type Note, type PathCertificate } from './path-certificate.js'
import type { FoundPath } from './path.js'

/** What a path is checked with, next to the caller's context. */
export interface PathRules extends RevocationRules {
  readonly maxIntermediates: number
  /** Comparisons of names with constraints that are left, over all paths of this validation. */
  readonly comparisons: ComparisonBudget
}

/** Puts the certificates of a path into their places. */
export function placesOf({ certificates, anchored }: FoundPath): PathCertificate[] {
  const last = certificates.length - 1
  return certificates.map((certificate, index) => ({
    certificate,
    index,
    role: index === 0 ? 'leaf' : anchored && index === last ? 'anchor' : 'intermediate',
  }))
}

/** What is to be said about the leaf whatever its path. */
export function judgeLeaf(leaf: PathCertificate, isTrusted: boolean, context: Context, notes: FindingCollector): void {
  // A trusted self-signed leaf is its own anchor: no verifier checks its signature.
  judgeByItself(leaf, isTrusted && leaf.certificate.isSelfIssued, context, notes)
  checkLeafConstraints(leaf, context.usage, notes)
  checkLeafUsage(leaf, context, notes)
  checkNames(leaf, context, notes)
}

/** What is to be said about a certificate that issued another one, whatever it issued. */
function judgeIssuer(issuer: PathCertificate, context: Context, notes: FindingCollector): void {
  judgeByItself(issuer, issuer.role === 'anchor', context, notes)
  checkIssuerConstraints(issuer, context.usage, notes)
  checkIssuerUsage(issuer, context, notes)
}

/** The results on issuers by themselves: each certificate is checked once as an anchor and once as an intermediate. */
export class IssuerVerdicts {
  readonly context: Context
  readonly #known = new Map<Certificate, Partial<Record<PathCertificate['role'], FindingCollector>>>()

  constructor(context: Context) {
    this.context = context
  }

  /** How many certificates were checked. */
  get count(): number {
    return this.#known.size
  }

  has(certificate: Certificate): boolean {
    return this.#known.has(certificate)
  }

  /** Whether there is no error in an issuer by itself. */
  isSound(place: PathCertificate): boolean {
    return !this.#of(place).hasErrors
  }

  /** What is to be said about it in its place. */
  notesOn(place: PathCertificate): Note[] {
    return this.#of(place).notes.map((note) => ({ ...note, place }))
  }

  #of(place: PathCertificate): FindingCollector {
    const known = this.#known.get(place.certificate) ?? {}
    const before = known[place.role]
    if (before !== undefined) return before
    const notes = new FindingCollector()
    judgeIssuer(place, this.context, notes)
    this.#known.set(place.certificate, { ...known, [place.role]: notes })
    return notes
  }
}

function judgeByItself(place: PathCertificate, isTrusted: boolean, context: Context, notes: FindingCollector): void {
  checkForm(place, context.usage, notes)
  checkKey(place, notes)
  checkSignatureAlgorithm(place, isTrusted, context.usage, notes)
  checkValidity(place, context, notes)
}

/** Fills in the certificates below the issuer: an issuer is checked once for all paths, and which certificate breaks its limit depends on the path. */
function withNames(note: Note, child: PathCertificate, leaf: PathCertificate): Note {
  if (note.code === 'constraints/not-a-ca') return { ...note, details: { ...note.details, issued: nameOf(child) } }
  if (note.code !== 'usage/extended-key-usage-missing' || note.details.kind !== 'of its CA') return note
  return { ...note, details: { ...note.details, leaf: nameOf(leaf) } }
}

function nameOf({ certificate: { subject, serialNumber } }: PathCertificate): string {
  return subject.isEmpty ? `serial ${serialNumber}` : subject.toString()
}

/** What is to be said about everything above the leaf, and about the path as a whole. */
export function judgeAboveLeaf(
  path: readonly PathCertificate[],
  issuers: IssuerVerdicts,
  rules: PathRules,
  notes: FindingCollector,
): void {
  const { context } = issuers
  for (const place of path.slice(1)) {
    const child = path[place.index - 1]
    const leaf = path[0]
    if (child === undefined || leaf === undefined) continue
    for (const note of issuers.notesOn(place)) notes.notes.push(withNames(note, child, leaf))
    checkLink(child, place, context.usage, notes)
  }
  checkPathValidity(path, context, notes)
  checkPathLength(path, { usage: context.usage, maxIntermediates: rules.maxIntermediates }, notes)
  checkNameConstraints(path, context.usage, rules.comparisons, notes)
  checkRevocation(path, rules, context, notes)
}

function checkLink(child: PathCertificate, issuer: PathCertificate, usage: Usage, notes: FindingCollector): void {
  checkKeyIdentifiers(child, issuer, notes)
  if (namesOtherAuthority(child.certificate, issuer.certificate)) {
    const { subject, serialNumber } = issuer.certificate
    const { issuer: names, serial } = child.certificate.extensions.authorityKeyIdentifier ?? {}
    notes.add(child, 'chain/authority-differs', {
      kind: 'certificate',
      issuer: subject.toString(),
      found: serialNumber,
      wanted: serial === null || serial === undefined ? null : hex(serial),
      wantedIssuer: names?.find(({ kind }) => kind === 'dirName')?.value ?? null,
    })
  }
  // RFC 5280 section 7.1 compares names without regard to case, white space and kind of string; Go compares bytes.
  if (!bytesEqual(child.certificate.issuer.raw, issuer.certificate.subject.raw)) {
    const written = child.certificate.issuer.toString()
    const details = { written, issuer: issuer.certificate.subject.toString(), usage }
    notes.add(child, 'chain/issuer-name-respelled', details)
  }
}

function checkKeyIdentifiers(child: PathCertificate, issuer: PathCertificate, notes: FindingCollector): void {
  const { relation, wanted, found } = keyIdentifiers(child.certificate, issuer.certificate)
  if (relation !== 'different') return
  const details = { wanted: hex(wanted), found: hex(found), issuer: issuer.certificate.subject.toString() }
  notes.add(child, 'chain/authority-differs', { kind: 'key identifier', ...details })
}
