/** Watches through nginx, which sends the answer to a create and the first events in one frame of HTTP/2. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../src/client/index.js'
import { sendsProgressInOrder } from '../../src/client/transport/health-check.js'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import { mintPki } from '../support/etcd.js'
import { INSTALLED } from '../support/etcd-version.js'
import { type Proxies, startNginx } from '../support/proxies.js'
import { proxyTo } from '../support/peers.js'

const pki = mintPki()
const WATCHES = 30
let etcd: TestEtcd
let nginx: Proxies<'nginx'>
let client: SecureEtcd3

beforeAll(async () => {
  etcd = await startEtcd({ server: pki.server })
  nginx = await startNginx(etcd.port, pki)
  client = await createSecureClient({ endpoints: nginx.endpoints.nginx, credentials: pki.client })
})

afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await nginx[Symbol.asyncDispose]()
  await etcd.close()
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
  await using proxy = await proxyTo(etcd.port)
  await using direct = await createSecureClient({ endpoints: proxy.endpoint, credentials: pki.client })
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const watcher = await direct.watch().key('quiet').create()
  vi.advanceTimersByTime(60_000)
  await client.put('other').value('0').exec()
  const { header } = await client.put('other').value('1').exec()
  // The second look finds the watch where the first one found it, and asks etcd for its progress.
  vi.advanceTimersByTime(60_000)
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
    expect(error.message).toContain('events were missed')
    return
  }
  const seen = once(watcher, 'put')
  await client.put('quiet').value('now').exec()
  const [{ value }] = (await seen) as [{ value: Buffer }]
  expect(value.toString()).toBe('now')
})
