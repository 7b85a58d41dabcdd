/** Input made to exhaust the validator: each ends in a report that says why, soon, and is not much longer than others. */
import { describe, expect, it } from 'vitest'
import { mustPrintSafely } from '../../fuzz/checks.js'
import { hostileCases } from '../../fuzz/hostile.js'
import { MAX_MS, processorTime } from '../../fuzz/loop.js'
import { validateChain, type Report } from '../../../src/validate/index.js'

/** How often a case may try to be quick. Processor time is measured, but caches are shared with whatever else runs. */
const TRIES = 5

describe('hostile input', { timeout: 60_000 }, () => {
  it.each(hostileCases.map((each) => [each.name, each] as const))('%s', (_, { code, make }) => {
    const { input, options } = make()
    let report: Report | null = null
    let least = Infinity
    for (let attempt = 0; attempt < TRIES && least > MAX_MS; attempt++) {
      const cost = processorTime(() => {
        report = validateChain(input, { usage: 'server', ...options })
      })
      least = Math.min(least, cost)
    }
    const made = report as Report | null
    const codes = made?.findings.map((each) => each.code) ?? []
    expect(made?.ok).toBe(code === null)
    if (code !== null) expect(codes).toContain(code)
    expect(least).toBeLessThanOrEqual(MAX_MS)
    expect(codes.length).toBeLessThan(150)
    if (made !== null) mustPrintSafely(made)
  })
})
