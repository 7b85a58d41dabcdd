/** A gRPC peer that writes down whose certificate each connection and each call came under. */
import type { ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Credentials } from '../../src/credentials/credentials.js'
import { type CallHandler, emptyAnswer, grpcPeer, type Peer, serverTls } from './peers.js'

export interface WitnessPeer extends Peer {
  /** The common name of the client certificate under each call, in order. */
  readonly names: string[]
  /** Calls on a connection that began with the session of another one. */
  readonly resumed: number
}

/** Answers every call. `trust`: whose CAs the client's certificate may come from; by default the server's own. */
export async function witnessPeer(
  server: Credentials,
  options: { trust?: Credentials; onCall?: CallHandler } = {},
): Promise<WitnessPeer> {
  const { trust = server, onCall = emptyAnswer } = options
  const names: string[] = []
  let resumed = 0
  const tls = serverTls(server, { ca: trust.trustAnchors.map((each) => each.toPem()) })
  const peer = await grpcPeer(tls, (stream, headers) => {
    const socket = socketOf(stream)
    // The client asks for the version when a watch is about to migrate; that is not a call of its user.
    if (headers[':path'] !== '/etcdserverpb.Maintenance/Status') {
      names.push(String(socket?.getPeerCertificate().subject.CN))
    }
    if (socket?.isSessionReused() === true) resumed += 1
    onCall(stream, headers)
  })
  return Object.defineProperties(peer, {
    names: { value: names },
    resumed: { get: () => resumed },
  }) as WitnessPeer
}

// Node returns a proxy of the socket, which stands for it.
function socketOf(stream: ServerHttp2Stream): TLSSocket | undefined {
  return stream.session?.socket as TLSSocket | undefined
}
