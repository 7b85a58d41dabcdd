/** The ids of streams, of which a connection has 2^30. Here each starts shortly before own frames retire it. */
import { expect, it, vi } from 'vitest'
import { connector } from '../../support/connector.js'
import { mintPki } from '../../support/etcd.js'
import { emptyAnswer, grpcPeer } from '../../support/peers.js'

/** Streams of a connection before it is retired, those of the dial included. */
const STREAMS = 40
const RETIRED_AT = 2 ** 31 - 1 - 2 ** 20

vi.mock(import('../../../src/client/http2/frame-session.js'), async (original) => {
  const { FrameSession } = await original()
  class LateSession extends FrameSession {
    constructor(...[socket, listener]: ConstructorParameters<typeof FrameSession>) {
      super(socket, listener, { firstId: RETIRED_AT - 2 * STREAMS })
    }
  }
  return { FrameSession: LateSession }
})

it('a client dials another connection before the stream ids of one are used up, and no call fails or is lost', async () => {
  const pki = mintPki()
  const ids: number[] = []
  await using peer = await grpcPeer(pki.server, (stream) => {
    ids.push(Number(stream.id))
    setImmediate(() => {
      emptyAnswer(stream)
    })
  })
  await using client = await connector({ credentials: pki.client })([peer])
  for (let i = 0; i < 20; i += 1) await Promise.all(Array.from({ length: 20 }, () => client.get('a').string()))
  expect(ids).toHaveLength(400)
  expect(Math.max(...ids)).toBeGreaterThanOrEqual(RETIRED_AT)
  expect(Math.max(...ids)).toBeLessThan(RETIRED_AT + 1000)
  expect(peer.accepted).toBeGreaterThan(5)
  expect(peer.open).toBeLessThan(4)
})
