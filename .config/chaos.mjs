/**
 * `npm run chaos`: a cluster of three members in network namespaces of the run, clients at work, and faults: kill, restart, freeze,
 * partitions, loss, moves of the leader, compaction, and a rotation of certificates every 300 ms. It checks that every register is
 * linearizable, that no write was applied twice, that watches delivered exactly the history of the store, and that leases lived.
 * Plain etcd3 works next to it, under the same faults. Needs root, for the namespaces.
 *
 * Options: --seconds N (default 180), --seed N (default: random, and printed), --alone (without plain etcd3), --json (the
 * account of this client as one line of JSON, for the tests).
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { aptInstall, canInstall } from './lib/debian.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { etcdBinaries } from './lib/etcd-binaries.mjs'
import { lifecycle, say, Stop } from './lib/lifecycle.mjs'
import { which } from './lib/process.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

await lifecycle(async ({ signal, defer }) => {
  const { seconds, seed, alone, json } = options()
  await ensureDependencies(root, { signal })
  if (process.getuid?.() !== 0) throw new Stop('Run it as root: it makes network namespaces.')
  const missing = [
    ['ip', 'iproute2'],
    ['nft', 'nftables'],
  ].filter(([program]) => which(program, { extra: ['/usr/sbin', '/sbin'] }) === null)
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name)
    if (!canInstall()) throw new Stop(`Install ${packages.join(' and ')}.`)
    await aptInstall(packages, { signal })
  }
  const { folder: binaries } = await etcdBinaries({ root, signal })
  const { runChaos } = await import(pathToFileURL(join(await compile(defer), 'test/chaos/main.js')).href)
  const note = json ? () => undefined : say
  note(`Chaos for ${seconds} s with --seed ${seed}`)
  const report = await runChaos({ seed, seconds, binaries, compare: !alone, say: note })
  const account = report['etcd-mtls']
  const broken =
    account.notLinearizable.length + account.appliedTwice.length + account.watchFaults.length + account.leasesLost
  if (json) say(JSON.stringify(account))
  else {
    print(report)
    if (broken > 0) say(`\nRepeat it: npm run chaos -- --seconds ${seconds} --seed ${seed}`)
  }
  return broken === 0 ? 0 : 1
})

function print(report) {
  const kinds = Object.keys(report)
  const percent = (part, whole) => `${((100 * part) / Math.max(1, whole)).toFixed(2)} %`
  const failures = (each) => Object.values(each.failures).reduce((sum, count) => sum + count, 0)
  const all = (each) => each.operations + each.outcomeUnknown + failures(each)
  const rows = [
    ['operations', (each) => all(each)],
    ['registers that are not linearizable', (each) => `${each.notLinearizable.length} of ${each.registers}`],
    ['values applied twice', (each) => each.appliedTwice.length],
    ['faults in the history of watches', (each) => each.watchFaults.length],
    ['leases lost (TTL 8 s)', (each) => each.leasesLost],
    ['outcome unknown', (each) => `${each.outcomeUnknown} (${percent(each.outcomeUnknown, all(each))})`],
    ['other failures', (each) => `${failures(each)} (${percent(failures(each), all(each))})`],
    ['calls around the death of a member, p50', (each) => `${each.recovery.p50} ms`],
    ['calls around the death of a member, p99', (each) => `${each.recovery.p99} ms`],
    ['growth of memory', (each) => `${each.rssGrowth} MB`],
  ]
  say(`\n${''.padEnd(42)}${kinds.map((kind) => kind.padEnd(18)).join('')}`)
  for (const [name, value] of rows) {
    say(`${name.padEnd(42)}${kinds.map((kind) => String(value(report[kind])).padEnd(18)).join('')}`)
  }
  for (const kind of kinds) {
    const { notLinearizable, appliedTwice, watchFaults, failures: messages } = report[kind]
    for (const key of notLinearizable) say(`${kind}: ${key} is not linearizable`)
    for (const value of appliedTwice) say(`${kind}: ${value} was applied twice`)
    for (const fault of watchFaults) say(`${kind}: watch: ${fault}`)
    for (const [message, count] of Object.entries(messages)) say(`${kind}: ${count} x ${message}`)
  }
}

function options() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      seed: { type: 'string' },
      alone: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const number = (name, usual) => {
    const text = values[name]
    if (text === undefined) return usual
    if (!/^\d{1,10}$/.test(text)) throw new Stop(`--${name} must be a whole number`)
    return Number(text)
  }
  const seed = number('seed', Math.floor(Math.random() * 0x1_0000_0000))
  return { seconds: number('seconds', 180), seed, alone: values.alone, json: values.json }
}

/** Sources and tests as plain JavaScript, in a folder inside the repository, where packages resolve. */
async function compile(defer) {
  const { emitJavaScript, readConfig } = await import('./lib/compile.mjs')
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache/chaos-'))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  const config = readConfig(join(root, '.config/tsconfig.build.json'))
  for (const part of ['src', 'test/chaos', 'test/fuzz', 'test/support']) {
    emitJavaScript(root, part, folder, config.options)
  }
  return folder
}
