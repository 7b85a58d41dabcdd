/** What a client leaves behind: nothing. The handles of a process are counted, so this file has one of its own. */
import { once } from 'node:events'
import { ClientClosedError, Etcd3, EtcdWatchStreamEnded } from 'etcd3'
import { describe, expect, it } from 'vitest'
import type { SecureEtcd3 } from '../../../src/client/index.js'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { emptyAnswer, grpcPeer, leaveOpen, proxyTo, refuseCall, silentPeer } from '../../support/peers.js'
import { refused } from '../../support/refused.js'

const pki = mintPki()
const WATCH = '/etcdserverpb.Watch/Watch'

const connect = connector({ credentials: pki.client, dialTimeout: '2s' })

/** Sockets and timers that hold the process, next to those of the test runner. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((each) => /TCP|TLS|Timeout|Immediate|GETADDR/.test(each))
}

function timers(): number {
  return handles().filter((each) => each === 'Timeout').length
}

describe('closing', () => {
  it.each<[string, (client: SecureEtcd3) => unknown]>([
    ['await using', (client) => client[Symbol.asyncDispose]()],
    [
      'close() twice',
      (client) => {
        client.close()
        client.close()
      },
    ],
  ])('closing by %s leaves no socket, timer or listener, and later calls are refused', async (_, close) => {
    await using peer = await grpcPeer(pki.server)
    const before = handles()
    const client = await connect([peer])
    expect(client).toBeInstanceOf(Etcd3)
    await client.get('a').string()
    expect(peer.open).toBe(1)
    await close(client)
    await expect(client.get('a').string()).rejects.toThrow(ClientClosedError)
    await expect.poll(() => peer.open).toBe(0)
    expect(client.tls.endpoints).toMatchObject([{ state: 'closed', findings: [] }])
    await refused(client.tls.probe(), 'ERR_CLOSED')
    await expect.poll(() => handles().length).toBeLessThanOrEqual(before.length + 1)
  })

  it('lets a request that was sent finish', async () => {
    let answerNow: () => void = () => undefined
    await using slow = await grpcPeer(pki.server, (stream) => {
      answerNow = () => {
        emptyAnswer(stream)
      }
    })
    const client = await connect([slow])
    const answer = client.get('a').string()
    const untouched = answerNow
    await expect.poll(() => answerNow).not.toBe(untouched)
    client.close()
    answerNow()
    expect(await answer).toBeNull()
    await expect.poll(() => slow.open).toBe(0)
  })

  it('ends the streams of watches and leases that were never ended, and leaves no timer', async () => {
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      if (headers[':path'] === '/etcdserverpb.Lease/LeaseGrant') emptyAnswer(stream)
      else leaveOpen(stream)
    })
    const before = handles()
    const timersBefore = timers()
    const client = await connect([peer])
    const watcher = client.watch().key('a').watcher()
    await once(watcher, 'connecting')
    const lease = client.lease(10)
    await once(lease, 'keepaliveEstablished')
    const disconnected = once(watcher, 'disconnected')
    const failed = once(lease, 'keepaliveFailed')
    await client[Symbol.asyncDispose]()
    expect(timers()).toBeLessThanOrEqual(timersBefore)
    await disconnected
    await failed
    await watcher.cancel()
    await expect.poll(() => handles().length).toBeLessThanOrEqual(before.length)
  })

  it('rejects watches that are pending, and watches that are created afterwards, also in namespaces', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    await using peer = await grpcPeer(pki.server, (stream) => {
      leaveOpen(stream)
    })
    const client = await connect([peer])
    const inner = client.namespace('a/').namespace('b/')
    const makers = [client, client.namespace('a/'), inner]
    const create = (): Promise<unknown>[] =>
      makers.flatMap((maker) => Array.from({ length: 4 }, () => maker.watch().key('k').create()))
    const pending = Promise.allSettled(create())
    await expect.poll(() => client.tls.endpoints[0]?.state).toBe('ready')
    const closed = client[Symbol.asyncDispose]()
    const outcomes = [...(await pending), ...(await Promise.allSettled(create()))]
    await closed
    expect(outcomes).toHaveLength(24)
    for (const each of outcomes) {
      expect(each).toMatchObject({ status: 'rejected', reason: expect.any(ClientClosedError) as Error })
    }
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })

  it('does not wait for the next attempt of a watch that was refused several times', async () => {
    let refusals = 0
    await using peer = await grpcPeer(pki.server, (stream, headers) => {
      // Next to the watch, the client asks whether the member has a leader.
      if (headers[':path'] !== WATCH) return
      refusals += 1
      if (refusals <= 4) refuseCall(stream, 14, 'etcdserver: no leader')
      else leaveOpen(stream)
    })
    await using client = await connect([peer])
    const watcher = client.watch().key('a').watcher()
    await expect.poll(() => refusals).toBeGreaterThanOrEqual(5)
    const before = timers()
    await client[Symbol.asyncDispose]()
    expect(timers()).toBeLessThanOrEqual(before)
    await watcher.cancel()
  })

  it('ends a rotation while the endpoints are dialled', async () => {
    await using peer = await grpcPeer(pki.server)
    await using silent = await silentPeer()
    const before = handles()
    let target = peer.port
    await using proxy = await proxyTo(() => target)
    const client = await connect([proxy])
    target = silent.port
    const rotation = client.tls.rotate(pki.issueClient())
    await expect.poll(() => silent.open).toBe(1)
    client.close()
    await refused(rotation, 'ERR_CLOSED')
    await expect.poll(() => [peer.open, silent.open, proxy.open]).toEqual([0, 0, 0])
    // The proxy itself listens.
    await expect.poll(() => handles().length).toBeLessThanOrEqual(before.length + 1)
    await refused(client.tls.rotate(), 'ERR_CLOSED')
  })
})

it('makes one attempt after each failure of a watch that is never established, without more timers over time', async () => {
  const watchBackoff = { duration: 10, next: () => watchBackoff }
  const peer = await grpcPeer(pki.server)
  await using client = await connect([peer], {
    preflight: 'none',
    dialTimeout: '50ms',
    etcd3: { faultHandling: { watchBackoff } },
  })
  await peer[Symbol.asyncDispose]()
  const before = timers()
  const failures: Error[] = []
  const watchers = [client.watch().key('a').watcher(), client.namespace('n/').watch().key('b').watcher()]
  for (const watcher of watchers) watcher.on('disconnected', (error) => failures.push(error))
  await expect.poll(() => failures.length).toBeGreaterThanOrEqual(16)
  expect(failures.filter((error) => error instanceof EtcdWatchStreamEnded)).toEqual([])
  expect(timers()).toBeLessThanOrEqual(before + 8)
})
