/**
 * `npm run bench`: runs the benchmarks in test/bench, each in a process of its own, and prints ratios measured in one
 * run. `npm run bench -- validation` runs one. With --write the pages in docs are written as well. With --check those of
 * processor time run in a short form, twice before they fail, and all others once, whatever they measure.
 * Ends with exit code 1 when a benchmark fails or breaks one of its promises.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { table, writePages } from './lib/bench-pages.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { removeLabelled } from './lib/engine-api.mjs'
import { chooseEtcd } from './lib/etcd-choice.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { run } from './lib/process.mjs'
import { ensureTools } from './lib/tools.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The benchmarks that talk to a real etcd. */
const NEED_ETCD = new Set([
  ...['first-answer', 'requests', 'watch', 'client-memory', 'rotation'],
  ...['curve-in-flight', 'curve-value-size', 'curve-watchers', 'distance', 'many'],
])

/** The benchmarks that call the commands of OpenSSL and cfssl. */
const NEED_TOOLS = new Set(['validation', 'issuing'])

/** Milliseconds in which a benchmark ends, also on a machine that has much other work: less in a short form. */
const LIMITS = { full: 3_600_000, short: 240_000, once: 120_000 }

/** The benchmarks whose promises are about ratios of processor times, which hold on a machine that has other work. */
const OF_PROCESSOR = new Set([
  'requests',
  'watch',
  'validation',
  'parsing',
  'scaling',
  'config-large',
  'command',
  'explain',
])

await lifecycle(async ({ signal, defer }) => {
  await ensureDependencies(root, { signal })
  const write = process.argv.includes('--write')
  const names = chosen(process.argv.slice(2).filter((argument) => !argument.startsWith('--')))
  if (names.some((name) => NEED_TOOLS.has(name))) await ensureTools(['openssl', 'cfssl'], { signal })
  const compiled = await compile(defer)
  const env = names.some((name) => NEED_ETCD.has(name)) ? await etcdFor({ signal, defer }) : process.env
  const measure = (name, form) => runOne(name, form, compiled, { signal, env })
  if (process.argv.includes('--check')) return (await check(names, measure)) ? 0 : 1
  const results = new Map()
  for (const name of names) {
    const result = await measure(name, 'full')
    results.set(name, result)
    say(result === null ? `${name}: failed (see above)\n` : `${table(result)}\n`)
  }
  if (write) {
    writePages(root, results, known())
    say('Wrote docs/benchmarks-all.md')
  }
  return [...results.values()].every(isKept) ? 0 : 1
})

/** Whether all run, and those of processor time keep their promises. A second try, because the machine may have other work. */
async function check(names, measure) {
  let isGood = true
  for (const name of names) {
    const started = performance.now()
    const form = OF_PROCESSOR.has(name) ? 'short' : 'once'
    let result = await measure(name, form)
    if (result !== null && !isKept(result)) {
      say(`${table(result)}\n\n${name}: a second try\n`)
      result = await measure(name, form)
    }
    if (result === null || !isKept(result))
      say(result === null ? `${name}: failed (see above)\n` : `${table(result)}\n`)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    say(`${isKept(result) ? 'ok    ' : 'FAILED'}  ${name} (${form}), ${seconds} s`)
    isGood &&= isKept(result)
  }
  return isGood
}

function isKept(result) {
  return result !== null && result.promises.every(({ held }) => held)
}

/** What tells `etcd-mtls/testing` where its etcd comes from; its containers go when the run ends, however it ends. */
async function etcdFor({ signal, defer }) {
  const run = `bench-${process.pid}`
  const { engine, env } = await chooseEtcd({ root, signal })
  defer(() => engine && removeLabelled(engine, `etcd-mtls.run=${run}`, { settle: signal.aborted }))
  return { ...process.env, ...env, TESTCONTAINERS_RYUK_DISABLED: 'true', ETCD_MTLS_TEST_RUN: run }
}

function known() {
  return readdirSync(join(root, 'test/bench'))
    .filter((file) => file.endsWith('.ts') && file !== 'harness.ts' && !file.startsWith('support-'))
    .map((file) => file.slice(0, -'.ts'.length))
}

function chosen(wanted) {
  const unknown = wanted.filter((name) => !known().includes(name))
  if (unknown.length > 0)
    throw new Stop(`There is no benchmark ${unknown.join(', ')}; there are ${known().join(', ')}.`)
  return wanted.length === 0 ? known() : wanted
}

/**
 * Sources and benchmarks as plain JavaScript, so that no transformer runs while something is measured, and the package as
 * it is shipped.
 */
async function compile(defer) {
  // The compilers are among the packages that may just have been fetched.
  const { emitJavaScript, readConfig } = await import('./lib/compile.mjs')
  const { bundle } = await import('./lib/bundle.mjs')
  const { renderLogLinesJson } = await import('./lib/log-lines.mjs')
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache/bench-'))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
  for (const part of ['src', 'test/bench', 'test/fuzz', 'test/support']) emitJavaScript(root, part, folder, options)
  await bundle(root, join(folder, 'dist'))
  writeFileSync(join(folder, 'dist/log-lines.json'), renderLogLinesJson(root))
  return join(folder, 'test/bench')
}

async function runOne(name, form, folder, { signal, env }) {
  const runner = fileURLToPath(new URL('lib/run-bench.mjs', import.meta.url))
  // Plain etcd3 sends IP addresses as SNI, and Node says so.
  const args = ['--disable-warning=DEP0123', runner, join(folder, 'harness.js'), join(folder, `${name}.js`), form]
  let result = null
  const onMessage = (message) => (result = message)
  const timeout = LIMITS[form]
  const options = { cwd: root, env, signal, timeout, output: 'show', onMessage }
  const { code, timedOut } = await run(process.execPath, args, options)
  if (timedOut) say(`${name}: did not end within ${timeout / 1000} s`)
  return code === 0 ? result : null
}
