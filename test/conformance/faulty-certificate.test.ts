/** Whether the report names the certificate at fault, over all failing vectors that say which one it is. */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../src/validate/index.js'
import { namesFaultyCertificate, type FaultyCertificate } from '../support/faulty-certificate.js'
import { callOf, readBettertls, readLimbo, type VectorCase } from '../support/vectors.js'

/**
 * The place of the certificate at fault, for the cases of limbo whose id or description says it. A CA that is trusted stands under
 * `root`, whatever it is called. Left out: cases about CRLs and limits, cases that do not bring along the certificate that they
 * speak of, cycles and chains that end nowhere, cases in which several certificates share the fault, and bettertls' path building,
 * which does not say what is wrong with which certificate.
 */
const LIMBO: Readonly<Record<FaultyCertificate['role'], Readonly<Record<string, string>>>> = {
  leaf: {
    'crl::': 'revoked-certificate-with-crl',
    'cve::': 'cve-2025-61727 cve-2025-61727-nc-permits-variant',
    'rfc5280::eku::': 'ee-wrong-eku ee-eku-empty',
    'rfc5280::nc::':
      'permitted-dns-mismatch excluded-dns-match excluded-dns-match-second permitted-ip-mismatch ' +
      'excluded-ipv4-match excluded-ipv6-match permitted-dn-mismatch excluded-dn-match ' +
      'permitted-dn-match-subject-san-mismatch excluded-dn-match-sub-mismatch excluded-self-issued-leaf ' +
      'excluded-match-permitted-and-excluded restrictive-permits-in-intermediates-narrows ' +
      'restrictive-permits-in-intermediates-widens nc-permits-invalid-dns-san nc-permits-invalid-ip-san ' +
      'nc-permits-invalid-email-san nc-permits-email-literal-asterisk-rejects-user ' +
      'nc-permits-email-literal-asterisk-rejects-subdomain ' +
      'nc-permits-email-literal-double-asterisk-rejects-single nc-forbids-othername ' +
      'nc-forbids-dnsname-wildcard-san',
    'rfc5280::san::': 'malformed ip-in-dns',
    'rfc5280::serial::': 'negative',
    'rfc5280::validity::':
      'expired-leaf notbefore-fractional expired-1-second expired-5-seconds not-yet-valid-1-second ' +
      'not-yet-valid-5-seconds',
    // 'mismatching-signature-algorithm': its description says that the root was modified, but it is the leaf that has two algorithms.
    'rfc5280::':
      'ee-empty-issuer unknown-critical-extension-ee ee-critical-aia-invalid duplicate-extensions ' +
      'mismatching-signature-algorithm ca-as-leaf-wrong-san',
    'webpki::san::':
      'mismatch-domain-san mismatch-subdomain-san mismatch-subdomain-apex-san mismatch-apex-subdomain-san ' +
      'public-suffix-wildcard-san wildcard-embedded-leftmost-san wildcard-not-in-leftmost-san ' +
      'wildcard-match-across-labels-san wildcard-embedded-ulabel-san unicode-emoji-san no-san san-wildcard-only ' +
      'san-wildcard-only-tld',
    'webpki::': 'malformed-aia forbidden-p192-leaf forbidden-dsa-leaf forbidden-weak-rsa-in-leaf v1-cert',
  },
  intermediate: {
    'rfc5280::': 'unknown-critical-extension-intermediate intermediate-ca-without-ca-bit',
    'rfc5280::validity::': 'expired-intermediate',
    'webpki::nc::':
      'intermediate-permitted-excluded-subtrees-both-null ' +
      'intermediate-permitted-excluded-subtrees-both-empty-sequences',
  },
  root: {
    'crl::': 'issuer-missing-crlsign',
    'rfc5280::aki::': 'critical-aki',
    'rfc5280::ski::': 'critical-ski',
    'rfc5280::nc::': 'invalid-dnsname-wildcard invalid-ipv4-address invalid-ipv6-address invalid-email-address',
    'rfc5280::validity::': 'expired-root',
    'rfc5280::':
      'ca-empty-subject unknown-critical-extension-root root-missing-basic-constraints ' +
      'root-inconsistent-ca-extensions',
    'webpki::': 'forbidden-p192-root forbidden-dsa-root forbidden-weak-rsa-key-in-root',
  },
}

const ROLES = new Map(
  Object.entries(LIMBO).flatMap(([role, groups]) =>
    Object.entries(groups).flatMap(([prefix, names]) =>
      names.split(' ').map((name) => [prefix + name, role as FaultyCertificate['role']] as const),
    ),
  ),
)

/** Null if the case does not say. */
function faultyCertificateOf(vector: VectorCase): FaultyCertificate | null {
  // Each of these has one CA and one leaf, and differs in the leaf's names.
  const role = vector.id.startsWith('bettertls::nameconstraints::') ? 'leaf' : ROLES.get(vector.id)
  if (role === undefined) return null
  const [intermediate] = vector.untrusted_intermediates
  const pem = { leaf: vector.peer_certificate, intermediate, root: vector.trusted_certs[0] }[role] ?? ''
  return { role, der: Buffer.from(pem.replace(/-----[^-]*-----/g, ''), 'base64') }
}

/** The cases that say it; at most one in twenty may name another certificate. */
function casesNamedRight(cases: readonly VectorCase[]): string[] {
  const checked = cases.flatMap((vector) => {
    const faulty = vector.expected_result === 'FAILURE' ? faultyCertificateOf(vector) : null
    if (faulty === null) return []
    const { input, options } = callOf(vector)
    return { id: vector.id, isRight: namesFaultyCertificate(validateChain(input, options), faulty) }
  })
  const wrong = checked.filter(({ isRight }) => !isRight).map(({ id }) => id)
  expect(wrong.length / checked.length, wrong.join(', ')).toBeLessThanOrEqual(0.05)
  return checked.map(({ id }) => id)
}

describe('the report names the certificate at fault', () => {
  it('the report names the certificate at fault in x509-limbo', () => {
    expect(casesNamedRight(readLimbo()).sort()).toEqual([...ROLES.keys()].sort())
  })

  it('the report names the certificate at fault in bettertls', () => {
    expect(casesNamedRight(readBettertls()).length).toBeGreaterThan(500)
  })
})
