/**
 * `.ci/run`: `npm test`, then the conformance vectors if they are there, then, with ETCD_MTLS_CI_LONG=1, the full form of long
 * tests if there is time. The last line sums up: `N passed, N failed`.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runSteps } from './lib/ci-steps.mjs'
import { lifecycle, say } from './lib/lifecycle.mjs'
import { run } from './lib/process.mjs'
import { closingLine } from './lib/run-result.mjs'
import { findVectors } from './lib/vectors.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** How long an interrupted run may take to remove its containers, in milliseconds. */
const GRACE = 60_000
let counts = null

await lifecycle(
  async ({ signal }) => {
    const perform = (args, timeout) =>
      run(process.execPath, [join(root, 'scripts', 'test.mjs'), ...args], {
        cwd: root,
        signal,
        timeout,
        grace: GRACE,
        output: 'both',
      })
    const runsLong = process.env.ETCD_MTLS_CI_LONG === '1'
    counts = await runSteps({ hasVectors: findVectors(root).limbo !== null, runsLong, perform, say })
    return counts.failed === 0 && counts.passed > 0 ? 0 : 1
  },
  { lastLine: (code) => closingLine(counts, code) },
)
