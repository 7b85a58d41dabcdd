/** The form of one certificate: version, serial number, names, and the extensions as they stand there. */
import { describe, expect, it } from 'vitest'
import type { FindingCode } from '../../../src/report/finding.js'
import { validateChain } from '../../../src/validate/index.js'
import { unfoldRepeats } from '../../../src/validate/fold.js'
import { codesOf, detailsOf, HOST, judge, mintChain } from '../../support/judge-chain.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  directoryName,
  dns,
  EXTENSION,
  mintCa,
  mintLeaf,
  newKey,
  publicHalf,
  subjectKeyIdentifier,
  TAG,
  unknownExtension,
  uri,
  type Extension,
} from '../../support/mint.js'

type Parts = NonNullable<Parameters<typeof mintChain>[0]>

/** The places of the certificates that a finding of a code is about, those folded under others included. */
function placesOf(parts: Parts, code: FindingCode): number[] {
  const findings = unfoldRepeats(judge(parts))
  return [...findings, ...findings.flatMap(({ consequences }) => consequences)]
    .filter((each) => each.code === code)
    .map(({ certificate }) => certificate?.index ?? -1)
}

function details(parts: Parts, code: FindingCode, kind = ''): Partial<Record<'field' | 'name' | 'reason', string>>[] {
  return detailsOf(judge(parts), code, kind)
}

describe('the version', () => {
  const bare = (version: number | null): { version: number | null; without: string[] } => ({
    version,
    without: Object.values(EXTENSION),
  })

  it.each([
    ['leaf', 1],
    ['intermediate', 1],
    ['leaf', 2],
    ['root', 2],
  ] as const)('of a %s is not %d', (part, version) => {
    const parts = { [part]: bare(version === 1 ? null : version - 1) }
    expect(details(parts, 'certificate/version-unsupported')).toEqual([{ version, trusted: false }])
  })

  it('of an anchor may be 1', () => {
    expect(details({ root: bare(null) }, 'certificate/version-unsupported')).toEqual([{ version: 1, trusted: true }])
  })
})

describe('the serial number (RFC 5280 section 4.1.2.2)', () => {
  it.each([
    ['80', '80'],
    ['ff7f', 'FF7F'],
  ])('%s is negative', (octets, serialNumber) => {
    expect(details({ leaf: { serial: Buffer.from(octets, 'hex') } }, 'certificate/serial-unusual')).toEqual([
      { serialNumber, reason: 'is negative' },
    ])
  })

  it.each(['7f', '0080', '01'])('%s is not', (octets) => {
    expect(judge({ leaf: { serial: Buffer.from(octets, 'hex') } })).toEqual([])
  })

  it('is not zero', () => {
    expect(details({ leaf: { serial: 0 } }, 'certificate/serial-unusual')).toEqual([
      { serialNumber: '00', reason: 'is zero' },
    ])
    expect(details({ leaf: { serial: 256 } }, 'certificate/serial-unusual')).toEqual([])
  })

  it('has 20 octets at most', () => {
    const of = (octets: number): unknown[] =>
      details({ leaf: { serial: Buffer.alloc(octets, 1) } }, 'certificate/serial-unusual')
    expect(of(20)).toEqual([])
    expect(of(21)).toEqual([{ serialNumber: '01'.repeat(21), reason: 'has 21 octets, more than 20' }])
    expect(of(60)).toEqual([{ serialNumber: '01'.repeat(40), reason: 'has 60 octets, more than 20' }])
  })
})

describe('names', () => {
  const malformed = [['O', 'etcd'] as const, ['CN', 'a_b', TAG.printableString] as const]

  it('that are malformed are told with their field and attribute', () => {
    expect(details({ leaf: { subject: malformed } }, 'certificate/name-malformed', 'malformed')).toEqual([
      { field: 'subject', attribute: '2.5.4.3' },
    ])
    const both = details({ intermediate: { subject: malformed } }, 'certificate/name-malformed', 'malformed')
    expect(both.toSorted((a, b) => (a.field ?? '').localeCompare(b.field ?? ''))).toEqual([
      { field: 'issuer', attribute: '2.5.4.3' },
      { field: 'subject', attribute: '2.5.4.3' },
    ])
  })

  it('of an issuer and of a CA are not empty; a leaf’s may be', () => {
    expect(placesOf({ intermediate: { subject: '' } }, 'certificate/name-malformed')).toEqual([1, 0])
    expect(placesOf({ leaf: { subject: '' } }, 'certificate/name-malformed')).toEqual([])
  })

  it('of a leaf that is a CA is not empty, nor of an intermediate that is none', () => {
    const ca = { subject: '', extensions: [basicConstraints({ ca: true })] }
    expect(placesOf({ leaf: ca }, 'certificate/name-malformed')).toEqual([0])
    const none = { subject: '', extensions: [basicConstraints({ ca: false })] }
    expect(placesOf({ intermediate: none }, 'certificate/name-malformed')).toEqual([1, 0])
  })
})

it('the algorithm inside the signed part is the one outside (RFC 5280 section 4.1.1.2)', () => {
  const code = 'signature/algorithm-refused'
  const outerSignature = 'ecdsa-sha256'
  expect(placesOf({ intermediate: { outerSignature, innerSignature: 'ecdsa-sha384' } }, code)).toEqual([1])
  expect(placesOf({ intermediate: { outerSignature, innerSignature: outerSignature } }, code)).toEqual([])
})

describe('extensions', () => {
  const garbled = (oid: string): Extension => ({ oid, critical: true, value: Buffer.from('3003', 'hex') })

  it('that cannot be read are named, with the reason', () => {
    expect(
      details({ leaf: { extensions: [garbled(EXTENSION.keyUsage)] } }, 'certificate/extension-refused', 'malformed'),
    ).toEqual([{ extension: 'keyUsage', reason: expect.stringContaining('keyUsage') as unknown }])
  })

  it('that stand there twice, or are critical and unknown, are named', () => {
    const twice = [unknownExtension(false), unknownExtension(false), unknownExtension(true, '1.2.3')]
    expect(details({ leaf: { extensions: twice } }, 'certificate/extension-refused')).toEqual([
      { kind: 'repeated', extension: '1.3.6.1.4.1.99999.1' },
      { kind: 'unknown', extension: '1.2.3' },
    ])
  })

  it('that identify keys are never critical', () => {
    const key = newKey()
    const critical = [
      subjectKeyIdentifier(publicHalf(key), true),
      authorityKeyIdentifier(Buffer.alloc(20, 7), {}, true),
    ]
    expect(details({ leaf: { key, extensions: critical } }, 'certificate/extension-refused')).toEqual([
      { kind: 'wrongly critical', extension: 'subjectKeyIdentifier' },
      { kind: 'wrongly critical', extension: 'authorityKeyIdentifier' },
    ])
  })

  it('that constrain policies are critical, and then refused', () => {
    const constraints = { oid: EXTENSION.policyConstraints, value: Buffer.from('3003800100', 'hex') }
    const code = 'certificate/policy-extension'
    expect(placesOf({ intermediate: { extensions: [constraints] } }, code)).toEqual([1])
    const critical = { intermediate: { extensions: [{ ...constraints, critical: true }] } }
    expect(placesOf(critical, code)).toEqual([])
    expect(details(critical, 'certificate/extension-refused')).toEqual([
      { kind: 'unknown', extension: 'policyConstraints' },
    ])
  })

  it('that narrow policies and require none are a warning where they are critical', () => {
    const narrow: Extension[] = [
      { oid: EXTENSION.policyConstraints, critical: true, value: Buffer.from('3003810100', 'hex') },
      { oid: EXTENSION.inhibitAnyPolicy, critical: true, value: Buffer.from('020100', 'hex') },
      { oid: EXTENSION.policyMappings, critical: true, value: Buffer.from('300a300806022a0306022a04', 'hex') },
    ]
    const findings = judge({ intermediate: { extensions: narrow } })
    expect(codesOf(findings)).toEqual([])
    expect(detailsOf(findings, 'certificate/policy-extension', 'critical')).toEqual([
      { extension: 'policyMappings' },
      { extension: 'policyConstraints' },
      { extension: 'inhibitAnyPolicy' },
    ])
  })
})

describe('URIs', () => {
  it('that are malformed are told, five of them', () => {
    const names = [dns(HOST), ...[1, 2, 3, 4, 5, 6].map((i) => uri(`spiffe://a/%${String(i)}`))]
    const found = details({ leaf: { names } }, 'san/name-unusable', 'URI')
    expect(found.map((each) => each.name)).toEqual([1, 2, 3, 4, 5].map((i) => `spiffe://a/%${String(i)}`))
  })

  it('alone are looked at: other kinds of name are not', () => {
    expect(details({ leaf: { names: [dns(HOST), dns('a b:%')] } }, 'san/name-unusable', 'URI')).toEqual([])
  })
})

describe('the subject key identifier', () => {
  const without = [EXTENSION.subjectKeyIdentifier]

  it('is wanted of a CA, not of a leaf', () => {
    const code = 'certificate/key-identifier-unusual'
    expect(placesOf({ root: { without }, intermediate: { without } }, code)).toEqual([1, 2])
    expect(judge({ leaf: { without } })).toEqual([])
  })
})

describe('the authority key identifier', () => {
  const without = [EXTENSION.authorityKeyIdentifier]
  const missing = 'certificate/key-identifier-unusual'

  it('is wanted of what another key signed', () => {
    expect(placesOf({ leaf: { without }, intermediate: { without } }, missing)).toEqual([0, 1])
    const keyless = authorityKeyIdentifier(null)
    expect(placesOf({ leaf: { extensions: [keyless] } }, missing)).toEqual([0])
  })

  it('is not wanted of a certificate that signed itself, be it leaf or anchor', () => {
    const leaf = mintLeaf({ subject: 'x', names: [dns(HOST)], without })
    const report = validateChain({ leaf: leaf.der, trustAnchors: leaf.der }, { usage: 'server' })
    expect(detailsOf(report.findings, missing)).toEqual([])
    expect(judge({ root: { without } })).toEqual([])
  })

  it('is wanted of a CA that its own old key certified: the name is the same, the key is not', () => {
    const root = mintCa({ subject: 'CA' })
    const rolled = mintCa({ subject: 'CA', issuer: root, without })
    const leaf = mintLeaf({ subject: 'x', issuer: rolled, names: [dns(HOST)] })
    const input = { leaf: leaf.der, intermediates: rolled.der, trustAnchors: root.der }
    const { findings } = validateChain(input, { usage: 'server' })
    // OpenSSL takes a certificate without it for self-signed, because the names agree.
    const taken = 'chain/openssl-picks-other-path'
    expect(codesOf(findings)).toEqual([`${taken}@1`])
    expect(findings.map(({ code, certificate }) => [code, certificate?.index]).sort()).toEqual([
      [missing, 1],
      [taken, 1],
    ])
    // As an anchor the same certificate is taken at its word.
    const trusted = validateChain({ leaf: leaf.der, trustAnchors: rolled.der }, { usage: 'server' })
    expect(trusted.findings).toEqual([])
  })

  it('is wanted of an anchor that another CA issued', () => {
    const { leaf, intermediate } = mintChain({ intermediate: { without } })
    const { findings } = validateChain({ leaf: leaf.der, trustAnchors: intermediate.der }, { usage: 'server' })
    expect(findings.map(({ code }) => code)).toContain(missing)
  })
})

describe('the authority key identifier of a self-issued anchor', () => {
  const key = newKey()
  const own = publicHalf(key)
  const reasons = (extension: Extension, more: Partial<Parameters<typeof mintCa>[0]> = {}): unknown[] =>
    details(
      { root: { key, serial: 7, extensions: [extension], ...more } },
      'certificate/key-identifier-unusual',
      'of a root',
    ).map(({ reason }) => reason)

  it('may point to its own key', () => {
    expect(reasons(authorityKeyIdentifier(own))).toEqual([])
  })

  it('is unusual where it holds no key identifier, or that of another key', () => {
    expect(reasons(authorityKeyIdentifier(null))).toEqual(['holds no key identifier'])
    expect(reasons(authorityKeyIdentifier(Buffer.from('0a0b', 'hex')))).toEqual(['points to another key (0A0B)'])
  })

  it('is not compared with a subject key identifier that is not there', () => {
    const extension = authorityKeyIdentifier(Buffer.from('0a0b', 'hex'))
    expect(reasons(extension, { without: [EXTENSION.subjectKeyIdentifier] })).toEqual([])
  })

  it('is unusual where it names a certificate, its own or another one', () => {
    const issuer = [directoryName('Test Root')]
    const named = ['names an issuer or serial number']
    expect(reasons(authorityKeyIdentifier(own, { serial: 7n }))).toEqual(named)
    expect(reasons(authorityKeyIdentifier(own, { issuer }))).toEqual(named)
    expect(reasons(authorityKeyIdentifier(own, { issuer, serial: 7n }))).toEqual(named)
    expect(reasons(authorityKeyIdentifier(own, { issuer, serial: 8n }))).toEqual(['points to another certificate'])
    expect(reasons(authorityKeyIdentifier(own, { issuer: [directoryName('Other')] }))).toEqual([
      'points to another certificate',
    ])
  })

  it('is of no interest elsewhere: in what another CA issued, or below the anchor', () => {
    const code = 'certificate/key-identifier-unusual'
    const { root, intermediate, leaf } = mintChain()
    const pointing = authorityKeyIdentifier(publicHalf(root.key), { serial: root.serial })
    const named = mintCa({ subject: 'Test Intermediate', issuer: root, key: intermediate.key, extensions: [pointing] })
    const trusted = validateChain({ leaf: leaf.der, trustAnchors: named.der }, { usage: 'server' })
    expect(detailsOf(trusted.findings, code)).toEqual([])
    const rolled = mintCa({ subject: 'Test Root', issuer: root, extensions: [pointing] })
    const below = mintLeaf({ subject: 'x', issuer: rolled, names: [dns(HOST)] })
    const input = { leaf: below.der, intermediates: rolled.der, trustAnchors: root.der }
    expect(detailsOf(validateChain(input, { usage: 'server' }).findings, code)).toEqual([])
  })
})
