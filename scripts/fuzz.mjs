/**
 * `npm run check -- fuzz`: breaks certificates, revocation lists, PEM, names and keys in random ways, and watches the readers and
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
import { ensureDependencies } from './lib/dependencies.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { randomSeed, readOptions } from './lib/options.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Milliseconds after which an input counts as one that never ends. */
const HANG = 10_000
/** What the heap of the process may hold, in MiB: an input has a few kilobytes. */
const HEAP = 256
/** The target that runs a client against a server, and the most sessions of one run. */
const SESSIONS = 'sessions'
const MAX_SESSIONS = 10_000

await lifecycle(async ({ signal, defer }) => {
  const { seconds, seed, runs, target } = readOptions({ seconds: 60, seed: randomSeed(), runs: Infinity, target: null })
  await ensureDependencies(root, { signal })
  // The bundler is among the packages that may just have been fetched.
  const { bundleForRun } = await import('./lib/bundle-run.mjs')
  const files = ['test/fuzz/targets.ts', 'test/fuzz/worker.ts']
  const folder = await bundleForRun(root, { name: 'fuzz', files, defer })
  const { TARGETS } = await import(pathToFileURL(join(folder, 'targets.js')).href)
  const known = [...Object.keys(TARGETS), SESSIONS]
  if (target !== null && !known.includes(target)) {
    throw new Stop(`There is no target ${target}; there are ${known.join(', ')}.`)
  }
  const targets = target === null ? known : [target]
  say(`Fuzzing ${targets.join(', ')} for ${seconds} s each way at most with --seed ${seed}`)
  const parsers = targets.filter((each) => each !== SESSIONS)
  const orders = [
    ...(parsers.length > 0 ? [{ targets: parsers, runs }] : []),
    ...(targets.includes(SESSIONS) ? [{ targets: [SESSIONS], runs: Math.min(runs, MAX_SESSIONS) }] : []),
  ]
  let failure = null
  for (const order of orders) {
    const until = Date.now() + seconds * 1000
    const result = await work(join(folder, 'worker.js'), { ...order, seed, until }, signal)
    failure = result.failure
    if (failure !== null) break
    say(`${result.inputs} ${order.targets.includes(SESSIONS) ? 'sessions' : 'inputs'}, nothing found`)
  }
  if (failure === null) return 0
  say(`Failed on target ${failure.target}: ${failure.reason}`)
  if (failure.input) say(`The input, in base64: ${failure.input}`)
  say(`Repeat it: npm run check -- fuzz --target ${failure.target} --seed ${failure.seed} --runs 1`)
  return 1
})

/** Runs the loop in a process; what ends the process is a failure of the input that it worked on. */
function work(file, order, signal) {
  const child = fork(file, { execArgv: [`--max-old-space-size=${HEAP}`], serialization: 'advanced' })
  let inputs = 0
  let latest = { target: order.targets[0], seed: order.seed }
  const current = (reason) => ({ inputs, failure: { ...latest, reason, input: null } })
  return new Promise((resolve, reject) => {
    let last = -1
    const watch = setInterval(() => {
      if (inputs === last) end(() => resolve(current(`took more than ${HANG / 1000} s`)))
      last = inputs
    }, HANG)
    const end = (settle) => {
      clearInterval(watch)
      child.kill('SIGKILL')
      settle()
    }
    signal.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true })
    child.on('message', (message) => {
      if (message.result) return end(() => resolve(message.result))
      inputs += 1
      latest = message
    })
    child.once('error', (error) => end(() => reject(error)))
    child.once('exit', (code, by) => end(() => resolve(current(`ended with ${by ?? `exit code ${code}`}`))))
    child.send(order)
  })
}
