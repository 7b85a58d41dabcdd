/** Input made to exhaust the validator: each ends in a report that says why, soon, and is not much longer than others. */
import crypto from 'node:crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { mustPrintSafely } from '../../fuzz/checks.js'
import { hostileCases } from '../../fuzz/hostile.js'
import { processorTime } from '../../fuzz/loop.js'
import { validateChain, type Report } from '../../../src/validate/index.js'
import { sample } from '../../support/long.js'

/**
 * Milliseconds of processor time that say “does not end”, not “slow”: work that grows with the square of the input
 * takes far longer. What the cases cost in fact is measured by `npm run bench -- hostile`.
 */
const ENDLESS = 2_000
/**
 * Operations of public keys for one report: the budgets of searching and explaining, what reading the keys takes, and the CRLs.
 * `npm run bench -- cold` measures what that is in a fresh process.
 */
const MOST_SIGNATURES = 230
const MOST_KEYS = 400

afterEach(() => {
  vi.restoreAllMocks()
})

describe('hostile input', () => {
  it.each(sample(hostileCases, 12).map((each) => [each.name, each] as const))('%s', (_, { code, make }) => {
    const { input, options } = make()
    let report: Report | null = null
    const signatures = vi.spyOn(crypto, 'verify')
    const keys = [vi.spyOn(crypto, 'createPublicKey'), vi.spyOn(crypto.ECDH, 'convertKey')]
    const cost = processorTime(() => {
      report = validateChain(input, { usage: 'server', ...options })
    })
    const made = report as Report | null
    const codes = made?.findings.map((each) => each.code) ?? []
    expect(made?.ok).toBe(code === null)
    if (code !== null) expect(codes).toContain(code)
    expect(cost).toBeLessThan(ENDLESS)
    expect(signatures.mock.calls.length).toBeLessThanOrEqual(MOST_SIGNATURES)
    expect(keys.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThanOrEqual(MOST_KEYS)
    expect(codes.length).toBeLessThan(150)
    if (made !== null) mustPrintSafely(made)
  })
})
