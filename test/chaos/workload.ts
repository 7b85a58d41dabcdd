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
import { coordinate, coordinatePlainly } from './clients/coordination.js'
import { keepLeases } from './clients/leases.js'
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
/** How often what was seen is written, in milliseconds. */
const FLUSH = 1000

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

async function flush(): Promise<void> {
  while (!stopped.signal.aborted) {
    recorder.flush()
    await sleep(FLUSH)
  }
}

/** Starts the work. Returns it, and what waits for the watches to deliver everything. */
async function begin(): Promise<{ loops: Promise<void>[]; caughtUp: () => Promise<void> }> {
  const secure = order.kind === 'etcd3' ? [] : await Promise.all(Array.from({ length: CLIENTS }, connect))
  const clients = order.kind === 'etcd3' ? Array.from({ length: CLIENTS }, connectPlainly) : secure
  const work: Work = { ...shared, clients }
  const caughtUp = await openWatches(work)
  const loops = [workOnRegisters(work), addToSets(work), keepLeases(work), churnWatches(work), flush()]
  loops.push(order.kind === 'etcd3' ? coordinatePlainly(work) : coordinate({ ...work, clients: secure }))
  if (order.rotation > 0 && secure.length > 0) loops.push(rotate(secure))
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
      recorder.add({ type: 'memory', rss: process.memoryUsage().rss })
      recorder.flush()
      process.send?.('finished', () => process.exit(0))
    })
  }
})
