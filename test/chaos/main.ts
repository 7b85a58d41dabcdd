/** `npm run chaos`: a cluster in namespaces, work by this client and by plain etcd3, faults, and an account of what went wrong. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Random } from '../fuzz/random.js'
import { isLinearizable, type Operation } from './linearizable.js'
import { addressOf, CLIENT_ADDRESS, type Member, Network, startMembers, writePki } from './network.js'
import type { SeenEvent, WorkOrder, WorkResult } from './workload.js'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  /** Folder of etcd and etcdctl. */
  readonly binaries: string
  /** Whether plain etcd3 works next to this client, under the same faults. */
  readonly compare: boolean
  readonly say: (line: string) => void
}

/** What one kind of client met. */
export interface Account {
  readonly operations: number
  readonly registers: number
  readonly notLinearizable: string[]
  readonly appliedTwice: string[]
  readonly watchFaults: string[]
  readonly outcomeUnknown: number
  readonly failures: Record<string, number>
  readonly leasesLost: number
  /** Latency of the calls around the death of a member, in milliseconds. */
  readonly recovery: { readonly p50: number; readonly p99: number }
  readonly rssGrowth: number
}

export type ChaosReport = Partial<Record<WorkOrder['kind'], Account>>

const MEMBERS = 3
const ROTATION = 300

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, seconds, binaries, compare, say } = options
  const folder = mkdtempSync(join(tmpdir(), 'etcd-mtls-chaos-'))
  const network = new Network(process.pid.toString(36))
  let members: Member[] = []
  const workers: Worker[] = []
  let truth: Truth | null = null
  try {
    writePki(folder, MEMBERS)
    const space = network.host('client', CLIENT_ADDRESS)
    members = startMembers(network, { count: MEMBERS, folder, binaries })
    await until(() => members.every((each) => isServing(each)), 60_000, 'The members do not serve')
    truth = new Truth(members)
    const kinds: WorkOrder['kind'][] = compare ? ['etcd-mtls', 'etcd3'] : ['etcd-mtls']
    const endpoints = members.map(({ endpoint }) => endpoint)
    for (const kind of kinds) {
      const rotation = kind === 'etcd-mtls' ? ROTATION : 0
      workers.push(new Worker(space, { kind, endpoints, folder, seed, rotation }))
    }
    await Promise.all(workers.map((each) => each.working))
    const deaths = await injectFaults(members, truth, { random: new Random(seed), seconds, say })
    for (const member of members) member.heal()
    await until(() => members.every((each) => isServing(each)), 60_000, 'The members do not come back')
    await Promise.all(workers.map((each) => each.stop()))
    await truth.catchUp()
    // Watches are given the time that the slowest of them may need: the events of the last seconds.
    await sleep(3000)
    const results = await Promise.all(workers.map((each) => each.finish()))
    const events = truth.events
    const report: ChaosReport = {}
    results.forEach((result, index) => {
      report[kinds[index] ?? 'etcd-mtls'] = accountOf(result, events, deaths)
    })
    return report
  } finally {
    truth?.close()
    for (const worker of workers) worker.kill()
    await Promise.all(members.map((each) => each.end('SIGKILL')))
    network.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function until(condition: () => boolean, limit: number, complaint: string): Promise<void> {
  const end = performance.now() + limit
  while (!condition()) {
    if (performance.now() > end) throw new Error(complaint)
    await sleep(200)
  }
}

function isServing(member: Member): boolean {
  try {
    member.etcdctl('get', 'health', '--command-timeout=2s')
    return true
  } catch {
    // Not yet: the caller asks again.
    return false
  }
}

/** A process that works as one kind of client. */
class Worker {
  readonly working: Promise<void>
  readonly #child: ChildProcess
  readonly #kind: string

  constructor(space: string, order: WorkOrder) {
    const file = fileURLToPath(new URL('workload.js', import.meta.url))
    this.#kind = order.kind
    this.#child = spawn('ip', ['netns', 'exec', space, process.execPath, file, JSON.stringify(order)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.working = this.#answer('working').then(() => undefined)
    this.working.catch(() => undefined)
  }

  async stop(): Promise<void> {
    const stopped = this.#answer('stopped')
    this.#child.send('stop')
    await stopped
  }

  async finish(): Promise<WorkResult> {
    const result = this.#answer(null)
    this.#child.send('finish')
    return (await result) as WorkResult
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** The next message, which must be `expected`, or anything if that is null. The end of the process is an error. */
  async #answer(expected: string | null): Promise<unknown> {
    const gone = new AbortController()
    const ended = once(this.#child, 'exit', { signal: gone.signal }).then(([code, by]) => {
      throw new Error(`The process of ${this.#kind} ended with ${String(code ?? by)}`)
    })
    ended.catch(() => undefined)
    try {
      const [message] = (await Promise.race([once(this.#child, 'message'), ended])) as [unknown]
      if (expected !== null && message !== expected) throw new Error(`${this.#kind} sent ${String(message)}`)
      return message
    } finally {
      gone.abort()
    }
  }
}

/** The history of the store, by etcdctl at the members themselves. */
class Truth {
  readonly events: SeenEvent[] = []
  readonly #members: readonly Member[]
  #revision = 0n
  #child: ChildProcess | null = null
  #closed = false
  #member = 0

  constructor(members: readonly Member[]) {
    this.#members = members
    this.#follow()
  }

  /** The newest revision that was read. */
  get revision(): bigint {
    return this.#revision
  }

  async catchUp(): Promise<void> {
    const [member] = this.#members
    member?.etcdctl('put', 'end', 'of history')
    const output = member?.etcdctl('get', 'end', '-w', 'json') ?? '{}'
    const parsed = JSON.parse(output) as { kvs?: { mod_revision: number }[] }
    const last = BigInt(parsed.kvs?.[0]?.mod_revision ?? 0)
    await until(() => this.#revision >= last, 60_000, 'The history of the store does not come to its end')
  }

  /** Reads from another member: the one that is read from is about to fail. */
  leave(index: number): void {
    if (index === this.#member % this.#members.length) this.#child?.kill('SIGKILL')
  }

  close(): void {
    this.#closed = true
    this.#child?.kill('SIGKILL')
  }

  #follow(): void {
    if (this.#closed) return
    const member = this.#members[this.#member % this.#members.length]
    if (member === undefined) return
    const child = member.spawnEtcdctl('watch', '', '--prefix', `--rev=${String(this.#revision + 1n)}`, '-w', 'json')
    this.#child = child
    if (child.stdout !== null) {
      createInterface(child.stdout).on('line', (line) => {
        this.#read(line)
      })
    }
    child.once('close', () => {
      this.#member += 1
      setTimeout(() => {
        this.#follow()
      }, 100)
    })
  }

  #read(line: string): void {
    interface Line {
      Events?: { type?: number; kv: { key: string; value?: string; mod_revision: number } }[] | null
    }
    const { Events = [] } = JSON.parse(line) as Line
    const before = this.#revision
    for (const { type = 0, kv } of Events ?? []) {
      const revision = BigInt(kv.mod_revision)
      if (revision <= before) continue
      const text = (base64 = ''): string => Buffer.from(base64, 'base64').toString()
      this.events.push({
        revision: String(revision),
        type: type === 1 ? 'delete' : 'put',
        key: text(kv.key),
        value: text(kv.value),
      })
      this.#revision = revision
    }
  }
}

interface Schedule {
  readonly random: Random
  readonly seconds: number
  readonly say: (line: string) => void
}

/** One fault after the other, each healed before the next, so that a quorum stays connected. Returns when members died. */
async function injectFaults(members: readonly Member[], truth: Truth, schedule: Schedule): Promise<number[]> {
  const { random, seconds, say } = schedule
  const deaths: number[] = []
  const end = performance.now() + seconds * 1000
  const pause = async (least: number, most: number): Promise<void> => sleep(least + random.below(most - least))
  const restart = async (member: Member, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    deaths.push(Date.now())
    truth.leave(member.index)
    await member.end(signal)
    await pause(300, 2000)
    member.start()
    await until(() => isServing(member), 60_000, `Member ${String(member.index)} does not come back`)
  }
  const faults: Record<string, (member: Member) => Promise<void>> = {
    kill: (member) => restart(member, 'SIGKILL'),
    restart: (member) => restart(member, 'SIGTERM'),
    freeze: async (member) => {
      truth.leave(member.index)
      member.signal('SIGSTOP')
      await pause(500, 4000)
      member.signal('SIGCONT')
    },
    'cut from clients': async (member) => {
      member.cut([CLIENT_ADDRESS])
      await pause(500, 4000)
      member.heal()
    },
    'cut from members': async (member) => {
      truth.leave(member.index)
      member.cut(members.filter((each) => each !== member).map(({ index }) => addressOf(index)))
      await pause(500, 5000)
      member.heal()
    },
    loss: async (member) => {
      member.lose(15)
      await pause(500, 4000)
      member.heal()
    },
    'move leader': async (member) => {
      await Promise.resolve()
      attempt(() =>
        member.etcdctl('move-leader', idOf(member), `--endpoints=${members.map((each) => each.endpoint).join(',')}`),
      )
    },
    compact: async (member) => {
      await Promise.resolve()
      // What the history has not read must stay readable, and so must what a watch may be behind.
      const revision = truth.revision - 50n
      if (revision > 0n) attempt(() => member.etcdctl('compact', String(revision)))
    },
  }
  const names = Object.keys(faults)
  for (let turn = 0; performance.now() < end; turn += 1) {
    // Each of them once, in an order by the seed, then again in another one.
    if (turn % names.length === 0) names.sort(() => random.below(2) - 0.5)
    const name = names[turn % names.length] ?? ''
    const member = members[random.below(members.length)]
    if (member === undefined) continue
    say(
      `${(Math.max(0, end - performance.now()) / 1000).toFixed(0).padStart(4)} s left: ${name}, member ${String(member.index)}`,
    )
    await faults[name]?.(member)
    await pause(200, 1500)
  }
  return deaths
}

/** Faults that etcd may refuse, as the move of the leadership to the leader. */
function attempt(work: () => unknown): void {
  try {
    work()
  } catch {
    // Refused: then this turn has no fault.
  }
}

function idOf(member: Member): string {
  const [status] = JSON.parse(member.etcdctl('endpoint', 'status', '-w', 'json')) as {
    Status: { header: { member_id: number } }
  }[]
  const id = /"member_id":(\d+)/.exec(member.etcdctl('endpoint', 'status', '-w', 'json'))?.[1]
  return BigInt(id ?? status?.Status.header.member_id ?? 0).toString(16)
}

function accountOf(result: WorkResult, truth: readonly SeenEvent[], deaths: readonly number[]): Account {
  const histories = Object.entries(result.histories)
  const notLinearizable = histories.filter(([, history]) => !isLinearizable(relevant(history))).map(([key]) => key)
  const counts = new Map<string, number>()
  for (const { type, value } of truth) if (type === 'put') counts.set(value, (counts.get(value) ?? 0) + 1)
  const appliedTwice = [...counts].filter(([value, count]) => count > 1 && value.includes('#')).map(([value]) => value)
  const own = histories.map(([key]) => key)
  const around = result.latencies
    .filter(({ at, took }) => deaths.some((death) => at > death && at - took < death + 1000))
    .map(({ took }) => took)
    .sort((one, other) => one - other)
  const quantile = (part: number): number => Math.round(around[Math.floor(around.length * part)] ?? 0)
  const [early = 0] = result.rss.slice(Math.min(10, result.rss.length - 1))
  return {
    operations: result.answered,
    registers: histories.length,
    notLinearizable,
    appliedTwice: appliedTwice.filter((value) => own.some((key) => value.startsWith(`${key}#`))),
    watchFaults: result.watches.flatMap((each) => watchFaults(each, truth)),
    outcomeUnknown: result.outcomeUnknown,
    failures: result.failures,
    leasesLost: result.leasesLost,
    recovery: { p50: quantile(0.5), p99: quantile(0.99) },
    rssGrowth: Math.round(((result.rss.at(-1) ?? early) - early) / 1024 / 1024),
  }
}

/** Without the writes of unknown outcome that nobody has seen: they explain nothing, and cost much. JSON has made Infinity null. */
function relevant(history: readonly Operation[]): Operation[] {
  const seen = new Set(
    history.flatMap(({ action }) =>
      action.type === 'read' ? [action.value] : action.type === 'cas' ? [action.expected, action.found] : [],
    ),
  )
  return history
    .map((each) => ({ ...each, returned: (each.returned as number | null) ?? Infinity }))
    .filter(
      ({ returned, action }) =>
        returned !== Infinity || action.type === 'read' || action.value === null || seen.has(action.value),
    )
}

/** How what a watch delivered differs from the history of the store. */
function watchFaults(watch: WorkResult['watches'][number], truth: readonly SeenEvent[]): string[] {
  const line = ({ revision, type, key }: SeenEvent): string => `${revision} ${type} ${key}`
  const prefix = watch.events[0]?.key.split('/')[0]
  const first = watch.events[0]?.revision
  const expected = truth
    .filter(({ key, revision }) => key.split('/')[0] === prefix && BigInt(revision) >= BigInt(first ?? 0))
    .map(line)
  const delivered = watch.events.map(line)
  const at = expected.findIndex((each, index) => delivered[index] !== each)
  const faults = watch.errors.map((each) => `error: ${each}`)
  if (first !== undefined && BigInt(first) > BigInt(watch.from) + 1000n)
    faults.push(`began at ${first}, not after ${watch.from}`)
  if (at >= 0) faults.push(`event ${String(at)}: ${delivered[at] ?? 'nothing'} instead of ${expected[at] ?? 'nothing'}`)
  else if (delivered.length > expected.length)
    faults.push(`${String(delivered.length - expected.length)} events too many`)
  return faults
}
