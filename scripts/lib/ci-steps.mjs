/** The steps of CI, and what they amount to. */
import { readClosingLine } from './run-result.mjs'

const MINUTE = 60_000
/** The long tests start only if less time than this was used. */
const LONG_STARTS_BEFORE = 15 * MINUTE
/** The long tests end by this time. */
const END = 33 * MINUTE

/**
 * Runs the steps one after another and returns the sum of their counts. `perform` runs scripts/test.mjs with arguments.
 * Long tests that did not end in time are reported and not counted: they are more than `npm test` promises.
 *
 * @param {{
 *   hasVectors: boolean, runsLong?: boolean, say: (line: string) => void, now?: () => number,
 *   perform: (args: string[], timeout?: number) => Promise<{ code: number | null, stdout: string, timedOut: boolean }>,
 * }} options
 */
export async function runSteps({ hasVectors, runsLong = true, perform, say, now = () => performance.now() }) {
  const started = now()
  const sum = { passed: 0, failed: 0, skipped: 0 }
  const lines = []
  const runStep = async (name, args, limit) => {
    const begun = now()
    say(`\n=== ${name} ===`)
    const { code, stdout, timedOut } = await perform(args, limit)
    const time = `${((now() - begun) / MINUTE).toFixed(1)} min`
    if (timedOut) return lines.push(`${name}: not finished after ${time}, not counted`)
    const counts = readClosingLine(stdout) ?? { passed: 0, failed: 1 }
    const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed
    sum.passed += counts.passed
    sum.failed += failed
    return lines.push(`${name}: ${counts.passed} passed, ${failed} failed, ${time}`)
  }

  await runStep('npm test', [])
  if (hasVectors) await runStep('npm run conformance', ['--conformance'])
  else lines.push('npm run conformance: not run, its data is not there')
  const used = now() - started
  if (!runsLong) lines.push('npm run test:long: not run, ETCD_MTLS_CI_LONG=1 adds it')
  else if (used < LONG_STARTS_BEFORE) await runStep('npm run test:long', ['--long'], END - used)
  else lines.push(`npm run test:long: not run, ${(used / MINUTE).toFixed(1)} min are used`)

  say(`\n=== Summary ===\n${lines.join('\n')}`)
  return sum
}
