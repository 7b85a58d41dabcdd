import { describe, expect, it } from 'vitest'
import { closingLine, readClosingLine, summary, verdict, type Counts } from '../../../.config/lib/verdict.mjs'

const good: Counts = { passed: 5, failed: 0, skipped: 0 }

function judge(run: { counts: Counts | null; code: number | null; whole?: boolean }): { counts: Counts; said: string } {
  const lines: string[] = []
  const counts = verdict({ whole: true, ...run }, (line) => lines.push(line))
  return { counts, said: lines.join('\n') }
}

describe('a run', () => {
  it('that went well counts as it is', () => {
    expect(judge({ counts: good, code: 0 })).toEqual({ counts: good, said: '' })
  })

  it('that crashed before it had a result is one failure', () => {
    const { counts, said } = judge({ counts: null, code: 134 })
    expect(counts).toEqual({ passed: 0, failed: 1, skipped: 0 })
    expect(said).toContain('exit code 134')
  })

  it('that ended badly although every test passed has one failure', () => {
    expect(judge({ counts: good, code: 1 }).counts.failed).toBe(1)
  })

  it('that skipped tests has as many failures, when it is a whole run', () => {
    const counts = { ...good, skipped: 2 }
    expect(judge({ counts, code: 0 }).counts.failed).toBe(2)
    expect(judge({ counts, code: 0, whole: false }).counts.failed).toBe(0)
  })

  it('of nothing is told', () => {
    expect(judge({ counts: { passed: 0, failed: 0, skipped: 0 }, code: 0 }).said).toBe('No test was run.')
  })
})

it.each([
  [good, 0, '5 passed, 0 failed'],
  [{ passed: 5, failed: 2, skipped: 0 }, 1, '5 passed, 2 failed'],
  [good, 1, '5 passed, 1 failed'],
  [good, 130, '5 passed, 1 failed'],
  [null, 1, '0 passed, 1 failed'],
  [{ passed: 0, failed: 0, skipped: 0 }, 1, '0 passed, 0 failed'],
] as const)('the closing line of %o with exit code %i is "%s"', (counts, code, line) => {
  expect(closingLine(counts, code)).toBe(line)
})

describe('summary', () => {
  it('lists the slowest ten files and the totals', () => {
    const files = Array.from({ length: 12 }, (_, i) => ({
      path: `test/${String(i)}.test.ts`,
      seconds: i + 0.04,
      processorSeconds: 1,
    }))
    const lines = summary({ counts: { passed: 9, failed: 2, skipped: 1 }, files, seconds: 61.25 })
    expect(lines).toHaveLength(12)
    expect(lines[1]).toBe('  11.0 s (   1.0 s)  test/11.test.ts')
    expect(lines[10]).toBe('   2.0 s (   1.0 s)  test/2.test.ts')
    expect(lines[11]).toBe(
      'Total: 12 files, 9 passed, 2 failed, 1 skipped, in 61.3 s; processor time of the files: 12.0 s',
    )
  })

  it('is empty for a run of one file', () => {
    expect(
      summary({ counts: good, files: [{ path: 'a.test.ts', seconds: 1, processorSeconds: 1 }], seconds: 1 }),
    ).toEqual([])
  })
})

describe('readClosingLine', () => {
  it('reads the counts of the last line', () => {
    expect(readClosingLine('1 passed, 1 failed\nTotal\n7 passed, 2 failed\n')).toMatchObject({ passed: 7, failed: 2 })
  })

  it.each(['', '7 passed, 2 failed\nKilled\n', 'about 7 passed, 2 failed\n'])('is null for %j', (output) => {
    expect(readClosingLine(output)).toBeNull()
  })
})
