/** Clients through proxies that change how messages come: nginx, and etcd's own gRPC proxy. */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { SecureEtcd3 } from '../../src/client/index.js'
import { sendsProgressInOrder } from '../../src/client/transport/health-check.js'
import { type EtcdProcess, startEtcdProcess } from '../support/etcd-process.js'
import { writePems } from '../support/etcd.js'
import { INSTALLED } from '../support/etcd-version.js'
import { temporaryFolder } from '../support/openssl.js'
import { proxyTo } from '../support/peers.js'
import { scaled } from '../support/long.js'
import { heldPorts } from '../support/ports.js'
import { type Proxies, startNginx } from '../support/proxies.js'
import { sharedEtcd } from '../support/shared-etcd.js'

const shared = sharedEtcd()
const { pki } = shared
const { freePort } = heldPorts()
const { file } = temporaryFolder()
let client: SecureEtcd3

describe('through nginx, which sends the answer to a create and the first events in one frame of HTTP/2', () => {
  const WATCHES = 30
  let nginx: Proxies<'nginx'>

  beforeAll(async () => {
    nginx = await startNginx(shared.etcd.port, pki)
    client = await shared.connect({ endpoints: nginx.endpoints.nginx })
  })
  afterAll(async () => {
    await client[Symbol.asyncDispose]()
    await nginx[Symbol.asyncDispose]()
  })

  it('delivers the first event to a listener that is added after create() has resolved, 30 times of 30', async () => {
    const { header } = await client.put('first').value('0').exec()
    for (let i = 1; i < 3; i += 1) await client.put('first').value(String(i)).exec()
    const seen = Array.from({ length: WATCHES }, (): string[] => [])
    // A namespace has a stream of its own.
    const open = async (values: string[]): Promise<void> => {
      const watcher = await client.namespace('fir').watch().key('st').startRevision(header.revision).create()
      watcher.on('put', ({ value }) => values.push(value.toString()))
    }
    await Promise.all(seen.map(open))
    await expect.poll(() => seen.filter((each) => each.join() === '0,1,2').length).toBe(WATCHES)
  })

  it('reports watches from a compacted revision, with and without a listener for errors, and the process goes on', async () => {
    const { header } = await client.put('old').value('0').exec()
    for (let i = 0; i < 3; i += 1) await client.put('old').value(String(i)).exec()
    const now = Number(header.revision) + 3
    await client.kv.compact({ revision: String(now), physical: true })
    const events = client.tls.events()
    const compacted = {
      cause: {
        code: 'ERR_WATCH_COMPACTED',
        details: { key: 'old', revision: header.revision, compactRevision: String(now) },
      },
    }
    const heard = await client.watch().key('old').startRevision(header.revision).create()
    expect(await once(heard, 'error')).toMatchObject([compacted])
    await client.watch().key('old').startRevision(header.revision).create()
    expect(await events.next()).toMatchObject({ value: { type: 'watch-failed', error: compacted } })
    await heard.cancel()
    expect(await client.get('old').string()).toBe('2')
  })

  it('resumes a watch on keys that never change after a compaction and a broken connection', async () => {
    await using proxy = await proxyTo(shared.etcd.port)
    await using direct = await shared.connect({ endpoints: proxy.endpoint })
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const watcher = await direct.watch().key('quiet').create()
    await client.put('other').value('0').exec()
    const { header } = await client.put('other').value('1').exec()
    vi.advanceTimersByTime(20_000)
    vi.useRealTimers()
    // Their answers come after those that the watch needs: the version of etcd, and its progress.
    for (let i = 0; i < 50; i += 1) await direct.get('other').string()
    await client.kv.compact({ revision: header.revision, physical: true })
    // An etcd whose word on progress may come before the events that it stands for is not asked.
    const lost = sendsProgressInOrder(INSTALLED) ? null : once(watcher, 'error')
    proxy.cut()
    await direct.get('other').string()
    if (lost !== null) {
      const [error] = (await lost) as [Error]
      expect(error.message).toContain('events may have been missed')
      return
    }
    const seen = once(watcher, 'put')
    await client.put('quiet').value('now').exec()
    const [{ value }] = (await seen) as [{ value: Buffer }]
    expect(value.toString()).toBe('now')
  })
})

describe('through nginx, which ends a connection after a number of requests', () => {
  // By default after 1,000 requests.
  const [WRITES, REQUESTS] = scaled({ short: [1200, 100], long: [10_000, 1000] })

  it('applies each of many writes at once exactly once, and keeps a lease alive meanwhile', async () => {
    await using nginx = await startNginx(shared.etcd.port, pki, `keepalive_requests ${String(REQUESTS)};`)
    await using client = await shared.connect({ endpoints: nginx.endpoints.nginx })
    const lease = client.lease(5)
    await lease.put('many/leased').value('a')
    const lost = once(lease, 'lost')
    const puts = Array.from({ length: WRITES }, (_, i) =>
      client
        .put(`many/${String(i)}`)
        .value('a')
        .exec(),
    )
    const outcomes = await Promise.race([
      Promise.allSettled(puts),
      lost.then(() => Promise.reject(new Error('The lease was lost'))),
    ])
    const failures = outcomes.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []))
    expect([...new Set(failures)]).toEqual([])
    const { kvs } = await client.getAll().prefix('many/').exec()
    expect([kvs.length, kvs.filter(({ version }) => version !== '1')]).toEqual([WRITES + 1, []])
    await lease.revoke()
  })
})

describe('through "etcd grpc-proxy start", which chooses the ids of watches and merges their streams', () => {
  let proxy: EtcdProcess

  beforeAll(async () => {
    const address = `127.0.0.1:${String(await freePort())}`
    const own = writePems(file('.'), 'server', pki.server)
    const upstream = writePems(file('.'), 'client', pki.issueClient({ subject: [] }))
    // Since 3.5.30 the proxy dials the address that it advertises before it serves.
    const args = {
      ...{ 'listen-addr': address, 'advertise-client-url': address, endpoints: shared.etcd.endpoint },
      ...{ 'cert-file': own.cert, 'key-file': own.key, 'trusted-ca-file': own.ca },
      ...{ cert: upstream.cert, key: upstream.key, cacert: upstream.ca },
    }
    const flags = Object.entries(args).map(([name, value]) => `--${name}=${value}`)
    proxy = startEtcdProcess(['grpc-proxy', 'start', ...flags], { cwd: file('.') })
    await proxy.says((log) => log.includes('started gRPC proxy') || log.includes('gRPC proxy listening'))
    client = await shared.connect({ endpoints: `https://${address}`, dialTimeout: '20s' })
  })
  afterAll(async () => {
    await client[Symbol.asyncDispose]()
    await proxy.stop()
  })

  it('delivers the events of several watches on one stream, and cancels them', async () => {
    const seen = new Map<string, string[]>()
    const watch = async (key: string): Promise<{ cancel(): Promise<void> }> => {
      const watcher = await client.watch().key(key).create()
      const values: string[] = []
      seen.set(key, values)
      watcher.on('put', ({ value }) => values.push(value.toString()))
      return watcher
    }
    const watchers = await Promise.all(['w1', 'w2', 'w3'].map(watch))
    for (const value of ['1', '2', '3']) for (const key of seen.keys()) await client.put(key).value(value)
    await expect.poll(() => [...seen.values()]).toEqual([...seen.keys()].map(() => ['1', '2', '3']))
    await Promise.all(watchers.map((each) => each.cancel()))
  })

  it('runs transactions, and keeps a lease alive and revokes it', async () => {
    await client.put('a').value('1')
    const { succeeded } = await client.if('a', 'Value', '==', '1').then(client.put('a').value('2')).commit()
    expect([succeeded, await client.get('a').string()]).toEqual([true, '2'])
    const lease = client.lease(5)
    await lease.put('leased').value('x')
    await once(lease, 'keepaliveSucceeded')
    expect(await client.get('leased').string()).toBe('x')
    await lease.revoke()
    expect(await client.get('leased').string()).toBeNull()
  })
})
