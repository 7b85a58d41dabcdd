/**
 * The result of a test run.
 *
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 */

/**
 * The counts of a run. A run that crashed, ran no test or skipped tests counts as failed.
 * `say` gets the reason if vitest has not printed it.
 *
 * @param {{ counts: Counts | null, code: number | null, whole: boolean }} run
 * @param {(line: string) => void} say
 * @returns {Counts}
 */
export function runResult({ counts, code, whole }, say) {
  if (counts === null) {
    say(`vitest ended with exit code ${code} before it had a result.`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const result = { ...counts }
  if (whole && counts.skipped > 0) {
    say(`${counts.skipped} tests were skipped; they count as failed, since a whole run proves every test.`)
    result.failed += counts.skipped
  }
  if (result.failed === 0 && code !== 0) {
    say(`vitest ended with exit code ${code} although no test failed.`)
    result.failed = 1
  }
  if (result.passed === 0 && result.failed === 0) say('No test was run.')
  return result
}

/** The last line of `npm test`. A run that did not come to its tests, or not to a clean end, has one failure: itself. */
export function closingLine(counts, code) {
  const { passed, failed } = counts ?? { passed: 0, failed: 1 }
  const unclean = code !== 0 && failed === 0 && passed > 0
  return `${passed} passed, ${unclean ? 1 : failed} failed`
}

/** How many files {@link summary} lists. */
const SLOWEST = 10

/**
 * The end of a run of several files: the slowest of them with the time and the processor time that each took, and one
 * line of totals.
 */
export function summary({ counts, files, seconds }) {
  if (files.length < 2) return []
  const slowest = files.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST)
  const { passed, failed, skipped } = counts
  const processor = files.reduce((sum, file) => sum + file.processorSeconds, 0)
  return [
    'Slowest files (in brackets, processor time):',
    ...slowest.map((file) => `${padded(file.seconds)} s (${padded(file.processorSeconds)} s)  ${file.path}`),
    `Total: ${files.length} files, ${passed} passed, ${failed} failed, ${skipped} skipped, in ${seconds.toFixed(1)} s` +
      `; processor time of the files: ${processor.toFixed(1)} s`,
  ]
}

const padded = (seconds) => seconds.toFixed(1).padStart(6)

/**
 * The counts of a closing line in the output of a run; null for an output that does not end with one.
 *
 * @returns {Counts | null}
 */
export function readClosingLine(output) {
  const [, passed, failed] = /(?:^|\n)(\d+) passed, (\d+) failed\s*$/.exec(output) ?? []
  return passed === undefined ? null : { passed: Number(passed), failed: Number(failed), skipped: 0 }
}
