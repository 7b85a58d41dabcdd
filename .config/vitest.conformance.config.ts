/** The public path validation vectors, which are not in the repository: `npm run conformance`. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

export default defineConfig({
  root,
  test: {
    root,
    name: 'conformance',
    pool: 'forks',
    isolate: false,
    setupFiles: ['test/support/silence.ts'],
    include: ['test/conformance/**/*.test.ts'],
    testTimeout: 120_000,
  },
})
