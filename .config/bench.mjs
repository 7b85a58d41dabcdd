/**
 * `npm run bench`: runs the benchmarks in test/bench, each in a process of its own, and prints ratios measured in one
 * run. `npm run bench -- validation` runs one. With --write the tables in docs/benchmarks.md are replaced as well.
 * Ends with exit code 1 when a benchmark fails or breaks one of its promises.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { removeLabelled } from './lib/engine-api.mjs'
import { chooseEtcd } from './lib/etcd-choice.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { run } from './lib/process.mjs'
import { ensureTools } from './lib/tools.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'docs/benchmarks.md')

/** The benchmarks that talk to a real etcd. */
const NEED_ETCD = new Set(['first-answer', 'requests', 'watch', 'client-memory', 'rotation'])

/** The benchmarks that call the commands of OpenSSL and cfssl. */
const NEED_TOOLS = new Set(['validation', 'issuing'])

await lifecycle(async ({ signal, defer }) => {
  await ensureDependencies(root, { signal })
  const write = process.argv.includes('--write')
  const names = chosen(process.argv.slice(2).filter((argument) => !argument.startsWith('--')))
  if (names.some((name) => NEED_TOOLS.has(name))) await ensureTools(['openssl', 'cfssl'], { signal })
  const compiled = await compile(defer)
  const env = names.some((name) => NEED_ETCD.has(name)) ? await etcdFor({ signal, defer }) : process.env
  const results = new Map()
  for (const name of names) {
    const result = await measure(name, compiled, { signal, env })
    results.set(name, result)
    say(result === null ? `${name}: failed (see above)\n` : `${table(result)}\n`)
  }
  if (write) writePage(results)
  const kept = [...results.values()].every((result) => result !== null && result.promises.every(({ held }) => held))
  return kept ? 0 : 1
})

/** What tells `etcd-mtls/testing` where its etcd comes from; its containers go when the run ends, however it ends. */
async function etcdFor({ signal, defer }) {
  const run = `bench-${process.pid}`
  const { engine, env } = await chooseEtcd({ root, signal })
  defer(() => engine && removeLabelled(engine, `etcd-mtls.run=${run}`, { settle: signal.aborted }))
  return { ...process.env, ...env, TESTCONTAINERS_RYUK_DISABLED: 'true', ETCD_MTLS_TEST_RUN: run }
}

function chosen(wanted) {
  const known = readdirSync(join(root, 'test/bench'))
    .filter((file) => file.endsWith('.ts') && file !== 'harness.ts' && !file.startsWith('support-'))
    .map((file) => file.slice(0, -'.ts'.length))
  const unknown = wanted.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Stop(`There is no benchmark ${unknown.join(', ')}; there are ${known.join(', ')}.`)
  return wanted.length === 0 ? known : wanted
}

/**
 * Sources and benchmarks as plain JavaScript, so that no transformer runs while something is measured, and the package as
 * it is shipped.
 */
async function compile(defer) {
  // The compilers are among the packages that may just have been fetched.
  const { emitJavaScript, readConfig } = await import('./lib/compile.mjs')
  const { bundle } = await import('./lib/bundle.mjs')
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache/bench-'))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  const { options } = readConfig(join(root, '.config/tsconfig.build.json'))
  for (const part of ['src', 'test/bench', 'test/fuzz', 'test/support']) emitJavaScript(root, part, folder, options)
  await bundle(root, join(folder, 'dist'))
  return join(folder, 'test/bench')
}

async function measure(name, folder, { signal, env }) {
  const runner = fileURLToPath(new URL('lib/run-bench.mjs', import.meta.url))
  // Plain etcd3 sends IP addresses as SNI, and Node says so.
  const args = ['--disable-warning=DEP0123', runner, join(folder, 'harness.js'), join(folder, `${name}.js`)]
  let result = null
  const onMessage = (message) => (result = message)
  const { code } = await run(process.execPath, args, { cwd: root, env, signal, output: 'show', onMessage })
  return code === 0 ? result : null
}

/** A result as Markdown, which reads well on a terminal too. */
function table({ title, about, unit, base, counts, rows, promises }) {
  const cells = [
    ['', `per ${unit}`, 'per second', `× ${base}`],
    ...rows.map(({ name, time, perSecond, ratio }) => [name, duration(time), round(perSecond), ratio.toFixed(2)]),
  ]
  if (counts === 'memory') {
    cells.splice(0, cells.length, ['', `per ${unit}`, `× ${base}`], ...rows.map(memoryCells))
  }
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length), 4))
  const line = (row) => `| ${row.map((cell, column) => pad(cell, widths[column], column)).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  const kept = promises.map(({ says, held }) => `- ${held ? 'kept' : 'BROKEN'}: ${says}`)
  return [`## ${title}`, '', about, '', line(cells[0]), rule, ...cells.slice(1).map(line), '', ...kept].join('\n')
}

// Functions, not constants: the work above runs before a constant down here has its value.
function pad(cell, width, column) {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width)
}

function round(number) {
  return String(Number(number.toPrecision(3)))
}

function memoryCells({ name, time, ratio }) {
  return [name, `${round(time / 1024)} KiB`, ratio.toFixed(2)]
}

function duration(ms) {
  return ms >= 1 ? `${round(ms)} ms` : `${round(ms * 1000)} µs`
}

/** Replaces the text between `<!-- bench:name -->` and `<!-- /bench -->` by the new table. */
function writePage(results) {
  let text = readFileSync(page, 'utf8')
  for (const [name, result] of results) {
    if (result === null) continue
    const section = new RegExp(`(<!-- bench:${name} -->\n)[^]*?(<!-- /bench -->)`)
    if (!section.test(text))
      throw new Stop(`docs/benchmarks.md has no section for ${name}: add <!-- bench:${name} -->.`)
    const where = `Measured by \`npm run bench -- ${name} --write\` with Node ${process.versions.node} on ${cpus()[0].model.trim()}.`
    text = text.replace(section, (_, start, end) => `${start}\n${table(result)}\n\n${where}\n\n${end}`)
  }
  writeFileSync(page, text)
  say('Wrote docs/benchmarks.md')
}
