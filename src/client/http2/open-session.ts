/** Opens HTTP/2 on a verified TLS socket. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { FrameSession } from './frame-session.js'
import type { Http2Implementation } from './implementations.js'
import { NodeSession } from './node-session.js'
import type { Http2Session, SessionListener } from './protocol.js'

/** @param raw The TCP socket below. */
export function openSession(
  implementation: Http2Implementation,
  socket: TLSSocket,
  raw: Socket,
  listener: SessionListener,
): Http2Session {
  return implementation === 'frames' ? new FrameSession(socket, listener) : new NodeSession(socket, raw, listener)
}
