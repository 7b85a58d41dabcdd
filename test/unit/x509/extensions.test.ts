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
import { refusalAt } from '../../support/der-refusal.js'
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
  subjectAltName,
  subjectKeyIdentifier,
  unknownExtension,
  uri,
  type Extension,
  type KeyUsageName,
} from '../../support/mint.js'

const raw = (extension: Extension): { oid: string; critical: boolean; value: Uint8Array } => ({
  oid: extension.oid,
  critical: extension.critical === true,
  value: extension.value,
})
const decode = (...extensions: Extension[]): Extensions => decodeExtensions(extensions.map(raw))
/** What an extension of these bytes says, or why it says nothing. */
const problem = (id: string, value: Buffer): string | undefined => {
  const { problems } = decode({ oid: id, value })
  return problems[0]?.reason
}
const bytes = (text: string): Buffer => Buffer.from(text, 'hex')

describe('identifiers', () => {
  it.each([
    ['2.5.29.14', 'subjectKeyIdentifier'],
    ['2.5.29.15', 'keyUsage'],
    ['2.5.29.17', 'subjectAltName'],
    ['2.5.29.18', 'issuerAltName'],
    ['2.5.29.19', 'basicConstraints'],
    ['2.5.29.30', 'nameConstraints'],
    ['2.5.29.31', 'crlDistributionPoints'],
    ['2.5.29.32', 'certificatePolicies'],
    ['2.5.29.33', 'policyMappings'],
    ['2.5.29.35', 'authorityKeyIdentifier'],
    ['2.5.29.36', 'policyConstraints'],
    ['2.5.29.37', 'extendedKeyUsage'],
    ['2.5.29.54', 'inhibitAnyPolicy'],
    ['1.3.6.1.5.5.7.1.1', 'authorityInfoAccess'],
    ['2.16.840.1.113730.1.1', 'netscapeCertType'],
    ['1.2.3', '1.2.3'],
  ])('%s is %s', (dotted, name) => {
    expect(extensionName(dotted)).toBe(name)
  })
})

describe('a list of extensions', () => {
  const read = (...elements: Buffer[]): ReturnType<typeof readExtensionList> =>
    readExtensionList(new DerReader(Buffer.concat(elements)))

  it('holds identifier, flag and octets of each', () => {
    const list = read(
      encodeExtension(unknownExtension(true)),
      encodeExtension(unknownExtension(false, '1.2.3')),
      // A FALSE that is written out is read, though it is not DER.
      encodeExtension({ oid: '1.2.4', critical: boolean(false), value: bytes('0a') }),
    )
    expect(list.map(({ oid: id, critical }) => [id, critical])).toEqual([
      ['1.3.6.1.4.1.99999.1', true],
      ['1.2.3', false],
      ['1.2.4', false],
    ])
    expect(Buffer.from(list[2]?.value ?? [])).toEqual(bytes('0a'))
    expect(read()).toEqual([])
  })

  it.each([
    ['an extension is missing or of another type', nullValue()],
    ['an extension id is missing or of another type', sequence(octetString(bytes('')))],
    ['an extension value is missing or of another type', sequence(oid('1.2.3'))],
    ['an extension value is missing or of another type', sequence(oid('1.2.3'), integer(1), octetString(bytes('')))],
    [
      'an extension’s critical flag is a BOOLEAN that is neither 00 nor FF',
      sequence(oid('1.2.3'), tlv(1, bytes('01')), octetString(bytes(''))),
    ],
    [
      'an extension is followed by data that does not belong there',
      sequence(oid('1.2.3'), octetString(bytes('')), nullValue()),
    ],
  ])('is refused: %s', (reason, element) => {
    expect(refusalAt(() => read(element))[0]).toBe(reason)
  })
})

describe('all extensions together', () => {
  it('say nothing where there are none', () => {
    expect(decode()).toEqual({
      all: [],
      basicConstraints: null,
      keyUsage: null,
      extendedKeyUsage: null,
      subjectAltName: null,
      nameConstraints: null,
      netscapeCertType: null,
      subjectKeyIdentifier: null,
      authorityKeyIdentifier: null,
      crlDistributionPoints: null,
      requiresPolicy: false,
      problems: [],
      duplicates: [],
      unknownCritical: [],
      isCritical: expect.any(Function) as unknown,
    })
  })

  it('are of no use where they cannot be read, and are listed with the reason', () => {
    const garbled = { oid: ExtensionId.keyUsage, critical: true, value: nullValue() }
    const decoded = decode(garbled, basicConstraints({ ca: true }))
    expect(decoded.problems).toEqual([
      { oid: ExtensionId.keyUsage, critical: true, reason: 'keyUsage is missing or of another type' },
    ])
    expect(decoded.keyUsage).toBeNull()
    expect(decoded.basicConstraints).toEqual({ ca: true, pathLength: null })
    expect(problem(ExtensionId.keyUsage, Buffer.concat([bitString(bytes('80')), nullValue()]))).toBe(
      'the keyUsage value is followed by data that does not belong there',
    )
  })

  it('count once: the first of those that stand there twice', () => {
    const decoded = decode(
      basicConstraints({ ca: true }, false),
      basicConstraints({ ca: false }, true),
      basicConstraints({ ca: false }),
    )
    expect(decoded.basicConstraints?.ca).toBe(true)
    expect(decoded.isCritical(ExtensionId.basicConstraints)).toBe(false)
    expect(decoded.duplicates).toEqual([ExtensionId.basicConstraints])
    expect(decoded.all).toHaveLength(3)
  })

  it('are critical one by one', () => {
    const decoded = decode(basicConstraints({ ca: true }), keyUsage(['keyCertSign'], false))
    expect(decoded.isCritical(ExtensionId.basicConstraints)).toBe(true)
    expect(decoded.isCritical(ExtensionId.keyUsage)).toBe(false)
    expect(decoded.isCritical(ExtensionId.subjectAltName)).toBe(false)
  })

  it('are unknown and critical where no validator of ours processes them', () => {
    const critical = (id: string): readonly string[] =>
      decode({ oid: id, critical: true, value: nullValue() }).unknownCritical
    const processed = [14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54].map((arc) => `2.5.29.${String(arc)}`)
    for (const id of processed) expect(critical(id)).toEqual([])
    const others = ['2.5.29.18', '1.3.6.1.5.5.7.1.1', '2.16.840.1.113730.1.1']
    for (const id of [...others, '1.2.3']) expect(critical(id)).toEqual([id])
    expect(decode(unknownExtension(false)).unknownCritical).toEqual([])
    const requires = sequence(contextPrimitive(0, bytes('00')))
    expect(decode({ oid: '2.5.29.36', critical: true, value: requires }).unknownCritical).toEqual(['2.5.29.36'])
  })

  it('of no known kind are not looked into', () => {
    expect(decode({ oid: '1.2.3', value: bytes('ff') }).problems).toEqual([])
    expect(decode({ oid: 'toString', value: bytes('ff') }).problems).toEqual([])
  })
})

describe('basicConstraints', () => {
  it.each([
    [sequence(), { ca: false, pathLength: null }],
    [sequence(boolean(true)), { ca: true, pathLength: null }],
    [sequence(boolean(false)), { ca: false, pathLength: null }],
    [sequence(boolean(true), integer(3)), { ca: true, pathLength: 3 }],
    [sequence(integer(0)), { ca: false, pathLength: 0 }],
  ])('%# is read', (value, expected) => {
    expect(decode({ oid: ExtensionId.basicConstraints, value }).basicConstraints).toEqual(expected)
  })

  it.each([
    ['basicConstraints is missing or of another type', boolean(true)],
    ['the path length is negative', sequence(boolean(true), integer(-1))],
    ['basicConstraints is followed by data that does not belong there', sequence(integer(1), boolean(true))],
  ])('%s', (reason, value) => {
    expect(problem(ExtensionId.basicConstraints, value)).toBe(reason)
  })
})

describe('keyUsage', () => {
  it.each(KEY_USAGES.map((usage, bit) => [usage, bit] as const))('%s is bit %d', (usage, bit) => {
    const octets = Buffer.alloc(2)
    octets[bit >> 3] = 0x80 >> (bit & 7)
    expect([...(decode({ oid: ExtensionId.keyUsage, value: bitString(octets) }).keyUsage ?? [])]).toEqual([usage])
  })

  it('is in the order of the bits, whatever their number', () => {
    const all: KeyUsageName[] = ['decipherOnly', 'cRLSign', 'keyCertSign', 'digitalSignature']
    expect([...(decode(keyUsage(all)).keyUsage ?? [])]).toEqual(all.toReversed())
    expect([...(decode(keyUsage([])).keyUsage ?? ['none'])]).toEqual([])
  })
})

describe('extendedKeyUsage', () => {
  it.each([
    [EXTENDED_KEY_USAGE.serverAuth, 'serverAuth'],
    [EXTENDED_KEY_USAGE.clientAuth, 'clientAuth'],
    [EXTENDED_KEY_USAGE.codeSigning, 'codeSigning'],
    [EXTENDED_KEY_USAGE.emailProtection, 'emailProtection'],
    [EXTENDED_KEY_USAGE.timeStamping, 'timeStamping'],
    [EXTENDED_KEY_USAGE.ocspSigning, 'OCSPSigning'],
    [EXTENDED_KEY_USAGE.any, 'anyExtendedKeyUsage'],
    ['1.2.3', '1.2.3'],
  ])('%s is %s', (dotted, name) => {
    expect(decode(extendedKeyUsage([dotted, '1.2.4'])).extendedKeyUsage).toEqual([name, '1.2.4'])
  })

  it('holds one purpose at least', () => {
    expect(problem(ExtensionId.extendedKeyUsage, sequence())).toBe(
      'a purpose of extendedKeyUsage is missing or of another type',
    )
  })
})

describe('names', () => {
  it('of the subject are read', () => {
    const { subjectAltName: names } = decode(subjectAltName([dns('a'), ip('::1')]))
    expect(names?.map(({ value }) => value)).toEqual(['a', '::1'])
  })

  it('are constrained by permitted or excluded subtrees, or both', () => {
    const read = (subtrees: Parameters<typeof nameConstraints>[0]): unknown => {
      const { nameConstraints: constraints } = decode(nameConstraints(subtrees))
      return constraints && [constraints.permitted, constraints.excluded].map((all) => all.map(({ value }) => value))
    }
    expect(read({ permitted: [dns('a'), ipRange('10.0.0.0/8')] })).toEqual([['a', '10.0.0.0/255.0.0.0'], []])
    expect(read({ excluded: [dns('a'), dns('b')] })).toEqual([[], ['a', 'b']])
    expect(read({ permitted: [dns('a')], excluded: [dns('b')] })).toEqual([['a'], ['b']])
  })

  it.each([
    ['nameConstraints that hold neither permitted nor excluded subtrees', sequence()],
    ['a subtree of nameConstraints is missing or of another type', sequence(context(0))],
    [
      'nameConstraints is followed by data that does not belong there',
      sequence(context(1, sequence(dns('a'))), context(0, sequence(dns('a')))),
    ],
    [
      'a subtree of nameConstraints is followed by data that does not belong there',
      sequence(context(0, sequence(dns('a'), contextPrimitive(0, bytes('00'))))),
    ],
    ['an IP address of 4 octets', sequence(context(0, sequence(ip('10.0.0.1'))))],
  ])('are not constrained where %s', (reason, value) => {
    expect(problem(ExtensionId.nameConstraints, value)).toBe(reason)
  })
})

describe('key identifiers', () => {
  it('of the subject are octets', () => {
    const { subjectKeyIdentifier: identifier } = decode(subjectKeyIdentifier(bytes('0a0b')))
    expect(Buffer.from(identifier ?? [])).toEqual(bytes('0a0b'))
    expect(problem(ExtensionId.subjectKeyIdentifier, nullValue())).toBe(
      'subjectKeyIdentifier is missing or of another type',
    )
  })

  it('of the authority are octets, names and a serial number, each by itself', () => {
    const read = (...args: Parameters<typeof authorityKeyIdentifier>): unknown => {
      const { authorityKeyIdentifier: identifier } = decode(authorityKeyIdentifier(...args))
      const hex = (octets: Uint8Array | null | undefined): string | null =>
        octets ? Buffer.from(octets).toString('hex') : null
      return [
        hex(identifier?.keyIdentifier),
        identifier?.issuer?.map(({ value }) => value) ?? null,
        hex(identifier?.serial),
      ]
    }
    expect(read(bytes('0a'))).toEqual(['0a', null, null])
    expect(read(null)).toEqual([null, null, null])
    expect(read(null, { issuer: [uri('a'), dns('b')] })).toEqual([null, ['a', 'b'], null])
    expect(read(null, { issuer: [] })).toEqual([null, [], null])
    expect(read(bytes('0a'), { serial: 128n })).toEqual(['0a', null, '0080'])
  })

  it.each([
    ['authorityKeyIdentifier is missing or of another type', nullValue()],
    [
      'authorityKeyIdentifier is followed by data that does not belong there',
      sequence(contextPrimitive(2, bytes('01')), contextPrimitive(0, bytes('01'))),
    ],
  ])('of the authority are refused: %s', (reason, value) => {
    expect(problem(ExtensionId.authorityKeyIdentifier, value)).toBe(reason)
  })

  it('have 1,024 octets at most', () => {
    const reason = 'a key identifier of more than 1024 octets'
    expect(decode(subjectKeyIdentifier(Buffer.alloc(1024))).problems).toEqual([])
    expect(decode(subjectKeyIdentifier(Buffer.alloc(1025))).problems).toMatchObject([{ reason }])
    expect(decode(authorityKeyIdentifier(Buffer.alloc(1025))).problems).toMatchObject([{ reason }])
  })

  it('can be read without the others', () => {
    const all = [
      { oid: ExtensionId.keyUsage, value: nullValue() },
      subjectKeyIdentifier(bytes('0a')),
      authorityKeyIdentifier(bytes('0b')),
      subjectKeyIdentifier(bytes('0c')),
    ].map(raw)
    const { subjectKeyIdentifier: own, authorityKeyIdentifier: authority } = decodeKeyIdentifiers(all)
    expect(Buffer.from(own ?? [])).toEqual(bytes('0a'))
    expect(Buffer.from(authority?.keyIdentifier ?? [])).toEqual(bytes('0b'))
    const none = decodeKeyIdentifiers([{ ...raw(subjectKeyIdentifier(bytes('0a'))), value: nullValue() }])
    expect(none).toMatchObject({ subjectKeyIdentifier: null, authorityKeyIdentifier: null })
  })
})

it('distribution points of revocation lists are read', () => {
  const { crlDistributionPoints: points } = decode(crlDistributionPoints(['http://a', 'http://b']))
  expect(points).toHaveLength(2)
  expect(problem(ExtensionId.crlDistributionPoints, nullValue())).toContain('missing')
})

describe('the Netscape certificate type', () => {
  it.each([
    ['80', { client: true, server: false }],
    ['40', { client: false, server: true }],
    ['c0', { client: true, server: true }],
    ['3f', { client: false, server: false }],
    ['', { client: false, server: false }],
  ])('%s is %j', (octets, expected) => {
    const value = bitString(bytes(octets))
    expect(decode({ oid: ExtensionId.netscapeCertType, value }).netscapeCertType).toEqual(expected)
  })
})

describe('policies', () => {
  it('are read, each once', () => {
    expect(decode(certificatePolicies(['1.2.3', '1.2.4'])).problems).toEqual([])
    expect(decode(certificatePolicies(['1.2.3', '1.2.4', '1.2.3'])).problems).toMatchObject([
      { reason: 'the policy 1.2.3 twice' },
    ])
  })

  it.each<[string, string, Buffer]>([
    [ExtensionId.certificatePolicies, 'a policy is missing or of another type', sequence()],
    [ExtensionId.certificatePolicies, 'a policy id is missing or of another type', sequence(sequence())],
    [ExtensionId.policyMappings, 'a policy mapping is missing or of another type', sequence()],
    [
      ExtensionId.policyMappings,
      'a policy mapping is missing or of another type',
      sequence(sequence(oid('1.2.3'), oid('1.2.4')), nullValue()),
    ],
    [
      ExtensionId.authorityInfoAccess,
      'an access description is missing or of another type',
      sequence(sequence(oid('1.2.3'), uri('http://a')), nullValue()),
    ],
    [
      ExtensionId.policyMappings,
      'a policy of the subject is missing or of another type',
      sequence(sequence(oid('1.2.3'))),
    ],
    [
      ExtensionId.policyMappings,
      'a policy mapping is followed by data that does not belong there',
      sequence(sequence(oid('1.2.3'), oid('1.2.3'), nullValue())),
    ],
    [
      ExtensionId.policyConstraints,
      'policyConstraints is followed by data that does not belong there',
      sequence(contextPrimitive(2, bytes('00'))),
    ],
    [
      ExtensionId.policyMappings,
      'a mapping of anyPolicy (RFC 5280 section 4.2.1.5)',
      sequence(sequence(oid('1.2.3'), oid('2.5.29.32.0'))),
    ],
    [ExtensionId.policyConstraints, 'requireExplicitPolicy is negative', sequence(contextPrimitive(0, bytes('ff')))],
    [ExtensionId.inhibitAnyPolicy, 'inhibitAnyPolicy is negative', integer(-1)],
    [ExtensionId.authorityInfoAccess, 'an access description is missing or of another type', sequence()],
    [
      ExtensionId.authorityInfoAccess,
      'an access method is missing or of another type',
      sequence(sequence(uri('http://a'))),
    ],
    [
      ExtensionId.authorityInfoAccess,
      'an access description is followed by data that does not belong there',
      sequence(sequence(oid('1.2.3'), uri('http://a'), nullValue())),
    ],
  ])('and their kin that cannot be read are listed: %s, %s', (id, reason, value) => {
    expect(problem(id, value)).toBe(reason)
  })

  it.each<[string, Buffer]>([
    [ExtensionId.policyMappings, sequence(sequence(oid('1.2.3'), oid('1.2.4')), sequence(oid('1.2.5'), oid('1.2.6')))],
    [ExtensionId.policyConstraints, sequence(contextPrimitive(0, bytes('00')), contextPrimitive(1, bytes('00')))],
    [ExtensionId.policyConstraints, sequence(contextPrimitive(1, bytes('00')))],
    [ExtensionId.policyConstraints, sequence()],
    [ExtensionId.inhibitAnyPolicy, integer(0)],
    [
      ExtensionId.authorityInfoAccess,
      sequence(sequence(oid('1.2.3'), uri('http://a')), sequence(oid('1.2.3'), ip('10.0.0.1'))),
    ],
  ])('and their kin are read: %s', (id, value) => {
    expect(problem(id, value)).toBeUndefined()
  })
})

it('are a hundred at most, of a hundred purposes', () => {
  const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `1.2.${String(i)}`)
  const list = (count: number): DerReader =>
    new DerReader(Buffer.concat(ids(count).map((id) => encodeExtension(unknownExtension(false, id)))))
  expect(readExtensionList(list(100))).toHaveLength(100)
  expect(refusalAt(() => readExtensionList(list(101)))[0]).toBe('more than 100 extensions')
  expect(decode(extendedKeyUsage(ids(100))).problems).toEqual([])
  expect(decode(extendedKeyUsage(ids(101))).problems).toMatchObject([{ reason: 'more than 100 purposes' }])
})
