/** The tests that judge mutations of the validator and the readers: one project, no container, no build. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

export default defineConfig({
  root,
  test: {
    root,
    pool: 'forks',
    setupFiles: ['test/support/silence.ts'],
    // The hostile inputs are left out: they take long for each change, and a check that only they notice needs a test
    // that names it.
    // With a comma between them, tests of one's own choice: those of one subject say the same of it a lot sooner.
    include: process.env['MUTATION_TESTS']?.split(',') ?? ['test/unit/{validate,x509}/**/*.test.ts'],
    exclude: ['**/hostile*.test.ts', '**/how-to.test.ts'],
    testTimeout: 20_000,
  },
})
