/**
 * What clients leave behind: nothing. Each test runs in a Node process of its own, which can collect garbage and in which
 * nobody else holds anything; what it writes to stderr, such as a warning, is a failure.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it as every } from 'vitest'
import { writeCredentials } from '../../src/credentials/index.js'
import { type Compiled, compileSources, root } from '../support/compiled.js'
import { dns, email, ip, ipBytes, type MintLeafOptions, rawName, uri } from '../support/mint.js'
import { temporaryFolder } from '../support/openssl.js'
import {
  refusingPeer,
  gonePeer,
  grpcPeer,
  type Peer,
  plaintextHttp1Peer,
  refuseCall,
  silentPeer,
} from '../support/peers.js'
import { oneIn, scaled } from '../support/long.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const it = oneIn(2, every)

const shared = sharedEtcd()
const { pki } = shared
const { file } = temporaryFolder()
let compiled: Compiled

beforeAll(async () => {
  compiled = await compileSources()
  await writeCredentials(file('client'), pki.client)
})

/**
 * V8 compiles what runs often, again and again, and throws away what has not run for a while: on its heap, both are a
 * thousand times what is looked for here. Without its compilers, all that is left on the heap is what somebody holds.
 */
const STEADY_CODE = ['--no-opt', '--no-maglev', '--no-sparkplug', '--no-flush-bytecode']

/** Runs code that knows `create(endpoints, options)`; gives what it wrote, and ends it after so many milliseconds. */
async function run(code: string, timeout = 170_000): Promise<{ stdout: string; stderr: string }> {
  const prelude = `
    import { getEventListeners } from 'node:events'
    import { createSecureClient } from ${JSON.stringify(compiled.url('client/index.js'))}
    import { fromKubernetesSecret } from ${JSON.stringify(compiled.url('credentials/index.js'))}
    const credentials = fromKubernetesSecret(${JSON.stringify(file('client'))})
    const create = (endpoints, options) => createSecureClient({ endpoints, credentials, ...options })
  `
  const flags = ['--expose-gc', '--unhandled-rejections=strict', '--trace-warnings', '--input-type=module']
  return promisify(execFile)(process.execPath, [...flags, ...STEADY_CODE, '--eval', prelude + code], {
    cwd: root,
    timeout,
  })
}

/** How many parts the clients of a test are made in. */
const STRETCHES = 4
/** How many are made side by side, since each waits for the network most of its time; divides the size of every stretch. */
const AT_ONCE = 5
/** Bytes by which two measurements of the heap may differ whatever was done between them. */
const STRAY = 4000
/** Bytes by which the heap may grow for each client: an empty function and its place take 72, a client in use some 40,000. */
const HEAP_NOISE = 64
/** Milliseconds until a handle counts as held for good: on a busy machine, the end of a connection is late. */
const SETTLE_TIME = 10_000

/** What the process holds now, once everything that can go is gone; and `repeat`, which does something in stretches. */
const HOLDINGS = `
  async function holdings(signal) {
    let heap = Infinity
    for (let still = 0; still < 3; still += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      gc()
      const { heapUsed } = process.memoryUsage()
      if (heapUsed < heap - 500) still = 0
      heap = Math.min(heap, heapUsed)
    }
    const resources = {}
    for (const each of process.getActiveResourcesInfo().sort()) resources[each] = (resources[each] ?? 0) + 1
    const onProcess = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
    return { held: { resources, onSignal: getEventListeners(signal, 'abort').length, onProcess }, heap }
  }
  async function repeat(times, work) {
    const { signal } = new AbortController()
    const clients = []
    const rounds = async (many) => {
      for (let begun = 0; begun < many; begun += ${String(AT_ONCE)}) {
        const made = await Promise.all(Array.from({ length: ${String(AT_ONCE)} }, () => work(signal)))
        for (const client of made) if (client) clients.push(new WeakRef(client))
      }
    }
    // For what stays once.
    await rounds(Math.max(40, times * 0.3))
    const before = await holdings(signal)
    const heaps = [before.heap]
    clients.length = 0
    let after
    let made = 0
    let alive = 0
    for (let i = 0; i < ${String(STRETCHES)}; i += 1) {
      await rounds(times / ${String(STRETCHES)})
      const until = Date.now() + ${String(SETTLE_TIME)}
      do after = await holdings(signal)
      while (JSON.stringify(after.held) !== JSON.stringify(before.held) && Date.now() < until)
      made += clients.length
      alive += clients.filter((each) => each.deref() !== undefined).length
      clients.length = 0
      heaps.push(after.heap)
    }
    console.log(JSON.stringify({ before: before.held, after: after.held, alive, made, heaps }))
  }
`

interface Measured {
  before: unknown
  after: unknown
  alive: number
  made: number
  heaps: number[]
}

/**
 * Checks that nothing is held, and returns how many clients were made. What seems to grow is done four times as often, twice: what V8
 * takes on a busy machine does not grow with that, a leak does.
 */
async function leavesNothing(times: number, work: string, repeats = 2): Promise<number> {
  const { stdout, stderr } = await run(`${HOLDINGS}; await repeat(${String(times)}, async (signal) => { ${work} })`)
  expect(stderr).toBe('')
  const { before, after, alive, made, heaps } = JSON.parse(stdout) as Measured
  expect(after).toEqual(before)
  // The last one of a stretch may still be on the stack.
  expect(alive).toBeLessThanOrEqual(STRETCHES)
  // What grows with each client grows in every stretch; V8 takes more in some of them, and gives it back once.
  const growths = heaps.slice(1).map((heap, index) => heap - (heaps[index] ?? 0))
  const second = growths.sort((one, other) => one - other)[1] ?? NaN
  const growth = (second - STRAY) / (times / STRETCHES)
  if (growth >= HEAP_NOISE && repeats > 0) return leavesNothing(4 * times, work, repeats - 1)
  expect(growth).toBeLessThan(HEAP_NOISE)
  return made
}

/** Each is divided by the stretches, and by how many are made at once. */
const CLIENTS = scaled({ short: 40, long: 1_000 })
const FEWER = scaled({ short: 40, long: 300 })

const FAILS = `.then(() => { throw new Error('made') }, () => undefined)`

describe('sockets, handles, timers, listeners and heap do not grow', () => {
  it('nothing grows with many clients of a real etcd that are made, used and closed, half of them with a watch, a lease and events', async () => {
    const work = `
      const client = await create('${shared.etcd.endpoint}', { signal })
      await client.get('a').string()
      globalThis.count = (globalThis.count ?? 0) + 1
      if (globalThis.count % 2 === 0) {
        await client[Symbol.asyncDispose]()
        return client
      }
      const events = client.tls.events()
      const next = events.next()
      await client.watch().key('a').create()
      await client.lease(10).grant()
      await client[Symbol.asyncDispose]()
      await next
      return client`
    expect([CLIENTS, 4 * CLIENTS, 16 * CLIENTS]).toContain(await leavesNothing(CLIENTS, work))
    expect(shared.etcd.logs().filter((line) => /rejected connection|EOF/.test(line))).toEqual([])
  })

  it('nothing grows with clients that fail: by a port without a listener, an alert, their own rules, a peer without TLS, or a signal', async () => {
    await using alerting = await refusingPeer(pki.server, 48)
    await using plaintext = await plaintextHttp1Peer()
    await using wrong = await grpcPeer(pki.issueServer({ names: [dns('etcd.example')] }))
    await using silent = await silentPeer()
    const gone = await gonePeer()
    const endpoints = [gone, alerting, plaintext, wrong].map((each) => each.endpoint)
    const work = `
      await create(${JSON.stringify(endpoints)}, { signal })${FAILS}
      await create('${silent.endpoint}', { signal, dialTimeout: '5ms' })${FAILS}
      const giveUp = new AbortController()
      const attempt = create('${silent.endpoint}', { signal: giveUp.signal })
      setTimeout(() => giveUp.abort(), 5)
      await attempt${FAILS}`
    await leavesNothing(FEWER, work)
    await expect.poll(() => silent.open).toBe(0)
  })
})

describe('no rejection goes unhandled, no warning is given, nothing is thrown in the middle of a handshake', () => {
  /** Certificates that other programs stumble over. */
  const odd: Record<string, Partial<MintLeafOptions>> = {
    'no names': { names: undefined },
    'an address as a DNS name': { names: [dns('127.0.0.1')] },
    'bytes that are no address': { names: [ipBytes(Uint8Array.of(127, 0, 0))] },
    'a NUL in a name': { names: [dns('127.0.0.1\0.example')] },
    'a name that is no text': { names: [rawName(2, Uint8Array.of(0xff, 0xfe, 0x00))] },
    'a URI that is none, and an address of nobody': { names: [uri('::::'), email('')] },
    'two thousand names': { names: Array.from({ length: 2000 }, (_, index) => dns(`${String(index)}.example`)) },
    'an empty subject': { subject: '', names: [ip('127.0.0.2')] },
    'no usages': { usages: [], names: [ip('127.0.0.3')] },
    'it has expired': { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') },
  }

  it('nothing is unhandled or thrown whatever the certificate of the server is', async () => {
    const peers: Peer[] = []
    try {
      for (const options of Object.values(odd)) {
        peers.push(await grpcPeer(pki.issueServer(options)))
      }
      const code = `
        for (const endpoint of ${JSON.stringify(peers.map((each) => each.endpoint))}) {
          const code = await create(endpoint).then(() => 'connected', (error) => error.code)
          console.log(code)
        }`
      const { stdout, stderr } = await run(code)
      expect(stderr).toBe('')
      expect(stdout.trim().split('\n')).toEqual(peers.map(() => 'ERR_HANDSHAKE_FAILED'))
    } finally {
      for (const each of peers) await each[Symbol.asyncDispose]()
    }
  })

  it('no warning is given for twelve leases, locks, campaigns, observers and watches of one client with one signal', async () => {
    const { stdout, stderr } = await run(`
      import { election, lock } from ${JSON.stringify(compiled.url('coordination/index.js'))}
      const caller = new AbortController()
      const { signal } = caller
      const client = await create(${JSON.stringify(shared.etcd.endpoint)})
      const twelve = Array.from({ length: 12 })
      const options = { ttl: '60s', signal }
      const candidates = election(client, 'twelve leaders', { ttl: '60s' })
      const leases = twelve.map(() => client.lease(60))
      await Promise.all(leases.map((each) => each.grant()))
      const watches = await Promise.all(twelve.map(() => client.watch().key('a').create()))
      const waiting = [
        ...twelve.map(() => lock(client, 'twelve locks', options)),
        ...twelve.map(() => candidates.campaign('me', { signal })),
        ...twelve.map(async () => { for await (const leader of candidates.observe({ signal })) if (leader.value === 'nobody') break }),
      ].map((each) => each.catch(() => undefined))
      for (;;) {
        const keys = await client.getAll().prefix('twelve l').keys()
        if (keys.length === 24) break
      }
      console.log(getEventListeners(signal, 'abort').length)
      caller.abort()
      await Promise.all(waiting)
      await client[Symbol.asyncDispose]()
      console.log(getEventListeners(signal, 'abort').length)`)
    expect(stderr).toBe('')
    expect(stdout.trim().split('\n')).toEqual(['1', '0'])
  })

  it('nothing is unhandled or thrown whatever the user does not wait for', async () => {
    await using refusing = await grpcPeer(pki.server, (stream) => {
      refuseCall(stream, 7, 'etcdserver: permission denied')
    })
    // In the handler itself, Node 22 and 26 abort (nodejs/node#64850).
    await using cutting = await grpcPeer(pki.server, (stream) => setImmediate(() => stream.session?.destroy()))
    await using mute = await grpcPeer(pki.server, (stream) => stream.resume())
    await using silent = await silentPeer()
    const code = `
      const neglect = async (endpoint) => {
        const client = await create([endpoint, '${silent.endpoint}'], { dialTimeout: '1s' })
        client.lease(10)
        client.watch().key('a').watcher()
        client.tls.events().next()
        client.tls.probe().catch(() => undefined)
        client.get('a').string().catch(() => undefined)
        client.put('a').value('b').exec().catch(() => undefined)
        client.tls.rotate().catch(() => undefined)
        // A second one begins when the first is over: by then each endpoint has answered to what came before.
        await client.tls.rotate().catch(() => undefined)
        client.close()
        client.close()
        client.get('a').string().catch(() => undefined)
      }
      await Promise.all(${JSON.stringify([refusing, cutting, mute].map((each) => each.endpoint))}.map(neglect))
      const unverified = await create('${silent.endpoint}', { preflight: 'none', dialTimeout: '100ms' })
      unverified.watch().key('a').watcher()
      unverified.lease(10)
      await unverified.get('a').string().catch(() => undefined)
      unverified.close()
      console.log('done')`
    expect(await run(code)).toEqual({ stdout: 'done\n', stderr: '' })
  })
})
