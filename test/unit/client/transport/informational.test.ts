/** Informational responses (RFC 9110 section 15.2), of which HTTP/2 allows any number before an answer. */
import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { Flag, FrameType } from '../../../../src/client/http2/protocol.js'
import { isEtcdMtlsError } from '../../../../src/client/index.js'
import { connector } from '../../../support/connector.js'
import { mintPki } from '../../../support/etcd.js'
import { emptyAnswerFrames, frame, framePeer, healthAnswerFrame, statusHeader } from '../../../support/http2-frames.js'
import { type Peer, serverTls } from '../../../support/peers.js'
import { findingOf, refused } from '../../../support/refused.js'

const pki = mintPki()
function informational(stream: number, count: number, status: number): Buffer {
  const one = frame(FrameType.HEADERS, Flag.END_HEADERS, stream, statusHeader(status))
  return Buffer.concat(Array.from({ length: count }, () => one))
}

/** Sends them until the connection ends. */
function sendForever(stream: number, status: number, socket: TLSSocket): void {
  const many = informational(stream, 1000, status)
  const more = (): void => {
    while (!socket.destroyed && socket.write(many));
  }
  socket.on('drain', more)
  more()
}

/** Answers the first requests of a connection, the health check and the status; then each call by `onCall`. */
function peer(onCall: (stream: number, send: (bytes: Buffer) => void, socket: TLSSocket) => void): Promise<Peer> {
  return framePeer(serverTls(pki.server), (stream, send, socket) => {
    if (stream <= 3) send(healthAnswerFrame(stream))
    else onCall(stream, send, socket)
  })
}

/** The codes of an error and its causes. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  return [...(isEtcdMtlsError(error) ? [error.code] : []), ...codesOf(error.cause)]
}

describe('informational responses', () => {
  const connect = connector({ credentials: pki.client })

  it.each([100, 102, 103])(
    'a write ends with a typed error when the status %i arrives without an end',
    async (status) => {
      await using server = await peer((stream, _send, socket) => {
        sendForever(stream, status, socket)
      })
      await using client = await connect([server])
      const put = client.put('a').value('b').exec()
      const error: unknown = await put.catch((reason: unknown) => reason)
      expect(codesOf(error)).toEqual(['ERR_OUTCOME_UNKNOWN', 'ERR_ANSWER_INVALID'])
      expect((error as Error).message).toContain('more than 64 informational responses')
    },
  )

  it('a watch is interrupted with a typed error when they arrive without an end, and its connection is closed', async () => {
    const sockets: TLSSocket[] = []
    await using server = await peer((stream, _send, socket) => {
      sockets.push(socket)
      sendForever(stream, 103, socket)
    })
    await using client = await connect([server])
    const watcher = client.watch().key('a').watcher()
    const [error] = (await once(watcher, 'disconnected')) as [Error]
    expect(codesOf(error)).toEqual(['ERR_ANSWER_INVALID'])
    await expect.poll(() => sockets[0]?.destroyed).toBe(true)
    await watcher.cancel()
  })

  it('an endpoint that answers the health check only by them is refused before the dial times out', async () => {
    await using server = await framePeer(serverTls(pki.server), (stream, _send, socket) => {
      sendForever(stream, 103, socket)
    })
    const { details } = await refused(connect([server], { dialTimeout: '10m' }), 'ERR_HANDSHAKE_FAILED')
    const { message } = findingOf(details.report.findings, 'endpoint/lost')
    expect(message).toContain('more than 64 informational responses')
  })

  it('64 of them before an answer are accepted, and 65 are not', async () => {
    let count = 64
    await using server = await peer((stream, send) => {
      send(informational(stream, count, 103))
      send(emptyAnswerFrames(stream))
    })
    await using client = await connect([server])
    expect(await client.get('a').string()).toBeNull()
    count = 65
    const put = client.put('a').value('b').exec()
    const error: unknown = await put.catch((reason: unknown) => reason)
    expect(codesOf(error)).toEqual(['ERR_OUTCOME_UNKNOWN', 'ERR_ANSWER_INVALID'])
  })
})
