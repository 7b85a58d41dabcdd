/**
 * The work of one kind of client while faults go on. Runs in a process of its own in the namespace of the clients; what it saw goes
 * into a file. The parent sends "stop" when the faults are over, and "finish" when the last event of each watch is in the store.
 */
import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Etcd3 } from 'etcd3'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { fromFiles } from '../../src/credentials/index.js'
import { Random } from '../fuzz/random.js'
import { Recorder } from './record.js'
import { coordinate } from './clients/coordination.js'
import { keepLeases } from './clients/leases.js'
import { coordinatePlainly } from './clients/plain-coordination.js'
import { workOnRegisters } from './clients/registers.js'
import { addToSets } from './clients/sets.js'
import { churnWatches, openWatches } from './clients/watches.js'
import type { ClientKind, Work } from './clients/work.js'

export interface WorkOrder {
  readonly kind: ClientKind
  readonly endpoints: readonly string[]
  /** Folder of the certificates. */
  readonly folder: string
  /** File for what was seen. */
  readonly recording: string
  readonly seed: number
  /** Milliseconds between two rotations; 0: none. */
  readonly rotation: number
  /** Longest pause between two operations of a loop, in milliseconds. */
  readonly pace: number
}

/** How many clients of its kind the process has. */
const CLIENTS = 3
/** How often memory is measured, in milliseconds. */
const MEASURE = 3000

const order = JSON.parse(process.argv[2] ?? '') as WorkOrder
const file = (name: string): string => join(order.folder, name)
const source = (name: string): ReturnType<typeof fromFiles> =>
  fromFiles({ ca: file('ca.crt'), cert: file(`${name}.crt`), key: file(`${name}.key`) })

const recorder = new Recorder(order.recording)
const stopped = new AbortController()
// Every loop listens.
setMaxListeners(0, stopped.signal)
const shared = {
  kind: order.kind,
  prefix: `${order.kind}/`,
  random: new Random(order.seed),
  pace: order.pace,
  recorder,
  stopping: stopped.signal,
}

function connect(): Promise<SecureEtcd3> {
  return createSecureClient({ endpoints: order.endpoints, credentials: source('client'), preflight: 'all' })
}

function connectPlainly(): Etcd3 {
  return new Etcd3({
    hosts: [...order.endpoints],
    credentials: {
      rootCertificate: readFileSync(file('ca.crt')),
      certChain: readFileSync(file('client.crt')),
      privateKey: readFileSync(file('client.key')),
    },
  })
}

async function rotate(clients: readonly SecureEtcd3[]): Promise<void> {
  for (let turn = 0; !stopped.signal.aborted; turn += 1) {
    const next = source(turn % 2 === 0 ? 'client2' : 'client')
    await Promise.all(
      clients.map(async (each) => {
        const { ok, findings } = await each.tls.rotate(next)
        recorder.add({ type: 'rotation', failure: ok ? null : findings.map(({ code }) => code).join(' ') })
      }),
    )
    await sleep(order.rotation)
  }
}

async function measure(): Promise<void> {
  for (let turn = 0; !stopped.signal.aborted; turn += 1) {
    if (turn % 3 === 0) {
      await gc?.({ execution: 'async' })
      const { rss, heapUsed } = process.memoryUsage()
      recorder.add({ type: 'memory', at: Date.now(), rss, heap: heapUsed })
    }
    recorder.flush()
    await sleep(MEASURE / 3)
  }
}

function commonWork(work: Work): Promise<void>[] {
  return [workOnRegisters(work), addToSets(work), keepLeases(work), churnWatches(work), measure()]
}

/** Starts the work. Returns it, and what waits for the watches to deliver everything. */
async function begin(): Promise<{ loops: Promise<void>[]; caughtUp: () => Promise<void> }> {
  if (order.kind === 'etcd3') {
    const work: Work = { ...shared, clients: Array.from({ length: CLIENTS }, connectPlainly) }
    const caughtUp = await openWatches(work)
    return { loops: [...commonWork(work), coordinatePlainly(work)], caughtUp }
  }
  const clients = await Promise.all(Array.from({ length: CLIENTS }, connect))
  const work: Work<SecureEtcd3> = { ...shared, clients }
  const caughtUp = await openWatches(work)
  const loops = [...commonWork(work), coordinate(work)]
  if (order.rotation > 0) loops.push(rotate(clients))
  return { loops, caughtUp }
}

const { loops, caughtUp } = await begin()
process.send?.('working')
process.on('message', (message) => {
  if (message === 'stop') {
    stopped.abort()
    void Promise.all(loops).then(() => process.send?.('stopped'))
  } else {
    void caughtUp().then(() => {
      recorder.flush()
      process.send?.('finished', () => process.exit(0))
    })
  }
})
