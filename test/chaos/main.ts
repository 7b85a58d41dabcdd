/** `npm run check -- chaos`: a cluster in namespaces, work by this client and by plain etcd3, faults, and an account of what went wrong. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Account, accountOf, type ChaosReport } from './account.js'
import { electedLeaders, shareConnected } from './checks.js'
import { type FaultKind, injectFaults, planOf } from './faults.js'
import { CLIENT_ADDRESS, createMembers, followQuorum, type Member, Network } from './network.js'
import { Recording } from './record.js'
import { StoreHistory } from './store-history.js'
import type { ClientKind } from './clients/work.js'
import { endKeys } from './clients/watches.js'
import type { WorkOrder } from './workload.js'

export { brokenPromises, sumAccounts, table } from './account.js'
export { FAULTS } from './faults.js'

interface ChaosOptions extends Pick<WorkOrder, 'seed' | 'rotation' | 'pace'> {
  readonly seconds: number
  /** Kinds of faults that happen, to one member after the other; null: all kinds, alone and at once. */
  readonly only: readonly FaultKind[] | null
  /** Whether plain etcd3 works next to this client, under the same faults. */
  readonly compare: boolean
  /** Folder for what was recorded; null: it is not kept. */
  readonly keep: string | null
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, seconds, only, rotation, pace, say, signal } = options
  const folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-chaos-'))
  const network = new Network(process.pid.toString(36))
  let members: Member[] = []
  let history: StoreHistory | null = null
  const workers: Worker[] = []
  try {
    const space = network.host('client', CLIENT_ADDRESS)
    members = createMembers(network, folder)
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
    const plan = planOf(seed, members.length, only)
    const deaths = await injectFaults({ members, history, say }, plan, { seconds, signal })
    const quorumConnected = shareConnected(quorum, begun, Date.now())
    const [load = 0] = loadavg()
    await Promise.all(workers.map((each) => each.request('stop', 'stopped')))
    await history.endWith(kinds.flatMap((kind) => endKeys(`${kind}/`)))
    await Promise.all(workers.map((each) => each.request('finish', 'finished')))
    const { events } = history
    const logs = members.map(({ log }) => log)
    if (options.keep !== null) {
      const kept = join(options.keep, `seed-${String(seed)}`)
      for (const { order } of workers) cpSync(order.recording, join(kept, `${order.kind}.jsonl`))
      writeFileSync(join(kept, 'cluster.json'), JSON.stringify({ events, quorum, deaths, logs }))
    }
    // What follows another fault at once is no measure of a recovery.
    const circumstances = { events, quorum, deaths: only === null ? [] : deaths, elected: electedLeaders(logs) }
    const clients: Partial<Record<ClientKind, Account>> = {}
    for (const { kind, recording } of workers.map(({ order }) => order)) {
      clients[kind] = accountOf(Recording.read(recording), circumstances, `${kind}/`)
    }
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
    const command = [process.execPath, '--disable-warning=DEP0123', file, JSON.stringify(order)]
    this.#child = spawn('ip', ['netns', 'exec', space, ...command], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.working = this.#answer('working')
    this.working.catch(() => undefined)
  }

  /** Sends a message and waits for the answer. */
  async request(message: string, answer: string): Promise<void> {
    const answered = this.#answer(answer)
    this.#child.send(message)
    await answered
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
