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
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ensureDependencies } from './lib/dependencies.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { randomSeed, readOptions } from './lib/options.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Milliseconds after which an input counts as one that never ends. */
const HANG = 10_000
/** What the thread's heap may hold, in MiB: an input has a few kilobytes. */
const HEAP = 256
/** The target that runs a client against a server, and the most sessions of one run. */
const SESSIONS = 'sessions'
const MAX_SESSIONS = 10_000

await lifecycle(async ({ signal, defer }) => {
  const { seconds, seed, runs, target } = readOptions({ seconds: 60, seed: randomSeed(), runs: Infinity, target: null })
  await ensureDependencies(root, { signal })
  // The bundler is among the packages that may just have been fetched.
  const { bundleForRun } = await import('./lib/bundle-run.mjs')
  const files = ['test/fuzz/targets.ts', 'test/fuzz/worker.ts', 'test/fuzz/session-worker.ts']
  const folder = await bundleForRun(root, { name: 'fuzz', files, defer })
  const { TARGETS } = await import(pathToFileURL(join(folder, 'targets.js')).href)
  const known = [...Object.keys(TARGETS), SESSIONS]
  if (target !== null && !known.includes(target)) {
    throw new Stop(`There is no target ${target}; there are ${known.join(', ')}.`)
  }
  const targets = target === null ? known : [target]
  say(`Fuzzing ${targets.join(', ')} for ${seconds} s each way at most with --seed ${seed}`)
  const parsers = targets.filter((each) => each !== SESSIONS)
  const until = () => Date.now() + seconds * 1000
  let failure = null
  if (parsers.length > 0) {
    const order = { targets: parsers, seed, runs, until: until() }
    const result = await work(join(folder, 'worker.js'), order, signal)
    failure = result.failure
    if (failure === null) say(`${result.inputs} inputs, nothing found`)
  }
  if (failure === null && targets.includes(SESSIONS)) {
    const order = { targets: [SESSIONS], seed, runs: Math.min(runs, MAX_SESSIONS), until: until() }
    const result = await workInProcess(join(folder, 'session-worker.js'), order, signal)
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

/** The same in a process: a thread whose sockets are open when it is terminated may never end. */
function workInProcess(file, order, signal) {
  const child = fork(file, { execArgv: [`--max-old-space-size=${HEAP}`] })
  let sessions = 0
  let latest = order.seed
  const current = (reason) => ({
    inputs: sessions,
    failure: { target: order.targets[0], seed: latest, reason, input: null },
  })
  return new Promise((resolve, reject) => {
    let last = -1
    const watch = setInterval(() => {
      if (sessions === last) end(() => resolve(current(`took more than ${HANG / 1000} s`)))
      last = sessions
    }, HANG)
    const end = (settle) => {
      clearInterval(watch)
      child.kill('SIGKILL')
      settle()
    }
    signal.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true })
    child.on('message', (message) => {
      if (message.result) return end(() => resolve(message.result))
      sessions += 1
      latest = message.session
    })
    child.once('error', (error) => end(() => reject(error)))
    child.once('exit', (code, by) => end(() => resolve(current(`ended with ${by ?? `exit code ${code}`}`))))
    child.send(order)
  })
}
