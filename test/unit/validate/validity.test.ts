/** Validity in time (check-validity.ts, fold-consequences.ts): every boundary to the second. */
import { describe, expect, it } from 'vitest'
import { durationText } from '../../../src/validate/checks/check-validity.js'
import { mintChain } from '../../support/minted-chain.js'
import {
  DAY,
  expectFound,
  EXPIRED,
  future,
  given,
  leafOf,
  past,
  reportOn,
  table,
  type Options,
  type Parts,
} from './rows.js'

const SECOND = 1000
const BEGIN = new Date('2029-01-01T00:00:00Z')
const END = new Date('2029-01-31T00:00:00Z')
const before = (date: Date, milliseconds: number): Date => new Date(date.getTime() - milliseconds)
const after = (date: Date, milliseconds: number): Date => before(date, -milliseconds)

/** A leaf that is valid from BEGIN to END, below CAs that are valid long before and after. */
const { root, intermediate, leaf } = mintChain({
  root: { notBefore: before(BEGIN, 900 * DAY), notAfter: after(END, 900 * DAY) },
  intermediate: { notBefore: before(BEGIN, 800 * DAY), notAfter: after(END, 800 * DAY) },
  leaf: { notBefore: BEGIN, notAfter: END },
})
const chain = { leaf, sent: [intermediate], trust: [root] }
const [wide, asked, usual] = [{ expiryWarning: '90d' }, { expiryWarning: '20d' }, { expiryWarning: undefined }] as const
const quiet = { expiryWarning: '0s', usage: 'any' } as const

describe('a certificate', () => {
  it.each<[what: string, at: Date, found: string[], options?: Options]>([
    ['a certificate is valid in its first second', BEGIN, []],
    ['a certificate is not yet valid before its first second', before(BEGIN, 1), ['not-yet-valid@0']],
    ['a certificate is valid in its last second', after(END, SECOND - 1), [], { ignore: ['validity/expires-soon'] }],
    ['a certificate has expired after its last second', after(END, SECOND), ['validity/expired@0']],
    [
      'a certificate is valid in the clock skew before its beginning',
      before(BEGIN, 5 * SECOND),
      [],
      { clockSkew: '5s' },
    ],
    [
      'a certificate is valid in the skew after its end',
      after(END, 5 * SECOND),
      ['warning expires-soon@0'],
      { clockSkew: '5s' },
    ],
    [
      'a certificate reports for how long it has expired',
      after(END, 3 * DAY),
      ['validity/expired@0 (2029-01-31, 2029-02-03, 3 days)'],
      wide,
    ],
    ['begins in so long', before(BEGIN, 3 * DAY), ['not-yet-valid@0 (2029-01-01, 2028-12-29, 3 days)'], wide],
    ['does not expire soon before its last third', before(END, 10 * DAY), [], usual],
    ['expires soon then', before(END, 10 * DAY - 1), ['warning expires-soon@0 (soon, 2029-01-31, 10 days)'], usual],
    ['does not expire soon before the time that the caller asks for', before(END, 20 * DAY), [], asked],
    ['expires soon from then on', before(END, 20 * DAY - 1), ['warning expires-soon@0'], asked],
  ])('%s', (_, at, found, options) => {
    expectFound(reportOn(chain, { at, ...quiet, ...options }).findings, found)
  })

  // Go refuses a certificate from the moment after notAfter on, OpenSSL from that moment on.
  it.each([
    ['client', 0, []],
    ['client', 1, ['error']],
    ['client', 999, ['error']],
    ['peer', 1, ['error']],
    ['server', -1, []],
    ['server', 0, ['error']],
    ['server', 1, ['error']],
    ['any', 1, ['info']],
  ] as const)(
    'a certificate is refused for a %s %i ms after its last second began: %j',
    (usage, milliseconds, severities) => {
      const at = after(END, milliseconds)
      for (const options of [{ at }, { at: after(at, 5 * SECOND), clockSkew: '5s' }]) {
        const { findings } = reportOn(chain, { usage, ...options })
        const refused = findings.filter(({ details }) => 'kind' in details && details.kind === 'last second')
        expect(refused.map(({ severity }) => severity)).toEqual(severities)
      }
    },
  )
})

const LONG = after(BEGIN, 825 * DAY)
const lives = (part: 'root' | 'intermediate' | 'leaf', notBefore: Date, notAfter: Date): Parts => ({
  [part]: { notBefore, notAfter },
})
const lasting = (...ends: [root: Date, intermediate: Date, leaf: Date]): Parts => ({
  root: { notAfter: ends[0] },
  intermediate: { notAfter: ends[1] },
  leaf: { notAfter: ends[2] },
})

table('the check of validity', [
  ['accepts a single second', lives('leaf', BEGIN, BEGIN), [], { at: BEGIN, ...quiet }],
  [
    'refuses an end before the beginning',
    lives('leaf', BEGIN, before(BEGIN, SECOND)),
    ['validity/inverted@0 (2029-01-01, 2028-12-31T23:59:59.000Z) > validity/expired@0'],
    { at: BEGIN, ...quiet },
  ],
  ['refuses an expired intermediate', { intermediate: EXPIRED }, ['validity/expired@1 > outlives-issuer@0']],
  ['refuses an intermediate that is not yet valid', { intermediate: { notBefore: future(1) } }, ['not-yet-valid@1']],
  [
    'warns of a CA as well, at most 30 days ahead',
    { ...lives('intermediate', past(270), future(29)), ...lives('leaf', past(1), future(29)) },
    ['warning expires-soon@1'],
  ],
  [
    'does not warn of a CA earlier',
    { ...lives('intermediate', past(270), future(31)), ...lives('leaf', past(1), future(31)) },
    [],
  ],
  ['accepts a lifetime of 825 days', lives('leaf', BEGIN, LONG), [], { at: BEGIN }],
  [
    'reports a second more',
    lives('leaf', BEGIN, after(LONG, SECOND)),
    ['warning lifetime-long@0 (826)'],
    { at: BEGIN },
  ],
  ['accepts certificates that end together', lasting(END, END, END), [], { at: BEGIN, ...quiet }],
  [
    'reports a second more than the issuer',
    lasting(END, after(END, SECOND), after(END, 2 * SECOND)),
    [
      'warning outlives-issuer@0 (2029-01-31T00:00:02.000Z, 2029-01-31T00:00:01.000Z, CN=Test Intermediate)',
      'warning outlives-issuer@1 (2029-01-31T00:00:01.000Z, 2029-01-31, CN=Test Root)',
    ],
    { at: BEGIN, ...quiet },
  ],
])

describe('the clock', () => {
  const all = given({
    root: { notBefore: BEGIN },
    intermediate: { notBefore: after(BEGIN, DAY) },
    leaf: { notBefore: after(BEGIN, 2 * DAY), notAfter: after(BEGIN, 9 * DAY) },
  })
  const early = (at: Date, clockSkew = '0s'): string[] =>
    reportOn(all, { at, clockSkew })
      .findings.map(({ code }) => code)
      .filter((code) => code !== 'validity/not-yet-valid')

  it('the clock is suspected if it is before the earliest certificate of all', () => {
    const { findings } = reportOn(all, { at: before(BEGIN, 1) })
    expectFound(findings, [
      'not-yet-valid@0 > not-yet-valid@1 > not-yet-valid@2',
      'warning clock-suspect (2028-12-31T23:59:59.999Z, 2029-01-01)',
    ])
    expect(early(BEGIN)).toEqual([])
    expect(early(before(BEGIN, 5 * SECOND), '5s')).toEqual([])
    expect(early(before(BEGIN, 5 * SECOND + 1), '5s')).toEqual(['validity/clock-suspect'])
  })

  it('the clock is not suspected for a single certificate', () => {
    const own = leafOf(undefined, { notBefore: BEGIN, notAfter: END })
    expectFound(reportOn({ leaf: own, trust: [own] }, { at: before(BEGIN, DAY) }).findings, ['not-yet-valid@0'])
  })
})

it.each([
  [2 * 365 * DAY, '2 years'],
  [2 * 365 * DAY - 1, '730 days'],
  [2.5 * DAY, '3 days'],
  [2 * DAY - 1, '48 hours'],
  [7_199_999, '120 minutes'],
  [119_999, '120 seconds'],
  [2000, '2 seconds'],
  [1499, '1 second'],
  [0, '0 seconds'],
])('writes %d ms as %s', (milliseconds, text) => {
  expect(durationText(milliseconds)).toBe(text)
})
