import { describe, expect, test } from 'vitest'
import { closingLine, verdict, type Counts } from '../../../.config/lib/verdict.mjs'

const good: Counts = { passed: 5, failed: 0, skipped: 0 }

function judge(run: { counts: Counts | null; code: number | null; whole?: boolean }): { counts: Counts; said: string } {
  const lines: string[] = []
  const counts = verdict({ whole: true, ...run }, (line) => lines.push(line))
  return { counts, said: lines.join('\n') }
}

describe('a run', () => {
  test('that went well counts as it is', () => {
    expect(judge({ counts: good, code: 0 })).toEqual({ counts: good, said: '' })
  })

  test('that crashed before it had a result is one failure', () => {
    const { counts, said } = judge({ counts: null, code: 134 })
    expect(counts).toEqual({ passed: 0, failed: 1, skipped: 0 })
    expect(said).toContain('exit code 134')
  })

  test('that ended badly although every test passed has one failure', () => {
    expect(judge({ counts: good, code: 1 }).counts.failed).toBe(1)
  })

  test('that skipped tests has as many failures, when it is a whole run', () => {
    const counts = { ...good, skipped: 2 }
    expect(judge({ counts, code: 0 }).counts.failed).toBe(2)
    expect(judge({ counts, code: 0, whole: false }).counts.failed).toBe(0)
  })

  test('of nothing is told', () => {
    expect(judge({ counts: { passed: 0, failed: 0, skipped: 0 }, code: 0 }).said).toBe('No test was run.')
  })
})

test.each([
  [good, 0, '5 passed, 0 failed'],
  [{ passed: 5, failed: 2, skipped: 0 }, 1, '5 passed, 2 failed'],
  [good, 1, '5 passed, 1 failed'],
  [good, 130, '5 passed, 1 failed'],
  [null, 1, '0 passed, 1 failed'],
  [{ passed: 0, failed: 0, skipped: 0 }, 1, '0 passed, 0 failed'],
] as const)('the closing line of %o with exit code %i is "%s"', (counts, code, line) => {
  expect(closingLine(counts, code)).toBe(line)
})
