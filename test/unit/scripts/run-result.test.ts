import { describe, expect, it } from 'vitest'
import { closingLine, readClosingLine, summary, runResult, type Counts } from '../../../scripts/lib/run-result.mjs'

const good: Counts = { passed: 5, failed: 0, skipped: 0 }
const none: Counts = { passed: 0, failed: 0, skipped: 0 }

describe('a run', () => {
  it.each<[what: string, counts: Counts | null, code: number, whole: boolean, failed: number, said: string]>([
    ['a run that went well has no failure', good, 0, true, 0, ''],
    ['a run that crashed before it had a result is one failure', null, 134, true, 1, 'exit code 134'],
    ['a run that ended badly although every test passed has one failure', good, 1, true, 1, ''],
    ['a whole run that skipped tests has as many failures', { ...good, skipped: 2 }, 0, true, 2, ''],
    ['a narrowed run that skipped tests has no failure', { ...good, skipped: 2 }, 0, false, 0, ''],
    ['a run of no test is reported', none, 0, true, 0, 'No test was run.'],
  ])('%s', (_, counts, code, whole, failed, said) => {
    const lines: string[] = []
    const result = runResult({ counts, code, whole }, (line) => lines.push(line))
    expect(result).toMatchObject({ passed: counts?.passed ?? 0, failed })
    if (said === '' && code === 0 && failed === 0) expect(lines).toEqual([])
    else expect(lines.join('\n')).toContain(said)
  })
})

it.each([
  [good, 0, '5 passed, 0 failed'],
  [{ passed: 5, failed: 2, skipped: 0 }, 1, '5 passed, 2 failed'],
  [good, 1, '5 passed, 1 failed'],
  [good, 130, '5 passed, 1 failed'],
  [null, 1, '0 passed, 1 failed'],
  [none, 1, '0 passed, 0 failed'],
] as const)('the closing line of %o with exit code %i is "%s"', (counts, code, line) => {
  expect(closingLine(counts, code)).toBe(line)
})

it('the summary lists the slowest ten files and the totals, and is empty for a run of one file', () => {
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
  expect(summary({ counts: good, files: files.slice(0, 1), seconds: 1 })).toEqual([])
})

it('the counts are read from the last line, if that holds nothing else', () => {
  expect(readClosingLine('1 passed, 1 failed\nTotal\n7 passed, 2 failed\n')).toMatchObject({ passed: 7, failed: 2 })
  for (const output of ['', '7 passed, 2 failed\nKilled\n', 'about 7 passed, 2 failed\n'])
    expect(readClosingLine(output), output).toBeNull()
})
