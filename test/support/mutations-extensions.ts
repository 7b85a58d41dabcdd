/** Mutations of extensions as such, of key identifiers, and of policies. */
import { boolean, contextPrimitive, integer, nullValue, octetString, oid, sequence, tlv } from './der-writer.js'
import {
  authorityKeyIdentifier,
  certificatePolicies,
  crlDistributionPoints,
  directoryName,
  EXTENSION,
  keyUsage,
  publicHalf,
  relativeDistributionPoint,
  subjectAltName,
  subjectKeyIdentifier,
  type Extension,
  unknownExtension,
  uri,
} from './mint.js'
import { CAS, EVERY, keyFor, type Mutation, type Role, set, sets, SHOWN } from './mutation.js'

const AUTHORITY_INFO_ACCESS = '1.3.6.1.5.5.7.1.1'
const ISSUER_ALT_NAME = '2.5.29.18'
const OCSP = '1.3.6.1.5.5.7.48.1'
const POLICY = '1.3.6.1.4.1.99999.2'
const ANY_POLICY = '2.5.29.32.0'

/** Adds extensions; one that the certificate has already is replaced. */
function carries(name: string, extensions: () => Extension[], on: readonly Role[] = EVERY): Mutation {
  return sets(name, () => ({ extensions: extensions() }), on)
}

const asSuch: readonly Mutation[] = [
  carries('an unknown extension', () => [unknownExtension(false)]),
  carries('an unknown critical extension', () => [unknownExtension(true)]),
  carries('an unknown extension twice', () => [unknownExtension(false), unknownExtension(false)]),
  carries('the same key usage twice', () => [keyUsage(['digitalSignature']), keyUsage(['digitalSignature'])], ['leaf']),
  carries('an extension that says FALSE for critical', () => [
    { ...unknownExtension(false), critical: boolean(false) },
  ]),
  carries('an extension whose critical flag is 01', () => [
    { ...unknownExtension(false), critical: tlv(0x01, Buffer.from([1])) },
  ]),
  carries('an extension without a value', () => [{ oid: '1.3.6.1.4.1.99999.1', value: Buffer.alloc(0) }]),
  sets('an empty list of extensions', () => ({ rawExtensions: sequence() })),
  sets('extensions that are no list', () => ({ rawExtensions: octetString(Buffer.alloc(3)) })),
  sets('an extension that is no extension', () => ({ rawExtensions: sequence(nullValue()) })),
]

const keyIdentifiers: readonly Mutation[] = [
  sets('no subject key identifier', () => ({ without: [EXTENSION.subjectKeyIdentifier] })),
  sets('no authority key identifier', () => ({ without: [EXTENSION.authorityKeyIdentifier] }), SHOWN),
  {
    name: 'a critical subject key identifier',
    on: EVERY,
    apply: (plan, role) => {
      set(plan, role, { extensions: [subjectKeyIdentifier(publicHalf(keyFor(role)), true)] })
    },
  },
  {
    name: 'a critical authority key identifier',
    on: EVERY,
    apply: (plan, role) => {
      set(plan, role, { extensions: [authorityKeyIdentifier(issuerKey(role), {}, true)] })
    },
  },
  carries('another authority key identifier', () => [authorityKeyIdentifier(Buffer.alloc(20, 9))]),
  carries('another subject key identifier', () => [subjectKeyIdentifier(Buffer.alloc(20, 9))]),
  carries('a subject key identifier that is no octets', () => [
    { oid: EXTENSION.subjectKeyIdentifier, value: Buffer.from('garbage') },
  ]),
  carries('an empty subject key identifier', () => [
    { oid: EXTENSION.subjectKeyIdentifier, value: octetString(Buffer.alloc(0)) },
  ]),
  carries('an authority key identifier that cannot be read', () => [
    { oid: EXTENSION.authorityKeyIdentifier, value: sequence(integer(1)) },
  ]),
  carries('an authority key identifier that is no list', () => [
    garbled(EXTENSION.authorityKeyIdentifier, nullValue()),
  ]),
  carries('an empty authority key identifier', () => [authorityKeyIdentifier(null)]),
  {
    name: 'an authority key identifier with a serial number of another certificate',
    on: SHOWN,
    apply: (plan, role) => {
      const issuer = [directoryName(role === 'leaf' ? 'Root' : 'Somebody')]
      set(plan, role, { extensions: [authorityKeyIdentifier(issuerKey(role), { issuer, serial: 4711n })] })
    },
  },
]

function issuerKey(role: Role): ReturnType<typeof publicHalf> {
  return publicHalf(keyFor(role === 'leaf' ? 'intermediate' : 'root'))
}

const policies: readonly Mutation[] = [
  carries('a policy', () => [certificatePolicies([POLICY])]),
  carries('a critical policy', () => [certificatePolicies([POLICY], true)]),
  carries('any policy, critical', () => [certificatePolicies([ANY_POLICY], true)]),
  carries('the same policy twice', () => [certificatePolicies([POLICY, POLICY])]),
  carries('policies that cannot be read', () => [{ oid: EXTENSION.certificatePolicies, value: sequence(integer(1)) }]),
  carries('an empty list of policies', () => [certificatePolicies([])]),
  carries('critical policy constraints', () => [policyConstraints(true)], CAS),
  carries('policy constraints', () => [policyConstraints(false)], CAS),
  carries('critical policy mappings', () => [policyMappings(true)], CAS),
  carries('policy mappings', () => [policyMappings(false)], CAS),
  carries(
    'critical inhibitAnyPolicy',
    () => [{ oid: EXTENSION.inhibitAnyPolicy, critical: true, value: integer(0) }],
    CAS,
  ),
  carries(
    'policy mappings of anyPolicy',
    () => [{ oid: EXTENSION.policyMappings, value: sequence(sequence(oid(POLICY), oid(ANY_POLICY))) }],
    CAS,
  ),
  carries('policy constraints that cannot be read', () => [garbled(EXTENSION.policyConstraints)], CAS),
  carries('policy mappings that cannot be read', () => [garbled(EXTENSION.policyMappings)], CAS),
  carries('inhibitAnyPolicy that cannot be read', () => [garbled(EXTENSION.inhibitAnyPolicy)], CAS),
  carries('inhibitAnyPolicy', () => [{ oid: EXTENSION.inhibitAnyPolicy, value: integer(0) }], CAS),
]

function garbled(dotted: string, value = sequence(nullValue())): Extension {
  return { oid: dotted, value }
}

/** requireExplicitPolicy 0: every certificate below must name a policy. */
function policyConstraints(critical: boolean): Extension {
  return { oid: EXTENSION.policyConstraints, critical, value: sequence(contextPrimitive(0, Buffer.from([0]))) }
}

function policyMappings(critical: boolean): Extension {
  return { oid: EXTENSION.policyMappings, critical, value: sequence(sequence(oid(POLICY), oid(`${POLICY}.1`))) }
}

const others: readonly Mutation[] = [
  carries('CRL distribution points', () => [crlDistributionPoints(['http://crl.example/etcd.crl'])]),
  carries('critical CRL distribution points', () => [crlDistributionPoints(['http://crl.example/etcd.crl'], true)]),
  carries('CRL distribution points relative to the issuer', () => [relativeDistributionPoint()]),
  carries('CRL distribution points that cannot be read', () => [
    { oid: EXTENSION.crlDistributionPoints, value: sequence(integer(1)) },
  ]),
  carries('authority information access', () => [informationAccess(false)]),
  carries('critical authority information access', () => [informationAccess(true)]),
  carries('authority information access that cannot be read', () => [
    { oid: AUTHORITY_INFO_ACCESS, value: sequence(integer(1)) },
  ]),
  carries('a critical issuer alternative name', () => [
    { ...subjectAltName([uri('https://ca.example/')], true), oid: ISSUER_ALT_NAME },
  ]),
  carries('the Netscape certificate type of a CA', () => [
    // nsCertType sslCA, of the last century: OpenSSL still reads it.
    { oid: '2.16.840.1.113730.1.1', value: tlv(0x03, Buffer.from([2, 4])) },
  ]),
  carries('OCSP must-staple', () => [{ oid: '1.3.6.1.5.5.7.1.24', value: sequence(integer(5)) }]),
]

function informationAccess(critical: boolean): Extension {
  const location = contextPrimitive(6, Buffer.from('http://ocsp.example/'))
  return { oid: AUTHORITY_INFO_ACCESS, critical, value: sequence(sequence(oid(OCSP), location)) }
}

export const extensionMutations: readonly Mutation[] = [...asSuch, ...keyIdentifiers, ...policies, ...others]
