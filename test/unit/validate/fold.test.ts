/** One finding for each cause (fold-consequences.ts): what follows from another finding is folded under it, and nothing is lost. */
import { describe, expect, it } from 'vitest'
import type { CertificateRef, Finding, FindingCode } from '../../../src/report/finding.js'
import { foldConsequences } from '../../../src/report/consequences.js'
import { foldRepeats, unfoldRepeats } from '../../../src/validate/fold-repeats.js'
import { formatReport } from '../../../src/validate/index.js'
import { finding } from '../../support/finding.js'
import { ref } from '../report/sample.js'
import { EXPIRED, future, given, reportOn, textOf } from './rows.js'

const place = (index: number): CertificateRef => ({
  role: index === 0 ? 'leaf' : 'intermediate',
  index,
  subject: `CN=${String(index)}`,
  serialNumber: '01',
  fingerprint256: `AA:0${String(index)}`,
  notBefore: new Date(0),
  notAfter: new Date(1),
  origin: 'test',
})

/** A finding about the certificate in a place; null for none. With the details that its rule checks. */
function of(code: FindingCode, index: number | null, details: object = {}): Finding {
  const some = finding('validity/clock-suspect', { at: new Date(0), earliest: new Date(0) }, null)
  return { ...some, severity: 'error', code, details, certificate: index === null ? null : place(index) } as Finding
}
const folded = (...findings: Finding[]): string[] => foldConsequences(findings).map((each) => textOf(each))

const REFUSED = 'certificate/extension-refused'
const unread = (extension: string): object => ({ kind: 'malformed', extension })

/** Cause, its details, what follows on the same certificate, and its details. */
type Rule = [cause: FindingCode, details: object, follows: FindingCode, more?: object]
const RULES: Rule[] = [
  ['validity/inverted', {}, 'validity/expired'],
  ['validity/inverted', {}, 'validity/not-yet-valid'],
  ['certificate/version-unsupported', {}, 'constraints/not-a-ca'],
  ['certificate/version-unsupported', {}, 'san/host-not-covered', { found: ['x'] }],
  ['certificate/version-unsupported', {}, 'san/common-name-not-listed'],
  ['certificate/version-unsupported', {}, 'usage/extension-absent'],
  ['certificate/version-unsupported', {}, 'certificate/key-identifier-unusual'],
  ['constraints/not-a-ca', {}, 'usage/key-usage-missing'],
  ['constraints/not-a-ca', {}, 'usage/extended-key-usage-missing'],
  ['constraints/not-a-ca', {}, 'usage/gateway-client-auth-missing'],
  [REFUSED, unread('basicConstraints'), 'constraints/not-a-ca'],
  [REFUSED, unread('subjectAltName'), 'san/host-not-covered', { found: ['x'] }],
  [REFUSED, unread('subjectAltName'), 'san/common-name-not-listed'],
  [REFUSED, unread('keyUsage'), 'usage/extension-absent', { kind: 'keyUsage' }],
  ...['subjectKeyIdentifier', 'authorityKeyIdentifier'].map((extension): Rule => [
    REFUSED,
    unread(extension),
    'certificate/key-identifier-unusual',
    { kind: 'missing', extension },
  ]),
  ['san/host-not-covered', { found: [] }, 'san/common-name-not-listed'],
]

describe('on one certificate', () => {
  it.each(RULES)('%s %j explains %s', (cause, details, follows, more = {}) => {
    const expected = [textOf({ ...of(cause, 1), consequences: [of(follows, 1)] })]
    expect(folded(of(cause, 1, details), of(follows, 1, more))).toEqual(expected)
    expect(folded(of(follows, 1, more), of(cause, 1, details))).toEqual(expected)
    for (const [at, other] of [
      [2, 0],
      [0, 1],
      [0, null],
      [null, 0],
    ] as const) {
      expect(folded(of(cause, at, details), of(follows, other, { found: ['x'], ...more }))).toHaveLength(2)
    }
  })
})

const OTHER_USAGE = { kind: 'extendedKeyUsage' }
const key = 'certificate/key-identifier-unusual'
const absent = (extension: string, kind = 'missing'): Finding => of(key, 0, { kind, extension })
const unreadExtension = (extension: string): Finding => of(REFUSED, 0, unread(extension))
const notCa = of('constraints/not-a-ca', 0)
const [inverted, expired] = [of('validity/inverted', 0), of('validity/expired', 0)]
const on = (change: Partial<CertificateRef>): Finding => ({ ...expired, certificate: { ...place(0), ...change } })
const outlives = (index: number): Finding => of('validity/outlives-issuer', index)
const name = (field: string, index: number, kind = 'malformed'): Finding =>
  of('certificate/name-malformed', index, { kind, field })
const signature = (index: number, kind = 'unsupported'): Finding => of('signature/algorithm-refused', index, { kind })
const weak = (algorithm: string): Finding => of('key/weak', 1, { algorithm })
const unsupported = of('key/unsupported', 1)
const early = (index: number): Finding => of('validity/not-yet-valid', index)

it.each(
  (
    [
      [true, inverted, on({ index: 5 }), 'a certificate is one by role and fingerprint'],
      [false, inverted, on({ role: 'anchor' }), 'in another role it is another one'],
      [false, inverted, on({ fingerprint256: 'BB' }), 'with another fingerprint it is another one'],
      [false, unreadExtension('keyUsage'), of('usage/extension-absent', 0, OTHER_USAGE), 'another usage'],
      [false, unreadExtension('subjectKeyIdentifier'), absent('authorityKeyIdentifier'), 'another key identifier'],
      [false, unreadExtension('authorityKeyIdentifier'), absent('', 'of a root'), 'a key identifier that is there'],
      [false, unreadExtension('subjectAltName'), notCa, 'no CA by its names'],
      [false, of(REFUSED, 0, { kind: 'unknown', extension: 'basicConstraints' }), notCa, 'an extension that was read'],
      [false, of('san/host-not-covered', 0, { found: ['x'] }), of('san/common-name-not-listed', 0), 'other names'],
      [true, of('validity/expired', 1), outlives(0), 'an expired CA, and what outlives it'],
      [false, of('validity/expired', 1), outlives(1), 'a certificate that outlives the one above'],
      [false, of('validity/expired', 1), outlives(2), 'a certificate above'],
      [false, of('validity/expired', null), outlives(0), 'no certificate'],
      [true, name('subject', 1), name('issuer', 0), 'a subject, and the issuer below'],
      [true, name('subject', 1), name('issuer', 1), 'a subject, and its own issuer'],
      [false, name('subject', 1), name('subject', 0), 'two subjects'],
      [false, name('issuer', 1), name('issuer', 0), 'two issuers'],
      [false, name('subject', 2), name('issuer', 0), 'an issuer two places below'],
      [false, name('subject', 1), name('issuer', 0, 'empty'), 'an issuer with another fault'],
      [true, unsupported, signature(0), 'an unsupported key, and its signature'],
      [false, unsupported, signature(1), 'the signature of its issuer'],
      [false, unsupported, signature(0, 'weak'), 'a weak signature'],
      [true, weak('DSA'), signature(0), 'a DSA key, and its signature'],
      [false, weak('RSA 1024'), signature(0), 'another weak key'],
      [false, early(0), early(1), 'two certificates of the future, without a suspect clock'],
    ] as const
  ).map(
    ([explains, cause, follows, what]) => [explains ? 'explains' : 'does not explain', what, cause, follows] as const,
  ),
)('folds on one certificate: %s: %s', (explains, _, cause, follows) => {
  for (const findings of [
    [cause, follows],
    [follows, cause],
  ]) {
    expect(foldConsequences(findings)).toHaveLength(explains === 'explains' ? 1 : 2)
  }
})

it('needs the leaf to explain certificates of the future', () => {
  const suspect = of('validity/clock-suspect', null)
  expect(foldConsequences([early(1), early(2), suspect])).toHaveLength(3)
  expect(foldConsequences([of('validity/not-yet-valid', null), early(1), suspect])).toHaveLength(3)
})

describe('folding', () => {
  const unreadNames = of(REFUSED, 0, unread('subjectAltName'))
  const uncovered = [1, 2, 3].map(() => of('san/host-not-covered', 0, { found: [] }))

  it('puts the consequences of a consequence under the first cause, in any order', () => {
    const expected = [['extension-refused@0', ...uncovered.map(() => 'host-not-covered@0')].join(' > ')]
    expect(folded(unreadNames, ...uncovered)).toEqual(expected)
    expect(folded(...uncovered, unreadNames)).toEqual(expected)
    expect(foldConsequences(uncovered)).toEqual([{ ...uncovered[0], consequences: uncovered.slice(1) }])
  })

  it('leaves the usages of a CA whose basic constraints cannot be read as another fault', () => {
    const all = [of(REFUSED, 0, unread('basicConstraints')), notCa, of('usage/extended-key-usage-missing', 0)]
    const expected = ['extension-refused@0 > not-a-ca@0', 'extended-key-usage-missing@0']
    expect(folded(...all)).toEqual(expected)
  })

  it('puts no error under a warning or an info', () => {
    const [mild, error] = [{ ...of('validity/inverted', 0), severity: 'warning' } as Finding, of('validity/expired', 0)]
    expect(foldConsequences([mild, error])).toEqual([mild, error])
  })

  it('leaves everything else as it is and in its order', () => {
    const all = [of('san/wildcard', 0), expired, of('key/weak', 2), of('validity/clock-suspect', null)]
    expect(foldConsequences(all)).toEqual(all)
  })

  it('omits ignored findings from the consequences, and prints the others', () => {
    const minted = given({ intermediate: EXPIRED })
    expect(reportOn(minted, { ignore: ['validity/outlives-issuer'] }).findings[0].consequences).toEqual([])
    const text = formatReport(reportOn(minted))
    expect(text).toMatch(
      /^Fix: Renew it.*\n(?: .*\n)* {2}Leads to: validity\/outlives-issuer, The server's certificate[^]*\n {2}error validity\/expired;/m,
    )
    expect(text).toMatch(/^Failed: 1 error, as of/m)
  })

  it('folds a warning that several certificates share, with the details of each', () => {
    const parts = { key: 'rsa-2048', notAfter: future(4000) } as const
    const report = reportOn(given({ root: parts, intermediate: parts, leaf: parts }), { hosts: [] })
    const small = report.findings.filter(({ code }) => code === 'key/size-unusual')
    expect(
      small.map(({ certificate, repeats = [] }) => [certificate, ...repeats.map((each) => each.certificate)]),
    ).toEqual([report.path])
    expect(formatReport(report).match(/key\/size-unusual/g)).toHaveLength(1)
    expect(formatReport(report)).toContain('Also: "CN=Test Intermediate", "CN=Test Root"')
    expect(unfoldRepeats(report.findings).filter(({ code }) => code === 'key/size-unusual')).toHaveLength(3)
  })

  it('folds no errors, nothing on one certificate, and nothing of another remedy', () => {
    const unusual = (extension: 'basicConstraints' | 'nameConstraints', index: number): Finding =>
      finding('certificate/criticality-unusual', { kind: 'of a CA', extension }, ref({ index }))
    const others = [1, 1].map((index) => unusual('nameConstraints', index))
    const apart = [unusual('basicConstraints', 0), ...others, of('key/weak', 0), of('key/weak', 1)]
    expect(foldRepeats(apart)).toEqual(apart)
  })
})
