import { describe, expect, it } from 'vitest'
import { runSteps } from '../../../scripts/lib/ci-steps.mjs'

interface Step {
  readonly minutes?: number
  readonly code?: number
  readonly stdout?: string
  readonly timedOut?: boolean
}

const steps = (calls: readonly [string, number | undefined][]): string[] => calls.map(([flag]) => flag)

/** Runs the steps; each takes its time on a clock of its own. */
async function runWith(
  planned: { test?: Step; conformance?: Step; long?: Step },
  options: { hasVectors?: boolean; runsLong?: boolean } = {},
): Promise<{ passed: number; failed: number; calls: [string, number | undefined][]; said: string }> {
  let minutes = 0
  const calls: [string, number | undefined][] = []
  const lines: string[] = []
  const { passed, failed } = await runSteps({
    hasVectors: true,
    ...options,
    say: (line) => lines.push(line),
    now: () => minutes * 60_000,
    perform: ([flag = '--test'], timeout) => {
      calls.push([flag.slice(2), timeout])
      const step = planned[flag.slice(2) as keyof typeof planned] ?? {}
      minutes += step.minutes ?? 1
      return Promise.resolve({ code: 0, stdout: '1 passed, 0 failed\n', timedOut: false, ...step })
    },
  })
  return { passed, failed, calls, said: lines.join('\n') }
}

describe('runSteps', () => {
  it('sums up the tests, the conformance vectors and the long tests', async () => {
    const { calls, said, ...counts } = await runWith({
      test: { minutes: 4, stdout: 'Total: 2 files\n7000 passed, 0 failed\n' },
      conformance: { stdout: '5 passed, 0 failed\n' },
      long: { stdout: '90 passed, 2 failed\n', code: 1 },
    })
    expect(counts).toEqual({ passed: 7095, failed: 2 })
    expect(calls).toEqual([
      ['test', undefined],
      ['conformance', undefined],
      ['long', 28 * 60_000],
    ])
    expect(said).toContain('npm test: 7000 passed, 0 failed, 4.0 min')
    expect(said).toContain('npm run test:long: 90 passed, 2 failed, 1.0 min')
  })

  it('leaves the vectors out if they are not there, and reports that', async () => {
    const { calls, said } = await runWith({}, { hasVectors: false })
    expect(steps(calls)).toEqual(['test', 'long'])
    expect(said).toContain('npm run conformance: not run, its data is not there')
  })

  it('leaves the long tests out if 15 minutes are used, and reports that, or if they are not asked for', async () => {
    const { calls, said } = await runWith({ test: { minutes: 14 } })
    expect(steps(calls)).toEqual(['test', 'conformance'])
    expect(said).toContain('npm run test:long: not run, 15.0 min are used')
    expect(steps((await runWith({}, { runsLong: false })).calls)).toEqual(['test', 'conformance'])
  })

  it('does not count long tests that did not end in time, and reports that', async () => {
    const { said, ...counts } = await runWith({ long: { minutes: 20, timedOut: true, code: 143, stdout: '' } })
    expect(counts).toMatchObject({ passed: 2, failed: 0 })
    expect(said).toContain('npm run test:long: not finished after 20.0 min, not counted')
  })

  it('counts a step as a failure if it ends without a closing line, or with an exit code only', async () => {
    expect(await runWith({ test: { stdout: 'Killed\n', code: 137 } })).toMatchObject({ passed: 2, failed: 1 })
    expect(await runWith({ conformance: { code: 1 } })).toMatchObject({ passed: 3, failed: 1 })
  })
})
