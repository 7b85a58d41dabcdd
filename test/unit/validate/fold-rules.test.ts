/** The rules of folding one by one, on findings made for it: what is a consequence of what, and on which certificate. */
import { describe, expect, it } from 'vitest'
import type { CertificateRef, Finding, FindingCode } from '../../../src/report/finding.js'
import { foldConsequences } from '../../../src/validate/fold.js'
import { finding } from '../../support/finding.js'

const place = (index: number): CertificateRef => ({
  role: index === 0 ? 'leaf' : 'intermediate',
  index,
  subject: `CN=${String(index)}`,
  serialNumber: '01',
  fingerprint256: `AA:0${String(index)}`,
  origin: 'test',
})

/** A finding of a code about the certificate in a place; null for none. Details as its rule looks at them. */
function of(code: FindingCode, index: number | null, details: object = {}): Finding {
  return {
    ...finding('validity/clock-suspect', { at: new Date(0), earliest: new Date(0) }, null),
    code,
    details,
    certificate: index === null ? null : place(index),
  } as Finding
}

/** The same as `code@index > consequences`. */
function folded(findings: readonly Finding[]): string[] {
  const text = ({ code, certificate }: Finding): string => `${code}@${String(certificate?.index ?? '-')}`
  return foldConsequences(findings).map((each) => [text(each), ...each.consequences.map(text)].join(' > '))
}

const UNREADABLE = 'certificate/extension-refused'

/** Rules that hold on one certificate: the details of the cause, and what follows. */
const ON_ONE: readonly (readonly [cause: FindingCode, details: object, consequences: readonly FindingCode[]])[] = [
  ['validity/inverted', {}, ['validity/expired', 'validity/not-yet-valid']],
  [
    'certificate/version-unsupported',
    {},
    [
      'constraints/not-a-ca',
      'san/host-not-covered',
      'san/common-name-not-listed',
      'usage/extension-absent',
      'certificate/key-identifier-unusual',
    ],
  ],
  [
    'constraints/not-a-ca',
    {},
    ['usage/key-usage-missing', 'usage/extended-key-usage-missing', 'usage/gateway-client-auth-missing'],
  ],
  [UNREADABLE, { kind: 'malformed', extension: 'basicConstraints' }, ['constraints/not-a-ca']],
  [
    UNREADABLE,
    { kind: 'malformed', extension: 'subjectAltName' },
    ['san/host-not-covered', 'san/common-name-not-listed'],
  ],
  [UNREADABLE, { kind: 'malformed', extension: 'keyUsage' }, ['usage/extension-absent']],
  [UNREADABLE, { kind: 'malformed', extension: 'subjectKeyIdentifier' }, ['certificate/key-identifier-unusual']],
  [UNREADABLE, { kind: 'malformed', extension: 'authorityKeyIdentifier' }, ['certificate/key-identifier-unusual']],
  ['san/host-not-covered', { found: [] }, ['san/common-name-not-listed']],
]

const PAIRS = ON_ONE.flatMap(([cause, details, consequences]) =>
  consequences.map((consequence) => [cause, consequence, details] as const),
)

/** A consequence whose own rules do not come in the way. */
const followsFrom = (code: FindingCode, index: number | null, { extension }: { extension?: string } = {}): Finding =>
  of(code, index, { found: ['x'], extension, kind: code === 'usage/extension-absent' ? 'keyUsage' : 'missing' })

describe('on one certificate', () => {
  it.each(PAIRS)('%s explains %s', (cause, consequence, details) => {
    const expected = [`${cause}@1 > ${consequence}@1`]
    expect(folded([of(cause, 1, details), followsFrom(consequence, 1, details)])).toEqual(expected)
    expect(folded([followsFrom(consequence, 1, details), of(cause, 1, details)])).toEqual(expected)
  })

  it.each(PAIRS)('%s explains no %s of a certificate two places away, or of none', (cause, consequence, details) => {
    expect(folded([of(cause, 2, details), followsFrom(consequence, 0)])).toHaveLength(2)
    expect(folded([of(cause, 0, details), followsFrom(consequence, 1)])).toHaveLength(2)
    expect(folded([of(cause, 0, details), followsFrom(consequence, null)])).toHaveLength(2)
    expect(folded([of(cause, null, details), followsFrom(consequence, 0)])).toHaveLength(2)
  })

  it('is on one by role and fingerprint', () => {
    const cause = of('validity/inverted', 0)
    const renamed = (change: Partial<CertificateRef>): Finding => ({
      ...of('validity/expired', 0),
      certificate: { ...place(0), ...change },
    })
    expect(foldConsequences([cause, renamed({ index: 5 })])).toHaveLength(1)
    expect(foldConsequences([cause, renamed({ role: 'anchor' })])).toHaveLength(2)
    expect(foldConsequences([cause, renamed({ fingerprint256: 'BB' })])).toHaveLength(2)
  })

  it('an extension that cannot be read explains only what that one would say', () => {
    for (const [cause, details, consequences] of ON_ONE.filter(([code]) => code === UNREADABLE)) {
      const others = PAIRS.filter(([code, follows]) => code === cause && !consequences.includes(follows))
      for (const [, other] of others) {
        expect(folded([of(cause, 1, details), followsFrom(other, 1)])).toHaveLength(2)
      }
    }
  })

  it('a host that is not covered explains others only where there are no names at all', () => {
    const listed = 'san/common-name-not-listed'
    expect(folded([of('san/host-not-covered', 0, { found: ['x'] }), of(listed, 0)])).toHaveLength(2)
  })
})

describe('on the certificates of a CA and what it issued', () => {
  it('an expired CA explains that the certificate below outlives it, not the one above', () => {
    const [cause, outlives] = ['validity/expired', 'validity/outlives-issuer'] as const
    expect(folded([of(outlives, 0), of(cause, 1)])).toEqual([`${cause}@1 > ${outlives}@0`])
    for (const index of [1, 2, 3, null]) expect(folded([of(outlives, index), of(cause, 1)])).toHaveLength(2)
    expect(folded([of(outlives, 0), of(cause, null)])).toHaveLength(2)
  })

  it('an empty subject explains the empty issuer below', () => {
    const empty = (field: string, index: number): Finding => of('certificate/name-malformed', index, { field })
    const expected = ['certificate/name-malformed@1 > certificate/name-malformed@0']
    expect(folded([empty('issuer', 0), empty('subject', 1)])).toEqual(expected)
    expect(folded([empty('issuer', 0), empty('issuer', 1)])).toHaveLength(2)
  })

  it('a malformed subject explains the same issuer below and in itself, and nothing else', () => {
    const malformed = 'certificate/name-malformed'
    const name = (field: string, index: number): Finding => of(malformed, index, { field })
    const expected = [`${malformed}@1 > ${malformed}@0`]
    expect(folded([name('issuer', 0), name('subject', 1)])).toEqual(expected)
    expect(folded([name('subject', 1), name('issuer', 1)])).toEqual([`${malformed}@1 > ${malformed}@1`])
    expect(folded([name('subject', 0), name('subject', 1)])).toHaveLength(2)
    expect(folded([name('issuer', 0), name('issuer', 1)])).toHaveLength(2)
    expect(folded([name('issuer', 0), name('subject', 2)])).toHaveLength(2)
    const empty = of(malformed, 0, { kind: 'empty', field: 'issuer' })
    expect(folded([empty, of(malformed, 1, { kind: 'malformed', field: 'subject' })])).toHaveLength(2)
  })

  it('a key of no supported kind explains the signatures that it made', () => {
    const [cause, refused] = ['key/unsupported', 'signature/algorithm-refused'] as const
    const kind = 'unsupported'
    expect(folded([of(refused, 0, { kind }), of(cause, 1)])).toEqual([`${cause}@1 > ${refused}@0`])
    expect(folded([of(refused, 1, { kind }), of(cause, 1)])).toHaveLength(2)
    expect(folded([of(refused, 0, { kind: 'weak' }), of(cause, 1)])).toHaveLength(2)
  })
})

describe('a clock that is suspect', () => {
  const future = (index: number): Finding => of('validity/not-yet-valid', index)
  const suspect = of('validity/clock-suspect', null)

  it('makes the leaf’s beginning the cause of all others', () => {
    const [leaf, ...rest] = folded([future(1), future(0), future(2), suspect])
    expect(leaf).toBe('validity/not-yet-valid@0 > validity/not-yet-valid@1 > validity/not-yet-valid@2')
    expect(rest).toEqual(['validity/clock-suspect@-'])
  })

  it('is needed for that', () => {
    expect(folded([future(0), future(1)])).toHaveLength(2)
    expect(folded([future(1), future(2), suspect])).toHaveLength(3)
    expect(folded([of('validity/not-yet-valid', null), future(1), suspect])).toHaveLength(3)
  })
})

describe('folding', () => {
  const unread = of(UNREADABLE, 0, { kind: 'malformed', extension: 'subjectAltName' })
  const uncovered = [1, 2, 3].map(() => of('san/host-not-covered', 0, { found: [] }))

  it('puts the consequences of a consequence under the first cause, whatever their order', () => {
    const host = 'san/host-not-covered@0'
    const expected = [[`${UNREADABLE}@0`, host, host, host].join(' > ')]
    expect(folded([unread, ...uncovered])).toEqual(expected)
    expect(folded([...uncovered, unread])).toEqual(expected)
  })

  it('takes the first of those that explain each other', () => {
    const [first, ...rest] = foldConsequences(uncovered)
    expect(rest).toEqual([])
    expect(first).toMatchObject({ ...uncovered[0], consequences: uncovered.slice(1) })
  })

  it('never puts an error under what is none', () => {
    const mild = { ...of('validity/inverted', 0), severity: 'warning' } as Finding
    const error = { ...of('validity/expired', 0), severity: 'error' } as Finding
    expect(foldConsequences([mild, error])).toEqual([mild, error])
    const worst = { ...mild, severity: 'error' } as Finding
    expect(foldConsequences([worst, error])).toHaveLength(1)
  })

  it('leaves everything else in its order, as it is', () => {
    const all = [
      of('san/wildcard', 0),
      of('validity/expired', 0),
      of('key/weak', 2),
      of('validity/clock-suspect', null),
    ]
    expect(foldConsequences(all)).toEqual(all)
    const causes = [of('key/weak', 0), of('validity/inverted', 1), of('validity/expired', 1), of('san/wildcard', 0)]
    expect(folded(causes)).toEqual(['key/weak@0', 'validity/inverted@1 > validity/expired@1', 'san/wildcard@0'])
  })

  it('gives a list of its own, also where there is nothing to fold', () => {
    for (const all of [[], [of('validity/expired', 0)], [of('key/weak', 0), of('key/weak', 1)]]) {
      expect(foldConsequences(all)).toEqual(all)
      expect(foldConsequences(all)).not.toBe(all)
    }
  })
})
