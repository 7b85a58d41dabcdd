/**
 * The runner of vitest for `npm run check -- mutation`: after each test it runs the test again under every change that the test reaches and
 * that no test has noticed so far. All changes are in the code, behind a switch, so that nothing is loaded again.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { TestRunner } from 'vitest'

/** Times that a change may be reached in one test: the code of a loop that does not end any more is reached more often. */
const HIT_LIMIT = 1_000_000
const { MUTATION_PLAN: plan = '', MUTATION_RESULT: result = '' } = process.env
const { idsOf } = JSON.parse(readFileSync(plan, 'utf8'))
const stryker = (globalThis.__stryker__ ??= { mutantCoverage: { static: {}, perTest: {} } })
/** What becomes of each change, and how many changes each test is the first to notice, for all files of tests. */
const fates = (stryker.fates ??= {})
const firsts = (stryker.firsts ??= {})

export default class MutationRunner extends TestRunner {
  async runTask(test) {
    const run = TestRunner.getTestFn(test)
    const coverage = (stryker.mutantCoverage ??= { static: {}, perTest: {} })
    coverage.perTest = {}
    stryker.currentTestId = 'now'
    await run()
    stryker.currentTestId = undefined
    const reached = coverage.perTest.now ?? {}
    const open = (idsOf[test.file.filepath] ?? []).filter((id) => id in reached && fates[id] !== 'killed')
    const name = `${test.file.name}: ${test.fullTestName ?? test.name}`
    firsts[name] = 0
    // A test that cannot be run twice says nothing.
    if (open.length === 0 || !(await passes(run))) return
    for (const id of open) {
      Object.assign(stryker, { activeMutant: id, hitCount: 0, hitLimit: HIT_LIMIT })
      fates[id] = (await passes(run)) ? 'survived' : 'killed'
      if (fates[id] === 'killed') firsts[name]++
    }
    Object.assign(stryker, { activeMutant: undefined, hitCount: undefined })
  }

  onAfterRunFiles(...args) {
    const loaded = Object.keys(stryker.mutantCoverage?.static ?? {})
    writeFileSync(result, JSON.stringify({ fates, loaded, firsts }))
    return super.onAfterRunFiles?.(...args)
  }
}

async function passes(run) {
  try {
    await run()
    return true
  } catch {
    return false
  }
}
