/** The option refreshEndpoints: endpoints of a live client follow DNS, or the cluster's own member list. */
import { describe, expect, it } from 'vitest'
import { connectSecurely } from '../../../src/client/create-secure-client.js'
import { createSecureClient, type SecureEtcd3, type TlsEvent } from '../../../src/client/index.js'
import { endpointsOf } from '../../../src/client/discovery.js'
import { frameMessage } from '../../../src/client/transport/framing.js'
import { bytesField } from '../../../src/client/transport/protobuf.js'
import { mintPki } from '../../support/etcd.js'
import { type CallHandler, answerWith, emptyAnswer, grpcPeer, type Peer, serverTls } from '../../support/peers.js'

const pki = mintPki()

function urlsOf({ tls }: SecureEtcd3): string[] {
  return tls.endpoints.map(({ endpoint }) => endpoint)
}

function startPeer(onCall: CallHandler = emptyAnswer): Promise<Peer> {
  return grpcPeer(serverTls(pki.server), onCall)
}

/** MemberListResponse: members (2), each with its client URLs (4) (etcd api/etcdserverpb/rpc.proto). */
function memberList(urls: readonly string[]): Buffer {
  return frameMessage(Buffer.concat(urls.map((each) => bytesField(2, bytesField(4, Buffer.from(each))))))
}

describe('refreshEndpoints', () => {
  it('follows DNS, and keeps what it has while DNS gives nothing', async () => {
    await using one = await startPeer()
    await using two = await startPeer()
    let ports = [one.port]
    let looks = 0
    const lookup = (record: string): Promise<{ name: string; port: number; priority: number; weight: number }[]> => {
      looks += 1
      const found = record.includes('-ssl') ? ports : []
      return Promise.resolve(found.map((port) => ({ name: 'localhost', port, priority: 0, weight: 0 })))
    }
    const discovery = { domain: 'localhost' }
    await using client = await connectSecurely({ discovery, credentials: pki.client, refreshEndpoints: '1s' }, lookup)
    const [first] = urlsOf(client)
    const failures: TlsEvent[] = []
    void (async () => {
      for await (const event of client.tls.events()) if (event.type === 'refresh-failed') failures.push(event)
    })()
    ports = []
    const before = looks
    await expect.poll(() => looks, { timeout: 20_000 }).toBeGreaterThan(before)
    await expect
      .poll(() => failures[0], { timeout: 20_000 })
      .toMatchObject({ retryIn: 1000, error: { code: 'ERR_UNREACHABLE' } })
    expect(urlsOf(client)).toEqual([first])
    ports = [two.port]
    await expect.poll(() => urlsOf(client), { timeout: 20_000 }).toEqual([`https://localhost:${String(two.port)}`])
    await expect.poll(() => one.open).toBe(0)
    expect(await client.get('a').string()).toBeNull()
  })

  it('follows the member list of the cluster, and leaves without a trace', async () => {
    await using two = await startPeer()
    let urls: string[] = []
    await using one = await startPeer((stream, headers) => {
      if (headers[':path'] !== '/etcdserverpb.Cluster/MemberList') {
        emptyAnswer(stream)
        return
      }
      answerWith(stream, memberList(urls))
    })
    urls = [one.endpoint, two.endpoint]
    const client = await createSecureClient({
      endpoints: one.endpoint,
      credentials: pki.client,
      refreshEndpoints: '1s',
    })
    await expect.poll(() => urlsOf(client), { timeout: 20_000 }).toEqual(urls)
    expect([one.accepted, two.accepted]).toEqual([1, 1])
    await client[Symbol.asyncDispose]()
    expect([one.open, two.open]).toEqual([0, 0])
  })

  it('reports a cluster that never answers, and keeps what it has', async () => {
    await using one = await startPeer((stream, headers) => {
      if (headers[':path'] !== '/etcdserverpb.Cluster/MemberList') emptyAnswer(stream)
    })
    await using client = await createSecureClient({
      endpoints: one.endpoint,
      credentials: pki.client,
      refreshEndpoints: '1s',
      dialTimeout: '3s',
    })
    const failures: TlsEvent[] = []
    void (async () => {
      for await (const event of client.tls.events()) if (event.type === 'refresh-failed') failures.push(event)
    })()
    await expect.poll(() => failures.length).toBeGreaterThan(0)
    expect(urlsOf(client)).toEqual([one.endpoint])
  })

  it('takes voting members with TLS alone', () => {
    const members = [
      { clientURLs: ['https://a:2379', 'http://a:2378'], isLearner: false },
      { clientURLs: ['https://b:2379'], isLearner: true },
      { clientURLs: [], isLearner: false },
    ]
    expect(endpointsOf(members).map(({ url }) => url)).toEqual(['https://a:2379'])
    expect(endpointsOf([])).toEqual([])
    const many = Array.from({ length: 1000 }, (_, index) => `https://a:${String(index + 1)}`)
    expect(endpointsOf([{ clientURLs: many, isLearner: false }])).toHaveLength(100)
  })

  it.each(['999ms', 'often', 5])('refuses %s', async (refreshEndpoints) => {
    const options = {
      endpoints: 'https://a:2379',
      credentials: pki.client,
      refreshEndpoints: refreshEndpoints as string,
    }
    await expect(createSecureClient(options)).rejects.toMatchObject({
      code: 'ERR_OPTION_INVALID',
      details: { option: 'refreshEndpoints' },
    })
  })
})
