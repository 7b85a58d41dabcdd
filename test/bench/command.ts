/** What it costs to start the command, next to a Node process that does nothing. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mintChain } from '../support/minted-chain.js'
import { chainPem } from '../support/mint.js'
import { type Bench, type RemoteContender, shipped } from './harness.js'

const ALONE = 'Node alone'
/** What each call may cost, in units of Node alone. */
const MOST = { '--help': 1.5, 'inspect server.crt': 2 }
/** Processes of one round: a process is short, so that one more or less counts. */
const PROCESSES = 3

/** A process that reports its processor time at its end. */
function processOf(name: string, folder: string, args: readonly string[]): RemoteContender {
  const run = (): number => {
    const all = ['--require', join(folder, 'report.cjs'), ...args]
    const { stderr, status } = spawnSync(process.execPath, all, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${name} failed: ${stderr}`)
    return Number(stderr)
  }
  const measure = (): Promise<number> => {
    const times = Array.from({ length: PROCESSES }, run)
    return Promise.resolve(times.reduce((sum, each) => sum + each, 0) / PROCESSES)
  }
  return { name, measure }
}

export const bench: Bench = {
  title: 'Starting the command',
  about:
    'A process of `etcd-mtls`, from its start to its end, by its own processor time. `inspect` reads and validates a chain of three ' +
    'certificates. Node alone runs an empty module.',
  unit: 'process',
  base: ALONE,
  slice: 0,
  rounds: 21,
  promises: Object.entries(MOST).map(([name, most]) => ({
    says: `\`${name}\`: at most ${String(most)} × Node alone`,
    holds: (measured) => measured(name).ratio <= most,
  })),
  prepare() {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    const program = fileURLToPath(new URL('cli/main.js', shipped()))
    // The program reads its version there.
    copyFileSync('package.json', fileURLToPath(new URL('../package.json', shipped())))
    const { root, intermediate, leaf } = mintChain()
    writeFileSync(join(folder, 'server.crt'), chainPem(leaf, intermediate, root))
    writeFileSync(join(folder, 'empty.mjs'), '')
    const report =
      'const { user, system } = process.cpuUsage(); require("node:fs").writeSync(2, String((user + system) / 1000))'
    writeFileSync(join(folder, 'report.cjs'), `process.on("exit", () => { ${report} })`)
    return {
      contenders: [
        processOf(ALONE, folder, ['empty.mjs']),
        ...Object.keys(MOST).map((name) => processOf(name, folder, [program, ...name.split(' ')])),
        processOf('expiry server.crt', folder, [program, 'expiry', 'server.crt']),
      ],
      dispose: () => {
        rmSync(folder, { recursive: true })
      },
    }
  },
}
