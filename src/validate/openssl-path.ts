/**
 * The path that OpenSSL, and so Node, builds, and whether it accepts that path (crypto/x509/x509_vfy.c build_chain, OpenSSL 3.0 to
 * 3.5 with X509_V_FLAG_TRUSTED_FIRST, the default, and without X509_V_FLAG_PARTIAL_CHAIN: a trusted CA must be self-signed, unless
 * Node's option `allowPartialTrustChain` is set). OpenSSL chooses each issuer without verifying a signature, and tries no other.
 */
import { keyOfSignature } from '../x509/algorithms.js'
import type { Certificate } from '../x509/certificate.js'
import { Tag } from '../x509/der.js'
import { ExtensionId, type ExtensionProblem } from '../x509/extensions.js'
import { FindingCollector, type FindingDraft, findingOf, isRefusedBy, type PathCertificate } from './context.js'
import { type IssuerResults, checkAboveLeaf, placesOf } from './check-path.js'
import { type Budget, keyIdentifiers, linkOf, namesOtherAuthority } from './link.js'
import type { Candidate, IssuerIndex } from './path-walker.js'
import { noCrl } from './revocation/check-revocation.js'
import { crlRefusals } from './revocation/openssl-crls.js'

export interface OpensslInput {
  readonly intermediates: readonly Certificate[]
  readonly index: IssuerIndex
  readonly issuers: IssuerResults
  readonly budget: Budget
}

interface OpensslPath {
  readonly certificates: readonly Certificate[]
  /** How many certificates the peer sent; those after them are from the trusted CAs. */
  readonly sent: number
  /** Whether the path ends at a CA that OpenSSL trusts; says nothing about its signatures. */
  readonly isTrusted: boolean
}

/** The path that OpenSSL builds, null if the budget is used up; and why it refuses it, null if it does not. */
interface BuiltPath {
  readonly built: OpensslPath | null
  readonly refusal: string | null
}
const NOTHING_BUILT: BuiltPath = { built: null, refusal: null }

/** A change of the input: without one certificate, with one moved to the front, or without those that OpenSSL may not read. */
interface Change {
  readonly without?: Certificate
  readonly first?: Certificate
  readonly withoutDoubtful?: boolean
}

/**
 * Reports why OpenSSL refuses a chain for which this validator found a valid path.
 *
 * @param path The valid path.
 */
export function checkOpenssl(path: readonly PathCertificate[], input: OpensslInput, findings: FindingCollector): void {
  new OpensslCheck(path, input, findings).run()
}

/**
 * Once Node gets a CRL, it requires one for every certificate of the path. A connected client passes none. A certificate that already
 * has an error about revocation is skipped.
 */
export function checkCrls(path: readonly PathCertificate[], findings: FindingCollector): void {
  const { usage, at, crls, isConnected: connected } = findings.rules
  if (crls.length === 0 || usage !== 'server' || connected) return
  const isValid = findings.errors.length === 0
  const errors = findings.errors.filter(({ code }) => code.startsWith('revocation/'))
  const reported = new Set(errors.map(({ place }) => place?.certificate))
  for (const { place, refused } of crlRefusals(path, crls, at)) {
    if (reported.has(place.certificate)) continue
    // If a CRL of the issuer was passed, another finding reports its fault.
    const isMissing = isValid || !crls.some(({ issuer }) => issuer.equals(place.certificate.issuer))
    if (refused === null && isMissing) findings.add(place, 'revocation/no-crl', noCrl(place, crls, findings.rules))
    if (refused === null || !isValid) continue
    const { crl, reason } = refused
    findings.add(place, 'revocation/openssl-picks-other-crl', { origin: crl.origin, reason, usage, connected })
  }
}

/** X509_verify_cert fails beyond a depth of 100 (crypto/x509/x509_vpm.c, default_table). */
const MAX_LENGTH = 101

class OpensslCheck {
  readonly #path: readonly PathCertificate[]
  readonly #input: OpensslInput
  readonly #findings: FindingCollector

  constructor(path: readonly PathCertificate[], input: OpensslInput, findings: FindingCollector) {
    this.#path = path
    this.#input = input
    this.#findings = findings
  }

  run(): void {
    const { budget, index } = this.#input
    const anchor = this.#path.at(-1)
    // A server or another member may trust only the root, and needs the intermediate.
    if (this.#findings.rules.usage !== 'server' && anchor?.certificate.isSelfIssued === false)
      this.#checkIntermediateAnchor(anchor)
    const { built, refusal } = this.#hasNoChoice() ? NOTHING_BUILT : this.#tryPath()
    // An incomplete search must never pass.
    if (budget.isExhausted || index.isCutShort)
      this.#findings.add(null, 'chain/limit-exceeded', { kind: 'search', ...budget.limits })
    if (built !== null && refusal !== null) this.#report(built, refusal)
    const isAccepted = built !== null && refusal === null
    checkCrls(isAccepted ? placesOf({ certificates: built.certificates, anchored: true }) : this.#path, this.#findings)
  }

  /** Follows the issuers of a trusted intermediate up to the root: those that are not sent, and the first that is not trusted. */
  #checkIntermediateAnchor(anchor: PathCertificate): void {
    const { intermediates, budget } = this.#input
    const above: PathCertificate[] = [anchor]
    let areTrusted = true
    for (let top = anchor; !top.certificate.isSelfIssued;) {
      const issuer = this.#issuerOf(top.certificate, above)
      if (budget.isExhausted) return
      if (areTrusted && issuer?.isAnchor !== true) this.#reportAnchor(top)
      if (issuer === undefined) break
      areTrusted &&= issuer.isAnchor
      top = { certificate: issuer.certificate, role: 'anchor', index: top.index + 1 }
      above.push(top)
    }
    const missing = above
      .slice(0, -1)
      .filter(({ certificate, index }) => index > 0 && !intermediates.some((each) => each.equals(certificate)))
    const [lowest] = missing
    if (lowest === undefined) return
    const subjects = missing.map(({ certificate }) => String(certificate.subject))
    const root = String(above.at(-1)?.certificate.subject)
    const { usage } = this.#findings.rules
    this.#findings.add(lowest, 'chain/intermediate-not-sent', { usage, missing: subjects, root })
  }

  /** A trusted issuer, otherwise a sent one. */
  #issuerOf(child: Certificate, seen: readonly PathCertificate[]): Candidate | undefined {
    const { index, budget } = this.#input
    const signed = index
      .candidatesInOrder(child)
      .filter(
        ({ certificate }) =>
          !seen.some((each) => each.certificate.equals(certificate)) && linkOf(child, certificate, budget) === 'signed',
      )
    return signed.find(({ isAnchor }) => isAnchor) ?? signed[0]
  }

  /** OpenSSL may read a malformed extension, or skip its certificate: it must accept what it builds in both cases. */
  #tryPath(): BuiltPath {
    const tried = [{}, { withoutDoubtful: true }].map((change) => {
      const built = this.#buildPath(change)
      return { built, refusal: built === null ? null : this.#refusalOf(built) }
    })
    const [first = NOTHING_BUILT, second = NOTHING_BUILT] = tried
    return first.refusal === null && second.refusal !== null ? second : first
  }

  /** Whether the input is exactly the path, its names differ, and OpenSSL treats its root as self-signed. */
  #hasNoChoice(): boolean {
    const last = this.#path.at(-1)?.certificate
    const given = this.#input.intermediates.length + this.#findings.rules.anchors.length
    if (last === undefined || given !== this.#path.length - 1 || !isSelfSigned(last)) return false
    return new Set(this.#path.map(({ certificate }) => certificate.subject.key)).size === this.#path.length
  }

  /** Null if the budget is used up. */
  #buildPath(change: Change = {}): OpensslPath | null {
    const leaf = this.#path[0]?.certificate
    if (leaf === undefined) return null
    const certificates = [leaf]
    let sent = 1
    for (;;) {
      const top = certificates.at(-1) ?? leaf
      const candidates = this.#candidatesFor(top, change)
      const isUsable = (each: Certificate): boolean =>
        mayHaveIssued(each, top) && !isInvalid(each) && !(change.withoutDoubtful === true && isDoubtful(each))
      if (candidates === null || !this.#input.budget.takeSteps(candidates.length + 1)) return null
      const isOnlySent = sent === certificates.length
      const isFull = certificates.length > MAX_LENGTH
      const choose = (isAnchor: boolean): Certificate | undefined => {
        const matching = candidates.filter((each) => each.isAnchor === isAnchor && isUsable(each.certificate))
        return isFull
          ? undefined
          : this.#choose(
              matching.map(({ certificate }) => certificate),
              isAnchor ? [] : certificates,
            )
      }
      const trusted = choose(true)
      if (isSelfSigned(top)) {
        // A sent root must equal the trusted CA of its name.
        const isTrusted = !isOnlySent || trusted?.equals(top) === true
        return { certificates, sent: isTrusted && isOnlySent ? sent - 1 : sent, isTrusted }
      }
      // After the first certificate from the trusted CAs, OpenSSL ignores the sent ones.
      const issuer = trusted ?? (isOnlySent ? choose(false) : undefined)
      if (issuer === undefined) return { certificates, sent, isTrusted: false }
      certificates.push(issuer)
      if (trusted === undefined) sent++
      else if (isSelfSigned(trusted)) return { certificates, sent, isTrusted: true }
    }
  }

  #candidatesFor(certificate: Certificate, { without, first }: Change): readonly Candidate[] | null {
    const candidates = this.#input.index.candidatesInOrder(certificate)
    if (this.#input.index.isCutShort) return null
    const left = candidates.filter((each) => without?.equals(each.certificate) !== true)
    return [...left.filter((each) => first?.equals(each.certificate) === true), ...left]
  }

  /** Of the unused ones, the first that is valid at the time, otherwise the one that expires last (get0_best_issuer_sk). */
  #choose(candidates: readonly Certificate[], used: readonly Certificate[]): Certificate | undefined {
    const { at } = this.#findings.rules
    const left = candidates.filter((each) => !used.some((before) => before.equals(each)))
    const valid = left.find(({ notBefore, notAfter }) => notBefore <= at && at < notAfter)
    return valid ?? left.toSorted((a, b) => b.notAfter.getTime() - a.notAfter.getTime())[0]
  }

  /** Why OpenSSL refuses its path, as a clause; null if it accepts it, or if the budget is used up. */
  #refusalOf(built: OpensslPath): string | null {
    if (!built.isTrusted) return deadEnd(built)
    const { certificates } = built
    if (this.#commonLength(built) === Math.max(certificates.length, this.#path.length)) return null
    for (const [i, issuer] of certificates.slice(1).entries()) {
      const child = certificates[i]
      const link = child === undefined ? null : linkOf(child, issuer, this.#input.budget)
      if (link === null) return null
      if (link === 'other-key') return `the key of "${issuer.subject.toString()}" did not make the signature`
    }
    const findings = new FindingCollector(this.#findings.rules)
    checkAboveLeaf(placesOf({ certificates, anchored: true }), this.#input.issuers, findings)
    const isConstrained = certificates.some((each) => has(each, ExtensionId.nameConstraints))
    const refused = findings.errors.find((draft) => isRefusedByOpenssl(draft, isConstrained))
    // The sentence around it names the owner of the certificates.
    const { anchors } = findings.rules
    return refused === undefined ? null : findingOf(refused, { usage: 'any', anchors }).message.replace(/\.$/, '')
  }

  /** How many certificates at its start are the same as in the valid path. */
  #commonLength({ certificates }: OpensslPath): number {
    const split = certificates.findIndex((each, i) => this.#path[i]?.certificate.equals(each) !== true)
    return split === -1 ? certificates.length : split
  }

  #report(built: OpensslPath, reason: string): void {
    const { certificates, sent, isTrusted } = built
    const { index, intermediates } = this.#input
    const { usage, isConnected: connected } = this.#findings.rules
    const common = this.#commonLength(built)
    const isAnchored = certificates.length > sent || (certificates.length === 1 && index.isAnchor(certificates[0]))
    const last = placesOf({ certificates, anchored: isAnchored }).at(-1)
    const isAbove = common === Math.min(certificates.length, this.#path.length)
    const child = this.#path[Math.min(common, this.#path.length) - 1]
    if (last === undefined || child === undefined) return
    if (!isTrusted && isAbove && isAnchored) {
      if (usage === 'server' || last.certificate.isSelfIssued) this.#reportAnchor(last)
      return
    }
    const picked = certificates[common]
    const needed = this.#path[common]?.certificate
    const isSent = picked !== undefined && intermediates.some((each) => each.equals(picked))
    this.#findings.add(child, 'chain/openssl-picks-other-path', {
      usage,
      connected,
      issuer: child.certificate.issuer.toString(),
      picked: picked?.fingerprint256 ?? null,
      from: common < sent ? 'sent' : isSent ? 'both' : 'trusted',
      needed: needed?.fingerprint256 ?? null,
      change: this.#changeFor(picked, needed),
      reason,
    })
  }

  #reportAnchor(place: PathCertificate): void {
    const { issuer, isSelfIssued: selfIssued } = place.certificate
    const { usage, isConnected: connected, anchors } = this.#findings.rules
    const sameName = !selfIssued && anchors.some(({ subject }) => subject.equals(issuer))
    const details = { usage, connected, issuer: issuer.toString(), selfIssued, sameName }
    this.#findings.add(place, 'chain/anchor-not-self-signed', details)
  }

  /** The change of the input after which OpenSSL accepts it; `path` if no such change exists. */
  #changeFor(picked: Certificate | undefined, needed: Certificate | undefined): 'order' | 'remove' | 'path' {
    const helps = (change: Change): boolean => {
      const built = this.#buildPath(change)
      return built !== null && this.#refusalOf(built) === null && !this.#input.budget.isExhausted
    }
    if (picked === undefined) return 'path'
    if (needed !== undefined && helps({ first: needed })) return 'order'
    return helps({ without: picked }) ? 'remove' : 'path'
  }
}

function deadEnd({ certificates, sent }: OpensslPath): string {
  const last = certificates.at(-1)
  if (last === undefined) return ''
  const subject = `"${last.subject.toString()}"`
  const issuer = `"${last.issuer.toString()}"`
  if (certificates.length > sent)
    return `${subject} is trusted but not self-signed, and no certificate of its issuer ${issuer} is trusted`
  if (isSelfSigned(last)) return `${subject} counts as a self-signed root and is not the trusted CA of that name`
  return `no certificate that was given fits as the issuer ${issuer} of ${subject}`
}

/** ossl_x509_likely_issued for certificates whose names match. OpenSSL does not check the key usage or the signature here. */
function mayHaveIssued(issuer: Certificate, child: Certificate): boolean {
  if (keyOfSignature(child.signatureAlgorithm) !== issuer.publicKeyInfo.algorithm || !issuer.hasReadableKey)
    return false
  return keyIdentifiers(child, issuer).relation !== 'different' && !namesOtherAuthority(child, issuer)
}

/** The extensions that OpenSSL reads before it chooses a certificate (crypto/x509/v3_purp.c, ossl_x509v3_cache_extensions). */
const READ_EXTENSIONS: ReadonlySet<string> = new Set([
  ...[ExtensionId.basicConstraints, ExtensionId.keyUsage, ExtensionId.extendedKeyUsage, ExtensionId.netscapeCertType],
  ...[ExtensionId.subjectKeyIdentifier, ExtensionId.authorityKeyIdentifier, ExtensionId.subjectAltName],
  ...[ExtensionId.issuerAltName, ExtensionId.nameConstraints, ExtensionId.crlDistributionPoints],
])
/** The critical extensions that OpenSSL processes and this package refuses as unknown (X509_supported_extension). */
const SUPPORTED_EXTENSIONS: ReadonlySet<string> = new Set(['policyConstraints', 'netscapeCertType'])

/** EXFLAG_INVALID, so that OpenSSL never chooses it: an extension twice, a key usage without a bit, or a proxy certificate that is a CA or has names. */
function isInvalid(certificate: Certificate): boolean {
  const { extensions, isCa } = certificate
  if (extensions.duplicates.some((oid) => READ_EXTENSIONS.has(oid))) return true
  if (
    valueOf(certificate, ExtensionId.keyUsage)
      ?.subarray(3, 5)
      .every((bits) => bits === 0) === true
  )
    return true
  const isNamed = isCa || has(certificate, ExtensionId.subjectAltName) || has(certificate, ExtensionId.issuerAltName)
  return isNamed && has(certificate, ExtensionId.proxyCertInfo)
}

function valueOf({ extensions }: Certificate, oid: string): Uint8Array | undefined {
  return extensions.all.find((each) => each.oid === oid)?.value
}

const has = (certificate: Certificate, oid: string): boolean => valueOf(certificate, oid) !== undefined

/** Whether an extension is malformed that OpenSSL, which reads more than DER, may read or not. */
function isDoubtful(certificate: Certificate): boolean {
  // OpenSSL ignores bytes after a value (X509V3_EXT_d2i).
  const isRead = ({ oid, reason, limit }: ExtensionProblem): boolean =>
    limit !== undefined || (oid === ExtensionId.basicConstraints && reason.includes('value is followed by'))
  const { problems } = certificate.extensions
  return problems.some((each) => READ_EXTENSIONS.has(each.oid) && !isRead(each)) && !hasNoPurposes(certificate)
}

/** An empty extendedKeyUsage, which OpenSSL reads and which allows nothing. */
function hasNoPurposes(certificate: Certificate): boolean {
  const value = valueOf(certificate, ExtensionId.extendedKeyUsage)
  return value?.length === 2 && value[0] === Tag.sequence
}

/**
 * Whether OpenSSL may read a malformed extension and refuse what it says: it ignores bytes after a value, and takes addresses of any
 * length and strings of any bytes.
 */
function mayRefuseMalformed(
  certificate: Certificate,
  { extension, reason }: { extension: string; reason: string },
  isConstrained: boolean,
): boolean {
  if (extension === 'extendedKeyUsage' && hasNoPurposes(certificate)) return true
  if (extension === 'extendedKeyUsage' || extension === 'keyUsage') return reason.includes('is followed by')
  // An empty list constrains and names nothing.
  return (
    isConstrained &&
    !reason.startsWith('an empty list') &&
    (extension === 'nameConstraints' || extension === 'subjectAltName')
  )
}

/** Whether an error about the path that OpenSSL chose is one of OpenSSL. One without recorded refusals may be. */
function isRefusedByOpenssl(draft: FindingDraft, isConstrained: boolean): boolean {
  const { code, details, place } = draft
  // OpenSSL compares the ends of names that this package calls malformed, and may find them beyond a constraint.
  if (code === 'name-constraints/name-unreadable' && details.kind !== 'malformed for Go') return true
  if (code === 'constraints/not-a-ca' && place !== null && isOldRoot(place.certificate)) return false
  if (code !== 'certificate/extension-refused') return isRefusedBy(draft, ['Node', 'OpenSSL']) !== false
  // A repeated one either hinders the choice, or is not read.
  if (details.kind === 'malformed')
    return place !== null && mayRefuseMalformed(place.certificate, details, isConstrained)
  if (details.kind === 'unknown') return !SUPPORTED_EXTENSIONS.has(details.extension)
  return details.kind === 'wrongly critical'
}

/** A root without basicConstraints is a CA to OpenSSL if its key usage has keyCertSign (crypto/x509/v3_purp.c, check_ca). */
function isOldRoot(certificate: Certificate): boolean {
  const isSigner = certificate.extensions.keyUsage?.has('keyCertSign') === true
  return isSigner && !has(certificate, ExtensionId.basicConstraints) && isSelfSigned(certificate)
}

/** EXFLAG_SS: OpenSSL decides by names and identifiers, and does not verify the signature. */
function isSelfSigned(certificate: Certificate): boolean {
  return certificate.isSelfIssued && mayHaveIssued(certificate, certificate)
}
