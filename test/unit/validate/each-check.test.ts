/** For each check one certificate that fails that check only. The healthy chain, checked first, has no error at all. */
import type { Report } from '../../../src/report/report.js'
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../../src/validate/index.js'
import { codesOf, HOST, inputOf, judge, mintChain } from '../../support/judge-chain.js'
import {
  authorityKeyIdentifier,
  dns,
  email,
  EXTENSION,
  extendedKeyUsage,
  flipBit,
  ip,
  mintCa,
  mintLeaf,
  nameConstraints,
  newKey,
  otherName,
  rawTime,
  subjectKeyIdentifier,
  TAG,
  unknownExtension,
  uri,
  basicConstraints,
} from '../../support/mint.js'

const DAY = 86_400_000
const past = (days: number): Date => new Date(Date.now() - days * DAY)
const future = (days: number): Date => new Date(Date.now() + days * DAY)
const smallRsa = newKey('rsa-1024')

type Parts = Parameters<typeof mintChain>[0]

/** What is broken, and the only errors that follow. */
const FAULTS: readonly (readonly [name: string, parts: Parts, errors: readonly string[]])[] = [
  ['leaf expired', { leaf: { notBefore: past(9), notAfter: past(1) } }, ['validity/expired@0']],
  ['leaf not yet valid', { leaf: { notBefore: future(1) } }, ['validity/not-yet-valid@0']],
  ['intermediate expired', { intermediate: { notBefore: past(9), notAfter: past(1) } }, ['validity/expired@1']],
  ['intermediate not yet valid', { intermediate: { notBefore: future(1) } }, ['validity/not-yet-valid@1']],
  ['root expired', { root: { notBefore: past(9), notAfter: past(1) } }, ['validity/expired@2']],
  ['ends before it begins', { leaf: { notBefore: past(1), notAfter: past(2) } }, ['validity/inverted@0']],
  [
    'intermediate without basicConstraints',
    { intermediate: { without: [EXTENSION.basicConstraints] } },
    ['constraints/not-a-ca@1'],
  ],
  [
    'intermediate CA:FALSE',
    { intermediate: { extensions: [basicConstraints({ ca: false })] } },
    ['constraints/not-a-ca@1'],
  ],
  ['root without basicConstraints', { root: { without: [EXTENSION.basicConstraints] } }, ['constraints/not-a-ca@2']],
  ['root allows no intermediate', { root: { pathLength: 0 } }, ['constraints/path-too-long@2']],
  [
    'intermediate may not sign certificates',
    { intermediate: { keyUsages: ['cRLSign'] } },
    ['usage/key-usage-missing@1'],
  ],
  ['root may not sign certificates', { root: { keyUsages: ['cRLSign'] } }, ['usage/key-usage-missing@2']],
  ['leaf for clients only', { leaf: { usages: ['clientAuth'] } }, ['usage/extended-key-usage-missing@0']],
  ['leaf for code signing', { leaf: { usages: ['codeSigning'] } }, ['usage/extended-key-usage-missing@0']],
  ['leaf for anything', { leaf: { usages: ['2.5.29.37.0'] } }, ['usage/any-extended-key-usage@0']],
  [
    'intermediate limited to clients',
    { intermediate: { extensions: [extendedKeyUsage(['clientAuth'])] } },
    ['usage/extended-key-usage-missing@1'],
  ],
  ['leaf may not sign', { leaf: { keyUsages: ['dataEncipherment'] } }, ['usage/key-usage-missing@0']],
  ['no names at all', { leaf: { names: [], without: [EXTENSION.subjectAltName] } }, ['san/host-not-covered@0']],
  ['name only in the CN', { leaf: { subject: HOST, names: [dns('other.etcd.svc')] } }, ['san/host-not-covered@0']],
  ['wildcard too shallow', { leaf: { names: [dns('*.svc.local'), dns('*.svc')] } }, ['san/host-not-covered@0']],
  [
    'unknown critical extension in the leaf',
    { leaf: { extensions: [unknownExtension(true)] } },
    ['certificate/extension-refused@0'],
  ],
  [
    'unknown critical extension in the intermediate',
    { intermediate: { extensions: [unknownExtension(true)] } },
    ['certificate/extension-refused@1'],
  ],
  [
    'unknown critical extension in the root',
    { root: { extensions: [unknownExtension(true)] } },
    ['certificate/extension-refused@2'],
  ],
  [
    'extension twice',
    { leaf: { extensions: [unknownExtension(false), unknownExtension(false)] } },
    ['certificate/extension-refused@0'],
  ],
  [
    'extension unreadable',
    { leaf: { extensions: [{ oid: EXTENSION.extendedKeyUsage, value: Buffer.from('3000', 'hex') }] } },
    ['certificate/extension-refused@0'],
  ],
  [
    'critical key identifier',
    {
      intermediate: { extensions: [subjectKeyIdentifier(Buffer.alloc(20, 7), true)] },
      leaf: { extensions: [authorityKeyIdentifier(Buffer.alloc(20, 7))] },
    },
    ['certificate/extension-refused@1'],
  ],
  ['negative serial', { leaf: { serial: -5n } }, ['certificate/serial-unusual@0']],
  [
    'algorithms disagree',
    { leaf: { outerSignature: 'ecdsa-sha256', innerSignature: 'ecdsa-sha384' } },
    ['signature/algorithm-refused@0'],
  ],
  ['RSA 1024 leaf', { leaf: { key: smallRsa } }, ['key/weak@0']],
  ['RSA 1024 root', { root: { key: smallRsa } }, ['key/weak@2']],
  ['Ed448 leaf', { leaf: { key: 'ed448' } }, ['key/unsupported@0']],
  ['secp256k1 leaf', { leaf: { key: 'secp256k1' } }, ['key/unsupported@0']],
  ['SHA-1 leaf', { leaf: { signature: 'ecdsa-sha1' } }, ['signature/algorithm-refused@0']],
  ['SHA-1 intermediate', { intermediate: { signature: 'ecdsa-sha1' } }, ['signature/algorithm-refused@1']],
  ['signature altered', { leaf: { tamperSignature: (bits) => flipBit(bits, -1) } }, ['signature/invalid@0']],
  [
    'key identifiers differ',
    { leaf: { extensions: [authorityKeyIdentifier(Buffer.alloc(20, 9))] } },
    ['chain/authority-differs@0'],
  ],
  [
    'name not permitted',
    { root: { extensions: [nameConstraints({ permitted: [dns('other.svc')] })] } },
    ['name-constraints/name-refused@0'],
  ],
  [
    'name excluded',
    { root: { extensions: [nameConstraints({ excluded: [dns('etcd.svc')] })] } },
    ['name-constraints/name-refused@0'],
  ],
  [
    'address not permitted',
    { root: { extensions: [nameConstraints({ permitted: [Buffer.from('870810000000ff000000', 'hex')] })] } },
    ['name-constraints/name-refused@0'],
  ],
  [
    'kind of name not compared',
    {
      root: { extensions: [nameConstraints({ excluded: [otherName('1.2.3', Buffer.from('0500', 'hex'))] })] },
      leaf: { names: [dns(HOST), ip('127.0.0.1'), otherName('1.2.3', Buffer.from('0500', 'hex'))] },
    },
    ['name-constraints/name-unreadable@0'],
  ],
  [
    'constraint malformed',
    { root: { extensions: [nameConstraints({ permitted: [dns('..svc')] })] } },
    ['name-constraints/malformed@2'],
  ],
  [
    'constrained name malformed',
    {
      root: { extensions: [nameConstraints({ permitted: [email('svc')] })] },
      leaf: { names: [dns(HOST), email('no mailbox')] },
    },
    ['name-constraints/name-unreadable@0'],
  ],
]

describe('each check', () => {
  it('finds nothing wrong with the healthy chain, for every use', () => {
    for (const usage of ['server', 'client', 'peer', 'any'] as const) expect(judge({}, { usage })).toEqual([])
  })

  for (const [name, parts, errors] of FAULTS) {
    it(`${name}: ${errors.join(', ')}`, () => {
      expect(codesOf(judge(parts))).toEqual(errors)
    })
  }

  it('lists every fault, not only the first', () => {
    const findings = judge({
      leaf: { notAfter: past(1), notBefore: past(9), names: [dns('other.svc')], usages: ['clientAuth'] },
      intermediate: { notBefore: past(9), notAfter: past(2), keyUsages: ['cRLSign'] },
    })
    expect(codesOf(findings).sort()).toEqual([
      'san/host-not-covered@0',
      'usage/extended-key-usage-missing@0',
      'usage/key-usage-missing@1',
      'validity/expired@0',
      'validity/expired@1',
    ])
  })

  it('names the certificate, its place and its fingerprint', () => {
    const chain = mintChain({ intermediate: { notBefore: past(9), notAfter: past(1) } })
    const report = validateChain(inputOf(chain), { usage: 'server', hosts: [HOST] })
    const [finding] = report.findings
    const x509 = chain.intermediate.x509()
    expect(finding.certificate).toEqual({
      role: 'intermediate',
      index: 1,
      subject: 'CN=Test Intermediate',
      serialNumber: x509.serialNumber,
      fingerprint256: x509.fingerprint256,
      origin: 'intermediates',
    })
    expect(report.path?.map(({ role }) => role)).toEqual(['leaf', 'intermediate', 'anchor'])
  })
})

describe('what etcd asks beyond TLS', () => {
  it('warns of a server certificate with serverAuth alone, and says what the gateway does', () => {
    const findings = judge({ leaf: { usages: ['serverAuth'] } })
    expect(codesOf(findings)).toEqual([])
    expect(codesOf(findings, 'warning')).toEqual(['usage/gateway-client-auth-missing@0'])
    expect(findings[0]?.message).toContain('gateway, which presents it as a client, answers 503')
  })

  it('refuses serverAuth alone for a peer, which dials the others', () => {
    expect(codesOf(judge({ leaf: { usages: ['serverAuth'] } }, { usage: 'peer' }))).toEqual([
      'usage/extended-key-usage-missing@0',
    ])
    expect(codesOf(judge({ leaf: { usages: ['clientAuth'] } }, { usage: 'peer' }))).toEqual([
      'usage/extended-key-usage-missing@0',
    ])
  })

  it('accepts clientAuth alone for a client only', () => {
    expect(judge({ leaf: { usages: ['clientAuth'] } }, { usage: 'client' })).toEqual([])
  })
})

describe('names', () => {
  const hostFinding = (parts: Parts, host: string): { reason: string; message: string; remedy: string } | undefined => {
    const found = judge(parts, { hosts: [host] }).find(({ code }) => code === 'san/host-not-covered')
    return found?.code === 'san/host-not-covered'
      ? { reason: found.details.reason, message: found.message, remedy: found.remedy }
      : undefined
  }

  it.each([
    ['10.0.0.1', { names: [dns('10.0.0.1')] }, 'ip-written-as-dns'],
    [HOST, { subject: HOST, names: [] as Buffer[], without: [EXTENSION.subjectAltName] }, 'only-in-common-name'],
    ['a.b.etcd.svc', { names: [dns('*.etcd.svc')] }, 'wildcard-too-shallow'],
    ['etcd.svc', { names: [dns('*.svc')] }, 'wildcard-not-usable'],
    ['etcd-1.etcd.svc.cluster.local', { names: [dns('etcd-1.etcd.svc')] }, 'near-miss'],
    ['10.0.0.2', { names: [ip('10.0.0.1')] }, 'no-such-name'],
    ['10.0.0.1', { names: [ip('::ffff:10.0.0.1')] }, 'ipv4-mapped'],
    ['::ffff:10.0.0.1', { names: [ip('10.0.0.1')] }, 'ipv4-mapped'],
    ['::fffe:a00:1', { names: [ip('10.0.0.1')] }, 'no-such-name'],
  ])('says of %s why it is not covered', (host, leaf, reason) => {
    const finding = hostFinding({ leaf }, host)
    expect(finding?.reason).toBe(reason)
    expect(finding?.message).toContain(host)
    expect(finding?.remedy).toContain(host)
  })

  it.each([
    ['ETCD-0.etcd.SVC.', dns(HOST)],
    ['etcd-9.etcd.svc', dns('*.etcd.svc')],
    ['::1', ip('::1')],
    ['0:0:0:0:0:0:0:1', ip('::1')],
    ['bücher.example', dns('xn--bcher-kva.example')],
    ['spiffe://Cluster/etcd', uri('spiffe://cluster/etcd')],
  ])('covers %s', (host, name) => {
    expect(codesOf(judge({ leaf: { names: [name] } }, { hosts: [host] }))).toEqual([])
  })

  it.each([
    ['spiffe://cluster/Etcd', uri('spiffe://cluster/etcd')],
    ['127.0.0.1', ip('::ffff:127.0.0.1')],
    ['etcd.svc', dns('*.etcd.svc')],
  ])('does not cover %s', (host, name) => {
    expect(codesOf(judge({ leaf: { names: [name] } }, { hosts: [host] }))).toEqual(['san/host-not-covered@0'])
  })
})

describe('the way to the anchor', () => {
  it('says that the CA was made anew under its old name', () => {
    const chain = mintChain()
    const other = mintCa({ subject: 'Test Root' })
    const report = validateChain({ ...inputOf(chain), trustAnchors: other.pem }, { usage: 'server' })
    expect(codesOf(report.findings)).toEqual(['chain/issuer-key-differs@1'])
  })

  it('says that the intermediate is missing', () => {
    const chain = mintChain()
    const report = validateChain({ leaf: chain.leaf.pem, trustAnchors: chain.root.pem }, { usage: 'server' })
    expect(codesOf(report.findings)).toEqual(['chain/issuer-not-found@0'])
    expect(report.findings[0].message).toContain('CN=Test Intermediate')
  })

  it('says that the root is not trusted', () => {
    const chain = mintChain()
    const input = {
      leaf: chain.leaf.pem,
      intermediates: [chain.intermediate.pem, chain.root.pem],
      trustAnchors: mintCa({ subject: 'Other' }).pem,
    }
    expect(codesOf(validateChain(input, { usage: 'server' }).findings)).toEqual(['chain/root-not-trusted@2'])
  })

  it('says that the leaf is self-signed', () => {
    const leaf = mintLeaf({ subject: 'etcd', names: [dns(HOST)] })
    const input = { leaf: leaf.pem, trustAnchors: mintCa({ subject: 'Other' }).pem }
    expect(codesOf(validateChain(input, { usage: 'server' }).findings)).toEqual(['chain/root-not-trusted@0'])
  })

  it('accepts an intermediate as anchor, and a leaf that is itself trusted, unless Node validates it', () => {
    const chain = mintChain()
    for (const [trusted, index] of [
      [chain.intermediate, 1],
      [chain.leaf, 0],
    ] as const) {
      const judgeFor = (usage: 'server' | 'client'): Report =>
        validateChain({ leaf: chain.leaf.pem, trustAnchors: trusted.pem }, { usage })
      const code = `chain/anchor-not-self-signed@${String(index)}`
      expect(codesOf(judgeFor('server').findings)).toEqual([code])
      expect(judgeFor('client').ok).toBe(true)
      expect(codesOf(judgeFor('client').findings, 'warning')).toContain(code)
    }
  })

  it('finds the way around an expired intermediate of the same name and key', () => {
    const { root, intermediate, leaf } = mintChain()
    const expired = mintCa({
      subject: 'Test Intermediate',
      issuer: root,
      key: intermediate.key,
      notBefore: past(9),
      notAfter: past(1),
    })
    const input = { leaf: leaf.pem, intermediates: [expired.pem, intermediate.pem], trustAnchors: root.pem }
    expect(validateChain(input, { usage: 'server' }).ok).toBe(true)
  })

  it('trusts nothing when no anchor is given', () => {
    const report = validateChain({ ...inputOf(mintChain()), trustAnchors: [] }, { usage: 'server' })
    expect(codesOf(report.findings)).toEqual(['chain/no-trust-anchors'])
  })

  it('ends within its budget where every intermediate signed every other', () => {
    const keys = Array.from({ length: 12 }, () => newKey())
    const names = keys.map((_, i) => mintCa({ subject: `CA ${String(i)}`, key: keys[i] }))
    const mesh = names.flatMap((issuer, i) =>
      names
        .filter((_, j) => j !== i)
        .map((subject, j) =>
          mintCa({
            subject: `CA ${String(names.indexOf(subject))}`,
            key: subject.key,
            issuer,
            serial: BigInt(i * 100 + j + 1),
          }),
        ),
    )
    const [first] = names
    if (first === undefined) throw new Error('no CA')
    const leaf = mintLeaf({ subject: 'x', issuer: first, names: [dns(HOST)] })
    const report = validateChain(
      { leaf: leaf.der, intermediates: mesh.map(({ der }) => der), trustAnchors: mintCa({ subject: 'Other' }).der },
      { usage: 'server', maxIntermediates: 12 },
    )
    expect(codesOf(report.findings)).toContain('chain/limit-exceeded')
  })
})

describe('time', () => {
  it('counts the second of notAfter as valid, and the skew at both ends', () => {
    const notAfter = new Date('2030-01-01T00:00:00Z')
    const notBefore = new Date('2029-01-01T00:00:00Z')
    const chain = mintChain({
      root: { notBefore, notAfter: new Date('2040-01-01T00:00:00Z') },
      intermediate: { notBefore, notAfter: new Date('2035-01-01T00:00:00Z') },
      leaf: { notBefore, notAfter },
    })
    const errorsAt = (at: string, clockSkew = '0s'): string[] =>
      codesOf(validateChain(inputOf(chain), { usage: 'any', at: new Date(at), clockSkew }).findings)
    expect(errorsAt('2030-01-01T00:00:00.900Z')).toEqual([])
    expect(errorsAt('2030-01-01T00:00:01Z')).toEqual(['validity/expired@0'])
    expect(errorsAt('2030-01-01T00:00:05Z', '5s')).toEqual([])
    expect(errorsAt('2028-12-31T23:59:55Z', '5s')).toEqual([])
    expect(errorsAt('2028-12-31T23:59:54Z', '5s')).not.toEqual([])
  })

  it('suspects our own clock when every certificate is of the future', () => {
    const findings = judge({}, { at: new Date('2001-01-01T00:00:00Z') })
    expect(codesOf(findings, 'warning')).toContain('validity/clock-suspect')
  })

  it('reads a UTCTime of 1950 and refuses a date that does not exist', () => {
    const chain = mintChain({ leaf: { notBefore: rawTime(TAG.utcTime, '500101000000Z') } })
    expect(validateChain(inputOf(chain), { usage: 'any' }).ok).toBe(true)
    const broken = mintChain({ leaf: { notBefore: rawTime(TAG.utcTime, '250230000000Z') } })
    expect(codesOf(validateChain(inputOf(broken), { usage: 'any' }).findings)).toEqual(['certificate/malformed'])
  })
})
