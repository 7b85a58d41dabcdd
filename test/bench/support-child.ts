/** A Node process with clients of one kind, that runs commands and measures itself. See support-remote.ts. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Etcd3 } from 'etcd3'
import type * as Client from '../../src/client/index.js'
import type * as CredentialsRoom from '../../src/credentials/index.js'
import { shipped } from './harness.js'
import type { Answer, Order, Setup } from './support-remote.js'

type Connect = () => Promise<Etcd3>

const NOTHING: Answer = { wall: 0, cpu: 0, memory: 0 }

process.once('message', (setup: Setup) => {
  void begin(setup)
})

async function begin(setup: Setup): Promise<void> {
  const connect = await connector(setup)
  const client = await connect()
  await client.get('key').string()
  process.on('message', (order: Order) => {
    void carryOut(order, client, connect).then((answer) => process.send?.(answer))
  })
  process.send?.(NOTHING)
}

/** Only what this kind needs is imported: the other one's code is no part of its memory. */
async function connector({ kind, endpoint, ca, cert, key }: Setup): Promise<Connect> {
  if (kind === 'plain') {
    const { Etcd3: Plain } = await import('etcd3')
    const credentials = { rootCertificate: Buffer.from(ca), certChain: Buffer.from(cert), privateKey: Buffer.from(key) }
    return () => Promise.resolve(new Plain({ hosts: endpoint, credentials }))
  }
  const { createSecureClient } = (await import(shipped('client'))) as typeof Client
  const { fromPem } = (await import(shipped('credentials'))) as typeof CredentialsRoom
  const credentials = fromPem({ ca, cert, key })
  return () => createSecureClient({ endpoints: endpoint, credentials })
}

async function carryOut(order: Order, client: Etcd3, connect: Connect): Promise<Answer> {
  switch (order.what) {
    case 'clients':
      return { ...NOTHING, memory: await memoryOf(order.count, connect) }
    case 'requests':
      return requests(order, client)
    case 'puts':
      await puts(order, client)
      return NOTHING
    case 'watch':
      watched = await EventCount.start(client, order.prefix)
      return NOTHING
    case 'events':
      return { ...NOTHING, cpu: (await watched?.received(order.count)) ?? 0 }
    case 'history':
      return { ...NOTHING, cpu: await history(order, client) }
    case 'store':
      await client.put(order.key).value(Buffer.alloc(order.length, 'x'))
      return NOTHING
    case 'reads':
      return reads(order, client)
    case 'watchers':
      return forEach(order.count, (prefix) => watchOne(client, prefix))
    case 'leases':
      return forEach(order.count, () => client.lease(600).grant())
  }
}

let watched: EventCount | null = null
/** What must not be collected. */
const kept: unknown[] = []
/** What {@link forEach} makes at a time. */
const IN_FLIGHT = 64

/** The events of one watch, and the processor time that they cost. */
class EventCount {
  #events = 0
  #since = process.cpuUsage()
  #wanted = Infinity
  #wake: () => void = () => undefined

  /** @param fromRevision Default: from now on. */
  static async start(client: Etcd3, prefix: string, fromRevision?: string): Promise<EventCount> {
    const count = new EventCount()
    const builder = client.watch().prefix(prefix)
    if (fromRevision !== undefined) builder.startRevision(fromRevision)
    const watcher = await builder.create()
    watcher.on('put', () => {
      count.#events += 1
      if (count.#events >= count.#wanted) count.#wake()
    })
    count.end = () => watcher.cancel()
    return count
  }

  end = (): Promise<void> => Promise.resolve()

  /** Milliseconds of the processor for one of so many events, since the last call. */
  async received(count: number): Promise<number> {
    if (this.#events < count) {
      this.#wanted = count
      await new Promise<void>((resolve) => (this.#wake = resolve))
      this.#wanted = Infinity
    }
    const { user, system } = process.cpuUsage(this.#since)
    this.#since = process.cpuUsage()
    this.#events -= count
    return (user + system) / 1000 / count
  }
}

async function history({ prefix, count }: { prefix: string; count: number }, client: Etcd3): Promise<number> {
  const events = await EventCount.start(client, prefix, '1')
  const cpu = await events.received(count)
  await events.end()
  return cpu
}

async function puts(
  { prefix, inFlight, count }: { prefix: string; inFlight: number; count: number },
  client: Etcd3,
): Promise<void> {
  let left = count
  const put = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await client.put(`${prefix}${String(left % 100)}`).value('value')
    }
  }
  await Promise.all(Array.from({ length: inFlight }, put))
}

async function requests(
  { call, inFlight, milliseconds }: Extract<Order, { what: 'requests' }>,
  client: Etcd3,
): Promise<Answer> {
  return repeat(inFlight, milliseconds, async () => {
    if (call === 'get') await client.get('key').string()
    else await client.put('key').value('value')
  })
}

/** Calls so many times side by side, each again and again for that time, at least once. */
async function repeat(inFlight: number, milliseconds: number, call: () => Promise<void>): Promise<Answer> {
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  let count = 0
  const hand = async (): Promise<void> => {
    do {
      await call()
      count += 1
    } while (performance.now() - began < milliseconds)
  }
  await Promise.all(Array.from({ length: inFlight }, hand))
  const wall = performance.now() - began
  const { user, system } = process.cpuUsage(cpuBefore)
  return { wall: wall / count, cpu: (user + system) / 1000 / count, memory: 0 }
}

async function reads(
  { key, inFlight, milliseconds }: { key: string; inFlight: number; milliseconds: number },
  client: Etcd3,
): Promise<Answer> {
  return repeat(inFlight, milliseconds, async () => {
    await client.get(key).buffer()
  })
}

/** Creates a watcher, and waits for its first event. */
async function watchOne(client: Etcd3, key: string): Promise<void> {
  const watcher = await client.watch().key(key).create()
  const received = new Promise((resolve) => watcher.once('put', resolve))
  await client.put(key).value('value')
  await received
}

/**
 * Things made side by side and kept: wall-clock time, processor time and memory of each. The memory is that of the heap and of buffers:
 * of 100 watchers, more than half of the resident memory was the young generation of V8, which grows when it likes.
 */
async function forEach(count: number, make: (name: string) => Promise<unknown>): Promise<Answer> {
  const collectGarbage = garbageCollector()
  const held = (): number => {
    residentAfter(collectGarbage)
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = held()
  const run = process.pid
  let left = count
  const answer = await repeat(Math.min(count, IN_FLIGHT), 0, async () => {
    while (left > 0) {
      left -= 1
      kept.push(await make(`${String(run)}/${String(left)}`))
    }
  })
  const calls = Math.min(count, IN_FLIGHT)
  const memory = (held() - before) / count
  return { wall: (answer.wall * calls) / count, cpu: (answer.cpu * calls) / count, memory }
}

/** Bytes of resident memory for each of so many clients that have had an answer. */
async function memoryOf(count: number, connect: Connect): Promise<number> {
  const collectGarbage = garbageCollector()
  const open = async (): Promise<Etcd3> => {
    const client = await connect()
    await client.get('key').string()
    return client
  }
  const clients: Etcd3[] = []
  // The first ones bring what all share: compiled code, tables, the heap's first pages.
  for (let i = 0; i < 20; i += 1) clients.push(await open())
  const before = residentAfter(collectGarbage)
  for (let i = 0; i < count; i += 1) clients.push(await open())
  const memory = (residentAfter(collectGarbage) - before) / count
  for (const each of clients) each.close()
  return memory
}

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

/** Garbage is nobody's memory. Nothing is timed here, so nothing is distorted by throwing it away. */
function residentAfter(collectGarbage: () => void): number {
  for (let i = 0; i < 3; i += 1) collectGarbage()
  return process.memoryUsage.rss()
}
