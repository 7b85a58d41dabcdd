import { expect, it, vi } from 'vitest'
import { FrameSession } from '../../../../src/client/http2/frame-session.js'
import { FrameType } from '../../../../src/client/http2/protocol.js'
import { healthCheck } from '../../../../src/client/transport/health-check.js'
import { Http2Peer } from '../../../support/http2-frames.js'

const ignore = (): void => undefined

it('sends the first request in one piece with the preface, before etcd can close the connection', async () => {
  const peer = new Http2Peer()
  const write = vi.spyOn(peer.socket, 'write')
  // As when the TLS handshake ends: in a callback of the event loop, not in a promise.
  const [session, health] = await new Promise<[FrameSession, Promise<unknown>]>((resolve) => {
    setImmediate(() => {
      const opened = new FrameSession(peer.socket, { onSettings: ignore, onGoaway: ignore, onClose: ignore })
      resolve([opened, healthCheck({ host: 'a', request: (...args) => opened.request(...args) })])
    })
  })
  await peer.next(FrameType.HEADERS)
  expect(write).toHaveBeenCalledTimes(1)
  const ended = expect(health).rejects.toThrow()
  session.destroy()
  await ended
})
