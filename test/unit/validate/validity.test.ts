/** Validity in time (RFC 5280 section 4.1.2.5): every boundary to the second, and what a finding says of it. */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../../src/validate/index.js'
import { durationText } from '../../../src/validate/checks/check-validity.js'
import { codesOf, detailsOf, inputOf, judge, mintChain } from '../../support/judge-chain.js'
import { mintCa, mintLeaf } from '../../support/mint.js'

const SECOND = 1000
const DAY = 86_400_000
const BEGIN = new Date('2029-01-01T00:00:00Z')
const END = new Date('2029-01-31T00:00:00Z')
const before = (date: Date, milliseconds: number): Date => new Date(date.getTime() - milliseconds)
const after = (date: Date, milliseconds: number): Date => before(date, -milliseconds)

/** A chain whose leaf lives from BEGIN to END, below CAs that live long before and after. */
const chain = mintChain({
  root: { notBefore: before(BEGIN, 900 * DAY), notAfter: after(END, 900 * DAY) },
  intermediate: { notBefore: before(BEGIN, 800 * DAY), notAfter: after(END, 800 * DAY) },
  leaf: { notBefore: BEGIN, notAfter: END },
})

function findingsAt(at: Date, options: { clockSkew?: string; expiryWarning?: string } = {}): ReturnType<typeof judge> {
  return validateChain(inputOf(chain), { usage: 'server', at, ...options }).findings
}

const errorsAt = (at: Date, clockSkew = '0s'): string[] => codesOf(findingsAt(at, { clockSkew }))

describe('the first and the last second', () => {
  it('belong to the validity', () => {
    expect(errorsAt(BEGIN)).toEqual([])
    expect(errorsAt(END)).toEqual([])
    expect(errorsAt(after(END, SECOND - 1))).toEqual([])
  })

  it('are the first and the last', () => {
    expect(errorsAt(before(BEGIN, 1))).toEqual(['validity/not-yet-valid@0'])
    expect(errorsAt(after(END, SECOND))).toEqual(['validity/expired@0'])
  })

  it('move by the clock skew, outwards at both ends', () => {
    expect(errorsAt(before(BEGIN, 5 * SECOND), '5s')).toEqual([])
    expect(errorsAt(before(BEGIN, 5 * SECOND + 1), '5s')).toEqual(['validity/not-yet-valid@0'])
    expect(errorsAt(after(END, 5 * SECOND), '5s')).toEqual([])
    expect(errorsAt(after(END, 6 * SECOND), '5s')).toEqual(['validity/expired@0'])
  })

  it('may be the same one: such a certificate is valid for a second, and not inverted', () => {
    const findings = judge({ leaf: { notBefore: BEGIN, notAfter: BEGIN } }, { at: BEGIN })
    expect(detailsOf(findings, 'validity/inverted')).toEqual([])
    expect(detailsOf(findings, 'validity/expired')).toEqual([])
  })

  it('are inverted where the end is one second before the beginning', () => {
    const notAfter = before(BEGIN, SECOND)
    const findings = judge({ leaf: { notBefore: BEGIN, notAfter } }, { at: BEGIN })
    expect(detailsOf(findings, 'validity/inverted')).toEqual([{ notBefore: BEGIN, notAfter }])
  })
})

describe('what a finding says', () => {
  it('since when it has expired', () => {
    const at = after(END, 3 * DAY)
    expect(detailsOf(findingsAt(at), 'validity/expired')).toEqual([{ notAfter: END, at, ago: '3 days' }])
  })

  it('how far ahead it begins', () => {
    const at = before(BEGIN, 3 * DAY)
    expect(detailsOf(findingsAt(at), 'validity/not-yet-valid')).toEqual([{ notBefore: BEGIN, at, ahead: '3 days' }])
  })

  it('and not, besides, that it ends soon', () => {
    expect(detailsOf(findingsAt(after(END, DAY)), 'validity/expires-soon', 'soon')).toEqual([])
    const findings = judge(
      { leaf: { notBefore: BEGIN, notAfter: END } },
      { at: before(BEGIN, DAY), expiryWarning: '90d' },
    )
    expect(detailsOf(findings, 'validity/expires-soon', 'soon')).toEqual([])
  })
})

describe('the warning ahead of the end', () => {
  const soon = (at: Date, expiryWarning?: string): unknown[] =>
    detailsOf(findingsAt(at, expiryWarning === undefined ? {} : { expiryWarning }), 'validity/expires-soon', 'soon')

  it('comes in the last third of the lifetime', () => {
    expect(soon(before(END, 10 * DAY))).toEqual([])
    expect(soon(before(END, 10 * DAY - 1))).toEqual([{ notAfter: END, left: '10 days' }])
  })

  it('but at most 30 days ahead, and for a CA as for a leaf', () => {
    const notAfter = after(BEGIN, 300 * DAY)
    const parts = { intermediate: { notBefore: BEGIN, notAfter }, leaf: { notBefore: BEGIN, notAfter } }
    expect(codesOf(judge(parts, { at: before(notAfter, 30 * DAY) }), 'warning')).toEqual([])
    expect(codesOf(judge(parts, { at: before(notAfter, 29 * DAY) }), 'warning')).toEqual([
      'validity/expires-soon@0',
      'validity/expires-soon@1',
    ])
  })

  it('or as far ahead as the caller asks', () => {
    expect(soon(before(END, 20 * DAY), '20d')).toEqual([])
    expect(soon(before(END, 20 * DAY - 1), '20d')).toHaveLength(1)
    expect(soon(before(END, DAY), '0s')).toEqual([])
  })
})

describe('the lifetime of a leaf', () => {
  const days = (lifetime: number): unknown[] =>
    detailsOf(
      judge({ leaf: { notBefore: BEGIN, notAfter: after(BEGIN, lifetime) } }, { at: BEGIN }),
      'validity/lifetime-long',
    )

  it('is long from the first second beyond 825 days', () => {
    expect(days(825 * DAY)).toEqual([])
    expect(days(825 * DAY + SECOND)).toEqual([{ days: 826 }])
  })
})

describe('who outlives whom', () => {
  const notAfter = after(END, SECOND)

  it('is told of the first second, for every link', () => {
    const parts = { root: { notAfter: END }, intermediate: { notAfter }, leaf: { notAfter: after(notAfter, SECOND) } }
    const findings = judge(parts, { at: BEGIN })
    expect(codesOf(findings, 'warning').filter((code) => code.includes('outlives'))).toEqual([
      'validity/outlives-issuer@0',
      'validity/outlives-issuer@1',
    ])
    expect(detailsOf(findings, 'validity/outlives-issuer')).toEqual([
      { notAfter: after(notAfter, SECOND), issuerNotAfter: notAfter, issuer: 'CN=Test Intermediate' },
      { notAfter, issuerNotAfter: END, issuer: 'CN=Test Root' },
    ])
  })

  it('is nobody where all end together', () => {
    const parts = { root: { notAfter: END }, intermediate: { notAfter: END }, leaf: { notAfter: END } }
    expect(detailsOf(judge(parts, { at: BEGIN }), 'validity/outlives-issuer')).toEqual([])
  })
})

describe('the clock', () => {
  const future = mintChain({
    root: { notBefore: BEGIN },
    intermediate: { notBefore: after(BEGIN, DAY) },
    leaf: { notBefore: after(BEGIN, 2 * DAY), notAfter: after(BEGIN, 9 * DAY) },
  })
  const suspect = (at: Date, clockSkew = '0s'): unknown[] =>
    detailsOf(validateChain(inputOf(future), { usage: 'server', at, clockSkew }).findings, 'validity/clock-suspect')

  it('is suspected when it stands before the earliest certificate of all', () => {
    const at = before(BEGIN, 1)
    expect(suspect(at)).toEqual([{ at, earliest: BEGIN }])
    expect(suspect(BEGIN)).toEqual([])
  })

  it('is not where its tolerance reaches one of them', () => {
    expect(suspect(before(BEGIN, 5 * SECOND), '5s')).toEqual([])
    expect(suspect(before(BEGIN, 5 * SECOND + 1), '5s')).toHaveLength(1)
  })

  it('is not for one certificate alone', () => {
    const leaf = mintLeaf({ subject: 'x', issuer: mintCa({ subject: 'Root' }), notBefore: BEGIN, notAfter: END })
    const report = validateChain({ leaf: leaf.der, trustAnchors: leaf.der }, { usage: 'any', at: before(BEGIN, DAY) })
    expect(codesOf(report.findings)).toEqual(['validity/not-yet-valid@0'])
    expect(detailsOf(report.findings, 'validity/clock-suspect')).toEqual([])
  })
})

describe('a duration in words', () => {
  it.each([
    [2 * 365 * DAY, '2 years'],
    [2 * 365 * DAY - 1, '730 days'],
    [2.5 * DAY, '3 days'],
    [2 * DAY, '2 days'],
    [2 * DAY - 1, '48 hours'],
    [7_200_000, '2 hours'],
    [7_199_999, '120 minutes'],
    [120_000, '2 minutes'],
    [119_999, '120 seconds'],
    [2000, '2 seconds'],
    [1499, '1 second'],
    [0, '0 seconds'],
  ])('%d ms', (milliseconds, text) => {
    expect(durationText(milliseconds)).toBe(text)
  })
})
