/** What a run of the tests consists of, from the arguments of scripts/test.mjs. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const OWN = ['--unit', '--long', '--watch', '--conformance']

/**
 * Our own flags come first, in any order; the rest goes to vitest.
 *
 * - `--unit` runs the unit tests only.
 * - `--long` runs the full form of tests; without files, those of every file that has one.
 * - `--watch` runs the tests again whenever a file changes; without arguments, the unit tests.
 * - `--conformance` runs the public vectors, which are not in the repository.
 *
 * `whole` is true for a run that must not leave a test out: one that the caller has not narrowed.
 */
export function planRun(args, root) {
  const own = new Set()
  const rest = [...args]
  while (OWN.includes(rest[0])) own.add(rest.shift())
  const [long, watch, conformance] = [own.has('--long'), own.has('--watch'), own.has('--conformance')]
  const isNarrowed = rest.length > 0
  const filters = [...rest]
  const unit = own.has('--unit') || (watch && !isNarrowed)
  if (long && !isNarrowed) filters.push(...filesWithLongForm(root))
  return { unit, long, watch, conformance, whole: !isNarrowed && !watch, filters }
}

/** The test files that import test/support/long.ts. */
function filesWithLongForm(root) {
  const test = join(root, 'test')
  const files = readdirSync(test, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'))
  const isLong = (file) =>
    /^import .* from '(?:\.\.\/)+support\/long\.js'$/m.test(readFileSync(join(test, file), 'utf8'))
  return files
    .filter(isLong)
    .map((file) => `test/${file.replaceAll('\\', '/')}`)
    .sort()
}
