/**
 * Which certificate is at fault in the failing cases of the public vectors, where the case's id or description says so.
 * Left out: cases about revocation lists and limits, cases that do not bring along the certificate that they speak of, cycles and chains that end nowhere, cases in which several
 * certificates share the fault, and bettertls' path building, which does not say what is wrong with which certificate.
 */
import type { Culprit } from './blame.js'
import type { VectorCase } from './vectors.js'

/** Of limbo, by the place of the certificate at fault. A CA that is trusted stands under `root`, whatever it is called. */
const LIMBO: Readonly<Record<Culprit['role'], readonly string[]>> = {
  leaf: [
    'crl::revoked-certificate-with-crl',
    'cve::cve-2025-61727',
    'cve::cve-2025-61727-nc-permits-variant',
    'rfc5280::eku::ee-wrong-eku',
    'rfc5280::eku::ee-eku-empty',
    'rfc5280::nc::permitted-dns-mismatch',
    'rfc5280::nc::excluded-dns-match',
    'rfc5280::nc::excluded-dns-match-second',
    'rfc5280::nc::permitted-ip-mismatch',
    'rfc5280::nc::excluded-ipv4-match',
    'rfc5280::nc::excluded-ipv6-match',
    'rfc5280::nc::permitted-dn-mismatch',
    'rfc5280::nc::excluded-dn-match',
    'rfc5280::nc::permitted-dn-match-subject-san-mismatch',
    'rfc5280::nc::excluded-dn-match-sub-mismatch',
    'rfc5280::nc::excluded-self-issued-leaf',
    'rfc5280::nc::excluded-match-permitted-and-excluded',
    'rfc5280::nc::restrictive-permits-in-intermediates-narrows',
    'rfc5280::nc::restrictive-permits-in-intermediates-widens',
    'rfc5280::nc::nc-permits-invalid-dns-san',
    'rfc5280::nc::nc-permits-invalid-ip-san',
    'rfc5280::nc::nc-permits-invalid-email-san',
    'rfc5280::nc::nc-permits-email-literal-asterisk-rejects-user',
    'rfc5280::nc::nc-permits-email-literal-asterisk-rejects-subdomain',
    'rfc5280::nc::nc-permits-email-literal-double-asterisk-rejects-single',
    'rfc5280::nc::nc-forbids-othername',
    'rfc5280::nc::nc-forbids-dnsname-wildcard-san',
    'rfc5280::san::malformed',
    'rfc5280::san::ip-in-dns',
    'rfc5280::serial::negative',
    'rfc5280::validity::expired-leaf',
    'rfc5280::validity::notbefore-fractional',
    'rfc5280::validity::expired-1-second',
    'rfc5280::validity::expired-5-seconds',
    'rfc5280::validity::not-yet-valid-1-second',
    'rfc5280::validity::not-yet-valid-5-seconds',
    'rfc5280::ee-empty-issuer',
    'rfc5280::unknown-critical-extension-ee',
    'rfc5280::ee-critical-aia-invalid',
    'rfc5280::duplicate-extensions',
    // Its description says that the root was modified, but it is the leaf that has two algorithms.
    'rfc5280::mismatching-signature-algorithm',
    'rfc5280::ca-as-leaf-wrong-san',
    'webpki::san::mismatch-domain-san',
    'webpki::san::mismatch-subdomain-san',
    'webpki::san::mismatch-subdomain-apex-san',
    'webpki::san::mismatch-apex-subdomain-san',
    'webpki::san::public-suffix-wildcard-san',
    'webpki::san::wildcard-embedded-leftmost-san',
    'webpki::san::wildcard-not-in-leftmost-san',
    'webpki::san::wildcard-match-across-labels-san',
    'webpki::san::wildcard-embedded-ulabel-san',
    'webpki::san::unicode-emoji-san',
    'webpki::san::no-san',
    'webpki::san::san-wildcard-only',
    'webpki::san::san-wildcard-only-tld',
    'webpki::malformed-aia',
    'webpki::forbidden-p192-leaf',
    'webpki::forbidden-dsa-leaf',
    'webpki::forbidden-weak-rsa-in-leaf',
    'webpki::v1-cert',
  ],
  intermediate: [
    'rfc5280::unknown-critical-extension-intermediate',
    'rfc5280::intermediate-ca-without-ca-bit',
    'rfc5280::validity::expired-intermediate',
    'webpki::nc::intermediate-permitted-excluded-subtrees-both-null',
    'webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences',
  ],
  root: [
    'crl::issuer-missing-crlsign',
    'rfc5280::aki::critical-aki',
    'rfc5280::ski::critical-ski',
    'rfc5280::nc::invalid-dnsname-wildcard',
    'rfc5280::nc::invalid-ipv4-address',
    'rfc5280::nc::invalid-ipv6-address',
    'rfc5280::nc::invalid-email-address',
    'rfc5280::validity::expired-root',
    'rfc5280::ca-empty-subject',
    'rfc5280::unknown-critical-extension-root',
    'rfc5280::root-missing-basic-constraints',
    'rfc5280::root-inconsistent-ca-extensions',
    'webpki::forbidden-p192-root',
    'webpki::forbidden-dsa-root',
    'webpki::forbidden-weak-rsa-key-in-root',
  ],
}

const ROLE_OF = new Map(
  Object.entries(LIMBO).flatMap(([role, ids]) => ids.map((id) => [id, role as Culprit['role']] as const)),
)

/** Every case of limbo that is listed here. */
export const LISTED: readonly string[] = [...ROLE_OF.keys()]

/** The certificate at fault; null if the case does not say. */
export function culpritOf(vector: VectorCase): Culprit | null {
  // Each of these has one CA and one leaf, and differs in the leaf's names.
  const role = vector.id.startsWith('bettertls::nameconstraints::') ? 'leaf' : ROLE_OF.get(vector.id)
  if (role === undefined) return null
  const pem = {
    leaf: vector.peer_certificate,
    intermediate: vector.untrusted_intermediates[0],
    root: vector.trusted_certs[0],
  }
  return { role, der: derOf(pem[role] ?? '') }
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]*-----/g, ''), 'base64')
}
