/** The second connection to an endpoint, which carries the streams for which the first has no room. */
import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { TlsOptions } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../src/client/index.js'
import { mintPki } from '../../support/etcd.js'
import {
  answerHealthCheck,
  answerWith,
  type CallHandler,
  emptyAnswer,
  grpcPeer,
  serverTls,
  statusOf,
} from '../../support/peers.js'

const pki = mintPki()
const KEEP_ALIVE = '/etcdserverpb.Lease/LeaseKeepAlive'

interface Opened {
  readonly session: Http2Session
  readonly stream: ServerHttp2Stream
}

/**
 * A client with two keep-alive streams, of which each of two connections has room for one: the server accepts two streams on each.
 *
 * @param ids Of the cluster and the member, for each connection.
 */
async function withTwo(
  work: (client: SecureEtcd3, streams: Opened[]) => Promise<void>,
  { carried = 2, ids = [] as readonly (readonly [cluster: bigint, member: bigint])[] } = {},
): Promise<void> {
  const limited: TlsOptions = { ...serverTls(pki.server), ...{ settings: { maxConcurrentStreams: 2 } } }
  const streams: Opened[] = []
  const onCall: CallHandler = (stream, headers) => {
    if (headers[':path'] !== KEEP_ALIVE) {
      emptyAnswer(stream)
      return
    }
    if (stream.session !== undefined) streams.push({ session: stream.session, stream })
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.resume()
  }
  let connections = 0
  await using peer = await grpcPeer(limited, onCall, answerHealthCheck, (stream) => {
    const [cluster, member] = ids[connections] ?? ids.at(-1) ?? [1n, 1n]
    connections += 1
    answerWith(stream, statusOf(cluster, member))
  })
  await using client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client })
  const kept = await Promise.all(
    [1, 2].map(async () => {
      const stream = await client.leaseClient.leaseKeepAlive()
      stream.on('error', () => undefined)
      // The same lease twice: the second request is over another stream, because the first has no answer.
      stream.write({ ID: '7' })
      return stream
    }),
  )
  await expect.poll(() => new Set(streams.map(({ session }) => session)).size).toBe(carried)
  await work(client, streams)
  for (const stream of kept) stream.cancel()
}

describe('an endpoint with two connections', () => {
  it.each([0, 1])(
    'stays ready without an event after a GOAWAY on connection %i, and a new one takes its place',
    (which) =>
      withTwo(async (client, streams) => {
        expect(client.tls.endpoints).toMatchObject([{ state: 'ready', connections: 2 }])
        const events: unknown[] = []
        void (async () => {
          for await (const event of client.tls.events()) events.push(event)
        })()
        const gone = streams[which]
        gone?.session.goaway(constants.NGHTTP2_NO_ERROR)
        gone?.stream.close(constants.NGHTTP2_CANCEL)
        for (let i = 0; i < 5; i += 1) await client.put('a').value('b').exec()
        await expect.poll(() => new Set(streams.map(({ session }) => session)).size).toBe(3)
        await client.put('a').value('b').exec()
        expect(client.tls.endpoints).toMatchObject([{ state: 'ready', connections: 2 }])
        expect(events).toEqual([])
      }),
  )

  it('stays ready without a finding if the second one leads to another member of the cluster, as behind a balancer', () =>
    withTwo(
      async (client) => {
        for (let i = 0; i < 5; i += 1) await client.put('a').value('b').exec()
        expect(client.tls.endpoints).toMatchObject([{ state: 'ready', connections: 2, findings: [] }])
      },
      {
        ids: [
          [0xaan, 1n],
          [0xaan, 2n],
        ],
      },
    ))

  it('opens no stream on a second one that leads to another cluster, and reports the limit', () =>
    withTwo(
      async (client, streams) => {
        const shortage = [{ code: 'endpoint/stream-limit' }]
        await expect.poll(() => client.tls.endpoints).toMatchObject([{ state: 'ready', findings: shortage }])
        for (let i = 0; i < 5; i += 1) await client.put('a').value('b').exec()
        expect(client.tls.endpoints).toMatchObject([{ state: 'ready', connections: 1 }])
        expect(streams).toHaveLength(1)
      },
      {
        carried: 1,
        ids: [
          [0xaan, 1n],
          [0xbbn, 1n],
        ],
      },
    ))

  it('ends both with the client', () =>
    withTwo(async (client, streams) => {
      await client[Symbol.asyncDispose]()
      await expect.poll(() => streams.map(({ session }) => session.destroyed)).not.toContain(false)
    }))
})
