/**
 * The one path that OpenSSL builds, and so Node, and whether it accepts that one when a valid path was found here
 * (crypto/x509/x509_vfy.c build_chain, OpenSSL 3.0 to 3.5 with X509_V_FLAG_TRUSTED_FIRST, the default, and without
 * X509_V_FLAG_PARTIAL_CHAIN: a trusted CA has to be self-signed, unless the option `allowPartialTrustChain` of Node is set).
 * It chooses each issuer without checking a signature, and never tries another.
 */
import type { Certificate } from '../x509/certificate.js'
import { FindingCollector, findingOf, type PathCertificate } from './context.js'
import { type IssuerResults, checkAboveLeaf, placesOf } from './check-path.js'
import { type Budget, keyIdentifiers, linkOf, namesOtherAuthority } from './link.js'
import type { Candidate, IssuerIndex } from './path-walker.js'
import { noCrl } from './revocation/check-revocation.js'
import { crlRefusals } from './revocation/openssl-crls.js'

/** What OpenSSL chooses from, and what its choice is checked by. */
export interface OpensslInput {
  readonly intermediates: readonly Certificate[]
  readonly index: IssuerIndex
  readonly issuers: IssuerResults
  readonly budget: Budget
}

/** The path that OpenSSL builds, the leaf first. */
interface OpensslPath {
  readonly certificates: readonly Certificate[]
  /** How many of the certificates are from the peer; those after them are from the trusted CAs. */
  readonly sent: number
  /** Whether the path ends at a CA that OpenSSL trusts; its signatures and rules are still to be checked. */
  readonly isTrusted: boolean
}

/** For the question what would come of a change: a certificate that OpenSSL is not given, or that it looks at before all others. */
interface Change {
  readonly without?: Certificate
  readonly first?: Certificate
}

/**
 * Follows OpenSSL's choice and reports what it refuses.
 *
 * @param path A path that is valid.
 */
export function checkOpenssl(path: readonly PathCertificate[], input: OpensslInput, findings: FindingCollector): void {
  new OpensslCheck(path, input, findings).run()
}

/**
 * Node requires a CRL for every certificate of the path as soon as it is given one. A client that connected gives it none.
 * What another finding says of a certificate is not repeated.
 */
export function checkCrls(path: readonly PathCertificate[], findings: FindingCollector): void {
  const { usage, at, crls, isConnected: connected } = findings.rules
  if (crls.length === 0 || usage !== 'server' || connected) return
  const isValid = findings.errors.length === 0
  const errors = findings.errors.filter(({ code }) => code.startsWith('revocation/'))
  const reported = new Set(errors.map(({ place }) => place?.certificate))
  for (const { place, refused } of crlRefusals(path, crls, at)) {
    if (reported.has(place.certificate)) continue
    // What is wrong with a CRL of the same issuer, another finding says.
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
    // Whoever trusts the root alone needs the intermediate: the server of a client, or another member.
    if (this.#findings.rules.usage !== 'server' && anchor?.certificate.isSelfIssued === false)
      this.#reportAnchor(anchor)
    const taken = this.#hasNoChoice() ? null : this.#follow()
    const refusal = taken === null ? null : this.#refusalOf(taken)
    // A search that was cut short must never look like a pass.
    if (budget.isExhausted || index.isCutShort)
      this.#findings.add(null, 'chain/limit-exceeded', { kind: 'search', ...budget.limits })
    if (taken !== null && refusal !== null) this.#report(taken, refusal)
    const isTaken = taken !== null && refusal === null
    checkCrls(isTaken ? placesOf({ certificates: taken.certificates, anchored: true }) : this.#path, this.#findings)
  }

  /** Whether all that was given is the path, without two of one name, and the root can be seen to be one. */
  #hasNoChoice(): boolean {
    const last = this.#path.at(-1)?.certificate
    const given = this.#input.intermediates.length + this.#findings.rules.anchors.length
    if (last === undefined || given !== this.#path.length - 1 || !isSelfSigned(last)) return false
    return new Set(this.#path.map(({ certificate }) => certificate.subject.key)).size === this.#path.length
  }

  /** The path that OpenSSL builds; null if the budget does not suffice. */
  #follow(change: Change = {}): OpensslPath | null {
    const leaf = this.#path[0]?.certificate
    if (leaf === undefined) return null
    const certificates = [leaf]
    let sent = 1
    for (;;) {
      const top = certificates.at(-1) ?? leaf
      const namesakes = this.#namesakesOf(top, change)
      if (namesakes === null || !this.#input.budget.takeSteps(namesakes.length + 1)) return null
      const isOnlySent = sent === certificates.length
      const isFull = certificates.length > MAX_LENGTH
      const choose = (isAnchor: boolean): Certificate | undefined => {
        const fitting = namesakes.filter((each) => each.isAnchor === isAnchor && mayHaveIssued(each.certificate, top))
        return isFull
          ? undefined
          : this.#choose(
              fitting.map(({ certificate }) => certificate),
              isAnchor ? [] : certificates,
            )
      }
      const trusted = choose(true)
      if (isSelfSigned(top)) {
        // A root that was sent is taken for the trusted one of its name, and must be the same certificate.
        const isTrusted = !isOnlySent || trusted?.equals(top) === true
        return { certificates, sent: isTrusted && isOnlySent ? sent - 1 : sent, isTrusted }
      }
      // Once one certificate was taken from the trusted CAs, OpenSSL does not look at what was sent.
      const issuer = trusted ?? (isOnlySent ? choose(false) : undefined)
      if (issuer === undefined) return { certificates, sent, isTrusted: false }
      certificates.push(issuer)
      if (trusted === undefined) sent++
      else if (isSelfSigned(trusted)) return { certificates, sent, isTrusted: true }
    }
  }

  #namesakesOf(certificate: Certificate, { without, first }: Change): readonly Candidate[] | null {
    const namesakes = this.#input.index.namesakesOf(certificate)
    if (this.#input.index.isCutShort) return null
    const left = namesakes.filter((each) => without?.equals(each.certificate) !== true)
    return [...left.filter((each) => first?.equals(each.certificate) === true), ...left]
  }

  /** Of those that are not taken, the first within its validity, else the one that ends last (get0_best_issuer_sk). */
  #choose(fitting: readonly Certificate[], taken: readonly Certificate[]): Certificate | undefined {
    const { at } = this.#findings.rules
    const left = fitting.filter((each) => !taken.some((before) => before.equals(each)))
    const valid = left.find(({ notBefore, notAfter }) => notBefore <= at && at < notAfter)
    return valid ?? left.toSorted((a, b) => b.notAfter.getTime() - a.notAfter.getTime())[0]
  }

  /** What OpenSSL refuses about its path, as part of a sentence; null if it accepts it, or if the budget is used up. */
  #refusalOf(taken: OpensslPath): string | null {
    if (!taken.isTrusted) return deadEnd(taken)
    const { certificates } = taken
    if (this.#commonLength(taken) === Math.max(certificates.length, this.#path.length)) return null
    for (const [i, issuer] of certificates.slice(1).entries()) {
      const child = certificates[i]
      const link = child === undefined ? null : linkOf(child, issuer, this.#input.budget)
      if (link === null) return null
      if (link === 'other-key') return `the key of "${issuer.subject.toString()}" did not make the signature`
    }
    const findings = new FindingCollector(this.#findings.rules)
    checkAboveLeaf(placesOf({ certificates, anchored: true }), this.#input.issuers, findings)
    // Errors that Go alone refuses do not matter to OpenSSL; those of which nobody's words are known might.
    const refused = findings.errors
      .map(findingOf)
      .find(({ refusals }) => refusals.length === 0 || refusals.some(({ by }) => by === 'Node' || by === 'OpenSSL'))
    return refused?.message.replace(/\.$/, '') ?? null
  }

  /** How many certificates at its beginning are those of the valid path. */
  #commonLength({ certificates }: OpensslPath): number {
    const split = certificates.findIndex((each, i) => this.#path[i]?.certificate.equals(each) !== true)
    return split === -1 ? certificates.length : split
  }

  #report(taken: OpensslPath, reason: string): void {
    const { certificates, sent, isTrusted } = taken
    const { index, intermediates } = this.#input
    const { usage, isConnected: connected } = this.#findings.rules
    const common = this.#commonLength(taken)
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
    const { usage, isConnected: connected } = this.#findings.rules
    const details = { usage, connected, issuer: issuer.toString(), selfIssued }
    this.#findings.add(place, 'chain/anchor-not-self-signed', details)
  }

  /** The change to one certificate after which OpenSSL accepts; `path` if there is none. */
  #changeFor(picked: Certificate | undefined, needed: Certificate | undefined): 'order' | 'remove' | 'path' {
    const helps = (change: Change): boolean => {
      const taken = this.#follow(change)
      return taken !== null && this.#refusalOf(taken) === null && !this.#input.budget.isExhausted
    }
    if (picked === undefined) return 'path'
    if (needed !== undefined && helps({ first: needed })) return 'order'
    return helps({ without: picked }) ? 'remove' : 'path'
  }
}

function deadEnd({ certificates, sent }: OpensslPath): string {
  const last = certificates.at(-1)
  if (last === undefined) return ''
  const who = `"${last.subject.toString()}"`
  const issuer = `"${last.issuer.toString()}"`
  if (certificates.length > sent)
    return `${who} is trusted but not self-signed, and no certificate of its issuer ${issuer} is trusted`
  if (isSelfSigned(last)) return `${who} counts as a self-signed root and is not the trusted CA of that name`
  return `no certificate that was given fits as the issuer ${issuer} of ${who}`
}

/** Kinds of key by signature algorithms that OpenSSL knows, and that are refused here (crypto/objects/obj_xref.txt). */
const MORE_SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'RSA',
  '1.2.840.113549.1.1.10': 'RSA',
  '1.2.840.113549.1.1.14': 'RSA',
  '1.2.840.113549.1.1.15': 'RSA',
  '1.2.840.113549.1.1.16': 'RSA',
  '1.2.840.10045.4.3.1': 'ECDSA',
  '1.3.101.113': 'Ed448',
}

/** ossl_x509_likely_issued, of certificates whose names agree: key usage and signature are not looked at. */
function mayHaveIssued(issuer: Certificate, child: Certificate): boolean {
  const { signatureAlgorithm: made } = child
  const key = 'unknown' in made ? MORE_SIGNATURES[made.unknown] : made.scheme.key
  if (key !== issuer.publicKeyInfo.algorithm) return false
  return keyIdentifiers(child, issuer).relation !== 'different' && !namesOtherAuthority(child, issuer)
}

/** EXFLAG_SS: OpenSSL takes a certificate for self-signed by its names and identifiers, without its signature. */
function isSelfSigned(certificate: Certificate): boolean {
  return certificate.isSelfIssued && mayHaveIssued(certificate, certificate)
}
