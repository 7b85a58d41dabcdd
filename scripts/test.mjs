/**
 * `npm test`: sets up all that the tests need, runs them, and ends with the line `N passed, N failed`.
 * Arguments go to vitest: `npm test -- test/unit/x509` runs those files only and needs no container engine.
 * `npm run test:unit`, `test:long`, `test:watch` and `conformance` are the same script with a flag: see lib/test-run.mjs.
 */
import { randomInt } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { removeLabelled } from './lib/engine-api.mjs'
import { ensureEngine } from './lib/engine.mjs'
import { etcdBinaries, linkBinaries } from './lib/etcd-binaries.mjs'
import { ensureEtcdImage } from './lib/etcd-image.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { nodeBinary } from './lib/node-binaries.mjs'
import { run } from './lib/process.mjs'
import { temporaryHome } from './lib/temporary.mjs'
import { planRun } from './lib/test-run.mjs'
import { ensureTools } from './lib/tools.mjs'
import { closingLine, summary, runResult } from './lib/run-result.mjs'
import { findVectors, howToGetVectors } from './lib/vectors.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const plan = planRun(process.argv.slice(2), root)
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const config = ['--config', join(root, '.config', `vitest.${plan.conformance ? 'conformance.' : ''}config.ts`)]
const vectors = findVectors(root)
/** What some of the tests with real programs call, by the names of their files below test/. */
const NEEDS = [
  [/^/, ['openssl', 'cfssl']],
  [/^differential\/|^integration\/(differential|issued-)/, ['go', 'certtool']],
  // nghttpd comes with libnghttp2, which the oracle in Python loads.
  [/^integration\/(differential-hpack|own-frames)/, ['/usr/lib/python3/dist-packages/hpack/hpack.py', 'nghttpd']],
  [/^integration\/command-targets|^unit\/metrics/, ['promtool']],
  [/^integration\/operating/, ['promtool', 'prometheus']],
  [/^integration\/signer-pkcs11/, ['softhsm2-util', 'pkcs11-tool']],
  [/^integration\/(proxies|diagnosis|doctor\/evidence|stream-limit)/, ['nginx']],
  [/^integration\/(diagnosis|stream-limit)/, ['haproxy']],
  [/^integration\/diagnosis/, ['faketime']],
  [/^integration\/doctor\/clock/, ['faketime']],
  [/^integration\/log-lines/, plan.long ? ['curl', 'python3', 'java', 'javac'] : ['curl', 'python3']],
  [/^integration\/(chaos-faults|coordination-partition|diagnosis|doctor\/machines|zombie-write)/, ['ip', 'nft']],
]
let counts = null
let files = []

await lifecycle(
  async ({ signal, defer }) => {
    if (plan.conformance && vectors.limbo === null) throw new Stop(howToGetVectors(vectors.folder))
    await ensureDependencies(root, { signal })
    // Tests put keys into temporary folders; those of a run that is ended half way go with this one.
    const temporary = mkdtempSync(join(temporaryHome(plan), 'etcd-mtls-npm-test-'))
    defer(() => rmSync(temporary, { recursive: true, force: true, maxRetries: 10 }))
    // Where root runs the tests, some of them start an etcd as somebody else, who must find what is his in there.
    chmodSync(temporary, 0o711)
    const env = { ...process.env, TMPDIR: temporary, ETCD_MTLS_TEST_RUN: `npm-test-${process.pid}` }
    if (plan.unit) env.ETCD_MTLS_TEST_UNIT = '1'
    if (plan.long) env.ETCD_MTLS_TEST_LONG = '1'
    env.ETCD_MTLS_TEST_SEED ??= String(randomInt(2 ** 31))
    say(`Random choices start from ETCD_MTLS_TEST_SEED=${env.ETCD_MTLS_TEST_SEED}.`)
    const chosen = await chosenIntegration({ signal })
    const needed = NEEDS.filter(([names]) => ['', ...chosen].some((name) => names.test(name)))
    await ensureTools([...new Set(needed.flatMap(([, programs]) => programs))], { signal })
    if (chosen.some((name) => name.startsWith('integration/'))) {
      const engine = await ensureEngine({ root, signal, defer })
      defer(() => removeLabelled(engine, `etcd-mtls.run=${env.ETCD_MTLS_TEST_RUN}`, { settle: signal.aborted }))
      env.ETCD_MTLS_TEST_IMAGE = await ensureEtcdImage(engine, { root, signal })
      const etcd = await etcdBinaries({ root, signal })
      env.PATH = [linkBinaries(join(temporary, 'bin'), etcd), process.env.PATH ?? ''].join(delimiter)
      if (process.env.DOCKER_HOST) env.DOCKER_HOST = process.env.DOCKER_HOST
      // A container costs ten times what the etcd in it costs: only the tests that name it run one.
      env.ETCD_MTLS_TEST_VIA ??= 'binary'
    }
    if (plan.long && chosen.includes('differential/chains.test.ts')) {
      const nodes = await Promise.all(['22', '24'].map((range) => nodeBinary(range, { root, signal })))
      env.ETCD_MTLS_TEST_NODES ??= nodes.map(({ program }) => program).join(delimiter)
    }
    // A test that is switched off proves nothing, so a whole run refuses `.only` and counts skipped tests as failed.
    const flags = [`--reporter=${join(root, 'scripts', 'lib', 'test-reporter.mjs')}`, '--hideSkippedTests']
    if (plan.whole) flags.push('--allowOnly=false')
    const started = performance.now()
    const mode = plan.watch ? 'watch' : 'run'
    const { code } = await run(process.execPath, [vitest, mode, ...config, ...flags, ...plan.filters], {
      cwd: root,
      env,
      signal,
      output: 'show',
      input: plan.watch ? 'inherit' : undefined,
      onMessage: (message) => {
        counts = message?.counts ?? counts
        files = message?.files ?? files
      },
    })
    counts = runResult({ counts, code, whole: plan.whole }, say)
    summary({ counts, files, seconds: (performance.now() - started) / 1000 }).forEach(say)
    if (plan.whole && !plan.conformance && vectors.limbo === null) say(howToGetVectors(vectors.folder))
    return counts.failed === 0 && counts.passed > 0 ? 0 : 1
  },
  { lastLine: (code) => (plan.watch ? undefined : closingLine(counts, code)) },
)

/** The tests with real programs that vitest would run, by their names below test/; all of them if it cannot list them. */
async function chosenIntegration({ signal }) {
  if (plan.conformance || plan.unit) return []
  const everything = ['integration', 'differential'].flatMap((folder) =>
    readdirSync(join(root, 'test', folder), { recursive: true }).map((name) => `${folder}/${name}`),
  )
  if (plan.filters.length === 0) return everything
  if (!existsSync(vitest)) throw new Stop('vitest is not installed although npm ci succeeded.')
  const { code, stdout } = await run(process.execPath, [vitest, 'list', '--filesOnly', ...config, ...plan.filters], {
    cwd: root,
    signal,
  })
  return code === 0 ? everything.filter((name) => stdout.includes(`test/${name}`)) : everything
}
