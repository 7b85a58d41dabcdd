/** After a failure every call still knows why. Plain etcd3 says it once, and then only that its circuit is open. */
import { once } from 'node:events'
import { EtcdPermissionDeniedError, GRPCUnavailableError } from 'etcd3'
import { describe, expect, it } from 'vitest'
import { createSecureClient, isEtcdMtlsError, type SecureEtcd3 } from '../../../src/client/index.js'
import { mintPki } from '../../support/etcd.js'
import { grpcPeer, refuseCall, serverTls, silentPeer, type Peer } from '../../support/peers.js'
import { errorCodes } from '../../support/refused.js'

const pki = mintPki()
const foreign = mintPki('Foreign root')

/** A server whose CA the client does not trust. */
function untrustedPeer(): Promise<Peer> {
  return grpcPeer(serverTls(foreign.server, { rejectUnauthorized: false }), (stream) => {
    refuseCall(stream, 2, 'must not be reached')
  })
}

function connect(peer: Peer): Promise<SecureEtcd3> {
  return createSecureClient({
    endpoints: peer.endpoint,
    credentials: pki.client,
    preflight: 'none',
    dialTimeout: '2s',
  })
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    () => new Error('It should have been rejected'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error('Rejected with no error')
  return error
}

/** The codes of the errors in the report that an error's cause carries. */
function causes(error: Error): string[] {
  const { cause } = error
  if (!isEtcdMtlsError(cause) || !('report' in cause.details)) return []
  return errorCodes(cause.details.report.findings)
}

describe('the cause of a rejected call', () => {
  it('is the same for the tenth call as for the first, with the error class that etcd3 has for it', async () => {
    await using peer = await untrustedPeer()
    await using client = await connect(peer)
    for (let i = 0; i < 10; i += 1) {
      const error = await rejection(client.get('a').string())
      expect(error).toBeInstanceOf(GRPCUnavailableError)
      expect(isEtcdMtlsError(error.cause, 'ERR_HANDSHAKE_FAILED')).toBe(true)
      expect(causes(error)).toContain('chain/root-not-trusted')
    }
  })

  it('explains concurrent calls separately', async () => {
    await using peer = await grpcPeer(serverTls(pki.server), (stream, headers) => {
      const denied = String(headers[':path']).endsWith('/Put')
      stream.on('data', () => undefined)
      refuseCall(stream, denied ? 7 : 3, denied ? 'etcdserver: permission denied' : 'etcdserver: user name is empty')
    })
    await using client = await connect(peer)
    const calls = Array.from({ length: 20 }, (_, i) =>
      rejection(
        i % 2 === 0
          ? client
              .put(`key-${String(i)}`)
              .value('secret value')
              .exec()
          : client.get('a').string(),
      ),
    )
    for (const [i, error] of (await Promise.all(calls)).entries()) {
      expect(isEtcdMtlsError(error.cause, 'ERR_ACCESS_DENIED')).toBe(true)
      expect(causes(error)).toEqual([i % 2 === 0 ? 'access/permission-denied' : 'access/no-user'])
      if (i % 2 !== 0) continue
      expect(error).toBeInstanceOf(EtcdPermissionDeniedError)
      expect(JSON.stringify(error.cause)).toContain(`"key-${String(i)}"`)
      expect(JSON.stringify([error.message, error.cause])).not.toContain('secret value')
    }
  })

  it('is not enumerable, and a call that etcd answers otherwise has none', async () => {
    await using peer = await grpcPeer(serverTls(pki.server), (stream) => {
      stream.on('data', () => undefined)
      refuseCall(stream, 3, 'etcdserver: key is not provided')
    })
    await using client = await connect(peer)
    const error = await rejection(client.get('a').string())
    expect(error.cause).toBeUndefined()
    expect(Object.keys(error)).not.toContain('cause')
  })

  it('is there with a policy of the user’s own, too', async () => {
    await using peer = await untrustedPeer()
    let ran = 0
    await using client = await createSecureClient({
      endpoints: peer.endpoint,
      credentials: pki.client,
      preflight: 'none',
      etcd3: {
        faultHandling: {
          host: () =>
            ({
              onSuccess: () => ({ dispose: () => undefined }),
              onFailure: () => ({ dispose: () => undefined }),
              execute: async (work: (context: { signal: AbortSignal }) => unknown) => {
                ran += 1
                await Promise.resolve()
                return work({ signal: new AbortController().signal })
              },
            }) as never,
        },
      },
    })
    expect(causes(await rejection(client.get('a').string()))).toContain('chain/root-not-trusted')
    expect(ran).toBeGreaterThan(0)
  })
})

describe('watches and leases of a client that is refused', () => {
  it('a watch rejects instead of looking for a connection for ever', async () => {
    await using peer = await untrustedPeer()
    await using client = await connect(peer)
    for (const watch of [
      client.watch(),
      client.namespace('a/').watch(),
      client.namespace('a/').namespace('b/').watch(),
    ]) {
      const error = await rejection(watch.key('x').create())
      expect(error).toBeInstanceOf(GRPCUnavailableError)
      expect(causes(error)).toContain('chain/root-not-trusted')
    }
  })

  it('a watch on endpoints that do not answer yet goes on looking', async () => {
    const peer = await silentPeer()
    await peer[Symbol.asyncDispose]()
    await using client = await connect(peer)
    const watcher = client.watch().key('x').watcher()
    const told = once(watcher, 'disconnected') as Promise<[Error]>
    expect(causes((await told)[0])).toEqual(['endpoint/unreachable'])
    expect(watcher.listenerCount('disconnected')).toBe(0)
    await watcher.cancel()
  })

  it('a lease reports why it was lost', async () => {
    await using peer = await untrustedPeer()
    await using client = await connect(peer)
    const lease = client.lease(10)
    const [error] = (await once(lease, 'lost')) as [Error]
    expect(causes(error)).toContain('chain/root-not-trusted')
    await rejection(lease.grant())
  })
})
