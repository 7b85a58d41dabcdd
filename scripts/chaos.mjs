/**
 * `npm run check -- chaos`: a cluster of three members in network namespaces of the run, clients at work, and faults, one alone and several
 * at once by turns: kill, restart, freeze, partitions, loss, moves of the leader, compaction, next to a rotation of certificates
 * every 300 ms. It checks that registers are linearizable, that no write was applied twice, that append-only sets lose and double
 * nothing, that watches deliver exactly the history of the store, that leases live, and that locks and elections have one holder
 * at a time. Plain etcd3 works next to it, under the same faults. Needs root, for the namespaces.
 *
 * Options: --seconds N (default 180), --seed N (default: random, and printed), --runs N (one after the other, with the seeds that
 * follow; default 1), --only KIND,KIND (these faults alone, to one member after the other; a wrong one lists them), --alone
 * (without plain etcd3), --rotation N and --pace N (milliseconds between rotations, and at most between two operations of a loop;
 * default 300 and 40), --json FILE (adds one line for each run), --keep FOLDER (for what the clients saw, the history of the store, and
 * the logs of the members).
 */
import { appendFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ensureDependencies } from './lib/dependencies.mjs'
import { etcdBinaries } from './lib/etcd-binaries.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { randomSeed, readOptions } from './lib/options.mjs'
import { ensureTools } from './lib/tools.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const OPTIONS = {
  seconds: 180,
  seed: randomSeed(),
  runs: 1,
  only: null,
  alone: false,
  rotation: 300,
  pace: 40,
  json: null,
  keep: null,
}

await lifecycle(async ({ signal, defer }) => {
  const { seed, runs, alone, json, ...given } = readOptions(OPTIONS)
  await ensureDependencies(root, { signal })
  if (process.getuid?.() !== 0) throw new Stop('Run it as root: it makes network namespaces.')
  await ensureTools(['ip', 'nft'], { signal })
  const { folder } = await etcdBinaries({ root, signal })
  process.env.PATH = [folder, process.env.PATH ?? ''].join(delimiter)
  // The bundler is among the packages that may just have been fetched.
  const { bundleForRun } = await import('./lib/bundle-run.mjs')
  const files = ['test/chaos/main.ts', 'test/chaos/workload.ts']
  const bundled = await bundleForRun(root, { name: 'chaos', files, defer })
  const chaos = await import(pathToFileURL(join(bundled, 'main.js')).href)
  const only = given.only?.split(',') ?? null
  const unknown = only?.filter((kind) => !chaos.FAULTS.includes(kind)) ?? []
  if (unknown.length > 0)
    throw new Stop(`There is no fault ${unknown.join(', ')}; there are ${chaos.FAULTS.join(', ')}.`)
  const reports = []
  let broken = 0
  for (let run = 0; run < runs; run += 1) {
    const options = { ...given, seed: seed + run, only, compare: !alone, signal, say }
    say(`Chaos for ${options.seconds} s with --seed ${options.seed}`)
    const report = await chaos.runChaos(options)
    reports.push(report)
    if (json !== null) appendFileSync(json, `${JSON.stringify(report)}\n`)
    broken += print(report, chaos, options)
  }
  if (runs > 1) {
    const kinds = Object.keys(reports[0].clients)
    const sum = (kind) => chaos.sumAccounts(reports.map(({ clients }) => clients[kind]))
    say(`\nAll ${runs} runs`)
    say(chaos.table(Object.fromEntries(kinds.map((kind) => [kind, sum(kind)]))).join('\n'))
  }
  return broken === 0 ? 0 : 1
})

/** Prints one run. Returns how many promises it broke. */
function print(report, chaos, { compare, rotation, pace }) {
  const { seconds, seed, only, quorumConnected, load, processors } = report
  const percent = Math.round(quorumConnected * 100)
  say(`\nA quorum was connected for ${percent} % of the time. Load ${load.toFixed(1)} on ${processors} processors.\n`)
  say(chaos.table(report.clients).join('\n'))
  const promises = chaos.brokenPromises(report)
  for (const promise of promises) say(`\nBroken: ${promise}`)
  const kinds = (only === null ? '' : ` --only ${only.join(',')}`) + (compare ? '' : ' --alone')
  const repeat = `--seconds ${seconds} --seed ${seed}${kinds} --rotation ${rotation} --pace ${pace}`
  if (promises.length > 0) say(`\nRepeat it: npm run check -- chaos ${repeat}`)
  return promises.length
}
