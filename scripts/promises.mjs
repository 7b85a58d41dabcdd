/**
 * `npm run check -- promises`: breaks each promise of SECURITY.md in a copy of the sources, and expects the tests that are named for
 * it (scripts/lib/promises.mjs) to fail. A change that no longer applies is an error, as is a test that passes, does not exist or
 * fails without the change. `node scripts/promises.mjs plaintext` tries the changes whose description has that word.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { lastLines, run } from './lib/process.mjs'
import { changed, PROMISES } from './lib/promises.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** Milliseconds for one change. A run that is cut off has shown nothing. */
const TIMEOUT = 300_000
const LEFT_OUT = /^(?:node_modules|\.git|\.cache|dist|coverage)$/

await lifecycle(async ({ signal, defer }) => {
  const words = process.argv.slice(2)
  const chosen = PROMISES.filter(({ breaks }) => words.every((word) => breaks.includes(word)))
  if (chosen.length === 0) throw new Stop(`No change has ${words.join(' ')} in its description.`)
  await ensureDependencies(root, { signal })
  const folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-promises-'))
  defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const jobs = [{ breaks: 'nothing', changes: [], tests: chosen.flatMap(({ tests }) => tests) }, ...chosen]
  const faults = []
  const worker = async (number) => {
    const lane = join(folder, String(number))
    cpSync(root, lane, { recursive: true, filter: (path) => !LEFT_OUT.test(relative(root, path)) })
    symlinkSync(join(root, 'node_modules'), join(lane, 'node_modules'), 'dir')
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const started = performance.now()
      const found = await attempt(job, lane, signal)
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      say(`${found.length === 0 ? 'ok    ' : 'FAILED'} ${seconds.padStart(6)} s  ${job.breaks}`)
      faults.push(...found.map((fault) => `${job.breaks}: ${fault}`))
    }
  }
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, (_, i) => worker(i)))
  for (const fault of faults) say(`\n${fault}`)
  say(`${String(chosen.length)} changes, ${String(faults.length)} faults`)
  return faults.length === 0 ? 0 : 1
})

/** What is wrong: nothing if the tests fail with the changes, or pass without any. */
async function attempt({ changes, tests, isLong = false }, lane, signal) {
  const before = new Map()
  try {
    for (const change of changes) {
      const path = join(lane, change[0])
      const text = readFileSync(path, 'utf8')
      if (!before.has(path)) before.set(path, text)
      writeFileSync(path, changed(text, change))
    }
    return await judge(tests, await results(tests, isLong, lane, signal), changes.length > 0)
  } catch (error) {
    if (signal.aborted) throw error
    return [error.message]
  } finally {
    for (const [path, text] of before) writeFileSync(path, text)
  }
}

function judge(tests, results, isBroken) {
  return tests.flatMap(([file, title]) => {
    const own = results.filter((each) => each.file === file && ` ${each.fullName}`.endsWith(` ${title}`))
    const wrong = own.filter(({ status }) => status !== (isBroken ? 'failed' : 'passed'))
    if (own.length === 0) return [`${file} has no test "${title}", or could not be loaded`]
    return wrong.length === 0
      ? []
      : [`${file}: "${title}" ${isBroken ? 'does not notice it' : 'fails without a change'}`]
  })
}

/** Runs the tests in a copy. */
async function results(tests, isLong, lane, signal) {
  const output = join(lane, '.cache', 'results.json')
  const temporary = join(lane, '.cache', 'tmp')
  mkdirSync(temporary, { recursive: true })
  rmSync(output, { force: true })
  const escaped = tests.map(([, title]) => title.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  const vitest = join(lane, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [
    'run',
    '--config',
    join(lane, '.config', 'vitest.config.ts'),
    '--reporter=json',
    `--outputFile=${output}`,
  ]
  const names = `(?:^| )(?:${[...new Set(escaped)].join('|')})$`
  const files = [...new Set(tests.map(([file]) => file))]
  const env = { ...process.env, TMPDIR: temporary, ETCD_MTLS_TEST_UNIT: '1', VITEST_MAX_WORKERS: '1' }
  if (isLong) env.ETCD_MTLS_TEST_LONG = '1'
  const { timedOut, stdout, stderr } = await run(process.execPath, [vitest, ...args, '-t', names, ...files], {
    cwd: lane,
    env,
    signal,
    timeout: TIMEOUT,
  })
  if (timedOut) throw new Error(`its tests take more than ${String(TIMEOUT / 1000)} s`)
  try {
    const { testResults } = JSON.parse(readFileSync(output, 'utf8'))
    return testResults.flatMap(({ name, assertionResults }) =>
      assertionResults.map(({ fullName, status }) => ({ file: relative(lane, name), fullName, status })),
    )
  } catch {
    throw new Error(`vitest wrote no result: ${lastLines(stderr || stdout, 5)}`)
  }
}
