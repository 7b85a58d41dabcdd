/** The second connection to an endpoint, which carries the streams for which the first has no room. */
import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { TlsOptions } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureEtcd3 } from '../../../src/client/index.js'
import { mintPki } from '../../support/etcd.js'
import { emptyAnswer, grpcPeer, serverTls } from '../../support/peers.js'

const pki = mintPki()
const KEEP_ALIVE = '/etcdserverpb.Lease/LeaseKeepAlive'

interface Opened {
  readonly session: Http2Session
  readonly stream: ServerHttp2Stream
}

/** A client with an open keep-alive stream for each of two connections; the server accepts two streams on each. */
async function withTwo(work: (client: SecureEtcd3, streams: Opened[]) => Promise<void>): Promise<void> {
  const limited: TlsOptions = { ...serverTls(pki.server), ...{ settings: { maxConcurrentStreams: 2 } } }
  const streams: Opened[] = []
  await using peer = await grpcPeer(limited, (stream, headers) => {
    if (headers[':path'] !== KEEP_ALIVE) {
      emptyAnswer(stream)
      return
    }
    if (stream.session !== undefined) streams.push({ session: stream.session, stream })
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.resume()
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
  await expect.poll(() => new Set(streams.map(({ session }) => session)).size).toBe(2)
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

  it('ends both with the client', () =>
    withTwo(async (client, streams) => {
      await client[Symbol.asyncDispose]()
      await expect.poll(() => streams.map(({ session }) => session.destroyed)).not.toContain(false)
    }))
})
