/**
 * What one peer alone refuses (check-unused.ts, check-key.ts, name-constraint-match.ts, openssl-path.ts): Go, which etcd is written in, is an error for clients and peers, a warning for servers, which Node
 * validates, and information otherwise; OpenSSL, and so Node, the other way round. test/differential asks Go and Node themselves.
 */
import { describe, expect, it } from 'vitest'
import { fromPem } from '../../../src/credentials/index.js'
import { type Finding, validateCredentials, type Usage } from '../../../src/validate/index.js'
import { bitString, integer, nullValue, oid, sequence, setOf } from '../../support/der-writer.js'
import { HOST } from '../../support/minted-chain.js'
import {
  chainPem,
  directoryName,
  dns,
  email,
  EXTENSION,
  ipBytes,
  mintCa,
  nameConstraints,
  newKey,
  subjectAltName,
  uri,
  type MintCaOptions,
  type Minted,
} from '../../support/mint.js'
import { mintRefused, REFUSED_BY_GO, UNREADABLE_ANCHORS } from '../../support/refused-by-go.js'
import { askNode } from '../../support/oracle-node.js'
import { EXPIRED, future, given, reportOn, tableOf, type Row } from './rows.js'

const USAGES = ['client', 'peer', 'server', 'any'] as const satisfies Usage[]
const BY_GO = { client: 'error', peer: 'error', server: 'warning', any: 'info' } as const
const BY_OPENSSL = { client: 'warning', peer: 'warning', server: 'error', any: 'info' } as const

it.each(REFUSED_BY_GO)('a finding has the severity of a refusal by Go: $name', ({ code, index, ...how }) => {
  const minted = mintRefused(how)
  for (const usage of USAGES) {
    const { findings, ok } = reportOn(minted, { usage })
    const found = findings.filter((each) => each.code === code)
    expect(found).toMatchObject([{ severity: BY_GO[usage], certificate: { index }, details: { usage } }])
    expect(found[0]?.refusals.map(({ by }) => by)).toEqual(['Go'])
    expect(ok).toBe(BY_GO[usage] !== 'error')
  }
})

describe.each(UNREADABLE_ANCHORS)('an unused trust anchor with %s', (_, trusted) => {
  const minted = mintRefused({ trusted })

  it('an unused trust anchor is an error only if etcd reads it', () => {
    for (const usage of USAGES) {
      const found = reportOn(minted, { usage }).findings.filter(({ code }) => code === 'chain/unused-unread-by-go')
      const severity = usage === 'client' || usage === 'peer' ? 'error' : 'info'
      expect(found).toMatchObject([{ severity, certificate: { role: 'anchor', index: 1 } }])
    }
  })

  it('an unused trust anchor is not reported for the credentials of a client, whose CA file Node reads', async () => {
    const { leaf, sent, trust } = minted
    const pem = { ca: chainPem(...trust), cert: chainPem(leaf, ...sent), key: leaf.keyPem }
    const credentials = await fromPem(pem).load()
    expect(validateCredentials(credentials, { usage: 'client' }).findings).toEqual([])
    expect(validateCredentials(credentials, { usage: 'peer' }).ok).toBe(false)
  })
})

const { leaf, sent, trust } = given()
const [intermediate, root] = [...sent, ...trust] as [Minted, Minted]
const stranger = (options: Partial<Parameters<typeof mintCa>[0]>): Minted => mintCa({ subject: 'Other', ...options })
const asClient = { usage: 'client' } as const
const unusedSent = (what: string, options: Parameters<typeof stranger>[0], ...found: string[]): Row => [
  what,
  { leaf, sent: [...sent, stranger(options)], trust },
  found,
  asClient,
]
const badSubject = { subject: [['CN', 'a_b', 0x13] as const] }
const excluding = (...excluded: Buffer[]) => ({ extensions: [nameConstraints({ excluded })] })
const RSA = sequence(oid('1.2.840.113549.1.1.1'), nullValue())
const rsa = (bits: bigint, algorithm = RSA): Buffer =>
  sequence(algorithm, bitString(sequence(integer((1n << (bits - 1n)) | 1n), integer(65537))))
const ec = (point: Buffer): Buffer =>
  sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bitString(point))
const access = sequence(sequence(oid('1.3.6.1.5.5.7.48.1'), uri('http://ocsp.example/')))

/** An INTEGER as the common name. */
const integerAsName = sequence(setOf(sequence(oid('2.5.4.3'), integer(1))))

tableOf('a certificate that is sent and not used', 'chain/unused-unread-by-go', [
  unusedSent('is read by Go on P-224', { key: 'p224' }),
  unusedSent(
    'is not read by Go on secp256k1',
    { key: 'secp256k1' },
    '@1 (sent, its key is on the curve secp256k1, client, false)',
  ),
  unusedSent(
    'is not read by Go with a point that is not on its curve',
    { spki: ec(Buffer.alloc(65, 4)) },
    '@1 (sent, its key is not a point of its curve, uncompressed, client, false)',
  ),
  unusedSent(
    'is not read by Go with a compressed point',
    { spki: ec(Buffer.alloc(33, 2)) },
    '@1 (sent, its key is not a point of its curve, uncompressed, client, false)',
  ),
  unusedSent('is read by Go with an RSA key of 8192 bits', { spki: rsa(8192n) }),
  [
    'is read by Go as an anchor with an RSA key of more bits',
    { leaf, sent, trust: [...trust, stranger({ spki: rsa(8193n) })] },
    [],
    asClient,
  ],
  unusedSent(
    'is not read by Go with an RSA key of more bits',
    { spki: rsa(8193n) },
    '@1 (sent, its RSA key has more than 8192 bits, client, false)',
  ),
  unusedSent(
    'is not read by Go with an RSA key without parameters',
    { spki: rsa(2048n, sequence(oid('1.2.840.113549.1.1.1'))) },
    '@1 (sent, the parameters of its RSA key are unusual, client, false)',
  ),
  unusedSent(
    'is not read by Go with critical authorityInfoAccess',
    { extensions: [{ oid: '1.3.6.1.5.5.7.1.1', critical: true, value: access }] },
    '@1 (sent, it marks authorityInfoAccess as critical, client, false)',
  ),
  unusedSent('is read by Go with constraints that may be empty', excluding(uri(''), email(''), dns('a_b'))),
  unusedSent(
    'is not read by Go with a malformed name constraint',
    excluding(dns('a b')),
    '@1 (sent, it has the malformed name constraint "a b", client, false)',
  ),
  unusedSent(
    'is not read by Go with an unreadable extension',
    { extensions: [{ oid: EXTENSION.keyUsage, value: nullValue() }] },
    '@1 (sent, an extension of it is malformed, client, false)',
  ),
  unusedSent(
    'is not read by Go with two algorithms',
    { innerSignature: 'ecdsa-sha384' },
    '@1 (sent, it names two signature algorithms, client, false)',
  ),
  unusedSent(
    'is not read by Go with a negative serial',
    { serial: -5n },
    '@1 (sent, its serial number is negative, client, false)',
  ),
  unusedSent('is read by Go with a serial number of zero', { serial: 0 }),
  unusedSent(
    'is not read by Go with a malformed name',
    badSubject,
    '@1 (sent, its subject or issuer is malformed, client, false)',
  ),
  ...USAGES.map((usage): Row => [
    `is not read by Go with a name that OpenSSL does not read either: ${usage}`,
    { leaf, sent: [...sent, stranger({ subject: integerAsName })], trust },
    [`${usage === 'any' ? 'info ' : ''}@1 (sent, its subject or issuer is malformed, ${usage}, true)`],
    { usage },
  ]),
  unusedSent('is read by Go with an empty subject', { subject: '' }),
  unusedSent('is read by Go if it has expired', EXPIRED),
])

it('reports twenty certificates that Go does not read, and none that the path uses', () => {
  const many = Array.from({ length: 21 }, () => stranger({ serial: -5n }))
  const unread = ({ code }: { code: string }): boolean => code === 'chain/unused-unread-by-go'
  const { findings } = reportOn({ leaf, sent: [...sent, ...many], trust: [...trust, ...many] }, { usage: 'any' })
  expect(findings.filter(unread).map((each) => 1 + (each.repeats?.length ?? 0))).toEqual([20])
  expect(reportOn(given({ root: { serial: -5n } })).findings.filter(unread)).toEqual([])
})
const key = intermediate.key
const again = (options: Partial<Parameters<typeof mintCa>[0]>): Minted =>
  mintCa({ subject: 'Test Intermediate', key, issuer: root, ...options })
const other = mintCa({ subject: 'Other' })
const forge = (): Minted => again({ key: newKey(), without: [EXTENSION.subjectKeyIdentifier] })
const named = {
  intermediate,
  crossed: again({ issuer: other }),
  forged: forge(),
  weak: again({ keyUsages: ['digitalSignature'] }),
  below: mintCa({ subject: 'Other', key: other.key, issuer: { key, subject: intermediate.subject } }),
}
const { crossed, forged, weak, below } = named
const early = again({ notBefore: future(1), notAfter: future(9000) })
const twin = mintCa({ subject: 'Test Root' })
const nameOf = (fingerprint: unknown): string =>
  Object.entries(named).find(([, each]) => each.x509().fingerprint256 === fingerprint)?.[0] ?? String(fingerprint)
const TRUSTED_ALONE = 'anchor-not-self-signed'
const NOT_SIGNED = 'the key of "CN=Test Intermediate" did not make the signature'

type OpensslRow = [what: string, cas: readonly Minted[], anchors: readonly Minted[], found: string | null]
const OPENSSL_PATHS: OpensslRow[] = [
  [
    'leads to a CA that is not trusted',
    [crossed, intermediate],
    [root],
    'sent crossed, needs intermediate, order: no certificate that was given fits as the issuer "CN=Other" of "CN=Test Intermediate"',
  ],
  [
    'leads to a CA that is not trusted through another CA',
    [crossed, other, intermediate],
    [root],
    'sent crossed, needs intermediate, order: "CN=Other" counts as a self-signed root and is not the trusted CA of that name',
  ],
  [
    'has a CA with another key',
    [forged, intermediate],
    [root],
    `sent forged, needs intermediate, order: ${NOT_SIGNED}`,
  ],
  [
    'has a trusted CA with another key',
    [intermediate],
    [forged, root],
    `trusted forged, needs intermediate, remove: ${NOT_SIGNED}`,
  ],
  [
    'has a CA with another key that is sent and trusted',
    [forged, intermediate],
    [forged, root],
    `both forged, needs intermediate, remove: ${NOT_SIGNED}`,
  ],
  [
    'has one of two CAs with other keys',
    [intermediate],
    [forged, forge(), root],
    `trusted forged, needs intermediate, path: ${NOT_SIGNED}`,
  ],
  [
    'has a CA that may not sign',
    [weak, intermediate],
    [root],
    'sent weak, needs intermediate, order: The intermediate certificate "CN=Test Intermediate" from intermediates[0] issued a certificate, but its key usage (digitalSignature) lacks keyCertSign',
  ],
  ['ends at a trusted CA that is not self-signed', [intermediate], [crossed, root], TRUSTED_ALONE],
  ['starts with the right CA', [intermediate, crossed], [root], null],
  ['leaves out an expired CA', [again(EXPIRED), intermediate], [root], null],
  ['leaves out a CA that is not valid yet', [early, intermediate], [root], null],
  ['leads to the trusted CA both ways', [again({}), intermediate], [root], null],
  [
    'leads through CAs that sign each other',
    [crossed, below, intermediate],
    [root],
    'sent crossed, needs intermediate, order: The intermediate certificate "CN=Test Intermediate" from intermediates[2] allows 0 intermediate CAs below it, and the path has 2: "CN=Test Intermediate" and "CN=Other"',
  ],
  ['ends at a root that is sent as well', [intermediate, root], [root], null],
  ['ends at an intermediate that is trusted alone', [], [intermediate], TRUSTED_ALONE],
  ['ends at a leaf that is trusted alone', [], [leaf], TRUSTED_ALONE],
  ['takes the first of two roots of one name', [intermediate], [twin, root], null],
]

describe('the one path that OpenSSL builds', () => {
  it.each(OPENSSL_PATHS)('the path of OpenSSL %s', (_, cas, anchors, found) => {
    for (const usage of USAGES) {
      const [finding, ...more]: (Finding | undefined)[] = reportOn(
        { leaf, sent: cas, trust: anchors },
        { usage },
      ).findings
      const { from, picked, needed, change, reason } = (finding?.details ?? {}) as Record<string, unknown>
      const path = `${String(from)} ${nameOf(picked)}, needs ${nameOf(needed)}, ${String(change)}: ${String(reason)}`
      const seen = finding?.code === 'chain/openssl-picks-other-path' ? path : finding?.code.slice('chain/'.length)
      expect([seen ?? null, more], usage).toEqual([found, []])
      if (found !== null) expect(finding).toMatchObject({ severity: BY_OPENSSL[usage], details: { usage } })
    }
  })

  it('the path of OpenSSL is the one that Node accepts or refuses', async () => {
    for (const [what, sent, trust, found] of OPENSSL_PATHS) {
      const node = await askNode({ usage: 'server', host: HOST, leaf, sent, trust, crls: [] })
      expect(node?.accepts, what).toBe(found === null)
    }
  })

  const noAddress = ipBytes(Buffer.alloc(0))
  const raw = (oid: string, value: string, critical = false): Partial<MintCaOptions> => ({
    extensions: [{ oid, critical, value: Buffer.from(value, 'hex') }],
  })
  it.each<[what: string, twin: Partial<MintCaOptions>, accepted: boolean]>([
    ['with an empty extended key usage', raw(EXTENSION.extendedKeyUsage, '3000'), false],
    ['with a critical key identifier', raw(EXTENSION.authorityKeyIdentifier, '3000', true), false],
    ['with an unknown critical extension', raw('1.2.3.4', '3000', true), false],
    ['with a critical policy that is required', raw(EXTENSION.policyConstraints, '3003800100', true), true],
    ['with basicConstraints that cannot be read', raw(EXTENSION.basicConstraints, '0500', true), true],
    ['with an extended key usage that cannot be read', raw(EXTENSION.extendedKeyUsage, '0500'), true],
    ['with unknown policies', raw(EXTENSION.policyMappings, '0500'), true],
    ['for proxies', raw(EXTENSION.proxyCertInfo, '300c300a06082b06010505071501'), true],
    ['for clients, with a byte after the usage', raw(EXTENSION.extendedKeyUsage, '300a06082b0601050507030200'), false],
    ['for CRLs, with a byte after the usage', raw(EXTENSION.keyUsage, '0302010200'), false],
    ['with a key usage without a bit', raw(EXTENSION.keyUsage, '030100'), true],
    [
      'with a constraint on no address',
      { extensions: [nameConstraints({ excluded: [noAddress, dns('svc')] })] },
      false,
    ],
  ])('passes or not as in Node, if a twin of the intermediate is %s', async (_, options, accepted) => {
    const sent = [again(options), intermediate]
    const report = reportOn({ leaf, sent, trust: [root] })
    const node = await askNode({ usage: 'server', host: HOST, leaf, sent, trust: [root], crls: [] })
    expect([report.ok, node?.accepts]).toEqual([accepted, accepted])
    expect(report.findings.some(({ code }) => code === 'chain/openssl-picks-other-path')).toBe(!accepted)
  })

  it('refuses, as Node, a twin with a name that OpenSSL reads, beyond the constraints of the root', async () => {
    const constrained = mintCa({
      key: root.key,
      subject: 'Test Root',
      extensions: [nameConstraints({ permitted: [dns('svc')] })],
    })
    const sent = [again({ extensions: [subjectAltName([dns('\u00e9')])] }), intermediate]
    const node = await askNode({ usage: 'server', host: HOST, leaf, sent, trust: [constrained], crls: [] })
    expect([reportOn({ leaf, sent, trust: [constrained] }).ok, node?.accepts]).toEqual([false, false])
  })

  it('accepts, as Node, a root without basicConstraints whose key usage has keyCertSign, next to a twin', async () => {
    const old = mintCa({ key: root.key, subject: 'Test Root', without: [EXTENSION.basicConstraints] })
    const [sent, trust] = [[intermediate], [old, root]]
    const node = await askNode({ usage: 'server', host: HOST, leaf, sent, trust, crls: [] })
    expect([reportOn({ leaf, sent, trust }).ok, node?.accepts]).toEqual([true, true])
  })

  it('does not matter if Go alone refuses it', () => {
    const byGo = again({ extensions: [nameConstraints({ excluded: [directoryName('Nobody')] })] })
    expect(reportOn({ leaf, sent: [byGo, intermediate], trust: [root] }, { usage: 'client' }).findings).toEqual([])
  })

  it('does not matter if the issuer is trusted as well', () => {
    expect(reportOn({ leaf, sent: [crossed], trust: [root, intermediate] }).findings).toEqual([])
  })

  it('the path of OpenSSL is followed within the budget, and is no pass if that is too small', () => {
    const minted = { leaf, sent: [forged, crossed, other, intermediate], trust: [root] }
    const passes = Array.from({ length: 30 }, (_, i) => reportOn(minted, { budget: { steps: i + 1 } }))
    expect(passes.filter(({ ok }) => ok)).toEqual([])
    expect(passes.some(({ findings: [first] }) => first.code === 'chain/limit-exceeded')).toBe(true)
  })
})
