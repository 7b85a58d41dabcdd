/**
 * `npm run check`: everything that must hold before a change goes in, one line for each step. All steps run, whatever fails;
 * the output of failed steps comes at the end.
 *
 * - `npm run check -- lint types` runs these steps.
 * - `npm run check -- promises` breaks each promise of SECURITY.md and expects its tests to fail.
 * - `npm run check -- matrix node24` runs one tool with its arguments: see lib/check-plan.mjs.
 */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { planCheck } from './lib/check-plan.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { lifecycle, say } from './lib/lifecycle.mjs'
import { run } from './lib/process.mjs'
import { findVectors } from './lib/vectors.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** How long an interrupted step or tool may take to remove its containers and namespaces, in milliseconds. */
const GRACE = 60_000

await lifecycle(async ({ signal }) => {
  const { folder, limbo } = findVectors(root)
  const missingVectors = limbo === null ? `its vectors are not in ${folder}` : null
  const plan = planCheck(process.argv.slice(2), { missingVectors })
  await ensureDependencies(root, { signal })
  if ('tool' in plan) {
    const [program, ...args] = plan.tool
    const { code } = await run(program, args, { cwd: root, signal, grace: GRACE, output: 'show' })
    return code ?? 1
  }
  const failed = []
  const runLane = async (lane) => {
    for (const each of lane) await perform(each, { signal, failed })
  }
  await Promise.all(plan.lanes.map(runLane))
  await runLane(plan.alone)
  for (const { name, output } of failed) say(`\n--- ${name} ---\n${output.trim()}`)
  say(failed.length === 0 ? 'All is well' : `\nFailed: ${failed.map(({ name }) => name).join(', ')}`)
  return failed.length === 0 ? 0 : 1
})

async function perform({ name, commands, missing }, { signal, failed }) {
  if (missing !== undefined) return say(`none    ${name.padEnd(11)} ${' '.repeat(9)} not run: ${missing}`)
  const started = performance.now()
  let isGood = true
  let output = ''
  let counts = ''
  for (const [program, ...args] of commands) {
    const { code, stdout, stderr } = await run(program, args, { cwd: root, signal, grace: GRACE })
    isGood &&= code === 0
    output += `${stdout}${stderr}`
    counts = /^\d+ (?:passed|changes), \d+ (?:failed|faults)$/m.exec(stdout)?.[0] ?? counts
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  say(`${isGood ? 'ok    ' : 'FAILED'}  ${name.padEnd(11)} ${seconds.padStart(7)} s ${counts}`.trimEnd())
  if (!isGood) failed.push({ name, output })
}
