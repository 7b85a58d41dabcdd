/** What one validation may cost: the limits, what counts how much, and what happens at the last of them. */
import { describe, expect, it } from 'vitest'
import type { PublicKeyInfo } from '../../../src/x509/algorithms.js'
import { Budget, signatureCost, type BudgetOptions } from '../../../src/validate/budget.js'

describe('a budget', () => {
  it('is 100 signatures and 3,000 steps unless told otherwise, each by itself', () => {
    expect(new Budget().limits).toEqual({ signatures: 100, steps: 3000 })
    expect(new Budget({ signatures: 3 }).limits).toEqual({ signatures: 3, steps: 3000 })
    expect(new Budget({ steps: 3 }).limits).toEqual({ signatures: 100, steps: 3 })
    expect(new Budget({ signatures: undefined, steps: undefined }).limits).toEqual({ signatures: 100, steps: 3000 })
  })

  it('gives as much as it has, and is exhausted by one more', () => {
    const budget = new Budget({ signatures: 2, steps: 3 })
    expect([budget.takeSignature(), budget.takeSignature()]).toEqual([true, true])
    expect([budget.takeSteps(), budget.takeSteps(2)]).toEqual([true, true])
    expect(budget.isExhausted).toBe(false)
    expect(budget.takeSteps()).toBe(false)
    expect(budget.isExhausted).toBe(true)
  })

  it('is exhausted by signatures alone, and by one that costs too much', () => {
    const budget = new Budget({ signatures: 4 })
    expect(budget.takeSignature(4)).toBe(true)
    expect(budget.isExhausted).toBe(false)
    expect(budget.takeSignature()).toBe(false)
    expect(budget.isExhausted).toBe(true)
    expect(new Budget({ signatures: 4 }).takeSignature(5)).toBe(false)
  })

  it.each<[string, BudgetOptions]>([
    ['budget.signatures', { signatures: 0 }],
    ['budget.signatures', { signatures: -1 }],
    ['budget.signatures', { signatures: 1.5 }],
    ['budget.signatures', { signatures: '5' as never }],
    ['budget.steps', { steps: Number.NaN }],
    ['budget.steps', { steps: Infinity }],
    ['budget.steps', { steps: 0 }],
  ])('has no %s of %o', (option, options) => {
    expect(() => new Budget(options)).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option }) as unknown,
      }) as Error,
    )
  })

  it('has no other limits', () => {
    expect(() => new Budget({ paths: 1 } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }) as Error,
    )
  })
})

describe('a signature', () => {
  const key = (info: Partial<PublicKeyInfo>): PublicKeyInfo => ({
    algorithm: 'ECDSA',
    curve: null,
    uncompressed: true,
    modulusBits: null,
    exponent: null,
    ...info,
  })
  const rsa = (modulusBits: number, exponent = 65_537): PublicKeyInfo =>
    key({ algorithm: 'RSA', modulusBits, exponent })

  it.each([
    ['P-256', 1],
    ['P-384', 4],
    ['P-521', 8],
    ['P-224', 3],
    ['explicit', 3],
  ])('of ECDSA %s counts as %d', (curve, cost) => {
    expect(signatureCost(key({ curve }), 1000)).toBe(cost)
  })

  it.each([
    [2048, 3, 1],
    [4096, 65_537, 1],
    [4097, 65_537, 4],
    [8192, 65_537, 4],
    [2048, 65_539, 3],
    [8192, 65_539, 12],
  ])('of RSA %d with exponent %d counts as %d', (bits, exponent, cost) => {
    expect(signatureCost(rsa(bits, exponent), 1000)).toBe(cost)
  })

  it('of Ed25519 counts as 1', () => {
    expect(signatureCost(key({ algorithm: 'Ed25519' }), 1000)).toBe(1)
  })

  it('counts one more for each 64 KiB that are signed', () => {
    const ed25519 = key({ algorithm: 'Ed25519' })
    expect(signatureCost(ed25519, 64 * 1024 - 1)).toBe(1)
    expect(signatureCost(ed25519, 64 * 1024)).toBe(2)
    expect(signatureCost(ed25519, 256 * 1024)).toBe(5)
    expect(signatureCost(rsa(8192), 64 * 1024)).toBe(5)
  })
})
