/** The streams that leases share: one of them on its own, and those of a client on the wire. */
import type { ServerHttp2Stream } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../../../src/client/index.js'
import { KeepAliveResumer } from '../../../../src/client/streams/keep-alive-streams.js'
import { Grants } from '../../../../src/client/streams/lease-keeper.js'
import type { StreamAttempt } from '../../../../src/client/streams/stream-attempt.js'
import { frameMessage } from '../../../../src/client/transport/framing.js'
import { bytesField, int64At, int64Field } from '../../../../src/client/transport/protobuf.js'
import { mintPki } from '../../../support/etcd.js'
import { answerToken, emptyAnswer, grpcPeer, refuseCall } from '../../../support/peers.js'

describe('a resumed keep-alive stream', () => {
  it('the ninth denial in a row in an older term is passed on, as after a restore from a snapshot', () => {
    const grants = new Grants()
    grants.grantedIn(5n)
    const delivered: Buffer[] = []
    let failed = 0
    const attempt = {
      send: () => undefined,
      expectAnswer: () => undefined,
      fail: () => (failed += 1),
    } as unknown as StreamAttempt
    const resumer = new KeepAliveResumer(grants)
    resumer.request(7n, int64Field(1, 7n), { receive: (each) => delivered.push(each), end: () => undefined })
    const denial = Buffer.concat([bytesField(1, int64Field(4, 2n)), int64Field(2, 7n)])
    for (let turn = 1; turn <= 9; turn += 1) {
      resumer.begin(attempt)
      resumer.incoming(denial, attempt)
      expect([failed, delivered.length]).toEqual(turn < 9 ? [turn, 0] : [8, 1])
    }
  })
})

const pki = mintPki()

/** What the server has of one stream: the leases in the order of their requests. */
interface ServerStream {
  readonly asked: bigint[]
  readonly token: unknown
  answer(lease: bigint): void
  end(code: number, message: string): void
}

/** A server that opens streams of keep-alives, for a client of it. */
async function withStreams(
  work: (client: SecureEtcd3, streams: ServerStream[]) => Promise<void>,
  onRequest: (lease: bigint, stream: ServerStream) => void = (lease, stream) => {
    stream.answer(lease)
  },
  options: Partial<SecureClientOptions> = {},
): Promise<void> {
  const streams: ServerStream[] = []
  let logins = 0
  const accept = (stream: ServerHttp2Stream, token: unknown): void => {
    let trailers = {}
    const opened: ServerStream = {
      asked: [],
      token,
      answer: (lease) => stream.write(frameMessage(Buffer.concat([int64Field(2, lease), int64Field(3, 5n)]))),
      end: (code, message) => {
        trailers = { 'grpc-status': String(code), 'grpc-message': message }
        stream.end()
      },
    }
    streams.push(opened)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => {
      stream.sendTrailers(trailers)
    })
    let rest = Buffer.alloc(0)
    stream.on('data', (piece: Buffer) => {
      rest = Buffer.concat([rest, piece])
      for (let length = 5; rest.length >= 5 && rest.length >= (length = 5 + rest.readUInt32BE(1));) {
        const lease = int64At(rest.subarray(5, length), 1)
        rest = rest.subarray(length)
        opened.asked.push(lease)
        onRequest(lease, opened)
      }
    })
  }
  await using peer = await grpcPeer(pki.server, (stream, headers) => {
    const { ':path': path, token } = headers
    if (path === '/etcdserverpb.Lease/LeaseKeepAlive') accept(stream, token)
    else if (path === '/etcdserverpb.Auth/Authenticate') answerToken(stream, `token-${String((logins += 1))}`)
    else if (token === 'token-1') refuseCall(stream, 16, 'etcdserver: invalid auth token')
    else emptyAnswer(stream)
  })
  await using client = await createSecureClient({ endpoints: peer.endpoint, credentials: pki.client, ...options })
  await work(client, streams)
}

/** Sends a keep-alive over a stream of its own, as a lease keeper does. */
async function renew(client: SecureEtcd3, lease: string) {
  const stream = await client.leaseClient.leaseKeepAlive()
  const answers: string[] = []
  const errors: string[] = []
  stream
    .on('data', ({ ID }: { ID: string }) => answers.push(ID))
    .on('error', ({ message }: Error) => errors.push(message))
  stream.write({ ID: lease })
  return { stream, answers, errors }
}

describe('the keep-alives of a client', () => {
  it('the leases of a client share streams, seven for 100 of them, and each gets its own answers', () =>
    withStreams(async (client, streams) => {
      const leases = await Promise.all(Array.from({ length: 100 }, (_, i) => renew(client, String(i + 1))))
      await expect.poll(() => leases.map(({ answers }) => answers.join())).toEqual(leases.map((_, i) => String(i + 1)))
      expect(streams).toHaveLength(7)
      for (const { stream } of leases) stream.end()
    }))

  it('sends all again at once when a stream ends for an error, the one that caused it last', async () => {
    let ended = 0
    await withStreams(
      async (client, streams) => {
        const leases = await Promise.all(Array.from({ length: 5 }, (_, i) => renew(client, String(i + 1))))
        await expect.poll(() => leases.map(({ answers }) => answers.length)).toEqual([1, 1, 1, 1, 1])
        expect(streams.map(({ asked }) => asked)).toEqual([
          [1n, 2n, 3n, 4n, 5n],
          [3n, 4n, 5n, 2n],
        ])
        expect(leases.flatMap(({ errors }) => errors)).toEqual([])
        for (const { stream } of leases) stream.end()
      },
      (lease, stream) => {
        if (lease === 2n && ended === 0) {
          setTimeout(() => {
            ended += 1
            stream.end(14, 'etcdserver: request timed out')
          }, 50)
        } else if (ended > 0 || lease === 1n) stream.answer(lease)
      },
    )
  })

  it('ends each lease with the error that repeats, and a new one of a lease goes over another stream', () =>
    withStreams(
      async (client, streams) => {
        const [one, other] = await Promise.all([renew(client, '1'), renew(client, '2')])
        await expect
          .poll(() => [one.errors, other.errors].flat())
          .toEqual(Array.from({ length: 2 }, () => expect.stringContaining('refused') as string))
        expect(streams).toHaveLength(1)
        await renew(client, '1')
        await expect.poll(() => streams).toHaveLength(2)
      },
      (_lease, stream) => {
        stream.end(9, 'refused')
      },
    ))

  it('sends a second request of a lease over another stream while an answer is due, which is not taken for that of a later one', () =>
    withStreams(
      async (client, streams) => {
        const other = await renew(client, '1')
        const first = await renew(client, '7')
        await expect.poll(() => streams[0]?.asked).toEqual([1n, 7n])
        const second = await renew(client, '7')
        await expect.poll(() => streams[1]?.asked).toEqual([7n])
        first.stream.cancel()
        const third = await renew(client, '7')
        await expect.poll(() => streams[2]?.asked).toEqual([7n])
        streams[0]?.answer(7n)
        streams[0]?.answer(1n)
        await expect.poll(() => other.answers).toEqual(['1'])
        expect([first, second, third].map(({ answers }) => answers)).toEqual([[], [], []])
        for (const { stream } of [other, second, third]) stream.cancel()
      },
      () => undefined,
    ))

  it('a lease that is kept alive after another login has a stream with its token, and the others keep theirs', () =>
    withStreams(
      async (client, streams) => {
        const early = await renew(client, '1')
        await expect.poll(() => early.answers).toEqual(['1'])
        // The first token is refused, so the client logs in again.
        await client.put('a').value('b').exec()
        const late = await renew(client, '2')
        early.stream.write({ ID: '1' })
        await expect.poll(() => [early.answers, late.answers]).toEqual([['1', '1'], ['2']])
        const seen = streams.map(({ token, asked }) => ({ token, asked }))
        expect(seen).toEqual([
          { token: 'token-1', asked: [1n, 1n] },
          { token: 'token-2', asked: [2n] },
        ])
        for (const { stream } of [early, late]) stream.end()
      },
      undefined,
      { auth: { username: 'alice', password: 'secret' } },
    ))
})
