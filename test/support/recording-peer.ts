/** A gRPC peer that records the client certificate of each call. */
import type { ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Credentials } from '../../src/credentials/credentials.js'
import { type CallHandler, emptyAnswer, grpcPeer, type Peer, serverTls } from './peers.js'

export interface RecordingPeer extends Peer {
  /** The common name of the client certificate of each call, in order. */
  readonly names: string[]
  /** Calls on a connection that began with the session of another one. */
  readonly resumed: number
}

/** Answers every call. `trust`: the CAs of client certificates. Default: those of the server. */
export async function recordingPeer(
  server: Credentials,
  options: { trust?: Credentials; onCall?: CallHandler } = {},
): Promise<RecordingPeer> {
  const { trust = server, onCall = emptyAnswer } = options
  const names: string[] = []
  let resumed = 0
  const tls = serverTls(server, { ca: trust.trustAnchors.map((each) => each.toPem()) })
  const peer = await grpcPeer(tls, (stream, headers) => {
    const socket = socketOf(stream)
    // The client reads the version before a watch migrates; its user does not call that.
    if (headers[':path'] !== '/etcdserverpb.Maintenance/Status') {
      names.push(String(socket?.getPeerCertificate().subject.CN))
    }
    if (socket?.isSessionReused() === true) resumed += 1
    onCall(stream, headers)
  })
  return Object.defineProperties(peer, {
    names: { value: names },
    resumed: { get: () => resumed },
  }) as RecordingPeer
}

function socketOf(stream: ServerHttp2Stream): TLSSocket | undefined {
  return stream.session?.socket as TLSSocket | undefined
}
