/**
 * The work of one kind of client while faults go on: registers, watches, leases. Runs in a process of its own in the namespace of
 * the clients; what it saw goes to the parent over IPC.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Etcd3, type IKeyValue } from 'etcd3'
import { createSecureClient, isEtcdMtlsError, SecureEtcd3 } from '../../src/client/index.js'
import { fromFiles } from '../../src/credentials/index.js'
import { Random } from '../fuzz/random.js'
import type { Operation } from './linearizable.js'

export interface WorkOrder {
  readonly kind: 'etcd-mtls' | 'etcd3'
  readonly endpoints: readonly string[]
  readonly folder: string
  readonly seed: number
  /** Milliseconds between two rotations; 0: none. */
  readonly rotation: number
}

/** An event as a watch delivered it. */
export interface SeenEvent {
  readonly revision: string
  readonly type: 'put' | 'delete'
  readonly key: string
  readonly value: string
}

export interface WorkResult {
  /** By register. */
  readonly histories: Record<string, Operation[]>
  /** By watcher: the revision from which it watches, and what it delivered. */
  readonly watches: { readonly from: string; readonly events: SeenEvent[]; readonly errors: string[] }[]
  readonly latencies: { readonly at: number; readonly took: number }[]
  readonly answered: number
  readonly outcomeUnknown: number
  /** Failures that are certain to have had no effect, by their message. */
  readonly failures: Record<string, number>
  readonly leasesLost: number
  readonly rss: readonly number[]
}

/** How many clients work on each register, and how many registers are worked on at once. */
const CLIENTS = 3
const REGISTERS = 4
/** Operations on one register, until the next one takes its place: checking a history costs more than its square. */
const OPERATIONS = 60
const DEADLINE = 5000
const WATCHERS = 4
const LEASES = 4
/** Seconds. */
const LEASE_TTL = 8

const order = JSON.parse(process.argv[2] ?? '') as WorkOrder
const random = new Random(order.seed)
const prefix = `${order.kind}/`
const histories: Record<string, Operation[]> = {}
const failures: Record<string, number> = {}
const latencies: { at: number; took: number }[] = []
const rss: number[] = []
let answered = 0
let outcomeUnknown = 0
let leasesLost = 0
let stopped = false
let values = 0

const file = (name: string): string => join(order.folder, name)
const source = (name: string): ReturnType<typeof fromFiles> =>
  fromFiles({ ca: file('ca.crt'), cert: file(`${name}.crt`), key: file(`${name}.key`) })

async function connect(): Promise<Etcd3> {
  if (order.kind === 'etcd-mtls')
    return createSecureClient({ endpoints: order.endpoints, credentials: source('client'), preflight: 'all' })
  return new Etcd3({
    hosts: [...order.endpoints],
    credentials: {
      rootCertificate: readFileSync(file('ca.crt')),
      certChain: readFileSync(file('client.crt')),
      privateKey: readFileSync(file('client.key')),
    },
  })
}

/** Whether a failed write may have been applied. Plain etcd3 does not say, so each failure may. */
function isUnknown(error: unknown): boolean {
  return order.kind === 'etcd3' || (error instanceof Error && isEtcdMtlsError(error.cause, 'ERR_OUTCOME_UNKNOWN'))
}

/** Carries out one operation and notes it. A read that failed says nothing, nor does a write that was certainly not applied. */
async function operate(
  history: Operation[],
  work: () => Promise<Operation['action']>,
  unknown: Operation['action'] | null,
): Promise<void> {
  const called = performance.now()
  try {
    const action = await work()
    const returned = performance.now()
    history.push({ called, returned, action })
    latencies.push({ at: Date.now(), took: returned - called })
    answered += 1
  } catch (error) {
    latencies.push({ at: Date.now(), took: performance.now() - called })
    if (unknown !== null && isUnknown(error)) {
      outcomeUnknown += 1
      history.push({ called, returned: Infinity, action: unknown })
    } else {
      const message = error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error)
      const short = message.replace(/\d+/g, 'N').slice(0, 160)
      failures[short] = (failures[short] ?? 0) + 1
    }
  }
}

async function workOn(client: Etcd3, key: string, history: Operation[]): Promise<void> {
  const options = (): { deadline: number } => ({ deadline: Date.now() + DEADLINE })
  const value = `${key}#${String((values += 1))}`
  let last: string | null = null
  for (let index = history.length - 1; index >= 0 && last === null; index -= 1) {
    const action = history[index]?.action
    if (action?.type === 'read' || action?.type === 'write') last = action.value
  }
  const expected = last
  switch (random.below(10)) {
    case 0:
      await operate(
        history,
        async () => {
          await client.delete().key(key).options(options()).exec()
          return { type: 'write', value: null }
        },
        { type: 'write', value: null },
      )
      return
    case 1:
    case 2:
    case 3:
      await operate(
        history,
        async () => {
          await client.put(key).value(value).options(options()).exec()
          return { type: 'write', value }
        },
        { type: 'write', value },
      )
      return
    case 4:
    case 5:
      if (expected !== null) {
        const cas = { type: 'cas', expected, value } as const
        await operate(
          history,
          async () => {
            const { succeeded, responses } = await client
              .if(key, 'Value', '==', expected)
              .then(client.put(key).value(value))
              .else(client.get(key))
              .options(options())
              .commit()
            const found = succeeded ? null : (responses[0]?.response_range.kvs[0]?.value.toString() ?? null)
            return { ...cas, swapped: succeeded, found }
          },
          { ...cas, swapped: null, found: null },
        )
        return
      }
      break
    default:
  }
  await operate(history, async () => ({ type: 'read', value: await client.get(key).options(options()).string() }), null)
}

async function worker(clients: readonly Etcd3[], slot: number): Promise<void> {
  for (let generation = 0; !isStopped(); generation += 1) {
    const key = `${prefix}r${String(slot)}-${String(generation)}`
    const history: Operation[] = []
    histories[key] = history
    const loop = async (client: Etcd3): Promise<void> => {
      while (!isStopped() && history.length < OPERATIONS) {
        await workOn(client, key, history)
        await sleep(random.below(30))
      }
    }
    await Promise.all(clients.map(loop))
  }
}

// A function, because the compiler takes a variable that it does not see written for constant.
function isStopped(): boolean {
  return stopped
}

async function watch(client: Etcd3): Promise<WorkResult['watches'][number]> {
  const events: SeenEvent[] = []
  const errors: string[] = []
  const watcher = await client.watch().prefix(prefix).create()
  const note = (type: SeenEvent['type']) => (kv: IKeyValue) => {
    events.push({ revision: kv.mod_revision, type, key: kv.key.toString(), value: kv.value.toString() })
  }
  watcher.on('put', note('put')).on('delete', note('delete'))
  watcher.on('error', (error) => {
    errors.push(error.message)
  })
  const { header } = await client.get(`${prefix}watch-start`).exec()
  return { from: header.revision, events, errors }
}

const clients = await Promise.all(Array.from({ length: CLIENTS }, connect))
const [first] = clients
if (first === undefined) throw new Error('There is no client')
const watches = await Promise.all(Array.from({ length: WATCHERS }, (_, i) => watch(clients[i % CLIENTS] ?? first)))
for (let index = 0; index < LEASES; index += 1) {
  const lease = first.lease(LEASE_TTL)
  lease.on('lost', () => (leasesLost += isStopped() ? 0 : 1))
  await lease.put(`${prefix}lease${String(index)}`).value('held')
}

async function rotate(): Promise<void> {
  for (let turn = 0; order.rotation > 0 && !isStopped(); turn += 1) {
    const next = source(turn % 2 === 0 ? 'client2' : 'client')
    await Promise.all(clients.flatMap((each) => (each instanceof SecureEtcd3 ? [each.tls.rotate(next)] : [])))
    await sleep(order.rotation)
  }
}

async function measure(): Promise<void> {
  while (!isStopped()) {
    rss.push(process.memoryUsage.rss())
    await sleep(1000)
  }
}

const work = [...Array.from({ length: REGISTERS }, (_, slot) => worker(clients, slot)), rotate(), measure()]
process.send?.('working')
process.on('message', (message) => {
  // "stop": the work ends. "finish": whatever had to be delivered was given its time.
  if (message === 'stop') {
    stopped = true
    void Promise.all(work).then(() => process.send?.('stopped'))
  } else {
    const result: WorkResult = {
      histories,
      watches,
      latencies,
      answered,
      outcomeUnknown,
      failures,
      leasesLost,
      rss,
    }
    process.send?.(result, () => process.exit(0))
  }
})
