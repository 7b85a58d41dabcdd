/** Whether the report names the certificate at fault, over all failing vectors that say which one it is. */
import { describe, expect, it } from 'vitest'
import { validateChain } from '../../src/validate/index.js'
import { blames } from '../support/blame.js'
import { callOf, readBettertls, readLimbo, type VectorCase } from '../support/vectors.js'
import { culpritOf, LISTED } from '../support/vector-culprits.js'

interface Judged {
  readonly id: string
  readonly right: boolean
}

function judge(cases: readonly VectorCase[]): Judged[] {
  return cases.flatMap((vector) => {
    const culprit = vector.expected_result === 'FAILURE' ? culpritOf(vector) : null
    if (culprit === null) return []
    const { input, options } = callOf(vector)
    return [{ id: vector.id, right: blames(validateChain(input, options), culprit) }]
  })
}

function expectMostlyRight(judged: readonly Judged[]): void {
  const wrong = judged.filter(({ right }) => !right).map(({ id }) => id)
  expect(wrong.length / judged.length, wrong.join(', ')).toBeLessThanOrEqual(0.05)
}

describe('the report names the certificate at fault', () => {
  it('in x509-limbo', () => {
    const judged = judge(readLimbo())
    expect(judged.map(({ id }) => id).sort()).toEqual([...LISTED].sort())
    expectMostlyRight(judged)
  })

  it('in bettertls', () => {
    const judged = judge(readBettertls())
    expect(judged.length).toBeGreaterThan(500)
    expectMostlyRight(judged)
  })
})
