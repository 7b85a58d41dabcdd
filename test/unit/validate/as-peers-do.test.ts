/**
 * What a real peer refuses is refused here, or at least told, with that peer's words. These are the cases that the
 * comparison with Go, OpenSSL and Node (test/integration/differential.test.ts) brought to light.
 */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../../src/validate/index.js'
import { bitString, integer, nullValue, oid, sequence, setOf, tlv } from '../../support/der-writer.js'
import { uriProblem } from '../../../src/x509/uri.js'
import { codesOf, HOST, inputOf, judge, mintChain } from '../../support/judge-chain.js'
import {
  authorityKeyIdentifier,
  certificatePolicies,
  directoryName,
  dns,
  email,
  EXTENSION,
  ipRange,
  mintCa,
  nameConstraints,
  newKey,
  publicHalf,
  spkiOf,
  TAG,
  uri,
  type Name,
} from '../../support/mint.js'

type Parts = Parameters<typeof mintChain>[0]

const rsa = newKey('rsa-2048')
const GO_ON: Readonly<Record<string, string>> = { email: 'rfc822Name', dns: 'dnsName' }
const commonName = (value: Buffer): Name => sequence(setOf(sequence(oid('2.5.4.3'), value)))

describe('keys', () => {
  it('refuses a compressed point, which Go does not read', () => {
    const key = newKey()
    const point = spkiOf(key).subarray(-65)
    const compressed = Buffer.concat([Buffer.from([2 + ((point[64] ?? 0) & 1)]), point.subarray(1, 33)])
    const spki = sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bitString(compressed))
    const [finding] = judge({ leaf: { key, spki } })
    expect(finding).toMatchObject({ code: 'key/unsupported', certificate: { index: 0 } })
    expect(finding?.message).toContain('its point is compressed')
  })

  it('reads no RSA key with a modulus below zero', () => {
    const spki = sequence(
      sequence(oid('1.2.840.113549.1.1.1'), nullValue()),
      bitString(sequence(integer(-(1n << 2047n)), integer(65537))),
    )
    expect(codesOf(judge({ leaf: { spki } }))).toEqual(['certificate/malformed'])
  })
})

describe('signatures', () => {
  it('refuses RSA with SHA-224, which Go does not verify', () => {
    const parts: Parts = { intermediate: { key: rsa }, leaf: { signature: 'rsa-sha224' } }
    expect(codesOf(judge(parts))).toEqual(['signature/algorithm-refused@0'])
  })
})

describe('names', () => {
  it.each([
    ['UniversalString', tlv(TAG.universalString, Buffer.from('00000061', 'hex'))],
    ['an integer', integer(1)],
    ['NumericString with a letter', tlv(0x12, Buffer.from('12a'))],
  ])('refuses a subject of %s, as Go does', (_, value) => {
    expect(codesOf(judge({ leaf: { subject: commonName(value) } }))).toEqual(['certificate/name-malformed@0'])
  })

  it('tells of an issuer whose name is written in other bytes, which Go does not find', () => {
    for (const issuerName of ['TEST intermediate', ' Test  Intermediate '] as const) {
      const [finding] = judge({ leaf: { issuerName } })
      expect(finding).toMatchObject({ code: 'chain/issuer-name-respelled', severity: 'warning' })
      expect(finding?.refusals.map(({ by }) => by)).toEqual(['Go'])
    }
  })

  it('refuses a name with a dot at its end, as Go and OpenSSL do', () => {
    const findings = judge({ leaf: { names: [dns(`${HOST}.`)] } })
    expect(codesOf(findings)).toEqual(['san/host-not-covered@0'])
    expect(codesOf(findings, 'warning')).toEqual(['san/name-unusable@0'])
  })

  it('takes NumericString with digits and spaces', () => {
    const leaf = { subject: commonName(tlv(0x12, Buffer.from('12 3'))) }
    expect(validateChain(inputOf(mintChain({ leaf })), { usage: 'client' }).ok).toBe(true)
  })
})

describe('URIs that Go does not read', () => {
  it.each([
    ['http://[bad/', 'has a [ without its ]'],
    ['http://a:b/', 'has a malformed port'],
    ['http://a..b/', 'has an empty label in its host'],
    ['http://a.b./', 'has an empty label in its host'],
    ['http://a b/', 'has a character in its host that does not belong there'],
    ['http://a%20b/', 'has an escape in its host'],
    ['http://u[ser@a/', 'has a malformed user'],
    ['spiffe://a/%zz', 'has a % that begins no escape'],
    ['spiffe://a/#%', 'has a % that begins no escape'],
    ['a\nb', 'holds a control character'],
    ['1a:b', 'has a colon in front of its path, and no scheme'],
    ['://a', 'has a colon in front of its path, and no scheme'],
  ])('%j', (text, reason) => {
    expect(uriProblem(text)).toBe(reason)
    const [finding] = judge({ leaf: { names: [dns(HOST), uri(text)] } })
    expect(finding).toMatchObject({ code: 'san/name-unusable', severity: 'error', details: { reason } })
  })

  it.each([
    ...['spiffe://cluster/etcd', 'https://a.example:8443/x?y=%zz#z', 'urn:uuid:%zz', 'etcd', '/a%20b', '//a', ''],
    ...['http://[::1]:80/', 'http://[fe80::1%25eth0]/', 'http://user:secret@a/', 'ldap:///cn=x', 'http://a,b/'],
  ])('but %j', (text) => {
    expect(uriProblem(text)).toBeNull()
  })
})

describe('the authority that a certificate names by serial number', () => {
  it('is the one that issued it, or OpenSSL finds no path', () => {
    const { root, intermediate } = mintChain()
    const keyed = (serial: bigint, issuer?: string): Parts => ({
      root: { key: root.key },
      intermediate: { key: intermediate.key, serial: 7n },
      leaf: {
        extensions: [
          authorityKeyIdentifier(publicHalf(intermediate.key), {
            serial,
            issuer: issuer === undefined ? undefined : [directoryName(issuer)],
          }),
        ],
      },
    })
    expect(judge(keyed(7n))).toEqual([])
    expect(judge(keyed(7n, 'Test Root'))).toEqual([])
    expect(codesOf(judge(keyed(8n)))).toEqual(['chain/authority-differs@0'])
    expect(codesOf(judge(keyed(7n, 'Other Root')))).toEqual(['chain/authority-differs@0'])
    expect(judge(keyed(8n, 'Other Root'))[0]?.message).toContain(
      'names an issuer with the serial number 08, issued by "CN=Other Root", but',
    )
  })

  it('is told of a root that points to another one', () => {
    const key = newKey()
    const other = authorityKeyIdentifier(publicHalf(key), { serial: 8n })
    expect(codesOf(judge({ root: { key, extensions: [other] } }), 'warning')).toEqual([
      'certificate/key-identifier-unusual@2',
    ])
  })
})

describe('extensions', () => {
  it.each([
    [EXTENSION.certificatePolicies, 'certificatePolicies'],
    [EXTENSION.policyConstraints, 'policyConstraints'],
    [EXTENSION.policyMappings, 'policyMappings'],
    [EXTENSION.inhibitAnyPolicy, 'inhibitAnyPolicy'],
    ['1.3.6.1.5.5.7.1.1', 'authorityInfoAccess'],
  ])('refuses a %s that cannot be read, though it decides nothing here', (dotted, extension) => {
    const [finding] = judge({ intermediate: { extensions: [{ oid: dotted, value: sequence(nullValue()) }] } })
    expect(finding).toMatchObject({
      code: 'certificate/extension-refused',
      severity: 'error',
      details: { extension },
    })
  })

  it('refuses a policy that stands there twice, as Go does', () => {
    const findings = judge({ leaf: { extensions: [certificatePolicies(['1.2.3', '1.2.3'])] } })
    expect(codesOf(findings)).toEqual(['certificate/extension-refused@0'])
    expect(judge({ leaf: { extensions: [certificatePolicies(['1.2.3', '1.2.4'])] } })).toEqual([])
  })

  it('refuses a constraint on a mailbox that is none, as Go does', () => {
    for (const mailbox of ['a@b@example.com', 'a b@example.com', '@example.com', 'a@']) {
      const findings = judge({ root: { extensions: [nameConstraints({ excluded: [email(mailbox)] })] } })
      expect([mailbox, codesOf(findings)]).toEqual([mailbox, ['name-constraints/malformed@2']])
    }
    expect(judge({ root: { extensions: [nameConstraints({ excluded: [email('a@example.com')] })] } })).toEqual([])
  })

  it.each([
    ['email', email('nobody'), false],
    ['email', email('a..b@example.com'), false],
    ['email', email('.a@example.com'), false],
    ['email', email('a@b..c'), false],
    ['email', email('"a b"@example.com'), true],
    ['email', email('a.b+c@example.com'), true],
    ['dns', dns('a b'), false],
    ['dns', dns('a..b'), false],
    ['dns', dns('.a'), false],
    ['dns', dns('a.*.b'), true],
    ['dns', dns('a_b'), true],
  ])('reads every name where any kind is constrained, as Go does: %s %s', (kind, name, readable) => {
    const root = { extensions: [nameConstraints({ excluded: [ipRange('10.0.0.0/8')] })] }
    const findings = judge({ root, leaf: { names: [dns(HOST), name] } }, { usage: 'peer' })
    expect(codesOf(findings)).toEqual(readable ? [] : ['name-constraints/name-unreadable@0'])
    if (!readable)
      expect(findings[0]?.refusals.map(({ words }) => words)).toEqual([expect.stringContaining(GO_ON[kind] ?? '')])
    expect(codesOf(judge({ leaf: { names: [dns(HOST), name] } }))).toEqual([])
  })

  it('tells of constraints on directory names that are critical: Go refuses what stands below', () => {
    const subtrees = { permitted: [directoryName('etcd-0'), directoryName('Test Intermediate')] }
    const [finding] = judge({ root: { extensions: [nameConstraints(subtrees)] } })
    expect(finding).toMatchObject({ code: 'certificate/extension-refused', details: { names: ['dirName'] } })
    expect(codesOf(judge({ root: { extensions: [nameConstraints(subtrees, false)] } }), 'warning')).toEqual([
      'certificate/criticality-unusual@2',
    ])
  })
})

describe('several issuers that fit', () => {
  const { root, intermediate, leaf } = mintChain()
  const key = intermediate.key
  const other = mintCa({ subject: 'Other' })
  const crossed = mintCa({ subject: 'Test Intermediate', key, issuer: other })
  const expired = mintCa({ subject: 'Test Intermediate', key, issuer: root, notAfter: new Date(Date.now() - 1000) })
  const forged = mintCa({
    subject: 'Test Intermediate',
    key: newKey(),
    issuer: root,
    without: [EXTENSION.subjectKeyIdentifier],
  })
  const renewed = mintCa({ subject: 'Test Intermediate', key, issuer: root })

  it.each([
    ['the first leads to a CA that is not trusted', [crossed, intermediate], ['chain/openssl-picks-other-path@0']],
    ['the first leads there by a detour', [crossed, other, intermediate], ['chain/openssl-picks-other-path@0']],
    ['the first has another key', [forged, intermediate], ['chain/openssl-picks-other-path@0']],
    ['the first is right', [intermediate, crossed], []],
    ['the first has expired, so the second is the first', [expired, intermediate], []],
    ['both lead to the trusted CA', [renewed, intermediate], []],
  ])('%s', (_, sent, codes) => {
    const input = { leaf: leaf.der, intermediates: sent.map(({ der }) => der), trustAnchors: root.der }
    expect(codesOf(validateChain(input, { usage: 'server' }).findings)).toEqual(codes)
    // Go, which validates clients and peers, tries them all.
    for (const usage of ['client', 'peer'] as const) {
      const report = validateChain(input, { usage })
      expect(report.ok).toBe(true)
      expect(codesOf(report.findings, 'warning')).toEqual(codes)
    }
    expect(codesOf(validateChain(input, { usage: 'any' }).findings, 'info')).toEqual(codes)
  })

  it('do not matter if the issuer is trusted itself', () => {
    const input = { leaf: leaf.der, intermediates: [crossed.der], trustAnchors: [root.der, intermediate.der] }
    expect(validateChain(input, { usage: 'server' }).findings).toEqual([])
  })

  it('are not followed beyond the budget, and a search that was cut short is no pass', () => {
    const way = [forged, crossed, other].map(({ der }) => der)
    const input = { leaf: leaf.der, intermediates: [...way, intermediate.der], trustAnchors: root.der }
    const errors = (steps: number): string[] =>
      codesOf(validateChain(input, { usage: 'server', budget: { steps } }).findings)
    const each = Array.from({ length: 30 }, (_, i) => errors(i + 1).join())
    expect(each.filter((codes) => codes === '')).toEqual([])
    expect(each).toContain('chain/limit-exceeded')
  })
})

it('tells of a leaf that is trusted by itself: Node wants its issuer', () => {
  const { leaf } = mintChain()
  const report = validateChain({ leaf: leaf.der, trustAnchors: leaf.der }, { usage: 'server' })
  expect(codesOf(report.findings)).toEqual(['chain/anchor-not-self-signed@0'])
})

it('knows that OpenSSL takes a root for self-signed if its own kind of key made a signature with SHA-224', () => {
  expect(codesOf(judge({ root: { key: 'rsa-2048', signature: 'rsa-sha224' } }))).toEqual([])
  expect(codesOf(judge({ root: { innerSignature: 'rsa-sha224', outerSignature: 'rsa-sha224' } }))).toEqual([
    'chain/anchor-not-self-signed@2',
  ])
})
