/**
 * `npm run check`: everything that must hold before a change goes in, one line a step. All steps run, whatever fails;
 * what a failed step wrote comes at the end. `npm run check -- lint types` runs those steps only; `npm run check -- promises` breaks
 * each promise of SECURITY.md and expects its tests to fail.
 */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { run } from './lib/process.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const step = (name, ...command) => ({ name, command })
const npm = (name) => ['npm', 'run', '--silent', name]

/** Lanes run side by side, for two cores; the steps of a lane one after the other. `package` looks at what `build` made. */
const LANES = [
  [
    step('build', ...npm('build')),
    step('package', ...npm('pack:check')),
    step('format', ...npm('format:check')),
    step('regexes', ...npm('regexes')),
  ],
  [step('lint', ...npm('lint')), step('types', ...npm('types')), step('docs', ...npm('docs:check'))],
]
/** The tests and the benchmarks watch the clock, so nothing runs at the same time. */
const ALONE = [
  step('tests', ...npm('test')),
  step('promises', 'node', 'scripts/promises.mjs'),
  step('bench', 'node', 'scripts/bench.mjs', '--check'),
]

await lifecycle(async ({ signal }) => {
  const wanted = chosenSteps(process.argv.slice(2))
  await ensureDependencies(root, { signal })
  const failed = []
  const runLane = async (lane) => {
    for (const each of lane) if (wanted.has(each.name)) await perform(each, { signal, failed })
  }
  await Promise.all(LANES.map(runLane))
  await runLane(ALONE)
  for (const { name, output } of failed) say(`\n--- ${name} ---\n${output.trim()}`)
  say(failed.length === 0 ? 'All is well' : `\nFailed: ${failed.map(({ name }) => name).join(', ')}`)
  return failed.length === 0 ? 0 : 1
})

function chosenSteps(names) {
  const all = [...LANES.flat(), ...ALONE].map(({ name }) => name)
  const unknown = names.filter((name) => !all.includes(name))
  if (unknown.length > 0) throw new Stop(`There is no step ${unknown.join(', ')}; there are ${all.join(', ')}.`)
  return new Set(names.length === 0 ? all : names)
}

async function perform({ name, command: [program, ...args] }, { signal, failed }) {
  const started = performance.now()
  const { code, stdout, stderr } = await run(program, args, { cwd: root, signal })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const counts = /^\d+ (?:passed|changes), \d+ (?:failed|faults)$/m.exec(stdout)?.[0] ?? ''
  say(`${code === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${seconds.padStart(6)} s  ${counts}`.trimEnd())
  if (code !== 0) failed.push({ name, output: `${stdout}${stderr}` })
}
