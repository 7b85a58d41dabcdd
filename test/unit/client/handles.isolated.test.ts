/** What a client leaves behind: nothing. The handles of a process are counted, so this file has one of its own. */
import { once } from 'node:events'
import { ClientClosedError, Etcd3, EtcdWatchStreamEnded } from 'etcd3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { emptyAnswer, grpcPeer, type Peer, proxyTo, refuseCall, serverTls, silentPeer } from '../../support/peers.js'
import { refused } from '../../support/refused.js'

const pki = mintPki()
const WATCH = '/etcdserverpb.Watch/Watch'

function goodPeer(): Promise<Peer> {
  return grpcPeer(serverTls(pki.server), emptyAnswer)
}

const connect = connector({ credentials: pki.client, dialTimeout: '2s' })

/** Sockets and timers that hold the process, next to those of the test runner. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((each) => /TCP|TLS|Timeout|Immediate|GETADDR/.test(each))
}

/** Waits until no more handles are there than before. */
async function settled(before: readonly string[]): Promise<void> {
  await expect.poll(() => handles().length).toBeLessThanOrEqual(before.length)
}

describe('closing', () => {
  let peer: Peer
  beforeEach(async () => {
    peer = await goodPeer()
  })
  afterEach(async () => {
    await peer[Symbol.asyncDispose]()
  })

  it('await using leaves no socket, timer or listener', async () => {
    const before = handles()
    {
      await using client = await connect([peer])
      expect(client).toBeInstanceOf(Etcd3)
      await client.get('a').string()
      expect(peer.open).toBe(1)
    }
    // The client's own end is gone by now; the server's follows.
    await expect.poll(() => peer.open).toBe(0)
    await settled(before)
  })

  it('close() does the same, twice as well as once, and later calls are refused', async () => {
    const before = handles()
    const client = await connect([peer])
    client.close()
    client.close()
    await expect(client.get('a').string()).rejects.toThrow(ClientClosedError)
    await expect.poll(() => peer.open).toBe(0)
    expect(client.tls.endpoints).toMatchObject([{ state: 'closed', findings: [] }])
    await refused(client.tls.probe(), 'ERR_CLOSED')
    await settled(before)
  })

  it('lets a request that was sent come to its end', async () => {
    let answerNow: () => void = () => undefined
    await using slow = await grpcPeer(serverTls(pki.server), (stream) => {
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
})

describe('closing with a watch or a lease that was never ended', () => {
  it('ends their streams and leaves no timer', async () => {
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      if (headers[':path'] === '/etcdserverpb.Lease/LeaseGrant') emptyAnswer(stream)
      else stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    })
    const before = handles()
    const timers = (): number => handles().filter((each) => each === 'Timeout').length
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
    await settled(before)
  })
})

describe('closing while a watch has had a hard time coming about', () => {
  it('does not wait for its next attempt, which would be a long way off', async () => {
    let refusals = 0
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      // Next to the watch, the client asks whether the member has a leader.
      if (headers[':path'] !== WATCH) return
      refusals += 1
      if (refusals <= 4) refuseCall(stream, 14, 'etcdserver: no leader')
      else stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    })
    const timers = (): number => handles().filter((each) => each === 'Timeout').length
    await using client = await connect([peer])
    const watcher = client.watch().key('a').watcher()
    await expect.poll(() => refusals).toBeGreaterThanOrEqual(5)
    const before = timers()
    await client[Symbol.asyncDispose]()
    expect(timers()).toBeLessThanOrEqual(before)
    await watcher.cancel()
  })
})

describe('a watch that never comes about', () => {
  it('makes one attempt after each failure, and no more timers the longer it takes', async () => {
    const watchBackoff = { duration: 10, next: () => watchBackoff }
    const peer = await goodPeer()
    await using client = await connect([peer], {
      preflight: 'none',
      dialTimeout: '50ms',
      etcd3: { faultHandling: { watchBackoff } },
    })
    await peer[Symbol.asyncDispose]()
    const timers = (): number => handles().filter((each) => each === 'Timeout').length
    const before = timers()
    const failures: Error[] = []
    const watchers = [client.watch().key('a').watcher(), client.namespace('n/').watch().key('b').watcher()]
    for (const watcher of watchers) watcher.on('disconnected', (error) => failures.push(error))
    await expect.poll(() => failures.length).toBeGreaterThanOrEqual(16)
    expect(failures.filter((error) => error instanceof EtcdWatchStreamEnded)).toEqual([])
    expect(timers()).toBeLessThanOrEqual(before + 8)
  })
})

describe('closing during a rotation', () => {
  it('ends it while the endpoints are dialled', async () => {
    await using peer = await goodPeer()
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
