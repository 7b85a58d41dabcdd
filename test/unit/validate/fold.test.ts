/** One finding for each cause: what follows from another finding stands under it, and nothing is lost. */
import { describe, expect, it } from 'vitest'
import { formatReport, validateChain, type Finding } from '../../../src/validate/index.js'
import { foldRepeats, unfoldRepeats } from '../../../src/validate/fold.js'
import { finding } from '../../support/finding.js'
import { detailsOf, HOST, inputOf, judge, mintChain } from '../../support/judge-chain.js'
import { basicConstraints, dns, EXTENSION, TAG } from '../../support/mint.js'
import { ref } from '../report/sample.js'

const DAY = 86_400_000
const past = (days: number): Date => new Date(Date.now() - days * DAY)
const future = (days: number): Date => new Date(Date.now() + days * DAY)

/** `cause@0 > consequence@1 consequence@2` of every error and warning, without those of the healthy chain. */
function folded(findings: readonly Finding[]): string[] {
  const text = ({ code, certificate }: Finding): string =>
    certificate === null ? code : `${code}@${String(certificate.index)}`
  return findings
    .filter(({ severity }) => severity !== 'info')
    .map((each) => [text(each), ...each.consequences.map((follows) => `> ${text(follows)}`)].join(' '))
}

const unreadable = (oid: string): { oid: string; critical: boolean; value: Buffer } => ({
  oid,
  critical: true,
  value: Buffer.from('3003', 'hex'),
})

type Parts = Parameters<typeof mintChain>[0]
const CASES: readonly (readonly [name: string, parts: Parts, expected: readonly string[]])[] = [
  [
    'a certificate that ends before it begins has not expired besides',
    { leaf: { notBefore: past(1), notAfter: past(2) } },
    ['validity/inverted@0 > validity/expired@0'],
  ],
  [
    'nor is it not yet valid besides',
    { leaf: { notBefore: future(2), notAfter: future(1) } },
    ['validity/inverted@0 > validity/not-yet-valid@0'],
  ],
  [
    'but the expiry of another certificate is a cause of its own',
    { leaf: { notBefore: past(1), notAfter: past(2) }, intermediate: { notBefore: past(9), notAfter: past(1) } },
    ['validity/inverted@0 > validity/expired@0', 'validity/expired@1'],
  ],
  [
    'who outlives an issuer that has expired is not told twice',
    { intermediate: { notBefore: past(9), notAfter: past(1) } },
    ['validity/expired@1 > validity/outlives-issuer@0'],
  ],
  [
    'an empty name of a CA is empty as an issuer, too',
    { root: { subject: '' } },
    ['certificate/name-malformed@2 > certificate/name-malformed@1 > certificate/name-malformed@2'],
  ],
  [
    'an issuer that is empty where the CA has a name stays',
    { leaf: { issuerName: '' } },
    ['certificate/name-malformed@0', 'chain/issuer-not-found@0'],
  ],
  [
    'a malformed name of a CA is malformed as an issuer, too',
    { intermediate: { subject: [['CN', 'a@b', TAG.printableString]] } },
    ['certificate/name-malformed@1 > certificate/name-malformed@0'],
  ],
  [
    'a key of a kind that nobody takes makes such signatures',
    { intermediate: { key: 'ed448' } },
    ['key/unsupported@1 > signature/algorithm-refused@0'],
  ],
  [
    'a leaf used as a CA has the usages of a leaf',
    { intermediate: { extensions: [basicConstraints({ ca: false })], keyUsages: ['digitalSignature'] } },
    ['constraints/not-a-ca@1 > usage/key-usage-missing@1'],
  ],
  [
    'a CA that may not sign is a cause of its own',
    { intermediate: { keyUsages: ['cRLSign'] } },
    ['usage/key-usage-missing@1'],
  ],
  [
    'basicConstraints that cannot be read make no CA',
    { intermediate: { extensions: [unreadable(EXTENSION.basicConstraints)] } },
    ['certificate/extension-refused@1 > constraints/not-a-ca@1'],
  ],
  [
    'names that cannot be read cover no host',
    { leaf: { extensions: [unreadable(EXTENSION.subjectAltName)], without: [] } },
    ['certificate/extension-refused@0 > san/host-not-covered@0'],
  ],
  [
    'another extension that cannot be read explains no missing name',
    { leaf: { names: [dns('other.etcd.svc')], extensions: [unreadable(EXTENSION.extendedKeyUsage)] } },
    ['certificate/extension-refused@0', 'san/host-not-covered@0'],
  ],
]

describe('folding', () => {
  it.each(CASES)('%s', (_, parts, expected) => {
    expect(folded(judge(parts))).toEqual(expected)
  })

  it('takes a certificate without names as one fault, however many hosts were asked for', () => {
    const hosts = [HOST, 'etcd-0', '10.0.0.1']
    const bare = judge({ leaf: { names: [], without: [EXTENSION.subjectAltName] } }, { hosts })
    expect(folded(bare)).toEqual([hosts.map(() => 'san/host-not-covered@0').join(' > ')])
    const named = judge({ leaf: { names: [dns('other.etcd.svc')] } }, { hosts })
    expect(folded(named)).toEqual(hosts.map(() => 'san/host-not-covered@0'))
  })

  it('takes certificates that are all of the future as one fault, and leaves the clock in sight', () => {
    const all = judge({}, { at: new Date('2001-01-01T00:00:00Z') })
    expect(folded(all)).toEqual([
      'validity/not-yet-valid@0 > validity/not-yet-valid@1 > validity/not-yet-valid@2',
      'validity/clock-suspect',
    ])
    const two = judge({ leaf: { notBefore: future(1) }, intermediate: { notBefore: future(1) } })
    expect(folded(two)).toEqual(['validity/not-yet-valid@0', 'validity/not-yet-valid@1'])
  })

  it('leaves out of the consequences, too, what the caller ignores', () => {
    const parts = { intermediate: { notBefore: past(9), notAfter: past(1) } }
    expect(folded(judge(parts, { ignore: ['validity/outlives-issuer'] }))).toEqual(['validity/expired@1'])
  })

  it('folds a warning that several certificates share, and keeps the details of each', () => {
    const parts = { key: 'rsa-2048', notAfter: future(4000) } as const
    const report = validateChain(inputOf(mintChain({ root: parts, intermediate: parts, leaf: parts })), {
      usage: 'server',
    })
    const small = report.findings.filter(({ code }) => code === 'key/size-unusual')
    expect(
      small.map(({ certificate, repeats = [] }) => [certificate, ...repeats.map((each) => each.certificate)]),
    ).toEqual([report.path])
    expect(detailsOf(report.findings, 'key/size-unusual', 'short after 2030')).toHaveLength(3)
    expect(formatReport(report).match(/key\/size-unusual/g)).toHaveLength(1)
    expect(formatReport(report)).toContain('Also: "CN=Test Intermediate", "CN=Test Root"')
    expect(unfoldRepeats(report.findings).filter(({ code }) => code === 'key/size-unusual')).toHaveLength(3)
  })

  it('folds no errors, and nothing whose remedies differ', () => {
    const key = 'rsa-1024' as const
    const weak = judge({ root: { key }, intermediate: { key }, leaf: { key } })
    expect(weak.filter(({ code }) => code === 'key/weak')).toHaveLength(3)
    const twice = [
      ['basicConstraints', 0],
      ['nameConstraints', 1],
    ] as const
    const notCritical = twice.map(([extension, index]) =>
      finding('certificate/criticality-unusual', { kind: 'of a CA', extension }, ref({ index })),
    )
    expect(foldRepeats(notCritical)).toEqual(notCritical)
  })

  it('prints a consequence under its cause', () => {
    const chain = mintChain({ leaf: { notBefore: past(1), notAfter: past(2) } })
    const text = formatReport(validateChain(inputOf(chain), { usage: 'server' }))
    expect(text).toMatch(/^error: validity\/inverted\n(?:  .*\n)*  Leads to: validity\/expired, The certificate/m)
    expect(text).toMatch(/^Failed.*: 1 error$/m)
  })
})
