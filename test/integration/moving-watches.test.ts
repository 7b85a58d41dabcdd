/** Watches that move to another connection while etcd compacts each revision as soon as it is written. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { sendsProgressInOrder } from '../../src/client/transport/health-check.js'
import { INSTALLED } from '../support/etcd-version.js'
import { scaled } from '../support/long.js'
import { type Proxy, proxyTo } from '../support/peers.js'
import { sharedEtcd } from '../support/shared-etcd.js'

/** With six watches, 6,000 moves of a watch in the long form. */
const MOVES = scaled({ short: 8, long: 500 })
const WATCHES = ['loud', 'loud', 'quiet/1', 'quiet/2', 'quiet/3', 'quiet/4']

const shared = sharedEtcd()
const { pki } = shared
const credentials = [pki.issueClient(), pki.issueClient()] as const

let proxies: [Proxy, Proxy]

beforeAll(async () => {
  proxies = [await proxyTo(shared.etcd.port), await proxyTo(shared.etcd.port)]
})

afterAll(async () => {
  for (const proxy of proxies) await proxy[Symbol.asyncDispose]()
})

/** Writes to one key and compacts each revision, until it is stopped. Returns how often it has written. */
function compactAlways(writer: SecureEtcd3): { stop(): Promise<number> } {
  let isStopped = false
  const run = async (): Promise<number> => {
    for (let writes = 0; ; writes += 1) {
      if (isStopped) return writes
      const { header } = await writer.put('loud').value('x').exec()
      await writer.kv.compact({ revision: header.revision })
    }
  }
  const running = run()
  return {
    stop: () => {
      isStopped = true
      return running
    },
  }
}

const moves: Record<string, (client: SecureEtcd3, count: number) => Promise<unknown>> = {
  'rotate()': async (client, count) => {
    await client.tls.rotate(credentials[count % 2 === 0 ? 0 : 1])
    await expect.poll(() => proxies[0].open, { interval: 5, timeout: 9000 }).toBe(1)
  },
  'setEndpoints()': async (client, count) => {
    const [from, to] = count % 2 === 0 ? proxies : proxies.toReversed()
    await client.tls.setEndpoints(to?.endpoint ?? '')
    await expect.poll(() => from?.open, { interval: 5, timeout: 9000 }).toBe(0)
  },
}

it.each(Object.entries(moves))(
  'no watch ends, and none misses or repeats an event, at %s',
  async (_name, move) => {
    await using client = await shared.connect({ endpoints: proxies[0].endpoint, dialTimeout: '5s' })
    await using writer = await shared.connect()
    const ends: string[] = []
    const versions = WATCHES.map((): number[] => [])
    for (const [index, key] of WATCHES.entries()) {
      const watcher = await client.watch().key(key).create()
      watcher.on('put', ({ version }) => versions[index]?.push(Number(version)))
      watcher.on('error', (error) => ends.push(error.message)).on('disconnected', (error) => ends.push(error.message))
    }
    const { kvs } = await writer.get('loud').exec()
    const before = Number(kvs[0]?.version ?? 0)
    const compactor = compactAlways(writer)
    for (let count = 0; count < MOVES; count += 1) await move(client, count)
    const writes = await compactor.stop()
    if (!sendsProgressInOrder(INSTALLED)) {
      for (const end of ends) expect(end).toContain('events may have been missed')
      return
    }
    const all = Array.from({ length: writes }, (_, index) => before + index + 1)
    await expect.poll(() => versions.slice(0, 2)).toEqual([all, all])
    for (const key of WATCHES.slice(2)) await writer.put(key).value('heard').exec()
    await expect.poll(() => versions.slice(2).map((each) => each.length)).toEqual([1, 1, 1, 1])
    expect(ends).toEqual([])
  },
  900_000,
)
