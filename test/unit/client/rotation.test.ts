/** Going over to new credentials under a client that lives, against small TLS peers. */
import type { ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createSecureClient, type SecureClientOptions, type SecureEtcd3 } from '../../../src/client/index.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { mintPki } from '../../support/etcd.js'
import { type CallHandler, emptyAnswer, grpcPeer, type Peer, serverTls } from '../../support/peers.js'

const pki = mintPki()
const alice = pki.issueClient({ subject: 'alice' })
const bob = pki.issueClient({ subject: 'bob' })

interface Witness extends Peer {
  /** The common name of the client certificate under each call, in order. */
  readonly names: string[]
}

/** A peer that answers every call, and writes down whose certificate it came under. */
async function witness(
  options: {
    server?: Credentials
    trust?: Credentials
    onCall?: CallHandler
  } = {},
): Promise<Witness> {
  const { server = pki.server, trust = server, onCall = emptyAnswer } = options
  const names: string[] = []
  const tls = serverTls(server, { ca: trust.trustAnchors.map((each) => each.toPem()) })
  const peer = await grpcPeer(tls, (stream, headers) => {
    names.push(commonName(stream))
    onCall(stream, headers)
  })
  return Object.defineProperty(peer, 'names', { value: names }) as Witness
}

function commonName(stream: ServerHttp2Stream): string {
  const socket = stream.session?.socket as TLSSocket | undefined
  return String(socket?.getPeerCertificate().subject.CN)
}

function connect(peers: readonly Peer[], options: Partial<SecureClientOptions> = {}): Promise<SecureEtcd3> {
  const endpoints = peers.map((each) => each.endpoint)
  return createSecureClient({ endpoints, credentials: alice, dialTimeout: '2s', ...options })
}

describe('rotate', () => {
  it('goes over to the new credentials: calls that start afterwards carry them, and the old connection ends', async () => {
    await using peer = await witness()
    await using client = await connect([peer])
    await client.get('a').string()
    const report = await client.tls.rotate(bob)
    expect(report).toMatchObject({ ok: true, path: [{ subject: 'CN=bob' }, { role: 'anchor' }] })
    expect(client.tls.report.path[0]?.subject).toBe('CN=bob')
    for (let i = 0; i < 3; i += 1) await client.get('a').string()
    expect(peer.names).toEqual(['alice', 'bob', 'bob', 'bob'])
    await expect.poll(() => peer.open).toBe(1)
    expect(peer.accepted).toBe(2)
  })
})
