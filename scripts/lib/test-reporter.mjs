/**
 * The reporter of `npm test`. It prints as vitest's own, but of a file that fails only the tests that fail. It sends the parent process
 * what was run; the parent prints the totals and the closing line.
 */
import { relative } from 'node:path'
import { DefaultReporter } from 'vitest/node'

export default class TestReporter extends DefaultReporter {
  printTestCase(moduleState, test) {
    if (moduleState !== 'failed' || test.result().state === 'failed') super.printTestCase(moduleState, test)
  }

  onTestRunEnd(modules, unhandledErrors, reason) {
    super.onTestRunEnd(modules, unhandledErrors, reason)
    const counts = { passed: 0, failed: 0, skipped: 0 }
    const files = []
    for (const module of modules) {
      let failedHere = 0
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') counts.passed += 1
        else if (state === 'failed') failedHere += 1
        else counts.skipped += 1
      }
      // A file that cannot be loaded, or whose set-up fails, has run no test and has failed all the same.
      if (failedHere === 0 && module.state() === 'failed') failedHere = 1
      counts.failed += failedHere
      const { collectDuration, setupDuration, duration } = module.diagnostic()
      const seconds = (collectDuration + setupDuration + duration) / 1000
      // Of this process and of those that it started; set by test/support/silence.ts.
      const { processorSeconds = 0 } = module.meta()
      files.push({ path: relative(process.cwd(), module.moduleId), seconds, processorSeconds })
    }
    counts.failed += unhandledErrors.length
    process.send?.({ counts, files })
  }
}
