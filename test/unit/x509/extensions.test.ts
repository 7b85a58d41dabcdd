/** The extensions of certificates (RFC 5280 section 4.2), each read from its bytes; what cannot be read is listed. */
import { describe, expect, it } from 'vitest'
import { DerReader } from '../../../src/x509/der.js'
import {
  decodeExtensions,
  decodeKeyIdentifiers,
  ExtensionId,
  extensionName,
  KEY_USAGES,
  readExtensionList,
  type Extensions,
} from '../../../src/x509/extensions.js'
import {
  bitString,
  boolean,
  context,
  contextPrimitive,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  tlv,
} from '../../support/der-writer.js'
import { refusal } from '../../support/der-refusal.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  crlDistributionPoints,
  dns,
  encodeExtension,
  EXTENDED_KEY_USAGE,
  extendedKeyUsage,
  ip,
  ipRange,
  keyUsage,
  nameConstraints,
  subjectKeyIdentifier,
  unknownExtension,
  uri,
  type Extension,
} from '../../support/mint.js'

const raw = ({ oid: id, critical, value }: Extension): Extensions['all'][number] => ({
  oid: id,
  critical: critical === true,
  value,
})
const decode = (...extensions: Extension[]): Extensions => decodeExtensions(extensions.map(raw))
/** Why an extension of these bytes cannot be read; undefined if it can. */
const problem = (name: keyof typeof ExtensionId, value: Uint8Array): string | undefined =>
  decode({ oid: ExtensionId[name], value }).problems[0]?.reason
const bytes = (text: string): Buffer => Buffer.from(text, 'hex')
const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `1.2.${String(i)}`)
const MISSING = 'is missing or of another type'
const NO_BOOLEAN = 'is a BOOLEAN that is neither 00 nor FF'
const [subtree, ZERO, ANY_POLICY] = [sequence(dns('a')), contextPrimitive(0, bytes('00')), oid('2.5.29.32.0')]
const FOLLOWED = 'is followed by data that does not belong there'

describe('the list of extensions', () => {
  const read = (...elements: Buffer[]): ReturnType<typeof readExtensionList> =>
    readExtensionList(new DerReader(Buffer.concat(elements)))

  it('holds the identifier, the flag and the bytes of each extension, a written-out FALSE included', () => {
    const written = { oid: '1.2.4', critical: boolean(false), value: bytes('0a') }
    const list = read(encodeExtension(unknownExtension(true)), encodeExtension(written))
    expect(list.map(({ oid: id, critical }) => [id, critical])).toEqual([
      ['1.3.6.1.4.1.99999.1', true],
      ['1.2.4', false],
    ])
    expect(Buffer.from(list[1]?.value ?? [])).toEqual(bytes('0a'))
    expect(read()).toEqual([])
  })

  it.each([
    [`an extension ${MISSING}`, nullValue()],
    [`an extension id ${MISSING}`, sequence(octetString(bytes('')))],
    [`an extension value ${MISSING}`, sequence(oid('1.2.3'), integer(1), octetString(bytes('')))],
    [`an extension's critical flag ${NO_BOOLEAN}`, sequence(oid('1.2.3'), tlv(1, bytes('01')), octetString(bytes('')))],
    [`an extension ${FOLLOWED}`, sequence(oid('1.2.3'), octetString(bytes('')), nullValue())],
  ])('the list of extensions is refused: %s', (reason, element) => {
    expect(refusal(() => read(element))).toBe(reason)
  })

  it('holds at most a hundred extensions', () => {
    const list = (count: number): Buffer[] => ids(count).map((id) => encodeExtension(unknownExtension(false, id)))
    expect(read(...list(100))).toHaveLength(100)
    expect(refusal(() => read(...list(101)))).toBe('more than 100 extensions')
  })
})

describe('decodeExtensions', () => {
  it('reports extensions that cannot be read, and treats them as absent', () => {
    const decoded = decode({ oid: ExtensionId.keyUsage, critical: true, value: nullValue() })
    expect(decoded.problems).toEqual([{ oid: ExtensionId.keyUsage, critical: true, reason: `keyUsage ${MISSING}` }])
    expect(decoded.keyUsage).toBeNull()
    const followed = Buffer.concat([bitString(bytes('80')), nullValue()])
    expect(problem('keyUsage', followed)).toBe(`the keyUsage value ${FOLLOWED}`)
  })

  it('counts the first of two extensions with the same identifier, and reports the duplicate', () => {
    const decoded = decode(basicConstraints({ ca: true }, false), basicConstraints({ ca: false }, true))
    expect(decoded.basicConstraints).toEqual({ ca: true, pathLength: null })
    expect(decoded.isCritical(ExtensionId.basicConstraints)).toBe(false)
    expect(decoded.duplicates).toEqual([ExtensionId.basicConstraints])
    expect(decoded.unknownCritical).toEqual([])
    expect(decoded.all).toHaveLength(2)
  })

  it('reports for each extension whether it is critical', () => {
    const decoded = decode(basicConstraints({ ca: true }), keyUsage(['keyCertSign'], false))
    const { basicConstraints: constraints, keyUsage: usage, subjectAltName } = ExtensionId
    expect([constraints, usage, subjectAltName].map((id) => decoded.isCritical(id))).toEqual([true, false, false])
  })

  it('reports a critical extension that the validator does not process', () => {
    const critical = (id: string, value = nullValue()): readonly string[] =>
      decode({ oid: id, critical: true, value }).unknownCritical
    const processed = [14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54].map((arc) => `2.5.29.${String(arc)}`)
    for (const id of processed) expect(critical(id)).toEqual([])
    const others = ['2.5.29.18', '2.5.29.20', '1.3.6.1.5.5.7.1.1', '2.16.840.1.113730.1.1', '1.2.3', 'toString']
    for (const id of others) expect(critical(id)).toEqual([id])
    expect(decode(unknownExtension(false)).unknownCritical).toEqual([])
    expect(critical('2.5.29.36', sequence(contextPrimitive(0, bytes('00'))))).toEqual(['2.5.29.36'])
  })

  it('names the extensions it knows, and shows the identifier of others', () => {
    expect([ExtensionId.freshestCRL, '1.2.3'].map(extensionName)).toEqual(['freshestCRL', '1.2.3'])
  })
})

it.each([
  [sequence(), { ca: false, pathLength: null }],
  [sequence(boolean(false)), { ca: false, pathLength: null }],
  [sequence(boolean(true), integer(3)), { ca: true, pathLength: 3 }],
  [sequence(integer(0)), { ca: false, pathLength: 0 }],
])('reads basicConstraints %#', (value, expected) => {
  expect(decode({ oid: ExtensionId.basicConstraints, value }).basicConstraints).toEqual(expected)
})

it('reads each bit of keyUsage', () => {
  for (const [bit, usage] of KEY_USAGES.entries()) {
    const octets = Buffer.alloc(2)
    octets[bit >> 3] = 0x80 >> (bit & 7)
    expect([...(decode({ oid: ExtensionId.keyUsage, value: bitString(octets) }).keyUsage ?? [])]).toEqual([usage])
  }
  expect(decode(keyUsage([])).keyUsage?.size).toBe(0)
})

it('shows known purposes of extendedKeyUsage by name, of which there are at most a hundred', () => {
  const { serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, ocspSigning, any } = EXTENDED_KEY_USAGE
  const all = [serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, ocspSigning, any, '1.2.3']
  expect(decode(extendedKeyUsage(all)).extendedKeyUsage).toEqual(
    'serverAuth clientAuth codeSigning emailProtection timeStamping OCSPSigning anyExtendedKeyUsage 1.2.3'.split(' '),
  )
  expect(decode(extendedKeyUsage(ids(100))).problems).toEqual([])
  expect(decode(extendedKeyUsage(ids(101))).problems).toMatchObject([{ reason: 'more than 100 purposes' }])
})

it('reads permitted and excluded subtrees of nameConstraints', () => {
  const read = (subtrees: Parameters<typeof nameConstraints>[0]): unknown => {
    const { nameConstraints: constraints } = decode(nameConstraints(subtrees))
    return constraints && [constraints.permitted, constraints.excluded].map((all) => all.map(({ value }) => value))
  }
  expect(read({ permitted: [dns('a'), ipRange('10.0.0.0/8')] })).toEqual([['a', '10.0.0.0/255.0.0.0'], []])
  expect(read({ permitted: [dns('a')], excluded: [dns('b'), dns('c')] })).toEqual([['a'], ['b', 'c']])
})

describe('key identifiers', () => {
  const hex = (octets: Uint8Array | null | undefined): string | null =>
    octets ? Buffer.from(octets).toString('hex') : null

  it('key identifiers are bytes for the subject, and bytes, names and a serial number for the authority', () => {
    const read = (...args: Parameters<typeof authorityKeyIdentifier>): unknown => {
      const { authorityKeyIdentifier: identifier } = decode(authorityKeyIdentifier(...args))
      const names = identifier?.issuer?.map(({ value }) => value) ?? null
      return [hex(identifier?.keyIdentifier), names, hex(identifier?.serial)]
    }
    expect(read(null)).toEqual([null, null, null])
    expect(read(null, { issuer: [uri('a'), dns('b')] })).toEqual([null, ['a', 'b'], null])
    expect(read(null, { issuer: [] })).toEqual([null, [], null])
    expect(read(bytes('0a'), { serial: 128n })).toEqual(['0a', null, '0080'])
    expect(hex(decode(subjectKeyIdentifier(bytes('0a0b'))).subjectKeyIdentifier)).toBe('0a0b')
  })

  it('key identifiers have at most 1,024 bytes', () => {
    const reason = 'a key identifier of more than 1024 bytes'
    expect(decode(subjectKeyIdentifier(Buffer.alloc(1024))).problems).toEqual([])
    expect(decode(subjectKeyIdentifier(Buffer.alloc(1025))).problems).toMatchObject([{ reason }])
    expect(decode(authorityKeyIdentifier(Buffer.alloc(1025))).problems).toMatchObject([{ reason }])
  })

  it('key identifiers can be read without the other extensions', () => {
    const garbled = { oid: ExtensionId.keyUsage, value: nullValue() }
    const all = [garbled, subjectKeyIdentifier(bytes('0a')), authorityKeyIdentifier(bytes('0b'))]
    const read = decodeKeyIdentifiers([...all, subjectKeyIdentifier(bytes('0c'))].map(raw))
    expect([hex(read.subjectKeyIdentifier), hex(read.authorityKeyIdentifier?.keyIdentifier)]).toEqual(['0a', '0b'])
    const none = decodeKeyIdentifiers([{ ...raw(subjectKeyIdentifier(bytes('0a'))), value: nullValue() }])
    expect(none).toEqual({ subjectKeyIdentifier: null, authorityKeyIdentifier: null })
  })
})

it('reads the distribution points of CRLs', () => {
  expect(decode(crlDistributionPoints(['http://a', 'http://b'])).crlDistributionPoints).toHaveLength(2)
})

it.each([
  ['80', { client: true, server: false }],
  ['40', { client: false, server: true }],
  ['3f', { client: false, server: false }],
  ['', { client: false, server: false }],
])('reads the Netscape certificate type %s', (octets, expected) => {
  const value = bitString(bytes(octets))
  expect(decode({ oid: ExtensionId.netscapeCertType, value }).netscapeCertType).toEqual(expected)
})

describe('extensions whose contents decide nothing', () => {
  it.each<[keyof typeof ExtensionId, Buffer]>([
    ['certificatePolicies', Buffer.from(certificatePolicies(['1.2.3', '1.2.4']).value)],
    ['policyMappings', sequence(sequence(oid('1.2.3'), oid('1.2.4')), sequence(oid('1.2.5'), oid('1.2.6')))],
    ['policyConstraints', sequence(contextPrimitive(0, bytes('00')), contextPrimitive(1, bytes('00')))],
    ['policyConstraints', sequence(contextPrimitive(1, bytes('00')))],
    ['inhibitAnyPolicy', integer(0)],
    ['authorityInfoAccess', sequence(sequence(oid('1.2.3'), uri('http://a')), sequence(oid('1.2.3'), ip('10.0.0.1')))],
  ])('reads the extension without an effect: %s %#', (name, value) => {
    expect(problem(name, value)).toBeUndefined()
  })
})

it.each<[keyof typeof ExtensionId, string, Uint8Array]>([
  ['basicConstraints', `basicConstraints ${MISSING}`, boolean(true)],
  ['basicConstraints', 'the path length is negative', sequence(boolean(true), integer(-1))],
  ['basicConstraints', `basicConstraints ${FOLLOWED}`, sequence(integer(1), boolean(true))],
  ['extendedKeyUsage', 'an empty list of purposes', sequence()],
  ['nameConstraints', 'nameConstraints that hold neither permitted nor excluded subtrees', sequence()],
  ['nameConstraints', 'an empty list of names', sequence(context(0))],
  ['nameConstraints', `nameConstraints ${FOLLOWED}`, sequence(context(1, subtree), context(0, subtree))],
  ['nameConstraints', `a subtree of nameConstraints ${FOLLOWED}`, sequence(context(0, sequence(dns('a'), ZERO)))],
  ['nameConstraints', 'an IP address of 4 bytes', sequence(context(0, sequence(ip('10.0.0.1'))))],
  ['subjectKeyIdentifier', `subjectKeyIdentifier ${MISSING}`, nullValue()],
  ['authorityKeyIdentifier', `authorityKeyIdentifier ${MISSING}`, nullValue()],
  ['authorityKeyIdentifier', `authorityKeyIdentifier ${FOLLOWED}`, sequence(contextPrimitive(2, bytes('01')), ZERO)],
  ['crlDistributionPoints', `the distribution points ${MISSING}`, nullValue()],
  ['certificatePolicies', 'an empty list of policies', sequence()],
  ['certificatePolicies', `a policy id ${MISSING}`, sequence(sequence())],
  ['certificatePolicies', 'the policy 1.2.3 twice', certificatePolicies(['1.2.3', '1.2.4', '1.2.3']).value],
  ['policyMappings', `a policy mapping ${MISSING}`, sequence(sequence(oid('1.2.3'), oid('1.2.4')), nullValue())],
  ['policyMappings', `a policy of the subject ${MISSING}`, sequence(sequence(oid('1.2.3')))],
  ['policyMappings', `a policy mapping ${FOLLOWED}`, sequence(sequence(oid('1.2.3'), oid('1.2.3'), nullValue()))],
  ['policyMappings', 'a mapping of anyPolicy (RFC 5280 section 4.2.1.5)', sequence(sequence(oid('1.2.3'), ANY_POLICY))],
  ['policyConstraints', `policyConstraints ${FOLLOWED}`, sequence(contextPrimitive(2, bytes('00')))],
  ['policyConstraints', 'requireExplicitPolicy is negative', sequence(contextPrimitive(0, bytes('ff')))],
  ['inhibitAnyPolicy', 'inhibitAnyPolicy is negative', integer(-1)],
  ['authorityInfoAccess', `an access description ${MISSING}`, sequence()],
  ['authorityInfoAccess', `an access method ${MISSING}`, sequence(sequence(uri('http://a')))],
  [
    'authorityInfoAccess',
    `an access description ${FOLLOWED}`,
    sequence(sequence(oid('1.2.3'), uri('http://a'), nullValue())),
  ],
])('reports %s that cannot be read: %s', (name, reason, value) => {
  expect(problem(name, value)).toBe(reason)
})
