/**
 * `npm run fuzz`: breaks certificates, revocation lists, PEM and keys in random ways, and watches the readers and the
 * validator: no error but the typed ones, no altered certificate or list taken for good, no control character in a report,
 * no input that takes long, no growth of the heap. Ends with exit code 1 at the first input after which that does not hold,
 * and says how to repeat it.
 *
 * Options: --seconds N (default 60), --seed N (default: random, and printed), --target certificate|chain|crl|pem|key.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ensureDependencies } from './lib/dependencies.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** What the heap may hold more at the end than after the first inputs, in octets. */
const HEAP_GROWTH = 16 * 1024 * 1024

await lifecycle(async ({ signal, defer }) => {
  const { seconds, seed, target } = options()
  await ensureDependencies(root, { signal })
  const { fuzz, makeTargets } = await load(defer)
  const all = makeTargets()
  if (target !== undefined && !Object.hasOwn(all, target)) {
    throw new Stop(`There is no target ${target}; there are ${Object.keys(all).join(', ')}.`)
  }
  const targets = target === undefined ? all : { [target]: all[target] }
  say(`Fuzzing for ${seconds} s with --seed ${seed}`)
  const end = Date.now() + seconds * 1000
  const warm = await fuzz(targets, seed, (inputs) => inputs < 500 && Date.now() < end && !signal.aborted)
  const before = heapInUse()
  const outcome =
    warm.failure !== null ? warm : await fuzz(targets, seed + 500, () => Date.now() < end && !signal.aborted)
  if (outcome.failure !== null) {
    const { failure } = outcome
    say(`Failed on target ${failure.target}: ${failure.reason}`)
    say(`The input, in base64: ${failure.input.toString('base64')}`)
    say(
      `Seeds are minted anew each run; the same changes: npm run fuzz -- --target ${failure.target} --seed ${failure.seed}`,
    )
    return 1
  }
  const growth = heapInUse() - before
  say(
    `${warm.inputs + outcome.inputs} inputs, nothing found; the heap grew by ${(growth / 1024 / 1024).toFixed(1)} MiB`,
  )
  return growth > HEAP_GROWTH ? 1 : 0
})

function options() {
  const { values } = parseArgs({
    options: { seconds: { type: 'string' }, seed: { type: 'string' }, target: { type: 'string' } },
  })
  const number = (name, usual) => {
    const text = values[name]
    if (text === undefined) return usual
    if (!/^\d{1,9}$/.test(text)) throw new Stop(`--${name} must be a whole number`)
    return Number(text)
  }
  const seed = number('seed', Math.floor(Math.random() * 1_000_000_000))
  return { seconds: number('seconds', 60), seed, target: values.target }
}

/** What is still in use after everything else was thrown away, in octets. */
function heapInUse() {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

/** Sources and tests as plain JavaScript, in a folder inside the repository, where packages resolve. */
async function load(defer) {
  // The compiler is among the packages that may just have been fetched.
  const { emitJavaScript, readConfig } = await import('./lib/compile.mjs')
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache/fuzz-'))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  const config = readConfig(join(root, '.config/tsconfig.build.json'))
  for (const part of ['src', 'test/fuzz', 'test/support']) emitJavaScript(root, part, folder, config.options)
  const { fuzz } = await import(pathToFileURL(join(folder, 'test/fuzz/loop.js')).href)
  const { makeTargets } = await import(pathToFileURL(join(folder, 'test/fuzz/targets.js')).href)
  return { fuzz, makeTargets }
}
