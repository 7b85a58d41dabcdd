/** Watches whose stream breaks, on a real etcd: what plain etcd3 loses, and the secure client does not. */
import type { Etcd3, Watcher } from 'etcd3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { enableAuth } from '../support/etcd.js'
import { drawn } from '../support/long.js'
import { type Proxy, proxyTo } from '../support/peers.js'
import { heldPorts } from '../support/ports.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const { freePort } = heldPorts()
const shared = sharedEtcd()
const { pki } = shared

/** More revisions than etcd puts into one response when a watch catches up (etcd server/mvcc: watchBatchMaxRevs is 1000). */
const PAST = 2500
/** Bytes for each, so that all of it does not fit into the windows of HTTP/2 at once. */
const VALUE = 'v'.repeat(2000)

let admin: SecureEtcd3

beforeAll(async () => {
  admin = await shared.connect()
})

afterAll(() => admin[Symbol.asyncDispose]())

function secureClient(endpoint: string, credentials = pki.client): Promise<SecureEtcd3> {
  return shared.connect({ endpoints: endpoint, credentials, dialTimeout: '2s' })
}

const moments = [
  ['after its creation', 'connected'],
  ['after its first events', 'put'],
] as const
describe.each(drawn(moments, 1))('a watch that catches up, and whose connection breaks %s', (_when, cutAt) => {
  let first: number

  beforeAll(async () => {
    const { header } = await admin.put('before').value('it')
    first = Number(header.revision) + 1
    let number = 0
    const put = async (): Promise<void> => {
      while (number < PAST) {
        number += 1
        await admin.put(`past/${String(number % 10)}`).value(VALUE)
      }
    }
    await Promise.all(Array.from({ length: 32 }, put))
  })

  interface Seen {
    watcher: Watcher
    revisions: number[]
    /** How often etcd3 had the watch created. */
    connected: number
  }

  /** Watches from the beginning, and cuts the connection once. */
  function watchAndCut(client: Etcd3, cut: () => void): Seen {
    const watcher = client.watch().prefix('past/').startRevision(String(first)).watcher()
    const seen: Seen = { watcher, revisions: [], connected: 0 }
    watcher.on('connected', () => {
      seen.connected += 1
      if (cutAt === 'connected' && seen.connected === 1) cut()
    })
    watcher.on('put', ({ mod_revision }: { mod_revision: string }) => {
      seen.revisions.push(Number(mod_revision))
      if (cutAt === 'put' && seen.revisions.length === 1) cut()
    })
    return seen
  }

  /** Puts one more event, and waits until the watch has seen it. Returns all the revisions that it should have seen. */
  async function seesToTheEnd({ revisions }: Seen): Promise<number[]> {
    const { header } = await admin.put('past/last').value('')
    const last = Number(header.revision)
    await expect.poll(() => revisions.at(-1)).toBe(last)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  }

  it('the secure client continues where it was, and etcd3 sees nothing of it', async () => {
    await using proxy = await proxyTo(shared.etcd.port)
    await using client = await secureClient(proxy.endpoint)
    const seen = watchAndCut(client, () => {
      proxy.cut()
    })
    await expect.poll(() => proxy.accepted).toBe(2)
    expect(seen.revisions).toEqual(await seesToTheEnd(seen))
    expect(seen.connected).toBe(1)
  })

  it('the secure client continues as well if etcd3 has to ask again, because no endpoint answered for a while', async () => {
    const port = await freePort()
    let proxy: Proxy = await proxyTo(shared.etcd.port, port)
    await using client = await secureClient(proxy.endpoint)
    const seen = await new Promise<Seen>((resolve) => {
      const watched = watchAndCut(client, () => {
        resolve(proxy[Symbol.asyncDispose]().then(() => watched))
      })
    })
    await new Promise((resolve) => seen.watcher.once('disconnected', resolve))
    proxy = await proxyTo(shared.etcd.port, port)
    await expect.poll(() => seen.connected).toBe(2)
    expect(seen.revisions).toEqual(await seesToTheEnd(seen))
    await client[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
  })
})

describe('a watch that etcd refuses', () => {
  const alice = pki.issueClient({ subject: 'alice' })

  beforeAll(() => enableAuth(admin, 'Readwrite', 'public/'))

  it('later watches of the secure client are created and see their events, and so do the watches before', async () => {
    await using client = await secureClient(shared.etcd.endpoint, alice)
    const seen: string[] = []
    const watch = async (name: string): Promise<void> => {
      const watcher = await client.watch().prefix('public/').create()
      watcher.on('put', ({ value }: { value: Buffer }) => seen.push(`${name} ${value.toString()}`))
    }
    await watch('before')
    const refused = client.watch().prefix('private/').create()
    const next = watch('next')
    await expect(refused).rejects.toThrow('permission denied')
    await next
    await watch('after')
    await client.put('public/a').value('1')
    await expect.poll(() => [...seen].sort()).toEqual(['after 1', 'before 1', 'next 1'])
  })
})
