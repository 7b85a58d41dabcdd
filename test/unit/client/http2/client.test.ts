/** A client over own frames, and servers that break HTTP/2. */
import { Socket } from 'node:net'
import { GRPCDeadlineExceededError } from 'etcd3'
import { describe, expect, it, vi } from 'vitest'
import { ErrorCode, FrameType } from '../../../../src/client/http2/protocol.js'
import { encodeSettings, Setting } from '../../../../src/client/http2/settings.js'
import { isGrpc } from '../../../../src/client/transport/health-check.js'
import { connector } from '../../../support/connector.js'
import { mintPki } from '../../../support/etcd.js'
import { emptyAnswerFrames, frame, framePeer, healthAnswerFrame, number } from '../../../support/http2-frames.js'
import { emptyAnswer, grpcPeer, serverTls, tlsPeer } from '../../../support/peers.js'
import { findingOf, refused } from '../../../support/refused.js'

const pki = mintPki()
const connect = connector({ credentials: pki.client })

describe('a server that does not choose h2 in the TLS handshake', () => {
  it('gets nothing, and the client explains that it does not speak HTTP/2', async () => {
    let received = 0
    await using peer = await tlsPeer(serverTls(pki.server, { ALPNProtocols: [] }), (socket) => {
      socket.on('data', (bytes: Buffer) => (received += bytes.length))
    })
    const { details } = await refused(connect([peer]), 'ERR_HANDSHAKE_FAILED')
    const { message } = findingOf(details.report.findings, 'endpoint/wrong-protocol')
    expect(message).toContain('but not HTTP/2 (it chose no protocol in the TLS handshake (ALPN), not h2)')
    expect(received).toBe(0)
  })
})

describe('a server that breaks HTTP/2 while it has a call', () => {
  it('gets a reset and no FIN, so that it cannot apply the rest of a failed write, and the outcome is unknown', async () => {
    await using peer = await framePeer(serverTls(pki.server), (stream, send) => {
      if (stream <= 3) send(healthAnswerFrame(stream))
      else send(frame(FrameType.PUSH_PROMISE, 0, stream, Buffer.alloc(4)))
    })
    const reset = vi.spyOn(Socket.prototype, 'resetAndDestroy')
    await using client = await connect([peer])
    const error: unknown = await client
      .put('a')
      .value('b')
      .exec()
      .catch((reason: unknown) => reason)
    expect(String((error as Error).cause)).toContain('The server broke HTTP/2: it sent a push, which was not allowed')
    // A server made with Node reads GOAWAY and the reset at once, and reports the end of the stream instead.
    await expect.poll(() => reset.mock.contexts).not.toEqual([])
    expect(reset.mock.contexts[0]).toMatchObject({ destroyed: true })
    reset.mockRestore()
  })
})

describe('a server that gives no window', () => {
  it('a server that gives no window holds up a write until its deadline, whose outcome is unknown, and no read on the same connection', async () => {
    let arrived = (): void => undefined
    const hasArrived = new Promise<void>((resolve) => (arrived = resolve))
    await using peer = await framePeer(serverTls(pki.server), (stream, send) => {
      if (stream === 1) send(frame(FrameType.SETTINGS, 0, 0, encodeSettings([[Setting.INITIAL_WINDOW_SIZE, 0]])))
      if (stream <= 3) send(healthAnswerFrame(stream))
      else if (stream === 5) arrived()
      else {
        send(frame(FrameType.WINDOW_UPDATE, 0, stream, number(1000)))
        send(emptyAnswerFrames(stream))
      }
    })
    await using client = await connect([peer])
    const put = client
      .put('a')
      .value('b')
      .options({ deadline: Date.now() + 1000 })
      .exec()
      .catch((error: unknown) => error)
    await hasArrived
    expect(await client.get('a').string()).toBeNull()
    const error = await put
    expect(error).toBeInstanceOf(GRPCDeadlineExceededError)
    expect(error).toMatchObject({ cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
  })
})

describe('a server that ends the connection with an error in GOAWAY', () => {
  const goaway = (last: number): Buffer => {
    const parts = [number(last), number(ErrorCode.ENHANCE_YOUR_CALM), Buffer.from('too_many_pings')]
    return frame(FrameType.GOAWAY, 0, 0, Buffer.concat(parts))
  }

  it('A GOAWAY is reported with its reason by the endpoint and by the calls that it had', async () => {
    await using server = await framePeer(serverTls(pki.server), (stream, send, socket) => {
      if (stream <= 3) send(healthAnswerFrame(stream))
      else socket.end(goaway(stream))
    })
    await using client = await connect([server])
    const events = client.tls.events()
    const reason = expect.stringContaining('GOAWAY ENHANCE_YOUR_CALM: too_many_pings') as string
    await expect(client.put('a').value('b').exec()).rejects.toMatchObject({ message: reason })
    const lost = { code: 'endpoint/lost', message: reason }
    expect(await events.next()).toMatchObject({ value: { status: { state: 'failed', findings: [lost] } } })
  })

  it('a server that ends the connection by GOAWAY and does not close it is refused before the dial times out, with its reason', async () => {
    await using server = await framePeer(serverTls(pki.server), (_stream, send) => {
      send(goaway(2 ** 31 - 1))
    })
    const { details } = await refused(connect([server], { dialTimeout: '10m' }), 'ERR_HANDSHAKE_FAILED')
    const { message } = findingOf(details.report.findings, 'endpoint/lost')
    expect(message).toContain('GOAWAY ENHANCE_YOUR_CALM: too_many_pings')
  })
})

it('a message of more than 4 KiB arrives whole, after its prefix', async () => {
  const received: Buffer[] = []
  const value = 'x'.repeat(50_000)
  await using server = await grpcPeer(pki.server, (stream) => {
    stream.on('data', (piece: Buffer) => received.push(piece))
    emptyAnswer(stream)
  })
  await using client = await connect([server])
  await client.put('a').value(value)
  await expect.poll(() => Buffer.concat(received).length).toBeGreaterThan(value.length)
  const bytes = Buffer.concat(received)
  expect([bytes[0], bytes.readUInt32BE(1)]).toEqual([0, bytes.length - 5])
  expect(bytes.includes(value)).toBe(true)
})

it.each([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['application/grpc; charset=utf-8', true],
  ['application/grpc-web', false],
  ['application/grpc-web+proto', false],
])('an answer of the type %s is gRPC: %s', (type, expected) => {
  expect(isGrpc({ 'content-type': type })).toBe(expected)
})
