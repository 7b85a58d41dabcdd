/**
 * The public conformance vectors: x509-limbo and a sample of bettertls. There is no list of deviations: outside the
 * cases that are advice for a private PKI, every verdict agrees.
 */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../src/validate/index.js'
import { callOf, readAdvisory, readBettertls, readLimbo, type VectorCase } from '../support/vectors.js'

function disagreements(cases: readonly VectorCase[]): string[] {
  return cases.flatMap((vector) => {
    const { input, options } = callOf(vector)
    const report = validateChain(input, options)
    const agrees = report.ok === (vector.expected_result === 'SUCCESS')
    const codes = report.findings.map(({ code }) => code).join(' ')
    return agrees ? [] : [`${vector.id}: ${vector.expected_result} expected; ${codes}`]
  })
}

/** Findings that these vectors have throughout, so that they explain nothing. */
const COMMONPLACE = new Set(['validity/lifetime-long', 'usage/gateway-client-auth-missing', 'validity/expires-soon'])

describe('public path validation vectors', () => {
  const limbo = readLimbo()
  const advisory = readAdvisory()

  it('agrees with x509-limbo on every case that is not advice', () => {
    const cases = limbo.filter(({ id }) => !Object.hasOwn(advisory, id))
    // The cases of the version that was read last; a newer one may have more.
    expect(cases.length).toBeGreaterThanOrEqual(157)
    expect(disagreements(cases)).toEqual([])
  })

  it('agrees with every case of bettertls', () => {
    const cases = readBettertls()
    expect(cases.length).toBeGreaterThanOrEqual(705)
    expect(disagreements(cases)).toEqual([])
  })

  it('has a finding that says why for every advisory case that limbo wants refused', () => {
    const cases = limbo.filter((each) => Object.hasOwn(advisory, each.id) && each.expected_result === 'FAILURE')
    const silent = cases.filter((vector) => {
      const { input, options } = callOf(vector)
      return validateChain(input, options).findings.every(({ code }) => COMMONPLACE.has(code))
    })
    expect(silent.map(({ id }) => id)).toEqual([])
  })
})
