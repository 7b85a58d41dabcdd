import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'
import { scaled } from '../test/support/long.js'
import { IMAGE } from '../scripts/lib/etcd-image.mjs'
import { SlowFirst } from '../scripts/lib/slow-first.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** `npm run check -- matrix` runs the tests of `etcd-mtls/testing` with another version of testcontainers, from this folder. */
const { ETCD_MTLS_TESTCONTAINERS: testcontainers } = process.env

const resolve = {
  alias: [
    // The command in the process of a test reads no file that the build writes.
    { find: /^\.{1,2}\/package-file\.js$/, replacement: `${root}test/support/package-file.ts` },
    ...(testcontainers === undefined ? [] : [{ find: 'testcontainers', replacement: testcontainers }]),
  ],
}

/** `npm run test:unit` */
const isUnit = process.env['ETCD_MTLS_TEST_UNIT'] === '1'

const everywhere = {
  root,
  pool: 'forks' as const,
  // Three or four times the cores of a small machine: the tests wait more than they work, and each process loads everything.
  maxWorkers: Number(process.env['VITEST_MAX_WORKERS'] ?? (isUnit ? 8 : 6)),
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
 * `*.isolated.test.ts` get a process each: they put other modules in the place of real ones, which other tests must not meet,
 * or they measure what the process holds. All others are one project, because each project transforms all modules again,
 * and a process that goes on with a file of another project starts again.
 */
const ISOLATED = '*.isolated.test.ts'
const FOLDERS = isUnit ? 'unit,types' : 'unit,types,integration,differential'
const TESTS = ['test/*.test.ts', `test/{${FOLDERS}}/**/*.test.ts`]
/** They build the package: no unit tests. */
const BUILDING = isUnit ? ['test/{loading,packed}.test.ts', 'test/types/compiler.test.ts'] : []
const projects: TestProjectInlineConfiguration[] = [
  { resolve, test: { ...everywhere, name: 'shared', include: TESTS, exclude: [`**/${ISOLATED}`, ...BUILDING] } },
  { resolve, test: { ...everywhere, name: 'isolated', include: [`test/{${FOLDERS}}/**/${ISOLATED}`], isolate: true } },
]

export default defineConfig({
  root,
  test: {
    root,
    sequence: { sequencer: SlowFirst },
    projects,
    // Transformed modules are kept in node_modules; the alias above would be part of them.
    experimental: { fsModuleCache: testcontainers === undefined },
  },
})
