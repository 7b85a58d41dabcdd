/**
 * The one path that OpenSSL builds, and so Node (crypto/x509/x509_vfy.c build_chain, OpenSSL 3.0 to 3.5 with
 * X509_V_FLAG_TRUSTED_FIRST, the default, and without X509_V_FLAG_PARTIAL_CHAIN: a trusted CA has to be self-signed, unless the
 * option `allowPartialTrustChain` of Node is set). It chooses each issuer without checking a signature, and never tries another.
 */
import type { Certificate } from '../x509/certificate.js'
import type { Budget } from './budget.js'
import type { Candidate, IssuerIndex } from './issuer-index.js'
import { keyIdentifiers, namesOtherAuthority } from './link.js'

/** The path that OpenSSL builds, the leaf first. */
export interface OpensslPath {
  readonly certificates: readonly Certificate[]
  /** How many of the certificates are from the peer; those after them are from the trusted CAs. */
  readonly sent: number
  /** Whether the path ends at a CA that OpenSSL trusts; its signatures and rules are still to be checked. */
  readonly isTrusted: boolean
}

export interface OpensslOptions {
  readonly at: Date
  /** Certificates that OpenSSL leaves out of its choice, for the question what would come of a change. */
  readonly without?: Certificate | undefined
  /** A certificate that OpenSSL looks at before all others of its list, for the same question. */
  readonly first?: Certificate | undefined
}

/** X509_verify_cert fails beyond a depth of 100 (crypto/x509/x509_vpm.c, default_table). */
const MAX_LENGTH = 101

/** Builds the path as OpenSSL does; null if the budget does not suffice. */
export function opensslPath(
  leaf: Certificate,
  index: IssuerIndex,
  options: OpensslOptions,
  budget: Budget,
): OpensslPath | null {
  const certificates = [leaf]
  let sent = 1
  for (;;) {
    const top = certificates.at(-1) ?? leaf
    const namesakes = namesakesOf(top, index, options)
    if (namesakes === null || !budget.takeSteps(namesakes.length + 1)) return null
    const isOnlySent = sent === certificates.length
    const trusted = certificates.length > MAX_LENGTH ? undefined : choose(top, namesakes, true, options)
    if (isSelfSigned(top)) {
      // A root that was sent is taken for the trusted one of its name, and must be the same certificate.
      const isTrusted = !isOnlySent || trusted?.equals(top) === true
      return { certificates, sent: isTrusted && isOnlySent ? sent - 1 : sent, isTrusted }
    }
    if (trusted !== undefined) {
      certificates.push(trusted)
      if (isSelfSigned(trusted)) return { certificates, sent, isTrusted: true }
      continue
    }
    // Once one certificate was taken from the trusted CAs, OpenSSL does not look at what was sent.
    const issuer =
      isOnlySent && certificates.length <= MAX_LENGTH ? chooseSent(top, namesakes, certificates, options) : undefined
    if (issuer === undefined) return { certificates, sent, isTrusted: false }
    certificates.push(issuer)
    sent++
  }
}

function namesakesOf(
  certificate: Certificate,
  index: IssuerIndex,
  { without, first }: OpensslOptions,
): readonly Candidate[] | null {
  const namesakes = index.namesakesOf(certificate)
  if (index.isCutShort) return null
  if (without === undefined && first === undefined) return namesakes
  const left = namesakes.filter((each) => without?.equals(each.certificate) !== true)
  return [...left.filter((each) => first?.equals(each.certificate) === true), ...left]
}

function chooseSent(
  child: Certificate,
  namesakes: readonly Candidate[],
  taken: readonly Certificate[],
  options: OpensslOptions,
): Certificate | undefined {
  const left = namesakes.filter(({ certificate }) => !taken.some((each) => each.equals(certificate)))
  return choose(child, left, false, options)
}

/** Of those that fit, the first within its validity, else the one that ends last (get0_best_issuer_sk). */
function choose(
  child: Certificate,
  namesakes: readonly Candidate[],
  isAnchor: boolean,
  { at }: OpensslOptions,
): Certificate | undefined {
  let last: Certificate | undefined
  for (const candidate of namesakes) {
    const { certificate } = candidate
    if (candidate.isAnchor !== isAnchor || !mayHaveIssued(certificate, child)) continue
    if (certificate.notBefore <= at && at < certificate.notAfter) return certificate
    if (last === undefined || certificate.notAfter > last.notAfter) last = certificate
  }
  return last
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
export function isSelfSigned(certificate: Certificate): boolean {
  return certificate.isSelfIssued && mayHaveIssued(certificate, certificate)
}
