/** `npm run chaos`: a cluster in namespaces, work by this client and by plain etcd3, faults, and an account of what went wrong. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Account, accountOf, type ChaosReport } from './account.js'
import { injectFaults } from './faults.js'
import { CLIENT_ADDRESS, createMembers, type Member, Network, writePki } from './network.js'
import { type FaultKind, planOf } from './plan.js'
import { followQuorum, shareConnected } from './quorum.js'
import { Recording } from './record.js'
import { electedLeaders } from './recovery.js'
import { StoreHistory } from './store-history.js'
import type { ClientKind } from './clients/work.js'
import { endKeys } from './clients/watches.js'
import type { WorkOrder } from './workload.js'

export { brokenPromises, sumAccounts } from './account.js'
export { FAULTS } from './plan.js'
export { table } from './table.js'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  /** Kinds of faults that happen, to one member after the other; null: all kinds, alone and at once. */
  readonly only: readonly FaultKind[] | null
  /** Milliseconds between two rotations of the certificates. */
  readonly rotation: number
  /** Longest pause between two operations of a loop, in milliseconds. */
  readonly pace: number
  /** Folder of etcd and etcdctl. */
  readonly binaries: string
  /** Whether plain etcd3 works next to this client, under the same faults. */
  readonly compare: boolean
  /** Folder for what was recorded; null: it is not kept. */
  readonly keep: string | null
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

const MEMBERS = 3

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, seconds, only, rotation, pace, say, signal } = options
  const folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-chaos-'))
  const network = new Network(process.pid.toString(36))
  let members: Member[] = []
  let history: StoreHistory | null = null
  const workers: Worker[] = []
  try {
    writePki(folder, MEMBERS)
    const space = network.host('client', CLIENT_ADDRESS)
    members = createMembers(network, { count: MEMBERS, folder, binaries: options.binaries })
    await Promise.all(members.map((each) => each.start()))
    history = new StoreHistory(members)
    const kinds: ClientKind[] = options.compare ? ['etcd-mtls', 'etcd3'] : ['etcd-mtls']
    const endpoints = members.map(({ endpoint }) => endpoint)
    for (const kind of kinds) {
      const recording = join(folder, `${kind}.jsonl`)
      workers.push(new Worker(space, { kind, endpoints, folder, recording, seed, rotation, pace }))
    }
    await Promise.all(workers.map((each) => each.working))
    const begun = Date.now()
    const quorum = followQuorum(members)
    const deaths = await injectFaults({ members, history, say }, planOf(seed, MEMBERS, only), { seconds, signal })
    const ended = Date.now()
    const [load = 0] = loadavg()
    await Promise.all(workers.map((each) => each.stop()))
    await history.endWith(kinds.flatMap((kind) => endKeys(`${kind}/`)))
    await Promise.all(workers.map((each) => each.finish()))
    const { events } = history
    if (options.keep !== null) {
      const kept = join(options.keep, `seed-${String(seed)}`)
      cpSync(folder, kept, { recursive: true, filter: (path) => !path.endsWith('/data') })
      writeFileSync(join(kept, 'cluster.json'), JSON.stringify({ events, quorum, deaths }))
    }
    const elected = electedLeaders(members.map(({ log }) => log))
    const clients: Partial<Record<ClientKind, Account>> = {}
    for (const { order } of workers) {
      // What follows another fault at once is no measure of a recovery.
      const circumstances = { prefix: `${order.kind}/`, events, quorum, deaths: only === null ? [] : deaths, elected }
      clients[order.kind] = accountOf(Recording.read(order.recording), circumstances)
    }
    const quorumConnected = shareConnected(quorum, begun, ended)
    const machine = { load, processors: cpus().length }
    return { seed, seconds, only, quorumConnected, deaths: deaths.length, ...machine, clients }
  } finally {
    history?.close()
    for (const worker of workers) worker.kill()
    await Promise.all(members.map((each) => each.end('SIGKILL')))
    network.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A process that works as one kind of client. */
class Worker {
  readonly order: WorkOrder
  readonly working: Promise<void>
  readonly #child: ChildProcess

  constructor(space: string, order: WorkOrder) {
    this.order = order
    const file = fileURLToPath(new URL('workload.js', import.meta.url))
    // Plain etcd3 sends IP addresses as SNI, and Node warns of it.
    const flags = ['--expose-gc', '--disable-warning=DEP0123']
    const args = ['netns', 'exec', space, process.execPath, ...flags, file, JSON.stringify(order)]
    this.#child = spawn('ip', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.working = this.#answer('working')
    this.working.catch(() => undefined)
  }

  async stop(): Promise<void> {
    const stopped = this.#answer('stopped')
    this.#child.send('stop')
    await stopped
  }

  async finish(): Promise<void> {
    const finished = this.#answer('finished')
    this.#child.send('finish')
    await finished
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** The next message. The end of the process is an error. */
  async #answer(expected: string): Promise<void> {
    const gone = new AbortController()
    const ended = once(this.#child, 'exit', { signal: gone.signal }).then(([code, by]) => {
      throw new Error(`The process of ${this.order.kind} ended with ${String(code ?? by)}`)
    })
    ended.catch(() => undefined)
    try {
      const [message] = (await Promise.race([once(this.#child, 'message'), ended])) as [unknown]
      if (message !== expected) throw new Error(`${this.order.kind} sent ${String(message)} instead of ${expected}`)
    } finally {
      gone.abort()
    }
  }
}
