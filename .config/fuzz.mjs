/**
 * `npm run fuzz`: breaks certificates, revocation lists, PEM, names and keys in random ways, and watches the readers and
 * the validator: no error but the typed ones, no altered certificate taken for good, no control character in anything
 * that is printed, no input that takes long or fills the memory. Ends with exit code 1 at the first input after which
 * that does not hold, and says how to repeat it: the same seed makes the same input in every run.
 *
 * The target `sessions` is a TLS server in the place of etcd that sends what etcd never sends, to a client that reads, writes, watches
 * and locks: no error that nobody catches, no call that outlives its deadline. It runs after the other targets, for as long again.
 *
 * Options: --seconds N (default 60), --seed N (default: random, and printed), --runs N (inputs of each target, default:
 * as many as there is time for), --target NAME (default: all; a wrong name lists them).
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { ensureDependencies } from './lib/dependencies.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Milliseconds after which an input counts as one that never ends. */
const HANG = 10_000
/** What the thread's heap may hold, in MiB: an input has a few kilobytes. */
const HEAP = 256
/** The target that runs a client against a server, and the most sessions of one run. */
const SESSIONS = 'sessions'
const MAX_SESSIONS = 10_000

await lifecycle(async ({ signal, defer }) => {
  const { seconds, seed, runs, target } = options()
  await ensureDependencies(root, { signal })
  const folder = await compile(defer)
  const { TARGETS } = await import(pathToFileURL(join(folder, 'test/fuzz/targets.js')).href)
  const known = [...Object.keys(TARGETS), SESSIONS]
  if (target !== undefined && !known.includes(target)) {
    throw new Stop(`There is no target ${target}; there are ${known.join(', ')}.`)
  }
  const targets = target === undefined ? known : [target]
  say(`Fuzzing ${targets.join(', ')} for ${seconds} s each way at most with --seed ${seed}`)
  const parsers = targets.filter((each) => each !== SESSIONS)
  const until = () => Date.now() + seconds * 1000
  let failure = null
  if (parsers.length > 0) {
    const order = { targets: parsers, seed, runs, until: until() }
    const result = await work(join(folder, 'test/fuzz/worker.js'), order, signal)
    failure = result.failure
    if (failure === null) say(`${result.inputs} inputs, nothing found`)
  }
  if (failure === null && targets.includes(SESSIONS)) {
    const order = { targets: [SESSIONS], seed, runs: Math.min(runs, MAX_SESSIONS), until: until() }
    const result = await work(join(folder, 'test/fuzz/session-worker.js'), order, signal)
    failure = result.failure
    if (failure === null) say(`${result.inputs} sessions, nothing found`)
  }
  if (failure === null) return 0
  say(`Failed on target ${failure.target}: ${failure.reason}`)
  if (failure.input) say(`The input, in base64: ${failure.input}`)
  say(`Repeat it: npm run fuzz -- --target ${failure.target} --seed ${failure.seed} --runs 1`)
  return 1
})

/** Runs the loop on a thread; what ends the thread is a failure of the input that it worked on. */
function work(file, order, signal) {
  const progress = new Int32Array(new SharedArrayBuffer(12))
  const worker = new Worker(file, {
    workerData: { ...order, progress },
    resourceLimits: { maxOldGenerationSizeMb: HEAP },
  })
  const current = (reason) => {
    const target = order.targets[Atomics.load(progress, 0)]
    const failure = { target, seed: Atomics.load(progress, 1) >>> 0, reason, input: null }
    return { inputs: Atomics.load(progress, 2), failure }
  }
  return new Promise((resolve, reject) => {
    let last = -1
    const watch = setInterval(() => {
      const now = Atomics.load(progress, 2)
      if (now === last && now > 0) end(() => resolve(current(`took more than ${HANG / 1000} s`)))
      last = now
    }, HANG)
    const end = (settle) => {
      clearInterval(watch)
      void worker.terminate()
      settle()
    }
    signal.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true })
    worker.once('message', (result) => end(() => resolve(result)))
    worker.once('error', (error) => end(() => resolve(current(error.stack ?? String(error)))))
  })
}

function options() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      seed: { type: 'string' },
      runs: { type: 'string' },
      target: { type: 'string' },
    },
  })
  const number = (name, usual) => {
    const text = values[name]
    if (text === undefined) return usual
    if (!/^\d{1,10}$/.test(text)) throw new Stop(`--${name} must be a whole number`)
    return Number(text)
  }
  const seed = number('seed', Math.floor(Math.random() * 0x1_0000_0000))
  return { seconds: number('seconds', 60), seed, runs: number('runs', Infinity), target: values.target }
}

/** Sources and tests as plain JavaScript, in a folder inside the repository, where packages resolve. */
async function compile(defer) {
  // The compiler is among the packages that may just have been fetched.
  const { emitJavaScript, readConfig } = await import('./lib/compile.mjs')
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache/fuzz-'))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  const config = readConfig(join(root, '.config/tsconfig.build.json'))
  for (const part of ['src', 'test/fuzz', 'test/support']) emitJavaScript(root, part, folder, config.options)
  return folder
}
