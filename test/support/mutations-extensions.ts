/** Mutations of extensions as such, key identifiers, policies, basic constraints, key usage and extended key usage. */
import {
  bitString,
  boolean,
  contextPrimitive,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  tlv,
} from './der-writer.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  crlDistributionPoints,
  directoryName,
  EXTENSION,
  extendedKeyUsage,
  type Extension,
  keyUsage,
  type KeyUsageName,
  publicHalf,
  relativeDistributionPoint,
  subjectAltName,
  subjectKeyIdentifier,
  unknownExtension,
  uri,
} from './mint.js'
import { carries, CAS, EVERY, keyFor, LEAF, type Mutation, plans, type Role, set, sets, SHOWN } from './mutation.js'

const AUTHORITY_INFO_ACCESS = '1.3.6.1.5.5.7.1.1'
const ISSUER_ALT_NAME = '2.5.29.18'
const OCSP = '1.3.6.1.5.5.7.48.1'
const POLICY = '1.3.6.1.4.1.99999.2'
const ANY_POLICY = '2.5.29.32.0'

const unknown = unknownExtension(false)
const flag = (content: number): Buffer => tlv(0x01, Buffer.from([content]))
const raw = (dotted: string, value: Buffer, critical = false): Extension => ({ oid: dotted, critical, value })
/** What the extension does not hold. */
const garbled = (dotted: string): Extension => raw(dotted, sequence(integer(1)))
const trailing = (extension: Extension): Extension => ({
  ...extension,
  value: Buffer.concat([extension.value, nullValue()]),
})

const asSuch: readonly Mutation[] = [
  carries('an unknown extension', unknown),
  carries('an unknown critical extension', unknownExtension(true)),
  sets('an unknown extension twice', { extensions: [unknown, unknown] }),
  sets(
    'the same key usage twice',
    { extensions: [keyUsage(['digitalSignature']), keyUsage(['digitalSignature'])] },
    LEAF,
  ),
  carries('an extension that says FALSE for critical', { ...unknown, critical: boolean(false) }),
  carries('an extension whose critical flag is 01', { ...unknown, critical: flag(1) }),
  carries('an extension without a value', { ...unknown, value: Buffer.alloc(0) }),
  sets('an empty list of extensions', { rawExtensions: sequence() }),
  sets('extensions that are no list', { rawExtensions: octetString(Buffer.alloc(3)) }),
  sets('an extension that is no extension', { rawExtensions: sequence(nullValue()) }),
]

const issuerKey = (role: Role) => publicHalf(keyFor(role === 'leaf' ? 'intermediate' : 'root'))
const AKI = EXTENSION.authorityKeyIdentifier
const SKI = EXTENSION.subjectKeyIdentifier

const keyIdentifiers: readonly Mutation[] = [
  sets('no subject key identifier', { without: [SKI] }),
  sets('no authority key identifier', { without: [AKI] }, SHOWN),
  carries('a critical subject key identifier', (role) => subjectKeyIdentifier(publicHalf(keyFor(role)), true)),
  carries('a critical authority key identifier', (role) => authorityKeyIdentifier(issuerKey(role), {}, true)),
  carries('another authority key identifier', authorityKeyIdentifier(Buffer.alloc(20, 9))),
  carries('another subject key identifier', subjectKeyIdentifier(Buffer.alloc(20, 9))),
  carries('a subject key identifier that is no bytes', raw(SKI, Buffer.from('garbage'))),
  carries('an empty subject key identifier', raw(SKI, octetString(Buffer.alloc(0)))),
  carries('an authority key identifier that cannot be read', garbled(AKI)),
  carries('an authority key identifier that is no list', raw(AKI, nullValue())),
  carries('an empty authority key identifier', authorityKeyIdentifier(null)),
  carries(
    'an authority key identifier with a serial number of another certificate',
    (role) => {
      const issuer = [directoryName(role === 'leaf' ? 'Root' : 'Somebody')]
      return authorityKeyIdentifier(issuerKey(role), { issuer, serial: 4711n })
    },
    SHOWN,
  ),
]

const empty = sequence(nullValue())
/** requireExplicitPolicy 0: every certificate below must name a policy. */
const requirePolicy = sequence(contextPrimitive(0, Buffer.from([0])))
const skipOne = sequence(contextPrimitive(0, Buffer.from([1])))
const mapping = (to: string): Buffer => sequence(sequence(oid(POLICY), oid(to)))

const policies: readonly Mutation[] = [
  carries('a policy', certificatePolicies([POLICY])),
  carries('a critical policy', certificatePolicies([POLICY], true)),
  carries('any policy, critical', certificatePolicies([ANY_POLICY], true)),
  carries('the same policy twice', certificatePolicies([POLICY, POLICY])),
  carries('policies that cannot be read', garbled(EXTENSION.certificatePolicies)),
  carries('an empty list of policies', certificatePolicies([])),
  carries('critical policy constraints', raw(EXTENSION.policyConstraints, requirePolicy, true), CAS),
  carries('policy constraints', raw(EXTENSION.policyConstraints, requirePolicy)),
  carries('policy constraints that skip one certificate', raw(EXTENSION.policyConstraints, skipOne)),
  plans('policy constraints, with a policy in each certificate', ['intermediate'], (plan) => {
    set(plan, 'intermediate', {
      extensions: [certificatePolicies([POLICY]), raw(EXTENSION.policyConstraints, requirePolicy)],
    })
    set(plan, 'leaf', { extensions: [certificatePolicies([POLICY])] })
  }),
  carries('critical policy mappings', raw(EXTENSION.policyMappings, mapping(`${POLICY}.1`), true), CAS),
  carries('policy mappings', raw(EXTENSION.policyMappings, mapping(`${POLICY}.1`)), CAS),
  carries('critical inhibitAnyPolicy', raw(EXTENSION.inhibitAnyPolicy, integer(0), true), CAS),
  carries('policy mappings of anyPolicy', raw(EXTENSION.policyMappings, mapping(ANY_POLICY)), CAS),
  carries('policy constraints that cannot be read', raw(EXTENSION.policyConstraints, empty), CAS),
  carries('policy mappings that cannot be read', raw(EXTENSION.policyMappings, empty), CAS),
  carries('inhibitAnyPolicy that cannot be read', raw(EXTENSION.inhibitAnyPolicy, empty), CAS),
  carries('inhibitAnyPolicy', raw(EXTENSION.inhibitAnyPolicy, integer(0)), CAS),
]

const CRL = ['http://crl.example/etcd.crl']
/** Any language of the policy (RFC 3820 section 3.8). */
const proxy = sequence(sequence(oid('1.3.6.1.5.5.7.21.1')))
const access = sequence(sequence(oid(OCSP), uri('http://ocsp.example/')))

const others: readonly Mutation[] = [
  carries('CRL distribution points', crlDistributionPoints(CRL)),
  carries('critical CRL distribution points', crlDistributionPoints(CRL, true)),
  carries('CRL distribution points relative to the issuer', relativeDistributionPoint()),
  carries('CRL distribution points that cannot be read', garbled(EXTENSION.crlDistributionPoints)),
  carries('authority information access', raw(AUTHORITY_INFO_ACCESS, access)),
  carries('critical authority information access', raw(AUTHORITY_INFO_ACCESS, access, true)),
  carries('authority information access that cannot be read', garbled(AUTHORITY_INFO_ACCESS)),
  carries('a critical issuer alternative name', {
    ...subjectAltName([uri('https://ca.example/')], true),
    oid: ISSUER_ALT_NAME,
  }),
  // nsCertType sslCA, of the last century: OpenSSL still reads it.
  carries('the Netscape certificate type of a CA', raw('2.16.840.1.113730.1.1', Buffer.from('03020204', 'hex'))),
  carries('proxy certificate information', raw(EXTENSION.proxyCertInfo, proxy)),
  carries('critical proxy certificate information', raw(EXTENSION.proxyCertInfo, proxy, true)),
  carries('OCSP must-staple', raw('1.3.6.1.5.5.7.1.24', sequence(integer(5)))),
]

const constraints = (...content: Buffer[]): Extension => raw(EXTENSION.basicConstraints, sequence(...content), true)

const basic: readonly Mutation[] = [
  sets('no basic constraints', { without: [EXTENSION.basicConstraints] }),
  carries('CA:FALSE', basicConstraints({ ca: false }), CAS),
  carries('CA:TRUE', basicConstraints({ ca: true }), LEAF),
  carries('CA:TRUE, not critical', basicConstraints({ ca: true }, false)),
  carries('CA:FALSE, not critical', basicConstraints({ ca: false }, false), LEAF),
  carries('CA:FALSE written out', constraints(boolean(false)), LEAF),
  carries('CA flag of 01', constraints(flag(1))),
  carries('a path length without CA', basicConstraints({ ca: false, pathLength: 0 }), LEAF),
  carries('a path length of 0', basicConstraints({ ca: true, pathLength: 0 }), ['root']),
  carries('a path length of 1', basicConstraints({ ca: true, pathLength: 1 }), ['root']),
  plans(
    'self-issued below a path length of 0',
    ['intermediate'],
    (plan) => {
      set(plan, 'root', { pathLength: 0 })
      set(plan, 'intermediate', { subject: 'Root' })
    },
    'root',
  ),
  carries('a path length of -1', constraints(boolean(true), integer(-1))),
  carries('a path length beyond 64 bits', constraints(boolean(true), integer(1n << 70n))),
  carries('basic constraints that cannot be read', constraints(integer(1), integer(2), integer(3))),
  carries('basic constraints with bytes after them', trailing(basicConstraints({ ca: true }))),
]

const may = (usages: readonly KeyUsageName[], on: readonly Role[], name = usages.join(' and ')): Mutation =>
  carries(`key usage: ${name}`, keyUsage(usages), on)
const rsaMay = (usage: KeyUsageName): Mutation =>
  sets(
    `RSA with key usage: ${usage}`,
    (role) => ({ key: keyFor(role, 'rsa-2048'), extensions: [keyUsage([usage])] }),
    LEAF,
  )

const usage: readonly Mutation[] = [
  sets('no key usage', { without: [EXTENSION.keyUsage] }),
  may(['cRLSign'], CAS),
  may(['keyCertSign'], EVERY),
  may(['digitalSignature'], CAS),
  may(['keyCertSign', 'cRLSign', 'digitalSignature'], CAS, 'keyCertSign and more'),
  may(['keyEncipherment'], LEAF),
  may(['keyAgreement'], LEAF),
  may(['nonRepudiation'], LEAF),
  may(['digitalSignature', 'keyCertSign'], LEAF),
  may(['digitalSignature', 'keyEncipherment'], LEAF),
  may([], EVERY, 'nothing'),
  rsaMay('keyEncipherment'),
  rsaMay('dataEncipherment'),
  carries('key usage not critical', (role) =>
    keyUsage(role === 'leaf' ? ['digitalSignature'] : ['keyCertSign', 'cRLSign'], false),
  ),
  carries('key usage that cannot be read', raw(EXTENSION.keyUsage, integer(1), true)),
  carries('key usage with zero bits at its end', raw(EXTENSION.keyUsage, bitString(Buffer.from([0x86, 0])), true)),
  carries('key usage with unused bits that are set', raw(EXTENSION.keyUsage, bitString(Buffer.from([0x87]), 1), true)),
]

const BOTH = ['serverAuth', 'clientAuth']
/** Server Gated Cryptography of Microsoft and Netscape. */
const SERVER_GATED = ['1.3.6.1.4.1.311.10.3.3', '2.16.840.1.113730.4.1']
const allows = (purposes: readonly string[], on?: readonly Role[]): Mutation =>
  carries(`extended key usage: ${purposes.join(' and ')}`, extendedKeyUsage(purposes), on)

const extended: readonly Mutation[] = [
  sets('no extended key usage', { usages: [] }, LEAF),
  allows(['serverAuth']),
  allows(['clientAuth']),
  allows(BOTH, CAS),
  allows(['codeSigning']),
  allows(['any']),
  allows(['any', ...BOTH]),
  allows(['emailProtection', ...BOTH]),
  allows(['1.3.6.1.4.1.99999.3']),
  ...SERVER_GATED.map((purpose) => allows([purpose])),
  allows([...SERVER_GATED, 'clientAuth'], LEAF),
  carries('extended key usage, critical', extendedKeyUsage(BOTH, true)),
  carries('extended key usage, empty', extendedKeyUsage([])),
  carries('extended key usage that cannot be read', raw(EXTENSION.extendedKeyUsage, integer(1))),
  carries('extended key usage with bytes after it', trailing(extendedKeyUsage(BOTH))),
]

export const extensionMutations: readonly Mutation[] = [
  ...[...asSuch, ...keyIdentifiers, ...policies, ...others],
  ...[...basic, ...usage, ...extended],
]
