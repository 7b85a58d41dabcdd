import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'
import { scaled } from '../test/support/long.js'
import { IMAGE } from './lib/etcd-image.mjs'
import { SlowFirst } from './lib/slow-first.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** `npm run matrix` runs the tests of `etcd-mtls/testing` with another version of testcontainers, from this folder. */
const { ETCD_MTLS_TESTCONTAINERS: testcontainers } = process.env

const resolve = { alias: testcontainers === undefined ? {} : { testcontainers } }

const everywhere = {
  root,
  pool: 'forks' as const,
  // Four times the cores of a small machine: the tests with a real etcd wait more than they work.
  maxWorkers: Number(process.env['VITEST_MAX_WORKERS'] ?? 8),
  // Loading the same modules for each file anew took longer than most of the tests.
  isolate: false,
  setupFiles: ['test/support/silence.ts'],
  // Waits are for conditions. How long one takes to come true depends on how busy the machine is: these end what hangs.
  expect: { poll: { timeout: 30_000 } },
  testTimeout: scaled({ short: 300_000, long: 1_200_000 }),
  hookTimeout: 300_000,
  env: {
    // Ryuk, the clean-up container of testcontainers, is one more image to fetch; `npm test` cleans up itself.
    TESTCONTAINERS_RYUK_DISABLED: 'true',
    ETCD_MTLS_TEST_IMAGE: process.env['ETCD_MTLS_TEST_IMAGE'] ?? IMAGE,
  },
}

/**
 * The files of a folder as two projects. `*.isolated.test.ts` get a process each: they put other modules in the place of
 * real ones, which other tests must not meet, or they measure what the process holds.
 */
function projects(name: string, include: readonly string[], folder: string): TestProjectInlineConfiguration[] {
  const isolated = `${folder}/**/*.isolated.test.ts`
  return [
    { test: { ...everywhere, name, include: [...include], exclude: [isolated] } },
    { test: { ...everywhere, name: `${name} isolated`, include: [isolated], isolate: true } },
  ].map((project) => ({ ...project, resolve }))
}

export default defineConfig({
  root,
  test: {
    root,
    sequence: { sequencer: SlowFirst },
    projects: [
      ...projects('unit', ['test/*.test.ts', 'test/{unit,types}/**/*.test.ts'], 'test/unit'),
      ...projects('integration', ['test/{integration,differential}/**/*.test.ts'], 'test/integration'),
    ],
  },
})
